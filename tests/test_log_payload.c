#include "log_support.h"

#include "virtual_driver.h"

#define TO "+15005550001"
#define BODY "Meet me at 5558675310"

static void serve_json(virtual_driver *d, virtual_flight *flight)
{
    virtual_respond(flight, 400, virtual_copy(d->world));
}

/* The lines of TRACE about one message, whose answer is this text. */
static char *exchange(char *answer, bool bodies, tsms_str key)
{
    tsms_log_options options = TSMS_LOG_OPTIONS_INIT;
    options.level = TSMS_LOG_TRACE;
    options.bodies = bodies;
    options.pseudonym_key = key;
    tsms_log *log = open_log(NULL, &options);
    virtual_driver d;
    virtual_open(&d, NULL, "");
    tsms_client_set_log(d.client, log);
    d.serve = serve_json;
    d.world = answer;
    tsms_message_options message = TSMS_MESSAGE_OPTIONS_INIT;
    const tsms_str media[] = {TSMS__STR("https://user:pass@cdn.example.com/secret/1.png?sig=abc")};
    message.to = tsms_str_from(TO);
    message.from = tsms_str_from(VIRTUAL_FROM);
    message.body = tsms_str_from(BODY);
    message.media = media;
    message.media_count = 1;
    message.tags = TSMS__STR("{\"who\":\"Canary Bird\"}");
    message.status_callback = TSMS__STR("https://hooks.example.com/status?ref=id.17.mac#rc=3");
    uint64_t id;
    tsms_error err;
    assert_int_equal(virtual_submit(&d, &message, 0, &id, &err), TSMS_OK);
    virtual_run(&d, 60000);
    virtual_collect(&d);
    virtual_close(&d);
    char *lines = all_lines(log);
    tsms_log_free(log);
    return lines;
}

static const tsms_str no_key;

static void test_a_request_made_unreadable(void **state)
{
    const char *lines = exchange("{}", false, no_key);
    assert_has(lines, " level=trace event=request_payload call_id=");
    assert_has(lines, "To=+1********01&From=+1********06&Body=<21 characters>");
    assert_has(lines, "MediaUrl=https://cdn.example.com/<cut>");
    assert_has(lines, "StatusCallback=https://hooks.example.com/status?<cut>");
    static const char *const secrets[] = {"Meet",  "8675310", "5005550001", "pass",
                                          "user:", "secret",  "sig=",       "id.17",
                                          "mac",   "Canary",  "Basic",      "Authorization"};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        assert_has_not(lines, secrets[i]);
    }
}

static void test_an_answer_made_unreadable(void **state)
{
    const char *lines = exchange(
        "{\"code\": 21211, \"to\": \"\\u002b15005550001\", \"body\": \"Canary \\\"Bird\\\"\", "
        "\"unknown\": [\"Canary\", 15005550001], \"nested\": {\"message\": \"no +1 500 555 "
        "0001\"}, "
        "\"uri\": \"/x.json?To=%2B15005550001\", \"15005550001\": null, \"more\": true}",
        false, no_key);
    assert_has(lines, " level=trace event=response_payload call_id=");
    assert_has(lines, "{\\\"code\\\":21211,\\\"to\\\":\\\"+1********01\\\","
                      "\\\"body\\\":\\\"<13 characters>\\\",\\\"unknown\\\":[\\\"<6 "
                      "characters>\\\",1********01],\\\"nested\\\":{\\\"message\\\":\\\"no +1 *** "
                      "*** **01\\\"},\\\"uri\\\":\\\"/x.json?<cut>\\\",\\\"1********01\\\":null,"
                      "\\\"more\\\":true}");
    assert_has_not(lines, "5005550001");
    assert_has_not(lines, "Canary");
}

static void test_an_answer_that_is_no_json(void **state)
{
    static char *const answers[] = {
        "<html>Canary +15005550001</html>",
        "{\"body\": \"Canary",
        "{\"body\": \"\\ud800 Canary\"}",
        "{\"code\": 1} Canary",
        "Canary",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        char *line = strstr(exchange(answers[i], false, no_key), " event=response_payload");
        assert_non_null(line);
        *strchr(line, '\n') = '\0';
        assert_has(line, " characters>");
        assert_has_not(line, "Canary");
        assert_has_not(line, "5005550001");
    }
}

static void test_texts_on_request(void **state)
{
    const char *lines = exchange("{\"body\": \"Canary 15005550001\"}", true, no_key);
    assert_has(lines, "Body=Meet me at 5*******10");
    assert_has(lines, "Canary 1********01");
    assert_has_not(lines, "5005550001");
}

