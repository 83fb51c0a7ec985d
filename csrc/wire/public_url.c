/* Makes out the URL that the sender of a request asked for, and holds it against a list. */
#include "public_url.h"

#include <string.h>

#include "../config/url.h"

/* A URL, cut where the signature's rules need it: what follows the host may hold bytes that a
 * strict reader of URLs refuses, because senders sign what they were told. */
typedef struct cut_url {
    tsms__url origin;
    tsms_str path;  /* empty, or begins with a slash */
    tsms_str query; /* with its '?'; empty when there is none */
} cut_url;

static tsms_str from(tsms_str s, size_t start)
{
    return start > 0 ? (tsms_str){s.ptr + start, s.len - start} : s;
}

/* How many bytes stand before the first of `marks`. */
static size_t span(tsms_str s, const char *marks)
{
    size_t n = 0;
    while (n < s.len && (s.ptr[n] == '\0' || strchr(marks, s.ptr[n]) == NULL)) {
        n++;
    }
    return n;
}

static bool is_without_controls(tsms_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= 0x20 || c == 0x7F) {
            return false;
        }
    }
    return true;
}

static bool is_secure(tsms_str scheme)
{
    return tsms__str_eq_nocase(scheme, TSMS__STR("https"));
}

static bool is_web(tsms_str scheme)
{
    return is_secure(scheme) || tsms__str_eq_nocase(scheme, TSMS__STR("http"));
}

static bool cut(tsms_str url, cut_url *out)
{
    size_t colon = span(url, ":");
    if (!is_without_controls(url) || !tsms__str_starts(from(url, colon), TSMS__STR("://"))) {
        return false;
    }
    tsms_str rest = from(url, colon + 3);
    size_t authority = span(rest, "/?#");
    if (!tsms__url_parse((tsms_str){url.ptr, colon + 3 + authority}, &out->origin) ||
        !is_web(out->origin.scheme)) {
        return false;
    }
    rest = from(rest, authority);
    rest.len = span(rest, "#");
    out->path = (tsms_str){rest.ptr, span(rest, "?")};
    out->query = from(rest, out->path.len);
    return true;
}

/* Appends all before the query. Callbacks of messages are signed without the user
 * (https://www.twilio.com/docs/usage/webhooks/webhooks-security). */
static void add_without_user(tsms_buf *out, const cut_url *url)
{
    const char *end = url->path.ptr + url->path.len;
    tsms__buf_add(out, url->origin.scheme);
    tsms__buf_add_z(out, "://");
    tsms__buf_add(out, (tsms_str){url->origin.host.ptr, (size_t)(end - url->origin.host.ptr)});
}

/* ---- Making one out ------------------------------------------------------------------------ */

static tsms_status refuse(tsms_error *err, tsms_kind kind, const char *text)
{
    tsms_status status = tsms__error_set(err, kind, "%s", text);
    if (err != NULL) {
        err->http_status = 400;
    }
    return status;
}

bool tsms__header_find(const tsms_webhook_request *request, const char *name, tsms_str *out)
{
    *out = (tsms_str){NULL, 0};
    for (size_t i = 0; i < request->header_count; i++) {
        const tsms_param *header = &request->headers[i];
        if (!tsms__str_eq_nocase(header->name, tsms_str_from(name))) {
            continue;
        }
        tsms_str value = tsms__str_trim(header->value);
        if (out->ptr != NULL && !tsms__str_eq(*out, value)) {
            return false;
        }
        *out = (tsms_str){value.ptr != NULL ? value.ptr : "", value.len};
    }
    return true;
}

/* The last element of the last header of that name; absent when there is none or it is empty. */
static tsms_str last_element(const tsms_webhook_request *request, const char *name)
{
    tsms_str value = {NULL, 0};
    for (size_t i = 0; i < request->header_count; i++) {
        if (tsms__str_eq_nocase(request->headers[i].name, tsms_str_from(name))) {
            value = request->headers[i].value;
        }
    }
    size_t start = value.len;
    while (start > 0 && value.ptr[start - 1] != ',') {
        start--;
    }
    value = start < value.len ? tsms__str_trim(from(value, start)) : (tsms_str){NULL, 0};
    return value.len > 0 ? value : (tsms_str){NULL, 0};
}

