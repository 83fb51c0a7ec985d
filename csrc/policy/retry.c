/* Decides what follows a failed attempt. */
#include "retry.h"

/* What one more attempt takes from the shared quota. A success pays it back, so that these prices
 * only matter while an outage lasts. */
enum {
    COST_OF_FAULT = 14, /* the network or the server failed */
    COST_OF_THROTTLE = 5,
};

static bool is_rate_limit(tsms_kind kind)
{
    return tsms_kind_category(kind) == TSMS_CATEGORY_RATE_LIMIT;
}

/* NULL for kinds that are never retried. */
static const tsms__retry_rule *rule_of(const tsms_config *config, tsms_kind kind)
{
    if (is_rate_limit(kind)) {
        return &config->retry.rate_limit;
    }
    switch (kind) {
    case TSMS_KIND_SERVICE_UNAVAILABLE:
    case TSMS_KIND_TEMPORARILY_UNAVAILABLE:
        return &config->retry.unavailable;
    case TSMS_KIND_INTERNAL_ERROR:
        return &config->retry.internal;
    case TSMS_KIND_TIMEOUT:
        return &config->retry.timeout;
    case TSMS_KIND_CONNECTION_FAILED:
    case TSMS_KIND_DNS_RESOLUTION_FAILED:
        return &config->retry.connection;
    default:
        return NULL;
    }
}

static bool is_throttle(const tsms__attempt *attempt)
{
    return attempt->outcome == TSMS_OUTCOME_THROTTLED || is_rate_limit(attempt->kind);
}

static int64_t pause_ms(const tsms_config *config, const tsms__attempt *attempt,
                        const tsms__retry_rule *rule, tsms__rand *rand)
{
    int64_t cap_ms = config->retry.cap_ms;
    int64_t step_ms = rule->base_ms < cap_ms ? rule->base_ms : cap_ms;
    if (attempt->kind != TSMS_KIND_TIMEOUT) {
        for (int made = 1; made < attempt->attempts && step_ms < cap_ms; made++) {
            step_ms = step_ms <= cap_ms / 2 ? step_ms * 2 : cap_ms;
        }
        step_ms = tsms__rand_between(rand, step_ms - step_ms / 2, step_ms);
    }
    return step_ms > attempt->retry_after_ms ? step_ms : attempt->retry_after_ms;
}

/* What the outcome permits: to try again at once, only after a look-up, or not at all. */
static tsms__next permitted(const tsms__attempt *attempt)
{
    switch (attempt->outcome) {
    case TSMS_OUTCOME_NONE:
    case TSMS_OUTCOME_NOT_SENT:
    case TSMS_OUTCOME_THROTTLED: /* never processed: www.twilio.com/docs/api/errors/20429 */
        return TSMS__NEXT_RETRY;
    case TSMS_OUTCOME_REJECTED:
        return is_rate_limit(attempt->kind) ? TSMS__NEXT_RETRY : TSMS__NEXT_STOP;
    case TSMS_OUTCOME_ACCEPTED:
        return TSMS__NEXT_STOP;
    case TSMS_OUTCOME_ACCEPTED_NO_SID:
    case TSMS_OUTCOME_IN_DOUBT:
        break;
    }
    if (attempt->idempotent) {
        return TSMS__NEXT_RETRY;
    }
    if (attempt->in_doubt == TSMS__IN_DOUBT_STOP) {
        return TSMS__NEXT_STOP;
    }
    bool exists = attempt->outcome == TSMS_OUTCOME_ACCEPTED_NO_SID;
    bool resend = attempt->in_doubt == TSMS__IN_DOUBT_RESEND && !exists;
    return resend ? TSMS__NEXT_RETRY : TSMS__NEXT_LOOKUP;
}

tsms__retry_plan tsms__retry_decide(const tsms_config *config, const tsms__attempt *attempt,
                                    int64_t quota_left, int64_t min_left_ms, tsms__rand *rand)
{
    const tsms__retry_plan stop = {.next = TSMS__NEXT_STOP};
    tsms__next next = permitted(attempt);
    if (next == TSMS__NEXT_STOP) {
        return stop;
    }
    const tsms__retry_rule *rule = rule_of(config, attempt->kind);
    bool due = rule != NULL && attempt->retryable && attempt->attempts < rule->attempts;
    if (next == TSMS__NEXT_LOOKUP && attempt->outcome == TSMS_OUTCOME_ACCEPTED_NO_SID) {
        due = false; /* it is only looked for, never sent again */
    }
    /* A look-up is made whatever the kind; without a rule it waits as for a failed server. */
    int64_t wait_ms =
        pause_ms(config, attempt, rule != NULL ? rule : &config->retry.internal, rand);
    int64_t left_ms = attempt->left_ms > wait_ms ? attempt->left_ms - wait_ms : 0;
    if (left_ms == 0) {
        return stop;
    }
    due = due && left_ms >= min_left_ms;
    int64_t cost = is_throttle(attempt) ? COST_OF_THROTTLE : COST_OF_FAULT;
    bool again = due && cost <= quota_left;
    if (next == TSMS__NEXT_RETRY && !again) {
        return (tsms__retry_plan){.next = TSMS__NEXT_STOP, .suppressed = due};
    }
    return (tsms__retry_plan){.next = next,
                              .wait_ms = wait_ms,
                              .cost = again ? cost : 0,
                              .last = !again,
                              .suppressed = due && !again};
}
