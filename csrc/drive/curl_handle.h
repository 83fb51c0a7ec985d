/* One easy handle of libcurl: sets a request on it, and reads what came back.
 *
 * libcurl sends a POST again by itself when a reused connection dies before the first byte of an
 * answer, and then reports success (measured with 7.88.1 over HTTP/1.1 and HTTP/2).
 * CURLOPT_PREREQFUNCTION is called before each sending: a second call is refused, and no call at
 * all is the only proof that nothing was sent. */
#ifndef TSMS_DRIVE_CURL_HANDLE_H
#define TSMS_DRIVE_CURL_HANDLE_H

#include "clock.h"
#include "sockets.h"

#include <curl/curl.h>

enum { TSMS__CURL_HEADERS = 3 };

/* What all handles of a client have in common; it may not move. */
typedef struct tsms__curl_common {
    tsms_client *client;
    tsms__secret *authorization;
    struct curl_slist headers[TSMS__CURL_HEADERS]; /* of every request; the first is the secret */
    tsms__sockets sockets;
    tsms__now now;
} tsms__curl_common;

/* Builds the headers of every request, the credentials among them. False without memory. */
bool tsms__curl_common_init(tsms__curl_common *common, tsms_client *client);
/* The connections must have been closed. */
void tsms__curl_common_free(tsms__curl_common *common);

typedef struct tsms__curl_handle {
    tsms__curl_common *common;
    CURL *easy;
    tsms__call *call; /* NULL while it is idle */
    tsms_buf url;     /* the last one that was set */
    tsms_buf body;    /* of the answer */
    tsms__method method;
    long timeout_ms;
    int sendings; /* requests that were about to leave */
    int port;     /* local, of the connection */
    bool hung_up; /* the connection had ended while it was idle; nothing was sent */
    bool fresh;   /* may not reuse a connection */
    bool too_large;
    char detail[CURL_ERROR_SIZE];
    int64_t lost_ms;                /* the driver's: when libcurl must have ended it, monotonic */
    struct tsms__curl_handle *next; /* the driver's */
} tsms__curl_handle;

/* NULL without memory. */
tsms__curl_handle *tsms__curl_handle_new(tsms__curl_common *common);
/* It must not be in a multi handle; NULL is allowed. */
void tsms__curl_handle_free(tsms__curl_handle *handle);
/* Sets the request of a call. False without memory. */
bool tsms__curl_handle_set(tsms__curl_handle *handle, tsms__call *call);
/* Lets the same request be sent again over a new connection. False without memory. */
bool tsms__curl_handle_refresh(tsms__curl_handle *handle);
/* What came of it. The views of *transfer live until the next request is set; text, of `size`
 * bytes, takes the sentence about a fault. */
void tsms__curl_handle_read(tsms__curl_handle *handle, CURLcode code, tsms__transfer *transfer,
                            char *text, size_t size);

#endif
