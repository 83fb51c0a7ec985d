#include "virtual_driver.h"

/* ---- A call without a client --------------------------------------------------------------- */

typedef struct machine {
    tsms_config *config;
    tsms__call call;
    tsms__call_env env;
    tsms__call_effects effects;
    tsms__rand rand;
    tsms__claims claims;
    tsms__now now;
    tsms__now twin_sent;
    int64_t server_ahead_s;
    char trace[1024];
} machine;

static const tsms_mem *const mem = &tsms__mem_libc;

static void machine_open(machine *m, const char *options)
{
    memset(m, 0, sizeof *m);
    m->config = virtual_config(NULL, options);
    m->now = (tsms__now){.mono_ms = 1000000, .wall_ms = INT64_C(1700000000000)};
    tsms__rand_init(&m->rand, 7);
    m->env = (tsms__call_env){
        .config = m->config, .rand = &m->rand, .quota_left = 500, .claims = &m->claims};
    tsms__call_init(&m->call, mem);
}

static void machine_close(machine *m)
{
    tsms__call_free(&m->call);
    tsms_config_free(m->config);
}

static tsms_message_options sample(void)
{
    tsms_message_options message = TSMS_MESSAGE_OPTIONS_INIT;
    message.to = tsms_str_from("+15005550001");
    message.from = tsms_str_from(VIRTUAL_FROM);
    message.body = tsms_str_from("hello");
    return message;
}

static tsms_status begin(machine *m, const tsms_message_options *message, int64_t timeout_ms)
{
    tsms_request request = TSMS_REQUEST_INIT;
    request.operation = message != NULL ? TSMS_OP_SEND : TSMS_OP_FETCH;
    request.message = message;
    request.sid = tsms_str_from(VIRTUAL_SID);
    request.timeout_ms = timeout_ms;
    return tsms__call_begin(&m->call, 1, &request, m->config, m->now, NULL);
}

static void begin_sample(machine *m)
{
    tsms_message_options message = sample();
    assert_int_equal(begin(m, &message, 0), TSMS_OK);
}

static void wait_ms(machine *m, int64_t ms)
{
    m->now.mono_ms += ms;
    m->now.wall_ms += ms;
}

static void finish(machine *m, virtual_flight *flight)
{
    tsms__call_finish(&m->call, &m->env, &flight->transfer, m->now, &m->effects);
    free(flight->body);
}

static void answer(machine *m, tsms_str word)
{
    virtual_flight flight = {.call = &m->call};
    virtual_answer(&flight, word, m->now.wall_ms / 1000 + m->server_ahead_s, 1);
    finish(m, &flight);
}

/* ---- Traces -------------------------------------------------------------------------------- */

static void trace(machine *m, const char *format, ...) TSMS__PRINTF(2, 3);

static void trace(machine *m, const char *format, ...)
{
    size_t used = strlen(m->trace);
    va_list args;
    va_start(args, format);
    vsnprintf(m->trace + used, sizeof m->trace - used, format, args);
    va_end(args);
}

/* The phase in capitals, with "?" while the message is looked for, the price of a retry, and what a
 * finished call ended with. */
static void trace_phase(machine *m)
{
    static const char *const names[] = {"FREE", "CHECK", "READY", "PAUSE", "WIRE", "DONE"};
    const tsms__call *call = &m->call;
    trace(m, "%s%s", m->trace[0] != '\0' ? " " : "", names[call->phase]);
    if (call->phase == TSMS__PHASE_DONE) {
        char text[160];
        virtual_summary(call->result, text, sizeof text);
        for (char *c = text; *c != '\0'; c++) {
            *c = *c == ' ' ? ',' : *c;
        }
        trace(m, "(%s)", text);
    } else if (call->looking_up) {
        trace(m, "?");
    }
    if (m->effects.quota_cost > 0) {
        trace(m, "+%d", (int)m->effects.quota_cost);
        assert_true(m->effects.retrying);
    }
    m->effects = (tsms__call_effects){0};
}

/* What happens to the call: a word of its own, or the answer to its request. */
static void input(machine *m, tsms_str word)
{
    tsms__call *call = &m->call;
    if (virtual_is(word, "allow")) {
        tsms__call_allow(call);
    } else if (virtual_is(word, "deny")) {
        tsms__call_deny(call, tsms_str_from("quiet hours"));
    } else if (virtual_is(word, "stop")) {
        tsms__call_deny(call, tsms_str_from("opted_out"));
    } else if (virtual_is(word, "defer")) {
        tsms__call_defer(call, m->now.mono_ms + 10000);
    } else if (virtual_is(word, "too-far")) {
        tsms__call_defer(call, call->deadline_ms);
    } else if (virtual_is(word, "hold")) {
        tsms__call_hold(call, m->now.mono_ms + 10000);
    } else if (virtual_is(word, "refuse")) {
        tsms__call_refuse(call, TSMS_KIND_TEMPORARILY_UNAVAILABLE, 30000, "the breaker is open");
    } else if (virtual_is(word, "go")) {
        tsms__call_start(call, m->now);
    } else if (virtual_is(word, "wake")) {
        wait_ms(m, call->due_ms - m->now.mono_ms);
        tsms__call_wake(call);
    } else if (virtual_is(word, "expire")) {
        tsms__call_expire(call);
    } else if (virtual_is(word, "cancel")) {
        tsms__call_cancel(call);
    } else {
        wait_ms(m, 100);
        answer(m, word);
    }
}

