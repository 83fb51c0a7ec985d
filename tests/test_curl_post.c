/* The poster against the project's own server, in one thread: time passes only when a test says so.
 */
#define _GNU_SOURCE /* mkstemp */
#include "server_support.h"

#include "drive/curl_post.h"

#include <unistd.h>

enum { TURNS_MOST = 3000 };

static tsms__poster *poster;
static tsms_server *server;
static char ca_file[] = "/tmp/tsms-test-post-XXXXXX";

static void open_poster(const char *ca)
{
    tsms_error err;
    if (tsms__poster_new(NULL, tsms_str_from(ca), &poster, &err) != TSMS_OK) {
        fail_msg("no poster: %s", err.message);
    }
}

static int open_plain(void **state)
{
    server = start_plain();
    open_poster(NULL);
    return 0;
}

static int close_all(void **state)
{
    tsms__poster_free(poster);
    tsms_server_free(server);
    poster = NULL;
    server = NULL;
    return 0;
}

static const char *url_of(const char *scheme, const char *user, const char *rest)
{
    static char url[64];
    snprintf(url, sizeof url, "%s://%s127.0.0.1:%d%s", scheme, user, tsms_server_port(server),
             rest);
    return url;
}

static uint64_t submit(const tsms__post_request *request)
{
    uint64_t id = 0;
    tsms_error err;
    if (tsms__poster_submit(poster, request, &id, &err) != TSMS_OK) {
        fail_msg("not taken: %s", err.message);
    }
    return id;
}

static uint64_t post(const char *url, const char *body)
{
    const tsms__post_request request = {.url = tsms_str_from(url), .body = tsms_str_from(body)};
    return submit(&request);
}

/* Lets both work, once the network has something for one of them. */
static void turn(void)
{
    struct pollfd watch[] = {
        {.fd = tsms__poster_fd(poster), .events = POLLIN},
        {.fd = server != NULL ? tsms_server_pollfd(server) : -1, .events = POLLIN}};
    (void)poll(watch, 2, 1);
    tsms__poster_step(poster, 0);
    if (server != NULL) {
        tsms_server_step(server, 0);
    }
}

/* Lets both work until the server has a request. */
static tsms_server_request *next_request(void)
{
    tsms_server_request *request = NULL;
    for (int i = 0; i < TURNS_MOST && request == NULL; i++) {
        turn();
        request = tsms_server_next(server);
    }
    assert_non_null(request);
    return request;
}

/* Lets both work until the poster has a result. */
static tsms__post_result next_result(void)
{
    tsms__post_result result = {0};
    for (int i = 0; i < TURNS_MOST; i++) {
        turn();
        if (tsms__poster_result(poster, &result)) {
            return result;
        }
    }
    fail_msg("no result came");
    return result;
}

static void reply_with(tsms_server_request *request, int http_status, const char *name,
                       const char *value)
{
    const tsms_server_header header = {tsms_str_from(name), tsms_str_from(value)};
    const tsms_server_answer what = {
        .http_status = http_status, .headers = &header, .header_count = 1};
    assert_int_equal(tsms_server_reply(request, &what, NULL), TSMS_OK);
}

static void expect_fault(tsms__post_fault fault, const char *text)
{
    tsms__post_result result = next_result();
    if (result.fault != fault || strstr(result.fault_text.ptr, text) == NULL) {
        fail_msg("got fault %s, %s", tsms__post_fault_name(result.fault), result.fault_text.ptr);
    }
}

/* ---- Requests ------------------------------------------------------------------------------- */

