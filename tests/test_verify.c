#include "call_machine.h"

static void test_a_message_in_doubt_is_looked_for(void **state)
{
    (void)state;
    assert_trace("", "CHECK allow READY go WIRE reset PAUSE? wake READY? go WIRE? mine "
                     "DONE(verified,1)");
    assert_trace("", "CHECK allow READY go WIRE reset PAUSE? wake READY? go WIRE? none CHECK+14 "
                     "allow READY go WIRE ok DONE(ok,2)");
    assert_trace("", "CHECK allow READY go WIRE reset PAUSE? wake READY? go WIRE? others READY? go "
                     "WIRE? mine DONE(verified,1)");
}

static void test_a_failed_look_up_is_repeated_three_times(void **state)
{
    (void)state;
    assert_trace("", "CHECK allow READY go WIRE reset PAUSE? wake READY? go WIRE? 503 PAUSE? wake "
                     "READY? go WIRE? mine DONE(verified,1)");
    assert_trace("",
                 "CHECK allow READY go WIRE 500 PAUSE? wake READY? go WIRE? refused PAUSE? wake "
                 "READY? go WIRE? refused PAUSE? wake READY? go WIRE? refused "
                 "DONE(InternalError,in_doubt,1)");
    assert_trace("", "CHECK allow READY go WIRE timeout PAUSE? wake READY? go WIRE? 401 "
                     "DONE(Timeout,in_doubt,1)");
}

static void test_failed_look_ups_of_one_attempt_do_not_count_for_the_next(void **state)
{
    (void)state;
    assert_trace("", "CHECK allow READY go WIRE reset PAUSE? wake READY? go WIRE? 503 PAUSE? wake "
                     "READY? go WIRE? 503 PAUSE? wake READY? go WIRE? none CHECK+14 allow READY go "
                     "WIRE reset PAUSE? wake READY? go WIRE? 503 PAUSE? wake READY? go WIRE? mine "
                     "DONE(verified,2)");
}

static void test_an_accepted_message_without_sid_is_only_looked_for(void **state)
{
    (void)state;
    assert_trace("", "CHECK allow READY go WIRE cut PAUSE? wake READY? go WIRE? none PAUSE? wake "
                     "READY? go WIRE? none PAUSE? wake READY? go WIRE? none "
                     "DONE(InternalError,accepted_no_sid,1)");
    assert_trace("", "CHECK allow READY go WIRE garbled PAUSE? wake READY? go WIRE? none PAUSE? "
                     "wake READY? go WIRE? mine DONE(verified,1)");
}

/* The look-ups after an earlier attempt are not counted. */
static void test_three_looks_without_sid_after_a_resend(void **state)
{
    (void)state;
    assert_trace("", "CHECK allow READY go WIRE reset PAUSE? wake READY? go WIRE? none CHECK+14 "
                     "allow READY go WIRE cut PAUSE? wake READY? go WIRE? none PAUSE? wake READY? "
                     "go WIRE? none PAUSE? wake READY? go WIRE? none "
                     "DONE(InternalError,accepted_no_sid,2)");
}

/* Only the list can tell whether it exists; nothing is sent again. */
static void test_a_cancelled_message_in_doubt_is_looked_for_once(void **state)
{
    (void)state;
    assert_trace("", "CHECK allow READY go WIRE cancel WIRE reset PAUSE? wake READY? go WIRE? mine "
                     "DONE(verified,1)");
    assert_trace("", "CHECK allow READY go WIRE cancel WIRE reset PAUSE? wake READY? go WIRE? none "
                     "DONE(ConnectionFailed,in_doubt,1)");
    assert_trace("",
                 "CHECK allow READY go WIRE reset PAUSE? wake READY? go WIRE? cancel WIRE? none "
                 "DONE(ConnectionFailed,in_doubt,1)");
    assert_trace("", "CHECK allow READY go WIRE reset PAUSE? cancel DONE(ConnectionFailed,in_doubt,"
                     "1)");
}

/* The list may have been late the first time. */
static void test_the_end_of_a_message_in_doubt_is_a_last_look(void **state)
{
    (void)state;
    const char *options = "retry.connection.attempts=2";
    assert_trace(options, "CHECK allow READY go WIRE reset PAUSE? wake READY? go WIRE? none "
                          "CHECK+14 allow READY go WIRE refused PAUSE? wake READY? go WIRE? mine "
                          "DONE(verified,2)");
    assert_trace(options, "CHECK allow READY go WIRE reset PAUSE? wake READY? go WIRE? none "
                          "CHECK+14 allow READY go WIRE 400 PAUSE? wake READY? go WIRE? none "
                          "DONE(InvalidRecipient,in_doubt,2)");
    assert_trace(options, "CHECK allow READY go WIRE reset PAUSE? wake READY? go WIRE? none "
                          "CHECK+14 allow READY go WIRE cancel WIRE refused PAUSE? wake READY? go "
                          "WIRE? none DONE(ConnectionFailed,in_doubt,2)");
}

