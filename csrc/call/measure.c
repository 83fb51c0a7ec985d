/* Turns what happens to calls into series of metrics. */
#include "measure.h"

#include <limits.h>

#include "../wire/calling_code.h"
#include "../wire/segments.h"
#include "log.h"
#include "metrics_text.h"
#include "trace.h"

static void count(tsms_client *client, tsms__instrument instrument, unsigned first, unsigned second,
                  unsigned third)
{
    tsms__metrics_count(tsms__region_metrics(client->region),
                        tsms__series_of(instrument, first, second, third), 1);
}

void tsms__measure_senders(tsms_client *client)
{
    tsms__metrics *metrics = tsms__region_metrics(client->region);
    client->from_label = tsms__metrics_sender(metrics, tsms_str_from(client->config->from));
    client->service_label =
        tsms__metrics_sender(metrics, tsms_str_from(client->config->messaging_service_sid));
}

/* Numbers that are not configured are not told apart: there may be any number of them. */
static unsigned sender_label(const tsms_client *client, const tsms__call *call)
{
    bool pool = call->messaging_service_sid.len > 0;
    const char *own = pool ? client->config->messaging_service_sid : client->config->from;
    bool configured =
        own != NULL && tsms__str_eq_z(pool ? call->messaging_service_sid : call->from, own);
    return !configured ? TSMS__SENDER_OTHER : pool ? client->service_label : client->from_label;
}

/* Whole numbers are never kept: there may be any number of them, and they are people's. */
static unsigned recipient_label(const tsms_client *client, tsms_str to)
{
    unsigned code = tsms__calling_code(to);
    if (code == 0 || client->config->metrics.numbers != TSMS__NUMBERS_MASKED) {
        return code;
    }
    unsigned last_two =
        (unsigned)(to.ptr[to.len - 2] - '0') * 10 + (unsigned)(to.ptr[to.len - 1] - '0');
    return TSMS__MASKED + tsms__calling_code_rank(code) * 100 + last_two;
}

static unsigned status_label(const tsms_result *result)
{
    if (!result->failed) {
        return tsms_message_status_from(tsms_result_field(result, 0, "status"));
    }
    return result->outcome == TSMS_OUTCOME_IN_DOUBT ||
                   result->outcome == TSMS_OUTCOME_ACCEPTED_NO_SID
               ? TSMS__STATUS_IN_DOUBT
               : TSMS_MESSAGE_FAILED;
}

void tsms__measure_request(tsms_client *client, const tsms__call *call, bool looked_up,
                           const tsms__call_effects *effects, const tsms__transfer *transfer,
                           tsms__now now)
{
    unsigned operation = looked_up ? TSMS__OPERATION_LOOKUP : call->operation;
    unsigned hundreds = (unsigned)transfer->response.http_status / 100;
    tsms__metrics_time(
        tsms__region_metrics(client->region),
        tsms__series_of(TSMS__REQUESTS, operation, (unsigned)effects->outcome, hundreds),
        now.mono_ms - call->wire_ms);
}

void tsms__measure_retry(tsms_client *client, tsms_kind kind, bool suppressed)
{
    count(client, suppressed ? TSMS__SUPPRESSED : TSMS__RETRIES, kind, 0, 0);
}

void tsms__measure_hold(tsms__call *call, size_t level, tsms__now now)
{
    if (!call->held_back) {
        call->held_back = true;
        call->held_level = (unsigned)level;
        call->held_ms = now.mono_ms;
    }
}

void tsms__measure_leave(tsms_client *client, tsms__call *call, tsms__now now)
{
    if (call->held_back) {
        call->held_back = false;
        tsms__metrics_time(tsms__region_metrics(client->region),
                           tsms__series_of(TSMS__WAITS, call->held_level, 0, 0),
                           now.mono_ms - call->held_ms);
    }
}

static int told_segments(const tsms_result *result)
{
    int64_t told;
    const tsms__json *number = tsms__json_get(tsms__result_record(result, 0), "num_segments");
    return tsms__json_int(number, &told) && told > 0 && told <= INT_MAX ? (int)told : 0;
}

/* What Twilio counted, or we: of a pool, whose sender is not chosen yet, it says 0
 * (https://www.twilio.com/docs/messaging/api/message-resource, num_segments). Media is not cut into
 * segments, and the text of a template is not known here; each of them counts as one. */
static void measure_segments(tsms_client *client, const tsms__call *call)
{
    int told = told_segments(call->result);
    tsms_segments own = {.segments = 1};
    unsigned encoding = TSMS__ENCODING_NONE;
    if (call->body.len > 0 && call->media_count == 0) {
        if (told > 0) {
            own.encoding = tsms__encoding_of(call->body);
        } else {
            (void)tsms_segments_count(call->body, &own, NULL); /* it was checked: it is UTF-8 */
        }
        encoding = own.encoding;
    }
    tsms__metrics_count(tsms__region_metrics(client->region),
                        tsms__series_of(TSMS__SEGMENTS, encoding, 0, 0),
                        (uint64_t)(told > 0 ? told : own.segments));
}

void tsms__measure_end(tsms_client *client, const tsms__call *call, tsms__now now)
{
    const tsms_result *result = call->result;
    if (result->failed) {
        count(client, TSMS__ERRORS, result->error.kind, 0, 0);
    }
    if (result->operation != TSMS_OP_SEND) {
        return;
    }
    count(client, TSMS__MESSAGES, sender_label(client, call), recipient_label(client, call->to),
          status_label(result));
    if (!result->failed) {
        measure_segments(client, call);
    }
    if (call->attempts > 0) {
        tsms__metrics_time(tsms__region_metrics(client->region),
                           tsms__series_of(TSMS__SENDS, 0, 0, 0), now.mono_ms - call->started_ms);
    }
}

void tsms__measure_refused(tsms_client *client, tsms_kind kind)
{
    count(client, TSMS__ERRORS, kind, 0, 0);
}

void tsms__measure_breaker(tsms_client *client, tsms__breaker_state before,
                           tsms__breaker_state after)
{
    count(client, TSMS__TRANSITIONS, before, after, 0);
}

void tsms__measure_dropped(tsms__region *region, tsms_log *log, tsms_trace *trace)
{
    if (log != NULL) {
        tsms__region_count_more(region, TSMS__COUNT_log_dropped, tsms__log_take_dropped(log));
    }
    if (trace != NULL) {
        tsms__region_count_more(region, TSMS__COUNT_export_dropped,
                                tsms__trace_take_dropped(trace));
    }
}

void tsms__measure_switch_log(tsms__region *region, tsms_log **place, tsms_log *log)
{
    tsms_log *before = *place;
    tsms__measure_dropped(region, before, NULL);
    *place = log != NULL ? tsms__log_keep(log) : NULL;
    tsms_log_free(before);
}

void tsms__measure_switch_trace(tsms__region *region, tsms_trace **place, tsms_trace *trace)
{
    tsms_trace *before = *place;
    tsms__measure_dropped(region, NULL, before);
    *place = trace != NULL ? tsms__trace_keep(trace) : NULL;
    tsms_trace_free(before);
}

void tsms__measure_text(tsms_client *client, tsms_metrics_format format, tsms_buf *out)
{
    tsms__measure_dropped(client->region, client->log, client->trace);
    tsms__metrics_text(client->region, format, out);
}

tsms_str tsms_client_metrics(tsms_client *client, tsms_metrics_format format)
{
    tsms__buf_clear(&client->metrics_text);
    tsms__measure_text(client, format, &client->metrics_text);
    return client->metrics_text.failed ? (tsms_str){NULL, 0} : tsms__buf_str(&client->metrics_text);
}
