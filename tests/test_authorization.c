/* The header Authorization: whose credentials it holds, and that memory may run out. */
#include "support.h"

#include "base/str.h"
#include "wire/authorization.h"

#define SID "AC00000000000000000000000000000001"
#define TOKEN "0123456789abcdef0123456789abcdef"
#define KEY "SK00000000000000000000000000000001"
#define KEY_SECRET "0123456789abcdefghijklmnopqrstuv"

static tsms_config *config_new(const tsms_mem *mem, bool with_key)
{
    tsms_config *config;
    tsms_error err;
    assert_int_equal(tsms_config_new(mem, &config), TSMS_OK);
    const char *const options[][2] = {
        {"account_sid", SID}, {"auth_token", TOKEN}, {"api_key", KEY}, {"api_secret", KEY_SECRET}};
    for (size_t i = 0; i < (with_key ? 4 : 2); i++) {
        assert_int_equal(tsms_config_set(config, options[i][0], tsms_str_from(options[i][1]), &err),
                         TSMS_OK);
    }
    return config;
}

/* The pair as its base64; made with base64(1). */
static void check(bool with_key, const char *want)
{
    tsms_config *config = config_new(NULL, with_key);
    tsms__secret *made = tsms__authorization_new(config);
    assert_non_null(made);
    assert_str_is(tsms__secret_text(made), want);
    tsms__secret_free(made);
    tsms_config_free(config);
}

static void test_account(void **state)
{
    check(false, "Authorization: Basic "
                 "QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMTowMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4"
                 "OWFiY2RlZg==");
}

static void test_key_goes_before_account(void **state)
{
    check(true, "Authorization: Basic "
                "U0swMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMTowMTIzNDU2Nzg5YWJjZGVmZ2hpamtsbW5vcH"
                "Fyc3R1dg==");
}

/* The first buffer that is too small would be copied, and the copy left behind. */
static void test_no_buffer_grows(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 0);
    tsms_config *config = config_new(&tm.mem, true);
    size_t before = tm.calls;
    size_t live = tm.live;
    tsms__secret *made = tsms__authorization_new(config);
    assert_non_null(made);
    assert_int_equal(tm.calls, before + 2);
    assert_int_equal(tm.live, live);
    tsms__secret_free(made);
    tsms_config_free(config);
    assert_int_equal(tm.live, 0);
}

static void test_out_of_memory(void **state)
{
    for (size_t n = 1; n <= 2; n++) {
        test_mem tm;
        test_mem_init(&tm, 0);
        tsms_config *config = config_new(&tm.mem, false);
        tm.fail_at = tm.calls + n;
        assert_null(tsms__authorization_new(config));
        assert_true(tm.failed);
        tsms_config_free(config);
        assert_int_equal(tm.live, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_account),
        cmocka_unit_test(test_key_goes_before_account),
        cmocka_unit_test(test_no_buffer_grows),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
