/* Proves the fault server with bare libcurl, and records what libcurl does with each fault: which
 * code it reports, and when it sends a POST again without being asked. */
#define _GNU_SOURCE /* strdup */
#include "fault_server.h"

#include <cjson/cJSON.h>
#include <curl/curl.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MESSAGES "/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef/Messages.json"

/* Faults that hang cost the short one, so that the others may have a long one. */
enum { TIMEOUT_MS = 10000, SHORT_TIMEOUT_MS = 250 };

typedef struct reply {
    CURLcode code;
    long status;
    int prereqs; /* how often libcurl started to send the request */
    size_t len;
    char text[4096]; /* the beginning of the body */
} reply;

typedef struct client {
    CURL *easy;
    bool guard; /* forbid libcurl to start a request twice */
    char url[256];
    int prereqs;
    reply *reply;
} client;

static int on_prereq(void *arg, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
    client *c = arg;
    (void)remote_ip, (void)local_ip, (void)remote_port, (void)local_port;
    c->prereqs++;
    return c->guard && c->prereqs > 1 ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    reply *r = ((client *)arg)->reply;
    size_t room = sizeof r->text - 1 - (r->len < sizeof r->text ? r->len : sizeof r->text - 1);
    size_t len = size * count < room ? size * count : room;
    memcpy(r->text + (sizeof r->text - 1 - room), data, len);
    r->len += size * count;
    return size * count;
}

static void client_open(client *c, const char *url, const char *ca_file, long http_version)
{
    *c = (client){.easy = curl_easy_init(), .guard = true};
    assert_non_null(c->easy);
    snprintf(c->url, sizeof c->url, "%s" MESSAGES, url);
    curl_easy_setopt(c->easy, CURLOPT_URL, c->url);
    curl_easy_setopt(c->easy, CURLOPT_CAINFO, ca_file);
    curl_easy_setopt(c->easy, CURLOPT_HTTP_VERSION, http_version);
    curl_easy_setopt(c->easy, CURLOPT_PREREQFUNCTION, on_prereq);
    curl_easy_setopt(c->easy, CURLOPT_PREREQDATA, c);
    curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
}

static reply perform(client *c)
{
    reply r = {.code = CURLE_OK};
    c->reply = &r;
    c->prereqs = 0;
    r.code = curl_easy_perform(c->easy);
    r.prereqs = c->prereqs;
    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &r.status);
    c->reply = NULL;
    return r;
}

static reply post(client *c, const char *form)
{
    curl_easy_setopt(c->easy, CURLOPT_URL, c->url);
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, form);
    return perform(c);
}

static reply send_hello(client *c)
{
    return post(c, "To=%2B15005550010&From=%2B15005550006&Body=hello");
}

static reply get(client *c, const char *query)
{
    char url[512];
    snprintf(url, sizeof url, "%s?%s", c->url, query);
    curl_easy_setopt(c->easy, CURLOPT_URL, url);
    curl_easy_setopt(c->easy, CURLOPT_HTTPGET, 1L);
    return perform(c);
}

static const char *string_at(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    assert_non_null(text);
    return text;
}

/* ---- A server that nothing ails */

static void check_answers_and_lists(long http_version, long expected_version)
{
    fault_server *server = fault_server_start(NULL, 0);
    client c;
    client_open(&c, fault_server_url(server), fault_server_ca_file(server), http_version);

    reply first = post(&c, "To=%2B15005550010&From=%2B15005550006&Body=one+%26+%C3%A9%22%25");
    assert_int_equal(first.code, CURLE_OK);
    assert_int_equal(first.status, 201);
    long version = 0;
    curl_easy_getinfo(c.easy, CURLINFO_HTTP_VERSION, &version);
    assert_int_equal(version, expected_version);
    cJSON *message = cJSON_Parse(first.text);
    assert_non_null(message);
    assert_string_equal(string_at(message, "to"), "+15005550010");
    assert_string_equal(string_at(message, "from"), "+15005550006");
    assert_string_equal(string_at(message, "body"), "one & \xC3\xA9\"%");
    assert_string_equal(string_at(message, "account_sid"), "AC0123456789abcdef0123456789abcdef");
    assert_string_equal(string_at(message, "sid"), "SM00000000000000000000000000000001");
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(message, "date_sent")));
    cJSON_Delete(message);

    post(&c, "To=%2B15005550011&From=%2B15005550006&Body=other");
    post(&c, "To=%2B15005550010&From=%2B15005550006&Body=two");
    reply page = get(&c, "To=%2B15005550010&From=%2B15005550006&PageSize=50");
    assert_int_equal(page.status, 200);
    cJSON *list = cJSON_Parse(page.text);
    cJSON *rows = cJSON_GetObjectItemCaseSensitive(list, "messages");
    assert_int_equal(cJSON_GetArraySize(rows), 2);
    assert_string_equal(string_at(cJSON_GetArrayItem(rows, 0), "body"), "two");
    assert_string_equal(string_at(cJSON_GetArrayItem(rows, 1), "body"), "one & \xC3\xA9\"%");
    assert_string_equal(string_at(cJSON_GetArrayItem(rows, 0), "direction"), "outbound-api");
    cJSON_Delete(list);
    reply nothing = get(&c, "To=%2B15005550012");
    assert_non_null(strstr(nothing.text, "\"messages\":[]"));

    fault_stats stats = fault_server_stats(server);
    assert_int_equal(stats.connections, 1);
    assert_int_equal(stats.posts_seen_complete, 3);
    assert_int_equal(stats.posts_accepted, 3);
    assert_int_equal(stats.lookups, 2);
    curl_easy_cleanup(c.easy);
    fault_server_stop(server);
}

