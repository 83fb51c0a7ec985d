/* drive/server_exchange.c: requests and answers as a peer sees them, without TLS. */
#include "server_support.h"

#include <signal.h>

static void test_request_and_answer(void **state)
{
    tsms_server *server = start_plain();
    assert_string_equal(tsms_server_ca_file(server), "");
    int fd = connect_to(server);
    put(fd, "POST /a%20b/c?x=1&y=%3F HTTP/1.1\r\nHost: api.twilio.com\r\nX-One:  1 \r\n"
            "X-Two: a\r\nX-two: b\r\nContent-Length: 5\r\n\r\nA=\0B");
    assert_int_equal(send(fd, "\0\0\n", 1, 0), 1);
    assert_int_equal(send(fd, "\0=", 2, 0), 2);
    tsms_server_request *request = await_request(server);
    assert_non_null(request);
    assert_str_is(tsms_server_request_method(request), "POST");
    assert_str_is(tsms_server_request_target(request), "/a%20b/c?x=1&y=%3F");
    assert_str_is(tsms_server_request_path(request), "/a%20b/c");
    assert_str_is(tsms_server_request_query(request), "x=1&y=%3F");
    assert_str_is(tsms_server_request_header(request, "x-one"), "1");
    assert_str_is(tsms_server_request_header(request, "X-TWO"), "a");
    assert_null(tsms_server_request_header(request, "X-Three").ptr);
    tsms_str name, value;
    assert_true(tsms_server_request_header_at(request, 3, &name, &value));
    assert_str_is(name, "X-two");
    assert_str_is(value, "b");
    assert_false(tsms_server_request_header_at(request, 5, &name, &value));
    tsms_str body = tsms_server_request_body(request);
    assert_int_equal(body.len, 5);
    assert_memory_equal(body.ptr, "A=\0\0=", 5);
    assert_memory_equal(tsms_server_request_peer(request).ptr, "127.0.0.1:", 10);
    assert_int_equal(tsms_server_request_connection(request), 1);

    const tsms_server_header headers[] = {
        {tsms_str_from("Content-Type"), tsms_str_from("text/plain")},
        {tsms_str_from("X-Two"), tsms_str_from("1")},
        {tsms_str_from("X-Two"), tsms_str_from("2")},
    };
    const tsms_server_answer what = {201, headers, 3, tsms_str_from("hello")};
    assert_int_equal(tsms_server_reply(request, &what, NULL), TSMS_OK);
    settle(server);
    char got[1024];
    assert_true(take(fd, got, sizeof got) > 0);
    assert_ptr_equal(strstr(got, "HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\nX-Two: 1\r\n"
                                 "X-Two: 2\r\nContent-Length: 5\r\n"),
                     got);
    assert_non_null(strstr(got, "\r\nDate: "));
    assert_string_equal(strstr(got, "\r\n\r\n"), "\r\n\r\nhello");
    assert_int_equal(take(fd, got, sizeof got), -EAGAIN);
    close(fd);
    tsms_server_free(server);
}

static void test_connections_are_kept_and_counted(void **state)
{
    tsms_server *server = start_plain();
    char got[1024];
    int fd = connect_to(server);
    for (int i = 0; i < 3; i++) {
        put(fd, GET);
        tsms_server_request *request = await_request(server);
        assert_int_equal(tsms_server_request_connection(request), 1);
        answer(request, 200, "x");
        settle(server);
        assert_true(take(fd, got, sizeof got) > 0);
    }
    int other = connect_to(server);
    put(other, "GET / HTTP/1.0\r\n\r\n");
    tsms_server_request *request = await_request(server);
    assert_int_equal(tsms_server_request_connection(request), 2);
    assert_int_equal(tsms_server_connections(server), 2);
    answer(request, 200, "x");
    settle(server);
    assert_true(take(other, got, sizeof got) > 0);
    assert_int_equal(take(other, got, sizeof got), 0);
    close(fd);
    close(other);
    settle(server);
    assert_int_equal(tsms_server_connections(server), 0);
    tsms_server_free(server);
}

