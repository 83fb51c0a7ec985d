/* Asks one location of an HTTP/1.1 server over connections that stay open, spread evenly over the
 * processes behind the port, and prints how long the answers took.
 *
 *     http_load --port N --path PATH [--concurrency N] [--count N] [--seconds N] [--rate N]
 *               [--warmup N] [--delay N] [--who PATH --processes N]
 *
 * It asks --count times, or until --seconds are over, whichever comes first; and begins --delay
 * seconds after its connections are open.
 *
 * Without --rate it is a closed loop: each connection asks anew as soon as it is answered. With it
 * requests are due at a fixed rate, whatever the server does, and the time of each counts from the
 * moment at which it was due, so that a server that stands still is not forgiven the requests that
 * could not be sent meanwhile. They go round the connections in turn; one whose connection is busy
 * waits for that connection.
 *
 * --who is a location that answers with the id of its process: connections are opened until each
 * of the processes has its share of them. An answer other than 2xx is counted in `errors`. */
#define _GNU_SOURCE /* clock_gettime, strcasestr */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { REPLY_MOST = 16384, PROCESSES_MOST = 16, TRIES_MOST = 64 };

static const unsigned NONE = (unsigned)-1;

static void fail(const char *what)
{
    fprintf(stderr, "http_load: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void must(bool ok, const char *what)
{
    if (!ok) {
        fail(what);
    }
}

typedef struct connection {
    int fd;
    bool busy;
    double since_s; /* when the request that is under way was due, or sent */
    unsigned request;
    unsigned first_due, last_due; /* a list through loader.next_due: due, but not sent yet */
    size_t len;
    char reply[REPLY_MOST];
} connection;

typedef struct loader {
    unsigned port, concurrency, count, warmup, processes, delay_s;
    double rate, seconds;
    const char *path, *who;
    int epoll_fd, timer_fd;
    connection *connections;
    unsigned started, finished, errors;
    double start_s, end_s;
    double *latencies_s;
    unsigned *next_due;
    char request[512];
} loader;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- Connections ---- */

static int open_connection(const loader *l)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)l->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    must(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void format_request(char *out, size_t size, const char *path)
{
    snprintf(out, size, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
}

static void send_all(int fd, const char *text)
{
    size_t len = strlen(text);
    must(send(fd, text, len, MSG_NOSIGNAL) == (ssize_t)len, "send");
}

/* How long the answer at the start of the bytes is; 0 when it is not there yet. */
static size_t answer_len(const connection *c)
{
    const char *end = memmem(c->reply, c->len, "\r\n\r\n", 4);
    if (end == NULL) {
        return 0;
    }
    const char *header = strcasestr(c->reply, "\r\nContent-Length:");
    must(header != NULL && header < end, "an answer without Content-Length");
    size_t all = (size_t)(end - c->reply) + 4 + strtoul(header + 17, NULL, 10);
    must(all < REPLY_MOST, "a long answer");
    return c->len >= all ? all : 0;
}

/* Reads what is there; returns whether the answer is complete. */
static bool read_answer(connection *c)
{
    ssize_t got = recv(c->fd, c->reply + c->len, REPLY_MOST - 1 - c->len, 0);
    must(got > 0, "the server closed a connection");
    c->len += (size_t)got;
    c->reply[c->len] = '\0';
    return answer_len(c) != 0;
}

static long ask_who(const loader *l, connection *c)
{
    char request[512];
    format_request(request, sizeof request, l->who);
    send_all(c->fd, request);
    c->len = 0;
    while (!read_answer(c)) {
    }
    const char *body = strstr(c->reply, "\r\n\r\n") + 4;
    return strtol(body, NULL, 10);
}

/* Opens connections until each process has as many as it is to have. */
static void open_evenly(loader *l)
{
    long pids[PROCESSES_MOST] = {0};
    unsigned has[PROCESSES_MOST] = {0};
    unsigned share = (l->concurrency + l->processes - 1) / l->processes;
    unsigned opened = 0;
    for (unsigned tries = 0; opened < l->concurrency; tries++) {
        if (tries == l->concurrency * TRIES_MOST) {
            fprintf(stderr, "http_load: some process takes no connections\n");
            exit(EXIT_FAILURE);
        }
        connection *c = &l->connections[opened];
        c->fd = open_connection(l);
        unsigned i = 0;
        if (l->who != NULL) {
            long pid = ask_who(l, c);
            while (i < l->processes && pids[i] != 0 && pids[i] != pid) {
                i++;
            }
            if (i == l->processes || has[i] == share) {
                close(c->fd);
                continue;
            }
            pids[i] = pid;
        }
        has[i]++;
        opened++;
    }
}

/* ---- Requests ---- */

static void start(loader *l, connection *c, unsigned request, double since_s)
{
    c->busy = true;
    c->len = 0;
    c->since_s = since_s;
    c->request = request;
    send_all(c->fd, l->request);
}

static double due_s(const loader *l, unsigned request)
{
    return l->start_s + request / l->rate;
}

/* Sends what is due by now, or lets it wait for its connection. */
static void start_due(loader *l)
{
    double now = now_s();
    while (l->started < l->count && due_s(l, l->started) <= now) {
        unsigned request = l->started++;
        connection *c = &l->connections[request % l->concurrency];
        if (!c->busy) {
            start(l, c, request, due_s(l, request));
            continue;
        }
        l->next_due[request] = NONE;
        if (c->first_due == NONE) {
            c->first_due = request;
        } else {
            l->next_due[c->last_due] = request;
        }
        c->last_due = request;
    }
    if (l->started < l->count) {
        double at = due_s(l, l->started);
        struct itimerspec when = {.it_value.tv_sec = (time_t)at};
        when.it_value.tv_nsec = (long)((at - (double)when.it_value.tv_sec) * 1e9);
        must(timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0, "timerfd_settime");
    }
}

static void finish(loader *l, connection *c)
{
    double now = now_s();
    l->latencies_s[c->request] = now - c->since_s;
    l->finished++;
    if (now >= l->end_s && l->count > l->started) {
        l->count = l->started;
    }
    if (c->len < 10 || c->reply[9] != '2') {
        if (l->errors++ == 0) {
            fprintf(stderr, "http_load: the first error: %.400s\n", c->reply);
        }
    }
    c->busy = false;
    if (l->rate <= 0 && l->started < l->count) {
        start(l, c, l->started++, now);
    } else if (l->rate > 0 && c->first_due != NONE) {
        unsigned request = c->first_due;
        c->first_due = l->next_due[request];
        start(l, c, request, due_s(l, request));
    }
}

/* Asks `count` times. */
static void run(loader *l, unsigned count)
{
    struct epoll_event events[64];
    l->count = count;
    l->started = l->finished = l->errors = 0;
    l->start_s = now_s();
    l->end_s = l->seconds > 0 ? l->start_s + l->seconds : HUGE_VAL;
    if (l->rate > 0) {
        start_due(l);
    }
    for (unsigned i = 0; l->rate <= 0 && i < l->concurrency && l->started < count; i++) {
        start(l, &l->connections[i], l->started++, now_s());
    }
    while (l->finished < l->count) {
        int ready = epoll_wait(l->epoll_fd, events, 64, -1);
        for (int i = 0; i < ready; i++) {
            connection *c = events[i].data.ptr;
            if (c == NULL) {
                uint64_t times;
                must(read(l->timer_fd, &times, sizeof times) > 0 || errno == EAGAIN, "read");
                start_due(l);
            } else if (read_answer(c)) {
                finish(l, c);
            }
        }
    }
}

static void watch(loader *l)
{
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    must(l->epoll_fd >= 0 && l->timer_fd >= 0, "epoll");
    struct epoll_event event = {.events = EPOLLIN};
    must(epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->timer_fd, &event) == 0, "epoll_ctl");
    for (unsigned i = 0; i < l->concurrency; i++) {
        l->connections[i].first_due = NONE;
        event.data.ptr = &l->connections[i];
        must(epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->connections[i].fd, &event) == 0, "epoll_ctl");
    }
}

/* ---- The program ---- */

static void usage(void)
{
    fprintf(stderr,
            "usage: http_load --port N --path PATH [--concurrency N] [--count N] "
            "[--seconds N] [--rate N] [--warmup N] [--delay N] [--who PATH --processes N]\n");
    exit(2);
}

static loader parse(int argc, char **argv)
{
    loader l = {.concurrency = 50, .count = 10000, .processes = 1};
    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i];
        const char *value = argv[i + 1];
        unsigned number = value != NULL ? (unsigned)strtoul(value, NULL, 10) : 0;
        if (value == NULL) {
            usage();
        } else if (strcmp(name, "--port") == 0) {
            l.port = number;
        } else if (strcmp(name, "--path") == 0) {
            l.path = value;
        } else if (strcmp(name, "--concurrency") == 0) {
            l.concurrency = number;
        } else if (strcmp(name, "--count") == 0) {
            l.count = number;
        } else if (strcmp(name, "--seconds") == 0) {
            l.seconds = number;
        } else if (strcmp(name, "--delay") == 0) {
            l.delay_s = number;
        } else if (strcmp(name, "--rate") == 0) {
            l.rate = number;
        } else if (strcmp(name, "--warmup") == 0) {
            l.warmup = number;
        } else if (strcmp(name, "--who") == 0) {
            l.who = value;
        } else if (strcmp(name, "--processes") == 0) {
            l.processes = number;
        } else {
            usage();
        }
    }
    if (l.port == 0 || l.path == NULL || l.concurrency == 0 || l.count == 0 || l.processes == 0 ||
        l.processes > PROCESSES_MOST) {
        usage();
    }
    return l;
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

