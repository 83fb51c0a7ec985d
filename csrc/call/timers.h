/* The calls that wait for a moment: a binary heap, the earliest on top; of those that wait for the
 * same moment the one whose timer was set first. */
#ifndef TSMS_CALL_TIMERS_H
#define TSMS_CALL_TIMERS_H

#include "call.h"

typedef struct tsms__timers {
    const tsms_mem *mem;
    tsms__call **heap; /* 1-based, so that 0 in a call means "not in it" */
    size_t count, cap;
    uint64_t numbers; /* so many timers were set */
} tsms__timers;

void tsms__timers_init(tsms__timers *timers, const tsms_mem *mem);
void tsms__timers_free(tsms__timers *timers);
/* Makes room for `count` calls, so that setting a timer cannot fail. False without memory. */
bool tsms__timers_reserve(tsms__timers *timers, size_t count);
/* Sets or moves a call's timer. */
void tsms__timers_set(tsms__timers *timers, tsms__call *call, int64_t at_ms);
/* A call without a timer is ignored. */
void tsms__timers_clear(tsms__timers *timers, tsms__call *call);
/* The earliest; NULL when there is none. */
tsms__call *tsms__timers_first(const tsms__timers *timers);

#endif
