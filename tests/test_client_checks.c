/* Asking the host before each message, and ending calls early. */
#include "virtual_driver.h"

#define TO "+15005550001"

static void submit_sample(virtual_driver *d)
{
    virtual_send(d, TO, VIRTUAL_FROM, "hello");
}

static void answer(virtual_driver *d, const tsms_check *check, tsms_verdict verdict,
                   const char *reason, int64_t defer_ms)
{
    assert_true(tsms__client_answer(d->client, check->call_id, verdict, tsms_str_from(reason),
                                    defer_ms, d->now));
}

static void test_a_check(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "");
    tsms_client_set_checks(d.client, true);
    uint64_t id = virtual_send(&d, TO, VIRTUAL_FROM, "hello");
    virtual_run(&d, 1000);
    assert_int_equal(d.posts, 0);
    assert_int_equal(tsms__client_news(d.client), 1);
    assert_false(tsms__client_answer(d.client, id, TSMS_ALLOW, tsms_str_from(NULL), 0, d.now));
    tsms_check check;
    assert_true(tsms_client_check(d.client, &check));
    assert_int_equal(check.call_id, id);
    assert_str_is(check.to, TO);
    assert_str_is(check.from, VIRTUAL_FROM);
    assert_str_is(check.body, "hello");
    assert_null(check.messaging_service_sid.ptr);
    assert_int_equal(check.attempts, 0);
    assert_false(tsms_client_check(d.client, &check));
    virtual_run(&d, 1000);
    assert_int_equal(d.posts, 0);
    answer(&d, &check, TSMS_ALLOW, NULL, 0);
    assert_false(tsms__client_answer(d.client, id, TSMS_DENY, tsms_str_from("no"), 0, d.now));
    virtual_run(&d, 1000);
    assert_result(&d, "ok 1");
    virtual_close(&d);
}

/* As long as the reasons of stores are. */
#define LONG_REASON                                                                                \
    "the opt-out list cannot be read: cannot connect to Redis at redis.example.com:6379: "         \
    "connection refused"

static void test_denials(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "");
    tsms_client_set_checks(d.client, true);
    tsms_check check;
    submit_sample(&d);
    assert_true(tsms_client_check(d.client, &check));
    answer(&d, &check, TSMS_DENY, "opted_out", 0);
    virtual_run(&d, 1000);
    assert_result(&d, "OptedOut not_sent 0");

    submit_sample(&d);
    assert_true(tsms_client_check(d.client, &check));
    answer(&d, &check, TSMS_DENY, "quiet hours of +15005550001", 0);
    tsms_result *result = tsms_client_result(d.client);
    assert_string_equal(tsms_result_error(result)->message,
                        "a check refused it: quiet hours of +1********01");
    tsms_result_free(result);

    submit_sample(&d);
    assert_true(tsms_client_check(d.client, &check));
    answer(&d, &check, (tsms_verdict)99, NULL, 0); /* in doubt, no */
    assert_result(&d, "InvalidRequest not_sent 0");

    submit_sample(&d);
    assert_true(tsms_client_check(d.client, &check));
    answer(&d, &check, TSMS_CANNOT_TELL, LONG_REASON, 0);
    result = tsms_client_result(d.client);
    assert_string_equal(tsms_result_error(result)->message, "a check cannot tell: " LONG_REASON);
    assert_int_equal(tsms_result_error(result)->kind, TSMS_KIND_TEMPORARILY_UNAVAILABLE);
    assert_int_equal(tsms_result_error(result)->outcome, TSMS_OUTCOME_NOT_SENT);
    assert_true(tsms_result_error(result)->retryable);
    tsms_result_free(result);
    assert_int_equal(virtual_stats(&d).denied, 4);
    assert_int_equal(d.posts, 0);
    virtual_close(&d);
}

