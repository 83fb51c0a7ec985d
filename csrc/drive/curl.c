/* Performs the requests of a client with libcurl.
 *
 * libcurl sends a POST again by itself when a reused connection dies before the first byte of an
 * answer, and then reports success (measured with 7.88.1 over HTTP/1.1 and HTTP/2).
 * CURLOPT_PREREQFUNCTION is called before each sending: a second call is refused, and no call at
 * all is the only proof that nothing was sent. */
#include "curl.h"

#include "curl_global.h"
#include "fault.h"
#include "sockets.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RESPONSE_MOST_BYTES = 8 << 20, /* a full page of 1000 long messages is about half of it */
    IDLE_MOST_S = 30, /* an old idle connection may be closed by the peer just as we write to it */
    EVENTS = 64,
    SWEEP_MS = 500, /* how often to look for transfers that libcurl has lost */
};

typedef struct driver driver;

/* One easy handle and the transfer that it performs. */
typedef struct slot {
    driver *owner;
    CURL *easy;
    tsms__call *call;
    tsms_buf url;  /* the last one that was set */
    tsms_buf body; /* of the answer */
    tsms__method method;
    long timeout_ms;
    int64_t lost_ms; /* when libcurl must have ended it, monotonic */
    int sendings;    /* requests that were about to leave */
    int port;        /* local, of the connection */
    bool hung_up;    /* the connection had ended while it was idle; nothing was sent */
    bool fresh;      /* may not reuse a connection */
    bool too_large;
    char detail[CURL_ERROR_SIZE];
    struct slot *next;
} slot;

struct driver {
    tsms_client *client;
    CURLM *multi;
    struct curl_slist *headers;
    int epoll_fd;
    int64_t timer_ms; /* when libcurl wants to be called, monotonic; -1 for never */
    slot *slots;      /* all of them */
    slot **idle;      /* those without a call */
    size_t slot_count, idle_count;
    tsms__sockets sockets;
    int64_t swept_ms; /* when lost transfers were looked for last */
    tsms__now now;
};

static driver *driver_of(const tsms_client *client)
{
    return client->driver;
}

/* ---- What libcurl calls -------------------------------------------------------------------- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *owner, void *watched)
{
    (void)easy;
    driver *self = owner;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(self->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        curl_multi_assign(self->multi, fd, NULL);
        return 0;
    }
    struct epoll_event event = {.data = {.fd = fd}};
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    int change = watched != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(self->epoll_fd, change, fd, &event) != 0) {
        return -1;
    }
    curl_multi_assign(self->multi, fd, self);
    return 0;
}

static int on_timer(CURLM *multi, long wait_ms, void *owner)
{
    (void)multi;
    driver *self = owner;
    self->timer_ms = wait_ms < 0 ? -1 : self->now.mono_ms + wait_ms;
    return 0;
}

static int on_sending(void *owner, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
    (void)remote_ip;
    (void)local_ip;
    (void)remote_port;
    slot *self = owner;
    self->port = local_port;
    if (self->sendings == 0 &&
        tsms__sockets_hung_up(&self->owner->sockets, local_port, self->owner->now.mono_ms)) {
        self->hung_up = true;
        return CURL_PREREQFUNC_ABORT;
    }
    tsms__sockets_used(&self->owner->sockets, local_port, self->owner->now.mono_ms);
    self->sendings++;
    if (self->sendings > 1 && self->method != TSMS__GET) {
        tsms__client_count_prevented(self->owner->client);
        return CURL_PREREQFUNC_ABORT;
    }
    return CURL_PREREQFUNC_OK;
}

static curl_socket_t on_open(void *owner, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    driver *self = owner;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd >= 0) {
        tsms__sockets_add(&self->sockets, fd, self->now.mono_ms);
    }
    return fd;
}

static int on_close(void *owner, curl_socket_t fd)
{
    driver *self = owner;
    tsms__sockets_remove(&self->sockets, fd);
    return close(fd);
}

static size_t on_body(char *bytes, size_t one, size_t count, void *owner)
{
    (void)one;
    slot *self = owner;
    if (count > RESPONSE_MOST_BYTES - self->body.len) {
        self->too_large = true;
        return 0;
    }
    tsms__buf_add(&self->body, (tsms_str){bytes, count});
    return self->body.failed ? 0 : count;
}

/* ---- Easy handles -------------------------------------------------------------------------- */

