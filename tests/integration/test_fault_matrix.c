/* Every fault against the client, over both versions of HTTP, on fresh and reused connections, for
 * each choice of in_doubt: nobody is texted twice by accident, and what is reported is true. */
#include "fault_matrix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void set(tsms_config *config, const char *key, const char *value)
{
    tsms_error err;
    if (tsms_config_set(config, key, tsms_str_from(value), &err) != TSMS_OK) {
        fail_msg("%s = %s: %s", key, value, err.message);
    }
}

static void *open_client(const matrix_settings *settings)
{
    static const char *const no_pause[] = {"retry.rate_limit.base_ms", "retry.unavailable.base_ms",
                                           "retry.internal.base_ms",   "retry.timeout.base_ms",
                                           "retry.connection.base_ms", "retry.settle_ms"};
    tsms_config *config;
    tsms_client *client;
    tsms_error err;
    char timeout[16];
    snprintf(timeout, sizeof timeout, "%d", settings->timeout_ms);
    assert_int_equal(tsms_config_new(NULL, &config), TSMS_OK);
    set(config, "account_sid", "AC0123456789abcdef0123456789abcdef");
    set(config, "auth_token", "0123456789abcdef0123456789abcdef");
    set(config, "from", "+15005550006");
    set(config, "base_url", settings->url);
    set(config, "ca_file", settings->ca_file);
    set(config, "http_version", settings->http_version);
    set(config, "in_doubt", settings->in_doubt);
    set(config, "connect_timeout_ms", timeout);
    set(config, "attempt_timeout_ms", timeout);
    set(config, "rate.per_second", "0");
    set(config, "rate.per_number", "0");
    set(config, "breaker.failure_threshold", "0");
    set(config, "seed", "1");
    for (size_t i = 0; i < sizeof no_pause / sizeof *no_pause; i++) {
        set(config, no_pause[i], "1");
    }
    if (tsms_client_new(config, &client, &err) != TSMS_OK) {
        fail_msg("%s", err.message);
    }
    tsms_config_free(config);
    return client;
}

static matrix_report send_hello(void *client)
{
    tsms_message_options message = TSMS_MESSAGE_OPTIONS_INIT;
    message.to = tsms_str_from("+15005550010");
    message.body = tsms_str_from("hello");
    tsms_result *result;
    tsms_error err;
    if (tsms_client_send(client, &message, &result, &err) != TSMS_OK) {
        matrix_report failed = {.outcome = err.outcome, .kind = err.kind, .attempts = err.attempts};
        snprintf(failed.message, sizeof failed.message, "%s", err.message);
        return failed;
    }
    matrix_report r = {.outcome = tsms_result_outcome(result),
                       .attempts = tsms_result_attempts(result),
                       .verified = tsms_result_verified(result)};
    tsms_message sent;
    if (tsms_result_message(result, 0, &sent)) {
        snprintf(r.sid, sizeof r.sid, "%.*s", (int)sent.sid.len, sent.sid.ptr);
    }
    tsms_result_free(result);
    return r;
}

static void close_client(void *client)
{
    tsms_client_free(client);
}

/* ---- The matrix */

static const matrix_client CURL = {2, open_client, send_hello, close_client};

static void test_each_fault_ends_as_it_must(void **state)
{
    (void)state;
    assert_int_equal(fault_matrix_play(&CURL), 0);
}

static void test_any_script_texts_nobody_twice(void **state)
{
    (void)state;
    fault_matrix_play_scripts(&CURL, 100);
}

/* ---- Faults that need no server, and such that stay */

static void check_not_sent(const char *url, const char *ca_file, tsms_kind kind)
{
    for (size_t i = 0; i < 3; i++) {
        matrix_settings settings = {url, ca_file, "auto", MATRIX_MODE_NAMES[i], MATRIX_TIMEOUT_MS};
        tsms_client *client = open_client(&settings);
        matrix_report r = send_hello(client);
        assert_int_equal(r.outcome, TSMS_OUTCOME_NOT_SENT);
        assert_int_equal(r.kind, kind);
        assert_int_equal(r.attempts, 3);
        close_client(client);
    }
}

