/* Messages that wait for their turn: the rate that they reach, their order and the checks. */
#include "virtual_driver.h"

#define WEEK "timeout_ms=604800000"
#define TO "+15005550001"

static void send_many(virtual_driver *d, size_t count, const char *from)
{
    for (size_t i = 0; i < count; i++) {
        virtual_send(d, TO, from, "hello");
    }
}

static void allow(virtual_driver *d, const tsms_check *check)
{
    assert_true(
        tsms__client_answer(d->client, check->call_id, TSMS_ALLOW, tsms_str_from(NULL), 0, d->now));
}

/* 60 seconds, the account at 20 a second, 30 numbers at one a second, the first with 400 messages
 * and the others with 40 each: the account's share for each is exactly 40. */
enum { NUMBERS = 30, EACH = 40, FIRST = 400, SECONDS = 60 };

typedef struct traffic {
    size_t sent[NUMBERS];
    size_t out_of_order;
} traffic;

static void count_message(virtual_driver *d, virtual_flight *flight)
{
    traffic *t = d->world;
    size_t number = (size_t)atoi(flight->call->from.ptr + 9);
    size_t place = (size_t)atoi(flight->call->body.ptr);
    t->out_of_order += place != t->sent[number]++;
    virtual_serve_script(d, flight);
}

static void fill(virtual_driver *d)
{
    for (size_t number = 0; number < NUMBERS; number++) {
        char from[16];
        snprintf(from, sizeof from, "+1500555%04zu", number);
        for (size_t i = 0; i < (number == 0 ? FIRST : EACH); i++) {
            char body[16];
            snprintf(body, sizeof body, "%zu", i);
            virtual_send(d, "+15005559999", from, body);
        }
    }
}

static void run_traffic(virtual_driver *d, traffic *t, bool checks)
{
    virtual_open(d, NULL, "rate.per_second=20 rate.burst=1 rate.per_number=1 " WEEK);
    *t = (traffic){.out_of_order = 0};
    d->world = t;
    d->serve = count_message;
    if (checks) {
        tsms_client_set_checks(d->client, true);
        d->judge = allow;
    }
    fill(d);
    virtual_run(d, SECONDS * 1000 - 1);
}

static void check_traffic(virtual_driver *d, const traffic *t)
{
    print_message("%zu messages in %d s: %.2f a second, %zu checks\n", d->posts, SECONDS,
                  (double)d->posts / SECONDS, d->checks);
    assert_true((double)d->posts / SECONDS >= 19.5);
    assert_true(d->posts <= 20 * SECONDS);
    assert_int_equal(t->out_of_order, 0);
    for (size_t i = 0; i < NUMBERS; i++) {
        assert_in_range(t->sent[i], EACH - 1, EACH + 1);
    }
}

static void test_the_permitted_rate_is_reached(void **state)
{
    (void)state;
    virtual_driver d;
    traffic t;
    run_traffic(&d, &t, false);
    check_traffic(&d, &t);
    virtual_close(&d);
}

/* Each message is asked about when it is submitted, and once more when its turn comes. */
static void test_the_permitted_rate_is_reached_with_checks(void **state)
{
    (void)state;
    virtual_driver d;
    traffic t;
    run_traffic(&d, &t, true);
    check_traffic(&d, &t);
    assert_true(d.checks <= FIRST + (NUMBERS - 1) * EACH + d.posts + 1);
    virtual_close(&d);
}

/* A message that lost its turn keeps its place, and is not refused for those behind it. */
static void test_order_with_checks(void **state)
{
    (void)state;
    virtual_driver d;
    traffic t = {.out_of_order = 0};
    virtual_open(&d, NULL, "timeout_ms=61000 max_concurrency=100");
    d.world = &t;
    d.serve = count_message;
    tsms_client_set_checks(d.client, true);
    d.judge = allow;
    for (int i = 0; i < 50; i++) {
        char body[16];
        snprintf(body, sizeof body, "%d", i);
        virtual_send(&d, TO, "+15005550003", body);
    }
    virtual_run(&d, 60000);
    assert_int_equal(virtual_collect(&d), 50);
    assert_int_equal(t.out_of_order, 0);
    assert_in_range(d.checks, 50, 101);
    virtual_close(&d);
}

/* A message that comes in the moment in which it is another one's turn is asked about first, and
 * goes behind it all the same. */
static void test_a_new_message_does_not_overtake_one_whose_turn_it_is(void **state)
{
    (void)state;
    virtual_driver d;
    traffic t = {.out_of_order = 0};
    virtual_open(&d, NULL, "");
    d.world = &t;
    d.serve = count_message;
    tsms_client_set_checks(d.client, true);
    d.judge = allow;
    virtual_send(&d, TO, VIRTUAL_FROM, "0");
    virtual_send(&d, TO, VIRTUAL_FROM, "1");
    virtual_run(&d, 999);
    virtual_wait(&d, 1); /* the turn of the second begins */
    virtual_send(&d, TO, VIRTUAL_FROM, "2");
    virtual_run(&d, 2000);
    assert_int_equal(d.posts, 3);
    assert_int_equal(t.out_of_order, 0);
    virtual_close(&d);
}

