/* The rate queue: order, removal, memory, and what it says about time. test_queue_throughput.c
 * measures how much of the permitted rate it reaches. */
#include "call/queue.h"

#include "base/rand.h"
#include "support.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)

static const tsms__level no_level = {NULL, {0, 0}};

static tsms__queue *new_queue(tsms__level account)
{
    tsms__queue *queue = tsms__queue_new(&tsms__mem_libc, account);
    assert_non_null(queue);
    return queue;
}

static void add(tsms__queue *queue, tsms__waiter *waiter, uint64_t key, tsms__level number)
{
    assert_true(tsms__queue_add(queue, waiter, key, number, 1, false, 0));
}

/* Takes everything that is ready now and compares it with `want`, which ends in NULL. */
static void assert_ready(tsms__queue *queue, uint64_t now_ns, tsms__waiter *const *want)
{
    for (; *want != NULL; want++) {
        assert_ptr_equal(tsms__queue_ready(queue, now_ns), *want);
        assert_null((*want)->sender);
    }
    assert_null(tsms__queue_ready(queue, now_ns));
}

static void test_empty_queue(void **state)
{
    tsms__queue *queue = new_queue(no_level);
    tsms__waiter waiter = {.sender = NULL};
    assert_null(tsms__queue_ready(queue, SECOND));
    assert_int_equal(tsms__queue_due_ns(queue, SECOND), UINT64_MAX);
    assert_int_equal(tsms__queue_estimate_ns(queue, 1, no_level, 1, SECOND), 0);
    tsms__queue_remove(queue, &waiter);
    assert_int_equal(tsms__queue_count(queue), 0);
    tsms__queue_free(queue);
    tsms__queue_free(NULL);
}

static void test_one_sender_is_first_in_first_out(void **state)
{
    tsms__queue *queue = new_queue(no_level);
    tsms__waiter w[4] = {{.sender = NULL}};
    add(queue, &w[0], 7, no_level);
    add(queue, &w[1], 7, no_level);
    add(queue, &w[2], 7, no_level);
    assert_ptr_equal(tsms__queue_ready(queue, 0), &w[0]);
    assert_true(tsms__queue_add(queue, &w[0], 7, no_level, 1, true, 0));
    add(queue, &w[3], 7, no_level);
    assert_int_equal(tsms__queue_count(queue), 4);
    assert_ready(queue, 0, (tsms__waiter *[]){&w[0], &w[1], &w[2], &w[3], NULL});
    assert_int_equal(tsms__queue_count(queue), 0);
    tsms__queue_free(queue);
}

static void test_senders_take_turns(void **state)
{
    tsms__queue *queue = new_queue(no_level);
    tsms__waiter w[6] = {{.sender = NULL}};
    add(queue, &w[0], 7, no_level);
    add(queue, &w[1], 7, no_level);
    add(queue, &w[2], 7, no_level);
    add(queue, &w[3], 8, no_level);
    add(queue, &w[4], 9, no_level);
    add(queue, &w[5], 8, no_level);
    assert_ready(queue, 0, (tsms__waiter *[]){&w[0], &w[3], &w[4], &w[1], &w[5], &w[2], NULL});
    tsms__queue_free(queue);
}

static void test_senders_go_in_the_order_in_which_they_became_ready(void **state)
{
    tsms__cell slow = 9 * SECOND, quick = 4 * SECOND;
    tsms__queue *queue = new_queue(no_level);
    tsms__waiter w[3] = {{.sender = NULL}};
    add(queue, &w[0], 7, (tsms__level){&slow, {SECOND, 1}});
    add(queue, &w[1], 8, (tsms__level){&quick, {SECOND, 1}});
    assert_true(tsms__queue_add(queue, &w[2], 9, no_level, 1, false, 6 * SECOND));
    assert_int_equal(tsms__queue_due_ns(queue, 0), 4 * SECOND);
    assert_null(tsms__queue_ready(queue, 4 * SECOND - 1));
    assert_ready(queue, 20 * SECOND, (tsms__waiter *[]){&w[1], &w[2], &w[0], NULL});
    tsms__queue_free(queue);
}

