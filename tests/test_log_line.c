#include "call/log_line.h"

#include "base/json.h"
#include "base/rand.h"
#include "support.h"

static tsms__line line;

static void begin(bool json)
{
    line.json = json;
    line.key = NULL;
    tsms__line_begin(&line, TSMS__STR("2026-11-23T06:40:00"), 7, "info", TSMS__STR("sent"));
}

static tsms_str with_text(bool json, tsms_str text)
{
    begin(json);
    tsms__line_text(&line, TSMS__KEY_MESSAGE, text);
    return tsms__line_end(&line);
}

static void test_logfmt(void **state)
{
    begin(false);
    tsms__line_int(&line, TSMS__KEY_CODE, 21610);
    tsms__line_int(&line, TSMS__KEY_WAIT_MS, INT64_MIN);
    tsms__line_word(&line, TSMS__KEY_ENCODING, TSMS__STR("GSM-7"));
    tsms__line_address(&line, TSMS__KEY_TO, TSMS__STR("+15558675310"));
    tsms__line_text(&line, TSMS__KEY_MESSAGE, TSMS__STR("a b"));
    tsms__line_text(&line, TSMS__KEY_TEXT, (tsms_str){NULL, 0});
    tsms__line_own(&line, TSMS__STR("own"), TSMS__STR(""), TSMS__OWN_TEXT);
    assert_str_is(tsms__line_end(&line),
                  "time=2026-11-23T06:40:00.007Z level=info event=sent code=21610 "
                  "wait_ms=-9223372036854775808 encoding=GSM-7 to=+1********10 message=\"a b\" "
                  "own=\"\"");
}

static void test_json(void **state)
{
    begin(true);
    tsms__line_int(&line, TSMS__KEY_CODE, 0);
    tsms__line_word(&line, TSMS__KEY_ENCODING, TSMS__STR("GSM-7"));
    tsms__line_address(&line, TSMS__KEY_TO, TSMS__STR("+15558675310"));
    tsms__line_text(&line, TSMS__KEY_MESSAGE, TSMS__STR("ab"));
    tsms__line_own(&line, TSMS__STR("own"), TSMS__STR("5558675310"), TSMS__OWN_TEXT);
    tsms__line_own(&line, TSMS__STR("number"), TSMS__STR("5558675310"), TSMS__OWN_ADDRESS);
    tsms__line_own(&line, TSMS__STR("bare"), TSMS__STR("-1.5"), TSMS__OWN_BARE);
    assert_str_is(tsms__line_end(&line),
                  "{\"time\":\"2026-11-23T06:40:00.007Z\",\"level\":\"info\",\"event\":\"sent\","
                  "\"code\":0,\"encoding\":\"GSM-7\",\"to\":\"+1********10\",\"message\":\"ab\","
                  "\"own\":\"5*******10\",\"number\":\"5*******10\",\"bare\":-1.5}");
}

/* What may not be told from a new line, a field or a command to a terminal. */
static void test_hostile_texts(void **state)
{
    static const struct {
        const char *text, *logfmt;
    } rows[] = {
        {"plain", "plain"},
        {"a=b", "\"a=b\""},
        {"say \"x\\y\"", "\"say \\\"x\\\\y\\\"\""},
        {"a\nlevel=error\r\t", "\"a\\nlevel=error\\r\\t\""},
        {"\x1B[31mred\x7F", "\"\\u001b[31mred\\u007f\""},
        {"\xC2\x9B"
         "31m",
         "\"\\u009b31m\""},
        {"a\xE2\x80\xA8"
         "b\xE2\x80\xA9",
         "\"a\\u2028b\\u2029\""},
        {"\xE2\x80\xAE"
         "abc",
         "\"\\u202eabc\""},
        {"\xE2\x81\xA6"
         "abc",
         "\"\\u2066abc\""},
        {"\xF3\xA0\x80\x81", "\"\\udb40\\udc01\""},
        {"\xFF"
         "a\xC3",
         "\"\xEF\xBF\xBD"
         "a\xEF\xBF\xBD\""},
        {"\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {"w\xC3\xB6rld \xF0\x9F\x98\x80", "\"w\xC3\xB6rld \xF0\x9F\x98\x80\""},
        {"to +15558675310", "\"to +1********10\""},
        {"https://x/?To=%2B15558675310", "\"https://x/?To=%2B1********10\""},
        {"SM0123456789abcdef0123456789abcdef", "SM0123456789abcdef0123456789abcdef"},
        {"0123456789", "0*******89"},
        {"12+34567890", "12+3*****90"},
    };
    static const char before[] = "time=2026-11-23T06:40:00.007Z level=info event=sent message=";
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char want[256];
        snprintf(want, sizeof want, "%s%s", before, rows[i].logfmt);
        assert_str_is(with_text(false, tsms_str_from(rows[i].text)), want);
    }
    assert_str_is(with_text(false, (tsms_str){"a\0b", 3}),
                  "time=2026-11-23T06:40:00.007Z level=info event=sent message=\"a\\u0000b\"");
}

