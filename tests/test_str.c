/* base/str.c: views, UTF-8, numbers, hashing, edit distance and the growing buffer. */
#include "support.h"

#include "base/rand.h"
#include "base/str.h"

static const tsms_str absent = {NULL, 0};

static void test_views(void **state)
{
    assert_null(tsms_str_from(NULL).ptr);
    assert_int_equal(tsms_str_from(NULL).len, 0);
    assert_str_is(tsms_str_from("abc"), "abc");
    assert_str_is(TSMS__STR("abc"), "abc");
}

static void test_equality_looks_at_every_byte(void **state)
{
    tsms_str with_nul = TSMS__STR("a\0b");
    assert_true(tsms__str_eq(with_nul, TSMS__STR("a\0b")));
    assert_false(tsms__str_eq(with_nul, TSMS__STR("a\0c")));
    assert_false(tsms__str_eq(with_nul, TSMS__STR("a")));
    assert_true(tsms__str_eq(absent, TSMS__STR("")));
    assert_true(tsms__str_eq_z(TSMS__STR("To"), "To"));
    assert_false(tsms__str_eq_z(TSMS__STR("To"), "to"));
    assert_true(tsms__str_eq_z(absent, NULL));
}

static void test_case_is_ignored_for_ascii_letters_only(void **state)
{
    assert_true(tsms__str_eq_nocase(TSMS__STR("Retry-After"), TSMS__STR("rETRY-aFTER")));
    assert_false(tsms__str_eq_nocase(TSMS__STR("Retry-After"), TSMS__STR("Retry-Afte")));
    assert_false(tsms__str_eq_nocase(TSMS__STR("@[`{"), TSMS__STR("`{@[")));
    assert_false(tsms__str_eq_nocase(TSMS__STR("É"), TSMS__STR("é")));
    assert_true(tsms__str_eq_nocase(absent, absent));
}

static void test_starts(void **state)
{
    assert_true(tsms__str_starts(TSMS__STR("sim:DE"), TSMS__STR("sim:")));
    assert_true(tsms__str_starts(TSMS__STR("sim:"), TSMS__STR("sim:")));
    assert_true(tsms__str_starts(TSMS__STR("x"), absent));
    assert_true(tsms__str_starts(absent, absent));
    assert_false(tsms__str_starts(TSMS__STR("sim"), TSMS__STR("sim:")));
    assert_false(tsms__str_starts(TSMS__STR("Sim:"), TSMS__STR("sim:")));
}

static void test_trim(void **state)
{
    assert_str_is(tsms__str_trim(TSMS__STR(" \t\r\n a b \n\t ")), "a b");
    assert_str_is(tsms__str_trim(TSMS__STR("ab")), "ab");
    assert_str_is(tsms__str_trim(TSMS__STR(" \t ")), "");
    assert_str_is(tsms__str_trim(absent), "");
}

static void test_to_int_takes_whole_decimal_integers(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {
        {"0", 0},
        {"-0", 0},
        {"+7", 7},
        {"007", 7},
        {"-42", -42},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
    };
    static const char *const bad[] = {
        "",
        "-",
        "+",
        "--1",
        "+-1",
        " 1",
        "1 ",
        "1.0",
        "0x10",
        "1e3",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551617",
        "99999999999999999999999999",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t value = 77;
        assert_true(tsms__str_to_int(tsms_str_from(good[i].text), &value));
        assert_int_equal(value, good[i].value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t value = 77;
        assert_false(tsms__str_to_int(tsms_str_from(bad[i]), &value));
        assert_int_equal(value, 77);
    }
    int64_t value;
    assert_false(tsms__str_to_int(absent, &value));
    assert_false(tsms__str_to_int(TSMS__STR("1\0"), &value));
}

static size_t utf8_write(uint32_t code_point, char *out)
{
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    size_t n = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    static const unsigned lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code_point & 0x3F));
        code_point >>= 6;
    }
    out[0] = (char)(lead[n] | code_point);
    return n;
}

