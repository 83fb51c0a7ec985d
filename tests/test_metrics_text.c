#include "metrics_support.h"

#include "base/rand.h"
#include "call/metrics_text.h"

#define ACCOUNT "AC0123456789abcdef0123456789abcdef"

static int open_region(void **state)
{
    tsms__region *region;
    tsms_status status = tsms__region_open(NULL, ACCOUNT, &region, NULL);
    *state = region;
    return status == TSMS_OK ? 0 : -1;
}

static int close_region(void **state)
{
    tsms__region_close(*state);
    return 0;
}

static tsms_buf text_of(tsms__region *region, tsms_metrics_format format)
{
    tsms_buf out;
    tsms__buf_init(&out, &tsms__mem_libc);
    tsms__metrics_text(region, format, &out);
    assert_false(out.failed);
    return out;
}

static void count(tsms__region *region, tsms__instrument instrument, unsigned first,
                  unsigned second, unsigned third, int times)
{
    for (int i = 0; i < times; i++) {
        tsms__metrics_count(tsms__region_metrics(region),
                            tsms__series_of(instrument, first, second, third), 1);
    }
}

static void observe(tsms__region *region, tsms__instrument instrument, unsigned first,
                    unsigned second, unsigned third, int64_t ms)
{
    tsms__metrics_time(tsms__region_metrics(region),
                       tsms__series_of(instrument, first, second, third), ms);
}

/* A little of everything. */
static void fill(tsms__region *region)
{
    tsms__metrics *metrics = tsms__region_metrics(region);
    unsigned number = tsms__metrics_sender(metrics, tsms_str_from("+15005550006"));
    unsigned shop = tsms__metrics_sender(metrics, tsms_str_from("\"Shop\\\n"));
    count(region, TSMS__MESSAGES, number, 1, TSMS_MESSAGE_QUEUED, 5);
    count(region, TSMS__MESSAGES, number, 49, TSMS_MESSAGE_QUEUED, 2);
    count(region, TSMS__MESSAGES, number, 49, TSMS_MESSAGE_FAILED, 1);
    count(region, TSMS__MESSAGES, shop, 0, TSMS_MESSAGE_ACCEPTED, 1);
    count(region, TSMS__MESSAGES, TSMS__SENDER_OTHER, 7, TSMS__STATUS_IN_DOUBT, 1);
    count(region, TSMS__MESSAGES, number, TSMS__MASKED + 34, TSMS_MESSAGE_QUEUED, 4);
    count(region, TSMS__MESSAGES, number, TSMS__MASKED + 305 * 100 + 7, TSMS_MESSAGE_QUEUED, 1);
    count(region, TSMS__SEGMENTS, TSMS_ENCODING_GSM7, 0, 0, 12);
    count(region, TSMS__SEGMENTS, TSMS_ENCODING_UCS2, 0, 0, 3);
    count(region, TSMS__SEGMENTS, TSMS__ENCODING_NONE, 0, 0, 1);
    count(region, TSMS__WEBHOOKS, TSMS_MESSAGE_RECEIVED, TSMS_VERDICT_OK, 1, 2);
    count(region, TSMS__WEBHOOKS, TSMS_MESSAGE_RECEIVED, TSMS_VERDICT_OK, 44, 3);
    count(region, TSMS__WEBHOOKS, TSMS_MESSAGE_RECEIVED, TSMS_VERDICT_REPLAY, 44, 1);
    count(region, TSMS__WEBHOOKS, TSMS_MESSAGE_DELIVERED, TSMS_VERDICT_OK, 0, 4);
    count(region, TSMS__WEBHOOKS, TSMS_MESSAGE_DELIVERED, TSMS_VERDICT_FAILED, 0, 1);
    count(region, TSMS__WEBHOOKS, TSMS_MESSAGE_UNKNOWN, TSMS_VERDICT_OK, 0, 1);
    count(region, TSMS__WEBHOOKS, TSMS__STATUS_NONE, TSMS_VERDICT_OK, 0, 1);
    count(region, TSMS__WEBHOOKS, TSMS__STATUS_NONE, TSMS_VERDICT_BAD_SIGNATURE, 0, 6);
    count(region, TSMS__ERRORS, TSMS_KIND_OPTED_OUT, 0, 0, 1);
    count(region, TSMS__RETRIES, TSMS_KIND_TIMEOUT, 0, 0, 2);
    count(region, TSMS__SUPPRESSED, TSMS_KIND_TIMEOUT, 0, 0, 1);
    count(region, TSMS__TRANSITIONS, TSMS__BREAKER_CLOSED, TSMS__BREAKER_OPEN, 0, 1);
    observe(region, TSMS__REQUESTS, TSMS_OP_SEND, TSMS_OUTCOME_ACCEPTED, 2, 80);
    observe(region, TSMS__REQUESTS, TSMS_OP_SEND, TSMS_OUTCOME_IN_DOUBT, 0, 15000);
    observe(region, TSMS__REQUESTS, TSMS_OP_SEND, TSMS_OUTCOME_IN_DOUBT, 5, 1250);
    observe(region, TSMS__REQUESTS, TSMS__OPERATION_LOOKUP, TSMS_OUTCOME_ACCEPTED, 2, 3);
    observe(region, TSMS__WAITS, 1, 0, 0, 700000);
    for (int i = 0; i < TSMS__COUNTER_COUNT; i++) {
        for (int times = 0; times <= i; times++) {
            tsms__region_count(region, (tsms__counter)i);
        }
    }
}

