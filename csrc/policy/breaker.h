/* The circuit breaker, as one 64-bit word and a transition function.
 *
 * Pure: word x event x time -> word'. The caller stores the word and changes it by
 * compare-and-swap. Zero is a closed breaker. Permits carry the generation in which they were
 * given: a result of an older generation changes nothing. A probe has a lease; one that lapses
 * counts as a failure at that moment, and its result is stale from then on. Half open, one probe
 * is out at a time. Time is monotonic milliseconds below 2^40 (34 years); later moments count as
 * the last one, at which nothing waits. */
#ifndef TSMS_POLICY_BREAKER_H
#define TSMS_POLICY_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

typedef enum tsms__breaker_state {
    TSMS__BREAKER_CLOSED,
    TSMS__BREAKER_OPEN,
    TSMS__BREAKER_HALF_OPEN,
} tsms__breaker_state;

typedef struct tsms__breaker_rules {
    uint32_t failure_threshold; /* failures in a row that open it, 1 to 255; 0: never opens */
    uint32_t success_threshold; /* probes that close it, 1 to 255 */
    int64_t reset_timeout_ms;   /* how long it stays open */
    int64_t lease_ms;           /* how long a probe may take */
} tsms__breaker_rules;

typedef uint64_t tsms__breaker; /* the word */

typedef struct tsms__permit {
    uint32_t generation;
    bool probe;
} tsms__permit;

typedef enum tsms__breaker_result {
    TSMS__BREAKER_SUCCESS,
    TSMS__BREAKER_FAILURE,
    TSMS__BREAKER_NEUTRAL, /* gives a probe's permit back and proves nothing */
} tsms__breaker_result;

tsms__breaker_state tsms__breaker_state_of(tsms__breaker word);
/* How long until a permit may be had: 0 for now. While a probe is out that is the rest of its
 * lease, although its result may come sooner. Changes nothing. */
int64_t tsms__breaker_wait_ms(tsms__breaker word, const tsms__breaker_rules *rules, int64_t now_ms);
/* Asks for a permit. True when given. *next is the new word, also on refusal (a lapsed lease
 * reopens the breaker). */
bool tsms__breaker_acquire(tsms__breaker word, const tsms__breaker_rules *rules, int64_t now_ms,
                           tsms__breaker *next, tsms__permit *permit);
/* Brings a permit back. False when it was stale; *next is then the old word. */
bool tsms__breaker_report(tsms__breaker word, const tsms__breaker_rules *rules, int64_t now_ms,
                          tsms__permit permit, tsms__breaker_result result, tsms__breaker *next);
/* "closed", "open", "half_open". */
const char *tsms__breaker_state_name(tsms__breaker_state state);

#endif
