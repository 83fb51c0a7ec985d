/* The catalogue of metrics. */
#include "metrics_families.h"

#include <stdio.h>
#include <string.h>

#include "../wire/calling_code.h"

/* ---- Labels -------------------------------------------------------------------------------- */

static const char *sender_text(const tsms__metrics *metrics, unsigned value,
                               char buf[TSMS__SENDER_SIZE])
{
    tsms__metrics_sender_name(metrics, value, buf);
    return value == TSMS__SENDER_OTHER ? TSMS__SENDER_REST : buf;
}

/* A masked number has eight stars whatever its length: else the numbers of one code would be more
 * than 100. */
static const char *number_text(const tsms__metrics *metrics, unsigned value,
                               char buf[TSMS__SENDER_SIZE])
{
    (void)metrics;
    if (value < TSMS__MASKED) {
        snprintf(buf, TSMS__SENDER_SIZE, "+%u", value);
        return value > 0 ? buf : "other";
    }
    unsigned code = tsms__calling_code_at((value - TSMS__MASKED) / 100);
    snprintf(buf, TSMS__SENDER_SIZE, "+%u********%02u", code, (value - TSMS__MASKED) % 100);
    return code > 0 ? buf : "";
}

static const char *status_text(const tsms__metrics *metrics, unsigned value,
                               char buf[TSMS__SENDER_SIZE])
{
    (void)metrics;
    (void)buf;
    const char *name = tsms_message_status_name((tsms_message_status)value);
    bool nameless = value != TSMS_MESSAGE_UNKNOWN && strcmp(name, "unknown") == 0;
    return value == TSMS__STATUS_IN_DOUBT ? "in_doubt"
           : value == TSMS__STATUS_NONE   ? "none"
           : nameless                     ? ""
                                          : name;
}

static const char *operation_text(const tsms__metrics *metrics, unsigned value,
                                  char buf[TSMS__SENDER_SIZE])
{
    (void)metrics;
    (void)buf;
    return value == TSMS__OPERATION_LOOKUP ? "lookup" : tsms_operation_name((tsms_operation)value);
}

static const char *encoding_text(const tsms__metrics *metrics, unsigned value,
                                 char buf[TSMS__SENDER_SIZE])
{
    (void)metrics;
    (void)buf;
    return value == TSMS__ENCODING_NONE  ? "none"
           : value <= TSMS_ENCODING_UCS2 ? tsms_encoding_name((tsms_encoding)value)
                                         : "";
}

static const char *name_in(const char *const *names, size_t count, unsigned value)
{
    return value < count ? names[value] : "";
}

/* The text of a label that needs no room and no names of senders. */
#define TEXT_BY(name, expression)                                                                  \
    static const char *name(const tsms__metrics *metrics, unsigned value,                          \
                            char buf[TSMS__SENDER_SIZE])                                           \
    {                                                                                              \
        (void)metrics;                                                                             \
        (void)buf;                                                                                 \
        return expression;                                                                         \
    }

static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx",
                                      "5xx",  "6xx", "7xx", "8xx", "9xx"};
static const char *const levels[] = {"account", "number", "recipient"};

TEXT_BY(kind_text, tsms_kind_type((tsms_kind)value))
TEXT_BY(outcome_text, tsms_outcome_name((tsms_outcome)value))
TEXT_BY(verdict_text, tsms_webhook_verdict_name((tsms_webhook_verdict)value))
TEXT_BY(class_text, name_in(classes, sizeof classes / sizeof *classes, value))
TEXT_BY(level_text, name_in(levels, sizeof levels / sizeof *levels, value))
TEXT_BY(state_text, value <= TSMS__BREAKER_HALF_OPEN
                        ? tsms__breaker_state_name((tsms__breaker_state)value)
                        : "")

/* ---- Families ------------------------------------------------------------------------------ */

static bool was_accepted(tsms__series series)
{
    unsigned status = tsms__series_label(series, 2);
    return status != TSMS_MESSAGE_FAILED && status != TSMS__STATUS_IN_DOUBT;
}

static bool is_handled(tsms__series series)
{
    return tsms__series_label(series, 1) == TSMS_VERDICT_OK;
}

