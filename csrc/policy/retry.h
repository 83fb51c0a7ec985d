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
    int64_t cost; /* what the retry takes from the quota; 0 for a look-up */
    bool last;    /* LOOKUP: no attempt is left, so finding nothing ends the call */
} tsms__retry_plan;

/* Decides. quota_left is what the shared quota holds; a plan that costs more than that is STOP. A
 * pause that would not leave min_left_ms before the deadline is STOP as well. Backoff doubles from
 * the rule's base up to the cap, with equal jitter (half of it fixed, half by chance); a timeout's
 * is fixed; Retry-After is a floor. */
tsms__retry_plan tsms__retry_decide(const tsms_config *config, const tsms__attempt *attempt,
                                    int64_t quota_left, int64_t min_left_ms, tsms__rand *rand);

#endif
