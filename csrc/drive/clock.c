/* Reads the clocks, and draws a seed. */
#define _GNU_SOURCE /* clock_gettime */
#include "clock.h"

#include "../base/entropy.h"

#include <time.h>

static int64_t read_ms(clockid_t clock)
{
    struct timespec t = {0};
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

tsms__now tsms__clock_now(void)
{
    return (tsms__now){.mono_ms = read_ms(CLOCK_MONOTONIC), .wall_ms = read_ms(CLOCK_REALTIME)};
}

uint64_t tsms__clock_seed(void)
{
    uint64_t seed = 0;
    if (!tsms__entropy(&seed, sizeof seed) || seed == 0) {
        /* Only jitter depends on it: a seed that differs between processes is enough. */
        tsms__now now = tsms__clock_now();
        seed = (uint64_t)now.wall_ms * 2 + 1;
    }
    return seed;
}
