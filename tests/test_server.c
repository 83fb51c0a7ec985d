/* drive/server.c and server_connection.c: options, deadlines, limits, and the end of a server. */
#define _GNU_SOURCE /* syscall */
#include "server_support.h"

#include <limits.h>
#include <sys/syscall.h>

static bool has_descriptors = true;

/* Stands in front of the C library's function, which the event library calls. */
__attribute__((visibility("default"))) int accept4(int fd, struct sockaddr *restrict address,
                                                   socklen_t *restrict len, int flags)
{
    if (!has_descriptors) {
        errno = EMFILE;
        return -1;
    }
    return (int)syscall(SYS_accept4, fd, address, len, flags);
}

static void expect_refusal(tsms_server_options options, const char *message)
{
    tsms_server *server = NULL;
    tsms_error err;
    assert_int_equal(tsms_server_new(&options, &server, &err), TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_INVALID_OPTION);
    assert_string_equal(err.message, message);
    assert_null(server);
}

static void test_options_that_cannot_be_used(void **state)
{
    const char *size = "the size of the options is wrong: start from TSMS_SERVER_OPTIONS_INIT";
    const char *port = "port must be from 0 to 65535";
    const char *files = "tls needs certificate_file and key_file, or ca_file alone";
    const char *no_key = "certificate_file is given without its key_file";
    const char *no_certificate = "key_file is given without its certificate_file";
    const char *both = "ca_file is written for a throw-away certificate: leave it out beside "
                       "certificate_file and key_file";
    tsms_str name = tsms_str_from("x.pem");
    tsms_server_options init = TSMS_SERVER_OPTIONS_INIT;
    tsms_server_options o;
    o = init, o.size = 0, expect_refusal(o, size);
    o = init, o.size++, expect_refusal(o, size);
    o = init, o.port = -1, expect_refusal(o, port);
    o = init, o.port = 65536, expect_refusal(o, port);
    o = init, o.timeout_ms = -1, expect_refusal(o, "timeout_ms must be 0 (the default) or more");
    o = init, o.idle_timeout_ms = -1;
    expect_refusal(o, "idle_timeout_ms must be 0 (the default) or more");
    o = init, o.max_body = SIZE_MAX, expect_refusal(o, "max_body must be less than 2 GiB");
    o = init, o.max_headers = (size_t)INT_MAX + 1;
    expect_refusal(o, "max_headers must be less than 2 GiB");
    o = init, expect_refusal(o, files);
    o = init, o.key_file = name, expect_refusal(o, no_certificate);
    o = init, o.certificate_file = name, expect_refusal(o, no_key);
    o = init, o.ca_file = o.certificate_file = name, expect_refusal(o, no_key);
    o = init, o.ca_file = o.certificate_file = o.key_file = name, expect_refusal(o, both);
    o = init, o.tls = false, o.ca_file = name;
    expect_refusal(o, "tls is off, but ca_file is given: leave that out, or switch tls on");
    o = init, o.tls = false, o.key_file = name;
    expect_refusal(o, "tls is off, but key_file is given: leave that out, or switch tls on");
    o.certificate_file = name;
    expect_refusal(o, "tls is off, but certificate_file is given: leave that out, or switch tls "
                      "on");
    o = init, o.tls = false, o.port = 70000, expect_refusal(o, port);
    o = init, o.ca_file = name, o.host = tsms_str_from("localhost");
    expect_refusal(o, "host is no numeric address");
    o = init, o.tls = false, o.host = tsms_str_from("0.0.0.0");
    expect_refusal(o, "without tls the host must be a loopback address");
    o.host = tsms_str_from("::");
    expect_refusal(o, "without tls the host must be a loopback address");
}

static void test_a_port_that_is_taken(void **state)
{
    tsms_server *first = start_plain();
    tsms_server_options options = TSMS_SERVER_OPTIONS_INIT;
    options.tls = false;
    options.port = tsms_server_port(first);
    tsms_server *second = NULL;
    tsms_error err;
    assert_int_equal(tsms_server_new(&options, &second, &err), TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_CONNECTION_FAILED);
    tsms_server_free(first);
}