static void test_refused_connections_are_not_sent(void **state)
{
    (void)state;
    fault_server *server = fault_server_start(NULL, 0);
    uint16_t port;
    int reserved = fault_refusing_port(&port);
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%u", port);
    check_not_sent(url, fault_server_ca_file(server), TSMS_KIND_CONNECTION_FAILED);
    close(reserved);
    fault_server_stop(server);
}

static void test_unknown_hosts_are_not_sent(void **state)
{
    (void)state;
    fault_server *server = fault_server_start(NULL, 0);
    check_not_sent("https://nonexistent.invalid", fault_server_ca_file(server),
                   TSMS_KIND_DNS_RESOLUTION_FAILED);
    fault_server_stop(server);
}

static void test_strangers_certificates_are_not_sent_to(void **state)
{
    (void)state;
    fault_server *server = fault_server_start(NULL, 0);
    fault_server *stranger = fault_server_start(NULL, 0);
    check_not_sent(fault_server_url(server), fault_server_ca_file(stranger),
                   TSMS_KIND_CONNECTION_FAILED);
    assert_int_equal(fault_server_stats(server).posts_seen_complete, 0);
    fault_server_stop(stranger);
    fault_server_stop(server);
}

/* Three attempts meet the same fault and none is accepted. */
static matrix_report send_into(fault_id id, const char *in_doubt, fault_stats *stats)
{
    fault script[3] = {{.id = id, .retry_after = "0"},
                       {.id = id, .retry_after = "0"},
                       {.id = id, .retry_after = "0"}};
    fault_server *server = fault_server_start(script, 3);
    matrix_settings settings = fault_matrix_settings(server, "1.1", in_doubt);
    tsms_client *client = open_client(&settings);
    matrix_report r = send_hello(client);
    *stats = fault_server_stats(server);
    close_client(client);
    fault_server_stop(server);
    return r;
}

static void test_lasting_outage_ends_in_doubt_after_a_last_look(void **state)
{
    (void)state;
    fault_stats stats;
    matrix_report r = send_into(FAULT_STATUS_503, "verify", &stats);
    assert_int_equal(r.outcome, TSMS_OUTCOME_IN_DOUBT);
    assert_int_equal(r.kind, TSMS_KIND_SERVICE_UNAVAILABLE);
    assert_int_equal(r.attempts, 3);
    assert_int_equal(stats.posts_seen_complete, 3);
    assert_int_equal(stats.lookups, 3);
    assert_int_equal(stats.posts_accepted, 0);
}

static void test_lasting_failure_to_connect_is_not_sent(void **state)
{
    (void)state;
    fault_stats stats;
    matrix_report r = send_into(FAULT_TLS_RESET_IN, "verify", &stats);
    assert_int_equal(r.outcome, TSMS_OUTCOME_NOT_SENT);
    assert_int_equal(r.attempts, 3);
    assert_int_equal(stats.lookups, 0);
}

/* ---- What libcurl would have done */

/* Whether libcurl was kept from sending again when the second answer on a connection got lost. */
static bool is_prevented_once(const char *version)
{
    fault script[] = {{.id = FAULT_NONE}, {.id = FAULT_RESET, .accepted = true}};
    fault_server *server = fault_server_start(script, 2);
    matrix_settings settings = fault_matrix_settings(server, version, "verify");
    tsms_client *client = open_client(&settings);
    send_hello(client);
    matrix_report r = send_hello(client);
    assert_int_equal(r.outcome, TSMS_OUTCOME_ACCEPTED);
    assert_true(r.verified);
    tsms_stats stats;
    tsms_client_stats(client, &stats);
    assert_int_equal(stats.lookups, 1);
    assert_int_equal(stats.lookups_found, 1);
    assert_int_equal(fault_server_stats(server).posts_accepted, 2);
    close_client(client);
    fault_server_stop(server);
    return stats.resends_prevented == 1;
}