static void test_deferring(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "timeout_ms=60000");
    tsms_client_set_checks(d.client, true);
    tsms_check check;
    submit_sample(&d);
    assert_true(tsms_client_check(d.client, &check));
    answer(&d, &check, TSMS_DEFER, NULL, 5000);
    virtual_run(&d, 4999);
    assert_false(tsms_client_check(d.client, &check));
    virtual_run(&d, 1);
    assert_true(tsms_client_check(d.client, &check));
    answer(&d, &check, TSMS_DEFER, NULL, -7); /* not in the past */
    virtual_run(&d, 1);
    assert_true(tsms_client_check(d.client, &check));
    answer(&d, &check, TSMS_DEFER, NULL, 54999); /* the deadline itself */
    assert_result(&d, "Timeout not_sent 0");

    submit_sample(&d);
    assert_true(tsms_client_check(d.client, &check));
    answer(&d, &check, TSMS_DEFER, NULL, INT64_MAX);
    assert_result(&d, "Timeout not_sent 0");
    virtual_close(&d);
}

static void test_a_call_that_expires_while_asked(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "timeout_ms=1000");
    tsms_client_set_checks(d.client, true);
    submit_sample(&d);
    submit_sample(&d);
    tsms_check check;
    assert_true(tsms_client_check(d.client, &check)); /* one is asked about, one is not */
    virtual_run(&d, 999);
    assert_result(&d, "");
    virtual_run(&d, 1);
    assert_result(&d, "Timeout not_sent 0");
    assert_result(&d, "Timeout not_sent 0");
    assert_false(tsms_client_check(d.client, &check));
    assert_false(
        tsms__client_answer(d.client, check.call_id, TSMS_ALLOW, tsms_str_from(NULL), 0, d.now));
    assert_int_equal(d.posts, 0);
    virtual_close(&d);
}

/* An answer counts for one request: what happens after a pause is asked about again. */
static void allow_first(virtual_driver *d, const tsms_check *check)
{
    if (check->attempts == 0) {
        answer(d, check, TSMS_ALLOW, NULL, 0);
    } else {
        answer(d, check, TSMS_DENY, "opted_out", 0);
    }
}

static void test_a_stop_before_a_retry_wins(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "");
    tsms_client_set_checks(d.client, true);
    d.judge = allow_first;
    d.script = "429";
    submit_sample(&d);
    virtual_run(&d, 10000);
    assert_result(&d, "OptedOut not_sent 1");
    assert_int_equal(d.posts, 1);
    assert_int_equal(d.checks, 2);
    virtual_close(&d);
}

/* Switched on, also what was submitted before is asked about. */
static void test_checks_switched_on_late(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "");
    submit_sample(&d);
    tsms_client_set_checks(d.client, true);
    virtual_run(&d, 1000);
    assert_int_equal(d.posts, 0);
    tsms_check check;
    assert_true(tsms_client_check(d.client, &check));
    answer(&d, &check, TSMS_ALLOW, NULL, 0);
    virtual_run(&d, 1000);
    assert_result(&d, "ok 1");
    virtual_close(&d);
}

/* Switched off, nobody answers any more what was not asked. */
static void test_checks_switched_off_again(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "rate.per_number=0");
    tsms_client_set_checks(d.client, true);
    submit_sample(&d);
    submit_sample(&d);
    tsms_check check;
    assert_true(tsms_client_check(d.client, &check));
    tsms_client_set_checks(d.client, false);
    virtual_run(&d, 1000);
    assert_result(&d, "ok 1"); /* the one that was not asked about */
    assert_result(&d, "");
    answer(&d, &check, TSMS_DENY, "opted_out", 0); /* the other one still gets its answer */
    assert_result(&d, "OptedOut not_sent 0");
    virtual_close(&d);
}

static void cancel(virtual_driver *d, uint64_t id)
{
    assert_true(tsms__client_cancel(d->client, id, d->now));
}

