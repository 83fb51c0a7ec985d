/* Randomness of the operating system. */
#ifndef TSMS_BASE_ENTROPY_H
#define TSMS_BASE_ENTROPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fills at most 256 bytes. False when the system has none. */
bool tsms__entropy(void *out, size_t len);

enum { TSMS__ENTROPY_POOL = 256 };

/* Randomness that is fetched in advance: a call of the system costs more than what is made of it. A
 * child of a fork never draws what its parent draws. All zeros to begin with. */
typedef struct tsms__entropy_pool {
    unsigned char bytes[TSMS__ENTROPY_POOL];
    size_t left;
    int64_t owner; /* the process that has fetched it */
} tsms__entropy_pool;

/* As tsms__entropy. */
bool tsms__entropy_draw(tsms__entropy_pool *pool, void *out, size_t len);

#endif
