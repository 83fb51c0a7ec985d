#include "log_support.h"

#include "virtual_driver.h"

#define TO "+15005550001"
#define BODY "Meet me at 5558675310"

static virtual_driver *open_logged(virtual_driver *d, tsms_log *log, const char *options)
{
    virtual_open(d, NULL, options);
    tsms_client_set_log(d->client, log);
    return d;
}

static const char *send_one(virtual_driver *d, tsms_log *log, const char *script)
{
    d->script = script;
    virtual_send(d, TO, VIRTUAL_FROM, BODY);
    virtual_run(d, 120000);
    virtual_collect(d);
    return all_lines(log);
}

static void test_a_message(void **state)
{
    virtual_driver d;
    tsms_log *log = open_level(TSMS_LOG_INFO);
    open_logged(&d, log, "");
    const char *lines = send_one(&d, log, "ok");
    assert_int_equal(count_of(lines, "\n"), 1);
    assert_has(lines, " level=info event=sent call_id=");
    assert_has(lines, " sid=SM");
    assert_has(lines, " from=+1********06 to=+1********01 status=queued");
    assert_has(lines, " encoding=GSM-7 length=21 attempts=1 duration_ms=");
    virtual_close(&d);
    tsms_log_free(log);
}

/* One fact is one line, whatever the level. */
static void test_failures(void **state)
{
    static const struct {
        const char *script, *options, *want[4];
    } rows[] = {
        {"400", "", {" level=error event=send_failed call_id="}},
        {"401", "", {" level=error event=authentication_failed call_id="}},
        {"429:3 ok", "", {" level=warn event=throttled call_id=", " event=sent "}},
        {"429", "retry.rate_limit.attempts=1", {" level=error event=send_failed "}},
        {"refused ok", "rate.per_number=0", {" level=warn event=retry call_id=", " event=sent "}},
        {"reset", "in_doubt=stop", {" level=warn event=in_doubt call_id="}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        virtual_driver d;
        tsms_log *log = open_level(TSMS_LOG_INFO);
        open_logged(&d, log, rows[i].options);
        const char *lines = send_one(&d, log, rows[i].script);
        size_t wanted = 0;
        for (; rows[i].want[wanted] != NULL; wanted++) {
            assert_has(lines, rows[i].want[wanted]);
        }
        if (count_of(lines, "\n") != wanted) {
            fail_msg("more than %zu lines:\n%s", wanted, lines);
        }
        virtual_close(&d);
        tsms_log_free(log);
    }
}

static void test_a_check_that_refuses(void **state)
{
    virtual_driver d;
    tsms_log *log = open_level(TSMS_LOG_INFO);
    open_logged(&d, log, "");
    tsms_client_set_checks(d.client, true);
    uint64_t id = virtual_send(&d, TO, VIRTUAL_FROM, BODY);
    tsms_check check;
    assert_true(tsms_client_check(d.client, &check));
    assert_true(tsms__client_answer(d.client, id, TSMS_DENY, TSMS__STR("opted_out"), 0, d.now));
    virtual_collect(&d);
    const char *lines = all_lines(log);
    assert_has(lines, " level=warn event=denied call_id=");
    assert_has(lines, " to=+1********01 reason=opted_out");
    assert_int_equal(count_of(lines, "\n"), 1);
    virtual_close(&d);
    tsms_log_free(log);
}

static void test_what_is_refused_at_once(void **state)
{
    virtual_driver d;
    tsms_log *log = open_level(TSMS_LOG_INFO);
    open_logged(&d, log, "");
    uint64_t id;
    tsms_error err;
    assert_int_equal(virtual_try_send(&d, "555 867 5310", VIRTUAL_FROM, BODY, &id, &err),
                     TSMS_ERROR);
    const char *lines = all_lines(log);
    assert_has(lines, " level=error event=send_failed operation=send "
                      "error=MessageError.InvalidRecipient outcome=not_sent message=");
    assert_has_not(lines, "867");
    virtual_close(&d);
    tsms_log_free(log);
}

static void test_other_operations(void **state)
{
    virtual_driver d;
    tsms_log *log = open_level(TSMS_LOG_INFO);
    open_logged(&d, log, "");
    d.script = "404 401";
    virtual_fetch(&d, 0);
    virtual_run(&d, 1000);
    virtual_fetch(&d, 0);
    virtual_run(&d, 1000);
    virtual_collect(&d);
    const char *lines = all_lines(log);
    assert_has(lines, " level=warn event=request_failed call_id=");
    assert_has(lines, " level=error event=authentication_failed call_id=");
    assert_int_equal(count_of(lines, "\n"), 2);
    virtual_close(&d);
    tsms_log_free(log);
}

static void test_the_breaker(void **state)
{
    virtual_driver d;
    tsms_log *log = open_level(TSMS_LOG_INFO);
    open_logged(&d, log, "");
    static const tsms_event events[] = {
        {.type = TSMS_EVENT_BREAKER, .text = "open"},
        {.type = TSMS_EVENT_BREAKER, .text = "half_open"},
        {.type = TSMS_EVENT_BREAKER, .text = "closed"},
    };
    for (size_t i = 0; i < 3; i++) {
        tsms__log_event(log, NULL, &events[i]);
    }
    const char *lines = all_lines(log);
    assert_has(lines, " level=warn event=breaker_opened\n");
    assert_has(lines, " level=info event=breaker_half_open\n");
    assert_has(lines, " level=info event=breaker_closed\n");
    virtual_close(&d);
    tsms_log_free(log);
}

static void test_details(void **state)
{
    virtual_driver d;
    tsms_log *log = open_level(TSMS_LOG_DEBUG);
    open_logged(&d, log, "");
    const char *lines = send_one(&d, log, "ok");
    assert_has(lines, " level=debug event=request call_id=");
    assert_has(lines, " operation=send attempt=1 method=POST path=/2010-04-01/Accounts/AC");
    assert_has(lines, " level=debug event=response call_id=");
    assert_has(lines, " http_status=201 outcome=accepted duration_ms=");
    tsms_request request = TSMS_REQUEST_INIT;
    request.operation = TSMS_OP_LIST;
    request.to = tsms_str_from(TO);
    uint64_t id;
    assert_int_equal(tsms__client_submit(d.client, &request, d.now, &id, NULL), TSMS_OK);
    virtual_run(&d, 60000);
    virtual_collect(&d);
    lines = all_lines(log);
    assert_has(lines, "To=%2B1********01");
    assert_has_not(lines, "5005550001");
    virtual_close(&d);
    tsms_log_free(log);
}

/* ---- Memory -------------------------------------------------------------------------------- */

/* What a client does is the same with a log and without memory for it. */
static void test_no_memory(void **state)
{
    for (size_t n = 1; n < 400; n++) {
        test_mem tm;
        test_mem_init(&tm, n);
        tsms_log_options options = TSMS_LOG_OPTIONS_INIT;
        options.level = TSMS_LOG_TRACE;
        tsms_log *log = NULL;
        if (tsms_log_new(&tm.mem, &options, &log, NULL) == TSMS_OK) {
            virtual_driver d;
            open_logged(&d, log, "");
            assert_has(send_one(&d, log, "ok"), "event=sent");
            virtual_close(&d);
        }
        tsms_log_free(log);
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            break;
        }
    }
}

