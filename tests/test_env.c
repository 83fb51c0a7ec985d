/* Tests of csrc/config/env.c: which variables are read, and that it is all or nothing. */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include "config/config.h"
#include "support.h"

#define HEX32 "0123456789abcdef0123456789abcdef"

static const char *const settings[][2] = {
    {"TWILIO_ACCOUNT_SID", "AC" HEX32},
    {"TWILIO_AUTH_TOKEN", HEX32},
    {"TWILIO_API_KEY", "SK" HEX32},
    {"TWILIO_API_SECRET", "secret" HEX32},
    {"TWILIO_FROM", "+15005550006"},
    {"TWILIO_MESSAGING_SERVICE_SID", "MG" HEX32},
    {"TWILIO_REGION", "ie1"},
    {"TWILIO_EDGE", "dublin"},
    {"TWILIO_BASE_URL", "https://localhost:8443"},
    {"TWILIO_CA_FILE", "/etc/ca.pem"},
};

enum { SETTINGS = sizeof settings / sizeof *settings };

/* Each test starts without any of the variables, whatever the real environment holds. */
static int clear_environment(void **state)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        assert_int_equal(unsetenv(settings[i][0]), 0);
    }
    return 0;
}

static void fill_environment(void)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        assert_int_equal(setenv(settings[i][0], settings[i][1], 1), 0);
    }
}

static void assert_filled(const tsms_config *config)
{
    assert_string_equal(config->account_sid, "AC" HEX32);
    assert_str_is(tsms__secret_text(config->auth_token), HEX32);
    assert_string_equal(config->api_key, "SK" HEX32);
    assert_str_is(tsms__secret_text(config->api_secret), "secret" HEX32);
    assert_string_equal(config->from, "+15005550006");
    assert_string_equal(config->messaging_service_sid, "MG" HEX32);
    assert_string_equal(config->region, "ie1");
    assert_string_equal(config->edge, "dublin");
    assert_string_equal(config->base_url, "https://localhost:8443");
    assert_string_equal(config->ca_file, "/etc/ca.pem");
}

static void every_variable_sets_its_option(void **state)
{
    size_t count;
    const tsms__env_var *vars = tsms__env_vars(&count);
    assert_int_equal(count, SETTINGS);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(vars[i].name, settings[i][0]);
        assert_non_null(tsms__prop_find(tsms_str_from(vars[i].key)));
    }
    fill_environment();
    tsms_config *config;
    assert_int_equal(tsms_config_new(NULL, &config), TSMS_OK);
    assert_int_equal(tsms_config_from_env(config, NULL), TSMS_OK);
    assert_filled(config);
    tsms_config_free(config);
}

static void what_is_absent_or_empty_changes_nothing(void **state)
{
    assert_int_equal(setenv("TWILIO_FROM", "", 1), 0);
    assert_int_equal(setenv("TWILIO_AUTH_TOKEN", "", 1), 0);
    assert_int_equal(setenv("TWILIO_EDGE", "tokyo", 1), 0);
    tsms_config *config;
    assert_int_equal(tsms_config_new(NULL, &config), TSMS_OK);
    assert_int_equal(tsms_config_set(config, "from", TSMS__STR("Shop"), NULL), TSMS_OK);
    assert_int_equal(tsms_config_set(config, "edge", TSMS__STR("dublin"), NULL), TSMS_OK);
    assert_int_equal(tsms_config_set_number(config, "rate.burst", 7, NULL), TSMS_OK);
    assert_int_equal(tsms_config_from_env(config, NULL), TSMS_OK);
    assert_string_equal(config->from, "Shop");
    assert_string_equal(config->edge, "tokyo");
    assert_int_equal(config->rate.burst, 7);
    assert_null(config->auth_token);
    assert_null(config->account_sid);
    tsms_config_free(config);
}

static void a_bad_variable_spoils_all(void **state)
{
    fill_environment();
    assert_int_equal(setenv("TWILIO_AUTH_TOKEN", HEX32 "\n", 1), 0);
    tsms_config *config;
    assert_int_equal(tsms_config_new(NULL, &config), TSMS_OK);
    assert_int_equal(tsms_config_set(config, "from", TSMS__STR("Shop"), NULL), TSMS_OK);
    tsms_error err;
    assert_int_equal(tsms_config_from_env(config, &err), TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_INVALID_AUTH_TOKEN);
    assert_string_equal(err.message,
                        "option 'auth_token' must not hold line ends or other control characters");
    assert_null(config->account_sid);
    assert_string_equal(config->from, "Shop");
    tsms_config_free(config);
}

static void without_memory_nothing_changes(void **state)
{
    fill_environment();
    for (size_t n = 1;; n++) {
        test_mem tm;
        test_mem_init(&tm, 0);
        tsms_config *config;
        assert_int_equal(tsms_config_new(&tm.mem, &config), TSMS_OK);
        assert_int_equal(tsms_config_set(config, "from", TSMS__STR("Shop"), NULL), TSMS_OK);
        tm.fail_at = tm.calls + n;
        tsms_error err;
        tsms_status status = tsms_config_from_env(config, &err);
        if (tm.failed) {
            assert_int_equal(status, TSMS_NOMEM);
            assert_int_equal(err.kind, TSMS_KIND_TEMPORARILY_UNAVAILABLE);
            assert_null(config->account_sid);
            assert_null(config->auth_token);
            assert_string_equal(config->from, "Shop");
            assert_int_equal(tsms_config_from_env(config, NULL), TSMS_OK);
        }
        assert_filled(config);
        tsms_config_free(config);
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            /* The draft, its copy of `from`, and eight texts that are not secret. */
            assert_int_equal(n, 1 + 1 + 8 + 1);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_variable_sets_its_option, clear_environment),
        cmocka_unit_test_setup(what_is_absent_or_empty_changes_nothing, clear_environment),
        cmocka_unit_test_setup(a_bad_variable_spoils_all, clear_environment),
        cmocka_unit_test_setup(without_memory_nothing_changes, clear_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
