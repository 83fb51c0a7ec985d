/* What answers do to the client: 429, the ceiling and the retry quota. */
#include "virtual_driver.h"

#define WEEK "timeout_ms=604800000"
#define TO "+15005550001"

static void send_many(virtual_driver *d, size_t count, const char *from)
{
    for (size_t i = 0; i < count; i++) {
        virtual_send(d, TO, from, "hello");
    }
}

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
    virtual_assert_refused(&d, "AccountRateLimited throttled 1", 3600000);
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

static void answer_with_id(virtual_driver *d, virtual_flight *flight)
{
    virtual_answer(flight, TSMS__STR("400"), d->now.wall_ms / 1000, 1);
    flight->transfer.response.request_id = tsms_str_from(d->world);
}

static void test_request_ids_in_events(void **state)
{
    (void)state;
    static char good[] = "RQ00112233445566778899aabbccddeeff";
    static char said_back[] = "Basic QUMwMTIzNDU2Nzg5YWJjZGVm";
    for (int i = 0; i < 2; i++) {
        virtual_driver d;
        virtual_open(&d, NULL, "");
        d.serve = answer_with_id;
        d.world = i == 0 ? good : said_back;
        send_many(&d, 1, VIRTUAL_FROM);
        virtual_run(&d, 1000);
        tsms_event event;
        int told = 0;
        while (tsms_client_event(d.client, &event)) {
            if (event.type == TSMS_EVENT_RESPONSE || event.type == TSMS_EVENT_DONE) {
                assert_string_equal(event.request_id, i == 0 ? good : "");
                told++;
            }
        }
        assert_int_equal(told, 2);
        assert_int_equal(virtual_collect(&d), 0);
        virtual_close(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_429_pauses_the_account),
        cmocka_unit_test(test_a_pause_is_five_minutes_at_most),
        cmocka_unit_test(test_the_ceiling),
        cmocka_unit_test(test_a_ceiling_of_one_from_the_start),
        cmocka_unit_test(test_the_quota_ends_a_storm),
        cmocka_unit_test(test_a_success_after_retries_pays_them_back),
        cmocka_unit_test(test_request_ids_in_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
