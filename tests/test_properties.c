/* What must always hold, under thousands of random scripts.
 *
 * A script submits messages, many of them identical, cancels some, answers checks in every way or
 * not at all, and lets a simulated Twilio lose answers. The Twilio is truthful: what it accepted
 * is in its list when retry.settle_ms is over. The test knows what really happened, and looks at
 * each request as it leaves and at each result as it comes out. */
#include "virtual_driver.h"

enum {
    SCRIPTS = 4000,
    STEPS = 40,
    SETTLE_MOST_MS = 10000,
    CALLS = 64,
    NUMBERS = 2, /* recipients, senders, texts: two of each */
    INTENTS = NUMBERS * NUMBERS * NUMBERS,
    ROWS = 1024,
    POSTS = 1024,
    PAGE_ROWS = 5, /* of the server, whatever it is asked for */
    LAST_ATTEMPT_MS = 15000,
};

static const char *const recipients[NUMBERS] = {"+15005550001", "+15005550002"};
static const char *const senders[NUMBERS] = {"+15005550006", "+15005550007"};
static const char *const texts[NUMBERS] = {"hello", "good bye"};

/* What the test knows about a call. */
typedef struct shadow {
    uint64_t id;
    size_t intent;
    bool sends;
    int64_t deadline_ms;
    int64_t allowed_ms; /* when it was allowed last; -1: not since its last request */
    bool denied, cancelled;
    bool doubted; /* an answer of its was lost */
    int posts, accepted, results;
    tsms_outcome outcome; /* of its result */
} shadow;

/* How often what becomes of a request, of a thousand. */
typedef struct weather {
    int64_t refused, throttled, rejected, lost, lost_before, cut;
} weather;

typedef struct world {
    tsms__rand rand;
    const char *in_doubt;
    weather weather;
    bool checks;
    bool ignores_filters;
    size_t intents;   /* how many different messages the script uses */
    int64_t server_s; /* at the beginning, by its own clock */
    int64_t began_ms;
    virtual_row rows[ROWS]; /* accepted, oldest first */
    char sids[ROWS][40];
    int64_t listed_ms[ROWS]; /* when the list shows it */
    int64_t settle_ms;
    size_t row_count;
    size_t accepted[INTENTS];
    shadow calls[CALLS];
    size_t call_count;
    tsms_check kept[CALLS]; /* questions to be answered later */
    size_t kept_count;
    int64_t account_ms[POSTS], number_ms[NUMBERS][POSTS];
    size_t account_posts, number_posts[NUMBERS];
    uint64_t requests;
    uint64_t steps; /* hash of everything that happened */
} world;

static bool chance(world *w, int64_t of_thousand)
{
    return tsms__rand_between(&w->rand, 0, 999) < of_thousand;
}

static size_t one_of(world *w, size_t count)
{
    return (size_t)tsms__rand_between(&w->rand, 0, (int64_t)count - 1);
}

static void note_step(world *w, const virtual_driver *d, uint64_t what)
{
    uint64_t parts[3] = {w->steps, what, (uint64_t)d->now.mono_ms};
    w->steps = tsms__str_hash((tsms_str){(const char *)parts, sizeof parts});
}

static shadow *shadow_of(world *w, uint64_t id)
{
    for (size_t i = 0; i < w->call_count; i++) {
        if (w->calls[i].id == id) {
            return &w->calls[i];
        }
    }
    fail_msg("nobody submitted call %" PRIu64, id);
    abort();
}

/* ---- The server ---------------------------------------------------------------------------- */

static int64_t server_now_s(const world *w, const virtual_driver *d)
{
    return w->server_s + (d->now.mono_ms - w->began_ms) / 1000;
}

