/* A small seeded generator, passed in wherever chance is needed. */
#ifndef TSMS_BASE_RAND_H
#define TSMS_BASE_RAND_H

#include <stdint.h>

typedef struct tsms__rand {
    uint64_t state;
} tsms__rand;

void tsms__rand_init(tsms__rand *rand, uint64_t seed);
uint64_t tsms__rand_next(tsms__rand *rand);
/* Evenly in [low, high]; low when high <= low. */
int64_t tsms__rand_between(tsms__rand *rand, int64_t low, int64_t high);

#endif
