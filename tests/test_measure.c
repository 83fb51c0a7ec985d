#include "metrics_support.h"
#include "virtual_driver.h"

#define TO "+15005550001"
#define TO_BRITAIN "+447700900123"

static tsms_str metrics(virtual_driver *d)
{
    return tsms_client_metrics(d->client, TSMS_METRICS_PROMETHEUS);
}

/* ---- Messages ------------------------------------------------------------------------------ */

static void test_messages_by_sender_country_and_status(void **state)
{
    virtual_driver d;
    virtual_open(&d, NULL, "from=" VIRTUAL_FROM " rate.per_number=0");
    d.script = "ok ok ok 400";
    virtual_send(&d, TO, NULL, "one");
    virtual_send(&d, TO_BRITAIN, VIRTUAL_FROM, "two");
    virtual_send(&d, TO, "+15005559999", "three"); /* not configured */
    virtual_send(&d, TO_BRITAIN, NULL, "four");
    virtual_run(&d, 1000);
    tsms_str text = metrics(&d);
    assert_metric(text,
                  "twilio_messages_total{from_number=\"" VIRTUAL_FROM
                  "\",to_number=\"+1\",status=\"queued\"}",
                  "1");
    assert_metric(text,
                  "twilio_messages_total{from_number=\"" VIRTUAL_FROM
                  "\",to_number=\"+44\",status=\"queued\"}",
                  "1");
    assert_metric(text,
                  "twilio_messages_total{from_number=\"" VIRTUAL_FROM
                  "\",to_number=\"+44\",status=\"failed\"}",
                  "1");
    assert_metric(text,
                  "twilio_messages_total{from_number=\"other\",to_number=\"+1\",status=\"queued\"}",
                  "1");
    assert_metric(text,
                  "twilio_messages_sent_total{status=\"queued\",from_number=\"" VIRTUAL_FROM "\"}",
                  "2");
    assert_metric(text, "twilio_messages_sent_total{status=\"queued\",from_number=\"other\"}", "1");
    assert_metric(
        text, "twilio_messages_sent_total{status=\"failed\",from_number=\"" VIRTUAL_FROM "\"}", "");
    assert_metric(text, "twilio_errors_total{error_type=\"MessageError.InvalidRecipient\"}", "1");
    assert_metric(text, "twilio_calls_total{result=\"succeeded\"}", "3");
    assert_metric(text, "twilio_calls_total{result=\"failed\"}", "1");
    assert_metric(text, "twilio_send_latency_seconds_count", "4");
    assert_metric(text, "twilio_send_latency_seconds_sum", "0.4");
    assert_metric(text, "twilio_send_latency_seconds_bucket{le=\"0.075\"}", "0");
    assert_metric(text, "twilio_send_latency_seconds_bucket{le=\"0.1\"}", "4");
    assert_false(metrics_hold(text, TO));
    assert_false(metrics_hold(text, TO_BRITAIN));
    assert_false(metrics_hold(text, "5559999"));
    virtual_close(&d);
}

static void test_a_messaging_service_is_a_sender(void **state)
{
    virtual_driver d;
    virtual_open(&d, NULL, "messaging_service_sid=" VIRTUAL_SERVICE);
    virtual_send(&d, TO, NULL, "hello");
    tsms_message_options message = TSMS_MESSAGE_OPTIONS_INIT;
    message.to = tsms_str_from(TO);
    message.messaging_service_sid = tsms_str_from("MGffffffffffffffffffffffffffffffff");
    message.body = tsms_str_from("hello");
    uint64_t id;
    assert_int_equal(virtual_submit(&d, &message, 0, &id, NULL), TSMS_OK);
    virtual_run(&d, 1000);
    tsms_str text = metrics(&d);
    assert_metric(
        text, "twilio_messages_sent_total{status=\"queued\",from_number=\"" VIRTUAL_SERVICE "\"}",
        "1");
    assert_metric(text, "twilio_messages_sent_total{status=\"queued\",from_number=\"other\"}", "1");
    virtual_close(&d);
}

