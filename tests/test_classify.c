#include "call/classify.h"

#include "support.h"

#define SID "SM0123456789abcdef0123456789abcdef"

typedef struct answer {
    tsms__transfer transfer;
    tsms__shape shape;
    tsms_outcome outcome;
    tsms_kind kind;
    size_t records;
    tsms_error err;
} answer;

static const tsms_config no_overrides;

static answer classify(tsms__transfer transfer, tsms__shape shape)
{
    answer a = {.transfer = transfer, .shape = shape};
    tsms__records records;
    memset(&records, 0xA5, sizeof records);
    a.outcome = tsms__classify(&a.transfer, shape, &no_overrides, &records, &a.err);
    a.kind = a.outcome == TSMS_OUTCOME_ACCEPTED ? TSMS_KIND_NONE : a.err.kind;
    a.records = records.count;
    tsms__records_free(&records);
    return a;
}

static answer classify_status(int status, bool complete, const char *body)
{
    tsms__transfer transfer = {.sent = true,
                               .fault = complete ? TSMS_KIND_NONE : TSMS_KIND_CONNECTION_FAILED,
                               .fault_text = tsms_str_from(complete ? NULL : "cut"),
                               .response = {.http_status = status,
                                            .complete = complete,
                                            .body = tsms_str_from(body),
                                            .request_id = tsms_str_from("RQ1")}};
    return classify(transfer, TSMS__SHAPE_MESSAGE);
}

static answer classify_fault(bool sent, tsms_kind fault)
{
    tsms__transfer transfer = {
        .sent = sent, .fault = fault, .fault_text = tsms_str_from("it broke")};
    return classify(transfer, TSMS__SHAPE_MESSAGE);
}

static void assert_answer(answer a, tsms_outcome outcome, tsms_kind kind)
{
    assert_string_equal(tsms_outcome_name(a.outcome), tsms_outcome_name(outcome));
    assert_string_equal(tsms_kind_name(a.kind), tsms_kind_name(kind));
}

/* A fault's kind does not matter, only whether a byte may have left. */
static void test_the_line_is_whether_a_byte_left(void **state)
{
    (void)state;
    static const tsms_kind faults[] = {
        TSMS_KIND_CONNECTION_FAILED,       TSMS_KIND_TIMEOUT,
        TSMS_KIND_DNS_RESOLUTION_FAILED,   TSMS_KIND_INTERNAL_ERROR,
        TSMS_KIND_TEMPORARILY_UNAVAILABLE,
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        answer a = classify_fault(false, faults[i]);
        assert_answer(a, TSMS_OUTCOME_NOT_SENT, faults[i]);
        assert_string_equal(a.err.message, "it broke");
        assert_answer(classify_fault(true, faults[i]), TSMS_OUTCOME_IN_DOUBT, faults[i]);
    }
}

/* A driver that tells nothing at all. */
static void test_a_fault_without_a_kind(void **state)
{
    (void)state;
    assert_answer(classify((tsms__transfer){.sent = false}, TSMS__SHAPE_MESSAGE),
                  TSMS_OUTCOME_NOT_SENT, TSMS_KIND_CONNECTION_FAILED);
    assert_answer(classify((tsms__transfer){.sent = true}, TSMS__SHAPE_MESSAGE),
                  TSMS_OUTCOME_IN_DOUBT, TSMS_KIND_CONNECTION_FAILED);
}

static void test_good_answers(void **state)
{
    (void)state;
    for (int status = 200; status <= 299; status++) {
        answer a = classify_status(status, true, "{\"sid\":\"" SID "\"}");
        assert_answer(a, TSMS_OUTCOME_ACCEPTED, TSMS_KIND_NONE);
        assert_int_equal(a.records, 1);
    }
}

/* A whole record proves acceptance even when the connection broke behind it. */
static void test_a_whole_record_before_a_break(void **state)
{
    (void)state;
    answer a = classify_status(201, false, "{\"sid\":\"" SID "\"}");
    assert_answer(a, TSMS_OUTCOME_ACCEPTED, TSMS_KIND_NONE);
}

