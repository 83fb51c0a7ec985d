/* What the server asks of the operating system: sockets, signals, descriptors. */
#ifndef TSMS_DRIVE_SERVER_OS_H
#define TSMS_DRIVE_SERVER_OS_H

#include <signal.h>

#include "../base/err.h"

/* Opens a non-blocking socket that listens on a numeric address; port 0 lets the system choose, and
 * *port says what became of it. loopback_only refuses other addresses. */
tsms_status tsms__listen(const char *host, int port, bool loopback_only, int *fd, int *bound_port,
                         tsms_error *err);
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
