/* drive/server_tunnel.c: bytes pass in both directions, none is lost, and neither is an end. */
#define _GNU_SOURCE /* accept4 */
#include "server_support.h"

#include <event2/event.h>
#include <signal.h>

#include "base/mem.h"
#include "drive/server_os.h"
#include "drive/server_tunnel.h"

#define ASK "CONNECT api.twilio.com:443 HTTP/1.1\r\n\r\n"
#define ESTABLISHED "HTTP/1.1 200 Connection established\r\n\r\n"

enum { TIMEOUT_MS = 1000 };

/* A tunnel between two sockets of the test: a client that asks for it, and its target. */
typedef struct fixture {
    struct event_base *base;
    int epoll;
    tsms__tunnels tunnels;
    int client;
    int target_listener;
    int target; /* -1 before accept_target */
} fixture;

/* Lets the tunnel work until nothing happens any more, as settle does. */
static void work(fixture *f)
{
    struct pollfd watch = {.fd = f->epoll, .events = POLLIN};
    do {
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    } while (poll(&watch, 1, 5) > 0);
}

static void begin(fixture *f, const char *request)
{
    int listener = -1;
    int port = 0;
    *f = (fixture){.base = event_base_new(), .target_listener = -1, .target = -1};
    assert_int_equal(tsms__listen("127.0.0.1", 0, true, &f->target_listener, &port, NULL), TSMS_OK);
    f->tunnels = (tsms__tunnels){.base = f->base, .mem = tsms__mem_libc, .timeout_ms = TIMEOUT_MS};
    f->tunnels.target_len = tsms__address_of_listener(f->target_listener, &f->tunnels.target);

    assert_int_equal(tsms__listen("127.0.0.1", 0, true, &listener, &port, NULL), TSMS_OK);
    f->client = connect_to_port(port);
    int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(accepted >= 0);
    close(listener);
    tsms__tunnel_begin(&f->tunnels, accepted);
    put(f->client, request);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    f->epoll = tsms__epoll_watching(accepted);
    assert_true(f->epoll >= 0);
    work(f);
}

