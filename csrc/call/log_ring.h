/* Lines that wait: a ring of bytes of a fixed size, in which each line lies in one piece. */
#ifndef TSMS_CALL_LOG_RING_H
#define TSMS_CALL_LOG_RING_H

#include "../base/mem.h"

typedef struct tsms__ring {
    char *bytes; /* owned */
    size_t size;
    size_t first, next; /* where the oldest line begins, and where the next one will */
    size_t end;         /* wrapped: where the lines before the jump back to 0 end */
    bool wrapped;
    size_t count;
} tsms__ring;

/* False without memory. */
bool tsms__ring_init(tsms__ring *ring, const tsms_mem *mem, size_t size);
void tsms__ring_free(tsms__ring *ring, const tsms_mem *mem);
/* Adds a line and a newline behind it; false, and nothing changes, when there is no room. */
bool tsms__ring_add(tsms__ring *ring, tsms_log_level level, tsms_str line);
/* The line at a place, which is ring->first or what came out as *next; the newline stands behind
 * it. False behind the newest. */
bool tsms__ring_at(const tsms__ring *ring, size_t index, size_t place, tsms_log_level *level,
                   tsms_str *line, size_t *next);
/* Drops the oldest line, if there is one. */
void tsms__ring_drop(tsms__ring *ring);

#endif
