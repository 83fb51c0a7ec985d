/* Sockets that are watched for an end while they are idle, with real ones on loopback. */
#include "support.h"

#include "drive/sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NOW_MS = 100000, LATER_MS = NOW_MS + 100, SOON_MS = NOW_MS + 99 };

/* A connection to ourselves. */
typedef struct connection {
    int ours, theirs;
    int port;
} connection;

/* All to one listener, as a client's connections go to one host: so their local ports differ. */
static int listener = -1;
static struct sockaddr_in address;

static int start_listener(void **state)
{
    socklen_t size = sizeof address;
    address = (struct sockaddr_in){.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    return bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 1) == 0 &&
                   getsockname(listener, (struct sockaddr *)&address, &size) == 0
               ? 0
               : -1;
}

static int stop_listener(void **state)
{
    return close(listener);
}

static connection connect_pair(void)
{
    connection pair = {.ours = socket(AF_INET, SOCK_STREAM, 0)};
    assert_int_equal(connect(pair.ours, (struct sockaddr *)&address, sizeof address), 0);
    pair.theirs = accept(listener, NULL, NULL);
    assert_true(pair.theirs >= 0);
    struct sockaddr_in own;
    socklen_t size = sizeof own;
    assert_int_equal(getsockname(pair.ours, (struct sockaddr *)&own, &size), 0);
    pair.port = ntohs(own.sin_port);
    return pair;
}

/* Answers what arrives first, without taking it: how many bytes, 0 for the end. */
static ssize_t await_arrival(const connection *pair)
{
    char byte;
    return recv(pair->ours, &byte, 1, MSG_PEEK);
}

static void hang_up(connection *pair)
{
    close(pair->theirs);
    pair->theirs = -1;
    assert_int_equal(await_arrival(pair), 0);
}

static void close_pair(connection *pair)
{
    close(pair->ours);
    if (pair->theirs >= 0) {
        close(pair->theirs);
    }
}

static void test_end_is_seen_after_idling(void **state)
{
    tsms__sockets sockets;
    tsms__sockets_init(&sockets, &tsms__mem_libc);
    connection pair = connect_pair();
    tsms__sockets_add(&sockets, pair.ours, NOW_MS);
    assert_false(tsms__sockets_hung_up(&sockets, pair.port, LATER_MS));
    hang_up(&pair);
    assert_false(tsms__sockets_hung_up(&sockets, pair.port, SOON_MS));
    assert_true(tsms__sockets_hung_up(&sockets, pair.port, LATER_MS));
    tsms__sockets_used(&sockets, pair.port, LATER_MS);
    assert_false(tsms__sockets_hung_up(&sockets, pair.port, LATER_MS + 99));
    assert_true(tsms__sockets_hung_up(&sockets, pair.port, LATER_MS + 100));
    close_pair(&pair);
    tsms__sockets_free(&sockets);
}

static void test_data_that_waits_is_no_end(void **state)
{
    tsms__sockets sockets;
    tsms__sockets_init(&sockets, &tsms__mem_libc);
    connection pair = connect_pair();
    tsms__sockets_add(&sockets, pair.ours, NOW_MS);
    assert_int_equal(send(pair.theirs, "x", 1, 0), 1);
    assert_int_equal(await_arrival(&pair), 1);
    assert_false(tsms__sockets_hung_up(&sockets, pair.port, LATER_MS));
    close_pair(&pair);
    tsms__sockets_free(&sockets);
}

static void test_only_the_connection_asked_about_counts(void **state)
{
    enum { PAIRS = 40 };
    tsms__sockets sockets;
    tsms__sockets_init(&sockets, &tsms__mem_libc);
    connection pairs[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        pairs[i] = connect_pair();
        tsms__sockets_add(&sockets, pairs[i].ours, NOW_MS);
    }
    for (int i = 0; i < PAIRS; i += 2) {
        hang_up(&pairs[i]);
    }
    for (int i = 0; i < PAIRS; i++) {
        assert_int_equal(tsms__sockets_hung_up(&sockets, pairs[i].port, LATER_MS), i % 2 == 0);
    }
    for (int i = 0; i < PAIRS; i += 2) {
        tsms__sockets_remove(&sockets, pairs[i].ours);
        assert_false(tsms__sockets_hung_up(&sockets, pairs[i].port, LATER_MS));
    }
    assert_int_equal(sockets.count, PAIRS / 2);
    tsms__sockets_remove(&sockets, -5);
    assert_int_equal(sockets.count, PAIRS / 2);
    assert_false(tsms__sockets_hung_up(&sockets, 1, LATER_MS));
    for (int i = 0; i < PAIRS; i++) {
        close_pair(&pairs[i]);
    }
    tsms__sockets_free(&sockets);
}

static void test_without_memory_a_socket_is_not_watched(void **state)
{
    test_mem memory;
    test_mem_init(&memory, 1);
    tsms__sockets sockets;
    tsms__sockets_init(&sockets, &memory.mem);
    connection pair = connect_pair();
    tsms__sockets_add(&sockets, pair.ours, NOW_MS);
    hang_up(&pair);
    assert_false(tsms__sockets_hung_up(&sockets, pair.port, LATER_MS));
    close_pair(&pair);
    tsms__sockets_free(&sockets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_end_is_seen_after_idling),
        cmocka_unit_test(test_data_that_waits_is_no_end),
        cmocka_unit_test(test_only_the_connection_asked_about_counts),
        cmocka_unit_test(test_without_memory_a_socket_is_not_watched),
    };
    return cmocka_run_group_tests(tests, start_listener, stop_listener);
}
