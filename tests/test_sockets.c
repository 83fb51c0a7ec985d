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

static connection connect_pair(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 1) == 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    connection pair = {.ours = socket(AF_INET, SOCK_STREAM, 0)};
    assert_int_equal(connect(pair.ours, (struct sockaddr *)&address, size), 0);
    pair.theirs = accept(listener, NULL, NULL);
    assert_true(pair.theirs >= 0);
    assert_int_equal(getsockname(pair.ours, (struct sockaddr *)&address, &size), 0);
    pair.port = ntohs(address.sin_port);
    close(listener);
    return pair;
}

/* On loopback the FIN has arrived when close returns. */
static void hang_up(connection *pair)
{
    close(pair->theirs);
    pair->theirs = -1;
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
    return cmocka_run_group_tests(tests, NULL, NULL);
}