static void test_pipelined_requests_are_answered_in_turn(void **state)
{
    tsms_server *server = start_plain();
    int fd = connect_to(server);
    put(fd, "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na"
            "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nb"
            "GET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
    char got[2048];
    size_t used = 0;
    for (int i = 1; i <= 3; i++) {
        tsms_server_request *request = await_request(server);
        assert_non_null(request);
        settle(server);
        assert_null(tsms_server_next(server));
        char text[] = {'/', (char)('0' + i), '\0'};
        assert_str_is(tsms_server_request_target(request), text);
        answer(request, 200, text);
    }
    settle(server);
    used = (size_t)take(fd, got, sizeof got);
    assert_true(used > 0);
    const char *one = strstr(got, "\r\n\r\n/1");
    const char *two = strstr(got, "\r\n\r\n/2");
    const char *three = strstr(got, "\r\n\r\n/3");
    assert_true(one != NULL && one < two && two < three);
    close(fd);
    tsms_server_free(server);
}

static void test_requests_with_two_meanings_are_refused(void **state)
{
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
    static const char *const requests[] = {
        POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        POST "Transfer-Encoding: identity\r\n\r\n",
        POST "Content-Length: +5\r\n\r\nhello",
        POST "Content-Length: 0x5\r\n\r\nhello",
        POST "Content-Length: 5, 5\r\n\r\nhello",
        POST "Content-Length: -5\r\n\r\nhello",
        POST "Content-Length : 5\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        POST "Content-Length: 1\r\n 0\r\n\r\nhello67890",
        POST "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        POST "Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        POST ": nameless\r\n\r\n",
        POST "no colon\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET / TTP/1.1\r\nHost: a\r\n\r\n",
        "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        "BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\x16\x03\x01 a client that speaks TLS\r\n\r\n",
    };
#undef POST
    tsms_server *server = start_plain();
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        int fd = connect_to(server);
        put(fd, requests[i]);
        settle(server);
        char got[2048];
        ssize_t n = take(fd, got, sizeof got);
        if (n <= 0 ||
            (strncmp(got, "HTTP/1.1 400 ", 13) != 0 && strncmp(got, "HTTP/1.1 413 ", 13) != 0 &&
             strncmp(got, "HTTP/1.1 501 ", 13) != 0)) {
            fail_msg("request %zu was answered with %zd %s", i, n, got);
        }
        assert_null(strstr(got + 1, "HTTP/1.1"));
        /* An end, or a reset because bytes of the refused request were never read. */
        n = take(fd, got, sizeof got);
        if (n != 0 && n != -ECONNRESET) {
            fail_msg("after request %zu there was %zd %s", i, n, got);
        }
        assert_null(tsms_server_next(server));
        close(fd);
    }
    settle(server);
    assert_int_equal(tsms_server_connections(server), 0);
    tsms_server_free(server);
}

