/* base/err.c: names, kinds, and text that is one clean line. */
#include "support.h"

#include "base/err.h"

static const char *const category_names[] = {
    "",
    "ConfigurationError",
    "AuthenticationError",
    "MessageError",
    "RateLimitError",
    "WebhookError",
    "NetworkError",
    "ServerError",
};

static void test_version(void **state)
{
    assert_string_equal(tsms_version(), TSMS_VERSION);
}

static void test_categories_have_names(void **state)
{
    for (int i = 0; i < (int)(sizeof category_names / sizeof *category_names); i++) {
        assert_string_equal(tsms_category_name((tsms_category)i), category_names[i]);
    }
}

static void test_every_kind_is_found_by_both_its_names(void **state)
{
    for (int i = TSMS_KIND_NONE + 1; i < TSMS_KIND_COUNT; i++) {
        tsms_kind kind = (tsms_kind)i;
        char type[64];
        assert_int_not_equal(tsms_kind_category(kind), TSMS_CATEGORY_NONE);
        snprintf(type, sizeof type, "%s.%s", tsms_category_name(tsms_kind_category(kind)),
                 tsms_kind_name(kind));
        assert_string_equal(tsms_kind_type(kind), type);
        assert_int_equal(tsms_kind_from_name(tsms_str_from(type)), kind);
        assert_int_equal(tsms_kind_from_name(tsms_str_from(tsms_kind_name(kind))), kind);
    }
    assert_string_equal(tsms_kind_type(TSMS_KIND_OPTED_OUT), "MessageError.OptedOut");
}

static void test_foreign_names_are_no_kind(void **state)
{
    static const char *const names[] = {
        "", "optedout", "OptedOu", "OptedOutX", "NetworkError.OptedOut", "MessageError.",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(tsms_kind_from_name(tsms_str_from(names[i])), TSMS_KIND_NONE);
    }
    assert_int_equal(tsms_kind_from_name((tsms_str){NULL, 0}), TSMS_KIND_NONE);
}

static void test_values_outside_an_enum_have_empty_names(void **state)
{
    static const int outside[] = {-1, 1000, TSMS_KIND_COUNT};
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        assert_string_equal(tsms_category_name((tsms_category)outside[i]), "");
        assert_string_equal(tsms_kind_name((tsms_kind)outside[i]), "");
        assert_string_equal(tsms_kind_type((tsms_kind)outside[i]), "");
        assert_int_equal(tsms_kind_category((tsms_kind)outside[i]), TSMS_CATEGORY_NONE);
        assert_string_equal(tsms_outcome_name((tsms_outcome)outside[i]), "");
    }
    assert_string_equal(tsms_category_name((tsms_category)(TSMS_CATEGORY_SERVER + 1)), "");
    assert_string_equal(tsms_outcome_name((tsms_outcome)(TSMS_OUTCOME_IN_DOUBT + 1)), "");
    assert_string_equal(tsms_kind_name(TSMS_KIND_NONE), "");
    assert_string_equal(tsms_kind_type(TSMS_KIND_NONE), "");
}

static void test_outcome_names(void **state)
{
    static const char *const names[] = {
        "", "not_sent", "throttled", "rejected", "accepted", "accepted_no_sid", "in_doubt",
    };
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++) {
        assert_string_equal(tsms_outcome_name((tsms_outcome)i), names[i]);
    }
}

static void test_set_fills_in_what_the_kind_says(void **state)
{
    tsms_error err;
    memset(&err, 0xAA, sizeof err);
    assert_int_equal(tsms__error_set(&err, TSMS_KIND_TIMEOUT, "no answer in %d ms", 500),
                     TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_TIMEOUT);
    assert_int_equal(err.category, TSMS_CATEGORY_NETWORK);
    assert_int_equal(err.outcome, TSMS_OUTCOME_NONE);
    assert_true(err.retryable);
    assert_int_equal(err.api_code, 0);
    assert_int_equal(err.http_status, 0);
    assert_int_equal(err.attempts, 0);
    assert_int_equal(err.retry_after_ms, -1);
    assert_string_equal(err.message, "no answer in 500 ms");
    assert_string_equal(err.more_info, "");
    assert_string_equal(err.request_id, "");
    tsms__error_set(&err, TSMS_KIND_OPTED_OUT, "%c", '!');
    assert_string_equal(err.message, "!");
    tsms__error_set(&err, TSMS_KIND_OPTED_OUT, "%s", "");
    assert_false(err.retryable);
    assert_string_equal(err.message, "");
}

static void test_nobody_has_to_ask_for_the_error(void **state)
{
    tsms__error_clear(NULL);
    assert_int_equal(tsms__error_set(NULL, TSMS_KIND_TIMEOUT, "%s", "x"), TSMS_ERROR);
    assert_int_equal(tsms__error_nomem(NULL), TSMS_NOMEM);
}

