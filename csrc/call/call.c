/* The state machine of one call. */
#include "call.h"

#include "../wire/date.h"

#include <string.h>

enum {
    LOOKUP_PAGE_SIZE = 100,
    LOOKUP_PAGES = 10,
    LOOKUP_FAILURES = 3,   /* failed look-ups before giving up */
    LOOKS_WITHOUT_SID = 3, /* an accepted message must show up: look again */
    LOOK_AGAIN_MS = 2000,
    TWIN_WAIT_MS = 250, /* an identical message is on the wire: its sid is not known yet */
    MIN_LEFT_MS = 2000,
};

void tsms__call_init(tsms__call *call, const tsms_mem *mem)
{
    *call = (tsms__call){0};
    tsms__buf_init(&call->text, mem);
    tsms__buf_init(&call->path, mem);
    tsms__buf_init(&call->form, mem);
    tsms__buf_init(&call->lookup_path, mem);
}

void tsms__call_free(tsms__call *call)
{
    tsms_result_free(call->result);
    tsms__buf_free(&call->text);
    tsms__buf_free(&call->path);
    tsms__buf_free(&call->form);
    tsms__buf_free(&call->lookup_path);
}

bool tsms__call_creates(const tsms__call *call)
{
    return call->operation == TSMS_OP_SEND && !call->looking_up;
}

int64_t tsms__call_min_left_ms(const tsms__call *call, const tsms_config *config)
{
    int64_t whole = call->deadline_ms - call->started_ms;
    int64_t least =
        config->attempt_timeout_ms < MIN_LEFT_MS ? config->attempt_timeout_ms : MIN_LEFT_MS;
    return whole / 2 < least ? whole / 2 : least;
}

/* Forgets the last use and keeps the buffers. */
static void reset(tsms__call *call)
{
    tsms__call old = *call;
    *call = (tsms__call){.slot = old.slot,
                         .text = old.text,
                         .path = old.path,
                         .form = old.form,
                         .lookup_path = old.lookup_path};
    tsms__buf_clear(&call->text);
    tsms__buf_clear(&call->path);
    tsms__buf_clear(&call->form);
    tsms__buf_clear(&call->lookup_path);
}

/* Keeps what checks and look-ups need, in one buffer. */
static void keep_texts(tsms__call *call, const tsms_message_options *message)
{
    const tsms_str texts[] = {message->to, message->from, message->messaging_service_sid,
                              message->body};
    tsms_str *views[] = {&call->to, &call->from, &call->messaging_service_sid, &call->body};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        tsms__buf_add(&call->text, texts[i]);
        tsms__buf_add_char(&call->text, '\0');
    }
    if (call->text.failed) {
        return;
    }
    call->intent = tsms__str_hash(tsms__buf_str(&call->text));
    const char *at = call->text.ptr;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *views[i] = (tsms_str){texts[i].len > 0 ? at : NULL, texts[i].len};
        at += texts[i].len + 1;
    }
    call->send_at = message->send_at;
    call->body_may_differ = message->smart_encoded == TSMS_TRUE ||
                            message->shorten_urls == TSMS_TRUE || message->content_sid.len > 0;
}

static uint64_t message_cost(const tsms_message_options *message, const tsms_config *config)
{
    tsms_segments segments;
    if (config->rate.unit != TSMS__UNIT_SEGMENT || message->media_count > 0 ||
        tsms_segments_count(message->body, &segments, NULL) != TSMS_OK || segments.segments < 1) {
        return 1;
    }
    return (uint64_t)segments.segments;
}

tsms_status tsms__call_begin(tsms__call *call, uint64_t id, const tsms_request *request,
                             const tsms_config *config, tsms__now now, tsms_error *err)
{
    reset(call);
    call->operation = request->operation;
    call->started_ms = now.mono_ms;
    call->deadline_ms =
        now.mono_ms + (request->timeout_ms > 0 ? request->timeout_ms : config->timeout_ms);
    call->cost = 1;
    if (request->operation == TSMS_OP_SEND) {
        keep_texts(call, request->message);
        call->cost = message_cost(request->message, config);
    }
    tsms__request_path(request, tsms_str_from(config->account_sid), &call->path);
    tsms__request_body(request, &call->form);
    (void)tsms__buf_z(&call->path);
    call->result = tsms__result_new(call->path.mem);
    if (call->text.failed || call->path.failed || call->form.failed || call->result == NULL) {
        tsms_result_free(call->result);
        call->result = NULL;
        return tsms__error_nomem(err);
    }
    call->id = id;
    call->result->call_id = id;
    call->result->operation = request->operation;
    call->phase = tsms__call_creates(call) ? TSMS__PHASE_CHECK : TSMS__PHASE_READY;
    return TSMS_OK;
}

