/* One call: the state machine of a request, its retries and its look-ups.
 *
 * No I/O, no clock, no callback: `phase` says what the call needs next, and the functions below
 * tell it what happened. Time and chance are arguments. */
#ifndef TSMS_CALL_CALL_H
#define TSMS_CALL_CALL_H

#include "../policy/breaker.h"
#include "../policy/retry.h"
#include "classify.h"
#include "lookup.h"
#include "queue.h"
#include "result.h"

/* One moment on both clocks. */
typedef struct tsms__now {
    int64_t mono_ms; /* monotonic */
    int64_t wall_ms; /* Unix time */
} tsms__now;

/* The ids of a call in a trace (W3C Trace Context), and where its spans stand. */
typedef struct tsms__span {
    bool kept; /* false: nothing below counts */
    bool has_parent;
    unsigned char trace_id[16];
    unsigned char parent_id[8];
    unsigned char id[8];
    unsigned char child_id[8]; /* of the request under way */
    bool child_looks;          /* that one is a look-up */
    bool denied;               /* a check said no */
    int64_t start_ms;          /* Unix time */
    uint32_t note_count;       /* of notes, kept or not */
} tsms__span;

/* What happened on the way of a call, to be told with its span. */
typedef struct tsms__span_note {
    tsms_event_type type;
    tsms_kind kind;
    int64_t at_ms;
    int64_t duration_ms;
    char text[40];
} tsms__span_note;

/* What a call needs next. */
typedef enum tsms__phase {
    TSMS__PHASE_FREE,  /* nothing: it is not in use */
    TSMS__PHASE_CHECK, /* an answer to "may this person be written to?" */
    TSMS__PHASE_READY, /* to be sent: a slot, a permit and, for a message, its rate limits */
    TSMS__PHASE_PAUSE, /* the moment due_ms */
    TSMS__PHASE_WIRE,  /* the outcome of the request that the driver has */
    TSMS__PHASE_DONE,  /* to be handed out: result holds records or an error */
} tsms__phase;

typedef struct tsms__call {
    size_t slot; /* in the client's table, for good */
    uint64_t id;
    tsms__phase phase;
    tsms_operation operation;
    int64_t started_ms;  /* monotonic */
    int64_t deadline_ms; /* monotonic */
    int64_t due_ms;      /* PAUSE: monotonic */
    int attempts;
    bool cancelled;
    bool waits_for_breaker; /* from the first request on */

    /* The request. The views point into text. */
    tsms_buf text;
    tsms_str to, from, messaging_service_sid, body;
    int64_t send_at;
    int media_count;
    tsms__rewriting rewriting;
    bool unrecognisable; /* its row in the list will not show the recipient */
    uint64_t intent;     /* hash of the four; 0 for what creates nothing */
    uint64_t cost;       /* for the rate limits */
    tsms_buf path;
    tsms_buf form;

    /* While a message is in doubt. */
    bool looking_up;
    bool last_chance;     /* finding nothing ends the call */
    bool looked_early;    /* the look-up under way left before settled_ms */
    int64_t settled_ms;   /* monotonic: by then it is in the list, if it was accepted */
    int64_t resend_cost;  /* what sending again takes from the quota */
    int looks;            /* look-ups that found nothing */
    int look_failures;    /* look-ups that failed */
    int pages;            /* of the look-up under way */
    bool look_again;      /* since it left, an identical message claimed a row, perhaps ours, and
                             its own may not be on the pages that we got */
    tsms_buf lookup_path; /* the page to ask for */
    tsms__now first_sent;
    tsms__now failed; /* the last attempt */

    int64_t quota_paid; /* by the retries of this call */
    tsms_result *result;

    /* The client's book-keeping. */
    struct tsms__call *prev, *next;
    struct tsms__call_list *list;
    size_t heap_index; /* 1-based place in the timer heap; 0: not in it */
    int64_t timer_ms;
    uint64_t timer_number; /* of calls with the same timer_ms the lowest is first */
    tsms__waiter waiter;
    bool queued;    /* has stood in the rate queue since its last check */
    bool limited;   /* has been counted as rate limited */
    bool held_back; /* since held_ms a rate limit holds it back, the one of held_level */
    unsigned held_level;
    int64_t held_ms;
    tsms__permit permit;
    int64_t wire_ms; /* when the request under way left */
    tsms__span span;
    tsms_buf notes; /* the bytes of tsms__span_note */
} tsms__call;

/* What the machine may look at when it decides. */
typedef struct tsms__call_env {
    const tsms_config *config;
    tsms__rand *rand;
    int64_t quota_left;
    tsms__claims *claims;
    /* When the first identical message left whose row may be in the list without being claimed: it
     * is on the wire right now, was accepted by an answer that held no sid, or is in doubt while
     * our own row may be missing yet. NULL: there is none. */
    const tsms__now *twin_sent;
} tsms__call_env;

/* What the client must do beyond following the phase. */
typedef struct tsms__call_effects {
    tsms_outcome outcome; /* of the attempt, or of the look-up's request */
    tsms_error error;     /* of the attempt; kind NONE for a good one */
    int64_t quota_cost;
    bool retrying;   /* another attempt will follow */
    bool suppressed; /* one would, but the quota is empty */
    bool looked_up;  /* a look-up came to an answer */
    bool found;
} tsms__call_effects;

void tsms__call_init(tsms__call *call, const tsms_mem *mem);
/* Frees what the call owns, its result included. */
void tsms__call_free(tsms__call *call);
/* Takes a checked request, with the client's defaults filled in. Sets the phase to CHECK for a
 * message and to READY for the rest. On failure nothing is kept. */
tsms_status tsms__call_begin(tsms__call *call, uint64_t id, const tsms_request *request,
                             const tsms_config *config, tsms__now now, tsms_error *err);
/* The answers to CHECK. */
void tsms__call_allow(tsms__call *call);
void tsms__call_deny(tsms__call *call, tsms_str reason);
void tsms__call_cannot_tell(tsms__call *call, tsms_str reason);
void tsms__call_defer(tsms__call *call, int64_t until_ms);
/* Ends a call that is not on the wire, for a reason of our own (breaker, limiter, deadline). While
 * a message is in doubt its own error is kept. */
void tsms__call_refuse(tsms__call *call, tsms_kind kind, int64_t retry_after_ms, const char *why);
/* Pauses until due_ms; ends the call when that is past its deadline. */
void tsms__call_hold(tsms__call *call, int64_t due_ms);
/* The request leaves now. */
void tsms__call_start(tsms__call *call, tsms__now now);
/* It came to this. */
void tsms__call_finish(tsms__call *call, const tsms__call_env *env, const tsms__transfer *transfer,
                       tsms__now now, tsms__call_effects *effects);
/* PAUSE is over: back to CHECK, or READY for what needs none. */
void tsms__call_wake(tsms__call *call);
/* The deadline passed while the call was not on the wire. */
void tsms__call_expire(tsms__call *call);
/* The user wants no more of it: ends it now, or when its request on the wire has ended. */
void tsms__call_cancel(tsms__call *call);
/* Whether the next request creates a message (and needs a check and the limits). */
bool tsms__call_creates(const tsms__call *call);
/* now_ms + wait_ms, at most INT64_MAX. */
int64_t tsms__after_ms(int64_t now_ms, int64_t wait_ms);
/* How little time before the deadline is too little to start a request that creates a message,
 * because a request that is cut off is in doubt. */
int64_t tsms__call_min_left_ms(const tsms__call *call, const tsms_config *config);

#endif