typedef struct forwarded {
    tsms_str host, proto, port;
} forwarded;

static bool is_trusted(tsms_str peer, const tsms__network *proxies, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (tsms__network_has(&proxies[i], peer)) {
            return true;
        }
    }
    return false;
}

/* Whether out is a scheme and a host with or without a port, and nothing else. */
static bool is_origin(const tsms_buf *out, tsms__url *origin)
{
    return tsms__url_parse(tsms__buf_str(out), origin) && origin->userinfo.ptr == NULL &&
           origin->path.len == 0 && origin->query.ptr == NULL && origin->fragment.ptr == NULL;
}

/* Appends "https://host:port", with the port only where it is not the default one. */
static bool add_origin(tsms_buf *out, bool secure, tsms_str host, tsms_str port)
{
    tsms__url origin;
    tsms__buf_add_z(out, secure ? "https://" : "http://");
    tsms__buf_add(out, host);
    if (!out->failed && !is_origin(out, &origin)) {
        return false;
    }
    if (out->failed || port.ptr == NULL) {
        return true;
    }
    out->len = (size_t)(origin.host.ptr + origin.host.len - out->ptr);
    if (tsms__str_eq_z(port, secure ? "443" : "80")) {
        return true;
    }
    tsms__buf_add_char(out, ':');
    tsms__buf_add(out, port);
    return out->failed || is_origin(out, &origin);
}

static tsms_status make_from_target(const tsms_webhook_request *request,
                                    const tsms__network *proxies, size_t proxy_count, tsms_buf *out,
                                    tsms__url_origin *origin, tsms_error *err)
{
    const tsms_kind bad = TSMS_KIND_PAYLOAD_PARSE_ERROR;
    forwarded told = {last_element(request, "X-Forwarded-Host"),
                      last_element(request, "X-Forwarded-Proto"),
                      last_element(request, "X-Forwarded-Port")};
    bool any = told.host.ptr != NULL || told.proto.ptr != NULL || told.port.ptr != NULL;
    bool trusted = is_trusted(request->peer, proxies, proxy_count);
    *origin = !any ? TSMS__ORIGIN_HOST : trusted ? TSMS__ORIGIN_FORWARDED : TSMS__ORIGIN_IGNORED;
    if (!trusted) {
        told = (forwarded){{NULL, 0}, {NULL, 0}, {NULL, 0}};
    }
    tsms_str host;
    if (!tsms__header_find(request, "Host", &host)) {
        return refuse(err, bad, "the request has two different Host headers");
    }
    host = told.host.ptr != NULL ? told.host : host;
    if (host.len == 0) {
        return refuse(err, TSMS_KIND_MISSING_FIELDS, "the request has no Host header");
    }
    if (told.proto.ptr != NULL && !is_web(told.proto)) {
        return refuse(err, bad, "X-Forwarded-Proto is neither http nor https");
    }
    bool secure = told.proto.ptr != NULL ? is_secure(told.proto) : request->tls;
    if (!is_without_controls(request->url)) {
        return refuse(err, bad, "the target holds spaces or control characters");
    }
    if (!add_origin(out, secure, host, told.port)) {
        return refuse(err, bad,
                      told.host.ptr != NULL || told.port.ptr != NULL
                          ? "X-Forwarded-Host or -Port is no host or port"
                          : "the Host header is no host");
    }
    tsms__buf_add(out, (tsms_str){request->url.ptr, span(request->url, "#")});
    return TSMS_OK;
}