static void test_accepted_without_sid(void **state)
{
    (void)state;
    answer a = classify_status(201, false, "{\"sid\":\"SM0123");
    assert_answer(a, TSMS_OUTCOME_ACCEPTED_NO_SID, TSMS_KIND_INTERNAL_ERROR);
    assert_int_equal(a.err.http_status, 201);
    assert_string_equal(a.err.request_id, "RQ1");
    assert_non_null(strstr(a.err.message, "cut off"));
    static const char *const bodies[] = {
        "",
        "<html>",
        "{}",
        "[]",
        "{\"sid\":null}",
        "{\"sid\":\"SM0123\"}",
        "{\"sid\":\"" SID "\"}x",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        a = classify_status(200, true, bodies[i]);
        assert_answer(a, TSMS_OUTCOME_ACCEPTED_NO_SID, TSMS_KIND_INTERNAL_ERROR);
        assert_non_null(strstr(a.err.message, "unreadable"));
        assert_int_equal(a.records, 0);
    }
}

/* Only a message has a sid to be looked for. */
static void test_an_unreadable_page_is_in_doubt(void **state)
{
    (void)state;
    tsms__transfer transfer = {
        .sent = true,
        .response = {.http_status = 200, .complete = true, .body = tsms_str_from("{}")}};
    assert_answer(classify(transfer, TSMS__SHAPE_MESSAGE_PAGE), TSMS_OUTCOME_IN_DOUBT,
                  TSMS_KIND_INTERNAL_ERROR);
    assert_answer(classify(transfer, TSMS__SHAPE_NONE), TSMS_OUTCOME_ACCEPTED, TSMS_KIND_NONE);
}

static void test_refusals(void **state)
{
    (void)state;
    for (int status = 400; status <= 499; status++) {
        tsms_outcome want = status == 429 ? TSMS_OUTCOME_THROTTLED : TSMS_OUTCOME_REJECTED;
        assert_int_equal(classify_status(status, true, "{}").outcome, want);
        /* Cut off, it could be anybody's; a 429 is never processed, whatever came of its body. */
        want = status == 429 ? TSMS_OUTCOME_THROTTLED : TSMS_OUTCOME_IN_DOUBT;
        assert_int_equal(classify_status(status, false, "{").outcome, want);
    }
    answer a = classify_status(400, true, "{\"code\":21610,\"message\":\"no\"}");
    assert_answer(a, TSMS_OUTCOME_REJECTED, TSMS_KIND_OPTED_OUT);
    assert_int_equal(a.err.api_code, 21610);
    assert_int_equal(a.err.http_status, 400);
}

static void test_what_is_in_doubt(void **state)
{
    (void)state;
    static const int statuses[] = {300, 301, 302, 304, 307, 308, 500, 501, 502, 503, 504, 599};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        answer a = classify_status(statuses[i], true, "{}");
        assert_int_equal(a.outcome, TSMS_OUTCOME_IN_DOUBT);
        assert_int_equal(a.err.http_status, statuses[i]);
    }
    /* An interim answer, and then the connection broke. */
    assert_int_equal(classify_status(100, false, "").outcome, TSMS_OUTCOME_IN_DOUBT);
}

/* What a proxy answers before the request has left is not the server's word. */
static void test_a_status_without_a_request(void **state)
{
    (void)state;
    tsms__transfer transfer = {.sent = false,
                               .fault = TSMS_KIND_CONNECTION_FAILED,
                               .fault_text = tsms_str_from("proxy"),
                               .response = {.http_status = 200, .complete = true}};
    assert_answer(classify(transfer, TSMS__SHAPE_NONE), TSMS_OUTCOME_NOT_SENT,
                  TSMS_KIND_CONNECTION_FAILED);
}

static void test_the_clients_own_meaning_of_a_code(void **state)
{
    (void)state;
    tsms__code_override own = {21408, TSMS_KIND_INVALID_RECIPIENT, false};
    tsms_config config = {.errors = &own, .error_count = 1};
    tsms__transfer transfer = {.sent = true,
                               .response = {.http_status = 400,
                                            .complete = true,
                                            .body = tsms_str_from("{\"code\":21408}")}};
    tsms__records records;
    tsms_error err;
    assert_int_equal(tsms__classify(&transfer, TSMS__SHAPE_MESSAGE, &config, &records, &err),
                     TSMS_OUTCOME_REJECTED);
    assert_int_equal(err.kind, TSMS_KIND_INVALID_RECIPIENT);
    assert_false(err.retryable);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_line_is_whether_a_byte_left),
        cmocka_unit_test(test_a_fault_without_a_kind),
        cmocka_unit_test(test_good_answers),
        cmocka_unit_test(test_a_whole_record_before_a_break),
        cmocka_unit_test(test_accepted_without_sid),
        cmocka_unit_test(test_an_unreadable_page_is_in_doubt),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_what_is_in_doubt),
        cmocka_unit_test(test_a_status_without_a_request),
        cmocka_unit_test(test_the_clients_own_meaning_of_a_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
