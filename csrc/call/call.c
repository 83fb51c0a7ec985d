/* The state machine of one call. */
#include "call.h"

#include "../wire/echo.h"
#include "verify.h"

#include <stdio.h>
#include <string.h>

enum { MIN_LEFT_MS = 2000 };

void tsms__call_init(tsms__call *call, const tsms_mem *mem)
{
    *call = (tsms__call){0};
    tsms__buf_init(&call->text, mem);
    tsms__buf_init(&call->path, mem);
    tsms__buf_init(&call->form, mem);
    tsms__buf_init(&call->lookup_path, mem);
    tsms__buf_init(&call->notes, mem);
}

void tsms__call_free(tsms__call *call)
{
    tsms_result_free(call->result);
    tsms__buf_free(&call->text);
    tsms__buf_free(&call->path);
    tsms__buf_free(&call->form);
    tsms__buf_free(&call->lookup_path);
    tsms__buf_free(&call->notes);
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

int64_t tsms__after_ms(int64_t now_ms, int64_t wait_ms)
{
    return wait_ms < INT64_MAX - now_ms ? now_ms + wait_ms : INT64_MAX;
}

/* Forgets the last use and keeps the buffers. */
static void reset(tsms__call *call)
{
    tsms__call old = *call;
    *call = (tsms__call){.slot = old.slot,
                         .text = old.text,
                         .path = old.path,
                         .form = old.form,
                         .lookup_path = old.lookup_path,
                         .notes = old.notes};
    tsms__buf_clear(&call->text);
    tsms__buf_clear(&call->path);
    tsms__buf_clear(&call->form);
    tsms__buf_clear(&call->lookup_path);
    tsms__buf_clear(&call->notes);
}

/* Whether the list may show another body. Templates and short links are filled in by the server.
 * Smart encoding replaces characters outside GSM-7; a messaging service may have it switched on for
 * all its messages (www.twilio.com/docs/messaging/services/api/service-resource). */
static tsms__rewriting rewriting_of(const tsms_message_options *message)
{
    if (message->content_sid.len > 0 || message->shorten_urls == TSMS_TRUE) {
        return TSMS__REWRITING_ANY;
    }
    tsms_segments segments;
    bool smart = message->smart_encoded == TSMS_TRUE ||
                 (message->smart_encoded == TSMS_UNSET && message->messaging_service_sid.len > 0);
    bool touched = smart && tsms_segments_count(message->body, &segments, NULL) == TSMS_OK &&
                   segments.encoding == TSMS_ENCODING_UCS2;
    return touched ? TSMS__REWRITING_SMART : TSMS__REWRITING_NONE;
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
    call->media_count = (int)message->media_count;
    call->rewriting = rewriting_of(message);
    call->unrecognisable = tsms__str_eq(message->address_retention, TSMS__STR("obfuscate"));
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
    call->waits_for_breaker = request->wait_for_breaker;
    call->started_ms = now.mono_ms;
    call->deadline_ms = tsms__after_ms(now.mono_ms, request->timeout_ms > 0 ? request->timeout_ms
                                                                            : config->timeout_ms);
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
    if (request->operation == TSMS_OP_SEND && request->message->callback_ref.len > 0) {
        memcpy(call->result->callback_ref, request->message->callback_ref.ptr,
               request->message->callback_ref.len); /* it was checked: at most as long as an id */
    }
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

void tsms__call_end_failed(tsms__call *call)
{
    call->result->failed = true;
    tsms__records_free(&call->result->records); /* of a look-up that did not come to its end */
    end(call, call->result->error.outcome);
}

void tsms__call_end_ok(tsms__call *call, tsms__records records)
{
    call->result->failed = false;
    call->result->records = records;
    tsms__error_clear(&call->result->error);
    end(call, TSMS_OUTCOME_ACCEPTED);
}

void tsms__call_hold(tsms__call *call, int64_t due_ms)
{
    if (due_ms >= call->deadline_ms) {
        tsms__call_expire(call);
        return;
    }
    call->due_ms = due_ms;
    call->phase = TSMS__PHASE_PAUSE;
}

void tsms__call_pay(tsms__call *call, int64_t cost, tsms__call_effects *effects)
{
    effects->quota_cost = cost;
    effects->retrying = true;
    call->quota_paid += cost;
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
 * message. False then. */
static bool set_error(tsms__call *call, tsms_kind kind, const char *why)
{
    tsms_error *err = &call->result->error;
    if (err->outcome == TSMS_OUTCOME_IN_DOUBT || err->outcome == TSMS_OUTCOME_ACCEPTED_NO_SID) {
        return false;
    }
    tsms__error_set(err, kind, "%s", why);
    err->outcome = TSMS_OUTCOME_NOT_SENT;
    return true;
}

static void end_checked(tsms__call *call, tsms_kind kind, const char *what, tsms_str reason)
{
    char why[sizeof call->result->error.message];
    int used = snprintf(why, sizeof why, "%s: ", what);
    tsms__error_text(why + used, sizeof why - (size_t)used,
                     reason.len > 0 ? reason : TSMS__STR("no reason given"));
    (void)set_error(call, kind, why);
    tsms__call_end_failed(call);
}

void tsms__call_deny(tsms__call *call, tsms_str reason)
{
    if (!tsms__str_eq(reason, TSMS__STR("opted_out"))) {
        end_checked(call, TSMS_KIND_INVALID_REQUEST, "a check refused it", reason);
        return;
    }
    (void)set_error(call, TSMS_KIND_OPTED_OUT, "the recipient has opted out");
    tsms__call_end_failed(call);
}

void tsms__call_cannot_tell(tsms__call *call, tsms_str reason)
{
    end_checked(call, TSMS_KIND_TEMPORARILY_UNAVAILABLE, "a check cannot tell", reason);
}

void tsms__call_defer(tsms__call *call, int64_t until_ms)
{
    if (until_ms >= call->deadline_ms) {
        (void)set_error(call, TSMS_KIND_TIMEOUT, "a check put it off to a time past timeout_ms");
        tsms__call_end_failed(call);
        return;
    }
    tsms__call_hold(call, until_ms);
}

void tsms__call_refuse(tsms__call *call, tsms_kind kind, int64_t retry_after_ms, const char *why)
{
    if (set_error(call, kind, why) && retry_after_ms >= 0) {
        call->result->error.retry_after_ms = retry_after_ms;
    }
    tsms__call_end_failed(call);
}

void tsms__call_expire(tsms__call *call)
{
    /* An earlier attempt's error says more about the cause than "out of time". */
    if (call->result->error.kind == TSMS_KIND_NONE) {
        (void)set_error(call, TSMS_KIND_TIMEOUT,
                        "timeout_ms passed before the request could be sent");
    }
    tsms__call_end_failed(call);
}

void tsms__call_cancel(tsms__call *call)
{
    call->cancelled = true;
    if (call->phase != TSMS__PHASE_WIRE && call->phase != TSMS__PHASE_DONE) {
        (void)set_error(call, TSMS_KIND_INVALID_REQUEST, "cancelled before it was sent");
        tsms__call_end_failed(call);
    }
}

void tsms__call_start(tsms__call *call, tsms__now now)
{
    if (!call->looking_up) {
        call->attempts++;
        if (call->attempts == 1) {
            call->first_sent = now;
        }
    } else if (call->pages == 0) {
        call->look_again = false;
        call->looked_early = now.mono_ms < call->settled_ms;
    }
    call->phase = TSMS__PHASE_WIRE;
}

static tsms__retry_plan decide(const tsms__call *call, const tsms__call_env *env, tsms__now now,
                               tsms_outcome outcome)
{
    const tsms_error *err = &call->result->error;
    tsms__attempt attempt = {
        .kind = err->kind,
        .outcome = outcome,
        .retryable = err->retryable,
        .retry_after_ms = err->retry_after_ms,
        .attempts = call->attempts,
        .idempotent = tsms__endpoint_of(call->operation)->idempotent,
        .in_doubt = (tsms__in_doubt)env->config->in_doubt,
        .left_ms = call->deadline_ms - now.mono_ms,
    };
    int64_t min_left_ms = tsms__call_creates(call) ? tsms__call_min_left_ms(call, env->config) : 0;
    return tsms__retry_decide(env->config, &attempt, env->quota_left, min_left_ms, env->rand);
}

/* The attempt failed; the policy says what comes next. */
static void plan_next(tsms__call *call, const tsms__call_env *env, tsms__now now,
                      bool earlier_in_doubt, tsms__call_effects *effects)
{
    tsms__retry_plan plan = decide(call, env, now, effects->outcome);
    effects->suppressed = plan.suppressed;
    if (call->cancelled && plan.next == TSMS__NEXT_RETRY) {
        plan.next = TSMS__NEXT_STOP;
    }
    if (plan.next == TSMS__NEXT_STOP && earlier_in_doubt) {
        /* This one was not accepted. The last look is for the one before it. */
        plan = decide(call, env, now, TSMS_OUTCOME_IN_DOUBT);
        plan.next = plan.next == TSMS__NEXT_LOOKUP ? TSMS__NEXT_LOOKUP : TSMS__NEXT_STOP;
        plan.last = true;
    }
    if (plan.next == TSMS__NEXT_STOP) {
        tsms__call_end_failed(call);
    } else if (plan.next == TSMS__NEXT_LOOKUP) {
        tsms__verify_begin(call, env, &plan, now);
    } else {
        tsms__call_pay(call, plan.cost, effects);
        tsms__call_hold(call, now.mono_ms + plan.wait_ms);
    }
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
        tsms__call_end_ok(call, records);
        return;
    }
    tsms__echo_hide(&effects->error, env->config, tsms__buf_str(&call->form));
    effects->error.outcome = effects->outcome;
    effects->error.attempts = call->attempts;
    /* Once in doubt, a message stays so, whatever became of the attempts to send it again. */
    bool earlier_in_doubt =
        call->operation == TSMS_OP_SEND && call->result->error.outcome == TSMS_OUTCOME_IN_DOUBT;
    call->result->error = effects->error;
    if (earlier_in_doubt && effects->outcome != TSMS_OUTCOME_ACCEPTED_NO_SID) {
        call->result->error.outcome = TSMS_OUTCOME_IN_DOUBT;
    }
    call->failed = now;
    if (effects->outcome == TSMS_OUTCOME_IN_DOUBT ||
        effects->outcome == TSMS_OUTCOME_ACCEPTED_NO_SID) {
        call->settled_ms = tsms__after_ms(now.mono_ms, env->config->retry.settle_ms);
    }
    plan_next(call, env, now, earlier_in_doubt, effects);
}

void tsms__call_finish(tsms__call *call, const tsms__call_env *env, const tsms__transfer *transfer,
                       tsms__now now, tsms__call_effects *effects)
{
    *effects = (tsms__call_effects){.error = {.retry_after_ms = -1}};
    if (call->looking_up) {
        tsms__verify_finish(call, env, transfer, now, effects);
    } else {
        finish_attempt(call, env, transfer, now, effects);
    }
}
