/* wire/recut.c: pairs of a request inside of values. */
#include "support.h"

#include "wire/recut.h"

#define SID "0123456789abcdef0123456789abcdef"

static void test_finds_pairs_anywhere(void **state)
{
    static const char *const yes[] = {
        "AccountSidAC" SID, "bAccountSidAC" SID "Bodyx", "MessageSidSM" SID, "xMessageSidMM" SID,
        "SmsSidSM" SID,     "SmsSidMM" SID "y",          "From+15558675310", "aTo+15558675310z",
        "FromFrom+1555867",
    };
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        assert_true(tsms__recut_in(tsms_str_from(yes[i])));
    }
}

static void test_leaves_honest_values_alone(void **state)
{
    static const char *const no[] = {
        "",
        "SM" SID,
        "AC" SID,
        "AccountSid=AC" SID,
        "a=b&MessageSid=SM" SID,
        "MessageSidSM0123",
        "AccountSidAC0123456789abcdef0123456789abcde",
        "From+155586",
        "From Toronto+",
        "To+",
        "MessageSid",
        "San Francisco",
        "https://example.com/?From=%2B15558675310",
    };
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        assert_false(tsms__recut_in(tsms_str_from(no[i])));
    }
    assert_false(tsms__recut_in((tsms_str){NULL, 0}));
}

static void test_knows_what_people_write(void **state)
{
    assert_true(tsms__recut_is_free(TSMS__STR("Body")));
    assert_true(tsms__recut_is_free(TSMS__STR("ReferralHeadline")));
    assert_false(tsms__recut_is_free(TSMS__STR("FromCity")));
    assert_false(tsms__recut_is_free(TSMS__STR("body")));
    assert_false(tsms__recut_is_free(TSMS__STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_pairs_anywhere),
        cmocka_unit_test(test_leaves_honest_values_alone),
        cmocka_unit_test(test_knows_what_people_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