/* The list showed the first attempt's message only after the second one. */
static void test_the_window_begins_with_the_first_attempt(void **state)
{
    (void)state;
    machine m;
    machine_open(&m, "retry.connection.attempts=2");
    begin_sample(&m);
    int64_t first_s = m.now.wall_ms / 1000;
    static const char *const before[] = {"allow", "go", "reset", "wake", "go", "none", "allow"};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        input(&m, tsms_str_from(before[i]));
    }
    wait_ms(&m, 10000); /* for a rate limit */
    static const char *const after[] = {"go", "refused", "wake", "go"};
    for (size_t i = 0; i < sizeof after / sizeof *after; i++) {
        input(&m, tsms_str_from(after[i]));
    }
    assert_true(m.call.looking_up);
    virtual_flight flight = {.call = &m.call};
    virtual_row row = virtual_row_of(&m.call, VIRTUAL_SID, first_s);
    virtual_respond(&flight, 200, virtual_page(&row, 1, NULL));
    finish(&m, &flight);
    assert_true(m.call.result->verified);
    machine_close(&m);
}

/* It was spent while the call looked for its message. */
static void test_the_quota_is_asked_again_before_a_resend(void **state)
{
    (void)state;
    machine m;
    machine_open(&m, "");
    begin_sample(&m);
    input(&m, tsms_str_from("allow"));
    input(&m, tsms_str_from("go"));
    answer(&m, tsms_str_from("reset"));
    assert_false(m.effects.suppressed);
    input(&m, tsms_str_from("wake"));
    input(&m, tsms_str_from("go"));
    m.env.quota_left = 0;
    answer(&m, tsms_str_from("none"));
    assert_true(m.effects.suppressed);
    assert_true(m.effects.looked_up);
    assert_int_equal(m.call.phase, TSMS__PHASE_DONE);
    assert_int_equal(m.call.result->outcome, TSMS_OUTCOME_IN_DOUBT);
    machine_close(&m);
}

/* The window in which the message is looked for, when a clock was moved between its sending and the
 * look-up. The row's time is the server's at the sending. */
static void look_after(int64_t mono_ms, int64_t wall_ms, bool with_date, bool found)
{
    machine m;
    machine_open(&m, "timeout_ms=604800000");
    m.server_ahead_s = with_date ? 7200 : 0;
    begin_sample(&m);
    input(&m, tsms_str_from("allow"));
    input(&m, tsms_str_from("go"));
    int64_t accepted_s = m.now.wall_ms / 1000 + m.server_ahead_s;
    answer(&m, tsms_str_from("reset"));
    int64_t real_ms = mono_ms > wall_ms ? mono_ms : wall_ms;
    m.now.mono_ms += mono_ms;
    m.now.wall_ms += wall_ms;
    tsms__call_wake(&m.call);
    tsms__call_start(&m.call, m.now);
    virtual_flight flight = {.call = &m.call};
    virtual_row row = virtual_row_of(&m.call, VIRTUAL_SID, accepted_s);
    if (with_date) {
        virtual_date(accepted_s + real_ms / 1000, flight.date, sizeof flight.date);
    }
    virtual_respond(&flight, 200, virtual_page(&row, 1, NULL));
    finish(&m, &flight);
    assert_int_equal(m.call.result->verified, found);
    machine_close(&m);
}

static void test_the_window_of_a_look_up_when_clocks_move(void **state)
{
    (void)state;
    const int64_t hour = 3600000;
    look_after(1000, 1000, true, true);
    look_after(1000, 1000, false, true);
    look_after(hour, hour, true, true);
    look_after(1000, 1000 - hour, true, true); /* the wall clock was set back */
    look_after(1000, hour, true, true);        /* the machine slept, or the clock was set forward */
    look_after(1000, hour, false, true);
}

