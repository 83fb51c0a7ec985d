/* wire/request.c: endpoints, sids, origins, and the path and body of each operation. */
#include "support.h"

#include "base/err.h"
#include "wire/request.h"

#define ACCOUNT "AC0123456789abcdef0123456789abcdef"
#define MESSAGE "SM0123456789abcdef0123456789ABCDEF"
#define MEDIA "ME0123456789abcdef0123456789abcdef"
#define BASE "/2010-04-01/Accounts/" ACCOUNT "/Messages"

static const tsms_str account = {ACCOUNT, sizeof ACCOUNT - 1};
static const int64_t wall_s = 1776158802;

static test_mem tm;
static tsms_buf out;

static int setup(void **state)
{
    test_mem_init(&tm, 0);
    tsms__buf_init(&out, &tm.mem);
    return 0;
}

static int teardown(void **state)
{
    tsms__buf_free(&out);
    return tm.live == 0 ? 0 : -1;
}

static tsms_request request_for(tsms_operation operation)
{
    tsms_request request = TSMS_REQUEST_INIT;
    request.operation = operation;
    request.sid = TSMS__STR(MESSAGE);
    request.media_sid = TSMS__STR(MEDIA);
    return request;
}

static tsms_message_options good_message(void)
{
    tsms_message_options message = TSMS_MESSAGE_OPTIONS_INIT;
    message.to = TSMS__STR("+15005550009");
    message.from = TSMS__STR("+15005550006");
    message.body = TSMS__STR("Hi");
    return message;
}

static void assert_refused_at(tsms_request request, const char *text, const char *file, int line)
{
    tsms_error err;
    tsms__error_clear(&err);
    if (tsms__request_check(&request, account, wall_s, &err) != TSMS_ERROR ||
        err.kind != TSMS_KIND_INVALID_REQUEST || strstr(err.message, text) == NULL) {
        print_error("got %s \"%s\"\n", tsms_kind_name(err.kind), err.message);
        _fail(file, line);
    }
}

#define assert_refused(request, text) assert_refused_at((request), (text), __FILE__, __LINE__)

static void assert_accepted(tsms_request request)
{
    assert_int_equal(tsms__request_check(&request, account, wall_s, NULL), TSMS_OK);
}

static void assert_path(tsms_request request, const char *want)
{
    tsms__buf_clear(&out);
    tsms__request_path(&request, account, &out);
    assert_str_is(tsms__buf_str(&out), want);
}

static void assert_body(tsms_request request, const char *want)
{
    tsms__buf_clear(&out);
    tsms__request_body(&request, &out);
    assert_str_is(tsms__buf_str(&out), want);
}

static void test_operations(void **state)
{
    tsms_message_options message = good_message();
    const struct {
        tsms_operation operation;
        const char *name;
        tsms__method method;
        const char *path, *body;
        tsms__shape shape;
        bool idempotent;
    } cases[] = {
        {TSMS_OP_SEND, "send", TSMS__POST, BASE ".json",
         "To=%2B15005550009&From=%2B15005550006&Body=Hi", TSMS__SHAPE_MESSAGE, false},
        {TSMS_OP_FETCH, "fetch", TSMS__GET, BASE "/" MESSAGE ".json", "", TSMS__SHAPE_MESSAGE,
         true},
        {TSMS_OP_LIST, "list", TSMS__GET, BASE ".json", "", TSMS__SHAPE_MESSAGE_PAGE, true},
        {TSMS_OP_CANCEL, "cancel", TSMS__POST, BASE "/" MESSAGE ".json", "Status=canceled",
         TSMS__SHAPE_MESSAGE, true},
        {TSMS_OP_REDACT, "redact", TSMS__POST, BASE "/" MESSAGE ".json",
         "Body=", TSMS__SHAPE_MESSAGE, true},
        {TSMS_OP_DELETE, "delete", TSMS__DELETE, BASE "/" MESSAGE ".json", "", TSMS__SHAPE_NONE,
         true},
        {TSMS_OP_MEDIA_LIST, "media_list", TSMS__GET, BASE "/" MESSAGE "/Media.json", "",
         TSMS__SHAPE_MEDIA_PAGE, true},
        {TSMS_OP_MEDIA_FETCH, "media_fetch", TSMS__GET, BASE "/" MESSAGE "/Media/" MEDIA ".json",
         "", TSMS__SHAPE_MEDIA, true},
        {TSMS_OP_MEDIA_DELETE, "media_delete", TSMS__DELETE,
         BASE "/" MESSAGE "/Media/" MEDIA ".json", "", TSMS__SHAPE_NONE, true},
        {TSMS_OP_FEEDBACK, "feedback", TSMS__POST, BASE "/" MESSAGE "/Feedback.json",
         "Outcome=unconfirmed", TSMS__SHAPE_FEEDBACK, true},
    };
    assert_int_equal(sizeof cases / sizeof *cases, TSMS_OP_COUNT);
    for (size_t i = 0; i < TSMS_OP_COUNT; i++) {
        assert_int_equal(cases[i].operation, i);
        assert_string_equal(tsms_operation_name(cases[i].operation), cases[i].name);
        const tsms__endpoint *endpoint = tsms__endpoint_of(cases[i].operation);
        assert_int_equal(endpoint->method, cases[i].method);
        assert_int_equal(endpoint->shape, cases[i].shape);
        assert_int_equal(endpoint->idempotent, cases[i].idempotent);
        tsms_request request = request_for(cases[i].operation);
        request.message = &message;
        assert_accepted(request);
        assert_path(request, cases[i].path);
        assert_body(request, cases[i].body);
    }
}