/* Plays the small words of a trace, and writes what came of them; both must read the same. */
static void play(machine *m, const char *want)
{
    trace_phase(m);
    const char *rest = want;
    tsms_str word;
    while (virtual_word(&rest, &word)) {
        if (word.ptr[0] >= 'A' && word.ptr[0] <= 'Z') {
            continue;
        }
        trace(m, " %.*s", (int)word.len, word.ptr);
        input(m, word);
        trace_phase(m);
    }
    if (strcmp(m->trace, want) != 0) {
        print_error("got  \"%s\"\nwant \"%s\"\n", m->trace, want);
        fail();
    }
}

static void assert_trace(const char *options, const char *want)
{
    machine m;
    machine_open(&m, options);
    begin_sample(&m);
    play(&m, want);
    machine_close(&m);
}

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

/* ---- What may be repeated whatever became of it -------------------------------------------- */

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

/* ---- The quota ----------------------------------------------------------------------------- */

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

/* ---- Time ---------------------------------------------------------------------------------- */

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

/* ---- Look-ups ------------------------------------------------------------------------------ */

static void begin_look_up(machine *m)
{
    input(m, tsms_str_from("allow"));
    input(m, tsms_str_from("go"));
    answer(m, tsms_str_from("reset"));
    input(m, tsms_str_from("wake"));
    assert_true(m->call.looking_up);
    input(m, tsms_str_from("go"));
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

/* ---- Identical messages -------------------------------------------------------------------- */

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

/* ---- What a message costs and what its row shows ------------------------------------------- */

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
    bool may = m.call.body_may_differ;
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

/* ---- Memory -------------------------------------------------------------------------------- */

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
        cmocka_unit_test(test_a_good_send),
        cmocka_unit_test(test_a_retry_is_checked_again),
        cmocka_unit_test(test_answers_of_a_check),
        cmocka_unit_test(test_waiting_for_a_permit),
        cmocka_unit_test(test_a_message_in_doubt_is_looked_for),
        cmocka_unit_test(test_a_failed_look_up_is_repeated_three_times),
        cmocka_unit_test(test_failed_look_ups_of_one_attempt_do_not_count_for_the_next),
        cmocka_unit_test(test_an_accepted_message_without_sid_is_only_looked_for),
        cmocka_unit_test(test_three_looks_without_sid_after_a_resend),
        cmocka_unit_test(test_what_the_call_says_at_the_end_of_its_time),
        cmocka_unit_test(test_cancel_in_each_phase),
        cmocka_unit_test(test_a_cancelled_message_in_doubt_is_looked_for_once),
        cmocka_unit_test(test_once_in_doubt_a_message_stays_in_doubt),
        cmocka_unit_test(test_the_end_of_a_message_in_doubt_is_a_last_look),
        cmocka_unit_test(test_the_window_begins_with_the_first_attempt),
        cmocka_unit_test(test_every_outcome_mode_and_number_of_attempts),
        cmocka_unit_test(test_idempotent_operations_are_simply_repeated),
        cmocka_unit_test(test_without_quota_nothing_is_repeated),
        cmocka_unit_test(test_the_quota_is_asked_again_before_a_resend),
        cmocka_unit_test(test_no_pause_reaches_the_deadline),
        cmocka_unit_test(test_a_huge_timeout_does_not_overflow),
        cmocka_unit_test(test_how_much_time_a_request_must_have_left),
        cmocka_unit_test(test_the_window_of_a_look_up_when_clocks_move),
        cmocka_unit_test(test_a_wall_clock_that_was_set_forward_hides_no_message),
        cmocka_unit_test(test_what_a_look_up_asks_for),
        cmocka_unit_test(test_a_list_that_cannot_be_followed_proves_nothing),
        cmocka_unit_test(test_a_list_without_end_is_left_after_ten_pages),
        cmocka_unit_test(test_a_found_message_is_the_result),
        cmocka_unit_test(test_the_oldest_row_of_all_pages_is_taken),
        cmocka_unit_test(test_an_unfinished_look_up_leaves_nothing),
        cmocka_unit_test(test_a_page_older_than_a_twins_claim_proves_nothing),
        cmocka_unit_test(test_a_success_after_retries_has_no_error),
        cmocka_unit_test(test_a_twins_row_is_not_taken),
        cmocka_unit_test(test_a_twin_does_not_delay_what_is_not_found),
        cmocka_unit_test(test_a_row_older_than_the_twin_is_taken),
        cmocka_unit_test(test_cost_in_messages_or_segments),
        cmocka_unit_test(test_which_bodies_come_back_changed),
        cmocka_unit_test(test_a_message_with_a_hidden_recipient_is_not_sent_again),
        cmocka_unit_test(test_intents),
        cmocka_unit_test(test_begin_without_memory_keeps_nothing),
        cmocka_unit_test(test_without_memory_a_message_in_doubt_stays_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
