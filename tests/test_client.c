#include "virtual_driver.h"

#define TO "+15005550001"

static void submit_sample(virtual_driver *d)
{
    virtual_send(d, TO, VIRTUAL_FROM, "hello");
}

/* ---- Making a client ----------------------------------------------------------------------- */

static tsms_kind refused_kind(const char *key, const char *value)
{
    tsms_config *config = virtual_config(NULL, "");
    assert_int_equal(tsms_config_set(config, key, tsms_str_from(value), NULL), TSMS_OK);
    tsms_client *client = NULL;
    tsms_error err;
    assert_int_equal(tsms__client_new(config, 1, &client, &err), TSMS_ERROR);
    assert_null(client);
    tsms_config_free(config);
    return err.kind;
}

static void test_a_client_that_cannot_be_made(void **state)
{
    (void)state;
    assert_int_equal(refused_kind("from", "not a number"), TSMS_KIND_INVALID_PHONE_NUMBER);
    assert_int_equal(refused_kind("base_url", "http://plain.example"), TSMS_KIND_INVALID_OPTION);
    assert_int_equal(refused_kind("shared", "a/b"), TSMS_KIND_INVALID_OPTION);
    assert_int_equal(refused_kind("account_sid", "AC1"), TSMS_KIND_INVALID_ACCOUNT_SID);
    tsms__client_free(NULL);
}

static void test_the_clients_defaults(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL,
                 "from=+15005550006 status_callback=https://example.com/status "
                 "base_url=https://sim.example:8443/twilio/");
    assert_string_equal(d.client->origin.ptr, "https://sim.example:8443/twilio");
    uint64_t id;
    assert_int_equal(virtual_try_send(&d, TO, NULL, "hello", &id, NULL), TSMS_OK);
    tsms__call *call = tsms__client_next(d.client, d.now);
    assert_str_is(tsms__buf_str(&call->form),
                  "To=%2B15005550001&From=%2B15005550006&Body=hello&StatusCallback=https%3A%2F%2F"
                  "example.com%2Fstatus");
    assert_int_equal(tsms__client_method(call), TSMS__POST);
    assert_string_equal(tsms__client_path(call)->ptr,
                        "/2010-04-01/Accounts/" VIRTUAL_ACCOUNT "/Messages.json");

    /* A service of its own: the client's sender is not added. */
    tsms_message_options message = TSMS_MESSAGE_OPTIONS_INIT;
    message.to = tsms_str_from(TO);
    message.messaging_service_sid = tsms_str_from(VIRTUAL_SERVICE);
    message.body = tsms_str_from("hello");
    message.status_callback = tsms_str_from("https://example.com/own");
    assert_int_equal(virtual_submit(&d, &message, 0, &id, NULL), TSMS_OK);
    call = tsms__client_next(d.client, d.now);
    assert_null(strstr(tsms__buf_z(&call->form), "From="));
    assert_non_null(strstr(tsms__buf_z(&call->form), "%2Fown"));
    virtual_close(&d);
}

static void test_what_is_wrong_before_sending(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "");
    uint64_t id;
    tsms_error err;
    assert_int_equal(virtual_try_send(&d, "nobody", VIRTUAL_FROM, "hello", &id, &err), TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_INVALID_RECIPIENT);
    assert_int_equal(err.outcome, TSMS_OUTCOME_NOT_SENT);
    assert_int_equal(virtual_try_send(&d, TO, NULL, "hello", &id, &err), TSMS_ERROR);
    assert_int_equal(virtual_try_send(&d, TO, VIRTUAL_FROM, "hello", &id, NULL), TSMS_OK);

    tsms_request request = {.operation = TSMS_OP_SEND}; /* no size */
    assert_int_equal(tsms__client_submit(d.client, &request, d.now, &id, &err), TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_INVALID_REQUEST);
    request = (tsms_request)TSMS_REQUEST_INIT;
    request.operation = TSMS_OP_SEND; /* no message */
    assert_int_equal(tsms__client_submit(d.client, &request, d.now, &id, &err), TSMS_ERROR);
    assert_int_equal(tsms_client_pending(d.client), 1);
    assert_int_equal(virtual_stats(&d).submitted, 1);
    virtual_close(&d);
}

/* ---- Calls from beginning to end ----------------------------------------------------------- */

