/* Events, counters and statistics of a client. */
#include "report.h"

#include <string.h>

#include "log.h"
#include "measure.h"
#include "trace.h"

void tsms__count(tsms_client *client, tsms__counter counter)
{
    tsms__region_count(client->region, counter);
}

tsms_event tsms__event_of(tsms_event_type type, const tsms__call *call, tsms__now now)
{
    tsms_event event = {.type = type,
                        .at_ms = now.wall_ms,
                        .operation = call->operation,
                        .call_id = call->id,
                        .attempt = call->attempts};
    if (call->to.len > 0) {
        tsms_phone_mask(call->to, event.to, sizeof event.to);
    }
    if (call->from.len > 0) {
        tsms_phone_mask(call->from, event.from, sizeof event.from);
    }
    return event;
}

void tsms__event_request_id(tsms_event *event, tsms_str request_id)
{
    if (tsms__sid_is(request_id, "RQ")) {
        memcpy(event->request_id, request_id.ptr, request_id.len);
        event->request_id[request_id.len] = '\0';
    }
}

void tsms__report(tsms_client *client, tsms__call *call, const tsms_event *event)
{
    bool dropped;
    *tsms__events_add(client->events, &dropped) = *event;
    if (dropped) {
        tsms__count(client, TSMS__COUNT_events_dropped);
    }
    if (client->trace != NULL) {
        tsms__trace_event(client->trace, client, call, event);
    }
    if (client->log != NULL) {
        tsms__log_event(client->log, call, event);
    }
}

void tsms__report_breaker(tsms_client *client, tsms__breaker_state before,
                          tsms__breaker_state after, tsms__now now)
{
    if (before == after) {
        return;
    }
    tsms__measure_breaker(client, before, after);
    if (after == TSMS__BREAKER_OPEN) {
        tsms__count(client, TSMS__COUNT_breaker_opened);
    }
    tsms_event event = {.type = TSMS_EVENT_BREAKER, .at_ms = now.wall_ms};
    const char *name = tsms__breaker_state_name(after);
    tsms__error_text(event.text, sizeof event.text, tsms_str_from(name));
    tsms__report(client, NULL, &event);
}

bool tsms_client_event(tsms_client *client, tsms_event *out)
{
    return tsms__events_take(client->events, out);
}

void tsms_client_stats(tsms_client *client, tsms_stats *out)
{
    tsms__measure_dropped(client->region, client->log, client->trace);
#define X(name, text) out->name = tsms__region_counter(client->region, TSMS__COUNT_##name);
    TSMS_COUNTERS(X)
#undef X
    out->in_flight = client->wire.count;
    out->queued = tsms__client_waiting(client);
    out->breaker = tsms__breaker_state_name(tsms__region_breaker_state(client->region));
}
