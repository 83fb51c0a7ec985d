/* The parameters of the create call: one table to check, to encode and to bind them. */
#ifndef TSMS_WIRE_MESSAGE_H
#define TSMS_WIRE_MESSAGE_H

#include "../base/err.h"

typedef enum tsms__param_type {
    TSMS__PARAM_STR,
    TSMS__PARAM_LIST,   /* const tsms_str *, with its count at count_offset */
    TSMS__PARAM_TOGGLE, /* tsms_toggle */
    TSMS__PARAM_INT,    /* int, 0 is unset */
    TSMS__PARAM_TIME,   /* int64_t Unix seconds, 0 is unset */
} tsms__param_type;

typedef struct tsms__param {
    const char *name; /* "media" */
    const char *wire; /* "MediaUrl"; NULL: not sent */
    tsms__param_type type;
    size_t offset; /* in tsms_message_options */
    size_t count_offset;
} tsms__param;

/* The bytes of a status callback URL (https://www.twilio.com/docs/api/errors/21609). */
enum { TSMS__CALLBACK_MOST = 4000 };

const tsms__param *tsms__params(size_t *count);
/* NULL when there is no such name. */
const tsms__param *tsms__param_find(tsms_str name);

/* Copies the fields that the caller's version knows, by its `size`, and clears the rest; *own then
 * has our size, and its views are the caller's. TSMS_ERROR (InvalidRequest) when size is not set or
 * larger than ours. */
tsms_status tsms__message_read(const tsms_message_options *given, tsms_message_options *own,
                               tsms_error *err);
/* Everything that can be known to be wrong before sending. message comes from tsms__message_read,
 * with the client's defaults filled in; an empty text counts as absent. wall_s is the current Unix
 * time, for send_at. */
tsms_status tsms__message_check(const tsms_message_options *message, int64_t wall_s,
                                tsms_error *err);
/* Appends the form body of a message that passed the check. */
void tsms__message_encode(const tsms_message_options *message, tsms_buf *form);

#endif
