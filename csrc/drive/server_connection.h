/* The server's state, and its connections from accept to close. */
#ifndef TSMS_DRIVE_SERVER_CONNECTION_H
#define TSMS_DRIVE_SERVER_CONNECTION_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>

#include "server_proxy.h"
#include "server_request.h"
#include "server_tls.h"

typedef struct tsms__connection tsms__connection;

typedef struct tsms__connection_list {
    tsms__connection *first;
    tsms__connection *last;
} tsms__connection_list;

struct tsms__connection {
    tsms_server *server;
    tsms__connection *prev, *next;
    tsms__connection_list *list; /* NULL while the host has its request */
    int64_t deadline_ms;
    uint64_t id;
    int fd;
    struct bufferevent *stream;
    struct evhttp_connection *http; /* NULL until evhttp has taken the stream */
    struct evbuffer_cb_entry *watch;
    struct evhttp_request *http_request; /* of `request`, */
    tsms_server_request *request;        /* which nobody has answered yet */
};

enum { TSMS__SIGNALS = 2 };

struct tsms_server {
    tsms_mem mem;
    size_t max_connections;
    int timeout_ms;
    int idle_timeout_ms;
    char *ca_file;
    int port;
    int listen_fd; /* -1 when it does not listen */
    int poll_fd;
    bool stopping;
    int64_t resume_ms; /* when to accept again after an error; 0 when nothing is wrong */
    tsms__tls *tls;    /* NULL without TLS */
    struct event_base *base;
    struct event *wake;    /* ends a step */
    struct event *arrived; /* looks at `arriving` before anything else can happen to them */
    struct evhttp *http;
    struct evconnlistener *listener;   /* owns listen_fd */
    struct evhttp_bound_socket *bound; /* evhttp owns the listener */
    struct evbuffer *scratch;
    size_t connection_count;
    uint64_t last_connection_id;
    tsms__connection_list arriving; /* accepted, and about to be given to evhttp */
    tsms__connection_list busy;     /* a request comes in, or an answer goes out */
    tsms__connection_list idle;
    tsms__connection **by_fd;
    size_t by_fd_room;
    tsms_server_request *ready_first, *ready_last;
    tsms__proxy *proxy; /* NULL until it is asked for */
    struct event *signals[TSMS__SIGNALS];
    bool catches; /* the signals of this process */
    bool signalled;
};

/* Gives the signals back that tsms_server_catch_signals took. */
void tsms__signals_free(tsms_server *server);

/* Lets evhttp take its connections from here. False without memory. */
bool tsms__connections_open(tsms_server *server);
/* The one that evhttp means; NULL when it could not be tracked for want of memory. */
tsms__connection *tsms__connection_of(tsms_server *server, struct evhttp_connection *http);
void tsms__connection_to_host(tsms__connection *connection);
/* Starts the time in which a request must come in or an answer go out. */
void tsms__connection_to_busy(tsms__connection *connection);
void tsms__connection_to_idle(tsms__connection *connection);
/* To be called after each turn of the loop: closes what is over its time (when the server is
 * stopping, all that is idle) and sees whether connections can be accepted. */
void tsms__connections_tend(tsms_server *server);
/* When tsms__connections_tend wants to be called; INT64_MAX for never. */
int64_t tsms__connections_due_ms(const tsms_server *server);

#endif
