/* Looks for a message in doubt, and decides whether it is sent again. */
#include "verify.h"

#include "../wire/date.h"
#include "../wire/echo.h"

enum {
    PAGE_SIZE = 100,
    PAGES = 10,
    FAILURES = 3,          /* failed look-ups before giving up */
    LOOKS_WITHOUT_SID = 3, /* an accepted message must show up: look again */
    LOOK_AGAIN_MS = 2000,
    TWIN_WAIT_MS = 250, /* until the sid of an identical message is known */
};

/* Looks at the first page of the list at due_ms. Without memory to ask for it nobody will ever know
 * more, and the call ends. */
static void look_up(tsms__call *call, const tsms_config *config, int64_t due_ms)
{
    tsms_request request = {.size = sizeof request,
                            .operation = TSMS_OP_LIST,
                            .to = call->to,
                            .from = call->messaging_service_sid.len > 0 ? (tsms_str){NULL, 0}
                                                                        : call->from,
                            .page_size = PAGE_SIZE};
    call->pages = 0;
    tsms__records_free(&call->result->records);
    call->result->first = 0;
    tsms__buf_clear(&call->lookup_path);
    tsms__request_path(&request, tsms_str_from(config->account_sid), &call->lookup_path);
    if (tsms__buf_z(&call->lookup_path) == NULL) {
        tsms__call_end_failed(call);
        return;
    }
    tsms__call_hold(call, due_ms);
}

/* False when the next page cannot be asked for: there were too many, its address is not one of this
 * account's, or there is no memory. */
static bool lookup_next_page(tsms__call *call, const tsms_config *config, const tsms__records *page)
{
    tsms_request request = {.size = sizeof request,
                            .operation = TSMS_OP_LIST,
                            .page_uri = tsms__records_next_page_uri(page)};
    if (++call->pages >= PAGES ||
        tsms__request_check(&request, tsms_str_from(config->account_sid), 0, NULL) != TSMS_OK) {
        return false;
    }
    tsms__buf_clear(&call->lookup_path);
    tsms__request_path(&request, tsms_str_from(config->account_sid), &call->lookup_path);
    return tsms__buf_z(&call->lookup_path) != NULL;
}

/* When the list will have settled, but not before due_ms: an accepted message may be missing in it
 * for a while (twilio-java issue 442, twilio-node issue 647). Where the deadline comes too soon for
 * that, a look that is too early is better than none: it may find the message. */
static int64_t settled_look_ms(const tsms__call *call, const tsms_config *config, int64_t due_ms)
{
    int64_t latest_ms = call->deadline_ms - tsms__call_min_left_ms(call, config);
    int64_t look_ms = call->settled_ms < latest_ms ? call->settled_ms : latest_ms;
    return look_ms > due_ms ? look_ms : due_ms;
}

void tsms__verify_begin(tsms__call *call, const tsms__call_env *env, const tsms__retry_plan *plan,
                        tsms__now now)
{
    call->looking_up = true;
    call->last_chance = plan->last || call->cancelled || call->unrecognisable;
    call->resend_cost = plan->cost;
    call->looks = 0;
    call->look_failures = 0;
    int64_t due_ms = now.mono_ms + plan->wait_ms;
    /* One that certainly exists is never sent again: looking for it early does no harm. */
    bool exists = call->result->error.outcome == TSMS_OUTCOME_ACCEPTED_NO_SID;
    look_up(call, env->config, exists ? due_ms : settled_look_ms(call, env->config, due_ms));
}

/* The list answered, and the message is not in it. */
static void not_found(tsms__call *call, const tsms__call_env *env, tsms__now now,
                      tsms__call_effects *effects)
{
    if (call->look_again) {
        look_up(call, env->config, now.mono_ms);
        return;
    }
    effects->looked_up = true;
    call->looks++;
    if (call->result->error.outcome == TSMS_OUTCOME_ACCEPTED_NO_SID &&
        call->looks < LOOKS_WITHOUT_SID) {
        look_up(call, env->config, now.mono_ms + (int64_t)call->looks * LOOK_AGAIN_MS);
        return;
    }
    bool in_time = call->deadline_ms - now.mono_ms >= tsms__call_min_left_ms(call, env->config);
    bool due = !call->last_chance && !call->looked_early && !call->cancelled && in_time;
    effects->suppressed = due && env->quota_left < call->resend_cost;
    if (!due || effects->suppressed) {
        tsms__call_end_failed(call);
        return;
    }
    call->looking_up = false;
    tsms__call_pay(call, call->resend_cost, effects);
    tsms__call_wake(call);
}

/* A moment of ours by the server's clock. Between then and now our wall clock may have been set, or
 * the monotonic one have stood still while the machine slept: the two tell the earliest and the
 * latest that it can have been. */
