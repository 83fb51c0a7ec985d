#include "log_support.h"

#include "webhook_support.h"

static tsms_webhook *open_logged(tsms_log *log)
{
    tsms_webhook_options options = basic_options();
    tsms_webhook *webhook = open_webhook(&options);
    tsms_webhook_set_log(webhook, log);
    return webhook;
}

static void count(tsms_webhook *webhook, const char *form, tsms_webhook_verdict verdict)
{
    sent s;
    tsms_webhook_info info;
    post(&s, URL, form);
    tsms_webhook_event *event = take(webhook, &s, &info);
    tsms_webhook_count(webhook, event, verdict, WALL_MS + 5);
    tsms_webhook_event_free(event);
}

static void test_what_came(void **state)
{
    tsms_log *log = open_level(TSMS_LOG_DEBUG);
    tsms_webhook *webhook = open_logged(log);
    count(webhook, INBOUND, TSMS_VERDICT_OK);
    assert_has(all_lines(log),
               " level=info event=received sid=" MESSAGE " from=+1********01 to=+1********06 "
               "segments=1 encoding=GSM-7 length=12 duration_ms=5\n");
    count(webhook, STATUS, TSMS_VERDICT_REDIRECTED);
    assert_has(all_lines(log), " level=info event=status sid=" MESSAGE
                               " from=+1********06 to=+1********01 status=undelivered "
                               "error_code=30003 duration_ms=5\n");
    count(webhook, INBOUND, TSMS_VERDICT_REPLAY);
    assert_has(all_lines(log), " level=debug event=repeat type=inbound sid=" MESSAGE);
    count(webhook, "AccountSid=" ACCOUNT "&What=ever", TSMS_VERDICT_OK);
    assert_has(all_lines(log), " level=info event=webhook");
    webhook->problem = TSMS__STR("the store of +15558675310 is gone");
    count(webhook, INBOUND, TSMS_VERDICT_FAILED);
    const char *lines = all_lines(log);
    assert_has(lines, " level=error event=webhook_failed type=inbound sid=" MESSAGE);
    assert_has(lines, "message=\"the store of +1********10 is gone\"");
    assert_has_not(lines, "Hello");
    tsms_webhook_free(webhook);
    tsms_log_free(log);
}

static void test_texts_on_request(void **state)
{
    tsms_log_options options = TSMS_LOG_OPTIONS_INIT;
    options.bodies = true;
    tsms_log *log = open_log(NULL, &options);
    tsms_webhook *webhook = open_logged(log);
    count(webhook, INBOUND, TSMS_VERDICT_OK);
    assert_has(all_lines(log), "text=\"Hello, w\xC3\xB6rld\"");
    tsms_webhook_free(webhook);
    tsms_log_free(log);
}

/* A refused request is not believed in anything: nothing of it is shown. */
static void test_what_is_refused(void **state)
{
    tsms_log *log = open_level(TSMS_LOG_TRACE);
    tsms_webhook *webhook = open_logged(log);
    static const struct {
        tsms_kind kind;
        const char *want;
    } rows[] = {
        {TSMS_KIND_INVALID_SIGNATURE,
         " level=error event=webhook_refused verdict=bad_signature http_status=403 message="},
        {TSMS_KIND_PAYLOAD_PARSE_ERROR,
         " level=warn event=webhook_malformed verdict=malformed http_status=403 message="},
        {TSMS_KIND_TEMPORARILY_UNAVAILABLE,
         " level=error event=webhook_failed verdict=failed http_status=403 message="},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tsms_error err;
        tsms__error_set(&err, rows[i].kind, "it is no good");
        err.http_status = 403;
        tsms_webhook_count_refused(webhook, &err, WALL_MS);
        const char *lines = all_lines(log);
        assert_has(lines, rows[i].want);
        assert_int_equal(count_of(lines, "\n"), 1);
    }
    tsms_webhook_free(webhook);
    tsms_log_free(log);
}

/* A handler may put anything into the event that is counted. */
static void test_a_traceparent_that_is_none(void **state)
{
    tsms_log *log = open_level(TSMS_LOG_INFO);
    tsms_webhook *webhook = open_logged(log);
    tsms_webhook_info info = {.type = TSMS_WEBHOOK_INBOUND};
    info.traceparent = TSMS__STR("00-\nlevel=error event=fake\" {}          -0123456789abcdef-01");
    tsms__webhook_count(webhook, &info, TSMS_VERDICT_OK, WALL_MS);
    assert_has_not(all_lines(log), "trace_id");
    info.traceparent = TSMS__STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    tsms__webhook_count(webhook, &info, TSMS_VERDICT_OK, WALL_MS);
    assert_has(all_lines(log), " trace_id=0af7651916cd43dd8448eb211c80319c\n");
    tsms_webhook_free(webhook);
    tsms_log_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_came),
        cmocka_unit_test(test_texts_on_request),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_a_traceparent_that_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
