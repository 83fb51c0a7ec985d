/* Hands the requests that evhttp completes to the host, and the host's answers to evhttp. */
#include "server_exchange.h"

#include <stdio.h>
#include <string.h>

#include "server_connection.h"
#include "server_os.h"

enum { ONE_RECORD_BYTES = 16 << 10 }; /* what fits into one TLS record (RFC 8446 section 5.1) */

static const char *method_name(enum evhttp_cmd_type method)
{
    switch (method) {
    case EVHTTP_REQ_GET:
        return "GET";
    case EVHTTP_REQ_POST:
        return "POST";
    case EVHTTP_REQ_HEAD:
        return "HEAD";
    case EVHTTP_REQ_PUT:
        return "PUT";
    case EVHTTP_REQ_DELETE:
        return "DELETE";
    case EVHTTP_REQ_OPTIONS:
        return "OPTIONS";
    case EVHTTP_REQ_CONNECT:
        return "CONNECT";
    default:
        return "PATCH";
    }
}

static tsms_str peer_text(struct evhttp_connection *http, char *text, size_t size)
{
    char *address = NULL;
    ev_uint16_t port = 0;
    evhttp_connection_get_peer(http, &address, &port);
    bool v6 = address != NULL && strchr(address, ':') != NULL;
    int len = snprintf(text, size, v6 ? "[%s]:%d" : "%s:%d", address != NULL ? address : "", port);
    return (tsms_str){text, len > 0 && (size_t)len < size ? (size_t)len : 0};
}

static tsms_server_request *copy_request(tsms_server *server, struct evhttp_request *from,
                                         struct evhttp_connection *http)
{
    const struct evkeyval *header;
    struct evkeyvalq *headers = evhttp_request_get_input_headers(from);
    struct evbuffer *body = evhttp_request_get_input_buffer(from);
    size_t body_len = evbuffer_get_length(body);
    tsms_str method = tsms_str_from(method_name(evhttp_request_get_command(from)));
    tsms_str target = tsms_str_from(evhttp_request_get_uri(from));
    char peer_buf[80];
    tsms_str peer = peer_text(http, peer_buf, sizeof peer_buf);
    size_t count = 0;
    size_t bytes = method.len + target.len + peer.len + body_len;
    for (header = headers->tqh_first; header != NULL; header = header->next.tqe_next) {
        bytes += strlen(header->key) + strlen(header->value);
        count++;
    }
    tsms_server_request *request = tsms__inbound_new(&server->mem, count, bytes);
    if (request == NULL) {
        return NULL;
    }
    request->method = tsms__inbound_copy(request, method);
    tsms__inbound_set_target(request, target);
    request->peer = tsms__inbound_copy(request, peer);
    for (header = headers->tqh_first; header != NULL; header = header->next.tqe_next) {
        tsms__inbound_add_header(request, tsms_str_from(header->key), tsms_str_from(header->value));
    }
    if (body_len > 0) {
        evbuffer_copyout(body, request->text, body_len);
    }
    request->body = (tsms_str){request->text, body_len};
    return request;
}

/* Such a peer may see its connection's next bytes in another light than the server does, so there
 * must be none. */
static void refuse(tsms_server_request *request)
{
    const tsms_server_answer bad_request = {.http_status = 400};
    if (tsms_server_cut(request, &bad_request, NULL) != TSMS_OK) {
        tsms_server_drop(request, TSMS_SERVER_DROP_CLOSE);
    }
}

void tsms__exchange_begin(struct evhttp_request *http_request, void *arg)
{
    tsms_server *server = arg;
    struct evhttp_connection *http = evhttp_request_get_connection(http_request);
    tsms__connection *c = tsms__connection_of(server, http);
    tsms_server_request *request = c != NULL ? copy_request(server, http_request, http) : NULL;
    if (request == NULL) {
        evhttp_connection_free(http);
        return;
    }
    request->connection = c;
    request->connection_id = c->id;
    c->http_request = http_request;
    c->request = request;
    tsms__connection_to_host(c);
    if (!tsms__inbound_is_sound(request)) {
        refuse(request);
        return;
    }
    *(server->ready_last != NULL ? &server->ready_last->next : &server->ready_first) = request;
    server->ready_last = request;
}

tsms_server_request *tsms_server_next(tsms_server *server)
{
    tsms_server_request *request = server->ready_first;
    if (request != NULL) {
        server->ready_first = request->next;
        if (server->ready_first == NULL) {
            server->ready_last = NULL;
        }
        request->next = NULL;
    }
    return request;
}

/* Ends the request and hands its connection, if there still is one, to what follows. */
static tsms__connection *take_over(tsms_server_request *request)
{
    tsms__connection *c = request->connection;
    if (c != NULL) {
        c->request = NULL;
        c->http_request = NULL;
        tsms__connection_to_busy(c);
    }
    tsms__inbound_free(request);
    return c;
}

static void on_replied(struct evhttp_request *http_request, void *arg)
{
    (void)http_request;
    tsms__connection *c = arg;
    if (evbuffer_get_length(bufferevent_get_input(c->stream)) > 0) {
        tsms__connection_to_busy(c);
    } else {
        tsms__connection_to_idle(c);
    }
}

