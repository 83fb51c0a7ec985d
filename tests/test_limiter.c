/* The limiter's arithmetic, and its guarantee over every window of random traffic. */
#include "policy/limiter.h"

#include "base/rand.h"
#include "support.h"

#include <math.h>

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
/* The last moment for which the limiter promises anything. */
#define LAST_NS ((uint64_t)INT64_MAX)

static uint64_t between(tsms__rand *rand, uint64_t low, uint64_t high)
{
    return (uint64_t)tsms__rand_between(rand, (int64_t)low, (int64_t)high);
}

static bool admit(tsms__cell *cell, tsms__rate rate, uint64_t cost, uint64_t now_ns)
{
    tsms__level level = {cell, rate};
    return tsms__levels_admit(&level, 1, cost, now_ns);
}

static void test_rate_is_rounded_so_that_it_is_never_exceeded(void **state)
{
    assert_int_equal(tsms__rate_of(10, 30).interval_ns, SECOND / 10);
    assert_int_equal(tsms__rate_of(10, 30).burst, 30);
    assert_int_equal(tsms__rate_of(3, 1).interval_ns, 333333334);
    assert_int_equal(tsms__rate_of(0.5, 1).interval_ns, 2 * SECOND);
    assert_int_equal(tsms__rate_of(1e12, 1).interval_ns, 1);
    assert_int_equal(tsms__rate_of(1e-300, 1).interval_ns, UINT64_MAX);

    tsms__rand rand;
    tsms__rand_init(&rand, 1);
    for (int i = 0; i < 10000; i++) {
        double per_second = (double)between(&rand, 1, 1000000) / 1000;
        double second = per_second * (double)tsms__rate_of(per_second, 1).interval_ns;
        assert_true(second > 1e9 * (1 - 1e-15) && second < 1e9 + per_second * 1.001);
    }
}

static void test_no_rate_is_no_limit(void **state)
{
    assert_int_equal(tsms__rate_of(0, 1).interval_ns, 0);
    assert_int_equal(tsms__rate_of(-1, 1).interval_ns, 0);
    assert_int_equal(tsms__rate_of(NAN, 1).interval_ns, 0);
    assert_int_equal(tsms__rate_of(INFINITY, 1).interval_ns, 0);

    tsms__cell cell = 0;
    for (uint64_t i = 0; i < 100; i++) {
        assert_true(admit(&cell, tsms__rate_of(0, 1), 1000, 100 - i));
        assert_true(admit(NULL, tsms__rate_of(1, 1), 1000, 100 - i));
    }
    assert_int_equal(cell, 0);
    assert_true(tsms__levels_admit(NULL, 0, 1, 0));
}

static void test_burst_then_one_per_interval(void **state)
{
    tsms__rate rate = tsms__rate_of(10, 3);
    tsms__cell cell = 0;
    uint64_t now = 5 * SECOND;
    assert_true(admit(&cell, rate, 1, now));
    assert_true(admit(&cell, rate, 2, now));
    assert_false(admit(&cell, rate, 1, now));
    assert_false(admit(&cell, rate, 1, now + 100 * MS - 1));
    assert_true(admit(&cell, rate, 1, now + 100 * MS));
    assert_false(admit(&cell, rate, 2, now + 300 * MS - 1));
    assert_true(admit(&cell, rate, 2, now + 300 * MS));
    assert_true(admit(&cell, rate, 3, now + 600 * MS));
}

static void test_burst_of_zero_is_a_burst_of_one(void **state)
{
    tsms__cell cell = 0;
    assert_true(admit(&cell, tsms__rate_of(1, 0), 1, SECOND));
    assert_false(admit(&cell, tsms__rate_of(1, 0), 1, 2 * SECOND - 1));
    assert_true(admit(&cell, tsms__rate_of(1, 0), 1, 2 * SECOND));
}

static void test_cost_above_the_burst_needs_a_full_bucket_and_leaves_a_debt(void **state)
{
    tsms__rate rate = tsms__rate_of(1, 2);
    tsms__cell cell = 0;
    assert_true(admit(&cell, rate, 1, SECOND));
    assert_false(admit(&cell, rate, 10, SECOND));
    assert_false(admit(&cell, rate, 10, 2 * SECOND - 1));
    assert_true(admit(&cell, rate, 10, 2 * SECOND));
    /* Ten were taken, two of them are the bucket: eight seconds of debt, and one for the unit. */
    tsms__level level = {&cell, rate};
    assert_int_equal(tsms__level_wait_ns(&level, 1, 2 * SECOND), 9 * SECOND);
    assert_false(admit(&cell, rate, 1, 11 * SECOND - 1));
    assert_true(admit(&cell, rate, 1, 11 * SECOND));
}