static void test_a_send(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "");
    uint64_t id = virtual_send(&d, TO, VIRTUAL_FROM, "hello");
    assert_true(id < UINT64_C(1) << 53);
    assert_int_equal(tsms_client_pending(d.client), 1);
    assert_int_equal(tsms__client_waiting(d.client), 1);
    virtual_run(&d, 0);
    assert_int_equal(tsms__client_waiting(d.client), 0);
    assert_int_equal(virtual_stats(&d).in_flight, 1);
    assert_int_equal(tsms__client_news(d.client), 0);
    virtual_run(&d, 100);
    assert_int_equal(tsms__client_news(d.client), 1);
    assert_int_equal(tsms_client_pending(d.client), 1);
    tsms_result *result = tsms_client_result(d.client);
    assert_int_equal(tsms_result_call_id(result), id);
    assert_null(tsms_result_error(result));
    tsms_message message;
    assert_true(tsms_result_message(result, 0, &message));
    assert_str_is(message.body, "hello");
    assert_null(tsms_client_result(d.client));
    assert_int_equal(tsms_client_pending(d.client), 0);
    tsms_stats stats = virtual_stats(&d);
    assert_int_equal(stats.succeeded, 1);
    assert_int_equal(stats.requests, 1);
    assert_int_equal(stats.failed, 0);
    assert_string_equal(stats.breaker, "closed");
    virtual_close(&d);
    tsms_result_free(result); /* outlives its client */
}

static void test_every_operation(void **state)
{
    (void)state;
    for (int op = 0; op < TSMS_OP_COUNT; op++) {
        virtual_driver d;
        virtual_open(&d, NULL, "");
        tsms_message_options message = TSMS_MESSAGE_OPTIONS_INIT;
        message.to = tsms_str_from(TO);
        message.from = tsms_str_from(VIRTUAL_FROM);
        message.body = tsms_str_from("hello");
        tsms_request request = TSMS_REQUEST_INIT;
        request.operation = (tsms_operation)op;
        request.message = &message;
        request.sid = tsms_str_from(VIRTUAL_SID);
        request.media_sid = tsms_str_from("ME0123456789abcdef0123456789abcdef");
        uint64_t id;
        assert_int_equal(tsms__client_submit(d.client, &request, d.now, &id, NULL), TSMS_OK);
        d.script = op == TSMS_OP_SEND ? "refused ok" : "reset ok";
        virtual_run(&d, 10000);
        assert_result(&d, "ok 2");
        virtual_close(&d);
    }
}

static void test_events_of_a_send(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "rate.per_number=0");
    uint64_t id = virtual_send(&d, TO, VIRTUAL_FROM, "hello");
    d.script = "reset none 429:2 ok";
    virtual_run(&d, 30000);
    assert_result(&d, "ok 3");
    static const struct {
        tsms_event_type type;
        int attempt;
        tsms_outcome outcome;
    } want[] = {
        {TSMS_EVENT_ATTEMPT, 1, TSMS_OUTCOME_NONE},
        {TSMS_EVENT_RESPONSE, 1, TSMS_OUTCOME_IN_DOUBT},
        {TSMS_EVENT_ATTEMPT, 1, TSMS_OUTCOME_NONE}, /* the look-up */
        {TSMS_EVENT_RESPONSE, 1, TSMS_OUTCOME_ACCEPTED},
        {TSMS_EVENT_LOOKUP, 1, TSMS_OUTCOME_NONE},
        {TSMS_EVENT_RETRY, 1, TSMS_OUTCOME_NONE},
        {TSMS_EVENT_ATTEMPT, 2, TSMS_OUTCOME_NONE},
        {TSMS_EVENT_RESPONSE, 2, TSMS_OUTCOME_THROTTLED},
        {TSMS_EVENT_THROTTLED, 2, TSMS_OUTCOME_NONE},
        {TSMS_EVENT_RETRY, 2, TSMS_OUTCOME_NONE},
        {TSMS_EVENT_ATTEMPT, 3, TSMS_OUTCOME_NONE},
        {TSMS_EVENT_RESPONSE, 3, TSMS_OUTCOME_ACCEPTED},
        {TSMS_EVENT_DONE, 3, TSMS_OUTCOME_ACCEPTED},
    };
    tsms_event event;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        assert_true(tsms_client_event(d.client, &event));
        assert_string_equal(tsms_event_name(event.type), tsms_event_name(want[i].type));
        assert_int_equal(event.attempt, want[i].attempt);
        assert_int_equal(event.outcome, want[i].outcome);
        assert_int_equal(event.call_id, id);
        assert_string_equal(event.to, "+1********01");
        assert_string_equal(event.from, "+1********06");
        assert_int_equal(event.operation, TSMS_OP_SEND);
    }
    assert_false(tsms_client_event(d.client, &event));
    virtual_close(&d);
}

