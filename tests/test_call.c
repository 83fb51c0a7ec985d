#include "call_machine.h"

static void test_a_good_send(void **state)
{
    (void)state;
    assert_trace("", "CHECK allow READY go WIRE ok DONE(ok,1)");
}

static void test_a_retry_is_checked_again(void **state)
{
    (void)state;
    assert_trace("", "CHECK allow READY go WIRE refused PAUSE+14 wake CHECK allow READY go WIRE ok "
                     "DONE(ok,2)");
    assert_trace("", "CHECK allow READY go WIRE 429 PAUSE+5 wake CHECK stop "
                     "DONE(OptedOut,not_sent,1)");
}

static void test_answers_of_a_check(void **state)
{
    (void)state;
    assert_trace("", "CHECK deny DONE(InvalidRequest,not_sent,0)");
    assert_trace("", "CHECK stop DONE(OptedOut,not_sent,0)");
    assert_trace("", "CHECK defer PAUSE wake CHECK allow READY go WIRE ok DONE(ok,1)");
    assert_trace("", "CHECK too-far DONE(Timeout,not_sent,0)");
}

static void test_waiting_for_a_permit(void **state)
{
    (void)state;
    assert_trace("", "CHECK allow READY hold PAUSE wake CHECK allow READY go WIRE ok DONE(ok,1)");
    assert_trace("timeout_ms=9000", "CHECK allow READY hold DONE(Timeout,not_sent,0)");
    assert_trace("", "CHECK allow READY refuse DONE(TemporarilyUnavailable,not_sent,0)");
}

static void test_what_the_call_says_at_the_end_of_its_time(void **state)
{
    (void)state;
    assert_trace("", "CHECK expire DONE(Timeout,not_sent,0)");
    assert_trace("", "CHECK allow READY expire DONE(Timeout,not_sent,0)");
    assert_trace("", "CHECK allow READY go WIRE 429 PAUSE+5 wake CHECK expire "
                     "DONE(AccountRateLimited,throttled,1)");
    assert_trace("", "CHECK allow READY go WIRE reset PAUSE? wake READY? expire "
                     "DONE(ConnectionFailed,in_doubt,1)");
}

static void test_cancel_in_each_phase(void **state)
{
    (void)state;
    assert_trace("", "CHECK cancel DONE(InvalidRequest,not_sent,0)");
    assert_trace("", "CHECK allow READY cancel DONE(InvalidRequest,not_sent,0)");
    assert_trace("", "CHECK defer PAUSE cancel DONE(InvalidRequest,not_sent,0)");
    assert_trace("", "CHECK allow READY go WIRE cancel WIRE ok DONE(ok,1)");
    assert_trace("", "CHECK allow READY go WIRE cancel WIRE refused DONE(ConnectionFailed,not_sent,"
                     "1)");
    assert_trace("", "CHECK allow READY go WIRE refused PAUSE+14 cancel "
                     "DONE(InvalidRequest,not_sent,1)");
    assert_trace("", "CHECK allow READY go WIRE ok DONE(ok,1) cancel DONE(ok,1)");
}

/* "not_sent" would tell the caller that it may be sent again. */
static void test_once_in_doubt_a_message_stays_in_doubt(void **state)
{
    (void)state;
    assert_trace("in_doubt=resend retry.connection.attempts=2",
                 "CHECK allow READY go WIRE reset PAUSE+14 wake CHECK allow READY go WIRE refused "
                 "DONE(ConnectionFailed,in_doubt,2)");
    assert_trace("in_doubt=resend", "CHECK allow READY go WIRE reset PAUSE+14 wake CHECK stop "
                                    "DONE(ConnectionFailed,in_doubt,1)");
    assert_trace("in_doubt=resend", "CHECK allow READY go WIRE reset PAUSE+14 wake CHECK allow "
                                    "READY go WIRE refused PAUSE+14 cancel "
                                    "DONE(ConnectionFailed,in_doubt,2)");
    assert_trace("in_doubt=resend", "CHECK allow READY go WIRE reset PAUSE+14 wake CHECK allow "
                                    "READY go WIRE 400 DONE(InvalidRecipient,in_doubt,2)");
}