static void test_all_levels_or_none(void **state)
{
    tsms__cell account = 0, number = 0;
    tsms__level levels[] = {
        {&account, tsms__rate_of(10, 30)}, {NULL, {SECOND, 1}}, {&number, tsms__rate_of(1, 1)}};
    size_t slowest = 99;
    assert_int_equal(tsms__levels_wait_ns(levels, 3, 1, SECOND, &slowest), 0);
    assert_int_equal(slowest, 0);
    assert_true(tsms__levels_admit(levels, 3, 1, SECOND));
    assert_int_equal(account, SECOND + 100 * MS);
    assert_int_equal(number, 2 * SECOND);

    assert_false(tsms__levels_admit(levels, 3, 1, SECOND + 100 * MS));
    assert_int_equal(account, SECOND + 100 * MS);
    assert_int_equal(number, 2 * SECOND);
    assert_int_equal(tsms__levels_wait_ns(levels, 3, 1, SECOND + 100 * MS, &slowest), 900 * MS);
    assert_int_equal(slowest, 2);
    assert_int_equal(tsms__levels_wait_ns(levels, 3, 1, SECOND + 100 * MS, NULL), 900 * MS);
}

/* Naming a cell twice makes the last level see what the first has just committed, as a race with
 * another process does. */
static void test_half_a_commit_is_taken_back(void **state)
{
    tsms__cell contested = 7, between_them = 0;
    tsms__level levels[] = {
        {&contested, {SECOND, 1}}, {&between_them, {SECOND, 1}}, {&contested, {SECOND, 1}}};
    assert_false(tsms__levels_admit(levels, 3, 1, SECOND));
    assert_int_equal(contested, 7);
    assert_int_equal(between_them, 0);
    assert_true(tsms__levels_admit(levels, 2, 1, SECOND));
}

static void test_wait_is_exact(void **state)
{
    tsms__rand rand;
    tsms__rand_init(&rand, 2);
    uint64_t waits = 0;
    for (int i = 0; i < 20000; i++) {
        tsms__rate rate = {between(&rand, 1, 50), between(&rand, 0, 6)};
        uint64_t cost = between(&rand, 1, 9);
        uint64_t now = between(&rand, 0, 300);
        tsms__cell cell = between(&rand, 0, 600);
        tsms__level level = {&cell, rate};
        uint64_t wait = tsms__level_wait_ns(&level, cost, now);
        uint64_t open = tsms__level_open_ns(&level, cost);
        assert_int_equal(wait, open > now ? open - now : 0);
        waits += wait > 0;
        if (wait > 0) {
            assert_false(admit(&cell, rate, cost, now));
            assert_false(admit(&cell, rate, cost, now + wait - 1));
        }
        assert_true(admit(&cell, rate, cost, now + wait));
    }
    assert_true(waits > 1000);
}

static void test_wait_behind_others_is_exact(void **state)
{
    tsms__rand rand;
    tsms__rand_init(&rand, 3);
    for (int i = 0; i < 5000; i++) {
        tsms__rate rate = {between(&rand, 0, 50), between(&rand, 1, 9)};
        uint64_t start = between(&rand, 0, 300);
        tsms__cell cell = between(&rand, 0, 600);
        tsms__level level = {&cell, rate};
        uint64_t ahead = between(&rand, 0, 30);
        uint64_t cost = between(&rand, 1, 9);
        uint64_t predicted = tsms__level_wait_behind_ns(&level, ahead, cost, start);
        uint64_t now = start;
        for (uint64_t taken = 0; taken < ahead; taken++) {
            now += tsms__level_wait_ns(&level, 1, now);
            assert_true(admit(&cell, rate, 1, now));
        }
        now += tsms__level_wait_ns(&level, cost, now);
        assert_int_equal(now - start, predicted);
    }
    tsms__level none = {NULL, {SECOND, 1}};
    assert_int_equal(tsms__level_wait_behind_ns(&none, 100, 1, 0), 0);
}

