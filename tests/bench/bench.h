/* What the benchmark programs share: the command line, the messages, and the one line of results.
 *
 * Options: --base-url URL --ca FILE --http 1.1|auto --concurrency N --count N --warmup N. CPU time
 * is user and system time of this process for `count` sends, after `warmup` sends that open the
 * connections. A send that fails ends the program: there is nothing to compare then. The peak is
 * VmHWM: ru_maxrss of a short process can be that of its parent.
 *
 * `--http auto` is HTTP/2 where the server offers it. */
#ifndef TESTS_BENCH_H
#define TESTS_BENCH_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define BENCH_ACCOUNT "AC0123456789abcdef0123456789abcdef"
#define BENCH_TOKEN "0123456789abcdef0123456789abcdef"
#define BENCH_FROM "+15005550006"

typedef struct bench {
    const char *base_url;
    const char *ca_file;
    const char *http;
    bool default_capath; /* bare_multi only: leave libcurl's CApath as it comes */
    unsigned concurrency, count, warmup;
    double wall_s, cpu_s; /* since bench_start, after bench_stop */
} bench;

static inline void bench_usage(const char *program)
{
    fprintf(stderr,
            "usage: %s --base-url URL --ca FILE [--http 1.1|auto] [--concurrency N] [--count N] "
            "[--warmup N] [--default-capath]\n",
            program);
    exit(2);
}

static inline bench bench_parse(int argc, char **argv)
{
    bench b = {.http = "1.1", .concurrency = 50, .count = 10000, .warmup = 500};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--default-capath") == 0) {
            b.default_capath = true;
            continue;
        }
        const char *value = argv[i + 1];
        if (value == NULL) {
            bench_usage(argv[0]);
        } else if (strcmp(argv[i], "--base-url") == 0) {
            b.base_url = value;
        } else if (strcmp(argv[i], "--ca") == 0) {
            b.ca_file = value;
        } else if (strcmp(argv[i], "--http") == 0) {
            b.http = value;
        } else if (strcmp(argv[i], "--concurrency") == 0) {
            b.concurrency = (unsigned)strtoul(value, NULL, 10);
        } else if (strcmp(argv[i], "--count") == 0) {
            b.count = (unsigned)strtoul(value, NULL, 10);
        } else if (strcmp(argv[i], "--warmup") == 0) {
            b.warmup = (unsigned)strtoul(value, NULL, 10);
        } else {
            bench_usage(argv[0]);
        }
        i++;
    }
    if (b.base_url == NULL || b.ca_file == NULL || b.concurrency == 0 || b.count == 0) {
        bench_usage(argv[0]);
    }
    return b;
}

/* Another recipient and another text for each send; the text has 83 characters. */
static inline void bench_message(unsigned number, char to[16], char body[96])
{
    snprintf(to, 16, "+1555%07u", number % 10000000);
    snprintf(body, 96,
             "Your parcel %07u arrives on Thursday between 9 and 12. Reply STOP to opt out. Bye",
             number % 10000000);
}

static inline double bench_wall_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline double bench_cpu_s(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static inline void bench_start(bench *b)
{
    b->wall_s = bench_wall_s();
    b->cpu_s = bench_cpu_s();
}

static inline void bench_stop(bench *b)
{
    b->wall_s = bench_wall_s() - b->wall_s;
    b->cpu_s = bench_cpu_s() - b->cpu_s;
}

static inline unsigned bench_peak_kb(void)
{
    char line[128];
    unsigned peak_kb = 0;
    FILE *status = fopen("/proc/self/status", "r");
    if (status == NULL) {
        return 0;
    }
    while (fgets(line, sizeof line, status) != NULL && sscanf(line, "VmHWM: %u", &peak_kb) != 1) {
    }
    fclose(status);
    return peak_kb;
}

static inline void bench_report(const bench *b, const char *program)
{
    printf("program=%s http=%s concurrency=%u sends=%u wall_s=%.6f cpu_s=%.6f "
           "cpu_us_per_send=%.3f peak_kb=%u\n",
           program, b->http, b->concurrency, b->count, b->wall_s, b->cpu_s,
           b->cpu_s * 1e6 / b->count, bench_peak_kb());
}

#endif
