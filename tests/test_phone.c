/* wire/phone.c: kinds of addresses, and masks that no number survives. */
#include "support.h"

#include "base/err.h"
#include "base/rand.h"
#include "wire/phone.h"

static void test_e164(void **state)
{
    static const char *const good[] = {"+1234567", "+15005550006", "+123456789012345"};
    static const char *const bad[] = {
        "",           "+",
        "+123456",    "+1234567890123456",
        "+0123456",   "15005550006",
        "++15005550", "+1500555000a",
        "+1 5005550", "+15005550006 ",
        " +15005550", "+1500555\xD9\xA3",
        "+15005/50",  "+15005:50",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(tsms_phone_is_e164(tsms_str_from(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(tsms_phone_is_e164(tsms_str_from(bad[i])));
    }
    assert_false(tsms_phone_is_e164((tsms_str){NULL, 0}));
    assert_false(tsms_phone_is_e164(TSMS__STR("+1500555\0")));
}

static void test_kinds_of_addresses(void **state)
{
    static const struct {
        const char *text;
        tsms__address kind;
    } cases[] = {
        {"+15005550006", TSMS__ADDRESS_E164},
        {"123", TSMS__ADDRESS_SHORT_CODE},
        {"12345678", TSMS__ADDRESS_SHORT_CODE},
        {"12", TSMS__ADDRESS_INVALID},
        {"123456789", TSMS__ADDRESS_INVALID},
        {"15005550006", TSMS__ADDRESS_INVALID},
        {"+123456", TSMS__ADDRESS_INVALID},
        {"+0123456789", TSMS__ADDRESS_INVALID},
        {"A", TSMS__ADDRESS_ALPHA},
        {"My Company", TSMS__ADDRESS_ALPHA},
        {"aAzZ", TSMS__ADDRESS_ALPHA},
        {"Az09 &-+_19", TSMS__ADDRESS_ALPHA},
        {"Az09 &-+_190", TSMS__ADDRESS_INVALID},
        {"1234 5678", TSMS__ADDRESS_INVALID},
        {"Caf\xC3\xA9", TSMS__ADDRESS_INVALID},
        {"My.Company", TSMS__ADDRESS_INVALID},
        {" ", TSMS__ADDRESS_INVALID},
        {"sim:DE0123456789abcdef0123456789ABCDEF", TSMS__ADDRESS_SIM},
        {"sim:DE0123456789abcdef0123456789ABCDE", TSMS__ADDRESS_INVALID},
        {"sim:DE0123456789abcdef0123456789ABCDEF0", TSMS__ADDRESS_INVALID},
        {"sim:DE0123456789abcdef0123456789ABCDEg", TSMS__ADDRESS_INVALID},
        {"sim:HS0123456789abcdef0123456789ABCDEF", TSMS__ADDRESS_INVALID},
        {"whatsapp:+15005550006", TSMS__ADDRESS_CHANNEL},
        {"messenger:100001234567890", TSMS__ADDRESS_CHANNEL},
        {"rcs:brand_x_agent", TSMS__ADDRESS_CHANNEL},
        {"RCS:caf\xC3\xA9", TSMS__ADDRESS_CHANNEL},
        {"a:b", TSMS__ADDRESS_CHANNEL},
        {"whatsapp:", TSMS__ADDRESS_INVALID},
        {":+15005550006", TSMS__ADDRESS_INVALID},
        {"whatsapp: +15005550006", TSMS__ADDRESS_INVALID},
        {"whatsapp:+1500\n", TSMS__ADDRESS_INVALID},
        {"whatsapp:+1500\x7F", TSMS__ADDRESS_INVALID},
        {"whatsapp:\xFF", TSMS__ADDRESS_INVALID},
        {"whats1app:+15005550006", TSMS__ADDRESS_INVALID},
        {"abcdefghijklmnop:x", TSMS__ADDRESS_CHANNEL},
        {"abcdefghijklmnopq:x", TSMS__ADDRESS_INVALID},
        {"", TSMS__ADDRESS_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (tsms__address_of(tsms_str_from(cases[i].text)) != cases[i].kind) {
            fail_msg("\"%s\" is of kind %d", cases[i].text,
                     (int)tsms__address_of(tsms_str_from(cases[i].text)));
        }
    }
    assert_int_equal(tsms__address_of((tsms_str){NULL, 0}), TSMS__ADDRESS_INVALID);
    assert_int_equal(tsms__address_of(TSMS__STR("abc\0")), TSMS__ADDRESS_INVALID);
    assert_int_equal(tsms__address_of(TSMS__STR("a:b\0c")), TSMS__ADDRESS_INVALID);
}

static void assert_mask_is(const char *number, const char *want)
{
    char masked[64];
    tsms_phone_mask(tsms_str_from(number), masked, sizeof masked);
    assert_string_equal(masked, want);
}

static void test_masks(void **state)
{
    assert_mask_is("+15551234567", "+1********67");
    assert_mask_is("+1234567", "+1****67");
    assert_mask_is("+123456789012345", "+1************45");
    assert_mask_is("15551234567", "1********67");
    assert_mask_is("whatsapp:+15551234567", "whatsapp:+1********67");
    assert_mask_is("messenger:100001234567890", "messenger:1************90");
    assert_mask_is("sim:DE0123456789abcdef0123456789ABCDEF",
                   "sim:D*******************************EF");
    assert_mask_is("My Company", "M*******ny");
    assert_mask_is("+1 (555) 123-4567", "+1*************67");
    assert_mask_is("+15551234567,+15557654321", "+1*********************21");
    assert_mask_is("15551234567:x", "1***********x");
    assert_mask_is("", "");
    assert_mask_is("whatsapp:", "whatsapp:");
}

static void test_short_addresses_show_nothing(void **state)
{
    assert_mask_is("123456", "******");
    assert_mask_is("12345", "*****");
    assert_mask_is("+123456", "+******");
    assert_mask_is("+", "+");
    assert_mask_is("rcs:agent", "rcs:*****");
    assert_mask_is("1234567", "1****67");
}

static void test_masks_show_letters_and_digits_only(void **state)
{
    assert_mask_is("\x1B[31m5551234567\n", "**************7*");
    assert_mask_is("caf\xC3\xA9 caf\xC3\xA9", "c**********");
    char masked[16];
    tsms_phone_mask(TSMS__STR("1\0002345\0006"), masked, sizeof masked);
    assert_string_equal(masked, "1******6");
}

static void test_masks_are_cut_to_size(void **state)
{
    tsms_str number = TSMS__STR("+15551234567");
    char guarded[16];
    for (size_t size = 0; size < sizeof guarded; size++) {
        memset(guarded, '#', sizeof guarded);
        tsms_phone_mask(number, guarded, size);
        size_t shown = size == 0 ? 0 : size - 1 < number.len ? size - 1 : number.len;
        assert_memory_equal(guarded, "+1********67", shown);
        if (size > 0) {
            assert_int_equal(guarded[shown++], '\0');
        }
        for (size_t i = shown; i < sizeof guarded; i++) {
            assert_int_equal(guarded[i], '#');
        }
    }
    tsms_phone_mask(number, NULL, 0);
    tsms_phone_mask((tsms_str){NULL, 0}, guarded, 1);
    assert_string_equal(guarded, "");
}

static void test_no_number_survives(void **state)
{
    tsms__rand rand;
    tsms__rand_init(&rand, 11);
    for (int i = 0; i < 20000; i++) {
        char text[40];
        char masked[40];
        tsms_str number = {text, (size_t)tsms__rand_between(&rand, 0, 39)};
        for (size_t k = 0; k < number.len; k++) {
            text[k] =
                "0123456789012345678901234567890123456789+:- ab"[tsms__rand_between(&rand, 0, 45)];
        }
        tsms_phone_mask(number, masked, sizeof masked);
        assert_int_equal(strlen(masked), number.len);
        int digits = 0;
        for (size_t k = 0; k < number.len; k++) {
            digits += masked[k] >= '0' && masked[k] <= '9';
            assert_true(masked[k] == '*' || masked[k] == text[k]);
        }
        if (digits > 3) {
            fail_msg("\"%.*s\" became \"%s\"", (int)number.len, text, masked);
        }
    }
}

static void test_error_text_masks_in_the_same_way(void **state)
{
    for (int digits = 7; digits <= 15; digits++) {
        char number[17] = "+123456789012345";
        number[1 + digits] = '\0';
        char masked[32];
        char text[32];
        tsms_phone_mask(tsms_str_from(number), masked, sizeof masked);
        tsms__error_text(text, sizeof text, tsms_str_from(number));
        assert_string_equal(masked, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e164),
        cmocka_unit_test(test_kinds_of_addresses),
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_short_addresses_show_nothing),
        cmocka_unit_test(test_masks_show_letters_and_digits_only),
        cmocka_unit_test(test_masks_are_cut_to_size),
        cmocka_unit_test(test_no_number_survives),
        cmocka_unit_test(test_error_text_masks_in_the_same_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
