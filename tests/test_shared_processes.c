/* Processes that share a named region, also when one of them is killed in the middle. Time is
 * virtual: a number in memory that they share. */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "virtual_driver.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME "test_shared_processes"
#define TO "+15005550001"

static int remove_name(void **state)
{
    (void)state;
    tsms__region_unlink(NAME, VIRTUAL_ACCOUNT);
    return 0;
}

static void *share(size_t size)
{
    void *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(block != MAP_FAILED);
    return block;
}

/* ---- Limits over two processes ------------------------------------------------------------- */

/* 20 a second for the account, 15 a second for the one number that both use; a minute. */
enum { PROCESSES = 2, STEP_MS = 10, RUN_MS = 60000, MOST_SENT = 4096, ACCOUNT_SENDS = 3 };

typedef struct meeting {
    _Atomic int arrived[RUN_MS / STEP_MS + 1];
    _Atomic size_t sent;
    int64_t when_ms[MOST_SENT];
    _Atomic size_t sent_by[PROCESSES];
} meeting;

static void meet(meeting *m, size_t step)
{
    atomic_fetch_add(&m->arrived[step], 1);
    while (atomic_load(&m->arrived[step]) < PROCESSES) {
        sched_yield();
    }
}

static void note_sent(virtual_driver *d, virtual_flight *flight)
{
    meeting *m = d->world;
    m->when_ms[atomic_fetch_add(&m->sent, 1)] = d->now.mono_ms;
    virtual_serve_script(d, flight);
}

/* Both clocks pass each step together. */
static void send_together(meeting *m, size_t process, const char *options)
{
    virtual_driver d;
    virtual_open(&d, NULL, options);
    d.world = m;
    d.serve = note_sent;
    for (int i = 0; i < 1000; i++) {
        virtual_send(&d, TO, VIRTUAL_FROM, "hello");
    }
    for (size_t step = 0; step < RUN_MS / STEP_MS; step++) {
        meet(m, step);
        virtual_run(&d, STEP_MS);
    }
    atomic_store(&m->sent_by[process], d.posts);
    virtual_close(&d);
}

