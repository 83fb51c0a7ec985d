/* The yardstick: what a competent author writes over a libcurl multi handle to send many messages,
 * with nothing around it. epoll and curl_multi_socket_action; handles and connections are reused;
 * each form is encoded anew, each answer parsed, `sid` and `status` read. */
#define _GNU_SOURCE /* clock_gettime */
#include "bench.h"

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <sys/epoll.h>
#include <unistd.h>

typedef struct slot {
    CURL *easy;
    char form[512];
    size_t reply_len;
    char reply[8192];
} slot;

typedef struct sender {
    const bench *options;
    CURLM *multi;
    int epoll_fd;
    double timer_s; /* when libcurl wants to be called; below 0 for never */
    struct curl_slist *headers;
    slot *slots;
    unsigned started, finished, until; /* sends */
} sender;

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "bare_multi: %s\n", what);
        exit(EXIT_FAILURE);
    }
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *watched)
{
    sender *s = arg;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        curl_multi_assign(s->multi, fd, NULL);
        return 0;
    }
    struct epoll_event event = {.data.fd = fd};
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    must(epoll_ctl(s->epoll_fd, watched != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) == 0,
         "epoll_ctl failed");
    curl_multi_assign(s->multi, fd, s);
    return 0;
}

static int on_timer(CURLM *multi, long wait_ms, void *arg)
{
    (void)multi;
    ((sender *)arg)->timer_s = wait_ms < 0 ? -1 : bench_wall_s() + (double)wait_ms / 1000;
    return 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    slot *at = arg;
    size_t len = size * count;
    if (len > sizeof at->reply - at->reply_len) {
        return 0;
    }
    memcpy(at->reply + at->reply_len, data, len);
    at->reply_len += len;
    return len;
}

/* application/x-www-form-urlencoded; returns the end. */
static char *encode(char *out, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '-' || c == '.' || c == '_' || c == '*') {
            *out++ = (char)c;
        } else if (c == ' ') {
            *out++ = '+';
        } else {
            *out++ = '%';
            *out++ = hex[c >> 4];
            *out++ = hex[c & 15];
        }
    }
    return out;
}

static char *append(char *out, const char *text)
{
    size_t len = strlen(text);
    memcpy(out, text, len);
    return out + len;
}

static void start(sender *s, slot *at)
{
    char to[16], body[96];
    bench_message(s->started++, to, body);
    char *end = encode(append(at->form, "To="), to);
    end = encode(append(end, "&From="), BENCH_FROM);
    end = encode(append(end, "&Body="), body);
    at->reply_len = 0;
    curl_easy_setopt(at->easy, CURLOPT_POSTFIELDSIZE, (long)(end - at->form));
    curl_easy_setopt(at->easy, CURLOPT_POSTFIELDS, at->form);
    must(curl_multi_add_handle(s->multi, at->easy) == CURLM_OK, "curl_multi_add_handle failed");
}

static bool is_accepted(const slot *at)
{
    long status = 0;
    curl_easy_getinfo(at->easy, CURLINFO_RESPONSE_CODE, &status);
    cJSON *message = status == 201 ? cJSON_ParseWithLength(at->reply, at->reply_len) : NULL;
    const char *sid = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(message, "sid"));
    const char *state = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(message, "status"));
    bool ok = sid != NULL && strlen(sid) == 34 && state != NULL && strcmp(state, "queued") == 0;
    cJSON_Delete(message);
    return ok;
}

static void collect(sender *s)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(s->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        CURLcode code = message->data.result;
        CURL *easy = message->easy_handle;
        slot *at = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&at);
        curl_multi_remove_handle(s->multi, easy);
        must(code == CURLE_OK, curl_easy_strerror(code));
        must(is_accepted(at), "the server accepted no message");
        s->finished++;
        if (s->started < s->until) {
            start(s, at);
        }
    }
}

