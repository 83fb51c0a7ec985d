/* Finds what may be a phone number, and shows of it no more than is allowed. */
#include "log_number.h"

#include <string.h>

/* A decimal digit of a script that phone numbers are written in (Unicode, category Nd); -1 for what
 * is none. *size is its length. */
static int digit_at(tsms_str text, size_t pos, size_t *size)
{
    if (pos >= text.len) {
        return -1;
    }
    unsigned char c = (unsigned char)text.ptr[pos];
    *size = 1;
    if (c < 0x80) {
        return c >= '0' && c <= '9' ? c - '0' : -1;
    }
    static const uint32_t zeros[] = {0x0660, 0x06F0, 0x0966, 0xFF10};
    uint32_t code_point;
    size_t end = pos;
    if (!tsms__utf8_next(text, &end, &code_point)) {
        return -1;
    }
    *size = end - pos;
    for (size_t i = 0; i < sizeof zeros / sizeof *zeros; i++) {
        if (code_point >= zeros[i] && code_point <= zeros[i] + 9) {
            return (int)(code_point - zeros[i]);
        }
    }
    return -1;
}

/* The length of a plus sign at pos, 0 when there is none. */
static size_t plus_at(tsms_str text, size_t pos)
{
    static const tsms_str signs[] = {
        {"+", 1}, {"%2B", 3}, {"%2b", 3}, {"\xEF\xBC\x8B", 3} /* U+FF0B */};
    tsms_str rest = {text.ptr + pos, text.len - pos};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (tsms__str_starts(rest, signs[i])) {
            return signs[i].len;
        }
    }
    return 0;
}

/* The length of what may stand between two digits of a number, 0 when there is none: spaces, dots,
 * hyphens, slashes, brackets, also percent-encoded, and Unicode's spaces and hyphens. */
static size_t separator_at(tsms_str text, size_t pos)
{
    if (pos >= text.len) {
        return 0;
    }
    if (memchr(" .-/()", text.ptr[pos], 6) != NULL) {
        return 1;
    }
    tsms_str rest = {text.ptr + pos, text.len - pos};
    if (tsms__str_starts(rest, TSMS__STR("%20"))) {
        return 3;
    }
    uint32_t code_point;
    size_t end = pos;
    if ((unsigned char)text.ptr[pos] < 0x80 || !tsms__utf8_next(text, &end, &code_point)) {
        return 0;
    }
    bool separates = code_point == 0xA0 || code_point == 0x202F || code_point == 0x2212 ||
                     code_point == 0xFF0D || (code_point >= 0x2000 && code_point <= 0x2015);
    return separates ? end - pos : 0;
}

size_t tsms__number_at(tsms_str text, size_t pos, bool *is_number)
{
    enum { SEPARATORS = 3, LEAST = 7, LEAST_APART = 10 };
    size_t start = pos;
    size_t plus = plus_at(text, pos);
    pos += plus;
    if (plus > 0) { /* "+ (49)" */
        pos += separator_at(text, pos);
        pos += separator_at(text, pos);
    }
    size_t digits = 0;
    size_t row = 0;
    size_t longest = 0;
    size_t end = start; /* behind the last digit */
    size_t between = 0;
    for (;;) {
        size_t size;
        if (digit_at(text, pos, &size) >= 0) {
            digits++;
            row = between > 0 ? 1 : row + 1;
            longest = row > longest ? row : longest;
            between = 0;
            pos += size;
            end = pos;
        } else if (digits > 0 && between < SEPARATORS && (size = separator_at(text, pos)) > 0) {
            between++;
            pos += size;
        } else {
            break;
        }
    }
    *is_number = longest >= LEAST || digits >= (plus > 0 ? LEAST : LEAST_APART);
    return end - start;
}

/* The digits of a run, at most so many. */
static size_t collect(tsms_str run, char *out, size_t most)
{
    size_t count = 0;
    for (size_t pos = plus_at(run, 0), size; pos < run.len && count < most; pos += size) {
        int digit = digit_at(run, pos, &size);
        if (digit >= 0) {
            out[count++] = (char)('0' + digit);
        }
    }
    return count;
}

/* The same for the same text, and of no use to who does not have the key: a plain hash would be
 * undone by trying all numbers. */
static tsms_str pseudonym(tsms_str text, tsms__hmac *key, char *out)
{
    enum { BYTES = 8 };
    unsigned char mac[TSMS__DIGEST_MOST];
    if (!tsms__hmac_begin(key) || !tsms__hmac_add(key, text) || !tsms__hmac_end(key, mac)) {
        memcpy(out, "h:?", 3); /* no memory */
        return (tsms_str){out, 3};
    }
    memcpy(out, "h:", 2);
    tsms__hex_write(mac, BYTES, out + 2);
    return (tsms_str){out, 2 + 2 * (size_t)BYTES};
}

/* E.164 allows 15 digits; of what is longer the first ones must do. */
static tsms_str number_pseudonym(tsms_str run, tsms__hmac *key, char *out)
{
    char digits[64] = "+";
    size_t count = collect(run, digits + 1, sizeof digits - 1);
    return pseudonym((tsms_str){digits, count + 1}, key, out);
}

tsms_str tsms__number_show(tsms_str run, tsms__hmac *key, char out[TSMS__NUMBER_SIZE])
{
    if (key != NULL) {
        return number_pseudonym(run, key, out);
    }
    /* One digit and the last two, as tsms_phone_mask shows them. */
    size_t start = plus_at(run, 0);
    size_t digits = 0;
    for (size_t pos = start, size; pos < run.len; pos += size) {
        digits += digit_at(run, pos, &size) >= 0;
    }
    size_t at = 0;
    size_t len = start;
    memcpy(out, run.ptr, start);
    for (size_t pos = start, size; pos < run.len && len + 4 < TSMS__NUMBER_SIZE; pos += size) {
        int digit = digit_at(run, pos, &size);
        if (digit < 0) {
            size = separator_at(run, pos);
            memcpy(out + len, run.ptr + pos, size);
            len += size;
        } else {
            bool shown = at == 0 || at + 2 >= digits;
            out[len++] = shown ? (char)('0' + digit) : '*';
            at++;
        }
    }
    return (tsms_str){out, len};
}

/* The length of "whatsapp:" with its colon, 0 when there is none. */
static size_t channel_of(tsms_str address)
{
    size_t n = 0;
    while (n < address.len && n < 16 && (address.ptr[n] | 0x20) >= 'a' &&
           (address.ptr[n] | 0x20) <= 'z') {
        n++;
    }
    return n > 0 && n < address.len && address.ptr[n] == ':' ? n + 1 : 0;
}

tsms_str tsms__address_show(tsms_str address, tsms__hmac *key, char out[TSMS__NUMBER_SIZE])
{
    if (key == NULL) {
        tsms_phone_mask(address, out, TSMS__NUMBER_SIZE);
        return tsms_str_from(out);
    }
    size_t channel = channel_of(address);
    tsms_str rest = {address.ptr + channel, address.len - channel};
    memcpy(out, address.ptr, channel);
    bool is_number = false;
    bool whole = rest.len > 0 && tsms__number_at(rest, 0, &is_number) == rest.len && is_number;
    tsms_str shown =
        whole ? number_pseudonym(rest, key, out + channel) : pseudonym(rest, key, out + channel);
    return (tsms_str){out, channel + shown.len};
}
