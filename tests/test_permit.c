/* The breaker, as the calls of a client meet it. */
#include "virtual_driver.h"

#define TO "+15005550001"

/* Three failures open it for ten seconds; a probe's lease is attempt_timeout_ms and a second. */
#define OPTIONS                                                                                    \
    "rate.per_second=0 rate.per_number=0 breaker.failure_threshold=3 "                             \
    "breaker.reset_timeout_ms=10000 breaker.success_threshold=2 attempt_timeout_ms=15000 "         \
    "retry.connection.attempts=4 retry.connection.base_ms=1000 "

static void send_many(virtual_driver *d, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        virtual_send(d, TO, VIRTUAL_FROM, "hello");
    }
}

static const char *breaker_of(const virtual_driver *d)
{
    return virtual_stats(d).breaker;
}

/* The server is down until world says. */
static void serve_when_up(virtual_driver *d, virtual_flight *flight)
{
    const int64_t *up_ms = d->world;
    const char *word = d->now.mono_ms < *up_ms ? "refused" : "ok";
    virtual_answer(flight, tsms_str_from(word), d->now.wall_ms / 1000, ++d->sids);
}

static void assert_breaker_events(virtual_driver *d, const char *want)
{
    char got[128] = "";
    tsms_event event;
    while (tsms_client_event(d->client, &event)) {
        if (event.type == TSMS_EVENT_BREAKER) {
            snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", got[0] ? " " : "",
                     event.text);
        }
    }
    assert_string_equal(got, want);
}

static void test_first_attempts_fail_fast(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, OPTIONS "retry.connection.attempts=1");
    d.script = "refused refused refused";
    send_many(&d, 3);
    virtual_run(&d, 100);
    assert_int_equal(virtual_collect(&d), 0);
    assert_string_equal(breaker_of(&d), "open");
    virtual_run(&d, 4000);
    send_many(&d, 1);
    virtual_fetch(&d, 0);
    virtual_run(&d, 0);
    for (int i = 0; i < 2; i++) {
        tsms_result *result = tsms_client_result(d.client);
        const tsms_error *err = tsms_result_error(result);
        assert_int_equal(err->kind, TSMS_KIND_TEMPORARILY_UNAVAILABLE);
        assert_int_equal(err->outcome, TSMS_OUTCOME_NOT_SENT);
        assert_int_equal(err->retry_after_ms, 6000);
        assert_true(err->retryable);
        tsms_result_free(result);
    }
    assert_int_equal(d.posts + d.gets, 3);
    assert_int_equal(virtual_stats(&d).breaker_refused, 2);
    assert_int_equal(virtual_stats(&d).breaker_opened, 1);
    virtual_run(&d, 6000);
    send_many(&d, 1);
    virtual_run(&d, 100);
    assert_string_equal(breaker_of(&d), "half_open");
    send_many(&d, 1);
    virtual_run(&d, 100);
    assert_string_equal(breaker_of(&d), "closed");
    assert_int_equal(virtual_collect(&d), 2);
    assert_breaker_events(&d, "open half_open closed");
    virtual_close(&d);
}

static void test_first_attempts_that_are_to_wait(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, OPTIONS "retry.connection.attempts=1");
    d.script = "refused refused refused";
    send_many(&d, 3);
    virtual_run(&d, 100);
    assert_int_equal(virtual_collect(&d), 0);
    tsms_request request = TSMS_REQUEST_INIT;
    request.operation = TSMS_OP_FETCH;
    request.sid = TSMS__STR(VIRTUAL_SID);
    request.wait_for_breaker = true;
    for (int i = 0; i < 3; i++) {
        uint64_t id;
        assert_int_equal(tsms__client_submit(d.client, &request, d.now, &id, NULL), TSMS_OK);
    }
    virtual_run(&d, 9000);
    assert_int_equal(d.gets, 0);
    assert_int_equal(virtual_stats(&d).breaker_refused, 0);
    virtual_run(&d, 2000);
    assert_int_equal(virtual_collect(&d), 3);
    assert_string_equal(breaker_of(&d), "closed");
    virtual_close(&d);
}

