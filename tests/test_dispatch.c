/* Which call's request leaves when: rate limits, slots and deadlines. */
#include "virtual_driver.h"

#define TO "+15005550001"

static void send_to(virtual_driver *d, const char *to, const char *from)
{
    virtual_send(d, to, from, "hello");
}

static void send_many(virtual_driver *d, size_t count, const char *from)
{
    for (size_t i = 0; i < count; i++) {
        send_to(d, TO, from);
    }
}

/* ---- Rate limits --------------------------------------------------------------------------- */

static void test_the_limit_of_a_number(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "");
    send_many(&d, 4, VIRTUAL_FROM);
    send_many(&d, 1, "+15005550007");
    virtual_run(&d, 0);
    assert_int_equal(d.posts, 2);
    virtual_run(&d, 999);
    assert_int_equal(d.posts, 2);
    virtual_run(&d, 1);
    assert_int_equal(d.posts, 3);
    virtual_run(&d, 2000);
    assert_int_equal(d.posts, 5);
    assert_int_equal(virtual_stats(&d).rate_limited, 3);
    virtual_close(&d);
}

static void test_the_limit_of_the_account(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "rate.per_second=10 rate.burst=5 rate.per_number=0");
    send_many(&d, 20, VIRTUAL_FROM);
    virtual_run(&d, 0);
    assert_int_equal(d.posts, 5);
    virtual_run(&d, 1000);
    assert_int_equal(d.posts, 15);
    virtual_run(&d, 500);
    assert_int_equal(d.posts, 20);
    virtual_close(&d);
}

/* Its numbers are the service's business. */
static void test_a_service_has_no_number(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "messaging_service_sid=" VIRTUAL_SERVICE);
    for (int i = 0; i < 10; i++) {
        send_to(&d, TO, NULL);
    }
    virtual_run(&d, 0);
    assert_int_equal(d.posts, 10);
    virtual_close(&d);
}

static void test_limits_in_segments(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "rate.unit=segment");
    char body[401];
    memset(body, 'a', 400);
    body[400] = '\0';
    virtual_send(&d, TO, VIRTUAL_FROM, body); /* three segments */
    send_to(&d, TO, VIRTUAL_FROM);
    virtual_run(&d, 2999);
    assert_int_equal(d.posts, 1);
    virtual_run(&d, 1);
    assert_int_equal(d.posts, 2);
    virtual_close(&d);
}

static void test_the_limit_of_a_recipient(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "rate.per_recipient=0.5 rate.per_number=0");
    send_to(&d, TO, VIRTUAL_FROM);
    send_to(&d, TO, "+15005550007");
    send_to(&d, "+15005550002", VIRTUAL_FROM);
    virtual_run(&d, 1999);
    assert_int_equal(d.posts, 2);
    virtual_run(&d, 1);
    assert_int_equal(d.posts, 3);
    assert_int_equal(virtual_stats(&d).rate_limited, 1);
    virtual_close(&d);
}

static void test_without_waiting(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "rate.wait=false rate.per_second=2 rate.burst=2");
    send_many(&d, 2, VIRTUAL_FROM);
    virtual_run(&d, 0);
    virtual_assert_refused(&d, "NumberRateLimited not_sent 0", 1000);
    send_many(&d, 1, "+15005550007");
    send_many(&d, 1, "+15005550008");
    virtual_run(&d, 0);
    virtual_assert_refused(&d, "AccountRateLimited not_sent 0", 500);
    virtual_run(&d, 1000);
    assert_int_equal(d.posts, 2);
    assert_int_equal(virtual_stats(&d).rate_limited, 2);
    virtual_close(&d);

    virtual_open(&d, NULL, "rate.wait=false rate.per_recipient=1 rate.per_number=0");
    send_many(&d, 2, VIRTUAL_FROM);
    virtual_run(&d, 0);
    virtual_assert_refused(&d, "NumberRateLimited not_sent 0", 1000);
    virtual_close(&d);
}

