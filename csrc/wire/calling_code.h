/* The country, or what is like one, in front of a telephone number. */
#ifndef TSMS_WIRE_CALLING_CODE_H
#define TSMS_WIRE_CALLING_CODE_H

#include "../base/str.h"

enum { TSMS__CALLING_CODES = 306 };

/* The calling code of a number in E.164, also of one behind a channel ("whatsapp:+44..."): 1 to
 * 999. 0 for every other address. */
unsigned tsms__calling_code(tsms_str address);
/* How many codes are smaller, of those that a number may begin with: below TSMS__CALLING_CODES. */
unsigned tsms__calling_code_rank(unsigned code);
/* The code of that rank; 0 when there is none. */
unsigned tsms__calling_code_at(unsigned rank);

#endif