static void run(sender *s, unsigned count)
{
    int running;
    s->until = s->started + count;
    for (unsigned i = 0; i < s->options->concurrency && s->started < s->until; i++) {
        start(s, &s->slots[i]);
    }
    while (s->finished < s->until) {
        int wait_ms = -1;
        if (s->timer_s >= 0) {
            double left_s = s->timer_s - bench_wall_s();
            wait_ms = left_s > 0 ? (int)(left_s * 1000) + 1 : 0;
        }
        struct epoll_event events[64];
        int count_ready = epoll_wait(s->epoll_fd, events, 64, wait_ms);
        for (int i = 0; i < count_ready; i++) {
            int what = (events[i].events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
                       (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                       (events[i].events & EPOLLERR ? CURL_CSELECT_ERR : 0);
            curl_multi_socket_action(s->multi, events[i].data.fd, what, &running);
        }
        if (s->timer_s >= 0 && s->timer_s <= bench_wall_s()) {
            s->timer_s = -1;
            curl_multi_socket_action(s->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        }
        collect(s);
    }
}

static void open_slot(sender *s, slot *at, const char *url)
{
    at->easy = curl_easy_init();
    must(at->easy != NULL, "curl_easy_init failed");
    bool http2 = strcmp(s->options->http, "auto") == 0;
    curl_easy_setopt(at->easy, CURLOPT_PRIVATE, at);
    curl_easy_setopt(at->easy, CURLOPT_URL, url);
    curl_easy_setopt(at->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(at->easy, CURLOPT_HTTPHEADER, s->headers);
    curl_easy_setopt(at->easy, CURLOPT_USERPWD, BENCH_ACCOUNT ":" BENCH_TOKEN);
    curl_easy_setopt(at->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    curl_easy_setopt(at->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(at->easy, CURLOPT_WRITEDATA, at);
    curl_easy_setopt(at->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(at->easy, CURLOPT_TIMEOUT_MS, 30000L);
    curl_easy_setopt(at->easy, CURLOPT_CAINFO, s->options->ca_file);
    curl_easy_setopt(at->easy, CURLOPT_HTTP_VERSION,
                     (long)(http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(at->easy, CURLOPT_PIPEWAIT, http2 ? 1L : 0L);
    /* With a CApath, which Debian's libcurl has by default, each new connection parses the whole
     * CA file again. */
    if (!s->options->default_capath) {
        curl_easy_setopt(at->easy, CURLOPT_CAPATH, NULL);
    }
}

int main(int argc, char **argv)
{
    bench options = bench_parse(argc, argv);
    char url[256];
    snprintf(url, sizeof url, "%s/2010-04-01/Accounts/%s/Messages.json", options.base_url,
             BENCH_ACCOUNT);
    must(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK, "curl_global_init failed");
    sender s = {.options = &options, .timer_s = -1};
    s.multi = curl_multi_init();
    s.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s.headers = curl_slist_append(curl_slist_append(NULL, "Accept: application/json"), "Expect:");
    s.slots = calloc(options.concurrency, sizeof *s.slots);
    must(s.multi != NULL && s.epoll_fd >= 0 && s.headers != NULL && s.slots != NULL,
         "set-up failed");
    curl_multi_setopt(s.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(s.multi, CURLMOPT_SOCKETDATA, &s);
    curl_multi_setopt(s.multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(s.multi, CURLMOPT_TIMERDATA, &s);
    curl_multi_setopt(s.multi, CURLMOPT_MAXCONNECTS, (long)options.concurrency);
    for (unsigned i = 0; i < options.concurrency; i++) {
        open_slot(&s, &s.slots[i], url);
    }

    run(&s, options.warmup);
    bench_start(&options);
    run(&s, options.count);
    bench_stop(&options);

    for (unsigned i = 0; i < options.concurrency; i++) {
        curl_easy_cleanup(s.slots[i].easy);
    }
    curl_multi_cleanup(s.multi);
    curl_slist_free_all(s.headers);
    close(s.epoll_fd);
    free(s.slots);
    curl_global_cleanup();
    bench_report(&options, "bare_multi");
    return EXIT_SUCCESS;
}
