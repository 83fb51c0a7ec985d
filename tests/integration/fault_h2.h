/* The frames and streams of HTTP/2 (RFC 9113): just enough of them, with headers read by the HPACK
 * decoder of libnghttp2 and written as plain literals. */
#ifndef TESTS_FAULT_H2_H
#define TESTS_FAULT_H2_H

#include "fault_internal.h"

#include <nghttp2/nghttp2.h>

enum { FAULT__H2_FRAME = 16384, FAULT__H2_WINDOW = 65535, FAULT__H2_STREAMS = 256 };

typedef struct fault__stream {
    uint32_t id; /* 0 for a free place */
    fault__request request;
    size_t content_length;
    int64_t window; /* what the client lets us send; may fall below zero */
    bool ended;     /* by END_STREAM */
} fault__stream;

typedef struct fault__h2 {
    fault__connection *connection;
    nghttp2_hd_inflater *inflater;
    int64_t window, stream_window; /* what the client lets us send, in all and on a new stream */
    int acks_due;                  /* SETTINGS that the client has not confirmed */
    /* The client may not send the last byte of a request; see ANSWER_STREAM_NO_ERROR. */
    bool holding;
    fault__ending ending;
    fault__stream streams[FAULT__H2_STREAMS];
    uint8_t payload[FAULT__H2_FRAME];
} fault__h2;

/* Reads one frame and remembers what it says; false at the end of the connection. */
bool fault__h2_receive(fault__h2 *h);
/* NULL when there is none. */
fault__stream *fault__h2_find(fault__h2 *h, uint32_t id);
void fault__h2_close(fault__stream *s);

void fault__h2_put_u32(uint8_t *to, uint32_t value);
void fault__h2_add_frame_head(tsms_buf *out, size_t len, uint8_t type, uint8_t flags, uint32_t id);
/* A header field; nothing for a NULL value. */
void fault__h2_add_field(tsms_buf *out, const char *name, const char *value);
bool fault__h2_write_frame(fault__h2 *h, uint8_t type, uint8_t flags, uint32_t id,
                           const void *payload, size_t len);
/* A frame whose payload is one number. */
bool fault__h2_write_u32(fault__h2 *h, uint8_t type, uint32_t id, uint32_t value);
/* SETTINGS with the window of new streams, and of those that are open (section 6.9.2). */
bool fault__h2_write_window(fault__h2 *h, uint32_t size);
/* Writes a body as the windows allow, reading what the client sends meanwhile; true also when the
 * stream goes away. */
bool fault__h2_write_data(fault__h2 *h, uint32_t id, const char *body, size_t len, bool end);

#endif
