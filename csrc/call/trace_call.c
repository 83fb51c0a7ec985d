/* Makes the spans of calls: one for each, and below it one for each of its requests.
 *
 * Names of attributes are those of OpenTelemetry's conventions for HTTP and messaging
 * (opentelemetry.io/docs/specs/semconv), next to our own. There is no url.full: it would hold the
 * account, and numbers in filters. */
#include "trace.h"

#include <string.h>

enum { NOTES_MOST = 32 };

/* ---- Operations ------------------------------------------------------------------------------ */

typedef struct operation_names {
    const char *span;
    const char *request;
    const char *template;
} operation_names;

#define ACCOUNT_PATH "/2010-04-01/Accounts/{AccountSid}/"
#define LIST_PATH ACCOUNT_PATH "Messages.json"
#define MESSAGE_PATH ACCOUNT_PATH "Messages/{MessageSid}"
#define NAMES(span, method, path)                                                                  \
    {                                                                                              \
        "twilio." span, method " " path, path                                                      \
    }

/* How a request is called whose method and path are those of the operation. */
static const operation_names names_of[] = {
    [TSMS_OP_SEND] = NAMES("send_sms", "POST", LIST_PATH),
    [TSMS_OP_FETCH] = NAMES("lookup", "GET", MESSAGE_PATH ".json"),
    [TSMS_OP_LIST] = NAMES("list", "GET", LIST_PATH),
    [TSMS_OP_CANCEL] = NAMES("cancel", "POST", MESSAGE_PATH ".json"),
    [TSMS_OP_REDACT] = NAMES("redact", "POST", MESSAGE_PATH ".json"),
    [TSMS_OP_DELETE] = NAMES("delete", "DELETE", MESSAGE_PATH ".json"),
    [TSMS_OP_MEDIA_LIST] = NAMES("media_list", "GET", MESSAGE_PATH "/Media.json"),
    [TSMS_OP_MEDIA_FETCH] = NAMES("media_fetch", "GET", MESSAGE_PATH "/Media/{MediaSid}.json"),
    [TSMS_OP_MEDIA_DELETE] = NAMES("media_delete", "DELETE", MESSAGE_PATH "/Media/{MediaSid}.json"),
    [TSMS_OP_FEEDBACK] = NAMES("feedback", "POST", MESSAGE_PATH "/Feedback.json"),
};

static const char *method_name(tsms__method method)
{
    return method == TSMS__GET ? "GET" : method == TSMS__POST ? "POST" : "DELETE";
}

/* ---- Beginning ------------------------------------------------------------------------------- */

tsms__span tsms__trace_begin(tsms_trace *trace, tsms_str traceparent, tsms__now now)
{
    tsms__span span = {.start_ms = now.wall_ms};
    tsms__traceparent parent;
    span.has_parent = tsms__traceparent_read(traceparent, &parent);
    if (span.has_parent) {
        memcpy(span.trace_id, parent.trace_id, sizeof span.trace_id);
        memcpy(span.parent_id, parent.span_id, sizeof span.parent_id);
        span.kept = parent.sampled;
    } else {
        tsms__trace_new_id(trace, span.trace_id, sizeof span.trace_id);
        span.kept = tsms__trace_samples(trace, span.trace_id);
    }
    if (span.kept) {
        tsms__trace_new_id(trace, span.id, sizeof span.id);
    }
    return span;
}

/* ---- Why something failed -------------------------------------------------------------------- */

/* Writes a prefix and digits without what snprintf costs. */
static tsms_str numbered(const char *prefix, int number, char out[24])
{
    char digits[12];
    size_t at = sizeof digits;
    size_t len = strlen(prefix);
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    memcpy(out, prefix, len);
    memcpy(out + len, digits + at, sizeof digits - at);
    return (tsms_str){out, len + sizeof digits - at};
}

