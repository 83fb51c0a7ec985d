/* How much of the permitted rate the rate queue reaches, on virtual time.
 *
 * Sixty seconds; the account may send 20 messages a second, each of 30 numbers one a second, all
 * without a burst, so that no figure is flattered by one. One number has 400 messages waiting, the
 * others 40 each: the account's share for each is exactly 40. */
#include "call/queue.h"

#include "base/rand.h"
#include "support.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)

enum { NUMBERS = 30, EACH = 40, FIRST = 400, MESSAGES = FIRST + (NUMBERS - 1) * EACH };

static const tsms__rate account_rate = {50 * MS, 1};
static const tsms__rate number_rate = {SECOND, 1};
static const uint64_t start_ns = SECOND;
static const uint64_t end_ns = 61 * SECOND;

typedef struct message {
    tsms__waiter waiter; /* first, so that the one is the other */
    size_t number;
    size_t process;
    uint64_t estimate_ns;
    bool sent;
} message;

typedef struct world {
    tsms__cell account, numbers[NUMBERS];
    message messages[MESSAGES];
    size_t sent, sent_by[NUMBERS], wake_ups;
    uint64_t account_last_ns, number_last_ns[NUMBERS];
    uint64_t worst_estimate_ns;
} world;

static tsms__level account_of(world *w)
{
    return (tsms__level){&w->account, account_rate};
}

static tsms__level number_of(world *w, size_t number)
{
    return (tsms__level){&w->numbers[number], number_rate};
}

/* Without a burst, every window holds when two messages are never closer than the interval. */
static void note_sent(world *w, message *m, uint64_t now_ns)
{
    size_t number = m->number;
    if (w->sent > 0) {
        assert_true(now_ns - w->account_last_ns >= account_rate.interval_ns);
    }
    if (w->sent_by[number] > 0) {
        assert_true(now_ns - w->number_last_ns[number] >= number_rate.interval_ns);
    }
    w->account_last_ns = now_ns;
    w->number_last_ns[number] = now_ns;
    w->sent++;
    w->sent_by[number]++;
    m->sent = true;
}

static size_t fewest(const world *w)
{
    size_t count = w->sent_by[0];
    for (size_t i = 1; i < NUMBERS; i++) {
        count = w->sent_by[i] < count ? w->sent_by[i] : count;
    }
    return count;
}

static size_t most(const world *w)
{
    size_t count = w->sent_by[0];
    for (size_t i = 1; i < NUMBERS; i++) {
        count = w->sent_by[i] > count ? w->sent_by[i] : count;
    }
    return count;
}

static double rate_of(const world *w)
{
    return (double)w->sent / ((double)(end_ns - start_ns) / (double)SECOND);
}

static void print_world(const world *w, const char *name)
{
    print_message("           %s: %.2f messages a second, %zu wake-ups, %zu to %zu for each "
                  "number\n",
                  name, rate_of(w), w->wake_ups, fewest(w), most(w));
}

static world *new_world(void)
{
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    for (size_t i = 0; i < MESSAGES; i++) {
        w->messages[i].number = i < FIRST ? 0 : 1 + (i - FIRST) % (NUMBERS - 1);
    }
    return w;
}

static void enqueue(world *w, tsms__queue *queue, message *m)
{
    m->estimate_ns =
        tsms__queue_estimate_ns(queue, m->number, number_of(w, m->number), 1, start_ns);
    assert_true(
        tsms__queue_add(queue, &m->waiter, m->number, number_of(w, m->number), 1, false, start_ns));
}

/* One wake-up of a process: it sends what may go now. */
static void wake(world *w, tsms__queue *queue, uint64_t now_ns)
{
    w->wake_ups++;
    tsms__waiter *waiter;
    while ((waiter = tsms__queue_ready(queue, now_ns)) != NULL) {
        message *m = (message *)waiter;
        tsms__level levels[] = {account_of(w), number_of(w, m->number)};
        assert_true(tsms__levels_admit(levels, 2, 1, now_ns));
        note_sent(w, m, now_ns);
        uint64_t waited_ns = now_ns - start_ns;
        uint64_t off_ns =
            waited_ns > m->estimate_ns ? waited_ns - m->estimate_ns : m->estimate_ns - waited_ns;
        w->worst_estimate_ns = off_ns > w->worst_estimate_ns ? off_ns : w->worst_estimate_ns;
    }
}

/* Takes out what still waits in the queue of one process. */
static void drain(world *w, tsms__queue *queue, size_t process)
{
    for (size_t i = 0; i < MESSAGES; i++) {
        if (w->messages[i].process == process) {
            tsms__queue_remove(queue, &w->messages[i].waiter);
        }
    }
    assert_int_equal(tsms__queue_count(queue), 0);
    tsms__queue_free(queue);
}