static void test_account_holds_back_the_first_sender(void **state)
{
    tsms__cell account = 5 * SECOND;
    tsms__level level = {&account, {SECOND, 1}};
    tsms__queue *queue = new_queue(level);
    tsms__waiter w[2] = {{.sender = NULL}};
    add(queue, &w[0], 7, no_level);
    add(queue, &w[1], 8, no_level);
    assert_int_equal(tsms__queue_due_ns(queue, SECOND), 5 * SECOND);
    assert_int_equal(tsms__queue_due_ns(queue, 7 * SECOND), 7 * SECOND);
    assert_null(tsms__queue_ready(queue, 5 * SECOND - 1));
    assert_ptr_equal(tsms__queue_ready(queue, 5 * SECOND), &w[0]);
    assert_true(tsms__levels_admit(&level, 1, 1, 5 * SECOND));
    assert_null(tsms__queue_ready(queue, 5 * SECOND));
    assert_int_equal(tsms__queue_due_ns(queue, 5 * SECOND), 6 * SECOND);
    tsms__level_pause(&level, 60 * SECOND);
    assert_int_equal(tsms__queue_due_ns(queue, 5 * SECOND), 60 * SECOND);
    assert_ready(queue, 60 * SECOND, (tsms__waiter *[]){&w[1], NULL});
    tsms__queue_free(queue);
}

/* What costs more than the first may not pass it, or an expensive message would never go. */
static void test_cheap_messages_do_not_overtake_an_expensive_one(void **state)
{
    tsms__cell account = 5 * SECOND;
    tsms__queue *queue = new_queue((tsms__level){&account, {SECOND, 4}});
    tsms__waiter w[2] = {{.sender = NULL}};
    assert_true(tsms__queue_add(queue, &w[0], 7, no_level, 4, false, 0));
    add(queue, &w[1], 8, no_level);
    assert_int_equal(tsms__queue_due_ns(queue, 0), 5 * SECOND);
    assert_null(tsms__queue_ready(queue, 4 * SECOND));
    assert_ready(queue, 5 * SECOND, (tsms__waiter *[]){&w[0], &w[1], NULL});
    tsms__queue_free(queue);
}

static void test_cell_moved_by_another_process_is_looked_at_again(void **state)
{
    tsms__cell a = 0, b = 0;
    tsms__queue *queue = new_queue(no_level);
    tsms__waiter w[2] = {{.sender = NULL}};
    add(queue, &w[0], 7, (tsms__level){&a, {SECOND, 1}});
    add(queue, &w[1], 8, (tsms__level){&b, {SECOND, 1}});
    a = 9 * SECOND;
    b = 3 * SECOND;
    assert_null(tsms__queue_ready(queue, SECOND));
    assert_int_equal(tsms__queue_due_ns(queue, SECOND), 3 * SECOND);
    b = 8 * SECOND;
    assert_int_equal(tsms__queue_due_ns(queue, SECOND), 8 * SECOND);
    assert_ready(queue, 8 * SECOND, (tsms__waiter *[]){&w[1], NULL});
    assert_ready(queue, 9 * SECOND, (tsms__waiter *[]){&w[0], NULL});
    tsms__queue_free(queue);
}

static void test_sender_has_the_level_that_was_given_last(void **state)
{
    tsms__cell old_cell = 9 * SECOND, new_cell = 2 * SECOND;
    tsms__queue *queue = new_queue(no_level);
    tsms__waiter w[2] = {{.sender = NULL}};
    add(queue, &w[0], 7, (tsms__level){&old_cell, {SECOND, 1}});
    add(queue, &w[1], 7, (tsms__level){&new_cell, {SECOND, 1}});
    assert_int_equal(tsms__queue_due_ns(queue, 0), 2 * SECOND);
    assert_ready(queue, 2 * SECOND, (tsms__waiter *[]){&w[0], &w[1], NULL});
    tsms__queue_free(queue);
}

static void test_removal_is_exact(void **state)
{
    tsms__queue *queue = new_queue(no_level);
    for (size_t gone = 0; gone < 5; gone++) {
        tsms__waiter w[5] = {{.sender = NULL}};
        tsms__waiter *want[5] = {NULL};
        for (size_t i = 0, kept = 0; i < 5; i++) {
            add(queue, &w[i], 7, no_level);
            if (i != gone) {
                want[kept++] = &w[i];
            }
        }
        tsms__queue_remove(queue, &w[gone]);
        assert_null(w[gone].sender);
        tsms__queue_remove(queue, &w[gone]);
        assert_int_equal(tsms__queue_count(queue), 4);
        assert_ready(queue, 0, want);
    }
    tsms__queue_free(queue);
}

