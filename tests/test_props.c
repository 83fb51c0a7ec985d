/* Tests of csrc/config/props.c: the table of options and the suggestions made from it. */
#include "config/config.h"
#include "support.h"

static void every_option_is_found_by_its_key(void **state)
{
    size_t count;
    const tsms__prop *props = tsms__props(&count);
    assert_int_equal(count, 48);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(tsms__prop_find(tsms_str_from(props[i].key)), &props[i]);
    }
    assert_null(tsms__prop_find(TSMS__STR("")));
    assert_null(tsms__prop_find((tsms_str){NULL, 0}));
    assert_null(tsms__prop_find(TSMS__STR("fro")));
    assert_null(tsms__prop_find(TSMS__STR("from\0")));
    assert_null(tsms__prop_find(TSMS__STR("auth_token.env")));
}

static void no_two_options_share_a_field(void **state)
{
    size_t count;
    const tsms__prop *props = tsms__props(&count);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(props[i].offset, props[j].offset);
        }
    }
}

static void rows_are_complete(void **state)
{
    size_t count;
    const tsms__prop *props = tsms__props(&count);
    for (size_t i = 0; i < count; i++) {
        const tsms__prop *prop = &props[i];
        bool is_text = prop->type == TSMS__PROP_STR || prop->type == TSMS__PROP_SECRET ||
                       prop->type == TSMS__PROP_LIST;
        /* Making a configuration counts on this: texts would need memory. */
        assert_int_equal(prop->fallback == NULL, is_text);
        assert_true(prop->min <= prop->max);
        assert_true(prop->max > 0 || prop->type == TSMS__PROP_BOOL ||
                    prop->type == TSMS__PROP_ENUM);
        /* Numbers come in as doubles, which hold whole numbers up to here. */
        assert_true(prop->max < 9007199254740992.0);
        size_t end = strlen(prop->sentence) - 1;
        assert_true(prop->sentence[end] == '.');
        assert_null(strchr(prop->sentence, '|'));
        assert_int_equal(strstr(prop->key, "_ms") != NULL, strcmp(prop->unit, "ms") == 0);
    }
}

static void assert_unknown(const char *key, const char *want)
{
    tsms_error err;
    assert_int_equal(tsms__prop_unknown(tsms_str_from(key), &err), TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_INVALID_OPTION);
    assert_int_equal(err.category, TSMS_CATEGORY_CONFIGURATION);
    assert_false(err.retryable);
    assert_string_equal(err.message, want);
}

static void an_unknown_key_names_the_nearest(void **state)
{
    static const char *const cases[][2] = {
        {"max_concurency", "max_concurrency"},
        {"form", "from"},
        {"edges", "edge"},
        {"timeout", "timeout_ms"},
        {"timeout_s", "timeout_ms"},
        {"connect_timeout", "connect_timeout_ms"},
        {"ACCOUNT_SID", "account_sid"},
        {"accountSid", "account_sid"},
        {"authToken", "auth_token"},
        {"account_sid.env", "account_sid"},
        {"messagingServiceSid", "messaging_service_sid"},
        {"statusCallback", "status_callback"},
        {"callback_url", "callback_urls"},
        {"per_second", "rate.per_second"},
        {"Per_Second", "rate.per_second"},
        {"rate.persecond", "rate.per_second"},
        {"rate_per_second", "rate.per_second"},
        {"failure_threshold", "breaker.failure_threshold"},
        {"timeout.attempts", "retry.timeout.attempts"},
        {"retry.timeouts.attempts", "retry.timeout.attempts"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char want[160];
        snprintf(want, sizeof want, "unknown option '%s'; did you mean '%s'?", cases[i][0],
                 cases[i][1]);
        assert_unknown(cases[i][0], want);
    }
}

static void a_far_key_gets_no_suggestion(void **state)
{
    assert_unknown("password", "unknown option 'password'");
    assert_unknown("to", "unknown option 'to'");
    assert_unknown("", "unknown option ''");
    assert_unknown("1", "unknown option '1'");
    assert_unknown(NULL, "unknown option ''");
}

static void a_token_as_key_is_not_repeated(void **state)
{
    assert_unknown("0123456789abcdef0123456789abcdef",
                   "unknown option (not shown, it may be a secret)");
}

static void the_message_ends_cleanly_for_any_length(void **state)
{
    char key[256];
    for (size_t len = 0; len < sizeof key; len++) {
        memset(key, '_', len);
        key[len] = '\0';
        tsms_error err;
        assert_int_equal(tsms__prop_unknown((tsms_str){key, len}, &err), TSMS_ERROR);
        size_t end = strlen(err.message);
        assert_true(end < sizeof err.message - 1);
        assert_true(err.message[end - 1] == '\'' || err.message[end - 1] == '?');
    }
    assert_int_equal(tsms__prop_unknown(TSMS__STR("x"), NULL), TSMS_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_is_found_by_its_key),
        cmocka_unit_test(no_two_options_share_a_field),
        cmocka_unit_test(rows_are_complete),
        cmocka_unit_test(an_unknown_key_names_the_nearest),
        cmocka_unit_test(a_far_key_gets_no_suggestion),
        cmocka_unit_test(a_token_as_key_is_not_repeated),
        cmocka_unit_test(the_message_ends_cleanly_for_any_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
