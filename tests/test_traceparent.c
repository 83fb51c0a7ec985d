#include "support.h"

#include "wire/traceparent.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"

static void test_good(void **state)
{
    static const struct {
        const char *text;
        bool sampled;
    } cases[] = {
        {"00-" TRACE "-" SPAN "-01", true},   {"00-" TRACE "-" SPAN "-00", false},
        {"00-" TRACE "-" SPAN "-ff", true},   {"00-" TRACE "-" SPAN "-02", false},
        {"01-" TRACE "-" SPAN "-01", true},   {"cc-" TRACE "-" SPAN "-01-what-may-come", true},
        {"fe-" TRACE "-" SPAN "-00-", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsms__traceparent parent;
        char digits[33] = "";
        assert_true(tsms__traceparent_read(tsms_str_from(cases[i].text), &parent));
        assert_int_equal(parent.sampled, cases[i].sampled);
        tsms__hex_write(parent.trace_id, TSMS__TRACE_ID, digits);
        assert_string_equal(digits, TRACE);
        tsms__hex_write(parent.span_id, TSMS__SPAN_ID, digits);
        assert_memory_equal(digits, SPAN, 16);
    }
}

static void test_bad(void **state)
{
    static const char *const cases[] = {
        "",
        "00",
        "00-" TRACE "-" SPAN "-0",
        "00-" TRACE "-" SPAN "-01-",
        "00-" TRACE "-" SPAN "-01-more",
        "00-" TRACE "-" SPAN "-01 ",
        " 00-" TRACE "-" SPAN "-01",
        "ff-" TRACE "-" SPAN "-01",
        "fF-" TRACE "-" SPAN "-01",
        "cc-" TRACE "-" SPAN "-01.what-may-come",
        "0x-" TRACE "-" SPAN "-01",
        "00-" TRACE "-" SPAN "-0G",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
        "00-" TRACE "-00F067AA0BA902B7-01",
        "00-" TRACE "_" SPAN "-01",
        "00_" TRACE "-" SPAN "-01",
        "00-" TRACE "-" SPAN "_01",
    };
    tsms__traceparent parent;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (tsms__traceparent_read(tsms_str_from(cases[i]), &parent)) {
            fail_msg("\"%s\" was taken", cases[i]);
        }
    }
    assert_false(tsms__traceparent_read((tsms_str){NULL, 0}, &parent));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_bad)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
