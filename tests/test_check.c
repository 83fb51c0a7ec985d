/* Tests of csrc/config/check.c: what a client can be made from, and the advice when it cannot. */
#define _POSIX_C_SOURCE 200809L /* mkdtemp */
#include <unistd.h>

#include "config/config.h"
#include "support.h"

#define HEX32 "0123456789abcdefABCDEF0123456789"
#define TOKEN "fedcba9876543210fedcba9876543210"

static tsms_config *config_new(void)
{
    tsms_config *config;
    assert_int_equal(tsms_config_new(NULL, &config), TSMS_OK);
    return config;
}

static void set(tsms_config *config, const char *key, const char *value)
{
    assert_int_equal(tsms_config_set(config, key, tsms_str_from(value), NULL), TSMS_OK);
}

/* An account and a token, the least that a client needs. */
static tsms_config *valid_new(void)
{
    tsms_config *config = config_new();
    set(config, "account_sid", "AC" HEX32);
    set(config, "auth_token", TOKEN);
    return config;
}

static void assert_refused(const tsms_config *config, tsms_kind kind, const char *want)
{
    tsms_error err;
    assert_int_equal(tsms__config_check(config, &err), TSMS_ERROR);
    assert_string_equal(err.message, want);
    assert_int_equal(err.kind, kind);
    assert_false(err.retryable);
    /* A full buffer would mean that the sentence was cut. */
    assert_true(strlen(err.message) < sizeof err.message - 1);
    assert_int_equal(tsms__config_check(config, NULL), TSMS_ERROR);
}

/* Each value alone on top of a valid configuration. */
static void assert_all_good(const char *key, const char *const *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        tsms_config *config = valid_new();
        set(config, key, values[i]);
        tsms_error err;
        if (tsms__config_check(config, &err) != TSMS_OK) {
            fail_msg("%s = '%s': %s", key, values[i], err.message);
        }
        tsms_config_free(config);
    }
}

static void assert_all_bad(const char *key, const char *const *values, size_t count, tsms_kind kind,
                           const char *want)
{
    for (size_t i = 0; i < count; i++) {
        tsms_config *config = valid_new();
        set(config, key, values[i]);
        assert_refused(config, kind, want);
        tsms_config_free(config);
    }
}

#define GOOD(key, ...)                                                                             \
    do {                                                                                           \
        static const char *const values[] = {__VA_ARGS__};                                         \
        assert_all_good(key, values, sizeof values / sizeof *values);                              \
    } while (0)

#define BAD(key, kind, want, ...)                                                                  \
    do {                                                                                           \
        static const char *const values[] = {__VA_ARGS__};                                         \
        assert_all_bad(key, values, sizeof values / sizeof *values, kind, want);                   \
    } while (0)

static void an_account_and_a_token_are_enough(void **state)
{
    tsms_config *config = valid_new();
    assert_int_equal(tsms__config_check(config, NULL), TSMS_OK);
    tsms_config_free(config);
}

static void the_account_is_asked_for(void **state)
{
    tsms_config *config = config_new();
    assert_refused(config, TSMS_KIND_INVALID_ACCOUNT_SID,
                   "option 'account_sid' is missing; the Twilio Console shows it, and in the "
                   "environment it is TWILIO_ACCOUNT_SID");
    tsms_config_free(config);
}

static void the_account_sid_has_its_shape(void **state)
{
    const tsms_kind kind = TSMS_KIND_INVALID_ACCOUNT_SID;
    GOOD("account_sid", "AC00000000000000000000000000000000", "AC" HEX32);
    BAD("account_sid", kind,
        "option 'account_sid' holds an API key (SK...); set that as api_key, and the account's own "
        "SID (AC...) here",
        "SK" HEX32);
    BAD("account_sid", kind,
        "option 'account_sid' must be AC and 32 hex digits, got 34 bytes; copy it from the Twilio "
        "Console",
        "ac" HEX32, "MG" HEX32, "AC0123456789abcdefg123456789abcdef",
        "AC0123456789abcdefG123456789abcdef", "AC0123456789abcdef`123456789abcdef",
        "AC0123456789abcdef@123456789abcdef", "AC0123456789abcdef:123456789abcdef",
        " AC0123456789abcdef0123456789abcde");
    BAD("account_sid", kind,
        "option 'account_sid' must be AC and 32 hex digits, got 32 bytes; copy it from the Twilio "
        "Console",
        HEX32);
    BAD("account_sid", kind,
        "option 'account_sid' must be AC and 32 hex digits, got 1 bytes; copy it from the Twilio "
        "Console",
        "A");
}

