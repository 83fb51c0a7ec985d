/* Telling the host what happens: events and counters. */
#ifndef TSMS_CALL_REPORT_H
#define TSMS_CALL_REPORT_H

#include "client.h"

void tsms__count(tsms_client *client, tsms__counter counter);
/* An event about a call, with its numbers masked; fill in the rest and report it. */
tsms_event tsms__event_of(tsms_event_type type, const tsms__call *call, tsms__now now);
/* Notes the server's name for a request, if it is one: a proxy could say anything there, as what it
 * was sent. */
void tsms__event_request_id(tsms_event *event, tsms_str request_id);
/* Tells whoever wants to know: the ring, the log, the trace. call is NULL for what is about none.
 */
void tsms__report(tsms_client *client, tsms__call *call, const tsms_event *event);
/* Adds the event of a breaker that changed its state, if it did. */
void tsms__report_breaker(tsms_client *client, tsms__breaker_state before,
                          tsms__breaker_state after, tsms__now now);

#endif