static void serve_opted_out(virtual_driver *d, virtual_flight *flight)
{
    (void)d;
    virtual_respond(flight, 400, virtual_copy("{\"code\":21610,\"message\":\"no\"}"));
}

/* Whatever a list of ours makes of it. */
static void test_a_recipient_who_has_opted_out(void **state)
{
    virtual_driver d;
    tsms_log *log = open_level(TSMS_LOG_INFO);
    open_logged(&d, log, "");
    d.serve = serve_opted_out;
    const char *lines = send_one(&d, log, "");
    assert_has(lines, " level=warn event=opted_out call_id=");
    assert_has(lines, " operation=send number=+1********01 source=error_21610 scope=+1********06 ");
    assert_has(lines, " code=21610 http_status=400 outcome=rejected ");
    assert_int_equal(count_of(lines, "\n"), 1);
    virtual_close(&d);
    tsms_log_free(log);
}

static void serve_echo(virtual_driver *d, virtual_flight *flight)
{
    virtual_respond(flight, 201,
                    virtual_copy("{\"sid\":\"" VIRTUAL_SID "\",\"status\":\"" BODY "\"}"));
    flight->transfer.response.request_id = tsms_str_from(d->world);
}

/* Headers and fields that are not what Twilio puts there may hold what was sent. */
static void test_what_a_proxy_says_back(void **state)
{
    static const struct {
        const char *id;
        bool shown;
    } rows[] = {{"RQ0123456789abcdef0123456789abcdef", true}, {"QUMwMTIzNDU2Nzg5YWJjZGVm", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char id[64];
        virtual_driver d;
        tsms_log *log = open_level(TSMS_LOG_DEBUG);
        open_logged(&d, log, "");
        d.serve = serve_echo;
        snprintf(id, sizeof id, "%s", rows[i].id);
        d.world = id;
        const char *lines = send_one(&d, log, "");
        assert_has(lines, " sid=" VIRTUAL_SID);
        assert_has_not(lines, "Meet");
        assert_int_equal(count_of(lines, rows[i].id), rows[i].shown);
        virtual_close(&d);
        tsms_log_free(log);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_a_check_that_refuses),
        cmocka_unit_test(test_what_is_refused_at_once),
        cmocka_unit_test(test_other_operations),
        cmocka_unit_test(test_the_breaker),
        cmocka_unit_test(test_details),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_a_recipient_who_has_opted_out),
        cmocka_unit_test(test_what_a_proxy_says_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
