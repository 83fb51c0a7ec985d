/* wire/fields.c: decoding as wire/form.c does, sorting, and hostile amounts. */
#include "support.h"

#include "base/rand.h"
#include "wire/fields.h"
#include "wire/form.h"

static tsms__fields read_fields(const char *form)
{
    tsms__fields fields;
    tsms__fields_init(&fields, &tsms__mem_libc);
    assert_int_equal(tsms__fields_read(&fields, tsms_str_from(form), 100), TSMS__FIELDS_OK);
    return fields;
}

/* Each item as "name=value;". */
static void assert_items(const tsms__fields *fields, const char *want)
{
    tsms_buf got;
    tsms__buf_init(&got, &tsms__mem_libc);
    for (size_t i = 0; i < fields->count; i++) {
        tsms__buf_add(&got, fields->items[i].name);
        tsms__buf_add_z(&got, "=");
        tsms__buf_add(&got, fields->items[i].value);
        tsms__buf_add_z(&got, ";");
    }
    assert_str_is(tsms__buf_str(&got), want);
    tsms__buf_free(&got);
}

static void assert_sorted(const tsms__fields *fields, const char *want)
{
    tsms_buf got;
    tsms__buf_init(&got, &tsms__mem_libc);
    for (size_t i = 0; i < fields->count; i++) {
        tsms__buf_add(&got, fields->sorted[i].param->name);
        tsms__buf_add_z(&got, "=");
        tsms__buf_add(&got, fields->sorted[i].param->value);
        tsms__buf_add_z(&got, ";");
    }
    assert_str_is(tsms__buf_str(&got), want);
    tsms__buf_free(&got);
}

static void test_decoding(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"a=1&b=2", "a=1;b=2;"},
        {"b=2&a=1", "b=2;a=1;"},
        {"&&a=1&&b=2&", "a=1;b=2;"},
        {"a", "a=;"},
        {"a&b", "a=;b=;"},
        {"a=", "a=;"},
        {"=1", "=1;"},
        {"=", "=;"},
        {"a=b=c", "a=b=c;"},
        {"a=1&a=1", "a=1;a=1;"},
        {"a+b=c+d", "a b=c d;"},
        {"a%2bb=%26%3D%25", "a+b=&=%;"},
        {"Body=Gr%C3%BC%c3%9Fe+%F0%9F%8E%89", "Body=Grüße 🎉;"},
        {"a=%", "a=%;"},
        {"a=%4", "a=%4;"},
        {"a=%4&b=1", "a=%4;b=1;"},
        {"a=%&4=1", "a=%;4=1;"},
        {"a=%4g", "a=%4g;"},
        {"a=%g4%41", "a=%g4A;"},
        {"a=%%41", "a=%A;"},
        {"%3D=%3d", "===;"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsms__fields fields = read_fields(cases[i][0]);
        assert_items(&fields, cases[i][1]);
        tsms__fields_free(&fields);
    }
}

static void test_nul_stays(void **state)
{
    tsms__fields fields = read_fields("a%00b=%00");
    assert_int_equal(fields.count, 1);
    assert_int_equal(fields.items[0].name.len, 3);
    assert_memory_equal(fields.items[0].name.ptr, "a\0b", 3);
    assert_int_equal(fields.items[0].value.len, 1);
    tsms__fields_free(&fields);
}

/* Any bytes give what the decoder of single pairs gives, also when the memory is used again. */
static void test_agrees_with_form(void **state)
{
    static const char alphabet[] = "aB&&==%+%2%4f0\x00\xff";
    tsms__rand rng;
    tsms__rand_init(&rng, 42);
    tsms__fields fields;
    tsms_buf name;
    tsms_buf value;
    tsms__fields_init(&fields, &tsms__mem_libc);
    tsms__buf_init(&name, &tsms__mem_libc);
    tsms__buf_init(&value, &tsms__mem_libc);
    for (int round = 0; round < 5000; round++) {
        char text[64];
        size_t len = (size_t)tsms__rand_between(&rng, 0, sizeof text - 1);
        for (size_t i = 0; i < len; i++) {
            text[i] = alphabet[tsms__rand_between(&rng, 0, sizeof alphabet - 2)];
        }
        tsms_str rest = {text, len};
        assert_int_equal(tsms__fields_read(&fields, rest, 100), TSMS__FIELDS_OK);
        size_t count = 0;
        for (; tsms__form_next(&rest, &name, &value); count++) {
            assert_true(count < fields.count);
            assert_true(tsms__str_eq(fields.items[count].name, tsms__buf_str(&name)));
            assert_true(tsms__str_eq(fields.items[count].value, tsms__buf_str(&value)));
        }
        assert_int_equal(count, fields.count);
    }
    tsms__fields_free(&fields);
    tsms__buf_free(&name);
    tsms__buf_free(&value);
}

