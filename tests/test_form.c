/* wire/form.c: encoding, decoding, and that each undoes the other. */
#include "support.h"

#include "base/rand.h"
#include "wire/form.h"

static test_mem tm;
static tsms_buf out;
static tsms_buf name;
static tsms_buf value;

static int setup(void **state)
{
    test_mem_init(&tm, 0);
    tsms__buf_init(&out, &tm.mem);
    tsms__buf_init(&name, &tm.mem);
    tsms__buf_init(&value, &tm.mem);
    return 0;
}

static int teardown(void **state)
{
    tsms__buf_free(&out);
    tsms__buf_free(&name);
    tsms__buf_free(&value);
    return tm.live == 0 ? 0 : -1;
}

static void test_every_byte_is_encoded_as_the_standard_says(void **state)
{
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        char want[4] = {byte};
        bool is_plain =
            c != 0 &&
            strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*-._", c) != NULL;
        if (c == ' ') {
            want[0] = '+';
        } else if (!is_plain) {
            snprintf(want, sizeof want, "%%%02X", (unsigned)c);
        }
        tsms__buf_clear(&out);
        tsms__form_encode(&out, (tsms_str){&byte, 1});
        assert_str_is(tsms__buf_str(&out), want);
    }
}

static void test_encode_appends(void **state)
{
    tsms__form_encode(&out, (tsms_str){NULL, 0});
    assert_str_is(tsms__buf_str(&out), "");
    tsms__form_encode(&out, TSMS__STR("Hi, Zoë! 😀\n"));
    tsms__form_encode(&out, TSMS__STR(""));
    tsms__form_encode(&out, TSMS__STR("~'()"));
    assert_str_is(tsms__buf_str(&out), "Hi%2C+Zo%C3%AB%21+%F0%9F%98%80%0A%7E%27%28%29");
}

static void test_add_joins_pairs(void **state)
{
    tsms__form_add(&out, TSMS__STR("To"), TSMS__STR("+15005550006"));
    tsms__form_add(&out, TSMS__STR("Body"), TSMS__STR("a&b=c d"));
    tsms__form_add(&out, TSMS__STR(""), TSMS__STR(""));
    tsms__form_add(&out, TSMS__STR("x=&%\0"), (tsms_str){NULL, 0});
    assert_str_is(tsms__buf_str(&out), "To=%2B15005550006&Body=a%26b%3Dc+d&=&x%3D%26%25%00=");
}

static void test_size_that_overflows_is_a_failure(void **state)
{
    tsms__form_encode(&out, (tsms_str){"x", SIZE_MAX / 2});
    assert_true(out.failed);
    assert_int_equal(tm.calls, 0);
}

/* Decodes all of text and writes it down as "[name|value]" for each pair. */
static void assert_pairs_are(const char *text, const char *want)
{
    tsms_str rest = tsms_str_from(text);
    tsms__buf_clear(&out);
    while (tsms__form_next(&rest, &name, &value)) {
        tsms__buf_add_char(&out, '[');
        tsms__buf_add(&out, tsms__buf_str(&name));
        tsms__buf_add_char(&out, '|');
        tsms__buf_add(&out, tsms__buf_str(&value));
        tsms__buf_add_char(&out, ']');
    }
    assert_int_equal(rest.len, 0);
    assert_str_is(tsms__buf_str(&out), want);
}

static void test_next_cuts_and_decodes(void **state)
{
    assert_pairs_are("", "");
    assert_pairs_are("To=%2B15005550006&Body=a%26b%3Dc+d", "[To|+15005550006][Body|a&b=c d]");
    assert_pairs_are("&&a=1&&&b=2&&", "[a|1][b|2]");
    assert_pairs_are("a&=&=b&c=&d==e", "[a|][|][|b][c|][d|=e]");
    assert_pairs_are("a+b=c%20d&a+b=%2b", "[a b|c d][a b|+]");
    assert_pairs_are("%e2%82%AC=%E2%82%ac", "[€|€]");
    tsms_str cut = {"a=%41", 4};
    assert_true(tsms__form_next(&cut, &name, &value));
    assert_str_is(tsms__buf_str(&value), "%4");
}

