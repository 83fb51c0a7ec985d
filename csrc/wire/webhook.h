/* What a genuine request says: its parameters, checked and typed. */
#ifndef TSMS_WIRE_WEBHOOK_H
#define TSMS_WIRE_WEBHOOK_H

#include "../base/err.h"
#include "fields.h"

/* Fills in what the parameters say; the rest of *out stays as it is. Views live as long as the
 * fields.
 *
 * The signature has no borders between names and values, so a request that was cut anew passes it
 * too ("A=1" and "B=2" as "A=1B2"). What is known is therefore held against its shape.
 * MissingFields or PayloadParseError, with http_status 400. */
tsms_status tsms__webhook_type_fields(const tsms__fields *fields, tsms_webhook_info *out,
                                      tsms_error *err);
/* Whether text is UTF-8 without NUL, as everything that Twilio sends is. */
bool tsms__webhook_is_text(tsms_str text);

/* Copies what info and fields show; fields NULL means none. */
tsms_status tsms__webhook_event_new(const tsms_mem *mem, const tsms_webhook_info *info,
                                    const tsms__fields *fields, tsms_webhook_event **out,
                                    tsms_error *err);

#endif