static void server_moment(tsms__now then, tsms__now now, int64_t server_s, int64_t *earliest_s,
                          int64_t *latest_s)
{
    int64_t mono_s = (now.mono_ms - then.mono_ms) / 1000;
    int64_t wall_s = (now.wall_ms - then.wall_ms) / 1000;
    *earliest_s = server_s - (mono_s > wall_s ? mono_s : wall_s);
    *latest_s = server_s - (mono_s < wall_s ? mono_s : wall_s);
}

/* Whether a row that fits may belong to an identical message that has not claimed it yet. */
static bool may_be_a_twins(const tsms__call_env *env, const tsms__json *record, tsms__now now,
                           int64_t server_s)
{
    if (env->twin_sent == NULL) {
        return false;
    }
    tsms_message row;
    tsms__message_from_json(record, &row);
    int64_t since_s;
    int64_t latest_s;
    server_moment(*env->twin_sent, now, server_s, &since_s, &latest_s);
    return row.date_created_unix == 0 || row.date_created_unix >= since_s - TSMS__LOOKUP_EARLY_S;
}

/* The result holds the page with the oldest row that fits. */
static void take_found(tsms__call *call, const tsms__call_env *env, tsms__now now, int64_t server_s,
                       tsms__call_effects *effects)
{
    tsms_result *result = call->result;
    const tsms__json *record = tsms__records_at(&result->records, result->first);
    tsms_str sid = tsms__json_text(tsms__json_get(record, "sid"));
    if (tsms__claims_has(env->claims, sid)) {
        look_up(call, env->config, now.mono_ms); /* somebody took it while we read on */
    } else if (may_be_a_twins(env, record, now, server_s)) {
        look_up(call, env->config, settled_look_ms(call, env->config, now.mono_ms + TWIN_WAIT_MS));
    } else {
        effects->looked_up = true;
        effects->found = true;
        tsms__claims_add(env->claims, sid);
        result->verified = true;
        tsms__call_end_ok(call, result->records);
    }
}

/* Reads on to the end of the window even when a row fits: the oldest one is taken, because a later
 * message that is identical may not look as far back, and must not be left without a row. */
static void look_at_page(tsms__call *call, const tsms__call_env *env, tsms__records *page,
                         const tsms__transfer *transfer, tsms__now now, tsms__call_effects *effects)
{
    int64_t server_s = 0;
    if (!tsms__date_from_rfc2822(transfer->response.date, &server_s)) {
        server_s = now.wall_ms / 1000;
    }
    tsms__intent intent = {.to = call->to,
                           .from = call->from,
                           .messaging_service_sid = call->messaging_service_sid,
                           .body = call->body,
                           .media_count = call->media_count,
                           .rewriting = call->rewriting};
    int64_t unused_s;
    server_moment(call->first_sent, now, server_s, &intent.since_s, &unused_s);
    server_moment(call->failed, now, server_s, &unused_s, &intent.until_s);
    bool goes_on = tsms__lookup_goes_on(&intent, page);
    bool reads_on = goes_on && lookup_next_page(call, env->config, page);
    tsms_result *result = call->result;
    size_t index;
    if (tsms__lookup_find(&intent, page, env->claims, &index)) {
        tsms__records_free(&result->records);
        result->records = *page;
        result->first = index;
        *page = (tsms__records){0};
    }
    if (reads_on) {
        call->phase = TSMS__PHASE_READY;
    } else if (result->records.count > 0) {
        take_found(call, env, now, server_s, effects);
    } else if (goes_on) {
        tsms__call_end_failed(call); /* the rest of the list is out of reach: nothing is proven */
    } else {
        not_found(call, env, now, effects);
    }
}

void tsms__verify_finish(tsms__call *call, const tsms__call_env *env,
                         const tsms__transfer *transfer, tsms__now now, tsms__call_effects *effects)
{
    tsms__records page;
    effects->outcome =
        tsms__classify(transfer, TSMS__SHAPE_MESSAGE_PAGE, env->config, &page, &effects->error);
    if (effects->outcome == TSMS_OUTCOME_ACCEPTED) {
        look_at_page(call, env, &page, transfer, now, effects);
        tsms__records_free(&page);
        return;
    }
    tsms__echo_hide(&effects->error, env->config, tsms__buf_str(&call->form));
    tsms__attempt attempt = {.kind = effects->error.kind,
                             .outcome = effects->outcome,
                             .retryable = effects->error.retryable,
                             .retry_after_ms = effects->error.retry_after_ms,
                             .attempts = ++call->look_failures,
                             .idempotent = true,
                             .left_ms = call->deadline_ms - now.mono_ms};
    tsms__retry_plan plan =
        tsms__retry_decide(env->config, &attempt, env->quota_left, 0, env->rand);
    if (plan.next != TSMS__NEXT_RETRY || call->look_failures >= FAILURES) {
        tsms__call_end_failed(call);
        return;
    }
    look_up(call, env->config, now.mono_ms + plan.wait_ms);
}