/* It was set forward just before the look-up: the server's hour has not passed. */
static void test_a_wall_clock_that_was_set_forward_hides_no_message(void **state)
{
    (void)state;
    machine m;
    machine_open(&m, "");
    begin_sample(&m);
    input(&m, tsms_str_from("allow"));
    input(&m, tsms_str_from("go"));
    answer(&m, tsms_str_from("reset"));
    m.now.wall_ms += 3600000;
    m.server_ahead_s = -3600;
    input(&m, tsms_str_from("wake"));
    input(&m, tsms_str_from("go"));
    answer(&m, tsms_str_from("mine"));
    assert_true(m.call.result->verified);
    machine_close(&m);
}

static void test_what_a_look_up_asks_for(void **state)
{
    (void)state;
    machine m;
    machine_open(&m, "");
    begin_sample(&m);
    begin_look_up(&m);
    assert_string_equal(m.call.lookup_path.ptr,
                        "/2010-04-01/Accounts/" VIRTUAL_ACCOUNT
                        "/Messages.json?To=%2B15005550001&From=%2B15005550006&PageSize=100");
    machine_close(&m);

    /* A service picks the sender later: until then the row has none. */
    machine_open(&m, "");
    tsms_message_options message = sample();
    message.messaging_service_sid = tsms_str_from(VIRTUAL_SERVICE);
    assert_int_equal(begin(&m, &message, 0), TSMS_OK);
    begin_look_up(&m);
    assert_string_equal(m.call.lookup_path.ptr, "/2010-04-01/Accounts/" VIRTUAL_ACCOUNT
                                                "/Messages.json?To=%2B15005550001&PageSize=100");
    answer(&m, tsms_str_from("others"));
    assert_string_equal(m.call.lookup_path.ptr, VIRTUAL_NEXT_PAGE);
    machine_close(&m);
}

/* A message that is not on the pages we saw may still be on those we did not see. */
static void test_a_list_that_cannot_be_followed_proves_nothing(void **state)
{
    (void)state;
    machine m;
    machine_open(&m, "");
    begin_sample(&m);
    begin_look_up(&m);
    virtual_flight flight = {.call = &m.call};
    virtual_row row = virtual_row_of(&m.call, VIRTUAL_SID, m.now.wall_ms / 1000);
    row.body = "another";
    virtual_respond(&flight, 200, virtual_page(&row, 1, "https://elsewhere.example/page"));
    finish(&m, &flight);
    trace_phase(&m);
    assert_string_equal(m.trace, "DONE(ConnectionFailed,in_doubt,1)");
    machine_close(&m);
}

static void test_a_list_without_end_is_left_after_ten_pages(void **state)
{
    (void)state;
    machine m;
    machine_open(&m, "");
    begin_sample(&m);
    begin_look_up(&m);
    size_t pages = 0;
    while (m.call.phase == TSMS__PHASE_WIRE) {
        pages++;
        answer(&m, tsms_str_from("others"));
        if (m.call.phase == TSMS__PHASE_READY) {
            input(&m, tsms_str_from("go"));
        }
    }
    assert_int_equal(pages, 10);
    trace_phase(&m);
    assert_string_equal(m.trace, "DONE(ConnectionFailed,in_doubt,1)");
    machine_close(&m);
}

static void test_a_found_message_is_the_result(void **state)
{
    (void)state;
    machine m;
    machine_open(&m, "");
    begin_sample(&m);
    begin_look_up(&m);
    int64_t now_s = m.now.wall_ms / 1000;
    virtual_row rows[3] = {
        virtual_row_of(&m.call, "SM00000000000000000000000000000001", now_s),
        virtual_row_of(&m.call, "SM00000000000000000000000000000002", now_s),
        virtual_row_of(&m.call, "SM00000000000000000000000000000003", now_s),
    };
    rows[0].to = "+15005550009";
    rows[2].direction = "inbound";
    virtual_flight flight = {.call = &m.call};
    virtual_respond(&flight, 200, virtual_page(rows, 3, NULL));
    finish(&m, &flight);
    const tsms_result *result = m.call.result;
    assert_true(tsms_result_verified(result));
    assert_null(tsms_result_error(result));
    assert_int_equal(tsms_result_outcome(result), TSMS_OUTCOME_ACCEPTED);
    assert_int_equal(tsms_result_count(result), 1);
    assert_str_is(tsms_result_field(result, 0, "sid"), "SM00000000000000000000000000000002");
    assert_true(m.effects.looked_up && m.effects.found);
    assert_true(tsms__claims_has(&m.claims, tsms_str_from("SM00000000000000000000000000000002")));
    machine_close(&m);
}

/* A later message that is identical does not look as far back: the old row must be left to nobody
 * but us. */
