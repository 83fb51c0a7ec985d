#include "trace_support.h"
#include "webhook_support.h"

#define SENDER "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static void count(tsms_webhook *webhook, const char *form, tsms_webhook_verdict verdict,
                  char traceparent[64])
{
    sent s;
    tsms_webhook_info info;
    post(&s, URL, form);
    tsms_webhook_event *event = take(webhook, &s, &info);
    snprintf(traceparent, 64, "%.*s", (int)info.traceparent.len,
             info.traceparent.len > 0 ? info.traceparent.ptr : "");
    tsms_webhook_count(webhook, event, verdict, WALL_MS + 25);
    tsms_webhook_event_free(event);
}

static void test_inbound(void **state)
{
    tsms_webhook_options options = basic_options();
    tsms_webhook *webhook = open_webhook(&options);
    tsms_trace *trace = test_trace(NULL);
    test_spans got;
    char traceparent[64];
    count(webhook, INBOUND, TSMS_VERDICT_OK, traceparent);
    assert_string_equal(traceparent, ""); /* nobody traces it */
    tsms_webhook_set_trace(webhook, trace);
    count(webhook, INBOUND, TSMS_VERDICT_FAILED, traceparent);
    test_take(trace, WALL_MS, &got);
    assert_int_equal(got.count, 1);
    assert_string_equal(got.spans[0].text,
                        "@0+25 twilio.receive_sms(5) messaging.system=twilio "
                        "messaging.operation.name=receive messaging.operation.type=process "
                        "messaging.message.id=" MESSAGE " message_sid=" MESSAGE
                        " from=+1********01 to=+1********06 verdict=failed error.type=handler"
                        " !handling it failed");
    /* What the handler was given is this span. */
    char want[128];
    snprintf(want, sizeof want, "00-%s-%s-01", got.spans[0].trace_id, got.spans[0].id);
    assert_string_equal(traceparent, want);
    assert_string_equal(got.spans[0].parent_id, "");
    tsms_webhook_free(webhook);
    tsms_trace_free(trace);
}

static void test_unsampled(void **state)
{
    tsms_webhook_options options = basic_options();
    tsms_webhook *webhook = open_webhook(&options);
    tsms_trace_options none = TSMS_TRACE_OPTIONS_INIT;
    none.sample = 0;
    tsms_trace *trace = NULL;
    char traceparent[64];
    assert_int_equal(tsms_trace_new(NULL, &none, &trace, NULL), TSMS_OK);
    tsms_webhook_set_trace(webhook, trace);
    count(webhook, INBOUND, TSMS_VERDICT_OK, traceparent);
    assert_string_equal(traceparent + 52, "-00"); /* so that what follows is not kept either */
    assert_int_equal(tsms_trace_pending(trace), 0);
    tsms_webhook_free(webhook);
    tsms_trace_free(trace);
}

static void test_status(void **state)
{
    tsms_trace *trace = test_trace(NULL);
    test_spans got;
    tsms_webhook_info info = {.type = TSMS_WEBHOOK_STATUS,
                              .message_sid = tsms_str_from(MESSAGE),
                              .status = tsms_str_from("undelivered\xff\"+15005550001"),
                              .error_code = 30003,
                              .traceparent = tsms_str_from(SENDER),
                              .received_ms = WALL_MS};
    tsms__trace_webhook(trace, &info, TSMS_VERDICT_OK, WALL_MS - 1000); /* the clock went back */
    info.traceparent = (tsms_str){NULL, 0};
    tsms__trace_webhook(trace, &info, TSMS_VERDICT_REPLAY, WALL_MS + 1);
    info.type = TSMS_WEBHOOK_UNKNOWN;
    tsms__trace_webhook(trace, &info, TSMS_VERDICT_OK, WALL_MS + 1);
    test_take(trace, WALL_MS, &got);
    assert_int_equal(got.count, 2);
#define STATUS_SPAN                                                                                \
    "twilio.status_callback(5) messaging.system=twilio messaging.operation.name=status_callback "  \
    "messaging.operation.type=process messaging.message.id=" MESSAGE " message_sid=" MESSAGE       \
    " status=undelivered?\"+1********01 twilio.error_code=30003"
    assert_string_equal(got.spans[0].text, "@0+0 " STATUS_SPAN " verdict=ok ->00f067aa0ba902b7");
    assert_string_equal(got.spans[0].trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_string_equal(got.spans[0].parent_id, "00f067aa0ba902b7");
    assert_string_equal(got.spans[1].text, "@0+1 " STATUS_SPAN " verdict=replay");
    assert_string_equal(got.spans[1].parent_id, "");
    tsms_trace_free(trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_inbound),
                                       cmocka_unit_test(test_unsampled),
                                       cmocka_unit_test(test_status)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
