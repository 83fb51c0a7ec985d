/* What the server asks of the operating system: sockets, signals, descriptors. */
#ifndef TSMS_DRIVE_SERVER_OS_H
#define TSMS_DRIVE_SERVER_OS_H

#include <signal.h>
#include <sys/socket.h>

#include "../base/err.h"

/* Opens a non-blocking socket that listens on a numeric address; port 0 lets the system choose, and
 * *port says what became of it. loopback_only refuses other addresses. */
tsms_status tsms__listen(const char *host, int port, bool loopback_only, int *fd, int *bound_port,
                         tsms_error *err);
/* Where such a socket is reached from the same machine. Answers the length; 0 for no socket. */
socklen_t tsms__address_of_listener(int fd, struct sockaddr_storage *address);
/* A non-blocking socket that sends at once, not connected yet; -1 when there is none. */
int tsms__stream_socket(int family);
/* Sends a reset now; the descriptor stays open. */
void tsms__socket_reset(int fd);
/* The epoll descriptor of this process that watches fd; -1 when there is none, or no /proc. */
int tsms__epoll_watching(int fd);

/* Between these two a write to a closed connection raises no SIGPIPE in this thread. */
typedef struct tsms__sigpipe {
    sigset_t before;
    bool was_pending;
} tsms__sigpipe;

tsms__sigpipe tsms__sigpipe_block(void);
void tsms__sigpipe_restore(const tsms__sigpipe *saved);

#endif
