/* The sockets of a client's connections, to know when an idle one was closed by its peer.
 *
 * libcurl 7.88 looks before it reuses a connection, but does not see the end of a TLS connection
 * that was closed politely (close_notify, then FIN): it writes the request into it, and the message
 * is in doubt. */
#ifndef TSMS_DRIVE_SOCKETS_H
#define TSMS_DRIVE_SOCKETS_H

#include "../base/mem.h"

typedef struct tsms__socket {
    int fd;
    int port;        /* local; 0 while it is not known */
    int64_t used_ms; /* monotonic: when a request was last started or ended on it */
} tsms__socket;

typedef struct tsms__sockets {
    const tsms_mem *mem;
    tsms__socket *list;
    size_t count, cap;
} tsms__sockets;

void tsms__sockets_init(tsms__sockets *sockets, const tsms_mem *mem);
void tsms__sockets_free(tsms__sockets *sockets);
/* Without memory the socket is not watched, which costs only this knowledge. */
void tsms__sockets_add(tsms__sockets *sockets, int fd, int64_t now_ms);
void tsms__sockets_remove(tsms__sockets *sockets, int fd);
/* Notes that the connection with this local port is in use at this moment. */
void tsms__sockets_used(tsms__sockets *sockets, int port, int64_t now_ms);
/* True when the connection has been idle for a while and its peer closed it meanwhile: what is
 * written to it will not be read. */
bool tsms__sockets_hung_up(tsms__sockets *sockets, int port, int64_t now_ms);

#endif