static void test_later_attempts_wait(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, OPTIONS);
    d.script = "refused refused refused";
    send_many(&d, 3);
    virtual_run(&d, 10099);
    assert_int_equal(d.posts, 3);
    assert_int_equal(virtual_stats(&d).breaker_refused, 0);
    virtual_run(&d, 1); /* one probe */
    assert_int_equal(d.posts, 4);
    virtual_run(&d, 1000);
    assert_int_equal(virtual_collect(&d), 3);
    virtual_close(&d);
}

/* They used to sleep until the end of the probe's lease, twice, and ran out of time. */
static void test_a_good_probe_wakes_those_who_wait(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, OPTIONS "timeout_ms=30000");
    int64_t up_ms = d.now.mono_ms + 5000;
    d.world = &up_ms;
    d.serve = serve_when_up;
    send_many(&d, 20);
    virtual_run(&d, 10300); /* open for 10 s, then two probes */
    assert_string_equal(breaker_of(&d), "closed");
    assert_int_equal(d.in_flight, 18);
    virtual_run(&d, 100);
    assert_int_equal(virtual_collect(&d), 20);
    assert_int_equal(d.client->held.count, 0);
    virtual_close(&d);
}

static void allow(virtual_driver *d, const tsms_check *check)
{
    assert_true(
        tsms__client_answer(d->client, check->call_id, TSMS_ALLOW, tsms_str_from(NULL), 0, d->now));
}

/* When another probe is wanted one call is enough for it: the others are not asked about in vain.
 */
static void test_how_many_are_woken(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, OPTIONS "timeout_ms=30000");
    int64_t up_ms = d.now.mono_ms + 5000;
    d.world = &up_ms;
    d.serve = serve_when_up;
    d.judge = allow;
    tsms_client_set_checks(d.client, true);
    send_many(&d, 20);
    virtual_run(&d, 10400);
    assert_int_equal(virtual_collect(&d), 20);
    /* When submitted, before the retry, when the breaker's pause ends, for the second probe, and
     * when it has closed. */
    assert_int_equal(d.checks, 20 + 20 + 20 + 1 + 18);
    virtual_close(&d);
}

static void test_a_bad_probe_wakes_nobody(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, OPTIONS "timeout_ms=30000");
    int64_t up_ms = INT64_MAX;
    d.world = &up_ms;
    d.serve = serve_when_up;
    send_many(&d, 5);
    virtual_run(&d, 10150);
    assert_int_equal(d.posts, 6);
    virtual_run(&d, 9000);
    assert_int_equal(d.posts, 6);
    assert_string_equal(breaker_of(&d), "open");
    virtual_run(&d, 20000);
    assert_int_equal(virtual_collect(&d), 0);
    assert_int_equal(tsms_client_pending(d.client), 0);
    assert_int_equal(d.client->held.count, 0);
    virtual_close(&d);
}

/* Cancelled, expired: nothing is left behind in the list of those who wait. */
static void test_leaving_the_list_of_those_who_wait(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, OPTIONS "timeout_ms=30000");
    int64_t up_ms = INT64_MAX;
    d.world = &up_ms;
    d.serve = serve_when_up;
    uint64_t ids[3];
    for (size_t i = 0; i < 3; i++) {
        ids[i] = virtual_send(&d, TO, VIRTUAL_FROM, "hello");
    }
    virtual_run(&d, 5000);
    assert_int_equal(d.client->held.count, 3);
    assert_true(tsms__client_cancel(d.client, ids[1], d.now));
    assert_int_equal(d.client->held.count, 2);
    assert_result(&d, "InvalidRequest not_sent 1");
    up_ms = 0;
    virtual_run(&d, 10000);
    assert_int_equal(d.client->held.count, 0);
    assert_int_equal(virtual_collect(&d), 2);
    virtual_close(&d);
}