static uint64_t accept_message(world *w, virtual_driver *d, shadow *s)
{
    assert_in_range(w->row_count, 0, ROWS - 1);
    size_t n = w->row_count++;
    snprintf(w->sids[n], sizeof w->sids[n], "SM%032zx", n + 1);
    size_t intent = s->intent;
    w->rows[n] = (virtual_row){.sid = w->sids[n],
                               .to = recipients[intent % NUMBERS],
                               .from = senders[intent / NUMBERS % NUMBERS],
                               .body = texts[intent / NUMBERS / NUMBERS],
                               .direction = "outbound-api",
                               .created_s = server_now_s(w, d)};
    w->listed_ms[n] = d->now.mono_ms + tsms__rand_between(&w->rand, 0, w->settle_ms);
    w->accepted[intent]++;
    s->accepted++;
    return n + 1;
}

/* Newest first, a few rows a page. */
static void serve_list(world *w, virtual_driver *d, virtual_flight *flight)
{
    const tsms__call *call = flight->call;
    const char *at = strstr(call->lookup_path.ptr, "?Page=");
    size_t page = at != NULL ? (size_t)atoi(at + 6) : 0;
    virtual_row rows[PAGE_ROWS];
    size_t skip = page * PAGE_ROWS;
    size_t count = 0;
    bool more = false;
    for (size_t i = w->row_count; i-- > 0 && !more;) {
        const virtual_row *row = &w->rows[i];
        bool wanted = w->ignores_filters ||
                      (tsms__str_eq_z(call->to, row->to) && tsms__str_eq_z(call->from, row->from));
        if (!wanted || w->listed_ms[i] > d->now.mono_ms) {
            continue;
        }
        if (skip > 0) {
            skip--;
        } else if (count < PAGE_ROWS) {
            rows[count++] = *row;
        } else {
            more = true;
        }
    }
    char next[160];
    snprintf(next, sizeof next, "/2010-04-01/Accounts/" VIRTUAL_ACCOUNT "/Messages.json?Page=%zu",
             page + 1);
    virtual_date(server_now_s(w, d), flight->date, sizeof flight->date);
    virtual_respond(flight, 200, virtual_page(rows, count, more ? next : NULL));
}

static void answer(world *w, virtual_driver *d, virtual_flight *flight, const char *word,
                   uint64_t sid)
{
    virtual_answer(flight, tsms_str_from(word), server_now_s(w, d), sid);
}

#define ONE_OF(w, ...)                                                                             \
    ((const char *const[]){__VA_ARGS__})[one_of((w), sizeof((const char *const[]){__VA_ARGS__}) /  \
                                                         sizeof(const char *))]

static void serve_message(world *w, virtual_driver *d, virtual_flight *flight, shadow *s)
{
    const weather *odds = &w->weather;
    if (chance(w, odds->refused)) {
        answer(w, d, flight, ONE_OF(w, "refused", "dns", "late", "nomem"), 0);
    } else if (chance(w, odds->throttled)) {
        answer(w, d, flight, ONE_OF(w, "429", "429:1", "429:5"), 0);
    } else if (chance(w, odds->rejected)) {
        answer(w, d, flight, "400", 0);
    } else if (chance(w, odds->lost_before)) {
        s->doubted = true;
        answer(w, d, flight, ONE_OF(w, "reset", "timeout", "500", "503", "301"), 0);
    } else {
        uint64_t sid = accept_message(w, d, s);
        bool lost = chance(w, odds->lost);
        bool cut = !lost && chance(w, odds->cut);
        s->doubted = s->doubted || lost || cut;
        answer(w, d, flight,
               lost  ? ONE_OF(w, "reset", "timeout", "500", "503")
               : cut ? ONE_OF(w, "cut", "garbled")
                     : "ok",
               sid);
    }
}

/* ---- What must hold when a request leaves -------------------------------------------------- */

static int most_attempts(const tsms_config *config)
{
    const tsms__retry_rule *rules[] = {&config->retry.rate_limit, &config->retry.unavailable,
                                       &config->retry.internal, &config->retry.timeout,
                                       &config->retry.connection};
    int64_t most = 0;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        most = rules[i]->attempts > most ? rules[i]->attempts : most;
    }
    return (int)most;
}

