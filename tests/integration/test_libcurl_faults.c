/* Records what libcurl does with each fault: which code it reports, when it sends a POST again
 * without being asked, and when it takes a dead connection for alive. The client's rules rest on
 * this; where a newer libcurl differs, this test says so. */
#include "bare_client.h"
#include "fault_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Faults that hang cost no more than this. */
enum { SHORT_TIMEOUT_MS = 250 };

/* ---- What libcurl makes of each fault */

static void test_refused_port_is_not_sent(void **state)
{
    (void)state;
    uint16_t port = 0;
    int reserved = fault_refusing_port(&port);
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%u", port);
    bare_client c;
    bare_client_open(&c, url, "/dev/null", CURL_HTTP_VERSION_1_1);
    bare_reply r = bare_send_hello(&c);
    assert_int_equal(r.code, CURLE_COULDNT_CONNECT);
    assert_int_equal(r.prereqs, 0);
    bare_client_close(&c);
    close(reserved);
}

static void test_unknown_host_is_not_sent(void **state)
{
    (void)state;
    bare_client c;
    bare_client_open(&c, "https://nonexistent.invalid", "/dev/null", CURL_HTTP_VERSION_1_1);
    bare_reply r = bare_send_hello(&c);
    assert_int_equal(r.code, CURLE_COULDNT_RESOLVE_HOST);
    assert_int_equal(r.prereqs, 0);
    bare_client_close(&c);
}

enum { H1 = 1, H2 = 2, FRESH = 4, REUSED = 8, EITHER = H1 | H2, ALWAYS = FRESH | REUSED };

/* What a guarded libcurl 7.88 reports for one send: one of up to three codes, where the moment at
 * which it notices is the kernel's choice, and the HTTP status that it has seen. */
typedef struct expectation {
    fault_id id;
    unsigned where; /* which HTTP versions, which connections */
    CURLcode codes[3];
    long status;
} expectation;