static void some_credentials_are_asked_for(void **state)
{
    const tsms_kind kind = TSMS_KIND_INVALID_AUTH_TOKEN;
    tsms_config *config = config_new();
    set(config, "account_sid", "AC" HEX32);
    assert_refused(config, kind,
                   "option 'auth_token' is missing; set it, or api_key and api_secret");
    set(config, "api_key", "SK" HEX32);
    assert_refused(config, kind,
                   "option 'api_secret' is missing; api_key and api_secret go together");
    set(config, "auth_token", TOKEN);
    assert_refused(config, kind,
                   "option 'api_secret' is missing; api_key and api_secret go together");
    set(config, "api_secret", TOKEN);
    assert_int_equal(tsms__config_check(config, NULL), TSMS_OK);
    tsms_config_free(config);
}

static void an_api_key_replaces_the_token(void **state)
{
    const tsms_kind kind = TSMS_KIND_INVALID_AUTH_TOKEN;
    tsms_config *config = config_new();
    set(config, "account_sid", "AC" HEX32);
    set(config, "api_secret", TOKEN);
    assert_refused(config, kind, "option 'api_key' is missing; api_key and api_secret go together");
    set(config, "api_key", "AC" HEX32);
    assert_refused(config, kind, "option 'api_key' must be SK and 32 hex digits, got 34 bytes");
    set(config, "api_key", "SK" HEX32);
    assert_int_equal(tsms__config_check(config, NULL), TSMS_OK);
    set(config, "api_secret", "SK" HEX32);
    assert_refused(config, kind,
                   "option 'api_secret' holds a SID (AC... or SK...); copy the secret that the "
                   "Twilio Console shows beside it");
    tsms_config_free(config);
}

static void mistakes_in_copying_a_token_are_found(void **state)
{
    const tsms_kind kind = TSMS_KIND_INVALID_AUTH_TOKEN;
    GOOD("auth_token", TOKEN, HEX32, "0123456789abcdef", "~!#$%&()*+,-./:;<=>?@[]^_{|}",
         TOKEN TOKEN TOKEN TOKEN);
    BAD("auth_token", kind,
        "option 'auth_token' holds a space or another character that no secret has; copy it again",
        " " TOKEN, TOKEN " ", "fedcba98 76543210", "fedcba9876543210fedcba987654321\xC3\xBC");
    BAD("auth_token", kind,
        "option 'auth_token' holds a SID (AC... or SK...); copy the secret that the Twilio Console "
        "shows beside it",
        "AC" HEX32, "SK" HEX32);
    BAD("auth_token", kind, "option 'auth_token' begins with a quote; leave the quotes out",
        "\"" TOKEN "\"", "'" TOKEN "'");
    BAD("auth_token", kind, "option 'auth_token' must be 16 to 128 bytes long, got 15",
        "0123456789abcde");
}

static void the_base_url_is_https_and_nothing_more(void **state)
{
    const tsms_kind kind = TSMS_KIND_INVALID_OPTION;
    GOOD("base_url", "https://api.twilio.com", "https://api.twilio.com/", "HTTPS://127.0.0.1:8443",
         "https://[::1]:8443", "https://gateway.example/twilio/v1");
    BAD("base_url", kind,
        "option 'base_url' must begin with https://, because http:// would send the credentials "
        "and messages in the clear",
        "http://api.twilio.com", "HTTP://127.0.0.1", "http://u:p@h/?q#f");
    BAD("base_url", kind, "option 'base_url' must be a URL such as https://api.twilio.com",
        "api.twilio.com", "https://", "https://:443", "https://api.twilio.com:0",
        "https://api twilio.com", "https:///x");
    BAD("base_url", kind, "option 'base_url' must begin with https://", "ftp://api.twilio.com",
        "file://h/x");
    BAD("base_url", kind,
        "option 'base_url' must not hold a user or password; account_sid and auth_token are for "
        "that",
        "https://AC:token@api.twilio.com", "https://@api.twilio.com");
    BAD("base_url", kind, "option 'base_url' must end with the host or a path, without '?' and '#'",
        "https://api.twilio.com?", "https://api.twilio.com/?a=b", "https://api.twilio.com#");
}

static void proxies_have_a_known_scheme(void **state)
{
    const tsms_kind kind = TSMS_KIND_INVALID_OPTION;
    GOOD("proxy", "http://proxy:3128", "https://user:word@proxy.example", "socks5://127.0.0.1:1080",
         "socks5h://[::1]:1080/", "http://proxy/");
    BAD("proxy", kind,
        "option 'proxy' must be a URL with a host that begins with http://, https://, socks5:// or "
        "socks5h://",
        "proxy:3128", "socks4://proxy", "socks5a://proxy", "http://", "ftp://proxy");
    BAD("proxy", kind, "option 'proxy' must end with the host or port", "http://proxy/path",
        "http://proxy?q", "http://proxy#f", "http://proxy/#");
}

