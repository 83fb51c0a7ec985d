/* What the calls of a client, its log and its trace add to its metrics. */
#ifndef TSMS_CALL_MEASURE_H
#define TSMS_CALL_MEASURE_H

#include "client.h"

/* Names the configured senders, under which messages are counted. */
void tsms__measure_senders(tsms_client *client);
/* A request of a call ended, which was a look-up or not. */
void tsms__measure_request(tsms_client *client, const tsms__call *call, bool looked_up,
                           const tsms__call_effects *effects, const tsms__transfer *transfer,
                           tsms__now now);
/* A retry follows an error, or would have. */
void tsms__measure_retry(tsms_client *client, tsms_kind kind, bool suppressed);
/* A rate limit holds a message back from now on, unless one does already. level is 0 to 2: account,
 * number, recipient. */
void tsms__measure_hold(tsms__call *call, size_t level, tsms__now now);
/* Its request leaves. */
void tsms__measure_leave(tsms_client *client, tsms__call *call, tsms__now now);
/* A call ended. */
void tsms__measure_end(tsms_client *client, const tsms__call *call, tsms__now now);
/* A request was refused, of a call that did not begin. */
void tsms__measure_refused(tsms_client *client, tsms_kind kind);
void tsms__measure_breaker(tsms_client *client, tsms__breaker_state before,
                           tsms__breaker_state after);
/* Adds what a log and a trace (NULL: none) had to drop since the last time to a region's counters.
 */
void tsms__measure_dropped(tsms__region *region, tsms_log *log, tsms_trace *trace);
/* Puts another log, or another trace, into *place, which may be NULL before and after. What the one
 * before has dropped is counted. */
void tsms__measure_switch_log(tsms__region *region, tsms_log **place, tsms_log *log);
void tsms__measure_switch_trace(tsms__region *region, tsms_trace **place, tsms_trace *trace);
/* Appends the metrics of the client's region. */
void tsms__measure_text(tsms_client *client, tsms_metrics_format format, tsms_buf *out);

#endif
