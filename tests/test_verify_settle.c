/* How long a message in doubt is given to appear in the list. */
#include "call_machine.h"

/* Starts the first attempt, which fails like this 100 ms later. */
static void fail_first(machine *m, const char *options, const char *how)
{
    machine_open(m, options);
    begin_sample(m);
    input(m, tsms_str_from("allow"));
    input(m, tsms_str_from("go"));
    input(m, tsms_str_from(how));
}

/* How long after the failure of the first attempt it is looked for; -1 when it is not. */
static int64_t pause_after(const char *options, const char *how)
{
    machine m;
    fail_first(&m, options, how);
    int64_t pause_ms =
        m.call.looking_up && m.call.phase == TSMS__PHASE_PAUSE ? m.call.due_ms - m.now.mono_ms : -1;
    machine_close(&m);
    return pause_ms;
}

static void test_the_first_look_waits_until_the_list_has_settled(void **state)
{
    (void)state;
    assert_int_equal(pause_after("", "reset"), 5000);
    assert_int_equal(pause_after("", "timeout"), 5000);
    assert_int_equal(pause_after("retry.settle_ms=12345", "500"), 12345);
    assert_in_range(pause_after("retry.settle_ms=0", "reset"), 250, 500);
    assert_int_equal(pause_after("retry.settle_ms=0", "timeout"), 1000);
}

/* A longer pause stays what it is. */
static void test_what_a_retry_waits_for_is_not_made_shorter(void **state)
{
    (void)state;
    assert_int_equal(pause_after("retry.timeout.base_ms=8000", "timeout"), 8000);
    assert_int_equal(pause_after("", "503:30"), 30000);
    assert_int_equal(pause_after("", "503:3"), 5000);
    assert_int_equal(pause_after("", "503:59"), 59000); /* past the latest look, before the end */
    assert_int_equal(pause_after("", "503:60"), -1);
}

static void test_the_last_look_waits_as_well(void **state)
{
    (void)state;
    assert_int_equal(pause_after("retry.connection.attempts=1", "reset"), 5000);
    assert_int_equal(pause_after("retry.quota=0", "reset"), 5000);
    assert_int_equal(pause_after("", "301"), 5000);

    machine m;
    machine_open(&m, "");
    begin_sample(&m);
    input(&m, tsms_str_from("allow"));
    input(&m, tsms_str_from("go"));
    input(&m, tsms_str_from("cancel"));
    answer(&m, tsms_str_from("reset"));
    assert_int_equal(m.call.due_ms, m.now.mono_ms + 5000);
    machine_close(&m);
}

static void test_nothing_else_waits_for_the_list(void **state)
{
    (void)state;
    const char *first = "retry.settle_ms=300000 timeout_ms=900000";
    assert_in_range(pause_after(first, "cut"), 500, 1000); /* it is never sent again */
    assert_in_range(pause_after(first, "garbled"), 500, 1000);

    machine m;
    fail_first(&m, "retry.settle_ms=300000 in_doubt=resend", "timeout");
    assert_false(m.call.looking_up);
    assert_int_equal(m.call.due_ms, m.now.mono_ms + 1000);
    machine_close(&m);

    machine_open(&m, "retry.settle_ms=300000");
    assert_int_equal(begin(&m, NULL, 0), TSMS_OK);
    input(&m, tsms_str_from("go"));
    answer(&m, tsms_str_from("timeout"));
    assert_int_equal(m.call.due_ms, m.now.mono_ms + 1000);
    machine_close(&m);

    /* A refused attempt leaves nothing that could appear. */
    fail_first(&m, "", "refused");
    assert_in_range(m.call.due_ms - m.now.mono_ms, 250, 500);
    machine_close(&m);
}

static void test_a_look_up_that_failed_is_repeated_without_waiting_again(void **state)
{
    (void)state;
    machine m;
    fail_first(&m, "", "reset");
    input(&m, tsms_str_from("wake"));
    input(&m, tsms_str_from("go"));
    answer(&m, tsms_str_from("500"));
    assert_in_range(m.call.due_ms - m.now.mono_ms, 500, 1000);
    machine_close(&m);
}

/* The second attempt is in doubt by itself, and has its own time. When it was refused, the time of
 * the first has passed long ago. */