static void test_utf8_decodes_every_code_point(void **state)
{
    for (uint32_t c = 0; c < 0x110000; c++) {
        char bytes[4];
        tsms_str text = {bytes, utf8_write(c, bytes)};
        size_t pos = 0;
        uint32_t decoded = 0;
        bool is_surrogate = c >= 0xD800 && c <= 0xDFFF;
        if (tsms__utf8_next(text, &pos, &decoded) == is_surrogate) {
            fail_msg("U+%04X", c);
        }
        if (!is_surrogate && (decoded != c || pos != text.len)) {
            fail_msg("U+%04X was read as U+%04X", c, decoded);
        }
    }
}

/* Unicode 15, table 3-7, row by row. */
static bool is_well_formed(const unsigned char *b, size_t n)
{
    static const unsigned char rows[][9] = {
        {1, 0x00, 0x7F},
        {2, 0xC2, 0xDF, 0x80, 0xBF},
        {3, 0xE0, 0xE0, 0xA0, 0xBF, 0x80, 0xBF},
        {3, 0xE1, 0xEC, 0x80, 0xBF, 0x80, 0xBF},
        {3, 0xED, 0xED, 0x80, 0x9F, 0x80, 0xBF},
        {3, 0xEE, 0xEF, 0x80, 0xBF, 0x80, 0xBF},
        {4, 0xF0, 0xF0, 0x90, 0xBF, 0x80, 0xBF, 0x80, 0xBF},
        {4, 0xF1, 0xF3, 0x80, 0xBF, 0x80, 0xBF, 0x80, 0xBF},
        {4, 0xF4, 0xF4, 0x80, 0x8F, 0x80, 0xBF, 0x80, 0xBF},
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        bool fits = n == rows[r][0];
        for (size_t i = 0; fits && i < n; i++) {
            fits = b[i] >= rows[r][1 + 2 * i] && b[i] <= rows[r][2 + 2 * i];
        }
        if (fits) {
            return true;
        }
    }
    return false;
}

static void test_utf8_accepts_exactly_table_3_7(void **state)
{
    static const unsigned char edges[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F,
                                          0xA0, 0xBF, 0xC0, 0xF5, 0xFF};
    const size_t edge_count = sizeof edges;
    size_t tails = edge_count * edge_count * edge_count;
    for (unsigned lead = 0; lead < 256; lead++) {
        for (size_t t = 0; t < tails; t++) {
            unsigned char b[4] = {(unsigned char)lead, edges[t % edge_count],
                                  edges[t / edge_count % edge_count],
                                  edges[t / edge_count / edge_count]};
            for (size_t n = 1; n <= 4; n++) {
                size_t pos = 0;
                uint32_t code_point;
                bool whole =
                    tsms__utf8_next((tsms_str){(char *)b, n}, &pos, &code_point) && pos == n;
                if (whole != is_well_formed(b, n)) {
                    fail_msg("%02X %02X %02X %02X, length %zu", b[0], b[1], b[2], b[3], n);
                }
            }
        }
    }
}

static void test_utf8_length(void **state)
{
    (void)state;
    assert_int_equal(tsms__utf8_length((tsms_str){NULL, 0}), 0);
    assert_int_equal(tsms__utf8_length(tsms_str_from("w\xC3\xB6rld \xF0\x9F\x98\x80")), 7);
    assert_int_equal(tsms__utf8_length(tsms_str_from("\xFF\x80")), 1);
}

static void test_utf8_keeps_its_place_on_bad_bytes(void **state)
{
    tsms_str text = TSMS__STR("a\xFFz");
    size_t pos = 0;
    uint32_t code_point;
    assert_true(tsms__utf8_next(text, &pos, &code_point));
    assert_false(tsms__utf8_next(text, &pos, &code_point));
    assert_int_equal(pos, 1);
    assert_false(tsms__utf8_next((tsms_str){"a\xE2\x82\xAC", 3}, &pos, &code_point));
    assert_int_equal(pos, 1);
    pos = 3;
    assert_false(tsms__utf8_next(text, &pos, &code_point));
    assert_false(tsms__utf8_valid(text));
    assert_true(tsms__utf8_valid(absent));
    assert_true(tsms__utf8_valid(TSMS__STR("a\0é€😀")));
    assert_false(tsms__utf8_valid(TSMS__STR("é€\xF0\x9F\x98")));
}

