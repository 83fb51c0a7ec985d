/* Every order of the atomic steps of several callers that claim one key, explored.
 *
 * The code is the real one; only its atomic operations are taken over. To make one step of a caller
 * its function is run again from the beginning with the answers that its operations got before, as
 * far as the next operation: what a caller knows is exactly those answers. Besides, other keys take
 * and leave places, a caller may die at any step, and time may pass, by more than the lease. Beside
 * the table the explorer keeps what it knows itself: who was told NEW, when, and what ended. */
#include "support.h"

#include <setjmp.h>
#include <stdatomic.h>

static uint64_t step_load(const void *word);
static bool step_swap(void *word, uint64_t *expected, uint64_t desired);
static uint64_t step_number(const void *counter);

#undef atomic_load
#undef atomic_compare_exchange_strong
#undef atomic_fetch_add_explicit
#define atomic_load(word) step_load(word)
#define atomic_compare_exchange_strong(word, expected, desired) step_swap(word, expected, desired)
#define atomic_fetch_add_explicit(counter, n, order) step_number(counter)
#include "call/replay.c"

enum {
    PLACES = 3, /* that may change, at most; claims of other keys hold the rest of the set */
    CALLERS = 3,
    LOG_MOST = 48,
    WORDS_MOST = 256,
    SWAPPED = 255, /* in a log: the exchange was made */
    TICK_MS = TSMS__REPLAY_LEASE_MS + 2 * TIME_UNIT_MS,
    WINDOW_MS = 3600000,
    STATUS = NO_CONTENT,
};

static const int64_t start_ms = INT64_C(1700000000000);
static const tsms__replay_key key = {{7, UINT64_C(0x123456789ABCDEF0)}};
static const tsms__replay_key other_key = {{7, UINT64_C(0x0FEDCBA987654321)}};

typedef enum caller_task {
    AT_REST,
    CLAIMING,
    HANDLING,
    FINISHING,
    RELEASING,
    DEAD,
    GONE
} caller_task;

/* No padding: nodes are compared byte by byte. */
typedef struct caller {
    uint8_t task;
    uint8_t ticks;  /* the time that it goes by, read when its function began */
    uint8_t claims; /* it may begin so many more */
    uint8_t told;   /* was told NEW and has not let it go, at told_ticks */
    uint8_t told_ticks;
    uint8_t answers; /* of its operations, in the log */
    uint8_t log[LOG_MOST];
} caller;

typedef struct node {
    uint8_t words[PLACES]; /* indices into what was seen */
    uint8_t ticks;
    uint8_t deaths, visits; /* that may still come: of callers, of other keys */
    uint8_t finishing;      /* somebody began to */
    uint8_t finished;       /* an answer was given for good */
    uint8_t any_new;
    uint8_t overdue; /* somebody let go when its lease was over, perhaps of another's claim */
    caller callers[CALLERS];
} node;

/* What is broken on purpose, to show that the explorer notices. */
typedef enum sabotage {
    SOUND,
    NO_SECOND_LOOK,
    RIVALS_STAY,
    NO_NUMBERS,
    LOSERS_STAY,
    BLIND_SWAPS,
    FINISH_IS_LOST,
} sabotage;

typedef struct explorer {
    sabotage fault;
    size_t places;
    uint64_t seen_words[WORDS_MOST];
    size_t word_count;
    uint64_t *visited; /* hashes of nodes */
    size_t visited_count, visited_cap;
    size_t ends;
    const char *violation;
} explorer;

static explorer e;

/* The step that is being made. */
static struct {
    node *node;
    caller *caller;
    size_t caller_index;
    size_t replayed; /* answers of the log that were given again */
    bool made;
    size_t numbers;
    bool claimed;
    tsms_seen seen; /* what a claim was told at its end */
    jmp_buf stop;
} now;

static tsms__replay table;

/* ---- Words --------------------------------------------------------------------------------- */

static uint8_t word_index(uint64_t word)
{
    size_t i = 0;
    while (i < e.word_count && e.seen_words[i] != word) {
        i++;
    }
    if (i == e.word_count) {
        assert_in_range(i, 0, SWAPPED - 1);
        e.seen_words[e.word_count++] = word;
    }
    return (uint8_t)i;
}

static int64_t time_of(uint8_t ticks)
{
    return start_ms + (int64_t)ticks * TICK_MS;
}

static uint64_t word_at(tsms__replay_key of, entry_state state, uint64_t detail, uint8_t ticks)
{
    view v = view_of(&table, of, WINDOW_MS, time_of(ticks));
    return word_of(&v, state, detail);
}

