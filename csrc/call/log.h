/* Turns what happens into lines of text, which the host pulls. */
#ifndef TSMS_CALL_LOG_H
#define TSMS_CALL_LOG_H

#include "call.h"
#include "log_line.h"

/* Bytes of the key of pseudonyms. */
enum { TSMS__LOG_KEY_LEAST = 16 };

/* One owner more; the last tsms_log_free frees it. */
tsms_log *tsms__log_keep(tsms_log *log);
/* Whether lines of this level are written. */
bool tsms__log_wants(const tsms_log *log, tsms_log_level level);
/* As tsms_log_add. bare: NULL, or which fields are true, false or numbers of less than seven digits
 * before their point: they stay that in JSON, unless they stand where a phone number does. */
void tsms__log_add(tsms_log *log, tsms_log_level level, const char *event, const tsms_param *fields,
                   const bool *bare, size_t field_count, int64_t wall_ms);
/* How many lines wait. */
size_t tsms__log_pending(const tsms_log *log);
/* How many lines found no room since the last question. */
uint64_t tsms__log_take_dropped(tsms_log *log);

/* ---- What is written of a client (log_call.c, log_payload.c) */

/* What a client reports. call is NULL for what is about none. */
void tsms__log_event(tsms_log *log, const tsms__call *call, const tsms_event *event);
/* A request that never became a call, because of what it asks for. */
void tsms__log_refused(tsms_log *log, tsms_operation operation, const tsms_error *err,
                       int64_t wall_ms);
/* The request that leaves, and what came of it, whole, where the level is TRACE. */
void tsms__log_request(tsms_log *log, const tsms__call *call, tsms__now now);
void tsms__log_response(tsms_log *log, const tsms_config *config, const tsms__call *call,
                        const tsms__transfer *transfer, tsms__now now);

/* ---- What is written of webhooks (log_webhook.c) */

/* What became of a webhook. problem says why it FAILED; it may be absent. */
void tsms__log_webhook(tsms_log *log, const tsms_webhook_info *info, tsms_webhook_verdict verdict,
                       tsms_str problem, int64_t wall_ms);
void tsms__log_refused_webhook(tsms_log *log, tsms_webhook_verdict verdict, const tsms_error *err,
                               int64_t wall_ms);

/* ---- For who writes lines */

/* Begins a line; NULL when its level is not wanted, or there were too many of its event. */
tsms__line *tsms__log_begin(tsms_log *log, tsms__log_id id, int64_t wall_ms);
/* Ends it and keeps it for the host. */
void tsms__log_end(tsms_log *log);
/* Whether texts of messages may be shown. */
bool tsms__log_shows_bodies(const tsms_log *log);
/* The last event that a client reported. */
typedef struct tsms__told {
    tsms_event_type type;
    uint64_t call_id; /* 0: it was about none */
} tsms__told;
tsms__told *tsms__log_last(tsms_log *log);

/* ---- For who writes lines to a descriptor */

/* Copies whole lines, each with a newline, as many as have room, the oldest first; of a line that
 * has none by itself its first part. Answers how many bytes that are, 0 when no line waits. */
size_t tsms__log_peek(tsms_log *log, char *out, size_t size);
/* So many bytes of these were written. */
void tsms__log_skip(tsms_log *log, size_t size);
/* Drops what is left of the oldest line. */
void tsms__log_skip_line(tsms_log *log);
/* What a descriptor was when the last lines went to it. */
typedef struct tsms__log_place {
    bool known;
    int fd;
    uint64_t device, file;
} tsms__log_place;
tsms__log_place *tsms__log_place_of(tsms_log *log);

#endif
