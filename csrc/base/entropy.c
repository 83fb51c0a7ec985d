/* Takes randomness from the operating system, for what must differ between all processes. */
#define _DEFAULT_SOURCE /* getrandom */
#include "entropy.h"

#include <sys/random.h>

bool tsms__entropy(void *out, size_t len)
{
    /* Up to 256 bytes come whole and without interruption (getrandom(2)). */
    return getrandom(out, len, 0) == (ssize_t)len;
}
