/* wire/status.c: the states of a message. */
#include "support.h"

#include "base/str.h"

static void test_names_go_both_ways(void **state)
{
    static const char *const names[] = {
        "accepted",
        "scheduled",
        "queued",
        "sending",
        "sent",
        "delivered",
        "undelivered",
        "failed",
        "canceled",
        "receiving",
        "received",
        "read",
        "partially_delivered",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        tsms_message_status status = tsms_message_status_from(tsms_str_from(names[i]));
        assert_int_not_equal(status, TSMS_MESSAGE_UNKNOWN);
        assert_string_equal(tsms_message_status_name(status), names[i]);
    }
}

static void test_what_is_not_known_is_unknown(void **state)
{
    static const char *const names[] = {NULL, "", "unknown", "Delivered", "delivered ", "deliver"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(tsms_message_status_from(tsms_str_from(names[i])), TSMS_MESSAGE_UNKNOWN);
    }
    assert_string_equal(tsms_message_status_name(TSMS_MESSAGE_UNKNOWN), "unknown");
    assert_string_equal(tsms_message_status_name((tsms_message_status)99), "unknown");
    assert_string_equal(tsms_message_status_name((tsms_message_status)-1), "unknown");
    assert_false(tsms_message_status_is_terminal((tsms_message_status)99));
}

static void test_terminal_states(void **state)
{
    static const struct {
        const char *name;
        bool terminal;
    } cases[] = {
        {"accepted", false},
        {"scheduled", false},
        {"queued", false},
        {"sending", false},
        {"sent", false},
        {"delivered", true},
        {"undelivered", true},
        {"failed", true},
        {"canceled", true},
        {"receiving", false},
        {"received", true},
        {"read", true},
        {"partially_delivered", false},
        {"unknown", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsms_message_status status = tsms_message_status_from(tsms_str_from(cases[i].name));
        assert_int_equal(tsms_message_status_is_terminal(status), cases[i].terminal);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_go_both_ways),
        cmocka_unit_test(test_what_is_not_known_is_unknown),
        cmocka_unit_test(test_terminal_states),
    };
    return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