static void test_events_that_nobody_takes(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "rate.per_second=0 rate.per_number=0");
    for (int i = 0; i < 200; i++) { /* three events each: 600 for 512 places */
        submit_sample(&d);
        virtual_run(&d, 100);
    }
    assert_int_equal(virtual_collect(&d), 200);
    assert_int_equal(virtual_stats(&d).events_dropped, 88);
    tsms_event event;
    size_t left = 0;
    while (tsms_client_event(d.client, &event)) {
        left++;
    }
    assert_int_equal(left, 512);
    virtual_close(&d);
}

/* It counts messages: a read may be repeated by anybody. */
static void test_only_messages_end_in_doubt(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "in_doubt=stop retry.connection.attempts=1");
    d.script = "reset reset cut";
    virtual_fetch(&d, 0);
    virtual_run(&d, 1000);
    assert_result(&d, "ConnectionFailed in_doubt 1");
    assert_int_equal(virtual_stats(&d).in_doubt, 0);
    submit_sample(&d);
    virtual_run(&d, 1000);
    assert_result(&d, "ConnectionFailed in_doubt 1");
    assert_int_equal(virtual_stats(&d).in_doubt, 1);
    submit_sample(&d);
    virtual_run(&d, 1000);
    assert_result(&d, "InternalError accepted_no_sid 1");
    assert_int_equal(virtual_stats(&d).in_doubt, 2);
    assert_int_equal(virtual_stats(&d).failed, 3);
    virtual_close(&d);
}

static void test_counters_of_look_ups(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "");
    d.script = "reset none reset mine";
    submit_sample(&d);
    virtual_run(&d, 30000);
    assert_result(&d, "verified 2");
    tsms_stats stats = virtual_stats(&d);
    assert_int_equal(stats.requests, 4);
    assert_int_equal(stats.retries, 1);
    assert_int_equal(stats.lookups, 2);
    assert_int_equal(stats.lookups_found, 1);
    assert_int_equal(stats.in_doubt, 0);
    tsms__client_count_prevented(d.client);
    assert_int_equal(virtual_stats(&d).resends_prevented, 1);
    virtual_close(&d);
}

/* ---- Ids ----------------------------------------------------------------------------------- */

static void test_ids_of_finished_calls_find_nothing(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "");
    uint64_t first = virtual_fetch(&d, 0);
    virtual_run(&d, 1000);
    assert_result(&d, "ok 1");
    assert_false(tsms__client_cancel(d.client, first, d.now));
    uint64_t second = virtual_fetch(&d, 0); /* in the same slot */
    assert_int_equal(first % (1 << 20), second % (1 << 20));
    assert_true(first != second);
    assert_false(tsms__client_cancel(d.client, first, d.now));
    assert_false(tsms__client_answer(d.client, second, TSMS_ALLOW, tsms_str_from(NULL), 0, d.now));
    assert_true(tsms__client_cancel(d.client, second, d.now));
    assert_false(tsms__client_cancel(d.client, 0, d.now));
    assert_false(tsms__client_cancel(d.client, UINT64_MAX, d.now));
    assert_false(tsms__client_cancel(d.client, second + 1, d.now)); /* a slot that there is not */
    virtual_close(&d);
}

static void test_the_number_of_waiting_calls_is_bounded(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "rate.max_queue=3 max_concurrency=2 rate.per_number=0");
    for (int i = 0; i < 3; i++) {
        submit_sample(&d);
    }
    uint64_t id;
    tsms_error err;
    assert_int_equal(virtual_try_send(&d, TO, VIRTUAL_FROM, "hello", &id, &err), TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_QUEUE_FULL);
    assert_int_equal(err.outcome, TSMS_OUTCOME_NOT_SENT);
    assert_true(err.retryable);
    virtual_run(&d, 0); /* two are on the wire */
    submit_sample(&d);
    submit_sample(&d);
    assert_int_equal(virtual_try_send(&d, TO, VIRTUAL_FROM, "hello", &id, &err), TSMS_ERROR);
    virtual_run(&d, 10000);
    assert_int_equal(virtual_collect(&d), 5);
    assert_int_equal(d.most_in_flight, 2);
    virtual_close(&d);
}