static void test_bodies_in_chunks(void **state)
{
    tsms_server *server = start_plain();
    int fd = connect_to(server);
    put(fd, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n");
    settle(server);
    assert_null(tsms_server_next(server));
    put(fd, "2\r\nde\r\n0\r\n\r\n");
    tsms_server_request *request = await_request(server);
    assert_str_is(tsms_server_request_body(request), "abcde");
    tsms_server_drop(request, TSMS_SERVER_DROP_CLOSE);
    close(fd);
    tsms_server_free(server);
}

static void test_a_peer_that_waits_for_100_continue(void **state)
{
    tsms_server *server = start_plain();
    int fd = connect_to(server);
    char got[256];
    put(fd, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    settle(server);
    assert_true(take(fd, got, sizeof got) > 0);
    assert_string_equal(got, "HTTP/1.1 100 Continue\r\n\r\n");
    put(fd, "ab");
    tsms_server_request *request = await_request(server);
    assert_str_is(tsms_server_request_body(request), "ab");
    answer(request, 204, "");
    close(fd);
    tsms_server_free(server);
}

static void expect_status(tsms_server *server, const char *request, const char *status_line)
{
    int fd = connect_to(server);
    char got[1024];
    put(fd, request);
    settle(server);
    assert_true(take(fd, got, sizeof got) > 0);
    assert_memory_equal(got, status_line, strlen(status_line));
    assert_null(tsms_server_next(server));
    close(fd);
}

static void test_limits_of_size(void **state)
{
    tsms_server_options options = TSMS_SERVER_OPTIONS_INIT;
    options.tls = false;
    options.max_headers = 200;
    options.max_body = 10;
    tsms_server *server = start(&options);
    char text[1024];
    snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\nX: %0200d\r\n\r\n", 0);
    expect_status(server, text, "HTTP/1.1 400 ");
    snprintf(text, sizeof text, "GET /%0200d HTTP/1.1\r\nHost: a\r\n\r\n", 0);
    expect_status(server, text, "HTTP/1.1 400 ");
    expect_status(server, "POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n01234567890",
                  "HTTP/1.1 413 ");
    expect_status(server,
                  "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n"
                  "5\r\n01234\r\n0\r\n\r\n",
                  "HTTP/1.1 413 ");
    int fd = connect_to(server);
    put(fd, "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n0123456789");
    tsms_server_request *request = await_request(server);
    assert_str_is(tsms_server_request_body(request), "0123456789");
    answer(request, 200, "");
    close(fd);
    tsms_server_free(server);
}

static void test_a_peer_that_is_gone_before_its_answer(void **state)
{
    tsms_server *server = start_plain();
    for (int how = 0; how < 5; how++) {
        int fd = connect_to(server);
        put(fd, GET);
        tsms_server_request *request = await_request(server);
        const struct linger reset = {1, 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, how % 2 == 0 ? sizeof reset : 0);
        close(fd);
        settle(server);
        const tsms_server_answer what = {.http_status = 200, .body = tsms_str_from("x")};
        if (how < 2) {
            answer(request, 200, "nobody");
        } else if (how == 2) {
            assert_int_equal(tsms_server_cut(request, &what, NULL), TSMS_OK);
        } else if (how == 3) {
            assert_int_equal(tsms_server_raw(request, tsms_str_from("x"), NULL), TSMS_OK);
        } else {
            tsms_server_drop(request, TSMS_SERVER_DROP_RESET);
        }
        settle(server);
        assert_int_equal(tsms_server_connections(server), 0);
    }
    tsms_server_free(server);
}

static void test_answers_that_are_none(void **state)
{
    tsms_server *server = start_plain();
    char got[1024];

    int fd = connect_to(server);
    put(fd, GET);
    tsms_server_drop(await_request(server), TSMS_SERVER_DROP_RESET);
    assert_int_equal(take(fd, got, sizeof got), -ECONNRESET);
    close(fd);

    fd = connect_to(server);
    put(fd, GET);
    tsms_server_drop(await_request(server), TSMS_SERVER_DROP_CLOSE);
    assert_int_equal(take(fd, got, sizeof got), 0);
    close(fd);

    fd = connect_to(server);
    put(fd, GET);
    const tsms_server_header type = {tsms_str_from("X-Type"), tsms_str_from("t")};
    const tsms_server_answer what = {201, &type, 1, tsms_str_from("0123456789")};
    assert_int_equal(tsms_server_cut(await_request(server), &what, NULL), TSMS_OK);
    settle(server);
    assert_true(take(fd, got, sizeof got) > 0);
    assert_string_equal(got, "HTTP/1.1 201 \r\nX-Type: t\r\nContent-Length: 10\r\n"
                             "Connection: close\r\n\r\n01234");
    assert_int_equal(take(fd, got, sizeof got), 0);
    close(fd);

    fd = connect_to(server);
    put(fd, GET);
    assert_int_equal(tsms_server_raw(await_request(server), tsms_str_from("so\r\n"), NULL),
                     TSMS_OK);
    settle(server);
    assert_true(take(fd, got, sizeof got) > 0);
    assert_string_equal(got, "so\r\n");
    assert_int_equal(take(fd, got, sizeof got), 0);
    close(fd);

    fd = connect_to(server);
    put(fd, GET);
    assert_int_equal(tsms_server_raw(await_request(server), tsms_str_from(""), NULL), TSMS_OK);
    assert_int_equal(take(fd, got, sizeof got), 0);
    close(fd);

    settle(server);
    assert_int_equal(tsms_server_connections(server), 0);
    tsms_server_free(server);
}

static void test_answers_without_a_body(void **state)
{
    static const struct {
        const char *method;
        int http_status;
        const char *length;
    } cases[] = {
        {"HEAD", 200, "Content-Length: 5\r\n"},
        {"GET", 204, NULL},
        {"GET", 304, NULL},
        {"GET", 200, "Content-Length: 5\r\n"},
    };
    tsms_server *server = start_plain();
    int fd = connect_to(server);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        snprintf(text, sizeof text, "%s / HTTP/1.1\r\nHost: a\r\n\r\n", cases[i].method);
        put(fd, text);
        answer(await_request(server), cases[i].http_status, "hello");
        settle(server);
        assert_true(take(fd, text, sizeof text) > 0);
        const char *length = strstr(text, "Content-Length");
        if (cases[i].length != NULL) {
            assert_memory_equal(length, cases[i].length, strlen(cases[i].length));
        } else {
            assert_null(length);
        }
        assert_string_equal(strstr(text, "\r\n\r\n") + 4, i == 3 ? "hello" : "");
    }
    close(fd);
    tsms_server_free(server);
}

static void test_answers_that_would_break_http(void **state)
{
    static const struct {
        int http_status;
        const char *name, *value, *message;
    } cases[] = {
        {199, "X", "1", "a status must be 200 to 599"},
        {600, "X", "1", "a status must be 200 to 599"},
        {200, "", "1", "a header is malformed"},
        {200, "X Y", "1", "a header is malformed"},
        {200, "X:", "1", "a header is malformed"},
        {200, "X", "1\r\nSet-Cookie: 2", "a header is malformed"},
        {200, "X", "\x7f", "a header is malformed"},
        {200, "content-length", "1", "the server sets the header content-length itself"},
        {200, "Transfer-Encoding", "x", "the server sets the header Transfer-Encoding itself"},
        {200, "Connection", "close", "the server sets the header Connection itself"},
    };
    tsms_server *server = start_plain();
    int fd = connect_to(server);
    char got[1024];
    put(fd, GET);
    tsms_server_request *request = await_request(server);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const tsms_server_header header = {tsms_str_from(cases[i].name),
                                           tsms_str_from(cases[i].value)};
        const tsms_server_answer bad = {cases[i].http_status, &header, 1, {NULL, 0}};
        tsms_error err;
        assert_int_equal(tsms_server_reply(request, &bad, &err), TSMS_ERROR);
        assert_int_equal(err.kind, TSMS_KIND_INVALID_REQUEST);
        assert_string_equal(err.message, cases[i].message);
        assert_int_equal(tsms_server_cut(request, &bad, NULL), TSMS_ERROR);
    }
    answer(request, 200, "still open");
    settle(server);
    assert_true(take(fd, got, sizeof got) > 0);
    assert_non_null(strstr(got, "still open"));
    close(fd);
    tsms_server_free(server);
}

