/* The retry policy: its table, its pauses, and what it never does. */
#include "policy/retry.h"

#include "support.h"

enum { COST_OF_FAULT = 14, COST_OF_THROTTLE = 5, QUOTA = 500, MIN_LEFT_MS = 2000 };

static const tsms_config usual = {.retry = {.rate_limit = {5, 1000},
                                            .unavailable = {3, 2000},
                                            .internal = {3, 1000},
                                            .timeout = {3, 1000},
                                            .connection = {3, 500},
                                            .cap_ms = 20000,
                                            .quota = QUOTA}};

/* A first attempt that failed before it left, with all the time there is. */
static tsms__attempt attempt_of(tsms_kind kind, tsms_outcome outcome)
{
    return (tsms__attempt){.kind = kind,
                           .outcome = outcome,
                           .retryable = true,
                           .retry_after_ms = -1,
                           .attempts = 1,
                           .left_ms = INT64_MAX};
}

static tsms__retry_plan decide(const tsms__attempt *attempt)
{
    tsms__rand rand;
    tsms__rand_init(&rand, 1);
    return tsms__retry_decide(&usual, attempt, QUOTA, MIN_LEFT_MS, &rand);
}

static void assert_next(const tsms__attempt *attempt, tsms__next want)
{
    assert_int_equal(decide(attempt).next, want);
}

static void test_attempts_and_pauses_of_each_kind(void **state)
{
    static const struct {
        tsms_kind kind;
        int attempts;
        int64_t steps_ms[4]; /* behind the first attempt, the second, ... */
        bool fixed;
    } rows[] = {
        {TSMS_KIND_ACCOUNT_RATE_LIMITED, 5, {1000, 2000, 4000, 8000}, false},
        {TSMS_KIND_NUMBER_RATE_LIMITED, 5, {1000, 2000, 4000, 8000}, false},
        {TSMS_KIND_QUEUE_FULL, 5, {1000, 2000, 4000, 8000}, false},
        {TSMS_KIND_SERVICE_UNAVAILABLE, 3, {2000, 4000}, false},
        {TSMS_KIND_TEMPORARILY_UNAVAILABLE, 3, {2000, 4000}, false},
        {TSMS_KIND_INTERNAL_ERROR, 3, {1000, 2000}, false},
        {TSMS_KIND_TIMEOUT, 3, {1000, 1000}, true},
        {TSMS_KIND_CONNECTION_FAILED, 3, {500, 1000}, false},
        {TSMS_KIND_DNS_RESOLUTION_FAILED, 3, {500, 1000}, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tsms__attempt attempt = attempt_of(rows[i].kind, TSMS_OUTCOME_NOT_SENT);
        for (; attempt.attempts < rows[i].attempts; attempt.attempts++) {
            tsms__retry_plan plan = decide(&attempt);
            int64_t step_ms = rows[i].steps_ms[attempt.attempts - 1];
            assert_int_equal(plan.next, TSMS__NEXT_RETRY);
            assert_true(plan.wait_ms >= (rows[i].fixed ? step_ms : step_ms / 2));
            assert_true(plan.wait_ms <= step_ms);
        }
        assert_next(&attempt, TSMS__NEXT_STOP);
        assert_false(decide(&attempt).suppressed);
    }
}

static void test_kinds_without_a_rule_are_not_retried(void **state)
{
    for (int kind = 0; kind < TSMS_KIND_COUNT; kind++) {
        tsms_category category = tsms_kind_category((tsms_kind)kind);
        if (category != TSMS_CATEGORY_RATE_LIMIT && category != TSMS_CATEGORY_NETWORK &&
            category != TSMS_CATEGORY_SERVER) {
            tsms__attempt attempt = attempt_of((tsms_kind)kind, TSMS_OUTCOME_NOT_SENT);
            assert_next(&attempt, TSMS__NEXT_STOP);
        }
    }
}

static void test_not_retryable_by_the_table_is_not_retried(void **state)
{
    tsms__attempt attempt = attempt_of(TSMS_KIND_ACCOUNT_RATE_LIMITED, TSMS_OUTCOME_THROTTLED);
    assert_next(&attempt, TSMS__NEXT_RETRY);
    attempt.retryable = false;
    assert_next(&attempt, TSMS__NEXT_STOP);
}

static void test_pause_is_capped(void **state)
{
    tsms_config config = usual;
    config.retry.rate_limit.attempts = INT64_MAX;
    config.retry.timeout.base_ms = 30000;
    tsms__rand rand;
    tsms__rand_init(&rand, 1);
    tsms__attempt attempt = attempt_of(TSMS_KIND_ACCOUNT_RATE_LIMITED, TSMS_OUTCOME_THROTTLED);
    const int made[] = {6, 7, 100, INT32_MAX};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        attempt.attempts = made[i];
        for (int n = 0; n < 100; n++) {
            tsms__retry_plan plan = tsms__retry_decide(&config, &attempt, QUOTA, 0, &rand);
            assert_true(plan.wait_ms >= 10000 && plan.wait_ms <= 20000);
        }
    }
    attempt = attempt_of(TSMS_KIND_TIMEOUT, TSMS_OUTCOME_NOT_SENT);
    assert_int_equal(tsms__retry_decide(&config, &attempt, QUOTA, 0, &rand).wait_ms, 20000);
    config.retry.cap_ms = INT64_MAX / 2;
    config.retry.connection = (tsms__retry_rule){INT64_MAX, 3};
    attempt = attempt_of(TSMS_KIND_CONNECTION_FAILED, TSMS_OUTCOME_NOT_SENT);
    attempt.attempts = INT32_MAX;
    int64_t wait_ms = tsms__retry_decide(&config, &attempt, QUOTA, 0, &rand).wait_ms;
    assert_true(wait_ms >= INT64_MAX / 4 && wait_ms <= INT64_MAX / 2);
}