static void test_pause_is_not_opened_early_by_the_burst(void **state)
{
    tsms__rate rate = tsms__rate_of(10, 30);
    for (uint64_t used = 0; used <= 30; used += 10) {
        tsms__cell cell = 0;
        tsms__level level = {&cell, rate};
        assert_true(used == 0 || admit(&cell, rate, used, SECOND));
        tsms__level_pause(&level, 60 * SECOND);
        for (uint64_t cost = 1; cost <= 40; cost++) {
            assert_false(admit(&cell, rate, cost, 60 * SECOND - 1));
        }
        /* Then at the rate, without a burst. */
        for (uint64_t i = 0; i < 50; i++) {
            assert_int_equal(tsms__level_open_ns(&level, 1), 60 * SECOND + i * 100 * MS);
            assert_true(admit(&cell, rate, 1, 60 * SECOND + i * 100 * MS));
        }
    }
}

static void test_pause_never_gets_shorter(void **state)
{
    tsms__cell cell = 0;
    tsms__level level = {&cell, tsms__rate_of(1, 5)};
    tsms__level_pause(&level, 60 * SECOND);
    uint64_t paused = cell;
    tsms__level_pause(&level, 10 * SECOND);
    assert_int_equal(cell, paused);
    tsms__level_pause(&level, 61 * SECOND);
    assert_int_equal(cell, paused + SECOND);
    tsms__level_pause(&level, UINT64_MAX);
    assert_false(admit(&cell, level.rate, 1, LAST_NS));
}

static void test_pause_holds_back_a_level_without_limit(void **state)
{
    tsms__cell cell = 0;
    tsms__level level = {&cell, tsms__rate_of(0, 0)};
    tsms__level_pause(&level, SECOND);
    assert_int_equal(tsms__level_wait_ns(&level, 1, 0), SECOND);
    assert_false(admit(&cell, level.rate, 1, SECOND - 1));
    for (int i = 0; i < 10; i++) {
        assert_true(admit(&cell, level.rate, 1, SECOND));
    }
    tsms__level absent = {NULL, {SECOND, 1}};
    tsms__level_pause(&absent, SECOND);
    assert_int_equal(tsms__level_wait_ns(&absent, 1, 0), 0);
}

/* A burst, a cost or an interval so large that time cannot hold it makes the level slower, never
 * faster. */
static void test_extreme_values_do_not_overflow(void **state)
{
    static const uint64_t values[] = {
        0,          1,           2,       3,           1000,           1ull << 31, 1ull << 32,
        1ull << 62, LAST_NS - 1, LAST_NS, LAST_NS + 1, UINT64_MAX - 1, UINT64_MAX};
    enum { COUNT = sizeof values / sizeof *values };
    for (size_t a = 0; a < COUNT; a++) {
        for (size_t b = 0; b < COUNT; b++) {
            for (size_t c = 0; c < COUNT; c++) {
                for (size_t d = 0; d < COUNT; d++) {
                    tsms__rate rate = {values[a], values[b]};
                    uint64_t cost = values[c];
                    uint64_t now = values[d] < LAST_NS ? values[d] : LAST_NS;
                    tsms__cell cell = 0;
                    unsigned __int128 admitted = 0;
                    while (admitted <= 3 * (unsigned __int128)UINT64_MAX && cost > 0 &&
                           admit(&cell, rate, cost, now)) {
                        admitted += cost;
                        assert_true(rate.interval_ns == 0 || cell > now);
                        if (rate.interval_ns == 0 || admitted / cost >= 8) {
                            break;
                        }
                    }
                    unsigned __int128 most = rate.burst > cost ? rate.burst : cost;
                    assert_true(rate.interval_ns == 0 || admitted <= most);
                    assert_true(cost == 0 || admitted > 0);
                }
            }
        }
    }
}

/* Checks every window at once: for all i <= j, the cost admitted from i to j is at most most +
 * floor((t_j - t_i) / interval), which with whole numbers is
 * (sum_j * interval - t_j) - (sum_before_i * interval - t_i) <= most * interval. */
typedef struct windows {
    uint64_t interval_ns;
    uint64_t most; /* max(burst, largest cost so far) */
    int64_t sum;
    int64_t lowest; /* of sum_before_i * interval - t_i */
    bool any;
} windows;

static bool windows_hold(windows *w, tsms__rate rate, uint64_t cost, uint64_t now_ns)
{
    int64_t interval = (int64_t)rate.interval_ns;
    int64_t before = w->sum * interval - (int64_t)now_ns;
    if (!w->any || before < w->lowest) {
        w->lowest = before;
        w->any = true;
    }
    uint64_t larger = rate.burst > cost ? rate.burst : cost;
    w->most = larger > w->most ? larger : w->most;
    w->sum += (int64_t)cost;
    return w->sum * interval - (int64_t)now_ns - w->lowest <= (int64_t)w->most * interval;
}

