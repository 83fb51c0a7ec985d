/* wire/segments.c: against published cases, and against a slow second implementation. */
#include "support.h"

#include <cjson/cJSON.h>
#include <limits.h>

#include "base/rand.h"
#include "base/str.h"
#include "segments_oracle.h"
#include "wire/segments.h"

/* The cases that ask for smart encoding, with their text as the replacement leaves it: counting
 * comes after replacing, and only counting is tested here. */
static const char *const smart_texts[][2] = {
    {"smart-quotes", "It's \"fine\" - ok..."},
    {"smart-nbsp", "a  b"},
    {"smart-emoji", "It's 😀"},
    {"smart-backtick", "'code'"},
    {"smart-fraction", "1/2 cup"},
    {"smart-cjk", "你好"},
    {"smart-fullwidth", "ABC123"},
    {"smart-161-to-160", "1234567890123456789012345678901234567890"
                         "1234567890123456789012345678901234567890"
                         "1234567890123456789012345678901234567890"
                         "123456789012345678901234567890123456789'"},
    {"smart-tab", "a       b"},
};

static const char *smart_text(const char *id)
{
    for (size_t i = 0; i < sizeof smart_texts / sizeof *smart_texts; i++) {
        if (strcmp(smart_texts[i][0], id) == 0) {
            return smart_texts[i][1];
        }
    }
    fail_msg("no replaced text for case %s", id);
    return NULL;
}

static int number_of(const cJSON *node, const char *name)
{
    const cJSON *field = cJSON_GetObjectItemCaseSensitive(node, name);
    assert_true(cJSON_IsNumber(field));
    return field->valueint;
}

static const char *text_of(const cJSON *node, const char *name)
{
    const cJSON *field = cJSON_GetObjectItemCaseSensitive(node, name);
    assert_true(cJSON_IsString(field));
    return field->valuestring;
}

static size_t decode(tsms_str text, uint32_t *code_points)
{
    size_t n = 0;
    size_t pos = 0;
    while (tsms__utf8_next(text, &pos, &code_points[n])) {
        n++;
    }
    assert_int_equal(pos, text.len);
    return n;
}

/* The published sizes follow the grapheme rule: they are ours where both rules agree. */
static void check_sizes(const cJSON *one, tsms_str text)
{
    const cJSON *want = cJSON_GetObjectItemCaseSensitive(one, "units_per_segment");
    uint32_t *code_points = calloc(text.len + 1, sizeof *code_points);
    int sizes[64];
    assert_non_null(code_points);
    oracle_result result = oracle_count(code_points, decode(text, code_points), sizes, 64);
    free(code_points);
    assert_int_equal(result.segments, cJSON_GetArraySize(want));
    for (int i = 0; i < result.segments; i++) {
        assert_int_equal(sizes[i], cJSON_GetArrayItem(want, i)->valueint);
    }
}

static void test_published_cases(void **state)
{
    char *bytes = test_read_file("tests/data/segment_cases.json", NULL);
    cJSON *document = cJSON_Parse(bytes);
    const cJSON *cases = cJSON_GetObjectItemCaseSensitive(document, "cases");
    int smart = 0;
    int same_rule = 0;
    const cJSON *one;
    cJSON_ArrayForEach(one, cases)
    {
        const char *id = text_of(one, "id");
        bool is_smart = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(one, "smart_encoded"));
        tsms_str text = tsms_str_from(is_smart ? smart_text(id) : text_of(one, "text"));
        tsms_segments got;
        assert_int_equal(tsms_segments_count(text, &got, NULL), TSMS_OK);
        assert_int_equal(tsms__encoding_of(text), got.encoding);
        if (strcmp(tsms_encoding_name(got.encoding), text_of(one, "encoding")) != 0 ||
            got.segments != number_of(one, "segments_code_point") ||
            got.units != number_of(one, "units") ||
            got.characters != number_of(one, "code_points")) {
            fail_msg("%s: %s, %d segments, %d units, %d characters", id,
                     tsms_encoding_name(got.encoding), got.segments, got.units, got.characters);
        }
        if (number_of(one, "segments") == number_of(one, "segments_code_point")) {
            check_sizes(one, text);
            same_rule++;
        }
        smart += is_smart;
    }
    assert_int_equal(cJSON_GetArraySize(cases), 52);
    assert_int_equal(smart, sizeof smart_texts / sizeof *smart_texts);
    assert_int_equal(same_rule, 51);
    cJSON_Delete(document);
    free(bytes);
}