static uint32_t dice(uint32_t *seed, size_t sides)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % (uint32_t)sides;
}

/* Requests with bytes changed, cut and doubled at random, all with the same seed. */
static void test_garbage_never_hurts(void **state)
{
    static const char seed_text[] =
        "POST /2010-04-01/Accounts/AC/Messages.json?a=b HTTP/1.1\r\nHost: a\r\n"
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\nExpect: 100-continue\r\n"
        "Connection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    tsms_server *server = start_plain();
    uint32_t seed = 12345;
    for (int round = 0; round < 1500; round++) {
        char text[sizeof seed_text];
        memcpy(text, seed_text, sizeof text);
        size_t len = sizeof text - 1;
        for (uint32_t change = dice(&seed, 6); change > 0; change--) {
            size_t at = dice(&seed, len);
            bool wild = dice(&seed, 4) == 0;
            text[at] = wild ? (char)dice(&seed, 256) : "\r\n :0,"[dice(&seed, 6)];
        }
        size_t from = dice(&seed, 8) == 0 ? dice(&seed, len) : 0;
        size_t to = from + (dice(&seed, 3) == 0 ? dice(&seed, len - from) : len - from);
        int fd = connect_to(server);
        (void)!send(fd, text + from, to - from, MSG_NOSIGNAL);
        for (int i = 0; i < 3; i++) {
            tsms_server_step(server, 0);
            tsms_server_request *request = tsms_server_next(server);
            if (request != NULL) {
                answer(request, 200, "x");
            }
        }
        close(fd);
    }
    settle(server);
    tsms_server_request *request;
    while ((request = tsms_server_next(server)) != NULL) {
        tsms_server_drop(request, TSMS_SERVER_DROP_CLOSE);
    }
    int fd = connect_to(server);
    put(fd, "GET /alive HTTP/1.1\r\nHost: a\r\n\r\n");
    request = await_request(server);
    assert_str_is(tsms_server_request_path(request), "/alive");
    answer(request, 200, "");
    close(fd);
    tsms_server_free(server);
}

int main(void)
{
    signal(SIGPIPE, SIG_DFL); /* a stray one would end the test */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_and_answer),
        cmocka_unit_test(test_connections_are_kept_and_counted),
        cmocka_unit_test(test_pipelined_requests_are_answered_in_turn),
        cmocka_unit_test(test_requests_with_two_meanings_are_refused),
        cmocka_unit_test(test_bodies_in_chunks),
        cmocka_unit_test(test_a_peer_that_waits_for_100_continue),
        cmocka_unit_test(test_limits_of_size),
        cmocka_unit_test(test_a_peer_that_is_gone_before_its_answer),
        cmocka_unit_test(test_answers_that_are_none),
        cmocka_unit_test(test_answers_without_a_body),
        cmocka_unit_test(test_answers_that_would_break_http),
        cmocka_unit_test(test_garbage_never_hurts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
