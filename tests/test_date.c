/* wire/date.c: reading mail and ISO dates, writing ISO ones, over the whole calendar. */
#include "support.h"

#include "base/rand.h"
#include "wire/date.h"

static void test_rfc2822(void **state)
{
    static const struct {
        const char *text;
        int64_t unix_s;
    } cases[] = {
        {"Thu, 24 Aug 2023 05:01:45 +0000", 1692853305},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},   /* RFC 9110 section 5.6.7 */
        {"Fri, 21 Nov 1997 09:55:06 -0600", 880127706}, /* RFC 2822 appendix A.1.1 */
        {"Thu, 01 Jan 1970 00:00:00 +0000", 0},
        {"24 Aug 2023 05:01:45 UT", 1692853305},
        {"24 Aug 2023 05:01:45 Z", 1692853305},
        {"24 Aug 2023 07:01:45 +0200", 1692853305},
        {"23 Aug 2023 23:31:45 -0530", 1692853305},
        {"24 Aug 2023 05:01:45 -0000", 1692853305},
        {"Thu,24 aug 2023  05:01:45\tgmt", 1692853305},
        {"Mon, 24 AUG 2023 05:01:45 +0000", 1692853305}, /* the weekday is not checked */
        {"6 Nov 1994 08:49 GMT", 784111740},
        {"Thu, 29 Feb 2024 23:59:59 +0000", 1709251199},
        {"Thu, 24 Aug 2023 05:01:45 -2359", 1692939645},
        {"Sat, 31 Dec 2016 23:59:60 +0000", 1483228800},
        {"Wed, 31 Dec 1969 23:59:59 -0001", 59},
        {"Fri, 31 Dec 9999 23:59:59 +0000", 253402300799},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t unix_s = -77;
        if (!tsms__date_from_rfc2822(tsms_str_from(cases[i].text), &unix_s) ||
            unix_s != cases[i].unix_s) {
            fail_msg("\"%s\" became %lld", cases[i].text, (long long)unix_s);
        }
    }
}

static void test_rfc2822_refuses(void **state)
{
    static const char *const texts[] = {
        "",
        "Thu,",
        "Thu, 24 Aug 2023 05:01:45",
        "Thu, 24 Aug 2023 05:01:45 ",
        "Thu, 24 Aug 2023 05:01:45 +000",
        "Thu, 24 Aug 2023 05:01:45 +00:00",
        "Thu, 24 Aug 2023 05:01:45 +2400",
        "Thu, 24 Aug 2023 05:01:45 +0060",
        "Thu, 24 Aug 2023 05:01:45 UTC",
        "Thu, 24 Aug 2023 05:01:45 EST",
        "Thu, 24 Aug 2023 05:01:45 +0000 ",
        "Thu, 24 Aug 2023 05:01:45 0000",
        " Thu, 24 Aug 2023 05:01:45 +0000",
        "Thursday, 24 Aug 2023 05:01:45 +0000",
        "Thu 24 Aug 2023 05:01:45 +0000",
        "Thu, 024 Aug 2023 05:01:45 +0000",
        "Thu, 0 Aug 2023 05:01:45 +0000",
        "Thu, 32 Aug 2023 05:01:45 +0000",
        "Thu, 29 Feb 2023 05:01:45 +0000",
        "Thu, 24 August 2023 05:01:45 +0000",
        "Thu, 24 Aux 2023 05:01:45 +0000",
        "Thu, 24Aug 2023 05:01:45 +0000",
        "Thu, 24 Aug2023 05:01:45 +0000",
        "Thu, 24 Aug 23 05:01:45 +0000",
        "Thu, 24 Aug 12023 05:01:45 +0000",
        "Thu, 24 Aug -023 05:01:45 +0000",
        "Thu, 24 Aug 2023 5:01:45 +0000",
        "Thu, 24 Aug 2023 24:01:45 +0000",
        "Thu, 24 Aug 2023 05:60:45 +0000",
        "Thu, 24 Aug 2023 05:01:61 +0000",
        "Thu, 24 Aug 2023 05:01: +0000",
        "Thu, 24 Aug 2023 05-01-45 +0000",
        "Wed, 31 Dec 1969 23:59:59 +0000",
        "Thu, 01 Jan 1970 00:00:59 +0001",
        "Sun Nov  6 08:49:37 1994",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "2023-08-24T05:01:45Z",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int64_t unix_s = -77;
        if (tsms__date_from_rfc2822(tsms_str_from(texts[i]), &unix_s)) {
            fail_msg("\"%s\" became %lld", texts[i], (long long)unix_s);
        }
        assert_int_equal(unix_s, -77);
    }
    int64_t unix_s;
    assert_false(tsms__date_from_rfc2822((tsms_str){NULL, 0}, &unix_s));
}