/* Reading is no message. */
static void test_other_operations(void **state)
{
    virtual_driver d;
    virtual_open(&d, NULL, "");
    d.script = "ok 401";
    virtual_fetch(&d, 0);
    virtual_fetch(&d, 0);
    virtual_run(&d, 1000);
    tsms_str text = metrics(&d);
    assert_metric(
        text, "twilio_requests_total{operation=\"fetch\",outcome=\"accepted\",code_class=\"2xx\"}",
        "1");
    assert_metric(
        text, "twilio_requests_total{operation=\"fetch\",outcome=\"rejected\",code_class=\"4xx\"}",
        "1");
    assert_metric(
        text, "twilio_errors_total{error_type=\"AuthenticationError.InvalidCredentials\"}", "1");
    assert_metric(text, "twilio_send_latency_seconds_count", "0");
    assert_false(metrics_hold(text, "twilio_messages_total{"));
    virtual_close(&d);
}

static void test_what_was_never_sent(void **state)
{
    virtual_driver d;
    virtual_open(&d, NULL, "rate.per_number=1 rate.wait=false");
    uint64_t id;
    assert_int_equal(virtual_try_send(&d, "nobody", VIRTUAL_FROM, "hello", &id, NULL), TSMS_ERROR);
    assert_int_equal(virtual_try_send(&d, TO, VIRTUAL_FROM, "", &id, NULL), TSMS_ERROR);
    virtual_send(&d, TO, VIRTUAL_FROM, "one");
    virtual_send(&d, TO, VIRTUAL_FROM, "two");
    virtual_run(&d, 500);
    tsms_str text = metrics(&d);
    assert_metric(text, "twilio_errors_total{error_type=\"MessageError.InvalidRecipient\"}", "1");
    assert_metric(text, "twilio_errors_total{error_type=\"MessageError.InvalidRequest\"}", "1");
    assert_metric(text, "twilio_errors_total{error_type=\"RateLimitError.NumberRateLimited\"}",
                  "1");
    assert_metric(text, "twilio_rate_limit_hits_total{source=\"client\"}", "1");
    assert_metric(text, "twilio_rate_limit_hits_total{source=\"server\"}", "0");
    assert_metric(text, "twilio_send_latency_seconds_count", "1"); /* of the one that left */
    assert_false(metrics_hold(text, "twilio_limiter_wait_seconds_count"));
    virtual_close(&d);
}

/* ---- Requests ------------------------------------------------------------------------------ */

static void test_retries(void **state)
{
    virtual_driver d;
    virtual_open(&d, NULL, "from=" VIRTUAL_FROM " rate.per_number=0 breaker.failure_threshold=0");
    d.script = "refused 429 ok";
    virtual_send(&d, TO, NULL, "hello");
    virtual_run(&d, 60000);
    assert_result(&d, "ok 3");
    tsms_str text = metrics(&d);
    assert_metric(text, "twilio_retries_total{reason=\"NetworkError.ConnectionFailed\"}", "1");
    assert_metric(text, "twilio_retries_total{reason=\"RateLimitError.AccountRateLimited\"}", "1");
    assert_metric(
        text, "twilio_requests_total{operation=\"send\",outcome=\"not_sent\",code_class=\"none\"}",
        "1");
    assert_metric(
        text, "twilio_requests_total{operation=\"send\",outcome=\"throttled\",code_class=\"4xx\"}",
        "1");
    assert_metric(
        text, "twilio_requests_total{operation=\"send\",outcome=\"accepted\",code_class=\"2xx\"}",
        "1");
    assert_metric(text,
                  "twilio_request_duration_seconds_count{operation=\"send\",outcome=\"not_sent\"}",
                  "1");
    assert_metric(text,
                  "twilio_request_duration_seconds_sum{operation=\"send\",outcome=\"not_sent\"}",
                  "0.1");
    assert_metric(text, "twilio_rate_limit_hits_total{source=\"server\"}", "1");
    assert_metric(text, "twilio_calls_total{result=\"succeeded\"}", "1");
    assert_int_equal(virtual_stats(&d).retries, 2);
    virtual_close(&d);
}

static void test_suppressed_retries(void **state)
{
    virtual_driver d;
    virtual_open(&d, NULL, "retry.quota=0 breaker.failure_threshold=0");
    d.script = "refused";
    virtual_send(&d, TO, VIRTUAL_FROM, "hello");
    virtual_run(&d, 60000);
    tsms_str text = metrics(&d);
    assert_metric(text, "twilio_retries_suppressed_total{reason=\"NetworkError.ConnectionFailed\"}",
                  "1");
    assert_metric(text, "twilio_retries_total{reason=\"NetworkError.ConnectionFailed\"}", "0");
    assert_int_equal(virtual_stats(&d).retries_suppressed, 1);
    virtual_close(&d);
}

