/* Tests of csrc/config/set.c: numbers, booleans, words and error rows, and what refusals say. */
#include <math.h>

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

static void refuse_number(tsms_config *config, const char *key, double value, const char *want)
{
    tsms_error err;
    assert_refused(tsms_config_set_number(config, key, value, &err), &err, TSMS_KIND_INVALID_OPTION,
                   want);
}

static void whole_numbers_keep_to_their_range(void **state)
{
    tsms_config *config = config_new();
    size_t count;
    const tsms__prop *props = tsms__props(&count);
    for (size_t i = 0; i < count; i++) {
        const tsms__prop *prop = &props[i];
        if (prop->type != TSMS__PROP_INT) {
            continue;
        }
        const int64_t *field = tsms__config_field(config, prop);
        assert_int_equal(tsms_config_set_number(config, prop->key, prop->max, NULL), TSMS_OK);
        assert_int_equal(*field, (int64_t)prop->max);
        assert_int_equal(tsms_config_set_number(config, prop->key, prop->min, NULL), TSMS_OK);
        assert_int_equal(*field, (int64_t)prop->min);
        const double bad[] = {prop->min - 1, prop->max + 1, prop->min + 0.5, -0.5,  NAN,
                              INFINITY,      -INFINITY,     1e300,           5e-324};
        for (size_t j = 0; j < sizeof bad / sizeof *bad; j++) {
            tsms_error err;
            assert_int_equal(tsms_config_set_number(config, prop->key, bad[j], &err), TSMS_ERROR);
            assert_int_equal(err.kind, TSMS_KIND_INVALID_OPTION);
            assert_non_null(strstr(err.message, prop->key));
            assert_int_equal(*field, (int64_t)prop->min);
        }
    }
    tsms_config_free(config);
}

static void rates_are_zero_or_in_their_range(void **state)
{
    static const char *const keys[] = {"rate.per_second", "rate.per_number", "rate.per_recipient"};
    tsms_config *config = config_new();
    const double *fields[] = {&config->rate.per_second, &config->rate.per_number,
                              &config->rate.per_recipient};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        static const double good[] = {0, 10000, 0.001, 2.5};
        for (size_t j = 0; j < sizeof good / sizeof *good; j++) {
            assert_int_equal(tsms_config_set_number(config, keys[i], good[j], NULL), TSMS_OK);
            assert_true(*fields[i] == good[j]);
        }
        static const double bad[] = {-1, 0.0009, 5e-324, 10000.5, 1e300, NAN, INFINITY, -INFINITY};
        for (size_t j = 0; j < sizeof bad / sizeof *bad; j++) {
            assert_int_equal(tsms_config_set_number(config, keys[i], bad[j], NULL), TSMS_ERROR);
            assert_true(*fields[i] == 2.5);
        }
    }
    tsms_config_free(config);
}

static void numbers_may_be_text(void **state)
{
    tsms_config *config = config_new();
    assert_int_equal(tsms_config_set(config, "timeout_ms", TSMS__STR("120000"), NULL), TSMS_OK);
    assert_int_equal(config->timeout_ms, 120000);
    assert_int_equal(tsms_config_set(config, "seed", TSMS__STR("9007199254740991"), NULL), TSMS_OK);
    assert_int_equal(config->seed, 9007199254740991);
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0},
                {"0.0", 0},
                {"7", 7},
                {"0.1", 0.1},
                {"12.5", 12.5},
                {"00.30", 0.3},
                {"1234.56789012345", 1234.56789012345}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(
            tsms_config_set(config, "rate.per_second", tsms_str_from(good[i].text), NULL), TSMS_OK);
        assert_true(config->rate.per_second == good[i].value);
    }
    static const char *const bad[] = {"",    ".",   "1.",  ".5",    "1.2.3",  "-1",
                                      "+1",  " 1",  "1 ",  "1e3",   "0x10",   "nan",
                                      "inf", "1,5", "one", "20000", "0.0001", "1234567890123456"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        config->rate.per_second = 3;
        assert_int_equal(tsms_config_set(config, "rate.per_second", tsms_str_from(bad[i]), NULL),
                         TSMS_ERROR);
        assert_true(config->rate.per_second == 3);
    }
    static const char *const not_whole[] = {"",   "1.0",  "1e3", "9007199254740992",
                                            "-1", "0x10", " 1",  "99999999999999999999",
                                            "x",  "1\n",  "+",   "-9223372036854775808"};
    for (size_t i = 0; i < sizeof not_whole / sizeof *not_whole; i++) {
        assert_int_equal(tsms_config_set(config, "seed", tsms_str_from(not_whole[i]), NULL),
                         TSMS_ERROR);
        assert_int_equal(config->seed, 9007199254740991);
    }
    assert_int_equal(tsms_config_set(config, "seed", (tsms_str){NULL, 0}, NULL), TSMS_ERROR);
    tsms_config_free(config);
}

