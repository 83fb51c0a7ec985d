/* Takes randomness from the operating system, for what must differ between all processes. */
#define _DEFAULT_SOURCE /* getrandom, getpid */
#include "entropy.h"

#include <string.h>
#include <sys/random.h>
#include <unistd.h>

bool tsms__entropy(void *out, size_t len)
{
    /* Up to 256 bytes come whole and without interruption (getrandom(2)). */
    return getrandom(out, len, 0) == (ssize_t)len;
}

bool tsms__entropy_draw(tsms__entropy_pool *pool, void *out, size_t len)
{
    int64_t self = getpid();
    if (pool->left < len || pool->owner != self) {
        pool->left = 0;
        if (len > TSMS__ENTROPY_POOL || !tsms__entropy(pool->bytes, TSMS__ENTROPY_POOL)) {
            return false;
        }
        pool->left = TSMS__ENTROPY_POOL;
        pool->owner = self;
    }
    pool->left -= len;
    memcpy(out, pool->bytes + pool->left, len);
    return true;
}
