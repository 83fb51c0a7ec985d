/* Writes and reads the strings and numbers of JSON. */
#include "json_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tsms__json_put_string(tsms_buf *out, tsms_str text)
{
    tsms__buf_add_char(out, '"');
    size_t plain = 0; /* where what was not appended yet begins */
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        char escape[8];
        const char *named = c == '"' ? "\\\"" : c == '\\' ? "\\\\" : c == '\n' ? "\\n" : NULL;
        if (named == NULL) {
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)c);
        }
        tsms__buf_add(out, (tsms_str){text.ptr + plain, i - plain});
        tsms__buf_add_z(out, named != NULL ? named : escape);
        plain = i + 1;
    }
    if (plain < text.len) {
        tsms__buf_add(out, (tsms_str){text.ptr + plain, text.len - plain});
    }
    tsms__buf_add_char(out, '"');
}

void tsms__json_put_double(tsms_buf *out, double value)
{
    char text[40];
    int n = snprintf(text, sizeof text, "%.15g", value);
    if (strtod(text, NULL) != value) {
        n = snprintf(text, sizeof text, "%.17g", value);
    }
    bool is_float = false;
    bool in_point = false;
    for (int i = 0; i < n; i++) {
        /* What is no part of a number in JSON is the locale's decimal point, of one byte or more.
         */
        bool is_point = memchr("0123456789+-e", text[i], 13) == NULL;
        if (!is_point) {
            tsms__buf_add_char(out, text[i]);
        } else if (!in_point) {
            tsms__buf_add_char(out, '.');
        }
        in_point = is_point;
        is_float = is_float || is_point || text[i] == 'e';
    }
    if (!is_float) {
        tsms__buf_add_z(out, ".0");
    }
}

static void cut(tsms_str *rest, size_t n)
{
    rest->ptr += n;
    rest->len -= n;
}

void tsms__json_skip_space(tsms_str *rest)
{
    while (rest->len > 0 && memchr(" \t\r\n", rest->ptr[0], 4) != NULL) {
        cut(rest, 1);
    }
}

static char byte_at(tsms_str s, size_t pos)
{
    return pos < s.len ? s.ptr[pos] : '\0';
}

static size_t digits_at(tsms_str s, size_t pos)
{
    size_t n = 0;
    while (byte_at(s, pos + n) >= '0' && byte_at(s, pos + n) <= '9') {
        n++;
    }
    return n;
}

tsms_str tsms__json_take_number(tsms_str *rest)
{
    tsms_str s = *rest;
    const tsms_str none = {NULL, 0};
    size_t n = byte_at(s, 0) == '-';
    size_t digits = digits_at(s, n);
    if (digits == 0 || (digits > 1 && s.ptr[n] == '0')) {
        return none;
    }
    n += digits;
    if (byte_at(s, n) == '.') {
        digits = digits_at(s, n + 1);
        if (digits == 0) {
            return none;
        }
        n += 1 + digits;
    }
    if (byte_at(s, n) == 'e' || byte_at(s, n) == 'E') {
        n += byte_at(s, n + 1) == '+' || byte_at(s, n + 1) == '-' ? 2 : 1;
        digits = digits_at(s, n);
        if (digits == 0) {
            return none;
        }
        n += digits;
    }
    cut(rest, n);
    return (tsms_str){s.ptr, n};
}

/* The four digits of a \u escape at pos; false when they are not there. */
static bool read_unit(tsms_str s, size_t pos, uint32_t *unit)
{
    if (byte_at(s, pos) != '\\' || byte_at(s, pos + 1) != 'u') {
        return false;
    }
    *unit = 0;
    for (size_t i = pos + 2; i < pos + 6; i++) {
        char c = byte_at(s, i);
        char lower = (char)(c | 0x20);
        uint32_t digit = c >= '0' && c <= '9'           ? (uint32_t)(c - '0')
                         : lower >= 'a' && lower <= 'f' ? (uint32_t)(lower - 'a' + 10)
                                                        : 16;
        if (digit == 16) {
            return false;
        }
        *unit = *unit << 4 | digit;
    }
    return true;
}

/* How long the escape at pos is, and what it stands for; 0 when it is malformed. */
static size_t read_escape(tsms_str s, size_t pos, uint32_t *code_point)
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    char name = byte_at(s, pos + 1);
    const char *known = name != '\0' ? strchr(names, name) : NULL;
    if (known != NULL) {
        *code_point = (unsigned char)values[known - names];
        return 2;
    }
    uint32_t low;
    if (!read_unit(s, pos, code_point) || (*code_point >= 0xDC00 && *code_point <= 0xDFFF)) {
        return 0;
    }
    if (*code_point < 0xD800 || *code_point > 0xDBFF) {
        return 6;
    }
    if (!read_unit(s, pos + 6, &low) || low < 0xDC00 || low > 0xDFFF) {
        return 0;
    }
    *code_point = 0x10000 + ((*code_point - 0xD800) << 10) + (low - 0xDC00);
    return 12;
}

bool tsms__json_take_string(tsms_str *rest, tsms_str *raw)
{
    if (byte_at(*rest, 0) != '"') {
        return false;
    }
    size_t pos = 1;
    while (pos < rest->len && rest->ptr[pos] != '"') {
        uint32_t code_point;
        if ((unsigned char)rest->ptr[pos] < 0x20) {
            return false;
        }
        if (rest->ptr[pos] == '\\') {
            size_t n = read_escape(*rest, pos, &code_point);
            if (n == 0) {
                return false;
            }
            pos += n;
        } else if (!tsms__utf8_next(*rest, &pos, &code_point)) {
            return false;
        }
    }
    if (pos == rest->len) {
        return false;
    }
    *raw = (tsms_str){rest->ptr + 1, pos - 1};
    cut(rest, pos + 1);
    return true;
}

static size_t put_utf8(uint32_t code_point, char out[4])
{
    static const unsigned char marks[] = {0, 0, 0xC0, 0xE0, 0xF0};
    size_t n = code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; code_point >>= 6) {
        out[i] = (char)(0x80 | (code_point & 0x3F));
    }
    out[0] = (char)(marks[n] | code_point);
    return n;
}

tsms_str tsms__json_take_piece(tsms_str *raw, char space[4])
{
    tsms_str piece = {NULL, 0};
    if (raw->len == 0) {
        return piece;
    }
    const char *escape = memchr(raw->ptr, '\\', raw->len);
    if (escape == raw->ptr) {
        uint32_t code_point;
        cut(raw, read_escape(*raw, 0, &code_point));
        piece = (tsms_str){space, put_utf8(code_point, space)};
    } else {
        size_t n = escape != NULL ? (size_t)(escape - raw->ptr) : raw->len;
        piece = (tsms_str){raw->ptr, n};
        cut(raw, n);
    }
    return piece;
}
