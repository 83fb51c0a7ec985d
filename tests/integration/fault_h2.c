/* Reads and writes the frames of one HTTP/2 connection and remembers what they say. */
#include "fault_h2.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Writing frames */

void fault__h2_put_u32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        to[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

static uint32_t get_u32(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

void fault__h2_add_frame_head(tsms_buf *out, size_t len, uint8_t type, uint8_t flags, uint32_t id)
{
    uint8_t head[9] = {(uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len, type, flags};
    fault__h2_put_u32(head + 5, id);
    tsms__buf_add(out, (tsms_str){(const char *)head, sizeof head});
}

bool fault__h2_write_frame(fault__h2 *h, uint8_t type, uint8_t flags, uint32_t id,
                           const void *payload, size_t len)
{
    tsms_buf out;
    tsms__buf_init(&out, &tsms__mem_libc);
    fault__h2_add_frame_head(&out, len, type, flags, id);
    tsms__buf_add(&out, (tsms_str){payload, len});
    MUST(!out.failed);
    bool ok = fault__write(h->connection, out.ptr, out.len);
    tsms__buf_free(&out);
    return ok;
}

bool fault__h2_write_u32(fault__h2 *h, uint8_t type, uint32_t id, uint32_t value)
{
    uint8_t payload[4];
    fault__h2_put_u32(payload, value);
    return fault__h2_write_frame(h, type, 0, id, payload, sizeof payload);
}

bool fault__h2_write_window(fault__h2 *h, uint32_t size)
{
    uint8_t payload[6] = {0, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE};
    fault__h2_put_u32(payload + 2, size);
    h->acks_due++;
    return fault__h2_write_frame(h, NGHTTP2_SETTINGS, 0, 0, payload, sizeof payload);
}

/* A literal that enters no table (RFC 7541 section 6.2.2), without Huffman coding. */
void fault__h2_add_field(tsms_buf *out, const char *name, const char *value)
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

/* ---- Reading frames */

fault__stream *fault__h2_find(fault__h2 *h, uint32_t id)
{
    for (size_t i = 0; i < FAULT__H2_STREAMS; i++) {
        if (h->streams[i].id == id) {
            return &h->streams[i];
        }
    }
    return NULL;
}

static fault__stream *open_stream(fault__h2 *h, uint32_t id)
{
    fault__stream *s = fault__h2_find(h, 0);
    MUST(s != NULL);
    *s = (fault__stream){.id = id, .window = h->stream_window};
    fault__request_init(&s->request);
    return s;
}

void fault__h2_close(fault__stream *s)
{
    fault__request_free(&s->request);
    s->id = 0;
}

static void take_field(fault__stream *s, const nghttp2_nv *field)
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

static bool take_header_block(fault__h2 *h, fault__stream *s, const uint8_t *block, size_t len,
                              bool last)
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

static bool take_headers(fault__h2 *h, fault__stream *s, uint8_t type, uint8_t flags, size_t len)
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
        return fault__h2_write_u32(h, NGHTTP2_WINDOW_UPDATE, s->id,
                                   (uint32_t)s->content_length - 1);
    }
    return true;
}

static bool take_data(fault__h2 *h, fault__stream *s, uint8_t flags, size_t len)
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
    return whole == 0 || fault__h2_write_u32(h, NGHTTP2_WINDOW_UPDATE, 0, (uint32_t)whole);
}

static bool take_settings(fault__h2 *h, uint8_t flags, size_t len)
{
    if (flags & NGHTTP2_FLAG_ACK) {
        h->acks_due--;
        return true;
    }
    for (size_t at = 0; at + 6 <= len; at += 6) {
        if ((h->payload[at] << 8 | h->payload[at + 1]) == NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE) {
            int64_t size = get_u32(h->payload + at + 2);
            for (size_t i = 0; i < FAULT__H2_STREAMS; i++) {
                h->streams[i].window += size - h->stream_window;
            }
            h->stream_window = size;
        }
    }
    return fault__h2_write_frame(h, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, NULL, 0);
}

bool fault__h2_receive(fault__h2 *h)
{
    uint8_t head[9];
    if (!fault__read(h->connection, head, sizeof head)) {
        return false;
    }
    size_t len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
    uint8_t type = head[3], flags = head[4];
    uint32_t id = get_u32(head + 5) & 0x7fffffff;
    fault__stream *s = id > 0 ? fault__h2_find(h, id) : NULL;
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
            fault__h2_close(s);
        }
        return true;
    case NGHTTP2_SETTINGS:
        return take_settings(h, flags, len);
    case NGHTTP2_PING:
        return (flags & NGHTTP2_FLAG_ACK) ||
               fault__h2_write_frame(h, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, h->payload, len);
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

/* ---- Bodies */

bool fault__h2_write_data(fault__h2 *h, uint32_t id, const char *body, size_t len, bool end)
{
    size_t done = 0;
    do {
        const fault__stream *s = fault__h2_find(h, id);
        if (s == NULL) {
            return true;
        }
        int64_t room = s->window < h->window ? s->window : h->window;
        if (room <= 0 && len > 0) {
            if (!fault__h2_receive(h)) {
                return false;
            }
            continue;
        }
        size_t piece = len - done < FAULT__H2_FRAME ? len - done : FAULT__H2_FRAME;
        piece = piece < (size_t)room ? piece : (size_t)room;
        bool last = end && done + piece == len;
        if (!fault__h2_write_frame(h, NGHTTP2_DATA, last ? NGHTTP2_FLAG_END_STREAM : 0, id,
                                   body + done, piece)) {
            return false;
        }
        fault__h2_find(h, id)->window -= (int64_t)piece;
        h->window -= (int64_t)piece;
        done += piece;
    } while (done < len);
    return true;
}
