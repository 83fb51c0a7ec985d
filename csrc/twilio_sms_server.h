/* The C contract of libtwilio_sms_server: an embedded HTTPS server for webhooks and simulators.
 *
 * The conventions of twilio_sms.h hold here too. Nothing calls back: the host lets the server work
 * with tsms_server_step, takes requests with tsms_server_next, and answers each of them once, at
 * once or later. One server and its requests belong to one thread at a time. HTTP/1.1 (and 1.0)
 * over TLS 1.2 or newer; without TLS only on a loopback address, for use behind a proxy.
 *
 * This project is not affiliated with Twilio Inc. Since 0.1.0.
 */
#ifndef TWILIO_SMS_SERVER_H
#define TWILIO_SMS_SERVER_H

#include "twilio_sms.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tsms_server tsms_server;
/* A request that waits for its answer. It owns copies of all that it shows and outlives its
 * connection and even its server: an answer that has nobody left to go to is thrown away. */
typedef struct tsms_server_request tsms_server_request;

/* Start from TSMS_SERVER_OPTIONS_INIT. A number of 0 stands for its default. */
typedef struct tsms_server_options {
    size_t size;
    const tsms_mem *mem;       /* NULL means malloc; *mem is copied, its ctx must outlive all */
    tsms_str host;             /* a numeric address; default 127.0.0.1 */
    int port;                  /* 0: the system picks one */
    bool tls;                  /* false is allowed on loopback addresses only */
    tsms_str certificate_file; /* PEM, the server's certificate first; needs key_file */
    tsms_str key_file;         /* PEM, without a passphrase */
    tsms_str ca_file;          /* without certificate_file: gets the CA certificate of this run */
    size_t max_headers;        /* bytes of request line and headers; 16384 */
    size_t max_body;           /* bytes; 1048576 */
    size_t max_connections;    /* more wait in the system's queue; 1024 */
    int timeout_ms;            /* for a whole request to arrive, handshake and all, and for the
                                  peer to take the answer; 15000 */
    int idle_timeout_ms;       /* until a connection without a request is closed; 60000 */
} tsms_server_options;

#define TSMS_SERVER_OPTIONS_INIT                                                                   \
    {                                                                                              \
        .size = sizeof(tsms_server_options), .tls = true                                           \
    }

/* Binds and listens. With TLS and no certificate_file it makes a throw-away CA and a certificate
 * for localhost, 127.0.0.1, ::1, api.twilio.com and *.twilio.com, and writes the CA's certificate
 * to ca_file; the private keys never leave the memory. InvalidOption for what cannot be used,
 * ConnectionFailed when the address cannot be bound. */
TSMS_API tsms_status tsms_server_new(const tsms_server_options *options, tsms_server **out,
                                     tsms_error *err);
/* Closes all connections at once. Requests that were taken stay valid until they are answered. */
TSMS_API void tsms_server_free(tsms_server *server);
TSMS_API int tsms_server_port(const tsms_server *server);
/* Where the CA's certificate was written; "" when there is no throw-away CA. */
TSMS_API const char *tsms_server_ca_file(const tsms_server *server);

/* Moves everything that can move, waiting at most timeout_ms (-1: for ever) for a request. Returns
 * as soon as tsms_server_next has one, and when nothing can come any more. An answer leaves during
 * the next step. */
TSMS_API void tsms_server_step(tsms_server *server, int timeout_ms);
/* Takes the oldest request that nobody took yet; NULL when there is none. Give it to
 * tsms_server_reply, tsms_server_cut, tsms_server_raw or tsms_server_drop, once. */
TSMS_API tsms_server_request *tsms_server_next(tsms_server *server);
/* Stops listening, closes idle connections, and lets the others end with their current request.
 * Step on until tsms_server_connections is 0, or free the server when patience ends. */
TSMS_API void tsms_server_stop(tsms_server *server);
TSMS_API size_t tsms_server_connections(const tsms_server *server); /* the proxy's too */
/* For tests of programs that only know https://api.twilio.com: opens a second port, on 127.0.0.1
 * and without TLS (0: the system picks one), that takes CONNECT requests for names of *.twilio.com,
 * port 443, and leads them to this server. Everything else is refused with 403. Its connections
 * have the limits of the server's own. InvalidOption without TLS, when there is one already and for
 * a port out of range; ConnectionFailed when it cannot be bound. */
