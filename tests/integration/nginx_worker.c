/* Starts a real nginx, talks to it and ends it. */
#define _GNU_SOURCE /* mkdtemp, asprintf, strcasestr */
#include "nginx_worker.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct nginx_worker {
    pid_t master;
    char dir[64];
    struct sockaddr_un address;
};

/* Where Debian's packages nginx-light and libnginx-mod-http-lua put them. */
static const char PROGRAM[] = "/usr/sbin/nginx";
#define MODULES "/usr/lib/nginx/modules"

/* Their folders must be named, because the default ones belong to the system's own nginx. */
static const char CONFIGURATION[] =
    "load_module " MODULES "/ndk_http_module.so;\n"
    "load_module " MODULES "/ngx_http_lua_module.so;\n"
    "%s" /* user */
    "daemon off;\n"
    "worker_processes 1;\n"
    "worker_shutdown_timeout 10s;\n"
    "error_log error.log notice;\n"
    "pid nginx.pid;\n"
    "events { worker_connections 256; }\n"
    "http {\n"
    "    access_log off;\n"
    "    client_body_temp_path body;\n"
    "    proxy_temp_path proxy;\n"
    "    fastcgi_temp_path fastcgi;\n"
    "    uwsgi_temp_path uwsgi;\n"
    "    scgi_temp_path scgi;\n"
    "    lua_package_path '%s/luajit/?.lua;%s/luajit/?/init.lua;;';\n"
    "    lua_package_cpath '%s/luajit/?.so;;';\n"
    "    %s\n"
    "    server {\n"
    "        listen unix:%s;\n"
    "        %s\n"
    "    }\n"
    "}\n";

/* ---- Files */

/* A whole file as text; "" when it cannot be read. Free it. */
static char *read_file(const char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL || getdelim(&text, &size, '\0', file) < 0) {
        free(text);
        text = strdup("");
    }
    if (file != NULL) {
        fclose(file);
    }
    assert_non_null(text);
    return text;
}

static char *path_in(const nginx_worker *worker, const char *name)
{
    char *path = NULL;
    assert_true(asprintf(&path, "%s/%s", worker->dir, name) > 0);
    return path;
}

/* The folder with the built Lua modules. Free it. */
static char *build_dir(void)
{
    const char *named = getenv("TWILIO_SMS_BUILD");
    char *dir = realpath(named != NULL ? named : "/proc/self/exe", NULL);
    assert_non_null(dir);
    /* BUILD/tests/integration/test_x */
    for (int up = named != NULL ? 0 : 3; up > 0; up--) {
        *strrchr(dir, '/') = '\0';
    }
    char module[4096];
    snprintf(module, sizeof module, "%s/luajit/twilio_sms/core.so", dir);
    if (access(module, R_OK) != 0) {
        fail_msg("%s is not there: build it, or say in TWILIO_SMS_BUILD where it is", module);
    }
    return dir;
}

static void write_configuration(const nginx_worker *worker, const char *http, const char *server)
{
    char *path = path_in(worker, "nginx.conf");
    char *build = build_dir();
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    /* A worker of another user could not use the directory. */
    const char *user = geteuid() == 0 ? "user root;\n" : "";
    assert_true(fprintf(file, CONFIGURATION, user, build, build, build, http,
                        worker->address.sun_path, server) > 0);
    assert_int_equal(fclose(file), 0);
    free(build);
    free(path);
}

static void remove_files(const nginx_worker *worker)
{
    static const char *const files[] = {"nginx.conf", "nginx.pid", "error.log", "socket"};
    static const char *const folders[] = {"body", "proxy", "fastcgi", "uwsgi", "scgi", ""};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *path = path_in(worker, files[i]);
        unlink(path);
        free(path);
    }
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char *path = path_in(worker, folders[i]);
        rmdir(path);
        free(path);
    }
}

static void fail_with_log(const nginx_worker *worker, const char *what)
{
    char *path = path_in(worker, "error.log");
    char *log = read_file(path);
    print_error("%s", log);
    free(log);
    free(path);
    fail_msg("nginx: %s", what);
}

/* ---- The process */

/* The socket is there before nginx is, so that nobody has to wait for it. */
static int listen_at(nginx_worker *worker)
{
    worker->address.sun_family = AF_UNIX;
    snprintf(worker->address.sun_path, sizeof worker->address.sun_path, "%s/socket", worker->dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&worker->address, sizeof worker->address), 0);
    assert_int_equal(listen(fd, SOMAXCONN), 0);
    return fd;
}