static void assert_is_file(tsms_buf *text, const char *path)
{
    char *want = test_read_file(path, NULL);
    assert_str_is(tsms__buf_str(text), want);
    free(want);
    tsms__buf_free(text);
}

static void test_prometheus(void **state)
{
    fill(*state);
    tsms_buf text = text_of(*state, TSMS_METRICS_PROMETHEUS);
    assert_is_file(&text, "tests/data/metrics.prometheus.txt");
}

static void test_openmetrics(void **state)
{
    fill(*state);
    tsms_buf text = text_of(*state, TSMS_METRICS_OPENMETRICS);
    assert_is_file(&text, "tests/data/metrics.openmetrics.txt");
}

/* How many samples of a name stand at 0; fails when one does not. */
static size_t zeros(tsms_str text, const char *name)
{
    size_t count = 0;
    size_t len = strlen(name);
    for (const char *line = text.ptr; line < text.ptr + text.len; line = strchr(line, '\n') + 1) {
        if (strncmp(line, name, len) == 0 && line[len] == '{') {
            assert_memory_equal(strchr(line, '\n') - 2, " 0", 2);
            count++;
        }
    }
    return count;
}

/* An alert must see the first event: so the series was there before it. */
static void test_what_matters_begins_at_0(void **state)
{
    tsms_buf buf = text_of(*state, TSMS_METRICS_PROMETHEUS);
    tsms__buf_add_char(&buf, '\0');
    tsms_str text = {tsms__buf_str(&buf).ptr, tsms__buf_str(&buf).len - 1};
    assert_metric(
        text, "twilio_errors_total{error_type=\"AuthenticationError.InvalidCredentials\"}", "0");
    assert_metric(text, "twilio_callbacks_total{status=\"none\",verdict=\"bad_signature\"}", "0");
    assert_metric(text, "twilio_callbacks_total{status=\"received\",verdict=\"failed\"}", "0");
    assert_metric(text, "twilio_delivery_status_total{status=\"undelivered\"}", "0");
    assert_int_equal(zeros(text, "twilio_errors_total"), TSMS_KIND_TEMPORARILY_UNAVAILABLE);
    assert_int_equal(zeros(text, "twilio_callbacks_total"), 18);
    assert_int_equal(zeros(text, "twilio_breaker_transitions_total"), 4);
    for (tsms_kind kind = TSMS_KIND_NONE + 1; kind <= TSMS_KIND_TEMPORARILY_UNAVAILABLE; kind++) {
        tsms_error err;
        tsms__error_set(&err, kind, "any");
        char sample[100];
        snprintf(sample, sizeof sample, "twilio_retries_suppressed_total{reason=\"%s\"}",
                 tsms_kind_type(kind));
        assert_metric(text, sample, err.retryable ? "0" : "");
    }
    assert_int_equal(zeros(text, "twilio_retries_total"),
                     zeros(text, "twilio_retries_suppressed_total"));
    tsms__buf_free(&buf);
}

