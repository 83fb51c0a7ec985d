#include "support.h"

#include "wire/calling_code.h"

#include <limits.h>

static unsigned code_of(const char *address)
{
    return tsms__calling_code(tsms_str_from(address));
}

static void test_codes_of_each_length(void **state)
{
    static const struct {
        const char *number;
        unsigned code;
    } rows[] = {
        {"+15005550001", 1},      {"+74951234567", 7},    {"+201001234567", 20},
        {"+27821234567", 27},     {"+211912345678", 211}, {"+33639980000", 33},
        {"+351912345678", 351},   {"+4915112345678", 49}, {"+447700900123", 44},
        {"+420601123456", 420},   {"+5215512345678", 52}, {"+593991234567", 593},
        {"+6591234567", 65},      {"+67570123456", 675},  {"+819012345678", 81},
        {"+85251234567", 852},    {"+8613912345678", 86}, {"+919876543210", 91},
        {"+972501234567", 972},   {"+989121234567", 98},  {"+995555123456", 995},
        {"+88299012345678", 882},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(code_of(rows[i].number), rows[i].code);
    }
}

static void test_numbers_of_other_channels(void **state)
{
    assert_int_equal(code_of("whatsapp:+447700900123"), 44);
    assert_int_equal(code_of("messenger:1234567"), 0);
    assert_int_equal(code_of("rcs:brand_agent"), 0);
    assert_int_equal(code_of("whatsapp:"), 0);
}

static void test_what_is_no_number(void **state)
{
    static const char *const others[] = {"",
                                         "+",
                                         "+1",
                                         "+0123456789",
                                         "12345",
                                         "Shop",
                                         "15005550001",
                                         "+1500555000x",
                                         "+12345678901234567",
                                         ":",
                                         "::+15005550001"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_equal(code_of(others[i]), 0);
    }
    assert_int_equal(tsms__calling_code((tsms_str){NULL, 0}), 0);
}

/* How many values the label may have: what bounds the series of messages. Their ranks are their
 * places in the order of digits, without a gap. */
static void test_all_prefixes(void **state)
{
    static bool seen[1000];
    unsigned count = 0;
    for (unsigned first = 100; first < 1000; first++) {
        char number[16];
        snprintf(number, sizeof number, "+%u5550001", first);
        unsigned code = code_of(number);
        assert_in_range(code, 1, 999);
        char text[8];
        snprintf(text, sizeof text, "+%u", code);
        assert_memory_equal(number, text, strlen(text));
        if (!seen[code]) {
            assert_int_equal(tsms__calling_code_rank(code), count);
            assert_int_equal(tsms__calling_code_at(count), code);
            count++;
        }
        seen[code] = true;
    }
    assert_int_equal(count, 2 + 44 + (700 - 440)); /* of one digit, of two, of three */
    assert_int_equal(count, TSMS__CALLING_CODES);
}

static void test_ranks_that_nobody_has(void **state)
{
    assert_int_equal(tsms__calling_code_at(TSMS__CALLING_CODES), 0);
    assert_int_equal(tsms__calling_code_at(645), 0);
    assert_int_equal(tsms__calling_code_at(UINT_MAX), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes_of_each_length),
        cmocka_unit_test(test_numbers_of_other_channels),
        cmocka_unit_test(test_what_is_no_number),
        cmocka_unit_test(test_all_prefixes),
        cmocka_unit_test(test_ranks_that_nobody_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
