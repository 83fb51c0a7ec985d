/* The messages that wait for a rate limit, in the order in which they may go. */
#include "queue.h"

#include <assert.h>

enum { FIRST_CAPACITY = 16 };

/* A sender exists while it has waiters; with none it is like one never seen. */
struct tsms__sender {
    uint64_t key;
    tsms__level number;
    tsms__waiter *first, *last;
    size_t count;
    uint64_t cost; /* of all its waiters */

    /* Its turn begins when it comes, and again when a message of it was taken. Among senders that
     * are ready at the same moment, the older turn goes first. */
    uint64_t since_ns;
    uint64_t turn;
    uint64_t ready_ns;  /* when its first message may go, by the number's level when last looked */
    size_t place;       /* in the heap */
    tsms__sender *next; /* in its chain, or among the spare ones */
};

struct tsms__queue {
    tsms_mem mem;
    tsms__level account;
    tsms__sender **heap;   /* by ready_ns and turn, the first to go at 0 */
    tsms__sender **chains; /* by key */
    size_t capacity;       /* of both; a power of two */
    size_t senders;
    tsms__sender *spare;
    size_t count;
    uint64_t cost; /* of all waiters */
    uint64_t turns;
};

tsms__queue *tsms__queue_new(const tsms_mem *mem, tsms__level account)
{
    tsms__queue *queue = tsms__calloc(mem, 1, sizeof *queue);
    if (queue != NULL) {
        queue->mem = *mem;
        queue->account = account;
    }
    return queue;
}

void tsms__queue_free(tsms__queue *queue)
{
    if (queue == NULL) {
        return;
    }
    assert(queue->count == 0);
    while (queue->spare != NULL) {
        tsms__sender *sender = queue->spare;
        queue->spare = sender->next;
        tsms__free(&queue->mem, sender);
    }
    tsms__free(&queue->mem, queue->heap);
    tsms__free(&queue->mem, queue->chains);
    tsms_mem mem = queue->mem;
    tsms__free(&mem, queue);
}

static bool goes_before(const tsms__sender *a, const tsms__sender *b)
{
    return a->ready_ns != b->ready_ns ? a->ready_ns < b->ready_ns : a->turn < b->turn;
}

static void put(tsms__queue *queue, tsms__sender *sender, size_t place)
{
    queue->heap[place] = sender;
    sender->place = place;
}

