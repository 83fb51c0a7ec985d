#define _GNU_SOURCE /* sigtimedwait, F_GETFL */
/* Writes lines of a log to a descriptor, and never waits for it. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../call/log.h"

enum {
    /* A pipe takes so much at once or nothing, so that lines of several processes do not mix; and
     * one that poll calls writable has room for it (POSIX, write; Linux, pipe(7)). */
    PIECE = PIPE_BUF,
    FILE_PIECE = 16384,
};

typedef enum kind {
    KIND_FILE,
    KIND_SOCKET,
    KIND_OTHER, /* a pipe, a terminal */
} kind;

static kind kind_of(int fd)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return KIND_OTHER; /* writing to it says why */
    } else if (S_ISREG(info.st_mode)) {
        return KIND_FILE;
    }
    return S_ISSOCK(info.st_mode) ? KIND_SOCKET : KIND_OTHER;
}

/* As write, for a pipe whose reader may be gone: that is an error, not the end of the program. A
 * signal that was pending before stays so. */
static ssize_t write_quietly(int fd, const char *bytes, size_t size)
{
    sigset_t pipe_set;
    sigset_t before;
    sigset_t pending;
    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_set, &before);
    sigpending(&pending);
    ssize_t n = write(fd, bytes, size);
    int problem = errno;
    if (n < 0 && problem == EPIPE && !sigismember(&pending, SIGPIPE)) {
        static const struct timespec now = {0, 0};
        (void)sigtimedwait(&pipe_set, NULL, &now);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = problem;
    return n;
}

/* -1 and EAGAIN when it would wait. */
static ssize_t write_piece(int fd, kind as, const char *bytes, size_t size)
{
    if (as == KIND_FILE) {
        return write(fd, bytes, size);
    } else if (as == KIND_SOCKET) {
        return send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    if (poll(&ready, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    return write_quietly(fd, bytes, size);
}

bool tsms_log_write(tsms_log *log, int fd)
{
    char piece[FILE_PIECE];
    size_t size = tsms__log_peek(log, piece, PIECE);
    if (size == 0) {
        return true;
    }
    kind as = kind_of(fd);
    while (size > 0) {
        ssize_t n = write_piece(fd, as, piece, size);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return true;
        } else if (n < 0 && errno != EINTR) {
            int problem = errno;
            tsms__log_skip_line(log);
            errno = problem;
            return false;
        }
        tsms__log_skip(log, n > 0 ? (size_t)n : 0);
        size = tsms__log_peek(log, piece, as == KIND_FILE ? FILE_PIECE : PIECE);
    }
    return true;
}
