/* Asks the operating system for what the server needs: sockets, signals, descriptors. */
#define _GNU_SOURCE /* SOCK_NONBLOCK, sigtimedwait */
#include "server_os.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BACKLOG = 511 };

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        return ntohl(in.sin_addr.s_addr) >> 24 == 127;
    }
    struct sockaddr_in6 in6;
    memcpy(&in6, address, sizeof in6);
    return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
}

static bool port_of(int fd, int *port)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        return false;
    }
    if (address.ss_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, &address, sizeof in6);
        *port = ntohs(in6.sin6_port);
    } else {
        struct sockaddr_in in;
        memcpy(&in, &address, sizeof in);
        *port = ntohs(in.sin_port);
    }
    return true;
}

int tsms__stream_socket(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        /* Accepted sockets inherit it. Without it an answer over TLS waits for the peer's delayed
         * acknowledgement: 44 ms, measured. */
        const int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    return fd;
}

socklen_t tsms__address_of_listener(int fd, struct sockaddr_storage *address)
{
    socklen_t len = sizeof *address;
    if (getsockname(fd, (struct sockaddr *)address, &len) != 0) {
        return 0;
    }
    if (address->ss_family == AF_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
        if (IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr)) {
            in6->sin6_addr = in6addr_loopback;
        }
    } else {
        struct sockaddr_in *in = (struct sockaddr_in *)address;
        if (in->sin_addr.s_addr == htonl(INADDR_ANY)) {
            in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        }
    }
    return len;
}

static int open_listener(const struct addrinfo *address, int *port)
{
    int fd = tsms__stream_socket(address->ai_family);
    if (fd < 0) {
        return -1;
    }
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0 ||
        !port_of(fd, port)) {
        int reason = errno;
        close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

tsms_status tsms__listen(const char *host, int port, bool loopback_only, int *fd, int *bound_port,
                         tsms_error *err)
{
    char service[8];
    snprintf(service, sizeof service, "%d", port);
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *address = NULL;
    if (getaddrinfo(host, service, &hints, &address) != 0) {
        return tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "host is no numeric address");
    }
    tsms_status status = TSMS_OK;
    if (loopback_only && !is_loopback(address->ai_addr)) {
        status = tsms__error_set(err, TSMS_KIND_INVALID_OPTION,
                                 "without tls the host must be a loopback address");
    } else if ((*fd = open_listener(address, bound_port)) < 0) {
        status = tsms__error_set(err, TSMS_KIND_CONNECTION_FAILED, "cannot listen on port %d: %s",
                                 port, strerror(errno));
    }
    freeaddrinfo(address);
    return status;
}

void tsms__socket_reset(int fd)
{
    /* Dissolves the connection (connect(2)), which on Linux sends the reset at once. */
    const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    connect(fd, &nowhere, sizeof nowhere);
}

/* Whether /proc/self/fdinfo/<epoll> has a line "tfd: <fd> ..." (proc(5)). */
static bool epoll_watches(const char *epoll, int fd)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%.20s", epoll);
    FILE *info = fopen(path, "re");
    if (info == NULL) {
        return false;
    }
    char line[160];
    bool found = false;
    while (!found && fgets(line, sizeof line, info) != NULL) {
        char *end;
        found = strncmp(line, "tfd:", 4) == 0 && strtol(line + 4, &end, 10) == fd && *end == ' ';
    }
    fclose(info);
    return found;
}

int tsms__epoll_watching(int fd)
{
    DIR *dir = opendir("/proc/self/fdinfo");
    if (dir == NULL) {
        return -1;
    }
    int epoll = -1;
    const struct dirent *entry;
    while (epoll < 0 && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.' && epoll_watches(entry->d_name, fd)) {
            epoll = (int)strtol(entry->d_name, NULL, 10);
        }
    }
    closedir(dir);
    return epoll;
}

static sigset_t sigpipe_only(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    return set;
}

static bool sigpipe_is_pending(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

tsms__sigpipe tsms__sigpipe_block(void)
{
    tsms__sigpipe saved = {.was_pending = sigpipe_is_pending()};
    sigset_t set = sigpipe_only();
    pthread_sigmask(SIG_BLOCK, &set, &saved.before);
    return saved;
}

void tsms__sigpipe_restore(const tsms__sigpipe *saved)
{
    /* Takes back only what was raised in between: an older one is somebody else's. */
    if (!saved->was_pending && sigpipe_is_pending()) {
        sigset_t set = sigpipe_only();
        const struct timespec now = {0, 0};
        sigtimedwait(&set, NULL, &now);
    }
    pthread_sigmask(SIG_SETMASK, &saved->before, NULL);
}
