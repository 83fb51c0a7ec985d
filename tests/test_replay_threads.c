/* Threads that claim the same few keys, as processes do in a shared region. Meant to be run under
 * ThreadSanitizer as well. */
#define _POSIX_C_SOURCE 200112L /* pthread_barrier_t */
#include "base/rand.h"
#include "call/shared.h"
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>

#define ACCOUNT "AC0123456789abcdef0123456789abcdef"

enum { THREADS = 4, STEPS = 20000, ROUNDS = 40, KEYS = 12, WINDOW_MS = 3600000 };

static const int64_t start_ms = INT64_C(1700000000000);

typedef struct worker {
    pthread_t thread;
    pthread_barrier_t *start;
    tsms__rand rand;
    struct traffic *traffic;
    uint64_t handled, repeats, busy, wrong;
} worker;

typedef struct traffic {
    tsms__replay *table;
    _Atomic int handlers[KEYS]; /* of each key, now */
    _Atomic int finished[KEYS];
} traffic;

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

/* More keys than a set has places would push each other out: that is another test. */
static tsms__replay_key key_of(size_t number)
{
    return (tsms__replay_key){{number % 2, (uint64_t)(number + 1) << 40}};
}

static int body_of(size_t number, char *out, size_t size)
{
    return snprintf(out, size, "<Response><Message>answer to %zu</Message></Response>", number);
}

static void handle(worker *w, size_t number)
{
    traffic *t = w->traffic;
    w->handled++;
    w->wrong += atomic_fetch_add(&t->handlers[number], 1) != 0;
    w->wrong += atomic_load(&t->finished[number]) != 0;
    bool finishes = tsms__rand_between(&w->rand, 0, 99) == 0;
    atomic_store(&t->finished[number], finishes);
    atomic_fetch_sub(&t->handlers[number], 1);
    if (finishes) {
        char body[80];
        int len = body_of(number, body, sizeof body);
        tsms_webhook_answer answer = {.http_status = 200 + (int)number,
                                      .content_type = tsms_str_from("text/xml"),
                                      .body = {body, (size_t)len}};
        tsms__replay_finish(t->table, key_of(number), start_ms, &answer);
    } else {
        tsms__replay_release(t->table, key_of(number));
    }
}

static bool is_the_answer(size_t number, const tsms__replay_answer *answer)
{
    char body[80];
    size_t len = (size_t)body_of(number, body, sizeof body);
    return answer->http_status == 200 + (int)number &&
           (answer->http_status == 204 || !answer->has_body ||
            (answer->body_len == len && memcmp(answer->body, body, len) == 0));
}

static void *claim_keys(void *arg)
{
    worker *w = arg;
    traffic *t = w->traffic;
    tsms__replay_answer answer;
    pthread_barrier_wait(w->start);
    for (int i = 0; i < STEPS; i++) {
        size_t number = (size_t)tsms__rand_between(&w->rand, 0, KEYS - 1);
        switch (tsms__replay_claim(t->table, key_of(number), WINDOW_MS, start_ms, &answer)) {
        case TSMS_SEEN_NEW:
            handle(w, number);
            break;
        case TSMS_SEEN_DONE:
            w->repeats++;
            w->wrong += !is_the_answer(number, &answer);
            break;
        case TSMS_SEEN_RUNNING:
            w->busy++;
            break;
        }
    }
    return NULL;
}

static void run_on_a_table(worker workers[THREADS], traffic *t, void *(*work)(void *))
{
    tsms__region *region;
    assert_int_equal(tsms__region_open(NULL, ACCOUNT, &region, NULL), TSMS_OK);
    t->table = tsms__region_replay(region);
    for (size_t i = 0; i < THREADS; i++) {
        workers[i] = (worker){.traffic = t};
    }
    run(workers, work);
    tsms__region_close(region);
}

static void test_one_thread_at_a_time_handles_a_key(void **state)
{
    uint64_t handled = 0, repeats = 0, busy = 0;
    for (int round = 0; round < ROUNDS; round++) {
        traffic t = {0};
        worker workers[THREADS];
        run_on_a_table(workers, &t, claim_keys);
        for (size_t i = 0; i < THREADS; i++) {
            assert_int_equal(workers[i].wrong, 0);
            handled += workers[i].handled;
            repeats += workers[i].repeats;
            busy += workers[i].busy;
        }
    }
    print_message("           %llu handled, %llu repeats, %llu turned away\n",
                  (unsigned long long)handled, (unsigned long long)repeats,
                  (unsigned long long)busy);
    assert_true(handled >= ROUNDS * KEYS && repeats > 0);
}

/* All threads answer the same keys, each with texts of its own: what is read is one of them. */
static void *answer_keys(void *arg)
{
    worker *w = arg;
    tsms__replay_answer answer;
    char body[TSMS__REPLAY_ANSWER_MOST];
    pthread_barrier_wait(w->start);
    for (int i = 0; i < STEPS / 10; i++) {
        size_t number = (size_t)tsms__rand_between(&w->rand, 0, KEYS - 1);
        char letter = (char)tsms__rand_between(&w->rand, 'a', 'z');
        memset(body, letter, sizeof body);
        tsms_webhook_answer given = {.http_status = 200,
                                     .content_type = {body, 10},
                                     .body = {body, sizeof body - (size_t)(letter - 'a') * 16}};
        tsms__replay_finish(w->traffic->table, key_of(number), start_ms, &given);
        tsms_seen seen =
            tsms__replay_claim(w->traffic->table, key_of(number), WINDOW_MS, start_ms, &answer);
        w->wrong += seen != TSMS_SEEN_DONE;
        w->repeats += answer.has_body;
        for (size_t at = 0; answer.has_body && at < answer.body_len; at++) {
            w->wrong += answer.body[at] != answer.type[0];
        }
    }
    return NULL;
}

static void test_answers_are_whole(void **state)
{
    traffic t = {0};
    worker workers[THREADS];
    run_on_a_table(workers, &t, answer_keys);
    uint64_t whole = 0;
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(workers[i].wrong, 0);
        whole += workers[i].repeats;
    }
    print_message("           %llu of %d answers could be given again\n", (unsigned long long)whole,
                  THREADS * (STEPS / 10));
    assert_true(whole > THREADS * (STEPS / 10) / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_thread_at_a_time_handles_a_key),
        cmocka_unit_test(test_answers_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
