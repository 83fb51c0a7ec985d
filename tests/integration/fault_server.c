/* Accepts connections, gives each a thread and ends it in the way that its fault asks for. */
#define _GNU_SOURCE /* mkdtemp, accept4 */
#include "fault_internal.h"

#include <openssl/err.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void fault__must(bool ok, const char *condition, const char *file, int line)
{
    if (!ok) {
        fprintf(stderr, "%s:%d: the fault server cannot go on: %s\n", file, line, condition);
        abort();
    }
}

const char *fault_name(fault_id id)
{
    static const char *const names[] = {
#define X(id, stage, accepts, name) name,
        FAULTS(X)
#undef X
    };
    return names[id];
}

fault_stage fault_stage_of(fault_id id)
{
    static const fault_stage stages[] = {
#define X(id, stage, accepts, name) FAULT_STAGE_##stage,
        FAULTS(X)
#undef X
    };
    return stages[id];
}

fault_accepts fault_accepts_of(fault_id id)
{
    static const fault_accepts accepts_of[] = {
#define X(id, stage, accepts, name) FAULT_ACCEPTS_##accepts,
        FAULTS(X)
#undef X
    };
    return accepts_of[id];
}

/* ---- The script and the truth */

fault_id fault__peek(fault_server *server)
{
    pthread_mutex_lock(&server->lock);
    fault_id id = server->script_next < server->script_count
                      ? server->script[server->script_next].id
                      : FAULT_NONE;
    pthread_mutex_unlock(&server->lock);
    return id;
}

fault fault__take(fault_server *server, fault_stage stage)
{
    fault taken = {.id = FAULT_NONE};
    pthread_mutex_lock(&server->lock);
    if (server->script_next < server->script_count &&
        fault_stage_of(server->script[server->script_next].id) == stage) {
        taken = server->script[server->script_next++];
    }
    pthread_mutex_unlock(&server->lock);
    return taken;
}

void fault_server_push(fault_server *server, fault next)
{
    pthread_mutex_lock(&server->lock);
    fault *script = realloc(server->script, (server->script_count + 1) * sizeof *script);
    MUST(script != NULL);
    script[server->script_count++] = next;
    server->script = script;
    pthread_mutex_unlock(&server->lock);
}

fault_stats fault_server_stats(fault_server *server)
{
    pthread_mutex_lock(&server->lock);
    fault_stats stats = server->stats;
    stats.script_left = (unsigned)(server->script_count - server->script_next);
    pthread_mutex_unlock(&server->lock);
    return stats;
}

/* ---- One connection */

size_t fault__read_some(fault__connection *connection, void *to, size_t size)
{
    size_t got = 0;
    return SSL_read_ex(connection->ssl, to, size, &got) == 1 ? got : 0;
}

bool fault__read(fault__connection *connection, void *to, size_t size)
{
    for (size_t done = 0; done < size;) {
        size_t got = fault__read_some(connection, (char *)to + done, size - done);
        if (got == 0) {
            return false;
        }
        done += got;
    }
    return true;
}

bool fault__write(fault__connection *connection, const void *from, size_t size)
{
    size_t put = 0;
    return size == 0 || SSL_write_ex(connection->ssl, from, size, &put) == 1;
}

void fault__cork(fault__connection *connection)
{
    int on = 1;
    MUST(setsockopt(connection->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on) == 0);
}

/* Reads and forgets until the client goes away or the server is stopped. */
static void drain(int fd)
{
    char ignored[4096];
    while (recv(fd, ignored, sizeof ignored, 0) > 0) {
    }
}

