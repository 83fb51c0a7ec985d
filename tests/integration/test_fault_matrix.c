/* Every fault against the client, over both versions of HTTP, on fresh and reused connections, for
 * each choice of in_doubt: nobody is texted twice by accident, and what is reported is true. */
#include "fault_server.h"

#include "twilio_sms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A fault that hangs costs the short one, so that the others may have a long one. */
enum { TIMEOUT_MS = 10000, SHORT_TIMEOUT_MS = 300 };

typedef enum mode { VERIFY, STOP, RESEND, MODES } mode;

static const char *const MODE_NAMES[] = {"verify", "stop", "resend"};
/* The server takes HTTP/2 when it is offered. */
static const char *const VERSIONS[] = {"1.1", "auto"};
static const char *const VERSION_NAMES[] = {"HTTP/1.1", "HTTP/2"};

static void set(tsms_config *config, const char *key, const char *value)
{
    tsms_error err;
    if (tsms_config_set(config, key, tsms_str_from(value), &err) != TSMS_OK) {
        fail_msg("%s = %s: %s", key, value, err.message);
    }
}

static tsms_client *client_new(const char *url, const char *ca_file, const char *http_version,
                               const char *in_doubt, int timeout_ms)
{
    static const char *const no_pause[] = {"retry.rate_limit.base_ms", "retry.unavailable.base_ms",
                                           "retry.internal.base_ms",   "retry.timeout.base_ms",
                                           "retry.connection.base_ms", "retry.settle_ms"};
    tsms_config *config;
    tsms_client *client;
    tsms_error err;
    char timeout[16];
    snprintf(timeout, sizeof timeout, "%d", timeout_ms);
    assert_int_equal(tsms_config_new(NULL, &config), TSMS_OK);
    set(config, "account_sid", "AC0123456789abcdef0123456789abcdef");
    set(config, "auth_token", "0123456789abcdef0123456789abcdef");
    set(config, "from", "+15005550006");
    set(config, "base_url", url);
    set(config, "ca_file", ca_file);
    set(config, "http_version", http_version);
    set(config, "in_doubt", in_doubt);
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

/* What the client says became of one message. */
typedef struct report {
    tsms_outcome outcome;
    tsms_kind kind;
    int attempts;
    bool verified;
    char sid[40]; /* "" without one */
} report;

/* Always the same message, so that a look-up cannot tell one from another by its text. */
static report send_hello(tsms_client *client)
{
    tsms_message_options message = TSMS_MESSAGE_OPTIONS_INIT;
    message.to = tsms_str_from("+15005550010");
    message.body = tsms_str_from("hello");
    tsms_result *result;
    tsms_error err;
    if (tsms_client_send(client, &message, &result, &err) != TSMS_OK) {
        return (report){err.outcome, err.kind, err.attempts, false, ""};
    }
    report r = {.outcome = tsms_result_outcome(result),
                .attempts = tsms_result_attempts(result),
                .verified = tsms_result_verified(result)};
    tsms_message sent;
    if (tsms_result_message(result, 0, &sent)) {
        snprintf(r.sid, sizeof r.sid, "%.*s", (int)sent.sid.len, sent.sid.ptr);
    }
    tsms_result_free(result);
    return r;
}

/* ---- The matrix */

enum {
    H1 = 1,
    H2 = 2,
    FRESH = 4,
    REUSED = 8,
    EITHER = H1 | H2,
    ALWAYS = FRESH | REUSED,
    HANGS = 16,
    FINAL = 32, /* what answered so is not the API: nothing is sent again */
};

/* What the attempt that meets the fault must be taken for. */
typedef struct row {
    fault_id id;
    unsigned where;
    tsms_outcome outcome;
} row;

static const row ROWS[] = {
    {FAULT_NONE, EITHER | ALWAYS, TSMS_OUTCOME_ACCEPTED},
    {FAULT_TLS_CLOSE_BEFORE, EITHER | FRESH, TSMS_OUTCOME_NOT_SENT},
    {FAULT_TLS_RESET_BEFORE, EITHER | FRESH, TSMS_OUTCOME_NOT_SENT},
    {FAULT_TLS_CLOSE_IN, EITHER | FRESH, TSMS_OUTCOME_NOT_SENT},
    {FAULT_TLS_RESET_IN, EITHER | FRESH, TSMS_OUTCOME_NOT_SENT},
    {FAULT_TLS_PLAINTEXT, EITHER | FRESH, TSMS_OUTCOME_NOT_SENT},
    {FAULT_TLS_HANG, EITHER | FRESH | HANGS, TSMS_OUTCOME_NOT_SENT},
    {FAULT_TLS_CLOSE_AFTER, EITHER | FRESH, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_UNREAD_CLOSE, EITHER | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_UNREAD_RESET, EITHER | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_CLOSE, EITHER | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_RESET, EITHER | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_HANG, EITHER | ALWAYS | HANGS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_HALF_STATUS, EITHER | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_HALF_HEADER, H1 | ALWAYS, TSMS_OUTCOME_ACCEPTED_NO_SID},
    {FAULT_HALF_HEADER, H2 | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_HALF_BODY, EITHER | ALWAYS, TSMS_OUTCOME_ACCEPTED_NO_SID},
    {FAULT_GARBAGE, EITHER | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_STATUS_500, EITHER | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_STATUS_503, EITHER | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_STATUS_429, EITHER | ALWAYS, TSMS_OUTCOME_THROTTLED},
    {FAULT_STATUS_302, EITHER | ALWAYS | FINAL, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_HTML_502, EITHER | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_HUGE_BODY, EITHER | ALWAYS, TSMS_OUTCOME_ACCEPTED_NO_SID},
    {FAULT_ANSWER_RESET, EITHER | ALWAYS, TSMS_OUTCOME_ACCEPTED},
    {FAULT_ANSWER_FIN, EITHER | ALWAYS, TSMS_OUTCOME_ACCEPTED},
    {FAULT_ANSWER_CLOSE, EITHER | ALWAYS, TSMS_OUTCOME_ACCEPTED},
    {FAULT_ANSWER_GOAWAY, H2 | ALWAYS, TSMS_OUTCOME_ACCEPTED},
    {FAULT_GOAWAY, H2 | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_STREAM_INTERNAL, H2 | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_STREAM_REFUSED, H2 | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_ANSWER_STREAM_NO_ERROR, H2 | FRESH, TSMS_OUTCOME_ACCEPTED},
    {FAULT_ANSWER_STREAM_NO_ERROR, H2 | REUSED | HANGS, TSMS_OUTCOME_ACCEPTED},
};

typedef struct cell {
    const row *row;
    int version;
    bool reused;
    bool accepted; /* the attempt that met the fault */
    mode mode;
} cell;

/* What must be reported, and how many messages must exist, after one fault and nothing but good
 * answers behind it. */
typedef struct end_state {
    tsms_outcome outcome;
    int attempts;
    bool verified;
    unsigned messages;
} end_state;

static end_state expected_end(const cell *at)
{
    unsigned made = at->accepted ? 1 : 0;
    end_state sent_again = {TSMS_OUTCOME_ACCEPTED, 2, false, made + 1};
    end_state given_up = {at->row->outcome, 1, false, made};
    end_state found = {TSMS_OUTCOME_ACCEPTED, 1, true, made};
    switch (at->row->outcome) {
    case TSMS_OUTCOME_ACCEPTED:
        return (end_state){TSMS_OUTCOME_ACCEPTED, 1, false, 1};
    case TSMS_OUTCOME_ACCEPTED_NO_SID:
        return at->mode == STOP ? given_up : found;
    case TSMS_OUTCOME_IN_DOUBT:
        if (at->mode == STOP) {
            return given_up;
        }
        if (at->mode == VERIFY && at->accepted) {
            return found;
        }
        return at->row->where & FINAL ? given_up : sent_again;
    default:
        return sent_again;
    }
}

/* Whether what was reported can be said of what the server knows about this message. */
static bool is_true(const report *r, unsigned messages)
{
    switch (r->outcome) {
    case TSMS_OUTCOME_ACCEPTED:
        return messages >= 1 && r->sid[0] != '\0';
    case TSMS_OUTCOME_ACCEPTED_NO_SID:
        return messages >= 1;
    case TSMS_OUTCOME_IN_DOUBT:
        return true;
    default:
        return messages == 0;
    }
}

static bool play_cell(const cell *at)
{
    fault_server *server = fault_server_start(NULL, 0);
    tsms_client *client =
        client_new(fault_server_url(server), fault_server_ca_file(server), VERSIONS[at->version],
                   MODE_NAMES[at->mode], at->row->where & HANGS ? SHORT_TIMEOUT_MS : TIMEOUT_MS);
    report first = {.sid = ""};
    if (at->reused) {
        fault_server_push(server, (fault){.id = FAULT_NONE});
    }
    fault_server_push(server,
                      (fault){.id = at->row->id, .accepted = at->accepted, .retry_after = "0"});
    if (at->reused) {
        first = send_hello(client);
        assert_int_equal(first.outcome, TSMS_OUTCOME_ACCEPTED);
    }
    report r = send_hello(client);
    fault_stats stats = fault_server_stats(server);
    unsigned messages = stats.posts_accepted - (at->reused ? 1 : 0);
    end_state expected = expected_end(at);

    bool once = at->mode == RESEND || messages <= 1;
    bool own_sid = r.sid[0] == '\0' || strcmp(r.sid, first.sid) != 0;
    bool ok = once && own_sid && is_true(&r, messages) && r.outcome == expected.outcome &&
              r.attempts == expected.attempts && r.verified == expected.verified &&
              messages == expected.messages && stats.script_left == 0;
    if (!ok) {
        print_error("%s, %s, %s connection, %s, in_doubt=%s: %s, %d attempts, %s, %u "
                    "messages; expected %s, %d attempts, %s, %u messages%s\n",
                    fault_name(at->row->id), VERSION_NAMES[at->version],
                    at->reused ? "reused" : "fresh", at->accepted ? "accepted" : "not accepted",
                    MODE_NAMES[at->mode], tsms_outcome_name(r.outcome), r.attempts,
                    r.verified ? "found" : "not found", messages,
                    tsms_outcome_name(expected.outcome), expected.attempts,
                    expected.verified ? "found" : "not found", expected.messages,
                    once ? "" : ": TEXTED TWICE");
    }
    tsms_client_free(client);
    fault_server_stop(server);
    return ok;
}

static void test_each_fault_ends_as_it_must(void **state)
{
    (void)state;
    int cells = 0, wrong = 0;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        fault_accepts accepts = fault_accepts_of(ROWS[i].id);
        for (unsigned variant = 0; variant < 8 * MODES; variant++) {
            cell at = {&ROWS[i], variant & 1, variant & 2, variant & 4, (mode)(variant / 8)};
            if (!(ROWS[i].where & (at.version == 0 ? H1 : H2)) ||
                !(ROWS[i].where & (at.reused ? REUSED : FRESH)) ||
                (at.accepted ? accepts == FAULT_ACCEPTS_NEVER : accepts == FAULT_ACCEPTS_ALWAYS)) {
                continue;
            }
            cells++;
            wrong += play_cell(&at) ? 0 : 1;
        }
    }
    print_message("%d cells\n", cells);
    assert_int_equal(wrong, 0);
}