static void test_jitter_is_even_over_the_upper_half(void **state)
{
    enum { DRAWS = 20000, BINS = 5 };
    int bins[BINS] = {0};
    tsms__rand rand;
    tsms__rand_init(&rand, 1);
    tsms__attempt attempt = attempt_of(TSMS_KIND_ACCOUNT_RATE_LIMITED, TSMS_OUTCOME_THROTTLED);
    for (int i = 0; i < DRAWS; i++) {
        int64_t wait_ms = tsms__retry_decide(&usual, &attempt, QUOTA, 0, &rand).wait_ms;
        assert_true(wait_ms >= 500 && wait_ms <= 1000);
        bins[wait_ms < 1000 ? (wait_ms - 500) / 100 : BINS - 1]++;
    }
    for (size_t i = 0; i < BINS; i++) {
        assert_in_range(bins[i], DRAWS / BINS * 9 / 10, DRAWS / BINS * 11 / 10);
    }
    assert_int_equal(decide(&attempt).wait_ms, decide(&attempt).wait_ms);
}

static void test_retry_after_is_a_floor(void **state)
{
    tsms__attempt attempt = attempt_of(TSMS_KIND_ACCOUNT_RATE_LIMITED, TSMS_OUTCOME_THROTTLED);
    int64_t wait_ms = decide(&attempt).wait_ms;
    attempt.retry_after_ms = 0;
    assert_int_equal(decide(&attempt).wait_ms, wait_ms);
    attempt.retry_after_ms = 499;
    assert_int_equal(decide(&attempt).wait_ms, wait_ms);
    attempt.retry_after_ms = 90000;
    assert_int_equal(decide(&attempt).wait_ms, 90000);
    attempt = attempt_of(TSMS_KIND_SERVICE_UNAVAILABLE, TSMS_OUTCOME_IN_DOUBT);
    attempt.retry_after_ms = 7000;
    assert_int_equal(decide(&attempt).next, TSMS__NEXT_LOOKUP);
    assert_int_equal(decide(&attempt).wait_ms, 7000);
}

