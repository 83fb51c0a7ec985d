/* Keeps track of the server's connections: evhttp opens and closes them, deadlines end them.
 *
 * evhttp's own timeouts watch for silence only, so a peer could keep a connection for ever with a
 * byte now and then. Here each connection stands in a list ordered by deadline. */
#include "server_connection.h"

#include <string.h>

#include "clock.h"

enum { ACCEPT_PAUSE_MS = 100 }; /* after accept failed, mostly for want of descriptors */

static void list_remove(tsms__connection *c)
{
    tsms__connection_list *list = c->list;
    if (list != NULL) {
        *(c->prev != NULL ? &c->prev->next : &list->first) = c->next;
        *(c->next != NULL ? &c->next->prev : &list->last) = c->prev;
        c->prev = c->next = NULL;
        c->list = NULL;
    }
}

/* The deadlines of one list all lie equally far ahead, so the end is the right place. */
static void list_move(tsms__connection *c, tsms__connection_list *list, int timeout_ms)
{
    list_remove(c);
    c->deadline_ms = tsms__clock_now().mono_ms + timeout_ms;
    c->list = list;
    c->prev = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = c;
    list->last = c;
}

static void accept_more(tsms_server *server)
{
    if (!server->stopping && server->resume_ms == 0 &&
        server->connection_count < server->max_connections) {
        evconnlistener_enable(server->listener);
    }
}

static void forget(tsms__connection *c)
{
    tsms_server *server = c->server;
    list_remove(c);
    server->connection_count--;
    accept_more(server);
    tsms__free(&server->mem, c);
}

/* evhttp is about to free the connection, whatever the reason. */
static void on_closed(struct evhttp_connection *http, void *arg)
{
    (void)http;
    tsms__connection *c = arg;
    if (c->request != NULL) {
        c->request->connection = NULL;
        /* After some errors evhttp has already let go of a request that waits for an answer. */
        if (evhttp_request_get_connection(c->http_request) == NULL) {
            evhttp_request_free(c->http_request);
        }
    }
    evbuffer_remove_cb_entry(bufferevent_get_input(c->stream), c->watch);
    c->server->by_fd[c->fd] = NULL;
    forget(c);
}

static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
    (void)input;
    tsms__connection *c = arg;
    if (info->n_added > 0 && c->list == &c->server->idle) {
        tsms__connection_to_busy(c);
    }
}

static bool remember_fd(tsms_server *server, tsms__connection *c)
{
    size_t need = (size_t)c->fd + 1;
    if (need > server->by_fd_room) {
        size_t room = need > 2 * server->by_fd_room ? need : 2 * server->by_fd_room;
        tsms__connection **table =
            tsms__resize(&server->mem, server->by_fd, room, sizeof(tsms__connection *));
        if (table == NULL) {
            return false;
        }
        memset(table + server->by_fd_room, 0,
               (room - server->by_fd_room) * sizeof(tsms__connection *));
        server->by_fd = table;
        server->by_fd_room = room;
    }
    server->by_fd[c->fd] = c;
    return true;
}

/* evhttp does not tell of a new connection before its first request, but makes it the argument of
 * the stream's callbacks. That it is gone again, for want of memory, shows as no argument. */
static void adopt(tsms__connection *c)
{
    tsms_server *server = c->server;
    void *owner = NULL;
    bufferevent_getcb(c->stream, NULL, NULL, NULL, &owner);
    struct bufferevent *stream = c->stream;
    c->http = owner;
    c->fd = bufferevent_getfd(stream);
    list_remove(c);
    if (c->http != NULL && c->fd >= 0) {
        c->watch = evbuffer_add_cb(bufferevent_get_input(stream), on_input, c);
        if (c->watch != NULL && remember_fd(server, c)) {
            c->id = ++server->last_connection_id;
            evhttp_connection_set_closecb(c->http, on_closed, c);
            tsms__connection_to_busy(c);
            bufferevent_decref(stream);
            return;
        }
        evhttp_connection_free(c->http);
    }
    forget(c);
    bufferevent_decref(stream);
}

