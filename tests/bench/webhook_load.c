/* Sends signed webhooks to a listener, a fixed number of them at a time over connections that stay
 * open, and prints how many a second were answered and how long they took.
 *
 *     webhook_load --base-url https://localhost:PORT --ca FILE [--concurrency N] [--count N]
 *
 * An answer other than 200 and 204 ends the program: there is nothing to measure then. */
#define _GNU_SOURCE /* clock_gettime */
#include "bench.h"

#include <curl/curl.h>
#include <twilio_sms.h>

#include "wire/form.h"

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "webhook_load: %s\n", what);
        exit(EXIT_FAILURE);
    }
}

typedef struct slot {
    CURL *easy;
    struct curl_slist *headers;
    tsms_buf body;
    char error[CURL_ERROR_SIZE];
} slot;

typedef struct loader {
    const bench *options;
    char url[300];
    tsms_signer *signer;
    unsigned started, finished, until;
    double *latencies_ms; /* NULL while warming up */
    unsigned warm;        /* how many were answered by then */
} loader;

static size_t ignore(char *bytes, size_t size, size_t count, void *arg)
{
    (void)bytes;
    (void)arg;
    return size * count;
}

enum { FIELDS = 20 };

/* An inbound message with 20 fields, each with a sid of its own. */
static void prepare(const loader *l, slot *s, unsigned number)
{
    char sid[35];
    snprintf(sid, sizeof sid, "SM%032x", number);
    const char *values[FIELDS][2] = {
        {"ToCountry", "US"},
        {"ToState", "CA"},
        {"SmsMessageSid", sid},
        {"NumMedia", "0"},
        {"ToCity", ""},
        {"FromZip", "94105"},
        {"SmsSid", sid},
        {"FromState", "CA"},
        {"SmsStatus", "received"},
        {"FromCity", "San José"},
        {"Body", "Tea & cake? 🍰"},
        {"FromCountry", "US"},
        {"To", BENCH_FROM},
        {"ToZip", ""},
        {"NumSegments", "1"},
        {"MessageSid", sid},
        {"AccountSid", BENCH_ACCOUNT},
        {"From", "+15558675310"},
        {"ApiVersion", "2010-04-01"},
        {"AddOns", "{}"},
    };
    tsms_param params[FIELDS];
    tsms__buf_clear(&s->body);
    for (size_t i = 0; i < FIELDS; i++) {
        params[i] = (tsms_param){tsms_str_from(values[i][0]), tsms_str_from(values[i][1])};
        tsms__form_add(&s->body, params[i].name, params[i].value);
    }
    char header[64] = "X-Twilio-Signature: ";
    must(tsms_signer_sign(l->signer, tsms_str_from(l->url), params, FIELDS, header + strlen(header),
                          NULL) == TSMS_OK,
         "cannot sign");
    curl_slist_free_all(s->headers);
    s->headers = curl_slist_append(NULL, header);
    s->headers = curl_slist_append(s->headers, "Expect:");
    curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, s->headers);
    curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, s->body.ptr);
    curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE, (long)s->body.len);
}

static void open_slot(const loader *l, slot *s)
{
    tsms__buf_init(&s->body, &tsms__mem_libc);
    s->easy = curl_easy_init();
    must(s->easy != NULL, "out of memory");
    curl_easy_setopt(s->easy, CURLOPT_URL, l->url);
    curl_easy_setopt(s->easy, CURLOPT_CAINFO, l->options->ca_file);
    curl_easy_setopt(s->easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(s->easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(s->easy, CURLOPT_WRITEFUNCTION, ignore);
    curl_easy_setopt(s->easy, CURLOPT_ERRORBUFFER, s->error);
    curl_easy_setopt(s->easy, CURLOPT_PRIVATE, s);
    curl_easy_setopt(s->easy, CURLOPT_NOPROXY, "*");
}

static void check_answer(const slot *s, CURLcode code)
{
    long status = 0;
    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK || (status != 200 && status != 204)) {
        fprintf(stderr, "webhook_load: HTTP %ld %s\n", status, s->error);
        exit(EXIT_FAILURE);
    }
}

static void finish(loader *l, CURLM *multi, slot *s, CURLcode code)
{
    check_answer(s, code);
    curl_off_t total_us = 0;
    curl_easy_getinfo(s->easy, CURLINFO_TOTAL_TIME_T, &total_us);
    if (l->latencies_ms != NULL) {
        l->latencies_ms[l->finished - l->warm] = (double)total_us / 1000;
    }
    l->finished++;
    curl_multi_remove_handle(multi, s->easy);
    if (l->started < l->until) {
        prepare(l, s, ++l->started);
        curl_multi_add_handle(multi, s->easy);
    }
}

/* Sends until `until` have been answered. */
static void run(loader *l, CURLM *multi, slot *slots)
{
    for (unsigned i = 0; i < l->options->concurrency && l->started < l->until; i++) {
        prepare(l, &slots[i], ++l->started);
        curl_multi_add_handle(multi, slots[i].easy);
    }
    int running = 1;
    while (running > 0) {
        curl_multi_perform(multi, &running);
        CURLMsg *message;
        int left;
        while ((message = curl_multi_info_read(multi, &left)) != NULL) {
            void *s;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &s);
            finish(l, multi, s, message->data.result);
            running = 1;
        }
        if (l->finished < l->until) {
            curl_multi_poll(multi, NULL, 0, 1000, NULL);
        } else {
            running = 0;
        }
    }
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

int main(int argc, char **argv)
{
    bench options = bench_parse(argc, argv);
    loader l = {.options = &options};
    snprintf(l.url, sizeof l.url, "%s/sms", options.base_url);
    must(tsms_signer_new(NULL, &l.signer, NULL) == TSMS_OK &&
             tsms_signer_add(l.signer, tsms_str_from(BENCH_TOKEN), NULL) == TSMS_OK,
         "out of memory");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLM *multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)options.concurrency);
    slot *slots = calloc(options.concurrency, sizeof *slots);
    double *latencies = calloc(options.count, sizeof *latencies);
    must(multi != NULL && slots != NULL && latencies != NULL, "out of memory");
    for (unsigned i = 0; i < options.concurrency; i++) {
        open_slot(&l, &slots[i]);
    }
    l.until = options.warmup;
    run(&l, multi, slots);
    l.until += options.count;
    l.latencies_ms = latencies;
    l.warm = l.finished;
    bench_start(&options);
    run(&l, multi, slots);
    bench_stop(&options);
    qsort(latencies, options.count, sizeof *latencies, by_value);
    printf("program=webhook_load concurrency=%u requests=%u per_s=%.0f p50_ms=%.3f p99_ms=%.3f "
           "max_ms=%.3f cpu_us=%.1f\n",
           options.concurrency, options.count, options.count / options.wall_s,
           latencies[options.count / 2], latencies[options.count * 99 / 100],
           latencies[options.count - 1], options.cpu_s * 1e6 / options.count);
    return 0;
}