/* What never changes between the requests of one client. False when memory ran out. */
static bool set_constants(driver *self, slot *s)
{
    const tsms_config *config = self->client->config;
    static const long versions[] = {
        [TSMS__HTTP_AUTO] = CURL_HTTP_VERSION_2TLS,
        [TSMS__HTTP_1_1] = CURL_HTTP_VERSION_1_1,
    };
    CURL *e = s->easy;
    bool ok = true;
#define SET(option, value) ok = ok && curl_easy_setopt(e, option, value) == CURLE_OK
    SET(CURLOPT_PROTOCOLS_STR, "https");
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    /* With a CApath, which Debian's libcurl has by default, libcurl's cache of the parsed CA store
     * is off and each new connection parses the whole bundle: 21.7 ms instead of 0.6 ms. */
    SET(CURLOPT_CAPATH, NULL);
    if (config->ca_file != NULL) {
        SET(CURLOPT_CAINFO, config->ca_file);
    }
    if (config->proxy != NULL) {
        SET(CURLOPT_PROXY, config->proxy);
    }
    SET(CURLOPT_HTTP_VERSION, versions[config->http_version]);
    SET(CURLOPT_PIPEWAIT, config->http_version == TSMS__HTTP_1_1 ? 0L : 1L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_MAXAGE_CONN, (long)IDLE_MOST_S);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_timeout_ms);
    SET(CURLOPT_USERAGENT, "twilio-sms/" TSMS_VERSION);
    SET(CURLOPT_HTTPHEADER, self->headers);
    SET(CURLOPT_PREREQFUNCTION, on_sending);
    SET(CURLOPT_PREREQDATA, s);
    SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
    SET(CURLOPT_OPENSOCKETDATA, self);
    SET(CURLOPT_CLOSESOCKETFUNCTION, on_close);
    SET(CURLOPT_CLOSESOCKETDATA, self);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, s);
    SET(CURLOPT_ERRORBUFFER, s->detail);
    SET(CURLOPT_PRIVATE, s);
#undef SET
    return ok;
}

static void slot_free(driver *self, slot *s)
{
    if (s->easy != NULL) {
        if (s->call != NULL) {
            curl_multi_remove_handle(self->multi, s->easy);
        }
        curl_easy_cleanup(s->easy);
    }
    tsms__buf_free(&s->url);
    tsms__buf_free(&s->body);
    tsms__free(&self->client->mem, s);
}

