/* The breaker: its rules one by one, and long random traces held against a model that is written
 * plainly. test_breaker_states.c explores every reachable state. */
#include "policy/breaker.h"

#include "base/rand.h"
#include "support.h"

static const tsms__breaker_rules usual = {
    .failure_threshold = 5, .success_threshold = 2, .reset_timeout_ms = 30000, .lease_ms = 11000};

enum { TIME_BITS = 40 };

static tsms__breaker acquired(tsms__breaker word, int64_t now_ms, tsms__permit *permit)
{
    assert_true(tsms__breaker_acquire(word, &usual, now_ms, &word, permit));
    return word;
}

static tsms__breaker reported(tsms__breaker word, int64_t now_ms, tsms__permit permit,
                              tsms__breaker_result result)
{
    assert_true(tsms__breaker_report(word, &usual, now_ms, permit, result, &word));
    return word;
}

static tsms__breaker after_requests(tsms__breaker word, int count, int64_t now_ms,
                                    tsms__breaker_result result)
{
    for (int i = 0; i < count; i++) {
        tsms__permit permit;
        word = acquired(word, now_ms, &permit);
        word = reported(word, now_ms, permit, result);
    }
    return word;
}

static void assert_state(tsms__breaker word, tsms__breaker_state want)
{
    assert_int_equal(tsms__breaker_state_of(word), want);
}

static void test_zero_is_a_closed_breaker(void **state)
{
    tsms__permit permit;
    assert_state(0, TSMS__BREAKER_CLOSED);
    assert_int_equal(tsms__breaker_wait_ms(0, &usual, 1000), 0);
    assert_int_equal(acquired(0, 1000, &permit), 0);
    assert_false(permit.probe);
    assert_string_equal(tsms__breaker_state_name(TSMS__BREAKER_CLOSED), "closed");
    assert_string_equal(tsms__breaker_state_name(TSMS__BREAKER_OPEN), "open");
    assert_string_equal(tsms__breaker_state_name(TSMS__BREAKER_HALF_OPEN), "half_open");
}

static void test_opens_after_failures_in_a_row(void **state)
{
    tsms__breaker word = after_requests(0, 4, 1000, TSMS__BREAKER_FAILURE);
    word = after_requests(word, 10, 1000, TSMS__BREAKER_NEUTRAL);
    assert_state(word, TSMS__BREAKER_CLOSED);
    assert_state(after_requests(word, 1, 1000, TSMS__BREAKER_FAILURE), TSMS__BREAKER_OPEN);
    word = after_requests(word, 1, 1000, TSMS__BREAKER_SUCCESS);
    word = after_requests(word, 4, 1000, TSMS__BREAKER_FAILURE);
    assert_state(word, TSMS__BREAKER_CLOSED);
    word = after_requests(word, 1, 1000, TSMS__BREAKER_FAILURE);
    assert_state(word, TSMS__BREAKER_OPEN);
}

static void test_open_refuses_until_the_reset_timeout(void **state)
{
    tsms__breaker word = after_requests(0, 5, 1000, TSMS__BREAKER_FAILURE);
    tsms__breaker next;
    tsms__permit permit;
    assert_int_equal(tsms__breaker_wait_ms(word, &usual, 1000), 30000);
    assert_int_equal(tsms__breaker_wait_ms(word, &usual, 30999), 1);
    assert_int_equal(tsms__breaker_wait_ms(word, &usual, 31000), 0);
    assert_false(tsms__breaker_acquire(word, &usual, 30999, &next, &permit));
    assert_int_equal(next, word);
    next = acquired(word, 31000, &permit);
    assert_true(permit.probe);
    assert_state(next, TSMS__BREAKER_HALF_OPEN);
}

static void test_half_open_lets_one_probe_at_a_time_pass_and_closes(void **state)
{
    tsms__breaker word = after_requests(0, 5, 1000, TSMS__BREAKER_FAILURE);
    tsms__breaker next;
    tsms__permit permit, other;
    word = acquired(word, 31000, &permit);
    assert_false(tsms__breaker_acquire(word, &usual, 31000, &next, &other));
    assert_int_equal(next, word);
    assert_int_equal(tsms__breaker_wait_ms(word, &usual, 32000), 10000);
    word = reported(word, 31100, permit, TSMS__BREAKER_SUCCESS);
    assert_state(word, TSMS__BREAKER_HALF_OPEN);
    assert_int_equal(tsms__breaker_wait_ms(word, &usual, 31100), 0);
    word = acquired(word, 31100, &permit);
    word = reported(word, 31100, permit, TSMS__BREAKER_NEUTRAL);
    word = acquired(word, 31200, &permit);
    word = reported(word, 31300, permit, TSMS__BREAKER_SUCCESS);
    assert_state(word, TSMS__BREAKER_CLOSED);
    /* It counts from zero again. */
    word = after_requests(word, 4, 31300, TSMS__BREAKER_FAILURE);
    assert_state(word, TSMS__BREAKER_CLOSED);
}