static const expectation EXPECTATIONS[] = {
    {FAULT_TLS_CLOSE_BEFORE, EITHER | FRESH, {CURLE_SSL_CONNECT_ERROR}, 0},
    {FAULT_TLS_RESET_BEFORE, EITHER | FRESH, {CURLE_SSL_CONNECT_ERROR, CURLE_COULDNT_CONNECT}, 0},
    {FAULT_TLS_CLOSE_IN, EITHER | FRESH, {CURLE_SSL_CONNECT_ERROR}, 0},
    {FAULT_TLS_RESET_IN, EITHER | FRESH, {CURLE_SSL_CONNECT_ERROR}, 0},
    {FAULT_TLS_PLAINTEXT, EITHER | FRESH, {CURLE_SSL_CONNECT_ERROR}, 0},
    {FAULT_TLS_HANG, EITHER | FRESH, {CURLE_OPERATION_TIMEDOUT}, 0},
    {FAULT_TLS_CLOSE_AFTER, H1 | FRESH, {CURLE_GOT_NOTHING, CURLE_RECV_ERROR, CURLE_SEND_ERROR}, 0},
    {FAULT_TLS_CLOSE_AFTER,
     H2 | FRESH,
     {CURLE_PARTIAL_FILE, CURLE_RECV_ERROR, CURLE_SEND_ERROR},
     0},
    {FAULT_UNREAD_CLOSE, H1 | FRESH, {CURLE_RECV_ERROR, CURLE_GOT_NOTHING, CURLE_SEND_ERROR}, 0},
    {FAULT_UNREAD_CLOSE, H2 | FRESH, {CURLE_PARTIAL_FILE, CURLE_RECV_ERROR, CURLE_SEND_ERROR}, 0},
    {FAULT_UNREAD_RESET, EITHER | FRESH, {CURLE_RECV_ERROR, CURLE_SEND_ERROR}, 0},
    {FAULT_UNREAD_CLOSE,
     EITHER | REUSED,
     {CURLE_ABORTED_BY_CALLBACK, CURLE_SEND_ERROR, CURLE_PARTIAL_FILE},
     0},
    {FAULT_UNREAD_RESET, EITHER | REUSED, {CURLE_ABORTED_BY_CALLBACK, CURLE_SEND_ERROR}, 0},
    {FAULT_CLOSE, H1 | FRESH, {CURLE_GOT_NOTHING}, 0},
    {FAULT_CLOSE, H1 | REUSED, {CURLE_ABORTED_BY_CALLBACK}, 0},
    {FAULT_CLOSE, H2 | ALWAYS, {CURLE_PARTIAL_FILE}, 0},
    {FAULT_RESET, EITHER | FRESH, {CURLE_RECV_ERROR, CURLE_SEND_ERROR}, 0},
    {FAULT_RESET, EITHER | REUSED, {CURLE_ABORTED_BY_CALLBACK}, 0},
    {FAULT_HANG, EITHER | ALWAYS, {CURLE_OPERATION_TIMEDOUT}, 0},
    {FAULT_HALF_STATUS, H1 | FRESH, {CURLE_GOT_NOTHING}, 0},
    {FAULT_HALF_STATUS, H1 | REUSED, {CURLE_ABORTED_BY_CALLBACK}, 0},
    {FAULT_HALF_STATUS, H2 | ALWAYS, {CURLE_PARTIAL_FILE}, 0},
    /* CURLE_OK is not the same as a complete answer: here the header was cut off. */
    {FAULT_HALF_HEADER, H1 | ALWAYS, {CURLE_OK}, 201},
    {FAULT_HALF_HEADER, H2 | ALWAYS, {CURLE_PARTIAL_FILE}, 0},
    {FAULT_HALF_BODY, EITHER | ALWAYS, {CURLE_PARTIAL_FILE}, 201},
    {FAULT_GARBAGE, H1 | ALWAYS, {CURLE_UNSUPPORTED_PROTOCOL}, 0},
    {FAULT_GARBAGE, H2 | FRESH, {CURLE_GOT_NOTHING}, 0},
    {FAULT_GARBAGE, H2 | REUSED, {CURLE_ABORTED_BY_CALLBACK}, 0},
    {FAULT_STATUS_500, EITHER | ALWAYS, {CURLE_OK}, 500},
    {FAULT_STATUS_503, EITHER | ALWAYS, {CURLE_OK}, 503},
    {FAULT_STATUS_429, EITHER | ALWAYS, {CURLE_OK}, 429},
    {FAULT_STATUS_302, EITHER | ALWAYS, {CURLE_OK}, 302},
    {FAULT_HTML_502, EITHER | ALWAYS, {CURLE_OK}, 502},
    {FAULT_HUGE_BODY, EITHER | ALWAYS, {CURLE_OK}, 201},
    {FAULT_ANSWER_RESET, EITHER | ALWAYS, {CURLE_OK}, 201},
    {FAULT_ANSWER_FIN, EITHER | ALWAYS, {CURLE_OK}, 201},
    {FAULT_ANSWER_CLOSE, EITHER | ALWAYS, {CURLE_OK}, 201},
    {FAULT_ANSWER_GOAWAY, H2 | ALWAYS, {CURLE_OK}, 201},
    {FAULT_GOAWAY, H2 | ALWAYS, {CURLE_PARTIAL_FILE, CURLE_HTTP2}, 0},
    {FAULT_STREAM_INTERNAL, H2 | ALWAYS, {CURLE_HTTP2_STREAM}, 0},
    {FAULT_STREAM_REFUSED, H2 | ALWAYS, {CURLE_ABORTED_BY_CALLBACK}, 0},
    {FAULT_ANSWER_STREAM_NO_ERROR, H2 | FRESH, {CURLE_OK}, 201},
    /* The answer is complete, but libcurl waits for leave to send the rest of the request. */
    {FAULT_ANSWER_STREAM_NO_ERROR, H2 | REUSED, {CURLE_OPERATION_TIMEDOUT}, 201},
};

static const long VERSIONS[] = {CURL_HTTP_VERSION_1_1, CURL_HTTP_VERSION_2TLS};

typedef struct cell {
    const expectation *expected;
    int version;
    bool reused;
    bool accepted;
} cell;

static bool code_is_expected(const expectation *expected, CURLcode code)
{
    return code == expected->codes[0] ||
           (code != CURLE_OK && (code == expected->codes[1] || code == expected->codes[2]));
}

/* The claim that outcomes rest on: no request byte can have left exactly when libcurl never called
 * the PREREQ callback, and a second call means that it was about to send again. */
static int expected_prereqs(fault_id id, CURLcode code)
{
    if (fault_stage_of(id) == FAULT_STAGE_CONNECTION && id != FAULT_TLS_CLOSE_AFTER) {
        return 0;
    }
    return code == CURLE_ABORTED_BY_CALLBACK ? 2 : 1;
}