/* Before anything happened: what has no labels begins at 0, and all families are announced. */
static void test_an_empty_region(void **state)
{
    tsms_buf buf = text_of(*state, TSMS_METRICS_PROMETHEUS);
    tsms_str text = tsms__buf_str(&buf);
    assert_metric(text, "twilio_send_latency_seconds_bucket{le=\"0.005\"}", "0");
    assert_metric(text, "twilio_send_latency_seconds_bucket{le=\"+Inf\"}", "0");
    assert_metric(text, "twilio_send_latency_seconds_sum", "0.0");
    assert_metric(text, "twilio_send_latency_seconds_count", "0");
    assert_metric(text, "twilio_calls_total{result=\"failed\"}", "0");
    assert_metric(text, "twilio_breaker_state{state=\"closed\"}", "1");
    assert_metric(text, "twilio_breaker_state{state=\"open\"}", "0");
    assert_metric(text, "twilio_series_overflow_total", "0");
    assert_metric(text, "# TYPE twilio_messages_sent_total", "counter");
    tsms__buf_free(&buf);
}

static void test_overflow(void **state)
{
    enum { MANY = 2500 };
    for (unsigned i = 0; i < MANY; i++) {
        count(*state, TSMS__MESSAGES, TSMS__SENDER_OTHER, i, TSMS_MESSAGE_QUEUED, 1);
    }
    count(*state, TSMS__MESSAGES, TSMS__SENDER_OTHER, MANY, TSMS_MESSAGE_FAILED, 3);
    tsms_buf buf = text_of(*state, TSMS_METRICS_PROMETHEUS);
    tsms_str text = tsms__buf_str(&buf);
    const char *rest = metric_number(text, "twilio_messages_total{from_number=\"__overflow__\","
                                           "to_number=\"__overflow__\",status=\"queued\"}");
    assert_non_null(rest);
    char number[24];
    snprintf(number, sizeof number, "%d", atoi(rest));
    assert_in_range(atoi(rest), MANY - 1999, MANY - 1900);
    assert_metric(
        text, "twilio_messages_sent_total{status=\"queued\",from_number=\"__overflow__\"}", number);
    assert_metric(text,
                  "twilio_messages_total{from_number=\"__overflow__\",to_number=\"__overflow__\","
                  "status=\"failed\"}",
                  "3");
    assert_false(metrics_hold(text, "twilio_messages_sent_total{status=\"failed\""));
    snprintf(number, sizeof number, "%d", atoi(rest) + 3);
    assert_metric(text, "twilio_series_overflow_total", number);
    snprintf(number, sizeof number, "%d", MANY - atoi(rest));
    assert_metric(text, "twilio_messages_sent_total{status=\"queued\",from_number=\"other\"}",
                  number);
    tsms__buf_free(&buf);
}