/* Neither says whether the host works. */
static void test_neutral_answers(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL,
                 OPTIONS "retry.rate_limit.attempts=1 retry.unavailable.attempts=1 "
                         "retry.connection.attempts=1");
    d.script = "refused refused 429 nomem 429 refused";
    for (int i = 0; i < 6; i++) {
        send_many(&d, 1);
        virtual_run(&d, 100);
    }
    assert_string_equal(breaker_of(&d), "open"); /* the third failure in a row */
    virtual_run(&d, 10000);
    d.script = "429 ok ok";
    send_many(&d, 1);
    virtual_run(&d, 100);
    assert_string_equal(breaker_of(&d), "half_open"); /* the probe's permit came back */
    send_many(&d, 1);
    virtual_run(&d, 100);
    send_many(&d, 1);
    virtual_run(&d, 100);
    assert_string_equal(breaker_of(&d), "closed");
    virtual_close(&d);
}

/* What counts as a failure and what proves that the host works. */
static void test_what_answers_mean(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        bool works;
    } rows[] = {
        {"ok", true},       {"400", true},  {"404", true},   {"301", true},    {"garbled", true},
        {"cut", false},     {"500", false}, {"503", false},  {"reset", false}, {"refused", false},
        {"timeout", false}, {"dns", false}, {"late", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        virtual_driver d;
        virtual_open(&d, NULL,
                     OPTIONS "in_doubt=stop retry.timeout.attempts=1 "
                             "retry.connection.attempts=1");
        d.script = "refused refused";
        send_many(&d, 2);
        virtual_run(&d, 100);
        d.script = rows[i].word;
        send_many(&d, 1);
        virtual_run(&d, 100);
        assert_string_equal(breaker_of(&d), rows[i].works ? "closed" : "open");
        virtual_close(&d);
    }
}

static void open_it(virtual_driver *d)
{
    d->script = "refused refused refused";
    send_many(d, 3);
    virtual_run(d, 100);
    assert_int_equal(virtual_collect(d), 0);
    virtual_run(d, 10000);
}

/* A driver that brings a probe back late: its word no longer counts, for the breaker. */
static void test_a_lease_that_ends_while_the_probe_is_on_the_wire(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, OPTIONS "retry.connection.attempts=1 timeout_ms=100000");
    open_it(&d);
    send_many(&d, 1);
    tsms__call *probe = tsms__client_next(d.client, d.now);
    assert_true(probe->permit.probe);
    send_many(&d, 1);
    assert_null(tsms__client_next(d.client, d.now)); /* one probe at a time */
    assert_result(&d, "TemporarilyUnavailable not_sent 0");
    virtual_wait(&d, 16001);
    send_many(&d, 1);
    assert_null(tsms__client_next(d.client, d.now)); /* the lease lapsed: open again */
    tsms_result *result = tsms_client_result(d.client);
    assert_int_equal(tsms_result_error(result)->retry_after_ms, 9999);
    tsms_result_free(result);

    virtual_flight flight = {.call = probe};
    virtual_answer(&flight, tsms_str_from("ok"), d.now.wall_ms / 1000, 1);
    tsms__client_finish(d.client, probe, &flight.transfer, d.now);
    free(flight.body);
    assert_result(&d, "ok 1"); /* the message was accepted all the same */
    assert_string_equal(breaker_of(&d), "open");
    virtual_run(&d, 10000);
    send_many(&d, 1);
    virtual_run(&d, 100);
    send_many(&d, 1);
    virtual_run(&d, 100);
    assert_string_equal(breaker_of(&d), "closed");
    virtual_close(&d);
}

static void test_look_ups_need_permits_too(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, OPTIONS "in_doubt=verify retry.connection.attempts=2");
    d.script = "reset refused refused";
    send_many(&d, 1);
    virtual_run(&d, 110); /* in doubt; the look-up follows within a second */
    send_many(&d, 2);
    virtual_run(&d, 110);
    assert_string_equal(breaker_of(&d), "open");
    d.script = "mine";
    virtual_run(&d, 9900);
    assert_int_equal(d.gets, 0);
    virtual_run(&d, 150);
    assert_int_equal(d.gets + d.posts, 4); /* one of the three is the probe */
    virtual_run(&d, 2000);
    assert_int_equal(virtual_collect(&d), 3);
    assert_int_equal(d.gets, 1);
    virtual_close(&d);
}

static void test_a_breaker_that_never_opens(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, OPTIONS "breaker.failure_threshold=0 retry.connection.attempts=1");
    d.script = "refused refused refused refused refused refused refused refused";
    send_many(&d, 8);
    virtual_run(&d, 100);
    assert_string_equal(breaker_of(&d), "closed");
    virtual_close(&d);
}