/* The nearest rank. */
static double percentile_ms(const double *sorted_s, unsigned count, unsigned percent)
{
    unsigned long rank = ((unsigned long)count * percent + 99) / 100;
    return sorted_s[rank - 1] * 1000;
}

int main(int argc, char **argv)
{
    loader l = parse(argc, argv);
    unsigned count = l.count;
    unsigned most = count > l.warmup ? count : l.warmup;
    format_request(l.request, sizeof l.request, l.path);
    l.connections = calloc(l.concurrency, sizeof *l.connections);
    l.latencies_s = calloc(most, sizeof *l.latencies_s);
    l.next_due = calloc(most, sizeof *l.next_due);
    must(l.connections != NULL && l.latencies_s != NULL && l.next_due != NULL, "out of memory");
    open_evenly(&l);
    watch(&l);
    sleep(l.delay_s);
    if (l.warmup > 0) {
        run(&l, l.warmup);
    }
    run(&l, count);
    count = l.count;
    double wall_s = now_s() - l.start_s;
    qsort(l.latencies_s, count, sizeof *l.latencies_s, by_value);
    printf("program=http_load path=%s concurrency=%u requests=%u errors=%u wall_s=%.6f per_s=%.1f "
           "p50_ms=%.3f p90_ms=%.3f p99_ms=%.3f max_ms=%.3f\n",
           l.path, l.concurrency, count, l.errors, wall_s, count / wall_s,
           percentile_ms(l.latencies_s, count, 50), percentile_ms(l.latencies_s, count, 90),
           percentile_ms(l.latencies_s, count, 99), percentile_ms(l.latencies_s, count, 100));
    for (unsigned i = 0; i < l.concurrency; i++) {
        close(l.connections[i].fd);
    }
    close(l.epoll_fd);
    close(l.timer_fd);
    free(l.connections);
    free(l.latencies_s);
    free(l.next_due);
    return 0;
}
