/* The permits of the breaker, as the calls of a client get them and bring them back. */
#ifndef TSMS_CALL_PERMIT_H
#define TSMS_CALL_PERMIT_H

#include "client.h"

/* Whether there is one now, without taking it. When not, the call has been put where it waits, or
 * has ended. */
bool tsms__permit_peek(tsms_client *client, tsms__call *call, tsms__now now);
/* Takes one. When there is none, as above. */
bool tsms__permit_get(tsms_client *client, tsms__call *call, tsms__now now);
/* Brings one back. Calls that waited for it may be woken. */
void tsms__permit_give(tsms_client *client, tsms__call *call, tsms__breaker_result result,
                       tsms__now now);
/* Brings one back when the client goes away with the request on the wire: other processes may wait
 * for it. */
void tsms__permit_drop(tsms_client *client, const tsms__call *call);

#endif
