/* drive/server_os.c: listening sockets, resets, the epoll descriptor, and SIGPIPE kept quiet. */
#define _GNU_SOURCE /* sigtimedwait */
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "drive/server_os.h"

static int connect_v4(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void test_accepted_sockets_do_not_delay(void **state)
{
    int listener = -1;
    int port = 0;
    assert_int_equal(tsms__listen("127.0.0.1", 0, true, &listener, &port, NULL), TSMS_OK);
    assert_true(port > 0);
    int peer = connect_v4(port);
    int accepted = accept(listener, NULL, NULL);
    assert_true(accepted >= 0);
    int on = 0;
    socklen_t len = sizeof on;
    assert_int_equal(getsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_int_equal(on, 1);
    assert_int_equal(accept(listener, NULL, NULL), -1); /* and the listener never blocks */
    assert_int_equal(errno, EAGAIN);

    tsms__socket_reset(accepted);
    char byte;
    assert_int_equal(recv(peer, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(accepted);
    close(peer);
    close(listener);
}

static void test_addresses(void **state)
{
    static const struct {
        const char *host;
        bool loopback_only;
        tsms_kind kind;
    } cases[] = {
        {"127.1.2.3", true, TSMS_KIND_NONE},
        {"0.0.0.0", false, TSMS_KIND_NONE},
        {"0.0.0.0", true, TSMS_KIND_INVALID_OPTION},
        {"128.0.0.1", true, TSMS_KIND_INVALID_OPTION},
        {"fe80::1", true, TSMS_KIND_INVALID_OPTION},
        {"", true, TSMS_KIND_INVALID_OPTION},
        {"example.com", false, TSMS_KIND_INVALID_OPTION},
        {"192.0.2.1", false, TSMS_KIND_CONNECTION_FAILED}, /* RFC 5737: nobody has it */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = -1;
        int port = 0;
        tsms_error err = {.kind = TSMS_KIND_NONE};
        tsms_status status =
            tsms__listen(cases[i].host, 0, cases[i].loopback_only, &fd, &port, &err);
        assert_int_equal(err.kind, cases[i].kind);
        assert_int_equal(status == TSMS_OK, cases[i].kind == TSMS_KIND_NONE);
        assert_int_equal(fd >= 0, status == TSMS_OK);
        close(fd);
    }
}

static void test_ipv6_where_there_is_any(void **state)
{
    int probe = socket(AF_INET6, SOCK_STREAM, 0);
    const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool present = probe >= 0 && bind(probe, (const struct sockaddr *)&any, sizeof any) == 0;
    close(probe);
    if (!present) {
        skip();
    }
    int fd = -1;
    int port = 0;
    assert_int_equal(tsms__listen("::1", 0, true, &fd, &port, NULL), TSMS_OK);
    assert_true(port > 0);
    close(fd);
}

static void test_the_epoll_that_watches_a_socket(void **state)
{
    int sockets[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    int other = epoll_create1(0);
    int mine = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    assert_int_equal(epoll_ctl(other, EPOLL_CTL_ADD, sockets[1], &event), 0);
    assert_int_equal(tsms__epoll_watching(sockets[0]), -1);
    assert_int_equal(epoll_ctl(mine, EPOLL_CTL_ADD, sockets[0], &event), 0);
    assert_int_equal(tsms__epoll_watching(sockets[0]), mine);
    close(mine);
    close(other);
    close(sockets[0]);
    close(sockets[1]);
}

static bool sigpipe_is_pending(void)
{
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGPIPE) == 1;
}

static void write_to_nobody(void)
{
    int sockets[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    close(sockets[1]);
    assert_int_equal(write(sockets[0], "x", 1), -1);
    assert_int_equal(errno, EPIPE);
    close(sockets[0]);
}

static void test_a_broken_pipe_raises_nothing(void **state)
{
    signal(SIGPIPE, SIG_DFL);
    tsms__sigpipe saved = tsms__sigpipe_block();
    write_to_nobody();
    tsms__sigpipe_restore(&saved);
    sigset_t now;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    assert_int_equal(sigismember(&now, SIGPIPE), 0);
}

static void test_somebody_elses_broken_pipe_is_left_alone(void **state)
{
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    raise(SIGPIPE);
    tsms__sigpipe saved = tsms__sigpipe_block();
    write_to_nobody();
    tsms__sigpipe_restore(&saved);
    assert_true(sigpipe_is_pending());
    const struct timespec at_once = {0, 0};
    sigtimedwait(&set, NULL, &at_once);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void test_a_listener_is_reached_on_this_machine(void **state)
{
    static const struct {
        const char *listens;
        const char *reached;
    } cases[] = {
        {"127.0.0.1", "127.0.0.1"},
        {"127.1.2.3", "127.1.2.3"},
        {"0.0.0.0", "127.0.0.1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int listener = -1;
        int port = 0;
        assert_int_equal(tsms__listen(cases[i].listens, 0, false, &listener, &port, NULL), TSMS_OK);
        struct sockaddr_storage address;
        socklen_t len = tsms__address_of_listener(listener, &address);
        struct sockaddr_in in;
        assert_int_equal(len, sizeof in);
        memcpy(&in, &address, sizeof in);
        char text[INET_ADDRSTRLEN];
        assert_string_equal(inet_ntop(AF_INET, &in.sin_addr, text, sizeof text), cases[i].reached);
        assert_int_equal(ntohs(in.sin_port), port);
        int fd = tsms__stream_socket(AF_INET);
        assert_int_equal(connect(fd, (const struct sockaddr *)&address, len), -1);
        assert_int_equal(errno, EINPROGRESS); /* it never blocks */
        close(fd);
        close(listener);
    }
    struct sockaddr_storage address;
    assert_int_equal(tsms__address_of_listener(-1, &address), 0);

    int listener = -1;
    int port = 0;
    if (tsms__listen("::", 0, false, &listener, &port, NULL) == TSMS_OK) { /* where there is IPv6 */
        struct sockaddr_in6 in6;
        assert_int_equal(tsms__address_of_listener(listener, &address), sizeof in6);
        memcpy(&in6, &address, sizeof in6);
        assert_true(IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr));
        close(listener);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_listener_is_reached_on_this_machine),
        cmocka_unit_test(test_accepted_sockets_do_not_delay),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_ipv6_where_there_is_any),
        cmocka_unit_test(test_the_epoll_that_watches_a_socket),
        cmocka_unit_test(test_a_broken_pipe_raises_nothing),
        cmocka_unit_test(test_somebody_elses_broken_pipe_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
