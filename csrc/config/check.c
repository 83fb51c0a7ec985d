/* Decides whether a client can be made from a set of options. */
#include <string.h>

#include "config.h"
#include "source.h"
#include "url.h"

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Two letters and 32 hex digits (Twilio docs, "String Identifier"). */
static bool is_sid(tsms_str text, const char *prefix)
{
    if (text.len != 34 || memcmp(text.ptr, prefix, 2) != 0) {
        return false;
    }
    for (size_t i = 2; i < text.len; i++) {
        char c = text.ptr[i];
        if (!is_alnum(c) || (c > 'F' && c < 'a') || c > 'f') {
            return false;
        }
    }
    return true;
}

static tsms_status invalid(tsms_error *err, const char *key, const char *text)
{
    return tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "option '%s' %s", key, text);
}

static tsms_status check_account(const tsms_config *config, tsms_error *err)
{
    const tsms_kind kind = TSMS_KIND_INVALID_ACCOUNT_SID;
    tsms_str sid = tsms_str_from(config->account_sid);
    if (sid.ptr == NULL) {
        return tsms__error_set(err, kind,
                               "option 'account_sid' is missing; the Twilio Console shows it, and "
                               "in the environment it is TWILIO_ACCOUNT_SID");
    }
    if (is_sid(sid, "SK")) {
        return tsms__error_set(
            err, kind,
            "option 'account_sid' holds an API key (SK...); set that as api_key, and the account's "
            "own SID (AC...) here");
    }
    if (!is_sid(sid, "AC")) {
        return tsms__error_set(err, kind,
                               "option 'account_sid' must be AC and 32 hex digits, got %zu bytes; "
                               "copy it from the Twilio Console",
                               sid.len);
    }
    return TSMS_OK;
}

/* Twilio's tokens are 32 hex digits and its API secrets 32 letters and digits, but neither is
 * promised; so this only finds what people do wrong when they copy one. */
static tsms_status check_secret(const char *key, tsms_str secret, tsms_error *err)
{
    const tsms_kind kind = TSMS_KIND_INVALID_AUTH_TOKEN;
    for (size_t i = 0; i < secret.len; i++) {
        if (secret.ptr[i] <= 0x20 || secret.ptr[i] >= 0x7F) {
            return tsms__error_set(err, kind,
                                   "option '%s' holds a space or another character that no secret "
                                   "has; copy it again",
                                   key);
        }
    }
    if (is_sid(secret, "AC") || is_sid(secret, "SK")) {
        return tsms__error_set(err, kind,
                               "option '%s' holds a SID (AC... or SK...); copy the secret that the "
                               "Twilio Console shows "
                               "beside it",
                               key);
    }
    if (secret.len > 0 && (secret.ptr[0] == '"' || secret.ptr[0] == '\'')) {
        return tsms__error_set(err, kind, "option '%s' begins with a quote; leave the quotes out",
                               key);
    }
    if (secret.len < 16 || secret.len > 128) {
        return tsms__error_set(err, kind, "option '%s' must be 16 to 128 bytes long, got %zu", key,
                               secret.len);
    }
    return TSMS_OK;
}

static tsms_status check_credentials(const tsms_config *config, tsms_error *err)
{
    const tsms_kind kind = TSMS_KIND_INVALID_AUTH_TOKEN;
    tsms_str token = tsms__secret_text(config->auth_token);
    tsms_str key = tsms_str_from(config->api_key);
    tsms_str secret = tsms__secret_text(config->api_secret);
    if (token.ptr == NULL && key.ptr == NULL && secret.ptr == NULL) {
        return tsms__error_set(err, kind,
                               "option 'auth_token' is missing; set it, or api_key and api_secret");
    }
    if ((key.ptr == NULL) != (secret.ptr == NULL)) {
        return tsms__error_set(err, kind,
                               "option '%s' is missing; api_key and api_secret go together",
                               key.ptr == NULL ? "api_key" : "api_secret");
    }
    if (key.ptr != NULL && !is_sid(key, "SK")) {
        return tsms__error_set(
            err, kind, "option 'api_key' must be SK and 32 hex digits, got %zu bytes", key.len);
    }
    tsms_status status = token.ptr != NULL ? check_secret("auth_token", token, err) : TSMS_OK;
    if (status == TSMS_OK && secret.ptr != NULL) {
        status = check_secret("api_secret", secret, err);
    }
    return status;
}

static bool scheme_is(const tsms__url *url, const char *scheme)
{
    return tsms__str_eq_nocase(url->scheme, tsms_str_from(scheme));
}

static tsms_status check_base_url(const tsms_config *config, tsms_error *err)
{
    tsms_str text = tsms_str_from(config->base_url);
    tsms__url url;
    if (text.ptr == NULL) {
        return TSMS_OK;
    }
    if (!tsms__url_parse(text, &url)) {
        return invalid(err, "base_url", "must be a URL such as https://api.twilio.com");
    }
    if (scheme_is(&url, "http")) {
        return invalid(err, "base_url",
                       "must begin with https://, because http:// would send the credentials and "
                       "messages in the clear");
    }
    if (!scheme_is(&url, "https")) {
        return invalid(err, "base_url", "must begin with https://");
    }
    if (url.userinfo.ptr != NULL) {
        return invalid(err, "base_url",
                       "must not hold a user or password; account_sid and auth_token are for that");
    }
    if (url.query.ptr != NULL || url.fragment.ptr != NULL) {
        return invalid(err, "base_url", "must end with the host or a path, without '?' and '#'");
    }
    return TSMS_OK;
}

