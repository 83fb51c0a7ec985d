/* Decides which call's request leaves next, and follows each call from phase to phase. */
#include "dispatch.h"

#include "report.h"

enum {
    NS_PER_MS = 1000000,
    PAUSE_MOST_MS = 300000, /* a longer Retry-After is the caller's business, not a sleep of ours */
};

static uint64_t now_ns(tsms__now now)
{
    return (uint64_t)now.mono_ms * NS_PER_MS;
}

/* Takes a call out of every list, queue and timer. */
static void take(tsms_client *client, tsms__call *call)
{
    tsms__list_remove(call);
    tsms__timers_clear(&client->timers, call);
    tsms__queue_remove(client->queue, &call->waiter);
}

static void hand_out(tsms_client *client, tsms__call *call, tsms__now now)
{
    tsms_result *result = call->result;
    tsms__count(client, result->failed ? TSMS__COUNT_failed : TSMS__COUNT_succeeded);
    if (!result->failed) {
        tsms__region_quota_give(client->region, call->quota_paid > 0 ? call->quota_paid : 1);
    } else if (result->outcome == TSMS_OUTCOME_IN_DOUBT ||
               result->outcome == TSMS_OUTCOME_ACCEPTED_NO_SID) {
        tsms__count(client, TSMS__COUNT_in_doubt);
    }
    tsms_event *event = tsms__report(client, TSMS_EVENT_DONE, call, now);
    event->duration_ms = now.mono_ms - call->started_ms;
    event->outcome = result->outcome;
    event->kind = result->failed ? result->error.kind : TSMS_KIND_NONE;
    event->http_status = result->failed ? result->error.http_status : 0;
    event->api_code = result->failed ? result->error.api_code : 0;
    if (!result->failed) {
        tsms__error_text(event->sid, sizeof event->sid, tsms_result_field(result, 0, "sid"));
    }
    *(client->done_last != NULL ? &client->done_last->next : &client->done_first) = result;
    client->done_last = result;
    client->done_count++;
    call->result = NULL;
    call->phase = TSMS__PHASE_FREE;
    tsms__list_push(&client->free, call);
}

void tsms__dispatch_put(tsms_client *client, tsms__call *call, tsms__now now)
{
    take(client, call);
    if (call->phase == TSMS__PHASE_CHECK && !client->checks) {
        tsms__call_allow(call);
    }
    switch (call->phase) {
    case TSMS__PHASE_CHECK:
        tsms__timers_set(&client->timers, call, call->deadline_ms);
        tsms__list_push(&client->unasked, call);
        break;
    case TSMS__PHASE_READY:
        tsms__list_push(tsms__call_creates(call) ? &client->cleared : &client->ready, call);
        break;
    case TSMS__PHASE_PAUSE:
        tsms__timers_set(&client->timers, call, call->due_ms);
        break;
    case TSMS__PHASE_WIRE:
        tsms__list_push(&client->wire, call);
        break;
    case TSMS__PHASE_DONE:
        hand_out(client, call, now);
        break;
    case TSMS__PHASE_FREE:
        break;
    }
}

static void run_timers(tsms_client *client, tsms__now now)
{
    tsms__call *call;
    while ((call = tsms__timers_first(&client->timers)) != NULL && call->timer_ms <= now.mono_ms) {
        if (call->phase == TSMS__PHASE_PAUSE) {
            tsms__call_wake(call);
        } else {
            tsms__call_expire(call);
        }
        tsms__dispatch_put(client, call, now);
    }
}

/* The breaker says no: a first attempt fails fast, a later one waits. */
static void no_permit(tsms_client *client, tsms__call *call, tsms__now now)
{
    int64_t wait_ms =
        tsms__region_breaker_wait_ms(client->region, &client->breaker_rules, now.mono_ms);
    if (call->attempts == 0) {
        tsms__count(client, TSMS__COUNT_breaker_refused);
        tsms__call_refuse(call, TSMS_KIND_TEMPORARILY_UNAVAILABLE, wait_ms,
                          "the breaker is open after repeated failures; nothing was sent");
    } else {
        tsms__call_hold(call, now.mono_ms + (wait_ms > 0 ? wait_ms : 1));
    }
    tsms__dispatch_put(client, call, now);
}

