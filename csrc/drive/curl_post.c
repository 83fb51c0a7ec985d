/* Performs requests to any URL with libcurl: the multi handle and its loop. */
#include "curl_post.h"

#include "curl_epoll.h"
#include "curl_global.h"
#include "curl_post_handle.h"

#include <sys/epoll.h>

enum { POOL = 128 }; /* connections that are kept */

typedef struct list {
    tsms__post_handle *first, *last;
} list;

struct tsms__poster {
    tsms_mem mem;
    tsms__curl_epoll epoll;
    tsms__now now;
    int64_t due_ms; /* no transfer is out of time before */
    char *ca_file;  /* NULL: the system's */
    list active, done;
    tsms__post_handle *taken; /* whose result the host looks at */
    struct curl_header *header;
    uint64_t last_id;
    size_t pending;
};

static void list_add(list *all, tsms__post_handle *one)
{
    *(all->last != NULL ? &all->last->next : &all->first) = one;
    one->before = all->last;
    one->next = NULL;
    all->last = one;
}

static void list_remove(list *all, tsms__post_handle *one)
{
    *(one->before != NULL ? &one->before->next : &all->first) = one->next;
    *(one->next != NULL ? &one->next->before : &all->last) = one->before;
}

/* ---- Working -------------------------------------------------------------------------------- */

static void finish(tsms__poster *self, tsms__post_handle *one, CURLcode code)
{
    curl_multi_remove_handle(self->epoll.multi, one->easy);
    tsms__post_handle_end(one, code);
    list_remove(&self->active, one);
    list_add(&self->done, one);
}

static void collect(tsms__poster *self)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(self->epoll.multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            tsms__post_handle *one = NULL;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)(void *)&one);
            finish(self, one, message->data.result);
        }
    }
}

static void note_due(tsms__poster *self, const tsms__post_handle *one)
{
    int64_t due_ms = tsms__post_handle_due_ms(one);
    self->due_ms = due_ms < self->due_ms ? due_ms : self->due_ms;
}

/* Ends what is out of time. libcurl's own timeouts would not do: it has none for reading, and when
 * memory runs out inside of it, 7.88 may forget a transfer with all its timeouts. */
static void end_overdue(tsms__poster *self)
{
    if (self->now.mono_ms < self->due_ms) {
        return;
    }
    self->due_ms = INT64_MAX;
    for (tsms__post_handle *one = self->active.first, *next; one != NULL; one = next) {
        next = one->next;
        if (tsms__post_handle_overdue(one)) {
            finish(self, one, CURLE_OPERATION_TIMEDOUT);
        } else {
            note_due(self, one);
        }
    }
}

static void turn(tsms__poster *self)
{
    self->now = tsms__clock_now();
    tsms__curl_epoll_run_timer(&self->epoll);
    collect(self);
    end_overdue(self);
}

int tsms__poster_timeout_ms(const tsms__poster *self)
{
    if (self->done.first != NULL) {
        return 0;
    }
    int64_t due_ms = self->due_ms;
    if (self->epoll.timer_ms >= 0 && self->epoll.timer_ms < due_ms) {
        due_ms = self->epoll.timer_ms;
    }
    if (due_ms == INT64_MAX) {
        return -1;
    }
    int64_t wait_ms = due_ms - tsms__clock_now().mono_ms;
    return wait_ms < 0 ? 0 : wait_ms > INT32_MAX ? INT32_MAX : (int)wait_ms;
}

/* How long the next wait may be; -1 for as long as it takes. */
static int next_wait_ms(const tsms__poster *self, int64_t until_ms)
{
    int own_ms = tsms__poster_timeout_ms(self);
    if (until_ms == INT64_MAX) {
        return own_ms;
    }
    int64_t left_ms = until_ms - self->now.mono_ms;
    left_ms = left_ms > 0 ? left_ms : 0;
    return own_ms < 0 || own_ms > left_ms ? (int)left_ms : own_ms;
}

void tsms__poster_step(tsms__poster *self, int timeout_ms)
{
    int64_t until_ms = timeout_ms < 0 ? INT64_MAX : tsms__clock_now().mono_ms + timeout_ms;
    bool go_on = true;
    while (go_on) {
        turn(self);
        bool nothing_comes =
            until_ms == INT64_MAX && self->active.first == NULL && self->epoll.watched_fd < 0;
        if (nothing_comes) {
            return;
        }
        go_on = tsms__curl_epoll_wait(&self->epoll, next_wait_ms(self, until_ms));
        collect(self);
        go_on = go_on && self->done.first == NULL && self->now.mono_ms < until_ms;
    }
}

int tsms__poster_fd(const tsms__poster *self)
{
    return self->epoll.fd;
}

bool tsms__poster_watch(tsms__poster *self, int fd)
{
    if (self->epoll.watched_fd >= 0) {
        (void)epoll_ctl(self->epoll.fd, EPOLL_CTL_DEL, self->epoll.watched_fd, NULL);
        self->epoll.watched_fd = -1;
    }
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
    if (fd >= 0 && epoll_ctl(self->epoll.fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        return false;
    }
    self->epoll.watched_fd = fd;
    return true;
}

/* ---- Requests and results ------------------------------------------------------------------- */

static bool is_clean(tsms_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < ' ' || c == 0x7f) {
            return false;
        }
    }
    return true;
}

