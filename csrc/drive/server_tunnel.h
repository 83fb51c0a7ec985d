/* The tunnels of the CONNECT proxy: two sockets each, between which bytes pass unread. */
#ifndef TSMS_DRIVE_SERVER_TUNNEL_H
#define TSMS_DRIVE_SERVER_TUNNEL_H

#include <sys/socket.h>

#include "../base/err.h"

struct event_base;
typedef struct tsms__tunnel tsms__tunnel;

typedef struct tsms__tunnel_list {
    tsms__tunnel *first;
    tsms__tunnel *last;
} tsms__tunnel_list;

/* All tunnels of a proxy. */
typedef struct tsms__tunnels {
    struct event_base *base;
    tsms_mem mem;
    struct sockaddr_storage target; /* where they lead to */
    socklen_t target_len;
    int timeout_ms; /* for the request to arrive, and for the peer to take what waits for it */
    size_t count;
    tsms__tunnel_list waiting; /* those with a deadline, ordered by it */
    tsms__tunnel_list open;    /* whose bytes pass for as long as both ends want */
} tsms__tunnels;

/* Serves a peer that was accepted: reads its CONNECT request, refuses it or leads it to the target.
 * Takes the socket over; without memory it is closed. */
void tsms__tunnel_begin(tsms__tunnels *tunnels, int fd);
/* Closes those whose deadline is at now_ms or before. */
void tsms__tunnels_expire(tsms__tunnels *tunnels, int64_t now_ms);
/* Closes those whose peer has not said yet where to. */
void tsms__tunnels_close_idle(tsms__tunnels *tunnels);
/* When tsms__tunnels_expire wants to be called; INT64_MAX for never. */
int64_t tsms__tunnels_due_ms(const tsms__tunnels *tunnels);
/* Closes all of them at once. */
void tsms__tunnels_clear(tsms__tunnels *tunnels);

#endif