/* ---- Time ---------------------------------------------------------------------------------- */

static void test_when_the_client_wants_to_be_asked(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "retry.timeout.base_ms=3000 timeout_ms=20000");
    assert_true(tsms__client_due_ms(d.client, d.now) == INT64_MAX);
    submit_sample(&d);
    assert_true(tsms__client_due_ms(d.client, d.now) == d.now.mono_ms);
    d.script = "late";
    virtual_run(&d, 50);
    assert_true(tsms__client_due_ms(d.client, d.now) == INT64_MAX); /* the wire has it */
    virtual_run(&d, 50);
    assert_true(tsms__client_due_ms(d.client, d.now) == d.now.mono_ms + 3000);
    virtual_run(&d, 5000);
    assert_result(&d, "ok 2");
    assert_true(tsms__client_due_ms(d.client, d.now) == INT64_MAX);

    tsms_client_set_checks(d.client, true);
    submit_sample(&d);
    assert_true(tsms__client_due_ms(d.client, d.now) == d.now.mono_ms + 20000);
    virtual_close(&d);
}

static void test_how_long_an_attempt_may_take(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "attempt_timeout_ms=5000 timeout_ms=8000 retry.timeout.base_ms=1000");
    virtual_fetch(&d, 0);
    tsms__call *call = tsms__client_next(d.client, d.now);
    assert_true(tsms__client_attempt_ms(d.client, call, d.now) == 5000);
    virtual_wait(&d, 6000);
    assert_true(tsms__client_attempt_ms(d.client, call, d.now) == 2000);
    virtual_wait(&d, 60000);
    assert_true(tsms__client_attempt_ms(d.client, call, d.now) == 1);
    virtual_close(&d);
}

/* Whatever happens, nothing ends later than the deadline and one attempt. */
static void test_timeouts_end_with_the_deadline(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "attempt_timeout_ms=5000 timeout_ms=12000 retry.timeout.attempts=9");
    d.takes_ms = 100000;
    virtual_fetch(&d, 0);
    virtual_run(&d, 10999);
    assert_result(&d, "");
    virtual_run(&d, 1); /* two attempts of 5 s, a pause of 1 s, and the next would reach the end */
    assert_result(&d, "Timeout in_doubt 2");
    virtual_close(&d);
}

static void test_a_huge_timeout(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "rate.per_second=0.001 rate.burst=1");
    tsms_message_options message = TSMS_MESSAGE_OPTIONS_INIT;
    message.to = tsms_str_from(TO);
    message.from = tsms_str_from(VIRTUAL_FROM);
    message.body = tsms_str_from("hello");
    uint64_t id;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(virtual_submit(&d, &message, INT64_MAX, &id, NULL), TSMS_OK);
    }
    virtual_run(&d, 1000);
    assert_int_equal(virtual_collect(&d), 1);
    virtual_run(&d, INT64_C(2000000));
    assert_int_equal(virtual_collect(&d), 2);
    assert_int_equal(virtual_stats(&d).failed, 0);
    virtual_close(&d);
}

/* Only what is shown to people uses it. */
static void test_a_wall_clock_that_jumps(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "rate.per_number=1 timeout_ms=10000");
    submit_sample(&d);
    submit_sample(&d);
    submit_sample(&d);
    virtual_run(&d, 500);
    d.now.wall_ms -= INT64_C(86400000);
    virtual_run(&d, 1000);
    d.now.wall_ms += INT64_C(10) * 86400000;
    virtual_run(&d, 1000);
    assert_int_equal(virtual_collect(&d), 3);
    virtual_close(&d);
}

/* ---- Memory -------------------------------------------------------------------------------- */

static void test_a_client_without_memory(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        test_mem tm;
        test_mem_init(&tm, 0);
        tsms_config *config = virtual_config(&tm.mem, "from=+15005550006 region=ie1");
        tm.fail_at = tm.calls + n;
        tsms_client *client = NULL;
        tsms_error err;
        tsms_status status = tsms__client_new(config, 1, &client, &err);
        assert_int_equal(status, tm.failed ? TSMS_NOMEM : TSMS_OK);
        if (tm.failed) {
            assert_int_equal(err.kind, TSMS_KIND_TEMPORARILY_UNAVAILABLE);
        }
        tsms_config_free(config);
        tsms__client_free(client);
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            assert_true(n > 6);
            break;
        }
    }
}