static void test_feedback_can_be_confirmed(void **state)
{
    tsms_request request = request_for(TSMS_OP_FEEDBACK);
    request.confirmed = true;
    assert_body(request, "Outcome=confirmed");
}

static void test_there_are_no_other_operations(void **state)
{
    assert_refused(request_for(TSMS_OP_COUNT), "operation");
    assert_refused(request_for((tsms_operation)-1), "operation");
    assert_string_equal(tsms_operation_name(TSMS_OP_COUNT), "");
    assert_string_equal(tsms_operation_name((tsms_operation)-1), "");
}

static void test_send_checks_its_message(void **state)
{
    tsms_message_options message = good_message();
    tsms_request request = request_for(TSMS_OP_SEND);
    assert_refused(request, "no message");
    message.body = TSMS__STR("");
    request.message = &message;
    assert_refused(request, "nothing to send");
    message = good_message();
    message.messaging_service_sid = TSMS__STR("MG0123456789abcdef0123456789abcdef");
    message.send_at = wall_s + 3600;
    assert_accepted(request);
    message.send_at = wall_s;
    assert_refused(request, "too soon");
}

static void test_sids_are_checked(void **state)
{
    for (int i = 0; i < TSMS_OP_COUNT; i++) {
        tsms_request request = request_for((tsms_operation)i);
        if (request.operation == TSMS_OP_SEND || request.operation == TSMS_OP_LIST) {
            continue;
        }
        request.sid = TSMS__STR("");
        assert_refused(request, "sid is not");
        request.sid = TSMS__STR(MEDIA);
        assert_refused(request, "sid is not");
        request.sid = TSMS__STR("SM0123456789abcdef0123456789abcd/..");
        assert_refused(request, "sid is not");
        request.sid = TSMS__STR("MM0123456789abcdef0123456789abcdef");
        assert_accepted(request);
    }
    tsms_request request = request_for(TSMS_OP_MEDIA_FETCH);
    request.media_sid = TSMS__STR(MESSAGE);
    assert_refused(request, "media_sid is not");
    request.operation = TSMS_OP_MEDIA_DELETE;
    assert_refused(request, "media_sid is not");
}

static void test_sid_is(void **state)
{
    assert_true(tsms__sid_is(TSMS__STR(MEDIA), "ME"));
    assert_false(tsms__sid_is(TSMS__STR(MEDIA), "MM"));
    assert_false(tsms__sid_is(TSMS__STR(MEDIA "0"), "ME"));
    assert_false(tsms__sid_is(TSMS__STR("ME0123456789abcdef0123456789abcde\0"), "ME"));
    assert_false(tsms__sid_is(TSMS__STR("ME0123456789abcdef0123456789abcde"), "ME"));
    assert_false(tsms__sid_is(TSMS__STR("ME0123456789abcdef0123456789abcdeg"), "ME"));
    assert_false(tsms__sid_is((tsms_str){NULL, 0}, "ME"));
    assert_true(tsms__sid_is_message(TSMS__STR(MESSAGE)));
    assert_true(tsms__sid_is_message(TSMS__STR("MM0123456789abcdef0123456789abcdef")));
    assert_false(tsms__sid_is_message(TSMS__STR("sm0123456789abcdef0123456789abcdef")));
}

static void test_list_filters(void **state)
{
    tsms_request request = request_for(TSMS_OP_LIST);
    request.to = TSMS__STR("+15005550009");
    request.from = TSMS__STR("A & B");
    request.date_sent_before = TSMS__STR("2026-04-30");
    request.date_sent_after = TSMS__STR("2026-04-01");
    request.page_size = 1000;
    assert_accepted(request);
    assert_path(request, BASE ".json?To=%2B15005550009&From=A+%26+B&DateSent%3C=2026-04-30"
                              "&DateSent%3E=2026-04-01&PageSize=1000");
    request = request_for(TSMS_OP_LIST);
    request.date_sent = TSMS__STR("2026-04-14");
    assert_accepted(request);
    assert_path(request, BASE ".json?DateSent=2026-04-14");
    request = request_for(TSMS_OP_MEDIA_LIST);
    request.page_size = 20;
    request.to = TSMS__STR("+15005550009");
    assert_accepted(request);
    assert_path(request, BASE "/" MESSAGE "/Media.json?PageSize=20");
}

