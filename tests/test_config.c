/* Tests of csrc/config/config.c: defaults, copies, and what is left behind. */
#define _DEFAULT_SOURCE /* mincore */
#include <sys/mman.h>
#include <unistd.h>

#include "config/config.h"
#include "support.h"

#define TOKEN "0123456789abcdef0123456789abcdef"

static void defaults_are_those_of_the_design(void **state)
{
    tsms_config *config;
    assert_int_equal(tsms_config_new(NULL, &config), TSMS_OK);
    assert_int_equal(config->http_version, TSMS__HTTP_1_1);
    assert_int_equal(config->connect_timeout_ms, 5000);
    assert_int_equal(config->attempt_timeout_ms, 15000);
    assert_int_equal(config->timeout_ms, 60000);
    assert_int_equal(config->max_concurrency, 256);
    assert_int_equal(config->in_doubt, TSMS__IN_DOUBT_VERIFY);
    assert_int_equal(config->seed, 0);
    assert_true(config->rate.per_second == 10);
    assert_int_equal(config->rate.burst, 30);
    assert_true(config->rate.per_number == 1);
    assert_int_equal(config->rate.per_number_burst, 1);
    assert_true(config->rate.per_recipient == 0);
    assert_int_equal(config->rate.unit, TSMS__UNIT_MESSAGE);
    assert_true(config->rate.wait);
    assert_int_equal(config->rate.max_queue, 10000);
    assert_int_equal(config->breaker.failure_threshold, 5);
    assert_int_equal(config->breaker.success_threshold, 2);
    assert_int_equal(config->breaker.reset_timeout_ms, 30000);
    assert_int_equal(config->retry.rate_limit.attempts, 5);
    assert_int_equal(config->retry.rate_limit.base_ms, 1000);
    assert_int_equal(config->retry.unavailable.attempts, 3);
    assert_int_equal(config->retry.unavailable.base_ms, 2000);
    assert_int_equal(config->retry.internal.attempts, 3);
    assert_int_equal(config->retry.internal.base_ms, 1000);
    assert_int_equal(config->retry.timeout.attempts, 3);
    assert_int_equal(config->retry.timeout.base_ms, 1000);
    assert_int_equal(config->retry.connection.attempts, 3);
    assert_int_equal(config->retry.connection.base_ms, 500);
    assert_int_equal(config->retry.settle_ms, 5000);
    assert_int_equal(config->retry.cap_ms, 20000);
    assert_int_equal(config->retry.quota, 500);
    assert_null(config->errors);
    tsms_config_free(config);
}

/* Also proves that tsms_config_new may ignore what its setter answers. */
static void defaults_are_valid_and_texts_are_absent(void **state)
{
    tsms_config *config;
    assert_int_equal(tsms_config_new(NULL, &config), TSMS_OK);
    size_t count;
    const tsms__prop *props = tsms__props(&count);
    for (size_t i = 0; i < count; i++) {
        if (props[i].fallback != NULL) {
            assert_int_equal(
                tsms_config_set(config, props[i].key, tsms_str_from(props[i].fallback), NULL),
                TSMS_OK);
        } else {
            void *const *field = tsms__config_field(config, &props[i]);
            assert_null(*field);
        }
    }
    tsms_config_free(config);
}

/* Gives every option a value that is not its default. */
static void fill(tsms_config *config)
{
    size_t count;
    const tsms__prop *props = tsms__props(&count);
    for (size_t i = 0; i < count; i++) {
        const tsms__prop *prop = &props[i];
        char text[32];
        tsms_status status = TSMS_OK;
        switch (prop->type) {
        case TSMS__PROP_LIST:
            status = tsms_config_set(config, prop->key, TSMS__STR("element"), NULL);
            assert_int_equal(status, TSMS_OK);
            /* fall through */
        case TSMS__PROP_STR:
        case TSMS__PROP_SECRET:
            snprintf(text, sizeof text, "text %zu", i);
            status = tsms_config_set(config, prop->key, tsms_str_from(text), NULL);
            break;
        case TSMS__PROP_INT:
        case TSMS__PROP_NUM:
            status = tsms_config_set_number(config, prop->key, prop->max - (double)i, NULL);
            break;
        case TSMS__PROP_BOOL:
            status =
                tsms_config_set_bool(config, prop->key, strcmp(prop->fallback, "true") != 0, NULL);
            break;
        case TSMS__PROP_ENUM:
            status = tsms_config_set(config, prop->key, tsms_str_from(strrchr(prop->unit, '|') + 1),
                                     NULL);
            break;
        }
        assert_int_equal(status, TSMS_OK);
    }
    assert_int_equal(tsms_config_set_error(config, 21408, TSMS_KIND_INVALID_RECIPIENT, false, NULL),
                     TSMS_OK);
    assert_int_equal(tsms_config_set_error(config, 30003, TSMS_KIND_TIMEOUT, true, NULL), TSMS_OK);
}

