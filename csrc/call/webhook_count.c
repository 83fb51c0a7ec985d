/* Tells the metrics, the log and the trace of what became of webhooks. */
#include "../wire/calling_code.h"
#include "log.h"
#include "measure.h"
#include "metrics_text.h"
#include "trace.h"
#include "webhook.h"

const char *tsms_webhook_verdict_name(tsms_webhook_verdict verdict)
{
    static const char *const names[] = {
#define X(id, name) name,
        TSMS_WEBHOOK_VERDICTS(X)
#undef X
    };
    return (size_t)verdict < sizeof names / sizeof *names ? names[verdict] : "";
}

/* The calling code is kept of messages only; a status callback's is that of a recipient, and known
 * since the message was sent. */
void tsms__webhook_count(tsms_webhook *webhook, const tsms_webhook_info *info,
                         tsms_webhook_verdict verdict, int64_t wall_ms)
{
    unsigned status = TSMS__STATUS_NONE;
    unsigned code = 0;
    if (info->type == TSMS_WEBHOOK_STATUS) {
        status = info->status_id;
    } else if (info->type == TSMS_WEBHOOK_INBOUND) {
        status = TSMS_MESSAGE_RECEIVED;
        code = tsms__calling_code(info->to);
    }
    tsms__metrics_count(tsms__region_metrics(webhook->region),
                        tsms__series_of(TSMS__WEBHOOKS, status, verdict, code), 1);
    if (webhook->trace != NULL) {
        tsms__trace_webhook(webhook->trace, info, verdict, wall_ms);
    }
    if (webhook->log != NULL) {
        tsms__log_webhook(webhook->log, info, verdict, webhook->problem, wall_ms);
    }
}

void tsms_webhook_count(tsms_webhook *webhook, const tsms_webhook_event *event,
                        tsms_webhook_verdict verdict, int64_t wall_ms)
{
    tsms_webhook_info info;
    tsms_webhook_event_read(event, &info);
    tsms__webhook_count(webhook, &info, verdict, wall_ms);
}

/* What the request says is not believed, so that it counts under no status. */
void tsms_webhook_count_refused(tsms_webhook *webhook, const tsms_error *err, int64_t wall_ms)
{
    tsms_webhook_verdict verdict = TSMS_VERDICT_FAILED; /* no memory */
    if (err->kind == TSMS_KIND_INVALID_SIGNATURE) {
        verdict = webhook->refused_ref ? TSMS_VERDICT_UNKNOWN_REF : TSMS_VERDICT_BAD_SIGNATURE;
    } else if (tsms_kind_category(err->kind) == TSMS_CATEGORY_WEBHOOK) {
        verdict = TSMS_VERDICT_MALFORMED;
    }
    tsms__metrics *metrics = tsms__region_metrics(webhook->region);
    tsms__metrics_count(metrics, tsms__series_of(TSMS__WEBHOOKS, TSMS__STATUS_NONE, verdict, 0), 1);
    tsms__metrics_count(metrics, tsms__series_of(TSMS__ERRORS, err->kind, 0, 0), 1);
    if (webhook->log != NULL) {
        tsms__log_refused_webhook(webhook->log, verdict, err, wall_ms);
    }
}

void tsms__webhook_metrics(tsms_webhook *webhook, tsms_metrics_format format, tsms_buf *out)
{
    tsms__measure_dropped(webhook->region, webhook->log, webhook->trace);
    tsms__metrics_text(webhook->region, format, out);
}

tsms_str tsms_webhook_metrics(tsms_webhook *webhook, tsms_metrics_format format)
{
    tsms__buf_clear(&webhook->metrics_text);
    tsms__webhook_metrics(webhook, format, &webhook->metrics_text);
    return webhook->metrics_text.failed ? (tsms_str){NULL, 0}
                                        : tsms__buf_str(&webhook->metrics_text);
}