static void test_quota_pays_for_each_retry(void **state)
{
    static const struct {
        tsms_kind kind;
        tsms_outcome outcome;
        int64_t cost;
    } rows[] = {
        {TSMS_KIND_CONNECTION_FAILED, TSMS_OUTCOME_NOT_SENT, COST_OF_FAULT},
        {TSMS_KIND_DNS_RESOLUTION_FAILED, TSMS_OUTCOME_NOT_SENT, COST_OF_FAULT},
        {TSMS_KIND_TIMEOUT, TSMS_OUTCOME_NOT_SENT, COST_OF_FAULT},
        {TSMS_KIND_INTERNAL_ERROR, TSMS_OUTCOME_NOT_SENT, COST_OF_FAULT},
        {TSMS_KIND_ACCOUNT_RATE_LIMITED, TSMS_OUTCOME_THROTTLED, COST_OF_THROTTLE},
        {TSMS_KIND_SERVICE_UNAVAILABLE, TSMS_OUTCOME_THROTTLED, COST_OF_THROTTLE},
        {TSMS_KIND_QUEUE_FULL, TSMS_OUTCOME_REJECTED, COST_OF_THROTTLE},
    };
    tsms__rand rand;
    tsms__rand_init(&rand, 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tsms__attempt attempt = attempt_of(rows[i].kind, rows[i].outcome);
        tsms__retry_plan plan = tsms__retry_decide(&usual, &attempt, rows[i].cost, 0, &rand);
        assert_int_equal(plan.next, TSMS__NEXT_RETRY);
        assert_int_equal(plan.cost, rows[i].cost);
        assert_false(plan.suppressed || plan.last);
        plan = tsms__retry_decide(&usual, &attempt, rows[i].cost - 1, 0, &rand);
        assert_int_equal(plan.next, TSMS__NEXT_STOP);
        assert_int_equal(plan.cost, 0);
        assert_true(plan.suppressed);
    }
}

/* In an outage the default is to look up before sending again; without this, its retries would
 * cost nothing and never end. */
static void test_quota_makes_a_look_up_the_last(void **state)
{
    tsms__rand rand;
    tsms__rand_init(&rand, 1);
    tsms__attempt attempt = attempt_of(TSMS_KIND_TIMEOUT, TSMS_OUTCOME_IN_DOUBT);
    tsms__retry_plan plan = tsms__retry_decide(&usual, &attempt, COST_OF_FAULT, 0, &rand);
    assert_int_equal(plan.next, TSMS__NEXT_LOOKUP);
    assert_int_equal(plan.cost, COST_OF_FAULT);
    assert_false(plan.last || plan.suppressed);
    plan = tsms__retry_decide(&usual, &attempt, COST_OF_FAULT - 1, 0, &rand);
    assert_int_equal(plan.next, TSMS__NEXT_LOOKUP);
    assert_int_equal(plan.cost, 0);
    assert_true(plan.last && plan.suppressed);
}

static void test_deadline(void **state)
{
    tsms__attempt attempt = attempt_of(TSMS_KIND_TIMEOUT, TSMS_OUTCOME_NOT_SENT);
    attempt.left_ms = 1000 + MIN_LEFT_MS;
    assert_next(&attempt, TSMS__NEXT_RETRY);
    attempt.left_ms = 1000 + MIN_LEFT_MS - 1;
    assert_next(&attempt, TSMS__NEXT_STOP);
    assert_false(decide(&attempt).suppressed);
    attempt.left_ms = INT64_MIN;
    assert_next(&attempt, TSMS__NEXT_STOP);

    attempt = attempt_of(TSMS_KIND_TIMEOUT, TSMS_OUTCOME_IN_DOUBT);
    attempt.left_ms = 1000 + MIN_LEFT_MS;
    assert_next(&attempt, TSMS__NEXT_LOOKUP);
    assert_false(decide(&attempt).last);
    attempt.left_ms = 1000 + MIN_LEFT_MS - 1;
    assert_next(&attempt, TSMS__NEXT_LOOKUP);
    assert_true(decide(&attempt).last);
    attempt.left_ms = 1001;
    assert_next(&attempt, TSMS__NEXT_LOOKUP);
    attempt.left_ms = 1000;
    assert_next(&attempt, TSMS__NEXT_STOP);

    attempt = attempt_of(TSMS_KIND_TIMEOUT, TSMS_OUTCOME_NOT_SENT);
    attempt.retry_after_ms = INT64_MAX;
    assert_next(&attempt, TSMS__NEXT_STOP);
}

/* A complete 4xx was not processed. It is repeated where the error table calls it a rate limit, as
 * 21408 and 21611 are. */
