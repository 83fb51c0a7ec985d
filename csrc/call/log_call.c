/* The lines of a client: what its events say, and what its calls know beside. */
#include "../wire/request.h"
#include "../wire/segments.h"
#include "client.h"
#include "log.h"

enum { OPTED_OUT_CODE = 21610 }; /* "Attempt to send to unsubscribed recipient" (Twilio) */

static void put_z(tsms__line *line, tsms__log_key key, const char *word)
{
    if (word[0] != '\0') {
        tsms__line_word(line, key, tsms_str_from(word));
    }
}

static void put_positive(tsms__line *line, tsms__log_key key, int64_t value)
{
    if (value > 0) {
        tsms__line_int(line, key, value);
    }
}

/* A proxy could say anything there, as what it was sent. */
static void put_request_id(tsms__line *line, const char *id)
{
    if (tsms__sid_is(tsms_str_from(id), "RQ")) {
        put_z(line, TSMS__KEY_REQUEST_ID, id);
    }
}

static void put_trace(tsms__line *line, const tsms__call *call)
{
    char id[2 * sizeof call->span.trace_id];
    if (call->span.kept) {
        tsms__hex_write(call->span.trace_id, sizeof call->span.trace_id, id);
        tsms__line_word(line, TSMS__KEY_TRACE_ID, (tsms_str){id, sizeof id});
    }
}

static void put_people(tsms__line *line, const tsms__call *call)
{
    tsms__line_address(line, TSMS__KEY_FROM, call->from);
    tsms__line_text(line, TSMS__KEY_SERVICE, call->messaging_service_sid);
    tsms__line_address(line, TSMS__KEY_TO, call->to);
}

static void put_call_id(tsms__line *line, const tsms__call *call)
{
    tsms__line_int(line, TSMS__KEY_CALL_ID, (int64_t)(call->id % INT64_MAX));
}

static void put_operation(tsms__line *line, const tsms__call *call)
{
    put_call_id(line, call);
    put_z(line, TSMS__KEY_OPERATION, tsms_operation_name(call->operation));
}

/* ---- The end of a call --------------------------------------------------------------------- */

static void put_text(tsms__line *line, const tsms_log *log, tsms_str body)
{
    if (body.len > 0) {
        put_z(line, TSMS__KEY_ENCODING, tsms_encoding_name(tsms__encoding_of(body)));
        tsms__line_int(line, TSMS__KEY_LENGTH, (int64_t)tsms__utf8_length(body));
    }
    if (tsms__log_shows_bodies(log)) {
        tsms__line_text(line, TSMS__KEY_TEXT, body);
    }
}

static void log_sent(tsms_log *log, const tsms__call *call, const tsms_event *event)
{
    tsms__line *line = tsms__log_begin(log, TSMS__LOG_SENT, event->at_ms);
    if (line == NULL) {
        return;
    }
    const tsms_result *result = call->result;
    put_call_id(line, call);
    tsms__line_text(line, TSMS__KEY_SID, tsms_str_from(event->sid));
    put_people(line, call);
    tsms_str status = tsms_result_field(result, 0, "status");
    if (tsms_message_status_from(status) != TSMS_MESSAGE_UNKNOWN) { /* no text that is not theirs */
        tsms__line_text(line, TSMS__KEY_STATUS, status);
    }
    int64_t segments = 0;
    tsms__str_to_int(tsms_result_field(result, 0, "num_segments"), &segments);
    put_positive(line, TSMS__KEY_SEGMENTS, segments);
    put_text(line, log, call->body);
    put_positive(line, TSMS__KEY_NUM_MEDIA, call->media_count);
    tsms__line_int(line, TSMS__KEY_ATTEMPTS, event->attempt);
    tsms__line_int(line, TSMS__KEY_DURATION_MS, event->duration_ms);
    if (result->verified) {
        put_z(line, TSMS__KEY_VERIFIED, "true");
    }
    put_trace(line, call);
    tsms__log_end(log);
}

static void put_error(tsms__line *line, const tsms_error *err)
{
    put_z(line, TSMS__KEY_ERROR, tsms_kind_type(err->kind));
    put_positive(line, TSMS__KEY_CODE, err->api_code);
    put_positive(line, TSMS__KEY_HTTP_STATUS, err->http_status);
    put_z(line, TSMS__KEY_OUTCOME, tsms_outcome_name(err->outcome));
    put_request_id(line, err->request_id);
}

