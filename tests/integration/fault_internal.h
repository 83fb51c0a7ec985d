/* What the files of the fault server share among themselves. */
#ifndef TESTS_FAULT_INTERNAL_H
#define TESTS_FAULT_INTERNAL_H

#include "fault_server.h"

#include "base/str.h"

#include <openssl/ssl.h>
#include <pthread.h>

/* Aborts with a message when the machine does not provide what the test needs. */
#define MUST(condition) fault__must((condition), #condition, __FILE__, __LINE__)
void fault__must(bool ok, const char *condition, const char *file, int line);

/* fault_tls.c: a server context with a fresh certificate; its authority goes to ca_file. */
SSL_CTX *fault__tls_new(const char *ca_file, fault_certificate kind);

typedef struct fault__message {
    char sid[35];
    char account_sid[35];
    char *to, *from, *body;
    time_t created;
} fault__message;

struct fault_server {
    int listener;
    pthread_t acceptor;
    SSL_CTX *tls;
    char url[40];
    char dir[32];
    char ca_file[48];
    pthread_mutex_t lock; /* guards all below */
    bool stopping;
    struct fault__connection *connections;
    fault *script;
    size_t script_next, script_count;
    fault_stats stats;
    fault__message *messages;
    size_t message_count;
};

typedef struct fault__connection {
    fault_server *server;
    pthread_t thread;
    struct fault__connection *next;
    int fd;   /* -1 when closed; closed only by its own thread, under the lock */
    SSL *ssl; /* NULL before the handshake */
} fault__connection;

/* How a connection ends. */
typedef enum fault__ending {
    FAULT__CLOSE, /* TLS close_notify and FIN, then read until the client goes away */
    FAULT__FIN,   /* the same without close_notify */
    FAULT__DROP,  /* close(2) at once: with unread bytes, the kernel answers RST */
    FAULT__RESET, /* RST */
    FAULT__HANG,  /* nothing, until the client goes away */
} fault__ending;

/* Takes the head of the script if it is of this stage; else NONE. */
fault fault__take(fault_server *server, fault_stage stage);
/* The head of the script, NONE when it is empty. */
fault_id fault__peek(fault_server *server);

/* All of it or false. */
bool fault__read(fault__connection *connection, void *to, size_t size);
bool fault__write(fault__connection *connection, const void *from, size_t size);
/* Keeps what is written from now on, so that it leaves together with the end of the connection: a
 * client that has read the answer has then seen the end as well. */
void fault__cork(fault__connection *connection);
/* At most size bytes; 0 at the end. */
size_t fault__read_some(fault__connection *connection, void *to, size_t size);

typedef struct fault__request {
    char method[8];
    tsms_buf path; /* with the query */
    tsms_buf body;
} fault__request;

void fault__request_init(fault__request *request);
void fault__request_free(fault__request *request);

typedef struct fault__answer {
    int status;
    const char *content_type;
    const char *location;    /* NULL for none */
    const char *retry_after; /* NULL for none */
    char date[32];
    tsms_buf body;
} fault__answer;

/* fault_answer.c: counts a complete request, takes its fault and writes down whether the message
 * exists. The caller plays the fault; the answer is what goes over the wire where the fault leaves
 * any. Free answer->body. */
fault fault__handle(fault_server *server, const fault__request *request, fault__answer *answer);

/* fault_http1.c, fault_http2.c: serve a connection from the end of the handshake to its end. */
fault__ending fault__http1(fault__connection *connection);
fault__ending fault__http2(fault__connection *connection);

#endif
