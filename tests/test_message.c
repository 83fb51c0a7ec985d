/* wire/message.c: the table of parameters, reading option structs, and the form body. */
#include "support.h"

#include "base/str.h"
#include "wire/message.h"

#define SERVICE "MG0123456789abcdef0123456789abcdef"
#define CONTENT "HX0123456789abcdef0123456789abcdef"
#define APPLICATION "AP0123456789abcdef0123456789abcdef"

static test_mem tm;
static tsms_buf form;

static int setup(void **state)
{
    test_mem_init(&tm, 0);
    tsms__buf_init(&form, &tm.mem);
    return 0;
}

static int teardown(void **state)
{
    tsms__buf_free(&form);
    return tm.live == 0 ? 0 : -1;
}

static size_t field_size(tsms__param_type type)
{
    switch (type) {
    case TSMS__PARAM_STR:
        return sizeof(tsms_str);
    case TSMS__PARAM_LIST:
        return sizeof(tsms_str *) + sizeof(size_t);
    case TSMS__PARAM_TOGGLE:
        return sizeof(tsms_toggle);
    case TSMS__PARAM_INT:
        return sizeof(int);
    case TSMS__PARAM_TIME:
        return sizeof(int64_t);
    }
    return 0;
}

/* In the order of the struct and without gaps larger than padding: no field was forgotten. */
static void test_the_table_covers_the_struct(void **state)
{
    size_t count;
    const tsms__param *params = tsms__params(&count);
    size_t end = offsetof(tsms_message_options, to);
    for (size_t i = 0; i < count; i++) {
        assert_in_range(params[i].offset, end, end + 7);
        if (params[i].type == TSMS__PARAM_LIST) {
            assert_int_equal(params[i].count_offset, params[i].offset + sizeof(tsms_str *));
        }
        end = params[i].offset + field_size(params[i].type);
    }
    assert_in_range(sizeof(tsms_message_options), end, end + 7);
}

static void test_params_are_found_by_name(void **state)
{
    size_t count;
    const tsms__param *params = tsms__params(&count);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(tsms__param_find(tsms_str_from(params[i].name)), &params[i]);
    }
    assert_string_equal(tsms__param_find(TSMS__STR("media"))->wire, "MediaUrl");
    assert_null(tsms__param_find(TSMS__STR("media_url")));
    assert_null(tsms__param_find(TSMS__STR("Body")));
    assert_null(tsms__param_find((tsms_str){NULL, 0}));
}

static void test_absent_fields_are_not_sent(void **state)
{
    tsms_message_options message = TSMS_MESSAGE_OPTIONS_INIT;
    tsms__message_encode(&message, &form);
    assert_int_equal(form.len, 0);
    message.to = TSMS__STR("+15005550006");
    message.from = TSMS__STR("");
    message.body = TSMS__STR("a&b=c d\xC3\xA9");
    tsms__message_encode(&message, &form);
    assert_str_is(tsms__buf_str(&form), "To=%2B15005550006&Body=a%26b%3Dc+d%C3%A9");
}

static void fill_all(tsms_message_options *message)
{
    static const tsms_str media[] = {{"https://h/1?a=b", 15}, {"http://h/2", 10}};
    static const tsms_str actions[] = {{"geo:1,2", 7}, {"mailto:a@b", 10}};
    *message = (tsms_message_options){
        .size = sizeof *message,
        .to = TSMS__STR("+15005550006"),
        .from = TSMS__STR("ACME"),
        .messaging_service_sid = TSMS__STR(SERVICE),
        .fallback_from = TSMS__STR("12345"),
        .body = TSMS__STR("Hi"),
        .media = media,
        .media_count = 2,
        .content_sid = TSMS__STR(CONTENT),
        .content_variables = TSMS__STR("{\"1\":\"x\"}"),
        .status_callback = TSMS__STR("https://h/cb#rc=3"),
        .application_sid = TSMS__STR(APPLICATION),
        .max_price = TSMS__STR("0.05"),
        .provide_feedback = TSMS_TRUE,
        .attempt = 2,
        .validity_period_s = 36000,
        .force_delivery = TSMS_FALSE,
        .content_retention = TSMS__STR("discard"),
        .address_retention = TSMS__STR("obfuscate"),
        .smart_encoded = TSMS_TRUE,
        .persistent_actions = actions,
        .persistent_action_count = 2,
        .traffic_type = TSMS__STR("free"),
        .shorten_urls = TSMS_TRUE,
        .send_at = 1776158802,
        .send_as_mms = TSMS_FALSE,
        .risk_check = TSMS__STR("disable"),
        .message_intent = TSMS__STR("otp"),
        .tags = TSMS__STR("{}"),
    };
}