static void test_removing_the_first_lets_a_cheaper_one_go_sooner(void **state)
{
    tsms__cell a = 10 * SECOND, b = 9 * SECOND;
    tsms__queue *queue = new_queue(no_level);
    tsms__waiter w[3] = {{.sender = NULL}};
    tsms__level five = {&a, {SECOND, 5}};
    assert_true(tsms__queue_add(queue, &w[0], 7, five, 5, false, 0));
    assert_true(tsms__queue_add(queue, &w[1], 7, five, 1, false, 0));
    assert_true(tsms__queue_add(queue, &w[2], 8, (tsms__level){&b, {SECOND, 1}}, 1, false, 0));
    assert_int_equal(tsms__queue_due_ns(queue, 0), 9 * SECOND);
    tsms__queue_remove(queue, &w[0]);
    assert_int_equal(tsms__queue_due_ns(queue, 0), 6 * SECOND);
    assert_ready(queue, 9 * SECOND, (tsms__waiter *[]){&w[1], &w[2], NULL});
    tsms__queue_free(queue);
}

static void test_estimate_of_one_sender_is_exact(void **state)
{
    enum { COUNT = 200 };
    tsms__rand rand;
    tsms__rand_init(&rand, 1);
    tsms__cell account = 0, number = 0;
    tsms__level levels[] = {{&account, {90 * MS, 12}}, {&number, {100 * MS, 3}}};
    tsms__queue *queue = new_queue(levels[0]);
    tsms__waiter w[COUNT] = {{.sender = NULL}};
    uint64_t estimates[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        uint64_t cost = (uint64_t)tsms__rand_between(&rand, 1, 4);
        estimates[i] = tsms__queue_estimate_ns(queue, 7, levels[1], cost, SECOND);
        assert_true(tsms__queue_add(queue, &w[i], 7, levels[1], cost, false, SECOND));
    }
    uint64_t now = SECOND;
    for (size_t i = 0; i < COUNT; i++) {
        uint64_t cost = w[i].cost;
        now = tsms__queue_due_ns(queue, now);
        assert_ptr_equal(tsms__queue_ready(queue, now), &w[i]);
        assert_true(tsms__levels_admit(levels, 2, cost, now));
        assert_int_equal(now - SECOND, estimates[i]);
    }
    tsms__queue_free(queue);
}

static void test_estimate_counts_turns_not_messages(void **state)
{
    tsms__cell account = 0;
    tsms__level level = {&account, {SECOND, 1}};
    tsms__queue *queue = new_queue(level);
    tsms__waiter w[102] = {{.sender = NULL}};
    for (size_t i = 0; i < 100; i++) {
        add(queue, &w[i], 7, no_level);
    }
    assert_int_equal(tsms__queue_estimate_ns(queue, 7, no_level, 1, 0), 100 * SECOND);
    assert_int_equal(tsms__queue_estimate_ns(queue, 8, no_level, 1, 0), SECOND);
    add(queue, &w[100], 8, no_level);
    assert_int_equal(tsms__queue_estimate_ns(queue, 8, no_level, 1, 0), 3 * SECOND);
    add(queue, &w[101], 8, no_level);
    tsms__waiter *const want[] = {&w[0], &w[100], &w[1], &w[101], &w[2]};
    for (uint64_t i = 0; i < sizeof want / sizeof *want; i++) {
        assert_int_equal(tsms__queue_due_ns(queue, i * SECOND), i * SECOND);
        assert_ptr_equal(tsms__queue_ready(queue, i * SECOND), want[i]);
        assert_true(tsms__levels_admit(&level, 1, 1, i * SECOND));
    }
    for (size_t i = 0; i < 102; i++) {
        tsms__queue_remove(queue, &w[i]);
    }
    tsms__queue_free(queue);
}

