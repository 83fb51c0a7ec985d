#include "call/log_number.h"

#include "support.h"

static const char key_text[] = "0123456789abcdef";

/* What the runs of a text look like: those that may be numbers in brackets. */
static void check_runs(const char *text, const char *want)
{
    char got[512];
    size_t len = 0;
    tsms_str whole = tsms_str_from(text);
    for (size_t pos = 0; pos < whole.len;) {
        bool is_number = false;
        size_t n = tsms__number_at(whole, pos, &is_number);
        size_t step = n > 0 ? n : 1;
        len += (size_t)snprintf(got + len, sizeof got - len, is_number ? "[%.*s]" : "%.*s",
                                (int)step, text + pos);
        pos += step;
    }
    assert_str_is(((tsms_str){got, len}), want);
}

static void test_what_may_be_a_number(void **state)
{
    check_runs("call +15558675310 now", "call [+15558675310] now");
    check_runs("To=%2B15558675310&From", "To=[%2B15558675310]&From");
    check_runs("(555) 867-5310", "([555) 867-5310]");
    check_runs("+1 (555) 867-5310.", "[+1 (555) 867-5310].");
    check_runs("+49-30/1234-56", "[+49-30/1234-56]");
    check_runs("tel:5558675310x", "tel:[5558675310]x");
    check_runs("x5558675", "x[5558675]");
    check_runs("555%20867%205310", "[555%20867%205310]");
    check_runs("555\xC2\xA0"
               "867\xE2\x80\x91"
               "5310",
               "[555\xC2\xA0"
               "867\xE2\x80\x91"
               "5310]");
    /* Arabic-Indic, full-width */
    check_runs("\xD9\xA1\xD9\xA2\xD9\xA3\xD9\xA4\xD9\xA5\xD9\xA6\xD9\xA7",
               "[\xD9\xA1\xD9\xA2\xD9\xA3\xD9\xA4\xD9\xA5\xD9\xA6\xD9\xA7]");
    check_runs("\xEF\xBC\x8B\xEF\xBC\x91"
               "555867",
               "[\xEF\xBC\x8B\xEF\xBC\x91"
               "555867]");
}

static void test_what_is_none(void **state)
{
    check_runs("code 21610, HTTP 429", "code 21610, HTTP 429");
    check_runs("2026-11-23", "2026-11-23");
    check_runs("Thu, 24 Aug 2023 05:01:45 +0000", "Thu, 24 Aug 2023 05:01:45 +0000");
    check_runs("867-5310", "867-5310");
    check_runs("+12 345", "+12 345");
    check_runs("127.0.0.1:4318", "127.0.0.1:4318");
    check_runs("+", "+");
    check_runs("%", "%");
    check_runs("\xFF\xFE 12", "\xFF\xFE 12");
}

static void test_what_is_masked(void **state)
{
    static const struct {
        const char *run, *want;
    } rows[] = {
        {"+15558675310", "+1********10"},
        {"%2B15558675310", "%2B1********10"},
        {"+1 (555) 867-5310", "+1 (***) ***-**10"},
        {"5558675310", "5*******10"},
        {"\xEF\xBC\x8B\xEF\xBC\x91"
         "555867",
         "\xEF\xBC\x8B"
         "1****67"},
    };
    char out[TSMS__NUMBER_SIZE];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_str_is(tsms__number_show(tsms_str_from(rows[i].run), NULL, out), rows[i].want);
    }
    assert_str_is(tsms__address_show(tsms_str_from("whatsapp:+15558675310"), NULL, out),
                  "whatsapp:+1********10");
    assert_str_is(tsms__address_show(tsms_str_from("12345"), NULL, out), "*****");
}

static void test_a_run_of_any_length_fits(void **state)
{
    char run[2000];
    char out[TSMS__NUMBER_SIZE];
    memset(run, '7', sizeof run);
    tsms_str shown = tsms__number_show((tsms_str){run, sizeof run}, NULL, out);
    assert_in_range(shown.len, 100, sizeof out);
    assert_memory_equal(shown.ptr, "7*****", 6);
    assert_memory_equal(shown.ptr + shown.len - 2, "**", 2);
    shown = tsms__address_show((tsms_str){run, sizeof run}, NULL, out);
    assert_in_range(shown.len, 100, sizeof out);
}

/* Each the HMAC-SHA-256 of "+15558675310" with the key, as Python's hmac makes it. */
static void test_pseudonyms_are_the_same_however_it_is_written(void **state)
{
    static const char want[] = "h:dfa03c9c240460e6";
    tsms__hmac *key = tsms__hmac_new(&tsms__mem_libc, TSMS__SHA256, tsms_str_from(key_text));
    assert_non_null(key);
    char out[TSMS__NUMBER_SIZE];
    static const char *const runs[] = {"+15558675310", "15558675310", "%2B1 (555) 867-5310",
                                       "\xEF\xBC\x8B"
                                       "1555867\xEF\xBC\x95"
                                       "310"};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        assert_str_is(tsms__number_show(tsms_str_from(runs[i]), key, out), want);
        assert_str_is(tsms__address_show(tsms_str_from(runs[i]), key, out), want);
    }
    char channel[64];
    snprintf(channel, sizeof channel, "whatsapp:%s", want);
    assert_str_is(tsms__address_show(tsms_str_from("whatsapp:+15558675310"), key, out), channel);
    tsms_str other = tsms__number_show(tsms_str_from("+15558675311"), key, out);
    assert_int_equal(other.len, sizeof want - 1);
    assert_memory_not_equal(other.ptr, want, other.len);
    tsms__hmac_free(key);
    key = tsms__hmac_new(&tsms__mem_libc, TSMS__SHA256, tsms_str_from("another key, as long"));
    assert_non_null(key);
    other = tsms__number_show(tsms_str_from("+15558675310"), key, out);
    assert_memory_not_equal(other.ptr, want, other.len);
    tsms__hmac_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_may_be_a_number),
        cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_what_is_masked),
        cmocka_unit_test(test_a_run_of_any_length_fits),
        cmocka_unit_test(test_pseudonyms_are_the_same_however_it_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