static slot *slot_get(driver *self)
{
    if (self->idle_count > 0) {
        return self->idle[--self->idle_count];
    }
    const tsms_mem *mem = &self->client->mem;
    slot **idle = tsms__resize(mem, self->idle, self->slot_count + 1, sizeof *idle);
    if (idle == NULL) {
        return NULL;
    }
    self->idle = idle;
    slot *s = tsms__calloc(mem, 1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->owner = self;
    s->timeout_ms = -1;
    s->method = TSMS__GET;
    tsms__buf_init(&s->url, mem);
    tsms__buf_init(&s->body, mem);
    s->easy = curl_easy_init();
    if (s->easy == NULL || !set_constants(self, s)) {
        slot_free(self, s);
        return NULL;
    }
    s->next = self->slots;
    self->slots = s;
    self->slot_count++;
    return s;
}

/* Sets the URL unless the handle has it already: nearly every send uses the same one, and libcurl
 * copies and parses it each time. */
static bool set_url(slot *s, const tsms_buf *origin, const tsms_buf *path)
{
    tsms_str last = tsms__buf_str(&s->url);
    if (last.len > origin->len &&
        tsms__str_eq((tsms_str){last.ptr + origin->len, last.len - origin->len},
                     tsms__buf_str(path))) {
        return true;
    }
    tsms__buf_clear(&s->url);
    tsms__buf_add(&s->url, tsms__buf_str(origin));
    tsms__buf_add(&s->url, tsms__buf_str(path));
    const char *url = tsms__buf_z(&s->url);
    if (url == NULL || curl_easy_setopt(s->easy, CURLOPT_URL, url) != CURLE_OK) {
        tsms__buf_clear(&s->url);
        return false;
    }
    return true;
}

static bool set_method(slot *s, tsms__method method)
{
    if (s->method == method) {
        return true;
    }
    /* First what needs memory, so that a failure leaves the handle as it was. */
    const char *custom = method == TSMS__DELETE ? "DELETE" : NULL;
    CURLoption verb = method == TSMS__POST ? CURLOPT_POST : CURLOPT_HTTPGET;
    if (curl_easy_setopt(s->easy, CURLOPT_CUSTOMREQUEST, custom) != CURLE_OK ||
        curl_easy_setopt(s->easy, verb, 1L) != CURLE_OK) {
        return false;
    }
    s->method = method;
    return true;
}

static void clear_answer(slot *s)
{
    tsms__buf_clear(&s->body);
    s->sendings = 0;
    s->hung_up = false;
    s->too_large = false;
    s->detail[0] = '\0';
}

static bool set_request(driver *self, slot *s, tsms__call *call)
{
    tsms__method method = tsms__client_method(call);
    long timeout_ms = (long)tsms__client_attempt_ms(self->client, call, self->now);
    bool ok = set_url(s, &self->client->origin, tsms__client_path(call)) && set_method(s, method);
    if (method == TSMS__POST) {
        ok = ok &&
             curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE, (long)call->form.len) == CURLE_OK &&
             curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS,
                              call->form.len > 0 ? call->form.ptr : "") == CURLE_OK;
    }
    if (ok && timeout_ms != s->timeout_ms) {
        ok = curl_easy_setopt(s->easy, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK;
        s->timeout_ms = timeout_ms;
    }
    if (ok && s->fresh) {
        ok = curl_easy_setopt(s->easy, CURLOPT_FRESH_CONNECT, 0L) == CURLE_OK;
        s->fresh = false;
    }
    clear_answer(s);
    s->lost_ms = self->now.mono_ms + timeout_ms + SWEEP_MS;
    s->call = call;
    return ok;
}

/* ---- Transfers ----------------------------------------------------------------------------- */

static tsms_str header_of(CURL *easy, const char *name)
{
    struct curl_header *header = NULL;
    if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK) {
        return (tsms_str){NULL, 0};
    }
    return tsms_str_from(header->value);
}

/* The connection had ended before anything was written to it: once more, over a new one. That is no
 * attempt, because the server has seen nothing of it. */
static bool start_again(driver *self, slot *s)
{
    curl_multi_remove_handle(self->multi, s->easy);
    if (curl_easy_setopt(s->easy, CURLOPT_FRESH_CONNECT, 1L) != CURLE_OK) {
        return false;
    }
    s->fresh = true;
    s->lost_ms = self->now.mono_ms + s->timeout_ms + SWEEP_MS;
    clear_answer(s);
    return curl_multi_add_handle(self->multi, s->easy) == CURLM_OK;
}

static void finish(driver *self, slot *s, CURLcode code)
{
    if (s->hung_up && !s->fresh && start_again(self, s)) {
        return;
    }
    if (s->sendings > 0) {
        tsms__sockets_used(&self->sockets, s->port, self->now.mono_ms);
    }
    tsms__call *call = s->call;
    tsms__transfer transfer = {.sent = s->sendings > 0};
    long status = 0;
    if (s->sendings > 0) {
        curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    }
    transfer.response = (tsms__response){
        .http_status = (int)status, .complete = code == CURLE_OK, .body = tsms__buf_str(&s->body)};
    if (status > 0) {
        transfer.response.date = header_of(s->easy, "Date");
        transfer.response.retry_after = header_of(s->easy, "Retry-After");
        transfer.response.request_id = header_of(s->easy, "Twilio-Request-Id");
    }
    char text[256];
    if (code != CURLE_OK) {
        transfer.fault = tsms__curl_fault(code, s->sendings, s->too_large, s->detail,
                                          self->client->config->ca_file, text, sizeof text);
        transfer.fault_text = tsms_str_from(text);
    }
    s->call = NULL;
    call->transfer = NULL;
    tsms__client_finish(self->client, call, &transfer, self->now);
    curl_multi_remove_handle(self->multi, s->easy);
    self->idle[self->idle_count++] = s;
}

/* A request that could not even be handed to libcurl. */
static void fail_start(driver *self, tsms__call *call)
{
    tsms__transfer transfer = {.fault = TSMS_KIND_TEMPORARILY_UNAVAILABLE,
                               .fault_text = TSMS__STR("out of memory")};
    tsms__client_finish(self->client, call, &transfer, self->now);
}