static bool get_permit(tsms_client *client, tsms__call *call, tsms__now now)
{
    tsms__breaker_state before;
    tsms__breaker_state after;
    bool given = tsms__region_acquire(client->region, &client->breaker_rules, now.mono_ms,
                                      &call->permit, &before, &after);
    tsms__report_breaker(client, before, after, now);
    if (!given) {
        no_permit(client, call, now);
    }
    return given;
}

static void give_permit(tsms_client *client, tsms__call *call, tsms__breaker_result result,
                        tsms__now now)
{
    tsms__breaker_state before;
    tsms__breaker_state after;
    tsms__region_report(client->region, &client->breaker_rules, now.mono_ms, call->permit, result,
                        &before, &after);
    tsms__report_breaker(client, before, after, now);
}

static tsms__call *leave(tsms_client *client, tsms__call *call, tsms__now now)
{
    tsms__call_start(call, now);
    call->queued = false;
    call->wire_ms = now.mono_ms;
    tsms__count(client, TSMS__COUNT_requests);
    tsms__report(client, TSMS_EVENT_ATTEMPT, call, now);
    tsms__dispatch_put(client, call, now);
    return call;
}

/* The levels that a message must pass: account, sender, recipient. A pool's sender is not known. */
enum { ACCOUNT, NUMBER, RECIPIENT, LEVELS };

static uint64_t sender_key(const tsms__call *call)
{
    bool pool = call->messaging_service_sid.len > 0;
    return tsms__str_hash(pool ? call->messaging_service_sid : call->from);
}

static void levels_of(tsms_client *client, const tsms__call *call, tsms__level levels[LEVELS])
{
    bool pool = call->messaging_service_sid.len > 0;
    levels[ACCOUNT] = client->account_level;
    levels[NUMBER] = (tsms__level){.rate = client->number_rate};
    if (!pool && client->number_rate.interval_ns > 0) {
        levels[NUMBER].cell = tsms__region_sender(client->region, sender_key(call));
    }
    levels[RECIPIENT] = (tsms__level){.rate = client->recipient_rate};
    if (client->recipient_rate.interval_ns > 0) {
        levels[RECIPIENT].cell = tsms__region_recipient(client->region, tsms__str_hash(call->to));
    }
}

static void count_limited(tsms_client *client, tsms__call *call, int64_t wait_ms, tsms__now now)
{
    if (!call->limited) {
        call->limited = true;
        tsms__count(client, TSMS__COUNT_rate_limited);
        tsms__report(client, TSMS_EVENT_LIMITED, call, now)->duration_ms = wait_ms;
    }
}

/* Lets a message wait in the queue, or refuses it when that would take too long. */
static void enqueue(tsms_client *client, tsms__call *call, const tsms__level levels[LEVELS],
                    tsms__now now)
{
    uint64_t wait_ns = tsms__queue_estimate_ns(client->queue, sender_key(call), levels[NUMBER],
                                               call->cost, now_ns(now));
    int64_t wait_ms = (int64_t)((wait_ns + NS_PER_MS - 1) / NS_PER_MS);
    int64_t latest_ms = call->deadline_ms - tsms__call_min_left_ms(call, client->config);
    if (wait_ms > 0) {
        count_limited(client, call, wait_ms, now);
    }
    if (wait_ms > 0 && (!client->config->rate.wait || now.mono_ms + wait_ms > latest_ms)) {
        size_t slowest = ACCOUNT;
        (void)tsms__levels_wait_ns(levels, RECIPIENT, call->cost, now_ns(now), &slowest);
        tsms__call_refuse(
            call,
            slowest == NUMBER ? TSMS_KIND_NUMBER_RATE_LIMITED : TSMS_KIND_ACCOUNT_RATE_LIMITED,
            wait_ms,
            client->config->rate.wait ? "the rate limit would hold it back past timeout_ms"
                                      : "the rate limit is reached (rate.wait is false)");
    } else if (tsms__queue_add(client->queue, &call->waiter, sender_key(call), levels[NUMBER],
                               call->cost, call->queued, now_ns(now))) {
        call->queued = true;
        tsms__timers_set(&client->timers, call, latest_ms);
        return;
    } else {
        tsms__call_refuse(call, TSMS_KIND_TEMPORARILY_UNAVAILABLE, -1, "out of memory");
    }
    tsms__dispatch_put(client, call, now);
}

