/* base/json_text.c: strings and numbers of JSON, written and read. */
#include "support.h"

#include "base/json_text.h"
#include "base/mem.h"
#include "base/rand.h"

#include <float.h>
#include <locale.h>
#include <math.h>

static void assert_written(tsms_str text, const char *want)
{
    tsms_buf out;
    tsms__buf_init(&out, &tsms__mem_libc);
    tsms__json_put_string(&out, text);
    assert_str_is(tsms__buf_str(&out), want);
    tsms__buf_free(&out);
}

static void test_strings_are_escaped(void **state)
{
    assert_written(TSMS__STR(""), "\"\"");
    assert_written((tsms_str){NULL, 0}, "\"\"");
    assert_written(TSMS__STR("plain é 😀 /\x7F"), "\"plain é 😀 /\x7F\"");
    assert_written(TSMS__STR("\"\\\n"), "\"\\\"\\\\\\n\"");
    assert_written(TSMS__STR("a\0b\x1F"), "\"a\\u0000b\\u001f\"");
}

static void assert_number(double value, const char *want)
{
    tsms_buf out;
    tsms__buf_init(&out, &tsms__mem_libc);
    tsms__json_put_double(&out, value);
    assert_str_is(tsms__buf_str(&out), want);
    tsms__buf_free(&out);
}

static void test_numbers_give_themselves_back(void **state)
{
    assert_number(0, "0.0");
    assert_number(-0.0, "-0.0");
    assert_number(3, "3.0");
    assert_number(0.1, "0.1");
    assert_number(0.1 + 0.2, "0.30000000000000004");
    assert_number(1e300, "1e+300");
    assert_number(DBL_MAX, "1.7976931348623157e+308");
    assert_number(DBL_TRUE_MIN, "4.94065645841247e-324");
    tsms__rand rand;
    tsms__rand_init(&rand, 1);
    tsms_buf out;
    tsms__buf_init(&out, &tsms__mem_libc);
    for (int i = 0; i < 20000; i++) {
        double value;
        uint64_t bits = tsms__rand_next(&rand);
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value)) {
            tsms__buf_clear(&out);
            tsms__json_put_double(&out, value);
            assert_true(strtod(tsms__buf_z(&out), NULL) == value);
            tsms_str rest = tsms__buf_str(&out);
            assert_int_equal(tsms__json_take_number(&rest).len, out.len);
        }
    }
    tsms__buf_free(&out);
}

/* Only where such a locale is installed. */
static void test_numbers_have_a_point_in_every_locale(void **state)
{
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "ps_AF.UTF-8"};
    for (size_t i = 0; i < 3; i++) {
        if (setlocale(LC_NUMERIC, names[i]) != NULL) {
            assert_number(0.5, "0.5");
            assert_number(2, "2.0");
        }
    }
    setlocale(LC_NUMERIC, "C");
}

static void assert_takes(const char *text, const char *number)
{
    tsms_str rest = tsms_str_from(text);
    tsms_str taken = tsms__json_take_number(&rest);
    assert_str_is(taken, number != NULL ? number : "");
    assert_int_equal(taken.ptr != NULL, number != NULL);
    assert_str_is(rest, text + taken.len);
}

static void test_numbers_are_taken_as_they_are_written(void **state)
{
    assert_takes("0", "0");
    assert_takes("-0.5e+10,", "-0.5e+10");
    assert_takes("12E3]", "12E3");
    assert_takes("1e-2 ", "1e-2");
    assert_takes("1.25x", "1.25");
    static const char *const bad[] = {"",   "-",   "+1",   "01",  "-01", "1.", ".5",
                                      "1e", "1e+", "1.e1", "--1", "x",   "e1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_takes(bad[i], NULL);
    }
}

static void assert_reads(const char *text, tsms_str want)
{
    tsms_str rest = tsms_str_from(text);
    tsms_str raw;
    assert_true(tsms__json_take_string(&rest, &raw));
    assert_str_is(rest, "!");
    tsms_buf out;
    tsms__buf_init(&out, &tsms__mem_libc);
    char space[4];
    tsms_str piece;
    while ((piece = tsms__json_take_piece(&raw, space)).ptr != NULL) {
        assert_true(piece.len > 0);
        tsms__buf_add(&out, piece);
    }
    assert_true(tsms__str_eq(tsms__buf_str(&out), want));
    tsms__buf_free(&out);
}

static void test_strings_are_read(void **state)
{
    assert_reads("\"\"!", TSMS__STR(""));
    assert_reads("\"a é 😀\"!", TSMS__STR("a é 😀"));
    assert_reads("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"!", TSMS__STR("\"\\/\b\f\n\r\t"));
    assert_reads("\"x\\u0000y\\u007f\\u0080\\u07FF\\u0800\\uffff\"!",
                 TSMS__STR("x\0y\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF"));
    assert_reads("\"\\ud800\\udc00\\uDBFF\\uDFFF\"!",
                 TSMS__STR("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"));
}

static void test_malformed_strings_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "a",
        "\"",
        "\"a",
        "\"\n\"",
        "\"\x1F\"",
        "\"\\",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\u123:\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800x\"",
        "\"\\ud800\\n\"",
        "\"\\ud800\\u0041\"",
        "\"\\ud800\\ud800\"",
        "\"\xFF\"",
        "\"\xC0\x80\"",
        "\"\xED\xA0\x80\"",
        "\"\xE2\x82\"",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tsms_str rest = tsms_str_from(bad[i]);
        tsms_str raw;
        assert_false(tsms__json_take_string(&rest, &raw));
        assert_str_is(rest, bad[i]);
    }
    tsms_str zero = TSMS__STR("\"a\0b\"");
    tsms_str raw;
    assert_false(tsms__json_take_string(&zero, &raw));
}

/* A copy of its own size, so that a read past the end is seen. */
static void test_nothing_is_read_past_the_end(void **state)
{
    static const char text[] = "\"\\ud800\\udc00\\n\xE2\x82\xAC\" -12.5e-10";
    for (size_t n = 0; n < sizeof text; n++) {
        for (size_t from = 0; from <= n; from++) {
            char *copy = malloc(n - from + 1);
            assert_non_null(copy);
            memcpy(copy + 1, text + from, n - from);
            tsms_str rest = {copy + 1, n - from};
            tsms_str raw;
            tsms__json_take_string(&rest, &raw);
            tsms__json_skip_space(&rest);
            tsms__json_take_number(&rest);
            assert_true(rest.ptr + rest.len == copy + 1 + n - from);
            free(copy);
        }
    }
}

static void test_space_is_skipped(void **state)
{
    tsms_str rest = TSMS__STR(" \t\r\n\fx");
    tsms__json_skip_space(&rest);
    assert_str_is(rest, "\fx");
    tsms_str all = TSMS__STR("  ");
    tsms__json_skip_space(&all);
    assert_str_is(all, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings_are_escaped),
        cmocka_unit_test(test_numbers_give_themselves_back),
        cmocka_unit_test(test_numbers_have_a_point_in_every_locale),
        cmocka_unit_test(test_numbers_are_taken_as_they_are_written),
        cmocka_unit_test(test_strings_are_read),
        cmocka_unit_test(test_malformed_strings_are_refused),
        cmocka_unit_test(test_nothing_is_read_past_the_end),
        cmocka_unit_test(test_space_is_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