static void test_hash_is_the_same_everywhere(void **state)
{
    /* Tables that processes share depend on these. */
    assert_true(tsms__str_hash(absent) == 0xF52A15E9A9B5E89Bu);
    assert_true(tsms__str_hash(TSMS__STR("a")) == 0x02C0BDBF481420F8u);
    assert_true(tsms__str_hash(TSMS__STR("+15005550006")) == 0x7F9D476DB3734EB2u);
}

static void test_hash_spreads_neighbouring_numbers(void **state)
{
    enum { BUCKETS = 1024, NUMBERS = 16 * BUCKETS };
    int low[BUCKETS] = {0};
    int high[BUCKETS] = {0};
    for (int i = 0; i < NUMBERS; i++) {
        char number[24];
        snprintf(number, sizeof number, "+1500555%04d", i);
        uint64_t h = tsms__str_hash(tsms_str_from(number));
        low[h % BUCKETS]++;
        high[h >> 54]++;
    }
    for (int i = 0; i < BUCKETS; i++) {
        /* 16 on average with a deviation of 4: six deviations up would be no accident. */
        assert_in_range(low[i], 1, 40);
        assert_in_range(high[i], 1, 40);
    }
}

/* The definition, as it stands: exponential, so only for short strings. */
static size_t slow_distance(tsms_str a, tsms_str b)
{
    if (a.len == 0 || b.len == 0) {
        return a.len + b.len;
    }
    tsms_str a1 = {a.ptr, a.len - 1};
    tsms_str b1 = {b.ptr, b.len - 1};
    size_t best = slow_distance(a1, b1) + (a.ptr[a1.len] != b.ptr[b1.len]);
    size_t other = slow_distance(a1, b) + 1;
    best = other < best ? other : best;
    other = slow_distance(a, b1) + 1;
    best = other < best ? other : best;
    if (a.len > 1 && b.len > 1 && a.ptr[a.len - 1] == b.ptr[b.len - 2] &&
        a.ptr[a.len - 2] == b.ptr[b.len - 1]) {
        other = slow_distance((tsms_str){a.ptr, a.len - 2}, (tsms_str){b.ptr, b.len - 2}) + 1;
        best = other < best ? other : best;
    }
    return best;
}

static void test_distance(void **state)
{
    assert_int_equal(tsms__str_distance(TSMS__STR("timeout_ms"), TSMS__STR("timeout_ms"), 3), 0);
    assert_int_equal(tsms__str_distance(TSMS__STR("timeuot_ms"), TSMS__STR("timeout_ms"), 3), 1);
    assert_int_equal(tsms__str_distance(TSMS__STR("kitten"), TSMS__STR("sitting"), 9), 3);
    assert_int_equal(tsms__str_distance(TSMS__STR("kitten"), TSMS__STR("sitting"), 3), 3);
    assert_int_equal(tsms__str_distance(TSMS__STR("kitten"), TSMS__STR("sitting"), 2), 3);
    assert_int_equal(tsms__str_distance(TSMS__STR("kitten"), TSMS__STR("sitting"), 0), 1);
    assert_int_equal(tsms__str_distance(absent, TSMS__STR("abc"), 9), 3);
    assert_int_equal(tsms__str_distance(TSMS__STR("abc"), absent, 9), 3);

    tsms__rand rand;
    tsms__rand_init(&rand, 1);
    for (int i = 0; i < 2000; i++) {
        char bytes[2][5];
        tsms_str text[2];
        for (int k = 0; k < 2; k++) {
            text[k] = (tsms_str){bytes[k], (size_t)tsms__rand_between(&rand, 0, 5)};
            for (size_t j = 0; j < text[k].len; j++) {
                bytes[k][j] = (char)tsms__rand_between(&rand, 'a', 'c');
            }
        }
        assert_int_equal(tsms__str_distance(text[0], text[1], 9), slow_distance(text[0], text[1]));
    }
}

