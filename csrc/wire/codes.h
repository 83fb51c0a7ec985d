/* What each of Twilio's error codes means. */
#ifndef TSMS_WIRE_CODES_H
#define TSMS_WIRE_CODES_H

#include "../config/config.h"

typedef struct tsms__code {
    int code;
    tsms_kind kind;
    bool retryable;
    bool guessed;        /* only the code's range is known */
    const char *meaning; /* a few words; "" for an override or a guess */
} tsms__code;

/* The overrides first, then the table in errors.def, then the code's range with an empty meaning.
 * False for codes of no known range. */
bool tsms__code_find(int code, const tsms__code_override *overrides, size_t override_count,
                     tsms__code *out);
/* The rows of errors.def, in ascending order. */
const tsms__code *tsms__codes(size_t *count);

#endif