static void test_cancel_before_and_while_asked(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "");
    tsms_client_set_checks(d.client, true);
    uint64_t unasked = virtual_send(&d, TO, VIRTUAL_FROM, "hello");
    cancel(&d, unasked);
    assert_result(&d, "InvalidRequest not_sent 0");
    tsms_check check;
    assert_false(tsms_client_check(d.client, &check));
    uint64_t asked = virtual_send(&d, TO, VIRTUAL_FROM, "hello");
    assert_true(tsms_client_check(d.client, &check));
    cancel(&d, asked);
    assert_result(&d, "InvalidRequest not_sent 0");
    assert_false(tsms__client_answer(d.client, asked, TSMS_ALLOW, tsms_str_from(NULL), 0, d.now));
    virtual_close(&d);
}

static void test_cancel_in_the_queue(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "");
    submit_sample(&d);
    uint64_t second = virtual_send(&d, TO, VIRTUAL_FROM, "hello");
    virtual_send(&d, TO, VIRTUAL_FROM, "hello");
    virtual_run(&d, 500);
    assert_result(&d, "ok 1");
    assert_int_equal(tsms__queue_count(d.client->queue), 2);
    cancel(&d, second);
    assert_result(&d, "InvalidRequest not_sent 0");
    assert_int_equal(tsms__queue_count(d.client->queue), 1);
    virtual_run(&d, 600); /* the third has taken its place */
    assert_result(&d, "ok 1");
    virtual_close(&d);
}

static void test_cancel_before_dispatch(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "");
    cancel(&d, virtual_send(&d, TO, VIRTUAL_FROM, "hello"));
    cancel(&d, virtual_fetch(&d, 0));
    virtual_run(&d, 1000);
    assert_result(&d, "InvalidRequest not_sent 0");
    assert_result(&d, "InvalidRequest not_sent 0");
    assert_int_equal(d.posts + d.gets, 0);
    virtual_close(&d);
}

static void test_cancel_on_the_wire_and_in_pauses(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "rate.per_number=0");
    uint64_t id = virtual_send(&d, TO, VIRTUAL_FROM, "hello");
    virtual_run(&d, 50);
    cancel(&d, id);
    cancel(&d, id); /* twice is as good */
    assert_result(&d, "");
    virtual_run(&d, 50);
    assert_result(&d, "ok 1");
    assert_false(tsms__client_cancel(d.client, id, d.now));

    d.script = "refused";
    id = virtual_send(&d, TO, VIRTUAL_FROM, "hello");
    virtual_run(&d, 150);
    cancel(&d, id);
    assert_result(&d, "InvalidRequest not_sent 1");

    d.script = "reset"; /* before its look-up */
    id = virtual_send(&d, TO, VIRTUAL_FROM, "hello");
    virtual_run(&d, 150);
    cancel(&d, id);
    assert_result(&d, "ConnectionFailed in_doubt 1");
    assert_int_equal(d.gets, 0);

    d.script = "reset none"; /* during its look-up */
    id = virtual_send(&d, TO, VIRTUAL_FROM, "hello");
    virtual_run(&d, 100);
    while (d.gets == 0) {
        virtual_run(&d, 10);
    }
    cancel(&d, id);
    virtual_run(&d, 10000);
    assert_result(&d, "ConnectionFailed in_doubt 1");
    assert_int_equal(d.posts, 4);
    virtual_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_check),
        cmocka_unit_test(test_denials),
        cmocka_unit_test(test_deferring),
        cmocka_unit_test(test_a_call_that_expires_while_asked),
        cmocka_unit_test(test_a_stop_before_a_retry_wins),
        cmocka_unit_test(test_checks_switched_on_late),
        cmocka_unit_test(test_checks_switched_off_again),
        cmocka_unit_test(test_cancel_before_and_while_asked),
        cmocka_unit_test(test_cancel_in_the_queue),
        cmocka_unit_test(test_cancel_before_dispatch),
        cmocka_unit_test(test_cancel_on_the_wire_and_in_pauses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
