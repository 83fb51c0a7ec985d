#include "call/timers.h"

#include "base/rand.h"
#include "support.h"

enum { CALLS = 300 };

static tsms__call calls[CALLS];

static void open_timers(tsms__timers *timers, test_mem *tm, size_t count)
{
    test_mem_init(tm, 0);
    memset(calls, 0, sizeof calls);
    tsms__timers_init(timers, &tm->mem);
    assert_true(tsms__timers_reserve(timers, count));
}

static void close_timers(tsms__timers *timers, const test_mem *tm)
{
    tsms__timers_free(timers);
    assert_int_equal(tm->live, 0);
}

static void test_the_earliest_is_first(void **state)
{
    (void)state;
    test_mem tm;
    tsms__timers timers;
    open_timers(&timers, &tm, 4);
    assert_null(tsms__timers_first(&timers));
    tsms__timers_set(&timers, &calls[0], 30);
    tsms__timers_set(&timers, &calls[1], 10);
    tsms__timers_set(&timers, &calls[2], 20);
    assert_ptr_equal(tsms__timers_first(&timers), &calls[1]);
    tsms__timers_set(&timers, &calls[1], 40); /* moved, not doubled */
    assert_int_equal(timers.count, 3);
    assert_ptr_equal(tsms__timers_first(&timers), &calls[2]);
    tsms__timers_set(&timers, &calls[0], -5);
    assert_ptr_equal(tsms__timers_first(&timers), &calls[0]);
    tsms__timers_clear(&timers, &calls[0]);
    tsms__timers_clear(&timers, &calls[0]);
    tsms__timers_clear(&timers, &calls[3]); /* has none */
    assert_ptr_equal(tsms__timers_first(&timers), &calls[2]);
    tsms__timers_clear(&timers, &calls[2]);
    tsms__timers_clear(&timers, &calls[1]);
    assert_null(tsms__timers_first(&timers));
    close_timers(&timers, &tm);
}

static void test_the_end_of_time(void **state)
{
    (void)state;
    test_mem tm;
    tsms__timers timers;
    open_timers(&timers, &tm, 2);
    tsms__timers_set(&timers, &calls[0], INT64_MAX);
    tsms__timers_set(&timers, &calls[1], INT64_MIN);
    assert_ptr_equal(tsms__timers_first(&timers), &calls[1]);
    close_timers(&timers, &tm);
}

/* The oracle: every timer that is set, searched from end to end. */
static int64_t earliest(const bool *set)
{
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < CALLS; i++) {
        if (set[i] && calls[i].timer_ms < least) {
            least = calls[i].timer_ms;
        }
    }
    return least;
}

static void check_places(const tsms__timers *timers, const bool *set)
{
    size_t count = 0;
    for (size_t i = 0; i < CALLS; i++) {
        count += set[i];
        assert_int_equal(calls[i].heap_index != 0, set[i]);
        if (set[i]) {
            assert_ptr_equal(timers->heap[calls[i].heap_index], &calls[i]);
        }
    }
    assert_int_equal(timers->count, count);
}

static void test_random_steps_against_a_search(void **state)
{
    (void)state;
    test_mem tm;
    tsms__timers timers;
    open_timers(&timers, &tm, CALLS);
    bool set[CALLS] = {false};
    tsms__rand rand;
    tsms__rand_init(&rand, 11);
    for (int step = 0; step < 60000; step++) {
        size_t i = (size_t)tsms__rand_between(&rand, 0, CALLS - 1);
        tsms__call *first = tsms__timers_first(&timers);
        switch (tsms__rand_between(&rand, 0, 3)) {
        case 0:
            tsms__timers_clear(&timers, &calls[i]);
            set[i] = false;
            break;
        case 1: /* as the client does: the first one is taken */
            if (first != NULL) {
                tsms__timers_clear(&timers, first);
                set[first - calls] = false;
            }
            break;
        default: /* few values, so that many are equal */
            tsms__timers_set(&timers, &calls[i], tsms__rand_between(&rand, 0, 99));
            set[i] = true;
            break;
        }
        first = tsms__timers_first(&timers);
        assert_int_equal(first != NULL ? first->timer_ms : INT64_MAX, earliest(set));
        if (step % 64 == 0) {
            check_places(&timers, set);
        }
    }
    close_timers(&timers, &tm);
}

static void test_all_come_out_in_order(void **state)
{
    (void)state;
    test_mem tm;
    tsms__timers timers;
    open_timers(&timers, &tm, CALLS);
    tsms__rand rand;
    tsms__rand_init(&rand, 3);
    for (size_t i = 0; i < CALLS; i++) {
        tsms__timers_set(&timers, &calls[i], tsms__rand_between(&rand, -1000, 1000));
    }
    int64_t last_ms = INT64_MIN;
    for (size_t i = 0; i < CALLS; i++) {
        tsms__call *first = tsms__timers_first(&timers);
        assert_true(first->timer_ms >= last_ms);
        last_ms = first->timer_ms;
        tsms__timers_clear(&timers, first);
    }
    assert_null(tsms__timers_first(&timers));
    close_timers(&timers, &tm);
}

static void test_room_is_made_once(void **state)
{
    (void)state;
    test_mem tm;
    tsms__timers timers;
    open_timers(&timers, &tm, 1);
    size_t before = tm.calls;
    for (size_t count = 1; count < 64; count++) {
        assert_true(tsms__timers_reserve(&timers, count));
    }
    assert_int_equal(tm.calls, before);
    assert_true(tsms__timers_reserve(&timers, 1000));
    assert_true(timers.cap > 1000);
    close_timers(&timers, &tm);
}

static void test_without_memory(void **state)
{
    (void)state;
    test_mem tm;
    tsms__timers timers;
    open_timers(&timers, &tm, 1);
    tsms__timers_set(&timers, &calls[0], 5);
    tm.fail_at = tm.calls + 1;
    assert_false(tsms__timers_reserve(&timers, 1000));
    assert_ptr_equal(tsms__timers_first(&timers), &calls[0]);
    assert_true(tsms__timers_reserve(&timers, 1000));
    assert_ptr_equal(tsms__timers_first(&timers), &calls[0]);
    close_timers(&timers, &tm);
}

/* Messages of one number that wait for the same moment keep their order. */
static void test_of_equals_the_first_set_is_first(void **state)
{
    (void)state;
    test_mem tm;
    tsms__timers timers;
    open_timers(&timers, &tm, CALLS);
    for (size_t i = 0; i < CALLS; i++) {
        tsms__timers_set(&timers, &calls[i], 7);
    }
    tsms__timers_set(&timers, &calls[0], 7); /* set again: now it is the last */
    for (size_t i = 1; i <= CALLS; i++) {
        tsms__call *first = tsms__timers_first(&timers);
        assert_ptr_equal(first, &calls[i % CALLS]);
        tsms__timers_clear(&timers, first);
    }
    close_timers(&timers, &tm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_earliest_is_first),
        cmocka_unit_test(test_the_end_of_time),
        cmocka_unit_test(test_random_steps_against_a_search),
        cmocka_unit_test(test_all_come_out_in_order),
        cmocka_unit_test(test_room_is_made_once),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_of_equals_the_first_set_is_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