static void test_iso8601(void **state)
{
    static const struct {
        const char *text;
        int64_t unix_s;
    } cases[] = {
        {"2026-04-14T09:26:42Z", 1776158802},
        {"2026-04-14t09:26:42z", 1776158802},
        {"2026-04-14T09:26:42.0Z", 1776158802},
        {"2026-04-14T09:26:42.999999999Z", 1776158802},
        {"2026-04-14T11:26:42+02:00", 1776158802},
        {"2026-04-14T03:56:42.5-05:30", 1776158802},
        {"1985-04-12T23:20:50.52Z", 482196050},        /* RFC 3339 section 5.8 */
        {"1996-12-19T16:39:57-08:00", 851042397},      /* the same */
        {"1990-12-31T23:59:60Z", 662688000},           /* the same */
        {"1937-01-01T12:00:27.87+00:20", -1041337173}, /* the same */
        {"1970-01-01T00:00:00Z", 0},
        {"0000-01-01T00:00:00Z", -62167219200},
        {"0000-03-01T00:00:00Z", -62162035200},
        {"1900-02-28T23:59:59Z", -2203891201},
        {"9999-12-31T23:59:59Z", 253402300799},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t unix_s = -77;
        if (!tsms__date_from_iso8601(tsms_str_from(cases[i].text), &unix_s) ||
            unix_s != cases[i].unix_s) {
            fail_msg("\"%s\" became %lld", cases[i].text, (long long)unix_s);
        }
    }
}

static void test_iso8601_refuses(void **state)
{
    static const char *const texts[] = {
        "",
        "2026-04-14",
        "2026-04-14T09:26:42",
        "2026-04-14 09:26:42Z",
        "2026-04-14T09:26Z",
        "2026-04-14T09Z",
        "2026-04-14T9Z",
        "2026-04-1T09:26:42Z",
        "2026-04-14T09:26:42.Z",
        "2026-04-14T09:26:42,5Z",
        "2026-04-14T09:26:42+0200",
        "2026-04-14T09:26:42+02",
        "2026-04-14T09:26:42+24:00",
        "2026-04-14T09:26:42+02:60",
        "2026-04-14T09:26:42Zulu",
        "2026-04-14T09:26:42Z ",
        " 2026-04-14T09:26:42Z",
        "2026-4-14T09:26:42Z",
        "2026-04-31T09:26:42Z",
        "2026-13-01T09:26:42Z",
        "2026-00-01T09:26:42Z",
        "2026-04-00T09:26:42Z",
        "1900-02-29T09:26:42Z",
        "2026-04-14T24:00:00Z",
        "2026-04-14T09:60:42Z",
        "2026-04-14T09:26:61Z",
        "+2026-04-14T09:26:42Z",
        "-026-04-14T09:26:42Z",
        "12026-04-14T09:26:42Z",
        "20260414T092642Z",
        "2026-04-14T09:26:4",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int64_t unix_s = -77;
        if (tsms__date_from_iso8601(tsms_str_from(texts[i]), &unix_s)) {
            fail_msg("\"%s\" became %lld", texts[i], (long long)unix_s);
        }
        assert_int_equal(unix_s, -77);
    }
}

