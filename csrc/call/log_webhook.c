/* The lines of webhooks. */
#include "../wire/segments.h"
#include "../wire/traceparent.h"
#include "log.h"

static void put_positive(tsms__line *line, tsms__log_key key, int value)
{
    if (value > 0) {
        tsms__line_int(line, key, value);
    }
}

/* Who wrote to whom; absent fields are left out. */
static void put_info(tsms__line *line, const tsms_webhook_info *info)
{
    tsms__line_text(line, TSMS__KEY_SID, info->message_sid);
    tsms__line_address(line, TSMS__KEY_FROM, info->from);
    tsms__line_address(line, TSMS__KEY_TO, info->to);
    if (info->type == TSMS_WEBHOOK_STATUS) {
        tsms__line_text(line, TSMS__KEY_STATUS, info->status);
        put_positive(line, TSMS__KEY_ERROR_CODE, info->error_code);
    }
}

static void put_text(tsms__line *line, const tsms_log *log, const tsms_webhook_info *info)
{
    put_positive(line, TSMS__KEY_SEGMENTS, info->num_segments);
    if (info->body.len > 0) {
        tsms_encoding encoding = tsms__encoding_of(info->body);
        tsms__line_word(line, TSMS__KEY_ENCODING, tsms_str_from(tsms_encoding_name(encoding)));
        tsms__line_int(line, TSMS__KEY_LENGTH, (int64_t)tsms__utf8_length(info->body));
    }
    put_positive(line, TSMS__KEY_NUM_MEDIA, info->num_media);
    if (tsms__log_shows_bodies(log)) {
        tsms__line_text(line, TSMS__KEY_TEXT, info->body);
    }
}

/* Handlers may have changed it: what is no traceparent is left out. */
static void put_trace(tsms__line *line, const tsms_webhook_info *info)
{
    tsms__traceparent parent;
    if (tsms__traceparent_read(info->traceparent, &parent)) {
        char digits[2 * sizeof parent.trace_id];
        tsms__hex_write(parent.trace_id, sizeof parent.trace_id, digits);
        tsms__line_word(line, TSMS__KEY_TRACE_ID, (tsms_str){digits, sizeof digits});
    }
}

static tsms__log_id id_of(const tsms_webhook_info *info, tsms_webhook_verdict verdict)
{
    if (verdict == TSMS_VERDICT_FAILED) {
        return TSMS__LOG_WEBHOOK_FAILED;
    } else if (verdict == TSMS_VERDICT_REPLAY) {
        return TSMS__LOG_REPEAT;
    }
    return info->type == TSMS_WEBHOOK_INBOUND  ? TSMS__LOG_RECEIVED
           : info->type == TSMS_WEBHOOK_STATUS ? TSMS__LOG_STATUS
                                               : TSMS__LOG_WEBHOOK;
}

void tsms__log_webhook(tsms_log *log, const tsms_webhook_info *info, tsms_webhook_verdict verdict,
                       tsms_str problem, int64_t wall_ms)
{
    tsms__log_id id = id_of(info, verdict);
    tsms__line *line = tsms__log_begin(log, id, wall_ms);
    if (line == NULL) {
        return;
    }
    if (id == TSMS__LOG_WEBHOOK_FAILED || id == TSMS__LOG_REPEAT) {
        tsms__line_word(line, TSMS__KEY_TYPE, tsms_str_from(tsms_webhook_type_name(info->type)));
    }
    put_info(line, info);
    if (info->type == TSMS_WEBHOOK_INBOUND) {
        put_text(line, log, info);
    }
    if (info->received_ms > 0 && wall_ms >= info->received_ms) {
        tsms__line_int(line, TSMS__KEY_DURATION_MS, wall_ms - info->received_ms);
    }
    put_trace(line, info);
    tsms__line_text(line, TSMS__KEY_MESSAGE, problem);
    tsms__log_end(log);
}

/* What the request says of itself is not believed, and not shown. */
void tsms__log_refused_webhook(tsms_log *log, tsms_webhook_verdict verdict, const tsms_error *err,
                               int64_t wall_ms)
{
    tsms__log_id id = verdict == TSMS_VERDICT_MALFORMED ? TSMS__LOG_WEBHOOK_MALFORMED
                      : verdict == TSMS_VERDICT_FAILED  ? TSMS__LOG_WEBHOOK_FAILED
                                                        : TSMS__LOG_WEBHOOK_REFUSED;
    tsms__line *line = tsms__log_begin(log, id, wall_ms);
    if (line == NULL) {
        return;
    }
    tsms__line_word(line, TSMS__KEY_VERDICT, tsms_str_from(tsms_webhook_verdict_name(verdict)));
    put_positive(line, TSMS__KEY_HTTP_STATUS, err->http_status);
    tsms__line_text(line, TSMS__KEY_MESSAGE, tsms_str_from(err->message));
    tsms__log_end(log);
}
