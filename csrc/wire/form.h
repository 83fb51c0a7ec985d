/* application/x-www-form-urlencoded, both ways (WHATWG URL, section 5). */
#ifndef TSMS_WIRE_FORM_H
#define TSMS_WIRE_FORM_H

#include "../base/str.h"

/* Appends text with everything but letters, digits and "*-._" encoded, a space as '+'. */
void tsms__form_encode(tsms_buf *out, tsms_str text);
/* Appends "name=value", behind an '&' when out is not empty. Safe for hostile names and values. */
void tsms__form_add(tsms_buf *out, tsms_str name, tsms_str value);
/* Cuts the next pair off *rest and decodes it into the two buffers, which are cleared first. A '%'
 * without two hex digits stays as it is. Empty pieces ("&&") are skipped. False at the end, or when
 * a buffer failed. */
bool tsms__form_next(tsms_str *rest, tsms_buf *name, tsms_buf *value);

#endif
