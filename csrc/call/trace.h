/* Turns what happens into spans, which the host pulls and exports. */
#ifndef TSMS_CALL_TRACE_H
#define TSMS_CALL_TRACE_H

#include "client.h"

/* One owner more; the last tsms_trace_free frees it. */
tsms_trace *tsms__trace_keep(tsms_trace *trace);
/* Ids for a call that begins, below traceparent (absent or malformed: none). */
tsms__span tsms__trace_begin(tsms_trace *trace, tsms_str traceparent, tsms__now now);
/* What a client reports. call is NULL for what is about none. */
void tsms__trace_event(tsms_trace *trace, const tsms_client *client, tsms__call *call,
                       const tsms_event *event);
/* What became of a webhook. */
void tsms__trace_webhook(tsms_trace *trace, const tsms_webhook_info *info,
                         tsms_webhook_verdict verdict, int64_t wall_ms);
/* How many spans found no room, or were given up, since the last question. */
uint64_t tsms__trace_take_dropped(tsms_trace *trace);

#endif
