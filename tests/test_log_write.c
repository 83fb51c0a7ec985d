#define _GNU_SOURCE /* F_SETPIPE_SZ, pipe2, ptsname */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "log_support.h"

#define WALL_MS INT64_C(1795416000123)

/* Lines of about `size` bytes, numbered. */
static void add_lines(tsms_log *log, size_t from, size_t count, size_t size)
{
    char *pad = calloc(1, size + 1);
    assert_non_null(pad);
    memset(pad, 'x', size);
    for (size_t i = from; i < from + count; i++) {
        char number[32];
        int n = snprintf(number, sizeof number, "n%zu", i);
        tsms_param fields[9] = {{TSMS__STR("line"), {number, (size_t)n}}};
        size_t used = 1;
        for (size_t left = size; left > 0 && used < 9; used++) {
            size_t part = left < 1000 ? left : 1000;
            fields[used] = (tsms_param){TSMS__STR("pad"), {pad, part}};
            left -= part;
        }
        tsms_log_add(log, TSMS_LOG_INFO, "x", fields, used, WALL_MS);
    }
    free(pad);
}

static tsms_log *open_unlimited(void)
{
    tsms_log_options options = TSMS_LOG_OPTIONS_INIT;
    options.per_second = 0;
    options.buffer_size = 1 << 20;
    return open_log(NULL, &options);
}

/* Adds what can be read without waiting. */
static void drain(int fd, tsms_buf *text)
{
    char piece[4096];
    ssize_t n;
    while ((n = read(fd, piece, sizeof piece)) > 0) {
        tsms__buf_add(text, (tsms_str){piece, (size_t)n});
    }
}

/* Whether the text is the lines 0 to count, each whole and once. */
static void assert_all_lines(tsms_buf *text, size_t count)
{
    const char *at = tsms__buf_z(text);
    for (size_t i = 0; i < count; i++) {
        char want[96];
        snprintf(want, sizeof want, "time=2026-11-23T06:40:00.123Z level=info event=x line=n%zu ",
                 i);
        assert_memory_equal(at, want, strlen(want));
        at = strchr(at, '\n');
        assert_non_null(at);
        at++;
    }
    assert_int_equal(*at, '\0');
}

static void test_a_file(void **state)
{
    char path[] = "/tmp/test_log_write.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    tsms_log *log = open_unlimited();
    assert_true(tsms_log_write(log, fd));
    add_lines(log, 0, 1000, 500);
    assert_true(tsms_log_write(log, fd));
    assert_int_equal(tsms__log_pending(log), 0);
    size_t len;
    char *bytes = test_read_file(path, &len);
    tsms_buf text = {.mem = &tsms__mem_libc, .ptr = bytes, .len = len, .cap = len + 1};
    assert_all_lines(&text, 1000);
    free(bytes);
    close(fd);
    unlink(path);
    tsms_log_free(log);
}

/* Half a line is in the file when its disk is full, and the next one does not stand behind it. */
static void test_a_full_disk(void **state)
{
    char path[] = "/tmp/test_log_write.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    tsms_log *log = open_unlimited();
    add_lines(log, 0, 3, 500);
    struct rlimit small = {.rlim_cur = 800, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_false(tsms_log_write(log, fd));
    assert_int_equal(errno, EFBIG);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(tsms__log_pending(log), 1);
    add_lines(log, 3, 1, 500);
    assert_true(tsms_log_write(log, fd));
    size_t len;
    char *text = test_read_file(path, &len);
    assert_int_equal(len > 0 && text[len - 1] == '\n', 1);
    text[len - 1] = '\0'; /* it is as long as the file */
    assert_has(text, "\ntime=2026-11-23T06:40:00.123Z level=info event=x line=n1 ");
    assert_has(text, "x\ntime=2026-11-23T06:40:00.123Z level=info event=x line=n2 ");
    assert_has(text, "\ntime=2026-11-23T06:40:00.123Z level=info event=x line=n3 ");
    assert_has(text, " dropped=1");
    free(text);
    close(fd);
    unlink(path);
    tsms_log_free(log);
}

/* The descriptor blocks, and nobody reads: it is filled, and the rest waits for later. */
static void fill_and_drain(int in, int out, size_t size)
{
    tsms_log *log = open_unlimited();
    tsms_buf text = {.mem = &tsms__mem_libc};
    fcntl(in, F_SETFL, O_NONBLOCK);
    enum { COUNT = 100 };
    add_lines(log, 0, COUNT, size);
    size_t rounds = 0;
    for (; tsms__log_pending(log) > 0; rounds++) {
        assert_true(rounds < 1000);
        assert_true(tsms_log_write(log, out));
        assert_true(tsms_log_write(log, out));
        drain(in, &text);
    }
    assert_true(tsms_log_write(log, out));
    drain(in, &text);
    assert_true(rounds > 1);
    assert_all_lines(&text, COUNT);
    tsms__buf_free(&text);
    tsms_log_free(log);
}

static void test_a_full_pipe(void **state)
{
    int fds[2];
    assert_int_equal(pipe2(fds, 0), 0);
    fcntl(fds[1], F_SETPIPE_SZ, 4096);
    fill_and_drain(fds[0], fds[1], 700);
    fill_and_drain(fds[0], fds[1], 7000); /* longer than a piece: in parts */
    close(fds[0]);
    close(fds[1]);
}

static void test_a_full_socket(void **state)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    int size = 8192;
    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    fill_and_drain(fds[0], fds[1], 700);
    close(fds[0]);
    close(fds[1]);
}

