/* Tells epoll what libcurl waits for, and libcurl what has come. */
#include "curl_epoll.h"

#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS = 64 };

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *owner, void *watched)
{
    (void)easy;
    tsms__curl_epoll *self = owner;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(self->fd, EPOLL_CTL_DEL, fd, NULL);
        curl_multi_assign(self->multi, fd, NULL);
        return 0;
    }
    struct epoll_event event = {.data = {.fd = fd}};
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    int change = watched != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(self->fd, change, fd, &event) != 0) {
        return -1;
    }
    curl_multi_assign(self->multi, fd, self);
    return 0;
}

static int on_timer(CURLM *multi, long wait_ms, void *owner)
{
    (void)multi;
    tsms__curl_epoll *self = owner;
    self->timer_ms = wait_ms < 0 ? -1 : self->now->mono_ms + wait_ms;
    return 0;
}

tsms_status tsms__curl_epoll_open(tsms__curl_epoll *self, tsms__now *now, long connections,
                                  tsms_error *err)
{
    *self = (tsms__curl_epoll){.watched_fd = -1, .now = now, .timer_ms = -1};
    self->fd = epoll_create1(EPOLL_CLOEXEC);
    if (self->fd < 0) {
        return tsms__error_set(err, TSMS_KIND_TEMPORARILY_UNAVAILABLE,
                               "no file descriptor is left for epoll");
    }
    self->multi = curl_multi_init();
    bool ready = self->multi != NULL &&
                 curl_multi_setopt(self->multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
                 curl_multi_setopt(self->multi, CURLMOPT_SOCKETDATA, self) == CURLM_OK &&
                 curl_multi_setopt(self->multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
                 curl_multi_setopt(self->multi, CURLMOPT_TIMERDATA, self) == CURLM_OK &&
                 curl_multi_setopt(self->multi, CURLMOPT_MAXCONNECTS, connections) == CURLM_OK;
    return ready ? TSMS_OK : tsms__error_nomem(err);
}

void tsms__curl_epoll_close(tsms__curl_epoll *self)
{
    if (self->multi != NULL) {
        curl_multi_cleanup(self->multi);
        self->multi = NULL;
    }
    if (self->fd >= 0) {
        close(self->fd);
        self->fd = -1;
    }
}

void tsms__curl_epoll_run_timer(tsms__curl_epoll *self)
{
    int running;
    if (self->timer_ms >= 0 && self->timer_ms <= self->now->mono_ms) {
        self->timer_ms = -1;
        curl_multi_socket_action(self->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
}

bool tsms__curl_epoll_wait(tsms__curl_epoll *self, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(self->fd, events, EVENTS, timeout_ms);
    bool go_on = count >= 0;
    *self->now = tsms__clock_now();
    for (int i = 0; i < count; i++) {
        int running;
        int fd = events[i].data.fd;
        if (fd == self->watched_fd) {
            go_on = false;
            continue;
        }
        int what = (events[i].events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
                   (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (events[i].events & EPOLLERR ? CURL_CSELECT_ERR : 0);
        curl_multi_socket_action(self->multi, fd, what, &running);
    }
    return go_on;
}
