/* Every reachable state of the breaker, explored.
 *
 * Three callers and a clock. A caller without a permit may ask for one; one with a permit may
 * report either way, vanish without a report, or sit on it. The clock may move at any point. All
 * orders of these steps are tried, breadth first, up to eight transitions in forty ticks. Beside
 * the word the explorer keeps what it knows itself: how many transitions there were, and whether a
 * probe is out and until when. */
#include "policy/breaker.h"

#include "base/str.h"
#include "support.h"

enum { CALLERS = 3, TRANSITIONS = 8, LAST_TICK = 40, NEVER = 255 };

typedef struct caller {
    uint8_t holds;
    uint8_t probe;
    uint8_t generation;
    uint8_t epoch; /* the transitions when its permit was given */
} caller;

/* No padding: nodes are compared byte by byte. */
typedef struct node {
    tsms__breaker word;
    caller callers[CALLERS];
    uint8_t now;
    uint8_t epoch;
    uint8_t lease_end; /* of the probe that is out, or NEVER */
    uint8_t lapsed;    /* its lease has lapsed, and nobody has asked since */
} node;

/* What is explored. Broken ones show that the explorer notices. */
typedef struct machine {
    bool (*acquire)(tsms__breaker word, const tsms__breaker_rules *rules, int64_t now_ms,
                    tsms__breaker *next, tsms__permit *permit);
    bool (*report)(tsms__breaker word, const tsms__breaker_rules *rules, int64_t now_ms,
                   tsms__permit permit, tsms__breaker_result result, tsms__breaker *next);
} machine;

typedef struct explorer {
    const machine *machine;
    const tsms__breaker_rules *rules;
    node *nodes;
    uint32_t *depths;
    uint32_t *slots; /* index + 1 into nodes, by hash */
    size_t count, cap, slot_count;
    const char *violation;
    uint32_t violation_depth;
    size_t most_transitions;
} explorer;

static size_t node_slot(const explorer *e, const node *n)
{
    tsms_str bytes = {(const char *)n, sizeof *n};
    size_t slot = tsms__str_hash(bytes) % e->slot_count;
    while (e->slots[slot] != 0 && memcmp(&e->nodes[e->slots[slot] - 1], n, sizeof *n) != 0) {
        slot = (slot + 1) % e->slot_count;
    }
    return slot;
}

static void make_room(explorer *e)
{
    e->cap = e->cap > 0 ? 2 * e->cap : 1024;
    e->slot_count = 2 * e->cap + 1;
    e->nodes = realloc(e->nodes, e->cap * sizeof *e->nodes);
    e->depths = realloc(e->depths, e->cap * sizeof *e->depths);
    free(e->slots);
    e->slots = calloc(e->slot_count, sizeof *e->slots);
    assert_true(e->nodes != NULL && e->depths != NULL && e->slots != NULL);
    for (size_t i = 0; i < e->count; i++) {
        e->slots[node_slot(e, &e->nodes[i])] = (uint32_t)i + 1;
    }
}

/* Callers are alike, so their order does not matter. */
static void sort_callers(node *n)
{
    for (size_t i = 1; i < CALLERS; i++) {
        for (size_t j = i; j > 0; j--) {
            if (memcmp(&n->callers[j], &n->callers[j - 1], sizeof(caller)) < 0) {
                caller other = n->callers[j];
                n->callers[j] = n->callers[j - 1];
                n->callers[j - 1] = other;
            }
        }
    }
}

static void visit(explorer *e, node n, uint32_t depth)
{
    if (e->count == e->cap) {
        make_room(e);
    }
    sort_callers(&n);
    size_t slot = node_slot(e, &n);
    if (e->slots[slot] == 0) {
        e->nodes[e->count] = n;
        e->depths[e->count] = depth;
        e->slots[slot] = (uint32_t)++e->count;
    }
}

static void check(explorer *e, bool holds, const char *violation, uint32_t depth)
{
    if (!holds && e->violation == NULL) {
        e->violation = violation;
        e->violation_depth = depth;
    }
}

static tsms__breaker_state state_in(const node *n)
{
    return n->lapsed ? TSMS__BREAKER_OPEN : tsms__breaker_state_of(n->word);
}