/* In any interval T at most burst + T * rate. */
static void check_window(int64_t *times_ms, size_t *count, int64_t now_ms, const tsms__rate *rate)
{
    assert_in_range(*count, 0, POSTS - 1);
    times_ms[(*count)++] = now_ms;
    for (size_t i = 0; i < *count && rate->interval_ns > 0; i++) {
        uint64_t ns = (uint64_t)(now_ms - times_ms[i]) * 1000000;
        assert_true(*count - i <= rate->burst + ns / rate->interval_ns);
    }
}

static void check_post(world *w, virtual_driver *d, shadow *s)
{
    const tsms_client *client = d->client;
    assert_false(s->denied);
    assert_false(s->cancelled);
    assert_true(d->now.mono_ms < s->deadline_ms);
    assert_int_equal(s->results, 0);
    s->posts++;
    assert_in_range(s->posts, 1, most_attempts(client->config));
    if (w->checks) {
        /* After every wait it is asked about again: the answer is of this very moment. */
        assert_true(s->allowed_ms == d->now.mono_ms);
        s->allowed_ms = -1;
    }
    if (strcmp(w->in_doubt, "stop") == 0) {
        assert_false(s->doubted);
    }
    size_t sender = s->intent / NUMBERS % NUMBERS;
    check_window(w->account_ms, &w->account_posts, d->now.mono_ms, &client->account_level.rate);
    check_window(w->number_ms[sender], &w->number_posts[sender], d->now.mono_ms,
                 &client->number_rate);
}

static void serve(virtual_driver *d, virtual_flight *flight)
{
    world *w = d->world;
    tsms__call *call = flight->call;
    shadow *s = shadow_of(w, call->id);
    w->requests++;
    note_step(w, d, call->id);
    assert_true(d->client->wire.count <= (size_t)d->client->config->max_concurrency);
    assert_true(d->now.mono_ms < s->deadline_ms);
    bool slow = chance(w, 50);
    d->takes_ms =
        slow ? tsms__rand_between(&w->rand, 2000, 20000) : tsms__rand_between(&w->rand, 1, 800);
    if (tsms__call_creates(call)) {
        check_post(w, d, s);
        serve_message(w, d, flight, s);
        if (d->takes_ms > LAST_ATTEMPT_MS || d->takes_ms > s->deadline_ms - d->now.mono_ms) {
            s->doubted = s->doubted || flight->transfer.sent; /* it will be given up */
        }
    } else if (chance(w, 100)) {
        answer(w, d, flight, ONE_OF(w, "refused", "reset", "503", "429:1", "500"), 0);
    } else if (call->looking_up) {
        serve_list(w, d, flight);
    } else {
        answer(w, d, flight, "ok", 1);
    }
}

/* ---- What happens in a script -------------------------------------------------------------- */

static void answer_check(virtual_driver *d, const tsms_check *check)
{
    world *w = d->world;
    shadow *s = shadow_of(w, check->call_id);
    size_t choice = one_of(w, 10);
    tsms_verdict verdict = choice == 0 ? TSMS_DENY : choice < 3 ? TSMS_DEFER : TSMS_ALLOW;
    bool open = tsms__client_answer(d->client, check->call_id, verdict, tsms_str_from("opted_out"),
                                    tsms__rand_between(&w->rand, 0, 9000), d->now);
    if (open) {
        s->denied = verdict == TSMS_DENY;
        s->allowed_ms = verdict == TSMS_ALLOW ? d->now.mono_ms : -1;
    }
}

static void judge(virtual_driver *d, const tsms_check *check)
{
    world *w = d->world;
    note_step(w, d, check->call_id);
    assert_str_is(check->to, recipients[shadow_of(w, check->call_id)->intent % NUMBERS]);
    if (chance(w, 100) && w->kept_count < CALLS) {
        w->kept[w->kept_count++] = *check;
    } else {
        answer_check(d, check);
    }
}

