/* Makes the spans of webhooks: a message that came, and what became of one that was sent. */
#include "trace.h"

#include <string.h>

void tsms__trace_receive(tsms_trace *trace, char traceparent[TSMS__TRACEPARENT_SIZE])
{
    unsigned char trace_id[TSMS__TRACE_ID];
    unsigned char id[TSMS__SPAN_ID];
    char *at = traceparent;
    tsms__trace_new_id(trace, trace_id, sizeof trace_id);
    tsms__trace_new_id(trace, id, sizeof id);
    memcpy(at, "00-", 3);
    tsms__hex_write(trace_id, sizeof trace_id, at += 3);
    *(at += 2 * sizeof trace_id) = '-';
    tsms__hex_write(id, sizeof id, at += 1);
    at += 2 * sizeof id;
    memcpy(at, tsms__trace_samples(trace, trace_id) ? "-01" : "-00", sizeof "-01");
}

/* Its ids, and whether it is kept: a message that came has them since then, a callback hangs below
 * the sending of its message, or begins a trace. */
static bool identify(tsms_trace *trace, const tsms_webhook_info *info, tsms__traceparent *given,
                     tsms__span *span)
{
    char own[TSMS__TRACEPARENT_SIZE];
    bool known = tsms__traceparent_read(info->traceparent, given);
    span->has_parent = known && info->type == TSMS_WEBHOOK_STATUS;
    if (!known) {
        tsms__trace_receive(trace, own);
        (void)tsms__traceparent_read(tsms_str_from(own), given);
    }
    memcpy(span->trace_id, given->trace_id, sizeof span->trace_id);
    memcpy(span->id, given->span_id, sizeof span->id);
    if (span->has_parent) {
        memcpy(span->parent_id, given->span_id, sizeof span->parent_id);
        tsms__trace_new_id(trace, span->id, sizeof span->id);
    }
    return given->sampled;
}

static void add_number(tsms_buf *out, const char *key, tsms_str number)
{
    char masked[24];
    if (number.len > 0) {
        tsms_phone_mask(number, masked, sizeof masked);
        tsms__span_str(out, key, tsms_str_from(masked));
    }
}

/* Text that is genuine, but not ours. */
static void add_text(tsms_buf *out, const char *key, tsms_str text)
{
    char clean[64];
    tsms__error_text(clean, sizeof clean, text);
    tsms__span_str(out, key, tsms_str_from(clean));
}

void tsms__trace_webhook(tsms_trace *trace, const tsms_webhook_info *info,
                         tsms_webhook_verdict verdict, int64_t wall_ms)
{
    tsms__traceparent given;
    tsms__span span;
    bool inbound = info->type == TSMS_WEBHOOK_INBOUND;
    if (info->type == TSMS_WEBHOOK_UNKNOWN || !identify(trace, info, &given, &span)) {
        return;
    }
    tsms_buf *out = tsms__trace_start_span(trace);
    tsms__span_open(
        out, &(tsms__span_head){.trace_id = span.trace_id,
                                .id = span.id,
                                .parent_id = span.has_parent ? span.parent_id : NULL,
                                .name = inbound ? "twilio.receive_sms" : "twilio.status_callback",
                                .kind = TSMS__SPAN_CONSUMER,
                                .start_ms = info->received_ms,
                                .end_ms = wall_ms});
    tsms__span_str(out, "messaging.system", TSMS__STR("twilio"));
    tsms__span_str(out, "messaging.operation.name",
                   inbound ? TSMS__STR("receive") : TSMS__STR("status_callback"));
    tsms__span_str(out, "messaging.operation.type", TSMS__STR("process"));
    add_text(out, "messaging.message.id", info->message_sid);
    add_text(out, "message_sid", info->message_sid);
    if (inbound) {
        add_number(out, "from", info->from);
        add_number(out, "to", info->to);
    } else {
        add_text(out, "status", info->status);
        if (info->error_code != 0) {
            tsms__span_int(out, "twilio.error_code", info->error_code);
        }
    }
    tsms__span_str(out, "verdict", tsms_str_from(tsms_webhook_verdict_name(verdict)));
    if (verdict == TSMS_VERDICT_FAILED) {
        tsms__span_str(out, "error.type", TSMS__STR("handler"));
    }
    tsms__span_end_attributes(out);
    if (span.has_parent) {
        tsms__span_link(out, given.trace_id, given.span_id);
    }
    if (verdict == TSMS_VERDICT_FAILED) {
        tsms__span_failed(out, TSMS__STR("handling it failed"));
    }
    tsms__span_close(out);
    tsms__trace_add_span(trace);
}