static void test_answers_and_lists_over_http1(void **state)
{
    (void)state;
    check_answers_and_lists(CURL_HTTP_VERSION_1_1, CURL_HTTP_VERSION_1_1);
}

static void test_answers_and_lists_over_http2(void **state)
{
    (void)state;
    check_answers_and_lists(CURL_HTTP_VERSION_2TLS, CURL_HTTP_VERSION_2_0);
}

static void test_answer_has_the_size_of_a_real_one(void **state)
{
    (void)state;
    fault_server *server = fault_server_start(NULL, 0);
    client c;
    client_open(&c, fault_server_url(server), fault_server_ca_file(server), CURL_HTTP_VERSION_1_1);
    reply r = post(&c, "To=%2B15005550010&From=%2B15005550006&Body="
                       "Your+order+1234567+has+left+our+warehouse+and+will+be+with+you+on+"
                       "Thursday+morning.+Bye");
    assert_in_range(r.len, 800, 900);
    curl_easy_cleanup(c.easy);
    fault_server_stop(server);
}

static void test_certificate_needs_the_servers_own_authority(void **state)
{
    (void)state;
    fault_server *server = fault_server_start(NULL, 0);
    fault_server *stranger = fault_server_start(NULL, 0);
    client c;
    client_open(&c, fault_server_url(server), fault_server_ca_file(stranger),
                CURL_HTTP_VERSION_1_1);
    reply r = send_hello(&c);
    assert_int_equal(r.code, CURLE_PEER_FAILED_VERIFICATION);
    assert_int_equal(r.prereqs, 0);
    curl_easy_cleanup(c.easy);
    fault_server_stop(stranger);
    fault_server_stop(server);
}

static void test_certificate_names_localhost(void **state)
{
    (void)state;
    fault_server *server = fault_server_start(NULL, 0);
    char url[64];
    snprintf(url, sizeof url, "https://localhost%s", strrchr(fault_server_url(server), ':'));
    client c;
    client_open(&c, url, fault_server_ca_file(server), CURL_HTTP_VERSION_1_1);
    assert_int_equal(send_hello(&c).status, 201);
    curl_easy_cleanup(c.easy);
    fault_server_stop(server);
}

static void test_stop_ends_hangs_and_removes_the_certificate(void **state)
{
    (void)state;
    fault_server *server = fault_server_start((fault[]){{.id = FAULT_HANG}}, 1);
    char *ca_file = strdup(fault_server_ca_file(server));
    CURLM *multi = curl_multi_init();
    client c;
    reply r = {.code = CURLE_OK};
    client_open(&c, fault_server_url(server), ca_file, CURL_HTTP_VERSION_1_1);
    c.reply = &r;
    curl_easy_setopt(c.easy, CURLOPT_POSTFIELDS, "Body=x");
    curl_multi_add_handle(multi, c.easy);
    int running = 1;
    while (running > 0 && fault_server_stats(server).posts_seen_complete == 0) {
        curl_multi_perform(multi, &running);
        curl_multi_poll(multi, NULL, 0, 1, NULL);
    }
    assert_int_equal(running, 1);
    fault_server_stop(server);
    assert_int_not_equal(access(ca_file, F_OK), 0);
    curl_multi_remove_handle(multi, c.easy);
    curl_easy_cleanup(c.easy);
    curl_multi_cleanup(multi);
    free(ca_file);
}

/* ---- What libcurl makes of each fault */