static void test_posts_and_reads(void **state)
{
    const tsms_param headers[] = {{TSMS__STR("Content-Type"), TSMS__STR("text/plain")},
                                  {TSMS__STR("X-Empty"), TSMS__STR("")}};
    const tsms__post_request what = {.url = tsms_str_from(url_of("http", "", "/a%20b?c=d")),
                                     .headers = headers,
                                     .header_count = 2,
                                     .body = {"x\0y", 3}};
    uint64_t id = submit(&what);
    assert_int_equal(tsms__poster_pending(poster), 1);
    tsms_server_request *request = next_request();
    assert_str_is(tsms_server_request_method(request), "POST");
    assert_str_is(tsms_server_request_target(request), "/a%20b?c=d");
    assert_str_is(tsms_server_request_header(request, "Content-Type"), "text/plain");
    assert_str_is(tsms_server_request_header(request, "X-Empty"), "");
    assert_null(tsms_server_request_header(request, "Expect").ptr);
    assert_null(tsms_server_request_header(request, "Authorization").ptr);
    assert_int_equal(tsms_server_request_body(request).len, 3);
    test_now.mono_ms += 7;
    reply_with(request, 201, "X-Answer", "yes");
    tsms__post_result result = next_result();
    assert_int_equal(result.id, id);
    assert_int_equal(result.fault, TSMS__POST_NONE);
    assert_int_equal(result.http_status, 201);
    assert_int_equal(result.duration_ms, 7);
    assert_int_equal(result.body.len, 0);
    tsms_str name;
    tsms_str value;
    bool found = false;
    while (tsms__poster_header(poster, &name, &value)) {
        found = found || (tsms__str_eq_z(name, "X-Answer") && tsms__str_eq_z(value, "yes"));
    }
    assert_true(found);
    assert_int_equal(tsms__poster_pending(poster), 0);
    assert_false(tsms__poster_result(poster, &result));
    assert_false(tsms__poster_header(poster, &name, &value));
}

static void test_gets(void **state)
{
    const tsms__post_request what = {
        .get = true, .url = tsms_str_from(url_of("http", "", "/")), .body = TSMS__STR("ignored")};
    submit(&what);
    tsms_server_request *request = next_request();
    assert_str_is(tsms_server_request_method(request), "GET");
    assert_int_equal(tsms_server_request_body(request).len, 0);
    answer(request, 200, "hello");
    assert_str_is(next_result().body, "hello");
}

static void test_runs_many_at_once(void **state)
{
    enum { COUNT = 20 };
    tsms_server_request *requests[COUNT];
    for (int i = 0; i < COUNT; i++) {
        post(url_of("http", "", "/"), "x");
    }
    for (int i = 0; i < COUNT; i++) {
        requests[i] = next_request(); /* none was answered yet */
    }
    for (int i = 0; i < COUNT; i++) {
        answer(requests[i], 200, "");
    }
    uint64_t seen = 0;
    for (int i = 0; i < COUNT; i++) {
        seen |= 1u << next_result().id;
    }
    assert_int_equal(seen, (1u << (COUNT + 1)) - 2);
}

static void test_uses_a_connection_again(void **state)
{
    uint64_t connections[2];
    for (int i = 0; i < 2; i++) {
        post(url_of("http", "", "/"), "x");
        tsms_server_request *request = next_request();
        connections[i] = tsms_server_request_connection(request);
        answer(request, 200, "");
        next_result();
    }
    assert_int_equal(connections[0], connections[1]);
}

static void test_never_sends_again_by_itself(void **state)
{
    post(url_of("http", "", "/"), "x");
    answer(next_request(), 200, "");
    next_result();
    post(url_of("http", "", "/"), "y");
    tsms_server_drop(next_request(), TSMS_SERVER_DROP_CLOSE);
    expect_fault(TSMS__POST_READ, "ended before an answer");
    settle(server);
    assert_null(tsms_server_next(server));
}

/* ---- Challenges and redirections ------------------------------------------------------------ */

static void test_answers_a_challenge_only(void **state)
{
    post(url_of("http", "me:p%40ss@", "/"), "x");
    tsms_server_request *request = next_request();
    assert_null(tsms_server_request_header(request, "Authorization").ptr);
    assert_str_is(tsms_server_request_body(request), "x");
    reply_with(request, 401, "WWW-Authenticate", "Basic realm=\"a\"");
    request = next_request();
    assert_str_is(tsms_server_request_header(request, "Authorization"), "Basic bWU6cEBzcw==");
    assert_str_is(tsms_server_request_method(request), "POST");
    assert_str_is(tsms_server_request_body(request), "x");
    answer(request, 200, "in");
    assert_str_is(next_result().body, "in");
}

