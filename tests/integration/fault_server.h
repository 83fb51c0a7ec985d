/* An HTTPS server inside the test process that fails on demand and knows the truth.
 *
 * It listens on 127.0.0.1 at a port of the kernel's choice, with a certificate of its own
 * throw-away authority, and speaks HTTP/1.1 or, when the client offers it by ALPN, HTTP/2; each
 * connection has a thread. POST .../Messages.json is a send and GET .../Messages.json?To=&From= the
 * look-up, which always tells the truth. Everything else is answered with 404.
 *
 * A script says what goes wrong, in order. Its head waits for what it can happen to: a new
 * connection, the bytes of a request that nobody has read, or a send that was read to its end. When
 * the script is empty, or its head waits for something else, all goes well. What happens on the
 * wire and whether the message exists are separate things.
 *
 * Nothing here sleeps. A hang ends when the client goes away or the server is stopped. When the
 * machine cannot provide what the server needs (memory, a port, a thread), the process is aborted
 * with a message: there is nothing to test then.
 */
#ifndef TESTS_FAULT_SERVER_H
#define TESTS_FAULT_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum fault_stage {
    FAULT_STAGE_CONNECTION, /* happens to the next connection */
    FAULT_STAGE_UNREAD,     /* to the next request, of any method, before a byte of it is read */
    FAULT_STAGE_SEND,       /* to the next send, after it was read to its end */
} fault_stage;

/* Whether the message exists behind a fault. */
typedef enum fault_accepts {
    FAULT_ACCEPTS_NEVER,
    FAULT_ACCEPTS_ALWAYS,
    FAULT_ACCEPTS_MAYBE, /* the script decides */
} fault_accepts;

/* X(id, stage, accepts, name). The last five are HTTP/2's own; over HTTP/1.1 they close the
 * connection, with or without an answer. ANSWER_STREAM_NO_ERROR on a connection that was used
 * before answers while the last byte of the request is still held back, as servers do that answer
 * without reading (RFC 9113 section 8.1); on a fresh connection it answers behind the end of the
 * request. */
#define FAULTS(X)                                                                                  \
    X(NONE, SEND, ALWAYS, "none")                                                                  \
    X(TLS_CLOSE_BEFORE, CONNECTION, NEVER, "closed before the TLS handshake")                      \
    X(TLS_RESET_BEFORE, CONNECTION, NEVER, "reset before the TLS handshake")                       \
    X(TLS_CLOSE_IN, CONNECTION, NEVER, "closed in the TLS handshake")                              \
    X(TLS_RESET_IN, CONNECTION, NEVER, "reset in the TLS handshake")                               \
    X(TLS_PLAINTEXT, CONNECTION, NEVER, "plaintext instead of TLS")                                \
    X(TLS_HANG, CONNECTION, NEVER, "TLS handshake hangs")                                          \
    X(TLS_CLOSE_AFTER, CONNECTION, NEVER, "closed right after the TLS handshake")                  \
    X(UNREAD_CLOSE, UNREAD, NEVER, "closed without reading")                                       \
    X(UNREAD_RESET, UNREAD, NEVER, "reset without reading")                                        \
    X(CLOSE, SEND, MAYBE, "closed without an answer")                                              \
    X(RESET, SEND, MAYBE, "reset without an answer")                                               \
    X(HANG, SEND, MAYBE, "no answer")                                                              \
    X(HALF_STATUS, SEND, MAYBE, "closed in the status line")                                       \
    X(HALF_HEADER, SEND, ALWAYS, "closed in a header behind a 201 status line")                    \
    X(HALF_BODY, SEND, ALWAYS, "closed in the body of a 201")                                      \
    X(GARBAGE, SEND, MAYBE, "garbage instead of an answer")                                        \
    X(STATUS_500, SEND, MAYBE, "500")                                                              \
    X(STATUS_503, SEND, MAYBE, "503")                                                              \
    X(STATUS_429, SEND, NEVER, "429")                                                              \
    X(STATUS_302, SEND, MAYBE, "302 to the same place")                                            \
    X(HTML_502, SEND, MAYBE, "502 with HTML")                                                      \
    X(HUGE_BODY, SEND, ALWAYS, "201 with 10 MB that are no JSON")                                  \
    X(ANSWER_RESET, SEND, ALWAYS, "answered, then reset")                                          \
    X(ANSWER_FIN, SEND, ALWAYS, "answered, then closed while idle, without a TLS goodbye")         \
    X(ANSWER_CLOSE, SEND, ALWAYS, "answered, then closed while idle")                              \
    X(ANSWER_GOAWAY, SEND, ALWAYS, "answered, then GOAWAY and closed while idle")                  \
    X(GOAWAY, SEND, MAYBE, "GOAWAY without an answer")                                             \
    X(STREAM_INTERNAL, SEND, MAYBE, "RST_STREAM(INTERNAL_ERROR)")                                  \
    X(STREAM_REFUSED, SEND, NEVER, "RST_STREAM(REFUSED_STREAM)")                                   \
    X(ANSWER_STREAM_NO_ERROR, SEND, ALWAYS, "answered, then RST_STREAM(NO_ERROR)")

typedef enum fault_id {
#define X(id, stage, accepts, name) FAULT_##id,
    FAULTS(X)
#undef X
        FAULT_COUNT
} fault_id;

typedef struct fault {
    fault_id id;
    bool accepted;           /* decides for faults that MAYBE accept */
    const char *retry_after; /* the header's value on 429 and 503; NULL for none; not copied */
} fault;

/* What really happened. Counted before the answer leaves, so a client that has seen the end of its
 * request finds it counted. */
typedef struct fault_stats {
    unsigned connections;         /* accepted by the kernel and handed to us */
    unsigned posts_seen_complete; /* sends that were read to their end */
    unsigned posts_accepted;      /* messages that exist now */
    unsigned lookups;
    unsigned script_left; /* faults that have not happened yet */
} fault_stats;

typedef struct fault_server fault_server;

/* Starts with a script of `count` faults; more can be added with fault_server_push. */
fault_server *fault_server_start(const fault *script, size_t count);

/* What the server shows of itself. */
typedef enum fault_certificate {
    FAULT_CERTIFICATE_GOOD,
    FAULT_CERTIFICATE_EXPIRED,
    FAULT_CERTIFICATE_OTHER_NAME, /* neither of those that it is reached by */
    FAULT_CERTIFICATE_LONG_CHAIN, /* good, with two authorities between it and the trusted one */
} fault_certificate;

/* Starts without faults but that of its certificate. */
fault_server *fault_server_start_as(fault_certificate certificate);
/* Ends every connection, joins all threads, removes the certificate; NULL is allowed. */
void fault_server_stop(fault_server *server);
/* Adds a fault to the end of the script. */
void fault_server_push(fault_server *server, fault next);
fault_stats fault_server_stats(fault_server *server);
/* "https://127.0.0.1:PORT"; the certificate is good for "localhost" as well. */
const char *fault_server_url(const fault_server *server);
/* The certificate of the authority, PEM. */
const char *fault_server_ca_file(const fault_server *server);

const char *fault_name(fault_id id);
fault_stage fault_stage_of(fault_id id);
fault_accepts fault_accepts_of(fault_id id);

/* A port of 127.0.0.1 that refuses connections and stays so until the descriptor that is returned
 * is closed. */
int fault_refusing_port(uint16_t *port);

#endif