/* ---- Faults that need no server, and such that stay */

static void check_not_sent(const char *url, const char *ca_file, tsms_kind kind)
{
    for (mode in_doubt = VERIFY; in_doubt < MODES; in_doubt++) {
        tsms_client *client = client_new(url, ca_file, "auto", MODE_NAMES[in_doubt], TIMEOUT_MS);
        report r = send_hello(client);
        assert_int_equal(r.outcome, TSMS_OUTCOME_NOT_SENT);
        assert_int_equal(r.kind, kind);
        assert_int_equal(r.attempts, 3);
        tsms_client_free(client);
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
static report send_into(fault_id id, const char *in_doubt, fault_stats *stats)
{
    fault script[3] = {{.id = id, .retry_after = "0"},
                       {.id = id, .retry_after = "0"},
                       {.id = id, .retry_after = "0"}};
    fault_server *server = fault_server_start(script, 3);
    tsms_client *client = client_new(fault_server_url(server), fault_server_ca_file(server), "1.1",
                                     in_doubt, TIMEOUT_MS);
    report r = send_hello(client);
    *stats = fault_server_stats(server);
    tsms_client_free(client);
    fault_server_stop(server);
    return r;
}

static void test_lasting_outage_ends_in_doubt_after_a_last_look(void **state)
{
    (void)state;
    fault_stats stats;
    report r = send_into(FAULT_STATUS_503, "verify", &stats);
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
    report r = send_into(FAULT_TLS_RESET_IN, "verify", &stats);
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
    tsms_client *client = client_new(fault_server_url(server), fault_server_ca_file(server),
                                     version, "verify", TIMEOUT_MS);
    send_hello(client);
    report r = send_hello(client);
    assert_int_equal(r.outcome, TSMS_OUTCOME_ACCEPTED);
    assert_true(r.verified);
    tsms_stats stats;
    tsms_client_stats(client, &stats);
    assert_int_equal(stats.lookups, 1);
    assert_int_equal(stats.lookups_found, 1);
    assert_int_equal(fault_server_stats(server).posts_accepted, 2);
    tsms_client_free(client);
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
            prevented += is_prevented_once(VERSIONS[version]);
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
        tsms_client *client = client_new(fault_server_url(server), fault_server_ca_file(server),
                                         VERSIONS[i % 2], "verify", TIMEOUT_MS);
        report first = send_hello(client);
        report second = send_hello(client);
        assert_int_equal(first.outcome, TSMS_OUTCOME_ACCEPTED);
        assert_false(first.verified);
        assert_int_equal(second.outcome, TSMS_OUTCOME_ACCEPTED);
        assert_string_not_equal(first.sid, second.sid);
        assert_int_equal(fault_server_stats(server).posts_accepted, 2);
        tsms_client_free(client);
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
        tsms_client *client = client_new(fault_server_url(server), fault_server_ca_file(server),
                                         VERSIONS[i % 2], "stop", TIMEOUT_MS);
        assert_int_equal(send_hello(client).outcome, TSMS_OUTCOME_ACCEPTED);
        tsms_client_step(client, LONGER_THAN_IDLE_MS);
        report second = send_hello(client);
        assert_int_equal(second.outcome, TSMS_OUTCOME_ACCEPTED);
        assert_int_equal(second.attempts, 1);
        tsms_stats stats;
        tsms_client_stats(client, &stats);
        assert_int_equal(stats.requests, 2);
        assert_int_equal(stats.resends_prevented, 0);
        assert_int_equal(fault_server_stats(server).posts_accepted, 2);
        tsms_client_free(client);
        fault_server_stop(server);
    }
}

/* ---- Any script */

/* Numerical Recipes' generator; its high bits are good enough to draw faults. */
static unsigned draw(uint32_t *seed, unsigned below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 16) % below;
}

