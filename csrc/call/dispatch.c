/* Decides which call's request leaves next, and follows each call from phase to phase. */
#include "dispatch.h"

#include "log.h"
#include "measure.h"
#include "permit.h"
#include "report.h"

enum { NS_PER_MS = 1000000 };

static uint64_t now_ns(tsms__now now)
{
    return (uint64_t)now.mono_ms * NS_PER_MS;
}

/* Rounded up, so that the moment has come when it is over. */
static int64_t ns_to_ms(uint64_t ns)
{
    return (int64_t)(ns / NS_PER_MS + (ns % NS_PER_MS > 0));
}

/* Takes a call out of every list, queue and timer. A message from the queue whose answer was "yes"
 * keeps its turn until it is looked at: one that was let through before it must not overtake. */
static void take(tsms_client *client, tsms__call *call)
{
    tsms__list_remove(call);
    tsms__timers_clear(&client->timers, call);
    tsms__queue_remove(client->queue, &call->waiter);
    if (client->questioned == call && call->phase != TSMS__PHASE_READY) {
        client->questioned = NULL;
    }
}

/* The next message whose answer is fresh; NULL when there is none. */
static tsms__call *pop_cleared(tsms_client *client)
{
    tsms__call *call = tsms__list_pop(&client->cleared);
    if (call != NULL && client->questioned == call) {
        client->questioned = NULL;
    }
    return call;
}

static void report_done(tsms_client *client, tsms__call *call, tsms__now now)
{
    const tsms_result *result = call->result;
    tsms_event event = tsms__event_of(TSMS_EVENT_DONE, call, now);
    event.duration_ms = now.mono_ms - call->started_ms;
    event.outcome = result->outcome;
    if (result->failed) {
        const tsms_error *err = &result->error;
        event.kind = err->kind;
        event.http_status = err->http_status;
        event.api_code = err->api_code;
        tsms__event_request_id(&event, tsms_str_from(err->request_id));
    } else {
        tsms__error_text(event.sid, sizeof event.sid, tsms_result_field(result, 0, "sid"));
    }
    tsms__report(client, call, &event);
}

