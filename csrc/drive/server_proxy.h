/* A listening socket for CONNECT requests to a server's own port. */
#ifndef TSMS_DRIVE_SERVER_PROXY_H
#define TSMS_DRIVE_SERVER_PROXY_H

#include "../base/err.h"

struct event_base;
typedef struct tsms__proxy tsms__proxy;

typedef struct tsms__proxy_options {
    const tsms_mem *mem;
    struct event_base *base;
    int port;               /* on 127.0.0.1; 0: the system picks one */
    int target_fd;          /* a listening socket: where the tunnels lead to */
    size_t max_connections; /* more wait in the system's queue */
    int timeout_ms;         /* for a request to arrive, and for the peer to take what waits */
} tsms__proxy_options;

/* Listens. ConnectionFailed when the port cannot be bound. */
tsms_status tsms__proxy_new(const tsms__proxy_options *options, tsms__proxy **out, tsms_error *err);
/* Closes all of its connections. NULL is allowed here and below. */
void tsms__proxy_free(tsms__proxy *proxy);
/* -1 without a proxy. */
int tsms__proxy_port(const tsms__proxy *proxy);
size_t tsms__proxy_connections(const tsms__proxy *proxy);
/* Takes no more connections, and closes those that have not asked for a tunnel. */
void tsms__proxy_stop(tsms__proxy *proxy);
/* To be called after each turn of the loop: closes what is over its time, accepts again. */
void tsms__proxy_tend(tsms__proxy *proxy);
/* When tsms__proxy_tend wants to be called; INT64_MAX for never. */
int64_t tsms__proxy_due_ms(const tsms__proxy *proxy);

#endif