/* Until the host has answered, the client has nothing to do. */
static void test_an_open_question_is_no_reason_to_hurry(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "max_concurrency=1 " WEEK);
    send_many(&d, 3, VIRTUAL_FROM);
    tsms_client_set_checks(d.client, true);
    d.judge = allow;
    virtual_run(&d, 0);
    assert_int_equal(d.posts, 1);
    d.judge = NULL;
    virtual_run(&d, 1000); /* the second is asked about, and nobody answers */
    tsms_check check;
    assert_true(tsms_client_check(d.client, &check));
    virtual_run(&d, 60000);
    assert_false(tsms_client_check(d.client, &check));
    assert_int_equal(d.posts, 1);
    allow(&d, &check);
    virtual_run(&d, 0);
    assert_int_equal(d.posts, 2);
    virtual_close(&d);
}

static void test_after_a_refusal_the_next_one_is_asked_about(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, WEEK);
    send_many(&d, 4, VIRTUAL_FROM);
    virtual_run(&d, 0);
    tsms_client_set_checks(d.client, true);
    virtual_run(&d, 1000);
    tsms_check check;
    assert_true(tsms_client_check(d.client, &check));
    assert_true(tsms__client_answer(d.client, check.call_id, TSMS_DENY, tsms_str_from("opted_out"),
                                    0, d.now));
    virtual_run(&d, 0);
    assert_true(tsms_client_check(d.client, &check));
    assert_true(tsms__client_cancel(d.client, check.call_id, d.now));
    virtual_run(&d, 0);
    assert_true(tsms_client_check(d.client, &check));
    allow(&d, &check);
    virtual_run(&d, 0);
    assert_int_equal(d.posts, 2);
    virtual_close(&d);
}

/* It is the first in line: those behind it do not make its wait longer. */
static void test_a_message_that_comes_back_is_not_refused_for_the_others(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "timeout_ms=57000");
    tsms_client_set_checks(d.client, true);
    d.judge = allow;
    send_many(&d, 55, VIRTUAL_FROM);
    virtual_run(&d, 10999);
    d.judge = NULL;
    virtual_run(&d, 1); /* the twelfth is asked about */
    tsms_check check;
    assert_true(tsms_client_check(d.client, &check));
    virtual_run(&d, 3000); /* the answer takes its time, and then the account is paused */
    tsms__level_pause(&d.client->account_level, (uint64_t)(d.now.mono_ms + 2000) * 1000000);
    allow(&d, &check);
    virtual_run(&d, 1999);
    assert_int_equal(d.posts, 11);
    assert_int_equal(virtual_stats(&d).failed, 0);
    d.judge = allow;
    virtual_run(&d, 1);
    assert_int_equal(d.posts, 12);
    virtual_close(&d);
}

/* What comes later does not overtake, and what may go does not wait for others. */
static void test_new_messages_and_the_queue(void **state)
{
    (void)state;
    virtual_driver d;
    traffic t = {.out_of_order = 0};
    virtual_open(&d, NULL, "");
    d.world = &t;
    d.serve = count_message;
    virtual_send(&d, TO, "+15005550003", "0");
    virtual_send(&d, TO, "+15005550003", "1");
    virtual_run(&d, 999);
    virtual_wait(&d, 1); /* now "1" may go, and the client was not asked yet */
    virtual_send(&d, TO, "+15005550003", "2");
    virtual_send(&d, TO, "+15005550004", "0");
    virtual_run(&d, 0);
    assert_int_equal(t.sent[3], 2);
    assert_int_equal(t.sent[4], 1);
    virtual_run(&d, 1000);
    assert_int_equal(t.sent[3], 3);
    assert_int_equal(t.out_of_order, 0);
    virtual_close(&d);
}

static void test_a_queued_message_that_runs_out_of_time(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "timeout_ms=10000 retry.rate_limit.attempts=1");
    d.script = "429:60";
    send_many(&d, 2, VIRTUAL_FROM);
    virtual_run(&d, 8000); /* the answer came when the second was in the queue already */
    assert_result(&d, "AccountRateLimited throttled 1");
    assert_result(&d, "");
    virtual_run(&d, 1);
    assert_result(&d, "Timeout not_sent 0");
    assert_int_equal(d.posts, 1);
    virtual_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_permitted_rate_is_reached),
        cmocka_unit_test(test_the_permitted_rate_is_reached_with_checks),
        cmocka_unit_test(test_order_with_checks),
        cmocka_unit_test(test_a_new_message_does_not_overtake_one_whose_turn_it_is),
        cmocka_unit_test(test_an_open_question_is_no_reason_to_hurry),
        cmocka_unit_test(test_after_a_refusal_the_next_one_is_asked_about),
        cmocka_unit_test(test_a_message_that_comes_back_is_not_refused_for_the_others),
        cmocka_unit_test(test_new_messages_and_the_queue),
        cmocka_unit_test(test_a_queued_message_that_runs_out_of_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
