/* Threads that hammer one set of cells, and one breaker word, as processes do in a shared region.
 * Time is a counter that every step moves on. Meant to be run under ThreadSanitizer as well. */
#define _POSIX_C_SOURCE 200112L /* pthread_barrier_t */
#include "policy/breaker.h"
#include "policy/limiter.h"

#include "base/rand.h"
#include "support.h"

#include <pthread.h>

enum { THREADS = 4, STEPS = 400000, NUMBERS = 8, LARGEST_COST = 3 };

typedef struct worker {
    pthread_t thread;
    pthread_barrier_t *start;
    tsms__rand rand;
    struct traffic *traffic;
    struct service *service;
    uint64_t admitted, admitted_by_number[NUMBERS];
    uint64_t probes, opened, closed, wrong;
} worker;

static void run(worker workers[THREADS], void *(*work)(void *))
{
    pthread_barrier_t start;
    assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
    for (uint64_t i = 0; i < THREADS; i++) {
        workers[i].start = &start;
        tsms__rand_init(&workers[i].rand, i);
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    }
    pthread_barrier_destroy(&start);
}

/* The numbers together may send half as much again as the account, so that both levels refuse, and
 * commits are torn between them. */
static const tsms__rate account_rate = {300, 20};
static const tsms__rate number_rate = {1600, 2};
enum { NS_PER_STEP = 100 };

typedef struct traffic {
    _Atomic uint64_t clock_ns;
    tsms__cell account, numbers[NUMBERS];
} traffic;

static void *send_messages(void *arg)
{
    worker *w = arg;
    traffic *t = w->traffic;
    pthread_barrier_wait(w->start);
    for (int i = 0; i < STEPS; i++) {
        uint64_t now = atomic_fetch_add(&t->clock_ns, NS_PER_STEP);
        size_t n = (size_t)tsms__rand_between(&w->rand, 0, NUMBERS - 1);
        uint64_t cost = (uint64_t)tsms__rand_between(&w->rand, 1, LARGEST_COST);
        tsms__level levels[] = {{&t->account, account_rate}, {&t->numbers[n], number_rate}};
        if (tsms__levels_admit(levels, 2, cost, now)) {
            w->admitted += cost;
            w->admitted_by_number[n] += cost;
        }
    }
    return NULL;
}

static uint64_t most(tsms__rate rate, uint64_t elapsed_ns)
{
    return (rate.burst > LARGEST_COST ? rate.burst : LARGEST_COST) + elapsed_ns / rate.interval_ns;
}

static void test_threads_together_keep_the_limits(void **state)
{
    traffic t = {.account = 0};
    worker workers[THREADS] = {{0}};
    for (size_t i = 0; i < THREADS; i++) {
        workers[i].traffic = &t;
    }
    run(workers, send_messages);

    uint64_t elapsed_ns = t.clock_ns;
    uint64_t admitted = 0;
    for (size_t i = 0; i < THREADS; i++) {
        admitted += workers[i].admitted;
    }
    assert_true(admitted <= most(account_rate, elapsed_ns));
    for (size_t n = 0; n < NUMBERS; n++) {
        uint64_t by_number = 0;
        for (size_t i = 0; i < THREADS; i++) {
            by_number += workers[i].admitted_by_number[n];
        }
        assert_true(by_number <= most(number_rate, elapsed_ns));
        assert_true(by_number >= most(number_rate, elapsed_ns) / 2);
    }
    print_message("           %d decisions, %llu of %llu units admitted\n", THREADS * STEPS,
                  (unsigned long long)admitted, (unsigned long long)most(account_rate, elapsed_ns));
    assert_true(admitted >= most(account_rate, elapsed_ns) * 3 / 4);
}

/* A lease that never lapses, so that each probe that is out can be counted. */
static const tsms__breaker_rules rules = {
    .failure_threshold = 3, .success_threshold = 2, .reset_timeout_ms = 20, .lease_ms = INT64_MAX};

typedef struct service {
    _Atomic int64_t clock_ms;
    _Atomic uint64_t breaker;
    _Atomic int probes_out;
} service;

static bool acquire(service *s, int64_t now_ms, tsms__permit *permit)
{
    tsms__breaker word = s->breaker;
    tsms__breaker next;
    bool given;
    do {
        given = tsms__breaker_acquire(word, &rules, now_ms, &next, permit);
    } while (next != word && !atomic_compare_exchange_weak(&s->breaker, &word, next));
    return given;
}

static void report(worker *w, int64_t now_ms, tsms__permit permit, tsms__breaker_result result)
{
    service *s = w->service;
    tsms__breaker word = s->breaker;
    tsms__breaker next;
    bool counted;
    do {
        counted = tsms__breaker_report(word, &rules, now_ms, permit, result, &next);
    } while (next != word && !atomic_compare_exchange_weak(&s->breaker, &word, next));
    tsms__breaker_state before = tsms__breaker_state_of(word);
    tsms__breaker_state after = tsms__breaker_state_of(next);
    w->opened += before != after && after == TSMS__BREAKER_OPEN;
    w->closed += before != after && after == TSMS__BREAKER_CLOSED;
    /* Nobody else can have ended the state in which this probe is out. */
    w->wrong += permit.probe && !counted;
    w->wrong += before != after && after == TSMS__BREAKER_OPEN && result != TSMS__BREAKER_FAILURE;
    w->wrong += before != after && after == TSMS__BREAKER_CLOSED && !permit.probe;
}

static void *send_requests(void *arg)
{
    worker *w = arg;
    service *s = w->service;
    pthread_barrier_wait(w->start);
    for (int i = 0; i < STEPS; i++) {
        int64_t now = atomic_fetch_add(&s->clock_ms, 1);
        tsms__permit permit;
        if (!acquire(s, now, &permit)) {
            continue;
        }
        if (permit.probe) {
            w->probes++;
            w->wrong += atomic_fetch_add(&s->probes_out, 1) != 0;
        }
        tsms__breaker_result result = (tsms__breaker_result)tsms__rand_between(&w->rand, 0, 2);
        if (permit.probe) {
            atomic_fetch_sub(&s->probes_out, 1);
        }
        report(w, atomic_fetch_add(&s->clock_ms, 1), permit, result);
    }
    return NULL;
}

static void test_threads_never_have_two_probes_out(void **state)
{
    service s = {.clock_ms = 0};
    worker workers[THREADS] = {{0}};
    for (size_t i = 0; i < THREADS; i++) {
        workers[i].service = &s;
    }
    run(workers, send_requests);

    uint64_t probes = 0, opened = 0, closed = 0;
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(workers[i].wrong, 0);
        probes += workers[i].probes;
        opened += workers[i].opened;
        closed += workers[i].closed;
    }
    print_message("           %llu probes, opened %llu times, closed %llu times\n",
                  (unsigned long long)probes, (unsigned long long)opened,
                  (unsigned long long)closed);
    assert_true(closed > 100);
    assert_true(opened > closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_together_keep_the_limits),
        cmocka_unit_test(test_threads_never_have_two_probes_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
