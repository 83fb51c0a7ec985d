/* Which call's request leaves when: rate limits, slots, deadlines and 429. */
#include "virtual_driver.h"

#define TO "+15005550001"
#define WEEK "timeout_ms=604800000"

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

static void allow(virtual_driver *d, const tsms_check *check)
{
    assert_true(
        tsms__client_answer(d->client, check->call_id, TSMS_ALLOW, tsms_str_from(NULL), 0, d->now));
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

static void assert_refused(virtual_driver *d, const char *want, int64_t retry_after_ms)
{
    tsms_result *result = tsms_client_result(d->client);
    assert_non_null(result);
    char text[160];
    assert_string_equal(virtual_summary(result, text, sizeof text), want);
    assert_int_equal(tsms_result_error(result)->retry_after_ms, retry_after_ms);
    tsms_result_free(result);
}

static void test_without_waiting(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "rate.wait=false rate.per_second=2 rate.burst=2");
    send_many(&d, 2, VIRTUAL_FROM);
    virtual_run(&d, 0);
    assert_refused(&d, "NumberRateLimited not_sent 0", 1000);
    send_many(&d, 1, "+15005550007");
    send_many(&d, 1, "+15005550008");
    virtual_run(&d, 0);
    assert_refused(&d, "AccountRateLimited not_sent 0", 500);
    virtual_run(&d, 1000);
    assert_int_equal(d.posts, 2);
    assert_int_equal(virtual_stats(&d).rate_limited, 2);
    virtual_close(&d);

    virtual_open(&d, NULL, "rate.wait=false rate.per_recipient=1 rate.per_number=0");
    send_many(&d, 2, VIRTUAL_FROM);
    virtual_run(&d, 0);
    assert_refused(&d, "NumberRateLimited not_sent 0", 1000);
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
    assert_refused(&d, "NumberRateLimited not_sent 0", 9000);
    assert_int_equal(virtual_collect(&d), 0);
    virtual_run(&d, 10000);
    assert_int_equal(virtual_collect(&d), 30 - refused);
    virtual_close(&d);

    virtual_open(&d, NULL, "timeout_ms=3000 rate.per_recipient=0.1 rate.per_number=0");
    send_many(&d, 2, VIRTUAL_FROM);
    virtual_run(&d, 0);
    assert_refused(&d, "NumberRateLimited not_sent 0", 10000);
    virtual_close(&d);
}

/* ---- The queue ----------------------------------------------------------------------------- */

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
    virtual_open(&d, NULL, "timeout_ms=61000");
    tsms_client_set_checks(d.client, true);
    d.judge = allow;
    send_many(&d, 55, VIRTUAL_FROM);
    virtual_run(&d, 10999);
    d.judge = NULL;
    virtual_run(&d, 1); /* the twelfth is asked about */
    tsms_check check;
    assert_true(tsms_client_check(d.client, &check));
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

/* ---- 429 ----------------------------------------------------------------------------------- */

static void test_a_429_pauses_the_account(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "");
    d.script = "429:3";
    send_many(&d, 1, VIRTUAL_FROM);
    virtual_run(&d, 100);
    send_many(&d, 1, "+15005550007");
    virtual_fetch(&d, 0);
    virtual_run(&d, 2999);
    assert_int_equal(d.posts, 1);
    assert_int_equal(d.gets, 1); /* reads are no messages */
    virtual_run(&d, 1);
    assert_int_equal(d.posts, 2);
    virtual_run(&d, 1000);
    assert_int_equal(virtual_collect(&d), 3);
    assert_int_equal(virtual_stats(&d).throttled, 1);
    virtual_close(&d);
}

static void test_a_pause_is_five_minutes_at_most(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "retry.rate_limit.attempts=1 " WEEK);
    d.script = "429:3600";
    send_many(&d, 1, VIRTUAL_FROM);
    virtual_run(&d, 100);
    assert_refused(&d, "AccountRateLimited throttled 1", 3600000);
    send_many(&d, 1, VIRTUAL_FROM);
    virtual_run(&d, 299999);
    assert_int_equal(d.posts, 1);
    virtual_run(&d, 1);
    assert_int_equal(d.posts, 2);
    virtual_close(&d);
}

static void answer_all(virtual_driver *d, virtual_flight *flight)
{
    virtual_answer(flight, tsms_str_from(d->world), d->now.wall_ms / 1000, ++d->sids);
}

