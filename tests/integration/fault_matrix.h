/* The table of faults and what must become of a message that meets one, for each kind of client. */
#ifndef TESTS_FAULT_MATRIX_H
#define TESTS_FAULT_MATRIX_H

#include "fault_server.h"

#include "twilio_sms.h"

/* A fault that hangs costs the short one, so that the others may have a long one. */
enum { MATRIX_TIMEOUT_MS = 10000, MATRIX_SHORT_TIMEOUT_MS = 300 };

/* What a client is to be made with. Apart from these it must have no limits of rate, no breaker and
 * pauses of a millisecond. */
typedef struct matrix_settings {
    const char *url;
    const char *ca_file;
    const char *http_version; /* as the option of that name */
    const char *in_doubt;     /* as the option of that name */
    int timeout_ms;           /* to connect, and for an attempt */
} matrix_settings;

/* For a client of this server, with the long time. */
matrix_settings fault_matrix_settings(const fault_server *server, const char *http_version,
                                      const char *in_doubt);

/* What the client says became of one message. */
typedef struct matrix_report {
    tsms_outcome outcome;
    tsms_kind kind;
    int attempts;
    bool verified;
    char sid[40];      /* "" without one */
    char message[160]; /* of the error, or "" */
} matrix_report;

/* A kind of client. What fails in one of these functions fails the test. */
typedef struct matrix_client {
    int version_count; /* 1: only HTTP/1.1; 2: HTTP/2 as well */
    void *(*open)(const matrix_settings *settings);
    /* Sends always the same message, so that a look-up cannot tell one from another by its text. */
    matrix_report (*send)(void *client);
    void (*close)(void *client);
} matrix_client;

/* The choices of in_doubt. */
extern const char *const MATRIX_MODE_NAMES[3];
/* How to ask for each version of HTTP; the server takes HTTP/2 when it is offered. */
extern const char *const MATRIX_VERSIONS[2];

/* Plays every fault, over each version of HTTP, on a fresh and on a reused connection, accepted or
 * not, for each choice of in_doubt. Each wrong cell is printed; answers their number. */
int fault_matrix_play(const matrix_client *client);

/* Plays scripts of chance, in which eight identical messages go through faults at every second
 * step; the first script that texts somebody twice, or after which a report is not true, fails. */
void fault_matrix_play_scripts(const matrix_client *client, uint32_t count);

#endif