static void test_a_long_text_is_cut(void **state)
{
    static char text[3 * TSMS__LINE_MOST];
    memset(text, 'x', sizeof text);
    for (int json = 0; json < 2; json++) {
        begin(json);
        tsms__line_text(&line, TSMS__KEY_MESSAGE, (tsms_str){text, sizeof text});
        tsms__line_int(&line, TSMS__KEY_CODE, 1);
        tsms_str whole = tsms__line_end(&line);
        assert_in_range(whole.len, TSMS__FIELD_MOST, TSMS__FIELD_MOST + 128);
        char *z = tsms__str_dup(&tsms__mem_libc, whole);
        assert_non_null(strstr(z, json ? "x\xE2\x80\xA6\",\"code\":1}" : "x\xE2\x80\xA6 code=1"));
        free(z);
    }
}

/* Fields of any length, in any number: never too long, and still JSON. */
static void test_any_lengths(void **state)
{
    static char text[3000];
    tsms__rand rand;
    tsms__rand_init(&rand, 3);
    for (size_t round = 0; round < 3000; round++) {
        begin(true);
        for (size_t i = 0; i < 20; i++) {
            uint64_t dice = tsms__rand_next(&rand);
            size_t len = (size_t)dice % (round % 3 == 0 ? sizeof text : 600);
            for (size_t j = 0; j < len; j++) {
                text[j] = (char)(round % 2 == 0 ? '\x01' + (char)(j % 3) : 'a' + (char)(j % 26));
            }
            if (dice >> 60 < 4) {
                tsms__line_int(&line, TSMS__KEY_CODE, (int64_t)(dice >> 1));
            } else if (dice >> 60 < 6) {
                tsms__line_open(&line, TSMS__KEY_BODY);
                tsms__line_add(&line, (tsms_str){text, len});
                tsms__line_add(&line, (tsms_str){text, len});
                tsms__line_close(&line);
            } else {
                tsms__line_text(&line, TSMS__KEY_TEXT, (tsms_str){text, len});
            }
        }
        tsms_str whole = tsms__line_end(&line);
        assert_true(whole.len <= TSMS__LINE_MOST);
        tsms__json *document = tsms__json_parse(whole);
        assert_non_null(document);
        tsms__json_free(document);
    }
}

static void test_any_bytes(void **state)
{
    tsms__rand rand;
    tsms__rand_init(&rand, 5);
    for (size_t round = 0; round < 20000; round++) {
        char text[64];
        for (size_t i = 0; i < sizeof text; i++) {
            static const char often[] = "+ 0123456789-SM\xEF\xBC\x8B\xD9";
            uint64_t dice = tsms__rand_next(&rand);
            text[i] = dice % 2 == 0 ? often[(dice >> 8) % (sizeof often - 1)] : (char)(dice >> 16);
        }
        tsms_str whole = with_text(true, (tsms_str){text, tsms__rand_next(&rand) % sizeof text});
        assert_true(tsms__utf8_valid(whole));
        tsms__json *document = tsms__json_parse(whole);
        assert_non_null(document);
        tsms_str shown = tsms__json_text(tsms__json_get(document, "message"));
        size_t row = 0;
        for (size_t i = 0; i < shown.len; i++) {
            row = shown.ptr[i] >= '0' && shown.ptr[i] <= '9' ? row + 1 : 0;
            assert_true(row < 7);
        }
        tsms__json_free(document);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logfmt),        cmocka_unit_test(test_json),
        cmocka_unit_test(test_hostile_texts), cmocka_unit_test(test_a_long_text_is_cut),
        cmocka_unit_test(test_any_lengths),   cmocka_unit_test(test_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
