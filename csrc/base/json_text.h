/* The small parts of JSON text, strings and numbers, in both directions and exactly: a tree of
 * json.h knows doubles only and ends a string at a zero byte, which is no good for what is to be
 * kept. */
#ifndef TSMS_BASE_JSON_TEXT_H
#define TSMS_BASE_JSON_TEXT_H

#include "str.h"

/* Appends a string with its quotes; it must be UTF-8. */
void tsms__json_put_string(tsms_buf *out, tsms_str text);
/* Appends a finite number with the digits that give it back, and with a point or an exponent, so
 * that it does not look like an integer. */
void tsms__json_put_double(tsms_buf *out, double value);

/* The functions below cut their piece off the front of *rest. */

/* White space (RFC 8259 section 2). */
void tsms__json_skip_space(tsms_str *rest);
/* A number as it is written (section 6); absent, and nothing is cut, when there is none. */
tsms_str tsms__json_take_number(tsms_str *rest);
/* A string (section 7): *raw is what stands between its quotes, escapes and all. False when it is
 * malformed, has bytes that are not UTF-8, or half a surrogate pair. */
bool tsms__json_take_string(tsms_str *rest, tsms_str *raw);
/* The next piece of such a raw string: a run without escapes, or one escape, which is written to
 * `space`. Absent at the end. */
tsms_str tsms__json_take_piece(tsms_str *raw, char space[4]);

#endif