/* A look-up is a request of its own kind; the retry after it is for what went wrong before. */
static void test_look_ups(void **state)
{
    virtual_driver d;
    virtual_open(&d, NULL, "rate.per_number=0 breaker.failure_threshold=0");
    d.script = "reset none ok";
    virtual_send(&d, TO, VIRTUAL_FROM, "hello");
    virtual_run(&d, 120000);
    assert_result(&d, "ok 2");
    d.script = "timeout mine";
    virtual_send(&d, TO, VIRTUAL_FROM, "again");
    virtual_run(&d, 120000);
    assert_result(&d, "verified 1");
    tsms_str text = metrics(&d);
    assert_metric(
        text, "twilio_requests_total{operation=\"lookup\",outcome=\"accepted\",code_class=\"2xx\"}",
        "2");
    assert_metric(
        text, "twilio_requests_total{operation=\"send\",outcome=\"in_doubt\",code_class=\"none\"}",
        "2");
    assert_metric(text, "twilio_retries_total{reason=\"NetworkError.ConnectionFailed\"}", "1");
    assert_metric(text, "twilio_lookups_total", "2");
    assert_metric(text, "twilio_verified_total{evidence=\"list\"}", "1");
    assert_metric(text, "twilio_in_doubt_total", "0");
    assert_metric(text, "twilio_messages_sent_total{status=\"queued\",from_number=\"other\"}", "2");
    virtual_close(&d);
}

static void test_in_doubt(void **state)
{
    virtual_driver d;
    virtual_open(&d, NULL, "in_doubt=stop rate.per_number=0");
    d.script = "reset";
    virtual_send(&d, TO, VIRTUAL_FROM, "hello");
    virtual_run(&d, 1000);
    tsms_str text = metrics(&d);
    assert_metric(text,
                  "twilio_messages_total{from_number=\"other\",to_number=\"+1\","
                  "status=\"in_doubt\"}",
                  "1");
    assert_metric(text, "twilio_in_doubt_total", "1");
    assert_false(metrics_hold(text, "twilio_messages_sent_total{"));
    virtual_close(&d);
}

/* ---- Limits and breaker -------------------------------------------------------------------- */

static void test_waits_by_level(void **state)
{
    virtual_driver d;
    virtual_open(&d, NULL, "rate.per_second=0 rate.per_number=0.5 rate.per_recipient=0");
    virtual_send(&d, TO, VIRTUAL_FROM, "one");
    virtual_send(&d, TO, VIRTUAL_FROM, "two"); /* 2 s later */
    virtual_run(&d, 10000);
    tsms_str text = metrics(&d);
    assert_metric(text, "twilio_limiter_wait_seconds_count{level=\"number\"}", "1");
    assert_metric(text, "twilio_limiter_wait_seconds_sum{level=\"number\"}", "2.0");
    assert_metric(text, "twilio_limiter_wait_seconds_bucket{level=\"number\",le=\"1.0\"}", "0");
    assert_metric(text, "twilio_limiter_wait_seconds_bucket{level=\"number\",le=\"2.5\"}", "1");
    virtual_close(&d);

    virtual_open(&d, NULL, "rate.per_second=1 rate.burst=1 rate.per_number=0");
    for (int i = 0; i < 3; i++) {
        virtual_send(&d, TO, VIRTUAL_FROM, "hello");
    }
    virtual_run(&d, 10000);
    text = metrics(&d);
    assert_metric(text, "twilio_limiter_wait_seconds_count{level=\"account\"}", "2");
    assert_metric(text, "twilio_limiter_wait_seconds_sum{level=\"account\"}", "3.0");
    assert_metric(text, "twilio_rate_limit_hits_total{source=\"client\"}", "2");
    virtual_close(&d);

    virtual_open(&d, NULL, "rate.per_second=0 rate.per_number=0 rate.per_recipient=0.2");
    virtual_send(&d, TO, VIRTUAL_FROM, "one");
    virtual_send(&d, TO, "+15005559999", "two");
    virtual_run(&d, 10000);
    text = metrics(&d);
    assert_metric(text, "twilio_limiter_wait_seconds_count{level=\"recipient\"}", "1");
    assert_metric(text, "twilio_limiter_wait_seconds_sum{level=\"recipient\"}", "5.0");
    virtual_close(&d);
}

