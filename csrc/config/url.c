/* Takes a URL apart (RFC 3986, section 3), stricter than most: what two parsers could read in two
 * ways is refused. */
#include "url.h"

#include <string.h>

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool all_of(tsms_str s, const char *others)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_alnum(s.ptr[i]) && (s.ptr[i] == '\0' || strchr(others, s.ptr[i]) == NULL)) {
            return false;
        }
    }
    return s.len > 0;
}

static bool is_printable(tsms_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= 0x20 || s.ptr[i] >= 0x7F || strchr("\"<>\\", s.ptr[i]) != NULL) {
            return false;
        }
    }
    return true;
}

/* Cuts off everything before the first of `marks`, or the whole rest, and answers it. */
static tsms_str cut_before(tsms_str *rest, const char *marks)
{
    size_t n = 0;
    while (n < rest->len && strchr(marks, rest->ptr[n]) == NULL) {
        n++;
    }
    tsms_str head = {rest->ptr, n};
    rest->ptr += n;
    rest->len -= n;
    return head;
}

/* Cuts off `mark` and everything behind it up to one of `ends`; absent when rest does not begin
 * with mark. */
static tsms_str cut_part(tsms_str *rest, char mark, const char *ends)
{
    if (rest->len == 0 || rest->ptr[0] != mark) {
        return (tsms_str){NULL, 0};
    }
    rest->ptr++;
    rest->len--;
    return cut_before(rest, ends);
}

static bool parse_port(tsms_str port)
{
    int64_t number;
    return port.len <= 5 && all_of(port, "") && tsms__str_to_int(port, &number) && number >= 1 &&
           number <= 65535;
}

static bool parse_authority(tsms_str authority, tsms__url *out)
{
    for (size_t i = 0; i < authority.len; i++) {
        if (authority.ptr[i] == '@') {
            if (out->userinfo.ptr != NULL) {
                return false;
            }
            out->userinfo = (tsms_str){authority.ptr, i};
        }
    }
    if (out->userinfo.ptr != NULL) {
        authority.ptr += out->userinfo.len + 1;
        authority.len -= out->userinfo.len + 1;
    }
    bool bracketed = authority.len > 0 && authority.ptr[0] == '[';
    out->host = cut_before(&authority, bracketed ? "]" : ":");
    if (bracketed) {
        tsms_str address = {out->host.ptr + 1, out->host.len - 1};
        if (authority.len == 0 || !all_of(address, ":.")) {
            return false;
        }
        out->host.len++;
        authority.ptr++;
        authority.len--;
    } else if (!all_of(out->host, "-._")) {
        return false;
    }
    if (authority.len == 0) {
        return true;
    }
    out->port = (tsms_str){authority.ptr + 1, authority.len - 1};
    return authority.ptr[0] == ':' && parse_port(out->port);
}

bool tsms__url_parse(tsms_str text, tsms__url *out)
{
    memset(out, 0, sizeof *out);
    if (text.len == 0 || !is_printable(text)) {
        return false;
    }
    tsms_str rest = text;
    out->scheme = cut_before(&rest, ":");
    if (!all_of(out->scheme, "+-.") || !tsms__str_starts(rest, TSMS__STR("://"))) {
        return false;
    }
    rest.ptr += 3;
    rest.len -= 3;
    tsms_str authority = cut_before(&rest, "/?#");
    out->path = cut_before(&rest, "?#");
    out->query = cut_part(&rest, '?', "#");
    out->fragment = cut_part(&rest, '#', "");
    return parse_authority(authority, out);
}
