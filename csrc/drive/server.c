/* Opens, runs and closes the embedded HTTPS server: evhttp over libevent and OpenSSL. */
#include "../twilio_sms_server.h"

#include <limits.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "clock.h"
#include "server_connection.h"
#include "server_exchange.h"
#include "server_os.h"

/* CONNECT is refused here and not by evhttp, which would leave the connection open. */
enum {
    METHODS = EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
              EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH | EVHTTP_REQ_CONNECT,
};

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg; /* its only work is to let the loop return */
}

static tsms_status refuse(tsms_error *err, const char *why)
{
    return tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "%s", why);
}

static tsms_status check_numbers(const tsms_server_options *options, tsms_error *err)
{
    const struct {
        const char *name;
        bool is_good;
        const char *range;
    } numbers[] = {
        {"port", options->port >= 0 && options->port <= 65535, "from 0 to 65535"},
        {"max_headers", options->max_headers <= INT_MAX, "less than 2 GiB"},
        {"max_body", options->max_body <= INT_MAX, "less than 2 GiB"},
        {"timeout_ms", options->timeout_ms >= 0, "0 (the default) or more"},
        {"idle_timeout_ms", options->idle_timeout_ms >= 0, "0 (the default) or more"},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (!numbers[i].is_good) {
            return tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "%s must be %s", numbers[i].name,
                                   numbers[i].range);
        }
    }
    return TSMS_OK;
}

static tsms_status read_options(tsms_server_options *out, const tsms_server_options *options,
                                tsms_error *err)
{
    *out = (tsms_server_options)TSMS_SERVER_OPTIONS_INIT;
    if (options->size == 0 || options->size > sizeof *out) {
        return refuse(err, "the size of the options is wrong: start from TSMS_SERVER_OPTIONS_INIT");
    }
    memcpy(out, options, options->size);
    out->host = out->host.len > 0 ? out->host : TSMS__STR("127.0.0.1");
    out->max_headers = out->max_headers > 0 ? out->max_headers : 16384;
    out->max_body = out->max_body > 0 ? out->max_body : 1048576;
    out->max_connections = out->max_connections > 0 ? out->max_connections : 1024;
    out->timeout_ms = out->timeout_ms != 0 ? out->timeout_ms : 15000;
    out->idle_timeout_ms = out->idle_timeout_ms != 0 ? out->idle_timeout_ms : 60000;
    return check_numbers(out, err);
}

/* Which files make sense together. */
static tsms_status check_files(const tsms_server_options *options, tsms_error *err)
{
    bool certificate = options->certificate_file.len > 0;
    bool key = options->key_file.len > 0;
    bool ca = options->ca_file.len > 0;
    if (!options->tls && (certificate || key || ca)) {
        return tsms__error_set(err, TSMS_KIND_INVALID_OPTION,
                               "tls is off, but %s is given: leave that out, or switch tls on",
                               certificate ? "certificate_file"
                               : key       ? "key_file"
                                           : "ca_file");
    }
    if (certificate && !key) {
        return refuse(err, "certificate_file is given without its key_file");
    }
    if (key && !certificate) {
        return refuse(err, "key_file is given without its certificate_file");
    }
    if (certificate && ca) {
        return refuse(err, "ca_file is written for a throw-away certificate: leave it out beside "
                           "certificate_file and key_file");
    }
    if (options->tls && !certificate && !ca) {
        return refuse(err, "tls needs certificate_file and key_file, or ca_file alone");
    }
    return TSMS_OK;
}

static tsms_status open_tls(tsms_server *server, const tsms_server_options *options,
                            tsms_error *err)
{
    if (!options->tls) {
        return TSMS_OK;
    }
    if (options->ca_file.len > 0) {
        server->ca_file = tsms__str_dup(&server->mem, options->ca_file);
        return server->ca_file == NULL ? tsms__error_nomem(err)
                                       : tsms__tls_throw_away(server->ca_file, &server->tls, err);
    }
    char *certificate = tsms__str_dup(&server->mem, options->certificate_file);
    char *key = tsms__str_dup(&server->mem, options->key_file);
    tsms_status status = certificate == NULL || key == NULL
                             ? tsms__error_nomem(err)
                             : tsms__tls_from_files(certificate, key, &server->tls, err);
    tsms__free(&server->mem, certificate);
    tsms__free(&server->mem, key);
    return status;
}

