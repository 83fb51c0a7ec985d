/* base/json.c: what it takes for JSON, and its getters. */
#include "support.h"

#include "base/json.h"
#include "base/str.h"

#include <cjson/cJSON.h>

static size_t live;
static size_t calls;
static size_t fail_at;

static void *count_malloc(size_t size)
{
    void *ptr = ++calls == fail_at ? NULL : malloc(size);
    live += ptr != NULL;
    return ptr;
}

static void count_free(void *ptr)
{
    live -= ptr != NULL;
    free(ptr);
}

static int setup(void **state)
{
    calls = fail_at = live = 0;
    cJSON_InitHooks(&(cJSON_Hooks){count_malloc, count_free});
    return 0;
}

static int teardown(void **state)
{
    cJSON_InitHooks(NULL);
    return live == 0 ? 0 : -1;
}

/* Parses a copy that ends where the text ends, so that valgrind sees a read past it. */
static tsms__json *parse_exactly(tsms_str text)
{
    char *copy = malloc(text.len > 0 ? text.len : 1);
    assert_non_null(copy);
    memcpy(copy, text.ptr, text.len);
    tsms__json *document = tsms__json_parse((tsms_str){copy, text.len});
    free(copy);
    return document;
}

static tsms__json *parse(const char *text)
{
    return parse_exactly(tsms_str_from(text));
}

