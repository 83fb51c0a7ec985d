/* Speaks HTTP/2 (RFC 9113) on one connection and plays its faults: just enough framing, headers
 * read with the HPACK decoder of libnghttp2 and written as plain literals. */
#include "fault_internal.h"

#include "base/mem.h"

#include <nghttp2/nghttp2.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FRAME = 16384, DEFAULT_WINDOW = 65535, MAX_STREAMS = 256 };

typedef struct stream {
    uint32_t id; /* 0 for a free place */
    fault__request request;
    size_t content_length;
    int64_t window; /* what the client lets us send; may fall below zero */
    bool ended;     /* by END_STREAM */
} stream;

typedef struct http2 {
    fault__connection *connection;
    nghttp2_hd_inflater *inflater;
    int64_t window, stream_window;
    int acks_due; /* SETTINGS that the client has not confirmed */
    /* The client may not send the end of its next request; see ANSWER_STREAM_NO_ERROR. */
    bool holding;
    fault__ending ending;
    stream streams[MAX_STREAMS];
    uint8_t payload[MAX_FRAME];
} http2;

/* ---- Writing frames */

static void put_u32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        to[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

static uint32_t get_u32(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static void add_frame_head(tsms_buf *out, size_t len, uint8_t type, uint8_t flags, uint32_t id)
{
    uint8_t head[9] = {(uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len, type, flags};
    put_u32(head + 5, id);
    tsms__buf_add(out, (tsms_str){(const char *)head, sizeof head});
}

static bool write_frame(http2 *h, uint8_t type, uint8_t flags, uint32_t id, const void *payload,
                        size_t len)
{
    tsms_buf out;
    tsms__buf_init(&out, &tsms__mem_libc);
    add_frame_head(&out, len, type, flags, id);
    tsms__buf_add(&out, (tsms_str){payload, len});
    MUST(!out.failed);
    bool ok = fault__write(h->connection, out.ptr, out.len);
    tsms__buf_free(&out);
    return ok;
}

static bool write_u32_frame(http2 *h, uint8_t type, uint32_t id, uint32_t value)
{
    uint8_t payload[4];
    put_u32(payload, value);
    return write_frame(h, type, 0, id, payload, sizeof payload);
}

static bool write_initial_window(http2 *h, uint32_t size)
{
    uint8_t payload[6] = {0, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE};
    put_u32(payload + 2, size);
    h->acks_due++;
    return write_frame(h, NGHTTP2_SETTINGS, 0, 0, payload, sizeof payload);
}

/* A literal that enters no table (RFC 7541 section 6.2.2), without Huffman coding. */
static void add_field(tsms_buf *out, const char *name, const char *value)
{
    if (value != NULL) {
        size_t name_len = strlen(name), value_len = strlen(value);
        MUST(name_len < 127 && value_len < 127);
        tsms__buf_add_char(out, 0);
        tsms__buf_add_char(out, (char)name_len);
        tsms__buf_add_z(out, name);
        tsms__buf_add_char(out, (char)value_len);
        tsms__buf_add_z(out, value);
    }
}

static void add_answer_fields(tsms_buf *out, const fault__answer *answer)
{
    char status[12], length[24];
    snprintf(status, sizeof status, "%d", answer->status);
    snprintf(length, sizeof length, "%zu", answer->body.len);
    add_field(out, ":status", status);
    add_field(out, "date", answer->date);
    add_field(out, "content-type", answer->content_type);
    add_field(out, "location", answer->location);
    add_field(out, "retry-after", answer->retry_after);
    add_field(out, "twilio-request-id", "RQ00000000000000000000000000000001");
    add_field(out, "content-length", length);
}

/* ---- Reading frames */

static stream *find_stream(http2 *h, uint32_t id)
{
    for (size_t i = 0; i < MAX_STREAMS; i++) {
        if (h->streams[i].id == id) {
            return &h->streams[i];
        }
    }
    return NULL;
}

static stream *open_stream(http2 *h, uint32_t id)
{
    stream *s = find_stream(h, 0);
    MUST(s != NULL);
    *s = (stream){.id = id, .window = h->stream_window};
    fault__request_init(&s->request);
    return s;
}

static void close_stream(stream *s)
{
    fault__request_free(&s->request);
    s->id = 0;
}

static void take_field(stream *s, const nghttp2_nv *field)
{
    const char *name = (const char *)field->name;
    const char *value = (const char *)field->value;
    if (strcmp(name, ":method") == 0) {
        snprintf(s->request.method, sizeof s->request.method, "%s", value);
    } else if (strcmp(name, ":path") == 0) {
        tsms__buf_add_z(&s->request.path, value);
    } else if (strcmp(name, "content-length") == 0) {
        s->content_length = strtoul(value, NULL, 10);
    }
}

static bool take_header_block(http2 *h, stream *s, const uint8_t *block, size_t len, bool last)
{
    for (;;) {
        nghttp2_nv field;
        int flags = 0;
        ssize_t used = nghttp2_hd_inflate_hd2(h->inflater, &field, &flags, block, len, last);
        if (used < 0) {
            return false;
        }
        block += used;
        len -= (size_t)used;
        if (flags & NGHTTP2_HD_INFLATE_EMIT) {
            take_field(s, &field);
        } else if (flags & NGHTTP2_HD_INFLATE_FINAL) {
            return nghttp2_hd_inflate_end_headers(h->inflater) == 0;
        } else if (len == 0) {
            return true;
        }
    }
}

/* Finds what is left of a payload without padding and priority; false when they do not fit. */
static bool strip(uint8_t flags, bool may_have_priority, const uint8_t **from, size_t *len)
{
    size_t front = 0, back = 0;
    if (flags & NGHTTP2_FLAG_PADDED) {
        if (*len == 0) {
            return false;
        }
        front = 1;
        back = **from;
    }
    if (may_have_priority && (flags & NGHTTP2_FLAG_PRIORITY)) {
        front += 5;
    }
    if (front + back > *len) {
        return false;
    }
    *from += front;
    *len -= front + back;
    return true;
}

static bool take_headers(http2 *h, stream *s, uint8_t type, uint8_t flags, size_t len)
{
    const uint8_t *block = h->payload;
    bool last = (flags & NGHTTP2_FLAG_END_HEADERS) != 0;
    if (type == NGHTTP2_HEADERS && !strip(flags, true, &block, &len)) {
        return false;
    }
    if (!take_header_block(h, s, block, len, last)) {
        return false;
    }
    if (type == NGHTTP2_HEADERS && (flags & NGHTTP2_FLAG_END_STREAM)) {
        s->ended = true;
    }
    if (last && h->holding && s->content_length > 1) {
        return write_u32_frame(h, NGHTTP2_WINDOW_UPDATE, s->id, (uint32_t)s->content_length - 1);
    }
    return true;
}

static bool take_data(http2 *h, stream *s, uint8_t flags, size_t len)
{
    const uint8_t *data = h->payload;
    size_t whole = len;
    if (!strip(flags, false, &data, &len)) {
        return false;
    }
    if (s != NULL) {
        tsms__buf_add(&s->request.body, (tsms_str){(const char *)data, len});
        s->ended = (flags & NGHTTP2_FLAG_END_STREAM) != 0;
    }
    return whole == 0 || write_u32_frame(h, NGHTTP2_WINDOW_UPDATE, 0, (uint32_t)whole);
}

static bool take_settings(http2 *h, uint8_t flags, size_t len)
{
    if (flags & NGHTTP2_FLAG_ACK) {
        h->acks_due--;
        return true;
    }
    for (size_t at = 0; at + 6 <= len; at += 6) {
        if ((h->payload[at] << 8 | h->payload[at + 1]) == NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE) {
            int64_t size = get_u32(h->payload + at + 2);
            for (size_t i = 0; i < MAX_STREAMS; i++) {
                h->streams[i].window += size - h->stream_window;
            }
            h->stream_window = size;
        }
    }
    return write_frame(h, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, NULL, 0);
}

/* Reads one frame and remembers what it says; false at the end of the connection. */
static bool receive(http2 *h)
{
    uint8_t head[9];
    if (!fault__read(h->connection, head, sizeof head)) {
        return false;
    }
    size_t len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
    uint8_t type = head[3], flags = head[4];
    uint32_t id = get_u32(head + 5) & 0x7fffffff;
    stream *s = id > 0 ? find_stream(h, id) : NULL;
    if (type == NGHTTP2_HEADERS && s == NULL && id > 0) {
        fault_id unread = fault__take(h->connection->server, FAULT_STAGE_UNREAD).id;
        if (unread != FAULT_NONE) {
            h->ending = unread == FAULT_UNREAD_RESET ? FAULT__RESET : FAULT__DROP;
            return false;
        }
        s = open_stream(h, id);
    }
    if (len > sizeof h->payload || !fault__read(h->connection, h->payload, len)) {
        return false;
    }
    switch (type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:
        return s != NULL && take_headers(h, s, type, flags, len);
    case NGHTTP2_DATA:
        return take_data(h, s, flags, len);
    case NGHTTP2_RST_STREAM:
        if (s != NULL) {
            close_stream(s);
        }
        return true;
    case NGHTTP2_SETTINGS:
        return take_settings(h, flags, len);
    case NGHTTP2_PING:
        return (flags & NGHTTP2_FLAG_ACK) ||
               write_frame(h, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, h->payload, len);
    case NGHTTP2_WINDOW_UPDATE:
        if (len == 4 && s != NULL) {
            s->window += get_u32(h->payload) & 0x7fffffff;
        } else if (len == 4 && id == 0) {
            h->window += get_u32(h->payload) & 0x7fffffff;
        }
        return true;
    default:
        return true;
    }
}

/* ---- Answers */

/* Writes `len` bytes of a body as the windows allow; frees nothing when the stream goes away. */
static bool write_data(http2 *h, uint32_t id, const char *body, size_t len, bool end)
{
    size_t done = 0;
    do {
        const stream *s = find_stream(h, id);
        if (s == NULL) {
            return true;
        }
        int64_t room = s->window < h->window ? s->window : h->window;
        if (room <= 0 && len > 0) {
            if (!receive(h)) {
                return false;
            }
            continue;
        }
        size_t piece = len - done < MAX_FRAME ? len - done : MAX_FRAME;
        piece = piece < (size_t)room ? piece : (size_t)room;
        bool last = end && done + piece == len;
        if (!write_frame(h, NGHTTP2_DATA, last ? NGHTTP2_FLAG_END_STREAM : 0, id, body + done,
                         piece)) {
            return false;
        }
        find_stream(h, id)->window -= (int64_t)piece;
        h->window -= (int64_t)piece;
        done += piece;
    } while (done < len);
    return true;
}

/* Writes the head and as much of the body as the fault lets through. */
static bool write_answer(http2 *h, uint32_t id, const fault__answer *answer, fault_id what)
{
    bool cut = what == FAULT_HALF_BODY;
    tsms_buf fields, out;
    tsms__buf_init(&fields, &tsms__mem_libc);
    tsms__buf_init(&out, &tsms__mem_libc);
    add_answer_fields(&fields, answer);
    bool empty = answer->body.len == 0;
    add_frame_head(&out, fields.len, NGHTTP2_HEADERS,
                   NGHTTP2_FLAG_END_HEADERS | (empty ? NGHTTP2_FLAG_END_STREAM : 0), id);
    tsms__buf_add(&out, tsms__buf_str(&fields));
    MUST(!out.failed && !fields.failed);
    if (what == FAULT_HALF_STATUS || what == FAULT_HALF_HEADER) {
        out.len -= fields.len / 2;
        empty = true;
    }
    bool ok = fault__write(h->connection, out.ptr, out.len);
    if (ok && !empty) {
        ok = write_data(h, id, answer->body.ptr, cut ? answer->body.len / 2 : answer->body.len,
                        !cut);
    }
    tsms__buf_free(&fields);
    tsms__buf_free(&out);
    return ok;
}

static bool write_goaway(http2 *h, uint32_t last_processed)
{
    uint8_t payload[8] = {0};
    put_u32(payload, last_processed);
    return write_frame(h, NGHTTP2_GOAWAY, 0, 0, payload, sizeof payload);
}

/* Lets the client send HEADERS, but no DATA, until it is given leave. */
static bool start_holding(http2 *h)
{
    h->holding = true;
    return write_initial_window(h, 0);
}

static bool stop_holding(http2 *h)
{
    h->holding = false;
    return write_initial_window(h, DEFAULT_WINDOW);
}

/* Whether the connection is to go on; if not, h->ending says how it ends. */
static bool play(http2 *h, uint32_t id, const fault__answer *answer, fault what)
{
    /* The length of this frame is beyond every limit. */
    static const char garbage[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff not http at all";
    switch (what.id) {
    case FAULT_CLOSE:
        return false;
    case FAULT_RESET:
        h->ending = FAULT__RESET;
        return false;
    case FAULT_HANG:
        return true;
    case FAULT_ANSWER_FIN:
        fault__cork(h->connection);
        write_answer(h, id, answer, what.id);
        h->ending = FAULT__FIN;
        return false;
    case FAULT_HALF_STATUS:
    case FAULT_HALF_HEADER:
    case FAULT_HALF_BODY:
    case FAULT_ANSWER_CLOSE:
        fault__cork(h->connection);
        write_answer(h, id, answer, what.id);
        return false;
    case FAULT_ANSWER_GOAWAY:
        fault__cork(h->connection);
        if (write_answer(h, id, answer, what.id)) {
            write_goaway(h, id);
        }
        return false;
    case FAULT_GARBAGE:
        fault__write(h->connection, garbage, sizeof garbage - 1);
        return false;
    case FAULT_ANSWER_RESET:
        write_answer(h, id, answer, what.id);
        h->ending = FAULT__RESET;
        return false;
    case FAULT_GOAWAY:
        write_goaway(h, what.accepted ? id : 0);
        return false;
    case FAULT_STREAM_INTERNAL:
        return write_u32_frame(h, NGHTTP2_RST_STREAM, id, NGHTTP2_INTERNAL_ERROR);
    case FAULT_STREAM_REFUSED:
        return write_u32_frame(h, NGHTTP2_RST_STREAM, id, NGHTTP2_REFUSED_STREAM);
    case FAULT_ANSWER_STREAM_NO_ERROR:
        return write_answer(h, id, answer, what.id) &&
               write_u32_frame(h, NGHTTP2_RST_STREAM, id, NGHTTP2_NO_ERROR) &&
               (!h->holding || stop_holding(h));
    default:
        return write_answer(h, id, answer, what.id);
    }
}

static bool respond(http2 *h, stream *s)
{
    fault__answer answer;
    uint32_t id = s->id;
    MUST(tsms__buf_z(&s->request.path) != NULL && tsms__buf_z(&s->request.body) != NULL);
    fault what = fault__handle(h->connection->server, &s->request, &answer);
    bool hold_next = !h->holding && what.id != FAULT_ANSWER_STREAM_NO_ERROR &&
                     fault__peek(h->connection->server) == FAULT_ANSWER_STREAM_NO_ERROR;
    bool go_on = (!hold_next || start_holding(h)) && play(h, id, &answer, what);
    tsms__buf_free(&answer.body);
    s = find_stream(h, id);
    if (s != NULL) {
        close_stream(s);
    }
    return go_on;
}

/* A request that can be answered now. */
static stream *next_request(http2 *h)
{
    for (size_t i = 0; i < MAX_STREAMS; i++) {
        stream *s = &h->streams[i];
        bool all_but_the_end =
            h->holding && s->content_length > 1 && s->request.body.len + 1 == s->content_length;
        if (s->id > 0 && (s->ended || all_but_the_end)) {
            return s;
        }
    }
    return NULL;
}

fault__ending fault__http2(fault__connection *connection)
{
    char preface[NGHTTP2_CLIENT_MAGIC_LEN];
    http2 *h = calloc(1, sizeof *h);
    MUST(h != NULL);
    h->connection = connection;
    h->window = h->stream_window = DEFAULT_WINDOW;
    h->ending = FAULT__CLOSE;
    MUST(nghttp2_hd_inflate_new(&h->inflater) == 0);
    bool go_on = write_initial_window(h, DEFAULT_WINDOW) &&
                 fault__read(connection, preface, sizeof preface) &&
                 memcmp(preface, NGHTTP2_CLIENT_MAGIC, sizeof preface) == 0;
    while (go_on && (go_on = receive(h))) {
        /* What the client still owes us would meet a closed connection, and it would see that in
         * place of the answer: so answer only when nothing is due. */
        stream *s;
        while (go_on && h->acks_due == 0 && (s = next_request(h)) != NULL) {
            go_on = respond(h, s);
        }
    }
    fault__ending ending = h->ending;
    for (size_t i = 0; i < MAX_STREAMS; i++) {
        if (h->streams[i].id > 0) {
            close_stream(&h->streams[i]);
        }
    }
    nghttp2_hd_inflate_del(h->inflater);
    free(h);
    return ending;
}