static void booleans_are_true_or_false(void **state)
{
    tsms_config *config = config_new();
    assert_int_equal(tsms_config_set_bool(config, "rate.wait", false, NULL), TSMS_OK);
    assert_false(config->rate.wait);
    assert_int_equal(tsms_config_set(config, "rate.wait", TSMS__STR("true"), NULL), TSMS_OK);
    assert_true(config->rate.wait);
    refuse_text(config, "rate.wait", "yes", TSMS_KIND_INVALID_OPTION,
                "option 'rate.wait' must be true or false, got 'yes'");
    refuse_number(config, "rate.wait", 0, "option 'rate.wait' must be true or false, got 0");
    assert_true(config->rate.wait);
    assert_int_equal(tsms_config_set(config, "rate.wait", TSMS__STR("false"), NULL), TSMS_OK);
    assert_false(config->rate.wait);
    tsms_config_free(config);
}

static void words_are_those_of_the_table(void **state)
{
    static const struct {
        const char *key, *word;
        int64_t value;
    } cases[] = {
        {"in_doubt", "verify", TSMS__IN_DOUBT_VERIFY},
        {"in_doubt", "resend", TSMS__IN_DOUBT_RESEND},
        {"in_doubt", "stop", TSMS__IN_DOUBT_STOP},
        {"rate.unit", "message", TSMS__UNIT_MESSAGE},
        {"rate.unit", "segment", TSMS__UNIT_SEGMENT},
        {"http_version", "auto", TSMS__HTTP_AUTO},
        {"http_version", "1.1", TSMS__HTTP_1_1},
    };
    tsms_config *config = config_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t *field = tsms__config_field(config, tsms__prop_find(tsms_str_from(cases[i].key)));
        *field = -1;
        assert_int_equal(tsms_config_set(config, cases[i].key, tsms_str_from(cases[i].word), NULL),
                         TSMS_OK);
        assert_int_equal(*field, cases[i].value);
    }
    assert_int_equal(tsms_config_set_number(config, "http_version", 1.1, NULL), TSMS_OK);
    assert_int_equal(config->http_version, TSMS__HTTP_1_1);
    refuse_number(config, "http_version", 3,
                  "option 'http_version' must be one of auto|1.1, got 3");
    refuse_number(config, "in_doubt", NAN,
                  "option 'in_doubt' must be one of verify|resend|stop, got nan");
    static const char *const bad[] = {"", "Verify", "verif", "verify|resend", "|", "stop "};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(tsms_config_set(config, "in_doubt", tsms_str_from(bad[i]), NULL),
                         TSMS_ERROR);
    }
    assert_int_equal(tsms_config_set(config, "in_doubt", (tsms_str){NULL, 0}, NULL), TSMS_ERROR);
    assert_int_equal(config->in_doubt, TSMS__IN_DOUBT_STOP);
    assert_int_equal(config->http_version, TSMS__HTTP_1_1);
    tsms_config_free(config);
}

