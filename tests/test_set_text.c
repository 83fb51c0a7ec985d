/* Tests of csrc/config/set.c: texts, lists and secrets. */
#define _POSIX_C_SOURCE 200809L /* setenv, mkstemp */
#include <sys/resource.h>
#include <unistd.h>

#include "config/config.h"
#include "support.h"

#define TOKEN "0123456789abcdef0123456789abcdef"

static tsms_config *config_new(void)
{
    tsms_config *config;
    assert_int_equal(tsms_config_new(NULL, &config), TSMS_OK);
    return config;
}

static void assert_refused(tsms_status status, const tsms_error *err, tsms_kind kind,
                           const char *want)
{
    assert_int_equal(status, TSMS_ERROR);
    assert_string_equal(err->message, want);
    assert_int_equal(err->kind, kind);
    assert_int_equal(err->category, TSMS_CATEGORY_CONFIGURATION);
}

static void refuse_text(tsms_config *config, const char *key, const char *value, tsms_kind kind,
                        const char *want)
{
    tsms_error err;
    assert_refused(tsms_config_set(config, key, tsms_str_from(value), &err), &err, kind, want);
}

static void texts_are_kept_as_copies(void **state)
{
    tsms_config *config = config_new();
    char number[] = "+15005550006";
    assert_int_equal(tsms_config_set(config, "from", tsms_str_from(number), NULL), TSMS_OK);
    number[1] = '9';
    assert_string_equal(config->from, "+15005550006");
    assert_int_equal(tsms_config_set(config, "from", tsms_str_from(config->from + 1), NULL),
                     TSMS_OK);
    assert_string_equal(config->from, "15005550006");
    assert_int_equal(tsms_config_set(config, "from", TSMS__STR("Gr\xC3\xBC\xC3\x9F"), NULL),
                     TSMS_OK);
    assert_string_equal(config->from, "Gr\xC3\xBC\xC3\x9F");
    tsms_config_free(config);
}

static void a_list_grows_by_each_call(void **state)
{
    tsms_config *config = config_new();
    for (int i = 0; i < 20; i++) {
        char url[40];
        snprintf(url, sizeof url, "https://example.com/%d", i);
        assert_int_equal(tsms_config_set(config, "callback_urls", tsms_str_from(url), NULL),
                         TSMS_OK);
        assert_int_equal(config->callback_urls.count, i + 1);
        assert_string_equal(config->callback_urls.items[i], url);
    }
    assert_string_equal(config->callback_urls.items[0], "https://example.com/0");
    tsms_config_free(config);
}

static void malformed_texts_are_refused(void **state)
{
    static const struct {
        const char *key;
        tsms_kind kind;
    } keys[] = {
        {"account_sid", TSMS_KIND_INVALID_ACCOUNT_SID},
        {"auth_token", TSMS_KIND_INVALID_AUTH_TOKEN},
        {"api_secret", TSMS_KIND_INVALID_AUTH_TOKEN},
        {"from", TSMS_KIND_INVALID_PHONE_NUMBER},
        {"proxy", TSMS_KIND_INVALID_OPTION},
        {"callback_urls", TSMS_KIND_INVALID_OPTION},
        {"callback_ref.key", TSMS_KIND_INVALID_OPTION},
    };
    static const struct {
        tsms_str value;
        const char *why;
    } cases[] = {
        {{NULL, 0}, "must not be empty"},
        {{"", 0}, "must not be empty"},
        {{"a\0b", 3}, "must not hold line ends or other control characters"},
        {{TOKEN "\n", 33}, "must not hold line ends or other control characters"},
        {{"a\x7F", 2}, "must not hold line ends or other control characters"},
        {{"a\xC2\x85", 3}, "must not hold line ends or other control characters"},
        {{TOKEN "\xFF", 33}, "must be UTF-8"},
        {{"\xC3", 1}, "must be UTF-8"},
    };
    tsms_config *config = config_new();
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        for (size_t j = 0; j < sizeof cases / sizeof *cases; j++) {
            char want[160];
            snprintf(want, sizeof want, "option '%s' %s", keys[i].key, cases[j].why);
            tsms_error err;
            assert_refused(tsms_config_set(config, keys[i].key, cases[j].value, &err), &err,
                           keys[i].kind, want);
        }
    }
    assert_null(config->account_sid);
    assert_null(config->auth_token);
    assert_int_equal(config->callback_urls.count, 0);
    tsms_config_free(config);
}

static void texts_have_a_longest_length(void **state)
{
    tsms_config *config = config_new();
    size_t count;
    const tsms__prop *props = tsms__props(&count);
    for (size_t i = 0; i < count; i++) {
        if (props[i].fallback != NULL) {
            continue;
        }
        char value[5000];
        memset(value, 'x', sizeof value);
        size_t most = (size_t)props[i].max;
        assert_int_equal(tsms_config_set(config, props[i].key, (tsms_str){value, most}, NULL),
                         TSMS_OK);
        assert_int_equal(tsms_config_set(config, props[i].key, (tsms_str){value, most + 1}, NULL),
                         TSMS_ERROR);
    }
    assert_int_equal(strlen(config->base_url), 2048);
    assert_int_equal(tsms__secret_text(config->auth_token).len, 128);
    tsms_config_free(config);
}