static void test_days(void **state)
{
    static const char *const good[] = {
        "2026-04-14", "2024-02-29", "2000-02-29", "2023-12-31", "2023-01-01", "0000-02-29",
    };
    static const char *const bad[] = {
        "",           "2023-02-29",  "1900-02-29",  "2023-04-31",
        "2023-00-10", "2023-13-10",  "2023-01-00",  "2023-01-32",
        "2023-1-1",   "2023-01-1",   "2023-01-011", "2023-01-01T00:00:00Z",
        "20230101",   " 2023-01-01", "2023/01/01",  "99999999-01-01",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(tsms__date_is_day(tsms_str_from(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(tsms__date_is_day(tsms_str_from(bad[i])));
    }
    assert_false(tsms__date_is_day((tsms_str){NULL, 0}));
}

static void test_the_calendar_day_by_day(void **state)
{
    /* Counted up from 1600-01-01 over more than one cycle of 400 years. */
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    test_mem tm;
    test_mem_init(&tm, 0);
    tsms_buf buf;
    tsms__buf_init(&buf, &tm.mem);
    int64_t unix_s = INT64_C(-11676096000);
    for (int year = 1600; year < 2110; year++) {
        for (int month = 1; month <= 12; month++) {
            bool is_leap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);
            int length = lengths[month - 1] + (month == 2 && is_leap);
            for (int day = 1; day <= length; day++, unix_s += 86400) {
                char want[64];
                int64_t parsed;
                snprintf(want, sizeof want, "%04d-%02d-%02dT12:34:56Z", year, month, day);
                tsms__buf_clear(&buf);
                tsms__date_add_iso8601(&buf, unix_s + 45296);
                assert_str_is(tsms__buf_str(&buf), want);
                assert_true(tsms__date_from_iso8601(tsms__buf_str(&buf), &parsed));
                assert_int_equal(parsed, unix_s + 45296);
            }
            char after[64];
            snprintf(after, sizeof after, "%04d-%02d-%02d", year, month, length + 1);
            assert_false(tsms__date_is_day(tsms_str_from(after)));
        }
    }
    assert_int_equal(unix_s, INT64_C(4417977600)); /* 2110-01-01 */
    tsms__buf_free(&buf);
    assert_int_equal(tm.live, 0);
}

static void test_writing_and_reading_agree(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 0);
    tsms_buf buf;
    tsms__buf_init(&buf, &tm.mem);
    tsms__rand rand;
    tsms__rand_init(&rand, 5);
    for (int i = 0; i < 20000; i++) {
        int64_t unix_s = tsms__rand_between(&rand, -62167219200, 253402300799);
        int64_t parsed = 0;
        tsms__buf_clear(&buf);
        tsms__date_add_iso8601(&buf, unix_s);
        assert_int_equal(buf.len, 20);
        assert_true(tsms__date_from_iso8601(tsms__buf_str(&buf), &parsed));
        assert_int_equal(parsed, unix_s);
    }
    tsms__buf_free(&buf);
}

static void test_writing_appends_and_survives_anything(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 0);
    tsms_buf buf;
    tsms__buf_init(&buf, &tm.mem);
    tsms__buf_add_z(&buf, "SendAt=");
    tsms__date_add_iso8601(&buf, 1776158802);
    assert_str_is(tsms__buf_str(&buf), "SendAt=2026-04-14T09:26:42Z");
    tsms__buf_clear(&buf);
    tsms__date_add_iso8601(&buf, -86400);
    tsms__date_add_iso8601(&buf, 0);
    assert_str_is(tsms__buf_str(&buf), "1969-12-31T00:00:00Z1970-01-01T00:00:00Z");
    tsms__buf_clear(&buf);
    tsms__date_add_iso8601(&buf, INT64_MAX);
    assert_str_is(tsms__buf_str(&buf), "292277026596-12-04T15:30:07Z");
    tsms__buf_clear(&buf);
    tsms__date_add_iso8601(&buf, INT64_MIN);
    assert_str_is(tsms__buf_str(&buf), "-292277022657-01-27T08:29:52Z");
    tsms__buf_free(&buf);
    test_mem_init(&tm, 1);
    tsms__date_add_iso8601(&buf, 0);
    assert_true(buf.failed);
    assert_int_equal(tm.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc2822),
        cmocka_unit_test(test_rfc2822_refuses),
        cmocka_unit_test(test_iso8601),
        cmocka_unit_test(test_iso8601_refuses),
        cmocka_unit_test(test_days),
        cmocka_unit_test(test_the_calendar_day_by_day),
        cmocka_unit_test(test_writing_and_reading_agree),
        cmocka_unit_test(test_writing_appends_and_survives_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
