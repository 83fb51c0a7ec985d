/* What the benchmark programs of signatures share: one webhook of 20 parameters, as Twilio sends it
 * for an inbound message, and measuring in CPU time. */
#ifndef TESTS_SIGN_BENCH_H
#define TESTS_SIGN_BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BENCH_TOKEN "0123456789abcdef0123456789abcdef"
#define BENCH_URL "https://hooks.example.com/sms/inbound?tenant=42"

enum { BENCH_BATCHES = 9, BENCH_CALLS = 20000, BENCH_BODY_MOST = 1024 };

/* The body without its final line end; answers its length. */
static inline size_t bench_body(const char *path, char out[BENCH_BODY_MOST])
{
    FILE *file = path != NULL ? fopen(path, "rb") : NULL;
    if (file == NULL) {
        fprintf(stderr, "usage: PROGRAM tests/bench/webhook.form\n");
        exit(2);
    }
    size_t len = fread(out, 1, BENCH_BODY_MOST, file);
    fclose(file);
    return len > 0 && out[len - 1] == '\n' ? len - 1 : len;
}

static inline double bench_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of what one call of run(context) costs, over BENCH_BATCHES batches. */
static inline double bench_median_ns(void (*run)(void *context), void *context)
{
    double ns[BENCH_BATCHES];
    for (int batch = -1; batch < BENCH_BATCHES; batch++) { /* the first one only warms up */
        double before = bench_cpu_ns();
        for (int i = 0; i < BENCH_CALLS; i++) {
            run(context);
        }
        if (batch >= 0) {
            ns[batch] = (bench_cpu_ns() - before) / BENCH_CALLS;
        }
    }
    qsort(ns, BENCH_BATCHES, sizeof *ns, bench_compare);
    return ns[BENCH_BATCHES / 2];
}

static inline void bench_must(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "failed: %s\n", what);
        exit(1);
    }
}

#endif
