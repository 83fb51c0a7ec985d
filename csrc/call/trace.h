/* Turns what happens into spans, which the host pulls and exports. */
#ifndef TSMS_CALL_TRACE_H
#define TSMS_CALL_TRACE_H

#include "client.h"
#include "trace_text.h"

/* One owner more; the last tsms_trace_free frees it. */
tsms_trace *tsms__trace_keep(tsms_trace *trace);
/* Ids for a call that begins, below traceparent (absent or malformed: none). */
tsms__span tsms__trace_begin(tsms_trace *trace, tsms_str traceparent, tsms__now now);
/* Ids for a webhook that came, as the traceparent of what follows from it, which ends in NUL. */
void tsms__trace_receive(tsms_trace *trace, char traceparent[TSMS__TRACEPARENT_SIZE]);
/* What a client reports. call is NULL for what is about none. */
void tsms__trace_event(tsms_trace *trace, const tsms_client *client, tsms__call *call,
                       const tsms_event *event);
/* What became of a webhook. */
void tsms__trace_webhook(tsms_trace *trace, const tsms_webhook_info *info,
                         tsms_webhook_verdict verdict, int64_t wall_ms);
/* How many spans found no room, or were given up, since the last question. */
uint64_t tsms__trace_take_dropped(tsms_trace *trace);

/* Numbers since it was made. */
typedef struct tsms__trace_stats {
    uint64_t spans;   /* made */
    uint64_t dropped; /* of those */
    size_t pending;
} tsms__trace_stats;

void tsms__trace_stats_read(const tsms_trace *trace, tsms__trace_stats *out);

/* ---- For the makers of spans (trace_call.c, trace_webhook.c) */

/* New ids, never zeros. */
void tsms__trace_new_id(tsms_trace *trace, unsigned char *out, size_t size);
/* Whether a trace with this id is among those that are kept. */
bool tsms__trace_samples(const tsms_trace *trace, const unsigned char trace_id[TSMS__TRACE_ID]);
/* An empty buffer to write a span to. */
tsms_buf *tsms__trace_start_span(tsms_trace *trace);
/* Puts that span where it waits to be exported, if there is room. */
void tsms__trace_add_span(tsms_trace *trace);

#endif