/* Who cannot be served in time hears it at once; who may wait is served. */
static void test_a_wait_past_the_deadline(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "timeout_ms=10000");
    send_many(&d, 30, VIRTUAL_FROM);
    virtual_run(&d, 0);
    size_t refused = d.client->done_count;
    assert_int_equal(refused, 21); /* at 0 s, 1 s ... 8 s, with 2 s left */
    virtual_assert_refused(&d, "NumberRateLimited not_sent 0", 9000);
    assert_int_equal(virtual_collect(&d), 0);
    virtual_run(&d, 10000);
    assert_int_equal(virtual_collect(&d), 30 - refused);
    virtual_close(&d);

    virtual_open(&d, NULL, "timeout_ms=3000 rate.per_recipient=0.1 rate.per_number=0");
    send_many(&d, 2, VIRTUAL_FROM);
    virtual_run(&d, 0);
    virtual_assert_refused(&d, "NumberRateLimited not_sent 0", 10000);
    virtual_close(&d);
}

/* ---- Slots --------------------------------------------------------------------------------- */

static void test_slots(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "max_concurrency=3 rate.per_second=0 rate.per_number=0");
    send_many(&d, 10, VIRTUAL_FROM);
    virtual_run(&d, 250);
    assert_int_equal(d.posts, 9);
    virtual_run(&d, 1000);
    assert_int_equal(virtual_collect(&d), 10);
    assert_int_equal(d.most_in_flight, 3);
    assert_int_equal(virtual_stats(&d).rate_limited, 0); /* they waited for slots only */
    virtual_close(&d);
}

/* Submitted while the wire is full: its deadline is kept all the same. */
static void test_the_deadline_of_what_waits_for_a_slot(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "max_concurrency=1 rate.per_number=0");
    d.takes_ms = 10000;
    virtual_fetch(&d, 0);
    virtual_run(&d, 0);
    virtual_fetch(&d, 2000);
    send_to(&d, TO, VIRTUAL_FROM);
    assert_true(tsms__client_due_ms(d.client, d.now) == d.now.mono_ms); /* to be queued */
    virtual_run(&d, 1999);
    assert_result(&d, "");
    virtual_run(&d, 1);
    assert_result(&d, "Timeout not_sent 0");
    virtual_run(&d, 8000);
    assert_int_equal(d.gets, 1);
    assert_int_equal(d.posts, 1);
    virtual_close(&d);
}

/* The slot and the deadline come at the same moment. */
static void test_nothing_leaves_at_its_deadline(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "max_concurrency=1");
    d.takes_ms = 2000;
    virtual_fetch(&d, 0);
    virtual_fetch(&d, 2000);
    virtual_run(&d, 5000);
    assert_result(&d, "ok 1");
    assert_result(&d, "Timeout not_sent 0");
    assert_int_equal(d.gets, 1);
    virtual_close(&d);
}

static void test_messages_and_reads_take_turns(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "max_concurrency=1 rate.per_second=0 rate.per_number=0");
    for (int i = 0; i < 20; i++) {
        virtual_fetch(&d, 0);
    }
    send_many(&d, 3, VIRTUAL_FROM);
    virtual_run(&d, 599);
    assert_int_equal(d.gets, 3);
    assert_int_equal(d.posts, 3);
    virtual_run(&d, 5000);
    assert_int_equal(virtual_collect(&d), 23);

    send_many(&d, 20, VIRTUAL_FROM);
    virtual_fetch(&d, 0);
    virtual_run(&d, 200);
    assert_int_equal(d.gets, 21);
    virtual_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_limit_of_a_number),
        cmocka_unit_test(test_the_limit_of_the_account),
        cmocka_unit_test(test_a_service_has_no_number),
        cmocka_unit_test(test_limits_in_segments),
        cmocka_unit_test(test_the_limit_of_a_recipient),
        cmocka_unit_test(test_without_waiting),
        cmocka_unit_test(test_a_wait_past_the_deadline),
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_the_deadline_of_what_waits_for_a_slot),
        cmocka_unit_test(test_nothing_leaves_at_its_deadline),
        cmocka_unit_test(test_messages_and_reads_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
