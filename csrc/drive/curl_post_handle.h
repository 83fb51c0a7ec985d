/* One easy handle of libcurl for one request of a poster: made, judged, freed. */
#ifndef TSMS_DRIVE_CURL_POST_HANDLE_H
#define TSMS_DRIVE_CURL_POST_HANDLE_H

#include "curl_post.h"

#include <curl/curl.h>

typedef struct tsms__post_handle {
    const tsms_mem *mem;
    const int64_t *now_ms; /* the poster's, monotonic */
    CURL *easy;
    struct curl_slist *headers; /* of the request */
    uint64_t id;
    tsms_buf body; /* of the answer */
    size_t max_body, header_bytes;
    bool too_large;
    bool sent;     /* a connection was ready */
    bool answered; /* something came back since the last sending */
    bool stale;    /* it would have been sent again without an answer to the first time */
    int read_timeout_ms;
    int64_t started_ms, connect_by_ms, read_by_ms, total_by_ms;
    int64_t duration_ms;
    tsms__post_fault fault;
    char fault_text[CURL_ERROR_SIZE];
    struct tsms__post_handle *before, *next; /* the poster's */
} tsms__post_handle;

/* *now_ms must be kept up to date as long as the handle lives; ca_file NULL is the system's. NULL
 * without memory. */
tsms__post_handle *tsms__post_handle_new(const tsms_mem *mem, const tsms__post_request *request,
                                         const char *ca_file, const int64_t *now_ms);
/* It must not be in a multi handle; NULL is allowed. */
void tsms__post_handle_free(tsms__post_handle *handle);
/* Whether its time is up. */
bool tsms__post_handle_overdue(const tsms__post_handle *handle);
/* Until when it cannot be, whatever libcurl does meanwhile. */
int64_t tsms__post_handle_due_ms(const tsms__post_handle *handle);
/* Notes how it ended; CURLE_OPERATION_TIMEDOUT too when that was found out without libcurl. */
void tsms__post_handle_end(tsms__post_handle *handle, CURLcode code);

#endif
