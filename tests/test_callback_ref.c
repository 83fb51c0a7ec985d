/* wire/callback_ref.c. The digests of the examples were made with Python's hmac. */
#include "support.h"

#include "wire/callback_ref.h"

#define ACCOUNT "AC0123456789abcdef0123456789abcdef"
#define OTHER_ACCOUNT "ACffffffffffffffffffffffffffffffff"
#define KEY "0123456789abcdef"
#define MAC "de22e49d9db02b26aed2f2c201232891"
#define SPAN "0af7651916cd43dd8448eb211c80319cb7ad6b7169203331"
#define REF "order-17.1700604800." MAC

enum { EXPIRES_S = 1700604800 };

static test_mem tm;
static tsms_buf url;
static tsms__hmac *key;

static int setup(void **state)
{
    test_mem_init(&tm, 0);
    tsms__buf_init(&url, &tm.mem);
    key = tsms__hmac_new(&tm.mem, TSMS__SHA256, TSMS__STR(KEY));
    return key != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    tsms__hmac_free(key);
    tsms__buf_free(&url);
    return tm.live == 0 ? 0 : -1;
}

static void add(const char *to, const char *id)
{
    tsms__buf_clear(&url);
    tsms__ref ref = {.id = tsms_str_from(id), .expires_s = EXPIRES_S};
    tsms__ref_add(&url, key, tsms_str_from(to), TSMS__STR(ACCOUNT), &ref);
}

static void add_with_span(const char *to, const char *id)
{
    tsms__ref ref = {.id = tsms_str_from(id), .expires_s = EXPIRES_S, .span = TSMS__STR(SPAN)};
    tsms__buf_clear(&url);
    tsms__ref_add(&url, key, tsms_str_from(to), TSMS__STR(ACCOUNT), &ref);
    assert_non_null(tsms__buf_z(&url));
}

static tsms__ref_verdict look(const char *at, tsms__ref *ref)
{
    return tsms__ref_check(key, tsms_str_from(at), TSMS__STR(ACCOUNT), EXPIRES_S, ref);
}