static bool is_of_key(uint64_t word, entry_state state)
{
    view v = view_of(&table, key, WINDOW_MS, 0);
    return is_ours(&v, word) && state_of(word) == state;
}

/* ---- Atomic operations --------------------------------------------------------------------- */

/* The answer of an operation that was made before; false when this is the next one. Behind that
 * one the function stops. */
static bool was_answered(uint8_t *answer)
{
    if (now.replayed < now.caller->answers) {
        *answer = now.caller->log[now.replayed++];
        return true;
    }
    if (now.made) {
        longjmp(now.stop, 1);
    }
    return false;
}

static void note_answer(uint8_t answer)
{
    assert_in_range(now.caller->answers, 0, LOG_MOST - 1);
    now.caller->log[now.caller->answers++] = answer;
    now.replayed++;
    now.made = true;
}

static size_t place_of(const void *word)
{
    return (size_t)((const _Atomic uint64_t *)word - table.words[key.hash[0] % SETS]);
}

static uint64_t step_load(const void *word)
{
    size_t place = place_of(word);
    if (place >= e.places) {
        return word_at(other_key, CLAIM, 1, now.caller->ticks);
    }
    if (e.fault == NO_SECOND_LOOK && now.claimed) {
        return 0;
    }
    uint8_t answer;
    if (!was_answered(&answer)) {
        answer = now.node->words[place];
        note_answer(answer);
    }
    return e.seen_words[answer];
}

/* Whether the exchange is one that the fault leaves out, though it seems to be made. */
static bool is_left_out(uint64_t expected, uint64_t desired)
{
    bool own = is_of_key(expected, CLAIM) &&
               part(expected, DETAIL_SHIFT, DETAIL_BITS) / 16 == now.caller_index;
    switch (e.fault) {
    case RIVALS_STAY:
        return is_of_key(expected, CLAIM) && desired == 0 && !own;
    case LOSERS_STAY:
        return is_of_key(expected, CLAIM) && desired == 0 && own;
    case FINISH_IS_LOST:
        return is_of_key(desired, DONE);
    default:
        return false;
    }
}

static bool step_swap(void *word, uint64_t *expected, uint64_t desired)
{
    size_t place = place_of(word);
    uint8_t answer;
    assert_in_range(place, 0, e.places - 1);
    if (!was_answered(&answer)) {
        answer = now.node->words[place];
        if (e.seen_words[answer] == *expected || e.fault == BLIND_SWAPS) {
            answer = SWAPPED;
            if (!is_left_out(*expected, desired)) {
                now.node->words[place] = word_index(desired);
            }
        }
        note_answer(answer);
    }
    if (answer != SWAPPED) {
        *expected = e.seen_words[answer];
        return false;
    }
    now.claimed = is_of_key(desired, CLAIM);
    return true;
}

/* Numbers of claims are never the same for two; the other counters do not matter. */
static uint64_t step_number(const void *counter)
{
    if (counter != &table.claims || e.fault == NO_NUMBERS) {
        return 0;
    }
    return now.caller_index * 16 + now.caller->claims * 8 + ++now.numbers;
}

/* ---- Steps --------------------------------------------------------------------------------- */

static void check(bool holds, const char *violation)
{
    if (!holds && e.violation == NULL) {
        e.violation = violation;
    }
}

static void claim_ended(node *n, caller *c, tsms_seen seen, int status)
{
    check(seen != TSMS_SEEN_NEW || !n->finished, "NEW, though it was answered for good");
    check(seen != TSMS_SEEN_DONE || status == STATUS, "DONE with another status");
    c->task = seen == TSMS_SEEN_NEW ? HANDLING : GONE;
    if (seen == TSMS_SEEN_NEW) {
        for (size_t i = 0; i < CALLERS; i++) {
            const caller *rival = &n->callers[i];
            check(!rival->told || rival->told_ticks != n->ticks || n->overdue, "two were told NEW");
        }
        n->any_new = 1;
        c->told = 1;
        c->told_ticks = c->ticks;
    }
}