TSMS_API tsms_status tsms_server_open_proxy(tsms_server *server, int port, tsms_error *err);
TSMS_API int tsms_server_proxy_port(const tsms_server *server); /* -1 without a proxy */
/* From now on SIGTERM and SIGINT do not end this process, until the server is freed: the step under
 * way returns, and tsms_server_signalled says so. For one server of a process at a time:
 * TemporarilyUnavailable while another one does it. */
TSMS_API tsms_status tsms_server_catch_signals(tsms_server *server, tsms_error *err);
/* Whether such a signal came. */
TSMS_API bool tsms_server_signalled(const tsms_server *server);
/* For foreign loops: readable when tsms_server_step(server, 0) has work. -1 where the event library
 * does not tell; then step by timer. */
TSMS_API int tsms_server_pollfd(tsms_server *server);
/* Milliseconds until tsms_server_step wants to be called anyway; -1 for never. */
TSMS_API int tsms_server_timeout_ms(const tsms_server *server);

/* The views live as long as the request. */
TSMS_API tsms_str tsms_server_request_method(const tsms_server_request *request);
/* The target as it was sent, "/sms?a=1". */
TSMS_API tsms_str tsms_server_request_target(const tsms_server_request *request);
/* The target's path, still percent-encoded. */
TSMS_API tsms_str tsms_server_request_path(const tsms_server_request *request);
/* What follows the '?', still percent-encoded; absent when there is no '?'. */
TSMS_API tsms_str tsms_server_request_query(const tsms_server_request *request);
/* The bytes of the body. */
TSMS_API tsms_str tsms_server_request_body(const tsms_server_request *request);
/* The first header of that name in any case; absent when there is none. */
TSMS_API tsms_str tsms_server_request_header(const tsms_server_request *request, const char *name);
/* Headers in the order in which they came; false past the last. */
TSMS_API bool tsms_server_request_header_at(const tsms_server_request *request, size_t index,
                                            tsms_str *name, tsms_str *value);
/* The peer's address and port, "127.0.0.1:50312" or "[::1]:50312". */
TSMS_API tsms_str tsms_server_request_peer(const tsms_server_request *request);
/* Counts connections from 1; requests of the same connection share it. */
TSMS_API uint64_t tsms_server_request_connection(const tsms_server_request *request);

typedef struct tsms_server_header {
    tsms_str name;
    tsms_str value;
} tsms_server_header;

/* What to answer. Content-Length, Date and, where due, Connection are added. */
typedef struct tsms_server_answer {
    int http_status; /* 200 to 599 */
    const tsms_server_header *headers;
    size_t header_count;
    tsms_str body; /* not sent with 204, 304 and to HEAD */
} tsms_server_answer;

/* Answers and takes the request over. On an error (InvalidRequest: a status out of range, a header
 * that is malformed or not the host's to set) nothing was done and the request is still open. */
TSMS_API tsms_status tsms_server_reply(tsms_server_request *request,
                                       const tsms_server_answer *answer, tsms_error *err);
/* For tests of clients: announces the whole answer, sends half of its body and closes. Fails as
 * tsms_server_reply does. */
TSMS_API tsms_status tsms_server_cut(tsms_server_request *request, const tsms_server_answer *answer,
                                     tsms_error *err);
/* For tests of clients: sends these bytes instead of an HTTP answer and closes. TSMS_NOMEM leaves
 * the request open. */
TSMS_API tsms_status tsms_server_raw(tsms_server_request *request, tsms_str bytes, tsms_error *err);

typedef enum tsms_server_drop_how {
    TSMS_SERVER_DROP_RESET, /* the peer sees a reset connection */
    TSMS_SERVER_DROP_CLOSE, /* the peer sees an orderly end without an answer */
} tsms_server_drop_how;

/* Takes the request over and closes its connection without an answer. NULL is allowed. */
TSMS_API void tsms_server_drop(tsms_server_request *request, tsms_server_drop_how how);

#ifdef __cplusplus
}
#endif

#endif
