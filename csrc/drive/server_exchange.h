/* Requests in, answers out. */
#ifndef TSMS_DRIVE_SERVER_EXCHANGE_H
#define TSMS_DRIVE_SERVER_EXCHANGE_H

struct evhttp_request;

/* evhttp's callback for a whole request; arg is the server. evhttp reads no more from the
 * connection before the answer. */
void tsms__exchange_begin(struct evhttp_request *http_request, void *arg);

#endif
