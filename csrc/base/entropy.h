/* Randomness of the operating system. */
#ifndef TSMS_BASE_ENTROPY_H
#define TSMS_BASE_ENTROPY_H

#include <stdbool.h>
#include <stddef.h>

/* Fills at most 256 bytes. False when the system has none. */
bool tsms__entropy(void *out, size_t len);

#endif