/* Whether the event before this one was of that type, and about the same call: one fact is one
 * line.
 */
static bool was_told(tsms_log *log, tsms_event_type type, const tsms__call *call)
{
    const tsms__told *last = tsms__log_last(log);
    return last->call_id == call->id && last->type == type;
}

/* Which event the failure of a call is: one of them, so that one fact is one line. */
static tsms__log_id failure_of(tsms_operation operation, const tsms_error *err)
{
    if (tsms_kind_category(err->kind) == TSMS_CATEGORY_AUTHENTICATION) {
        return TSMS__LOG_AUTHENTICATION_FAILED;
    } else if (operation != TSMS_OP_SEND) {
        return TSMS__LOG_REQUEST_FAILED;
    } else if (err->outcome == TSMS_OUTCOME_IN_DOUBT ||
               err->outcome == TSMS_OUTCOME_ACCEPTED_NO_SID) {
        return TSMS__LOG_IN_DOUBT;
    }
    return err->api_code == OPTED_OUT_CODE ? TSMS__LOG_OPTED_OUT : TSMS__LOG_SEND_FAILED;
}

/* Who has opted out of what, as in the lines of opt-outs that come in. */
static void put_opt_out(tsms__line *line, const tsms__call *call)
{
    bool has_service = call->messaging_service_sid.len > 0;
    tsms__line_address(line, TSMS__KEY_NUMBER, call->to);
    put_z(line, TSMS__KEY_SOURCE, "error_21610");
    tsms__line_text(line, TSMS__KEY_SCOPE, has_service ? call->messaging_service_sid : call->from);
}

static void log_failed(tsms_log *log, const tsms__call *call, const tsms_event *event)
{
    const tsms_error *err = &call->result->error;
    tsms__log_id id = failure_of(call->operation, err);
    /* What a check has refused has its line already. */
    bool denied = id == TSMS__LOG_SEND_FAILED && was_told(log, TSMS_EVENT_DENIED, call);
    tsms__line *line = denied ? NULL : tsms__log_begin(log, id, event->at_ms);
    if (line == NULL) {
        return;
    }
    put_operation(line, call);
    if (id == TSMS__LOG_OPTED_OUT) {
        put_opt_out(line, call);
    } else {
        put_people(line, call);
    }
    put_error(line, err);
    tsms__line_int(line, TSMS__KEY_ATTEMPTS, event->attempt);
    tsms__line_int(line, TSMS__KEY_DURATION_MS, event->duration_ms);
    put_trace(line, call);
    tsms__line_text(line, TSMS__KEY_MESSAGE, tsms_str_from(err->message));
    tsms__log_end(log);
}

static void log_done(tsms_log *log, const tsms__call *call, const tsms_event *event)
{
    if (call->result->failed) {
        log_failed(log, call, event);
    } else if (call->operation == TSMS_OP_SEND) {
        log_sent(log, call, event);
    }
}

void tsms__log_refused(tsms_log *log, tsms_operation operation, const tsms_error *err,
                       int64_t wall_ms)
{
    tsms__line *line = tsms__log_begin(log, failure_of(operation, err), wall_ms);
    if (line != NULL) {
        put_z(line, TSMS__KEY_OPERATION, tsms_operation_name(operation));
        put_error(line, err);
        tsms__line_text(line, TSMS__KEY_MESSAGE, tsms_str_from(err->message));
        tsms__log_end(log);
    }
}

/* ---- On the way ---------------------------------------------------------------------------- */

static void log_breaker(tsms_log *log, const tsms_event *event)
{
    tsms_str state = tsms_str_from(event->text);
    tsms__log_id id = tsms__str_eq_z(state, "open")     ? TSMS__LOG_BREAKER_OPENED
                      : tsms__str_eq_z(state, "closed") ? TSMS__LOG_BREAKER_CLOSED
                                                        : TSMS__LOG_BREAKER_HALF_OPEN;
    if (tsms__log_begin(log, id, event->at_ms) != NULL) {
        tsms__log_end(log);
    }
}