static void test_rejected_is_only_repeated_when_it_is_a_rate_limit(void **state)
{
    for (int kind = 0; kind < TSMS_KIND_COUNT; kind++) {
        tsms__attempt attempt = attempt_of((tsms_kind)kind, TSMS_OUTCOME_REJECTED);
        bool limit = tsms_kind_category((tsms_kind)kind) == TSMS_CATEGORY_RATE_LIMIT;
        assert_next(&attempt, limit ? TSMS__NEXT_RETRY : TSMS__NEXT_STOP);
        attempt.idempotent = true;
        assert_next(&attempt, limit ? TSMS__NEXT_RETRY : TSMS__NEXT_STOP);
    }
}

static void test_in_doubt_follows_the_option(void **state)
{
    tsms__attempt attempt = attempt_of(TSMS_KIND_INTERNAL_ERROR, TSMS_OUTCOME_IN_DOUBT);
    attempt.in_doubt = TSMS__IN_DOUBT_RESEND;
    assert_next(&attempt, TSMS__NEXT_RETRY);
    attempt.in_doubt = TSMS__IN_DOUBT_STOP;
    assert_next(&attempt, TSMS__NEXT_STOP);
    attempt.in_doubt = TSMS__IN_DOUBT_VERIFY;
    assert_next(&attempt, TSMS__NEXT_LOOKUP);
    assert_false(decide(&attempt).last);
    attempt.attempts = 2;
    assert_false(decide(&attempt).last);
    attempt.attempts = 3;
    assert_next(&attempt, TSMS__NEXT_LOOKUP);
    assert_true(decide(&attempt).last);
    assert_int_equal(decide(&attempt).cost, 0);
    attempt.in_doubt = TSMS__IN_DOUBT_RESEND;
    assert_next(&attempt, TSMS__NEXT_STOP);
}

static void test_in_doubt_and_not_retryable_is_still_looked_up(void **state)
{
    tsms__attempt attempt = attempt_of(TSMS_KIND_INTERNAL_ERROR, TSMS_OUTCOME_IN_DOUBT);
    attempt.retryable = false;
    assert_next(&attempt, TSMS__NEXT_LOOKUP);
    assert_true(decide(&attempt).last);
    attempt = attempt_of(TSMS_KIND_INVALID_REQUEST, TSMS_OUTCOME_IN_DOUBT);
    tsms__retry_plan plan = decide(&attempt);
    assert_int_equal(plan.next, TSMS__NEXT_LOOKUP);
    assert_true(plan.last);
    assert_in_range(plan.wait_ms, 500, 1000);
}

static void test_accepted_without_sid_is_only_looked_for(void **state)
{
    tsms__attempt attempt = attempt_of(TSMS_KIND_INTERNAL_ERROR, TSMS_OUTCOME_ACCEPTED_NO_SID);
    static const tsms__in_doubt options[] = {TSMS__IN_DOUBT_VERIFY, TSMS__IN_DOUBT_RESEND};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        attempt.in_doubt = options[i];
        tsms__retry_plan plan = decide(&attempt);
        assert_int_equal(plan.next, TSMS__NEXT_LOOKUP);
        assert_true(plan.last);
        assert_false(plan.suppressed);
        assert_int_equal(plan.cost, 0);
    }
    attempt.in_doubt = TSMS__IN_DOUBT_STOP;
    assert_next(&attempt, TSMS__NEXT_STOP);
}

static void test_idempotent_is_simply_repeated(void **state)
{
    static const tsms_outcome outcomes[] = {TSMS_OUTCOME_NOT_SENT, TSMS_OUTCOME_THROTTLED,
                                            TSMS_OUTCOME_IN_DOUBT, TSMS_OUTCOME_ACCEPTED_NO_SID};
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
        tsms__attempt attempt = attempt_of(TSMS_KIND_INTERNAL_ERROR, outcomes[i]);
        attempt.idempotent = true;
        for (int option = TSMS__IN_DOUBT_VERIFY; option <= TSMS__IN_DOUBT_STOP; option++) {
            attempt.in_doubt = (tsms__in_doubt)option;
            attempt.attempts = 2;
            assert_next(&attempt, TSMS__NEXT_RETRY);
            attempt.attempts = 3;
            assert_next(&attempt, TSMS__NEXT_STOP);
        }
    }
}