tsms_status tsms__public_url_make(const tsms_webhook_request *request, const tsms__network *proxies,
                                  size_t proxy_count, tsms_buf *out, tsms__url_origin *origin,
                                  tsms_error *err)
{
    cut_url given;
    tsms__buf_clear(out);
    *origin = TSMS__ORIGIN_GIVEN;
    tsms_status status = TSMS_OK;
    if (request->url.len > 0 && request->url.ptr[0] == '/') {
        status = make_from_target(request, proxies, proxy_count, out, origin, err);
    } else if (cut(request->url, &given)) {
        add_without_user(out, &given);
        tsms__buf_add(out, given.query);
    } else {
        status = refuse(err, TSMS_KIND_PAYLOAD_PARSE_ERROR,
                        "the URL is neither an http one nor a target that begins with a slash");
    }
    return status == TSMS_OK && out->failed ? tsms__error_nomem(err) : status;
}

/* ---- The list of URLs ---------------------------------------------------------------------- */

bool tsms__public_url_is(tsms_str text)
{
    cut_url parts;
    return cut(text, &parts);
}

static int64_t port_of(const tsms__url *origin)
{
    int64_t port = is_secure(origin->scheme) ? 443 : 80;
    if (origin->port.len > 0) {
        (void)tsms__str_to_int(origin->port, &port);
    }
    return port;
}

/* Cuts off the first character of a path as a lenient server reads it: percent escapes of what a
 * path is made of are decoded, as nginx does before it looks for "..", and a backslash is a slash.
 */
static char take_lenient(tsms_str *path)
{
    static const struct {
        tsms_str escape;
        char c;
    } escapes[] = {{{"%2e", 3}, '.'}, {{"%2f", 3}, '/'}, {{"%5c", 3}, '/'}, {{"\\", 1}, '/'}};
    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++) {
        size_t len = escapes[i].escape.len;
        if (path->len >= len &&
            tsms__str_eq_nocase((tsms_str){path->ptr, len}, escapes[i].escape)) {
            *path = from(*path, len);
            return escapes[i].c;
        }
    }
    char c = path->ptr[0];
    *path = from(*path, 1);
    return c;
}

/* Whether a segment is "..". */
static bool climbs(tsms_str path)
{
    size_t dots = 0;
    size_t others = 0;
    while (path.len > 0) {
        char c = take_lenient(&path);
        if (c == '/') {
            if (dots == 2 && others == 0) {
                return true;
            }
            dots = others = 0;
        } else if (c == '.') {
            dots++;
        } else {
            others++;
        }
    }
    return dots == 2 && others == 0;
}

static bool stands_for_many(const cut_url *entry)
{
    return entry->path.len > 0 && entry->path.ptr[entry->path.len - 1] == '/';
}

static bool answers_to(const cut_url *entry, const cut_url *url)
{
    if (is_secure(entry->origin.scheme) != is_secure(url->origin.scheme) ||
        !tsms__str_eq_nocase(entry->origin.host, url->origin.host) ||
        port_of(&entry->origin) != port_of(&url->origin)) {
        return false;
    }
    tsms_str path = url->path.len > 0 ? url->path : TSMS__STR("/");
    if (stands_for_many(entry)) {
        return tsms__str_starts(path, entry->path) && !climbs(path);
    }
    return tsms__str_eq(path, entry->path.len > 0 ? entry->path : TSMS__STR("/"));
}

tsms_str tsms__public_url_find(const tsms_str *urls, size_t count, tsms_str url)
{
    cut_url wanted;
    if (cut(url, &wanted)) {
        for (size_t i = 0; i < count; i++) {
            cut_url entry;
            if (cut(urls[i], &entry) && answers_to(&entry, &wanted)) {
                return urls[i];
            }
        }
    }
    return (tsms_str){NULL, 0};
}

bool tsms__public_url_respell(tsms_str entry, tsms_str url, tsms_buf *out)
{
    cut_url told;
    cut_url found;
    if (!cut(entry, &told) || !cut(url, &found) || stands_for_many(&told)) {
        return false;
    }
    tsms__buf_clear(out);
    add_without_user(out, &told);
    tsms__buf_add(out, found.query);
    return out->failed || !tsms__str_eq(tsms__buf_str(out), url);
}