static void log_attempt(tsms_log *log, const tsms__call *call, const tsms_event *event)
{
    static const char *const methods[] = {
        [TSMS__GET] = "GET", [TSMS__POST] = "POST", [TSMS__DELETE] = "DELETE"};
    tsms__line *line = tsms__log_begin(log, TSMS__LOG_REQUEST, event->at_ms);
    if (line == NULL) {
        return;
    }
    put_operation(line, call);
    tsms__line_int(line, TSMS__KEY_ATTEMPT, event->attempt);
    put_z(line, TSMS__KEY_METHOD, methods[tsms__client_method(call)]);
    tsms__line_text(line, TSMS__KEY_PATH, tsms__buf_str(tsms__client_path(call)));
    put_trace(line, call);
    tsms__log_end(log);
}

static void log_response(tsms_log *log, const tsms__call *call, const tsms_event *event)
{
    tsms__line *line = tsms__log_begin(log, TSMS__LOG_RESPONSE, event->at_ms);
    if (line == NULL) {
        return;
    }
    put_operation(line, call);
    tsms__line_int(line, TSMS__KEY_ATTEMPT, event->attempt);
    put_positive(line, TSMS__KEY_HTTP_STATUS, event->http_status);
    put_positive(line, TSMS__KEY_CODE, event->api_code);
    put_z(line, TSMS__KEY_ERROR, tsms_kind_type(event->kind));
    put_z(line, TSMS__KEY_OUTCOME, tsms_outcome_name(event->outcome));
    tsms__line_int(line, TSMS__KEY_DURATION_MS, event->duration_ms);
    put_request_id(line, event->request_id);
    put_trace(line, call);
    tsms__log_end(log);
}

/* Everything else: who is concerned, and one thing that happened. */
static void log_step(tsms_log *log, tsms__log_id id, const tsms__call *call,
                     const tsms_event *event)
{
    tsms__line *line = tsms__log_begin(log, id, event->at_ms);
    if (line == NULL) {
        return;
    }
    put_operation(line, call);
    put_people(line, call);
    if (id == TSMS__LOG_DENIED) {
        tsms__line_text(line, TSMS__KEY_REASON, tsms_str_from(event->text));
    } else if (id == TSMS__LOG_LOOKUP) {
        tsms__line_text(line, TSMS__KEY_RESULT, tsms_str_from(event->text));
    } else {
        put_z(line, TSMS__KEY_ERROR, tsms_kind_type(event->kind));
        tsms__line_int(line, TSMS__KEY_WAIT_MS, event->duration_ms > 0 ? event->duration_ms : 0);
    }
    tsms__line_int(line, TSMS__KEY_ATTEMPT, event->attempt);
    put_trace(line, call);
    tsms__log_end(log);
}

static void log_one(tsms_log *log, const tsms__call *call, const tsms_event *event)
{
    switch (event->type) {
    case TSMS_EVENT_ATTEMPT:
        log_attempt(log, call, event);
        break;
    case TSMS_EVENT_RESPONSE:
        log_response(log, call, event);
        break;
    case TSMS_EVENT_RETRY:
        if (!was_told(log, TSMS_EVENT_THROTTLED, call)) {
            log_step(log, TSMS__LOG_RETRY, call, event);
        }
        break;
    case TSMS_EVENT_LOOKUP:
        log_step(log, TSMS__LOG_LOOKUP, call, event);
        break;
    case TSMS_EVENT_DENIED:
        log_step(log, TSMS__LOG_DENIED, call, event);
        break;
    case TSMS_EVENT_LIMITED:
        log_step(log, TSMS__LOG_RATE_LIMITED, call, event);
        break;
    case TSMS_EVENT_THROTTLED:
        if (call->phase != TSMS__PHASE_DONE) { /* its failure says the same */
            log_step(log, TSMS__LOG_THROTTLED, call, event);
        }
        break;
    case TSMS_EVENT_BREAKER:
        log_breaker(log, event);
        break;
    case TSMS_EVENT_DONE:
        log_done(log, call, event);
        break;
    }
}

void tsms__log_event(tsms_log *log, const tsms__call *call, const tsms_event *event)
{
    log_one(log, call, event);
    *tsms__log_last(log) = (tsms__told){event->type, call != NULL ? call->id : 0};
}