static void test_the_oldest_row_of_all_pages_is_taken(void **state)
{
    (void)state;
    static const char *const sids[] = {"SM00000000000000000000000000000001",
                                       "SM00000000000000000000000000000002",
                                       "SM00000000000000000000000000000003"};
    for (int claimed = 0; claimed < 2; claimed++) {
        machine m;
        machine_open(&m, "");
        begin_sample(&m);
        begin_look_up(&m);
        int64_t now_s = m.now.wall_ms / 1000;
        for (int page = 0; page < 3; page++) {
            assert_int_equal(m.call.phase, TSMS__PHASE_WIRE);
            virtual_row row = virtual_row_of(&m.call, sids[page], now_s - page);
            row.body = page == 2 ? "another" : row.body;
            virtual_flight flight = {.call = &m.call};
            virtual_respond(&flight, 200,
                            virtual_page(&row, 1, page < 2 ? VIRTUAL_NEXT_PAGE : NULL));
            if (page == 2 && claimed) { /* while we read on */
                tsms__claims_add(&m.claims, tsms_str_from(sids[1]));
            }
            finish(&m, &flight);
            if (page < 2) {
                input(&m, tsms_str_from("go"));
            }
        }
        if (claimed) {
            assert_int_equal(m.call.phase, TSMS__PHASE_PAUSE);
            assert_int_equal(m.call.due_ms, m.now.mono_ms);
            play(&m, "PAUSE? wake READY? go WIRE? none CHECK+14 cancel "
                     "DONE(ConnectionFailed,in_doubt,1)");
        } else {
            assert_true(m.call.result->verified);
            assert_str_is(tsms_result_field(m.call.result, 0, "sid"), sids[1]);
        }
        machine_close(&m);
    }
}

/* It ends in the middle of a look-up that has found something. */
static void test_an_unfinished_look_up_leaves_nothing(void **state)
{
    (void)state;
    static const char *const ends[] = {"cancel", "expire"};
    for (size_t i = 0; i < 2; i++) {
        machine m;
        machine_open(&m, "");
        begin_sample(&m);
        begin_look_up(&m);
        virtual_row row = virtual_row_of(&m.call, VIRTUAL_SID, m.now.wall_ms / 1000);
        virtual_flight flight = {.call = &m.call};
        virtual_respond(&flight, 200, virtual_page(&row, 1, VIRTUAL_NEXT_PAGE));
        finish(&m, &flight);
        assert_int_equal(m.call.phase, TSMS__PHASE_READY);
        input(&m, tsms_str_from(ends[i]));
        trace_phase(&m);
        assert_string_equal(m.trace, "DONE(ConnectionFailed,in_doubt,1)");
        assert_int_equal(tsms_result_count(m.call.result), 0);
        machine_close(&m);
    }
}

/* An identical message has claimed a row while our look-up was under way: it may have been ours,
 * and its own not on the page that we got. */
static void test_a_page_older_than_a_twins_claim_proves_nothing(void **state)
{
    (void)state;
    machine m;
    machine_open(&m, "");
    begin_sample(&m);
    begin_look_up(&m);
    m.call.look_again = true;
    play(&m, "WIRE? none PAUSE? wake READY? go WIRE? none CHECK+14 allow READY go WIRE ok "
             "DONE(ok,2)");
    machine_close(&m);
}

static void test_a_twins_row_is_not_taken(void **state)
{
    (void)state;
    machine m;
    machine_open(&m, "");
    begin_sample(&m);
    m.twin_sent = m.now;
    begin_look_up(&m);
    m.env.twin_sent = &m.twin_sent;
    answer(&m, tsms_str_from("mine"));
    assert_int_equal(m.call.phase, TSMS__PHASE_PAUSE);
    assert_int_equal(m.call.due_ms, m.now.mono_ms + 250);
    assert_true(m.call.looking_up);
    assert_false(m.effects.looked_up);
    m.env.twin_sent = NULL;
    play(&m, "PAUSE? wake READY? go WIRE? mine DONE(verified,1)");
    machine_close(&m);
}

/* No row at all: there is nothing to be mistaken about. */
static void test_a_twin_does_not_delay_what_is_not_found(void **state)
{
    (void)state;
    machine m;
    machine_open(&m, "");
    begin_sample(&m);
    begin_look_up(&m);
    m.twin_sent = m.now;
    m.env.twin_sent = &m.twin_sent;
    play(&m, "WIRE? none CHECK+14 allow READY go WIRE ok DONE(ok,2)");
    machine_close(&m);
}