static void submit(world *w, virtual_driver *d, size_t intent)
{
    if (w->call_count == CALLS) {
        return;
    }
    shadow *s = &w->calls[w->call_count];
    *s = (shadow){.intent = intent, .sends = !chance(w, 150), .allowed_ms = -1};
    int64_t timeout_ms = chance(w, 200) ? tsms__rand_between(&w->rand, 1, 20000) : 120000;
    s->deadline_ms = d->now.mono_ms + timeout_ms;
    if (s->sends) {
        tsms_message_options message = TSMS_MESSAGE_OPTIONS_INIT;
        message.to = tsms_str_from(recipients[s->intent % NUMBERS]);
        message.from = tsms_str_from(senders[s->intent / NUMBERS % NUMBERS]);
        message.body = tsms_str_from(texts[s->intent / NUMBERS / NUMBERS]);
        assert_int_equal(virtual_submit(d, &message, timeout_ms, &s->id, NULL), TSMS_OK);
    } else {
        s->id = virtual_fetch(d, timeout_ms);
    }
    w->call_count++;
}

static void cancel_one(world *w, virtual_driver *d)
{
    if (w->call_count > 0) {
        shadow *s = &w->calls[one_of(w, w->call_count)];
        if (tsms__client_cancel(d->client, s->id, d->now)) {
            assert_int_equal(s->results, 0);
            s->cancelled = true;
        }
    }
}

/* Time passes, and at each moment the results are looked at. */
static void take_results(world *w, virtual_driver *d)
{
    tsms_result *result;
    while ((result = tsms_client_result(d->client)) != NULL) {
        shadow *s = shadow_of(w, tsms_result_call_id(result));
        s->results++;
        assert_int_equal(s->results, 1);
        note_step(w, d, s->id);
        tsms_outcome outcome = tsms_result_outcome(result);
        if (s->sends) {
            assert_int_equal(tsms_result_attempts(result), s->posts);
            if (outcome == TSMS_OUTCOME_NOT_SENT || outcome == TSMS_OUTCOME_THROTTLED ||
                outcome == TSMS_OUTCOME_REJECTED) {
                /* Who is told so may send again. */
                assert_int_equal(s->accepted, 0);
            }
        }
        assert_int_equal(outcome == TSMS_OUTCOME_ACCEPTED, tsms_result_error(result) == NULL);
        s->outcome = outcome;
        tsms_result_free(result);
    }
    /* Every permit came back: with nothing on the wire no probe is out. */
    if (d->client->wire.count == 0 &&
        tsms__region_breaker_state(d->client->region) == TSMS__BREAKER_HALF_OPEN) {
        assert_int_equal(tsms__region_breaker_wait_ms(d->client->region, &d->client->breaker_rules,
                                                      d->now.mono_ms),
                         0);
    }
    int64_t quota = tsms__region_quota_left(d->client->region, d->client->config->retry.quota);
    assert_in_range(quota, 0, d->client->config->retry.quota);
}

static void act(world *w, virtual_driver *d)
{
    size_t what = one_of(w, 20);
    if (what < 12) {
        size_t intent = one_of(w, w->intents);
        submit(w, d, intent);
        if (chance(w, 500)) { /* an identical one at once */
            submit(w, d, intent);
        }
    } else if (what < 14) {
        cancel_one(w, d);
    } else if (what < 16 && w->kept_count > 0) {
        tsms_check check = w->kept[one_of(w, w->kept_count)];
        answer_check(d, &check);
    } else if (what == 16) {
        d->now.wall_ms += tsms__rand_between(&w->rand, -3600000, 3600000);
    }
    virtual_run(d, chance(w, 300) ? 0 : tsms__rand_between(&w->rand, 0, 4000));
    take_results(w, d);
}

/* ---- A script ------------------------------------------------------------------------------ */