static void test_empty_text(void **state)
{
    tsms_segments got;
    memset(&got, 0xAA, sizeof got);
    assert_int_equal(tsms_segments_count((tsms_str){NULL, 0}, &got, NULL), TSMS_OK);
    assert_int_equal(got.encoding, TSMS_ENCODING_GSM7);
    assert_int_equal(got.segments, 0);
    assert_int_equal(got.units, 0);
    assert_int_equal(got.per_segment, 160);
    assert_int_equal(got.characters, 0);
    assert_int_equal(got.first_ucs2, -1);
}

static void test_alphabet_is_complete(void **state)
{
    /* 127 characters of the basic table and 10 of the extension, and nothing else in Unicode. */
    int basic = 0;
    int escaped = 0;
    for (uint32_t c = 0; c < 0x110000; c++) {
        char bytes[4] = {(char)(0xF0 | c >> 18), (char)(0x80 | (c >> 12 & 63)),
                         (char)(0x80 | (c >> 6 & 63)), (char)(0x80 | (c & 63))};
        tsms_str text = {bytes, 4};
        if (c < 0x80) {
            bytes[0] = (char)c;
            text.len = 1;
        } else if (c < 0x800) {
            bytes[2] = (char)(0xC0 | c >> 6);
            text = (tsms_str){bytes + 2, 2};
        } else if (c < 0x10000) {
            bytes[1] = (char)(0xE0 | c >> 12);
            text = (tsms_str){bytes + 1, 3};
        }
        tsms_segments got;
        bool is_surrogate = c >= 0xD800 && c <= 0xDFFF;
        if ((tsms_segments_count(text, &got, NULL) == TSMS_OK) == is_surrogate) {
            fail_msg("U+%04X", c);
        }
        if (is_surrogate) {
            assert_int_equal(tsms__encoding_of(text), TSMS_ENCODING_UCS2);
            continue;
        }
        bool is_gsm7 = got.encoding == TSMS_ENCODING_GSM7;
        if (is_gsm7 != (oracle_has(oracle_basic, c) || oracle_has(oracle_extension, c)) ||
            got.units != (is_gsm7 ? 1 + oracle_has(oracle_extension, c) : 1 + (c > 0xFFFF)) ||
            tsms__encoding_of(text) != got.encoding) {
            fail_msg("U+%04X: %s, %d units", c, tsms_encoding_name(got.encoding), got.units);
        }
        basic += is_gsm7 && got.units == 1;
        escaped += is_gsm7 && got.units == 2;
    }
    assert_int_equal(basic, 127);
    assert_int_equal(escaped, 10);
}

static void test_first_ucs2_is_a_byte_offset(void **state)
{
    tsms_segments got;
    assert_int_equal(tsms_segments_count(TSMS__STR("€é`ç"), &got, NULL), TSMS_OK);
    assert_int_equal(got.first_ucs2, 5);
    assert_int_equal(tsms_segments_count(TSMS__STR("a\0b"), &got, NULL), TSMS_OK);
    assert_int_equal(got.first_ucs2, 1);
    assert_int_equal(tsms_segments_count(TSMS__STR("€é"), &got, NULL), TSMS_OK);
    assert_int_equal(got.first_ucs2, -1);
}

static void test_capacity_changes_with_the_second_segment(void **state)
{
    char text[161];
    memset(text, 'a', sizeof text);
    tsms_segments got;
    tsms_segments_count((tsms_str){text, 160}, &got, NULL);
    assert_int_equal(got.per_segment, 160);
    tsms_segments_count((tsms_str){text, 161}, &got, NULL);
    assert_int_equal(got.per_segment, 153);
    text[0] = '`';
    tsms_segments_count((tsms_str){text, 70}, &got, NULL);
    assert_int_equal(got.per_segment, 70);
    assert_int_equal(got.segments, 1);
    tsms_segments_count((tsms_str){text, 71}, &got, NULL);
    assert_int_equal(got.per_segment, 67);
    assert_int_equal(got.segments, 2);
}

