/* call/measure.c: what is told of a message beside its sender and status, its number and segments.
 */
#include "metrics_support.h"
#include "virtual_driver.h"

#define TO "+15005550001"

static tsms_str metrics(virtual_driver *d)
{
    return tsms_client_metrics(d->client, TSMS_METRICS_PROMETHEUS);
}

/* ---- Numbers ------------------------------------------------------------------------------- */

/* With the last two digits and stars in between, of which there are eight whatever the length: two
 * numbers that end alike are one. */
static void test_masked_numbers(void **state)
{
    virtual_driver d;
    virtual_open(&d, NULL, "from=" VIRTUAL_FROM " rate.per_number=0 metrics.numbers=masked");
    virtual_send(&d, "+15005550134", NULL, "one");
    virtual_send(&d, "+15005559934", NULL, "two");
    virtual_send(&d, "+15005550100", NULL, "three");
    virtual_send(&d, "+4915112345609", NULL, "four");
    virtual_send(&d, "+49151123456709", NULL, "five");
    virtual_send(&d, "messenger:1234567", "messenger:7654321", "six");
    virtual_send(&d, "whatsapp:+447700900123", "whatsapp:+447700900999", "seven");
    virtual_run(&d, 1000);
    tsms_str text = metrics(&d);
#define TO_NUMBER(from, to)                                                                        \
    "twilio_messages_total{from_number=\"" from "\",to_number=\"" to "\",status=\"queued\"}"
    assert_metric(text, TO_NUMBER(VIRTUAL_FROM, "+1********34"), "2");
    assert_metric(text, TO_NUMBER(VIRTUAL_FROM, "+1********00"), "1");
    assert_metric(text, TO_NUMBER(VIRTUAL_FROM, "+49********09"), "2");
    assert_metric(text, TO_NUMBER("other", "other"), "1");
    assert_metric(text, TO_NUMBER("other", "+44********23"), "1");
    assert_metric(text, "twilio_messages_sent_total{status=\"queued\",from_number=\"other\"}", "2");
    assert_false(metrics_hold(text, "5550134"));
    assert_false(metrics_hold(text, "900123"));
    virtual_close(&d);
}

/* Each client of a region may have a rule of its own. */
static void test_masked_and_whole_codes(void **state)
{
    virtual_driver d;
    tsms__region_unlink("test_measure_messages", VIRTUAL_ACCOUNT);
    static const char *const rules[] = {"calling_code", "masked"};
    for (size_t i = 0; i < 2; i++) {
        char options[120];
        snprintf(options, sizeof options, "from=%s shared=test_measure_messages metrics.numbers=%s",
                 VIRTUAL_FROM, rules[i]);
        virtual_open(&d, NULL, options);
        virtual_send(&d, "+15005550134", NULL, "hello");
        virtual_run(&d, 10000);
        if (i == 1) {
            tsms_str text = metrics(&d);
            assert_metric(text, TO_NUMBER(VIRTUAL_FROM, "+1"), "1");
            assert_metric(text, TO_NUMBER(VIRTUAL_FROM, "+1********34"), "1");
        }
        virtual_close(&d);
    }
    tsms__region_unlink("test_measure_messages", VIRTUAL_ACCOUNT);
}

/* ---- Segments ------------------------------------------------------------------------------ */

/* Answers as a server that counts itself: the script is the number that it tells, as JSON. */
static void serve_segments(virtual_driver *d, virtual_flight *flight)
{
    tsms_str word;
    assert_true(virtual_word(&d->script, &word));
    char body[120];
    snprintf(body, sizeof body, "{\"sid\":\"%s\",\"status\":\"queued\",\"num_segments\":%.*s}",
             VIRTUAL_SID, (int)word.len, word.ptr);
    virtual_respond(flight, 201, virtual_copy(body));
}

static void test_segments(void **state)
{
    static const struct {
        const char *told, *body, *encoding, *count;
    } rows[] = {
        {"\"1\"", "hello", "GSM-7", "1"},
        {"\"3\"", "hello", "GSM-7", "3"}, /* the server knows best */
        {"2", "h\xC3\xA9llo \xC3\xA1", "UCS-2", "2"},
        {"\"0\"", "hello", "GSM-7", "1"}, /* of a pool, whose sender is not chosen yet */
        {"null", "\xE4\xBD\xA0\xE5\xA5\xBD", "UCS-2", "1"},
        {"\"-7\"", "hello", "GSM-7", "1"},
        {"\"many\"", "hello", "GSM-7", "1"},
        {"99999999999", "hello", "GSM-7", "1"},
        {"\"0\"",
         "0123456789012345678901234567890123456789012345678901234567890123456789\xE2\x9C\x93",
         "UCS-2", "2"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        virtual_driver d;
        virtual_open(&d, NULL, "");
        d.serve = serve_segments;
        d.script = rows[i].told;
        virtual_send(&d, TO, VIRTUAL_FROM, rows[i].body);
        virtual_run(&d, 1000);
        char sample[64];
        snprintf(sample, sizeof sample, "twilio_segments_total{encoding=\"%s\"}", rows[i].encoding);
        assert_metric(metrics(&d), sample, rows[i].count);
        virtual_close(&d);
    }
}

/* Of what is not cut into segments, or not by us, one, unless the server counts more. */
static void test_segments_without_a_text(void **state)
{
    virtual_driver d;
    virtual_open(&d, NULL, "rate.per_number=0");
    d.serve = serve_segments;
    d.script = "\"1\" \"0\" \"2\" null";
    const tsms_str picture = tsms_str_from("https://example.com/cat.png");
    tsms_message_options media = TSMS_MESSAGE_OPTIONS_INIT;
    media.to = tsms_str_from(TO);
    media.from = tsms_str_from(VIRTUAL_FROM);
    media.media = &picture;
    media.media_count = 1;
    tsms_message_options of_template = TSMS_MESSAGE_OPTIONS_INIT;
    of_template.to = media.to;
    of_template.from = media.from;
    of_template.content_sid = tsms_str_from("HX0123456789abcdef0123456789abcdef");
    uint64_t id;
    for (int i = 0; i < 4; i++) {
        media.body = i == 1 ? tsms_str_from("a cat") : (tsms_str){NULL, 0};
        assert_int_equal(virtual_submit(&d, i < 2 ? &media : &of_template, 0, &id, NULL), TSMS_OK);
    }
    virtual_run(&d, 1000);
    assert_metric(metrics(&d), "twilio_segments_total{encoding=\"none\"}", "5");
    virtual_close(&d);
}

/* Only what Twilio took. */
static void test_segments_of_what_was_not_accepted(void **state)
{
    virtual_driver d;
    virtual_open(&d, NULL, "rate.per_number=0 in_doubt=stop breaker.failure_threshold=0");
    d.script = "400 reset garbled";
    for (int i = 0; i < 3; i++) {
        virtual_send(&d, TO, VIRTUAL_FROM, "hello");
    }
    virtual_run(&d, 1000);
    virtual_fetch(&d, 0);
    virtual_run(&d, 1000);
    assert_false(metrics_hold(metrics(&d), "twilio_segments_total{"));
    virtual_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_masked_numbers),
        cmocka_unit_test(test_masked_and_whole_codes),
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_segments_without_a_text),
        cmocka_unit_test(test_segments_of_what_was_not_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