static void accept_target(fixture *f)
{
    f->target = accept4(f->target_listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(f->target >= 0);
}

/* A tunnel whose client has read that it is there. */
static void begin_open(fixture *f)
{
    char got[256];
    begin(f, ASK);
    accept_target(f);
    assert_int_equal(take(f->client, got, sizeof got), sizeof ESTABLISHED - 1);
    assert_string_equal(got, ESTABLISHED);
    assert_int_equal(tsms__tunnels_due_ms(&f->tunnels), INT64_MAX);
}

static void hang_up(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

/* Everything must have ended by itself. */
static void end(fixture *f)
{
    hang_up(&f->client);
    hang_up(&f->target);
    hang_up(&f->target_listener);
    work(f);
    assert_int_equal(f->tunnels.count, 0);
    assert_null(f->tunnels.waiting.first);
    assert_null(f->tunnels.open.first);
    event_base_free(f->base);
}

static void assert_takes(int fd, const char *text)
{
    char got[256];
    assert_int_equal(take(fd, got, sizeof got), strlen(text));
    assert_string_equal(got, text);
}

static void assert_sees(int fd, int what)
{
    char got[256];
    assert_int_equal(take(fd, got, sizeof got), what);
}

static void test_what_comes_with_the_request_is_passed_on(void **state)
{
    fixture f;
    begin(&f, ASK "hello");
    accept_target(&f);
    work(&f);
    assert_takes(f.target, "hello");
    assert_takes(f.client, ESTABLISHED);
    put(f.client, " again");
    put(f.target, "welcome");
    work(&f);
    assert_takes(f.target, " again");
    assert_takes(f.client, "welcome");
    end(&f);
}

static void test_a_client_that_has_said_all_still_hears(void **state)
{
    fixture f;
    begin_open(&f);
    put(f.client, "question");
    shutdown(f.client, SHUT_WR);
    work(&f);
    assert_takes(f.target, "question");
    assert_sees(f.target, 0);
    put(f.target, "answer");
    work(&f);
    assert_takes(f.client, "answer");
    assert_sees(f.client, -EAGAIN);
    hang_up(&f.target);
    work(&f);
    assert_sees(f.client, 0);
    assert_int_equal(f.tunnels.count, 0);
    end(&f);
}

static void test_a_target_that_has_said_all_still_hears(void **state)
{
    fixture f;
    begin_open(&f);
    put(f.target, "goodbye");
    shutdown(f.target, SHUT_WR);
    work(&f);
    assert_takes(f.client, "goodbye");
    assert_sees(f.client, 0);
    put(f.client, "too late?");
    work(&f);
    assert_takes(f.target, "too late?");
    hang_up(&f.client);
    work(&f);
    assert_sees(f.target, 0);
    assert_int_equal(f.tunnels.count, 0);
    end(&f);
}

static void test_ends_that_come_before_the_tunnel_is_there(void **state)
{
    fixture f;
    begin(&f, ASK "all at once");
    shutdown(f.client, SHUT_WR);
    work(&f);
    accept_target(&f);
    assert_takes(f.target, "all at once");
    assert_sees(f.target, 0);
    end(&f);
}

static void test_resets_pass_in_both_directions(void **state)
{
    fixture f;
    begin_open(&f);
    tsms__socket_reset(f.target);
    work(&f);
    assert_sees(f.client, -ECONNRESET);
    assert_int_equal(f.tunnels.count, 0);
    end(&f);

    begin_open(&f);
    tsms__socket_reset(f.client);
    work(&f);
    assert_sees(f.target, -ECONNRESET);
    assert_int_equal(f.tunnels.count, 0);
    end(&f);
}

/* Its last bytes would be lost to a client that got a reset for what it sent in the meantime. */
static void test_a_target_that_is_gone_does_not_cost_its_last_bytes(void **state)
{
    fixture f;
    begin_open(&f);
    put(f.target, "last words");
    hang_up(&f.target);
    work(&f);
    put(f.client, "nobody hears this,");
    work(&f);
    put(f.client, " and this meets a reset");
    work(&f);
    assert_takes(f.client, "last words");
    assert_sees(f.client, 0);
    end(&f);
}

/* Sends as much as the socket takes; answers how much. The bytes count up, so that order shows. */
static size_t flood(fixture *f, int fd, size_t most)
{
    static unsigned char bytes[65536];
    size_t sent = 0;
    ssize_t n = 0;
    while (n >= 0 && sent < most) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = (unsigned char)((sent + i) % 251);
        }
        n = send(fd, bytes, sizeof bytes, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        if (n < 0) {
            work(f);
            n = send(fd, bytes, 1, MSG_NOSIGNAL);
            sent += n > 0 ? 1 : 0;
        }
    }
    return sent;
}

static void test_who_does_not_read_slows_the_other_one_down(void **state)
{
    static unsigned char got[65536];
    const size_t most = (size_t)64 << 20;
    for (int direction = 0; direction < 2; direction++) {
        fixture f;
        begin_open(&f);
        int from = direction == 0 ? f.client : f.target;
        int to = direction == 0 ? f.target : f.client;
        size_t sent = flood(&f, from, most);
        assert_true(sent > 0 && sent < most);
        shutdown(from, SHUT_WR);
        size_t received = 0;
        ssize_t n = 1;
        while (n != 0) {
            n = recv(to, got, sizeof got, 0);
            if (n < 0) {
                assert_int_equal(errno, EAGAIN);
                work(&f);
            }
            for (ssize_t i = 0; i < n; i++) {
                if (got[i] != (unsigned char)((received + (size_t)i) % 251)) {
                    fail_msg("byte %zu is wrong", received + (size_t)i);
                }
            }
            received += n > 0 ? (size_t)n : 0;
        }
        assert_int_equal(received, sent);
        end(&f);
    }
}

/* Its target is not read from in the meantime, so that nobody hears when that one goes. */
static void test_a_client_that_stops_reading_has_its_time(void **state)
{
    static char got[65536];
    fixture f;
    begin_open(&f);
    flood(&f, f.target, (size_t)64 << 20);
    assert_int_equal(tsms__tunnels_due_ms(&f.tunnels), test_now.mono_ms + TIMEOUT_MS);
    while (take(f.client, got, sizeof got) > 0) {
        work(&f);
    }
    assert_int_equal(tsms__tunnels_due_ms(&f.tunnels), INT64_MAX);

    flood(&f, f.target, (size_t)64 << 20);
    hang_up(&f.target);
    work(&f);
    assert_int_equal(f.tunnels.count, 1);
    tsms__tunnels_expire(&f.tunnels, test_now.mono_ms + TIMEOUT_MS);
    assert_int_equal(f.tunnels.count, 0);
    end(&f);
}

static void test_a_client_that_does_not_take_the_end_has_its_time(void **state)
{
    fixture f;
    begin_open(&f);
    put(f.target, "take this");
    hang_up(&f.target);
    work(&f);
    assert_int_equal(tsms__tunnels_due_ms(&f.tunnels), test_now.mono_ms + TIMEOUT_MS);
    tsms__tunnels_expire(&f.tunnels, test_now.mono_ms + TIMEOUT_MS - 1);
    assert_int_equal(f.tunnels.count, 1);
    tsms__tunnels_expire(&f.tunnels, test_now.mono_ms + TIMEOUT_MS);
    assert_int_equal(f.tunnels.count, 0);
    end(&f);
}

static void test_a_target_that_does_not_listen_is_a_bad_gateway(void **state)
{
    fixture f;
    char got[256];
    begin(&f, "CONNECT api.twilio");
    hang_up(&f.target_listener);
    put(f.client, ".com:443 HTTP/1.1\r\n\r\n");
    work(&f);
    assert_true(take(f.client, got, sizeof got) > 0);
    assert_ptr_equal(strstr(got, "HTTP/1.1 502 "), got);
    assert_sees(f.client, 0);
    assert_int_equal(f.tunnels.count, 1); /* until the client has gone, too */
    end(&f);
}

static void test_a_refusal_is_heard_by_who_goes_on_talking(void **state)
{
    fixture f;
    char got[256];
    begin(&f, "GET / HTTP/1.1\r\n\r\n");
    for (int i = 0; i < 100; i++) {
        put(f.client, "more and more and more and more and more and more and more");
        work(&f);
    }
    assert_true(take(f.client, got, sizeof got) > 0);
    assert_ptr_equal(strstr(got, "HTTP/1.1 405 "), got);
    assert_sees(f.client, 0);
    end(&f);
}

static void test_all_can_be_closed_at_once(void **state)
{
    fixture f;
    begin_open(&f);
    tsms__tunnels_close_idle(&f.tunnels);
    assert_int_equal(f.tunnels.count, 1);
    tsms__tunnels_clear(&f.tunnels);
    assert_int_equal(f.tunnels.count, 0);
    work(&f); /* closes the sockets */
    assert_sees(f.client, 0);
    assert_sees(f.target, 0);
    end(&f);

    begin(&f, "CONNECT");
    assert_int_equal(f.tunnels.count, 1);
    tsms__tunnels_close_idle(&f.tunnels);
    assert_int_equal(f.tunnels.count, 0);
    work(&f);
    assert_sees(f.client, 0);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_comes_with_the_request_is_passed_on),
        cmocka_unit_test(test_a_client_that_has_said_all_still_hears),
        cmocka_unit_test(test_a_target_that_has_said_all_still_hears),
        cmocka_unit_test(test_ends_that_come_before_the_tunnel_is_there),
        cmocka_unit_test(test_resets_pass_in_both_directions),
        cmocka_unit_test(test_a_target_that_is_gone_does_not_cost_its_last_bytes),
        cmocka_unit_test(test_who_does_not_read_slows_the_other_one_down),
        cmocka_unit_test(test_a_client_that_stops_reading_has_its_time),
        cmocka_unit_test(test_a_client_that_does_not_take_the_end_has_its_time),
        cmocka_unit_test(test_a_target_that_does_not_listen_is_a_bad_gateway),
        cmocka_unit_test(test_a_refusal_is_heard_by_who_goes_on_talking),
        cmocka_unit_test(test_all_can_be_closed_at_once),
    };
    signal(SIGPIPE, SIG_IGN); /* the server's step does so too, in its way */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
