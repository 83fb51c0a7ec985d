/* Takes the lines of HTTP/1.1 apart. */
#include "http1_words.h"

#include <string.h>

bool tsms__http1_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool tsms__http1_is_token(tsms_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !tsms__http1_is_digit(c) &&
            (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL)) {
            return false;
        }
    }
    return s.len > 0;
}

bool tsms__http1_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

tsms_str tsms__http1_trim_blanks(tsms_str s)
{
    while (s.len > 0 && tsms__http1_is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && tsms__http1_is_blank(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

bool tsms__http1_next_member(tsms_str *rest, tsms_str *member)
{
    if (rest->ptr == NULL) {
        return false;
    }
    const char *comma = rest->len > 0 ? memchr(rest->ptr, ',', rest->len) : NULL;
    size_t len = comma != NULL ? (size_t)(comma - rest->ptr) : rest->len;
    *member = tsms__http1_trim_blanks((tsms_str){rest->ptr, len});
    *rest = comma != NULL ? (tsms_str){comma + 1, rest->len - len - 1} : (tsms_str){NULL, 0};
    return true;
}

bool tsms__http1_number(tsms_str s, unsigned base, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        char lower = (char)(c | 0x20);
        unsigned digit = tsms__http1_is_digit(c)        ? (unsigned)(c - '0')
                         : lower >= 'a' && lower <= 'f' ? (unsigned)(lower - 'a' + 10)
                                                        : 16;
        if (digit >= base) {
            return false;
        }
        value = value > UINT64_MAX / 16 - 1 ? UINT64_MAX : value * base + digit;
    }
    *out = value;
    return s.len > 0;
}
