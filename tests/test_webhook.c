/* Tests of csrc/call/webhook.c: which options make a receiver. */
#include "webhook_support.h"

static void has_defaults(void **state)
{
    tsms_webhook_options options = basic_options();
    tsms_webhook *webhook = open_webhook(&options);
    assert_string_equal(webhook->account_sid, ACCOUNT);
    assert_int_equal(webhook->max_body, 65536);
    assert_int_equal(webhook->max_fields, 256);
    assert_int_equal(webhook->replay_window_ms, 86400000);
    assert_null(webhook->ref_key);
    assert_non_null(webhook->region);
    tsms_webhook_free(webhook);
    tsms_webhook_free(NULL);
}

static void copies_its_options(void **state)
{
    char url[] = "https://h.example/sms";
    char proxy[] = "10.0.0.0/8";
    char key[] = "a key of our own";
    tsms_str urls[] = {tsms_str_from(url), TSMS__STR("http://i.example/")};
    tsms_str proxies[] = {tsms_str_from(proxy)};
    tsms_webhook_options options = basic_options();
    options.urls = urls;
    options.url_count = 2;
    options.trusted_proxies = proxies;
    options.trusted_proxy_count = 1;
    options.max_body = 10;
    options.max_fields = 1000;
    options.replay_window_ms = 5;
    options.callback_ref_key = tsms_str_from(key);
    options.callback_ref_required = true;
    tsms_webhook *webhook = open_webhook(&options);
    memset(url, 'x', sizeof url);
    memset(proxy, 'x', sizeof proxy);
    assert_int_equal(webhook->url_count, 2);
    assert_str_is(webhook->urls[0], "https://h.example/sms");
    assert_int_equal(webhook->proxy_count, 1);
    assert_true(tsms__network_has(&webhook->proxies[0], tsms_str_from("10.9.8.7")));
    assert_int_equal(webhook->max_body, 10);
    assert_int_equal(webhook->max_fields, 1000);
    assert_int_equal(webhook->replay_window_ms, 5);
    assert_non_null(webhook->ref_key);
    assert_true(webhook->ref_required);
    tsms_webhook_free(webhook);
}

static void refuse_options(const tsms_webhook_options *options, tsms_kind kind, const char *text)
{
    tsms_webhook *webhook = NULL;
    tsms_error err;
    assert_int_equal(tsms_webhook_new(options, &webhook, &err), TSMS_ERROR);
    assert_null(webhook);
    if (err.kind != kind || strstr(err.message, text) == NULL) {
        fail_msg("%s: %s", tsms_kind_name(err.kind), err.message);
    }
    assert_int_equal(tsms_webhook_new(options, &webhook, NULL), TSMS_ERROR);
}

static void refuses_bad_options(void **state)
{
    tsms_webhook_options options = TSMS_WEBHOOK_OPTIONS_INIT;
    refuse_options(&options, TSMS_KIND_INVALID_ACCOUNT_SID, "account_sid");
    options.account_sid = tsms_str_from(MESSAGE);
    refuse_options(&options, TSMS_KIND_INVALID_ACCOUNT_SID, "account_sid");
    options = basic_options();
    options.size = 3;
    refuse_options(&options, TSMS_KIND_INVALID_OPTION, "size");
    options.size = sizeof options + 8;
    refuse_options(&options, TSMS_KIND_INVALID_OPTION, "size");
    options = basic_options();
    options.max_fields = 1001;
    refuse_options(&options, TSMS_KIND_INVALID_OPTION, "max_fields");
    options = basic_options();
    options.replay_window_ms = -1;
    refuse_options(&options, TSMS_KIND_INVALID_OPTION, "replay_window_ms");
    options = basic_options();
    options.callback_ref_required = true;
    refuse_options(&options, TSMS_KIND_INVALID_OPTION, "callback_ref_key");
    static const char *const short_keys[] = {"", "15 bytes are few"};
    for (size_t i = 0; i < sizeof short_keys / sizeof *short_keys; i++) {
        options = basic_options();
        options.callback_ref_key = (tsms_str){short_keys[i], 15 * i};
        refuse_options(&options, TSMS_KIND_INVALID_OPTION, "callback_ref_key");
    }
    options = basic_options();
    options.shared = tsms_str_from("../x");
    refuse_options(&options, TSMS_KIND_INVALID_OPTION, "shared");

    static const char *const urls[] = {"", "/sms", "h.example/sms", "ftp://h/", "https://h:0/"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        tsms_str list[] = {TSMS__STR("https://h.example/"), tsms_str_from(urls[i])};
        options = basic_options();
        options.urls = list;
        options.url_count = 2;
        refuse_options(&options, TSMS_KIND_INVALID_OPTION, "urls");
    }
    static const char *const proxies[] = {"", "localhost", "10.0.0.1/8", "10.0.0.0/99"};
    for (size_t i = 0; i < sizeof proxies / sizeof *proxies; i++) {
        tsms_str list[] = {TSMS__STR("10.0.0.0/8"), tsms_str_from(proxies[i])};
        options = basic_options();
        options.trusted_proxies = list;
        options.trusted_proxy_count = 2;
        refuse_options(&options, TSMS_KIND_INVALID_OPTION, "trusted_proxies");
    }
}

/* A caller that was compiled with an older header gives a shorter struct. */
static void takes_an_older_layout(void **state)
{
    tsms_webhook_options options = basic_options();
    options.max_fields = 9999; /* behind what is given */
    options.size = offsetof(tsms_webhook_options, max_fields);
    tsms_webhook *webhook = open_webhook(&options);
    assert_int_equal(webhook->max_fields, 256);
    tsms_webhook_free(webhook);
}

static void runs_out_of_memory_cleanly(void **state)
{
    tsms_str urls[] = {TSMS__STR("https://h.example/sms"), TSMS__STR("http://i.example/")};
    tsms_str proxies[] = {TSMS__STR("10.0.0.0/8")};
    tsms_webhook_options options = basic_options();
    options.urls = urls;
    options.url_count = 2;
    options.trusted_proxies = proxies;
    options.trusted_proxy_count = 1;
    options.callback_ref_key = TSMS__STR("a key of our own");
    for (size_t n = 1;; n++) {
        test_mem tm;
        tsms_webhook *webhook = NULL;
        tsms_error err;
        test_mem_init(&tm, n);
        options.mem = &tm.mem;
        tsms_status status = tsms_webhook_new(&options, &webhook, &err);
        assert_int_equal(status, tm.failed ? TSMS_NOMEM : TSMS_OK);
        tsms_webhook_free(webhook);
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_defaults),
        cmocka_unit_test(copies_its_options),
        cmocka_unit_test(refuses_bad_options),
        cmocka_unit_test(takes_an_older_layout),
        cmocka_unit_test(runs_out_of_memory_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