static bool is_handled_message(tsms__series series)
{
    return is_handled(series) && tsms__series_label(series, 0) == TSMS_MESSAGE_RECEIVED;
}

static bool is_handled_status(tsms__series series)
{
    unsigned status = tsms__series_label(series, 0);
    return is_handled(series) && status != TSMS_MESSAGE_RECEIVED && status != TSMS__STATUS_NONE;
}

/* A family without labels is one series. */
static const tsms__metric_key one_series[] = {{0, 0}};

/* NONE is the first of the kinds, and no error. */
static const tsms__metric_key kinds[] = {
#define X(id, category, name, retryable, text) {TSMS_KIND_##id, 0},
    TSMS_KINDS(X)
#undef X
};

/* Those that have a rule of retry. */
static const tsms__metric_key retried_kinds[] = {
    {TSMS_KIND_ACCOUNT_RATE_LIMITED, 0},
    {TSMS_KIND_NUMBER_RATE_LIMITED, 0},
    {TSMS_KIND_QUEUE_FULL, 0},
    {TSMS_KIND_CONNECTION_FAILED, 0},
    {TSMS_KIND_TIMEOUT, 0},
    {TSMS_KIND_DNS_RESOLUTION_FAILED, 0},
    {TSMS_KIND_INTERNAL_ERROR, 0},
    {TSMS_KIND_SERVICE_UNAVAILABLE, 0},
    {TSMS_KIND_TEMPORARILY_UNAVAILABLE, 0},
};

/* The ends of which one is good and the others are not. */
static const tsms__metric_key final_statuses[] = {
    {TSMS_MESSAGE_DELIVERED, 0}, {TSMS_MESSAGE_UNDELIVERED, 0}, {TSMS_MESSAGE_FAILED, 0}};

static const tsms__metric_key webhook_troubles[] = {
#define X(id, name, terminal) {TSMS_MESSAGE_##id, TSMS_VERDICT_FAILED},
    TSMS_MESSAGE_STATUSES(X)
#undef X
    /* The rest have no status. */
    {TSMS__STATUS_NONE, TSMS_VERDICT_FAILED},
    {TSMS__STATUS_NONE, TSMS_VERDICT_BAD_SIGNATURE},
    {TSMS__STATUS_NONE, TSMS_VERDICT_UNKNOWN_REF},
    {TSMS__STATUS_NONE, TSMS_VERDICT_MALFORMED},
};

static const tsms__metric_key transitions[] = {
    {TSMS__BREAKER_CLOSED, TSMS__BREAKER_OPEN},
    {TSMS__BREAKER_OPEN, TSMS__BREAKER_HALF_OPEN},
    {TSMS__BREAKER_HALF_OPEN, TSMS__BREAKER_OPEN},
    {TSMS__BREAKER_HALF_OPEN, TSMS__BREAKER_CLOSED},
};

#define KNOWN(keys) .known = (keys), .known_count = sizeof(keys) / sizeof *(keys)