static void test_sorting(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"b=1&a=2&_=3&B=4&0=5&Z=6", "0=5;B=4;Z=6;_=3;a=2;b=1;"},
        {"MediaUrl2=c&MediaUrl10=b&MediaUrl1=a", "MediaUrl1=a;MediaUrl10=b;MediaUrl2=c;"},
        {"FromCountry=1&FromCounty=2&FromCount=3", "FromCount=3;FromCountry=1;FromCounty=2;"},
        {"a=2&a=10&a=1&a=", "a=;a=1;a=10;a=2;"},
        {"%FF=1&z=2", "z=2;\xff=1;"},
        {"abcdefgh=2&abcdefg=1&abcdefghi=3", "abcdefg=1;abcdefgh=2;abcdefghi=3;"},
        {"=2&=1&a=3", "=1;=2;a=3;"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsms__fields fields = read_fields(cases[i][0]);
        tsms__fields_sort(&fields);
        assert_sorted(&fields, cases[i][1]);
        tsms__fields_free(&fields);
    }
}

/* The number in front of a name treats "a" and "a\0" alike; the whole name does not. */
static void test_sorting_nul(void **state)
{
    tsms__fields fields = read_fields("a%00=1&a=2");
    tsms__fields_sort(&fields);
    assert_str_is(fields.sorted[0].param->value, "2");
    assert_false(tsms__sorted_field_eq(&fields.sorted[0], &fields.sorted[1]));
    tsms__fields_free(&fields);
}

static void test_equal_pairs(void **state)
{
    tsms__fields fields = read_fields("a=1&a=2&a=1");
    tsms__fields_sort(&fields);
    assert_true(tsms__sorted_field_eq(&fields.sorted[0], &fields.sorted[1]));
    assert_false(tsms__sorted_field_eq(&fields.sorted[1], &fields.sorted[2]));
    tsms__fields_free(&fields);
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Names that differ late, in any amount: both ways of sorting give the same order. */
static void test_sorting_many(void **state)
{
    static const size_t counts[] = {2, 63, 64, 65, 1000};
    tsms__rand rng;
    tsms__rand_init(&rng, 7);
    tsms__fields fields;
    tsms__fields_init(&fields, &tsms__mem_libc);
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        static char names[1000][24];
        tsms_param params[1000];
        for (size_t i = 0; i < counts[c]; i++) {
            snprintf(names[i], sizeof names[i], "%s%u", i % 3 == 0 ? "Parameter" : "P",
                     (unsigned)tsms__rand_between(&rng, 0, 99999));
            params[i] = (tsms_param){tsms_str_from(names[i]), {NULL, 0}};
        }
        assert_int_equal(tsms__fields_take(&fields, params, counts[c]), TSMS__FIELDS_OK);
        tsms__fields_sort(&fields);
        static char sorted[1000][24];
        memcpy(sorted, names, sizeof sorted);
        qsort(sorted, counts[c], sizeof *sorted, compare_text);
        for (size_t i = 0; i < counts[c]; i++) {
            assert_str_is(fields.sorted[i].param->name, sorted[i]);
        }
    }
    tsms__fields_free(&fields);
}

static void test_getting(void **state)
{
    tsms__fields fields = read_fields("a=1&b=&a=2");
    assert_str_is(tsms__fields_get(&fields, TSMS__STR("a")), "1");
    assert_non_null(tsms__fields_get(&fields, TSMS__STR("b")).ptr);
    assert_null(tsms__fields_get(&fields, TSMS__STR("A")).ptr);
    assert_null(tsms__fields_get(&fields, TSMS__STR("")).ptr);
    tsms__fields_free(&fields);
}

