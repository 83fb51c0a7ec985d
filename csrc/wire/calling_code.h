/* The country, or what is like one, in front of a telephone number. */
#ifndef TSMS_WIRE_CALLING_CODE_H
#define TSMS_WIRE_CALLING_CODE_H

#include "../base/str.h"

/* The calling code of a number in E.164, also of one behind a channel ("whatsapp:+44..."): 1 to
 * 999. 0 for every other address. */
unsigned tsms__calling_code(tsms_str address);

#endif
