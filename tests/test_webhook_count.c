#include "metrics_support.h"
#include "webhook_support.h"

static tsms_str metrics(tsms_webhook *webhook)
{
    return tsms_webhook_metrics(webhook, TSMS_METRICS_PROMETHEUS);
}

static tsms_webhook *open_basic(void)
{
    tsms_webhook_options options = basic_options();
    return open_webhook(&options);
}

static void count(tsms_webhook *webhook, const char *form, tsms_webhook_verdict verdict)
{
    sent s;
    tsms_webhook_info info;
    post(&s, URL, form);
    tsms_webhook_event *event = take(webhook, &s, &info);
    tsms_webhook_count(webhook, event, verdict, WALL_MS);
    tsms_webhook_event_free(event);
}

static void test_genuine_requests(void **state)
{
    tsms_webhook *webhook = open_basic();
    count(webhook, INBOUND, TSMS_VERDICT_OK);
    count(webhook, INBOUND, TSMS_VERDICT_OK);
    count(webhook, INBOUND, TSMS_VERDICT_REPLAY);
    count(webhook, INBOUND, TSMS_VERDICT_REDIRECTED);
    count(webhook, STATUS, TSMS_VERDICT_OK);
    count(webhook, STATUS, TSMS_VERDICT_FAILED);
    count(webhook, "AccountSid=" ACCOUNT "&What=ever", TSMS_VERDICT_OK);
    tsms_str text = metrics(webhook);
    assert_metric(text, "twilio_messages_received_total{to_number=\"+1\"}", "2");
    assert_metric(text, "twilio_delivery_status_total{status=\"undelivered\"}", "1");
    assert_metric(text, "twilio_callbacks_total{status=\"received\",verdict=\"ok\"}", "2");
    assert_metric(text, "twilio_callbacks_total{status=\"received\",verdict=\"replay\"}", "1");
    assert_metric(text, "twilio_callbacks_total{status=\"received\",verdict=\"redirected\"}", "1");
    assert_metric(text, "twilio_callbacks_total{status=\"undelivered\",verdict=\"ok\"}", "1");
    assert_metric(text, "twilio_callbacks_total{status=\"undelivered\",verdict=\"failed\"}", "1");
    assert_metric(text, "twilio_callbacks_total{status=\"none\",verdict=\"ok\"}", "1");
    assert_false(metrics_hold(text, "5005550001"));
    assert_false(metrics_hold(text, "5005550006"));
    tsms_webhook_free(webhook);
}

static void count_refused(tsms_webhook *webhook, const sent *s)
{
    tsms_webhook_event *event = NULL;
    tsms_error err;
    assert_int_equal(tsms_webhook_read(webhook, &s->request, WALL_MS, &event, &err), TSMS_ERROR);
    tsms_webhook_count_refused(webhook, &err, WALL_MS);
}

/* What a refused request says about itself is not believed. */
static void test_refused_requests(void **state)
{
    tsms_webhook_options options = basic_options();
    options.callback_ref_key = tsms_str_from("0123456789abcdef0123456789abcdef");
    options.callback_ref_required = true;
    tsms_webhook *webhook = open_webhook(&options);
    sent s;
    post(&s, URL, STATUS);
    count_refused(webhook, &s); /* genuine, but without a reference */
    post(&s, URL, STATUS);
    s.request.url = tsms_str_from("https://hooks.example.com/other");
    count_refused(webhook, &s);
    count_refused(webhook, &s);
    post(&s, URL, INBOUND);
    s.request.method = tsms_str_from("PUT");
    count_refused(webhook, &s);
    post(&s, URL, INBOUND);
    s.request.header_count = 0;
    count_refused(webhook, &s); /* without a signature */
    tsms_str text = metrics(webhook);
    assert_metric(text, "twilio_callbacks_total{status=\"none\",verdict=\"unknown_ref\"}", "1");
    assert_metric(text, "twilio_callbacks_total{status=\"none\",verdict=\"bad_signature\"}", "2");
    assert_metric(text, "twilio_callbacks_total{status=\"none\",verdict=\"malformed\"}", "2");
    assert_metric(text, "twilio_errors_total{error_type=\"WebhookError.InvalidSignature\"}", "3");
    assert_metric(text, "twilio_errors_total{error_type=\"WebhookError.PayloadParseError\"}", "1");
    assert_metric(text, "twilio_errors_total{error_type=\"WebhookError.MissingFields\"}", "1");
    assert_metric(text, "twilio_delivery_status_total{status=\"undelivered\"}", "0");
    for (tsms_webhook_verdict other = TSMS_VERDICT_OK; other <= TSMS_VERDICT_MALFORMED; other++) {
        char sample[100];
        snprintf(sample, sizeof sample,
                 "twilio_callbacks_total{status=\"undelivered\",verdict=\"%s\"}",
                 tsms_webhook_verdict_name(other));
        assert_metric(text, sample, other == TSMS_VERDICT_FAILED ? "0" : "");
    }
    tsms_webhook_free(webhook);
}

static void test_our_own_failures(void **state)
{
    tsms_webhook *webhook = open_basic();
    tsms_webhook_count_refused(webhook, &(tsms_error){.kind = TSMS_KIND_TEMPORARILY_UNAVAILABLE},
                               WALL_MS);
    assert_metric(metrics(webhook), "twilio_callbacks_total{status=\"none\",verdict=\"failed\"}",
                  "1");
    tsms_webhook_free(webhook);
}

static void test_names_of_verdicts(void **state)
{
    assert_string_equal(tsms_webhook_verdict_name(TSMS_VERDICT_OK), "ok");
    assert_string_equal(tsms_webhook_verdict_name(TSMS_VERDICT_MALFORMED), "malformed");
    assert_string_equal(tsms_webhook_verdict_name((tsms_webhook_verdict)99), "");
}

static void test_without_memory(void **state)
{
    for (size_t n = 1;; n++) {
        test_mem tm;
        test_mem_init(&tm, 0);
        tsms_webhook_options options = basic_options();
        options.mem = &tm.mem;
        tsms_webhook *webhook = open_webhook(&options);
        tm.fail_at = tm.calls + n;
        tsms_str text = metrics(webhook);
        assert_int_equal(text.ptr == NULL, tm.failed);
        bool failed = tm.failed;
        tsms_webhook_free(webhook);
        assert_int_equal(tm.live, 0);
        if (!failed) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_genuine_requests), cmocka_unit_test(test_refused_requests),
        cmocka_unit_test(test_our_own_failures), cmocka_unit_test(test_names_of_verdicts),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
