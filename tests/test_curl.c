/* What the driver does without waiting, against the project's own server in one thread: time passes
 * only when a test says so. */
#define _GNU_SOURCE /* mkstemp */
#include "server_support.h"

enum { TURNS_MOST = 3000 };

#define SID "SM0123456789abcdef0123456789abcdef"

static tsms_client *client;
static tsms_server *server;
static char ca_file[] = "/tmp/tsms-test-curl-XXXXXX";

/* Goes with tsms__clock_now, which server_support.h replaces. */
uint64_t tsms__clock_seed(void)
{
    return 1;
}

/* ---- A client and its server ------------------------------------------------------------------
 */

static void set(tsms_config *config, const char *key, const char *value)
{
    tsms_error err;
    if (tsms_config_set(config, key, tsms_str_from(value), &err) != TSMS_OK) {
        fail_msg("%s = %s: %s", key, value, err.message);
    }
}

static int open_all(void **state)
{
    memcpy(ca_file + strlen(ca_file) - 6, "XXXXXX", 6);
    int fd = mkstemp(ca_file);
    assert_true(fd >= 0);
    close(fd);
    tsms_server_options options = TSMS_SERVER_OPTIONS_INIT;
    options.ca_file = tsms_str_from(ca_file);
    server = start(&options);
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%d", tsms_server_port(server));
    tsms_config *config;
    assert_int_equal(tsms_config_new(NULL, &config), TSMS_OK);
    set(config, "account_sid", "AC0123456789abcdef0123456789abcdef");
    set(config, "auth_token", "0123456789abcdef0123456789abcdef");
    set(config, "from", "+15005550006");
    set(config, "base_url", url);
    set(config, "ca_file", ca_file);
    set(config, "rate.per_number", "0");
    assert_int_equal(tsms_client_new(config, &client, NULL), TSMS_OK);
    tsms_config_free(config);
    return 0;
}

static int close_all(void **state)
{
    tsms_client_free(client);
    tsms_server_free(server);
    unlink(ca_file);
    return 0;
}

static uint64_t submit(void)
{
    tsms_message_options message = TSMS_MESSAGE_OPTIONS_INIT;
    message.to = tsms_str_from("+15558675310");
    message.body = tsms_str_from("Hello");
    tsms_request request = TSMS_REQUEST_INIT;
    request.operation = TSMS_OP_SEND;
    request.message = &message;
    uint64_t call_id = 0;
    assert_int_equal(tsms_client_submit(client, &request, &call_id, NULL), TSMS_OK);
    return call_id;
}

static void accept_message(tsms_server_request *request)
{
    assert_non_null(request);
    answer(request, 201, "{\"sid\":\"" SID "\",\"status\":\"queued\"}");
    settle(server);
}

/* Sends a message from beginning to end, so that a connection is there which the next one uses. */
static void connect_and_send(void)
{
    submit();
    tsms_result *result = NULL;
    for (int i = 0; i < TURNS_MOST && result == NULL; i++) {
        struct pollfd watch[] = {{.fd = tsms_client_pollfd(client), .events = POLLIN},
                                 {.fd = tsms_server_pollfd(server), .events = POLLIN}};
        (void)poll(watch, 2, 1);
        tsms_client_step(client, 0);
        tsms_server_step(server, 0);
        tsms_server_request *request = tsms_server_next(server);
        if (request != NULL) {
            accept_message(request);
        }
        result = tsms_client_result(client);
    }
    assert_non_null(result);
    tsms_result_free(result);
}

/* What has left by now has arrived: the network of one host needs no time. */
static tsms_server_request *arrived(void)
{
    settle(server);
    return tsms_server_next(server);
}

/* ---- tsms_client_start -------------------------------------------------------------------------
 */

static void test_start_with_nothing_to_do(void **state)
{
    tsms_client_start(client);
    assert_null(arrived());
    assert_int_equal(tsms_client_timeout_ms(client), -1);
}

static void test_start_lets_a_request_leave(void **state)
{
    connect_and_send();
    submit();
    assert_null(arrived());
    tsms_client_start(client);
    accept_message(arrived());
}

static void test_start_does_not_look_for_answers(void **state)
{
    connect_and_send();
    uint64_t id = submit();
    tsms_client_start(client);
    accept_message(arrived());
    for (int i = 0; i < 3; i++) {
        tsms_client_start(client);
        assert_null(tsms_client_result(client));
    }
    tsms_client_step(client, 0);
    tsms_result *result = tsms_client_result(client);
    assert_non_null(result);
    assert_int_equal(tsms_result_call_id(result), id);
    assert_int_equal(tsms_result_attempts(result), 1);
    tsms_result_free(result);
}

static void test_start_lets_nothing_leave_before_its_check(void **state)
{
    connect_and_send();
    tsms_client_set_checks(client, true);
    uint64_t id = submit();
    tsms_client_start(client);
    assert_null(arrived());
    tsms_check check;
    assert_true(tsms_client_check(client, &check));
    assert_int_equal(check.call_id, id);
    assert_true(tsms_client_answer(client, id, TSMS_ALLOW, TSMS__STR(""), 0));
    assert_null(arrived());
    tsms_client_start(client);
    accept_message(arrived());
}

static void test_start_hands_out_what_ends_without_network(void **state)
{
    submit();
    test_now.mono_ms += INT64_C(1) << 40; /* behind its timeout */
    tsms_client_start(client);
    tsms_result *result = tsms_client_result(client);
    assert_non_null(result);
    assert_int_equal(tsms_result_outcome(result), TSMS_OUTCOME_NOT_SENT);
    tsms_result_free(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_start_with_nothing_to_do, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_start_lets_a_request_leave, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_start_does_not_look_for_answers, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_start_lets_nothing_leave_before_its_check, open_all,
                                        close_all),
        cmocka_unit_test_setup_teardown(test_start_hands_out_what_ends_without_network, open_all,
                                        close_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
