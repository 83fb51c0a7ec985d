/* The C contract of twilio-sms: handles, views, options, errors and functions.
 *
 * Conventions, everywhere in this header:
 * - A function that can fail returns tsms_status and takes a tsms_error * last; it may be NULL.
 * - What comes back through a pointer to a pointer is yours to free. What comes back as a return
 *   value is borrowed and lives until the next call on its parent.
 * - Strings go in as tsms_str by value and are copied if they are kept.
 * - Free functions accept NULL.
 * - Times are milliseconds and say so in their names; Unix times are seconds.
 * - One client belongs to one thread at a time; different clients may run in different threads.
 * - A struct that the library fills in may get new fields at its end in a release with a new
 * soname; enums are only appended to, so do not build on their _COUNT.
 * - The library never calls user code, the allocator aside: the host pulls results and events.
 *
 * This project is not affiliated with Twilio Inc. Since 0.1.0, unless a function says otherwise.
 */
#ifndef TWILIO_SMS_H
#define TWILIO_SMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TSMS_API __attribute__((visibility("default")))
#else
#define TSMS_API
#endif

#define TSMS_VERSION "0.1.0"

/* The version of the library that is running, which may differ from TSMS_VERSION. */
TSMS_API const char *tsms_version(void);

/* ---- Strings and memory ------------------------------------------------------------------- */

/* A borrowed run of bytes; need not end in NUL. {NULL, 0} means absent. */
typedef struct tsms_str {
    const char *ptr;
    size_t len;
} tsms_str;

/* Views a NUL-terminated string; NULL gives an absent string. */
TSMS_API tsms_str tsms_str_from(const char *text);

/* Where all memory of one client comes from. alloc and resize answer NULL when there is none;
 * resize keeps the old block in that case, as realloc does. */
typedef struct tsms_mem {
    void *ctx;
    void *(*alloc)(void *ctx, size_t size);
    void *(*resize)(void *ctx, void *ptr, size_t size);
    void (*release)(void *ctx, void *ptr);
} tsms_mem;

/* ---- Errors ------------------------------------------------------------------------------- */

typedef enum tsms_status {
    TSMS_OK = 0,
    TSMS_ERROR = -1, /* the tsms_error says what and why */
    TSMS_NOMEM = -2, /* memory ran out; nothing was changed */
} tsms_status;

/* X(id, name) */
#define TSMS_CATEGORIES(X)                                                                         \
    X(NONE, "")                                                                                    \
    X(CONFIGURATION, "ConfigurationError")                                                         \
    X(AUTHENTICATION, "AuthenticationError")                                                       \
    X(MESSAGE, "MessageError")                                                                     \
    X(RATE_LIMIT, "RateLimitError")                                                                \
    X(WEBHOOK, "WebhookError")                                                                     \
    X(NETWORK, "NetworkError")                                                                     \
    X(SERVER, "ServerError")

/* X(id, category, name, retryable by default, what it means) */
#define TSMS_KINDS(X)                                                                              \
    X(NONE, NONE, "", false, "no error")                                                           \
    X(INVALID_ACCOUNT_SID, CONFIGURATION, "InvalidAccountSid", false,                              \
      "the account SID is missing or malformed")                                                   \
    X(INVALID_AUTH_TOKEN, CONFIGURATION, "InvalidAuthToken", false,                                \
      "the auth token or API secret is missing or malformed")                                      \
    X(INVALID_PHONE_NUMBER, CONFIGURATION, "InvalidPhoneNumber", false,                            \
      "a configured number is not E.164, a short code or a sender ID")                             \
    X(INVALID_OPTION, CONFIGURATION, "InvalidOption", false,                                       \
      "an option is unknown, of the wrong type or out of range")                                   \
    X(INVALID_CREDENTIALS, AUTHENTICATION, "InvalidCredentials", false,                            \
      "the server refused the credentials")                                                        \
    X(ACCOUNT_SUSPENDED, AUTHENTICATION, "AccountSuspended", false,                                \
      "the account is suspended, closed or may not do this")                                       \
    X(INVALID_RECIPIENT, MESSAGE, "InvalidRecipient", false, "the recipient cannot be written to") \
    X(INVALID_SENDER, MESSAGE, "InvalidSender", false, "the sender cannot send this message")      \
    X(MESSAGE_TOO_LONG, MESSAGE, "MessageTooLong", false, "the text or its media are too large")   \
    X(OPTED_OUT, MESSAGE, "OptedOut", false, "the recipient has opted out")                        \
    X(UNREACHABLE_NUMBER, MESSAGE, "UnreachableNumber", false,                                     \
      "the recipient's phone cannot be reached")                                                   \
    X(CARRIER_REJECTED, MESSAGE, "CarrierRejected", false, "a carrier or filter refused it")       \
    X(INVALID_REQUEST, MESSAGE, "InvalidRequest", false,                                           \
      "the request is incomplete or contradicts itself")                                           \
    X(ACCOUNT_RATE_LIMITED, RATE_LIMIT, "AccountRateLimited", true, "the account sends too fast")  \
    X(NUMBER_RATE_LIMITED, RATE_LIMIT, "NumberRateLimited", true, "one number sends too fast")     \
    X(QUEUE_FULL, RATE_LIMIT, "QueueFull", true, "a queue is full, ours or the sender's")          \
    X(INVALID_SIGNATURE, WEBHOOK, "InvalidSignature", false, "a webhook's signature is wrong")     \
    X(PAYLOAD_PARSE_ERROR, WEBHOOK, "PayloadParseError", false, "a webhook cannot be parsed")      \
    X(MISSING_FIELDS, WEBHOOK, "MissingFields", false, "a webhook lacks required fields")          \
    X(REPLAYED, WEBHOOK, "Replayed", false, "a webhook was seen before")                           \
    X(CONNECTION_FAILED, NETWORK, "ConnectionFailed", true, "the connection failed")               \
    X(TIMEOUT, NETWORK, "Timeout", true, "no answer in time")                                      \
    X(DNS_RESOLUTION_FAILED, NETWORK, "DnsResolutionFailed", true, "the host name has no address") \
    X(INTERNAL_ERROR, SERVER, "InternalError", true, "the server failed")                          \
    X(SERVICE_UNAVAILABLE, SERVER, "ServiceUnavailable", true, "the server is unavailable")        \
    X(TEMPORARILY_UNAVAILABLE, SERVER, "TemporarilyUnavailable", true,                             \
      "this client is not sending now: its breaker is open, it is closing or out of memory")