/* Becomes nginx. Between fork and exec only what signals may do is allowed: other threads may have
 * held locks. */
static void become_nginx(char *const arguments[], char *const environment[], int listener,
                         pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    fcntl(listener, F_SETFD, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && getppid() == parent) {
        execve(PROGRAM, arguments, environment);
    }
    _exit(127);
}

nginx_worker *nginx_worker_start(const char *http, const char *server)
{
    nginx_worker *worker = calloc(1, sizeof *worker);
    assert_non_null(worker);
    snprintf(worker->dir, sizeof worker->dir, "/tmp/nginx-worker-XXXXXX");
    assert_non_null(mkdtemp(worker->dir));
    int listener = listen_at(worker);
    write_configuration(worker, http, server);
    char *configuration = path_in(worker, "nginx.conf");
    char *log = path_in(worker, "error.log");
    /* nginx takes over sockets that are named so (ngx_add_inherited_sockets). */
    char inherited[32];
    snprintf(inherited, sizeof inherited, "NGINX=%d;", listener);
    char *arguments[] = {"nginx", "-p", worker->dir, "-c", configuration, "-e", log, NULL};
    char *environment[] = {inherited, "PATH=/usr/bin:/bin", NULL};
    pid_t parent = getpid();
    worker->master = fork();
    assert_true(worker->master >= 0);
    if (worker->master == 0) {
        become_nginx(arguments, environment, listener, parent);
    }
    close(listener);
    free(configuration);
    free(log);
    return worker;
}

/* What a good end leaves no trace of. */
static const char *complaint_in(const char *log)
{
    static const char *const signs[] = {"[alert]", "[emerg]", "exited on signal",
                                        "lua entry thread aborted"};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (strstr(log, signs[i]) != NULL) {
            return signs[i];
        }
    }
    return NULL;
}

void nginx_worker_stop(nginx_worker *worker)
{
    if (worker == NULL) {
        return;
    }
    int status = 0;
    kill(worker->master, SIGQUIT);
    while (waitpid(worker->master, &status, 0) < 0 && errno == EINTR) {
    }
    char *path = path_in(worker, "error.log");
    char *log = read_file(path);
    const char *complaint = complaint_in(log);
    bool well = complaint == NULL && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!well) {
        print_error("%s", log);
    }
    free(log);
    free(path);
    remove_files(worker);
    free(worker);
    if (!well) {
        fail_msg("nginx did not end well: status %d, %s", status,
                 complaint != NULL ? complaint : "see its log");
    }
}

/* ---- Talking */

static void write_all(const nginx_worker *worker, int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t put = send(fd, bytes, len, MSG_NOSIGNAL);
        if (put <= 0) {
            fail_with_log(worker, "it does not take the request");
        }
        bytes += put;
        len -= (size_t)put;
    }
}

/* All that comes until the end, as text. Free it. */
static char *read_all(int fd)
{
    char *text = NULL;
    size_t len = 0, size = 0;
    ssize_t got = 0;
    do {
        len += (size_t)got;
        if (size - len < 4096) {
            size += 8192;
            text = realloc(text, size);
            assert_non_null(text);
        }
        got = recv(fd, text + len, size - len - 1, 0);
    } while (got > 0);
    text[len] = '\0';
    return text;
}

char *nginx_worker_post(nginx_worker *worker, const char *path, const char *body)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&worker->address, sizeof worker->address) != 0) {
        fail_with_log(worker, "it is not there");
    }
    char *request = NULL;
    /* Version 1.0, so that the answer ends where the connection does. */
    int len =
        asprintf(&request, "POST %s HTTP/1.0\r\nHost: worker\r\nContent-Length: %zu\r\n\r\n%s",
                 path, strlen(body), body);
    assert_true(len > 0);
    write_all(worker, fd, request, (size_t)len);
    free(request);
    char *answer = read_all(fd);
    close(fd);
    const char *begin = strstr(answer, "\r\n\r\n");
    if (begin == NULL || strncmp(answer, "HTTP/1.1 200 ", 13) != 0) {
        print_error("%s\n", answer);
        free(answer);
        fail_with_log(worker, "no good answer");
        return NULL;
    }
    memmove(answer, begin + 4, strlen(begin + 4) + 1);
    return answer;
}