static void test_too_many(void **state)
{
    static char form[3 * 1001];
    static tsms_param params[1001];
    tsms__fields fields;
    tsms__fields_init(&fields, &tsms__mem_libc);
    for (size_t i = 0; i < 1001; i++) {
        memcpy(form + 3 * i, "a=&", 3);
        params[i] = (tsms_param){TSMS__STR("a"), {NULL, 0}};
    }
    tsms_str three = {form, 9};
    assert_int_equal(tsms__fields_read(&fields, three, 3), TSMS__FIELDS_OK);
    assert_int_equal(fields.count, 3);
    assert_int_equal(tsms__fields_read(&fields, three, 2), TSMS__FIELDS_TOO_MANY);
    assert_int_equal(fields.count, 0);
    assert_int_equal(tsms__fields_read(&fields, (tsms_str){form, 3000}, SIZE_MAX), TSMS__FIELDS_OK);
    assert_int_equal(fields.count, TSMS__FIELDS_MOST);
    assert_int_equal(tsms__fields_read(&fields, (tsms_str){form, 3003}, SIZE_MAX),
                     TSMS__FIELDS_TOO_MANY);
    assert_int_equal(tsms__fields_take(&fields, params, 1000), TSMS__FIELDS_OK);
    assert_int_equal(tsms__fields_take(&fields, params, 1001), TSMS__FIELDS_TOO_MANY);
    assert_int_equal(fields.count, 0);
    tsms__fields_free(&fields);
}

static void test_allocates_once(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 0);
    tsms__fields fields;
    tsms__fields_init(&fields, &tm.mem);
    assert_int_equal(tsms__fields_read(&fields, TSMS__STR("a=1&b=2"), 100), TSMS__FIELDS_OK);
    size_t calls = tm.calls;
    assert_int_equal(tsms__fields_read(&fields, TSMS__STR("c=3&d=4"), 100), TSMS__FIELDS_OK);
    assert_int_equal(tm.calls, calls);
    assert_items(&fields, "c=3;d=4;");
    tsms__fields_free(&fields);
    assert_int_equal(tm.live, 0);
}

static void test_no_memory(void **state)
{
    char form[400];
    memset(form, '&', sizeof form);
    for (size_t i = 0; i < sizeof form; i += 4) {
        form[i] = 'a'; /* 100 parameters: the list grows twice */
    }
    for (size_t n = 1;; n++) {
        test_mem tm;
        test_mem_init(&tm, n);
        tsms__fields fields;
        tsms__fields_init(&fields, &tm.mem);
        tsms__fields_status status = tsms__fields_read(&fields, (tsms_str){form, sizeof form}, 100);
        assert_int_equal(status, tm.failed ? TSMS__FIELDS_NOMEM : TSMS__FIELDS_OK);
        assert_int_equal(fields.count, tm.failed ? 0 : 100);
        bool failed = tm.failed;
        if (failed) { /* the next one works */
            status = tsms__fields_read(&fields, (tsms_str){form, sizeof form}, 100);
            assert_int_equal(status, TSMS__FIELDS_OK);
        }
        tsms__fields_free(&fields);
        assert_int_equal(tm.live, 0);
        if (!failed) {
            assert_true(n > 5);
            break;
        }
    }
}

static void test_taking_without_memory(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 1);
    tsms__fields fields;
    tsms__fields_init(&fields, &tm.mem);
    tsms_param param = {TSMS__STR("a"), TSMS__STR("1")};
    assert_int_equal(tsms__fields_take(&fields, &param, 1), TSMS__FIELDS_NOMEM);
    assert_int_equal(fields.count, 0);
    assert_int_equal(tsms__fields_take(&fields, NULL, 0), TSMS__FIELDS_OK);
    tsms__fields_free(&fields);
    assert_int_equal(tm.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoding),         cmocka_unit_test(test_nul_stays),
        cmocka_unit_test(test_agrees_with_form), cmocka_unit_test(test_sorting),
        cmocka_unit_test(test_sorting_nul),      cmocka_unit_test(test_equal_pairs),
        cmocka_unit_test(test_sorting_many),     cmocka_unit_test(test_getting),
        cmocka_unit_test(test_too_many),         cmocka_unit_test(test_allocates_once),
        cmocka_unit_test(test_no_memory),        cmocka_unit_test(test_taking_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