/* A later version of the same layout may count what has no name here yet: it is told apart. */
static void test_labels_of_another_version(void **state)
{
    count(*state, TSMS__ERRORS, 998, 0, 0, 2);
    count(*state, TSMS__ERRORS, 999, 0, 0, 1);
    count(*state, TSMS__TRANSITIONS, 9, 1, 0, 1);
    count(*state, TSMS__WEBHOOKS, 999, 99, 0, 1);
    count(*state, TSMS__MESSAGES, 300, 1, 999, 1);
    count(*state, TSMS__MESSAGES, 0, TSMS__MASKED + 306 * 100, 1, 1);
    count(*state, TSMS__SEGMENTS, 2, 0, 0, 1);
    observe(*state, TSMS__REQUESTS, 97, 98, 99, 1);
    observe(*state, TSMS__WAITS, 99, 0, 0, 1);
    tsms_buf buf = text_of(*state, TSMS_METRICS_PROMETHEUS);
    tsms_str text = tsms__buf_str(&buf);
    assert_metric(text, "twilio_errors_total{error_type=\"998\"}", "2");
    assert_metric(text, "twilio_errors_total{error_type=\"999\"}", "1");
    assert_metric(text, "twilio_breaker_transitions_total{from=\"9\",to=\"open\"}", "1");
    assert_metric(text, "twilio_callbacks_total{status=\"999\",verdict=\"99\"}", "1");
    assert_metric(
        text, "twilio_messages_total{from_number=\"300\",to_number=\"+1\",status=\"999\"}", "1");
    assert_metric(
        text,
        "twilio_messages_total{from_number=\"other\",to_number=\"31600\",status=\"accepted\"}",
        "1");
    assert_metric(text, "twilio_segments_total{encoding=\"2\"}", "1");
    assert_metric(text, "twilio_requests_total{operation=\"97\",outcome=\"98\",code_class=\"99\"}",
                  "1");
    assert_metric(text, "twilio_limiter_wait_seconds_count{level=\"99\"}", "1");
    tsms__buf_free(&buf);
}

/* A sender ID may be the very word that stands for all others. Prometheus refuses a whole scrape
 * that has one series twice. */
static void test_a_sender_that_is_called_other(void **state)
{
    tsms__metrics *metrics = tsms__region_metrics(*state);
    unsigned sender = tsms__metrics_sender(metrics, tsms_str_from("other"));
    count(*state, TSMS__MESSAGES, sender, 1, TSMS_MESSAGE_QUEUED, 2);
    count(*state, TSMS__MESSAGES, TSMS__SENDER_OTHER, 1, TSMS_MESSAGE_QUEUED, 3);
    tsms_buf buf = text_of(*state, TSMS_METRICS_PROMETHEUS);
    assert_metric(tsms__buf_str(&buf),
                  "twilio_messages_sent_total{status=\"queued\",from_number=\"other\"}", "5");
    tsms__buf_free(&buf);
}

/* A file that somebody else wrote into may make wrong numbers, and nothing worse. */
static void test_garbage(void **state)
{
    tsms__rand rand;
    tsms__rand_init(&rand, 3);
    char *bytes = (char *)tsms__region_metrics(*state);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < tsms__metrics_size(); i++) {
            bytes[i] = (char)tsms__rand_next(&rand);
        }
        tsms_buf text = text_of(*state, TSMS_METRICS_OPENMETRICS);
        assert_true(text.len > 100000);
        tsms__buf_free(&text);
    }
}

static void test_without_memory(void **state)
{
    fill(*state);
    for (size_t n = 1;; n++) {
        test_mem tm;
        test_mem_init(&tm, n);
        tsms_buf out;
        tsms__buf_init(&out, &tm.mem);
        tsms__metrics_text(*state, TSMS_METRICS_PROMETHEUS, &out);
        assert_int_equal(out.failed, tm.failed);
        tsms__buf_free(&out);
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            assert_in_range(n, 13, 200);
            break;
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_region, close_region)
    const struct CMUnitTest tests[] = {
        TEST(test_prometheus),
        TEST(test_openmetrics),
        TEST(test_what_matters_begins_at_0),
        TEST(test_an_empty_region),
        TEST(test_overflow),
        TEST(test_labels_of_another_version),
        TEST(test_a_sender_that_is_called_other),
        TEST(test_garbage),
        TEST(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
