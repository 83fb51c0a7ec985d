/* The closed sets of what a log says: its events, and the names of their fields. */
#ifndef TSMS_CALL_LOG_EVENTS_H
#define TSMS_CALL_LOG_EVENTS_H

/* X(id, name, level, what it says); OWN stands for the events of a host. */
#define TSMS__LOG_EVENTS(X)                                                                        \
    X(SEND_FAILED, "send_failed", ERROR, "a message was not sent")                                 \
    X(AUTHENTICATION_FAILED, "authentication_failed", ERROR,                                       \
      "the server refused the credentials, or the account may not do this")                        \
    X(WEBHOOK_REFUSED, "webhook_refused", ERROR,                                                   \
      "a webhook was refused: its signature is wrong, or the reference in its URL")                \
    X(WEBHOOK_FAILED, "webhook_failed", ERROR, "handling a webhook failed")                        \
    X(WEBHOOK_PROBLEM, "webhook_problem", ERROR, "a webhook was handled, but not all went well")   \
    X(EXPORT_FAILED, "export_failed", ERROR, "spans could not be exported")                        \
    X(REQUEST_FAILED, "request_failed", WARN, "an operation other than sending failed")            \
    X(WEBHOOK_MALFORMED, "webhook_malformed", WARN,                                                \
      "a request for a webhook cannot be read, or is too large")                                   \
    X(IN_DOUBT, "in_doubt", WARN, "a message may or may not have been sent")                       \
    X(RATE_LIMITED, "rate_limited", WARN, "a limit of ours holds a message back, or refuses it")   \
    X(THROTTLED, "throttled", WARN, "the server answered 429")                                     \
    X(RETRY, "retry", WARN, "another attempt follows after wait_ms")                               \
    X(BREAKER_OPENED, "breaker_opened", WARN, "the server fails: nothing is sent for a while")     \
    X(DENIED, "denied", WARN, "a check refused a message")                                         \
    X(OPTED_OUT, "opted_out", WARN,                                                                \
      "a number was put on the opt-out list, or Twilio refused a message to one that has opted "   \
      "out")                                                                                       \
    X(OPTED_IN, "opted_in", INFO, "a number was taken off the opt-out list")                       \
    X(BREAKER_HALF_OPEN, "breaker_half_open", INFO, "the breaker lets single requests through")    \
    X(BREAKER_CLOSED, "breaker_closed", INFO, "the server works again")                            \
    X(SENT, "sent", INFO, "a message was accepted")                                                \
    X(RECEIVED, "received", INFO, "a message came in")                                             \
    X(STATUS, "status", INFO, "a status callback came in")                                         \
    X(WEBHOOK, "webhook", INFO, "a webhook of another kind came in")                               \
    X(REPEAT, "repeat", DEBUG, "a webhook came once more")                                         \
    X(REFUSAL_EXPLAINED, "refusal_explained", DEBUG, "why a webhook was refused")                  \
    X(REQUEST, "request", DEBUG, "a request leaves")                                               \
    X(RESPONSE, "response", DEBUG, "what came of it")                                              \
    X(LOOKUP, "lookup", DEBUG, "the list was searched for a message in doubt")                     \
    X(REQUEST_PAYLOAD, "request_payload", TRACE, "the form of a request")                          \
    X(RESPONSE_PAYLOAD, "response_payload", TRACE, "the body of an answer")                        \
    X(SUPPRESSED, "suppressed", WARN,                                                              \
      "how many lines of an event were left out, when there is no next line to say it")            \
    X(OWN, "", INFO, "")

typedef enum tsms__log_id {
#define X(id, name, level, text) TSMS__LOG_##id,
    TSMS__LOG_EVENTS(X)
#undef X
        TSMS__LOG_IDS
} tsms__log_id;

/* X(id, name, what it is) */
#define TSMS__LOG_KEYS(X)                                                                          \
    X(ATTEMPT, "attempt", "which attempt of its call this is; 0 before the first")                 \
    X(ATTEMPTS, "attempts", "requests that were started")                                          \
    X(BODY, "body", "what a request or an answer holds, made unreadable")                          \
    X(CALL_ID, "call_id", "one call of a client")                                                  \
    X(CODE, "code", "Twilio's error code")                                                         \
    X(DROPPED, "dropped", "lines that found no room since the last line")                          \
    X(DURATION_MS, "duration_ms", "how long it took")                                              \
    X(ENCODING, "encoding", "GSM-7 or UCS-2")                                                      \
    X(ERROR, "error", "the type of the error")                                                     \
    X(ERROR_CODE, "error_code", "why a message was not delivered")                                 \
    X(EVENT_NAME, "of", "the event of which lines were left out")                                  \
    X(EVENT_LEVEL, "of_level", "the level of these lines")                                         \
    X(FROM, "from", "the sender")                                                                  \
    X(HTTP_STATUS, "http_status", "the status of the answer; of a refused webhook: of ours")       \
    X(LENGTH, "length", "characters of the text")                                                  \
    X(MESSAGE, "message", "the text of the error")                                                 \
    X(METHOD, "method", "of HTTP")                                                                 \
    X(NUM_MEDIA, "num_media", "attachments")                                                       \
    X(NUMBER, "number", "the phone number of a person")                                            \
    X(OPERATION, "operation", "send, fetch, list, ...")                                            \
    X(OUTCOME, "outcome", "what became of the request, as in errors")                              \
    X(PATH, "path", "of the URL, with its query")                                                  \
    X(REASON, "reason", "what the check gave as its reason")                                       \
    X(REQUEST_ID, "request_id", "Twilio's name for the request")                                   \
    X(RESULT, "result", "found or not found")                                                      \
    X(SCOPE, "scope", "the sender, or service, that the number opted out of")                      \
    X(SEGMENTS, "segments", "of the message")                                                      \
    X(SERVICE, "service", "the messaging service")                                                 \
    X(SID, "sid", "of the message")                                                                \
    X(SOURCE, "source", "who said so")                                                             \
    X(STATUS, "status", "of the message")                                                          \
    X(SUPPRESSED, "suppressed", "lines of this event that were left out before this one")          \
    X(TEXT, "text", "the text of a message, where bodies are shown; an explanation")               \
    X(TO, "to", "the recipient")                                                                   \
    X(TRACE_ID, "trace_id", "the trace that it belongs to")                                        \
    X(TYPE, "type", "of the webhook: inbound, status, unknown")                                    \
    X(VERDICT, "verdict", "why a webhook was refused, as in the metrics")                          \
    X(VERIFIED, "verified", "true: it was found in the list after its answer was lost")            \
    X(WAIT_MS, "wait_ms", "how long it will wait")

typedef enum tsms__log_key {
#define X(id, name, text) TSMS__KEY_##id,
    TSMS__LOG_KEYS(X)
#undef X
        TSMS__KEYS
} tsms__log_key;

#endif
