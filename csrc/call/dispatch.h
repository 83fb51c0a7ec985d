/* Who goes next: timers, rate limits, the breaker and the slots on the wire. */
#ifndef TSMS_CALL_DISPATCH_H
#define TSMS_CALL_DISPATCH_H

#include "client.h"

/* Puts a call where its phase says, out of wherever it was. A finished one is handed out. */
void tsms__dispatch_put(tsms_client *client, tsms__call *call, tsms__now now);

#endif