static void end(tsms__call *call, tsms_outcome outcome)
{
    call->result->outcome = outcome;
    call->result->attempts = call->attempts;
    call->result->error.outcome = outcome;
    call->result->error.attempts = call->attempts;
    call->phase = TSMS__PHASE_DONE;
}

static void end_failed(tsms__call *call)
{
    call->result->failed = true;
    end(call, call->result->error.outcome);
}

static void end_ok(tsms__call *call, tsms__records records)
{
    call->result->failed = false;
    call->result->records = records;
    end(call, TSMS_OUTCOME_ACCEPTED);
}

static void pause_until(tsms__call *call, int64_t due_ms)
{
    if (due_ms >= call->deadline_ms) {
        tsms__call_expire(call);
        return;
    }
    call->due_ms = due_ms;
    call->phase = TSMS__PHASE_PAUSE;
}

void tsms__call_wake(tsms__call *call)
{
    call->phase = tsms__call_creates(call) ? TSMS__PHASE_CHECK : TSMS__PHASE_READY;
}

void tsms__call_allow(tsms__call *call)
{
    call->phase = TSMS__PHASE_READY;
}

/* Puts in an error of our own, unless an attempt left one that tells more: what became of the
 * message. */
static void set_error(tsms__call *call, tsms_kind kind, const char *why)
{
    tsms_error *err = &call->result->error;
    if (err->outcome == TSMS_OUTCOME_IN_DOUBT || err->outcome == TSMS_OUTCOME_ACCEPTED_NO_SID) {
        return;
    }
    tsms__error_set(err, kind, "%s", why);
    err->outcome = TSMS_OUTCOME_NOT_SENT;
}

void tsms__call_deny(tsms__call *call, tsms_str reason)
{
    char why[96] = "a check refused it: ";
    size_t used = strlen(why);
    tsms__error_text(why + used, sizeof why - used,
                     reason.len > 0 ? reason : TSMS__STR("no reason given"));
    bool opted_out = tsms__str_eq(reason, TSMS__STR("opted_out"));
    set_error(call, opted_out ? TSMS_KIND_OPTED_OUT : TSMS_KIND_INVALID_REQUEST,
              opted_out ? "the recipient has opted out" : why);
    end_failed(call);
}

void tsms__call_defer(tsms__call *call, int64_t until_ms)
{
    if (until_ms >= call->deadline_ms) {
        set_error(call, TSMS_KIND_TIMEOUT, "a check put it off to a time past timeout_ms");
        end_failed(call);
        return;
    }
    pause_until(call, until_ms);
}

void tsms__call_refuse(tsms__call *call, tsms_kind kind, int64_t retry_after_ms, const char *why)
{
    set_error(call, kind, why);
    if (call->result->error.kind == kind && retry_after_ms >= 0) {
        call->result->error.retry_after_ms = retry_after_ms;
    }
    end_failed(call);
}

void tsms__call_hold(tsms__call *call, int64_t until_ms)
{
    pause_until(call, until_ms);
}

void tsms__call_expire(tsms__call *call)
{
    /* An earlier attempt's error says more about the cause than "out of time". */
    if (call->result->error.kind == TSMS_KIND_NONE) {
        set_error(call, TSMS_KIND_TIMEOUT, "timeout_ms passed before the request could be sent");
    }
    end_failed(call);
}

void tsms__call_cancel(tsms__call *call)
{
    call->cancelled = true;
    if (call->phase != TSMS__PHASE_WIRE && call->phase != TSMS__PHASE_DONE) {
        set_error(call, TSMS_KIND_INVALID_REQUEST, "cancelled before it was sent");
        end_failed(call);
    }
}

