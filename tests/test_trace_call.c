#include "trace_support.h"
#include "virtual_driver.h"

#define START_MS INT64_C(1700000000000)
#define TEMPLATE "/2010-04-01/Accounts/{AccountSid}/Messages.json"
#define POST "POST " TEMPLATE "(3) http.request.method=POST url.template=" TEMPLATE
#define LOOKUP "twilio.lookup(3) http.request.method=GET url.template=" TEMPLATE
#define SERVER " server.address=api.twilio.com server.port=443"
#define SEND                                                                                       \
    "twilio.send_sms(4) messaging.system=twilio messaging.operation.name=send "                    \
    "messaging.operation.type=send to=+1********01 from=+1********06"
#define SID "SM00000000000000000000000000000001"

typedef struct traced {
    virtual_driver d;
    tsms_trace *trace;
    test_spans got;
} traced;

static void open_traced(traced *t, const char *options)
{
    virtual_open(&t->d, NULL, options);
    t->trace = test_trace(NULL);
    tsms_client_set_trace(t->d.client, t->trace);
}

static void close_traced(traced *t)
{
    virtual_close(&t->d);
    tsms_trace_free(t->trace);
}

static void run(traced *t, const char *script)
{
    t->d.script = script;
    virtual_send(&t->d, "+15005550001", VIRTUAL_FROM, "hello");
    virtual_run(&t->d, 300000);
    test_take(t->trace, START_MS, &t->got);
}

static void assert_spans(const test_spans *got, const char *const *want, size_t count)
{
    for (size_t i = 0; i < got->count && i < count; i++) {
        assert_string_equal(got->spans[i].text, want[i]);
    }
    assert_int_equal(got->count, count);
    /* The last is the parent of all others. */
    for (size_t i = 0; i + 1 < count; i++) {
        assert_string_equal(got->spans[i].trace_id, got->spans[count - 1].trace_id);
        assert_string_equal(got->spans[i].parent_id, got->spans[count - 1].id);
        assert_string_not_equal(got->spans[i].id, got->spans[count - 1].id);
    }
}

#define assert_tree(t, ...)                                                                        \
    do {                                                                                           \
        const char *const want_[] = {__VA_ARGS__};                                                 \
        assert_spans(&(t)->got, want_, sizeof want_ / sizeof *want_);                              \
    } while (0)

static void test_send(void **state)
{
    traced t;
    open_traced(&t, "");
    run(&t, "ok");
    assert_tree(&t, "@0+100 " POST SERVER " http.response.status_code=201 outcome=accepted",
                "@0+100 " SEND " messaging.message.id=" SID " message_sid=" SID
                " status=queued outcome=accepted attempts=1");
    assert_string_equal(t.got.spans[1].parent_id, "");
    close_traced(&t);
}

static void test_retry(void **state)
{
    traced t;
    open_traced(&t, "retry.rate_limit.base_ms=1 base_url=https://localhost:8443");
    run(&t, "429:2 ok");
    assert_tree(&t,
                "@0+100 " POST " server.address=localhost server.port=8443"
                " http.response.status_code=429 outcome=throttled error.type=429"
                " !RateLimitError.AccountRateLimited",
                "@2100+100 " POST " server.address=localhost server.port=8443"
                " http.response.status_code=201 http.request.resend_count=1 outcome=accepted",
                "@0+2200 " SEND " messaging.message.id=SM00000000000000000000000000000002"
                " message_sid=SM00000000000000000000000000000002 status=queued outcome=accepted"
                " attempts=2 [throttled wait_ms=2000]"
                " [retry wait_ms=2000 error=RateLimitError.AccountRateLimited]");
    close_traced(&t);
}