static void test_a_slow_request_is_cut_off_however_often_it_moves(void **state)
{
    tsms_server *server = start_plain();
    int fd = connect_to(server);
    int silent = connect_to(server);
    char got[1024];
    settle(server);
    assert_int_equal(tsms_server_timeout_ms(server), 15000);
    put(fd, "POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n");
    for (int second = 0; second < 14; second++) {
        put(fd, "x");
        test_now.mono_ms += 1000;
        settle(server);
    }
    assert_int_equal(tsms_server_timeout_ms(server), 1000);
    assert_int_equal(take(fd, got, sizeof got), -EAGAIN);
    test_now.mono_ms += 1000;
    assert_int_equal(tsms_server_timeout_ms(server), 0);
    settle(server);
    assert_int_equal(take(fd, got, sizeof got), 0);
    assert_int_equal(take(silent, got, sizeof got), 0);
    assert_int_equal(tsms_server_connections(server), 0);
    assert_int_equal(tsms_server_timeout_ms(server), -1);
    close(fd);
    close(silent);
    tsms_server_free(server);
}

static void test_an_idle_connection_is_closed(void **state)
{
    tsms_server *server = start_plain();
    int fd = connect_to(server);
    char got[1024];
    put(fd, GET);
    answer(await_request(server), 200, "");
    settle(server);
    assert_true(take(fd, got, sizeof got) > 0);
    assert_int_equal(tsms_server_timeout_ms(server), 60000);
    test_now.mono_ms += 59000;
    put(fd, "G"); /* it is not idle any longer, but has to make haste */
    settle(server);
    assert_int_equal(tsms_server_timeout_ms(server), 15000);
    put(fd, &GET[1]);
    answer(await_request(server), 200, "");
    settle(server);
    assert_true(take(fd, got, sizeof got) > 0);
    test_now.mono_ms += 60000;
    settle(server);
    assert_int_equal(take(fd, got, sizeof got), 0);
    close(fd);
    tsms_server_free(server);
}

static void test_the_host_may_take_its_time(void **state)
{
    tsms_server *server = start_plain();
    int fd = connect_to(server);
    char got[1024];
    put(fd, GET);
    tsms_server_request *request = await_request(server);
    test_now.mono_ms += 3600 * 1000;
    settle(server);
    assert_int_equal(tsms_server_timeout_ms(server), -1);
    answer(request, 200, "late");
    settle(server);
    assert_true(take(fd, got, sizeof got) > 0);
    assert_non_null(strstr(got, "late"));
    close(fd);
    tsms_server_free(server);
}

/* A peer that takes nothing must not hold its answer for ever. */
static void test_an_answer_that_nobody_reads(void **state)
{
    tsms_server *server = start_plain();
    int fd = connect_to(server);
    size_t len = 32 << 20;
    char *body = malloc(len);
    assert_non_null(body);
    memset(body, 'x', len);
    put(fd, GET);
    const tsms_server_answer what = {.http_status = 200, .body = {body, len}};
    assert_int_equal(tsms_server_reply(await_request(server), &what, NULL), TSMS_OK);
    settle(server);
    assert_int_equal(tsms_server_connections(server), 1);
    test_now.mono_ms += 15000;
    settle(server);
    assert_int_equal(tsms_server_connections(server), 0);
    free(body);
    close(fd);
    tsms_server_free(server);
}

static void test_requests_outlive_their_server(void **state)
{
    tsms_server *server = start_plain();
    int fds[6];
    tsms_server_request *taken[5];
    for (size_t i = 0; i < 6; i++) {
        fds[i] = connect_to(server);
        put(fds[i], GET);
        if (i < 5) {
            taken[i] = await_request(server);
        }
    }
    tsms_server_step(server, 0); /* the sixth waits inside */
    tsms_server_free(server);
    assert_str_is(tsms_server_request_method(taken[0]), "GET");
    answer(taken[0], 200, "nobody");
    const tsms_server_answer what = {.http_status = 200, .body = tsms_str_from("x")};
    assert_int_equal(tsms_server_cut(taken[1], &what, NULL), TSMS_OK);
    assert_int_equal(tsms_server_raw(taken[2], tsms_str_from("x"), NULL), TSMS_OK);
    tsms_server_drop(taken[3], TSMS_SERVER_DROP_RESET);
    tsms_server_drop(taken[4], TSMS_SERVER_DROP_CLOSE);
    for (size_t i = 0; i < 6; i++) {
        close(fds[i]);
    }
    tsms_server_drop(NULL, TSMS_SERVER_DROP_RESET);
    tsms_server_free(NULL);
}