static void acquire_step(explorer *e, node n, size_t i, uint32_t depth)
{
    tsms__breaker_state before = state_in(&n);
    tsms__permit permit;
    bool given = e->machine->acquire(n.word, e->rules, n.now, &n.word, &permit);
    n.lapsed = 0;
    tsms__breaker_state after = state_in(&n);
    bool tried = before == TSMS__BREAKER_OPEN && after == TSMS__BREAKER_HALF_OPEN && given;
    check(e, before == after || tried, "asking made a forbidden transition", depth);
    check(e, given || before == TSMS__BREAKER_OPEN || n.lease_end != NEVER,
          "a permit that was free was refused", depth);
    check(e, !given || after != TSMS__BREAKER_OPEN, "an open breaker gave a permit", depth);
    n.epoch = (uint8_t)(n.epoch + (before != after));
    if (given) {
        check(e, permit.probe == (after == TSMS__BREAKER_HALF_OPEN), "probe is wrong", depth);
        check(e, permit.generation == n.epoch, "generation is not the transitions", depth);
        check(e, !permit.probe || n.lease_end == NEVER, "two probes are out", depth);
        n.callers[i] = (caller){1, permit.probe, (uint8_t)permit.generation, n.epoch};
        if (permit.probe) {
            n.lease_end = (uint8_t)(n.now + e->rules->lease_ms);
        }
    }
    visit(e, n, depth);
}

static bool may_follow_report(tsms__breaker_state before, tsms__breaker_state after,
                              tsms__breaker_result result)
{
    if (before == TSMS__BREAKER_HALF_OPEN && after == TSMS__BREAKER_CLOSED) {
        return result == TSMS__BREAKER_SUCCESS;
    }
    return before == after || (after == TSMS__BREAKER_OPEN && result == TSMS__BREAKER_FAILURE);
}

static void report_step(explorer *e, node n, size_t i, tsms__breaker_result result, uint32_t depth)
{
    tsms__breaker_state before = state_in(&n);
    caller c = n.callers[i];
    bool fresh = c.epoch == n.epoch;
    tsms__permit permit = {c.generation, c.probe};
    tsms__breaker next;
    bool counted = e->machine->report(n.word, e->rules, n.now, permit, result, &next);
    check(e, !counted || fresh, "a stale result was counted", depth);
    check(e, counted || !fresh, "a fresh result was not counted", depth);
    check(e, counted || next == n.word, "a stale result changed the word", depth);
    n.word = next;
    tsms__breaker_state after = state_in(&n);
    check(e, may_follow_report(before, after, result), "a report made a forbidden transition",
          depth);
    n.epoch = (uint8_t)(n.epoch + (before != after));
    n.callers[i] = (caller){0, 0, 0, 0};
    if (fresh && c.probe) {
        n.lease_end = NEVER;
    }
    visit(e, n, depth);
}

static void tick(explorer *e, node n, uint32_t depth)
{
    n.now++;
    if (n.now == n.lease_end) {
        n.lease_end = NEVER;
        n.lapsed = 1;
        n.epoch++;
    }
    visit(e, n, depth);
}

/* One caller that asks again whenever it was told to, while nobody reports anything. */
static bool gets_a_permit(const explorer *e, const node *n)
{
    tsms__breaker word = n->word;
    int64_t now = n->now;
    int64_t patience = now + e->rules->lease_ms + e->rules->reset_timeout_ms;
    tsms__permit permit;
    while (now <= patience) {
        if (e->machine->acquire(word, e->rules, now, &word, &permit)) {
            return true;
        }
        int64_t wait = tsms__breaker_wait_ms(word, e->rules, now);
        now += wait > 0 ? wait : 1;
    }
    return false;
}

static void expand(explorer *e, size_t index)
{
    node n = e->nodes[index];
    uint32_t depth = e->depths[index];
    check(e, gets_a_permit(e, &n), "stuck: time passes and nobody gets a permit", depth);
    e->most_transitions = n.epoch > e->most_transitions ? n.epoch : e->most_transitions;
    if (n.epoch >= TRANSITIONS) {
        return;
    }
    for (size_t i = 0; i < CALLERS; i++) {
        if (!n.callers[i].holds) {
            acquire_step(e, n, i, depth + 1);
            continue;
        }
        report_step(e, n, i, TSMS__BREAKER_SUCCESS, depth + 1);
        report_step(e, n, i, TSMS__BREAKER_FAILURE, depth + 1);
        report_step(e, n, i, TSMS__BREAKER_NEUTRAL, depth + 1);
        node vanished = n;
        vanished.callers[i] = (caller){0, 0, 0, 0};
        visit(e, vanished, depth + 1);
    }
    if (n.now < LAST_TICK) {
        tick(e, n, depth + 1);
    }
}

