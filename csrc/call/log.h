/* Turns what happens into lines of text, which the host pulls. */
#ifndef TSMS_CALL_LOG_H
#define TSMS_CALL_LOG_H

#include "call.h"

/* One owner more; the last tsms_log_free frees it. */
tsms_log *tsms__log_keep(tsms_log *log);
/* Whether lines of this level are written. */
bool tsms__log_wants(const tsms_log *log, tsms_log_level level);
/* What a client reports. call is NULL for what is about none. */
void tsms__log_event(tsms_log *log, const tsms__call *call, const tsms_event *event);
/* The request that leaves, and what came of it, whole, where the level is TRACE. */
void tsms__log_request(tsms_log *log, const tsms__call *call, tsms__now now);
void tsms__log_response(tsms_log *log, const tsms__call *call, const tsms__transfer *transfer,
                        tsms__now now);
/* What became of a webhook. */
void tsms__log_webhook(tsms_log *log, const tsms_webhook_info *info, tsms_webhook_verdict verdict,
                       int64_t wall_ms);
void tsms__log_refused_webhook(tsms_log *log, tsms_webhook_verdict verdict, const tsms_error *err,
                               int64_t wall_ms);
/* How many lines found no room since the last question. */
uint64_t tsms__log_take_dropped(tsms_log *log);

#endif