/* Restores the heap around a sender whose order has changed. */
static void sift(tsms__queue *queue, tsms__sender *sender)
{
    size_t place = sender->place;
    while (place > 0 && goes_before(sender, queue->heap[(place - 1) / 2])) {
        put(queue, queue->heap[(place - 1) / 2], place);
        place = (place - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * place + 1;
        if (child + 1 < queue->senders && goes_before(queue->heap[child + 1], queue->heap[child])) {
            child++;
        }
        if (child >= queue->senders || !goes_before(queue->heap[child], sender)) {
            break;
        }
        put(queue, queue->heap[child], place);
        place = child;
    }
    put(queue, sender, place);
}

/* Looks at the level again. False when the sender stays where it is. */
static bool refresh(tsms__queue *queue, tsms__sender *sender)
{
    uint64_t open_ns = tsms__level_open_ns(&sender->number, sender->first->cost);
    uint64_t ready_ns = open_ns > sender->since_ns ? open_ns : sender->since_ns;
    if (ready_ns == sender->ready_ns) {
        return false;
    }
    sender->ready_ns = ready_ns;
    sift(queue, sender);
    return true;
}

static void begin_turn(tsms__queue *queue, tsms__sender *sender, uint64_t now_ns)
{
    sender->since_ns = now_ns;
    sender->turn = ++queue->turns;
    sender->ready_ns = now_ns;
    sift(queue, sender);
    (void)refresh(queue, sender);
}

/* The sender to go first. Its level may have been moved since it was looked at, by its own last
 * message or by another process: then it finds its new place, and the next one is looked at. */
static tsms__sender *first_sender(tsms__queue *queue)
{
    while (queue->senders > 0 && refresh(queue, queue->heap[0])) {
    }
    return queue->senders > 0 ? queue->heap[0] : NULL;
}

static tsms__sender **chain_of(const tsms__queue *queue, uint64_t key)
{
    return &queue->chains[key & (queue->capacity - 1)];
}

static tsms__sender *find(const tsms__queue *queue, uint64_t key)
{
    tsms__sender *sender = queue->capacity > 0 ? *chain_of(queue, key) : NULL;
    while (sender != NULL && sender->key != key) {
        sender = sender->next;
    }
    return sender;
}

static void chain(tsms__queue *queue, tsms__sender *sender)
{
    tsms__sender **head = chain_of(queue, sender->key);
    sender->next = *head;
    *head = sender;
}

static void unchain(tsms__queue *queue, const tsms__sender *sender)
{
    tsms__sender **link = chain_of(queue, sender->key);
    while (*link != sender) {
        link = &(*link)->next;
    }
    *link = sender->next;
}

static bool grow(tsms__queue *queue)
{
    size_t capacity = queue->capacity > 0 ? 2 * queue->capacity : FIRST_CAPACITY;
    tsms__sender **chains = tsms__calloc(&queue->mem, capacity, sizeof(tsms__sender *));
    tsms__sender **heap = NULL;
    if (chains != NULL) {
        heap = tsms__resize(&queue->mem, queue->heap, capacity, sizeof(tsms__sender *));
    }
    if (heap == NULL) {
        tsms__free(&queue->mem, chains);
        return false;
    }
    tsms__free(&queue->mem, queue->chains);
    queue->heap = heap;
    queue->chains = chains;
    queue->capacity = capacity;
    for (size_t i = 0; i < queue->senders; i++) {
        chain(queue, heap[i]);
    }
    return true;
}

/* NULL without memory; nothing has changed then. */
static tsms__sender *open_sender(tsms__queue *queue, uint64_t key)
{
    if (queue->senders == queue->capacity && !grow(queue)) {
        return NULL;
    }
    tsms__sender *sender = queue->spare;
    if (sender != NULL) {
        queue->spare = sender->next;
    } else {
        sender = tsms__alloc(&queue->mem, sizeof *sender);
    }
    if (sender != NULL) {
        *sender = (tsms__sender){.key = key};
        chain(queue, sender);
        put(queue, sender, queue->senders++);
    }
    return sender;
}

static void close_sender(tsms__queue *queue, tsms__sender *sender)
{
    tsms__sender *last = queue->heap[--queue->senders];
    if (last != sender) {
        put(queue, last, sender->place);
        sift(queue, last);
    }
    unchain(queue, sender);
    sender->next = queue->spare;
    queue->spare = sender;
}

static void link_waiter(tsms__sender *sender, tsms__waiter *waiter, bool front)
{
    waiter->sender = sender;
    waiter->prev = front ? NULL : sender->last;
    waiter->next = front ? sender->first : NULL;
    *(waiter->prev != NULL ? &waiter->prev->next : &sender->first) = waiter;
    *(waiter->next != NULL ? &waiter->next->prev : &sender->last) = waiter;
}

static void unlink_waiter(tsms__sender *sender, tsms__waiter *waiter)
{
    *(waiter->prev != NULL ? &waiter->prev->next : &sender->first) = waiter->next;
    *(waiter->next != NULL ? &waiter->next->prev : &sender->last) = waiter->prev;
    *waiter = (tsms__waiter){0};
}

bool tsms__queue_add(tsms__queue *queue, tsms__waiter *waiter, uint64_t key, tsms__level number,
                     uint64_t cost, bool front, uint64_t now_ns)
{
    assert(waiter->sender == NULL);
    tsms__sender *sender = find(queue, key);
    bool fresh = sender == NULL;
    if (fresh && (sender = open_sender(queue, key)) == NULL) {
        return false;
    }
    link_waiter(sender, waiter, front);
    waiter->cost = cost;
    sender->number = number;
    sender->count++;
    sender->cost += cost;
    queue->count++;
    queue->cost += cost;
    if (fresh) {
        begin_turn(queue, sender, now_ns);
    } else {
        (void)refresh(queue, sender);
    }
    return true;
}

/* False when it was the sender's last, and the sender is gone. */
static bool take_out(tsms__queue *queue, tsms__sender *sender, tsms__waiter *waiter)
{
    sender->count--;
    sender->cost -= waiter->cost;
    queue->count--;
    queue->cost -= waiter->cost;
    unlink_waiter(sender, waiter);
    if (sender->count == 0) {
        close_sender(queue, sender);
        return false;
    }
    return true;
}

void tsms__queue_remove(tsms__queue *queue, tsms__waiter *waiter)
{
    tsms__sender *sender = waiter->sender;
    if (sender != NULL && take_out(queue, sender, waiter)) {
        (void)refresh(queue, sender);
    }
}

tsms__waiter *tsms__queue_ready(tsms__queue *queue, uint64_t now_ns)
{
    tsms__sender *sender = first_sender(queue);
    if (sender == NULL || sender->ready_ns > now_ns ||
        tsms__level_open_ns(&queue->account, sender->first->cost) > now_ns) {
        return NULL;
    }
    tsms__waiter *waiter = sender->first;
    if (take_out(queue, sender, waiter)) {
        begin_turn(queue, sender, now_ns);
    }
    return waiter;
}

uint64_t tsms__queue_due_ns(tsms__queue *queue, uint64_t now_ns)
{
    const tsms__sender *sender = first_sender(queue);
    if (sender == NULL) {
        return UINT64_MAX;
    }
    uint64_t open_ns = tsms__level_open_ns(&queue->account, sender->first->cost);
    uint64_t due_ns = open_ns > sender->ready_ns ? open_ns : sender->ready_ns;
    return due_ns > now_ns ? due_ns : now_ns;
}

uint64_t tsms__queue_estimate_ns(tsms__queue *queue, uint64_t key, tsms__level number,
                                 uint64_t cost, uint64_t now_ns)
{
    const tsms__sender *sender = find(queue, key);
    size_t own = sender != NULL ? sender->count : 0;
    uint64_t own_cost = sender != NULL ? sender->cost : 0;
    uint64_t number_ns = tsms__level_wait_behind_ns(&number, own_cost, cost, now_ns);

    /* By the time it goes, every other sender has had as many turns, as far as it has messages. */
    size_t others = queue->count - own;
    size_t other_turns = (own + 1) * (queue->senders - (sender != NULL));
    uint64_t ahead = own_cost;
    if (others > 0) {
        size_t before = other_turns < others ? other_turns : others;
        ahead += (queue->cost - own_cost) / others * before +
                 (queue->cost - own_cost) % others * before / others;
    }
    uint64_t account_ns = tsms__level_wait_behind_ns(&queue->account, ahead, cost, now_ns);
    return number_ns > account_ns ? number_ns : account_ns;
}

size_t tsms__queue_count(const tsms__queue *queue)
{
    return queue->count;
}
