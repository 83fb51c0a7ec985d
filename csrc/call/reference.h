/* The references of a client's messages. */
#ifndef TSMS_CALL_REFERENCE_H
#define TSMS_CALL_REFERENCE_H

#include "client.h"

enum { TSMS__RANDOM_REF_SIZE = 33 };

/* Puts the message's reference into its status callback URL, if it has one and the client a key.
 * A span that is kept goes with it where the URL has room. own_ref is room for a random reference.
 * The message was checked; its views then live until the next call on the client. */
tsms_status tsms__reference_add(tsms_client *client, tsms_message_options *message,
                                const tsms__span *span, tsms__now now,
                                char own_ref[TSMS__RANDOM_REF_SIZE], tsms_error *err);

#endif