static void test_half_open_reopens_on_a_failure(void **state)
{
    tsms__breaker word = after_requests(0, 5, 1000, TSMS__BREAKER_FAILURE);
    tsms__permit permit;
    word = acquired(word, 31000, &permit);
    word = reported(word, 31000, permit, TSMS__BREAKER_SUCCESS);
    word = acquired(word, 31000, &permit);
    word = reported(word, 32000, permit, TSMS__BREAKER_FAILURE);
    assert_state(word, TSMS__BREAKER_OPEN);
    assert_int_equal(tsms__breaker_wait_ms(word, &usual, 32000), 30000);
}

static void test_lapsed_lease_reopens_from_the_moment_it_lapsed(void **state)
{
    tsms__breaker word = after_requests(0, 5, 1000, TSMS__BREAKER_FAILURE);
    tsms__breaker next;
    tsms__permit lost, permit;
    word = acquired(word, 31000, &lost);
    assert_int_equal(tsms__breaker_wait_ms(word, &usual, 41999), 1);
    assert_int_equal(tsms__breaker_wait_ms(word, &usual, 42000), 30000);
    assert_false(tsms__breaker_acquire(word, &usual, 42500, &next, &permit));
    assert_state(next, TSMS__BREAKER_OPEN);
    assert_int_equal(tsms__breaker_wait_ms(next, &usual, 42500), 29500);
    /* When nobody asked in the meantime, the next probe need not wait a second time. */
    next = acquired(word, 72000, &permit);
    assert_true(permit.probe);
    assert_int_not_equal(permit.generation, lost.generation);
}

static void test_late_result_of_a_probe_is_stale(void **state)
{
    tsms__breaker word = after_requests(0, 5, 1000, TSMS__BREAKER_FAILURE);
    tsms__breaker next;
    tsms__permit permit;
    word = acquired(word, 31000, &permit);
    assert_true(tsms__breaker_report(word, &usual, 41999, permit, TSMS__BREAKER_SUCCESS, &next));
    assert_false(tsms__breaker_report(word, &usual, 42000, permit, TSMS__BREAKER_SUCCESS, &next));
    assert_int_equal(next, word);
}

static void test_stale_results_change_nothing(void **state)
{
    tsms__permit early;
    tsms__breaker word = acquired(0, 1000, &early);
    word = after_requests(word, 5, 1000, TSMS__BREAKER_FAILURE);
    tsms__permit probe;
    tsms__breaker half_open = acquired(word, 31000, &probe);
    tsms__breaker waiting = reported(half_open, 31000, probe, TSMS__BREAKER_NEUTRAL);
    const tsms__breaker words[] = {word, half_open, waiting};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        for (int result = TSMS__BREAKER_SUCCESS; result <= TSMS__BREAKER_NEUTRAL; result++) {
            tsms__breaker next = ~words[i];
            assert_false(tsms__breaker_report(words[i], &usual, 31000, early,
                                              (tsms__breaker_result)result, &next));
            assert_int_equal(next, words[i]);
        }
    }
    /* A probe that is reported a second time. */
    tsms__breaker next;
    assert_false(tsms__breaker_report(waiting, &usual, 31000, probe, TSMS__BREAKER_FAILURE, &next));
}

static void test_threshold_of_zero_never_opens(void **state)
{
    tsms__breaker_rules rules = usual;
    rules.failure_threshold = 0;
    tsms__breaker word = 0;
    for (int i = 0; i < 1000; i++) {
        tsms__permit permit;
        assert_true(tsms__breaker_acquire(word, &rules, i, &word, &permit));
        assert_true(tsms__breaker_report(word, &rules, i, permit, TSMS__BREAKER_FAILURE, &word));
        assert_state(word, TSMS__BREAKER_CLOSED);
    }
}