static bool play_cell(const cell *at)
{
    const expectation *expected = at->expected;
    fault_server *server = fault_server_start(NULL, 0);
    bare_client c;
    bare_client_open(&c, fault_server_url(server), fault_server_ca_file(server),
                     VERSIONS[at->version]);
    if (at->reused) {
        fault_server_push(server, (fault){.id = FAULT_NONE});
    }
    fault_server_push(server, (fault){.id = expected->id, .accepted = at->accepted});
    if (at->reused) {
        assert_int_equal(bare_send_hello(&c).status, 201);
    }
    if (expected->codes[0] == CURLE_OPERATION_TIMEDOUT) {
        bare_client_set_timeout_ms(&c, SHORT_TIMEOUT_MS);
    }
    bare_reply r = bare_send_hello(&c);
    fault_stats stats = fault_server_stats(server);
    unsigned before = at->reused ? 1 : 0;
    bool ok = code_is_expected(expected, r.code) && r.status == expected->status &&
              r.prereqs == expected_prereqs(expected->id, r.code) &&
              stats.posts_seen_complete - before ==
                  (fault_stage_of(expected->id) == FAULT_STAGE_SEND ? 1 : 0) &&
              stats.posts_accepted - before == (at->accepted ? 1 : 0) && stats.script_left == 0;
    if (!ok) {
        print_error("%s, %s, %s connection, %s: code %d, HTTP %ld, %d prereqs; %u seen, %u "
                    "accepted, %u left in the script\n",
                    fault_name(expected->id), at->version == 0 ? "HTTP/1.1" : "HTTP/2",
                    at->reused ? "reused" : "fresh", at->accepted ? "accepted" : "not accepted",
                    r.code, r.status, r.prereqs, stats.posts_seen_complete - before,
                    stats.posts_accepted - before, stats.script_left);
    }
    bare_client_close(&c);
    fault_server_stop(server);
    return ok;
}