typedef enum tsms_category {
#define X(id, name) TSMS_CATEGORY_##id,
    TSMS_CATEGORIES(X)
#undef X
} tsms_category;

typedef enum tsms_kind {
#define X(id, category, name, retryable, text) TSMS_KIND_##id,
    TSMS_KINDS(X)
#undef X
        TSMS_KIND_COUNT
} tsms_kind;

/* What became of a request, which decides whether it may be repeated. X(id, name) */
#define TSMS_OUTCOMES(X)                                                                           \
    X(NONE, "")                           /* no request was due */                                 \
    X(NOT_SENT, "not_sent")               /* no byte of the request left */                        \
    X(THROTTLED, "throttled")             /* HTTP 429: never processed */                          \
    X(REJECTED, "rejected")               /* another complete 4xx */                               \
    X(ACCEPTED, "accepted")               /* 2xx with a well-formed sid */                         \
    X(ACCEPTED_NO_SID, "accepted_no_sid") /* 2xx, but the answer was cut or unreadable */          \
    X(IN_DOUBT, "in_doubt")               /* it may or may not have been processed */

typedef enum tsms_outcome {
#define X(id, name) TSMS_OUTCOME_##id,
    TSMS_OUTCOMES(X)
#undef X
} tsms_outcome;

/* A failure, by value; owns nothing. Text is one line of UTF-8, cut at a character, with phone
 * numbers masked and never a secret in it. */
typedef struct tsms_error {
    tsms_category category;
    tsms_kind kind;
    tsms_outcome outcome;
    int api_code;           /* Twilio's error code, 0 when there is none */
    int http_status;        /* 0 when there was no answer */
    int attempts;           /* requests that were started */
    bool retryable;         /* may succeed later without a change */
    int64_t retry_after_ms; /* the server's wish, -1 when it had none */
    char message[160];
    char more_info[96];
    char request_id[40];
} tsms_error;

/* "RateLimitError"; "" for TSMS_CATEGORY_NONE. */
TSMS_API const char *tsms_category_name(tsms_category category);
/* "OptedOut". */
TSMS_API const char *tsms_kind_name(tsms_kind kind);
/* "MessageError.OptedOut". */
TSMS_API const char *tsms_kind_type(tsms_kind kind);
/* The category that a kind belongs to. */
TSMS_API tsms_category tsms_kind_category(tsms_kind kind);
/* Finds a kind by "OptedOut" or "MessageError.OptedOut"; TSMS_KIND_NONE when there is none. */
TSMS_API tsms_kind tsms_kind_from_name(tsms_str name);
/* "in_doubt". */
TSMS_API const char *tsms_outcome_name(tsms_outcome outcome);

/* ---- Text helpers ------------------------------------------------------------------------- */

typedef enum tsms_encoding {
    TSMS_ENCODING_GSM7,
    TSMS_ENCODING_UCS2,
} tsms_encoding;

/* How a text travels. A GSM-7 escape pair and a UTF-16 surrogate pair are never split over two
 * segments; longer grapheme clusters may be. The server's num_segments is the authority. */
typedef struct tsms_segments {
    tsms_encoding encoding;
    int segments;       /* 0 for an empty text */
    int units;          /* septets (GSM-7) or 16-bit units (UCS-2), headers not counted */
    int per_segment;    /* how many units fit: 160 or 153, 70 or 67 */
    int characters;     /* code points */
    int64_t first_ucs2; /* byte offset of the first character outside GSM-7, -1 when none */
} tsms_segments;

/* Counts segments. TSMS_ERROR (InvalidRequest) when text is not UTF-8. */
TSMS_API tsms_status tsms_segments_count(tsms_str text, tsms_segments *out, tsms_error *err);
/* "GSM-7" or "UCS-2". */
TSMS_API const char *tsms_encoding_name(tsms_encoding encoding);
/* '+', then 7 to 15 digits, the first of them not 0 (ITU-T E.164). */
TSMS_API bool tsms_phone_is_e164(tsms_str number);
/* Writes "+1********34" for a number and the same shape for any other address, NUL-terminated and
 * cut to size; needs no memory. */
TSMS_API void tsms_phone_mask(tsms_str number, char *out, size_t size);

/* ---- Configuration ------------------------------------------------------------------------ */

/* A set of options under construction; docs/configuration.md lists them. */
typedef struct tsms_config tsms_config;

/* mem NULL means malloc. *mem is copied; its ctx must outlive every client made from it. */
TSMS_API tsms_status tsms_config_new(const tsms_mem *mem, tsms_config **out);
/* Wipes and frees. Clients made from it are not affected: each holds a frozen copy. */
TSMS_API void tsms_config_free(tsms_config *config);
/* Sets an option from text: numbers in decimal, booleans "true" or "false". A list option takes one
 * more element by each call. An unknown key is an error that names a near one, if there is one. */
TSMS_API tsms_status tsms_config_set(tsms_config *config, const char *key, tsms_str value,
                                     tsms_error *err);
TSMS_API tsms_status tsms_config_set_number(tsms_config *config, const char *key, double value,
                                            tsms_error *err);
TSMS_API tsms_status tsms_config_set_bool(tsms_config *config, const char *key, bool value,
                                          tsms_error *err);
/* Changes what one Twilio error code means for this client. */
TSMS_API tsms_status tsms_config_set_error(tsms_config *config, int api_code, tsms_kind kind,
                                           bool retryable, tsms_error *err);
/* Reads TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_API_KEY, TWILIO_API_SECRET, TWILIO_FROM,
 * TWILIO_MESSAGING_SERVICE_SID, TWILIO_REGION, TWILIO_EDGE, TWILIO_BASE_URL and TWILIO_CA_FILE. */
TSMS_API tsms_status tsms_config_from_env(tsms_config *config, tsms_error *err);

/* ---- Messages ----------------------------------------------------------------------------- */

typedef enum tsms_toggle {
    TSMS_UNSET = 0,
    TSMS_TRUE = 1,
    TSMS_FALSE = 2,
} tsms_toggle;

/* What to send; every parameter that Twilio's create call takes. An absent field is not sent. Start
 * from TSMS_MESSAGE_OPTIONS_INIT. */