/* One atomic step of a caller; behind the last one its function returns. */
static void step(node *n, size_t index)
{
    caller *c = &n->callers[index];
    memset(&now, 0, sizeof now);
    now.node = n;
    now.caller = c;
    now.caller_index = index;
    if (setjmp(now.stop) != 0) {
        return;
    }
    static tsms__replay_answer repeated;
    const tsms_webhook_answer answer = {.http_status = STATUS};
    if (c->task == CLAIMING) {
        now.seen = tsms__replay_claim(&table, key, WINDOW_MS, time_of(c->ticks), &repeated);
        claim_ended(n, c, now.seen, repeated.http_status);
    } else if (c->task == FINISHING) {
        tsms__replay_finish(&table, key, time_of(c->ticks), &answer);
        n->finished = 1;
        c->told = 0;
        c->task = GONE;
    } else {
        tsms__replay_release(&table, key);
        c->task = GONE;
    }
    memset(c->log, 0, sizeof c->log);
    c->answers = 0;
    if (c->task == GONE && c->claims > 0) {
        c->task = AT_REST;
    }
}

static void begin(node *n, caller *c, caller_task task)
{
    n->overdue = n->overdue || (task == RELEASING && c->told_ticks != n->ticks);
    c->task = (uint8_t)task;
    c->ticks = n->ticks;
    c->claims = (uint8_t)(c->claims - (task == CLAIMING));
    /* Whoever lets go may be followed from its first step on. */
    c->told = c->told && task != RELEASING;
    n->finishing = n->finishing || task == FINISHING;
}

/* When all have stopped and every lease is over, a newcomer gets an answer, and the right one. */
static void check_newcomer(const node *from)
{
    node n = *from;
    n.ticks++;
    n.callers[0] = (caller){.task = CLAIMING, .ticks = n.ticks};
    while (n.callers[0].task == CLAIMING) {
        step(&n, 0);
    }
    check(now.seen != TSMS_SEEN_RUNNING, "stuck: the leases are over, and a claim is RUNNING");
    check(now.seen != TSMS_SEEN_DONE || n.finishing, "DONE, but nobody finished");
}

static void check_end(const node *n)
{
    bool died = false;
    for (size_t i = 0; i < CALLERS; i++) {
        died = died || n->callers[i].task == DEAD;
    }
    for (size_t i = 0; i < PLACES && !died; i++) {
        check(!is_of_key(e.seen_words[n->words[i]], CLAIM), "a claim was left behind");
    }
    check(n->any_new || died, "all were turned away");
    e.ends++;
}

/* ---- Exploring ----------------------------------------------------------------------------- */

/* False when it was there already. */
static bool remember(const node *n)
{
    if (2 * e.visited_count >= e.visited_cap) {
        size_t old_cap = e.visited_cap;
        uint64_t *old = e.visited;
        e.visited_cap = old_cap > 0 ? 2 * old_cap : 1 << 16;
        e.visited = calloc(e.visited_cap, sizeof *e.visited);
        assert_non_null(e.visited);
        for (size_t i = 0; i < old_cap; i++) {
            size_t slot = old[i] % e.visited_cap;
            while (old[i] != 0 && e.visited[slot] != 0) {
                slot = (slot + 1) % e.visited_cap;
            }
            e.visited[slot] = old[i] != 0 ? old[i] : e.visited[slot];
        }
        free(old);
    }
    uint64_t hash = tsms__str_hash((tsms_str){(const char *)n, sizeof *n}) | 1;
    size_t slot = hash % e.visited_cap;
    while (e.visited[slot] != 0 && e.visited[slot] != hash) {
        slot = (slot + 1) % e.visited_cap;
    }
    bool fresh = e.visited[slot] == 0;
    e.visited[slot] = hash;
    e.visited_count += fresh;
    return fresh;
}

static void visit(node n);

static void visit_caller(const node *from, size_t i)
{
    node n = *from;
    caller *c = &n.callers[i];
    switch ((caller_task)c->task) {
    case AT_REST:
        begin(&n, c, CLAIMING);
        visit(n);
        return;
    case HANDLING:
        begin(&n, c, FINISHING);
        visit(n);
        n = *from;
        begin(&n, c, RELEASING);
        visit(n);
        n = *from;
        break;
    case CLAIMING:
    case FINISHING:
    case RELEASING:
        step(&n, i);
        visit(n);
        n = *from;
        break;
    case DEAD:
    case GONE:
        return;
    }
    if (n.deaths > 0) {
        n.deaths--;
        c->task = DEAD;
        c->answers = 0;
        memset(c->log, 0, sizeof c->log);
        visit(n);
    }
}

/* Other keys come and go. */
static void visit_others(const node *from)
{
    uint8_t empty = word_index(0);
    uint8_t taken = word_index(word_at(other_key, RUNNING, 0, from->ticks));
    for (size_t i = 0; i < e.places && from->visits > 0; i++) {
        node n = *from;
        n.visits--;
        if (n.words[i] == empty || n.words[i] == taken) {
            n.words[i] = n.words[i] == empty ? taken : empty;
            visit(n);
        }
    }
}

