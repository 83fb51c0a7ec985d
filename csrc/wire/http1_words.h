/* The small words of HTTP/1.1: tokens, blanks, lists, numbers. */
#ifndef TSMS_WIRE_HTTP1_WORDS_H
#define TSMS_WIRE_HTTP1_WORDS_H

#include "../base/str.h"

bool tsms__http1_is_digit(char c);
/* A space or a tab (RFC 9110 section 5.6.3). */
bool tsms__http1_is_blank(char c);
/* The name of a header (RFC 9110 section 5.6.2). */
bool tsms__http1_is_token(tsms_str s);
/* Cuts blanks off both ends. */
tsms_str tsms__http1_trim_blanks(tsms_str s);
/* Cuts the next member off a list with commas (RFC 9110 section 5.6.1), empty ones included. False
 * behind the last, when *rest is absent. */
bool tsms__http1_next_member(tsms_str *rest, tsms_str *member);
/* Nothing but digits, of base 10 or 16; what is too large for any body is UINT64_MAX. */
bool tsms__http1_number(tsms_str s, unsigned base, uint64_t *out);

#endif