static void hand_out(tsms_client *client, tsms__call *call, tsms__now now)
{
    tsms_result *result = call->result;
    tsms__count(client, result->failed ? TSMS__COUNT_failed : TSMS__COUNT_succeeded);
    if (!result->failed) {
        tsms__region_quota_give(client->region, call->quota_paid > 0 ? call->quota_paid : 1);
    } else if (result->operation == TSMS_OP_SEND &&
               (result->outcome == TSMS_OUTCOME_IN_DOUBT ||
                result->outcome == TSMS_OUTCOME_ACCEPTED_NO_SID)) {
        tsms__count(client, TSMS__COUNT_in_doubt);
    }
    tsms__measure_end(client, call, now);
    report_done(client, call, now);
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
        if (tsms__call_creates(call)) {
            tsms__list_push(&client->cleared, call);
        } else {
            tsms__timers_set(&client->timers, call, call->deadline_ms);
            tsms__list_push(&client->ready, call);
        }
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

static tsms__call *leave(tsms_client *client, tsms__call *call, tsms__now now)
{
    tsms__call_start(call, now);
    call->queued = false;
    call->wire_ms = now.mono_ms;
    tsms__measure_leave(client, call, now);
    tsms__count(client, TSMS__COUNT_requests);
    tsms_event event = tsms__event_of(TSMS_EVENT_ATTEMPT, call, now);
    tsms__report(client, call, &event);
    if (client->log != NULL && tsms__log_wants(client->log, TSMS_LOG_TRACE)) {
        tsms__log_request(client->log, call, now);
    }
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

static void count_limited(tsms_client *client, tsms__call *call, size_t level, int64_t wait_ms,
                          tsms__now now)
{
    tsms__measure_hold(call, level, now);
    if (!call->limited) {
        call->limited = true;
        tsms__count(client, TSMS__COUNT_rate_limited);
        tsms_event event = tsms__event_of(TSMS_EVENT_LIMITED, call, now);
        event.duration_ms = wait_ms;
        tsms__report(client, call, &event);
    }
}

/* The last moment at which its request may still start. */
static int64_t latest_ms(const tsms_client *client, const tsms__call *call)
{
    return call->deadline_ms - tsms__call_min_left_ms(call, client->config);
}

/* Ends a message for which too little time is left. */
static bool expired(tsms_client *client, tsms__call *call, tsms__now now)
{
    if (now.mono_ms <= latest_ms(client, call)) {
        return false;
    }
    tsms__call_expire(call);
    tsms__dispatch_put(client, call, now);
    return true;
}

/* Whether the limits hold a message back for longer than it may wait. */
static bool waits_too_long(const tsms_client *client, const tsms__call *call, int64_t wait_ms,
                           tsms__now now)
{
    return wait_ms > 0 &&
           (!client->config->rate.wait || wait_ms > latest_ms(client, call) - now.mono_ms);
}

static void refuse_limited(tsms_client *client, tsms__call *call, tsms_kind kind, int64_t wait_ms,
                           tsms__now now)
{
    tsms__call_refuse(call, kind, wait_ms,
                      client->config->rate.wait
                          ? "the rate limit would hold it back past timeout_ms"
                          : "the rate limit is reached (rate.wait is false)");
    tsms__dispatch_put(client, call, now);
}

/* Lets a message wait in the queue, or refuses it when that would take too long. */
static void enqueue(tsms_client *client, tsms__call *call, const tsms__level levels[LEVELS],
                    tsms__now now)
{
    /* One that comes back goes to the front: nobody is ahead of it. */
    int64_t wait_ms = ns_to_ms(
        call->queued ? tsms__levels_wait_ns(levels, RECIPIENT, call->cost, now_ns(now), NULL)
                     : tsms__queue_estimate_ns(client->queue, sender_key(call), levels[NUMBER],
                                               call->cost, now_ns(now)));
    size_t slowest = ACCOUNT;
    if (wait_ms > 0) {
        (void)tsms__levels_wait_ns(levels, RECIPIENT, call->cost, now_ns(now), &slowest);
        count_limited(client, call, slowest, wait_ms, now);
    }
    if (waits_too_long(client, call, wait_ms, now)) {
        refuse_limited(client, call,
                       slowest == NUMBER ? TSMS_KIND_NUMBER_RATE_LIMITED
                                         : TSMS_KIND_ACCOUNT_RATE_LIMITED,
                       wait_ms, now);
    } else if (tsms__queue_add(client->queue, &call->waiter, sender_key(call), levels[NUMBER],
                               call->cost, call->queued, now_ns(now))) {
        call->queued = true;
        tsms__timers_set(&client->timers, call, latest_ms(client, call) + 1);
    } else {
        tsms__call_refuse(call, TSMS_KIND_TEMPORARILY_UNAVAILABLE, -1, "out of memory");
        tsms__dispatch_put(client, call, now);
    }
}

/* Recipients have no queue: there are too many, and hardly any ever waits. */
static void wait_for_recipient(tsms_client *client, tsms__call *call, int64_t wait_ms,
                               tsms__now now)
{
    count_limited(client, call, RECIPIENT, wait_ms, now);
    if (waits_too_long(client, call, wait_ms, now)) {
        refuse_limited(client, call, TSMS_KIND_NUMBER_RATE_LIMITED, wait_ms, now);
    } else {
        tsms__call_hold(call, now.mono_ms + wait_ms);
        tsms__dispatch_put(client, call, now);
    }
}

/* Sends a message if breaker and limits allow it now; otherwise it goes where it has to wait. */
static bool try_message(tsms_client *client, tsms__call *call, tsms__now now)
{
    if (expired(client, call, now)) {
        return false;
    }
    if (!tsms__permit_peek(client, call, now)) {
        return false;
    }
    tsms__level levels[LEVELS];
    levels_of(client, call, levels);
    int64_t recipient_ms =
        ns_to_ms(tsms__level_wait_ns(&levels[RECIPIENT], call->cost, now_ns(now)));
    if (recipient_ms > 0) {
        wait_for_recipient(client, call, recipient_ms, now);
        return false;
    }
    bool others = tsms__queue_count(client->queue) > 0 || client->questioned != NULL;
    bool overtakes = !call->queued && others;
    if (overtakes || tsms__levels_wait_ns(levels, LEVELS, call->cost, now_ns(now), NULL) > 0) {
        enqueue(client, call, levels, now);
        return false;
    }
    if (!tsms__permit_get(client, call, now)) {
        return false;
    }
    if (!tsms__levels_admit(levels, LEVELS, call->cost, now_ns(now))) {
        tsms__permit_give(client, call, TSMS__BREAKER_NEUTRAL, now);
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
    if (client->questioned != NULL) {
        return NULL; /* a second one might be asked about in vain, and would lose its place */
    }
    tsms__waiter *waiter = tsms__queue_ready(client->queue, now_ns(now));
    if (waiter == NULL) {
        return NULL;
    }
    tsms__call *call = waiter_call(waiter);
    call->phase = TSMS__PHASE_CHECK;
    tsms__dispatch_put(client, call, now);
    client->questioned = call->phase == TSMS__PHASE_CHECK ? call : NULL;
    return call;
}

static tsms__call *next_message(tsms_client *client, tsms__now now)
{
    for (;;) {
        tsms__call *call = pop_cleared(client);
        if (call != NULL && try_message(client, call, now)) {
            return leave(client, call, now);
        }
        if (call == NULL && next_queued(client, now) == NULL) {
            return NULL;
        }
    }
}

static tsms__call *next_other(tsms_client *client, tsms__now now)
{
    tsms__call *call;
    while ((call = tsms__list_pop(&client->ready)) != NULL) {
        if (tsms__permit_get(client, call, now)) {
            return leave(client, call, now);
        }
    }
    return NULL;
}

static bool has_slot(const tsms_client *client)
{
    return (double)client->wire.count + 1 <= client->ceiling;
}

tsms__call *tsms__client_next(tsms_client *client, tsms__now now)
{
    run_timers(client, now);
    if (has_slot(client)) {
        /* In turn: a long series of one kind must not keep the other off the wire. */
        client->message_turn = !client->message_turn;
        tsms__call *call =
            client->message_turn ? next_message(client, now) : next_other(client, now);
        if (call == NULL) {
            call = client->message_turn ? next_other(client, now) : next_message(client, now);
        }
        return call;
    }
    /* A message that must wait for a slot is asked about again when its turn comes. */
    tsms__call *call;
    while ((call = pop_cleared(client)) != NULL) {
        if (!expired(client, call, now)) {
            tsms__level levels[LEVELS];
            levels_of(client, call, levels);
            enqueue(client, call, levels, now);
        }
    }
    return NULL;
}

int64_t tsms__client_due_ms(tsms_client *client, tsms__now now)
{
    int64_t due_ms = INT64_MAX;
    tsms__call *timer = tsms__timers_first(&client->timers);
    if (timer != NULL) {
        due_ms = timer->timer_ms;
    }
    if (client->cleared.count > 0 || (client->ready.count > 0 && has_slot(client))) {
        return now.mono_ms;
    }
    uint64_t queue_ns = tsms__queue_due_ns(client->queue, now_ns(now));
    if (queue_ns != UINT64_MAX && client->questioned == NULL && has_slot(client)) {
        int64_t queue_ms = ns_to_ms(queue_ns);
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