static void test_filters_are_checked(void **state)
{
    tsms_request request = request_for(TSMS_OP_LIST);
    request.to = TSMS__STR("+0");
    assert_refused(request, "to is not");
    request.to = TSMS__STR("");
    request.from = TSMS__STR("\xFF");
    assert_refused(request, "from is not");
    request.from = TSMS__STR("12345");
    request.date_sent = TSMS__STR("2026-02-30");
    assert_refused(request, "date_sent is not a day");
    request.date_sent = TSMS__STR("");
    request.date_sent_before = TSMS__STR("yesterday");
    assert_refused(request, "date_sent_before is not a day");
    request.date_sent_before = TSMS__STR("");
    request.date_sent_after = TSMS__STR("2026-4-1");
    assert_refused(request, "date_sent_after is not a day");
    request.date_sent_after = TSMS__STR("");
    request.page_size = 1001;
    assert_refused(request, "page_size is not 1 to 1000");
    request.page_size = -1;
    assert_refused(request, "page_size");
    request.page_size = 0;
    request.timeout_ms = -1;
    assert_refused(request, "timeout_ms");
}

static void test_page_uri_is_followed_as_it_is(void **state)
{
    static const char *const list[] = {
        BASE ".json?To=%2B15005550009&DateSent%3E=2026-04-01&PageSize=1&Page=1&PageToken=PASM01",
        BASE ".json?a=//b/../c;d:e@f", BASE ".json?", BASE ".json"};
    tsms_request request = request_for(TSMS_OP_LIST);
    request.date_sent = TSMS__STR("ignored");
    request.page_size = -1;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        request.page_uri = tsms_str_from(list[i]);
        assert_accepted(request);
        assert_path(request, list[i]);
    }
    request.operation = TSMS_OP_MEDIA_LIST;
    request.sid = TSMS__STR("ignored");
    request.page_uri = TSMS__STR(BASE "/" MESSAGE "/Media.json?Page=1");
    assert_accepted(request);
    assert_path(request, BASE "/" MESSAGE "/Media.json?Page=1");
}

static void test_page_uri_leads_nowhere_else(void **state)
{
    static const char *const cases[] = {
        "https://example.com" BASE ".json?Page=1",
        "//example.com" BASE ".json?Page=1",
        "/" BASE ".json",
        "/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdee/Messages.json?Page=1",
        "/2010-04-01/Accounts/" ACCOUNT,
        "/2010-04-01/Accounts/" ACCOUNT "0/Messages.json",
        "/2010-04-01/Accounts/" ACCOUNT "/Calls.json",
        "/2010-04-01/Accounts/" ACCOUNT "/../AC/Messages.json",
        BASE "/../../AC/Messages.json",
        BASE "/" MESSAGE "/Media.json?Page=1",
        BASE "/" MESSAGE ".json",
        BASE ".json/../Keys.json",
        BASE ".json@example.com",
        BASE ".json#",
        BASE ".json?a b",
        BASE ".json?a#b",
        BASE ".json?a\\b",
        BASE ".json?a\r\nHost: example.com",
        BASE ".json?\x7F",
        BASE ".json?\xC3\xA9",
    };
    tsms_request request = request_for(TSMS_OP_LIST);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        request.page_uri = tsms_str_from(cases[i]);
        assert_refused(request, "page_uri is no next_page_uri of this account's list");
    }
    request.page_uri = TSMS__STR(BASE ".json?a\0b");
    assert_refused(request, "page_uri");
    request.operation = TSMS_OP_MEDIA_LIST;
    static const char *const media_cases[] = {BASE ".json?Page=1",
                                              BASE "/" MEDIA "/Media.json",
                                              BASE "/" MESSAGE,
                                              BASE "/",
                                              BASE "/" MESSAGE "/Feedback.json",
                                              BASE "/" MESSAGE "/Media/" MEDIA ".json"};
    for (size_t i = 0; i < sizeof media_cases / sizeof *media_cases; i++) {
        request.page_uri = tsms_str_from(media_cases[i]);
        assert_refused(request, "of this account's media_list");
    }
}

