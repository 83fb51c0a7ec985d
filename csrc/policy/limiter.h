/* Rate limits by GCRA: one 64-bit theoretical arrival time per level, all levels admitted at once.
 *
 * Cells are plain atomics in memory that the caller provides (possibly shared between processes);
 * zero is a valid, idle cell. Time is monotonic nanoseconds below 2^63 (292 years), an argument.
 * Guarantee for every level: in any interval T the admitted cost is at most max(burst, largest
 * cost)
 * + floor(T / interval). */
#ifndef TSMS_POLICY_LIMITER_H
#define TSMS_POLICY_LIMITER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef _Atomic uint64_t tsms__cell; /* theoretical arrival time, ns; 0 when never used */

typedef struct tsms__rate {
    uint64_t interval_ns; /* of one unit of cost; 0: no limit, only pauses hold it back */
    uint64_t burst;
} tsms__rate;

/* The interval is rounded up, so that the rate is never exceeded. per_second <= 0 is no limit. */
tsms__rate tsms__rate_of(double per_second, uint64_t burst);

typedef struct tsms__level {
    tsms__cell *cell; /* NULL: this level does not apply */
    tsms__rate rate;
} tsms__level;

/* How long until `cost` would be admitted at this level, 0 for now. A cost above the burst is
 * admitted from a full bucket and leaves a debt. */
uint64_t tsms__level_wait_ns(const tsms__level *level, uint64_t cost, uint64_t now_ns);
/* The same when `ahead` is admitted first, piece by piece as soon as it may. */
uint64_t tsms__level_wait_behind_ns(const tsms__level *level, uint64_t ahead, uint64_t cost,
                                    uint64_t now_ns);
/* The moment from which `cost` is admitted unless others come first; 0 when the level is idle. */
uint64_t tsms__level_open_ns(const tsms__level *level, uint64_t cost);
/* The longest wait over all levels; *slowest (may be NULL) gets that level's index. */
uint64_t tsms__levels_wait_ns(const tsms__level *levels, size_t count, uint64_t cost,
                              uint64_t now_ns, size_t *slowest);
/* Commits cost at every level or at none. True when admitted. When another process wins a race half
 * way, what was committed is taken back if nobody built on it, and else stays as a debt: the limit
 * is never exceeded, at worst one unit is lost. */
bool tsms__levels_admit(const tsms__level *levels, size_t count, uint64_t cost, uint64_t now_ns);
/* Admits no cost of 1 or more before until_ns, and from then on without a burst. Never shortens an
 * earlier pause. */
void tsms__level_pause(const tsms__level *level, uint64_t until_ns);

#endif
