/* What the end of a request means for its client: breaker, ceiling, quota and reports. */
#include "dispatch.h"
#include "log.h"
#include "measure.h"
#include "permit.h"
#include "report.h"

enum {
    NS_PER_MS = 1000000,
    PAUSE_MOST_MS = 300000, /* a longer Retry-After is the caller's business, not a sleep of ours */
};

/* What an attempt says about the host: a complete answer below 500 proves that it works. */
static tsms__breaker_result breaker_result(const tsms__call_effects *effects,
                                           const tsms__transfer *transfer)
{
    if (effects->outcome == TSMS_OUTCOME_THROTTLED ||
        tsms_kind_category(transfer->fault) == TSMS_CATEGORY_CONFIGURATION ||
        transfer->fault == TSMS_KIND_TEMPORARILY_UNAVAILABLE) {
        return TSMS__BREAKER_NEUTRAL;
    }
    int status = transfer->response.http_status;
    bool works = status >= 200 && status < 500 && transfer->response.complete;
    return works || effects->outcome == TSMS_OUTCOME_ACCEPTED ? TSMS__BREAKER_SUCCESS
                                                              : TSMS__BREAKER_FAILURE;
}

/* Twilio limits how many requests are under way at once: a 429 lowers our ceiling, good answers
 * raise it again by one per round. One round of requests lowers it once, however many of them were
 * refused: those that left before the last cut say nothing about the ceiling of now. */
static void adapt(tsms_client *client, const tsms__call_effects *effects, int64_t sent_ms,
                  tsms__now now)
{
    double most = (double)client->config->max_concurrency;
    if (effects->outcome == TSMS_OUTCOME_THROTTLED) {
        tsms__count(client, TSMS__COUNT_throttled);
        if (sent_ms >= client->cut_ms) {
            client->ceiling = client->ceiling * 0.7 > 1 ? client->ceiling * 0.7 : 1;
            client->cut_ms = now.mono_ms;
        }
        int64_t wait_ms = effects->error.retry_after_ms;
        if (wait_ms > 0) {
            wait_ms = wait_ms < PAUSE_MOST_MS ? wait_ms : PAUSE_MOST_MS;
            tsms__level_pause(&client->account_level,
                              (uint64_t)(now.mono_ms + wait_ms) * NS_PER_MS);
        }
    } else if (client->ceiling < most && effects->error.kind == TSMS_KIND_NONE) {
        double more = client->ceiling + 1 / client->ceiling;
        client->ceiling = more < most ? more : most;
    }
}

static void report_response(tsms_client *client, tsms__call *call,
                            const tsms__call_effects *effects, const tsms__transfer *transfer,
                            tsms__now now)
{
    tsms_event event = tsms__event_of(TSMS_EVENT_RESPONSE, call, now);
    event.duration_ms = now.mono_ms - call->wire_ms;
    event.http_status = transfer->response.http_status;
    event.api_code = effects->error.api_code;
    event.kind = effects->error.kind;
    event.outcome = effects->outcome;
    tsms__event_request_id(&event, transfer->response.request_id);
    tsms__report(client, call, &event);
    if (client->log != NULL && tsms__log_wants(client->log, TSMS_LOG_TRACE)) {
        tsms__log_response(client->log, client->config, call, transfer, now);
    }
}

