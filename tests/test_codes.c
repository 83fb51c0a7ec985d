/* wire/codes.c: the error table, overrides and ranges. */
#include "support.h"

#include "base/str.h"
#include "wire/codes.h"

#include <limits.h>

static tsms__code find(int code)
{
    tsms__code found;
    assert_true(tsms__code_find(code, NULL, 0, &found));
    assert_int_equal(found.code, code);
    return found;
}

static void test_rows_ascend_and_explain_themselves(void **state)
{
    size_t count;
    const tsms__code *codes = tsms__codes(&count);
    assert_true(count > 240);
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || codes[i].code > codes[i - 1].code);
        size_t len = strlen(codes[i].meaning);
        assert_in_range(len, 5, 60);
        assert_true(tsms__utf8_valid(tsms_str_from(codes[i].meaning)));
        assert_false(codes[i].guessed);
    }
}

static void test_every_row_is_found(void **state)
{
    size_t count;
    const tsms__code *codes = tsms__codes(&count);
    for (size_t i = 0; i < count; i++) {
        tsms__code found = find(codes[i].code);
        assert_int_equal(found.kind, codes[i].kind);
        assert_int_equal(found.retryable, codes[i].retryable);
        assert_ptr_equal(found.meaning, codes[i].meaning);
    }
}

/* What the server says cannot be a mistake in our options, nor of the network in between. */
static void test_rows_use_kinds_that_a_server_can_mean(void **state)
{
    size_t count;
    const tsms__code *codes = tsms__codes(&count);
    for (size_t i = 0; i < count; i++) {
        tsms_category category = tsms_kind_category(codes[i].kind);
        assert_int_not_equal(category, TSMS_CATEGORY_NONE);
        assert_int_not_equal(category, TSMS_CATEGORY_CONFIGURATION);
        assert_int_not_equal(category, TSMS_CATEGORY_NETWORK);
        assert_int_not_equal(codes[i].kind, TSMS_KIND_TEMPORARILY_UNAVAILABLE);
    }
}

static void test_the_rows_that_users_rely_on(void **state)
{
    static const struct {
        int code;
        tsms_kind kind;
        bool retryable;
    } rows[] = {
        {10001, TSMS_KIND_ACCOUNT_SUSPENDED, false},
        {14107, TSMS_KIND_NUMBER_RATE_LIMITED, true},
        {20003, TSMS_KIND_INVALID_CREDENTIALS, false},
        {20005, TSMS_KIND_ACCOUNT_SUSPENDED, false},
        {20404, TSMS_KIND_INVALID_REQUEST, false},
        {20429, TSMS_KIND_ACCOUNT_RATE_LIMITED, true},
        {20500, TSMS_KIND_INTERNAL_ERROR, true},
        {20503, TSMS_KIND_SERVICE_UNAVAILABLE, true},
        {21211, TSMS_KIND_INVALID_RECIPIENT, false},
        {21212, TSMS_KIND_INVALID_SENDER, false},
        {21408, TSMS_KIND_ACCOUNT_RATE_LIMITED, true},
        {21603, TSMS_KIND_INVALID_SENDER, false},
        {21606, TSMS_KIND_INVALID_SENDER, false},
        {21610, TSMS_KIND_OPTED_OUT, false},
        {21611, TSMS_KIND_QUEUE_FULL, true},
        {21614, TSMS_KIND_INVALID_RECIPIENT, false},
        {21617, TSMS_KIND_MESSAGE_TOO_LONG, false},
        {21623, TSMS_KIND_INVALID_REQUEST, false},
        {30001, TSMS_KIND_QUEUE_FULL, true},
        {30002, TSMS_KIND_ACCOUNT_SUSPENDED, false},
        {30003, TSMS_KIND_UNREACHABLE_NUMBER, false},
        {30005, TSMS_KIND_CARRIER_REJECTED, false},
        {30006, TSMS_KIND_CARRIER_REJECTED, false},
        {30007, TSMS_KIND_CARRIER_REJECTED, false},
        {30022, TSMS_KIND_NUMBER_RATE_LIMITED, true},
        {30410, TSMS_KIND_INTERNAL_ERROR, false},
        {57012, TSMS_KIND_INVALID_SIGNATURE, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tsms__code found = find(rows[i].code);
        assert_int_equal(found.kind, rows[i].kind);
        assert_int_equal(found.retryable, rows[i].retryable);
    }
}

static void test_newer_codes_are_guessed_by_their_range(void **state)
{
    static const struct {
        int code;
        tsms_kind kind;
    } ranges[] = {
        {20000, TSMS_KIND_INVALID_REQUEST}, {20999, TSMS_KIND_INVALID_REQUEST},
        {21999, TSMS_KIND_INVALID_REQUEST}, {30999, TSMS_KIND_CARRIER_REJECTED},
        {35999, TSMS_KIND_INVALID_REQUEST}, {63999, TSMS_KIND_CARRIER_REJECTED},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        tsms__code found = find(ranges[i].code);
        assert_int_equal(found.kind, ranges[i].kind);
        assert_true(found.guessed);
        assert_false(found.retryable);
        assert_string_equal(found.meaning, "");
    }
    static const int unknown[] = {INT_MIN, -1, 0, 1, 9999, 19999, 22000, 29999, 64000, INT_MAX};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        tsms__code found;
        assert_false(tsms__code_find(unknown[i], NULL, 0, &found));
    }
}

static void test_overrides_come_first(void **state)
{
    const tsms__code_override overrides[] = {
        {21408, TSMS_KIND_INVALID_REQUEST, false},
        {99999, TSMS_KIND_OPTED_OUT, true},
    };
    tsms__code found;
    assert_true(tsms__code_find(21408, overrides, 2, &found));
    assert_int_equal(found.kind, TSMS_KIND_INVALID_REQUEST);
    assert_false(found.retryable);
    assert_false(found.guessed);
    assert_string_equal(found.meaning, "");
    assert_true(tsms__code_find(99999, overrides, 2, &found));
    assert_int_equal(found.kind, TSMS_KIND_OPTED_OUT);
    assert_true(found.retryable);
    assert_true(tsms__code_find(21610, overrides, 2, &found));
    assert_int_equal(found.kind, TSMS_KIND_OPTED_OUT);
    assert_false(found.retryable);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_ascend_and_explain_themselves),
        cmocka_unit_test(test_every_row_is_found),
        cmocka_unit_test(test_rows_use_kinds_that_a_server_can_mean),
        cmocka_unit_test(test_the_rows_that_users_rely_on),
        cmocka_unit_test(test_newer_codes_are_guessed_by_their_range),
        cmocka_unit_test(test_overrides_come_first),
    };
    return cmocka_run_group_tests_name("codes", tests, NULL, NULL);
}