/* One round of requests is refused: the ceiling falls once. */
static void test_the_ceiling(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL,
                 "max_concurrency=100 rate.per_second=0 rate.per_number=0 "
                 "retry.rate_limit.attempts=1");
    d.serve = answer_all;
    d.world = "429";
    send_many(&d, 100, VIRTUAL_FROM);
    virtual_run(&d, 100);
    assert_int_equal(virtual_stats(&d).throttled, 100);
    assert_true(d.client->ceiling == 70);
    send_many(&d, 100, VIRTUAL_FROM);
    virtual_run(&d, 50);
    assert_int_equal(d.in_flight, 70);
    virtual_run(&d, 1000);
    assert_true(d.client->ceiling > 34 && d.client->ceiling < 35); /* rounds of 70 and of 30 */

    for (int i = 0; i < 50; i++) {
        send_many(&d, 1, VIRTUAL_FROM);
        virtual_run(&d, 100);
    }
    assert_true(d.client->ceiling == 1);
    send_many(&d, 2, VIRTUAL_FROM);
    virtual_run(&d, 50);
    assert_int_equal(d.in_flight, 1);
    virtual_run(&d, 1000);

    d.world = "400"; /* proves nothing about the ceiling */
    send_many(&d, 2, VIRTUAL_FROM);
    virtual_run(&d, 1000);
    assert_true(d.client->ceiling == 1);
    d.world = "ok"; /* one more for each round */
    send_many(&d, 5000, VIRTUAL_FROM);
    virtual_run(&d, 450);
    assert_true(d.client->ceiling > 4 && d.client->ceiling < 5);
    virtual_run(&d, 15000);
    assert_true(d.client->ceiling == 100);
    virtual_close(&d);
}

static void test_a_ceiling_of_one_from_the_start(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "max_concurrency=1 rate.per_second=0 rate.per_number=0");
    d.script = "429 429 429 429";
    send_many(&d, 2, VIRTUAL_FROM);
    virtual_run(&d, 60000);
    assert_int_equal(virtual_collect(&d), 2);
    assert_true(d.client->ceiling == 1);
    virtual_close(&d);
}

/* ---- The retry quota ----------------------------------------------------------------------- */

static int64_t quota_left(const virtual_driver *d)
{
    return tsms__region_quota_left(d->client->region, d->client->config->retry.quota);
}

static void test_the_quota_ends_a_storm(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL,
                 "retry.quota=50 rate.per_second=0 rate.per_number=0 "
                 "breaker.failure_threshold=0");
    d.serve = answer_all;
    d.world = "refused";
    send_many(&d, 20, VIRTUAL_FROM);
    virtual_run(&d, 60000);
    assert_int_equal(d.posts, 20 + 3); /* three times 14 */
    assert_int_equal(quota_left(&d), 8);
    tsms_stats stats = virtual_stats(&d);
    assert_int_equal(stats.retries, 3);
    assert_int_equal(stats.retries_suppressed, 20);
    assert_int_equal(virtual_collect(&d), 0);

    d.world = "429";
    send_many(&d, 2, VIRTUAL_FROM);
    virtual_run(&d, 60000);
    assert_int_equal(quota_left(&d), 3); /* never below 0 */

    d.world = "ok"; /* each first success pays one back */
    send_many(&d, 7, VIRTUAL_FROM);
    virtual_run(&d, 1000);
    assert_int_equal(quota_left(&d), 10);
    send_many(&d, 100, VIRTUAL_FROM);
    virtual_run(&d, 1000);
    assert_int_equal(quota_left(&d), 50);
    virtual_close(&d);
}

static void test_a_success_after_retries_pays_them_back(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "rate.per_number=0");
    d.script = "refused reset none ok";
    send_many(&d, 1, VIRTUAL_FROM);
    virtual_run(&d, 200);
    assert_int_equal(quota_left(&d), 486);
    virtual_run(&d, 30000);
    assert_result(&d, "ok 3");
    assert_int_equal(quota_left(&d), 500);
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
        cmocka_unit_test(test_the_permitted_rate_is_reached),
        cmocka_unit_test(test_the_permitted_rate_is_reached_with_checks),
        cmocka_unit_test(test_order_with_checks),
        cmocka_unit_test(test_an_open_question_is_no_reason_to_hurry),
        cmocka_unit_test(test_after_a_refusal_the_next_one_is_asked_about),
        cmocka_unit_test(test_a_message_that_comes_back_is_not_refused_for_the_others),
        cmocka_unit_test(test_new_messages_and_the_queue),
        cmocka_unit_test(test_a_queued_message_that_runs_out_of_time),
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_the_deadline_of_what_waits_for_a_slot),
        cmocka_unit_test(test_nothing_leaves_at_its_deadline),
        cmocka_unit_test(test_messages_and_reads_take_turns),
        cmocka_unit_test(test_a_429_pauses_the_account),
        cmocka_unit_test(test_a_pause_is_five_minutes_at_most),
        cmocka_unit_test(test_the_ceiling),
        cmocka_unit_test(test_a_ceiling_of_one_from_the_start),
        cmocka_unit_test(test_the_quota_ends_a_storm),
        cmocka_unit_test(test_a_success_after_retries_pays_them_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