/* Two processes share an account and ten numbers. Each has read the clock a little while ago. */
static void test_no_window_of_random_traffic_exceeds_the_limits(void **state)
{
    enum { CONFIGURATIONS = 300, STEPS = 3000, NUMBERS = 10 };
    tsms__rand rand;
    tsms__rand_init(&rand, 4);
    size_t admitted = 0, forgotten = 0;
    for (int c = 0; c < CONFIGURATIONS; c++) {
        tsms__rate account_rate = {between(&rand, 1, 200), between(&rand, 0, 30)};
        tsms__rate number_rate = {between(&rand, 1, 2000), between(&rand, 0, 5)};
        uint64_t largest_cost = between(&rand, 1, 12);
        uint64_t longest_step = between(&rand, 1, 1000);
        tsms__cell account = 0, numbers[NUMBERS] = {0};
        windows account_windows = {0}, number_windows[NUMBERS] = {{0}};
        uint64_t clock = between(&rand, 0, 5000);
        uint64_t process_now[2] = {clock, clock};
        for (int s = 0; s < STEPS; s++) {
            clock += between(&rand, 0, 3) == 0 ? between(&rand, 0, longest_step) : 0;
            size_t process = between(&rand, 0, 1);
            if (between(&rand, 0, 1) == 0) {
                process_now[process] = clock;
            }
            size_t n = between(&rand, 0, NUMBERS - 1);
            uint64_t cost = between(&rand, 1, largest_cost);
            uint64_t now = process_now[process];
            tsms__level levels[] = {{&account, account_rate}, {&numbers[n], number_rate}};
            uint64_t old_account = account, old_number = numbers[n];
            bool open = tsms__levels_wait_ns(levels, 2, cost, now, NULL) == 0;
            assert_int_equal(tsms__levels_admit(levels, 2, cost, now), open);
            if (open) {
                admitted++;
                assert_true(windows_hold(&account_windows, account_rate, cost, now));
                assert_true(windows_hold(&number_windows[n], number_rate, cost, now));
            } else {
                assert_true(account == old_account && numbers[n] == old_number);
            }
            /* An idle cell equals one never used, so a table may drop it; no process has an older
             * clock than this. */
            uint64_t oldest = process_now[0] < process_now[1] ? process_now[0] : process_now[1];
            if (numbers[n] > 0 && numbers[n] <= oldest) {
                numbers[n] = 0;
                forgotten++;
            }
        }
    }
    print_message("           %d decisions, %zu admitted, %zu idle cells dropped\n",
                  CONFIGURATIONS * STEPS, admitted, forgotten);
    assert_true(admitted > CONFIGURATIONS * STEPS / 20);
    assert_true(forgotten > 1000);
}

/* Without this the property above would prove nothing. */
static void test_window_check_notices_one_unit_too_many(void **state)
{
    tsms__rate rate = {100, 3};
    windows w = {0};
    assert_true(windows_hold(&w, rate, 3, 1000));
    assert_true(windows_hold(&w, rate, 1, 1100));
    assert_false(windows_hold(&w, rate, 1, 1199));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rate_is_rounded_so_that_it_is_never_exceeded),
        cmocka_unit_test(test_no_rate_is_no_limit),
        cmocka_unit_test(test_burst_then_one_per_interval),
        cmocka_unit_test(test_burst_of_zero_is_a_burst_of_one),
        cmocka_unit_test(test_cost_above_the_burst_needs_a_full_bucket_and_leaves_a_debt),
        cmocka_unit_test(test_all_levels_or_none),
        cmocka_unit_test(test_half_a_commit_is_taken_back),
        cmocka_unit_test(test_wait_is_exact),
        cmocka_unit_test(test_wait_behind_others_is_exact),
        cmocka_unit_test(test_pause_is_not_opened_early_by_the_burst),
        cmocka_unit_test(test_pause_never_gets_shorter),
        cmocka_unit_test(test_pause_holds_back_a_level_without_limit),
        cmocka_unit_test(test_extreme_values_do_not_overflow),
        cmocka_unit_test(test_no_window_of_random_traffic_exceeds_the_limits),
        cmocka_unit_test(test_window_check_notices_one_unit_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