static fault draw_fault(uint32_t *seed)
{
    fault_id id;
    do {
        id = (fault_id)draw(seed, FAULT_COUNT);
    } while (id == FAULT_HANG || id == FAULT_TLS_HANG || id == FAULT_HUGE_BODY ||
             id == FAULT_ANSWER_STREAM_NO_ERROR); /* these only take time */
    return (fault){.id = id, .accepted = draw(seed, 2) == 1, .retry_after = "0"};
}

/* Eight identical messages, one after the other, through faults at every second step. */
static void play_script(uint32_t seed)
{
    enum { FAULTS_IN_SCRIPT = 12, SENDS = 8 };
    fault script[FAULTS_IN_SCRIPT];
    uint32_t chance = seed;
    for (size_t i = 0; i < FAULTS_IN_SCRIPT; i++) {
        script[i] = i % 2 == 0 ? draw_fault(&chance) : (fault){.id = FAULT_NONE};
    }
    mode in_doubt = draw(&chance, 2) == 0 ? VERIFY : STOP;
    fault_server *server = fault_server_start(script, FAULTS_IN_SCRIPT);
    tsms_client *client = client_new(fault_server_url(server), fault_server_ca_file(server),
                                     VERSIONS[draw(&chance, 2)], MODE_NAMES[in_doubt], TIMEOUT_MS);
    for (int i = 0; i < SENDS; i++) {
        unsigned before = fault_server_stats(server).posts_accepted;
        report r = send_hello(client);
        unsigned messages = fault_server_stats(server).posts_accepted - before;
        if (messages > 1 || !is_true(&r, messages)) {
            fail_msg("seed %u, message %d: %s, but there are %u", seed, i,
                     tsms_outcome_name(r.outcome), messages);
        }
    }
    tsms_client_free(client);
    fault_server_stop(server);
}

static void test_any_script_texts_nobody_twice(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 100; seed++) {
        play_script(seed);
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