/* Each cut lies in a block of its own size, so that the sanitizers see a read past its end. */
static void test_every_cut_of_a_page_uri_is_refused(void **state)
{
    const tsms_str whole = TSMS__STR(BASE "/" MESSAGE "/Media.json");
    tsms_request request = request_for(TSMS_OP_MEDIA_LIST);
    for (size_t len = 1; len < whole.len; len++) {
        char *copy = malloc(len);
        assert_non_null(copy);
        memcpy(copy, whole.ptr, len);
        request.page_uri = (tsms_str){copy, len};
        assert_refused(request, "page_uri");
        free(copy);
    }
    request.page_uri = whole;
    assert_accepted(request);
}

static void test_origins(void **state)
{
    static const struct {
        const char *base_url, *region, *edge, *want;
    } cases[] = {
        {NULL, NULL, NULL, "https://api.twilio.com"},
        {"", "", "", "https://api.twilio.com"},
        {NULL, "ie1", NULL, "https://api.ie1.twilio.com"},
        {NULL, NULL, "dublin", "https://api.dublin.us1.twilio.com"},
        {NULL, "au1", "sydney", "https://api.sydney.au1.twilio.com"},
        {"https://localhost:8443", NULL, NULL, "https://localhost:8443"},
        {"https://localhost:8443//", "au1", "sydney", "https://localhost:8443"},
        {"https://example.com/twilio/", NULL, NULL, "https://example.com/twilio"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsms__buf_clear(&out);
        tsms__origin_add(&out, cases[i].base_url, cases[i].region, cases[i].edge);
        assert_str_is(tsms__buf_str(&out), cases[i].want);
    }
}

static void test_read_takes_structs_of_older_callers(void **state)
{
    tsms_request given = request_for(TSMS_OP_LIST);
    tsms_request own;
    given.page_size = 7;
    given.timeout_ms = 1000;
    assert_int_equal(tsms__request_read(&given, &own, NULL), TSMS_OK);
    assert_str_is(own.media_sid, MEDIA);
    assert_int_equal(own.page_size, 7);
    assert_int_equal(own.timeout_ms, 1000);
    given.size = offsetof(tsms_request, page_size);
    assert_int_equal(tsms__request_read(&given, &own, NULL), TSMS_OK);
    assert_int_equal(own.size, sizeof own);
    assert_int_equal(own.operation, TSMS_OP_LIST);
    assert_int_equal(own.page_size, 0);
    assert_int_equal(own.timeout_ms, 0);
}

static void test_other_sizes_are_refused(void **state)
{
    static const size_t sizes[] = {0, 7, sizeof(tsms_request) + 1, SIZE_MAX};
    tsms_request given = request_for(TSMS_OP_LIST);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        tsms_request own;
        tsms_error err;
        given.size = sizes[i];
        assert_int_equal(tsms__request_read(&given, &own, &err), TSMS_ERROR);
        assert_int_equal(err.kind, TSMS_KIND_INVALID_REQUEST);
        assert_non_null(strstr(err.message, "TSMS_REQUEST_INIT"));
        assert_refused(given, "size");
    }
}

static void test_every_failing_allocation_is_seen(void **state)
{
    tsms_request request = request_for(TSMS_OP_LIST);
    request.to = TSMS__STR("+15005550009");
    request.page_size = 50;
    for (size_t n = 1;; n++) {
        test_mem failing;
        tsms_buf path;
        test_mem_init(&failing, n);
        tsms__buf_init(&path, &failing.mem);
        tsms__origin_add(&path, NULL, "ie1", "dublin");
        tsms__request_path(&request, account, &path);
        assert_int_equal(path.failed, failing.failed);
        tsms__buf_free(&path);
        assert_int_equal(failing.live, 0);
        if (!failing.failed) {
            assert_true(n > 1);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_operations, setup, teardown),
        cmocka_unit_test_setup_teardown(test_feedback_can_be_confirmed, setup, teardown),
        cmocka_unit_test(test_there_are_no_other_operations),
        cmocka_unit_test(test_send_checks_its_message),
        cmocka_unit_test(test_sids_are_checked),
        cmocka_unit_test(test_sid_is),
        cmocka_unit_test_setup_teardown(test_list_filters, setup, teardown),
        cmocka_unit_test(test_filters_are_checked),
        cmocka_unit_test_setup_teardown(test_page_uri_is_followed_as_it_is, setup, teardown),
        cmocka_unit_test(test_page_uri_leads_nowhere_else),
        cmocka_unit_test(test_every_cut_of_a_page_uri_is_refused),
        cmocka_unit_test_setup_teardown(test_origins, setup, teardown),
        cmocka_unit_test(test_read_takes_structs_of_older_callers),
        cmocka_unit_test(test_other_sizes_are_refused),
        cmocka_unit_test(test_every_failing_allocation_is_seen),
    };
    return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