static void test_the_time_counts_from_the_attempt_that_is_in_doubt(void **state)
{
    (void)state;
    static const char *const again[] = {"wake", "go", "none", "allow", "go"};
    const char *options = "retry.connection.attempts=2";
    for (int in_doubt = 0; in_doubt < 2; in_doubt++) {
        machine m;
        fail_first(&m, options, "reset");
        for (size_t i = 0; i < sizeof again / sizeof *again; i++) {
            input(&m, tsms_str_from(again[i]));
        }
        answer(&m, tsms_str_from(in_doubt ? "reset" : "refused"));
        assert_true(m.call.looking_up);
        int64_t pause_ms = m.call.due_ms - m.now.mono_ms;
        if (in_doubt) {
            assert_int_equal(pause_ms, 5000);
        } else {
            assert_in_range(pause_ms, 500, 1000);
        }
        machine_close(&m);
    }
}

/* Two seconds before the end a request may still be made. */
static void test_the_deadline_is_respected(void **state)
{
    (void)state;
    assert_int_equal(pause_after("timeout_ms=7100", "reset"), 5000);
    assert_int_equal(pause_after("timeout_ms=7099", "reset"), 4999);
    assert_int_equal(pause_after("timeout_ms=6100", "reset"), 4000);
    assert_int_equal(pause_after("timeout_ms=300", "reset"), -1); /* the pause alone is longer */
    assert_int_equal(pause_after("timeout_ms=2100", "timeout"), 1000); /* as early as it may be */
    assert_int_equal(pause_after("retry.settle_ms=300000", "reset"), 57900);
    const char *sooner = "timeout_ms=6100 attempt_timeout_ms=700";
    assert_int_equal(pause_after(sooner, "reset"), 5000);
}

/* The answer comes in no time, so that there would be enough of it to send again. */
static void look_in_no_time(machine *m, const char *options, const char *what)
{
    fail_first(m, options, "reset");
    m->now.mono_ms = m->call.due_ms;
    tsms__call_wake(&m->call);
    tsms__call_start(&m->call, m->now);
    answer(m, tsms_str_from(what));
}

static void test_an_early_look_that_finds_nothing_proves_nothing(void **state)
{
    (void)state;
    machine m;
    look_in_no_time(&m, "timeout_ms=7099", "none");
    assert_int_equal(m.call.phase, TSMS__PHASE_DONE);
    assert_int_equal(m.call.result->outcome, TSMS_OUTCOME_IN_DOUBT);
    assert_int_equal(m.call.result->error.kind, TSMS_KIND_CONNECTION_FAILED);
    assert_true(m.effects.looked_up);
    assert_false(m.effects.retrying || m.effects.suppressed);
    machine_close(&m);

    look_in_no_time(&m, "timeout_ms=7100", "none");
    assert_int_equal(m.call.phase, TSMS__PHASE_CHECK);
    assert_true(m.effects.retrying);
    machine_close(&m);

    look_in_no_time(&m, "timeout_ms=7099", "mine");
    assert_true(m.call.result->verified);
    machine_close(&m);
}

/* It counts when the list was asked, not when it answered. */
static void test_an_early_look_with_a_late_answer_proves_nothing(void **state)
{
    (void)state;
    for (int early = 0; early < 2; early++) {
        machine m;
        fail_first(&m, "", "reset");
        wait_ms(&m, early ? 4999 : 5000);
        tsms__call_wake(&m.call);
        input(&m, tsms_str_from("go"));
        input(&m, tsms_str_from("others"));
        input(&m, tsms_str_from("go")); /* the second page, 100 ms later */
        input(&m, tsms_str_from("none"));
        assert_int_equal(m.call.phase, early ? TSMS__PHASE_DONE : TSMS__PHASE_CHECK);
        machine_close(&m);
    }
}

static void test_a_call_without_an_end_waits_for_the_list(void **state)
{
    (void)state;
    machine m;
    machine_open(&m, "retry.settle_ms=300000");
    tsms_message_options message = sample();
    assert_int_equal(begin(&m, &message, INT64_MAX), TSMS_OK);
    input(&m, tsms_str_from("allow"));
    input(&m, tsms_str_from("go"));
    answer(&m, tsms_str_from("reset"));
    assert_int_equal(m.call.due_ms, m.now.mono_ms + 300000);
    play(&m, "PAUSE? wake READY? go WIRE? none CHECK+14 allow READY go WIRE ok DONE(ok,2)");
    machine_close(&m);
}

/* In a client: the person is not texted twice although the list shows the message late. */
static void serve_late_list(virtual_driver *d, virtual_flight *flight)
{
    const int64_t *listed_ms = d->world;
    bool shown = d->now.mono_ms >= *listed_ms;
    const char *word = !flight->call->looking_up ? "reset" : shown ? "mine" : "none";
    virtual_answer(flight, tsms_str_from(word), d->now.wall_ms / 1000, 1);
}