static void test_what_is_not_utf8_is_refused(void **state)
{
    static const char *const texts[] = {
        "\x80", "a\xC3", "\xC0\xAF", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xE2\x82z",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        tsms_segments got = {.units = 77};
        tsms_error err;
        assert_int_equal(tsms_segments_count(tsms_str_from(texts[i]), &got, &err), TSMS_ERROR);
        assert_int_equal(err.kind, TSMS_KIND_INVALID_REQUEST);
        assert_int_equal(got.units, 77);
        assert_int_equal(tsms_segments_count(tsms_str_from(texts[i]), &got, NULL), TSMS_ERROR);
    }
    tsms_segments got;
    tsms_error err;
    tsms_segments_count(TSMS__STR("€\xFF"), &got, &err);
    assert_string_equal(err.message, "the text is not UTF-8 at byte offset 3");
}

static void test_counts_that_would_not_fit_are_refused(void **state)
{
    /* Nothing of the text is read before its length was looked at. */
    tsms_segments got;
    tsms_error err;
    assert_int_equal(tsms_segments_count((tsms_str){"", (size_t)INT_MAX / 2 + 1}, &got, &err),
                     TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_INVALID_REQUEST);
    assert_int_equal(tsms_segments_count((tsms_str){"", SIZE_MAX}, &got, &err), TSMS_ERROR);
}

static uint32_t random_character(tsms__rand *rand, int64_t highest_pool)
{
    switch (tsms__rand_between(rand, 0, highest_pool)) {
    case 0:
        return oracle_extension[tsms__rand_between(rand, 0, 9)];
    case 1:
    case 2:
        return oracle_basic[tsms__rand_between(rand, 0, 126)];
    case 3:
        return (uint32_t)tsms__rand_between(rand, 0x10000, 0x10FFFF);
    case 4:
        return (uint32_t)tsms__rand_between(rand, 0, 0x24F);
    default:
        return (uint32_t)tsms__rand_between(rand, 0xE000, 0xFFFF);
    }
}

static size_t encode(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    out[0] = (char)(0xF00 >> n | c >> 6 * (n - 1));
    for (size_t i = 1; i < n; i++) {
        out[i] = (char)(0x80 | (c >> 6 * (n - 1 - i) & 63));
    }
    return n;
}

static void test_random_texts_agree_with_the_slow_count(void **state)
{
    enum { TEXTS = 20000, MOST = 500 };
    int gsm7 = 0;
    int joined = 0;
    tsms__rand rand;
    tsms__rand_init(&rand, 20260414);
    for (int i = 0; i < TEXTS; i++) {
        uint32_t code_points[MOST];
        char bytes[4 * MOST];
        size_t offsets[MOST];
        size_t len = (size_t)tsms__rand_between(&rand, 0, i % 4 == 0 ? 80 : MOST);
        int64_t highest_pool = i % 2 == 0 ? 2 : 5;
        tsms_str text = {bytes, 0};
        for (size_t k = 0; k < len; k++) {
            code_points[k] = random_character(&rand, highest_pool);
            offsets[k] = text.len;
            text.len += encode(code_points[k], bytes + text.len);
        }
        oracle_result want = oracle_count(code_points, len, NULL, 0);
        tsms_segments got;
        assert_int_equal(tsms_segments_count(text, &got, NULL), TSMS_OK);
        assert_int_equal(tsms__encoding_of(text), got.encoding);
        assert_int_equal(got.encoding == TSMS_ENCODING_GSM7, want.is_gsm7);
        assert_int_equal(got.segments, want.segments);
        assert_int_equal(got.units, want.units);
        assert_int_equal(got.per_segment, want.per_segment);
        assert_int_equal(got.characters, len);
        assert_int_equal(got.first_ucs2, want.is_gsm7 ? -1 : (int64_t)offsets[want.first_ucs2]);
        gsm7 += want.is_gsm7;
        joined += want.segments > 1;
    }
    /* The draw must reach both encodings and both capacities to mean anything. */
    assert_in_range(gsm7, TEXTS / 3, TEXTS * 2 / 3);
    assert_in_range(joined, TEXTS / 3, TEXTS - TEXTS / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_cases),
        cmocka_unit_test(test_empty_text),
        cmocka_unit_test(test_alphabet_is_complete),
        cmocka_unit_test(test_first_ucs2_is_a_byte_offset),
        cmocka_unit_test(test_capacity_changes_with_the_second_segment),
        cmocka_unit_test(test_what_is_not_utf8_is_refused),
        cmocka_unit_test(test_counts_that_would_not_fit_are_refused),
        cmocka_unit_test(test_random_texts_agree_with_the_slow_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