static const char all_encoded[] =
    "To=%2B15005550006&From=ACME&MessagingServiceSid=" SERVICE "&FallbackFrom=12345&Body=Hi"
    "&MediaUrl=https%3A%2F%2Fh%2F1%3Fa%3Db&MediaUrl=http%3A%2F%2Fh%2F2&ContentSid=" CONTENT
    "&ContentVariables=%7B%221%22%3A%22x%22%7D&StatusCallback=https%3A%2F%2Fh%2Fcb%23rc%3D3"
    "&ApplicationSid=" APPLICATION "&MaxPrice=0.05&ProvideFeedback=true&Attempt=2"
    "&ValidityPeriod=36000&ForceDelivery=false&ContentRetention=discard"
    "&AddressRetention=obfuscate&SmartEncoded=true&PersistentAction=geo%3A1%2C2"
    "&PersistentAction=mailto%3Aa%40b&TrafficType=free&ShortenUrls=true&ScheduleType=fixed"
    "&SendAt=2026-04-14T09:26:42Z&SendAsMms=false&RiskCheck=disable&MessageIntent=otp"
    "&Tags=%7B%7D";

static void test_every_parameter_has_its_name_and_form(void **state)
{
    tsms_message_options message;
    fill_all(&message);
    tsms__message_encode(&message, &form);
    assert_str_is(tsms__buf_str(&form), all_encoded);
}

static void test_a_warm_buffer_needs_no_memory(void **state)
{
    tsms_message_options message;
    fill_all(&message);
    tsms__message_encode(&message, &form);
    size_t calls = tm.calls;
    tsms__buf_clear(&form);
    tsms__message_encode(&message, &form);
    assert_int_equal(tm.calls, calls);
    assert_str_is(tsms__buf_str(&form), all_encoded);
}

static void test_every_failing_allocation_is_seen(void **state)
{
    tsms_message_options message;
    fill_all(&message);
    for (size_t n = 1;; n++) {
        test_mem failing;
        tsms_buf out;
        test_mem_init(&failing, n);
        tsms__buf_init(&out, &failing.mem);
        tsms__message_encode(&message, &out);
        assert_int_equal(out.failed, failing.failed);
        tsms__buf_free(&out);
        assert_int_equal(failing.live, 0);
        if (!failing.failed) {
            assert_true(n > 1);
            break;
        }
    }
}

static void test_read_takes_structs_of_older_callers(void **state)
{
    tsms_message_options given;
    tsms_message_options own;
    fill_all(&given);
    given.size = offsetof(tsms_message_options, media);
    assert_int_equal(tsms__message_read(&given, &own, NULL), TSMS_OK);
    assert_int_equal(own.size, sizeof own);
    assert_str_is(own.body, "Hi");
    assert_null(own.media);
    assert_int_equal(own.media_count, 0);
    assert_null(own.tags.ptr);

    given.size = sizeof given;
    assert_int_equal(tsms__message_read(&given, &own, NULL), TSMS_OK);
    tsms__message_encode(&own, &form);
    assert_str_is(tsms__buf_str(&form), all_encoded);
}

static void test_read_reads_no_byte_past_size(void **state)
{
    size_t size = offsetof(tsms_message_options, body);
    tsms_message_options *given = malloc(size);
    assert_non_null(given);
    memset(given, 0, size);
    memcpy(given, &size, sizeof size);
    tsms_message_options own;
    assert_int_equal(tsms__message_read(given, &own, NULL), TSMS_OK);
    assert_null(own.body.ptr);
    free(given);
}

static void test_read_refuses_other_sizes(void **state)
{
    static const size_t sizes[] = {0, 1, sizeof(size_t) - 1, sizeof(tsms_message_options) + 1,
                                   SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        tsms_message_options given = {.size = sizes[i]};
        tsms_message_options own;
        tsms_error err;
        assert_int_equal(tsms__message_read(&given, &own, &err), TSMS_ERROR);
        assert_int_equal(err.kind, TSMS_KIND_INVALID_REQUEST);
        assert_non_null(strstr(err.message, "TSMS_MESSAGE_OPTIONS_INIT"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table_covers_the_struct),
        cmocka_unit_test(test_params_are_found_by_name),
        cmocka_unit_test_setup_teardown(test_absent_fields_are_not_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_parameter_has_its_name_and_form, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_warm_buffer_needs_no_memory, setup, teardown),
        cmocka_unit_test(test_every_failing_allocation_is_seen),
        cmocka_unit_test_setup_teardown(test_read_takes_structs_of_older_callers, setup, teardown),
        cmocka_unit_test(test_read_reads_no_byte_past_size),
        cmocka_unit_test(test_read_refuses_other_sizes),
    };
    return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
