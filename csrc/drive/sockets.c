/* Watches the sockets of connections for an end while they are idle. */
#define _GNU_SOURCE /* POLLRDHUP */
#include "sockets.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

/* No server closes a connection so soon after an answer without saying so in it, and a busy
 * connection is spared the system call. */
enum { IDLE_MS = 100 };

void tsms__sockets_init(tsms__sockets *sockets, const tsms_mem *mem)
{
    *sockets = (tsms__sockets){.mem = mem};
}

void tsms__sockets_free(tsms__sockets *sockets)
{
    tsms__free(sockets->mem, sockets->list);
    tsms__sockets_init(sockets, sockets->mem);
}

void tsms__sockets_add(tsms__sockets *sockets, int fd, int64_t now_ms)
{
    if (sockets->count == sockets->cap) {
        size_t cap = sockets->cap > 0 ? sockets->cap * 2 : 16;
        tsms__socket *list = tsms__resize(sockets->mem, sockets->list, cap, sizeof *list);
        if (list == NULL) {
            return;
        }
        sockets->list = list;
        sockets->cap = cap;
    }
    sockets->list[sockets->count++] = (tsms__socket){.fd = fd, .used_ms = now_ms};
}

void tsms__sockets_remove(tsms__sockets *sockets, int fd)
{
    for (size_t i = 0; i < sockets->count; i++) {
        if (sockets->list[i].fd == fd) {
            sockets->list[i] = sockets->list[--sockets->count];
            return;
        }
    }
}

static int local_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } name;
    socklen_t size = sizeof name;
    if (getsockname(fd, &name.any, &size) != 0) {
        return 0;
    }
    return ntohs(name.any.sa_family == AF_INET6 ? name.v6.sin6_port : name.v4.sin_port);
}

static tsms__socket *find(tsms__sockets *sockets, int port)
{
    for (size_t i = 0; i < sockets->count; i++) {
        if (sockets->list[i].port == port) {
            return &sockets->list[i];
        }
    }
    /* A new one: its port is known only once it is connected. */
    for (size_t i = 0; i < sockets->count; i++) {
        tsms__socket *socket = &sockets->list[i];
        if (socket->port == 0) {
            socket->port = local_port(socket->fd);
            if (socket->port == port) {
                return socket;
            }
        }
    }
    return NULL;
}

void tsms__sockets_used(tsms__sockets *sockets, int port, int64_t now_ms)
{
    tsms__socket *socket = find(sockets, port);
    if (socket != NULL) {
        socket->used_ms = now_ms;
    }
}

bool tsms__sockets_hung_up(tsms__sockets *sockets, int port, int64_t now_ms)
{
    tsms__socket *socket = find(sockets, port);
    if (socket == NULL || now_ms - socket->used_ms < IDLE_MS) {
        return false;
    }
    struct pollfd state = {.fd = socket->fd, .events = POLLRDHUP};
    return poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}
