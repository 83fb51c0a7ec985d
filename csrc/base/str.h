/* Borrowed strings, and a growing buffer whose out-of-memory state sticks. */
#ifndef TSMS_BASE_STR_H
#define TSMS_BASE_STR_H

#include "mem.h"

/* A literal as a view. */
#define TSMS__STR(literal) ((tsms_str){(literal), sizeof(literal) - 1})

bool tsms__str_eq(tsms_str a, tsms_str b);
bool tsms__str_eq_z(tsms_str a, const char *z);
/* ASCII letters compare without regard to case. */
bool tsms__str_eq_nocase(tsms_str a, tsms_str b);
bool tsms__str_starts(tsms_str s, tsms_str prefix);
/* Cuts spaces, tabs and line ends off both ends. */
tsms_str tsms__str_trim(tsms_str s);
/* The whole of s as a decimal integer with an optional sign; false on anything else. */
bool tsms__str_to_int(tsms_str s, int64_t *out);
/* Well-formed UTF-8 without surrogates or overlong forms (Unicode 15, table 3-7). */
bool tsms__utf8_valid(tsms_str s);
/* How many characters UTF-8 has; of other bytes any number up to len. */
size_t tsms__utf8_length(tsms_str s);
/* Decodes the code point at s[*pos] and moves *pos behind it; false at the end or on bad bytes. */
bool tsms__utf8_next(tsms_str s, size_t *pos, uint32_t *code_point);
/* 64 bits of hash (FNV-1a with a finisher), the same in every process; for tables, not security. */
uint64_t tsms__str_hash(tsms_str s);
/* A copy that ends in NUL, to be given to tsms__free; NULL without memory. */
char *tsms__str_dup(const tsms_mem *mem, tsms_str s);
/* The edit distance of a and b (insert, delete, replace, swap neighbours), at most limit + 1; it is
 * meant for names: with more than 64 bytes on a side it answers limit + 1. */
size_t tsms__str_distance(tsms_str a, tsms_str b, size_t limit);

/* After a failed allocation `failed` is set, further appends do nothing, and what was there stays
 * readable. Appending never fails on its own: check `failed` once, at the end. */
typedef struct tsms_buf {
    const tsms_mem *mem;
    char *ptr;
    size_t len;
    size_t cap;
    bool failed;
} tsms_buf;

void tsms__buf_init(tsms_buf *buf, const tsms_mem *mem);
/* Gives the memory back; the buffer may be used again. */
void tsms__buf_free(tsms_buf *buf);
/* Empties it, keeps the memory, and forgets an earlier failure. */
void tsms__buf_clear(tsms_buf *buf);
/* Makes room for `more` bytes behind len; false (and failed) without memory. */
bool tsms__buf_reserve(tsms_buf *buf, size_t more);
void tsms__buf_add(tsms_buf *buf, tsms_str s);
void tsms__buf_add_z(tsms_buf *buf, const char *z);
void tsms__buf_add_char(tsms_buf *buf, char c);
void tsms__buf_add_int(tsms_buf *buf, int64_t value);
/* Writes bytes as lower-case hex digits, two each; ends in no NUL. */
void tsms__hex_write(const unsigned char *bytes, size_t count, char *out);
/* Standard alphabet with padding (RFC 4648 section 4). */
void tsms__buf_add_base64(tsms_buf *buf, tsms_str bytes);
/* Ends it with a NUL that len does not count. NULL when failed. */
const char *tsms__buf_z(tsms_buf *buf);
tsms_str tsms__buf_str(const tsms_buf *buf);

#endif