static void test_ids(void **state)
{
    static const char *const good[] = {
        "a", "0",          "-",
        "_", "order-17_B", "0123456789012345678901234567890123456789012345678901234567890123"};
    static const char *const bad[] = {
        "",     ".",
        "a.b",  "a b",
        "a%20", "a&b",
        "a#",   "\xC3\xA9",
        "a\n",  "01234567890123456789012345678901234567890123456789012345678901234"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(tsms__ref_is_id(tsms_str_from(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(tsms__ref_is_id(tsms_str_from(bad[i])));
    }
    assert_false(tsms__ref_is_id((tsms_str){NULL, 0}));
    assert_false(tsms__ref_is_id((tsms_str){"a\0b", 3}));
}

static void test_where_the_reference_goes(void **state)
{
    static const char *const cases[][2] = {
        {"https://example.com", "https://example.com?ref=" REF},
        {"https://example.com/", "https://example.com/?ref=" REF},
        {"https://example.com/status?", "https://example.com/status?ref=" REF},
        {"https://example.com/status?a=1", "https://example.com/status?a=1&ref=" REF},
        {"https://example.com/status?a=1&", "https://example.com/status?a=1&ref=" REF},
        {"https://example.com/status#rc=3&rp=all",
         "https://example.com/status?ref=" REF "#rc=3&rp=all"},
        {"https://example.com/status?a=1#rc=3?x",
         "https://example.com/status?a=1&ref=" REF "#rc=3?x"},
        {"https://example.com/status#", "https://example.com/status?ref=" REF "#"},
        {"https://example.com/?ref=mine", "https://example.com/?ref=mine&ref=" REF},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        add(cases[i][0], "order-17");
        assert_str_is(tsms__buf_str(&url), cases[i][1]);
        tsms__ref ref;
        assert_int_equal(look(cases[i][1], &ref), TSMS__REF_GOOD);
        assert_str_is(ref.id, "order-17");
    }
}

static void test_it_expires(void **state)
{
    tsms_str at = TSMS__STR("https://example.com/?ref=" REF);
    tsms__ref ref = {.expires_s = 0};
    static const struct {
        int64_t now_s;
        tsms__ref_verdict verdict;
    } cases[] = {
        {INT64_MIN, TSMS__REF_GOOD},    {0, TSMS__REF_GOOD},
        {EXPIRES_S, TSMS__REF_GOOD},    {EXPIRES_S + INT64_C(1), TSMS__REF_EXPIRED},
        {INT64_MAX, TSMS__REF_EXPIRED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(tsms__ref_check(key, at, TSMS__STR(ACCOUNT), cases[i].now_s, &ref),
                         cases[i].verdict);
        assert_str_is(ref.id, "order-17");
    }
}

static void test_what_is_no_reference(void **state)
{
    static const char *const none[] = {"",
                                       "https://example.com/",
                                       "https://example.com/?",
                                       "https://example.com/?a=1&b=" REF,
                                       "https://example.com/?xref=" REF,
                                       "https://example.com/?Ref=" REF,
                                       "https://example.com/#?ref=" REF,
                                       "https://example.com/ref=" REF,
                                       "https://example.com/?a#&ref=" REF};
    static const char *const forged[] = {
        "https://example.com/?ref",
        "https://example.com/?ref=",
        "https://example.com/?ref=.",
        "https://example.com/?ref=..",
        "https://example.com/?ref=...",
        "https://example.com/?ref=" REF ".",
        "https://example.com/?ref=" REF "0",
        "https://example.com/?ref=." REF,
        "https://example.com/?ref=" REF "&ref=order-17",
        "https://example.com/?ref=order-17",
        "https://example.com/?ref=order-17.1700604800",
        "https://example.com/?ref=order-17.1700604800.",
        "https://example.com/?ref=order-17.." MAC,
        "https://example.com/?ref=order-17.1700604801." MAC,
        "https://example.com/?ref=order-17.01700604800." MAC,
        "https://example.com/?ref=order-17.+1700604800." MAC,
        "https://example.com/?ref=order-17.9999999999999999999999." MAC,
        "https://example.com/?ref=order-18.1700604800." MAC,
        "https://example.com/?ref=order-1.71700604800." MAC};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        tsms__ref ref;
        assert_int_equal(look(none[i], &ref), TSMS__REF_NONE);
    }
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        tsms__ref ref;
        assert_int_equal(look(forged[i], &ref), TSMS__REF_FORGED);
    }
}

static void test_another_account_or_key(void **state)
{
    tsms_str at = TSMS__STR("https://example.com/?ref=" REF);
    tsms__ref ref;
    assert_int_equal(tsms__ref_check(key, at, TSMS__STR(OTHER_ACCOUNT), 0, &ref), TSMS__REF_FORGED);
    assert_int_equal(tsms__ref_check(key,
                                     TSMS__STR("https://example.com/?ref=order-17.1700604800."
                                               "4ff9313b025e9cf6c07ae79558ea8417"),
                                     TSMS__STR(OTHER_ACCOUNT), 0, &ref),
                     TSMS__REF_GOOD);
    tsms__hmac *other = tsms__hmac_new(&tm.mem, TSMS__SHA256, TSMS__STR("0123456789abcdeg"));
    assert_int_equal(tsms__ref_check(other, at, TSMS__STR(ACCOUNT), 0, &ref), TSMS__REF_FORGED);
    tsms__hmac_free(other);
}

/* One changed, lost or added byte anywhere in the reference is noticed. */
static void check_every_changed_byte(void)
{
    size_t from = strlen("https://example.com/?ref=&ref=");
    char *bytes = url.ptr;
    for (size_t i = from; i < url.len; i++) {
        for (int value = 0; value < 256; value++) {
            char before = bytes[i];
            bytes[i] = (char)value;
            tsms__ref ref;
            tsms__ref_verdict verdict =
                tsms__ref_check(key, tsms__buf_str(&url), TSMS__STR(ACCOUNT), 0, &ref);
            assert_int_equal(verdict, bytes[i] == before ? TSMS__REF_GOOD : TSMS__REF_FORGED);
            bytes[i] = before;
        }
    }
    for (size_t len = from; len < url.len; len++) {
        tsms__ref ref;
        assert_int_equal(tsms__ref_check(key, (tsms_str){bytes, len}, TSMS__STR(ACCOUNT), 0, &ref),
                         TSMS__REF_FORGED);
    }
}

static void test_every_changed_byte(void **state)
{
    add("https://example.com/?ref=", "abc");
    check_every_changed_byte();
    add_with_span("https://example.com/?ref=", "abc");
    check_every_changed_byte();
}

static void test_span(void **state)
{
    tsms__ref ref;
    add_with_span("https://example.com/?a=1", "order-17");
    assert_int_equal(look(url.ptr, &ref), TSMS__REF_GOOD);
    assert_str_is(ref.id, "order-17");
    assert_str_is(ref.span, SPAN);
    char traceparent[TSMS__TRACEPARENT_SIZE];
    tsms__ref_traceparent(ref.span, traceparent);
    assert_string_equal(traceparent, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
}

static void test_without_memory(void **state)
{
    for (size_t n = 1;; n++) {
        test_mem failing;
        test_mem_init(&failing, n);
        tsms_buf out;
        tsms__buf_init(&out, &failing.mem);
        tsms__ref ref = {.id = TSMS__STR("abc"), .expires_s = EXPIRES_S, .span = TSMS__STR(SPAN)};
        tsms__ref_add(&out, key, TSMS__STR("https://example.com/#rc=1"), TSMS__STR(ACCOUNT), &ref);
        assert_int_equal(out.failed, failing.failed);
        tsms__buf_free(&out);
        assert_int_equal(failing.live, 0);
        if (!failing.failed) {
            break;
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_ids),
        TEST(test_where_the_reference_goes),
        TEST(test_it_expires),
        TEST(test_what_is_no_reference),
        TEST(test_another_account_or_key),
        TEST(test_every_changed_byte),
        TEST(test_span),
        TEST(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