static void lookup_first_page(tsms__call *call, const tsms_config *config)
{
    tsms_request request = {.size = sizeof request,
                            .operation = TSMS_OP_LIST,
                            .to = call->to,
                            .from = call->messaging_service_sid.len > 0 ? (tsms_str){NULL, 0}
                                                                        : call->from,
                            .page_size = LOOKUP_PAGE_SIZE};
    call->pages = 0;
    tsms__buf_clear(&call->lookup_path);
    tsms__request_path(&request, tsms_str_from(config->account_sid), &call->lookup_path);
    (void)tsms__buf_z(&call->lookup_path);
}

/* False when there is no further page to be asked for. */
static bool lookup_next_page(tsms__call *call, const tsms_config *config, const tsms__records *page)
{
    tsms_request request = {.size = sizeof request,
                            .operation = TSMS_OP_LIST,
                            .page_uri = tsms__records_next_page_uri(page)};
    if (++call->pages >= LOOKUP_PAGES ||
        tsms__request_check(&request, tsms_str_from(config->account_sid), 0, NULL) != TSMS_OK) {
        return false;
    }
    tsms__buf_clear(&call->lookup_path);
    tsms__request_path(&request, tsms_str_from(config->account_sid), &call->lookup_path);
    return tsms__buf_z(&call->lookup_path) != NULL;
}

void tsms__call_start(tsms__call *call, tsms__now now)
{
    if (!call->looking_up) {
        call->attempts++;
        if (call->attempts == 1) {
            call->first_sent_s = now.wall_ms / 1000;
        }
    }
    call->phase = TSMS__PHASE_WIRE;
}

static void pay_for_retry(tsms__call *call, int64_t cost, tsms__call_effects *effects)
{
    effects->quota_cost = cost;
    effects->retrying = true;
    call->quota_paid += cost;
}

/* The attempt failed; the policy says what comes next. */
static void plan_next(tsms__call *call, const tsms__call_env *env, tsms__now now,
                      tsms__call_effects *effects)
{
    const tsms_error *err = &call->result->error;
    tsms__attempt attempt = {
        .kind = err->kind,
        .outcome = err->outcome,
        .retryable = err->retryable,
        .retry_after_ms = err->retry_after_ms,
        .attempts = call->attempts,
        .idempotent = tsms__endpoint_of(call->operation)->idempotent,
        .in_doubt = (tsms__in_doubt)env->config->in_doubt,
        .left_ms = call->deadline_ms - now.mono_ms,
    };
    int64_t min_left_ms = tsms__call_creates(call) ? tsms__call_min_left_ms(call, env->config) : 0;
    tsms__retry_plan plan =
        tsms__retry_decide(env->config, &attempt, env->quota_left, min_left_ms, env->rand);
    effects->suppressed = plan.suppressed;
    if (call->cancelled && plan.next == TSMS__NEXT_RETRY) {
        plan.next = TSMS__NEXT_STOP;
    }
    if (plan.next == TSMS__NEXT_STOP) {
        end_failed(call);
        return;
    }
    if (plan.next == TSMS__NEXT_LOOKUP) {
        call->looking_up = true;
        call->last_chance = plan.last || call->cancelled;
        call->resend_cost = plan.cost;
        lookup_first_page(call, env->config);
    } else {
        pay_for_retry(call, plan.cost, effects);
    }
    pause_until(call, now.mono_ms + plan.wait_ms);
}

static void finish_attempt(tsms__call *call, const tsms__call_env *env,
                           const tsms__transfer *transfer, tsms__now now,
                           tsms__call_effects *effects)
{
    tsms__records records;
    effects->outcome = tsms__classify(transfer, tsms__endpoint_of(call->operation)->shape,
                                      env->config, &records, &effects->error);
    if (effects->outcome == TSMS_OUTCOME_ACCEPTED) {
        if (call->operation == TSMS_OP_SEND) {
            tsms__claims_add(env->claims,
                             tsms__json_text(tsms__json_get(tsms__records_at(&records, 0), "sid")));
        }
        end_ok(call, records);
        return;
    }
    effects->error.outcome = effects->outcome;
    effects->error.attempts = call->attempts;
    call->result->error = effects->error;
    call->failed_s = now.wall_ms / 1000;
    plan_next(call, env, now, effects);
}

