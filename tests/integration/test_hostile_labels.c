/* Whatever numbers, senders, statuses and codes come in, from callers, from the server and from
 * webhooks: metrics stay small, take their labels from short lists, and lose no count.
 *
 * HOSTILE_COUNT says how many sends there are, and as many webhooks; `make labels` makes 10 million
 * of each. */
#define _GNU_SOURCE /* open_memstream */
#include "metrics_labels.h"
#include "virtual_driver.h"
#include "webhook_support.h"

#include <unistd.h>

#include "base/rand.h"

#ifdef __SANITIZE_ADDRESS__
enum { KEEPS_WHAT_IS_FREED = 1 };
#else
enum { KEEPS_WHAT_IS_FREED = 0 };
#endif

enum {
    COUNT_DEFAULT = 100000,
    CLIENTS = 600, /* in turn, each with a sender of its own */
    SERIES_MOST = 2000,
    TEXT_MOST = 1000000,       /* bytes of a scrape */
    GROWTH_MOST_KB = 4 * 1024, /* of the process, from the first tenth on */
};

typedef struct run {
    long count;
    tsms__rand rand;
    uint64_t made; /* values, each another one */
    test_mem tm;
    tsms_webhook *webhook;
    long first_kb; /* of the process, when a tenth was done */
    /* What must come out. */
    uint64_t ended, succeeded, sent, failed_at_once, handled, refused, replayed;
} run;

static unsigned below(run *r, unsigned most)
{
    return (unsigned)(tsms__rand_next(&r->rand) % most);
}

/* Of this process alone: two runs may go on at once. */
static const char *region_name(void)
{
    static char name[40];
    snprintf(name, sizeof name, "test_hostile_labels_%ld", (long)getpid());
    return name;
}

static int forget_region(void **state)
{
    tsms__region_unlink(region_name(), ACCOUNT);
    return 0;
}

static long resident_kb(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*d %ld", &pages), 1);
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* ---- Hostile values ------------------------------------------------------------------------ */

/* Something that nobody said before, out of what formats trip over. */
static const char *nonsense(run *r, char out[64])
{
    static const char *const pieces[] = {
        "\"", "\\",   "{",   "}", ",", "=",  "#",        "\xC3\xA9", "\xE2\x80\xA8",
        "'",  "\"} ", "\\n", "$", "%", "le", "__name__", "+Inf",     "other"};
    int used = snprintf(out, 64, "x%llx", (unsigned long long)++r->made);
    for (unsigned left = below(r, 5); left > 0; left--) {
        used += snprintf(out + used, 64 - (size_t)used, "%s",
                         pieces[below(r, sizeof pieces / sizeof *pieces)]);
    }
    return out;
}

static const char *address(run *r, char out[80])
{
    char some[64];
    switch (below(r, 8)) {
    case 0:
        snprintf(out, 80, "messenger:%s", nonsense(r, some));
        break;
    case 1:
        snprintf(out, 80, "whatsapp:+%u%07u", 1 + below(r, 999), below(r, 10000000));
        break;
    case 2:
        snprintf(out, 80, "S%llx", (unsigned long long)++r->made);
        break;
    case 3:
        snprintf(out, 80, "%s", nonsense(r, some));
        break;
    default:
        snprintf(out, 80, "+%u%07u", 10 + below(r, 990), below(r, 10000000));
        break;
    }
    return out;
}

/* As a string in JSON. */
static void add_json(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            fputc('\\', out);
        }
        fputc(*text, out);
    }
    fputc('"', out);
}

static char *hostile_answer(run *r, int status)
{
    static const char *const numbers[] = {"0",     "1",          "-5",          "\"3\"",
                                          "1e300", "4294967297", "99999999999", "[]"};
    char *body = NULL;
    size_t size;
    char some[64];
    FILE *out = open_memstream(&body, &size);
    assert_non_null(out);
    fprintf(out, "{\"sid\":\"SM%032llx\",\"num_segments\":%s,\"code\":%s,\"status\":",
            (unsigned long long)++r->made, numbers[below(r, 8)], numbers[below(r, 8)]);
    if (below(r, 2) == 0) {
        add_json(out, nonsense(r, some));
    } else {
        add_json(out, tsms_message_status_name((tsms_message_status)below(r, 20)));
    }
    fprintf(out, ",\"error_code\":%s,\"message\":", numbers[below(r, 8)]);
    add_json(out, nonsense(r, some));
    fprintf(out, "}%s", status == 201 && below(r, 50) == 0 ? "]" : "");
    fclose(out);
    return body;
}

/* ---- Sends --------------------------------------------------------------------------------- */