/* Sends a message if breaker and limits allow it now; otherwise it goes where it has to wait. */
static bool try_message(tsms_client *client, tsms__call *call, tsms__now now)
{
    if (call->deadline_ms - now.mono_ms < tsms__call_min_left_ms(call, client->config)) {
        tsms__call_expire(call);
        tsms__dispatch_put(client, call, now);
        return false;
    }
    if (tsms__region_breaker_wait_ms(client->region, &client->breaker_rules, now.mono_ms) > 0) {
        no_permit(client, call, now);
        return false;
    }
    tsms__level levels[LEVELS];
    levels_of(client, call, levels);
    uint64_t recipient_ns = tsms__level_wait_ns(&levels[RECIPIENT], call->cost, now_ns(now));
    if (recipient_ns > 0) {
        int64_t wait_ms = (int64_t)(recipient_ns / NS_PER_MS) + 1;
        count_limited(client, call, wait_ms, now);
        tsms__call_hold(call, now.mono_ms + wait_ms);
        tsms__dispatch_put(client, call, now);
        return false;
    }
    bool overtakes = !call->queued && tsms__queue_count(client->queue) > 0;
    if (overtakes || tsms__levels_wait_ns(levels, LEVELS, call->cost, now_ns(now), NULL) > 0) {
        enqueue(client, call, levels, now);
        return false;
    }
    if (!get_permit(client, call, now)) {
        return false;
    }
    if (!tsms__levels_admit(levels, LEVELS, call->cost, now_ns(now))) {
        give_permit(client, call, TSMS__BREAKER_NEUTRAL, now);
        enqueue(client, call, levels, now);
        return false;
    }
    return true;
}

static tsms__call *waiter_call(tsms__waiter *waiter)
{
    return (tsms__call *)(void *)((char *)waiter - offsetof(tsms__call, waiter));
}

/* The next message from the rate queue. With checks on it is asked about first, because it has
 * waited. */
static tsms__call *next_queued(tsms_client *client, tsms__now now)
{
    size_t asking = client->unasked.count + client->asked.count;
    if (client->checks && (double)(client->wire.count + asking) >= client->ceiling) {
        return NULL;
    }
    tsms__waiter *waiter = tsms__queue_ready(client->queue, now_ns(now));
    if (waiter == NULL) {
        return NULL;
    }
    tsms__call *call = waiter_call(waiter);
    call->phase = TSMS__PHASE_CHECK;
    tsms__dispatch_put(client, call, now);
    return call;
}

tsms__call *tsms__client_next(tsms_client *client, tsms__now now)
{
    run_timers(client, now);
    while ((double)client->wire.count + 1 <= client->ceiling) {
        tsms__call *call = tsms__list_pop(&client->ready);
        if (call != NULL) {
            if (get_permit(client, call, now)) {
                return leave(client, call, now);
            }
            continue;
        }
        call = tsms__list_pop(&client->cleared);
        if (call != NULL) {
            if (try_message(client, call, now)) {
                return leave(client, call, now);
            }
            continue;
        }
        if (next_queued(client, now) == NULL) {
            return NULL;
        }
    }
    /* No slot is free. A message that must wait for one is asked about again when its turn comes.
     */
    tsms__call *call;
    while ((call = tsms__list_pop(&client->cleared)) != NULL) {
        tsms__level levels[LEVELS];
        levels_of(client, call, levels);
        enqueue(client, call, levels, now);
    }
    return NULL;
}

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
 * raise it again by one per round. */
static void adapt(tsms_client *client, const tsms__call_effects *effects, tsms__now now)
{
    double most = (double)client->config->max_concurrency;
    if (effects->outcome == TSMS_OUTCOME_THROTTLED) {
        tsms__count(client, TSMS__COUNT_throttled);
        client->ceiling = client->ceiling * 0.7 > 1 ? client->ceiling * 0.7 : 1;
        int64_t wait_ms = effects->error.retry_after_ms;
        if (wait_ms > 0) {
            wait_ms = wait_ms < PAUSE_MOST_MS ? wait_ms : PAUSE_MOST_MS;
            tsms__level_pause(&client->account_level, now_ns(now) + (uint64_t)wait_ms * NS_PER_MS);
        }
    } else if (client->ceiling < most && effects->error.kind == TSMS_KIND_NONE) {
        double more = client->ceiling + 1 / client->ceiling;
        client->ceiling = more < most ? more : most;
    }
}