static void test_nomem_is_temporary(void **state)
{
    tsms_error err;
    assert_int_equal(tsms__error_nomem(&err), TSMS_NOMEM);
    assert_int_equal(err.kind, TSMS_KIND_TEMPORARILY_UNAVAILABLE);
    assert_true(err.retryable);
    assert_string_equal(err.message, "out of memory");
}

static void test_an_errors_own_text_can_be_wrapped(void **state)
{
    tsms_error err;
    tsms__error_set(&err, TSMS_KIND_TIMEOUT, "no answer");
    tsms__error_set(&err, TSMS_KIND_CONNECTION_FAILED, "attempt 2: %s", err.message);
    assert_string_equal(err.message, "attempt 2: no answer");
}

static void assert_text_is(const char *text, const char *want)
{
    char field[160];
    tsms__error_text(field, sizeof field, tsms_str_from(text));
    assert_string_equal(field, want);
}

static void test_text_is_one_clean_line(void **state)
{
    assert_text_is("", "");
    assert_text_is("two\r\nlines\tand \x1B[31mred\x7F", "two  lines and  [31mred ");
    assert_text_is("caf\xC3\xA9 \xFF\xC3 \xE2\x82", "caf\xC3\xA9 ?? ??");
    char field[8];
    tsms__error_text(field, sizeof field, (tsms_str){"a\0b", 3});
    assert_string_equal(field, "a b");
    tsms__error_text(field, sizeof field, (tsms_str){NULL, 0});
    assert_string_equal(field, "");
}

static void test_text_loses_the_control_characters_beyond_ascii(void **state)
{
    assert_text_is("next\xC2\x85line \xC2\x9B"
                   "31m",
                   "next line  31m");
    assert_text_is("\xC2\x9F\xC2\x80.", "  .");
    assert_text_is("line\xE2\x80\xA8paragraph\xE2\x80\xA9.", "line paragraph .");
    assert_text_is("kept: \xC2\xA0\xE2\x80\xA7\xE2\x80\xAA",
                   "kept: \xC2\xA0\xE2\x80\xA7\xE2\x80\xAA");
}

static void test_text_masks_numbers(void **state)
{
    assert_text_is("The 'To' number +15551234567 is not valid.",
                   "The 'To' number +1********67 is not valid.");
    assert_text_is("+15551234567", "+1********67");
    assert_text_is("+1234567", "+1****67");
    assert_text_is("+10099990000,", "+1********00,");
    assert_text_is("1+1234567+1", "1+1****67+1");
    assert_text_is("+123456", "+123456");
    assert_text_is("++1234567+7654321,", "++1****67+7****21,");
    assert_text_is("whatsapp:+15551234567", "whatsapp:+1********67");
    assert_text_is("To=%2B15551234567&a=%2b7654321", "To=%2B1********67&a=%2b7****21");
    assert_text_is("%2C1234567 2B1234567", "%2C1234567 2B1234567");
    assert_text_is("The 'To' number 15551234567 is not", "The 'To' number 1********67 is not");
    assert_text_is("SM01234567890123456789012345678901", "SM01234567890123456789012345678901");
    assert_text_is("0123456789ab", "0123456789ab");
    assert_text_is("code 30003, 86400000 ms", "code 30003, 86400000 ms");
    char field[32];
    tsms__error_text(field, sizeof field, (tsms_str){"+1234567", 7});
    assert_string_equal(field, "+123456");
}

static void test_text_is_cut_at_a_character(void **state)
{
    char guarded[6] = "#####";
    tsms__error_text(guarded, 4, tsms_str_from("ab\xC3\xA9z"));
    assert_memory_equal(guarded, "ab\0##", 5);
    memcpy(guarded, "#####", 5);
    tsms__error_text(guarded, 5, tsms_str_from("ab\xC3\xA9z"));
    assert_memory_equal(guarded, "ab\xC3\xA9\0", 5);
    tsms__error_text(guarded, 1, tsms_str_from("abc"));
    assert_string_equal(guarded, "");

    tsms_error err;
    char longer[400];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    tsms__error_set(&err, TSMS_KIND_TIMEOUT, "%s", longer);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    memcpy(longer + 150, "+15551234567", 12);
    tsms__error_set(&err, TSMS_KIND_TIMEOUT, "%s", longer);
    assert_string_equal(err.message + 150, "+1*******");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_categories_have_names),
        cmocka_unit_test(test_every_kind_is_found_by_both_its_names),
        cmocka_unit_test(test_foreign_names_are_no_kind),
        cmocka_unit_test(test_values_outside_an_enum_have_empty_names),
        cmocka_unit_test(test_outcome_names),
        cmocka_unit_test(test_set_fills_in_what_the_kind_says),
        cmocka_unit_test(test_nobody_has_to_ask_for_the_error),
        cmocka_unit_test(test_nomem_is_temporary),
        cmocka_unit_test(test_an_errors_own_text_can_be_wrapped),
        cmocka_unit_test(test_text_is_one_clean_line),
        cmocka_unit_test(test_text_loses_the_control_characters_beyond_ascii),
        cmocka_unit_test(test_text_masks_numbers),
        cmocka_unit_test(test_text_is_cut_at_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
