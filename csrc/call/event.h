/* A bounded ring of events: writing never fails, the oldest give way. */
#ifndef TSMS_CALL_EVENT_H
#define TSMS_CALL_EVENT_H

#include "../base/mem.h"

typedef struct tsms__events tsms__events;

/* NULL without memory. */
tsms__events *tsms__events_new(const tsms_mem *mem);
void tsms__events_free(tsms__events *events);
/* The place for the next event, cleared. *dropped tells whether an unread one was overwritten. */
tsms_event *tsms__events_add(tsms__events *events, bool *dropped);
/* Takes the oldest; false when there is none. */
bool tsms__events_take(tsms__events *events, tsms_event *out);

#endif
