/* drive/curl_version.c: what it says, held against libcurl's own numbers. */
#include "support.h"

#include "drive/curl_version.h"

#include <curl/curl.h>

static unsigned number_of(const char *version)
{
    unsigned major = 0, minor = 0, patch = 0;
    assert_int_equal(sscanf(version, "%u.%u.%u", &major, &minor, &patch), 3);
    return major << 16 | minor << 8 | patch;
}

static void test_version(void **state)
{
    assert_int_equal(number_of(tsms__curl_version()),
                     curl_version_info(CURLVERSION_NOW)->version_num);
}

static void test_least(void **state)
{
    assert_true(number_of(TSMS__CURL_LEAST) <= LIBCURL_VERSION_NUM);
    /* Of what is used, these came last. */
    assert_true(number_of(TSMS__CURL_LEAST) >= CURL_VERSION_BITS(7, 85, 0));
    assert_int_equal(curl_easy_option_by_id(CURLOPT_PROTOCOLS_STR)->type, CURLOT_STRING);
}

static void test_tls(void **state)
{
    assert_non_null(tsms__curl_tls());
    assert_non_null(strchr(tsms__curl_tls(), '/'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_least),
        cmocka_unit_test(test_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