static void test_submitting_without_memory(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        test_mem tm;
        test_mem_init(&tm, 0);
        virtual_driver d;
        virtual_open(&d, &tm.mem, "");
        tm.fail_at = tm.calls + n;
        uint64_t id;
        tsms_error err;
        tsms_status status = virtual_try_send(&d, TO, VIRTUAL_FROM, "hello", &id, &err);
        bool failed = tm.failed;
        assert_int_equal(status, failed ? TSMS_NOMEM : TSMS_OK);
        assert_int_equal(tsms_client_pending(d.client), failed ? 0 : 1);
        if (failed) {
            assert_int_equal(err.outcome, TSMS_OUTCOME_NOT_SENT);
            submit_sample(&d);
        }
        virtual_run(&d, 1000);
        assert_result(&d, "ok 1");
        virtual_close(&d);
        assert_int_equal(tm.live, 0);
        if (!failed) {
            assert_true(n > 5);
            break;
        }
    }
}

/* A call in every phase, and results that nobody took. */
static void test_a_client_freed_with_calls_in_every_phase(void **state)
{
    (void)state;
    test_mem tm;
    test_mem_init(&tm, 0);
    virtual_driver d;
    virtual_open(&d, &tm.mem, "max_concurrency=3 rate.per_number=1");
    d.script = "ok reset timeout refused ok ok";
    submit_sample(&d); /* done */
    virtual_run(&d, 1100);
    submit_sample(&d); /* waits for its look-up */
    virtual_fetch(&d, 0);
    virtual_run(&d, 120); /* both pause */
    virtual_send(&d, TO, "+15005550007", "hello");
    virtual_run(&d, 120); /* pauses before a retry */
    virtual_send(&d, TO, "+15005550008", "hello");
    virtual_fetch(&d, 0);
    virtual_fetch(&d, 0);
    submit_sample(&d); /* in the queue */
    submit_sample(&d);
    virtual_turn(&d);
    virtual_fetch(&d, 0); /* waits for a slot */
    virtual_turn(&d);
    assert_int_equal(d.in_flight, 3);
    tsms_client_set_checks(d.client, true);
    submit_sample(&d);
    submit_sample(&d);
    tsms_check check;
    assert_true(tsms_client_check(d.client, &check));
    assert_int_equal(d.client->done_count, 1);
    assert_int_equal(d.client->unasked.count, 1);
    assert_int_equal(d.client->asked.count, 1);
    assert_int_equal(d.client->ready.count, 1);
    assert_int_equal(d.client->wire.count, 3);
    assert_int_equal(tsms__queue_count(d.client->queue), 2);
    assert_int_equal(tsms_client_pending(d.client), 12);
    virtual_close(&d);
    assert_int_equal(tm.live, 0);
}

/* ---- What becomes of the driver ------------------------------------------------------------ */

static void note_freed(void *driver)
{
    *(int *)driver += 1;
}

static void test_the_driver_goes_with_its_client(void **state)
{
    (void)state;
    virtual_driver d;
    virtual_open(&d, NULL, "");
    int freed = 0;
    d.client->driver = &freed;
    d.client->driver_free = note_freed;
    virtual_close(&d);
    assert_int_equal(freed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_client_that_cannot_be_made),
        cmocka_unit_test(test_the_clients_defaults),
        cmocka_unit_test(test_what_is_wrong_before_sending),
        cmocka_unit_test(test_a_send),
        cmocka_unit_test(test_every_operation),
        cmocka_unit_test(test_events_of_a_send),
        cmocka_unit_test(test_events_that_nobody_takes),
        cmocka_unit_test(test_only_messages_end_in_doubt),
        cmocka_unit_test(test_counters_of_look_ups),
        cmocka_unit_test(test_ids_of_finished_calls_find_nothing),
        cmocka_unit_test(test_the_number_of_waiting_calls_is_bounded),
        cmocka_unit_test(test_when_the_client_wants_to_be_asked),
        cmocka_unit_test(test_how_long_an_attempt_may_take),
        cmocka_unit_test(test_timeouts_end_with_the_deadline),
        cmocka_unit_test(test_a_huge_timeout),
        cmocka_unit_test(test_a_wall_clock_that_jumps),
        cmocka_unit_test(test_a_client_without_memory),
        cmocka_unit_test(test_submitting_without_memory),
        cmocka_unit_test(test_a_client_freed_with_calls_in_every_phase),
        cmocka_unit_test(test_the_driver_goes_with_its_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