static void wait_for(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void run_both(meeting *m, const char *options)
{
    pid_t children[PROCESSES];
    for (size_t i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            send_together(m, i, options);
            _exit(0);
        }
    }
    for (size_t i = 0; i < PROCESSES; i++) {
        wait_for(children[i]);
    }
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Between any two messages there is time for all those between them. */
static void check_windows(meeting *m, int64_t burst, int64_t interval_ms)
{
    size_t sent = atomic_load(&m->sent);
    qsort(m->when_ms, sent, sizeof *m->when_ms, by_time);
    for (size_t first = 0; first < sent; first++) {
        for (size_t last = first; last < sent; last++) {
            int64_t count = (int64_t)(last - first) + 1;
            int64_t ms = m->when_ms[last] - m->when_ms[first];
            assert_true(count <= burst + ms / interval_ms);
        }
    }
}

static void test_two_processes_keep_the_limit_of_the_account(void **state)
{
    (void)state;
    meeting *m = share(sizeof *m);
    run_both(m, "rate.per_second=20 rate.burst=1 rate.per_number=0 timeout_ms=604800000 "
                "shared=" NAME);
    print_message("%zu messages in a minute, %zu and %zu\n", atomic_load(&m->sent),
                  atomic_load(&m->sent_by[0]), atomic_load(&m->sent_by[1]));
    assert_in_range(atomic_load(&m->sent), 20 * RUN_MS / 1000, 20 * RUN_MS / 1000 + 1);
    check_windows(m, 1, 50);
    munmap(m, sizeof *m);
}

/* Two levels: a race half way costs a unit at worst, and never exceeds. */
static void test_two_processes_keep_the_limit_of_a_number(void **state)
{
    (void)state;
    meeting *m = share(sizeof *m);
    run_both(m, "rate.per_second=20 rate.burst=5 rate.per_number=10 rate.per_number_burst=3 "
                "timeout_ms=604800000 shared=" NAME);
    print_message("%zu messages in a minute, %zu and %zu\n", atomic_load(&m->sent),
                  atomic_load(&m->sent_by[0]), atomic_load(&m->sent_by[1]));
    assert_in_range(atomic_load(&m->sent), 600, 603);
    check_windows(m, 3, 100);
    munmap(m, sizeof *m);
}

/* ---- kill -9 ------------------------------------------------------------------------------- */

enum { KILLS = 60, RATE_INTERVAL_NS = 1000000 };

static const tsms__breaker_rules rules = {
    .failure_threshold = 3, .success_threshold = 2, .reset_timeout_ms = 50, .lease_ms = 20};

/* Metrics, of which the first rounds make the series. A name is written again in each round. */
static void count_round(tsms__region *region, int64_t now_ms)
{
    tsms__metrics *metrics = tsms__region_metrics(region);
    char name[32];
    snprintf(name, sizeof name, "sender %d", (int)(now_ms % 100));
    unsigned sender = tsms__metrics_sender(metrics, tsms_str_from(name));
    tsms__metrics_count(metrics, tsms__series_of(TSMS__MESSAGES, sender, 49, 0), 1);
    tsms__metrics_time(metrics, tsms__series_of(TSMS__REQUESTS, 0, 4, 2), now_ms % 100);
}

/* Everything that a client does with its region, as fast as it goes; a millisecond a round. */
static void hammer(_Atomic int64_t *clock_ms, uint64_t seed)
{
    tsms__region *region;
    if (tsms__region_open(NAME, VIRTUAL_ACCOUNT, &region, NULL) != TSMS_OK) {
        _exit(1);
    }
    tsms__rand rand;
    tsms__rand_init(&rand, seed);
    for (;;) {
        int64_t now_ms = atomic_fetch_add(clock_ms, 1);
        tsms__permit permit;
        tsms__breaker_state before;
        tsms__breaker_state after;
        if (tsms__region_acquire(region, &rules, now_ms, &permit, &before, &after)) {
            tsms__breaker_result result = (tsms__breaker_result)tsms__rand_between(&rand, 0, 2);
            tsms__region_report(region, &rules, now_ms, permit, result, &before, &after);
        }
        tsms__level levels[] = {
            {tsms__region_account(region), {RATE_INTERVAL_NS, 3}},
            {tsms__region_sender(region, tsms__rand_next(&rand) % 100), {RATE_INTERVAL_NS, 2}},
            {tsms__region_recipient(region, tsms__rand_next(&rand) % 100), {RATE_INTERVAL_NS, 1}},
        };
        (void)tsms__levels_admit(levels, 3, 1, (uint64_t)now_ms * 1000000);
        if (tsms__region_quota_take(region, 500, 14)) {
            tsms__region_quota_give(region, 14);
        }
        tsms__region_count(region, TSMS__COUNT_requests);
        count_round(region, now_ms);
    }
}

static void kill_in_the_middle(_Atomic int64_t *clock_ms, uint64_t seed, int64_t rounds)
{
    int64_t until_ms = atomic_load(clock_ms) + rounds;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        hammer(clock_ms, seed);
    }
    while (atomic_load(clock_ms) < until_ms) {
        sched_yield();
    }
    kill(child, SIGKILL);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* The breaker is not stuck: when leases and pauses are over, two good probes close it. */
static void check_breaker(tsms__region *region, int64_t now_ms)
{
    tsms__permit permit;
    tsms__breaker_state before;
    tsms__breaker_state after;
    for (int i = 0; i < 4 && tsms__region_breaker_state(region) != TSMS__BREAKER_CLOSED; i++) {
        now_ms += tsms__region_breaker_wait_ms(region, &rules, now_ms);
        if (tsms__region_acquire(region, &rules, now_ms, &permit, &before, &after)) {
            tsms__region_report(region, &rules, now_ms, permit, TSMS__BREAKER_SUCCESS, &before,
                                &after);
        }
    }
    assert_int_equal(tsms__region_breaker_state(region), TSMS__BREAKER_CLOSED);
}

/* A second later every level is idle again: it admits its burst, and no more. */
static void check_limits(tsms__region *region, int64_t now_ms)
{
    uint64_t now_ns = (uint64_t)(now_ms + 1000) * 1000000;
    tsms__level account = {tsms__region_account(region), {RATE_INTERVAL_NS, 3}};
    for (int i = 0; i < 3; i++) {
        assert_true(tsms__levels_admit(&account, 1, 1, now_ns));
    }
    assert_false(tsms__levels_admit(&account, 1, 1, now_ns));
    for (uint64_t key = 0; key < 100; key++) {
        tsms__level number = {tsms__region_sender(region, key), {RATE_INTERVAL_NS, 2}};
        assert_int_equal(tsms__level_wait_ns(&number, 2, now_ns), 0);
    }
}

/* Each name has one series, under which all rounds were counted: a round more or less for each kill
 * between the counter and the metrics. */
static void check_metrics(tsms__region *region, uint64_t requests, uint64_t kills)
{
    tsms__metrics *metrics = tsms__region_metrics(region);
    tsms__sample all = {0};
    bool seen[100] = {0};
    for (size_t slot = 0; slot < tsms__metrics_slots(TSMS__MESSAGES); slot++) {
        tsms__series series = tsms__metrics_at(metrics, TSMS__MESSAGES, slot);
        if (series == 0) {
            continue;
        }
        char name[TSMS__SENDER_SIZE];
        int number;
        tsms__metrics_sender_name(metrics, tsms__series_label(series, 0), name);
        assert_int_equal(sscanf(name, "sender %d", &number), 1);
        assert_in_range(number, 0, 99);
        assert_false(seen[number]);
        seen[number] = true;
        tsms__metrics_add(metrics, TSMS__MESSAGES, slot, &all);
    }
    assert_in_range(all.count, requests - kills, requests);
    tsms__sample timed = {0};
    for (size_t slot = 0; slot < tsms__metrics_slots(TSMS__REQUESTS); slot++) {
        tsms__metrics_add(metrics, TSMS__REQUESTS, slot, &timed);
    }
    assert_in_range(timed.count, all.count - kills, all.count);
    assert_int_equal(tsms__metrics_overflowed(metrics), 0);
}

static void test_a_killed_process_leaves_the_region_valid(void **state)
{
    (void)state;
    _Atomic int64_t *clock_ms = share(sizeof *clock_ms);
    atomic_store(clock_ms, 1000);
    tsms__rand rand;
    tsms__rand_init(&rand, 5);
    uint64_t requests = 0;
    for (uint64_t i = 0; i < KILLS; i++) {
        kill_in_the_middle(clock_ms, i, tsms__rand_between(&rand, 1, 3000));
        tsms__region *region;
        tsms_error err;
        if (tsms__region_open(NAME, VIRTUAL_ACCOUNT, &region, &err) != TSMS_OK) {
            fail_msg("%s", err.message);
        }
        int64_t now_ms = atomic_load(clock_ms);
        check_breaker(region, now_ms);
        check_limits(region, now_ms);
        /* A kill between taking and giving loses one retry's price, until a success pays it. */
        assert_in_range(500 - tsms__region_quota_left(region, 500), 0, 14 * (i + 1));
        assert_true(tsms__region_counter(region, TSMS__COUNT_requests) > requests);
        requests = tsms__region_counter(region, TSMS__COUNT_requests);
        check_metrics(region, requests, i + 1);
        atomic_fetch_add(clock_ms, 2000);
        tsms__region_close(region);
    }
    print_message("%d kills, %" PRIu64 " rounds\n", KILLS, requests);

    virtual_driver d;
    virtual_open(&d, NULL, "shared=" NAME);
    d.now.mono_ms = atomic_load(clock_ms) + 60000;
    virtual_send(&d, TO, VIRTUAL_FROM, "hello");
    virtual_run(&d, 100);
    assert_result(&d, "ok 1");
    virtual_close(&d);
    munmap((void *)clock_ms, sizeof *clock_ms);
}

/* ---- Many at once -------------------------------------------------------------------------- */

enum { ATTACHING = 16, ROUNDS = 40 };

/* Whoever is first makes the file; all others find it, whole or not, and none is refused. */
static void test_many_processes_open_a_region_at_once(void **state)
{
    (void)state;
    _Atomic int *gate = share(sizeof *gate);
    for (int round = 0; round < ROUNDS; round++) {
        tsms__region_unlink(NAME, VIRTUAL_ACCOUNT);
        atomic_store(gate, 0);
        pid_t children[ATTACHING];
        for (size_t i = 0; i < ATTACHING; i++) {
            children[i] = fork();
            assert_true(children[i] >= 0);
            if (children[i] == 0) {
                tsms__region *region;
                while (atomic_load(gate) == 0) {
                    sched_yield();
                }
                if (tsms__region_open(NAME, VIRTUAL_ACCOUNT, &region, NULL) != TSMS_OK) {
                    _exit(1);
                }
                tsms__region_count(region, TSMS__COUNT_submitted);
                tsms__region_close(region);
                _exit(0);
            }
        }
        atomic_store(gate, 1);
        for (size_t i = 0; i < ATTACHING; i++) {
            wait_for(children[i]);
        }
        tsms__region *region;
        assert_int_equal(tsms__region_open(NAME, VIRTUAL_ACCOUNT, &region, NULL), TSMS_OK);
        assert_int_equal(tsms__region_counter(region, TSMS__COUNT_submitted), ATTACHING);
        tsms__region_close(region);
    }
    munmap((void *)gate, sizeof *gate);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, remove_name, remove_name)
    const struct CMUnitTest tests[] = {
        TEST(test_two_processes_keep_the_limit_of_the_account),
        TEST(test_two_processes_keep_the_limit_of_a_number),
        TEST(test_a_killed_process_leaves_the_region_valid),
        TEST(test_many_processes_open_a_region_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