typedef struct tsms_message_options {
    size_t size;
    tsms_str to;                    /* required: E.164, or an address of another channel */
    tsms_str from;                  /* this or messaging_service_sid; default: the client's */
    tsms_str messaging_service_sid; /* MG... */
    tsms_str fallback_from;
    tsms_str body;         /* at most 1600 characters; this, media or content_sid */
    const tsms_str *media; /* http or https URLs, at most 10 */
    size_t media_count;
    tsms_str content_sid;       /* HX... */
    tsms_str content_variables; /* a JSON object; needs content_sid */
    tsms_str status_callback;   /* http or https URL; default: the client's */
    tsms_str application_sid;   /* AP... */
    tsms_str max_price;         /* a decimal number; without effect since 2024 */
    tsms_toggle provide_feedback;
    int attempt;           /* 1 or more; for the record only */
    int validity_period_s; /* 1 to 36000 */
    tsms_toggle force_delivery;
    tsms_str content_retention; /* "retain" or "discard" */
    tsms_str address_retention; /* "retain" or "obfuscate" */
    tsms_toggle smart_encoded;
    const tsms_str *persistent_actions;
    size_t persistent_action_count;
    tsms_str traffic_type;    /* "free" */
    tsms_toggle shorten_urls; /* needs messaging_service_sid */
    int64_t send_at;          /* Unix seconds, 15 minutes to 35 days ahead; needs a service */
    tsms_toggle send_as_mms;
    tsms_str risk_check; /* "enable" or "disable" */
    tsms_str message_intent;
    tsms_str tags;         /* a JSON object */
    tsms_str callback_ref; /* 1 to 64 of A-Z a-z 0-9 _ -: the reference in the status callback URL;
                              default: a random one. Needs the option callback_ref.key */
} tsms_message_options;

#define TSMS_MESSAGE_OPTIONS_INIT                                                                  \
    {                                                                                              \
        .size = sizeof(tsms_message_options)                                                       \
    }

/* X(id, name, terminal) */
#define TSMS_MESSAGE_STATUSES(X)                                                                   \
    X(UNKNOWN, "unknown", false)                                                                   \
    X(ACCEPTED, "accepted", false)                                                                 \
    X(SCHEDULED, "scheduled", false)                                                               \
    X(QUEUED, "queued", false)                                                                     \
    X(SENDING, "sending", false)                                                                   \
    X(SENT, "sent", false)                                                                         \
    X(DELIVERED, "delivered", true)                                                                \
    X(UNDELIVERED, "undelivered", true)                                                            \
    X(FAILED, "failed", true)                                                                      \
    X(CANCELED, "canceled", true)                                                                  \
    X(RECEIVING, "receiving", false)                                                               \
    X(RECEIVED, "received", true)                                                                  \
    X(READ, "read", true)                                                                          \
    X(PARTIALLY_DELIVERED, "partially_delivered", false)

typedef enum tsms_message_status {
#define X(id, name, terminal) TSMS_MESSAGE_##id,
    TSMS_MESSAGE_STATUSES(X)
#undef X
} tsms_message_status;

/* "delivered"; "unknown" for what is not in the list. */
TSMS_API const char *tsms_message_status_name(tsms_message_status status);
/* UNKNOWN for a status that this version does not know, which is never an error. */
TSMS_API tsms_message_status tsms_message_status_from(tsms_str name);
/* Whether nothing more will happen to a message in this state. */
TSMS_API bool tsms_message_status_is_terminal(tsms_message_status status);

/* A message as the server describes it. Absent and null fields are {NULL, 0}; views live as long as
 * the result that they came from. */
typedef struct tsms_message {
    tsms_str sid;
    tsms_str account_sid;
    tsms_str messaging_service_sid;
    tsms_str to;
    tsms_str from;
    tsms_str body;
    tsms_str status; /* as it came */
    tsms_message_status status_id;
    tsms_str direction;
    int num_segments;
    int num_media;
    tsms_str price; /* a decimal string such as "-0.00750" */
    tsms_str price_unit;
    int error_code; /* 0 when null */
    tsms_str error_message;
    tsms_str date_created; /* RFC 2822, as it came */
    tsms_str date_updated;
    tsms_str date_sent;
    int64_t date_created_unix; /* Unix seconds, 0 when absent or unreadable */
    int64_t date_updated_unix;
    int64_t date_sent_unix;
    tsms_str api_version;
    tsms_str uri;
} tsms_message;

/* One attachment of a message. */
typedef struct tsms_media {
    tsms_str sid;
    tsms_str account_sid;
    tsms_str parent_sid;
    tsms_str content_type;
    tsms_str date_created;
    tsms_str date_updated;
    int64_t date_created_unix;
    int64_t date_updated_unix;
    tsms_str uri;
} tsms_media;

/* ---- Calls -------------------------------------------------------------------------------- */

/* X(id, name) */
#define TSMS_OPERATIONS(X)                                                                         \
    X(SEND, "send")                                                                                \
    X(FETCH, "fetch")                                                                              \
    X(LIST, "list")                                                                                \
    X(CANCEL, "cancel")                                                                            \
    X(REDACT, "redact")                                                                            \
    X(DELETE, "delete")                                                                            \
    X(MEDIA_LIST, "media_list")                                                                    \
    X(MEDIA_FETCH, "media_fetch")                                                                  \
    X(MEDIA_DELETE, "media_delete")                                                                \
    X(FEEDBACK, "feedback")

typedef enum tsms_operation {
#define X(id, name) TSMS_OP_##id,
    TSMS_OPERATIONS(X)
#undef X
        TSMS_OP_COUNT
} tsms_operation;

/* "send". */
TSMS_API const char *tsms_operation_name(tsms_operation operation);

/* What to ask of the server. Start from TSMS_REQUEST_INIT and fill what the operation needs. */
typedef struct tsms_request {
    size_t size;
    tsms_operation operation;
    const tsms_message_options *message; /* SEND */
    tsms_str sid;                        /* the message; all but SEND and LIST */
    tsms_str media_sid;                  /* MEDIA_FETCH, MEDIA_DELETE */
    tsms_str
        page_uri; /* LIST, MEDIA_LIST: a next_page_uri, followed as it is; the rest is ignored */
    tsms_str to;  /* LIST: filters */
    tsms_str from;
    tsms_str date_sent; /* "YYYY-MM-DD", GMT */
    tsms_str date_sent_before;
    tsms_str date_sent_after;
    int page_size;         /* LIST, MEDIA_LIST: 1 to 1000, 0 for the server's default of 50 */
    bool confirmed;        /* FEEDBACK */
    int64_t timeout_ms;    /* for all of it: queueing, attempts, pauses; 0 for the client's */
    bool wait_for_breaker; /* while the breaker is open, wait instead of failing at once */
    tsms_str traceparent;  /* W3C Trace Context: the span that this is part of; a malformed one
                             counts as none */
} tsms_request;

