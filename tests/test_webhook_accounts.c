/* Tests of csrc/call/webhook_accounts.c: whose tokens are kept, and who gives way. */
#include "webhook_support.h"

static void sid_of(size_t i, char out[TSMS__SID_SIZE])
{
    snprintf(out, TSMS__SID_SIZE, "AC%032zx", i + 1);
}

static tsms_status add(tsms_webhook *webhook, size_t i)
{
    char sid[TSMS__SID_SIZE];
    sid_of(i, sid);
    return tsms_webhook_add_token(webhook, tsms_str_from(sid), tsms_str_from(SUBTOKEN), NULL);
}

static tsms__account_tokens *find(tsms_webhook *webhook, size_t i)
{
    char sid[TSMS__SID_SIZE];
    sid_of(i, sid);
    return tsms__webhook_account(webhook, tsms_str_from(sid));
}

static void keeps_several_tokens_of_an_account(void **state)
{
    tsms_webhook_options options = basic_options();
    tsms_webhook *webhook = open_webhook(&options);
    tsms_str none = {NULL, 0};
    assert_int_equal(tsms_webhook_add_token(webhook, none, tsms_str_from("second"), NULL), TSMS_OK);
    assert_int_equal(webhook->account_count, 1);
    assert_ptr_equal(tsms__webhook_account(webhook, none),
                     tsms__webhook_account(webhook, tsms_str_from(ACCOUNT)));
    assert_null(tsms__webhook_account(webhook, tsms_str_from(SUBACCOUNT)));
    tsms_webhook_free(webhook);
}

static void refuses_what_is_no_account_or_token(void **state)
{
    tsms_webhook_options options = basic_options();
    tsms_webhook *webhook = open_webhook(&options);
    tsms_error err;
    assert_int_equal(
        tsms_webhook_add_token(webhook, tsms_str_from(MESSAGE), tsms_str_from(TOKEN), &err),
        TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_INVALID_ACCOUNT_SID);
    assert_int_equal(tsms_webhook_add_token(webhook, tsms_str_from(""), tsms_str_from(TOKEN), &err),
                     TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_INVALID_ACCOUNT_SID);
    assert_int_equal(
        tsms_webhook_add_token(webhook, tsms_str_from(SUBACCOUNT), tsms_str_from(""), &err),
        TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_INVALID_AUTH_TOKEN);
    assert_int_equal(webhook->account_count, 1);
    assert_null(tsms__webhook_account(webhook, tsms_str_from("AC")));
    tsms_webhook_free(webhook);
}

static void the_least_used_account_gives_way(void **state)
{
    tsms_webhook_options options = basic_options();
    tsms_webhook *webhook = open_webhook(&options);
    for (size_t i = 0; i < TSMS__ACCOUNTS_MOST - 1; i++) {
        assert_int_equal(add(webhook, i), TSMS_OK);
    }
    assert_int_equal(webhook->account_count, TSMS__ACCOUNTS_MOST);
    tsms__webhook_account_used(webhook, find(webhook, 0));
    assert_int_equal(add(webhook, 5000), TSMS_OK); /* instead of 1, the oldest but for 0 */
    assert_int_equal(webhook->account_count, TSMS__ACCOUNTS_MOST);
    assert_non_null(find(webhook, 0));
    assert_null(find(webhook, 1));
    assert_non_null(find(webhook, 2));
    assert_non_null(find(webhook, 5000));
    for (size_t i = 6000; i < 6000 + 2 * TSMS__ACCOUNTS_MOST; i++) {
        assert_int_equal(add(webhook, i), TSMS_OK);
    }
    assert_int_equal(webhook->account_count, TSMS__ACCOUNTS_MOST);
    assert_null(find(webhook, 0));
    assert_non_null(tsms__webhook_account(webhook, tsms_str_from(ACCOUNT))); /* never the own */
    tsms_webhook_free(webhook);
}

static void runs_out_of_memory_cleanly(void **state)
{
    for (size_t n = 1;; n++) {
        test_mem tm;
        tsms_webhook *webhook = NULL;
        tsms_webhook_options options = basic_options();
        test_mem_init(&tm, 0);
        options.mem = &tm.mem;
        assert_int_equal(tsms_webhook_new(&options, &webhook, NULL), TSMS_OK);
        tm.fail_at = tm.calls + n;
        for (size_t i = 0; i < 3; i++) {
            size_t before = webhook->account_count;
            bool had_failed = tm.failed;
            tsms_status status = add(webhook, i);
            bool now = tm.failed && !had_failed;
            assert_int_equal(status, now ? TSMS_NOMEM : TSMS_OK);
            assert_int_equal(webhook->account_count, before + (now ? 0 : 1));
        }
        tsms_webhook_free(webhook);
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            break;
        }
    }
}

static void forgets_the_tokens_of_an_account(void **state)
{
    tsms_webhook_options options = basic_options();
    tsms_webhook *webhook = open_webhook(&options);
    tsms_str own = {NULL, 0};
    assert_int_equal(add(webhook, 1), TSMS_OK);
    assert_int_equal(webhook->account_count, 2);
    tsms_webhook_forget(webhook, tsms_str_from(SUBACCOUNT)); /* there may be nothing to forget */
    tsms_webhook_forget(webhook, tsms_str_from("nonsense"));
    assert_int_equal(webhook->account_count, 2);
    tsms_webhook_forget(webhook, own);
    assert_int_equal(webhook->account_count, 1);
    assert_null(tsms__webhook_account(webhook, own));
    assert_non_null(find(webhook, 1));
    assert_int_equal(tsms_webhook_add_token(webhook, own, tsms_str_from("new"), NULL), TSMS_OK);
    assert_non_null(tsms__webhook_account(webhook, own));
    tsms_webhook_free(webhook);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_several_tokens_of_an_account),
        cmocka_unit_test(refuses_what_is_no_account_or_token),
        cmocka_unit_test(the_least_used_account_gives_way),
        cmocka_unit_test(runs_out_of_memory_cleanly),
        cmocka_unit_test(forgets_the_tokens_of_an_account),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