static void test_guarded_libcurl_reports_each_fault_as_recorded(void **state)
{
    (void)state;
    int cells = 0, wrong = 0;
    for (size_t i = 0; i < sizeof EXPECTATIONS / sizeof *EXPECTATIONS; i++) {
        const expectation *expected = &EXPECTATIONS[i];
        fault_accepts accepts = fault_accepts_of(expected->id);
        for (unsigned variant = 0; variant < 8; variant++) {
            cell at = {expected, variant & 1, variant & 2, variant & 4};
            if (!(expected->where & (at.version == 0 ? H1 : H2)) ||
                !(expected->where & (at.reused ? REUSED : FRESH)) ||
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

/* ---- Connections that end while nobody uses them */

/* Two sends; the connection ends between them. */
static bare_reply send_around(fault_id id, int version, fault_stats *stats)
{
    fault_server *server = fault_server_start((fault[]){{.id = id}}, 1);
    bare_client c;
    bare_client_open(&c, fault_server_url(server), fault_server_ca_file(server), VERSIONS[version]);
    assert_int_equal(bare_send_hello(&c).status, 201);
    bare_reply second = bare_send_hello(&c);
    *stats = fault_server_stats(server);
    bare_client_close(&c);
    fault_server_stop(server);
    return second;
}

static void test_connection_closed_while_idle_is_replaced(void **state)
{
    (void)state;
    static const struct {
        fault_id id;
        int version;
    } ends[] = {{FAULT_ANSWER_FIN, 0}, {FAULT_ANSWER_FIN, 1}, {FAULT_ANSWER_GOAWAY, 1}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        fault_stats stats;
        bare_reply second = send_around(ends[i].id, ends[i].version, &stats);
        assert_int_equal(second.status, 201);
        assert_int_equal(second.prereqs, 1);
        assert_int_equal(stats.posts_accepted, 2);
        assert_int_equal(stats.connections, 2);
    }
}

/* Behind an unread close_notify, libcurl takes the connection for alive, sends into it, and then
 * cannot know what became of the request. */
static void test_connection_closed_with_a_tls_goodbye_is_not_noticed(void **state)
{
    (void)state;
    static const CURLcode codes[] = {CURLE_ABORTED_BY_CALLBACK, CURLE_PARTIAL_FILE};
    for (int version = 0; version < 2; version++) {
        fault_stats stats;
        bare_reply second = send_around(FAULT_ANSWER_CLOSE, version, &stats);
        assert_int_equal(second.code, codes[version]);
        assert_int_equal(second.prereqs, version == 0 ? 2 : 1);
        assert_int_equal(stats.posts_accepted, 1);
    }
}

/* ---- libcurl sends a POST again by itself, and reports success */

/* Two sends; the second meets the fault on a connection that the first has used. */
static bare_reply send_two(fault_id id, int version, bool guard, unsigned *accepted)
{
    fault script[] = {{.id = FAULT_NONE}, {.id = id, .accepted = true}};
    fault_server *server = fault_server_start(script, 2);
    bare_client c;
    bare_client_open(&c, fault_server_url(server), fault_server_ca_file(server), VERSIONS[version]);
    c.guard = guard;
    assert_int_equal(bare_send_hello(&c).status, 201);
    bare_reply second = bare_send_hello(&c);
    *accepted = fault_server_stats(server).posts_accepted;
    bare_client_close(&c);
    fault_server_stop(server);
    return second;
}

static const struct {
    fault_id id;
    int version;
} DOUBLED[] = {{FAULT_CLOSE, 0},
               {FAULT_RESET, 0},
               {FAULT_HALF_STATUS, 0},
               {FAULT_RESET, 1},
               {FAULT_GARBAGE, 1}};

/* libcurl repeats nearly always: it depends on whether it sees the reset while it reads or writes.
 */
static bare_reply send_two_until_repeated(fault_id id, int version, bool guarded,
                                          unsigned *accepted)
{
    enum { TRIES = 10 };
    bare_reply second = send_two(id, version, guarded, accepted);
    for (int i = 1; i < TRIES && second.prereqs != 2; i++) {
        second = send_two(id, version, guarded, accepted);
    }
    return second;
}

static void test_default_libcurl_doubles_a_post_and_reports_success(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof DOUBLED / sizeof *DOUBLED; i++) {
        unsigned accepted = 0;
        bare_reply second =
            send_two_until_repeated(DOUBLED[i].id, DOUBLED[i].version, false, &accepted);
        assert_int_equal(second.code, CURLE_OK);
        assert_int_equal(second.status, 201);
        assert_int_equal(second.prereqs, 2);
        assert_int_equal(accepted, 3);
    }
}

static void test_prereq_guard_prevents_the_double(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof DOUBLED / sizeof *DOUBLED; i++) {
        unsigned accepted = 0;
        bare_reply second =
            send_two_until_repeated(DOUBLED[i].id, DOUBLED[i].version, true, &accepted);
        assert_int_equal(second.code, CURLE_ABORTED_BY_CALLBACK);
        assert_int_equal(second.prereqs, 2);
        assert_int_equal(accepted, 2);
    }
}

static void test_default_libcurl_does_not_double_after_other_http2_ends(void **state)
{
    (void)state;
    static const fault_id ends[] = {FAULT_CLOSE, FAULT_GOAWAY, FAULT_STREAM_INTERNAL};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        unsigned accepted = 0;
        bare_reply second = send_two(ends[i], 1, false, &accepted);
        assert_int_not_equal(second.code, CURLE_OK);
        assert_int_equal(second.prereqs, 1);
        assert_int_equal(accepted, 2);
    }
}

static void test_default_libcurl_repeats_a_refused_stream_rightly(void **state)
{
    (void)state;
    unsigned accepted = 0;
    bare_reply second = send_two(FAULT_STREAM_REFUSED, 1, false, &accepted);
    assert_int_equal(second.status, 201);
    assert_int_equal(second.prereqs, 2);
    assert_int_equal(accepted, 2);
}

int main(void)
{
    curl_global_init(CURL_GLOBAL_ALL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_port_is_not_sent),
        cmocka_unit_test(test_unknown_host_is_not_sent),
        cmocka_unit_test(test_guarded_libcurl_reports_each_fault_as_recorded),
        cmocka_unit_test(test_connection_closed_while_idle_is_replaced),
        cmocka_unit_test(test_connection_closed_with_a_tls_goodbye_is_not_noticed),
        cmocka_unit_test(test_default_libcurl_doubles_a_post_and_reports_success),
        cmocka_unit_test(test_prereq_guard_prevents_the_double),
        cmocka_unit_test(test_default_libcurl_does_not_double_after_other_http2_ends),
        cmocka_unit_test(test_default_libcurl_repeats_a_refused_stream_rightly),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