static void test_largest_thresholds_fit(void **state)
{
    tsms__breaker_rules rules = usual;
    rules.failure_threshold = 255;
    rules.success_threshold = 255;
    tsms__breaker word = 0;
    tsms__permit permit;
    for (int i = 0; i < 255; i++) {
        assert_state(word, TSMS__BREAKER_CLOSED);
        assert_true(tsms__breaker_acquire(word, &rules, 0, &word, &permit));
        assert_true(tsms__breaker_report(word, &rules, 0, permit, TSMS__BREAKER_FAILURE, &word));
    }
    assert_state(word, TSMS__BREAKER_OPEN);
    for (int i = 0; i < 255; i++) {
        assert_int_not_equal(tsms__breaker_state_of(word), TSMS__BREAKER_CLOSED);
        assert_true(tsms__breaker_acquire(word, &rules, 30000, &word, &permit));
        assert_true(
            tsms__breaker_report(word, &rules, 30000, permit, TSMS__BREAKER_SUCCESS, &word));
    }
    assert_state(word, TSMS__BREAKER_CLOSED);
}

static void test_generation_wraps(void **state)
{
    tsms__breaker word = after_requests(0, 5, 0, TSMS__BREAKER_FAILURE);
    int64_t now = 0;
    tsms__permit last = {0, false};
    for (int i = 0; i < 20000; i++) {
        tsms__permit permit;
        tsms__breaker next;
        now += usual.reset_timeout_ms;
        word = acquired(word, now, &permit);
        assert_int_not_equal(permit.generation, last.generation);
        assert_false(tsms__breaker_report(word, &usual, now, last, TSMS__BREAKER_SUCCESS, &next));
        word = reported(word, now, permit, TSMS__BREAKER_FAILURE);
        last = permit;
    }
}

/* Any pattern of bits, at any time, under any rules: asking and waiting agree, and at the last
 * moment that the word can hold nothing waits any more. */
static void test_every_word_is_a_valid_breaker(void **state)
{
    tsms__rand rand;
    tsms__rand_init(&rand, 1);
    for (int i = 0; i < 100000; i++) {
        tsms__breaker word = tsms__rand_next(&rand);
        int64_t now = (int64_t)(tsms__rand_next(&rand) >> tsms__rand_between(&rand, 0, 63));
        tsms__breaker_rules rules = {(uint32_t)tsms__rand_between(&rand, 0, 255),
                                     (uint32_t)tsms__rand_between(&rand, 1, 255),
                                     tsms__rand_between(&rand, 0, INT64_MAX),
                                     tsms__rand_between(&rand, 0, INT64_MAX)};
        tsms__breaker next;
        tsms__permit permit;
        int64_t wait = tsms__breaker_wait_ms(word, &rules, now);
        assert_true(wait >= 0);
        assert_int_equal(tsms__breaker_acquire(word, &rules, now, &next, &permit), wait == 0);
        if (wait == 0) {
            for (int result = TSMS__BREAKER_SUCCESS; result <= TSMS__BREAKER_NEUTRAL; result++) {
                (void)tsms__breaker_report(next, &rules, now, permit, (tsms__breaker_result)result,
                                           &word);
            }
        }
        assert_true(tsms__breaker_acquire(next, &rules, INT64_C(1) << TIME_BITS, &next, &permit));
        assert_true(tsms__breaker_acquire(next, &rules, INT64_MAX, &next, &permit));
    }
}

/* The model: the same rules without packing, wrapping or saturation. */
typedef struct model {
    tsms__breaker_state state;
    uint64_t transitions;
    uint32_t count;
    bool probe_out;
    int64_t until_ms; /* of the open state, or of the lease */
} model;

static void model_enter(model *m, tsms__breaker_state next, int64_t until_ms)
{
    m->state = next;
    m->transitions++;
    m->count = 0;
    m->probe_out = false;
    m->until_ms = until_ms;
}

static void model_pass_time(model *m, const tsms__breaker_rules *rules, int64_t now_ms)
{
    if (m->probe_out && now_ms >= m->until_ms) {
        model_enter(m, TSMS__BREAKER_OPEN, m->until_ms + rules->reset_timeout_ms);
    }
}

static bool model_acquire(model *m, const tsms__breaker_rules *rules, int64_t now_ms)
{
    if (m->state == TSMS__BREAKER_OPEN && now_ms >= m->until_ms) {
        model_enter(m, TSMS__BREAKER_HALF_OPEN, 0);
    }
    if (m->state == TSMS__BREAKER_HALF_OPEN && !m->probe_out) {
        m->probe_out = true;
        m->until_ms = now_ms + rules->lease_ms;
        return true;
    }
    return m->state == TSMS__BREAKER_CLOSED;
}