static void test_refused_port_is_not_sent(void **state)
{
    (void)state;
    uint16_t port = 0;
    int reserved = fault_refusing_port(&port);
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%u", port);
    client c;
    client_open(&c, url, "/dev/null", CURL_HTTP_VERSION_1_1);
    reply r = send_hello(&c);
    assert_int_equal(r.code, CURLE_COULDNT_CONNECT);
    assert_int_equal(r.prereqs, 0);
    curl_easy_cleanup(c.easy);
    close(reserved);
}

static void test_unknown_host_is_not_sent(void **state)
{
    (void)state;
    client c;
    client_open(&c, "https://nonexistent.invalid", "/dev/null", CURL_HTTP_VERSION_1_1);
    reply r = send_hello(&c);
    assert_int_equal(r.code, CURLE_COULDNT_RESOLVE_HOST);
    assert_int_equal(r.prereqs, 0);
    curl_easy_cleanup(c.easy);
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
    client c;
    client_open(&c, fault_server_url(server), fault_server_ca_file(server), VERSIONS[at->version]);
    if (at->reused) {
        fault_server_push(server, (fault){.id = FAULT_NONE});
    }
    fault_server_push(server, (fault){.id = expected->id, .accepted = at->accepted});
    if (at->reused) {
        assert_int_equal(send_hello(&c).status, 201);
    }
    if (expected->codes[0] == CURLE_OPERATION_TIMEDOUT) {
        curl_easy_setopt(c.easy, CURLOPT_TIMEOUT_MS, (long)SHORT_TIMEOUT_MS);
    }
    reply r = send_hello(&c);
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
    curl_easy_cleanup(c.easy);
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
static reply send_around(fault_id id, int version, fault_stats *stats)
{
    fault_server *server = fault_server_start((fault[]){{.id = id}}, 1);
    client c;
    client_open(&c, fault_server_url(server), fault_server_ca_file(server), VERSIONS[version]);
    assert_int_equal(send_hello(&c).status, 201);
    reply second = send_hello(&c);
    *stats = fault_server_stats(server);
    curl_easy_cleanup(c.easy);
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
        reply second = send_around(ends[i].id, ends[i].version, &stats);
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
        reply second = send_around(FAULT_ANSWER_CLOSE, version, &stats);
        assert_int_equal(second.code, codes[version]);
        assert_int_equal(second.prereqs, version == 0 ? 2 : 1);
        assert_int_equal(stats.posts_accepted, 1);
    }
}

/* ---- libcurl sends a POST again by itself, and reports success */

/* Two sends; the second meets the fault on a connection that the first has used. */
static reply send_two(fault_id id, int version, bool guard, unsigned *accepted)
{
    fault script[] = {{.id = FAULT_NONE}, {.id = id, .accepted = true}};
    fault_server *server = fault_server_start(script, 2);
    client c;
    client_open(&c, fault_server_url(server), fault_server_ca_file(server), VERSIONS[version]);
    c.guard = guard;
    assert_int_equal(send_hello(&c).status, 201);
    reply second = send_hello(&c);
    *accepted = fault_server_stats(server).posts_accepted;
    curl_easy_cleanup(c.easy);
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

static void test_default_libcurl_doubles_a_post_and_reports_success(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof DOUBLED / sizeof *DOUBLED; i++) {
        unsigned accepted = 0;
        reply second = send_two(DOUBLED[i].id, DOUBLED[i].version, false, &accepted);
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
        reply second = send_two(DOUBLED[i].id, DOUBLED[i].version, true, &accepted);
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
        reply second = send_two(ends[i], 1, false, &accepted);
        assert_int_not_equal(second.code, CURLE_OK);
        assert_int_equal(second.prereqs, 1);
        assert_int_equal(accepted, 2);
    }
}

static void test_default_libcurl_repeats_a_refused_stream_rightly(void **state)
{
    (void)state;
    unsigned accepted = 0;
    reply second = send_two(FAULT_STREAM_REFUSED, 1, false, &accepted);
    assert_int_equal(second.status, 201);
    assert_int_equal(second.prereqs, 2);
    assert_int_equal(accepted, 2);
}

int main(void)
{
    curl_global_init(CURL_GLOBAL_ALL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_and_lists_over_http1),
        cmocka_unit_test(test_answers_and_lists_over_http2),
        cmocka_unit_test(test_answer_has_the_size_of_a_real_one),
        cmocka_unit_test(test_certificate_needs_the_servers_own_authority),
        cmocka_unit_test(test_certificate_names_localhost),
        cmocka_unit_test(test_stop_ends_hangs_and_removes_the_certificate),
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