/* What the network did, or we did ourselves: one of the words of docs/traces.md. */
static const char *cause_of(const tsms__call *call, const tsms_event *event)
{
    bool left = event->outcome != TSMS_OUTCOME_NOT_SENT;
    if (event->outcome == TSMS_OUTCOME_ACCEPTED_NO_SID) {
        return "malformed";
    }
    switch (event->kind) {
    case TSMS_KIND_DNS_RESOLUTION_FAILED:
        return "dns";
    case TSMS_KIND_CONNECTION_FAILED:
        return left ? "reset" : "connect";
    case TSMS_KIND_TIMEOUT:
        return left ? "timeout_after_send" : "timeout_before_send";
    case TSMS_KIND_ACCOUNT_RATE_LIMITED:
    case TSMS_KIND_NUMBER_RATE_LIMITED:
        return "limiter_deadline";
    case TSMS_KIND_OPTED_OUT:
        return "opt_out";
    case TSMS_KIND_TEMPORARILY_UNAVAILABLE:
        return call->span.denied ? "denied" : call->attempts == 0 ? "breaker_open" : "unavailable";
    default:
        return call->span.denied ? "denied" : left ? "malformed" : "other";
    }
}

/* ---- Requests -------------------------------------------------------------------------------- */

static int64_t since_start(const tsms__call *call, int64_t mono_ms)
{
    return call->span.start_ms + (mono_ms - call->started_ms);
}

static void begin_request(tsms_trace *trace, tsms__call *call)
{
    tsms__trace_new_id(trace, call->span.child_id, sizeof call->span.child_id);
    call->span.child_looks = call->looking_up;
}

/* "https://api.twilio.com", "http://[::1]:8080" */
static void add_server(tsms_buf *out, tsms_str origin)
{
    static const char mark[] = "://";
    const char *colon = origin.len > 0 ? memchr(origin.ptr, ':', origin.len) : NULL;
    size_t scheme = colon != NULL ? (size_t)(colon - origin.ptr) : 0;
    if (scheme == 0 || origin.len < scheme + sizeof mark - 1) {
        return;
    }
    int64_t port = tsms__str_eq((tsms_str){origin.ptr, scheme}, TSMS__STR("https")) ? 443 : 80;
    tsms_str host = {colon + sizeof mark - 1, origin.len - scheme - (sizeof mark - 1)};
    size_t digits = 0;
    while (digits < host.len && host.ptr[host.len - digits - 1] >= '0' &&
           host.ptr[host.len - digits - 1] <= '9') {
        digits++;
    }
    if (digits > 0 && digits < host.len && host.ptr[host.len - digits - 1] == ':') {
        (void)tsms__str_to_int((tsms_str){host.ptr + host.len - digits, digits}, &port);
        host.len -= digits + 1;
    }
    tsms__span_str(out, "server.address", host);
    tsms__span_int(out, "server.port", port);
}

static void end_request(tsms_trace *trace, const tsms_client *client, const tsms__call *call,
                        const tsms_event *event)
{
    const tsms__span *span = &call->span;
    const operation_names *names = &names_of[call->operation];
    bool looks = span->child_looks;
    tsms__method method = looks ? TSMS__GET : tsms__endpoint_of(call->operation)->method;
    int64_t start_ms = since_start(call, call->wire_ms);
    tsms_buf *out = tsms__trace_start_span(trace);
    tsms__span_open(out, &(tsms__span_head){.trace_id = span->trace_id,
                                            .id = span->child_id,
                                            .parent_id = span->id,
                                            .name = looks ? "twilio.lookup" : names->request,
                                            .kind = TSMS__SPAN_CLIENT,
                                            .start_ms = start_ms,
                                            .end_ms = start_ms + event->duration_ms});
    tsms__span_str(out, "http.request.method", tsms_str_from(method_name(method)));
    tsms__span_str(out, "url.template",
                   looks ? TSMS__STR(LIST_PATH) : tsms_str_from(names->template));
    add_server(out, tsms__buf_str(&client->origin));
    if (event->http_status != 0) {
        tsms__span_int(out, "http.response.status_code", event->http_status);
    }
    if (!looks && event->attempt > 1) {
        tsms__span_int(out, "http.request.resend_count", event->attempt - 1);
    }
    tsms__span_str(out, "twilio.request_id", tsms_str_from(event->request_id));
    if (event->api_code != 0) {
        tsms__span_int(out, "twilio.error_code", event->api_code);
    }
    tsms__span_str(out, "outcome", tsms_str_from(tsms_outcome_name(event->outcome)));
    if (event->kind != TSMS_KIND_NONE) {
        char text[24];
        tsms__span_str(out, "error.type",
                       event->http_status >= 400 ? numbered("", event->http_status, text)
                                                 : tsms_str_from(cause_of(call, event)));
    }
    tsms__span_end_attributes(out);
    if (event->kind != TSMS_KIND_NONE) {
        tsms__span_failed(out, tsms_str_from(tsms_kind_type(event->kind)));
    }
    tsms__span_close(out);
    tsms__trace_add_span(trace);
}