/* poll calls it writable as long as one byte has room. */
static void test_a_full_terminal(void **state)
{
    int screen = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(screen >= 0 && grantpt(screen) == 0 && unlockpt(screen) == 0);
    int fd = open(ptsname(screen), O_RDWR | O_NOCTTY);
    assert_true(fd >= 0);
    struct termios settings;
    tcgetattr(fd, &settings);
    cfmakeraw(&settings); /* no "\r" is added */
    tcsetattr(fd, TCSANOW, &settings);
    fill_and_drain(screen, fd, 700);
    fill_and_drain(screen, fd, 7000);
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0); /* it is shared with others */
    close(screen);
    close(fd);
}

/* The program closes the log's descriptor, and its number goes to a connection. */
static void test_no_line_goes_to_a_foreign_connection(void **state)
{
    int log_fds[2];
    int connection[2];
    char byte;
    tsms_log *log = open_unlimited();
    assert_int_equal(pipe2(log_fds, 0), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, connection), 0);
    add_lines(log, 0, 1, 10);
    assert_true(tsms_log_write(log, log_fds[1]));
    assert_int_equal(dup2(connection[1], log_fds[1]), log_fds[1]);
    add_lines(log, 1, 1, 10);
    assert_false(tsms_log_write(log, log_fds[1]));
    assert_int_equal(errno, EBADF);
    fcntl(connection[0], F_SETFL, O_NONBLOCK);
    assert_int_equal(read(connection[0], &byte, 1), -1);
    /* Another file is how logs are rotated. */
    int other[2];
    assert_int_equal(pipe2(other, 0), 0);
    assert_int_equal(dup2(other[1], log_fds[1]), log_fds[1]);
    add_lines(log, 2, 1, 10);
    assert_true(tsms_log_write(log, log_fds[1]));
    assert_int_equal(read(other[0], &byte, 1), 1);
    const int all[] = {log_fds[0], log_fds[1], connection[0], connection[1], other[0], other[1]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        close(all[i]);
    }
    tsms_log_free(log);
}

static bool is_pending(int signal)
{
    sigset_t set;
    sigpending(&set);
    return sigismember(&set, signal) == 1;
}

/* SIGPIPE would end the test. */
static void test_nobody_reads_any_more(void **state)
{
    int pairs[2][2];
    assert_int_equal(pipe2(pairs[0], 0), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[1]), 0);
    for (size_t i = 0; i < 2; i++) {
        tsms_log *log = open_unlimited();
        close(pairs[i][0]);
        add_lines(log, 0, 2, 10);
        assert_false(tsms_log_write(log, pairs[i][1]));
        assert_int_equal(errno, EPIPE);
        assert_int_equal(tsms__log_pending(log), 1); /* the line under way is lost */
        assert_false(is_pending(SIGPIPE));
        close(pairs[i][1]);
        tsms_log_free(log);
    }
}

static void test_no_descriptor(void **state)
{
    tsms_log *log = open_unlimited();
    assert_true(tsms_log_write(log, 9999));
    add_lines(log, 0, 1, 10);
    assert_false(tsms_log_write(log, 9999));
    assert_int_equal(errno, EBADF);
    tsms_log_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file),
        cmocka_unit_test(test_a_full_disk),
        cmocka_unit_test(test_a_full_pipe),
        cmocka_unit_test(test_a_full_socket),
        cmocka_unit_test(test_nobody_reads_any_more),
        cmocka_unit_test(test_no_descriptor),
        cmocka_unit_test(test_a_full_terminal),
        cmocka_unit_test(test_no_line_goes_to_a_foreign_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