#define TSMS_REQUEST_INIT                                                                          \
    {                                                                                              \
        .size = sizeof(tsms_request)                                                               \
    }

typedef struct tsms_client tsms_client;
typedef struct tsms_result tsms_result;

/* Makes a client over libcurl with a frozen copy of config. */
TSMS_API tsms_status tsms_client_new(const tsms_config *config, tsms_client **out, tsms_error *err);
/* Drops unfinished calls, closes connections, wipes the secrets. Results that were taken stay valid
 * until they are freed. */
TSMS_API void tsms_client_free(tsms_client *client);

/* Performs one request and waits for its end. *out is set when the status is TSMS_OK; free it. Not
 * for messages while checks are on: nobody could answer them. */
TSMS_API tsms_status tsms_client_call(tsms_client *client, const tsms_request *request,
                                      tsms_result **out, tsms_error *err);
/* The same for a message. */
TSMS_API tsms_status tsms_client_send(tsms_client *client, const tsms_message_options *message,
                                      tsms_result **out, tsms_error *err);

/* Checks and queues a request; its result comes out of tsms_client_result with the same id. */
TSMS_API tsms_status tsms_client_submit(tsms_client *client, const tsms_request *request,
                                        uint64_t *call_id, tsms_error *err);
/* Moves everything that can move, waiting at most timeout_ms (-1: as long as something is under
 * way) for the network or a timer. Returns as soon as a result or a check is due, and
 * when a signal came. */
TSMS_API void tsms_client_step(tsms_client *client, int timeout_ms);
/* Lets what may leave now leave, and neither waits nor looks for what the network has brought: what
 * a check has allowed is on its way before the program does anything else. */
TSMS_API void tsms_client_start(tsms_client *client);
/* Takes the next finished call; NULL when there is none. Free it. */
TSMS_API tsms_result *tsms_client_result(tsms_client *client);
/* Ends a call before its next request. One that is on the wire is awaited, because only its answer
 * tells whether the message exists. False when there is no such call. */
TSMS_API bool tsms_client_cancel(tsms_client *client, uint64_t call_id);
/* Calls that were submitted and have not come out of tsms_client_result. */
TSMS_API size_t tsms_client_pending(const tsms_client *client);
/* For foreign loops: a descriptor that is readable when tsms_client_step(client, 0) has work. */
TSMS_API int tsms_client_pollfd(tsms_client *client);
/* Milliseconds until tsms_client_step wants to be called anyway; -1 for never. */
TSMS_API int tsms_client_timeout_ms(tsms_client *client);

/* ---- Checks ------------------------------------------------------------------------------- */

typedef enum tsms_verdict {
    TSMS_ALLOW,
    TSMS_DENY,
    TSMS_DEFER,
    TSMS_CANNOT_TELL,
} tsms_verdict;

/* "May this person be written to, now?" Asked before each request that creates a message, again
 * after every pause. Views live until the check is answered. */
typedef struct tsms_check {
    uint64_t call_id;
    tsms_str to;
    tsms_str from;
    tsms_str messaging_service_sid;
    tsms_str body;
    int64_t send_at;
    int attempts; /* requests already started for this call */
} tsms_check;

/* Switches checks on or off (the default). While on, no message leaves before its answer. */
TSMS_API void tsms_client_set_checks(tsms_client *client, bool on);
/* Takes the next question; false when there is none. */
TSMS_API bool tsms_client_check(tsms_client *client, tsms_check *out);
/* Answers it. DENY ends the call with `reason` in its error (OptedOut when the reason is
 * "opted_out", else InvalidRequest); DEFER asks again after defer_ms; CANNOT_TELL, as when a store
 * does not answer, ends it with `reason`, too, but TemporarilyUnavailable: the same message may be
 * sent later. False when no such check is open. */
TSMS_API bool tsms_client_answer(tsms_client *client, uint64_t call_id, tsms_verdict verdict,
                                 tsms_str reason, int64_t defer_ms);

/* ---- Results ------------------------------------------------------------------------------ */

TSMS_API void tsms_result_free(tsms_result *result);
TSMS_API uint64_t tsms_result_call_id(const tsms_result *result);
/* NULL when the call succeeded. */
TSMS_API const tsms_error *tsms_result_error(const tsms_result *result);
/* ACCEPTED for a success. */
TSMS_API tsms_outcome tsms_result_outcome(const tsms_result *result);
/* Requests that were started, look-ups not counted. */
TSMS_API int tsms_result_attempts(const tsms_result *result);
/* Whether the message was found by a look-up after its own answer was lost. */
TSMS_API bool tsms_result_verified(const tsms_result *result);
/* SEND: the reference that its status callbacks carry; absent when there is none. */
TSMS_API tsms_str tsms_result_callback_ref(const tsms_result *result);
/* How many messages, media or records it holds: 1 for SEND, 0 for DELETE, a page for LIST. */
TSMS_API size_t tsms_result_count(const tsms_result *result);
/* False when there is no such message. */
TSMS_API bool tsms_result_message(const tsms_result *result, size_t index, tsms_message *out);
TSMS_API bool tsms_result_media(const tsms_result *result, size_t index, tsms_media *out);
/* Any string field of a record, also ones that this version does not know; absent when it is
 * missing or of another type. */
TSMS_API tsms_str tsms_result_field(const tsms_result *result, size_t index, const char *name);
/* To be passed on as page_uri; absent on the last page. */
TSMS_API tsms_str tsms_result_next_page_uri(const tsms_result *result);

/* ---- Events and statistics ---------------------------------------------------------------- */

/* X(id, name) */
#define TSMS_EVENTS(X)                                                                             \
    X(ATTEMPT, "attempt")     /* a request is about to leave */                                    \
    X(RESPONSE, "response")   /* an attempt ended */                                               \
    X(RETRY, "retry")         /* another attempt will follow after duration_ms */                  \
    X(LOOKUP, "lookup")       /* a look-up for a message in doubt ended */                         \
    X(DENIED, "denied")       /* a check said no */                                                \
    X(LIMITED, "limited")     /* a message waits for, or is refused by, a rate limit */            \
    X(THROTTLED, "throttled") /* HTTP 429 */                                                       \
    X(BREAKER, "breaker")     /* the breaker changed state; text says to which */                  \
    X(DONE, "done")           /* a call ended */