/* The list answered, and the message is not in it. */
static void not_found(tsms__call *call, const tsms__call_env *env, tsms__now now,
                      tsms__call_effects *effects)
{
    effects->looked_up = true;
    call->looks++;
    if (call->result->error.outcome == TSMS_OUTCOME_ACCEPTED_NO_SID &&
        call->looks < LOOKS_WITHOUT_SID) {
        lookup_first_page(call, env->config);
        pause_until(call, now.mono_ms + (int64_t)call->looks * LOOK_AGAIN_MS);
        return;
    }
    if (call->last_chance || call->cancelled || env->quota_left < call->resend_cost ||
        call->deadline_ms - now.mono_ms < tsms__call_min_left_ms(call, env->config)) {
        end_failed(call);
        return;
    }
    call->looking_up = false;
    pay_for_retry(call, call->resend_cost, effects);
    tsms__call_wake(call);
}

static void look_at_page(tsms__call *call, const tsms__call_env *env, const tsms__records *page,
                         const tsms__transfer *transfer, tsms__now now, tsms__call_effects *effects)
{
    int64_t server_s = 0;
    int64_t ahead_s = 0;
    if (tsms__date_from_rfc2822(transfer->response.date, &server_s)) {
        ahead_s = server_s - now.wall_ms / 1000;
    }
    tsms__intent intent = {.to = call->to,
                           .from = call->from,
                           .messaging_service_sid = call->messaging_service_sid,
                           .body = call->body,
                           .body_may_differ = call->body_may_differ,
                           .since_s = call->first_sent_s + ahead_s,
                           .until_s = call->failed_s + ahead_s};
    size_t index;
    if (env->twin_on_wire) {
        /* Its row cannot be told from ours until it is claimed. */
        lookup_first_page(call, env->config);
        pause_until(call, now.mono_ms + TWIN_WAIT_MS);
    } else if (tsms__lookup_find(&intent, page, env->claims, &index)) {
        effects->looked_up = true;
        effects->found = true;
        tsms__claims_add(env->claims,
                         tsms__json_text(tsms__json_get(tsms__records_at(page, index), "sid")));
        call->result->verified = true;
        call->result->first = index;
        end_ok(call, *page);
    } else if (tsms__lookup_goes_on(&intent, page) && lookup_next_page(call, env->config, page)) {
        call->phase = TSMS__PHASE_READY;
    } else {
        not_found(call, env, now, effects);
    }
}

static void finish_lookup(tsms__call *call, const tsms__call_env *env,
                          const tsms__transfer *transfer, tsms__now now,
                          tsms__call_effects *effects)
{
    tsms__records page;
    effects->outcome =
        tsms__classify(transfer, TSMS__SHAPE_MESSAGE_PAGE, env->config, &page, &effects->error);
    if (effects->outcome == TSMS_OUTCOME_ACCEPTED && !call->lookup_path.failed) {
        look_at_page(call, env, &page, transfer, now, effects);
        if (!call->result->verified) {
            tsms__records_free(&page);
        }
        return;
    }
    tsms__records_free(&page);
    tsms__attempt attempt = {.kind = effects->error.kind,
                             .outcome = effects->outcome,
                             .retryable = effects->error.retryable,
                             .retry_after_ms = effects->error.retry_after_ms,
                             .attempts = ++call->look_failures,
                             .idempotent = true,
                             .left_ms = call->deadline_ms - now.mono_ms};
    tsms__retry_plan plan =
        tsms__retry_decide(env->config, &attempt, env->quota_left, 0, env->rand);
    if (plan.next != TSMS__NEXT_RETRY || call->look_failures >= LOOKUP_FAILURES) {
        end_failed(call);
        return;
    }
    lookup_first_page(call, env->config);
    pause_until(call, now.mono_ms + plan.wait_ms);
}

void tsms__call_finish(tsms__call *call, const tsms__call_env *env, const tsms__transfer *transfer,
                       tsms__now now, tsms__call_effects *effects)
{
    *effects = (tsms__call_effects){.error = {.retry_after_ms = -1}};
    if (call->looking_up) {
        finish_lookup(call, env, transfer, now, effects);
    } else {
        finish_attempt(call, env, transfer, now, effects);
    }
}