/* libcurl wants to send again nearly always: it depends on whether it sees the reset while it reads
 * or while it writes. */
static void test_guard_counts_what_it_prevented(void **state)
{
    (void)state;
    enum { TRIES = 10 };
    for (int version = 0; version < 2; version++) {
        int prevented = 0;
        for (int i = 0; i < TRIES && prevented == 0; i++) {
            prevented += is_prevented_once(MATRIX_VERSIONS[version]);
        }
        assert_int_equal(prevented, 1);
    }
}

static void test_connection_that_ends_while_idle_costs_nobody_a_message(void **state)
{
    (void)state;
    static const fault_id ends[] = {FAULT_ANSWER_FIN, FAULT_ANSWER_CLOSE, FAULT_ANSWER_RESET,
                                    FAULT_ANSWER_GOAWAY};
    for (size_t i = 0; i < 2 * sizeof ends / sizeof *ends; i++) {
        fault_server *server = fault_server_start((fault[]){{.id = ends[i / 2]}}, 1);
        matrix_settings settings = fault_matrix_settings(server, MATRIX_VERSIONS[i % 2], "verify");
        tsms_client *client = open_client(&settings);
        matrix_report first = send_hello(client);
        matrix_report second = send_hello(client);
        assert_int_equal(first.outcome, TSMS_OUTCOME_ACCEPTED);
        assert_false(first.verified);
        assert_int_equal(second.outcome, TSMS_OUTCOME_ACCEPTED);
        assert_string_not_equal(first.sid, second.sid);
        assert_int_equal(fault_server_stats(server).posts_accepted, 2);
        close_client(client);
        fault_server_stop(server);
    }
}

/* libcurl alone writes the second request into the dead connection, which puts it in doubt. */
static void test_connection_that_ended_politely_while_idle_is_not_written_to(void **state)
{
    (void)state;
    static const fault_id ends[] = {FAULT_ANSWER_FIN, FAULT_ANSWER_CLOSE, FAULT_ANSWER_RESET,
                                    FAULT_ANSWER_GOAWAY};
    enum { LONGER_THAN_IDLE_MS = 120 };
    for (size_t i = 0; i < 2 * sizeof ends / sizeof *ends; i++) {
        fault_server *server = fault_server_start((fault[]){{.id = ends[i / 2]}}, 1);
        matrix_settings settings = fault_matrix_settings(server, MATRIX_VERSIONS[i % 2], "stop");
        tsms_client *client = open_client(&settings);
        assert_int_equal(send_hello(client).outcome, TSMS_OUTCOME_ACCEPTED);
        tsms_client_step(client, LONGER_THAN_IDLE_MS);
        matrix_report second = send_hello(client);
        assert_int_equal(second.outcome, TSMS_OUTCOME_ACCEPTED);
        assert_int_equal(second.attempts, 1);
        tsms_stats stats;
        tsms_client_stats(client, &stats);
        assert_int_equal(stats.requests, 2);
        assert_int_equal(stats.resends_prevented, 0);
        assert_int_equal(fault_server_stats(server).posts_accepted, 2);
        close_client(client);
        fault_server_stop(server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_fault_ends_as_it_must),
        cmocka_unit_test(test_refused_connections_are_not_sent),
        cmocka_unit_test(test_unknown_hosts_are_not_sent),
        cmocka_unit_test(test_strangers_certificates_are_not_sent_to),
        cmocka_unit_test(test_lasting_outage_ends_in_doubt_after_a_last_look),
        cmocka_unit_test(test_lasting_failure_to_connect_is_not_sent),
        cmocka_unit_test(test_guard_counts_what_it_prevented),
        cmocka_unit_test(test_connection_that_ends_while_idle_costs_nobody_a_message),
        cmocka_unit_test(test_connection_that_ended_politely_while_idle_is_not_written_to),
        cmocka_unit_test(test_any_script_texts_nobody_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