static void end(fault__connection *connection, fault__ending ending)
{
    if (ending == FAULT__CLOSE && connection->ssl != NULL) {
        SSL_shutdown(connection->ssl);
    }
    if (ending == FAULT__CLOSE || ending == FAULT__FIN) {
        shutdown(connection->fd, SHUT_WR);
        drain(connection->fd);
    } else if (ending == FAULT__HANG) {
        drain(connection->fd);
    } else if (ending == FAULT__RESET) {
        struct linger at_once = {.l_onoff = 1, .l_linger = 0};
        MUST(setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    }
    pthread_mutex_lock(&connection->server->lock);
    close(connection->fd);
    connection->fd = -1;
    pthread_mutex_unlock(&connection->server->lock);
    SSL_free(connection->ssl);
    ERR_clear_error();
}

/* The faults that happen while there is no TLS yet. */
static fault__ending spoil_handshake(fault__connection *connection, fault_id id)
{
    static const char plain[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    if (id == FAULT_TLS_CLOSE_BEFORE) {
        return FAULT__CLOSE;
    }
    if (id == FAULT_TLS_RESET_BEFORE) {
        return FAULT__RESET;
    }
    char client_hello[4096];
    if (recv(connection->fd, client_hello, sizeof client_hello, 0) <= 0) {
        return FAULT__CLOSE;
    }
    if (id == FAULT_TLS_HANG) {
        return FAULT__HANG;
    }
    if (id == FAULT_TLS_PLAINTEXT) {
        send(connection->fd, plain, sizeof plain - 1, MSG_NOSIGNAL);
    }
    return id == FAULT_TLS_RESET_IN ? FAULT__RESET : FAULT__CLOSE;
}

static fault__ending converse(fault__connection *connection)
{
    fault_id id = fault__take(connection->server, FAULT_STAGE_CONNECTION).id;
    if (id != FAULT_NONE && id != FAULT_TLS_CLOSE_AFTER) {
        return spoil_handshake(connection, id);
    }
    connection->ssl = SSL_new(connection->server->tls);
    MUST(connection->ssl != NULL);
    MUST(SSL_set_fd(connection->ssl, connection->fd) == 1);
    if (SSL_accept(connection->ssl) != 1) {
        return FAULT__DROP;
    }
    if (id == FAULT_TLS_CLOSE_AFTER) {
        return FAULT__CLOSE;
    }
    const unsigned char *protocol = NULL;
    unsigned int len = 0;
    SSL_get0_alpn_selected(connection->ssl, &protocol, &len);
    bool http2 = len == 2 && memcmp(protocol, "h2", 2) == 0;
    return http2 ? fault__http2(connection) : fault__http1(connection);
}

static void *run_connection(void *arg)
{
    fault__connection *connection = arg;
    end(connection, converse(connection));
    return NULL;
}

/* ---- The listener */

static void *run_acceptor(void *arg)
{
    fault_server *server = arg;
    int fd;
    while ((fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        int on = 1;
        MUST(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
        fault__connection *connection = calloc(1, sizeof *connection);
        MUST(connection != NULL);
        connection->server = server;
        connection->fd = fd;
        pthread_mutex_lock(&server->lock);
        server->stats.connections++;
        connection->next = server->connections;
        server->connections = connection;
        if (server->stopping) {
            shutdown(fd, SHUT_RDWR);
        }
        MUST(pthread_create(&connection->thread, NULL, run_connection, connection) == 0);
        pthread_mutex_unlock(&server->lock);
    }
    return NULL;
}

/* A socket bound to a free port of 127.0.0.1. */
static int bind_somewhere(uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(fd >= 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    MUST(bind(fd, (struct sockaddr *)&address, size) == 0);
    MUST(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    *port = ntohs(address.sin_port);
    return fd;
}

int fault_refusing_port(uint16_t *port)
{
    return bind_somewhere(port);
}

static fault_server *start(const fault *script, size_t count, fault_certificate certificate)
{
    fault_server *server = calloc(1, sizeof *server);
    MUST(server != NULL);
    MUST(pthread_mutex_init(&server->lock, NULL) == 0);
    for (size_t i = 0; i < count; i++) {
        fault_server_push(server, script[i]);
    }
    snprintf(server->dir, sizeof server->dir, "/tmp/fault-server-XXXXXX");
    MUST(mkdtemp(server->dir) != NULL);
    snprintf(server->ca_file, sizeof server->ca_file, "%s/ca.pem", server->dir);
    server->tls = fault__tls_new(server->ca_file, certificate);

    uint16_t port = 0;
    server->listener = bind_somewhere(&port);
    MUST(listen(server->listener, SOMAXCONN) == 0);
    snprintf(server->url, sizeof server->url, "https://127.0.0.1:%u", port);

    /* OpenSSL writes with write(2): a client that went away must not end the test. The threads
     * inherit the mask. */
    sigset_t pipe_signal, before;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    MUST(pthread_sigmask(SIG_BLOCK, &pipe_signal, &before) == 0);
    MUST(pthread_create(&server->acceptor, NULL, run_acceptor, server) == 0);
    MUST(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    return server;
}

fault_server *fault_server_start(const fault *script, size_t count)
{
    return start(script, count, FAULT_CERTIFICATE_GOOD);
}

fault_server *fault_server_start_as(fault_certificate certificate)
{
    return start(NULL, 0, certificate);
}

void fault_server_stop(fault_server *server)
{
    if (server == NULL) {
        return;
    }
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    for (fault__connection *c = server->connections; c != NULL; c = c->next) {
        if (c->fd >= 0) {
            shutdown(c->fd, SHUT_RDWR);
        }
    }
    pthread_mutex_unlock(&server->lock);
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->acceptor, NULL);
    close(server->listener);
    while (server->connections != NULL) {
        fault__connection *connection = server->connections;
        server->connections = connection->next;
        pthread_join(connection->thread, NULL);
        free(connection);
    }
    for (size_t i = 0; i < server->message_count; i++) {
        free(server->messages[i].to);
        free(server->messages[i].from);
        free(server->messages[i].body);
    }
    free(server->messages);
    free(server->script);
    SSL_CTX_free(server->tls);
    unlink(server->ca_file);
    rmdir(server->dir);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

const char *fault_server_url(const fault_server *server)
{
    return server->url;
}

const char *fault_server_ca_file(const fault_server *server)
{
    return server->ca_file;
}