typedef enum tsms_event_type {
#define X(id, name) TSMS_EVENT_##id,
    TSMS_EVENTS(X)
#undef X
} tsms_event_type;

/* Something that happened; owns nothing. Numbers are masked; there are no texts and no secrets. */
typedef struct tsms_event {
    tsms_event_type type;
    tsms_operation operation;
    uint64_t call_id;
    int64_t at_ms;       /* Unix time in milliseconds */
    int64_t duration_ms; /* RESPONSE, DONE: how long it took; RETRY: the pause */
    int attempt;
    int http_status;
    int api_code;
    tsms_kind kind;
    tsms_outcome outcome;
    char to[24];
    char from[24];
    char sid[40];
    char text[40];
    char request_id[40]; /* RESPONSE, DONE with an error: the server's name for the request */
} tsms_event;

/* "attempt". */
TSMS_API const char *tsms_event_name(tsms_event_type type);
/* Takes the oldest event; false when there is none. The ring is bounded: when nobody pulls, the
 * oldest are overwritten and counted in events_dropped. */
TSMS_API bool tsms_client_event(tsms_client *client, tsms_event *out);

/* X(name, what it counts) since the client, or the shared region, was made */
#define TSMS_COUNTERS(X)                                                                           \
    X(submitted, "calls submitted")                                                                \
    X(succeeded, "calls that ended well")                                                          \
    X(failed, "calls that ended with an error")                                                    \
    X(requests, "HTTP requests started, look-ups included")                                        \
    X(retries, "attempts after the first")                                                         \
    X(retries_suppressed, "retries not made because the quota was empty")                          \
    X(lookups, "look-ups made for messages in doubt")                                              \
    X(lookups_found, "messages found by a look-up instead of being sent again")                    \
    X(in_doubt, "sends that ended in doubt")                                                       \
    X(throttled, "answers with HTTP 429")                                                          \
    X(rate_limited, "messages that waited for, or were refused by, a rate limit")                  \
    X(denied, "messages that a check refused")                                                     \
    X(breaker_opened, "times the breaker opened")                                                  \
    X(breaker_refused, "calls that the open breaker refused")                                      \
    X(resends_prevented, "times libcurl was kept from sending a request again by itself")          \
    X(events_dropped, "events overwritten before anybody pulled them")                             \
    X(log_dropped, "log lines that found no room")                                                 \
    X(export_dropped, "spans that were not exported")

typedef struct tsms_stats {
#define X(name, text) uint64_t name;
    TSMS_COUNTERS(X)
#undef X
    size_t queued;       /* now waiting for a rate limit, a timer or a free slot */
    size_t in_flight;    /* now on the wire */
    const char *breaker; /* "closed", "open" or "half_open" */
} tsms_stats;

/* Fills in the counters, which are shared where the region is, and this client's present state. */
TSMS_API void tsms_client_stats(tsms_client *client, tsms_stats *out);

/* ---- Metrics ------------------------------------------------------------------------------ */

typedef enum tsms_metrics_format {
    TSMS_METRICS_PROMETHEUS,  /* text/plain; version=0.0.4 */
    TSMS_METRICS_OPENMETRICS, /* application/openmetrics-text; version=1.0.0 */
} tsms_metrics_format;

/* All metrics of docs/metrics.md as text, over all processes that share the region. No label holds
 * a recipient's whole number. Absent without memory; lives until the next call of this on it. */
TSMS_API tsms_str tsms_client_metrics(tsms_client *client, tsms_metrics_format format);

/* ---- Signatures --------------------------------------------------------------------------- */

/* A form parameter, decoded, or a header. */
typedef struct tsms_param {
    tsms_str name;
    tsms_str value;
} tsms_param;

/* A set of auth tokens that sign webhooks, with their keys set up once: the present token, and in
 * a rotation the next or the last one. Belongs to one thread at a time. */
typedef struct tsms_signer tsms_signer;

enum {
    TSMS_SIGNATURE_SIZE = 29, /* 28 characters of base64 and a NUL */
    TSMS_TOKENS_MOST = 8,     /* in one set */
};

/* mem NULL means malloc. */
TSMS_API tsms_status tsms_signer_new(const tsms_mem *mem, tsms_signer **out, tsms_error *err);
/* Wipes the keys. */
TSMS_API void tsms_signer_free(tsms_signer *signer);
/* InvalidAuthToken for an empty one, one with a NUL, and one more than TSMS_TOKENS_MOST. Adding one
 * that is there already changes nothing. */
TSMS_API tsms_status tsms_signer_add(tsms_signer *signer, tsms_str token, tsms_error *err);
/* Signs as Twilio does, with the token that was added first: the URL up to its fragment, then each
 * distinct pair once, names and values in byte order, HMAC-SHA1, base64
 * (https://www.twilio.com/docs/usage/webhooks/webhooks-security). */
TSMS_API tsms_status tsms_signer_sign(tsms_signer *signer, tsms_str url, const tsms_param *params,
                                      size_t count, char out[TSMS_SIGNATURE_SIZE], tsms_error *err);
/* The value of the query parameter bodySHA256, which a sender adds to the URL of a request whose
 * body is no form before it signs the URL alone. */
TSMS_API tsms_status tsms_body_sha256(tsms_str body, char out[65], tsms_error *err);

/* A request as it came. Start from TSMS_SIGNED_INIT. */
typedef struct tsms_signed {
    size_t size;
    tsms_str url;             /* the public one, with its query */
    tsms_str signature;       /* the header X-Twilio-Signature */
    tsms_str body;            /* raw bytes: a form, unless the URL has bodySHA256; absent for GET */
    const tsms_param *params; /* instead of a body: the decoded form */
    size_t param_count;
} tsms_signed;

#define TSMS_SIGNED_INIT                                                                           \
    {                                                                                              \
        .size = sizeof(tsms_signed)                                                                \
    }

/* TSMS_OK when a token of the set made this signature for the URL as it is, without its userinfo,
 * or with its port left out or the default one added; the body is then the one that was signed,
 * but for the borders between names and values, which the signature does not protect. Compares in
 * constant time and fails closed. InvalidSignature otherwise, MissingFields without a signature;
 * PayloadParseError for more than 1000 parameters. */
TSMS_API tsms_status tsms_signer_verify(tsms_signer *signer, const tsms_signed *request,
                                        tsms_error *err);