static void report_finish(tsms_client *client, const tsms__call *call,
                          const tsms__call_effects *effects, const tsms__transfer *transfer,
                          tsms__now now)
{
    tsms_event *event = tsms__report(client, TSMS_EVENT_RESPONSE, call, now);
    event->duration_ms = now.mono_ms - call->wire_ms;
    event->http_status = transfer->response.http_status;
    event->api_code = effects->error.api_code;
    event->kind = effects->error.kind;
    event->outcome = effects->outcome;
    if (effects->outcome == TSMS_OUTCOME_THROTTLED) {
        tsms__report(client, TSMS_EVENT_THROTTLED, call, now)->duration_ms =
            effects->error.retry_after_ms;
    }
    if (effects->looked_up) {
        tsms__count(client, TSMS__COUNT_lookups);
        if (effects->found) {
            tsms__count(client, TSMS__COUNT_lookups_found);
        }
        event = tsms__report(client, TSMS_EVENT_LOOKUP, call, now);
        tsms__error_text(event->text, sizeof event->text,
                         tsms_str_from(effects->found ? "found" : "not found"));
    }
    if (effects->suppressed) {
        tsms__count(client, TSMS__COUNT_retries_suppressed);
    }
    if (effects->retrying && call->phase != TSMS__PHASE_DONE) {
        tsms__count(client, TSMS__COUNT_retries);
        event = tsms__report(client, TSMS_EVENT_RETRY, call, now);
        event->kind = effects->error.kind;
        event->duration_ms = call->phase == TSMS__PHASE_PAUSE ? call->due_ms - now.mono_ms : 0;
    }
}

static bool twin_on_wire(const tsms_client *client, const tsms__call *call)
{
    for (const tsms__call *other = client->wire.first; other != NULL; other = other->next) {
        if (other != call && other->intent == call->intent && tsms__call_creates(other)) {
            return true;
        }
    }
    return false;
}

void tsms__client_finish(tsms_client *client, tsms__call *call, const tsms__transfer *transfer,
                         tsms__now now)
{
    int64_t capacity = client->config->retry.quota;
    tsms__call_env env = {.config = client->config,
                          .rand = &client->rand,
                          .quota_left = tsms__region_quota_left(client->region, capacity),
                          .claims = client->claims,
                          .twin_on_wire = call->looking_up && twin_on_wire(client, call)};
    tsms__call_effects effects;
    tsms__call_finish(call, &env, transfer, now, &effects);
    give_permit(client, call, breaker_result(&effects, transfer), now);
    adapt(client, &effects, now);
    if (effects.quota_cost > 0) {
        (void)tsms__region_quota_take(client->region, capacity, effects.quota_cost);
    }
    report_finish(client, call, &effects, transfer, now);
    tsms__dispatch_put(client, call, now);
}

int64_t tsms__client_due_ms(tsms_client *client, tsms__now now)
{
    int64_t due_ms = INT64_MAX;
    tsms__call *timer = tsms__timers_first(&client->timers);
    if (timer != NULL) {
        due_ms = timer->timer_ms;
    }
    if (client->ready.count + client->cleared.count > 0 &&
        (double)client->wire.count + 1 <= client->ceiling) {
        return now.mono_ms;
    }
    uint64_t queue_ns = tsms__queue_due_ns(client->queue, now_ns(now));
    if (queue_ns != UINT64_MAX && (double)client->wire.count + 1 <= client->ceiling) {
        int64_t queue_ms = (int64_t)((queue_ns + NS_PER_MS - 1) / NS_PER_MS);
        due_ms = queue_ms < due_ms ? queue_ms : due_ms;
    }
    return due_ms;
}

int64_t tsms__client_attempt_ms(const tsms_client *client, const tsms__call *call, tsms__now now)
{
    int64_t left_ms = call->deadline_ms - now.mono_ms;
    int64_t most_ms = client->config->attempt_timeout_ms;
    return left_ms < 1 ? 1 : left_ms < most_ms ? left_ms : most_ms;
}

tsms__method tsms__client_method(const tsms__call *call)
{
    return call->looking_up ? TSMS__GET : tsms__endpoint_of(call->operation)->method;
}

const tsms_buf *tsms__client_path(const tsms__call *call)
{
    return call->looking_up ? &call->lookup_path : &call->path;
}