static void callbacks_are_web_addresses(void **state)
{
    const tsms_kind kind = TSMS_KIND_INVALID_OPTION;
    const char *want = "option 'status_callback' must be an http:// or https:// URL with a host";
    GOOD("status_callback", "https://example.com/sms?id=1#rc=2&rp=all", "http://example.com",
         "https://user:word@example.com/");
    BAD("status_callback", kind, want, "example.com/sms", "/sms", "ftp://example.com", "https://",
        "https://exam ple.com");
    GOOD("callback_urls", "https://example.com/sms");
    BAD("callback_urls", kind,
        "option 'callback_urls' must be an http:// or https:// URL with a "
        "host",
        "example.com");
    tsms_config *config = valid_new();
    set(config, "callback_urls", "https://example.com/a");
    set(config, "callback_urls", "mailto:a@example.com");
    assert_refused(config, kind,
                   "option 'callback_urls' must be an http:// or https:// URL with a host");
    tsms_config_free(config);
}

static void the_key_of_references_is_long_enough(void **state)
{
    GOOD("callback_ref.key", "0123456789abcdef", "a key, which may hold spaces");
    BAD("callback_ref.key", TSMS_KIND_INVALID_OPTION,
        "option 'callback_ref.key' must be at least 16 bytes long, got 15; openssl rand -hex 16 "
        "makes a good one",
        "0123456789abcde");
}

static void names_have_their_shape(void **state)
{
    const tsms_kind kind = TSMS_KIND_INVALID_OPTION;
    GOOD("messaging_service_sid", "MG" HEX32);
    BAD("messaging_service_sid", kind,
        "option 'messaging_service_sid' must be MG and 32 hex digits", "AC" HEX32, "MG", HEX32);
    GOOD("region", "ie1", "us1", "a-b");
    BAD("region", kind, "option 'region' must be the name of a region, such as ie1", "ie1.evil",
        "-ie1", "ie1-", "-", "ie1/", "ie 1", "\xC3\xBC");
    GOOD("edge", "dublin", "sao-paulo", "D");
    BAD("edge", kind, "option 'edge' must be the name of an edge, such as dublin", "dublin.",
        "@dublin", "dublin:1");
    GOOD("shared", "app", "app-1_b.c", "_",
         "0123456789012345678901234567890123456789012345678901234567890123");
    BAD("shared", kind,
        "option 'shared' must be 1 to 64 of the characters A-Z a-z 0-9 . _ - and not begin with a "
        "dot",
        ".", "..", ".app", "/app", "a/b", "a b", "\xC3\xBC");
}

/* The shape of a sender is known to the wire layer, not here. */
static void the_sender_is_left_alone(void **state)
{
    GOOD("from", "+15005550006", "12345", "Shop", "whatsapp:+15005550006", "?");
}

static void the_ca_file_can_be_read(void **state)
{
    char dir[] = "/tmp/tsms_test_XXXXXX";
    assert_non_null(mkdtemp(dir));
    char path[64];
    snprintf(path, sizeof path, "%s/ca.pem", dir);
    tsms_config *config = valid_new();
    set(config, "ca_file", path);
    char want[160];
    snprintf(want, sizeof want,
             "option 'ca_file': cannot read '%s': No such file or directory; it must be a PEM file",
             path);
    assert_refused(config, TSMS_KIND_INVALID_OPTION, want);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(tsms__config_check(config, NULL), TSMS_OK);
    set(config, "ca_file", dir);
    snprintf(want, sizeof want,
             "option 'ca_file': cannot read '%s': it is not a file; it must be a PEM file", dir);
    assert_refused(config, TSMS_KIND_INVALID_OPTION, want);
    tsms_config_free(config);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_account_and_a_token_are_enough),
        cmocka_unit_test(the_account_is_asked_for),
        cmocka_unit_test(the_account_sid_has_its_shape),
        cmocka_unit_test(some_credentials_are_asked_for),
        cmocka_unit_test(an_api_key_replaces_the_token),
        cmocka_unit_test(mistakes_in_copying_a_token_are_found),
        cmocka_unit_test(the_base_url_is_https_and_nothing_more),
        cmocka_unit_test(proxies_have_a_known_scheme),
        cmocka_unit_test(callbacks_are_web_addresses),
        cmocka_unit_test(the_key_of_references_is_long_enough),
        cmocka_unit_test(names_have_their_shape),
        cmocka_unit_test(the_sender_is_left_alone),
        cmocka_unit_test(the_ca_file_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
