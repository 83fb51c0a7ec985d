/* What the tests of the embedded server share: a clock that stands still, a server, and a peer on a
 * non-blocking socket that is pumped from the same thread. */
#ifndef TESTS_SERVER_SUPPORT_H
#define TESTS_SERVER_SUPPORT_H

#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "drive/clock.h"
#include "twilio_sms_server.h"

/* Stands in front of the driver's function: time passes only when a test says so. */
static tsms__now test_now = {.mono_ms = 1000000, .wall_ms = 1700000000000};

tsms__now tsms__clock_now(void)
{
    return test_now;
}

/* Lets the server work until nothing happens any more. The network of one host needs no time, but
 * the kernel may hand over in pieces: only when the loop has been quiet for 5 ms in real time is
 * it taken for idle. */
static inline void settle(tsms_server *server)
{
    struct pollfd watch = {.fd = tsms_server_pollfd(server), .events = POLLIN};
    do {
        tsms_server_step(server, 0);
    } while (poll(&watch, 1, 5) > 0);
    tsms_server_step(server, 0); /* frees what the last round closed */
}

/* Steps until there is a request; NULL when none comes. */
static inline tsms_server_request *await_request(tsms_server *server)
{
    struct pollfd watch = {.fd = tsms_server_pollfd(server), .events = POLLIN};
    tsms_server_request *request = NULL;
    do {
        tsms_server_step(server, 0);
        request = tsms_server_next(server);
    } while (request == NULL && poll(&watch, 1, 1000) > 0);
    return request;
}

static inline tsms_server *start(const tsms_server_options *options)
{
    tsms_server *server = NULL;
    tsms_error err;
    if (tsms_server_new(options, &server, &err) != TSMS_OK) {
        fail_msg("no server: %s", err.message);
    }
    return server;
}

static inline tsms_server *start_plain(void)
{
    tsms_server_options options = TSMS_SERVER_OPTIONS_INIT;
    options.tls = false;
    return start(&options);
}

static inline int connect_to_port(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static inline int connect_to(tsms_server *server)
{
    return connect_to_port(tsms_server_port(server));
}

static inline void put(int fd, const char *text)
{
    size_t len = strlen(text);
    assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

/* What the peer sees next: bytes, 0 for an end, -errno for an error; -EAGAIN when nothing comes. */
static inline ssize_t take(int fd, char *buf, size_t size)
{
    ssize_t n = recv(fd, buf, size - 1, 0);
    buf[n > 0 ? n : 0] = '\0';
    return n < 0 ? -errno : n;
}

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

static inline void answer(tsms_server_request *request, int http_status, const char *body)
{
    const tsms_server_answer what = {.http_status = http_status, .body = tsms_str_from(body)};
    assert_int_equal(tsms_server_reply(request, &what, NULL), TSMS_OK);
}

#endif