static void assert_same_text(const char *a, const char *b)
{
    assert_ptr_not_equal(a, b);
    assert_string_equal(a, b);
}

static void assert_same(const tsms_config *a, const tsms_config *b)
{
    size_t count;
    const tsms__prop *props = tsms__props(&count);
    for (size_t i = 0; i < count; i++) {
        void *one = tsms__config_field(a, &props[i]);
        void *two = tsms__config_field(b, &props[i]);
        const tsms__texts *list_one = one;
        const tsms__texts *list_two = two;
        switch (props[i].type) {
        case TSMS__PROP_STR:
            assert_same_text(*(char **)one, *(char **)two);
            break;
        case TSMS__PROP_SECRET:
            assert_same_text(tsms__secret_text(*(tsms__secret **)one).ptr,
                             tsms__secret_text(*(tsms__secret **)two).ptr);
            break;
        case TSMS__PROP_LIST:
            assert_int_equal(list_one->count, list_two->count);
            for (size_t j = 0; j < list_one->count; j++) {
                assert_same_text(list_one->items[j], list_two->items[j]);
            }
            break;
        case TSMS__PROP_INT:
        case TSMS__PROP_ENUM:
            assert_int_equal(*(int64_t *)one, *(int64_t *)two);
            break;
        case TSMS__PROP_NUM:
            assert_true(*(double *)one == *(double *)two);
            break;
        case TSMS__PROP_BOOL:
            assert_int_equal(*(bool *)one, *(bool *)two);
            break;
        }
    }
    assert_int_equal(a->error_count, b->error_count);
    assert_ptr_not_equal(a->errors, b->errors);
    for (size_t i = 0; i < a->error_count; i++) {
        assert_int_equal(a->errors[i].code, b->errors[i].code);
        assert_int_equal(a->errors[i].kind, b->errors[i].kind);
        assert_int_equal(a->errors[i].retryable, b->errors[i].retryable);
    }
}

static void a_copy_is_equal_and_apart(void **state)
{
    tsms_config *config;
    tsms_config *reference;
    tsms_config *copy;
    assert_int_equal(tsms_config_new(NULL, &config), TSMS_OK);
    assert_int_equal(tsms_config_new(NULL, &reference), TSMS_OK);
    fill(config);
    fill(reference);
    assert_int_equal(tsms__config_copy(config, &copy), TSMS_OK);
    assert_same(config, copy);
    assert_int_equal(tsms_config_set(config, "from", TSMS__STR("changed"), NULL), TSMS_OK);
    assert_int_equal(tsms_config_set(config, "auth_token", TSMS__STR("changed"), NULL), TSMS_OK);
    assert_int_equal(tsms_config_set(config, "callback_urls", TSMS__STR("changed"), NULL), TSMS_OK);
    assert_int_equal(tsms_config_set_error(config, 21408, TSMS_KIND_TIMEOUT, true, NULL), TSMS_OK);
    assert_same(copy, reference);
    tsms_config_free(config);
    assert_same(copy, reference);
    tsms_config_free(copy);
    tsms_config_free(reference);
}

static void an_empty_copy_is_empty(void **state)
{
    tsms_config *config;
    tsms_config *copy;
    assert_int_equal(tsms_config_new(NULL, &config), TSMS_OK);
    assert_int_equal(tsms__config_copy(config, &copy), TSMS_OK);
    assert_null(copy->account_sid);
    assert_null(copy->auth_token);
    assert_null(copy->callback_urls.items);
    assert_null(copy->errors);
    tsms_config_free(copy);
    tsms_config_free(config);
}

static void without_memory_there_is_no_configuration(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 1);
    tsms_config *config = (tsms_config *)&tm;
    assert_int_equal(tsms_config_new(&tm.mem, &config), TSMS_NOMEM);
    assert_null(config);
    assert_int_equal(tm.live, 0);
    tsms_config_free(NULL);
}