static void test_without_memory_nothing_changes(void **state)
{
    enum { COUNT = 200 };
    for (size_t n = 1;; n++) {
        test_mem tm;
        test_mem_init(&tm, n);
        tsms__queue *queue = tsms__queue_new(&tm.mem, no_level);
        if (queue == NULL) {
            assert_true(tm.failed);
            assert_int_equal(tm.live, 0);
            continue;
        }
        tsms__waiter w[COUNT] = {{.sender = NULL}};
        size_t refused = 0;
        for (size_t i = 0; i < COUNT; i++) {
            size_t count = tsms__queue_count(queue);
            bool added = tsms__queue_add(queue, &w[i], i % 70, no_level, 1, false, 0);
            assert_int_equal(w[i].sender != NULL, added);
            assert_int_equal(tsms__queue_count(queue), count + added);
            refused += !added;
        }
        assert_int_equal(refused, tm.failed);
        for (size_t i = 0; i < COUNT - refused; i++) {
            assert_non_null(tsms__queue_ready(queue, 0));
        }
        assert_null(tsms__queue_ready(queue, 0));
        tsms__queue_free(queue);
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            assert_true(n > 70);
            break;
        }
    }
}

static void test_senders_are_recycled(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 0);
    tsms__queue *queue = tsms__queue_new(&tm.mem, no_level);
    assert_non_null(queue);
    tsms__waiter w[10] = {{.sender = NULL}};
    size_t calls = 0;
    for (uint64_t round = 0; round < 1000; round++) {
        for (size_t i = 0; i < 10; i++) {
            add(queue, &w[i], round * 10 + i, no_level);
        }
        for (size_t i = 0; i < 5; i++) {
            tsms__queue_remove(queue, &w[9 - i]);
            assert_ptr_equal(tsms__queue_ready(queue, 0), &w[i]);
        }
        assert_true(calls == 0 || tm.calls == calls);
        calls = tm.calls;
    }
    tsms__queue_free(queue);
    assert_int_equal(tm.live, 0);
}

/* The model: the same rules by looking at every sender each time. */
enum { SENDERS = 60, MESSAGES = 400 };

typedef struct model_sender {
    tsms__cell cell;
    tsms__rate rate;
    tsms__waiter *fifo[MESSAGES];
    size_t count;
    uint64_t since_ns, turn;
} model_sender;

typedef struct model {
    model_sender senders[SENDERS];
    uint64_t turns;
    size_t count;
} model;

static tsms__level model_level(model_sender *sender)
{
    return (tsms__level){&sender->cell, sender->rate};
}

static uint64_t model_ready_ns(model_sender *sender)
{
    tsms__level level = model_level(sender);
    uint64_t open_ns = tsms__level_open_ns(&level, sender->fifo[0]->cost);
    return open_ns > sender->since_ns ? open_ns : sender->since_ns;
}

static model_sender *model_first(model *m)
{
    model_sender *first = NULL;
    for (size_t i = 0; i < SENDERS; i++) {
        model_sender *s = &m->senders[i];
        if (s->count > 0 &&
            (first == NULL || model_ready_ns(s) < model_ready_ns(first) ||
             (model_ready_ns(s) == model_ready_ns(first) && s->turn < first->turn))) {
            first = s;
        }
    }
    return first;
}

static void model_insert(model *m, model_sender *s, tsms__waiter *waiter, bool front,
                         uint64_t now_ns)
{
    if (s->count == 0) {
        s->since_ns = now_ns;
        s->turn = ++m->turns;
    }
    size_t place = front ? 0 : s->count;
    memmove(&s->fifo[place + 1], &s->fifo[place], (s->count - place) * sizeof s->fifo[0]);
    s->fifo[place] = waiter;
    s->count++;
    m->count++;
}

static void model_take(model *m, model_sender *s, size_t place)
{
    s->count--;
    m->count--;
    memmove(&s->fifo[place], &s->fifo[place + 1], (s->count - place) * sizeof s->fifo[0]);
}