static void report_finish(tsms_client *client, tsms__call *call, const tsms__call_effects *effects,
                          const tsms__transfer *transfer, tsms__now now)
{
    tsms_event event;
    report_response(client, call, effects, transfer, now);
    if (effects->outcome == TSMS_OUTCOME_THROTTLED) {
        event = tsms__event_of(TSMS_EVENT_THROTTLED, call, now);
        event.duration_ms = effects->error.retry_after_ms;
        tsms__report(client, call, &event);
    }
    if (effects->looked_up) {
        tsms__count(client, TSMS__COUNT_lookups);
        if (effects->found) {
            tsms__count(client, TSMS__COUNT_lookups_found);
        }
        event = tsms__event_of(TSMS_EVENT_LOOKUP, call, now);
        tsms__error_text(event.text, sizeof event.text,
                         tsms_str_from(effects->found ? "found" : "not found"));
        tsms__report(client, call, &event);
    }
    tsms_kind reason =
        call->result->error.kind; /* of the last attempt, whatever was looked up since */
    if (effects->suppressed) {
        tsms__count(client, TSMS__COUNT_retries_suppressed);
        tsms__measure_retry(client, reason, true);
    }
    if (effects->retrying && call->phase != TSMS__PHASE_DONE) {
        tsms__count(client, TSMS__COUNT_retries);
        tsms__measure_retry(client, reason, false);
        event = tsms__event_of(TSMS_EVENT_RETRY, call, now);
        event.kind = effects->error.kind;
        event.duration_ms = call->phase == TSMS__PHASE_PAUSE ? call->due_ms - now.mono_ms : 0;
        tsms__report(client, call, &event);
    }
}

static bool is_accepted_without_sid(const tsms__call *call)
{
    return call->result->error.outcome == TSMS_OUTCOME_ACCEPTED_NO_SID;
}

static bool is_in_doubt(const tsms__call *call)
{
    return call->result->error.outcome == TSMS_OUTCOME_IN_DOUBT;
}

/* Whether the row of other may be taken for that of call. A text that the server rewrites may look
 * like any other to the same person. */
static bool is_twin(const tsms__call *other, const tsms__call *call)
{
    return other->intent == call->intent ||
           (call->rewriting != TSMS__REWRITING_NONE && tsms__str_eq(other->to, call->to));
}

/* When the first twin left that has a row, or may have one, which it did not claim yet. Of two that
 * were accepted without a sid either may take either row; of two in doubt, too, once the list shows
 * both rows. */
static const tsms__now *twin_sent(const tsms_client *client, const tsms__call *call)
{
    const tsms__now *first = NULL;
    for (size_t i = 0; i < client->slot_count; i++) {
        const tsms__call *other = client->slots[i];
        if (other == call || other->phase == TSMS__PHASE_FREE || !is_twin(other, call)) {
            continue;
        }
        bool on_wire = other->phase == TSMS__PHASE_WIRE && tsms__call_creates(other);
        bool certain = is_accepted_without_sid(other) && !is_accepted_without_sid(call);
        bool alone = call->looked_early && is_in_doubt(other); /* its row may be there, ours not */
        if ((on_wire || certain || alone) &&
            (first == NULL || other->first_sent.mono_ms < first->mono_ms)) {
            first = &other->first_sent;
        }
    }
    return first;
}

/* It took the row of one of several identical messages, not necessarily its own. */
static void tell_twins(const tsms_client *client, const tsms__call *call)
{
    for (size_t i = 0; i < client->slot_count; i++) {
        tsms__call *other = client->slots[i];
        other->look_again = other->look_again || other->intent == call->intent;
    }
}

void tsms__client_finish(tsms_client *client, tsms__call *call, const tsms__transfer *transfer,
                         tsms__now now)
{
    tsms__tap_add(&client->tap, call, transfer, now);
    int64_t capacity = client->config->retry.quota;
    tsms__call_env env = {.config = client->config,
                          .rand = &client->rand,
                          .quota_left = tsms__region_quota_left(client->region, capacity),
                          .claims = client->claims,
                          .twin_sent = call->looking_up ? twin_sent(client, call) : NULL};
    tsms__call_effects effects;
    bool looked_up = call->looking_up;
    tsms__call_finish(call, &env, transfer, now, &effects);
    tsms__measure_request(client, call, looked_up, &effects, transfer, now);
    tsms__permit_give(client, call, breaker_result(&effects, transfer), now);
    adapt(client, &effects, call->wire_ms, now);
    if (effects.found) {
        tell_twins(client, call);
    }
    if (effects.quota_cost > 0) {
        (void)tsms__region_quota_take(client->region, capacity, effects.quota_cost);
    }
    report_finish(client, call, &effects, transfer, now);
    tsms__dispatch_put(client, call, now);
}