static void serve(virtual_driver *d, virtual_flight *flight)
{
    static const int statuses[] = {201, 201, 201, 201, 200, 299, 302, 400, 401,
                                   404, 429, 451, 500, 503, 599, 700, 999};
    run *r = d->world;
    switch (below(r, 20)) {
    case 0:
        virtual_break(flight, true, TSMS_KIND_CONNECTION_FAILED, "connection reset");
        return;
    case 1:
        virtual_break(flight, false, TSMS_KIND_DNS_RESOLUTION_FAILED, "no such host");
        return;
    default:
        break;
    }
    int status = statuses[below(r, sizeof statuses / sizeof *statuses)];
    virtual_respond(flight, status, hostile_answer(r, status));
}

static void send_one(run *r, virtual_driver *d)
{
    char to[80];
    char from[80];
    tsms_message_options message = TSMS_MESSAGE_OPTIONS_INIT;
    message.to = tsms_str_from(address(r, to));
    message.body = tsms_str_from(below(r, 2) == 0 ? "hello" : "\xE4\xBD\xA0\xE5\xA5\xBD");
    if (below(r, 2) == 0) {
        message.from = tsms_str_from(address(r, from));
    } else if (below(r, 20) == 0) {
        snprintf(from, sizeof from, "MG%032llx", (unsigned long long)++r->made);
        message.messaging_service_sid = tsms_str_from(from);
    }
    uint64_t id;
    if (virtual_submit(d, &message, 0, &id, NULL) != TSMS_OK) {
        r->failed_at_once++;
        return;
    }
    virtual_run(d, 200);
    tsms_result *result = tsms_client_result(d->client);
    assert_non_null(result);
    r->ended++;
    if (tsms_result_error(result) == NULL) {
        r->succeeded++;
        /* A server may take a message and say in the same answer that it failed. */
        r->sent += !tsms__str_eq_z(tsms_result_field(result, 0, "status"), "failed");
    }
    tsms_result_free(result);
}

static void open_sender(run *r, virtual_driver *d, int number)
{
    char options[400];
    snprintf(options, sizeof options,
             "shared=%s from=+1555%07d metrics.numbers=%s rate.per_second=0 "
             "rate.per_number=0 in_doubt=stop breaker.failure_threshold=0 "
             "retry.rate_limit.attempts=1 retry.unavailable.attempts=1 retry.internal.attempts=1 "
             "retry.timeout.attempts=1 retry.connection.attempts=1",
             region_name(), number, number % 2 == 0 ? "masked" : "calling_code");
    virtual_open(d, &r->tm.mem, options);
    d->serve = serve;
    d->world = r;
    d->takes_ms = (int64_t)below(r, 200);
}

/* ---- Webhooks ------------------------------------------------------------------------------ */

static size_t add_field(char *form, size_t used, size_t size, const char *name, const char *value)
{
    used += (size_t)snprintf(form + used, size - used, "&%s=", name);
    for (; *value != '\0'; value++) {
        used += (size_t)snprintf(form + used, size - used, "%%%02X", (unsigned char)*value);
    }
    return used;
}

static void receive_one(run *r)
{
    char form[2048] = "AccountSid=" ACCOUNT;
    char some[80];
    size_t used = strlen(form);
    snprintf(some, sizeof some, "SM%032llx", (unsigned long long)++r->made);
    used = add_field(form, used, sizeof form, "MessageSid", some);
    used = add_field(form, used, sizeof form, "From", address(r, some));
    used = add_field(form, used, sizeof form, "To", address(r, some));
    if (below(r, 2) == 0) {
        used = add_field(form, used, sizeof form, "Body", nonsense(r, some));
        used = add_field(form, used, sizeof form, "NumSegments", below(r, 2) == 0 ? "1" : "9e9");
    } else {
        used = add_field(form, used, sizeof form, "MessageStatus",
                         below(r, 2) == 0 ? nonsense(r, some) : "delivered");
        used = add_field(form, used, sizeof form, "ErrorCode",
                         below(r, 2) == 0 ? nonsense(r, some) : "30003");
    }
    sent s;
    post(&s, URL, form);
    if (below(r, 4) == 0) {
        s.signature[0] = s.signature[0] == 'A' ? 'B' : 'A';
    }
    tsms_webhook_event *event = NULL;
    tsms_error err;
    if (tsms_webhook_read(r->webhook, &s.request, WALL_MS, &event, &err) != TSMS_OK) {
        tsms_webhook_count_refused(r->webhook, &err, WALL_MS);
        r->refused++;
        return;
    }
    tsms_str key = tsms_str_from(s.signature);
    tsms_webhook_answer answer = {.http_status = 204};
    for (int times = below(r, 10) == 0 ? 2 : 1; times > 0; times--) {
        bool fresh = tsms_webhook_claim(r->webhook, key, WALL_MS, &answer) == TSMS_SEEN_NEW;
        if (fresh) {
            tsms_webhook_finish(r->webhook, key, WALL_MS, &answer);
        }
        tsms_webhook_count(r->webhook, event, fresh ? TSMS_VERDICT_OK : TSMS_VERDICT_REPLAY,
                           WALL_MS);
        *(fresh ? &r->handled : &r->replayed) += 1;
    }
    tsms_webhook_event_free(event);
}

