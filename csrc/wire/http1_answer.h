/* One answer of HTTP/1.1, read from chunks of any size, for drivers that only have a socket.
 *
 * The requests are GET, POST and DELETE over one connection, one after the other; each answer is
 * read from its first byte on. What it comes to does not depend on how it was cut. It is strict:
 * what two readers could take apart in two ways is refused, because a wrong guess about where an
 * answer ends gives the next message the rest of it. */
#ifndef TSMS_WIRE_HTTP1_ANSWER_H
#define TSMS_WIRE_HTTP1_ANSWER_H

#include "response.h"

enum {
    TSMS__HTTP1_HEAD_MOST = 64 << 10, /* bytes of status lines, headers and trailers in all */
    TSMS__HTTP1_FIELDS_MOST = 256,    /* headers and trailers in all */
    TSMS__HTTP1_INTERIM_MOST = 16,    /* answers of 1xx before the one that counts */
    TSMS__HTTP1_BODY_MOST = 8 << 20,  /* a full page of 1000 long messages is about half of it */
    TSMS__HTTP1_KEPT = 256 << 10,     /* bytes of memory that are kept for the next answer */
};

typedef enum tsms__http1_state {
    TSMS__HTTP1_MORE,
    TSMS__HTTP1_DONE,
    TSMS__HTTP1_MALFORMED, /* or cut off, or memory ran out: `why` says it */
    TSMS__HTTP1_TOO_LARGE,
} tsms__http1_state;

/* A part of the head. Not a view: the head moves while it grows. */
typedef struct tsms__http1_span {
    size_t start, len;
    bool seen;
} tsms__http1_span;

typedef struct tsms__http1_answer {
    tsms__http1_state state;
    int status;      /* of the last status line, unless it was of 1xx; 0: none was seen */
    bool reusable;   /* DONE, and the connection may carry another request */
    tsms_kind fault; /* of an answer that cannot be read; NONE before and otherwise */
    const char *why; /* about it, one line */
    tsms_buf body;   /* as far as it came */

    /* Where the reader stands; nobody else's business. */
    int stage;
    bool persists;   /* so far nothing said that the connection must not be used again */
    bool in_interim; /* the headers are those of a 1xx */
    bool is_1_0;     /* it speaks HTTP/1.0 */
    bool has_length; /* there was a Content-Length */
    bool has_coding; /* there was a Transfer-Encoding, which can only be "chunked" */
    uint64_t left;   /* Content-Length; then bytes of the body, or of its chunk, to come */
    size_t line;     /* where the current line begins in `head` */
    int fields;      /* so far */
    int interim;     /* answers of 1xx so far */
    tsms_buf head;   /* the lines so far */
    tsms__http1_span retry_after, date, request_id;
} tsms__http1_answer;

/* Ready for an answer. */
void tsms__http1_init(tsms__http1_answer *answer, const tsms_mem *mem);
void tsms__http1_free(tsms__http1_answer *answer);
/* Ready for another one; memory is kept within TSMS__HTTP1_KEPT. */
void tsms__http1_begin(tsms__http1_answer *answer);
/* Takes what came. Bytes behind the end are looked at no further, but the connection is not to be
 * used again. */
tsms__http1_state tsms__http1_feed(tsms__http1_answer *answer, tsms_str bytes);
/* The peer closed the connection, which ends some answers and cuts off the others. Not MORE. */
tsms__http1_state tsms__http1_ended(tsms__http1_answer *answer);
/* What is known so far. Views that live until the answer changes. */
void tsms__http1_read(const tsms__http1_answer *answer, tsms__response *out);
/* Gives back memory beyond TSMS__HTTP1_KEPT, and then the body with it. */
void tsms__http1_trim(tsms__http1_answer *answer);

#endif
