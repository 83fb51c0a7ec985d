/* A request as the host sees it, and what may be asked of requests and answers. */
#ifndef TSMS_DRIVE_SERVER_REQUEST_H
#define TSMS_DRIVE_SERVER_REQUEST_H

#include "../base/err.h"
#include "../twilio_sms_server.h"

/* One block of memory: the struct, the headers, then the bytes that all views point to. */
struct tsms_server_request {
    tsms_mem mem;
    struct tsms_server_request *next; /* in the server's queue */
    void *connection;                 /* the server's; NULL when it is gone */
    uint64_t connection_id;
    tsms_str method;
    tsms_str target;
    tsms_str path;
    tsms_str query;
    tsms_str body;
    tsms_str peer;
    size_t header_count;
    size_t header_room;
    char *text; /* where the next copy goes */
    tsms_server_header headers[];
};

/* Room for so many headers and so many bytes of text; NULL without memory. */
tsms_server_request *tsms__inbound_new(const tsms_mem *mem, size_t headers, size_t bytes);
void tsms__inbound_free(tsms_server_request *request);
/* Copies into the request; there must be room. */
tsms_str tsms__inbound_copy(tsms_server_request *request, tsms_str text);
/* Copies the target and finds the path and the query in it. */
void tsms__inbound_set_target(tsms_server_request *request, tsms_str target);
void tsms__inbound_add_header(tsms_server_request *request, tsms_str name, tsms_str value);
/* False when the message could mean another request to somebody else on the way: its length is
 * given twice or in two ways, a header's name is no token, it names two hosts (RFC 9112 sections
 * 3.2, 5.1, 6.3). */
bool tsms__inbound_is_sound(const tsms_server_request *request);

/* What tsms_server_reply asks of an answer. */
tsms_status tsms__answer_check(const tsms_server_answer *answer, tsms_error *err);
/* Whether a body, and its length, belong to an answer with this status. */
bool tsms__answer_has_body(int http_status);
/* Appends the head of an answer that closes the connection. */
void tsms__answer_head(const tsms_server_answer *answer, tsms_buf *out);

#endif