static void start(driver *self, tsms__call *call)
{
    slot *s = slot_get(self);
    if (s == NULL) {
        fail_start(self, call);
        return;
    }
    if (!set_request(self, s, call) || curl_multi_add_handle(self->multi, s->easy) != CURLM_OK) {
        s->call = NULL;
        self->idle[self->idle_count++] = s;
        fail_start(self, call);
        return;
    }
    call->transfer = s;
}

static void start_all(driver *self)
{
    tsms__call *call;
    while ((call = tsms__client_next(self->client, self->now)) != NULL) {
        start(self, call);
    }
}

static void collect(driver *self)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(self->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            slot *s = NULL;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)(void *)&s);
            finish(self, s, message->data.result);
        }
    }
}

static void run_timer(driver *self)
{
    int running;
    if (self->timer_ms >= 0 && self->timer_ms <= self->now.mono_ms) {
        self->timer_ms = -1;
        curl_multi_socket_action(self->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
}

/* When memory runs out inside of it, libcurl 7.88 may forget a transfer, its timeout included.
 * Every call ends all the same. */
static void sweep(driver *self)
{
    if (self->now.mono_ms - self->swept_ms < SWEEP_MS) {
        return;
    }
    self->swept_ms = self->now.mono_ms;
    for (slot *s = self->slots; s != NULL; s = s->next) {
        if (s->call != NULL && self->now.mono_ms > s->lost_ms) {
            finish(self, s, CURLE_OPERATION_TIMEDOUT);
        }
    }
}

/* Everything that needs no waiting: transfers that may start, libcurl's timer, transfers that
 * ended. */
static void turn(driver *self)
{
    self->now = tsms__clock_now();
    start_all(self);
    run_timer(self);
    collect(self);
    sweep(self);
}

/* False when a signal ended the wait: the host's handler, such as Lua's for Ctrl-C, may want to
 * run. */
static bool wait_for_network(driver *self, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(self->epoll_fd, events, EVENTS, timeout_ms);
    if (count > 0) {
        self->now = tsms__clock_now();
    }
    for (int i = 0; i < count; i++) {
        int running;
        int what = (events[i].events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
                   (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (events[i].events & EPOLLERR ? CURL_CSELECT_ERR : 0);
        curl_multi_socket_action(self->multi, events[i].data.fd, what, &running);
    }
    if (count > 0) {
        collect(self);
    }
    return count >= 0;
}

int tsms__curl_timeout_ms(tsms_client *client)
{
    driver *self = driver_of(client);
    int64_t due_ms = tsms__client_due_ms(client, self->now);
    if (self->timer_ms >= 0 && self->timer_ms < due_ms) {
        due_ms = self->timer_ms;
    }
    if (client->wire.count > 0 && due_ms > self->now.mono_ms + SWEEP_MS) {
        due_ms = self->now.mono_ms + SWEEP_MS;
    }
    if (due_ms == INT64_MAX) {
        return -1;
    }
    int64_t wait_ms = due_ms - tsms__clock_now().mono_ms;
    return wait_ms < 0 ? 0 : wait_ms > INT32_MAX ? INT32_MAX : (int)wait_ms;
}

/* How long the next wait for the network may be; -1 when nothing could ever end it. */
static int next_wait_ms(driver *self, int64_t until_ms)
{
    int own_ms = tsms__curl_timeout_ms(self->client);
    if (until_ms == INT64_MAX) {
        return own_ms;
    }
    int64_t left_ms = until_ms - self->now.mono_ms;
    left_ms = left_ms > 0 ? left_ms : 0;
    return own_ms < 0 || own_ms > left_ms ? (int)left_ms : own_ms;
}

void tsms__curl_step(tsms_client *client, int timeout_ms, size_t known_news)
{
    driver *self = driver_of(client);
    int64_t until_ms = timeout_ms < 0 ? INT64_MAX : tsms__clock_now().mono_ms + timeout_ms;
    do {
        turn(self);
        bool news = tsms__client_news(client) > known_news;
        int wait_ms = news ? 0 : next_wait_ms(self, until_ms);
        if (wait_ms < 0 || !wait_for_network(self, wait_ms)) {
            return;
        }
    } while (tsms__client_news(client) <= known_news && tsms__clock_now().mono_ms < until_ms);
}

int tsms__curl_fd(const tsms_client *client)
{
    return driver_of(client)->epoll_fd;
}

/* ---- Life cycle ---------------------------------------------------------------------------- */

static bool add_header(struct curl_slist **list, const char *text)
{
    struct curl_slist *longer = text != NULL ? curl_slist_append(*list, text) : NULL;
    if (longer != NULL) {
        *list = longer;
    }
    return longer != NULL;
}

/* Pre-emptive Basic authentication: waiting for a challenge would send every request twice. */
static bool make_headers(driver *self)
{
    const tsms_config *config = self->client->config;
    bool key = config->api_key != NULL && config->api_secret != NULL;
    tsms_str password = tsms__secret_text(key ? config->api_secret : config->auth_token);
    tsms_buf pair;
    tsms_buf header;
    tsms__buf_init(&pair, &self->client->mem);
    tsms__buf_init(&header, &self->client->mem);
    /* Room for all of it at once, so that no growing buffer leaves a copy behind. */
    bool ok = tsms__buf_reserve(&pair, 64 + password.len) &&
              tsms__buf_reserve(&header, 192 + 2 * password.len);
    tsms__buf_add_z(&pair, key ? config->api_key : config->account_sid);
    tsms__buf_add_char(&pair, ':');
    tsms__buf_add(&pair, password);
    tsms__buf_add_z(&header, "Authorization: Basic ");
    tsms__buf_add_base64(&header, tsms__buf_str(&pair));
    ok = ok && add_header(&self->headers, tsms__buf_z(&header)) &&
         add_header(&self->headers, "Accept: application/json") &&
         add_header(&self->headers, "Expect:");
    tsms__wipe(pair.ptr, pair.cap);
    tsms__wipe(header.ptr, header.cap);
    tsms__buf_free(&pair);
    tsms__buf_free(&header);
    return ok;
}

static void driver_free(void *state)
{
    driver *self = state;
    const tsms_mem *mem = &self->client->mem;
    while (self->slots != NULL) {
        slot *s = self->slots;
        self->slots = s->next;
        slot_free(self, s);
    }
    tsms__free(mem, self->idle);
    if (self->multi != NULL) {
        curl_multi_cleanup(self->multi);
    }
    tsms__sockets_free(&self->sockets);
    curl_slist_free_all(self->headers);
    if (self->epoll_fd >= 0) {
        close(self->epoll_fd);
    }
    tsms__free(mem, self);
}

static bool make_multi(driver *self)
{
    self->multi = curl_multi_init();
    if (self->multi == NULL) {
        return false;
    }
    /* A pool as large as the concurrency, so that as many as asked for are really in flight. */
    long most = (long)self->client->config->max_concurrency;
    return curl_multi_setopt(self->multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
           curl_multi_setopt(self->multi, CURLMOPT_SOCKETDATA, self) == CURLM_OK &&
           curl_multi_setopt(self->multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
           curl_multi_setopt(self->multi, CURLMOPT_TIMERDATA, self) == CURLM_OK &&
           curl_multi_setopt(self->multi, CURLMOPT_MAXCONNECTS, most) == CURLM_OK;
}

tsms_status tsms__curl_attach(tsms_client *client, tsms_error *err)
{
    if (!tsms__curl_global_init()) {
        return tsms__error_set(err, TSMS_KIND_TEMPORARILY_UNAVAILABLE,
                               "libcurl cannot be initialised");
    }
    driver *self = tsms__calloc(&client->mem, 1, sizeof *self);
    if (self == NULL) {
        return tsms__error_nomem(err);
    }
    self->client = client;
    self->timer_ms = -1;
    tsms__sockets_init(&self->sockets, &client->mem);
    self->now = tsms__clock_now();
    self->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    client->driver = self;
    client->driver_free = driver_free;
    if (self->epoll_fd < 0) {
        return tsms__error_set(err, TSMS_KIND_TEMPORARILY_UNAVAILABLE,
                               "no file descriptor is left for epoll");
    }
    if (!make_headers(self) || !make_multi(self)) {
        return tsms__error_nomem(err);
    }
    return TSMS_OK;
}
