/* The ring of lines. */
#include "log_ring.h"

#include <string.h>

/* What stands before a line. */
typedef struct header {
    uint32_t len;
    uint32_t level;
} header;

static header header_at(const tsms__ring *ring, size_t place)
{
    header head;
    memcpy(&head, ring->bytes + place, sizeof head);
    return head;
}

bool tsms__ring_init(tsms__ring *ring, const tsms_mem *mem, size_t size)
{
    *ring = (tsms__ring){.bytes = tsms__alloc(mem, size), .size = size};
    return ring->bytes != NULL;
}

void tsms__ring_free(tsms__ring *ring, const tsms_mem *mem)
{
    if (ring->bytes != NULL) {
        tsms__wipe(ring->bytes, ring->size);
    }
    tsms__free(mem, ring->bytes);
    *ring = (tsms__ring){0};
}

/* Where so many bytes have room; size when nowhere. */
static size_t place_for(tsms__ring *ring, size_t need)
{
    if (!ring->wrapped && ring->size - ring->next < need && ring->first >= need) {
        ring->wrapped = true;
        ring->end = ring->next;
        ring->next = 0;
    }
    size_t room = ring->wrapped ? ring->first - ring->next : ring->size - ring->next;
    return room >= need ? ring->next : ring->size;
}

bool tsms__ring_add(tsms__ring *ring, tsms_log_level level, tsms_str line)
{
    header head = {(uint32_t)line.len, (uint32_t)level};
    size_t need = sizeof head + line.len + 1;
    size_t place = place_for(ring, need);
    if (place == ring->size) {
        return false;
    }
    memcpy(ring->bytes + place, &head, sizeof head);
    memcpy(ring->bytes + place + sizeof head, line.ptr, line.len);
    ring->bytes[place + need - 1] = '\n';
    ring->next = place + need;
    ring->count++;
    return true;
}

bool tsms__ring_at(const tsms__ring *ring, size_t index, size_t place, tsms_log_level *level,
                   tsms_str *line, size_t *next)
{
    if (index >= ring->count) {
        return false;
    }
    header head = header_at(ring, place);
    *level = (tsms_log_level)head.level;
    *line = (tsms_str){ring->bytes + place + sizeof head, head.len};
    size_t behind = place + sizeof head + head.len + 1;
    *next = ring->wrapped && behind == ring->end ? 0 : behind;
    return true;
}

void tsms__ring_drop(tsms__ring *ring)
{
    if (ring->count == 0) {
        return;
    }
    header head = header_at(ring, ring->first);
    ring->first += sizeof head + head.len + 1;
    ring->count--;
    if (ring->wrapped && ring->first == ring->end) {
        ring->first = 0;
        ring->wrapped = false;
    }
    if (ring->count == 0) {
        ring->first = ring->next = 0;
    }
}