static void errors_say_what_is_allowed(void **state)
{
    const tsms_kind kind = TSMS_KIND_INVALID_OPTION;
    tsms_config *config = config_new();
    refuse_number(config, "timeout_ms", 30,
                  "option 'timeout_ms' must be a whole number from 100 to 604800000 ms, got 30");
    refuse_number(config, "max_concurrency", 1.5,
                  "option 'max_concurrency' must be a whole number from 1 to 10000, got 1.5");
    refuse_text(config, "retry.cap_ms", "20s", kind,
                "option 'retry.cap_ms' must be a whole number from 1 to 3600000 ms, got '20s'");
    refuse_text(config, "rate.burst", TOKEN, kind,
                "option 'rate.burst' must be a whole number from 1 to 1000000, got (not shown, it "
                "may be a secret)");
    refuse_number(config, "rate.per_second", -1,
                  "option 'rate.per_second' must be 0 or a number from 0.001 to 10000, got -1");
    refuse_number(config, "from", 15005550006,
                  "option 'from' must be text, not a number or a boolean");
    refuse_number(config, "auth_token", 12345,
                  "option 'auth_token' must be text, not a number or a boolean");
    refuse_number(config, "callback_urls", 1,
                  "option 'callback_urls' must be text, not a number or a boolean");
    tsms_error err;
    assert_refused(tsms_config_set_bool(config, "timeout_ms", true, &err), &err, kind,
                   "option 'timeout_ms' must be a whole number from 100 to 604800000 ms, got true");
    assert_refused(tsms_config_set_bool(config, "edge", false, &err), &err, kind,
                   "option 'edge' must be text, not a number or a boolean");
    tsms_config_free(config);
}

/* The longest values, so that no message is cut within the sentence. */
static void messages_fit(void **state)
{
    tsms_config *config = config_new();
    char value[5000];
    memset(value, '-', sizeof value);
    size_t count;
    const tsms__prop *props = tsms__props(&count);
    for (size_t i = 0; i < count; i++) {
        tsms_error err;
        assert_int_equal(
            tsms_config_set(config, props[i].key, (tsms_str){value, sizeof value}, &err),
            TSMS_ERROR);
        size_t end = strlen(err.message);
        assert_true(end < sizeof err.message - 1);
        bool repeats = strstr(err.message, "...'") == err.message + end - 4;
        bool counts = strstr(err.message, "got 5000") == err.message + end - 8;
        assert_true(repeats || counts);
        assert_int_equal(tsms_config_set_number(config, props[i].key, -1.23456789012345e-300, &err),
                         TSMS_ERROR);
        assert_true(strlen(err.message) < sizeof err.message - 1);
    }
    tsms_config_free(config);
}

static void unknown_keys_are_refused_by_every_setter(void **state)
{
    const char *want = "unknown option 'max_concurency'; did you mean 'max_concurrency'?";
    tsms_config *config = config_new();
    tsms_error err;
    refuse_text(config, "max_concurency", "1", TSMS_KIND_INVALID_OPTION, want);
    refuse_number(config, "max_concurency", 1, want);
    assert_refused(tsms_config_set_bool(config, "max_concurency", true, &err), &err,
                   TSMS_KIND_INVALID_OPTION, want);
    refuse_text(config, NULL, "1", TSMS_KIND_INVALID_OPTION, "unknown option ''");
    refuse_text(config, ".env", "PATH", TSMS_KIND_INVALID_OPTION, "unknown option '.env'");
    refuse_text(config, "from.env", "PATH", TSMS_KIND_INVALID_OPTION, "unknown option 'from.env'");
    tsms_config_free(config);
}

