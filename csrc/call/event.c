/* The event ring. */
#include "event.h"

enum { CAPACITY = 512 };

struct tsms__events {
    tsms_mem mem;
    uint64_t written, taken; /* how many ever; their difference is at most CAPACITY */
    tsms_event ring[CAPACITY];
};

tsms__events *tsms__events_new(const tsms_mem *mem)
{
    tsms__events *events = tsms__alloc(mem, sizeof *events);
    if (events != NULL) {
        events->mem = *mem;
        events->written = events->taken = 0;
    }
    return events;
}

void tsms__events_free(tsms__events *events)
{
    if (events != NULL) {
        tsms_mem mem = events->mem;
        tsms__free(&mem, events);
    }
}

tsms_event *tsms__events_add(tsms__events *events, bool *dropped)
{
    *dropped = events->written - events->taken == CAPACITY;
    if (*dropped) {
        events->taken++;
    }
    tsms_event *event = &events->ring[events->written++ % CAPACITY];
    *event = (tsms_event){0};
    return event;
}

bool tsms__events_take(tsms__events *events, tsms_event *out)
{
    if (events->taken == events->written) {
        return false;
    }
    *out = events->ring[events->taken++ % CAPACITY];
    return true;
}

const char *tsms_event_name(tsms_event_type type)
{
    static const char *const names[] = {
#define X(id, name) name,
        TSMS_EVENTS(X)
#undef X
    };
    return (size_t)type < sizeof names / sizeof *names ? names[type] : "";
}
