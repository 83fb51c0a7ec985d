/* wire/response_error.c: errors from every kind of bad answer, and Retry-After. */
#include "support.h"

#include "base/err.h"
#include "wire/response.h"

static tsms_error error_of(int http_status, tsms_str body)
{
    tsms__response response = {.http_status = http_status, .complete = true, .body = body};
    tsms_error err;
    memset(&err, 0xA5, sizeof err);
    tsms__response_error(&response, NULL, 0, &err);
    assert_int_equal(err.http_status, http_status);
    assert_int_equal(err.category, tsms_kind_category(err.kind));
    return err;
}

static tsms_error error_of_text(int http_status, const char *body)
{
    return error_of(http_status, tsms_str_from(body));
}

static void test_twilios_own_errors(void **state)
{
    tsms_error err = error_of_text(
        400, "{\"code\": 21211, \"message\": \"The 'To' number +15005550001 is not a valid phone "
             "number.\", \"more_info\": \"https://www.twilio.com/docs/errors/21211\", "
             "\"status\": 400}");
    assert_int_equal(err.kind, TSMS_KIND_INVALID_RECIPIENT);
    assert_int_equal(err.api_code, 21211);
    assert_false(err.retryable);
    assert_string_equal(err.message, "The 'To' number +1********01 is not a valid phone number.");
    assert_string_equal(err.more_info, "https://www.twilio.com/docs/errors/21211");
    assert_int_equal(err.retry_after_ms, -1);
    assert_string_equal(err.request_id, "");
    assert_int_equal(err.outcome, TSMS_OUTCOME_NONE);
    assert_int_equal(err.attempts, 0);
}

static void test_a_401_tells_its_detail(void **state)
{
    tsms_error err = error_of_text(
        401, "{\"code\":20003,\"detail\":\"Your AccountSid or AuthToken was incorrect.\","
             "\"message\":\"Authenticate\",\"more_info\":\"x\",\"status\":401}");
    assert_int_equal(err.kind, TSMS_KIND_INVALID_CREDENTIALS);
    assert_string_equal(err.message, "Authenticate: Your AccountSid or AuthToken was incorrect.");
    assert_string_equal(err.more_info, "");
}

static void test_newer_services(void **state)
{
    tsms_error err = error_of_text(404, "{\"code\":20404,\"message\":\"Not here\","
                                        "\"httpStatusCode\":404,\"params\":{},\"userError\":true}");
    assert_int_equal(err.kind, TSMS_KIND_INVALID_REQUEST);
    assert_int_equal(err.api_code, 20404);
    assert_string_equal(err.message, "Not here");
}

static void test_codes_that_are_none(void **state)
{
    static const char *const bodies[] = {
        "{\"code\":null,\"message\":\"No\"}",  "{\"message\":\"No\"}",
        "{\"code\":0,\"message\":\"No\"}",     "{\"code\":-21211,\"message\":\"No\"}",
        "{\"code\":\"x\",\"message\":\"No\"}", "{\"code\":1.5,\"message\":\"No\"}",
        "{\"code\":1e18,\"message\":\"No\"}",  "{\"code\":[21211],\"message\":\"No\"}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        tsms_error err = error_of_text(400, bodies[i]);
        assert_int_equal(err.api_code, 0);
        assert_int_equal(err.kind, TSMS_KIND_INVALID_REQUEST);
        assert_string_equal(err.message, "HTTP 400: No");
    }
    assert_int_equal(error_of_text(400, "{\"code\":\"21211\"}").api_code, 21211);
}

static void test_a_known_code_without_a_message_has_ours(void **state)
{
    assert_string_equal(error_of_text(400, "{\"code\":21610}").message,
                        "the recipient opted out from this sender or service");
    assert_string_equal(error_of_text(400, "{\"code\":21610,\"message\":\" \"}").message,
                        "the recipient opted out from this sender or service");
    assert_string_equal(error_of_text(400, "{\"code\":21998}").message,
                        "HTTP 400 with JSON that has no readable message");
}

