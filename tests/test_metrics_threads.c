/* Threads that count in one region, as processes do, while others read it. Meant to be run under
 * ThreadSanitizer as well. */
#define _POSIX_C_SOURCE 200112L /* pthread_barrier_t */
#include "metrics_support.h"

#include "base/rand.h"
#include "call/metrics_text.h"

#include <pthread.h>

#define ACCOUNT "AC0123456789abcdef0123456789abcdef"

enum { COUNTING = 3, STEPS = 20000, SENDERS = 20, CODES = 40 };

typedef struct worker {
    pthread_t thread;
    pthread_barrier_t *start;
    tsms__region *region;
    uint64_t seed;
} worker;

static void *count_messages(void *arg)
{
    worker *w = arg;
    tsms__metrics *metrics = tsms__region_metrics(w->region);
    tsms__rand rand;
    tsms__rand_init(&rand, w->seed);
    pthread_barrier_wait(w->start);
    for (int i = 0; i < STEPS; i++) {
        char name[16];
        snprintf(name, sizeof name, "+1500555%04d", (int)tsms__rand_between(&rand, 0, SENDERS - 1));
        unsigned sender = tsms__metrics_sender(metrics, tsms_str_from(name));
        unsigned code = (unsigned)tsms__rand_between(&rand, 1, CODES);
        tsms__metrics_count(metrics, tsms__series_of(TSMS__MESSAGES, sender, code, 3), 1);
        tsms__metrics_time(metrics, tsms__series_of(TSMS__SENDS, 0, 0, 0), i % 700);
    }
    return NULL;
}

/* In every scrape the count is that of the last bucket, and no number goes back. */
static void *scrape(void *arg)
{
    worker *w = arg;
    long before = 0;
    pthread_barrier_wait(w->start);
    while (before < COUNTING * STEPS) {
        tsms_buf buf;
        tsms__buf_init(&buf, &tsms__mem_libc);
        tsms__metrics_text(w->region, TSMS_METRICS_PROMETHEUS, &buf);
        assert_false(buf.failed);
        tsms_str text = tsms__buf_str(&buf);
        long last = atol(metric_number(text, "twilio_send_latency_seconds_bucket{le=\"+Inf\"}"));
        assert_int_equal(atol(metric_number(text, "twilio_send_latency_seconds_count")), last);
        assert_true(last >= before);
        before = last;
        assert_metric(text, "twilio_series_overflow_total", "0");
        tsms__buf_free(&buf);
    }
    return NULL;
}

static void test_counting_while_others_read(void **state)
{
    tsms__region *region;
    assert_int_equal(tsms__region_open(NULL, ACCOUNT, &region, NULL), TSMS_OK);
    pthread_barrier_t start;
    assert_int_equal(pthread_barrier_init(&start, NULL, COUNTING + 1), 0);
    worker workers[COUNTING + 1];
    for (size_t i = 0; i <= COUNTING; i++) {
        workers[i] = (worker){.start = &start, .region = region, .seed = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL,
                                        i < COUNTING ? count_messages : scrape, &workers[i]),
                         0);
    }
    for (size_t i = 0; i <= COUNTING; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    }
    pthread_barrier_destroy(&start);

    /* Each series once, each name whole, and nothing lost. */
    const tsms__metrics *metrics = tsms__region_metrics(region);
    tsms__sample all = {0};
    bool seen[SENDERS][CODES + 1] = {0};
    for (size_t slot = 0; slot < tsms__metrics_slots(TSMS__MESSAGES); slot++) {
        tsms__series series = tsms__metrics_at(metrics, TSMS__MESSAGES, slot);
        if (series == 0) {
            continue;
        }
        char name[TSMS__SENDER_SIZE];
        int sender;
        tsms__metrics_sender_name(metrics, tsms__series_label(series, 0), name);
        assert_int_equal(sscanf(name, "+1500555%4d", &sender), 1);
        bool *here = &seen[sender][tsms__series_label(series, 1)];
        assert_false(*here);
        *here = true;
        tsms__metrics_add(metrics, TSMS__MESSAGES, slot, &all);
    }
    assert_int_equal(all.count, COUNTING * STEPS);
    tsms__region_close(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counting_while_others_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