static tsms_status check_request(const tsms__post_request *request, tsms_error *err)
{
    if (request->url.len == 0 || !is_clean(request->url)) {
        return tsms__error_set(err, TSMS_KIND_INVALID_REQUEST,
                               "the URL is empty or holds control characters");
    }
    for (size_t i = 0; i < request->header_count; i++) {
        const tsms_param *header = &request->headers[i];
        if (header->name.len == 0 || !is_clean(header->name) || !is_clean(header->value)) {
            return tsms__error_set(err, TSMS_KIND_INVALID_REQUEST,
                                   "header %zu has no name or holds control characters", i + 1);
        }
    }
    return TSMS_OK;
}

tsms_status tsms__poster_submit(tsms__poster *self, const tsms__post_request *request, uint64_t *id,
                                tsms_error *err)
{
    tsms_status status = check_request(request, err);
    if (status != TSMS_OK) {
        return status;
    }
    self->now = tsms__clock_now();
    tsms__post_handle *one =
        tsms__post_handle_new(&self->mem, request, self->ca_file, &self->now.mono_ms);
    if (one == NULL || curl_multi_add_handle(self->epoll.multi, one->easy) != CURLM_OK) {
        tsms__post_handle_free(one);
        return tsms__error_nomem(err);
    }
    list_add(&self->active, one);
    note_due(self, one);
    self->pending++;
    one->id = *id = ++self->last_id;
    return TSMS_OK;
}

bool tsms__poster_result(tsms__poster *self, tsms__post_result *result)
{
    tsms__post_handle_free(self->taken);
    self->header = NULL;
    tsms__post_handle *one = self->taken = self->done.first;
    if (one == NULL) {
        return false;
    }
    list_remove(&self->done, one);
    self->pending--;
    long http_status = 0;
    curl_easy_getinfo(one->easy, CURLINFO_RESPONSE_CODE, &http_status);
    bool failed = one->fault != TSMS__POST_NONE;
    *result = (tsms__post_result){
        .id = one->id,
        .fault = one->fault,
        .fault_text = failed ? tsms_str_from(one->fault_text) : (tsms_str){NULL, 0},
        .http_status = (int)http_status,
        .body = tsms__buf_str(&one->body),
        .duration_ms = one->duration_ms,
    };
    return true;
}

bool tsms__poster_header(tsms__poster *self, tsms_str *name, tsms_str *value)
{
    if (self->taken == NULL) {
        return false;
    }
    self->header = curl_easy_nextheader(self->taken->easy, CURLH_HEADER, -1, self->header);
    if (self->header == NULL) {
        return false;
    }
    *name = tsms_str_from(self->header->name);
    *value = tsms_str_from(self->header->value);
    return true;
}

size_t tsms__poster_pending(const tsms__poster *self)
{
    return self->pending;
}

/* ---- Life cycle ----------------------------------------------------------------------------- */

static void free_list(tsms__poster *self, tsms__post_handle *first)
{
    for (tsms__post_handle *one = first, *next; one != NULL; one = next) {
        next = one->next;
        curl_multi_remove_handle(self->epoll.multi, one->easy); /* a second time does no harm */
        tsms__post_handle_free(one);
    }
}

void tsms__poster_free(tsms__poster *self)
{
    if (self == NULL) {
        return;
    }
    free_list(self, self->active.first);
    free_list(self, self->done.first);
    tsms__post_handle_free(self->taken);
    tsms__curl_epoll_close(&self->epoll);
    tsms__free(&self->mem, self->ca_file);
    tsms_mem mem = self->mem;
    tsms__free(&mem, self);
}

tsms_status tsms__poster_new(const tsms_mem *mem, tsms_str ca_file, tsms__poster **out,
                             tsms_error *err)
{
    if (!tsms__curl_global_init()) {
        return tsms__error_set(err, TSMS_KIND_TEMPORARILY_UNAVAILABLE,
                               "libcurl cannot be initialised");
    }
    mem = mem != NULL ? mem : &tsms__mem_libc;
    tsms__poster *self = tsms__calloc(mem, 1, sizeof *self);
    if (self == NULL) {
        return tsms__error_nomem(err);
    }
    self->mem = *mem;
    self->due_ms = INT64_MAX;
    self->now = tsms__clock_now();
    tsms_status status = tsms__curl_epoll_open(&self->epoll, &self->now, POOL, err);
    if (ca_file.len > 0) {
        self->ca_file = tsms__str_dup(mem, ca_file);
    }
    if (status == TSMS_OK && ca_file.len > 0 && self->ca_file == NULL) {
        status = tsms__error_nomem(err);
    }
    if (status != TSMS_OK) {
        tsms__poster_free(self);
        return status;
    }
    *out = self;
    return TSMS_OK;
}