static void test_the_status_decides_without_a_code(void **state)
{
    static const struct {
        int status;
        tsms_kind kind;
        bool retryable;
    } cases[] = {
        {302, TSMS_KIND_INTERNAL_ERROR, false},
        {400, TSMS_KIND_INVALID_REQUEST, false},
        {401, TSMS_KIND_INVALID_CREDENTIALS, false},
        {403, TSMS_KIND_ACCOUNT_SUSPENDED, false},
        {404, TSMS_KIND_INVALID_REQUEST, false},
        {405, TSMS_KIND_INVALID_REQUEST, false},
        {408, TSMS_KIND_TIMEOUT, true},
        {409, TSMS_KIND_INVALID_REQUEST, false},
        {413, TSMS_KIND_INVALID_REQUEST, false},
        {429, TSMS_KIND_ACCOUNT_RATE_LIMITED, true},
        {499, TSMS_KIND_INVALID_REQUEST, false},
        {500, TSMS_KIND_INTERNAL_ERROR, true},
        {501, TSMS_KIND_INTERNAL_ERROR, true},
        {502, TSMS_KIND_SERVICE_UNAVAILABLE, true},
        {503, TSMS_KIND_SERVICE_UNAVAILABLE, true},
        {504, TSMS_KIND_SERVICE_UNAVAILABLE, true},
        {599, TSMS_KIND_INTERNAL_ERROR, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsms_error err = error_of_text(cases[i].status, "");
        assert_int_equal(err.kind, cases[i].kind);
        assert_int_equal(err.retryable, cases[i].retryable);
    }
}

static void test_code_then_status_then_range(void **state)
{
    tsms_error err = error_of_text(500, "{\"code\":21610,\"message\":\"x\"}");
    assert_int_equal(err.kind, TSMS_KIND_OPTED_OUT);
    assert_false(err.retryable);
    err = error_of_text(500, "{\"code\":21998,\"message\":\"x\"}");
    assert_int_equal(err.kind, TSMS_KIND_INTERNAL_ERROR);
    assert_true(err.retryable);
    err = error_of_text(400, "{\"code\":30999,\"message\":\"x\"}");
    assert_int_equal(err.kind, TSMS_KIND_CARRIER_REJECTED);
    assert_false(err.retryable);
    assert_int_equal(err.api_code, 30999);
    err = error_of_text(400, "{\"code\":70000,\"message\":\"x\"}");
    assert_int_equal(err.kind, TSMS_KIND_INVALID_REQUEST);
    assert_int_equal(err.api_code, 70000);
}

static void test_a_429_is_a_rate_limit_whatever_its_code(void **state)
{
    static const struct {
        const char *body;
        tsms_kind kind;
    } cases[] = {
        {"", TSMS_KIND_ACCOUNT_RATE_LIMITED},
        {"{\"code\":20429,\"message\":\"x\"}", TSMS_KIND_ACCOUNT_RATE_LIMITED},
        {"{\"code\":21611,\"message\":\"x\"}", TSMS_KIND_QUEUE_FULL},
        {"{\"code\":14107,\"message\":\"x\"}", TSMS_KIND_NUMBER_RATE_LIMITED},
        {"{\"code\":21998,\"message\":\"x\"}", TSMS_KIND_ACCOUNT_RATE_LIMITED},
        {"{\"code\":70000,\"message\":\"x\"}", TSMS_KIND_ACCOUNT_RATE_LIMITED},
        {"{\"code\":21211,\"message\":\"x\"}", TSMS_KIND_ACCOUNT_RATE_LIMITED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsms_error err = error_of_text(429, cases[i].body);
        assert_int_equal(err.kind, cases[i].kind);
        assert_true(err.retryable);
    }
}

static void test_overrides_decide(void **state)
{
    const tsms__code_override overrides[] = {
        {21408, TSMS_KIND_INVALID_REQUEST, false},
        {20429, TSMS_KIND_SERVICE_UNAVAILABLE, false},
        {70000, TSMS_KIND_OPTED_OUT, true},
    };
    static const char *const bodies[] = {"{\"code\":21408,\"message\":\"x\"}", "{\"code\":20429}",
                                         "{\"code\":70000}"};
    static const int statuses[] = {400, 429, 500};
    for (size_t i = 0; i < 3; i++) {
        tsms__response response = {
            .http_status = statuses[i], .complete = true, .body = tsms_str_from(bodies[i])};
        tsms_error err;
        tsms__response_error(&response, overrides, 3, &err);
        assert_int_equal(err.kind, overrides[i].kind);
        assert_int_equal(err.retryable, overrides[i].retryable);
    }
    assert_int_equal(error_of_text(400, "{\"code\":21408}").kind, TSMS_KIND_ACCOUNT_RATE_LIMITED);
}

static void test_bodies_without_a_message_are_described(void **state)
{
    static const struct {
        int status;
        const char *body, *want;
    } cases[] = {
        {502, "", "HTTP 502 with an empty body"},
        {502, " \r\n", "HTTP 502 with an empty body"},
        {502, "<html>\r\n<head><TITLE> 502 Bad\nGateway </TITLE></head>",
         "HTTP 502 with an HTML page: 502 Bad Gateway"},
        {502, "<!DOCTYPE html><title>cut o", "HTTP 502 with an HTML page: cut o"},
        {502, "<html><body>Oops</body></html>", "HTTP 502 with an HTML page"},
        {502, "<html><title>", "HTTP 502 with an HTML page"},
        {400, "<?xml version='1.0'?><TwilioResponse><title>x</title>", "HTTP 400 with an XML body"},
        {500, "{}", "HTTP 500 with JSON that has no readable message"},
        {500, "[1]", "HTTP 500 with JSON that has no readable message"},
        {500, "{\"message\":7}", "HTTP 500 with JSON that has no readable message"},
        {503, "no healthy upstream", "HTTP 503: no healthy upstream"},
        {503, "upstream connect error or disconnect/reset before headers.\nmore",
         "HTTP 503: upstream connect error or disconnect/reset before headers."},
        {503, "To=%2B15005550009&Body=secret", "HTTP 503 with a body that is no text"},
        {503, "number 15005550009", "HTTP 503 with a body that is no text"},
        {503, "\x01\x02\xFF\xFE", "HTTP 503 with a body that is no text"},
        {302, "", "HTTP 302, an unexpected redirect, with an empty body"},
        {302, "<title>Found</title>", "HTTP 302, an unexpected redirect, with an HTML page: Found"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsms_error err = error_of_text(cases[i].status, cases[i].body);
        assert_int_equal(err.api_code, 0);
        assert_string_equal(err.message, cases[i].want);
    }
}

static void test_every_cut_of_an_error_is_described(void **state)
{
    static const char whole[] = "{\"code\":21211,\"message\":\"No\",\"status\":400}";
    for (size_t len = 1; len < sizeof whole - 1; len++) {
        tsms__response response = {.http_status = 400, .body = {whole, len}};
        tsms_error err;
        tsms__response_error(&response, NULL, 0, &err);
        assert_int_equal(err.kind, TSMS_KIND_INVALID_REQUEST);
        assert_int_equal(err.api_code, 0);
        assert_string_equal(err.message, "HTTP 400 with JSON that was cut off");
    }
}

static void test_a_huge_body_is_not_parsed(void **state)
{
    size_t size = 10u << 20;
    char *body = malloc(size);
    assert_non_null(body);
    memset(body, '[', size);
    assert_string_equal(error_of(500, (tsms_str){body, size}).message,
                        "HTTP 500 with JSON that has no readable message");
    memset(body, 'a', size);
    assert_string_equal(error_of(500, (tsms_str){body, size}).message,
                        "HTTP 500 with a body that is no text");
    memset(body, '<', size);
    assert_string_equal(error_of(500, (tsms_str){body, size}).message,
                        "HTTP 500 with an HTML page");
    free(body);
}

static void test_long_and_dirty_messages_become_one_clean_line(void **state)
{
    char body[2048] = "{\"code\":21211,\"message\":\"line one\\nline\\u0007two \xC3\xA9 \xFF ";
    size_t used = strlen(body);
    memset(body + used, 'x', 1000);
    strcpy(body + used + 1000, "\"}");
    tsms_error err = error_of_text(400, body);
    assert_memory_equal(err.message, "line one line two \xC3\xA9 ? xxx", 24);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
}

static void test_links_are_whole_or_absent(void **state)
{
    static const char *const wrong[] = {
        "www.twilio.com", "javascript:alert(1)",      "ftp://h/x",      "https://h/a b",
        "https://h/\\nx", "https://h/%2B15551234567", "https://h/?a=b", "https://user:pass@h/"};
    char body[512];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(body, sizeof body, "{\"code\":21211,\"more_info\":\"%s\"}", wrong[i]);
        assert_string_equal(error_of_text(400, body).more_info, "");
    }
    snprintf(body, sizeof body, "{\"code\":21211,\"more_info\":\"https://h/%085d\"}", 0);
    assert_int_equal(strlen(error_of_text(400, body).more_info), 95);
    snprintf(body, sizeof body, "{\"code\":21211,\"more_info\":\"https://h/%086d\"}", 0);
    assert_string_equal(error_of_text(400, body).more_info, "");
}

static void test_headers_are_kept(void **state)
{
    tsms__response response = {
        .http_status = 503,
        .complete = true,
        .retry_after = TSMS__STR("7"),
        .request_id = TSMS__STR("RQ0123456789abcdef0123456789abcdef"),
    };
    tsms_error err;
    tsms__response_error(&response, NULL, 0, &err);
    assert_int_equal(err.retry_after_ms, 7000);
    assert_string_equal(err.request_id, "RQ0123456789abcdef0123456789abcdef");
}

static void test_retry_after(void **state)
{
    static const char date[] = "Tue, 14 Apr 2026 09:26:42 GMT";
    static const struct {
        const char *retry_after, *date;
        int64_t want;
    } cases[] = {
        {NULL, NULL, -1},
        {"", date, -1},
        {"0", NULL, 0},
        {" 120 ", NULL, 120000},
        {"86400", NULL, 86400000},
        {"86401", NULL, 86400000},
        {"99999999999999999999999999", NULL, 86400000},
        {"-1", NULL, -1},
        {"+1", NULL, -1},
        {"1.5", NULL, -1},
        {"soon", date, -1},
        {"Tue, 14 Apr 2026 09:27:12 GMT", date, 30000},
        {"Tue, 14 Apr 2026 09:26:42 GMT", date, 0},
        {"Tue, 14 Apr 2026 09:26:12 GMT", date, 0},
        {"Tue, 21 Apr 2026 09:26:12 GMT", date, 86400000},
        {"Tue, 14 Apr 2026 09:27:12 GMT", NULL, 0},
        {"Tue, 14 Apr 2026 09:27:12 GMT", "yesterday", 0},
        {"Tue, 14 Apr 2026", date, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t got =
            tsms__retry_after_ms(tsms_str_from(cases[i].retry_after), tsms_str_from(cases[i].date));
        assert_true(got == cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_twilios_own_errors),
        cmocka_unit_test(test_a_401_tells_its_detail),
        cmocka_unit_test(test_newer_services),
        cmocka_unit_test(test_codes_that_are_none),
        cmocka_unit_test(test_a_known_code_without_a_message_has_ours),
        cmocka_unit_test(test_the_status_decides_without_a_code),
        cmocka_unit_test(test_code_then_status_then_range),
        cmocka_unit_test(test_a_429_is_a_rate_limit_whatever_its_code),
        cmocka_unit_test(test_overrides_decide),
        cmocka_unit_test(test_bodies_without_a_message_are_described),
        cmocka_unit_test(test_every_cut_of_an_error_is_described),
        cmocka_unit_test(test_a_huge_body_is_not_parsed),
        cmocka_unit_test(test_long_and_dirty_messages_become_one_clean_line),
        cmocka_unit_test(test_links_are_whole_or_absent),
        cmocka_unit_test(test_headers_are_kept),
        cmocka_unit_test(test_retry_after),
    };
    return cmocka_run_group_tests_name("response_error", tests, NULL, NULL);
}