static void assert_is_safe(const tsms__attempt *attempt, int64_t quota_left, int64_t min_left_ms,
                           const tsms__retry_plan *plan)
{
    bool may_exist = attempt->outcome == TSMS_OUTCOME_IN_DOUBT ||
                     attempt->outcome == TSMS_OUTCOME_ACCEPTED_NO_SID ||
                     attempt->outcome == TSMS_OUTCOME_ACCEPTED;
    if (plan->next == TSMS__NEXT_RETRY) {
        assert_true(!may_exist || attempt->idempotent ||
                    (attempt->outcome == TSMS_OUTCOME_IN_DOUBT &&
                     attempt->in_doubt == TSMS__IN_DOUBT_RESEND));
        assert_true(attempt->retryable && attempt->attempts < 5);
        assert_false(plan->last);
    }
    if (plan->next == TSMS__NEXT_LOOKUP) {
        assert_true(may_exist && !attempt->idempotent);
        assert_true(attempt->in_doubt != TSMS__IN_DOUBT_STOP);
        assert_true(plan->last || attempt->outcome == TSMS_OUTCOME_IN_DOUBT);
        assert_true(plan->last || (attempt->retryable && attempt->attempts < 5));
    }
    if (plan->next != TSMS__NEXT_STOP) {
        assert_true(plan->wait_ms >= 0 && plan->wait_ms >= attempt->retry_after_ms);
        assert_true(plan->wait_ms < attempt->left_ms);
        assert_true(plan->last || plan->wait_ms <= attempt->left_ms - min_left_ms);
        assert_int_equal(plan->cost > 0, !plan->last);
        assert_true(plan->cost == 0 || plan->cost <= quota_left);
    }
}

static void test_no_message_is_sent_twice_whatever_happens(void **state)
{
    tsms__rand rand;
    tsms__rand_init(&rand, 3);
    int met[TSMS__NEXT_LOOKUP + 1] = {0};
    for (int i = 0; i < 200000; i++) {
        tsms__attempt attempt = {
            .kind = (tsms_kind)tsms__rand_between(&rand, 0, TSMS_KIND_COUNT - 1),
            .outcome = (tsms_outcome)tsms__rand_between(&rand, 0, TSMS_OUTCOME_IN_DOUBT),
            .retryable = tsms__rand_between(&rand, 0, 3) > 0,
            .retry_after_ms = tsms__rand_between(&rand, -1, 1) * tsms__rand_between(&rand, 1, 9999),
            .attempts = (int)tsms__rand_between(&rand, 1, 6),
            .idempotent = tsms__rand_between(&rand, 0, 3) == 0,
            .in_doubt = (tsms__in_doubt)tsms__rand_between(&rand, 0, TSMS__IN_DOUBT_STOP),
            .left_ms = tsms__rand_between(&rand, -1000, 30000),
        };
        int64_t quota_left = tsms__rand_between(&rand, -5, 40);
        int64_t min_left_ms = tsms__rand_between(&rand, 0, 3000);
        tsms__retry_plan plan =
            tsms__retry_decide(&usual, &attempt, quota_left, min_left_ms, &rand);
        assert_is_safe(&attempt, quota_left, min_left_ms, &plan);
        met[plan.next]++;
    }
    assert_true(met[TSMS__NEXT_RETRY] > 5000 && met[TSMS__NEXT_LOOKUP] > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attempts_and_pauses_of_each_kind),
        cmocka_unit_test(test_kinds_without_a_rule_are_not_retried),
        cmocka_unit_test(test_not_retryable_by_the_table_is_not_retried),
        cmocka_unit_test(test_pause_is_capped),
        cmocka_unit_test(test_jitter_is_even_over_the_upper_half),
        cmocka_unit_test(test_retry_after_is_a_floor),
        cmocka_unit_test(test_quota_pays_for_each_retry),
        cmocka_unit_test(test_quota_makes_a_look_up_the_last),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_rejected_is_only_repeated_when_it_is_a_rate_limit),
        cmocka_unit_test(test_in_doubt_follows_the_option),
        cmocka_unit_test(test_in_doubt_and_not_retryable_is_still_looked_up),
        cmocka_unit_test(test_accepted_without_sid_is_only_looked_for),
        cmocka_unit_test(test_idempotent_is_simply_repeated),
        cmocka_unit_test(test_no_message_is_sent_twice_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
