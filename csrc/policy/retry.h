/* Whether and when a failed attempt is followed by another. */
#ifndef TSMS_POLICY_RETRY_H
#define TSMS_POLICY_RETRY_H

#include "../base/rand.h"
#include "../config/config.h"

/* What the policy must know about the attempt that just failed. */
typedef struct tsms__attempt {
    tsms_kind kind;
    tsms_outcome outcome;
    bool retryable;         /* by the error table */
    int64_t retry_after_ms; /* -1: none */
    int attempts;           /* made so far, this one included */
    bool idempotent;
    tsms__in_doubt in_doubt; /* the client's choice for what is in doubt */
    int64_t left_ms;         /* until the deadline; INT64_MAX for none */
} tsms__attempt;

typedef enum tsms__next {
    TSMS__NEXT_STOP,   /* report the error */
    TSMS__NEXT_RETRY,  /* send again after wait_ms */
    TSMS__NEXT_LOOKUP, /* look for the message after wait_ms, then decide */
} tsms__next;

typedef struct tsms__retry_plan {
    tsms__next next;
    int64_t wait_ms;
    int64_t cost;    /* of the next attempt: RETRY takes it from the quota now, LOOKUP when it found
                        nothing and the message is sent again */
    bool last;       /* LOOKUP: no attempt may follow, so finding nothing ends the call */
    bool suppressed; /* another attempt was due, but the quota does not pay for it */
} tsms__retry_plan;

/* Decides. Another attempt needs one that the rule of its kind still allows, a quota (quota_left is
 * what the shared one holds) that pays for it, and a pause that leaves min_left_ms before the
 * deadline. Without these a retry becomes STOP and a look-up the last one; a look-up that would
 * itself be past the deadline becomes STOP. Backoff doubles from the rule's base up to the cap,
 * with equal jitter (half of it fixed, half by chance); a timeout's is fixed; Retry-After is a
 * floor. */
tsms__retry_plan tsms__retry_decide(const tsms_config *config, const tsms__attempt *attempt,
                                    int64_t quota_left, int64_t min_left_ms, tsms__rand *rand);

#endif
