/* The breaker's transition function. */
#include "breaker.h"

/* The word, from the top bit down: phase 2, generation 14, count 8, time 40. Every pattern is a
 * valid breaker, and zero is a closed one.
 *
 * generation wraps after 16384 transitions. A permit would have to be out for as many to be taken
 * for a fresh one; opening and trying again are two of them, with a reset_timeout_ms between.
 * count is the failures in a row of a closed breaker, the successes of a half-open one.
 * time is the end of an open state, or of the lease of a probe that is out. */
typedef enum phase {
    CLOSED,
    OPEN,
    WAITING, /* half open, a probe may go */
    PROBING, /* half open, a probe is out */
} phase;

enum {
    GENERATION_SHIFT = 48,
    COUNT_SHIFT = 40,
    PHASE_SHIFT = 62,
    GENERATION_MASK = (1 << 14) - 1,
    COUNT_MASK = (1 << 8) - 1,
};
static const int64_t time_max_ms = (INT64_C(1) << 40) - 1;

typedef struct parts {
    phase phase;
    uint32_t generation;
    uint32_t count;
    int64_t until_ms;
} parts;

static parts unpack(tsms__breaker word)
{
    return (parts){.phase = (phase)(word >> PHASE_SHIFT),
                   .generation = (uint32_t)(word >> GENERATION_SHIFT) & GENERATION_MASK,
                   .count = (uint32_t)(word >> COUNT_SHIFT) & COUNT_MASK,
                   .until_ms = (int64_t)word & time_max_ms};
}

static tsms__breaker pack(parts p)
{
    return (uint64_t)p.phase << PHASE_SHIFT | (uint64_t)p.generation << GENERATION_SHIFT |
           (uint64_t)p.count << COUNT_SHIFT | (uint64_t)p.until_ms;
}

static int64_t clamp_ms(int64_t ms)
{
    return ms < 0 ? 0 : ms < time_max_ms ? ms : time_max_ms;
}

static int64_t later_ms(int64_t from_ms, int64_t duration_ms)
{
    return clamp_ms(from_ms + clamp_ms(duration_ms));
}

static parts enter(phase next, uint32_t old_generation, int64_t until_ms)
{
    return (parts){
        .phase = next, .generation = (old_generation + 1) & GENERATION_MASK, .until_ms = until_ms};
}

/* What the word means at this moment: a probe whose lease has lapsed reopened the breaker then,
 * whether or not anybody looked. */
static parts parts_at(tsms__breaker word, const tsms__breaker_rules *rules, int64_t now_ms)
{
    parts p = unpack(word);
    if (p.phase == PROBING && now_ms >= p.until_ms) {
        return enter(OPEN, p.generation, later_ms(p.until_ms, rules->reset_timeout_ms));
    }
    return p;
}

tsms__breaker_state tsms__breaker_state_of(tsms__breaker word)
{
    static const tsms__breaker_state states[] = {
        [CLOSED] = TSMS__BREAKER_CLOSED,
        [OPEN] = TSMS__BREAKER_OPEN,
        [WAITING] = TSMS__BREAKER_HALF_OPEN,
        [PROBING] = TSMS__BREAKER_HALF_OPEN,
    };
    return states[unpack(word).phase];
}

int64_t tsms__breaker_wait_ms(tsms__breaker word, const tsms__breaker_rules *rules, int64_t now_ms)
{
    now_ms = clamp_ms(now_ms);
    parts p = parts_at(word, rules, now_ms);
    bool refuses = p.phase == OPEN || p.phase == PROBING;
    return refuses && p.until_ms > now_ms ? p.until_ms - now_ms : 0;
}

bool tsms__breaker_acquire(tsms__breaker word, const tsms__breaker_rules *rules, int64_t now_ms,
                           tsms__breaker *next, tsms__permit *permit)
{
    now_ms = clamp_ms(now_ms);
    parts p = parts_at(word, rules, now_ms);
    if (p.phase == OPEN && now_ms >= p.until_ms) {
        p = enter(WAITING, p.generation, 0);
    }
    bool given = p.phase == CLOSED || p.phase == WAITING;
    *permit = (tsms__permit){p.generation, p.phase == WAITING};
    if (p.phase == WAITING) {
        p.phase = PROBING;
        p.until_ms = later_ms(now_ms, rules->lease_ms);
    }
    *next = pack(p);
    return given;
}

static parts after_request(parts p, const tsms__breaker_rules *rules, int64_t now_ms,
                           tsms__breaker_result result)
{
    if (result == TSMS__BREAKER_SUCCESS) {
        p.count = 0;
    } else if (result == TSMS__BREAKER_FAILURE && rules->failure_threshold > 0) {
        if (p.count + 1 >= rules->failure_threshold) {
            return enter(OPEN, p.generation, later_ms(now_ms, rules->reset_timeout_ms));
        }
        p.count++;
    }
    return p;
}

static parts after_probe(parts p, const tsms__breaker_rules *rules, int64_t now_ms,
                         tsms__breaker_result result)
{
    if (result == TSMS__BREAKER_FAILURE) {
        return enter(OPEN, p.generation, later_ms(now_ms, rules->reset_timeout_ms));
    }
    p.phase = WAITING;
    p.until_ms = 0;
    if (result == TSMS__BREAKER_SUCCESS) {
        if (p.count + 1 >= rules->success_threshold) {
            return enter(CLOSED, p.generation, 0);
        }
        p.count++;
    }
    return p;
}

bool tsms__breaker_report(tsms__breaker word, const tsms__breaker_rules *rules, int64_t now_ms,
                          tsms__permit permit, tsms__breaker_result result, tsms__breaker *next)
{
    now_ms = clamp_ms(now_ms);
    parts p = parts_at(word, rules, now_ms);
    *next = word;
    if (permit.generation != p.generation || p.phase != (permit.probe ? PROBING : CLOSED)) {
        return false;
    }
    *next = pack(permit.probe ? after_probe(p, rules, now_ms, result)
                              : after_request(p, rules, now_ms, result));
    return true;
}

const char *tsms__breaker_state_name(tsms__breaker_state state)
{
    static const char *const names[] = {
        [TSMS__BREAKER_CLOSED] = "closed",
        [TSMS__BREAKER_OPEN] = "open",
        [TSMS__BREAKER_HALF_OPEN] = "half_open",
    };
    return names[state];
}
