#include "support.h"

#include "call/webhook.h"

#define ACCOUNT "AC0123456789abcdef0123456789abcdef"
#define SIGNATURE "dGhpcyBpcyBubyBzaWduYXR1cmU="

static const int64_t start_ms = INT64_C(1700000000000);

static int open_webhook(void **state)
{
    static tsms_webhook webhook;
    webhook = (tsms_webhook){.replay_window_ms = 3600000};
    *state = &webhook;
    return tsms__region_open(NULL, ACCOUNT, &webhook.region, NULL) == TSMS_OK ? 0 : -1;
}

static int close_webhook(void **state)
{
    tsms_webhook *webhook = *state;
    tsms__region_close(webhook->region);
    return 0;
}

static tsms_seen claim(tsms_webhook *webhook, const char *key, int64_t wall_ms,
                       tsms_webhook_answer *answer)
{
    return tsms_webhook_claim(webhook, tsms_str_from(key), wall_ms, answer);
}

static void test_a_repeat_gets_the_same_answer(void **state)
{
    tsms_webhook *webhook = *state;
    tsms_webhook_answer answer = {.http_status = -1};
    assert_int_equal(claim(webhook, SIGNATURE, start_ms, &answer), TSMS_SEEN_NEW);
    assert_int_equal(claim(webhook, SIGNATURE, start_ms, &answer), TSMS_SEEN_RUNNING);
    assert_int_equal(claim(webhook, "another", start_ms, &answer), TSMS_SEEN_NEW);
    assert_int_equal(answer.http_status, -1); /* not touched */
    tsms_webhook_answer given = {.http_status = 200,
                                 .content_type = tsms_str_from("text/xml"),
                                 .body = tsms_str_from("<Response/>")};
    tsms_webhook_finish(webhook, tsms_str_from(SIGNATURE), start_ms, &given);
    assert_int_equal(claim(webhook, SIGNATURE, start_ms + 1000, &answer), TSMS_SEEN_DONE);
    assert_int_equal(answer.http_status, 200);
    assert_str_is(answer.content_type, "text/xml");
    assert_str_is(answer.body, "<Response/>");
    assert_int_equal(claim(webhook, "another", start_ms, &answer), TSMS_SEEN_RUNNING);
}

static void test_a_long_body_is_absent(void **state)
{
    tsms_webhook *webhook = *state;
    static char body[2001];
    tsms_webhook_answer given = {.http_status = 201,
                                 .content_type = tsms_str_from("text/plain"),
                                 .body = {body, sizeof body}};
    tsms_webhook_finish(webhook, tsms_str_from(SIGNATURE), start_ms, &given);
    tsms_webhook_answer answer;
    assert_int_equal(claim(webhook, SIGNATURE, start_ms, &answer), TSMS_SEEN_DONE);
    assert_int_equal(answer.http_status, 201);
    assert_null(answer.body.ptr);
    assert_null(answer.content_type.ptr);
}

static void test_a_release(void **state)
{
    tsms_webhook *webhook = *state;
    tsms_webhook_answer answer;
    assert_int_equal(claim(webhook, SIGNATURE, start_ms, &answer), TSMS_SEEN_NEW);
    tsms_webhook_release(webhook, tsms_str_from(SIGNATURE));
    assert_int_equal(claim(webhook, SIGNATURE, start_ms, &answer), TSMS_SEEN_NEW);
}

static void test_the_window_is_the_webhooks(void **state)
{
    tsms_webhook *webhook = *state;
    tsms_webhook_answer answer = {.http_status = 204};
    tsms_webhook_finish(webhook, tsms_str_from(SIGNATURE), start_ms, &answer);
    assert_int_equal(claim(webhook, SIGNATURE, start_ms + 3600000, &answer), TSMS_SEEN_DONE);
    assert_int_equal(claim(webhook, SIGNATURE, start_ms + 3604000, &answer), TSMS_SEEN_NEW);
}

/* Keys may be empty, long, or hold any byte. */
static void test_odd_keys(void **state)
{
    tsms_webhook *webhook = *state;
    static char bytes[100000];
    const tsms_str keys[] = {
        {NULL, 0}, {"\0", 1}, {"\0\0", 2}, {bytes, sizeof bytes}, {bytes, sizeof bytes - 1}};
    tsms_webhook_answer answer;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
            assert_int_equal(tsms_webhook_claim(webhook, keys[i], start_ms, &answer),
                             round == 0 ? TSMS_SEEN_NEW : TSMS_SEEN_RUNNING);
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_webhook, close_webhook)
    const struct CMUnitTest tests[] = {
        TEST(test_a_repeat_gets_the_same_answer),
        TEST(test_a_long_body_is_absent),
        TEST(test_a_release),
        TEST(test_the_window_is_the_webhooks),
        TEST(test_odd_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