/* It waits once before each attempt, and each wait counts from its own beginning. */
static void test_a_retry_waits_again(void **state)
{
    virtual_driver d;
    virtual_open(&d, NULL, "rate.per_second=0 rate.per_number=0.1 retry.connection.base_ms=1000");
    d.script = "ok refused ok";
    virtual_send(&d, TO, VIRTUAL_FROM, "one");
    virtual_send(&d, TO, VIRTUAL_FROM, "two");
    virtual_run(&d, 60000);
    tsms_str text = metrics(&d);
    assert_metric(text, "twilio_limiter_wait_seconds_count{level=\"number\"}", "2");
    const char *sum = metric_number(text, "twilio_limiter_wait_seconds_sum{level=\"number\"}");
    assert_in_range(atoi(sum), 18, 19); /* 10 s, and 10 s but for the pause before the retry */
    assert_metric(text, "twilio_rate_limit_hits_total{source=\"client\"}", "1");
    virtual_close(&d);
}

static void test_the_breaker(void **state)
{
    virtual_driver d;
    virtual_open(&d, NULL,
                 "breaker.failure_threshold=2 breaker.success_threshold=1 "
                 "breaker.reset_timeout_ms=1000 retry.connection.attempts=1");
    d.script = "refused refused refused ok";
    virtual_fetch(&d, 0);
    virtual_fetch(&d, 0);
    virtual_run(&d, 200);
    virtual_fetch(&d, 0); /* refused by the breaker */
    virtual_run(&d, 200);
    tsms_str text = metrics(&d);
    assert_metric(text, "twilio_breaker_state{state=\"open\"}", "1");
    assert_metric(text, "twilio_breaker_state{state=\"closed\"}", "0");
    assert_metric(text, "twilio_breaker_refused_total", "1");
    for (int i = 0; i < 2; i++) {
        virtual_wait(&d, 1000);
        virtual_fetch(&d, 0);
        virtual_run(&d, 200);
    }
    text = metrics(&d);
    assert_metric(text, "twilio_breaker_transitions_total{from=\"closed\",to=\"open\"}", "1");
    assert_metric(text, "twilio_breaker_transitions_total{from=\"open\",to=\"half_open\"}", "2");
    assert_metric(text, "twilio_breaker_transitions_total{from=\"half_open\",to=\"open\"}", "1");
    assert_metric(text, "twilio_breaker_transitions_total{from=\"half_open\",to=\"closed\"}", "1");
    assert_metric(text, "twilio_breaker_state{state=\"closed\"}", "1");
    virtual_close(&d);
}

/* ---- All of it ----------------------------------------------------------------------------- */

/* Clients of one region see the same, and a sender has one name in all of them. */
static void test_two_clients(void **state)
{
    virtual_driver a;
    virtual_driver b;
    tsms__region_unlink("test_measure", VIRTUAL_ACCOUNT);
    virtual_open(&a, NULL, "from=" VIRTUAL_FROM " rate.per_number=0 shared=test_measure");
    virtual_open(&b, NULL, "from=" VIRTUAL_FROM " rate.per_number=0 shared=test_measure");
    virtual_send(&a, TO, NULL, "hello");
    virtual_run(&a, 1000);
    virtual_send(&b, TO, NULL, "hello");
    virtual_run(&b, 1000);
    assert_metric(metrics(&a),
                  "twilio_messages_sent_total{status=\"queued\",from_number=\"" VIRTUAL_FROM "\"}",
                  "2");
    tsms_str text = metrics(&b);
    char *copy = malloc(text.len + 1);
    assert_non_null(copy);
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    assert_str_is(metrics(&a), copy);
    free(copy);
    tsms__region_unlink("test_measure", VIRTUAL_ACCOUNT);
    virtual_close(&a);
    virtual_close(&b);
}

static unsigned long long lost(tsms_str text, const char *sample)
{
    const char *number = metric_number(text, sample);
    assert_non_null(number);
    return strtoull(number, NULL, 10);
}