static void test_failures(void **state)
{
    static const struct {
        const char *script, *child, *parent;
    } cases[] = {
        {"400", "400", "twilio_21211"},        {"404", "404", "http_404"},
        {"dns dns dns", "dns", "dns"},         {"refused refused refused", "connect", "connect"},
        {"garbled", "malformed", "malformed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        traced t;
        char want[64];
        open_traced(&t, "retry.connection.attempts=1 in_doubt=stop");
        run(&t, cases[i].script);
        assert_int_equal(t.got.count, 2);
        snprintf(want, sizeof want, " error.type=%s ", cases[i].child);
        assert_non_null(strstr(t.got.spans[0].text, want));
        snprintf(want, sizeof want, " error.type=%s ", cases[i].parent);
        assert_non_null(strstr(t.got.spans[1].text, want));
        assert_non_null(strstr(t.got.spans[1].text, " !"));
        close_traced(&t);
    }
}

static void test_lookup(void **state)
{
    traced t;
    open_traced(&t, "");
    run(&t, "timeout mine");
    assert_int_equal(t.got.count, 3);
    assert_non_null(strstr(t.got.spans[0].text, " error.type=timeout_after_send "));
    assert_non_null(strstr(t.got.spans[1].text, LOOKUP SERVER " http.response.status_code=200"));
    assert_null(strstr(t.got.spans[1].text, "resend_count"));
    assert_non_null(strstr(t.got.spans[2].text, "[lookup result=found]"));
    assert_non_null(strstr(t.got.spans[2].text, " outcome=accepted attempts=1"));
    close_traced(&t);
}

static void test_limiter(void **state)
{
    traced t;
    open_traced(&t, "rate.per_second=1 rate.burst=1");
    virtual_send(&t.d, "+15005550001", VIRTUAL_FROM, "one");
    run(&t, "ok ok");
    assert_int_equal(t.got.count, 4);
    assert_non_null(strstr(t.got.spans[3].text, "[limited wait_ms=1000]"));
    close_traced(&t);
}

static void refuse(virtual_driver *d, const tsms_check *check)
{
    assert_true(tsms__client_answer(d->client, check->call_id, TSMS_DENY,
                                    tsms_str_from("quiet hours"), 0, d->now));
}

static void test_denied(void **state)
{
    traced t;
    open_traced(&t, "");
    tsms_client_set_checks(t.d.client, true);
    t.d.judge = refuse;
    run(&t, "");
    assert_tree(&t, "@0+0 " SEND " outcome=not_sent attempts=0 error.type=denied"
                    " [denied reason=quiet hours] !a check refused it: quiet hours");
    close_traced(&t);
}

static void test_breaker(void **state)
{
    traced t;
    open_traced(&t, "breaker.failure_threshold=1 retry.connection.attempts=1");
    t.d.script = "refused";
    virtual_send(&t.d, "+15005550001", VIRTUAL_FROM, "one");
    virtual_run(&t.d, 500);
    test_take(t.trace, START_MS, &t.got);
    assert_non_null(strstr(t.got.spans[1].text, "[breaker state=open]"));
    virtual_send(&t.d, "+15005550001", VIRTUAL_FROM, "two");
    virtual_turn(&t.d);
    test_take(t.trace, START_MS, &t.got);
    assert_int_equal(t.got.count, 1);
    assert_non_null(strstr(t.got.spans[0].text, " error.type=breaker_open !"));
    close_traced(&t);
}

static void test_cancelled_is_no_error(void **state)
{
    traced t;
    open_traced(&t, "rate.per_second=1 rate.burst=1");
    virtual_send(&t.d, "+15005550001", VIRTUAL_FROM, "one");
    uint64_t id = virtual_send(&t.d, "+15005550001", VIRTUAL_FROM, "two");
    virtual_turn(&t.d);
    assert_true(tsms__client_cancel(t.d.client, id, t.d.now));
    test_take(t.trace, START_MS, &t.got);
    assert_non_null(strstr(t.got.spans[t.got.count - 1].text, " outcome=not_sent attempts=0 ["));
    assert_null(strstr(t.got.spans[t.got.count - 1].text, " !"));
    close_traced(&t);
}

static void test_parent(void **state)
{
    traced t;
    uint64_t id = 0;
    tsms_request request = TSMS_REQUEST_INIT;
    open_traced(&t, "");
    request.operation = TSMS_OP_FETCH;
    request.sid = tsms_str_from(VIRTUAL_SID);
    request.traceparent = tsms_str_from("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    assert_int_equal(tsms__client_submit(t.d.client, &request, t.d.now, &id, NULL), TSMS_OK);
    virtual_run(&t.d, 1000);
    test_take(t.trace, START_MS, &t.got);
    assert_int_equal(t.got.count, 2);
    assert_string_equal(t.got.spans[1].trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_string_equal(t.got.spans[1].parent_id, "00f067aa0ba902b7");
    assert_non_null(
        strstr(t.got.spans[1].text, "twilio.lookup(1) messaging.system=twilio message_sid="));
    assert_non_null(strstr(t.got.spans[0].text, "/Messages/{MessageSid}.json(3) "));
    assert_string_equal(t.got.spans[0].parent_id, t.got.spans[1].id);
    request.traceparent = tsms_str_from("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
    assert_int_equal(tsms__client_submit(t.d.client, &request, t.d.now, &id, NULL), TSMS_OK);
    virtual_run(&t.d, 1000);
    assert_int_equal(tsms_trace_pending(t.trace), 0);
    close_traced(&t);
}

/* The clock on the wall goes back by an hour in the middle. */
static void test_clock_that_jumps(void **state)
{
    traced t;
    open_traced(&t, "retry.rate_limit.base_ms=1");
    t.d.script = "429:2 ok";
    virtual_send(&t.d, "+15005550001", VIRTUAL_FROM, "hello");
    virtual_run(&t.d, 50);
    t.d.now.wall_ms -= 3600000;
    virtual_run(&t.d, 10000);
    test_take(t.trace, START_MS, &t.got); /* asserts that spans and events are in order */
    assert_int_equal(t.got.count, 3);
    assert_memory_equal(t.got.spans[1].text, "@2100+100 ", 10);
    close_traced(&t);
}

/* A server, or a proxy, says back what it was sent in places where it does not belong. */
static void serve_echo(virtual_driver *d, virtual_flight *flight)
{
    virtual_respond(flight, 201, virtual_copy("{\"sid\":\"" SID "\",\"status\":\"hello\"}"));
    flight->transfer.response.request_id = tsms_str_from("QUMwMTIzNDU2Nzg5YWJjZGVm");
}

static void test_echoes(void **state)
{
    traced t;
    open_traced(&t, "");
    t.d.serve = serve_echo;
    run(&t, "");
    assert_tree(&t, "@0+100 " POST SERVER " http.response.status_code=201 outcome=accepted",
                "@0+100 " SEND " messaging.message.id=" SID " message_sid=" SID
                " outcome=accepted attempts=1");
    close_traced(&t);
}

static void test_many_notes(void **state)
{
    traced t;
    open_traced(&t, "");
    t.d.script = "429:1";
    virtual_send(&t.d, "+15005550001", VIRTUAL_FROM, "hello");
    virtual_turn(&t.d);
    tsms_event event = {.type = TSMS_EVENT_BREAKER, .at_ms = START_MS};
    for (int i = 0; i < 40; i++) {
        tsms__trace_event(t.trace, t.d.client, NULL, &event);
    }
    t.d.script = "ok";
    virtual_run(&t.d, 60000);
    test_take(t.trace, START_MS, &t.got);
    assert_non_null(strstr(t.got.spans[t.got.count - 1].text, "[breaker] (10 more)"));
    close_traced(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_send),     cmocka_unit_test(test_retry),
        cmocka_unit_test(test_failures), cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_limiter),  cmocka_unit_test(test_denied),
        cmocka_unit_test(test_breaker),  cmocka_unit_test(test_cancelled_is_no_error),
        cmocka_unit_test(test_parent),   cmocka_unit_test(test_clock_that_jumps),
        cmocka_unit_test(test_echoes),   cmocka_unit_test(test_many_notes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