/* Fills in the number of states, and the first violation or NULL. */
static void explore(explorer *e, const machine *m, const tsms__breaker_rules *rules)
{
    *e = (explorer){.machine = m, .rules = rules};
    visit(e, (node){.lease_end = NEVER}, 0);
    for (size_t i = 0; i < e->count && e->violation == NULL; i++) {
        expand(e, i);
    }
    free(e->nodes);
    free(e->depths);
    free(e->slots);
}

static const machine real = {tsms__breaker_acquire, tsms__breaker_report};

static void test_every_reachable_state_is_safe_and_never_stuck(void **state)
{
    static const tsms__breaker_rules variants[] = {
        {.failure_threshold = 2, .success_threshold = 2, .reset_timeout_ms = 2, .lease_ms = 2},
        {.failure_threshold = 1, .success_threshold = 1, .reset_timeout_ms = 1, .lease_ms = 3},
        {.failure_threshold = 1, .success_threshold = 2, .reset_timeout_ms = 3, .lease_ms = 1},
    };
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        explorer e;
        explore(&e, &real, &variants[i]);
        print_message("           %zu states explored: %s\n", e.count,
                      e.violation != NULL ? e.violation : "all invariants hold");
        assert_null(e.violation);
        assert_int_equal(e.most_transitions, TRANSITIONS);
    }
}

static bool acquire_without_lease(tsms__breaker word, const tsms__breaker_rules *rules,
                                  int64_t now_ms, tsms__breaker *next, tsms__permit *permit)
{
    tsms__breaker_rules endless = *rules;
    endless.lease_ms = INT64_MAX;
    return tsms__breaker_acquire(word, &endless, now_ms, next, permit);
}

static bool report_without_neutral_release(tsms__breaker word, const tsms__breaker_rules *rules,
                                           int64_t now_ms, tsms__permit permit,
                                           tsms__breaker_result result, tsms__breaker *next)
{
    bool counted = tsms__breaker_report(word, rules, now_ms, permit, result, next);
    if (result == TSMS__BREAKER_NEUTRAL) {
        *next = word;
    }
    return counted;
}

static bool report_without_generation(tsms__breaker word, const tsms__breaker_rules *rules,
                                      int64_t now_ms, tsms__permit permit,
                                      tsms__breaker_result result, tsms__breaker *next)
{
    for (permit.generation = 0; permit.generation <= TRANSITIONS + 1; permit.generation++) {
        if (tsms__breaker_report(word, rules, now_ms, permit, result, next)) {
            return true;
        }
    }
    return false;
}

static bool acquire_without_counting_probes(tsms__breaker word, const tsms__breaker_rules *rules,
                                            int64_t now_ms, tsms__breaker *next,
                                            tsms__permit *permit)
{
    bool given = tsms__breaker_acquire(word, rules, now_ms, next, permit);
    bool half_open = tsms__breaker_state_of(*next) == TSMS__BREAKER_HALF_OPEN;
    permit->probe = half_open;
    return given || half_open;
}

static void test_explorer_notices_broken_breakers(void **state)
{
    static const struct {
        const char *name;
        machine machine;
    } broken[] = {
        {"without a lease", {acquire_without_lease, tsms__breaker_report}},
        {"without neutral release", {tsms__breaker_acquire, report_without_neutral_release}},
        {"without generations", {tsms__breaker_acquire, report_without_generation}},
        {"without counting probes", {acquire_without_counting_probes, tsms__breaker_report}},
    };
    tsms__breaker_rules rules = {
        .failure_threshold = 2, .success_threshold = 2, .reset_timeout_ms = 2, .lease_ms = 2};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        explorer e;
        explore(&e, &broken[i].machine, &rules);
        assert_non_null(e.violation);
        print_message("           %s: %s, %u steps in\n", broken[i].name, e.violation,
                      e.violation_depth);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_reachable_state_is_safe_and_never_stuck),
        cmocka_unit_test(test_explorer_notices_broken_breakers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