/* Writes what tsms_signer_verify tried, and what would explain a failure, one line each, as
 * NUL-terminated text cut to size. For logs and eyes: URLs in it keep the names of their query, not
 * its values; nothing secret is shown. */
TSMS_API void tsms_signer_explain(tsms_signer *signer, const tsms_signed *request, char *out,
                                  size_t size);

/* ---- Webhooks ----------------------------------------------------------------------------- */

/* Reads what Twilio sends: whether it is genuine, for us and complete, and what it says. */
typedef struct tsms_webhook tsms_webhook;

/* Start from TSMS_WEBHOOK_OPTIONS_INIT. A number of 0 stands for its default. */
typedef struct tsms_webhook_options {
    size_t size;
    const tsms_mem *mem;  /* NULL means malloc; *mem is copied, its ctx must outlive all */
    tsms_str account_sid; /* required: the account */
    const tsms_str *urls; /* the public URLs at which requests may arrive, their queries aside; */
    size_t url_count;     /* none: any. A path that ends in a slash stands for all below it */
    const tsms_str *trusted_proxies; /* addresses, or networks as "10.0.0.0/8", whose X-Forwarded */
    size_t trusted_proxy_count;      /* headers are believed; none: nobody's */
    size_t max_body;                 /* bytes; 65536 */
    size_t max_fields;               /* parameters; 256, at most 1000 */
    tsms_str shared;            /* the region that holds the replay cache; absent: one of its own */
    int64_t replay_window_ms;   /* how long a repeat is known; 86400000 */
    tsms_str callback_ref_key;  /* secret of 16 bytes or more; with it a status callback's reference
                                   is checked */
    bool callback_ref_required; /* a status callback without a good reference is refused */
} tsms_webhook_options;

#define TSMS_WEBHOOK_OPTIONS_INIT                                                                  \
    {                                                                                              \
        .size = sizeof(tsms_webhook_options)                                                       \
    }

/* Errors are InvalidOption and InvalidAccountSid. */
TSMS_API tsms_status tsms_webhook_new(const tsms_webhook_options *options, tsms_webhook **out,
                                      tsms_error *err);
/* Wipes the keys. Events stay valid until they are freed. */
TSMS_API void tsms_webhook_free(tsms_webhook *webhook);
/* Adds a token of an account; an absent account_sid means the webhook's own. Requests of accounts
 * without a token are refused. At most 1024 accounts are kept: the one not used for the longest
 * time makes room. */
TSMS_API tsms_status tsms_webhook_add_token(tsms_webhook *webhook, tsms_str account_sid,
                                            tsms_str token, tsms_error *err);
/* Forgets and wipes the tokens of an account, if it has any; an absent account_sid means the
 * webhook's own. */
TSMS_API void tsms_webhook_forget(tsms_webhook *webhook, tsms_str account_sid);

/* A request as it came. Start from TSMS_WEBHOOK_REQUEST_INIT. */
typedef struct tsms_webhook_request {
    size_t size;
    tsms_str method; /* "POST" or "GET" */
    tsms_str url;    /* the public URL; or the target alone, "/sms?a=1", to which Host, tls and,
                        from a trusted proxy, its X-Forwarded-Proto, -Host and -Port are added */
    bool tls;        /* for a target: whether it came over TLS to this process */
    tsms_str peer;   /* the address that it came from, with or without a port */
    const tsms_param *headers;
    size_t header_count;
    tsms_str body; /* raw bytes */
} tsms_webhook_request;

#define TSMS_WEBHOOK_REQUEST_INIT                                                                  \
    {                                                                                              \
        .size = sizeof(tsms_webhook_request)                                                       \
    }

/* X(id, name) */
#define TSMS_WEBHOOK_TYPES(X)                                                                      \
    X(UNKNOWN, "unknown") /* genuine, but neither of the others */                                 \
    X(INBOUND, "inbound") /* a message to us */                                                    \
    X(STATUS, "status")   /* what became of a message of ours */

typedef enum tsms_webhook_type {
#define X(id, name) TSMS_WEBHOOK_##id,
    TSMS_WEBHOOK_TYPES(X)
#undef X
} tsms_webhook_type;

/* "inbound". */
TSMS_API const char *tsms_webhook_type_name(tsms_webhook_type type);

/* A genuine request; owns copies of all that it shows. */
typedef struct tsms_webhook_event tsms_webhook_event;

/* Checks a request and says what it is. wall_ms is Unix time in milliseconds. On TSMS_ERROR
 * err->http_status is what to answer, with nothing but the status: 405 (method), 413 (too large,
 * too many fields), 400 (PayloadParseError, MissingFields) or 403 (InvalidSignature); 500 with
 * TSMS_NOMEM. */
TSMS_API tsms_status tsms_webhook_read(tsms_webhook *webhook, const tsms_webhook_request *request,
                                       int64_t wall_ms, tsms_webhook_event **out, tsms_error *err);
/* The account that the last request said it came from, when none of the tokens known for it, if
 * any, had signed that: look its tokens up, add them, and read again. Absent otherwise. The sender
 * is not known to be genuine. */
TSMS_API tsms_str tsms_webhook_refused_account(const tsms_webhook *webhook);
/* As tsms_signer_explain, for the request and the public URL that was made out for it. */
TSMS_API void tsms_webhook_explain(tsms_webhook *webhook, const tsms_webhook_request *request,
                                   char *out, size_t size);
TSMS_API void tsms_webhook_event_free(tsms_webhook_event *event);

/* What an event says; absent strings were not there or empty. Views live as long as the event. */
typedef struct tsms_webhook_info {
    tsms_webhook_type type;
    tsms_str url; /* the public one that was signed for */
    tsms_str message_sid;
    tsms_str account_sid;
    tsms_str messaging_service_sid;
    tsms_str from;
    tsms_str to;
    tsms_str body;
    int num_media; /* media are the params MediaUrl0, MediaContentType0, ... */
    int num_segments;
    tsms_str opt_out_type; /* INBOUND: "STOP", "START" or "HELP", when Twilio acted on it */
    tsms_str status;       /* STATUS: as it came */
    tsms_message_status status_id;
    int error_code; /* STATUS: why it failed; 0 for none */
    tsms_str error_message;
    tsms_str raw_dlr_done_date; /* STATUS: the carrier's YYMMDDhhmm */
    int fallback_error_code;    /* not 0: this is the fallback URL, and the first one failed so */
    tsms_str fallback_error_url;
    tsms_str callback_ref;      /* STATUS: the reference of the message, checked */
    tsms_str idempotency_token; /* the header; not covered by the signature */
    tsms_str signature;
    tsms_str json;        /* the body, when it is no form */
    tsms_str traceparent; /* for what follows from it; STATUS: the span that sent the message, when
                             its reference names one; INBOUND: its own, when it is traced */
    int64_t received_ms;  /* when it was read: Unix time in milliseconds */
} tsms_webhook_info;

