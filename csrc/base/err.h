/* Filling in tsms_error, so that its text is always one clean line. */
#ifndef TSMS_BASE_ERR_H
#define TSMS_BASE_ERR_H

#include "str.h"

#if defined(__GNUC__)
#define TSMS__PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define TSMS__PRINTF(text, first)
#endif

/* No error; retry_after_ms is -1. */
void tsms__error_clear(tsms_error *err);
/* Sets kind, its category and its default `retryable`, and the text; the rest is cleared. NULL err
 * is allowed. Always answers TSMS_ERROR, so that callers can return it. */
tsms_status tsms__error_set(tsms_error *err, tsms_kind kind, const char *format, ...)
    TSMS__PRINTF(3, 4);
/* Memory ran out: kind TEMPORARILY_UNAVAILABLE. Always answers TSMS_NOMEM. */
tsms_status tsms__error_nomem(tsms_error *err);
/* Copies foreign text into a field of `size` bytes: control characters become spaces, bad UTF-8
 * becomes '?', phone numbers (7 or more digits behind a '+', 10 or more that stand alone) are
 * masked, and it is cut at a character. */
void tsms__error_text(char *field, size_t size, tsms_str text);

#endif
