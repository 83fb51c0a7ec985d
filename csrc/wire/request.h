/* The endpoints, and the request line and body of each operation. */
#ifndef TSMS_WIRE_REQUEST_H
#define TSMS_WIRE_REQUEST_H

#include "../base/err.h"

typedef enum tsms__method {
    TSMS__GET,
    TSMS__POST,
    TSMS__DELETE,
} tsms__method;

typedef enum tsms__shape {
    TSMS__SHAPE_NONE, /* 204, no body */
    TSMS__SHAPE_MESSAGE,
    TSMS__SHAPE_MESSAGE_PAGE,
    TSMS__SHAPE_MEDIA,
    TSMS__SHAPE_MEDIA_PAGE,
    TSMS__SHAPE_FEEDBACK,
} tsms__shape;

/* What is known about an operation without looking at a request. */
typedef struct tsms__endpoint {
    tsms__method method;
    bool idempotent; /* may be repeated whatever became of it */
    tsms__shape shape;
} tsms__endpoint;

const tsms__endpoint *tsms__endpoint_of(tsms_operation operation);

/* "SM" or "MM", "ME", ... followed by 32 hex digits. */
bool tsms__sid_is(tsms_str sid, const char *prefix);
bool tsms__sid_is_message(tsms_str sid);

/* Appends "https://api.twilio.com", or what base_url, region and edge (each may be NULL) make of
 * it; no slash at the end. The rule for region and edge: https://api.{edge}.{region}.twilio.com, an
 * edge without a region implies us1. */
void tsms__origin_add(tsms_buf *out, const char *base_url, const char *region, const char *edge);

/* Copies the fields that the caller's version knows, as tsms__message_read does; `message` stays
 * the caller's. */
tsms_status tsms__request_read(const tsms_request *given, tsms_request *own, tsms_error *err);
/* Checks what the operation needs: sids, filters, a page_uri of this account's. For SEND also the
 * message, which must come from tsms__message_read. */
tsms_status tsms__request_check(const tsms_request *request, tsms_str account_sid, int64_t wall_s,
                                tsms_error *err);
/* What follows takes a request that passed the check. */
/* Appends path and query, "/2010-04-01/Accounts/AC.../Messages.json?...". page_uri is taken as it
 * is. */
void tsms__request_path(const tsms_request *request, tsms_str account_sid, tsms_buf *out);
/* Appends the form body of a POST; nothing for other methods. */
void tsms__request_body(const tsms_request *request, tsms_buf *out);

#endif