/* Fills in what it says. */
TSMS_API void tsms_webhook_event_read(const tsms_webhook_event *event, tsms_webhook_info *out);
/* Parameters as they came, unknown ones too; false past the last. */
TSMS_API bool tsms_webhook_event_param(const tsms_webhook_event *event, size_t index,
                                       tsms_param *out);
/* The first parameter of that name; absent when there is none. */
TSMS_API tsms_str tsms_webhook_event_field(const tsms_webhook_event *event, const char *name);

/* ---- Repeats ------------------------------------------------------------------------------ */

typedef enum tsms_seen {
    TSMS_SEEN_NEW,     /* handle it, then call tsms_webhook_finish or tsms_webhook_release */
    TSMS_SEEN_RUNNING, /* somebody handles it: answer 503, so that the sender may try again */
    TSMS_SEEN_DONE,    /* give the same answer again */
} tsms_seen;

/* What was answered. A body of more than 2000 bytes is not kept, nor are the bodies of very old
 * answers: then http_status is right and body absent. */
typedef struct tsms_webhook_answer {
    int http_status;
    tsms_str content_type; /* at most 60 bytes */
    tsms_str body;
} tsms_webhook_answer;

/* Claims the right to handle what `key` stands for, such as the event's signature, over all
 * processes that share the region. DONE fills *answer, whose views live until the next call on the
 * webhook. A claim that nobody ended counts as RUNNING for 60 s and as NEW from then on. */
TSMS_API tsms_seen tsms_webhook_claim(tsms_webhook *webhook, tsms_str key, int64_t wall_ms,
                                      tsms_webhook_answer *answer);
/* It was handled, and this is the answer to it and to each repeat. */
TSMS_API void tsms_webhook_finish(tsms_webhook *webhook, tsms_str key, int64_t wall_ms,
                                  const tsms_webhook_answer *answer);
/* It was not handled: a repeat is NEW. */
TSMS_API void tsms_webhook_release(tsms_webhook *webhook, tsms_str key);

/* X(id, name): what became of a request that came to a webhook */
#define TSMS_WEBHOOK_VERDICTS(X)                                                                   \
    X(OK, "ok")                 /* it was handled */                                               \
    X(REPLAY, "replay")         /* it was handled before, or is being handled */                   \
    X(REDIRECTED, "redirected") /* the answer was a redirect: it comes once more */                \
    X(FAILED, "failed")         /* handling it failed */                                           \
    X(BAD_SIGNATURE, "bad_signature")                                                              \
    X(UNKNOWN_REF, "unknown_ref") /* the reference in its URL is not one of ours, or missing */    \
    X(MALFORMED, "malformed")     /* or too large */

typedef enum tsms_webhook_verdict {
#define X(id, name) TSMS_VERDICT_##id,
    TSMS_WEBHOOK_VERDICTS(X)
#undef X
} tsms_webhook_verdict;

/* "bad_signature"; "" for what is none. */
TSMS_API const char *tsms_webhook_verdict_name(tsms_webhook_verdict verdict);
/* Counts a genuine request in the metrics, logs and traces it, once, when what became of it is
 * known. wall_ms is that moment. */
TSMS_API void tsms_webhook_count(tsms_webhook *webhook, const tsms_webhook_event *event,
                                 tsms_webhook_verdict verdict, int64_t wall_ms);
/* The same for the last request that tsms_webhook_read refused, with the error that it gave. Not to
 * be called when the request is read again, with more tokens. */
TSMS_API void tsms_webhook_count_refused(tsms_webhook *webhook, const tsms_error *err,
                                         int64_t wall_ms);
/* As tsms_client_metrics: the same text, where the webhook and the clients of its account have the
 * same `shared`. */
TSMS_API tsms_str tsms_webhook_metrics(tsms_webhook *webhook, tsms_metrics_format format);

/* ---- Logs --------------------------------------------------------------------------------- */

/* X(id, name), the worst first */
#define TSMS_LOG_LEVELS(X)                                                                         \
    X(ERROR, "error") /* a send failed; somebody is not authenticated */                           \
    X(WARN, "warn")   /* rate limits, retries, opt-outs */                                         \
    X(INFO, "info")   /* sent, received, status */                                                 \
    X(DEBUG, "debug") /* requests and answers */                                                   \
    X(TRACE, "trace") /* the same with what they hold, texts and numbers made unreadable */

typedef enum tsms_log_level {
#define X(id, name) TSMS_LOG_##id,
    TSMS_LOG_LEVELS(X)
#undef X
} tsms_log_level;

/* "warn"; "" for what is none. */
TSMS_API const char *tsms_log_level_name(tsms_log_level level);
/* False when there is no such level. */
TSMS_API bool tsms_log_level_from(tsms_str name, tsms_log_level *out);

typedef enum tsms_log_format {
    TSMS_LOG_LOGFMT,
    TSMS_LOG_JSON, /* one object a line */
} tsms_log_format;

/* How a log is written. Start from TSMS_LOG_OPTIONS_INIT. */
typedef struct tsms_log_options {
    size_t size;
    tsms_log_level level; /* and all that is worse */
    tsms_log_format format;
    tsms_str pseudonym_key; /* present: numbers are shown as h:<16 hex digits>, an HMAC-SHA256 with
                               this key, the same for the same number, instead of masked */
    bool bodies;            /* texts of messages are shown */
    int per_second;         /* lines of one event in a second; more are left out and counted in its
                               next line as suppressed=; 0 for no limit */
    size_t buffer_size;     /* bytes of lines that wait to be pulled; what finds no room is dropped
                               and counted */
} tsms_log_options;

#define TSMS_LOG_OPTIONS_INIT                                                                      \
    {                                                                                              \
        .size = sizeof(tsms_log_options), .level = TSMS_LOG_INFO, .per_second = 100,               \
        .buffer_size = 262144                                                                      \
    }

/* Lines about what clients and webhooks do, waiting to be pulled. It belongs to the thread of those
 * that write to it. A line is UTF-8 of at most 8192 bytes without a newline; names and events
 * are those of docs/logs.md. */
