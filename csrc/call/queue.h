/* Messages that wait for a rate limit: a FIFO per sender, the senders in a heap by the time at
 * which their next message may go.
 *
 * Nothing is reserved ahead: both levels are asked and committed when a message is dispatched, so
 * that removing a waiter needs no refund and no rate is wasted. Nodes are part of the caller's
 * calls; the queue allocates only its table of senders. */
#ifndef TSMS_CALL_QUEUE_H
#define TSMS_CALL_QUEUE_H

#include "../base/mem.h"
#include "../policy/limiter.h"

typedef struct tsms__sender tsms__sender;

/* One waiting message; lives inside its call. Clear it before first use. */
typedef struct tsms__waiter {
    struct tsms__waiter *prev, *next;
    tsms__sender *sender; /* NULL when it does not wait */
    uint64_t cost;
} tsms__waiter;

typedef struct tsms__queue tsms__queue;

/* account may have a NULL cell. NULL without memory. */
tsms__queue *tsms__queue_new(const tsms_mem *mem, tsms__level account);
/* Waiters must have been removed. */
void tsms__queue_free(tsms__queue *queue);
/* Adds a waiter behind (or, when it comes back from a lost race, in front of) the others of the
 * same sender. key identifies the sender, `number` is its level. False without memory. */
bool tsms__queue_add(tsms__queue *queue, tsms__waiter *waiter, uint64_t key, tsms__level number,
                     uint64_t cost, bool front, uint64_t now_ns);
/* Takes a waiter out, from any place; one that does not wait is ignored. */
void tsms__queue_remove(tsms__queue *queue, tsms__waiter *waiter);
/* The next message that both levels would admit now, taken out of the queue; NULL when there is
 * none. Senders are served in the order in which they became ready. Nothing is committed: the
 * caller does that with tsms__levels_admit when it really sends. */
tsms__waiter *tsms__queue_ready(tsms__queue *queue, uint64_t now_ns);
/* When tsms__queue_ready wants to be asked again: UINT64_MAX when nothing waits. */
uint64_t tsms__queue_due_ns(tsms__queue *queue, uint64_t now_ns);
/* An estimate of how long a message of this sender would wait if it were added now. */
uint64_t tsms__queue_estimate_ns(tsms__queue *queue, uint64_t key, tsms__level number,
                                 uint64_t cost, uint64_t now_ns);
size_t tsms__queue_count(const tsms__queue *queue);

#endif
