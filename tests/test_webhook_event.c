/* Tests of csrc/wire/webhook_event.c: an event holds copies of all that it shows. */
#include "webhook_support.h"

#include "wire/webhook.h"

static void copies_what_it_shows(void **state)
{
    static const char *const texts[] = {"u", "ms", "as", "mg",  "from", "to",  "body", "STOP",
                                        "s", "em", "rd", "feu", "ref",  "tok", "sig",  "json"};
    char bytes[16][8];
    char pair[] = "name=value&empty=&=nameless&name=again";
    tsms_webhook_info info = {.type = TSMS_WEBHOOK_STATUS, .num_media = 3, .error_code = 30003};
    tsms_str *const views[] = {&info.url,
                               &info.message_sid,
                               &info.account_sid,
                               &info.messaging_service_sid,
                               &info.from,
                               &info.to,
                               &info.body,
                               &info.opt_out_type,
                               &info.status,
                               &info.error_message,
                               &info.raw_dlr_done_date,
                               &info.fallback_error_url,
                               &info.callback_ref,
                               &info.idempotency_token,
                               &info.signature,
                               &info.json};
    for (size_t i = 0; i < 16; i++) {
        snprintf(bytes[i], sizeof bytes[i], "%s", texts[i]);
        *views[i] = tsms_str_from(bytes[i]);
    }
    tsms__fields fields;
    tsms__fields_init(&fields, &tsms__mem_libc);
    assert_int_equal(tsms__fields_read(&fields, tsms_str_from(pair), 10), TSMS__FIELDS_OK);
    tsms_webhook_event *event = NULL;
    assert_int_equal(tsms__webhook_event_new(&tsms__mem_libc, &info, &fields, &event, NULL),
                     TSMS_OK);
    tsms__fields_free(&fields);
    memset(bytes, 'x', sizeof bytes);

    tsms_webhook_info got;
    tsms_webhook_event_read(event, &got);
    tsms_webhook_info *shown = &got;
    for (size_t i = 0; i < 16; i++) {
        const size_t offset = (size_t)((const char *)views[i] - (const char *)&info);
        assert_str_is(*(tsms_str *)(void *)((char *)shown + offset), texts[i]);
    }
    assert_int_equal(got.type, TSMS_WEBHOOK_STATUS);
    assert_int_equal(got.num_media, 3);
    assert_int_equal(got.error_code, 30003);

    static const char *const params[][2] = {
        {"name", "value"}, {"empty", ""}, {"", "nameless"}, {"name", "again"}};
    tsms_param param;
    for (size_t i = 0; i < 4; i++) {
        assert_true(tsms_webhook_event_param(event, i, &param));
        assert_str_is(param.name, params[i][0]);
        assert_str_is(param.value, params[i][1]);
    }
    assert_false(tsms_webhook_event_param(event, 4, &param));
    assert_str_is(tsms_webhook_event_field(event, "name"), "value");
    assert_non_null(tsms_webhook_event_field(event, "empty").ptr);
    assert_null(tsms_webhook_event_field(event, "other").ptr);
    tsms_webhook_event_free(event);
    tsms_webhook_event_free(NULL);
}

static void absent_stays_absent(void **state)
{
    tsms_webhook_info info = {.type = TSMS_WEBHOOK_UNKNOWN};
    tsms_webhook_event *event = NULL;
    assert_int_equal(tsms__webhook_event_new(&tsms__mem_libc, &info, NULL, &event, NULL), TSMS_OK);
    tsms_webhook_info got;
    tsms_param param;
    tsms_webhook_event_read(event, &got);
    assert_null(got.body.ptr);
    assert_null(got.json.ptr);
    assert_false(tsms_webhook_event_param(event, 0, &param));
    tsms_webhook_event_free(event);
}

static void runs_out_of_memory_cleanly(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 1);
    tsms_webhook_info info = {.type = TSMS_WEBHOOK_UNKNOWN};
    tsms_webhook_event *event = NULL;
    assert_int_equal(tsms__webhook_event_new(&tm.mem, &info, NULL, &event, NULL), TSMS_NOMEM);
    assert_null(event);
    assert_int_equal(tsms__webhook_event_new(&tm.mem, &info, NULL, &event, NULL), TSMS_OK);
    tsms_webhook_event_free(event);
    assert_int_equal(tm.live, 0);
}

static void names_types(void **state)
{
    assert_string_equal(tsms_webhook_type_name(TSMS_WEBHOOK_UNKNOWN), "unknown");
    assert_string_equal(tsms_webhook_type_name(TSMS_WEBHOOK_INBOUND), "inbound");
    assert_string_equal(tsms_webhook_type_name(TSMS_WEBHOOK_STATUS), "status");
    assert_string_equal(tsms_webhook_type_name((tsms_webhook_type)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_what_it_shows),
        cmocka_unit_test(absent_stays_absent),
        cmocka_unit_test(runs_out_of_memory_cleanly),
        cmocka_unit_test(names_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