/* ---- Events on the way ----------------------------------------------------------------------- */

static void note(tsms__call *call, const tsms_event *event)
{
    if (!call->span.kept) {
        return;
    }
    tsms__span_note one = {.type = event->type,
                           .kind = event->kind,
                           .at_ms = event->at_ms,
                           .duration_ms = event->duration_ms};
    memcpy(one.text, event->text, sizeof one.text);
    if (call->notes.len < NOTES_MOST * sizeof one && !call->notes.failed) {
        tsms__buf_add(&call->notes, (tsms_str){(const char *)&one, sizeof one});
    }
    call->span.note_count++;
    call->span.denied = call->span.denied || event->type == TSMS_EVENT_DENIED;
}

/* Those on the wire are why it changed its state, or may be refused for it, and those that it holds
 * back may go on. */
static void note_breaker(const tsms_client *client, const tsms_event *event)
{
    for (tsms__call *call = client->wire.first; call != NULL; call = call->next) {
        note(call, event);
    }
    for (tsms__call *call = client->held.first; call != NULL; call = call->next) {
        note(call, event);
    }
}

static int64_t within(int64_t at_ms, int64_t start_ms, int64_t end_ms)
{
    return at_ms < start_ms ? start_ms : at_ms > end_ms ? end_ms : at_ms;
}

static void write_note(tsms_buf *out, const tsms__span_note *one)
{
    bool waits = one->type == TSMS_EVENT_RETRY || one->type == TSMS_EVENT_LIMITED ||
                 one->type == TSMS_EVENT_THROTTLED;
    if (waits && one->duration_ms >= 0) {
        tsms__span_int(out, "wait_ms", one->duration_ms);
    }
    if (one->kind != TSMS_KIND_NONE) {
        tsms__span_str(out, "error", tsms_str_from(tsms_kind_type(one->kind)));
    }
    switch (one->type) {
    case TSMS_EVENT_DENIED:
        tsms__span_str(out, "reason", tsms_str_from(one->text));
        break;
    case TSMS_EVENT_BREAKER:
        tsms__span_str(out, "state", tsms_str_from(one->text));
        break;
    case TSMS_EVENT_LOOKUP:
        tsms__span_str(out, "result", tsms_str_from(one->text));
        break;
    default:
        break;
    }
}

static void write_notes(tsms_buf *out, const tsms__call *call, int64_t start_ms, int64_t end_ms)
{
    const tsms_buf *notes = &call->notes;
    size_t kept = notes->len / sizeof(tsms__span_note);
    for (size_t i = 0; i < kept; i++) {
        tsms__span_note one;
        memcpy(&one, notes->ptr + i * sizeof one, sizeof one);
        tsms__span_event(out, tsms_event_name(one.type), within(one.at_ms, start_ms, end_ms),
                         i == 0);
        write_note(out, &one);
        tsms__span_end_event(out);
    }
    if (kept > 0) {
        tsms__span_end_events(out, call->span.note_count - (uint32_t)kept);
    }
}

/* ---- The call itself ------------------------------------------------------------------------- */

/* The sid in the path of an operation on a message; absent when there is none. */
static tsms_str sid_in_path(const tsms__call *call)
{
    enum { SID = 34 };
    static const char mark[] = "/Messages/";
    tsms_str path = tsms__buf_str(&call->path);
    for (size_t at = 0; at + sizeof mark - 1 + SID <= path.len; at++) {
        if (memcmp(path.ptr + at, mark, sizeof mark - 1) == 0) {
            return (tsms_str){path.ptr + at + sizeof mark - 1, SID};
        }
    }
    return (tsms_str){NULL, 0};
}