/* ---- What came of it ----------------------------------------------------------------------- */

/* What others say of a format: promtool, and the parsers of Prometheus' own Python client. Whoever
 * is not installed says nothing. */
static void check_by_others(tsms_str text, const char *parser)
{
    char path[] = "/tmp/hostile_labels.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.ptr, text.len), text.len);
    close(fd);
    char command[400];
    snprintf(command, sizeof command,
             "if python3 -c 'import prometheus_client' 2> /dev/null; then python3 -c \""
             "from prometheus_client.%s import text_string_to_metric_families as parse\n"
             "assert sum(len(one.samples) for one in parse(open('%s').read())) > 1000\"; fi",
             parser, path);
    assert_int_equal(system(command), 0);
    if (strcmp(parser, "parser") == 0) {
        snprintf(command, sizeof command,
                 "if command -v promtool > /dev/null; then promtool check metrics < %s; fi", path);
        assert_int_equal(system(command), 0);
    }
    unlink(path);
}

/* Every number is there, in one series or another. */
static void check_sums(const run *r, const char *text)
{
    size_t series;
    assert_int_equal(metric_total_with(text, "twilio_messages_total", "", &series), r->ended);
    assert_in_range(series, 100, SERIES_MOST);
    assert_int_equal(metric_total_with(text, "twilio_messages_sent_total", "", &series), r->sent);
    assert_in_range(series, 2, SERIES_MOST);
    assert_in_range(metric_total(text, "twilio_segments_total"), r->succeeded, 3 * r->succeeded);
    assert_int_equal(metric_total(text, "twilio_calls_total"), r->ended);
    assert_int_equal(metric_total(text, "twilio_send_latency_seconds_count"), r->ended);
    assert_int_equal(metric_total(text, "twilio_requests_total"), r->ended);
    assert_int_equal(metric_total(text, "twilio_errors_total"),
                     r->ended - r->succeeded + r->failed_at_once + r->refused);
    assert_int_equal(metric_total_with(text, "twilio_callbacks_total", "", &series),
                     r->handled + r->replayed + r->refused);
    assert_in_range(series, 5, SERIES_MOST);
    assert_int_equal(metric_total(text, "twilio_messages_received_total") +
                         metric_total(text, "twilio_delivery_status_total"),
                     r->handled);
    assert_int_equal(metric_total_with(text, "twilio_messages_total", "__overflow__", &series),
                     metric_total(text, "twilio_series_overflow_total"));
    assert_in_range(series, 1, 31);
}

static void check(run *r)
{
    tsms_str shown = tsms_webhook_metrics(r->webhook, TSMS_METRICS_PROMETHEUS);
    assert_in_range(shown.len, 10000, TEXT_MOST);
    check_by_others(shown, "parser");
    char *text = strndup(shown.ptr, shown.len);
    assert_non_null(text);
    size_t lines = 0;
    for (char *line = text; *line != '\0'; line = strchr(line, '\n') + 1, lines++) {
        if (*line != '#') {
            metric_labels_check(line);
        }
    }
    check_sums(r, text);
    print_message("%ld sends and webhooks: %zu lines, %zu bytes, %llu in overflow, %ld kB and "
                  "%ld more\n",
                  r->count, lines, shown.len,
                  (unsigned long long)metric_total(text, "twilio_series_overflow_total"),
                  r->first_kb, resident_kb() - r->first_kb);
    free(text);
    check_by_others(tsms_webhook_metrics(r->webhook, TSMS_METRICS_OPENMETRICS),
                    "openmetrics.parser");
}

static void test_hostile_labels(void **state)
{
    static virtual_driver d;
    const char *asked = getenv("HOSTILE_COUNT");
    run r = {.count = asked != NULL ? atol(asked) : COUNT_DEFAULT};
    assert_in_range(r.count, 10 * CLIENTS, 1000000000);
    tsms__rand_init(&r.rand, 17);
    test_mem_init(&r.tm, 0);
    tsms_webhook_options options = basic_options();
    options.mem = &r.tm.mem;
    options.shared = tsms_str_from(region_name());
    r.webhook = open_webhook(&options);
    size_t live = 0;
    for (int client = 0; client < CLIENTS; client++) {
        open_sender(&r, &d, client);
        for (long i = 0; i < r.count / CLIENTS; i++) {
            send_one(&r, &d);
            receive_one(&r);
        }
        virtual_close(&d);
        if (client == CLIENTS / 10) {
            r.first_kb = resident_kb();
            live = r.tm.live;
        }
    }
    long grown_kb = resident_kb() - r.first_kb;
    assert_true(grown_kb < GROWTH_MOST_KB || KEEPS_WHAT_IS_FREED);
    assert_int_equal(r.tm.live, live);
    assert_true(r.sent > 0 && r.failed_at_once > 0 && r.refused > 0 && r.replayed > 0);
    check(&r);
    tsms_webhook_free(r.webhook);
    assert_int_equal(r.tm.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_hostile_labels, forget_region)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