static void choose_options(world *w, char *options, size_t size)
{
    static const char *const rates[] = {
        "rate.per_second=0 rate.per_number=0",
        "rate.per_second=5 rate.burst=3 rate.per_number=2 rate.per_number_burst=2",
        "rate.per_second=2 rate.burst=1 rate.per_number=0",
        "rate.per_number=1 rate.per_recipient=1",
        "rate.per_number=1 rate.wait=false",
    };
    snprintf(options, size,
             "in_doubt=%s %s max_concurrency=%d retry.connection.attempts=%d "
             "retry.internal.attempts=%d breaker.failure_threshold=%d "
             "breaker.reset_timeout_ms=%d retry.quota=%d retry.settle_ms=%" PRId64,
             w->in_doubt, rates[one_of(w, sizeof rates / sizeof *rates)],
             (int)tsms__rand_between(&w->rand, 1, 8), (int)tsms__rand_between(&w->rand, 1, 4),
             (int)tsms__rand_between(&w->rand, 1, 4), (int)tsms__rand_between(&w->rand, 0, 6),
             (int)tsms__rand_between(&w->rand, 100, 20000), chance(w, 300) ? 40 : 500,
             w->settle_ms);
}

/* What was accepted, and what the results say about it. */
static void check_balance(const world *w)
{
    for (size_t intent = 0; intent < INTENTS; intent++) {
        size_t good = 0;
        size_t doubtful = 0;
        for (size_t i = 0; i < w->call_count; i++) {
            const shadow *s = &w->calls[i];
            if (s->sends && s->intent == intent) {
                good += s->outcome == TSMS_OUTCOME_ACCEPTED;
                doubtful += s->outcome == TSMS_OUTCOME_IN_DOUBT ||
                            s->outcome == TSMS_OUTCOME_ACCEPTED_NO_SID;
            }
        }
        assert_true(good <= w->accepted[intent]);
        if (strcmp(w->in_doubt, "resend") != 0) {
            assert_true(w->accepted[intent] <= good + doubtful);
        }
    }
}

static uint64_t run_script(uint64_t seed, const char *in_doubt, size_t *accepted)
{
    static world w;
    static virtual_driver d;
    memset(&w, 0, sizeof w);
    tsms__rand_init(&w.rand, seed);
    w.in_doubt = in_doubt;
    w.checks = chance(&w, 500);
    w.ignores_filters = chance(&w, 300);
    w.intents = one_of(&w, INTENTS) + 1;
    bool stormy = chance(&w, 500);
    w.settle_ms = chance(&w, 250) ? 0 : tsms__rand_between(&w.rand, 0, SETTLE_MOST_MS);
    w.weather = stormy ? (weather){150, 100, 30, 250, 200, 100} : (weather){20, 20, 10, 60, 30, 30};
    char options[512];
    choose_options(&w, options, sizeof options);
    virtual_open(&d, NULL, options);
    d.world = &w;
    d.serve = serve;
    d.judge = w.checks ? judge : NULL;
    tsms_client_set_checks(d.client, w.checks);
    w.began_ms = d.now.mono_ms;
    w.server_s = d.now.wall_ms / 1000 + tsms__rand_between(&w.rand, -7200, 7200);
    for (int step = 0; step < STEPS; step++) {
        act(&w, &d);
    }
    virtual_run(&d, 120000 + LAST_ATTEMPT_MS);
    take_results(&w, &d);

    assert_int_equal(tsms_client_pending(d.client), 0);
    assert_true(tsms__client_due_ms(d.client, d.now) == INT64_MAX);
    for (size_t i = 0; i < w.call_count; i++) {
        assert_int_equal(w.calls[i].results, 1);
    }
    tsms_stats stats = virtual_stats(&d);
    assert_int_equal(stats.submitted, w.call_count);
    assert_int_equal(stats.succeeded + stats.failed, w.call_count);
    assert_int_equal(stats.requests, w.requests);
    assert_int_equal(stats.queued + stats.in_flight, 0);
    check_balance(&w);
    virtual_close(&d);
    *accepted += w.row_count;
    return w.steps;
}

static void run_scripts(const char *in_doubt)
{
    size_t accepted = 0;
    for (uint64_t seed = 1; seed <= SCRIPTS; seed++) {
        (void)run_script(seed, in_doubt, &accepted);
    }
    print_message("%d scripts with in_doubt=%s, %zu messages accepted\n", SCRIPTS, in_doubt,
                  accepted);
}