/* ---- Every outcome, mode and number of attempts -------------------------------------------- */

/* Runs a call by itself: every check is allowed, every request gets the same answer, every look-up
 * its own. The trace names the requests: "POST reset, GET none, POST reset". */
static void run_alone(machine *m, const char *answer_word, const char *look_word)
{
    begin_sample(m);
    while (m->call.phase != TSMS__PHASE_DONE) {
        switch (m->call.phase) {
        case TSMS__PHASE_CHECK:
            input(m, tsms_str_from("allow"));
            break;
        case TSMS__PHASE_READY: {
            const char *word = m->call.looking_up ? look_word : answer_word;
            trace(m, "%s%s %s", m->trace[0] != '\0' ? ", " : "",
                  m->call.looking_up ? "GET" : "POST", word);
            input(m, tsms_str_from("go"));
            input(m, tsms_str_from(word));
            break;
        }
        case TSMS__PHASE_PAUSE:
            input(m, tsms_str_from("wake"));
            break;
        default:
            fail();
        }
    }
    char text[160];
    trace(m, " = %s", virtual_summary(m->call.result, text, sizeof text));
}

static void test_every_outcome_mode_and_number_of_attempts(void **state)
{
    (void)state;
    /* The modes are those of the option in_doubt for which the line holds. */
    static const struct {
        const char *answer, *look, *modes;
        int attempts;
        const char *want;
    } rows[] = {
        {"ok", "none", "verify resend stop", 1, "POST ok = ok 1"},
        {"ok", "none", "verify resend stop", 3, "POST ok = ok 1"},

        {"refused", "none", "verify resend stop", 1, "POST refused = ConnectionFailed not_sent 1"},
        {"refused", "none", "verify resend stop", 2,
         "POST refused, POST refused = ConnectionFailed not_sent 2"},
        {"dns", "none", "verify resend stop", 3,
         "POST dns, POST dns, POST dns = DnsResolutionFailed not_sent 3"},
        {"late", "none", "verify resend stop", 2, "POST late, POST late = Timeout not_sent 2"},

        {"429", "none", "verify resend stop", 1, "POST 429 = AccountRateLimited throttled 1"},
        {"429", "none", "verify resend stop", 3,
         "POST 429, POST 429, POST 429 = AccountRateLimited throttled 3"},

        {"400", "none", "verify resend stop", 1, "POST 400 = InvalidRecipient rejected 1"},
        {"400", "none", "verify resend stop", 3, "POST 400 = InvalidRecipient rejected 1"},
        {"401", "none", "verify resend stop", 3, "POST 401 = InvalidCredentials rejected 1"},
        {"408", "none", "verify resend stop", 3, "POST 408 = Timeout rejected 1"},

        {"cut", "mine", "verify resend", 1, "POST cut, GET mine = verified 1"},
        {"cut", "none", "verify resend", 3,
         "POST cut, GET none, GET none, GET none = InternalError accepted_no_sid 1"},
        {"cut", "none", "stop", 3, "POST cut = InternalError accepted_no_sid 1"},
        {"garbled", "mine", "verify resend", 3, "POST garbled, GET mine = verified 1"},

        {"reset", "mine", "verify", 1, "POST reset, GET mine = verified 1"},
        {"reset", "mine", "verify", 3, "POST reset, GET mine = verified 1"},
        {"reset", "none", "verify", 1, "POST reset, GET none = ConnectionFailed in_doubt 1"},
        {"reset", "none", "verify", 2,
         "POST reset, GET none, POST reset, GET none = ConnectionFailed in_doubt 2"},
        {"timeout", "none", "verify", 3,
         "POST timeout, GET none, POST timeout, GET none, POST timeout, GET none = Timeout "
         "in_doubt 3"},
        {"503", "none", "verify", 2,
         "POST 503, GET none, POST 503, GET none = ServiceUnavailable in_doubt 2"},
        {"301", "none", "verify", 3, "POST 301, GET none = InternalError in_doubt 1"},
        {"500", "mine", "verify", 3, "POST 500, GET mine = verified 1"},

        {"reset", "none", "resend", 1, "POST reset = ConnectionFailed in_doubt 1"},
        {"reset", "none", "resend", 2, "POST reset, POST reset = ConnectionFailed in_doubt 2"},
        {"500", "none", "resend", 3, "POST 500, POST 500, POST 500 = InternalError in_doubt 3"},
        {"301", "none", "resend", 3, "POST 301 = InternalError in_doubt 1"},

        {"reset", "none", "stop", 1, "POST reset = ConnectionFailed in_doubt 1"},
        {"timeout", "none", "stop", 3, "POST timeout = Timeout in_doubt 1"},
        {"500", "none", "stop", 3, "POST 500 = InternalError in_doubt 1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *modes = rows[i].modes;
        tsms_str mode;
        while (virtual_word(&modes, &mode)) {
            char options[256];
            int n = rows[i].attempts;
            snprintf(options, sizeof options,
                     "in_doubt=%.*s retry.rate_limit.attempts=%d retry.unavailable.attempts=%d "
                     "retry.internal.attempts=%d retry.timeout.attempts=%d "
                     "retry.connection.attempts=%d",
                     (int)mode.len, mode.ptr, n, n, n, n, n);
            machine m;
            machine_open(&m, options);
            run_alone(&m, rows[i].answer, rows[i].look);
            if (strcmp(m.trace, rows[i].want) != 0) {
                print_error("%s\ngot  \"%s\"\nwant \"%s\"\n", options, m.trace, rows[i].want);
                fail();
            }
            machine_close(&m);
        }
    }
}

static void test_idempotent_operations_are_simply_repeated(void **state)
{
    (void)state;
    machine m;
    machine_open(&m, "");
    assert_int_equal(begin(&m, NULL, 0), TSMS_OK);
    play(&m, "READY go WIRE reset PAUSE+14 wake READY go WIRE 500 PAUSE+14 wake READY go WIRE ok "
             "DONE(ok,3)");
    machine_close(&m);
    machine_open(&m, "in_doubt=stop");
    assert_int_equal(begin(&m, NULL, 0), TSMS_OK);
    play(&m, "READY go WIRE timeout PAUSE+14 wake READY go WIRE 404 DONE(InvalidRequest,rejected,"
             "2)");
    machine_close(&m);
}

static void test_without_quota_nothing_is_repeated(void **state)
{
    (void)state;
    machine m;
    machine_open(&m, "");
    m.env.quota_left = 13;
    begin_sample(&m);
    input(&m, tsms_str_from("allow"));
    input(&m, tsms_str_from("go"));
    answer(&m, tsms_str_from("refused"));
    assert_true(m.effects.suppressed);
    assert_false(m.effects.retrying);
    assert_int_equal(m.effects.quota_cost, 0);
    assert_int_equal(m.call.phase, TSMS__PHASE_DONE);
    machine_close(&m);
}

static void test_no_pause_reaches_the_deadline(void **state)
{
    (void)state;
    machine m;
    machine_open(&m, "timeout_ms=60000");
    begin_sample(&m);
    input(&m, tsms_str_from("allow"));
    input(&m, tsms_str_from("go"));
    answer(&m, tsms_str_from("429:59"));
    assert_int_equal(m.call.phase, TSMS__PHASE_DONE); /* 0.9 s would be left */
    assert_int_equal(m.call.result->error.retry_after_ms, 59000);
    machine_close(&m);

    machine_open(&m, "timeout_ms=60000");
    begin_sample(&m);
    input(&m, tsms_str_from("allow"));
    input(&m, tsms_str_from("go"));
    answer(&m, tsms_str_from("429:57"));
    assert_int_equal(m.call.phase, TSMS__PHASE_PAUSE);
    assert_int_equal(m.call.due_ms, m.now.mono_ms + 57000);
    machine_close(&m);
}

static void test_a_huge_timeout_does_not_overflow(void **state)
{
    (void)state;
    machine m;
    machine_open(&m, "");
    tsms_message_options message = sample();
    assert_int_equal(begin(&m, &message, INT64_MAX), TSMS_OK);
    assert_int_equal(m.call.deadline_ms, INT64_MAX);
    assert_int_equal(tsms__call_min_left_ms(&m.call, m.config), 2000);
    play(&m, "CHECK allow READY go WIRE refused PAUSE+14 wake CHECK allow READY go WIRE ok "
             "DONE(ok,2)");
    machine_close(&m);
    assert_int_equal(tsms__after_ms(5, INT64_MAX), INT64_MAX);
    assert_int_equal(tsms__after_ms(5, INT64_MAX - 5), INT64_MAX);
    assert_int_equal(tsms__after_ms(5, INT64_MAX - 6), INT64_MAX - 1);
}

/* A short call leaves itself half of its time. */
static void test_how_much_time_a_request_must_have_left(void **state)
{
    (void)state;
    machine m;
    machine_open(&m, "");
    tsms_message_options message = sample();
    assert_int_equal(begin(&m, &message, 3000), TSMS_OK);
    assert_int_equal(tsms__call_min_left_ms(&m.call, m.config), 1500);
    machine_close(&m);
    machine_open(&m, "attempt_timeout_ms=700");
    begin_sample(&m);
    assert_int_equal(tsms__call_min_left_ms(&m.call, m.config), 700);
    machine_close(&m);
}

/* The error of the lost attempt does not show through. */
static void test_a_success_after_retries_has_no_error(void **state)
{
    (void)state;
    machine m;
    machine_open(&m, "");
    begin_sample(&m);
    play(&m, "CHECK allow READY go WIRE 429 PAUSE+5 wake CHECK allow READY go WIRE ok DONE(ok,2)");
    assert_null(tsms_result_error(m.call.result));
    assert_int_equal(m.call.result->error.kind, TSMS_KIND_NONE);
    assert_int_equal(m.call.result->error.http_status, 0);
    assert_int_equal(tsms_result_outcome(m.call.result), TSMS_OUTCOME_ACCEPTED);
    assert_int_equal(tsms_result_attempts(m.call.result), 2);
    machine_close(&m);
}

static uint64_t cost_of(const char *options, const char *body, size_t media)
{
    static const tsms_str url = {"https://example.com/a.png", 25};
    machine m;
    machine_open(&m, options);
    tsms_message_options message = sample();
    message.body = tsms_str_from(body);
    message.media = &url;
    message.media_count = media;
    assert_int_equal(begin(&m, &message, 0), TSMS_OK);
    uint64_t cost = m.call.cost;
    machine_close(&m);
    return cost;
}

static void test_cost_in_messages_or_segments(void **state)
{
    (void)state;
    char body[400];
    memset(body, 'a', sizeof body);
    body[399] = '\0';
    assert_int_equal(cost_of("", body, 0), 1);
    assert_int_equal(cost_of("rate.unit=segment", "hello", 0), 1);
    assert_int_equal(cost_of("rate.unit=segment", body, 0), 3);
    assert_int_equal(cost_of("rate.unit=segment", body, 1), 1); /* MMS has no segments */
    assert_int_equal(cost_of("rate.unit=segment", "", 1), 1);
}

static bool differs(const char *body, const char *service, tsms_toggle smart)
{
    machine m;
    machine_open(&m, "");
    tsms_message_options message = sample();
    message.body = tsms_str_from(body);
    message.messaging_service_sid = tsms_str_from(service);
    message.smart_encoded = smart;
    assert_int_equal(begin(&m, &message, 0), TSMS_OK);
    bool may = m.call.rewriting != TSMS__REWRITING_NONE;
    machine_close(&m);
    return may;
}

static void test_which_bodies_come_back_changed(void **state)
{
    (void)state;
    const char *quoted = "\xe2\x80\x9cquoted\xe2\x80\x9d";
    assert_false(differs("plain", NULL, TSMS_UNSET));
    assert_false(differs(quoted, NULL, TSMS_UNSET));
    assert_true(differs(quoted, NULL, TSMS_TRUE));
    assert_false(differs("plain", NULL, TSMS_TRUE));
    assert_true(differs(quoted, VIRTUAL_SERVICE, TSMS_UNSET)); /* the service's own setting */
    assert_false(differs("plain", VIRTUAL_SERVICE, TSMS_UNSET));
    assert_false(differs(quoted, VIRTUAL_SERVICE, TSMS_FALSE));
}

static void test_intents(void **state)
{
    (void)state;
    machine m;
    machine_open(&m, "");
    tsms_message_options message = sample();
    assert_int_equal(begin(&m, &message, 0), TSMS_OK);
    uint64_t first = m.call.intent;
    assert_true(first != 0);
    machine_close(&m);

    machine_open(&m, "");
    assert_int_equal(begin(&m, &message, 0), TSMS_OK);
    assert_true(m.call.intent == first);
    machine_close(&m);

    /* The border between two texts counts. */
    machine_open(&m, "");
    message.from = tsms_str_from(VIRTUAL_FROM "h");
    message.body = tsms_str_from("ello");
    assert_int_equal(begin(&m, &message, 0), TSMS_OK);
    assert_true(m.call.intent != first);
    machine_close(&m);

    machine_open(&m, "");
    assert_int_equal(begin(&m, NULL, 0), TSMS_OK);
    assert_int_equal(m.call.intent, 0);
    machine_close(&m);
}

static void test_begin_without_memory_keeps_nothing(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        test_mem tm;
        test_mem_init(&tm, n);
        machine m;
        machine_open(&m, "");
        tsms__call_init(&m.call, &tm.mem);
        tsms_message_options message = sample();
        tsms_status status = begin(&m, &message, 0);
        assert_int_equal(status, tm.failed ? TSMS_NOMEM : TSMS_OK);
        assert_int_equal(m.call.phase, tm.failed ? TSMS__PHASE_FREE : TSMS__PHASE_CHECK);
        if (tm.failed) {
            assert_null(m.call.result);
            assert_int_equal(begin(&m, &message, 0), TSMS_OK); /* the call can be used again */
        }
        machine_close(&m);
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
        cmocka_unit_test(test_a_good_send),
        cmocka_unit_test(test_a_retry_is_checked_again),
        cmocka_unit_test(test_answers_of_a_check),
        cmocka_unit_test(test_waiting_for_a_permit),
        cmocka_unit_test(test_what_the_call_says_at_the_end_of_its_time),
        cmocka_unit_test(test_cancel_in_each_phase),
        cmocka_unit_test(test_once_in_doubt_a_message_stays_in_doubt),
        cmocka_unit_test(test_every_outcome_mode_and_number_of_attempts),
        cmocka_unit_test(test_idempotent_operations_are_simply_repeated),
        cmocka_unit_test(test_without_quota_nothing_is_repeated),
        cmocka_unit_test(test_no_pause_reaches_the_deadline),
        cmocka_unit_test(test_a_huge_timeout_does_not_overflow),
        cmocka_unit_test(test_how_much_time_a_request_must_have_left),
        cmocka_unit_test(test_a_success_after_retries_has_no_error),
        cmocka_unit_test(test_cost_in_messages_or_segments),
        cmocka_unit_test(test_which_bodies_come_back_changed),
        cmocka_unit_test(test_intents),
        cmocka_unit_test(test_begin_without_memory_keeps_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