static void test_answers_a_challenge_once(void **state)
{
    post(url_of("http", "me:wrong@", "/"), "x");
    reply_with(next_request(), 401, "WWW-Authenticate", "Basic realm=\"a\"");
    reply_with(next_request(), 401, "WWW-Authenticate", "Basic realm=\"a\"");
    assert_int_equal(next_result().http_status, 401);
}

static void test_follows_only_when_told(void **state)
{
    post(url_of("http", "", "/a"), "x");
    reply_with(next_request(), 302, "Location", "/b");
    assert_int_equal(next_result().http_status, 302);
    for (int status = 301; status <= 302; status++) {
        const tsms__post_request what = {
            .url = tsms_str_from(url_of("http", "", "/a")), .body = TSMS__STR("x"), .follow = true};
        submit(&what);
        reply_with(next_request(), status, "Location", "/b");
        tsms_server_request *request = next_request();
        assert_str_is(tsms_server_request_method(request), "GET");
        assert_str_is(tsms_server_request_target(request), "/b");
        assert_int_equal(tsms_server_request_body(request).len, 0);
        answer(request, 200, "there");
        assert_str_is(next_result().body, "there");
    }
}

static void test_does_not_follow_for_ever(void **state)
{
    const tsms__post_request what = {.url = tsms_str_from(url_of("http", "", "/")), .follow = true};
    submit(&what);
    for (int i = 0; i < 6; i++) {
        reply_with(next_request(), 302, "Location", "/");
    }
    expect_fault(TSMS__POST_OTHER, "redirects");
}

static void test_does_not_follow_to_files(void **state)
{
    const tsms__post_request what = {.url = tsms_str_from(url_of("http", "", "/")), .follow = true};
    submit(&what);
    reply_with(next_request(), 302, "Location", "file:///etc/passwd");
    expect_fault(TSMS__POST_OTHER, "file");
}

/* ---- Faults --------------------------------------------------------------------------------- */

static void test_reports_what_the_network_does(void **state)
{
    post(url_of("http", "", "/"), "x");
    tsms_server_drop(next_request(), TSMS_SERVER_DROP_RESET);
    expect_fault(TSMS__POST_READ, "");
    post(url_of("http", "", "/"), "x");
    tsms_server_raw(next_request(), TSMS__STR("\1\2 no HTTP\r\n\r\n"), NULL);
    expect_fault(TSMS__POST_OTHER, "");
    post(url_of("http", "", "/"), "x");
    const tsms_server_answer half = {.http_status = 200, .body = TSMS__STR("half of this")};
    tsms_server_cut(next_request(), &half, NULL);
    tsms__post_result result = next_result();
    assert_int_equal(result.fault, TSMS__POST_READ);
    assert_int_equal(result.http_status, 200);
    assert_str_is(result.body, "half o");
    post("ftp://localhost/", "x");
    expect_fault(TSMS__POST_OTHER, "ftp");
    char url[64];
    snprintf(url, sizeof url, "%s", url_of("http", "", "/"));
    tsms_server_free(server);
    server = NULL;
    post(url, "x");
    expect_fault(TSMS__POST_CONNECT, "");
}

static void test_bounds_the_answer(void **state)
{
    for (size_t most = 4; most <= 5; most++) {
        const tsms__post_request what = {.url = tsms_str_from(url_of("http", "", "/")),
                                         .max_body = most};
        submit(&what);
        answer(next_request(), 200, "12345");
        if (most == 4) {
            expect_fault(TSMS__POST_OTHER, "too large");
        } else {
            assert_str_is(next_result().body, "12345");
        }
    }
}

static void test_waits_for_an_answer_no_longer_than_told(void **state)
{
    const tsms__post_request what = {.url = tsms_str_from(url_of("http", "", "/")),
                                     .read_timeout_ms = 200};
    submit(&what);
    tsms_server_request *request = next_request();
    test_now.mono_ms += 199;
    tsms__poster_step(poster, 0);
    tsms__post_result result;
    assert_false(tsms__poster_result(poster, &result));
    test_now.mono_ms += 1;
    expect_fault(TSMS__POST_READ, "no whole answer in time");
    answer(request, 200, "too late");
    settle(server);
    assert_int_equal(tsms__poster_timeout_ms(poster), -1);
}