static void add_message(tsms_buf *out, const tsms__call *call, const tsms_event *event)
{
    bool ok = !call->result->failed;
    tsms_str sid = event->sid[0] != '\0' ? tsms_str_from(event->sid) : sid_in_path(call);
    tsms__span_str(out, "messaging.system", TSMS__STR("twilio"));
    if (call->operation == TSMS_OP_SEND) {
        tsms__span_str(out, "messaging.operation.name", TSMS__STR("send"));
        tsms__span_str(out, "messaging.operation.type", TSMS__STR("send"));
        tsms__span_str(out, "to", tsms_str_from(event->to));
        tsms__span_str(out, "from", tsms_str_from(event->from));
        tsms__span_str(out, "messaging.message.id", sid);
    }
    tsms__span_str(out, "message_sid", sid);
    tsms_str status = ok ? tsms_result_field(call->result, 0, "status") : (tsms_str){NULL, 0};
    if (tsms_message_status_from(status) != TSMS_MESSAGE_UNKNOWN) { /* no text that is not theirs */
        tsms__span_str(out, "status", status);
    }
}

static void add_failure(tsms_buf *out, const tsms__call *call, const tsms_event *event)
{
    char text[24];
    tsms_str type = event->api_code > 0         ? numbered("twilio_", event->api_code, text)
                    : event->http_status >= 400 ? numbered("http_", event->http_status, text)
                                                : tsms_str_from(cause_of(call, event));
    if (event->api_code != 0) {
        tsms__span_int(out, "twilio.error_code", event->api_code);
    }
    tsms__span_str(out, "error.type", type);
}

static void end_call(tsms_trace *trace, const tsms__call *call, const tsms_event *event)
{
    const tsms__span *span = &call->span;
    bool sends = call->operation == TSMS_OP_SEND;
    /* What its owner did not want any more is no error (OpenTelemetry, "Recording errors"). */
    bool unwanted = call->cancelled && event->outcome == TSMS_OUTCOME_NOT_SENT;
    bool failed = call->result->failed && !unwanted;
    int64_t end_ms = span->start_ms + event->duration_ms;
    tsms_buf *out = tsms__trace_start_span(trace);
    tsms__span_open(out,
                    &(tsms__span_head){.trace_id = span->trace_id,
                                       .id = span->id,
                                       .parent_id = span->has_parent ? span->parent_id : NULL,
                                       .name = names_of[call->operation].span,
                                       .kind = sends ? TSMS__SPAN_PRODUCER : TSMS__SPAN_INTERNAL,
                                       .start_ms = span->start_ms,
                                       .end_ms = end_ms});
    add_message(out, call, event);
    tsms__span_str(out, "outcome", tsms_str_from(tsms_outcome_name(event->outcome)));
    tsms__span_int(out, "attempts", event->attempt);
    if (failed) {
        add_failure(out, call, event);
    }
    tsms__span_end_attributes(out);
    write_notes(out, call, span->start_ms, end_ms);
    if (failed) {
        tsms__span_failed(out, tsms_str_from(call->result->error.message));
    }
    tsms__span_close(out);
    tsms__trace_add_span(trace);
}

void tsms__trace_event(tsms_trace *trace, const tsms_client *client, tsms__call *call,
                       const tsms_event *event)
{
    if (call == NULL) {
        if (event->type == TSMS_EVENT_BREAKER) {
            note_breaker(client, event);
        }
        return;
    }
    if (!call->span.kept) {
        return;
    }
    switch (event->type) {
    case TSMS_EVENT_ATTEMPT:
        begin_request(trace, call);
        break;
    case TSMS_EVENT_RESPONSE:
        end_request(trace, client, call, event);
        break;
    case TSMS_EVENT_DONE:
        end_call(trace, call, event);
        break;
    default:
        note(call, event);
        break;
    }
}
