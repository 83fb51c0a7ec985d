/* Tests of csrc/config/quote.c: what messages repeat and what they hide. */
#include "config/quote.h"
#include "support.h"

#define HEX32 "0123456789abcdef0123456789abcdef"
#define HIDDEN "(not shown, it may be a secret)"

static void assert_quoted(tsms_str text, const char *want)
{
    char out[TSMS__QUOTE_SIZE];
    assert_ptr_equal(tsms__quote(text, out), out);
    assert_string_equal(out, want);
}

static void repeats_short_text(void **state)
{
    assert_quoted(TSMS__STR("max_concurency"), "'max_concurency'");
    assert_quoted(TSMS__STR(""), "''");
    assert_quoted((tsms_str){NULL, 0}, "''");
    assert_quoted(TSMS__STR("Gr\xC3\xBC\xC3\x9F"), "'Gr\xC3\xBC\xC3\x9F'");
}

static void keeps_to_one_clean_line(void **state)
{
    assert_quoted(TSMS__STR("a\nb\0c\x7F"), "'a b c '");
    assert_quoted(TSMS__STR("a\xFF b\xC3"), "'a? b?'");
    assert_quoted(TSMS__STR("+15005550006"), "'+1********06'");
}

static void cuts_long_text(void **state)
{
    assert_quoted(TSMS__STR("abcdefghij abcdefghij abcdefghij abcdefghi"),
                  "'abcdefghij abcdefghij abcdefghij abcdefghi'");
    assert_quoted(TSMS__STR("abcdefghij abcdefghij abcdefghij abcdefghij"),
                  "'abcdefghij abcdefghij abcdefghij abcdefghi...'");
    /* A character of two bytes that would have been cut in the middle. */
    assert_quoted(TSMS__STR("abcdefghij abcdefghij abcdefghij abcdefgh\xC3\xBC"),
                  "'abcdefghij abcdefghij abcdefghij abcdefgh...'");
}

static void hides_what_may_be_a_secret(void **state)
{
    assert_quoted(TSMS__STR(HEX32), HIDDEN);
    assert_quoted(TSMS__STR(" " HEX32 "\n"), HIDDEN);
    assert_quoted(TSMS__STR("auth_token=" HEX32), HIDDEN);
    assert_quoted(TSMS__STR("AC" HEX32), HIDDEN);
    assert_quoted(TSMS__STR("abcdefghijklmnopqrs1"), HIDDEN);
    assert_quoted(TSMS__STR("1abcdefghijklmnopqrs"), HIDDEN);
    assert_quoted(TSMS__STR(HEX32 HEX32 HEX32 "-"), HIDDEN);
}

static void shows_names_and_paths(void **state)
{
    assert_quoted(TSMS__STR("abcdefghijklmnopqr1"), "'abcdefghijklmnopqr1'");
    assert_quoted(TSMS__STR("abcdefghijklmnopqrstuvwxyz"), "'abcdefghijklmnopqrstuvwxyz'");
    assert_quoted(TSMS__STR("1_abcdefghijklmnopqrst"), "'1_abcdefghijklmnopqrst'");
    assert_quoted(TSMS__STR("/o/" HEX32), "'/o/" HEX32 "'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeats_short_text),    cmocka_unit_test(keeps_to_one_clean_line),
        cmocka_unit_test(cuts_long_text),        cmocka_unit_test(hides_what_may_be_a_secret),
        cmocka_unit_test(shows_names_and_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
