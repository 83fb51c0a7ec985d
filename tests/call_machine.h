/* One call without a client, for tests: it is told what happens in words, and writes down what it
 * does.
 *
 *     machine m;
 *     machine_open(&m, "in_doubt=stop");
 *     begin_sample(&m);
 *     play(&m, "CHECK allow READY go WIRE reset DONE(ConnectionFailed,in_doubt,1)");
 *     machine_close(&m); */
#ifndef TESTS_CALL_MACHINE_H
#define TESTS_CALL_MACHINE_H

#include "virtual_driver.h"

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

static inline void machine_open(machine *m, const char *options)
{
    memset(m, 0, sizeof *m);
    m->config = virtual_config(NULL, options);
    m->now = (tsms__now){.mono_ms = 1000000, .wall_ms = INT64_C(1700000000000)};
    tsms__rand_init(&m->rand, 7);
    m->env = (tsms__call_env){
        .config = m->config, .rand = &m->rand, .quota_left = 500, .claims = &m->claims};
    tsms__call_init(&m->call, &tsms__mem_libc);
}

static inline void machine_close(machine *m)
{
    tsms__call_free(&m->call);
    tsms_config_free(m->config);
}

static inline tsms_message_options sample(void)
{
    tsms_message_options message = TSMS_MESSAGE_OPTIONS_INIT;
    message.to = tsms_str_from("+15005550001");
    message.from = tsms_str_from(VIRTUAL_FROM);
    message.body = tsms_str_from("hello");
    return message;
}

static inline tsms_status begin(machine *m, const tsms_message_options *message, int64_t timeout_ms)
{
    tsms_request request = TSMS_REQUEST_INIT;
    request.operation = message != NULL ? TSMS_OP_SEND : TSMS_OP_FETCH;
    request.message = message;
    request.sid = tsms_str_from(VIRTUAL_SID);
    request.timeout_ms = timeout_ms;
    return tsms__call_begin(&m->call, 1, &request, m->config, m->now, NULL);
}

static inline void begin_sample(machine *m)
{
    tsms_message_options message = sample();
    assert_int_equal(begin(m, &message, 0), TSMS_OK);
}

static inline void wait_ms(machine *m, int64_t ms)
{
    m->now.mono_ms += ms;
    m->now.wall_ms += ms;
}

static inline void finish(machine *m, virtual_flight *flight)
{
    tsms__call_finish(&m->call, &m->env, &flight->transfer, m->now, &m->effects);
    free(flight->body);
}

static inline void answer(machine *m, tsms_str word)
{
    virtual_flight flight = {.call = &m->call};
    virtual_answer(&flight, word, m->now.wall_ms / 1000 + m->server_ahead_s, 1);
    finish(m, &flight);
}

static inline void trace(machine *m, const char *format, ...) TSMS__PRINTF(2, 3);

static inline void trace(machine *m, const char *format, ...)
{
    size_t used = strlen(m->trace);
    va_list args;
    va_start(args, format);
    vsnprintf(m->trace + used, sizeof m->trace - used, format, args);
    va_end(args);
}

/* The phase in capitals, with "?" while the message is looked for, the price of a retry, and what a
 * finished call ended with. */
static inline void trace_phase(machine *m)
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
static inline void input(machine *m, tsms_str word)
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
static inline void play(machine *m, const char *want)
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

static inline void assert_trace(const char *options, const char *want)
{
    machine m;
    machine_open(&m, options);
    begin_sample(&m);
    play(&m, want);
    machine_close(&m);
}

static inline void begin_look_up(machine *m)
{
    input(m, tsms_str_from("allow"));
    input(m, tsms_str_from("go"));
    answer(m, tsms_str_from("reset"));
    input(m, tsms_str_from("wake"));
    assert_true(m->call.looking_up);
    input(m, tsms_str_from("go"));
}

#endif