static void test_bounds_the_whole_of_it(void **state)
{
    const tsms__post_request what = {.url = tsms_str_from(url_of("http", "", "/")),
                                     .read_timeout_ms = 300,
                                     .total_timeout_ms = 250,
                                     .follow = true};
    submit(&what);
    tsms_server_request *request = next_request();
    test_now.mono_ms += 200;
    reply_with(request, 302, "Location", "/b"); /* time to read begins anew */
    request = next_request();
    test_now.mono_ms += 50;
    expect_fault(TSMS__POST_READ, "in time");
    tsms_server_drop(request, TSMS_SERVER_DROP_CLOSE);
}

/* A socket that takes no connection: its queue is full. */
static void test_waits_for_a_connection_no_longer_than_told(void **state)
{
    int full = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    assert_int_equal(bind(full, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(full, 0), 0);
    assert_int_equal(getsockname(full, (struct sockaddr *)&address, &size), 0);
    int fillers[2];
    for (int i = 0; i < 2; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], (struct sockaddr *)&address, size);
    }
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    const tsms__post_request what = {.url = tsms_str_from(url), .connect_timeout_ms = 100};
    submit(&what);
    for (int i = 0; i < 5; i++) {
        turn();
    }
    tsms__post_result result;
    assert_false(tsms__poster_result(poster, &result));
    test_now.mono_ms += 100;
    expect_fault(TSMS__POST_CONNECT, "no connection in time");
    close(fillers[0]);
    close(fillers[1]);
    close(full);
}

static void test_refuses_control_characters(void **state)
{
    const char *bad[][3] = {{"http://a/\n", "N", "v"},
                            {"", "N", "v"},
                            {"http://a/", "", "v"},
                            {"http://a/", "N\r", "v"},
                            {"http://a/", "N", "v\r\nX: y"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const tsms_param header = {tsms_str_from(bad[i][1]), tsms_str_from(bad[i][2])};
        const tsms__post_request what = {
            .url = tsms_str_from(bad[i][0]), .headers = &header, .header_count = 1};
        uint64_t id;
        tsms_error err;
        assert_int_equal(tsms__poster_submit(poster, &what, &id, &err), TSMS_ERROR);
        assert_int_equal(err.kind, TSMS_KIND_INVALID_REQUEST);
    }
    assert_int_equal(tsms__poster_pending(poster), 0);
}

/* ---- TLS ------------------------------------------------------------------------------------ */

static int open_tls(void **state)
{
    int fd = mkstemp(ca_file);
    assert_true(fd >= 0);
    close(fd);
    tsms_server_options options = TSMS_SERVER_OPTIONS_INIT;
    options.ca_file = tsms_str_from(ca_file);
    server = start(&options);
    return 0;
}

static int close_tls(void **state)
{
    close_all(state);
    unlink(ca_file);
    memcpy(ca_file + strlen(ca_file) - 6, "XXXXXX", 6);
    return 0;
}

static void test_posts_over_tls(void **state)
{
    open_poster(ca_file);
    post(url_of("https", "", "/"), "x");
    tsms_server_request *request = next_request();
    assert_str_is(tsms_server_request_body(request), "x");
    answer(request, 200, "safe");
    assert_str_is(next_result().body, "safe");
}

static void test_trusts_only_what_it_is_told_to(void **state)
{
    open_poster(NULL);
    post(url_of("https", "", "/"), "x");
    expect_fault(TSMS__POST_TLS, "certificate");
    assert_null(tsms_server_next(server));
}

/* The certificate is not for 127.0.0.2. */
static void test_checks_the_host(void **state)
{
    tsms_server_free(server);
    tsms_server_options options = TSMS_SERVER_OPTIONS_INIT;
    options.ca_file = tsms_str_from(ca_file);
    options.host = TSMS__STR("127.0.0.2");
    server = start(&options);
    open_poster(ca_file);
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.2:%d/", tsms_server_port(server));
    post(url, "x");
    expect_fault(TSMS__POST_TLS, "127.0.0.2");
}

static void test_names_a_bad_ca_file(void **state)
{
    open_poster("/nowhere/ca.pem");
    post(url_of("https", "", "/"), "x");
    expect_fault(TSMS__POST_TLS, "");
}

/* ---- Waiting -------------------------------------------------------------------------------- */

static void test_waits_for_something_else_too(void **state)
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    assert_true(tsms__poster_watch(poster, pipes[0]));
    struct pollfd outside = {.fd = tsms__poster_fd(poster), .events = POLLIN};
    assert_int_equal(poll(&outside, 1, 0), 0);
    assert_int_equal(write(pipes[1], "x", 1), 1);
    tsms__poster_step(poster, -1); /* would hang otherwise */
    assert_int_equal(poll(&outside, 1, 0), 1);
    assert_true(tsms__poster_watch(poster, -1));
    assert_int_equal(poll(&outside, 1, 0), 0);
    tsms__poster_step(poster, -1); /* there is nothing to wait for */
    assert_false(tsms__poster_watch(poster, 9999));
    close(pipes[0]);
    close(pipes[1]);
}