static void visit(node n)
{
    if (e.violation != NULL || !remember(&n)) {
        return;
    }
    check_newcomer(&n);
    bool over = true;
    for (size_t i = 0; i < CALLERS; i++) {
        over = over && (n.callers[i].task == GONE || n.callers[i].task == DEAD);
        visit_caller(&n, i);
    }
    if (over) {
        check_end(&n);
        return;
    }
    visit_others(&n);
    if (n.ticks == 0) {
        n.ticks++;
        for (size_t i = 0; i < CALLERS; i++) {
            n.overdue = n.overdue || n.callers[i].task == RELEASING;
        }
        visit(n);
    }
}

typedef struct scenario {
    const char *name;
    size_t callers, places;
    uint8_t claims; /* of each */
    uint8_t deaths, visits;
    entry_state first; /* what is in the first place: EMPTY, or RUNNING for another key */
    uint8_t ticks;     /* 1: time does not pass */
} scenario;

static void explore(const scenario *s, sabotage fault)
{
    free(e.visited);
    e = (explorer){.fault = fault, .places = s->places};
    node n;
    memset(&n, 0, sizeof n);
    assert_int_equal(word_index(0), 0);
    n.words[0] = s->first == EMPTY ? 0 : word_index(word_at(other_key, RUNNING, 0, s->ticks));
    n.deaths = s->deaths;
    n.visits = s->visits;
    n.ticks = s->ticks;
    for (size_t i = 0; i < CALLERS; i++) {
        n.callers[i].task = i < s->callers ? AT_REST : GONE;
        n.callers[i].claims = i < s->callers ? s->claims : 0;
    }
    visit(n);
    free(e.visited);
    e.visited = NULL;
}

static const scenario scenarios[] = {
    {"two callers, one dies", 2, 2, 1, 1, 2, RUNNING, 0},
    {"two callers, three places", 2, 3, 1, 0, 2, RUNNING, 0},
    {"two callers, twice each", 2, 2, 2, 0, 0, EMPTY, 0},
    {"three callers", 3, 2, 1, 0, 1, RUNNING, 1},
};

/* These take minutes: they run when the environment has EXPLORE=all. */
static const scenario long_scenarios[] = {
    {"two callers, twice each, one dies", 2, 3, 2, 1, 1, RUNNING, 0},
    {"three callers, one dies", 3, 2, 1, 1, 0, EMPTY, 0},
    {"three callers, three places", 3, 3, 1, 0, 2, RUNNING, 1},
    {"three callers and time", 3, 2, 1, 0, 1, RUNNING, 0},
};

static void assert_holds(const scenario *s)
{
    explore(s, SOUND);
    print_message("           %s: %zu states, %zu ends: %s\n", s->name, e.visited_count, e.ends,
                  e.violation != NULL ? e.violation : "all invariants hold");
    assert_null(e.violation);
    assert_true(e.ends > 0);
}

static void test_every_order_of_steps_is_safe_and_never_stuck(void **state)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        assert_holds(&scenarios[i]);
    }
    const char *wish = getenv("EXPLORE");
    bool all = wish != NULL && strcmp(wish, "all") == 0;
    for (size_t i = 0; all && i < sizeof long_scenarios / sizeof *long_scenarios; i++) {
        assert_holds(&long_scenarios[i]);
    }
}

static void test_the_explorer_notices_broken_claims(void **state)
{
    static const struct {
        const char *name;
        sabotage fault;
    } broken[] = {
        {"no second look", NO_SECOND_LOOK},           {"rivals stay", RIVALS_STAY},
        {"claims without numbers", NO_NUMBERS},       {"losers stay", LOSERS_STAY},
        {"stores instead of exchanges", BLIND_SWAPS}, {"an answer is not kept", FINISH_IS_LOST},
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        const char *violation = NULL;
        for (size_t s = 0; s < sizeof scenarios / sizeof *scenarios && violation == NULL; s++) {
            explore(&scenarios[s], broken[i].fault);
            violation = e.violation;
        }
        print_message("           %s: %s\n", broken[i].name,
                      violation != NULL ? violation : "not noticed");
        assert_non_null(violation);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_order_of_steps_is_safe_and_never_stuck),
        cmocka_unit_test(test_the_explorer_notices_broken_claims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