static void test_escapes_of_either_case_give_every_byte(void **state)
{
    for (int c = 0; c < 256; c++) {
        char text[16];
        snprintf(text, sizeof text, "%%%02x=%%%02X", (unsigned)c, (unsigned)c);
        tsms_str rest = tsms_str_from(text);
        char byte = (char)c;
        assert_true(tsms__form_next(&rest, &name, &value));
        assert_true(tsms__str_eq(tsms__buf_str(&name), (tsms_str){&byte, 1}));
        assert_true(tsms__str_eq(tsms__buf_str(&value), (tsms_str){&byte, 1}));
    }
}

static void test_broken_escapes_stay_as_they_are(void **state)
{
    assert_pairs_are("a=%", "[a|%]");
    assert_pairs_are("a=%4", "[a|%4]");
    assert_pairs_are("a=%41", "[a|A]");
    assert_pairs_are("a=%4&1=%", "[a|%4][1|%]");
    assert_pairs_are("a=%zz%4g%g4%%41", "[a|%zz%4g%g4%A]");
    assert_pairs_are("%=%25%", "[%|%%]");
    assert_pairs_are("a=%@0%G0%`0%/0%:0", "[a|%@0%G0%`0%/0%:0]");
}

static void test_next_of_nothing(void **state)
{
    tsms_str rest = {NULL, 0};
    assert_false(tsms__form_next(&rest, &name, &value));
}

static void test_decoding_undoes_encoding(void **state)
{
    tsms__rand rand;
    tsms__rand_init(&rand, 3);
    for (int i = 0; i < 5000; i++) {
        char bytes[4][24];
        tsms_str parts[4];
        tsms__buf_clear(&out);
        for (int k = 0; k < 4; k++) {
            parts[k] = (tsms_str){bytes[k], (size_t)tsms__rand_between(&rand, 0, 24)};
            for (size_t j = 0; j < parts[k].len; j++) {
                bytes[k][j] = (char)(tsms__rand_between(&rand, 0, 1) != 0
                                         ? tsms__rand_between(&rand, 0, 255)
                                         : "%&=+ 4a"[tsms__rand_between(&rand, 0, 6)]);
            }
        }
        tsms__form_add(&out, parts[0], parts[1]);
        tsms__form_add(&out, parts[2], parts[3]);
        tsms_str rest = tsms__buf_str(&out);
        for (int k = 0; k < 4; k += 2) {
            assert_true(tsms__form_next(&rest, &name, &value));
            assert_true(tsms__str_eq(tsms__buf_str(&name), parts[k]));
            assert_true(tsms__str_eq(tsms__buf_str(&value), parts[k + 1]));
        }
        assert_false(tsms__form_next(&rest, &name, &value));
    }
}

static void test_each_failing_allocation_is_noticed(void **state)
{
    /* Long enough for every buffer to grow more than once. */
    char text[400];
    memset(text, '&', sizeof text);
    tsms_str long_text = {text, sizeof text};
    for (size_t n = 1;; n++) {
        assert_int_equal(teardown(state), 0);
        setup(state);
        tm.fail_at = n;
        tsms__form_add(&out, TSMS__STR("a"), TSMS__STR("b"));
        tsms__form_add(&out, long_text, long_text);
        bool is_encoded = !out.failed;
        tsms_str rest = tsms__buf_str(&out);
        bool is_decoded = is_encoded && tsms__form_next(&rest, &name, &value) &&
                          tsms__form_next(&rest, &name, &value) &&
                          tsms__str_eq(tsms__buf_str(&name), long_text) &&
                          tsms__str_eq(tsms__buf_str(&value), long_text);
        assert_int_equal(is_decoded, !tm.failed);
        if (!tm.failed) {
            assert_true(n > 3); /* at least one failure in each buffer came before */
            break;
        }
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_every_byte_is_encoded_as_the_standard_says),
        TEST(test_encode_appends),
        TEST(test_add_joins_pairs),
        TEST(test_size_that_overflows_is_a_failure),
        TEST(test_next_cuts_and_decodes),
        TEST(test_escapes_of_either_case_give_every_byte),
        TEST(test_broken_escapes_stay_as_they_are),
        TEST(test_next_of_nothing),
        TEST(test_decoding_undoes_encoding),
        TEST(test_each_failing_allocation_is_noticed),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