static void model_report(model *m, const tsms__breaker_rules *rules, int64_t now_ms,
                         tsms__breaker_result result)
{
    bool closed = m->state == TSMS__BREAKER_CLOSED;
    m->probe_out = false;
    if (result == TSMS__BREAKER_SUCCESS && closed) {
        m->count = 0;
    } else if (result == TSMS__BREAKER_SUCCESS && ++m->count >= rules->success_threshold) {
        model_enter(m, TSMS__BREAKER_CLOSED, 0);
    } else if (result == TSMS__BREAKER_FAILURE && closed && rules->failure_threshold == 0) {
        m->count = 0;
    } else if (result == TSMS__BREAKER_FAILURE &&
               (!closed || ++m->count >= rules->failure_threshold)) {
        model_enter(m, TSMS__BREAKER_OPEN, now_ms + rules->reset_timeout_ms);
    }
}

static void test_random_traces_agree_with_a_model(void **state)
{
    enum { TRACES = 500, STEPS = 2000, PERMITS = 6 };
    tsms__rand rand;
    tsms__rand_init(&rand, 2);
    uint64_t transitions = 0, stale = 0;
    for (int trace = 0; trace < TRACES; trace++) {
        tsms__breaker_rules rules = {
            (uint32_t)tsms__rand_between(&rand, 0, 4), (uint32_t)tsms__rand_between(&rand, 1, 4),
            tsms__rand_between(&rand, 0, 60), tsms__rand_between(&rand, 1, 60)};
        model m = {.state = TSMS__BREAKER_CLOSED};
        tsms__breaker word = 0;
        int64_t now = tsms__rand_between(&rand, 0, INT64_C(1) << (TIME_BITS - 1));
        struct {
            bool held;
            tsms__permit permit;
            uint64_t transitions;
        } slots[PERMITS] = {{.held = false}};
        for (int step = 0; step < STEPS; step++) {
            now += tsms__rand_between(&rand, 0, 9) == 0 ? tsms__rand_between(&rand, 0, 70) : 0;
            model_pass_time(&m, &rules, now);
            size_t i = (size_t)tsms__rand_between(&rand, 0, PERMITS - 1);
            if (!slots[i].held) {
                bool free_now = tsms__breaker_wait_ms(word, &rules, now) == 0;
                bool given = tsms__breaker_acquire(word, &rules, now, &word, &slots[i].permit);
                assert_int_equal(given, model_acquire(&m, &rules, now));
                assert_int_equal(given, free_now);
                assert_state(word, m.state);
                slots[i].held = given;
                slots[i].transitions = m.transitions;
                assert_true(!given || slots[i].permit.probe == m.probe_out);
                continue;
            }
            tsms__breaker_result result =
                (tsms__breaker_result)tsms__rand_between(&rand, 0, TSMS__BREAKER_NEUTRAL);
            bool fresh = slots[i].transitions == m.transitions;
            bool counted = tsms__breaker_report(word, &rules, now, slots[i].permit, result, &word);
            assert_int_equal(counted, fresh);
            stale += !fresh;
            if (fresh) {
                model_report(&m, &rules, now, result);
                assert_state(word, m.state);
            }
            slots[i].held = false;
        }
        transitions += m.transitions;
    }
    print_message("           %d steps, %llu transitions, %llu stale results\n", TRACES * STEPS,
                  (unsigned long long)transitions, (unsigned long long)stale);
    assert_true(transitions > 10000 && stale > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zero_is_a_closed_breaker),
        cmocka_unit_test(test_opens_after_failures_in_a_row),
        cmocka_unit_test(test_open_refuses_until_the_reset_timeout),
        cmocka_unit_test(test_half_open_lets_one_probe_at_a_time_pass_and_closes),
        cmocka_unit_test(test_half_open_reopens_on_a_failure),
        cmocka_unit_test(test_lapsed_lease_reopens_from_the_moment_it_lapsed),
        cmocka_unit_test(test_late_result_of_a_probe_is_stale),
        cmocka_unit_test(test_stale_results_change_nothing),
        cmocka_unit_test(test_threshold_of_zero_never_opens),
        cmocka_unit_test(test_largest_thresholds_fit),
        cmocka_unit_test(test_generation_wraps),
        cmocka_unit_test(test_every_word_is_a_valid_breaker),
        cmocka_unit_test(test_random_traces_agree_with_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
