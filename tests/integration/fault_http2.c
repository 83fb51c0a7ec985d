/* Speaks HTTP/2 (RFC 9113) on one connection and plays its faults. */
#include "fault_h2.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_answer_fields(tsms_buf *out, const fault__answer *answer)
{
    char status[12], length[24];
    snprintf(status, sizeof status, "%d", answer->status);
    snprintf(length, sizeof length, "%zu", answer->body.len);
    fault__h2_add_field(out, ":status", status);
    fault__h2_add_field(out, "date", answer->date);
    fault__h2_add_field(out, "content-type", answer->content_type);
    fault__h2_add_field(out, "location", answer->location);
    fault__h2_add_field(out, "retry-after", answer->retry_after);
    fault__h2_add_field(out, "twilio-request-id", "RQ00000000000000000000000000000001");
    fault__h2_add_field(out, "content-length", length);
}

/* Writes the head and as much of the body as the fault lets through. */
static bool write_answer(fault__h2 *h, uint32_t id, const fault__answer *answer, fault_id what)
{
    bool cut = what == FAULT_HALF_BODY;
    tsms_buf fields, out;
    tsms__buf_init(&fields, &tsms__mem_libc);
    tsms__buf_init(&out, &tsms__mem_libc);
    add_answer_fields(&fields, answer);
    bool empty = answer->body.len == 0;
    fault__h2_add_frame_head(&out, fields.len, NGHTTP2_HEADERS,
                             NGHTTP2_FLAG_END_HEADERS | (empty ? NGHTTP2_FLAG_END_STREAM : 0), id);
    tsms__buf_add(&out, tsms__buf_str(&fields));
    MUST(!out.failed && !fields.failed);
    if (what == FAULT_HALF_STATUS || what == FAULT_HALF_HEADER) {
        out.len -= fields.len / 2;
        empty = true;
    }
    bool ok = fault__write(h->connection, out.ptr, out.len);
    if (ok && !empty) {
        ok = fault__h2_write_data(h, id, answer->body.ptr,
                                  cut ? answer->body.len / 2 : answer->body.len, !cut);
    }
    tsms__buf_free(&fields);
    tsms__buf_free(&out);
    return ok;
}

static bool write_goaway(fault__h2 *h, uint32_t last_processed)
{
    uint8_t payload[8] = {0};
    fault__h2_put_u32(payload, last_processed);
    return fault__h2_write_frame(h, NGHTTP2_GOAWAY, 0, 0, payload, sizeof payload);
}

/* Lets the client send HEADERS, but no DATA, until it is given leave. */
static bool start_holding(fault__h2 *h)
{
    h->holding = true;
    return fault__h2_write_window(h, 0);
}

static bool stop_holding(fault__h2 *h)
{
    h->holding = false;
    return fault__h2_write_window(h, FAULT__H2_WINDOW);
}

/* Whether the connection is to go on; if not, h->ending says how it ends. */
static bool play(fault__h2 *h, uint32_t id, const fault__answer *answer, fault what)
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
        return fault__h2_write_u32(h, NGHTTP2_RST_STREAM, id, NGHTTP2_INTERNAL_ERROR);
    case FAULT_STREAM_REFUSED:
        return fault__h2_write_u32(h, NGHTTP2_RST_STREAM, id, NGHTTP2_REFUSED_STREAM);
    case FAULT_ANSWER_STREAM_NO_ERROR:
        return write_answer(h, id, answer, what.id) &&
               fault__h2_write_u32(h, NGHTTP2_RST_STREAM, id, NGHTTP2_NO_ERROR) &&
               (!h->holding || stop_holding(h));
    default:
        return write_answer(h, id, answer, what.id);
    }
}

static bool respond(fault__h2 *h, fault__stream *s)
{
    fault__answer answer;
    uint32_t id = s->id;
    MUST(tsms__buf_z(&s->request.path) != NULL && tsms__buf_z(&s->request.body) != NULL);
    fault what = fault__handle(h->connection->server, &s->request, &answer);
    bool hold_next = !h->holding && what.id != FAULT_ANSWER_STREAM_NO_ERROR &&
                     fault__peek(h->connection->server) == FAULT_ANSWER_STREAM_NO_ERROR;
    bool go_on = (!hold_next || start_holding(h)) && play(h, id, &answer, what);
    tsms__buf_free(&answer.body);
    s = fault__h2_find(h, id);
    if (s != NULL) {
        fault__h2_close(s);
    }
    return go_on;
}

/* A request that can be answered now. */
static fault__stream *next_request(fault__h2 *h)
{
    for (size_t i = 0; i < FAULT__H2_STREAMS; i++) {
        fault__stream *s = &h->streams[i];
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
    fault__h2 *h = calloc(1, sizeof *h);
    MUST(h != NULL);
    h->connection = connection;
    h->window = h->stream_window = FAULT__H2_WINDOW;
    h->ending = FAULT__CLOSE;
    MUST(nghttp2_hd_inflate_new(&h->inflater) == 0);
    bool go_on = fault__h2_write_window(h, FAULT__H2_WINDOW) &&
                 fault__read(connection, preface, sizeof preface) &&
                 memcmp(preface, NGHTTP2_CLIENT_MAGIC, sizeof preface) == 0;
    while (go_on && (go_on = fault__h2_receive(h))) {
        /* What the client still owes us would meet a closed connection, and it would see that in
         * place of the answer: so answer only when nothing is due. */
        fault__stream *s;
        while (go_on && h->acks_due == 0 && (s = next_request(h)) != NULL) {
            go_on = respond(h, s);
        }
    }
    fault__ending ending = h->ending;
    for (size_t i = 0; i < FAULT__H2_STREAMS; i++) {
        if (h->streams[i].id > 0) {
            fault__h2_close(&h->streams[i]);
        }
    }
    nghttp2_hd_inflate_del(h->inflater);
    free(h);
    return ending;
}
