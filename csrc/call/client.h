/* All calls of one client: who may go next, and when somebody wants to be looked at again.
 *
 * It knows neither network nor clock. A driver takes calls with tsms__client_next, performs their
 * requests and brings them back with tsms__client_finish. */
#ifndef TSMS_CALL_CLIENT_H
#define TSMS_CALL_CLIENT_H

#include "call.h"
#include "event.h"
#include "shared.h"
#include "tap.h"
#include "timers.h"

/* A doubly linked list of calls; a call is in at most one. */
typedef struct tsms__call_list {
    tsms__call *first, *last;
    size_t count;
} tsms__call_list;

void tsms__list_push(tsms__call_list *list, tsms__call *call);
/* A call that is in no list is ignored. */
void tsms__list_remove(tsms__call *call);
/* NULL when the list is empty. */
tsms__call *tsms__list_pop(tsms__call_list *list);

struct tsms_client {
    tsms_config *config;
    tsms_mem mem;
    tsms__region *region;
    tsms__breaker_rules breaker_rules;
    tsms__rate number_rate, recipient_rate;
    tsms__level account_level;
    tsms__rand rand;
    tsms__events *events;
    tsms_log *log;     /* NULL: none is written */
    tsms_trace *trace; /* the same */
    tsms__claims *claims;
    tsms__tap tap;
    tsms_buf origin;     /* "https://api.twilio.com", ends in NUL */
    tsms__hmac *ref_key; /* of the option callback_ref.key; NULL: callbacks carry no reference */
    tsms_buf callback;   /* the status callback URL with its reference, while a message is taken */
    unsigned from_label; /* what the options from and messaging_service_sid are in the metrics */
    unsigned service_label;
    tsms_buf metrics_text; /* what tsms_client_metrics shows */

    bool checks;
    tsms__call **slots; /* every call ever made, in use or free */
    size_t slot_count, slot_cap;
    uint64_t generation;

    tsms__call_list free;
    tsms__call_list unasked; /* CHECK, not yet shown to the host */
    tsms__call_list asked;   /* CHECK, waiting for its answer */
    tsms__call_list cleared; /* READY, messages whose answer is fresh */
    tsms__call_list ready;   /* READY, what needs no limits */
    tsms__call_list held;    /* PAUSE, what waits for the breaker */
    tsms__call_list wire;
    tsms__call *questioned; /* the one message from the queue that is being asked about */
    tsms__queue *queue;     /* READY, messages that wait for a rate limit or a slot */
    tsms__timers timers;
    tsms_result *done_first, *done_last;
    size_t done_count;

    bool message_turn; /* whose turn it is: messages, or what needs no limits */
    double ceiling;    /* requests that may be on the wire at once; a 429 lowers it */
    int64_t cut_ms;    /* when it was lowered last */

    void *driver; /* the driver's own state */
    void (*driver_free)(void *driver);
};

/* Makes a client without a driver. seed is used when the configuration has none. */
tsms_status tsms__client_new(const tsms_config *config, uint64_t seed, tsms_client **out,
                             tsms_error *err);
/* Frees everything, the driver first. */
void tsms__client_free(tsms_client *client);
/* Checks and takes a request; the client's defaults (sender, status callback) are filled in. */
tsms_status tsms__client_submit(tsms_client *client, const tsms_request *request, tsms__now now,
                                uint64_t *call_id, tsms_error *err);
/* The next call whose request must leave now, already counted as on the wire; NULL when there is
 * none. */
tsms__call *tsms__client_next(tsms_client *client, tsms__now now);
/* The call with this id if it is on the wire, NULL otherwise. */
tsms__call *tsms__client_on_wire(const tsms_client *client, uint64_t call_id);
/* Its request came to this. */
void tsms__client_finish(tsms_client *client, tsms__call *call, const tsms__transfer *transfer,
                         tsms__now now);
/* When tsms__client_next wants to be asked again, in monotonic milliseconds: INT64_MAX for not
 * before something else happens. */
int64_t tsms__client_due_ms(tsms_client *client, tsms__now now);
/* How long the request of a call on the wire may take. */
int64_t tsms__client_attempt_ms(const tsms_client *client, const tsms__call *call, tsms__now now);
/* The request of a call on the wire. */
tsms__method tsms__client_method(const tsms__call *call);
const tsms_buf *tsms__client_path(const tsms__call *call);

/* The public functions of the same names, with the time as an argument. */
bool tsms__client_cancel(tsms_client *client, uint64_t call_id, tsms__now now);
bool tsms__client_answer(tsms_client *client, uint64_t call_id, tsms_verdict verdict,
                         tsms_str reason, int64_t defer_ms, tsms__now now);
/* Calls that are neither on the wire nor finished. */
size_t tsms__client_waiting(const tsms_client *client);
/* How many results and unasked questions wait for the host. */
size_t tsms__client_news(const tsms_client *client);
/* libcurl was about to send a request a second time by itself. */
void tsms__client_count_prevented(tsms_client *client);

#endif