static void test_one_queue_reaches_the_whole_rate(void **state)
{
    world *w = new_world();
    tsms__queue *queue = tsms__queue_new(&tsms__mem_libc, account_of(w));
    assert_non_null(queue);
    for (size_t i = 0; i < MESSAGES; i++) {
        enqueue(w, queue, &w->messages[i]);
    }
    for (uint64_t now = start_ns; now < end_ns;) {
        wake(w, queue, now);
        assert_true(most(w) - fewest(w) <= 1);
        uint64_t due = tsms__queue_due_ns(queue, now);
        assert_true(due > now);
        now = due;
    }
    print_world(w, "one queue");
    assert_true(rate_of(w) >= 19.5);
    assert_true(w->wake_ups <= w->sent + NUMBERS);
    assert_int_equal(fewest(w), EACH);
    drain(w, queue, 0);
    free(w);
}

static void test_estimate_is_close_when_all_numbers_are_busy(void **state)
{
    world *w = new_world();
    tsms__queue *queue = tsms__queue_new(&tsms__mem_libc, account_of(w));
    assert_non_null(queue);
    /* In turn, as they come from many users, instead of one number after the other. */
    for (size_t round = 0; round < EACH; round++) {
        enqueue(w, queue, &w->messages[round]);
        for (size_t i = 0; i < NUMBERS - 1; i++) {
            enqueue(w, queue, &w->messages[FIRST + round * (NUMBERS - 1) + i]);
        }
    }
    for (uint64_t now = start_ns; now != UINT64_MAX; now = tsms__queue_due_ns(queue, now)) {
        wake(w, queue, now);
    }
    assert_int_equal(w->sent, NUMBERS * EACH);
    print_message("           estimates up to a minute are at most %llu ms off\n",
                  (unsigned long long)(w->worst_estimate_ns / MS));
    assert_true(w->worst_estimate_ns <= 50 * MS);
    drain(w, queue, 0);
    free(w);
}

/* Two processes with half of the messages each, on the same cells. Whichever wakes first takes what
 * there is, the other one finds the cells moved. */
static void test_two_processes_share_the_rate(void **state)
{
    world *w = new_world();
    tsms__rand rand;
    tsms__rand_init(&rand, 1);
    tsms__queue *queues[2];
    for (size_t p = 0; p < 2; p++) {
        queues[p] = tsms__queue_new(&tsms__mem_libc, account_of(w));
        assert_non_null(queues[p]);
    }
    for (size_t i = 0; i < MESSAGES; i++) {
        w->messages[i].process = (size_t)tsms__rand_between(&rand, 0, 1);
        enqueue(w, queues[w->messages[i].process], &w->messages[i]);
    }
    uint64_t due[2] = {start_ns, start_ns};
    for (;;) {
        uint64_t now = due[0] < due[1] ? due[0] : due[1];
        if (now >= end_ns) {
            break;
        }
        size_t first = (size_t)tsms__rand_between(&rand, 0, 1);
        for (size_t i = 0; i < 2; i++) {
            size_t p = (first + i) % 2;
            if (due[p] == now) {
                wake(w, queues[p], now);
                due[p] = tsms__queue_due_ns(queues[p], now);
                assert_true(due[p] > now);
            }
        }
    }
    print_world(w, "two processes");
    assert_true(rate_of(w) >= 19.5);
    assert_true(w->wake_ups <= 2 * w->sent + 2 * NUMBERS);
    drain(w, queues[0], 0);
    drain(w, queues[1], 1);
    free(w);
}

static void shuffle(message *messages[MESSAGES], tsms__rand *rand)
{
    for (size_t i = MESSAGES - 1; i > 0; i--) {
        size_t j = (size_t)tsms__rand_between(rand, 0, (int64_t)i);
        message *other = messages[i];
        messages[i] = messages[j];
        messages[j] = other;
    }
}

/* For comparison, what is usually built: each message polls every 50 ms, takes a token of the
 * account first and asks the number's limiter then. A refusal by the number wastes the token. */
static void test_nested_limiters_waste_half_of_it(void **state)
{
    world *w = new_world();
    tsms__rand rand;
    tsms__rand_init(&rand, 1);
    message *messages[MESSAGES];
    for (size_t i = 0; i < MESSAGES; i++) {
        messages[i] = &w->messages[i];
    }
    for (uint64_t now = start_ns; now < end_ns; now += 50 * MS) {
        shuffle(messages, &rand); /* as the timers of many tasks fire */
        for (size_t i = 0; i < MESSAGES; i++) {
            message *m = messages[i];
            if (m->sent) {
                continue;
            }
            w->wake_ups++;
            tsms__level account = account_of(w);
            tsms__level number = number_of(w, m->number);
            if (tsms__levels_admit(&account, 1, 1, now) && tsms__levels_admit(&number, 1, 1, now)) {
                note_sent(w, m, now);
            }
        }
    }
    print_world(w, "nested limiters, polling");
    assert_true(rate_of(w) < 15);
    assert_true(w->wake_ups > 1000000);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_queue_reaches_the_whole_rate),
        cmocka_unit_test(test_estimate_is_close_when_all_numbers_are_busy),
        cmocka_unit_test(test_two_processes_share_the_rate),
        cmocka_unit_test(test_nested_limiters_waste_half_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