static void error_rows_are_added_and_replaced(void **state)
{
    tsms_config *config = config_new();
    tsms_error err;
    for (int code = 20000; code < 20020; code++) {
        assert_int_equal(
            tsms_config_set_error(config, code, TSMS_KIND_INVALID_RECIPIENT, false, NULL), TSMS_OK);
    }
    assert_int_equal(config->error_count, 20);
    assert_int_equal(tsms_config_set_error(config, 20003, TSMS_KIND_INTERNAL_ERROR, true, NULL),
                     TSMS_OK);
    assert_int_equal(config->error_count, 20);
    assert_int_equal(config->errors[3].code, 20003);
    assert_int_equal(config->errors[3].kind, TSMS_KIND_INTERNAL_ERROR);
    assert_true(config->errors[3].retryable);
    assert_int_equal(config->errors[4].kind, TSMS_KIND_INVALID_RECIPIENT);
    assert_false(config->errors[4].retryable);
    assert_refused(tsms_config_set_error(config, 0, TSMS_KIND_TIMEOUT, true, &err), &err,
                   TSMS_KIND_INVALID_OPTION,
                   "option 'errors': a code must lie between 1 and 999999, got 0");
    assert_refused(tsms_config_set_error(config, 1000000, TSMS_KIND_TIMEOUT, true, &err), &err,
                   TSMS_KIND_INVALID_OPTION,
                   "option 'errors': a code must lie between 1 and 999999, got 1000000");
    static const int no_kinds[] = {TSMS_KIND_NONE, TSMS_KIND_COUNT, -1, 1000};
    for (size_t i = 0; i < sizeof no_kinds / sizeof *no_kinds; i++) {
        assert_refused(tsms_config_set_error(config, 21408, (tsms_kind)no_kinds[i], true, &err),
                       &err, TSMS_KIND_INVALID_OPTION,
                       "option 'errors': code 21408 must get one of the error kinds");
    }
    assert_int_equal(config->error_count, 20);
    tsms_config_free(config);
}

/* The n-th allocation fails, for each n: the call says so, what was there stays, and the same call
 * works afterwards. */
static void without_memory_nothing_changes(void **state)
{
    for (size_t n = 2;; n++) {
        test_mem tm;
        test_mem_init(&tm, n);
        tsms_config *config;
        tsms_error err;
        assert_int_equal(tsms_config_new(&tm.mem, &config), TSMS_OK);
        int failures = 0;
        const char *const values[] = {"first", "second"};
        for (size_t i = 0; i < 2; i++) {
            size_t urls = config->callback_urls.count;
            tsms_status status = tsms_config_set(config, "from", tsms_str_from(values[i]), &err);
            if (status != TSMS_OK) {
                assert_int_equal(status, TSMS_NOMEM);
                assert_int_equal(err.kind, TSMS_KIND_TEMPORARILY_UNAVAILABLE);
                assert_true(i == 0 ? config->from == NULL : strcmp(config->from, "first") == 0);
                failures++;
                assert_int_equal(tsms_config_set(config, "from", tsms_str_from(values[i]), NULL),
                                 TSMS_OK);
            }
            assert_string_equal(config->from, values[i]);
            status = tsms_config_set(config, "callback_urls", tsms_str_from(values[i]), &err);
            if (status != TSMS_OK) {
                assert_int_equal(status, TSMS_NOMEM);
                assert_int_equal(config->callback_urls.count, urls);
                failures++;
                assert_int_equal(
                    tsms_config_set(config, "callback_urls", tsms_str_from(values[i]), NULL),
                    TSMS_OK);
            }
            assert_string_equal(config->callback_urls.items[urls], values[i]);
            size_t rows = config->error_count;
            status = tsms_config_set_error(config, 1 + (int)i, TSMS_KIND_TIMEOUT, true, &err);
            if (status != TSMS_OK) {
                assert_int_equal(status, TSMS_NOMEM);
                assert_int_equal(config->error_count, rows);
                failures++;
            }
        }
        assert_int_equal(failures, tm.failed);
        tsms_config_free(config);
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            assert_int_equal(n, 1 + 2 * 4 + 1);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_keep_to_their_range),
        cmocka_unit_test(rates_are_zero_or_in_their_range),
        cmocka_unit_test(numbers_may_be_text),
        cmocka_unit_test(booleans_are_true_or_false),
        cmocka_unit_test(words_are_those_of_the_table),
        cmocka_unit_test(errors_say_what_is_allowed),
        cmocka_unit_test(messages_fit),
        cmocka_unit_test(unknown_keys_are_refused_by_every_setter),
        cmocka_unit_test(error_rows_are_added_and_replaced),
        cmocka_unit_test(without_memory_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