static void test_verify(void **state)
{
    (void)state;
    run_scripts("verify");
}

static void test_stop(void **state)
{
    (void)state;
    run_scripts("stop");
}

static void test_resend(void **state)
{
    (void)state;
    run_scripts("resend");
}

static void test_the_same_seed_gives_the_same_steps(void **state)
{
    (void)state;
    size_t accepted = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        uint64_t first = run_script(seed, "verify", &accepted);
        assert_true(run_script(seed, "verify", &accepted) == first);
        assert_true(run_script(seed + 1, "verify", &accepted) != first);
    }
}

/* ---- Identical messages at once ------------------------------------------------------------ */

enum { TWINS = 3, FATES = 6, SETTLE_MS = 5000 };

/* What becomes of a first request, and whether the message was accepted. */
static const struct {
    const char *word;
    bool accepted;
} fates[FATES] = {
    {"ok", true},  {"reset", true},    {"reset", false},
    {"cut", true}, {"refused", false}, {"timeout", true},
};

typedef struct twins {
    world world;
    size_t fate[TWINS];
    int64_t takes_ms[TWINS];
} twins;

static void serve_twins(virtual_driver *d, virtual_flight *flight)
{
    twins *t = d->world;
    tsms__call *call = flight->call;
    shadow *s = shadow_of(&t->world, call->id);
    d->takes_ms = 50;
    if (call->looking_up) {
        serve_list(&t->world, d, flight);
        return;
    }
    size_t which = (size_t)(s - t->world.calls);
    size_t fate = s->posts++ == 0 ? t->fate[which] : 0;
    d->takes_ms = s->posts == 1 ? t->takes_ms[which] : 50;
    uint64_t sid = fates[fate].accepted ? accept_message(&t->world, d, s) : 0;
    answer(&t->world, d, flight, fates[fate].word, sid);
}

static void run_twins(twins *t)
{
    static virtual_driver d;
    virtual_open(&d, NULL, "rate.per_number=0 retry.connection.attempts=4");
    d.world = t;
    d.serve = serve_twins;
    t->world.began_ms = d.now.mono_ms;
    t->world.server_s = d.now.wall_ms / 1000;
    for (size_t i = 0; i < TWINS; i++) {
        shadow *s = &t->world.calls[t->world.call_count++];
        *s = (shadow){.sends = true};
        s->id = virtual_send(&d, recipients[0], senders[0], texts[0]);
    }
    virtual_run(&d, 60000);
    assert_int_equal(virtual_collect(&d), TWINS);
    assert_int_equal(t->world.accepted[0], TWINS);
    virtual_close(&d);
}

/* All that can become of three first requests, answered in every order, and listed late: each
 * message goes out exactly once. */
static void test_identical_messages_with_lost_answers(void **state)
{
    (void)state;
    static const int64_t takes_ms[][TWINS] = {
        {100, 100, 100}, {100, 2000, 4000}, {4000, 2000, 100}, {2000, 100, 9000}, {9000, 100, 100},
    };
    static twins t;
    size_t runs = 0;
    for (size_t code = 0; code < FATES * FATES * FATES; code++) {
        for (size_t i = 0; i < sizeof takes_ms / sizeof *takes_ms; i++) {
            memset(&t, 0, sizeof t);
            tsms__rand_init(&t.world.rand, runs + 1);
            t.world.settle_ms = SETTLE_MS; /* the default */
            t.fate[0] = code % FATES;
            t.fate[1] = code / FATES % FATES;
            t.fate[2] = code / FATES / FATES;
            memcpy(t.takes_ms, takes_ms[i], sizeof t.takes_ms);
            run_twins(&t);
            runs++;
        }
    }
    print_message("%zu runs of %d identical messages\n", runs, TWINS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_resend),
        cmocka_unit_test(test_the_same_seed_gives_the_same_steps),
        cmocka_unit_test(test_identical_messages_with_lost_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