static tsms_status open_socket(tsms_server *server, const tsms_server_options *options,
                               tsms_error *err)
{
    char *host = tsms__str_dup(&server->mem, options->host);
    tsms_status status = host == NULL ? tsms__error_nomem(err)
                                      : tsms__listen(host, options->port, !options->tls,
                                                     &server->listen_fd, &server->port, err);
    tsms__free(&server->mem, host);
    return status;
}

static struct event_base *base_new(void)
{
    struct event_config *config = event_config_new();
    if (config == NULL) {
        return NULL;
    }
    struct event_base *base = NULL;
    if (event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0) {
        base = event_base_new_with_config(config);
    }
    event_config_free(config);
    return base;
}

static bool open_loop(tsms_server *server, const tsms_server_options *options)
{
    server->base = base_new();
    if (server->base == NULL) {
        return false;
    }
    server->wake = evtimer_new(server->base, on_wake, NULL);
    server->scratch = evbuffer_new();
    server->http = evhttp_new(server->base);
    if (server->wake == NULL || server->scratch == NULL || server->http == NULL) {
        return false;
    }
    evhttp_set_max_headers_size(server->http, (ev_ssize_t)options->max_headers);
    evhttp_set_max_body_size(server->http, (ev_ssize_t)options->max_body);
    evhttp_set_allowed_methods(server->http, METHODS);
    evhttp_set_default_content_type(server->http, NULL);
    /* A body that is too large is read to its end, or the 413 could be lost in a reset. */
    evhttp_set_flags(server->http, EVHTTP_SERVER_LINGERING_CLOSE);
    evhttp_set_gencb(server->http, tsms__exchange_begin, server);
    return tsms__connections_open(server);
}

tsms_status tsms_server_new(const tsms_server_options *given, tsms_server **out, tsms_error *err)
{
    tsms_server_options options;
    tsms__error_clear(err);
    tsms_status status = read_options(&options, given, err);
    if (status == TSMS_OK) {
        status = check_files(&options, err);
    }
    if (status != TSMS_OK) {
        return status;
    }
    const tsms_mem *mem = options.mem != NULL ? options.mem : &tsms__mem_libc;
    tsms_server *server = tsms__calloc(mem, 1, sizeof *server);
    if (server == NULL) {
        return tsms__error_nomem(err);
    }
    server->mem = *mem;
    server->max_connections = options.max_connections;
    server->timeout_ms = options.timeout_ms;
    server->idle_timeout_ms = options.idle_timeout_ms;
    server->listen_fd = -1;
    server->poll_fd = -1;
    status = open_socket(server, &options, err);
    if (status == TSMS_OK) {
        status = open_tls(server, &options, err);
    }
    if (status == TSMS_OK && !open_loop(server, &options)) {
        status = tsms__error_nomem(err);
    }
    if (status != TSMS_OK) {
        tsms_server_free(server);
        return status;
    }
    *out = server;
    return TSMS_OK;
}

static void free_loop(tsms_server *server)
{
    if (server->listener == NULL && server->listen_fd >= 0) {
        close(server->listen_fd);
    } else if (server->listener != NULL && server->bound == NULL) {
        evconnlistener_free(server->listener);
    }
    tsms__proxy_free(server->proxy);
    if (server->http != NULL) {
        evhttp_free(server->http);
    }
    if (server->wake != NULL) {
        event_free(server->wake);
    }
    if (server->arrived != NULL) {
        event_free(server->arrived);
    }
    tsms__signals_free(server);
    if (server->scratch != NULL) {
        evbuffer_free(server->scratch);
    }
    if (server->base != NULL) {
        event_base_free(server->base);
    }
}

void tsms_server_free(tsms_server *server)
{
    if (server == NULL) {
        return;
    }
    server->stopping = true;
    tsms__sigpipe saved = tsms__sigpipe_block();
    free_loop(server);
    tsms__sigpipe_restore(&saved);
    tsms_server_request *request;
    while ((request = tsms_server_next(server)) != NULL) {
        tsms__inbound_free(request);
    }
    tsms__tls_free(server->tls);
    tsms_mem mem = server->mem;
    tsms__free(&mem, server->by_fd);
    tsms__free(&mem, server->ca_file);
    tsms__free(&mem, server);
}

int tsms_server_port(const tsms_server *server)
{
    return server->port;
}