typedef struct tsms_log tsms_log;

/* mem NULL means malloc. The key is copied, and wiped with the log. */
TSMS_API tsms_status tsms_log_new(const tsms_mem *mem, const tsms_log_options *options,
                                  tsms_log **out, tsms_error *err);
/* Clients and webhooks that write to it keep it alive. NULL is allowed. */
TSMS_API void tsms_log_free(tsms_log *log);
/* From now on the client, or the webhook, writes to this log; NULL for none. */
TSMS_API void tsms_client_set_log(tsms_client *client, tsms_log *log);
TSMS_API void tsms_webhook_set_log(tsms_webhook *webhook, tsms_log *log);
/* Takes the oldest line, without a newline; false when there is none. It lives until the next call
 * about this log. */
TSMS_API bool tsms_log_take(tsms_log *log, tsms_log_level *level, tsms_str *line);
/* Gives all lines, the oldest first, to a function of yours, which must not call anything about
 * this log. */
typedef void (*tsms_log_sink)(void *context, tsms_log_level level, tsms_str line);
TSMS_API void tsms_log_pull(tsms_log *log, tsms_log_sink sink, void *context);
/* Writes lines, each with a newline, to a descriptor for as long as it takes them without waiting;
 * the rest stays. False when it takes no more, ever: errno says why, and the line under way is
 * lost. */
TSMS_API bool tsms_log_write(tsms_log *log, int fd);
/* Adds a line for each event of which lines were left out since its last one. Call it before the
 * last pull. */
TSMS_API void tsms_log_settle(tsms_log *log, int64_t wall_ms);
/* Adds a line of your own: names of events and fields are 1 to 32 of a-z, 0-9 and _, others are
 * left out; phone numbers in all fields are made unreadable as everywhere, and so is whatever
 * stands in to, from and number. */
TSMS_API void tsms_log_add(tsms_log *log, tsms_log_level level, const char *event,
                           const tsms_param *fields, size_t field_count, int64_t wall_ms);

/* ---- Traces ------------------------------------------------------------------------------- */

/* How spans are made. Start from TSMS_TRACE_OPTIONS_INIT. */
typedef struct tsms_trace_options {
    size_t size;
    tsms_str service_name;      /* default: "twilio-sms" */
    const tsms_param *resource; /* more attributes of the resource */
    size_t resource_count;
    double sample; /* 0 to 1: the share of traces that are kept, of those that begin here; where
                      there is a traceparent, its flag decides */
    size_t buffer_size; /* bytes of spans that wait to be exported; what finds no room is dropped
                           and counted */
    uint64_t seed;      /* of the ids; 0 takes one from the system */
} tsms_trace_options;

#define TSMS_TRACE_OPTIONS_INIT                                                                    \
    {                                                                                              \
        .size = sizeof(tsms_trace_options), .sample = 1, .buffer_size = 1048576                    \
    }

/* Spans of what clients and webhooks do, waiting to be exported. It belongs to the thread of those
 * that write to it. Numbers are masked; there are no texts. */
typedef struct tsms_trace tsms_trace;

/* mem NULL means malloc. */
TSMS_API tsms_status tsms_trace_new(const tsms_mem *mem, const tsms_trace_options *options,
                                    tsms_trace **out, tsms_error *err);
/* Clients and webhooks that write to it keep it alive. NULL is allowed. */
TSMS_API void tsms_trace_free(tsms_trace *trace);
/* From now on the client, or the webhook, writes to this trace; NULL for none. */
TSMS_API void tsms_client_set_trace(tsms_client *client, tsms_trace *trace);
TSMS_API void tsms_webhook_set_trace(tsms_webhook *webhook, tsms_trace *trace);
/* How many spans wait. */
TSMS_API size_t tsms_trace_pending(const tsms_trace *trace);
/* Takes the oldest spans, at most so many, as the body of an OTLP/HTTP request with JSON encoding
 * (POST /v1/traces, Content-Type application/json); *span_count says how many. Absent when there
 * are none, or no memory: then they stay. The text lives until the next call about this trace. */
TSMS_API tsms_str tsms_trace_take(tsms_trace *trace, size_t most, size_t *span_count);
/* Says that so many spans that were taken could not be exported. */
TSMS_API void tsms_trace_dropped(tsms_trace *trace, size_t span_count);

/* ---- Replies ------------------------------------------------------------------------------ */

/* A TwiML document that answers an inbound message. */
typedef struct tsms_twiml tsms_twiml;

/* mem NULL means malloc. An empty document answers nothing. */
TSMS_API tsms_status tsms_twiml_new(const tsms_mem *mem, tsms_twiml **out, tsms_error *err);
TSMS_API void tsms_twiml_free(tsms_twiml *twiml);

/* One message to send. Start from TSMS_TWIML_MESSAGE_INIT. */
typedef struct tsms_twiml_message {
    size_t size;
    tsms_str body;         /* at most 1600 characters; this or media */
    const tsms_str *media; /* http or https URLs, or paths; at most 10 */
    size_t media_count;
    tsms_str to;   /* default: who wrote */
    tsms_str from; /* default: who was written to */
    tsms_str action;
    tsms_str method;          /* of action: "GET" or "POST" */
    tsms_str status_callback; /* http or https URL, or a path */
} tsms_twiml_message;

#define TSMS_TWIML_MESSAGE_INIT                                                                    \
    {                                                                                              \
        .size = sizeof(tsms_twiml_message)                                                         \
    }

/* Adds a <Message>, of which Twilio takes 10. InvalidRecipient, InvalidSender, MessageTooLong and
 * InvalidRequest for what Twilio would refuse or not read, and for what XML cannot hold; the
 * document is then as it was. */
TSMS_API tsms_status tsms_twiml_add_message(tsms_twiml *twiml, const tsms_twiml_message *message,
                                            tsms_error *err);
/* Adds a <Redirect>, behind which Twilio reads nothing. An absent method means POST. */
TSMS_API tsms_status tsms_twiml_add_redirect(tsms_twiml *twiml, tsms_str url, tsms_str method,
                                             tsms_error *err);
/* The whole document; absent without memory. */
TSMS_API tsms_str tsms_twiml_text(tsms_twiml *twiml);
/* How many elements it holds. */
TSMS_API size_t tsms_twiml_count(const tsms_twiml *twiml);

#ifdef __cplusplus
}
#endif

#endif