static void secrets_are_kept_and_replaced(void **state)
{
    tsms_config *config = config_new();
    assert_int_equal(tsms_config_set(config, "auth_token", TSMS__STR(TOKEN), NULL), TSMS_OK);
    assert_str_is(tsms__secret_text(config->auth_token), TOKEN);
    refuse_text(config, "auth_token", "broken\n", TSMS_KIND_INVALID_AUTH_TOKEN,
                "option 'auth_token' must not hold line ends or other control characters");
    assert_str_is(tsms__secret_text(config->auth_token), TOKEN);
    assert_int_equal(tsms_config_set(config, "auth_token", TSMS__STR("another"), NULL), TSMS_OK);
    assert_str_is(tsms__secret_text(config->auth_token), "another");
    assert_null(config->api_secret);
    tsms_config_free(config);
}

static void secrets_come_from_the_environment(void **state)
{
    tsms_config *config = config_new();
    assert_int_equal(setenv("TSMS_TEST_SECRET", TOKEN, 1), 0);
    assert_int_equal(tsms_config_set(config, "auth_token.env", TSMS__STR("TSMS_TEST_SECRET"), NULL),
                     TSMS_OK);
    assert_int_equal(tsms_config_set(config, "api_secret.env", TSMS__STR("TSMS_TEST_SECRET"), NULL),
                     TSMS_OK);
    assert_str_is(tsms__secret_text(config->auth_token), TOKEN);
    assert_str_is(tsms__secret_text(config->api_secret), TOKEN);
    assert_int_equal(setenv("TSMS_TEST_SECRET", TOKEN "\r", 1), 0);
    refuse_text(config, "auth_token.env", "TSMS_TEST_SECRET", TSMS_KIND_INVALID_AUTH_TOKEN,
                "option 'auth_token' must not hold line ends or other control characters");
    assert_int_equal(unsetenv("TSMS_TEST_SECRET"), 0);
    refuse_text(config, "auth_token.env", "TSMS_TEST_SECRET", TSMS_KIND_INVALID_AUTH_TOKEN,
                "option 'auth_token.env': the environment variable 'TSMS_TEST_SECRET' is not set");
    assert_str_is(tsms__secret_text(config->auth_token), TOKEN);
    tsms_config_free(config);
}

static void secrets_come_from_files(void **state)
{
    char path[] = "/tmp/tsms_test_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, TOKEN "\n", 33), 33);
    tsms_config *config = config_new();
    assert_int_equal(tsms_config_set(config, "auth_token.file", tsms_str_from(path), NULL),
                     TSMS_OK);
    assert_int_equal(tsms_config_set(config, "api_secret.file", tsms_str_from(path), NULL),
                     TSMS_OK);
    assert_str_is(tsms__secret_text(config->auth_token), TOKEN);
    assert_str_is(tsms__secret_text(config->api_secret), TOKEN);
    assert_int_equal(write(fd, "more\n", 5), 5);
    refuse_text(config, "auth_token.file", path, TSMS_KIND_INVALID_AUTH_TOKEN,
                "option 'auth_token' must not hold line ends or other control characters");
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(tsms_config_set(config, "auth_token.file", tsms_str_from(path), NULL),
                     TSMS_ERROR);
    assert_str_is(tsms__secret_text(config->auth_token), TOKEN);
    tsms_config_free(config);
}

/* Whatever is wrong with a secret, and wherever it is put by mistake. */
static void no_message_repeats_a_secret(void **state)
{
    static const char *const values[] = {TOKEN, TOKEN "\n", " " TOKEN, TOKEN "\xFF",
                                         TOKEN TOKEN TOKEN TOKEN TOKEN TOKEN TOKEN TOKEN TOKEN};
    tsms_config *config = config_new();
    size_t count;
    const tsms__prop *props = tsms__props(&count);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        tsms_str value = tsms_str_from(values[i]);
        for (size_t j = 0; j < count + 5; j++) {
            const char *const more[] = {"auth_token.env", "auth_token.file", "api_secret.env",
                                        "api_secret.file", values[i]};
            tsms_error err;
            tsms__error_clear(&err);
            (void)tsms_config_set(config, j < count ? props[j].key : more[j - count], value, &err);
            assert_null(strstr(err.message, "0123456789"));
        }
    }
    tsms_config_free(config);
}

/* Secrets are mapped, which fails when the address space is used up. */
static void without_address_space_a_secret_stays(void **state)
{
    tsms_config *config = config_new();
    assert_int_equal(tsms_config_set(config, "auth_token", TSMS__STR(TOKEN), NULL), TSMS_OK);
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
    struct rlimit none = {0, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
    tsms_error err;
    tsms_status status = tsms_config_set(config, "auth_token", TSMS__STR("another"), &err);
    assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
    assert_int_equal(status, TSMS_NOMEM);
    assert_int_equal(err.kind, TSMS_KIND_TEMPORARILY_UNAVAILABLE);
    assert_str_is(tsms__secret_text(config->auth_token), TOKEN);
    tsms_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_kept_as_copies),
        cmocka_unit_test(a_list_grows_by_each_call),
        cmocka_unit_test(malformed_texts_are_refused),
        cmocka_unit_test(texts_have_a_longest_length),
        cmocka_unit_test(secrets_are_kept_and_replaced),
        cmocka_unit_test(secrets_come_from_the_environment),
        cmocka_unit_test(secrets_come_from_files),
        cmocka_unit_test(no_message_repeats_a_secret),
        cmocka_unit_test(without_address_space_a_secret_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