static tsms_status check_proxy(const tsms_config *config, tsms_error *err)
{
    tsms_str text = tsms_str_from(config->proxy);
    tsms__url url;
    if (text.ptr == NULL) {
        return TSMS_OK;
    }
    bool parsed = tsms__url_parse(text, &url);
    if (!parsed || !(scheme_is(&url, "http") || scheme_is(&url, "https") ||
                     scheme_is(&url, "socks5") || scheme_is(&url, "socks5h"))) {
        return invalid(err, "proxy",
                       "must be a URL with a host that begins with http://, https://, socks5:// or "
                       "socks5h://");
    }
    if (url.path.len > 1 || url.query.ptr != NULL || url.fragment.ptr != NULL) {
        return invalid(err, "proxy", "must end with the host or port");
    }
    return TSMS_OK;
}

static tsms_status check_callback(const char *key, const char *text, tsms_error *err)
{
    tsms__url url;
    if (text == NULL || (tsms__url_parse(tsms_str_from(text), &url) &&
                         (scheme_is(&url, "https") || scheme_is(&url, "http")))) {
        return TSMS_OK;
    }
    return invalid(err, key, "must be an http:// or https:// URL with a host");
}

static tsms_status check_callbacks(const tsms_config *config, tsms_error *err)
{
    tsms_status status = check_callback("status_callback", config->status_callback, err);
    for (size_t i = 0; i < config->callback_urls.count && status == TSMS_OK; i++) {
        status = check_callback("callback_urls", config->callback_urls.items[i], err);
    }
    return status;
}

tsms_status tsms__ref_key_check(const char *option, tsms_str key, tsms_error *err)
{
    enum {
        LEAST = 16
    }; /* half of the digest: a shorter key is easier to guess than what it signs */
    if (key.ptr != NULL && key.len < LEAST) {
        return tsms__error_set(err, TSMS_KIND_INVALID_OPTION,
                               "option '%s' must be at least %d bytes long, got %zu; "
                               "openssl rand -hex 16 makes a good one",
                               option, LEAST, key.len);
    }
    return TSMS_OK;
}

static tsms_status check_callback_ref(const tsms_config *config, tsms_error *err)
{
    return tsms__ref_key_check("callback_ref.key", tsms__secret_text(config->callback_ref.key),
                               err);
}

/* One label of a host name (RFC 1123, section 2.1). */
static bool is_label(tsms_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        bool inside = i > 0 && i + 1 < text.len;
        if (!is_alnum(text.ptr[i]) && !(inside && text.ptr[i] == '-')) {
            return false;
        }
    }
    return text.len > 0 && text.len <= 63;
}

/* It becomes the name of a shared memory object, where a slash or a leading dot has a meaning. */
bool tsms__region_name_is(tsms_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_alnum(text.ptr[i]) && strchr("._-", text.ptr[i]) == NULL) {
            return false;
        }
    }
    return text.len > 0 && text.len <= 64 && text.ptr[0] != '.';
}

static tsms_status check_names(const tsms_config *config, tsms_error *err)
{
    tsms_str service = tsms_str_from(config->messaging_service_sid);
    tsms_str region = tsms_str_from(config->region);
    tsms_str edge = tsms_str_from(config->edge);
    tsms_str shared = tsms_str_from(config->shared);
    if (service.ptr != NULL && !is_sid(service, "MG")) {
        return invalid(err, "messaging_service_sid", "must be MG and 32 hex digits");
    }
    if (region.ptr != NULL && !is_label(region)) {
        return invalid(err, "region", "must be the name of a region, such as ie1");
    }
    if (edge.ptr != NULL && !is_label(edge)) {
        return invalid(err, "edge", "must be the name of an edge, such as dublin");
    }
    if (shared.ptr != NULL && !tsms__region_name_is(shared)) {
        return invalid(err, "shared",
                       "must be 1 to 64 of the characters A-Z a-z 0-9 . _ - and not begin with a "
                       "dot");
    }
    return TSMS_OK;
}

static tsms_status check_files(const tsms_config *config, tsms_error *err)
{
    if (config->ca_file == NULL) {
        return TSMS_OK;
    }
    return tsms__source_check("ca_file", config->ca_file, "it must be a PEM file", err);
}

tsms_status tsms__config_check(const tsms_config *config, tsms_error *err)
{
    static tsms_status (*const checks[])(const tsms_config *, tsms_error *) = {
        check_account,   check_credentials,  check_base_url, check_proxy,
        check_callbacks, check_callback_ref, check_names,    check_files,
    };
    tsms_status status = TSMS_OK;
    for (size_t i = 0; i < sizeof checks / sizeof *checks && status == TSMS_OK; i++) {
        status = checks[i](config, err);
    }
    return status;
}
