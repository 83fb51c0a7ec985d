/* The sockets and the timer of a multi handle of libcurl, on one epoll descriptor. */
#ifndef TSMS_DRIVE_CURL_EPOLL_H
#define TSMS_DRIVE_CURL_EPOLL_H

#include "clock.h"

#include <curl/curl.h>

typedef struct tsms__curl_epoll {
    CURLM *multi;
    int fd;
    int watched_fd;   /* another descriptor that ends a wait; -1 for none */
    tsms__now *now;   /* its owner's: the time of this turn */
    int64_t timer_ms; /* when libcurl wants to be called, monotonic; -1 for never */
} tsms__curl_epoll;

/* Makes both; up to `connections` idle ones are kept. TemporarilyUnavailable when no descriptor is
 * left. Close it also after a failure. */
tsms_status tsms__curl_epoll_open(tsms__curl_epoll *self, tsms__now *now, long connections,
                                  tsms_error *err);
/* The easy handles must have been removed. */
void tsms__curl_epoll_close(tsms__curl_epoll *self);
/* Lets libcurl work if its timer is due. */
void tsms__curl_epoll_run_timer(tsms__curl_epoll *self);
/* Waits at most timeout_ms (-1: for ever) for the network, reads the clock and lets libcurl work.
 * False when there may be something for the host: a signal came, or watched_fd is readable. */
bool tsms__curl_epoll_wait(tsms__curl_epoll *self, int timeout_ms);

#endif
