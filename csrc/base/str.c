/* Borrowed strings and the growing buffer. */
#include "str.h"

#include <string.h>

tsms_str tsms_str_from(const char *text)
{
    return (tsms_str){text, text != NULL ? strlen(text) : 0};
}

bool tsms__str_eq(tsms_str a, tsms_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool tsms__str_eq_z(tsms_str a, const char *z)
{
    return tsms__str_eq(a, tsms_str_from(z));
}

static unsigned char ascii_lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool tsms__str_eq_nocase(tsms_str a, tsms_str b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

bool tsms__str_starts(tsms_str s, tsms_str prefix)
{
    return s.len >= prefix.len && tsms__str_eq((tsms_str){s.ptr, prefix.len}, prefix);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

tsms_str tsms__str_trim(tsms_str s)
{
    while (s.len > 0 && is_space(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_space(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

bool tsms__str_to_int(tsms_str s, int64_t *out)
{
    bool negative = s.len > 0 && s.ptr[0] == '-';
    size_t i = s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+') ? 1 : 0;
    if (i == s.len) {
        return false;
    }
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    uint64_t value = 0;
    for (; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return false;
        }
        uint64_t digit = (uint64_t)(s.ptr[i] - '0');
        if (value > (limit - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

bool tsms__utf8_next(tsms_str s, size_t *pos, uint32_t *code_point)
{
    if (*pos >= s.len) {
        return false;
    }
    const unsigned char *p = (const unsigned char *)s.ptr + *pos;
    size_t left = s.len - *pos;
    if (p[0] < 0x80) {
        *code_point = p[0];
        *pos += 1;
        return true;
    }
    size_t n = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || left < n) {
        return false;
    }
    uint32_t value = p[0] & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            return false;
        }
        value = value << 6 | (p[i] & 0x3Fu);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < least[n] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
        return false;
    }
    *code_point = value;
    *pos += n;
    return true;
}

bool tsms__utf8_valid(tsms_str s)
{
    size_t pos = 0;
    uint32_t code_point;
    while (pos < s.len) {
        if (!tsms__utf8_next(s, &pos, &code_point)) {
            return false;
        }
    }
    return true;
}

size_t tsms__utf8_length(tsms_str s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++) {
        count += ((unsigned char)s.ptr[i] & 0xC0) != 0x80;
    }
    return count;
}

uint64_t tsms__str_hash(tsms_str s)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < s.len; i++) {
        h = (h ^ (unsigned char)s.ptr[i]) * 0x100000001B3u;
    }
    /* FNV's low bits are weak on short keys; one round of the splitmix64 finisher spreads them. */
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9u;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBu;
    return h ^ (h >> 31);
}

char *tsms__str_dup(const tsms_mem *mem, tsms_str s)
{
    char *copy = tsms__alloc(mem, s.len + 1);
    if (copy != NULL) {
        if (s.len > 0) {
            memcpy(copy, s.ptr, s.len);
        }
        copy[s.len] = '\0';
    }
    return copy;
}

size_t tsms__str_distance(tsms_str a, tsms_str b, size_t limit)
{
    enum { MOST = 64 };
    if (a.len > MOST || b.len > MOST) {
        return limit + 1;
    }
    size_t rows[3][MOST + 1];
    for (size_t j = 0; j <= b.len; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        size_t *row = rows[i % 3];
        const size_t *up = rows[(i + 2) % 3];
        const size_t *up2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t best = up[j - 1] + (a.ptr[i - 1] != b.ptr[j - 1]);
            best = up[j] + 1 < best ? up[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1]) {
                best = up2[j - 2] + 1 < best ? up2[j - 2] + 1 : best;
            }
            row[j] = best;
        }
    }
    size_t distance = rows[a.len % 3][b.len];
    return distance <= limit ? distance : limit + 1;
}

void tsms__buf_init(tsms_buf *buf, const tsms_mem *mem)
{
    *buf = (tsms_buf){.mem = mem};
}

void tsms__buf_free(tsms_buf *buf)
{
    tsms__free(buf->mem, buf->ptr);
    tsms__buf_init(buf, buf->mem);
}

void tsms__buf_clear(tsms_buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

bool tsms__buf_reserve(tsms_buf *buf, size_t more)
{
    if (buf->failed) {
        return false;
    }
    if (more <= buf->cap - buf->len) {
        return true;
    }
    size_t cap = buf->cap > 0 ? buf->cap : 64;
    while (cap - buf->len < more) {
        if (cap > SIZE_MAX / 2) {
            buf->failed = true;
            return false;
        }
        cap *= 2;
    }
    char *ptr = tsms__resize(buf->mem, buf->ptr, cap, 1);
    if (ptr == NULL) {
        buf->failed = true;
        return false;
    }
    buf->ptr = ptr;
    buf->cap = cap;
    return true;
}

void tsms__buf_add(tsms_buf *buf, tsms_str s)
{
    if (s.len > 0 && tsms__buf_reserve(buf, s.len)) {
        memcpy(buf->ptr + buf->len, s.ptr, s.len);
        buf->len += s.len;
    }
}

void tsms__buf_add_z(tsms_buf *buf, const char *z)
{
    tsms__buf_add(buf, tsms_str_from(z));
}

void tsms__buf_add_char(tsms_buf *buf, char c)
{
    tsms__buf_add(buf, (tsms_str){&c, 1});
}

/* Without snprintf: several numbers go into each span. */
void tsms__buf_add_int(tsms_buf *buf, int64_t value)
{
    char text[20]; /* "-9223372036854775808" */
    size_t at = sizeof text;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        text[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0) {
        text[--at] = '-';
    }
    tsms__buf_add(buf, (tsms_str){text + at, sizeof text - at});
}

void tsms__hex_write(const unsigned char *bytes, size_t count, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
}

void tsms__buf_add_base64(tsms_buf *buf, tsms_str bytes)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t group = (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                         (n > 2 ? (uint32_t)p[i + 2] : 0);
        char out[4] = {alphabet[group >> 18], alphabet[group >> 12 & 63],
                       n > 1 ? alphabet[group >> 6 & 63] : '=', n > 2 ? alphabet[group & 63] : '='};
        tsms__buf_add(buf, (tsms_str){out, 4});
    }
}

const char *tsms__buf_z(tsms_buf *buf)
{
    if (!tsms__buf_reserve(buf, 1)) {
        return NULL;
    }
    buf->ptr[buf->len] = '\0';
    return buf->ptr;
}

tsms_str tsms__buf_str(const tsms_buf *buf)
{
    return (tsms_str){buf->ptr, buf->len};
}