/* A worker that is stopped must not leave the others waiting for its probe. */
static void test_a_client_that_goes_gives_its_probe_back(void **state)
{
    (void)state;
    const char *name = "test_permit";
    tsms__region_unlink(name, VIRTUAL_ACCOUNT);
    virtual_driver a;
    virtual_driver b;
    virtual_open(&a, NULL, OPTIONS "retry.connection.attempts=1 shared=test_permit");
    virtual_open(&b, NULL, OPTIONS "retry.connection.attempts=1 shared=test_permit");
    open_it(&a);
    b.now = a.now;
    send_many(&a, 1);
    virtual_run(&a, 10);
    assert_int_equal(a.in_flight, 1);
    virtual_close(&a);
    send_many(&b, 1);
    virtual_run(&b, 100);
    assert_result(&b, "ok 1");
    virtual_close(&b);
    tsms__region_unlink(name, VIRTUAL_ACCOUNT);
}

enum { WAITING = 12 };

typedef struct order {
    bool up;
    size_t count;
    char bodies[2 * WAITING][8];
} order;

static void serve_in_order(virtual_driver *d, virtual_flight *flight)
{
    order *seen = d->world;
    if (seen->up) {
        tsms_str body = flight->call->body;
        assert_in_range(seen->count, 0, WAITING - 1);
        snprintf(seen->bodies[seen->count++], sizeof *seen->bodies, "%.*s", (int)body.len,
                 body.ptr);
    }
    virtual_answer(flight, tsms_str_from(seen->up ? "ok" : "refused"), d->now.wall_ms / 1000,
                   ++d->sids);
}

static void test_those_who_wait_leave_in_their_order(void **state)
{
    (void)state;
    virtual_driver d;
    order seen = {.up = false};
    virtual_open(&d, NULL, OPTIONS "retry.connection.attempts=1 breaker.success_threshold=1");
    d.world = &seen;
    d.serve = serve_in_order;
    send_many(&d, 3);
    virtual_run(&d, 100);
    assert_string_equal(breaker_of(&d), "open");
    for (int i = 0; i < WAITING; i++) {
        char body[16];
        snprintf(body, sizeof body, "m%02d", i);
        tsms_message_options message = TSMS_MESSAGE_OPTIONS_INIT;
        message.to = tsms_str_from(TO);
        message.from = tsms_str_from(VIRTUAL_FROM);
        message.body = tsms_str_from(body);
        tsms_request request = TSMS_REQUEST_INIT;
        request.operation = TSMS_OP_SEND;
        request.message = &message;
        request.wait_for_breaker = true;
        uint64_t id;
        assert_int_equal(tsms__client_submit(d.client, &request, d.now, &id, NULL), TSMS_OK);
    }
    seen.up = true;
    virtual_run(&d, 20000);
    assert_int_equal(virtual_collect(&d), WAITING);
    for (size_t i = 0; i < WAITING; i++) {
        char want[16];
        snprintf(want, sizeof want, "m%02zu", i);
        assert_string_equal(seen.bodies[i], want);
    }
    virtual_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_attempts_fail_fast),
        cmocka_unit_test(test_first_attempts_that_are_to_wait),
        cmocka_unit_test(test_later_attempts_wait),
        cmocka_unit_test(test_a_good_probe_wakes_those_who_wait),
        cmocka_unit_test(test_how_many_are_woken),
        cmocka_unit_test(test_a_bad_probe_wakes_nobody),
        cmocka_unit_test(test_leaving_the_list_of_those_who_wait),
        cmocka_unit_test(test_neutral_answers),
        cmocka_unit_test(test_what_answers_mean),
        cmocka_unit_test(test_a_lease_that_ends_while_the_probe_is_on_the_wire),
        cmocka_unit_test(test_look_ups_need_permits_too),
        cmocka_unit_test(test_a_breaker_that_never_opens),
        cmocka_unit_test(test_a_client_that_goes_gives_its_probe_back),
        cmocka_unit_test(test_those_who_wait_leave_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
