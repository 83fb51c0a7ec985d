/* GCRA: asks and moves the theoretical arrival times of one or several levels. */
#include "limiter.h"

#include <math.h>

static uint64_t add_capped(uint64_t a, uint64_t b)
{
    return a <= UINT64_MAX - b ? a + b : UINT64_MAX;
}

static uint64_t multiply_capped(uint64_t a, uint64_t b)
{
    return b == 0 || a <= UINT64_MAX / b ? a * b : UINT64_MAX;
}

static uint64_t subtract_floored(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

tsms__rate tsms__rate_of(double per_second, uint64_t burst)
{
    uint64_t interval_ns = 0;
    if (per_second > 0) {
        double exact = ceil(1e9 / per_second);
        interval_ns = exact < 0x1p64 ? (uint64_t)exact : UINT64_MAX;
    }
    return (tsms__rate){interval_ns, burst};
}

/* How far ahead of now an arrival time may lie when cost is to be admitted. Below 2^63, so that an
 * arrival time that was capped, and has lost count, is never within it. */
static uint64_t tolerance_ns(tsms__rate rate, uint64_t cost)
{
    uint64_t ns = multiply_capped(subtract_floored(rate.burst, cost), rate.interval_ns);
    return ns < INT64_MAX ? ns : INT64_MAX;
}

static uint64_t wait_ns(uint64_t arrival_ns, tsms__rate rate, uint64_t cost, uint64_t now_ns)
{
    return subtract_floored(subtract_floored(arrival_ns, now_ns), tolerance_ns(rate, cost));
}

uint64_t tsms__level_wait_ns(const tsms__level *level, uint64_t cost, uint64_t now_ns)
{
    return level->cell != NULL ? wait_ns(atomic_load(level->cell), level->rate, cost, now_ns) : 0;
}

/* Where cost moves an arrival time to. What takes no time does not move it: an unlimited level must
 * not hold back a caller whose clock was read a moment earlier. */
static uint64_t moved_ns(uint64_t arrival_ns, tsms__rate rate, uint64_t cost, uint64_t now_ns)
{
    uint64_t taken_ns = multiply_capped(cost, rate.interval_ns);
    uint64_t start_ns = arrival_ns > now_ns ? arrival_ns : now_ns;
    return taken_ns > 0 ? add_capped(start_ns, taken_ns) : arrival_ns;
}

uint64_t tsms__level_wait_behind_ns(const tsms__level *level, uint64_t ahead, uint64_t cost,
                                    uint64_t now_ns)
{
    if (level->cell == NULL) {
        return 0;
    }
    uint64_t arrival_ns = moved_ns(atomic_load(level->cell), level->rate, ahead, now_ns);
    return wait_ns(arrival_ns, level->rate, cost, now_ns);
}

uint64_t tsms__level_open_ns(const tsms__level *level, uint64_t cost)
{
    return tsms__level_wait_ns(level, cost, 0);
}

uint64_t tsms__levels_wait_ns(const tsms__level *levels, size_t count, uint64_t cost,
                              uint64_t now_ns, size_t *slowest)
{
    uint64_t longest_ns = 0;
    size_t index = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t ns = tsms__level_wait_ns(&levels[i], cost, now_ns);
        if (ns > longest_ns) {
            longest_ns = ns;
            index = i;
        }
    }
    if (slowest != NULL) {
        *slowest = index;
    }
    return longest_ns;
}

/* Commits the levels one after the other. A refusal by a later one, which another process has
 * moved in the meantime, undoes the earlier ones on the way back.
 *
 * The undoing exchange cannot hit a value that somebody else relies on: arrival times only grow by
 * commits, so as long as ours is not undone, the value that we wrote can be there only with nothing
 * built on it. */
static bool commit(const tsms__level *levels, size_t count, uint64_t cost, uint64_t now_ns)
{
    if (count == 0) {
        return true;
    }
    tsms__cell *cell = levels->cell;
    if (cell == NULL) {
        return commit(levels + 1, count - 1, cost, now_ns);
    }
    uint64_t before_ns = atomic_load(cell);
    uint64_t after_ns;
    do {
        if (wait_ns(before_ns, levels->rate, cost, now_ns) > 0) {
            return false;
        }
        after_ns = moved_ns(before_ns, levels->rate, cost, now_ns);
    } while (!atomic_compare_exchange_weak(cell, &before_ns, after_ns));
    if (commit(levels + 1, count - 1, cost, now_ns)) {
        return true;
    }
    (void)atomic_compare_exchange_strong(cell, &after_ns, before_ns);
    return false;
}

bool tsms__levels_admit(const tsms__level *levels, size_t count, uint64_t cost, uint64_t now_ns)
{
    /* Asking all of them first makes half a commit rare: only a race leads to one. */
    return tsms__levels_wait_ns(levels, count, cost, now_ns, NULL) == 0 &&
           commit(levels, count, cost, now_ns);
}

void tsms__level_pause(const tsms__level *level, uint64_t until_ns)
{
    if (level->cell == NULL) {
        return;
    }
    /* The burst lets the smallest cost pass this long before the arrival time. */
    uint64_t arrival_ns = add_capped(until_ns, tolerance_ns(level->rate, 1));
    uint64_t before_ns = atomic_load(level->cell);
    while (before_ns < arrival_ns &&
           !atomic_compare_exchange_weak(level->cell, &before_ns, arrival_ns)) {
    }
}