static void test_distance_of_long_names_is_out_of_reach(void **state)
{
    char a[65];
    memset(a, 'a', sizeof a);
    assert_int_equal(tsms__str_distance((tsms_str){a, 64}, (tsms_str){a, 64}, 3), 0);
    assert_int_equal(tsms__str_distance((tsms_str){a, 64}, (tsms_str){a, 1}, 99), 63);
    assert_int_equal(tsms__str_distance((tsms_str){a, 65}, (tsms_str){a, 65}, 3), 4);
    assert_int_equal(tsms__str_distance((tsms_str){a, 1}, (tsms_str){a, 65}, 3), 4);
}

static void test_dup(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 0);
    char *copy = tsms__str_dup(&tm.mem, TSMS__STR("a\0b"));
    assert_memory_equal(copy, "a\0b", 4);
    tsms__free(&tm.mem, copy);
    copy = tsms__str_dup(&tm.mem, TSMS__STR("a"));
    assert_string_equal(copy, "a");
    tsms__free(&tm.mem, copy);
    copy = tsms__str_dup(&tm.mem, absent);
    assert_string_equal(copy, "");
    tsms__free(&tm.mem, copy);
    assert_int_equal(tm.live, 0);
    test_mem_init(&tm, 1);
    assert_null(tsms__str_dup(&tm.mem, TSMS__STR("abc")));
}

static void test_buf_appends(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 0);
    tsms_buf buf;
    tsms__buf_init(&buf, &tm.mem);
    tsms__buf_add(&buf, absent);
    tsms__buf_add(&buf, TSMS__STR(""));
    assert_int_equal(tm.calls, 0);
    tsms__buf_add(&buf, TSMS__STR("a"));
    tsms__buf_add_z(&buf, "bc");
    tsms__buf_add_z(&buf, NULL);
    tsms__buf_add_char(&buf, '=');
    tsms__buf_add_int(&buf, INT64_MIN);
    tsms__buf_add_char(&buf, ' ');
    tsms__buf_add_int(&buf, INT64_MAX);
    assert_str_is(tsms__buf_str(&buf), "abc=-9223372036854775808 9223372036854775807");
    assert_string_equal(tsms__buf_z(&buf), "abc=-9223372036854775808 9223372036854775807");
    assert_int_equal(buf.len, 44);
    tsms__buf_free(&buf);
    assert_int_equal(tm.live, 0);
    tsms__buf_add_z(&buf, "again");
    assert_str_is(tsms__buf_str(&buf), "again");
    tsms__buf_free(&buf);
    assert_int_equal(tm.live, 0);
}

static void test_buf_z_of_nothing(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 0);
    tsms_buf buf;
    tsms__buf_init(&buf, &tm.mem);
    assert_string_equal(tsms__buf_z(&buf), "");
    assert_int_equal(buf.len, 0);
    tsms__buf_free(&buf);
    assert_int_equal(tm.live, 0);
}

static void test_buf_z_has_room_when_the_buffer_is_full(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 0);
    tsms_buf buf;
    tsms__buf_init(&buf, &tm.mem);
    tsms__buf_add_char(&buf, 'x');
    while (buf.len < buf.cap) {
        tsms__buf_add_char(&buf, 'x');
    }
    assert_int_equal(strlen(tsms__buf_z(&buf)), buf.len);
    tsms__buf_free(&buf);
}

