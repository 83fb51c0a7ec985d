/* Performs the requests of a client with libcurl, many at once: the multi handle and its loop. */
#include "curl.h"

#include "curl_epoll.h"
#include "curl_global.h"
#include "curl_handle.h"

enum { SWEEP_MS = 500 }; /* how often to look for transfers that libcurl has lost */

typedef struct driver {
    tsms_client *client;
    tsms__curl_common common;
    tsms__curl_epoll epoll;
    tsms__curl_handle *handles; /* all of them */
    tsms__curl_handle **idle;   /* those without a call */
    size_t handle_count, idle_count;
    int64_t swept_ms; /* when lost transfers were looked for last */
} driver;

static driver *driver_of(const tsms_client *client)
{
    return client->driver;
}

/* ---- Transfers ----------------------------------------------------------------------------- */

static tsms__curl_handle *handle_get(driver *self)
{
    if (self->idle_count > 0) {
        return self->idle[--self->idle_count];
    }
    tsms__curl_handle **idle =
        tsms__resize(&self->client->mem, self->idle, self->handle_count + 1, sizeof *idle);
    if (idle == NULL) {
        return NULL;
    }
    self->idle = idle;
    tsms__curl_handle *handle = tsms__curl_handle_new(&self->common);
    if (handle != NULL) {
        handle->next = self->handles;
        self->handles = handle;
        self->handle_count++;
    }
    return handle;
}

/* Hands a request to libcurl. False when it takes none. */
static bool add(driver *self, tsms__curl_handle *handle)
{
    handle->lost_ms = self->common.now.mono_ms + handle->timeout_ms + SWEEP_MS;
    return curl_multi_add_handle(self->epoll.multi, handle->easy) == CURLM_OK;
}

/* The connection had ended before anything was written to it: once more, over a new one. That is no
 * attempt, because the server has seen nothing of it. */
static bool start_again(driver *self, tsms__curl_handle *handle)
{
    curl_multi_remove_handle(self->epoll.multi, handle->easy);
    return tsms__curl_handle_refresh(handle) && add(self, handle);
}

static void finish(driver *self, tsms__curl_handle *handle, CURLcode code)
{
    if (handle->hung_up && !handle->fresh && start_again(self, handle)) {
        return;
    }
    char text[256];
    tsms__transfer transfer;
    tsms__curl_handle_read(handle, code, &transfer, text, sizeof text);
    tsms__call *call = handle->call;
    handle->call = NULL;
    tsms__client_finish(self->client, call, &transfer, self->common.now);
    curl_multi_remove_handle(self->epoll.multi, handle->easy);
    self->idle[self->idle_count++] = handle;
}

/* A request that could not even be handed to libcurl. */
static void fail_start(driver *self, tsms__call *call)
{
    tsms__transfer transfer = {.fault = TSMS_KIND_TEMPORARILY_UNAVAILABLE,
                               .fault_text = TSMS__STR("out of memory")};
    tsms__client_finish(self->client, call, &transfer, self->common.now);
}

static void start(driver *self, tsms__call *call)
{
    tsms__curl_handle *handle = handle_get(self);
    if (handle == NULL) {
        fail_start(self, call);
    } else if (!tsms__curl_handle_set(handle, call) || !add(self, handle)) {
        handle->call = NULL;
        self->idle[self->idle_count++] = handle;
        fail_start(self, call);
    }
}

static void start_all(driver *self)
{
    tsms__call *call;
    while ((call = tsms__client_next(self->client, self->common.now)) != NULL) {
        start(self, call);
    }
}

static void collect(driver *self)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(self->epoll.multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            tsms__curl_handle *handle = NULL;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)(void *)&handle);
            finish(self, handle, message->data.result);
        }
    }
}

/* When memory runs out inside of it, libcurl 7.88 may forget a transfer, its timeout included.
 * Every call ends all the same. */
static void sweep(driver *self)
{
    if (self->common.now.mono_ms - self->swept_ms < SWEEP_MS) {
        return;
    }
    self->swept_ms = self->common.now.mono_ms;
    for (tsms__curl_handle *h = self->handles; h != NULL; h = h->next) {
        if (h->call != NULL && self->common.now.mono_ms > h->lost_ms) {
            finish(self, h, CURLE_OPERATION_TIMEDOUT);
        }
    }
}

/* Everything that needs no waiting: transfers that may start, libcurl's timer, transfers that
 * ended. */
static void turn(driver *self)
{
    self->common.now = tsms__clock_now();
    start_all(self);
    tsms__curl_epoll_run_timer(&self->epoll);
    collect(self);
    sweep(self);
}

int tsms__curl_timeout_ms(tsms_client *client)
{
    driver *self = driver_of(client);
    int64_t due_ms = tsms__client_due_ms(client, self->common.now);
    if (self->epoll.timer_ms >= 0 && self->epoll.timer_ms < due_ms) {
        due_ms = self->epoll.timer_ms;
    }
    if (client->wire.count > 0 && due_ms > self->common.now.mono_ms + SWEEP_MS) {
        due_ms = self->common.now.mono_ms + SWEEP_MS;
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
    int64_t left_ms = until_ms - self->common.now.mono_ms;
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
        if (wait_ms < 0) {
            return;
        }
        /* A signal ends the step: the host's handler, such as Lua's for Ctrl-C, may want to run. */
        bool go_on = tsms__curl_epoll_wait(&self->epoll, wait_ms);
        collect(self);
        if (!go_on) {
            return;
        }
    } while (tsms__client_news(client) <= known_news && tsms__clock_now().mono_ms < until_ms);
}

void tsms__curl_start(tsms_client *client)
{
    turn(driver_of(client));
}

int tsms__curl_fd(const tsms_client *client)
{
    return driver_of(client)->epoll.fd;
}

/* ---- Life cycle ---------------------------------------------------------------------------- */

static void driver_free(void *state)
{
    driver *self = state;
    const tsms_mem *mem = &self->client->mem;
    while (self->handles != NULL) {
        tsms__curl_handle *handle = self->handles;
        self->handles = handle->next;
        curl_multi_remove_handle(self->epoll.multi, handle->easy);
        tsms__curl_handle_free(handle);
    }
    tsms__free(mem, self->idle);
    tsms__curl_epoll_close(&self->epoll);
    tsms__curl_common_free(&self->common);
    tsms__free(mem, self);
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
    client->driver = self;
    client->driver_free = driver_free;
    bool ready = tsms__curl_common_init(&self->common, client);
    /* A pool as large as the concurrency, so that as many as asked for are really in flight. */
    long most = (long)client->config->max_concurrency;
    tsms_status status = tsms__curl_epoll_open(&self->epoll, &self->common.now, most, err);
    return status == TSMS_OK && !ready ? tsms__error_nomem(err) : status;
}