/* A stream of identical messages has always one on the wire; ours is older than that one. */
static void test_a_row_older_than_the_twin_is_taken(void **state)
{
    (void)state;
    machine m;
    machine_open(&m, "");
    begin_sample(&m);
    begin_look_up(&m);
    int64_t accepted_s = m.now.wall_ms / 1000;
    wait_ms(&m, 6000);
    m.twin_sent = m.now;
    m.env.twin_sent = &m.twin_sent;
    wait_ms(&m, 300);
    virtual_flight flight = {.call = &m.call};
    virtual_row row = virtual_row_of(&m.call, VIRTUAL_SID, accepted_s);
    virtual_respond(&flight, 200, virtual_page(&row, 1, NULL));
    finish(&m, &flight);
    assert_true(m.call.result->verified);
    machine_close(&m);
}

/* Its row cannot be recognised, so that finding none says nothing. */
static void test_a_message_with_a_hidden_recipient_is_not_sent_again(void **state)
{
    (void)state;
    machine m;
    machine_open(&m, "");
    tsms_message_options message = sample();
    message.address_retention = tsms_str_from("obfuscate");
    assert_int_equal(begin(&m, &message, 0), TSMS_OK);
    play(&m, "CHECK allow READY go WIRE reset PAUSE? wake READY? go WIRE? none "
             "DONE(ConnectionFailed,in_doubt,1)");
    machine_close(&m);
}

/* A look-up that cannot even be asked for must not end in sending again. */
static void test_without_memory_a_message_in_doubt_stays_so(void **state)
{
    (void)state;
    static const char *const answers[] = {"none", "others", "503"};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        for (size_t n = 1;; n++) {
            test_mem tm;
            test_mem_init(&tm, 0);
            machine m;
            machine_open(&m, "");
            tsms__call_init(&m.call, &tm.mem);
            begin_sample(&m);
            tm.fail_at = tm.calls + n;
            input(&m, tsms_str_from("allow"));
            input(&m, tsms_str_from("go"));
            answer(&m, tsms_str_from("reset"));
            if (!tm.failed) {
                input(&m, tsms_str_from("wake"));
                input(&m, tsms_str_from("go"));
                answer(&m, tsms_str_from(answers[i]));
            }
            if (tm.failed) {
                assert_int_equal(m.call.phase, TSMS__PHASE_DONE);
                assert_int_equal(m.call.result->outcome, TSMS_OUTCOME_IN_DOUBT);
            }
            bool failed = tm.failed;
            machine_close(&m);
            assert_int_equal(tm.live, 0);
            if (!failed) {
                assert_true(n > 1);
                break;
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_in_doubt_is_looked_for),
        cmocka_unit_test(test_a_failed_look_up_is_repeated_three_times),
        cmocka_unit_test(test_failed_look_ups_of_one_attempt_do_not_count_for_the_next),
        cmocka_unit_test(test_an_accepted_message_without_sid_is_only_looked_for),
        cmocka_unit_test(test_three_looks_without_sid_after_a_resend),
        cmocka_unit_test(test_a_cancelled_message_in_doubt_is_looked_for_once),
        cmocka_unit_test(test_the_end_of_a_message_in_doubt_is_a_last_look),
        cmocka_unit_test(test_the_window_begins_with_the_first_attempt),
        cmocka_unit_test(test_the_quota_is_asked_again_before_a_resend),
        cmocka_unit_test(test_the_window_of_a_look_up_when_clocks_move),
        cmocka_unit_test(test_a_wall_clock_that_was_set_forward_hides_no_message),
        cmocka_unit_test(test_what_a_look_up_asks_for),
        cmocka_unit_test(test_a_list_that_cannot_be_followed_proves_nothing),
        cmocka_unit_test(test_a_list_without_end_is_left_after_ten_pages),
        cmocka_unit_test(test_a_found_message_is_the_result),
        cmocka_unit_test(test_the_oldest_row_of_all_pages_is_taken),
        cmocka_unit_test(test_an_unfinished_look_up_leaves_nothing),
        cmocka_unit_test(test_a_page_older_than_a_twins_claim_proves_nothing),
        cmocka_unit_test(test_a_twins_row_is_not_taken),
        cmocka_unit_test(test_a_twin_does_not_delay_what_is_not_found),
        cmocka_unit_test(test_a_row_older_than_the_twin_is_taken),
        cmocka_unit_test(test_a_message_with_a_hidden_recipient_is_not_sent_again),
        cmocka_unit_test(test_without_memory_a_message_in_doubt_stays_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