static bool add_header(tsms_server *server, struct evkeyvalq *headers, tsms_str name,
                       tsms_str value)
{
    char *name_z = tsms__str_dup(&server->mem, name);
    char *value_z = tsms__str_dup(&server->mem, value);
    bool ok = name_z != NULL && value_z != NULL && evhttp_add_header(headers, name_z, value_z) == 0;
    tsms__free(&server->mem, name_z);
    tsms__free(&server->mem, value_z);
    return ok;
}

static bool add_headers(tsms__connection *c, const tsms_server_answer *answer)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(c->http_request);
    for (size_t i = 0; i < answer->header_count; i++) {
        const tsms_server_header *header = &answer->headers[i];
        if (!add_header(c->server, headers, header->name, header->value)) {
            return false;
        }
    }
    if (tsms__answer_has_body(answer->http_status)) {
        char length[24];
        snprintf(length, sizeof length, "%zu", answer->body.len);
        if (evhttp_add_header(headers, "Content-Length", length) != 0) {
            return false;
        }
    }
    return !c->server->stopping || evhttp_add_header(headers, "Connection", "close") == 0;
}

tsms_status tsms_server_reply(tsms_server_request *request, const tsms_server_answer *answer,
                              tsms_error *err)
{
    tsms_status status = tsms__answer_check(answer, err);
    if (status != TSMS_OK) {
        return status;
    }
    tsms__connection *c = request->connection;
    if (c == NULL) {
        take_over(request);
        return TSMS_OK;
    }
    tsms_server *server = c->server;
    struct evhttp_request *http_request = c->http_request;
    bool send_body = tsms__answer_has_body(answer->http_status) &&
                     evhttp_request_get_command(http_request) != EVHTTP_REQ_HEAD;
    if (!add_headers(c, answer) ||
        (send_body && evbuffer_add(server->scratch, answer->body.ptr, answer->body.len) != 0)) {
        evhttp_clear_headers(evhttp_request_get_output_headers(http_request));
        return tsms__error_nomem(err);
    }
    take_over(request);
    evhttp_request_set_on_complete_cb(http_request, on_replied, c);
    evhttp_send_reply(http_request, answer->http_status, NULL, server->scratch);
    /* Head and body in one piece are one TLS record and one packet instead of two. */
    struct evbuffer *output = bufferevent_get_output(c->stream);
    if (evbuffer_get_length(output) <= ONE_RECORD_BYTES) {
        evbuffer_pullup(output, -1);
    }
    return TSMS_OK;
}

static void close_now(tsms__connection *c)
{
    tsms__tls_say_goodbye(c->server->tls != NULL ? bufferevent_openssl_get_ssl(c->stream) : NULL);
    evhttp_connection_free(c->http);
}

static void on_raw_written(struct bufferevent *stream, void *arg)
{
    (void)stream;
    close_now(arg);
}

static void on_raw_event(struct bufferevent *stream, short what, void *arg)
{
    (void)stream;
    tsms__connection *c = arg;
    if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0) {
        evhttp_connection_free(c->http);
    }
}

tsms_status tsms_server_raw(tsms_server_request *request, tsms_str bytes, tsms_error *err)
{
    if (bytes.len == 0) {
        tsms_server_drop(request, TSMS_SERVER_DROP_CLOSE);
        return TSMS_OK;
    }
    tsms__connection *c = request->connection;
    if (c != NULL && evbuffer_add(bufferevent_get_output(c->stream), bytes.ptr, bytes.len) != 0) {
        return tsms__error_nomem(err);
    }
    take_over(request);
    if (c != NULL) {
        /* evhttp has no say in what follows; it still owns the connection and frees it. */
        bufferevent_setcb(c->stream, NULL, on_raw_written, on_raw_event, c);
        bufferevent_enable(c->stream, EV_WRITE);
    }
    return TSMS_OK;
}

tsms_status tsms_server_cut(tsms_server_request *request, const tsms_server_answer *answer,
                            tsms_error *err)
{
    tsms_status status = tsms__answer_check(answer, err);
    if (status != TSMS_OK) {
        return status;
    }
    tsms_mem mem = request->mem;
    tsms_buf bytes;
    tsms__buf_init(&bytes, &mem);
    tsms__answer_head(answer, &bytes);
    tsms__buf_add(&bytes, (tsms_str){answer->body.ptr, answer->body.len / 2});
    status = bytes.failed ? tsms__error_nomem(err)
                          : tsms_server_raw(request, tsms__buf_str(&bytes), err);
    tsms__buf_free(&bytes);
    return status;
}

void tsms_server_drop(tsms_server_request *request, tsms_server_drop_how how)
{
    tsms__connection *c = request != NULL ? take_over(request) : NULL;
    if (c == NULL) {
        return;
    }
    tsms__sigpipe saved = tsms__sigpipe_block();
    if (how == TSMS_SERVER_DROP_RESET) {
        tsms__socket_reset(c->fd);
        evhttp_connection_free(c->http);
    } else {
        close_now(c);
    }
    tsms__sigpipe_restore(&saved);
}
