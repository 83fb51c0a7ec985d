#define _GNU_SOURCE /* sigtimedwait, F_GETFL */
/* Writes lines of a log to a descriptor, and never waits for it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
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
    KIND_TERMINAL,
    KIND_OTHER, /* a pipe */
} kind;

/* Where lines go. */
typedef struct target {
    kind as;
    int fd;
    bool is_own; /* fd was opened here */
} target;

/* A terminal that does not read lets write wait however little room poll saw (Linux, n_tty). Only a
 * descriptor that never waits helps, and it must be one of our own: whoever else has the terminal
 * shares the flags of the given one. Where none can be had, as behind su, the given one must do. */
static void open_again(target *to)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", to->fd);
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0) {
        to->fd = fd;
        to->is_own = true;
    }
}

/* False, and errno, for what is none. A socket is one only if the first lines went to it: a program
 * that closes the descriptor of its log leaves its number to the next connection, and that must not
 * get the lines. */
static bool find_target(tsms__log_place *first, int fd, target *out)
{
    struct stat info;
    *out = (target){.as = KIND_OTHER, .fd = fd};
    if (fstat(fd, &info) != 0) {
        return false;
    }
    bool is_same = first->known && first->fd == fd && first->device == info.st_dev &&
                   first->file == info.st_ino;
    if (S_ISSOCK(info.st_mode) && first->known && first->fd == fd && !is_same) {
        errno = EBADF;
        return false;
    }
    *first = (tsms__log_place){true, fd, info.st_dev, info.st_ino};
    if (S_ISREG(info.st_mode)) {
        out->as = KIND_FILE;
    } else if (S_ISSOCK(info.st_mode)) {
        out->as = KIND_SOCKET;
    } else if (S_ISCHR(info.st_mode) && isatty(fd)) {
        out->as = KIND_TERMINAL;
        open_again(out);
    }
    return true;
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
static ssize_t write_piece(const target *to, const char *bytes, size_t size)
{
    if (to->as == KIND_FILE || to->is_own) {
        return write(to->fd, bytes, size);
    } else if (to->as == KIND_SOCKET) {
        return send(to->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    struct pollfd ready = {.fd = to->fd, .events = POLLOUT};
    if (poll(&ready, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    return write_quietly(to->fd, bytes, size);
}

/* False when the target takes no more, ever; errno says why. */
static bool write_lines(tsms_log *log, const target *to)
{
    char piece[FILE_PIECE];
    size_t most = to->as == KIND_FILE ? FILE_PIECE : PIECE;
    for (size_t size; (size = tsms__log_peek(log, piece, most)) > 0;) {
        ssize_t n = write_piece(to, piece, size);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return true;
        } else if (n < 0 && errno != EINTR) {
            return false;
        }
        tsms__log_skip(log, n > 0 ? (size_t)n : 0);
    }
    return true;
}

bool tsms_log_write(tsms_log *log, int fd)
{
    target to;
    if (tsms__log_pending(log) == 0) {
        return true;
    }
    bool good = find_target(tsms__log_place_of(log), fd, &to) && write_lines(log, &to);
    int problem = errno;
    if (to.is_own) {
        (void)close(to.fd);
    }
    if (!good) {
        tsms__log_skip_line(log);
        errno = problem;
    }
    return good;
}