static void without_memory_there_is_no_copy(void **state)
{
    tsms_config *reference;
    assert_int_equal(tsms_config_new(NULL, &reference), TSMS_OK);
    fill(reference);
    for (size_t n = 1;; n++) {
        test_mem tm;
        test_mem_init(&tm, 0);
        tsms_config *config;
        assert_int_equal(tsms_config_new(&tm.mem, &config), TSMS_OK);
        fill(config);
        size_t live = tm.live;
        tm.fail_at = tm.calls + n;
        tsms_config *copy = config;
        tsms_status status = tsms__config_copy(config, &copy);
        assert_int_equal(status, tm.failed ? TSMS_NOMEM : TSMS_OK);
        assert_same(config, reference);
        if (tm.failed) {
            assert_null(copy);
            assert_int_equal(tm.live, live);
        } else {
            assert_int_equal(tm.live, 2 * live);
            assert_same(copy, reference);
            tsms_config_free(copy);
        }
        tsms_config_free(config);
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            /* One for the struct, one for the error rows, two or more for the texts. */
            assert_true(n > 4);
            break;
        }
    }
    tsms_config_free(reference);
}

/* An allocator that looks at what it gets back. */
typedef struct watcher {
    const char *word;
    int released;
    int legible;
} watcher;

static void *watch_alloc(void *ctx, size_t size)
{
    (void)ctx;
    return calloc(1, size + sizeof TOKEN);
}

static void *watch_resize(void *ctx, void *ptr, size_t size)
{
    (void)ctx;
    return realloc(ptr, size + sizeof TOKEN);
}

static void watch_release(void *ctx, void *ptr)
{
    watcher *watch = ctx;
    watch->released++;
    watch->legible += memcmp(ptr, watch->word, strlen(watch->word)) == 0;
    free(ptr);
}

static void texts_are_wiped_before_they_are_released(void **state)
{
    watcher watch = {.word = "http://user:word"};
    tsms_mem mem = {&watch, watch_alloc, watch_resize, watch_release};
    tsms_config *config;
    assert_int_equal(tsms_config_new(&mem, &config), TSMS_OK);
    assert_int_equal(tsms_config_set(config, "proxy", TSMS__STR("http://user:word@p"), NULL),
                     TSMS_OK);
    assert_int_equal(tsms_config_set(config, "proxy", TSMS__STR("http://user:word@q"), NULL),
                     TSMS_OK);
    assert_int_equal(watch.released, 1);
    assert_int_equal(
        tsms_config_set(config, "callback_urls", TSMS__STR("http://user:word@c"), NULL), TSMS_OK);
    tsms_config_free(config);
    /* Two proxies, one list with one element, the struct. */
    assert_int_equal(watch.released, 5);
    assert_int_equal(watch.legible, 0);
}

static void secrets_never_pass_through_the_allocator(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 0);
    tsms_config *config;
    assert_int_equal(tsms_config_new(&tm.mem, &config), TSMS_OK);
    size_t calls = tm.calls;
    assert_int_equal(tsms_config_set(config, "auth_token", TSMS__STR(TOKEN), NULL), TSMS_OK);
    assert_int_equal(tsms_config_set(config, "auth_token", TSMS__STR(TOKEN), NULL), TSMS_OK);
    assert_int_equal(tm.calls, calls);
    tsms_config_free(config);
    assert_int_equal(tm.live, 0);
}

static bool is_mapped(const char *at)
{
    uintptr_t page = (uintptr_t)at / (uintptr_t)sysconf(_SC_PAGESIZE);
    unsigned char resident;
    return mincore((void *)(page * (uintptr_t)sysconf(_SC_PAGESIZE)), 1, &resident) == 0;
}

static void a_replaced_secret_is_gone(void **state)
{
    tsms_config *config;
    assert_int_equal(tsms_config_new(NULL, &config), TSMS_OK);
    assert_int_equal(tsms_config_set(config, "auth_token", TSMS__STR(TOKEN), NULL), TSMS_OK);
    const char *first = tsms__secret_text(config->auth_token).ptr;
    assert_true(is_mapped(first));
    assert_int_equal(tsms_config_set(config, "auth_token", TSMS__STR(TOKEN), NULL), TSMS_OK);
    const char *second = tsms__secret_text(config->auth_token).ptr;
    assert_true(is_mapped(second));
    assert_false(is_mapped(first));
    tsms_config_free(config);
    assert_false(is_mapped(second));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_design),
        cmocka_unit_test(defaults_are_valid_and_texts_are_absent),
        cmocka_unit_test(a_copy_is_equal_and_apart),
        cmocka_unit_test(an_empty_copy_is_empty),
        cmocka_unit_test(without_memory_there_is_no_configuration),
        cmocka_unit_test(without_memory_there_is_no_copy),
        cmocka_unit_test(texts_are_wiped_before_they_are_released),
        cmocka_unit_test(secrets_never_pass_through_the_allocator),
        cmocka_unit_test(a_replaced_secret_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