/* Both count themselves, and belong to several: each loss is counted once, also when the client
 * leaves the trace, or ends. */
static void test_what_a_trace_drops(void **state)
{
    static const char sample[] = "twilio_export_dropped_total";
    virtual_driver a;
    virtual_driver b;
    tsms__region_unlink("test_measure", VIRTUAL_ACCOUNT);
    virtual_open(&a, NULL, "shared=test_measure");
    virtual_open(&b, NULL, "shared=test_measure");
    tsms_trace_options options = TSMS_TRACE_OPTIONS_INIT;
    tsms_trace *trace = NULL;
    assert_int_equal(tsms_trace_new(NULL, &options, &trace, NULL), TSMS_OK);
    tsms_client_set_trace(a.client, trace);
    tsms_client_set_trace(b.client, trace);
    assert_int_equal(lost(metrics(&a), sample), 0);
    tsms_trace_dropped(trace, 3);
    assert_int_equal(virtual_stats(&a).export_dropped, 3);
    assert_int_equal(virtual_stats(&a).export_dropped, 3);
    tsms_trace_dropped(trace, 2);
    assert_int_equal(lost(metrics(&b), sample), 5);
    tsms_trace_dropped(trace, 1);
    tsms_client_set_trace(a.client, NULL);
    assert_int_equal(lost(metrics(&a), sample), 6);
    tsms_trace_dropped(trace, 4);
    tsms_trace_free(trace);
    virtual_close(&b);
    assert_int_equal(lost(metrics(&a), sample), 10);
    tsms__region_unlink("test_measure", VIRTUAL_ACCOUNT);
    virtual_close(&a);
}

static void test_what_a_log_drops(void **state)
{
    enum { LINES = 2000 };
    static const char sample[] = "twilio_log_dropped_total";
    virtual_driver d;
    virtual_open(&d, NULL, "");
    tsms_log_options options = TSMS_LOG_OPTIONS_INIT;
    options.buffer_size = 16384;
    tsms_log *log = NULL;
    assert_int_equal(tsms_log_new(NULL, &options, &log, NULL), TSMS_OK);
    tsms_client_set_log(d.client, log);
    for (int i = 0; i < LINES; i++) {
        tsms_log_add(log, TSMS_LOG_ERROR, "test", NULL, 0, d.now.wall_ms + i * 1000);
    }
    unsigned taken = 0;
    tsms_str line;
    tsms_log_level level;
    while (tsms_log_take(log, &level, &line)) {
        taken++;
    }
    assert_in_range(taken, 1, LINES - 1);
    assert_int_equal(virtual_stats(&d).log_dropped, LINES - taken);
    assert_int_equal(lost(metrics(&d), sample), LINES - taken);
    tsms_log_free(log);
    virtual_close(&d);
}

/* The text is absent, the client goes on, and what it counts is not lost. */
static void test_without_memory(void **state)
{
    for (size_t n = 1;; n++) {
        test_mem tm;
        test_mem_init(&tm, 0);
        virtual_driver d;
        virtual_open(&d, &tm.mem, "from=" VIRTUAL_FROM);
        virtual_send(&d, TO, NULL, "hello");
        virtual_run(&d, 1000);
        tm.fail_at = tm.calls + n;
        tsms_str text = metrics(&d);
        assert_int_equal(text.ptr == NULL, tm.failed);
        bool failed = tm.failed;
        tm.fail_at = 0;
        assert_metric(metrics(&d), "twilio_calls_total{result=\"succeeded\"}", "1");
        virtual_close(&d);
        if (!failed) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_by_sender_country_and_status),
        cmocka_unit_test(test_a_messaging_service_is_a_sender),
        cmocka_unit_test(test_other_operations),
        cmocka_unit_test(test_what_was_never_sent),
        cmocka_unit_test(test_retries),
        cmocka_unit_test(test_suppressed_retries),
        cmocka_unit_test(test_look_ups),
        cmocka_unit_test(test_in_doubt),
        cmocka_unit_test(test_waits_by_level),
        cmocka_unit_test(test_a_retry_waits_again),
        cmocka_unit_test(test_the_breaker),
        cmocka_unit_test(test_two_clients),
        cmocka_unit_test(test_what_a_trace_drops),
        cmocka_unit_test(test_what_a_log_drops),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
