/* The parts of a URL that a signature depends on. A URL is cut here, never parsed and put together
 * again: what was signed are its bytes as they are configured, well-formed or not. */
#include "sign.h"

#include <string.h>

static size_t find(tsms_str text, char c)
{
    const char *found = text.len > 0 ? memchr(text.ptr, c, text.len) : NULL;
    return found != NULL ? (size_t)(found - text.ptr) : text.len;
}

static tsms_str cut(tsms_str text, size_t from, size_t to)
{
    return (tsms_str){text.ptr + from, to - from};
}

tsms_str tsms__url_cut_fragment(tsms_str url)
{
    return (tsms_str){url.ptr, find(url, '#')};
}

/* RFC 3986, section 3.1. */
static bool is_scheme(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '-' || c == '.';
}

/* Where in a URL without fragment the parts begin: host, port (with its colon), and what follows.
 */
typedef struct parts {
    size_t authority;
    size_t host;
    size_t port; /* equal to rest when there is none */
    size_t rest;
} parts;

/* False when it does not begin with a scheme and "://". */
static bool split(tsms_str url, parts *out)
{
    size_t colon = 0;
    while (colon < url.len && is_scheme(url.ptr[colon])) {
        colon++;
    }
    if (url.len - colon < 3 || memcmp(url.ptr + colon, "://", 3) != 0) {
        return false;
    }
    out->authority = colon + 3;
    size_t rest = out->authority;
    while (rest < url.len && url.ptr[rest] != '/' && url.ptr[rest] != '?') {
        rest++;
    }
    out->rest = rest;
    /* Userinfo may hold an '@' that nobody encoded, and a colon; a host may not. */
    out->host = out->authority;
    for (size_t i = out->authority; i < rest; i++) {
        if (url.ptr[i] == '@') {
            out->host = i + 1;
        }
    }
    /* The colons of an IPv6 address stand inside of brackets. */
    out->port = rest;
    for (size_t i = rest; i > out->host && url.ptr[i - 1] != ']'; i--) {
        if (url.ptr[i - 1] == ':') {
            out->port = i - 1;
            break;
        }
    }
    return true;
}

size_t tsms__url_spellings(tsms_str url, tsms__url_spelling out[TSMS__URL_SPELLINGS_MOST])
{
    url = tsms__url_cut_fragment(url);
    memset(out, 0, TSMS__URL_SPELLINGS_MOST * sizeof *out);
    parts at;
    if (!split(url, &at)) {
        out[0].pieces[0] = url;
        return 1;
    }
    tsms_str scheme = cut(url, 0, at.authority);
    tsms_str rest = cut(url, at.rest, url.len);
    tsms_str port = {NULL, 0}; /* of the spelling that differs by it */
    if (at.port == at.rest) {
        port = tsms__str_eq_nocase(scheme, TSMS__STR("https://")) ? TSMS__STR(":443")
                                                                  : TSMS__STR(":80");
    }
    /* "Messaging callbacks drop the credentials and keep the port" (webhooks-security). */
    bool has_userinfo = at.host > at.authority;
    size_t count = 0;
    if (has_userinfo) {
        out[count++] = (tsms__url_spelling){{scheme, cut(url, at.host, url.len)}};
    }
    out[count++] = (tsms__url_spelling){{url}};
    if (has_userinfo) {
        out[count++] = (tsms__url_spelling){{scheme, cut(url, at.host, at.port), port, rest}};
    }
    out[count++] = (tsms__url_spelling){{cut(url, 0, at.port), port, rest}};
    return count;
}

tsms_str tsms__url_userinfo(tsms_str url)
{
    parts at;
    url = tsms__url_cut_fragment(url);
    return split(url, &at) && at.host > at.authority ? cut(url, at.authority, at.host - 1)
                                                     : (tsms_str){NULL, 0};
}

tsms_str tsms__url_query(tsms_str url)
{
    url = tsms__url_cut_fragment(url);
    size_t mark = find(url, '?');
    return mark < url.len ? cut(url, mark + 1, url.len) : (tsms_str){NULL, 0};
}

static bool is_hex(tsms_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (memchr("0123456789abcdefABCDEF", text.ptr[i], 22) == NULL) {
            return false;
        }
    }
    return true;
}

tsms_str tsms__url_body_sha256(tsms_str url, bool *malformed)
{
    static const tsms_str name = {"bodySHA256=", 11};
    *malformed = false;
    for (tsms_str rest = tsms__url_query(url); rest.len > 0;) {
        size_t end = find(rest, '&');
        tsms_str pair = {rest.ptr, end};
        if (tsms__str_starts(pair, name)) {
            tsms_str value = cut(pair, name.len, pair.len);
            *malformed = value.len != 64 || !is_hex(value);
            return *malformed ? (tsms_str){NULL, 0} : value;
        }
        end += end < rest.len;
        rest = cut(rest, end, rest.len);
    }
    return (tsms_str){NULL, 0};
}