static void test_buf_grows_seldom(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 0);
    tsms_buf buf;
    tsms__buf_init(&buf, &tm.mem);
    for (int i = 0; i < 100000; i++) {
        tsms__buf_add_char(&buf, (char)('a' + i % 26));
    }
    assert_int_equal(buf.len, 100000);
    for (size_t i = 0; i < buf.len; i++) {
        assert_int_equal(buf.ptr[i], 'a' + i % 26);
    }
    assert_in_range(tm.calls, 1, 17);
    size_t calls = tm.calls;
    tsms__buf_clear(&buf);
    assert_true(tsms__buf_reserve(&buf, 100000));
    assert_int_equal(tm.calls, calls);
    tsms__buf_free(&buf);
}

static void test_buf_failure_sticks_until_cleared(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 2);
    tsms_buf buf;
    tsms__buf_init(&buf, &tm.mem);
    tsms__buf_add_z(&buf, "kept");
    char big[200] = {0};
    tsms__buf_add(&buf, (tsms_str){big, sizeof big});
    assert_true(buf.failed);
    tsms__buf_add_z(&buf, "!");
    assert_false(tsms__buf_reserve(&buf, 0));
    assert_null(tsms__buf_z(&buf));
    assert_str_is(tsms__buf_str(&buf), "kept");
    tsms__buf_clear(&buf);
    tsms__buf_add(&buf, (tsms_str){big, sizeof big});
    assert_false(buf.failed);
    assert_int_equal(buf.len, sizeof big);
    tsms__buf_free(&buf);
    assert_int_equal(tm.live, 0);
}

static void test_buf_refuses_sizes_that_overflow(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 0);
    tsms_buf buf;
    tsms__buf_init(&buf, &tm.mem);
    tsms__buf_add_z(&buf, "kept");
    size_t calls = tm.calls;
    assert_false(tsms__buf_reserve(&buf, SIZE_MAX));
    assert_true(buf.failed);
    assert_int_equal(tm.calls, calls);
    assert_str_is(tsms__buf_str(&buf), "kept");
    tsms__buf_free(&buf);
}

static void test_base64(void **state)
{
    /* RFC 4648 section 10: the encodings of the first 0 to 6 bytes of "foobar". */
    static const char *const encoded[] = {
        "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy",
    };
    test_mem tm;
    test_mem_init(&tm, 0);
    tsms_buf buf;
    tsms__buf_init(&buf, &tm.mem);
    for (size_t i = 0; i <= 6; i++) {
        tsms__buf_clear(&buf);
        tsms__buf_add_base64(&buf, (tsms_str){"foobar", i});
        assert_str_is(tsms__buf_str(&buf), encoded[i]);
    }
    /* NUL, and the two characters in which the alphabets differ. */
    tsms__buf_add_base64(&buf, TSMS__STR("AC:\0\xFB\xEF\xBE\xFF\xFF\xFF"));
    assert_str_is(tsms__buf_str(&buf), "Zm9vYmFyQUM6APvvvv///w==");
    tsms__buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_equality_looks_at_every_byte),
        cmocka_unit_test(test_case_is_ignored_for_ascii_letters_only),
        cmocka_unit_test(test_starts),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_to_int_takes_whole_decimal_integers),
        cmocka_unit_test(test_utf8_decodes_every_code_point),
        cmocka_unit_test(test_utf8_accepts_exactly_table_3_7),
        cmocka_unit_test(test_utf8_length),
        cmocka_unit_test(test_utf8_keeps_its_place_on_bad_bytes),
        cmocka_unit_test(test_hash_is_the_same_everywhere),
        cmocka_unit_test(test_hash_spreads_neighbouring_numbers),
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_distance_of_long_names_is_out_of_reach),
        cmocka_unit_test(test_dup),
        cmocka_unit_test(test_buf_appends),
        cmocka_unit_test(test_buf_z_of_nothing),
        cmocka_unit_test(test_buf_z_has_room_when_the_buffer_is_full),
        cmocka_unit_test(test_buf_grows_seldom),
        cmocka_unit_test(test_buf_failure_sticks_until_cleared),
        cmocka_unit_test(test_buf_refuses_sizes_that_overflow),
        cmocka_unit_test(test_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
