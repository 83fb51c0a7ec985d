/* splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014): one word
 * of state, every seed is good. For jitter and simulation, not for keys. */
#include "rand.h"

void tsms__rand_init(tsms__rand *rand, uint64_t seed)
{
    rand->state = seed;
}

uint64_t tsms__rand_next(tsms__rand *rand)
{
    rand->state += 0x9E3779B97F4A7C15u;
    uint64_t z = rand->state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

int64_t tsms__rand_between(tsms__rand *rand, int64_t low, int64_t high)
{
    if (high <= low) {
        return low;
    }
    uint64_t span = (uint64_t)high - (uint64_t)low + 1;
    if (span == 0) {
        return (int64_t)tsms__rand_next(rand);
    }
    /* Values past the last whole multiple of span would favour the low end: draw again. */
    uint64_t tail = UINT64_MAX - UINT64_MAX % span;
    uint64_t value = tsms__rand_next(rand);
    while (value >= tail) {
        value = tsms__rand_next(rand);
    }
    return (int64_t)((uint64_t)low + value % span);
}