/* A server that says the credentials back, or a proxy that shows the headers of the request. */
static void test_an_answer_that_repeats_the_request(void **state)
{
    static char *const answers[] = {
        "{\"message\": \"no: 0123456789abcdef0123456789abcdef\"}",
        "{\"sid\": \"0123456789abcdef012345\", \"0123456789abcdef01\": 1}",
        "{\"more_info\": \"https://example.com/0123456789abcdef0123456789abcdef\"}",
        "{\"status\": \"QUMwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjowMTIzNDU2Nzg5YWJjZGVm\"}",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        for (int bodies = 0; bodies < 2; bodies++) {
            const char *line =
                strstr(exchange(answers[i], bodies != 0, no_key), " event=response_payload");
            assert_non_null(line);
            assert_has(line, "*");
            assert_has_not(line, "0123456789abcdef");
            assert_has_not(line, "MDEyMzQ1Njc4OWFiY2RlZjowMTIzNDU2");
        }
    }
}

static void test_pseudonyms(void **state)
{
    const char *lines = exchange("{\"to\": \"+15005550001\", \"message\": \"not +1 500-555-0001\"}",
                                 true, TSMS__STR("0123456789abcdef"));
    const char *first = strstr(lines, "To=h:");
    assert_non_null(first);
    char pseudonym[19];
    memcpy(pseudonym, first + 3, 18);
    pseudonym[18] = '\0';
    assert_true(count_of(lines, pseudonym) >= 4); /* To, to, the text, to= */
    assert_has_not(lines, "+1*");
    assert_has_not(lines, "0001");
}

static void test_a_long_answer_is_cut(void **state)
{
    static char answer[40000];
    size_t len = (size_t)snprintf(answer, sizeof answer, "{\"sid\": \"");
    memset(answer + len, 'z', sizeof answer - len - 3);
    memcpy(answer + sizeof answer - 3, "\"}", 3);
    assert_has(exchange(answer, false, no_key), "z\xE2\x80\xA6\"\n");
}

/* What is cut out of an answer is searched, too, but not without end. */
static void test_a_long_answer_is_searched_in_part(void **state)
{
    enum { LINKS = 4, LENGTH = 6000 };
    tsms_buf answer;
    tsms__buf_init(&answer, &tsms__mem_libc);
    tsms__buf_add_char(&answer, '[');
    for (size_t i = 0; i < LINKS; i++) {
        tsms__buf_add(&answer,
                      i == 0 ? TSMS__STR("{\"uri\":\"/x?") : TSMS__STR("\"},{\"uri\":\"/x?"));
        for (size_t j = 0; j < LENGTH - 3; j++) {
            tsms__buf_add_char(&answer, (char)('a' + j % 26));
        }
    }
    tsms__buf_add(&answer, TSMS__STR("\"}]"));
    const char *lines = exchange((char *)tsms__buf_z(&answer), false, no_key);
    assert_int_equal(count_of(lines, "\\\"/x?<cut>\\\""), 2);
    assert_int_equal(count_of(lines, "\\\"<6000 characters>\\\""), 2);
    tsms__buf_free(&answer);
}

static void break_answer(virtual_driver *d, virtual_flight *flight)
{
    virtual_break(flight, true, TSMS_KIND_CONNECTION_FAILED, d->world);
}

/* libcurl may quote the line that it does not understand. */
static void test_a_broken_answer_made_unreadable(void **state)
{
    char fault[] = "bad header: Body=" BODY " and To: +15005550001";
    tsms_log *log = open_level(TSMS_LOG_TRACE);
    virtual_driver d;
    virtual_open(&d, NULL, "in_doubt=stop");
    tsms_client_set_log(d.client, log);
    d.serve = break_answer;
    d.world = fault;
    virtual_send(&d, TO, VIRTUAL_FROM, BODY);
    virtual_run(&d, 60000);
    virtual_collect(&d);
    const char *lines = all_lines(log);
    assert_has(lines, "event=response_payload");
    assert_has(lines, "message=\"bad header: Body=*********************");
    assert_has_not(lines, "Meet");
    virtual_close(&d);
    tsms_log_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_made_unreadable),
        cmocka_unit_test(test_an_answer_made_unreadable),
        cmocka_unit_test(test_an_answer_that_is_no_json),
        cmocka_unit_test(test_texts_on_request),
        cmocka_unit_test(test_an_answer_that_repeats_the_request),
        cmocka_unit_test(test_pseudonyms),
        cmocka_unit_test(test_a_long_answer_is_cut),
        cmocka_unit_test(test_a_long_answer_is_searched_in_part),
        cmocka_unit_test(test_a_broken_answer_made_unreadable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