static void test_random_traffic_agrees_with_a_model(void **state)
{
    enum { RUNS = 20, STEPS = 5000 };
    static model m;
    static tsms__waiter waiters[MESSAGES];
    static size_t sender_of[MESSAGES];
    tsms__rand rand;
    tsms__rand_init(&rand, 2);
    size_t taken = 0, removed = 0;
    for (int run = 0; run < RUNS; run++) {
        memset(&m, 0, sizeof m);
        memset(waiters, 0, sizeof waiters);
        tsms__cell account_cell = 0;
        tsms__level account = {&account_cell, {(uint64_t)tsms__rand_between(&rand, 0, 20), 5}};
        tsms__queue *queue = new_queue(account);
        for (size_t i = 0; i < SENDERS; i++) {
            m.senders[i].rate = (tsms__rate){(uint64_t)tsms__rand_between(&rand, 0, 900),
                                             (uint64_t)tsms__rand_between(&rand, 0, 4)};
        }
        uint64_t now = 0;
        for (int step = 0; step < STEPS; step++) {
            now += (uint64_t)tsms__rand_between(&rand, 0, 20);
            size_t i = (size_t)tsms__rand_between(&rand, 0, MESSAGES - 1);
            model_sender *s = &m.senders[tsms__rand_between(&rand, 0, SENDERS - 1)];
            switch (tsms__rand_between(&rand, 0, 5)) {
            case 0:
            case 1:
            case 2:
                if (waiters[i].sender == NULL) {
                    bool front = tsms__rand_between(&rand, 0, 4) == 0;
                    uint64_t cost = (uint64_t)tsms__rand_between(&rand, 1, 6);
                    sender_of[i] = (size_t)(s - m.senders);
                    assert_true(tsms__queue_add(queue, &waiters[i], sender_of[i] * 4096,
                                                model_level(s), cost, front, now));
                    model_insert(&m, s, &waiters[i], front, now);
                }
                break;
            case 3:
                if (waiters[i].sender != NULL) {
                    s = &m.senders[sender_of[i]];
                    size_t place = 0;
                    while (s->fifo[place] != &waiters[i]) {
                        place++;
                    }
                    model_take(&m, s, place);
                    tsms__queue_remove(queue, &waiters[i]);
                    removed++;
                }
                break;
            case 4: /* another process sends */
                (void)tsms__levels_admit((tsms__level[]){account, model_level(s)}, 2, 1, now);
                break;
            default:;
                model_sender *first = model_first(&m);
                tsms__waiter *want = NULL;
                if (first != NULL && model_ready_ns(first) <= now &&
                    tsms__level_open_ns(&account, first->fifo[0]->cost) <= now) {
                    want = first->fifo[0];
                }
                uint64_t cost = want != NULL ? want->cost : 0;
                assert_ptr_equal(tsms__queue_ready(queue, now), want);
                if (want != NULL) {
                    taken++;
                    model_take(&m, first, 0);
                    first->since_ns = now;
                    first->turn = first->count > 0 ? ++m.turns : 0;
                    if (tsms__rand_between(&rand, 0, 3) > 0) {
                        assert_true(tsms__levels_admit((tsms__level[]){account, model_level(first)},
                                                       2, cost, now));
                    }
                }
            }
            assert_int_equal(tsms__queue_count(queue), m.count);
            model_sender *first = model_first(&m);
            uint64_t due = UINT64_MAX;
            if (first != NULL) {
                due = tsms__level_open_ns(&account, first->fifo[0]->cost);
                due = due > model_ready_ns(first) ? due : model_ready_ns(first);
                due = due > now ? due : now;
            }
            assert_int_equal(tsms__queue_due_ns(queue, now), due);
        }
        for (size_t i = 0; i < MESSAGES; i++) {
            tsms__queue_remove(queue, &waiters[i]);
        }
        tsms__queue_free(queue);
    }
    print_message("           %d steps, %zu messages taken, %zu removed\n", RUNS * STEPS, taken,
                  removed);
    assert_true(taken > 5000 && removed > 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_queue),
        cmocka_unit_test(test_one_sender_is_first_in_first_out),
        cmocka_unit_test(test_senders_take_turns),
        cmocka_unit_test(test_senders_go_in_the_order_in_which_they_became_ready),
        cmocka_unit_test(test_account_holds_back_the_first_sender),
        cmocka_unit_test(test_cheap_messages_do_not_overtake_an_expensive_one),
        cmocka_unit_test(test_cell_moved_by_another_process_is_looked_at_again),
        cmocka_unit_test(test_sender_has_the_level_that_was_given_last),
        cmocka_unit_test(test_removal_is_exact),
        cmocka_unit_test(test_removing_the_first_lets_a_cheaper_one_go_sooner),
        cmocka_unit_test(test_estimate_of_one_sender_is_exact),
        cmocka_unit_test(test_estimate_counts_turns_not_messages),
        cmocka_unit_test(test_without_memory_nothing_changes),
        cmocka_unit_test(test_senders_are_recycled),
        cmocka_unit_test(test_random_traffic_agrees_with_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
