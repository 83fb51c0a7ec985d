/* The heap of timers. */
#include "timers.h"

void tsms__timers_init(tsms__timers *timers, const tsms_mem *mem)
{
    *timers = (tsms__timers){.mem = mem};
}

void tsms__timers_free(tsms__timers *timers)
{
    tsms__free(timers->mem, timers->heap);
    tsms__timers_init(timers, timers->mem);
}

bool tsms__timers_reserve(tsms__timers *timers, size_t count)
{
    if (count + 1 <= timers->cap) {
        return true;
    }
    size_t cap = timers->cap > 0 ? timers->cap * 2 : 64;
    while (cap < count + 1) {
        cap *= 2;
    }
    tsms__call **heap = tsms__resize(timers->mem, timers->heap, cap, sizeof *heap);
    if (heap == NULL) {
        return false;
    }
    timers->heap = heap;
    timers->cap = cap;
    return true;
}

static bool is_before(const tsms__call *a, const tsms__call *b)
{
    return a->timer_ms != b->timer_ms ? a->timer_ms < b->timer_ms
                                      : a->timer_number < b->timer_number;
}

static void place(tsms__timers *timers, tsms__call *call, size_t index)
{
    timers->heap[index] = call;
    call->heap_index = index;
}

static void sift_up(tsms__timers *timers, tsms__call *call, size_t index)
{
    while (index > 1 && is_before(call, timers->heap[index / 2])) {
        place(timers, timers->heap[index / 2], index);
        index /= 2;
    }
    place(timers, call, index);
}

static void sift_down(tsms__timers *timers, tsms__call *call, size_t index)
{
    for (;;) {
        size_t child = 2 * index;
        if (child > timers->count) {
            break;
        }
        if (child < timers->count && is_before(timers->heap[child + 1], timers->heap[child])) {
            child++;
        }
        if (!is_before(timers->heap[child], call)) {
            break;
        }
        place(timers, timers->heap[child], index);
        index = child;
    }
    place(timers, call, index);
}

void tsms__timers_set(tsms__timers *timers, tsms__call *call, int64_t at_ms)
{
    tsms__timers_clear(timers, call);
    call->timer_ms = at_ms;
    call->timer_number = timers->numbers++;
    sift_up(timers, call, ++timers->count);
}

void tsms__timers_clear(tsms__timers *timers, tsms__call *call)
{
    size_t index = call->heap_index;
    if (index == 0) {
        return;
    }
    call->heap_index = 0;
    tsms__call *last = timers->heap[timers->count--];
    if (last == call) {
        return;
    }
    if (index > 1 && is_before(last, timers->heap[index / 2])) {
        sift_up(timers, last, index);
    } else {
        sift_down(timers, last, index);
    }
}

tsms__call *tsms__timers_first(const tsms__timers *timers)
{
    return timers->count > 0 ? timers->heap[1] : NULL;
}
