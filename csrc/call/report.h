/* Telling the host what happens: events and counters. */
#ifndef TSMS_CALL_REPORT_H
#define TSMS_CALL_REPORT_H

#include "client.h"

void tsms__count(tsms_client *client, tsms__counter counter);
/* Adds an event about a call, with its numbers masked. Fill in the rest through the returned
 * pointer, which is good until the next event. */
tsms_event *tsms__report(tsms_client *client, tsms_event_type type, const tsms__call *call,
                         tsms__now now);
/* Adds the event of a breaker that changed its state, if it did. */
void tsms__report_breaker(tsms_client *client, tsms__breaker_state before,
                          tsms__breaker_state after, tsms__now now);

#endif
