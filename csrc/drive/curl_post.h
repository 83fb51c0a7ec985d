/* HTTP requests to any URL, many at once and never blocking: what a webhook or an export of
 * telemetry needs.
 *
 * Nothing calls back: the host lets it work with tsms__poster_step and takes results with
 * tsms__poster_result. One poster belongs to one thread at a time. https is verified, chain and
 * host, over TLS 1.2 or newer; http is allowed, and whether it is wise is the caller's to know. */
#ifndef TSMS_DRIVE_CURL_POST_H
#define TSMS_DRIVE_CURL_POST_H

#include "../base/err.h"

typedef struct tsms__poster tsms__poster;

/* A time of 0 stands for its default. */
typedef struct tsms__post_request {
    bool get;     /* GET; else POST */
    tsms_str url; /* http or https; "user:password@" answers a challenge (401), Basic or Digest,
                     and is not sent before one */
    const tsms_param *headers; /* in this order; over libcurl's own */
    size_t header_count;
    tsms_str body;          /* of a POST; copied */
    bool follow;            /* redirections, 5 at most: 301, 302 and 303 turn a POST into a GET
                               without its body */
    int connect_timeout_ms; /* to a connection that is ready, TLS and all; 5000 */
    int read_timeout_ms;    /* without a byte of the answer; 15000 */
    int total_timeout_ms;   /* 15000 */
    size_t max_body;        /* bytes of the answer; 65536 */
} tsms__post_request;

typedef enum tsms__post_fault {
    TSMS__POST_NONE,
    TSMS__POST_CONNECT, /* no connection in time; nothing was sent */
    TSMS__POST_TLS,     /* no secure one; nothing was sent */
    TSMS__POST_READ,    /* no whole answer in time, or the connection ended before it did */
    TSMS__POST_OTHER,   /* a URL, an answer or a redirection that cannot be used; no memory */
} tsms__post_fault;

/* "connect", "tls", "read" or "other". */
const char *tsms__post_fault_name(tsms__post_fault fault);

/* The views live until the next call of tsms__poster_result or tsms__poster_free. */
typedef struct tsms__post_result {
    uint64_t id;
    tsms__post_fault fault;
    tsms_str fault_text; /* one line, without credentials; absent without a fault */
    int http_status;     /* of the last answer; with a fault it may be 0 */
    tsms_str body;       /* with a fault what there was of it */
    int64_t duration_ms; /* from the submission */
} tsms__post_result;

/* ca_file absent: the system's certificates. */
tsms_status tsms__poster_new(const tsms_mem *mem, tsms_str ca_file, tsms__poster **out,
                             tsms_error *err);
/* Breaks off what is under way. NULL is allowed. */
void tsms__poster_free(tsms__poster *poster);
/* Starts a request. InvalidRequest for control characters in the URL or a header, and for an empty
 * header name. All else that is wrong turns up as its result. */
tsms_status tsms__poster_submit(tsms__poster *poster, const tsms__post_request *request,
                                uint64_t *id, tsms_error *err);
/* Works, waiting at most timeout_ms (-1: as long as something is under way or watched), and returns
 * when there is a result, when the watched descriptor is readable, or on a signal. */
void tsms__poster_step(tsms__poster *poster, int timeout_ms);
/* Takes the oldest result; false when there is none. */
bool tsms__poster_result(tsms__poster *poster, tsms__post_result *result);
/* Steps through the headers of the result that was taken last; false past the last one. */
bool tsms__poster_header(tsms__poster *poster, tsms_str *name, tsms_str *value);
/* Requests whose result was not taken yet. */
size_t tsms__poster_pending(const tsms__poster *poster);
/* For foreign loops: readable when tsms__poster_step(poster, 0) has work, and when the watched
 * descriptor is. */
int tsms__poster_fd(const tsms__poster *poster);
/* Milliseconds until tsms__poster_step wants to be called anyway; -1 for never. */
int tsms__poster_timeout_ms(const tsms__poster *poster);
/* Lets waiting end when this descriptor is readable too, so that a host with something else to wait
 * for needs no other loop. One at a time, -1 for none; it must stay open as long. False when the
 * system does not take it. */
bool tsms__poster_watch(tsms__poster *poster, int fd);

#endif