static size_t posts_with_lag(const char *options, int64_t lag_ms)
{
    virtual_driver d;
    virtual_open(&d, NULL, options);
    d.serve = serve_late_list;
    int64_t listed_ms = d.now.mono_ms + VIRTUAL_TAKES_MS + lag_ms;
    d.world = &listed_ms;
    virtual_send(&d, "+15005550001", VIRTUAL_FROM, "hello");
    virtual_run(&d, 60000);
    assert_result(&d, d.posts == 1 ? "verified 1" : "verified 2");
    size_t posts = d.posts;
    virtual_close(&d);
    return posts;
}

static void test_for_which_lag_a_message_is_not_sent_twice(void **state)
{
    (void)state;
    assert_int_equal(posts_with_lag("", 5000), 1);
    assert_int_equal(posts_with_lag("", 5001), 2);
    assert_int_equal(posts_with_lag("retry.settle_ms=30000", 30000), 1);
    assert_int_equal(posts_with_lag("retry.settle_ms=0", 501), 2);
}

/* Two identical messages, both accepted. The answer to the first is lost, its row is listed at
 * once; that of the second is listed 5 s later. */
typedef struct late_twin {
    const char *answer; /* to the second */
    size_t posts;
    int64_t listed_ms[2];
} late_twin;

static void serve_late_twin(virtual_driver *d, virtual_flight *flight)
{
    static const char *const sids[2] = {"SM00000000000000000000000000000001",
                                        "SM00000000000000000000000000000002"};
    late_twin *t = d->world;
    if (!flight->call->looking_up) {
        assert_in_range(t->posts, 0, 1); /* none is sent again */
        t->listed_ms[t->posts] = d->now.mono_ms + (t->posts == 0 ? 0 : 5000);
        virtual_answer(flight, tsms_str_from(t->posts == 0 ? "reset" : t->answer), 0, 1);
        t->posts++;
        return;
    }
    virtual_row rows[2];
    size_t count = 0;
    for (size_t i = t->posts; i-- > 0;) {
        if (d->now.mono_ms >= t->listed_ms[i]) {
            int64_t ago_ms = d->now.mono_ms - t->listed_ms[i];
            rows[count++] = virtual_row_of(flight->call, sids[i], (d->now.wall_ms - ago_ms) / 1000);
        }
    }
    virtual_date(d->now.wall_ms / 1000, flight->date, sizeof flight->date);
    virtual_respond(flight, 200, virtual_page(rows, count, NULL));
}

static void test_an_early_look_takes_no_row_of_a_message_in_doubt(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        int64_t timeout_ms;
        const char *first, *second; /* results, in the order in which they come */
    } rows[] = {
        {"cut", 60000, "verified 1", "verified 1"},
        {"reset", 60000, "verified 1", "verified 1"},
        {"reset", 3000, "ConnectionFailed in_doubt 1", "verified 1"},
        {"cut", 3000, "InternalError accepted_no_sid 1", "verified 1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        virtual_driver d;
        virtual_open(&d, NULL, "rate.per_number=0");
        late_twin twin = {.answer = rows[i].answer};
        d.serve = serve_late_twin;
        d.world = &twin;
        tsms_message_options message = sample();
        uint64_t id;
        assert_int_equal(virtual_submit(&d, &message, 60000, &id, NULL), TSMS_OK);
        virtual_run(&d, 1000);
        assert_int_equal(virtual_submit(&d, &message, rows[i].timeout_ms, &id, NULL), TSMS_OK);
        virtual_run(&d, 60000);
        assert_result(&d, rows[i].first);
        assert_result(&d, rows[i].second);
        virtual_close(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_look_waits_until_the_list_has_settled),
        cmocka_unit_test(test_what_a_retry_waits_for_is_not_made_shorter),
        cmocka_unit_test(test_the_last_look_waits_as_well),
        cmocka_unit_test(test_nothing_else_waits_for_the_list),
        cmocka_unit_test(test_a_look_up_that_failed_is_repeated_without_waiting_again),
        cmocka_unit_test(test_the_time_counts_from_the_attempt_that_is_in_doubt),
        cmocka_unit_test(test_the_deadline_is_respected),
        cmocka_unit_test(test_an_early_look_that_finds_nothing_proves_nothing),
        cmocka_unit_test(test_an_early_look_with_a_late_answer_proves_nothing),
        cmocka_unit_test(test_a_call_without_an_end_waits_for_the_list),
        cmocka_unit_test(test_for_which_lag_a_message_is_not_sent_twice),
        cmocka_unit_test(test_an_early_look_takes_no_row_of_a_message_in_doubt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