const tsms__family tsms__families[TSMS__FAMILIES] = {
    {.name = "twilio_messages",
     .help = "Sends that ended, by what the server answered; failed and in_doubt are ours.",
     .instrument = TSMS__MESSAGES,
     .labels = {{"from_number", sender_text, 0},
                {"to_number", number_text, 1},
                {"status", status_text, 2}}},
    {.name = "twilio_messages_sent",
     .help = "Messages that the server accepted.",
     .instrument = TSMS__MESSAGES,
     .shows = was_accepted,
     .labels = {{"status", status_text, 2}, {"from_number", sender_text, 0}}},
    {.name = "twilio_segments",
     .help = "Segments of the messages that the server accepted.",
     .instrument = TSMS__SEGMENTS,
     .labels = {{"encoding", encoding_text, 0}}},
    {.name = "twilio_messages_received",
     .help = "Inbound messages that were handled, repeats not counted.",
     .instrument = TSMS__WEBHOOKS,
     .shows = is_handled_message,
     .labels = {{"to_number", number_text, 2}}},
    {.name = "twilio_delivery_status",
     .help = "Status callbacks that were handled, repeats not counted.",
     .instrument = TSMS__WEBHOOKS,
     .shows = is_handled_status,
     .labels = {{"status", status_text, 0}},
     KNOWN(final_statuses)},
    {.name = "twilio_callbacks",
     .help = "Webhooks that came, by what became of them.",
     .instrument = TSMS__WEBHOOKS,
     .labels = {{"status", status_text, 0}, {"verdict", verdict_text, 1}},
     KNOWN(webhook_troubles)},
    {.name = "twilio_errors",
     .help = "Calls that ended with an error or were refused, and webhooks that were refused.",
     .instrument = TSMS__ERRORS,
     .labels = {{"error_type", kind_text, 0}},
     .known = kinds + 1,
     .known_count = sizeof kinds / sizeof *kinds - 1},
    {.name = "twilio_send_latency_seconds",
     .help = "From taking a message to its end, of those for which a request was made.",
     .instrument = TSMS__SENDS,
     .is_histogram = true,
     KNOWN(one_series)},
    {.name = "twilio_requests",
     .help = "HTTP requests that ended.",
     .instrument = TSMS__REQUESTS,
     .labels = {{"operation", operation_text, 0},
                {"outcome", outcome_text, 1},
                {"code_class", class_text, 2}}},
    {.name = "twilio_request_duration_seconds",
     .help = "How long HTTP requests took.",
     .instrument = TSMS__REQUESTS,
     .is_histogram = true,
     .labels = {{"operation", operation_text, 0}, {"outcome", outcome_text, 1}}},
    {.name = "twilio_retries",
     .help = "Attempts after the first, by the error before them.",
     .instrument = TSMS__RETRIES,
     .labels = {{"reason", kind_text, 0}},
     KNOWN(retried_kinds)},
    {.name = "twilio_retries_suppressed",
     .help = "Retries not made because the quota was empty, by the error before them.",
     .instrument = TSMS__SUPPRESSED,
     .labels = {{"reason", kind_text, 0}},
     KNOWN(retried_kinds)},
    {.name = "twilio_limiter_wait_seconds",
     .help = "How long a rate limit held messages back, of those that it did and that then left.",
     .instrument = TSMS__WAITS,
     .is_histogram = true,
     .labels = {{"level", level_text, 0}}},
    {.name = "twilio_breaker_transitions",
     .help = "Changes of the breaker's state.",
     .instrument = TSMS__TRANSITIONS,
     .labels = {{"from", state_text, 0}, {"to", state_text, 1}},
     KNOWN(transitions)},
};

const tsms__counted_family tsms__counted_families[TSMS__COUNTED_FAMILIES] = {
    {"twilio_calls", "Calls that ended.", "{result=\"succeeded\"}", TSMS__COUNT_succeeded},
    {"twilio_calls", NULL, "{result=\"failed\"}", TSMS__COUNT_failed},
    {"twilio_rate_limit_hits",
     "Messages that a limit of the client held back or refused, and answers with HTTP 429.",
     "{source=\"client\"}", TSMS__COUNT_rate_limited},
    {"twilio_rate_limit_hits", NULL, "{source=\"server\"}", TSMS__COUNT_throttled},
    {"twilio_lookups", "Look-ups made for messages in doubt.", "", TSMS__COUNT_lookups},
    {"twilio_verified", "Messages in doubt of which evidence was found that they were accepted.",
     "{evidence=\"list\"}", TSMS__COUNT_lookups_found},
    {"twilio_in_doubt", "Sends that ended in doubt.", "", TSMS__COUNT_in_doubt},
    {"twilio_guard_aborts", "Times libcurl was kept from sending a request again by itself.", "",
     TSMS__COUNT_resends_prevented},
    {"twilio_checks_denied", "Messages that a check refused.", "", TSMS__COUNT_denied},
    {"twilio_breaker_refused", "Calls that the open breaker refused.", "",
     TSMS__COUNT_breaker_refused},
    {"twilio_events_dropped", "Events overwritten before anybody took them.", "",
     TSMS__COUNT_events_dropped},
    {"twilio_log_dropped", "Log lines that found no room.", "", TSMS__COUNT_log_dropped},
    {"twilio_export_dropped", "Spans that were not exported.", "", TSMS__COUNT_export_dropped},
};
