/* drive/server_signals.c: SIGTERM and SIGINT end a step instead of the process. */
#define _GNU_SOURCE /* sigaction */
#include "server_support.h"

#include <signal.h>

static void test_a_signal_ends_the_step(void **state)
{
    static const int signals[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < 2; i++) {
        tsms_server *server = start_plain();
        assert_int_equal(tsms_server_catch_signals(server, NULL), TSMS_OK);
        assert_false(tsms_server_signalled(server));
        assert_int_equal(raise(signals[i]), 0);
        tsms_server_step(server, -1); /* would wait for ever without it */
        assert_true(tsms_server_signalled(server));
        tsms_server_step(server, 0);
        assert_true(tsms_server_signalled(server));
        tsms_server_free(server);
    }
}

static void test_the_descriptor_shows_it(void **state)
{
    tsms_server *server = start_plain();
    assert_int_equal(tsms_server_catch_signals(server, NULL), TSMS_OK);
    settle(server);
    assert_int_equal(raise(SIGTERM), 0);
    struct pollfd watch = {.fd = tsms_server_pollfd(server), .events = POLLIN};
    assert_int_equal(poll(&watch, 1, 1000), 1);
    tsms_server_step(server, 0);
    assert_true(tsms_server_signalled(server));
    tsms_server_free(server);
}

static void test_catching_twice_is_once(void **state)
{
    tsms_server *server = start_plain();
    assert_int_equal(tsms_server_catch_signals(server, NULL), TSMS_OK);
    assert_int_equal(tsms_server_catch_signals(server, NULL), TSMS_OK);
    assert_int_equal(raise(SIGTERM), 0);
    tsms_server_step(server, -1);
    assert_true(tsms_server_signalled(server));
    tsms_server_free(server);
}

static void on_signal(int number)
{
    (void)number;
}

static void test_the_old_handler_comes_back(void **state)
{
    struct sigaction before = {.sa_handler = on_signal};
    struct sigaction after;
    assert_int_equal(sigaction(SIGTERM, &before, NULL), 0);
    tsms_server *server = start_plain();
    assert_int_equal(tsms_server_catch_signals(server, NULL), TSMS_OK);
    assert_int_equal(sigaction(SIGTERM, NULL, &after), 0);
    assert_true(after.sa_handler != on_signal);
    tsms_server_free(server);
    assert_int_equal(sigaction(SIGTERM, NULL, &after), 0);
    assert_true(after.sa_handler == on_signal);
    signal(SIGTERM, SIG_DFL);
}

/* libevent tells one loop of signals. A second one took them from the first, and when it was freed
 * nobody heard of SIGTERM any more, and the process did not end by it either. */
static void test_a_second_server_takes_nothing_away(void **state)
{
    tsms_error err;
    tsms_server *first = start_plain();
    tsms_server *second = start_plain();
    assert_int_equal(tsms_server_catch_signals(first, NULL), TSMS_OK);
    assert_int_equal(tsms_server_catch_signals(second, &err), TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_TEMPORARILY_UNAVAILABLE);
    tsms_server_free(second);
    assert_int_equal(raise(SIGTERM), 0);
    tsms_server_step(first, 1000);
    assert_true(tsms_server_signalled(first));
    tsms_server_free(first);
    second = start_plain();
    assert_int_equal(tsms_server_catch_signals(second, &err), TSMS_OK);
    tsms_server_free(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_signal_ends_the_step),
        cmocka_unit_test(test_the_descriptor_shows_it),
        cmocka_unit_test(test_catching_twice_is_once),
        cmocka_unit_test(test_the_old_handler_comes_back),
        cmocka_unit_test(test_a_second_server_takes_nothing_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