static void test_a_stopped_server_without_connections_does_not_wait(void **state)
{
    tsms_server *server = start_plain();
    tsms_server_stop(server);
    tsms_server_step(server, 600000); /* the runner's own time limit would end it otherwise */
    assert_int_equal(tsms_server_connections(server), 0);
    tsms_server_free(server);
}

static void test_stopping_lets_requests_end(void **state)
{
    tsms_server *server = start_plain();
    char got[1024];
    int idle = connect_to(server);
    put(idle, GET);
    answer(await_request(server), 200, "");
    settle(server);
    assert_true(take(idle, got, sizeof got) > 0);
    int answering = connect_to(server);
    put(answering, GET);
    answer(await_request(server), 200, "in time"); /* leaves with the next step */
    int sending = connect_to(server);
    put(sending, "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\na");
    int waiting = connect_to(server);
    put(waiting, GET);
    tsms_server_request *request = await_request(server);

    tsms_server_stop(server);
    tsms_server_stop(server);
    settle(server);
    assert_int_equal(take(idle, got, sizeof got), 0);
    assert_true(take(answering, got, sizeof got) > 0);
    assert_int_equal(take(answering, got, sizeof got), 0);
    assert_int_equal(tsms_server_connections(server), 2);
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)tsms_server_port(server)),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int late = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(late, (const struct sockaddr *)&address, sizeof address), -1);
    assert_int_equal(errno, ECONNREFUSED);
    answer(request, 200, "");
    put(sending, "b");
    answer(await_request(server), 200, "");
    settle(server);
    for (int i = 0; i < 2; i++) {
        int fd = i == 0 ? waiting : sending;
        assert_true(take(fd, got, sizeof got) > 0);
        assert_non_null(strstr(got, "\r\nConnection: close\r\n"));
        assert_int_equal(take(fd, got, sizeof got), 0);
        close(fd);
    }
    assert_int_equal(tsms_server_connections(server), 0);
    tsms_server_step(server, -1); /* nothing can come: it must not wait */
    close(idle);
    close(answering);
    close(late);
    tsms_server_free(server);
}

static void test_more_connections_than_allowed_wait(void **state)
{
    tsms_server_options options = TSMS_SERVER_OPTIONS_INIT;
    options.tls = false;
    options.max_connections = 2;
    tsms_server *server = start(&options);
    int fds[4];
    for (size_t i = 0; i < 4; i++) {
        fds[i] = connect_to(server);
    }
    settle(server);
    assert_int_equal(tsms_server_connections(server), 2);
    put(fds[3], GET);
    assert_null(tsms_server_next(server));
    close(fds[0]);
    close(fds[1]);
    tsms_server_request *request = await_request(server);
    assert_non_null(request);
    assert_int_equal(tsms_server_connections(server), 2);
    answer(request, 200, "");
    close(fds[2]);
    close(fds[3]);
    tsms_server_free(server);
}

static void test_accepting_pauses_without_descriptors(void **state)
{
    tsms_server *server = start_plain();
    int fd = connect_to(server);
    has_descriptors = false;
    settle(server); /* would never end if the listener stayed ready */
    has_descriptors = true;
    assert_int_equal(tsms_server_connections(server), 0);
    assert_int_equal(tsms_server_timeout_ms(server), 100);
    test_now.mono_ms += 100;
    settle(server);
    assert_int_equal(tsms_server_connections(server), 1);
    close(fd);
    tsms_server_free(server);
}