static void test_can_be_freed_at_any_time(void **state)
{
    post(url_of("http", "", "/"), "x");
    answer(next_request(), 200, "");
    post(url_of("http", "", "/"), "y");
    tsms_server_request *request = next_request();
    turn();
    tsms__poster_free(poster);
    poster = NULL;
    tsms_server_drop(request, TSMS_SERVER_DROP_CLOSE);
    tsms__poster_free(NULL);
}

static void test_survives_a_lack_of_memory(void **state)
{
    for (size_t n = 1;; n++) {
        test_mem tm;
        test_mem_init(&tm, n);
        tsms__poster *one = NULL;
        tsms_error err;
        tsms_status status = tsms__poster_new(&tm.mem, TSMS__STR("/tmp/ca.pem"), &one, &err);
        if (status == TSMS_OK) {
            const tsms_param header = {TSMS__STR("A"), TSMS__STR("b")};
            const tsms__post_request what = {
                .url = TSMS__STR("ftp://a/"), .headers = &header, .header_count = 1};
            uint64_t id;
            status = tsms__poster_submit(one, &what, &id, &err);
            assert_int_equal(tsms__poster_pending(one), status == TSMS_OK);
        }
        assert_int_equal(status, tm.failed ? TSMS_NOMEM : TSMS_OK);
        tsms__poster_free(one);
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            assert_true(n > 4);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define PLAIN(test) cmocka_unit_test_setup_teardown(test, open_plain, close_all)
#define TLS(test) cmocka_unit_test_setup_teardown(test, open_tls, close_tls)
        PLAIN(test_posts_and_reads),
        PLAIN(test_gets),
        PLAIN(test_runs_many_at_once),
        PLAIN(test_uses_a_connection_again),
        PLAIN(test_never_sends_again_by_itself),
        PLAIN(test_answers_a_challenge_only),
        PLAIN(test_answers_a_challenge_once),
        PLAIN(test_follows_only_when_told),
        PLAIN(test_does_not_follow_for_ever),
        PLAIN(test_does_not_follow_to_files),
        PLAIN(test_reports_what_the_network_does),
        PLAIN(test_bounds_the_answer),
        PLAIN(test_waits_for_an_answer_no_longer_than_told),
        PLAIN(test_bounds_the_whole_of_it),
        PLAIN(test_waits_for_a_connection_no_longer_than_told),
        PLAIN(test_refuses_control_characters),
        TLS(test_posts_over_tls),
        TLS(test_trusts_only_what_it_is_told_to),
        TLS(test_checks_the_host),
        TLS(test_names_a_bad_ca_file),
        PLAIN(test_waits_for_something_else_too),
        PLAIN(test_can_be_freed_at_any_time),
        cmocka_unit_test(test_survives_a_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
