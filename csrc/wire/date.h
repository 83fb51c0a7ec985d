/* Dates as HTTP, mail and ISO 8601 write them, to Unix seconds. */
#ifndef TSMS_WIRE_DATE_H
#define TSMS_WIRE_DATE_H

#include "../base/str.h"

/* RFC 2822 ("Thu, 24 Aug 2023 05:01:45 +0000", zone also as GMT, UT or Z; the weekday may be absent
 * and is not checked). False when it is malformed or before 1970. */
bool tsms__date_from_rfc2822(tsms_str text, int64_t *unix_s);
/* ISO 8601 / RFC 3339 ("2026-04-14T09:26:42Z", with an optional fraction, "+02:00" or "Z"; a zone
 * is required). */
bool tsms__date_from_iso8601(tsms_str text, int64_t *unix_s);
/* Appends "2026-04-14T09:26:42Z". */
void tsms__date_add_iso8601(tsms_buf *out, int64_t unix_s);
/* Whether text is a day that exists, as "YYYY-MM-DD". */
bool tsms__date_is_day(tsms_str text);

#endif