static void test_tells_types_apart(void **state)
{
    static const struct {
        const char *text;
        tsms__json_type type;
    } cases[] = {
        {"null", TSMS__JSON_NULL},   {"true", TSMS__JSON_BOOL},
        {"false", TSMS__JSON_BOOL},  {"-1.5e3", TSMS__JSON_NUMBER},
        {"\"\"", TSMS__JSON_STRING}, {"[]", TSMS__JSON_ARRAY},
        {"{}", TSMS__JSON_OBJECT},   {" \t\r\n{} \t\r\n", TSMS__JSON_OBJECT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsms__json *document = parse(cases[i].text);
        assert_non_null(document);
        assert_int_equal(tsms__json_type_of(document), cases[i].type);
        tsms__json_free(document);
    }
}

static void test_refuses_what_is_not_one_document(void **state)
{
    static const char *const cases[] = {
        "",       " ",       "{",     "}",     "[1,",     "{\"a\":1,",   "{\"a\":1, ",
        "{\"a\"", "{\"a\":", "{a:1}", "\"abc", "\"\\u12", "\"\\ud800\"", "nul",
        "{} {}",  "{}x",     "1,",    "[1,]",  "<html>",  "{\"a\":1}\"", "'a'",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(parse(cases[i]));
    }
    assert_null(tsms__json_parse((tsms_str){NULL, 0}));
    assert_null(parse_exactly((tsms_str){"{}\0", 3}));
}

static void test_every_cut_of_a_document_is_refused(void **state)
{
    const tsms_str whole =
        TSMS__STR("{\"sid\":\"SM1\",\"list\":[1,-2.5e3,true,null,{\"a\":\"\\u00e9\\n\"}]}");
    for (size_t len = 0; len < whole.len; len++) {
        assert_null(parse_exactly((tsms_str){whole.ptr, len}));
    }
    tsms__json *document = parse_exactly(whole);
    assert_non_null(document);
    tsms__json_free(document);
}

static void test_refuses_deep_nesting(void **state)
{
    enum { DEPTH = 100000 };
    char *text = malloc(2 * DEPTH);
    assert_non_null(text);
    memset(text, '[', DEPTH);
    memset(text + DEPTH, ']', DEPTH);
    assert_null(tsms__json_parse((tsms_str){text, 2 * DEPTH}));
    free(text);
}

static void test_get_takes_exact_names_and_the_first(void **state)
{
    tsms__json *document = parse("{\"Sid\":\"a\",\"sid\":\"b\",\"sid\":\"c\"}");
    assert_str_is(tsms__json_text(tsms__json_get(document, "sid")), "b");
    assert_null(tsms__json_get(document, "SID"));
    assert_null(tsms__json_get(tsms__json_get(document, "sid"), "sid"));
    tsms__json_free(document);
    document = parse("[1]");
    assert_null(tsms__json_get(document, "sid"));
    tsms__json_free(document);
}

static void test_walks_in_order(void **state)
{
    tsms__json *document = parse("{\"a\":1,\"b\":[10,20],\"\":3}");
    const tsms__json *member = tsms__json_first(document);
    assert_str_is(tsms__json_name(member), "a");
    member = tsms__json_next(member);
    assert_str_is(tsms__json_name(member), "b");
    const tsms__json *item = tsms__json_first(member);
    assert_null(tsms__json_name(item).ptr);
    assert_true(tsms__json_number(item) == 10);
    assert_true(tsms__json_number(tsms__json_next(item)) == 20);
    assert_null(tsms__json_next(tsms__json_next(item)));
    member = tsms__json_next(member);
    assert_str_is(tsms__json_name(member), "");
    assert_null(tsms__json_next(member));
    tsms__json_free(document);
}

static void test_getters_take_null(void **state)
{
    int64_t number;
    assert_int_equal(tsms__json_type_of(NULL), TSMS__JSON_NULL);
    assert_null(tsms__json_get(NULL, "a"));
    assert_null(tsms__json_first(NULL));
    assert_null(tsms__json_next(NULL));
    assert_null(tsms__json_name(NULL).ptr);
    assert_null(tsms__json_text(NULL).ptr);
    assert_false(tsms__json_int(NULL, &number));
    assert_true(tsms__json_number(NULL) == 0);
    assert_false(tsms__json_bool(NULL));
    tsms__json_free(NULL);
}

static void test_text_is_decoded_and_only_of_strings(void **state)
{
    tsms__json *document =
        parse("[\"a\\\"\\/\\u00e9\\ud83d\\ude00\\n\",\"\",\"x\\u0000y\",1,null,{},true]");
    const tsms__json *item = tsms__json_first(document);
    assert_str_is(tsms__json_text(item), "a\"/\xC3\xA9\xF0\x9F\x98\x80\n");
    item = tsms__json_next(item);
    assert_str_is(tsms__json_text(item), "");
    assert_non_null(tsms__json_text(item).ptr);
    item = tsms__json_next(item);
    assert_str_is(tsms__json_text(item), "x");
    while ((item = tsms__json_next(item)) != NULL) {
        assert_null(tsms__json_text(item).ptr);
    }
    tsms__json_free(document);
}

static void test_int_takes_whole_numbers_and_decimal_text(void **state)
{
    static const struct {
        const char *text;
        bool fits;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"30007", true, 30007},
        {"3e4", true, 30000},
        {"-5", true, -5},
        {"9007199254740991", true, 9007199254740991},
        {"9007199254740992", false, 0},
        {"-9007199254740992", false, 0},
        {"1e300", false, 0},
        {"1e999", false, 0},
        {"1.5", false, 0},
        {"\"12\"", true, 12},
        {"\"-12\"", true, -12},
        {"\"9223372036854775807\"", true, INT64_MAX},
        {"\"9223372036854775808\"", false, 0},
        {"\"12a\"", false, 0},
        {"\"\"", false, 0},
        {"true", false, 0},
        {"null", false, 0},
        {"[1]", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t value = 0;
        tsms__json *document = parse(cases[i].text);
        assert_non_null(document);
        assert_int_equal(tsms__json_int(document, &value), cases[i].fits);
        assert_true(value == cases[i].value);
        tsms__json_free(document);
    }
}

static void test_numbers_and_bools(void **state)
{
    tsms__json *document = parse("[-0.0075,true,false,\"true\",1]");
    const tsms__json *item = tsms__json_first(document);
    assert_true(tsms__json_number(item) == -0.0075);
    assert_false(tsms__json_bool(item));
    item = tsms__json_next(item);
    assert_true(tsms__json_bool(item));
    assert_true(tsms__json_number(item) == 0);
    for (item = tsms__json_next(item); item != NULL; item = tsms__json_next(item)) {
        assert_false(tsms__json_bool(item));
    }
    tsms__json_free(document);
}

static void test_every_failing_allocation_gives_null(void **state)
{
    for (fail_at = 1;; fail_at++) {
        calls = 0;
        tsms__json *document = parse("{\"a\":[1,\"two\",{\"b\":null}]}");
        if (document != NULL) {
            assert_true(calls < fail_at);
            tsms__json_free(document);
            break;
        }
        assert_int_equal(live, 0);
    }
    assert_true(fail_at > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tells_types_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refuses_what_is_not_one_document, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_cut_of_a_document_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refuses_deep_nesting, setup, teardown),
        cmocka_unit_test_setup_teardown(test_get_takes_exact_names_and_the_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_walks_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_getters_take_null, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text_is_decoded_and_only_of_strings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_int_takes_whole_numbers_and_decimal_text, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_numbers_and_bools, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_failing_allocation_gives_null, setup, teardown),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
