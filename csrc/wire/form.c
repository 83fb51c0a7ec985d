/* Encodes and decodes application/x-www-form-urlencoded. */
#include "form.h"

#include <string.h>

/* The application/x-www-form-urlencoded percent-encode set of WHATWG URL leaves these alone. */
static bool is_plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '*' ||
           c == '-' || c == '.' || c == '_';
}

void tsms__form_encode(tsms_buf *out, tsms_str text)
{
    static const char hex[] = "0123456789ABCDEF";
    /* Room for the worst case first: one check here instead of one for each byte. */
    if (text.len > SIZE_MAX / 3) {
        out->failed = true;
    }
    if (text.len == 0 || !tsms__buf_reserve(out, 3 * text.len)) {
        return;
    }
    char *to = out->ptr + out->len;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (is_plain(c)) {
            *to++ = (char)c;
        } else if (c == ' ') {
            *to++ = '+';
        } else {
            *to++ = '%';
            *to++ = hex[c >> 4];
            *to++ = hex[c & 15];
        }
    }
    out->len = (size_t)(to - out->ptr);
}

void tsms__form_add(tsms_buf *out, tsms_str name, tsms_str value)
{
    if (out->len > 0) {
        tsms__buf_add_char(out, '&');
    }
    tsms__form_encode(out, name);
    tsms__buf_add_char(out, '=');
    tsms__form_encode(out, value);
}

/* -1 when c is no hex digit. */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void decode(tsms_buf *out, tsms_str text)
{
    tsms__buf_clear(out);
    if (!tsms__buf_reserve(out, text.len)) {
        return;
    }
    char *to = out->ptr;
    for (size_t i = 0; i < text.len; i++) {
        int high = -1;
        int low = -1;
        if (text.ptr[i] == '%' && text.len - i > 2) {
            high = hex_value(text.ptr[i + 1]);
            low = hex_value(text.ptr[i + 2]);
        }
        if (high >= 0 && low >= 0) {
            *to++ = (char)(high << 4 | low);
            i += 2;
        } else {
            *to++ = text.ptr[i] == '+' ? ' ' : text.ptr[i];
        }
    }
    out->len = (size_t)(to - out->ptr);
}

/* Cuts what stands before the first `mark`, or all of it, off *text; the mark is dropped. */
static tsms_str cut_at(tsms_str *text, char mark)
{
    const char *found = text->len > 0 ? memchr(text->ptr, mark, text->len) : NULL;
    tsms_str piece = {text->ptr, found != NULL ? (size_t)(found - text->ptr) : text->len};
    size_t used = piece.len + (found != NULL);
    *text = (tsms_str){text->len > 0 ? text->ptr + used : NULL, text->len - used};
    return piece;
}

bool tsms__form_next(tsms_str *rest, tsms_buf *name, tsms_buf *value)
{
    while (rest->len > 0) {
        tsms_str pair = cut_at(rest, '&');
        if (pair.len > 0) {
            decode(name, cut_at(&pair, '='));
            decode(value, pair);
            return !name->failed && !value->failed;
        }
    }
    return false;
}