static void on_arrived(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    tsms_server *server = arg;
    while (server->arriving.first != NULL) {
        adopt(server->arriving.first);
    }
}

static struct bufferevent *stream_new(tsms_server *server)
{
    if (server->tls == NULL) {
        return bufferevent_socket_new(server->base, -1, BEV_OPT_CLOSE_ON_FREE);
    }
    struct ssl_st *session = tsms__tls_accept(server->tls);
    return session == NULL
               ? NULL
               : bufferevent_openssl_socket_new(server->base, -1, session,
                                                BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
}

/* Makes the stream of a connection that was just accepted. Without memory for it evhttp makes a
 * plain one, whose requests are then refused because its connection is unknown here. */
static struct bufferevent *on_accepted(struct event_base *base, void *arg)
{
    (void)base;
    tsms_server *server = arg;
    tsms__connection *c = tsms__calloc(&server->mem, 1, sizeof *c);
    struct bufferevent *stream = c != NULL ? stream_new(server) : NULL;
    if (stream == NULL) {
        tsms__free(&server->mem, c);
        return NULL;
    }
    c->server = server;
    c->stream = stream;
    bufferevent_incref(stream);
    list_move(c, &server->arriving, 0);
    event_active(server->arrived, EV_TIMEOUT, 0);
    if (++server->connection_count >= server->max_connections) {
        evconnlistener_disable(server->listener);
    }
    return stream;
}

/* The listener's argument is evhttp's: breaking off the loop is how the server learns of it. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    (void)arg;
    evconnlistener_disable(listener);
    event_base_loopbreak(evconnlistener_get_base(listener));
}

static void close_expired(tsms__connection_list *list, int64_t now_ms)
{
    while (list->first != NULL && list->first->deadline_ms <= now_ms) {
        evhttp_connection_free(list->first->http);
    }
}

void tsms__connections_tend(tsms_server *server)
{
    int64_t now_ms = tsms__clock_now().mono_ms;
    if (event_base_got_break(server->base)) {
        server->resume_ms = now_ms + ACCEPT_PAUSE_MS;
    }
    close_expired(&server->busy, now_ms);
    close_expired(&server->idle, server->stopping ? INT64_MAX : now_ms);
    if (server->resume_ms != 0 && server->resume_ms <= now_ms) {
        server->resume_ms = 0;
        accept_more(server);
    }
}

int64_t tsms__connections_due_ms(const tsms_server *server)
{
    int64_t due_ms = server->resume_ms != 0 ? server->resume_ms : INT64_MAX;
    if (server->busy.first != NULL && server->busy.first->deadline_ms < due_ms) {
        due_ms = server->busy.first->deadline_ms;
    }
    if (server->idle.first != NULL && server->idle.first->deadline_ms < due_ms) {
        due_ms = server->idle.first->deadline_ms;
    }
    return due_ms;
}

tsms__connection *tsms__connection_of(tsms_server *server, struct evhttp_connection *http)
{
    int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(http));
    tsms__connection *c = fd >= 0 && (size_t)fd < server->by_fd_room ? server->by_fd[fd] : NULL;
    return c != NULL && c->http == http ? c : NULL;
}

void tsms__connection_to_host(tsms__connection *connection)
{
    list_remove(connection);
}

void tsms__connection_to_busy(tsms__connection *connection)
{
    list_move(connection, &connection->server->busy, connection->server->timeout_ms);
}

void tsms__connection_to_idle(tsms__connection *connection)
{
    list_move(connection, &connection->server->idle, connection->server->idle_timeout_ms);
}

bool tsms__connections_open(tsms_server *server)
{
    server->arrived = event_new(server->base, -1, 0, on_arrived, server);
    server->listener =
        evconnlistener_new(server->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
                           0, server->listen_fd);
    if (server->arrived == NULL || server->listener == NULL) {
        return false;
    }
    evhttp_set_bevcb(server->http, on_accepted, server);
    evconnlistener_set_error_cb(server->listener, on_accept_error);
    server->bound = evhttp_bind_listener(server->http, server->listener);
    return server->bound != NULL;
}
