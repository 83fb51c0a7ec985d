/* Processes that claim the same keys in a named region, while one after the other is killed in the
 * middle. Time is virtual: it stands still while they run. */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "base/rand.h"
#include "call/shared.h"
#include "support.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME "test_replay_processes"
#define ACCOUNT "AC0123456789abcdef0123456789abcdef"

enum {
    PROCESSES = 3,
    ROUNDS = 60,
    KEYS = 10,
    UNIT_MS = 4000, /* how exactly the table knows the time */
    WINDOW_MS = 86400000,
};

typedef struct world {
    _Atomic bool over;
    _Atomic uint64_t steps, handled, turned_away, repeats;
    _Atomic uint64_t wrong;
    _Atomic int holders[KEYS]; /* who handles it, by number from 1; 0: nobody */
    _Atomic bool finished[KEYS];
    int64_t now_ms;
    uint64_t round;
} world;

static int remove_name(void **state)
{
    (void)state;
    tsms__region_unlink(NAME, ACCOUNT);
    return 0;
}

static tsms__region *open_region(void)
{
    tsms__region *region;
    return tsms__region_open(NAME, ACCOUNT, &region, NULL) == TSMS_OK ? region : NULL;
}

/* Those of a round lie in two sets, beside what is left of earlier rounds. */
static tsms__replay_key key_of(const world *w, size_t number)
{
    return (tsms__replay_key){{number % 2, (w->round * KEYS + number + 1) << 40}};
}

static void handle(world *w, tsms__replay *table, size_t number, int self, bool finishes)
{
    atomic_fetch_add(&w->handled, 1);
    if (atomic_exchange(&w->holders[number], self) != 0) {
        atomic_fetch_add(&w->wrong, 1);
    }
    sched_yield();
    if (finishes) {
        tsms_webhook_answer answer = {.http_status = 200, .body = tsms_str_from("done")};
        tsms__replay_finish(table, key_of(w, number), w->now_ms, &answer);
        atomic_store(&w->finished[number], true);
        atomic_store(&w->holders[number], 0);
    } else {
        atomic_store(&w->holders[number], 0);
        tsms__replay_release(table, key_of(w, number));
    }
}

static void claim_keys(world *w, int self)
{
    tsms__region *region = open_region();
    if (region == NULL) {
        _exit(1);
    }
    tsms__replay *table = tsms__region_replay(region);
    tsms__rand rand;
    tsms__rand_init(&rand, w->round * PROCESSES + (uint64_t)self);
    tsms__replay_answer answer;
    while (!atomic_load(&w->over)) {
        size_t number = (size_t)tsms__rand_between(&rand, 0, KEYS - 1);
        bool finished = atomic_load(&w->finished[number]);
        tsms_seen seen =
            tsms__replay_claim(table, key_of(w, number), WINDOW_MS, w->now_ms, &answer);
        if (finished && seen != TSMS_SEEN_DONE) {
            atomic_fetch_add(&w->wrong, 1);
        }
        if (seen == TSMS_SEEN_NEW) {
            handle(w, table, number, self, tsms__rand_between(&rand, 0, 4999) == 0);
        } else {
            atomic_fetch_add(seen == TSMS_SEEN_DONE ? &w->repeats : &w->turned_away, 1);
        }
        atomic_fetch_add(&w->steps, 1);
    }
    _exit(0);
}

static void wait_steps(world *w, int64_t count)
{
    uint64_t until = atomic_load(&w->steps) + (uint64_t)count;
    while (atomic_load(&w->steps) < until) {
        sched_yield();
    }
}

static void start(world *w, pid_t children[PROCESSES])
{
    atomic_store(&w->over, false);
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            claim_keys(w, i + 1);
        }
    }
}

/* The first one is killed; the others go on for a while, and end. */
static void kill_one(world *w, pid_t children[PROCESSES], tsms__rand *rand)
{
    wait_steps(w, tsms__rand_between(rand, 1, 3000));
    kill(children[0], SIGKILL);
    int status;
    assert_int_equal(waitpid(children[0], &status, 0), children[0]);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    wait_steps(w, 1000);
    atomic_store(&w->over, true);
    for (size_t i = 1; i < PROCESSES; i++) {
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

/* What the killed process left behind is over with its lease, and no sooner. */
static size_t check_what_is_left(world *w, tsms__replay *table)
{
    size_t left = 0;
    tsms__replay_answer answer;
    for (size_t i = 0; i < KEYS; i++) {
        tsms_seen seen = tsms__replay_claim(table, key_of(w, i), WINDOW_MS, w->now_ms, &answer);
        left += seen == TSMS_SEEN_RUNNING;
        assert_true(seen == TSMS_SEEN_DONE || !atomic_load(&w->finished[i]));
        assert_true(seen != TSMS_SEEN_NEW || atomic_load(&w->holders[i]) == 0);
        if (seen == TSMS_SEEN_NEW) {
            tsms__replay_release(table, key_of(w, i));
        }
    }
    assert_in_range(left, 0, 1);
    w->now_ms += TSMS__REPLAY_LEASE_MS + UNIT_MS;
    for (size_t i = 0; i < KEYS; i++) {
        tsms_seen seen = tsms__replay_claim(table, key_of(w, i), WINDOW_MS, w->now_ms, &answer);
        assert_int_not_equal(seen, TSMS_SEEN_RUNNING);
        assert_true(seen == TSMS_SEEN_DONE || !atomic_load(&w->finished[i]));
        tsms__replay_release(table, key_of(w, i));
    }
    return left;
}

static void test_a_killed_process_leaves_the_table_valid(void **state)
{
    (void)state;
    world *w = mmap(NULL, sizeof *w, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(w != MAP_FAILED);
    w->now_ms = INT64_C(1700000000000);
    tsms__region *region = open_region();
    assert_non_null(region);
    tsms__rand rand;
    tsms__rand_init(&rand, 5);
    size_t left = 0;
    for (; w->round < ROUNDS; w->round++) {
        pid_t children[PROCESSES];
        start(w, children);
        kill_one(w, children, &rand);
        assert_int_equal(atomic_load(&w->wrong), 0);
        left += check_what_is_left(w, tsms__region_replay(region));
        for (size_t i = 0; i < KEYS; i++) {
            atomic_store(&w->holders[i], 0);
            atomic_store(&w->finished[i], false);
        }
    }
    print_message("           %d kills, %zu in the middle of a claim; %llu handled, %llu repeats, "
                  "%llu turned away\n",
                  ROUNDS, left, (unsigned long long)atomic_load(&w->handled),
                  (unsigned long long)atomic_load(&w->repeats),
                  (unsigned long long)atomic_load(&w->turned_away));
    tsms__region_close(region);
    munmap(w, sizeof *w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_killed_process_leaves_the_table_valid, remove_name,
                                        remove_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