const char *tsms_server_ca_file(const tsms_server *server)
{
    return server->ca_file != NULL ? server->ca_file : "";
}

size_t tsms_server_connections(const tsms_server *server)
{
    return server->connection_count + tsms__proxy_connections(server->proxy);
}

tsms_status tsms_server_open_proxy(tsms_server *server, int port, tsms_error *err)
{
    tsms__error_clear(err);
    if (port < 0 || port > 65535) {
        return refuse(err, "port must be from 0 to 65535");
    }
    if (server->tls == NULL) {
        return refuse(err, "a proxy leads to https only, and tls is off");
    }
    if (server->proxy != NULL || server->stopping) {
        return refuse(err, "there is a proxy already, or the server was stopped");
    }
    const tsms__proxy_options options = {
        .mem = &server->mem,
        .base = server->base,
        .port = port,
        .target_fd = server->listen_fd,
        .max_connections = server->max_connections,
        .timeout_ms = server->timeout_ms,
    };
    return tsms__proxy_new(&options, &server->proxy, err);
}

int tsms_server_proxy_port(const tsms_server *server)
{
    return tsms__proxy_port(server->proxy);
}

void tsms_server_stop(tsms_server *server)
{
    if (!server->stopping) {
        server->stopping = true;
        evhttp_del_accept_socket(server->http, server->bound);
        server->bound = NULL;
        server->listener = NULL;
        server->listen_fd = -1;
        tsms__proxy_stop(server->proxy);
        tsms__connections_tend(server);
    }
}

int tsms_server_pollfd(tsms_server *server)
{
    if (server->poll_fd < 0 && server->listen_fd >= 0) {
        server->poll_fd = tsms__epoll_watching(server->listen_fd);
    }
    return server->poll_fd;
}

static int64_t next_due_ms(const tsms_server *server)
{
    int64_t due_ms = tsms__connections_due_ms(server);
    int64_t proxy_ms = tsms__proxy_due_ms(server->proxy);
    return proxy_ms < due_ms ? proxy_ms : due_ms;
}

int tsms_server_timeout_ms(const tsms_server *server)
{
    if (server->ready_first != NULL ||
        event_base_get_num_events(server->base, EVENT_BASE_COUNT_ACTIVE) > 0) {
        return 0;
    }
    int64_t due_ms = next_due_ms(server);
    if (due_ms == INT64_MAX) {
        return -1;
    }
    int64_t left_ms = due_ms - tsms__clock_now().mono_ms;
    return left_ms <= 0 ? 0 : left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

/* One turn of the loop that ends at until_ms at the latest. */
static void turn(tsms_server *server, int64_t now_ms, int64_t until_ms)
{
    if (until_ms <= now_ms) {
        event_base_loop(server->base, EVLOOP_NONBLOCK);
        return;
    }
    int64_t wait_ms = until_ms - now_ms;
    if (until_ms != INT64_MAX) {
        const struct timeval wait = {.tv_sec = (time_t)(wait_ms / 1000),
                                     .tv_usec = (suseconds_t)(wait_ms % 1000 * 1000)};
        event_add(server->wake, &wait);
    }
    event_base_loop(server->base, EVLOOP_ONCE);
    event_del(server->wake);
}

static bool can_come(const tsms_server *server)
{
    return !server->stopping || server->busy.first != NULL || server->idle.first != NULL ||
           tsms__proxy_connections(server->proxy) > 0;
}

void tsms_server_step(tsms_server *server, int timeout_ms)
{
    tsms__sigpipe saved = tsms__sigpipe_block();
    int64_t now_ms = tsms__clock_now().mono_ms;
    int64_t end_ms = timeout_ms < 0 ? INT64_MAX : now_ms + timeout_ms;
    bool was_signalled = server->signalled;
    bool waiting = true;
    while (waiting) {
        int64_t due_ms = next_due_ms(server);
        if (server->ready_first != NULL || !can_come(server)) {
            due_ms = now_ms;
        }
        turn(server, now_ms, due_ms < end_ms ? due_ms : end_ms);
        tsms__connections_tend(server);
        tsms__proxy_tend(server->proxy);
        now_ms = tsms__clock_now().mono_ms;
        waiting = server->ready_first == NULL && now_ms < end_ms && can_come(server) &&
                  server->signalled == was_signalled;
    }
    tsms__sigpipe_restore(&saved);
}