static void test_a_foreign_loop_can_wait(void **state)
{
    tsms_server *server = start_plain();
    struct pollfd watch = {.fd = tsms_server_pollfd(server), .events = POLLIN};
    assert_true(watch.fd >= 0);
    assert_int_equal(poll(&watch, 1, 0), 0);
    int fd = connect_to(server);
    assert_int_equal(poll(&watch, 1, 1000), 1);
    settle(server);
    assert_int_equal(poll(&watch, 1, 0), 0);
    put(fd, GET GET);
    assert_int_equal(poll(&watch, 1, 1000), 1);
    tsms_server_request *request = NULL;
    tsms_server_step(server, 0);
    assert_int_equal(tsms_server_timeout_ms(server), 0); /* a request waits to be taken */
    request = tsms_server_next(server);
    assert_non_null(request);
    assert_int_equal(tsms_server_timeout_ms(server), -1);
    answer(request, 200, "");
    assert_int_equal(poll(&watch, 1, 1000), 1);
    for (int i = 0; i < 10 && request != NULL; i++) {
        /* The second request was read together with the first: no descriptor tells of it. */
        if (poll(&watch, 1, 0) == 0) {
            assert_int_equal(tsms_server_timeout_ms(server), 0);
        }
        tsms_server_step(server, 0);
        request = tsms_server_next(server);
        if (request != NULL) {
            break;
        }
        request = (tsms_server_request *)1;
    }
    assert_non_null(request);
    assert_ptr_not_equal(request, (tsms_server_request *)1);
    answer(request, 200, "");
    close(fd);
    tsms_server_free(server);
}

static void test_step_waits_no_longer_than_asked(void **state)
{
    tsms_server *server = start_plain();
    tsms_server_step(server, 0);
    int fd = connect_to(server);
    put(fd, GET);
    tsms_server_step(server, -1); /* returns with the request */
    tsms_server_request *request = tsms_server_next(server);
    assert_non_null(request);
    answer(request, 200, "");
    close(fd);
    tsms_server_free(server);
}

static void test_memory_may_run_out(void **state)
{
    for (size_t n = 1;; n++) {
        test_mem tm;
        test_mem_init(&tm, n);
        tsms_server_options options = TSMS_SERVER_OPTIONS_INIT;
        options.tls = false;
        options.mem = &tm.mem;
        tsms_server *server = NULL;
        tsms_error err;
        tsms_status status = tsms_server_new(&options, &server, &err);
        if (status == TSMS_OK) {
            char got[1024];
            int fd = connect_to(server);
            put(fd, GET GET);
            bool tried = tm.failed;
            tsms_server_request *request = await_request(server);
            const tsms_server_header header = {tsms_str_from("X"), tsms_str_from("y")};
            const tsms_server_answer what = {200, &header, 1, tsms_str_from("x")};
            if (request != NULL && tsms_server_reply(request, &what, &err) != TSMS_OK) {
                assert_true(tm.failed);
                assert_int_equal(err.kind, TSMS_KIND_TEMPORARILY_UNAVAILABLE);
                assert_int_equal(tsms_server_reply(request, &what, &err), TSMS_OK);
            }
            if (request != NULL) {
                request = await_request(server);
            }
            if (request != NULL && tsms_server_cut(request, &what, &err) != TSMS_OK) {
                assert_true(tm.failed);
                tsms_server_drop(request, TSMS_SERVER_DROP_CLOSE);
            }
            settle(server);
            if (!tm.failed) {
                assert_true(take(fd, got, sizeof got) > 0);
            }
            assert_false(tried);
            close(fd);
            tsms_server_free(server);
        } else {
            assert_true(tm.failed);
            assert_int_equal(status, TSMS_NOMEM);
            assert_int_equal(err.kind, TSMS_KIND_TEMPORARILY_UNAVAILABLE);
        }
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            assert_true(n > 5);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_that_cannot_be_used),
        cmocka_unit_test(test_a_port_that_is_taken),
        cmocka_unit_test(test_a_slow_request_is_cut_off_however_often_it_moves),
        cmocka_unit_test(test_an_idle_connection_is_closed),
        cmocka_unit_test(test_the_host_may_take_its_time),
        cmocka_unit_test(test_an_answer_that_nobody_reads),
        cmocka_unit_test(test_requests_outlive_their_server),
        cmocka_unit_test(test_stopping_lets_requests_end),
        cmocka_unit_test(test_a_stopped_server_without_connections_does_not_wait),
        cmocka_unit_test(test_more_connections_than_allowed_wait),
        cmocka_unit_test(test_accepting_pauses_without_descriptors),
        cmocka_unit_test(test_a_foreign_loop_can_wait),
        cmocka_unit_test(test_step_waits_no_longer_than_asked),
        cmocka_unit_test(test_memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
