/* The words of HTTP/1.1. */
#include "support.h"

#include "base/str.h"
#include "wire/http1_words.h"

static void test_tokens(void **state)
{
    /* RFC 9110 section 5.6.2, in full. */
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool want = letter || (c != 0 && strchr(marks, c) != NULL);
        assert_int_equal(tsms__http1_is_token((tsms_str){&byte, 1}), want);
        assert_int_equal(tsms__http1_is_digit(byte), c >= '0' && c <= '9');
        assert_int_equal(tsms__http1_is_blank(byte), c == ' ' || c == '\t');
    }
    assert_true(tsms__http1_is_token(TSMS__STR("X-Other.1")));
    assert_false(tsms__http1_is_token(TSMS__STR("X Other")));
    assert_false(tsms__http1_is_token(TSMS__STR("")));
}

static void test_blanks(void **state)
{
    assert_str_is(tsms__http1_trim_blanks(TSMS__STR(" \t a b\t ")), "a b");
    assert_str_is(tsms__http1_trim_blanks(TSMS__STR("\ra\n")), "\ra\n");
    assert_str_is(tsms__http1_trim_blanks(TSMS__STR(" \t ")), "");
    assert_str_is(tsms__http1_trim_blanks(TSMS__STR("")), "");
}

static void test_lists(void **state)
{
    tsms_str rest = TSMS__STR("a,\t b c ,,d,");
    static const char *const members[] = {"a", "b c", "", "d", ""};
    tsms_str member;
    for (size_t i = 0; i < 5; i++) {
        assert_true(tsms__http1_next_member(&rest, &member));
        assert_str_is(member, members[i]);
    }
    assert_false(tsms__http1_next_member(&rest, &member));
    assert_false(tsms__http1_next_member(&rest, &member));
    rest = TSMS__STR("");
    assert_true(tsms__http1_next_member(&rest, &member));
    assert_str_is(member, "");
    assert_false(tsms__http1_next_member(&rest, &member));
}

static void check_number(const char *text, unsigned base, bool good, uint64_t want)
{
    uint64_t value = 7;
    assert_int_equal(tsms__http1_number(tsms_str_from(text), base, &value), good);
    assert_true(!good || value == want);
}

static void test_numbers(void **state)
{
    check_number("0", 10, true, 0);
    check_number("0008388608", 10, true, 8388608);
    check_number("1152921504606846974", 10, true, UINT64_C(1152921504606846974));
    check_number("18446744073709551616", 10, true, UINT64_MAX);
    check_number("99999999999999999999999999999999999999999999", 10, true, UINT64_MAX);
    check_number("", 10, false, 0);
    check_number("-1", 10, false, 0);
    check_number("+1", 10, false, 0);
    check_number("1 ", 10, false, 0);
    check_number("1a", 10, false, 0);
    check_number("999999999999999999999999999x", 10, false, 0);
    check_number("aF9", 16, true, 0xAF9);
    check_number("00000000000000000000000000000001", 16, true, 1);
    check_number("10000000000000000", 16, true, UINT64_MAX);
    check_number("fffffffffffffffffffffffffffffffff", 16, true, UINT64_MAX);
    check_number("g", 16, false, 0);
    check_number("0x1", 16, false, 0);
    check_number("@", 16, false, 0);
    check_number("`", 16, false, 0);
    check_number("", 16, false, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_blanks),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
