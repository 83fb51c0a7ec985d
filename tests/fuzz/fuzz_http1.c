/* wire/http1_answer.c: any bytes come to the same however they are cut, within the limits, and a
 * body that is sent by the rules comes back.
 *
 * The first byte of the input is the length of one sort of pieces; the rest is the answer, and in
 * turn the body of good answers. */
#include "fuzz.h"

#include <string.h>

#include "wire/http1_answer.h"

/* A copy of its own size, so that a read past the end of a piece is seen. */
static tsms__http1_state feed(tsms__http1_answer *a, tsms_str piece)
{
    char *copy = malloc(piece.len > 0 ? piece.len : 1);
    CHECK(copy != NULL);
    if (piece.len > 0) {
        memcpy(copy, piece.ptr, piece.len);
    }
    tsms__http1_state state = tsms__http1_feed(a, (tsms_str){copy, piece.len});
    free(copy);
    return state;
}

static void feed_pieces(tsms__http1_answer *a, tsms_str bytes, size_t most)
{
    for (size_t at = 0; at < bytes.len; at += most) {
        size_t len = bytes.len - at < most ? bytes.len - at : most;
        feed(a, (tsms_str){bytes.ptr + at, len});
    }
}

static void check_limits(const tsms__http1_answer *a)
{
    tsms__response r;
    tsms__http1_read(a, &r);
    CHECK(a->head.len <= TSMS__HTTP1_HEAD_MOST && a->body.len <= TSMS__HTTP1_BODY_MOST);
    CHECK(a->status == 0 || (a->status >= 200 && a->status <= 999));
    CHECK(a->state != TSMS__HTTP1_DONE || a->status != 0);
    CHECK(!a->reusable || a->state == TSMS__HTTP1_DONE);
    bool failed = a->state == TSMS__HTTP1_MALFORMED || a->state == TSMS__HTTP1_TOO_LARGE;
    CHECK(failed == (a->fault != TSMS_KIND_NONE) && failed == (a->why != NULL));
    CHECK(r.complete == (a->state == TSMS__HTTP1_DONE));
    const tsms_str values[] = {r.date, r.retry_after, r.request_id};
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < values[i].len; j++) {
            CHECK(values[i].ptr[j] != '\0' && values[i].ptr[j] != '\r' && values[i].ptr[j] != '\n');
        }
    }
}

static void check_same(const tsms__http1_answer *a, const tsms__http1_answer *b)
{
    tsms__response one;
    tsms__response other;
    tsms__http1_read(a, &one);
    tsms__http1_read(b, &other);
    CHECK(a->state == b->state && a->reusable == b->reusable && a->fault == b->fault);
    CHECK(a->why == b->why);
    CHECK(one.http_status == other.http_status && one.complete == other.complete);
    CHECK(tsms__str_eq(one.body, other.body));
    CHECK(tsms__str_eq(one.date, other.date) && !one.date.ptr == !other.date.ptr);
    CHECK(tsms__str_eq(one.retry_after, other.retry_after));
    CHECK(tsms__str_eq(one.request_id, other.request_id));
}

static void check_any_bytes(tsms_str bytes, size_t most)
{
    const size_t pieces[] = {bytes.len > 0 ? bytes.len : 1, 1, most};
    tsms__http1_answer answers[3];
    for (size_t i = 0; i < 3; i++) {
        tsms__http1_init(&answers[i], &tsms__mem_libc);
        if (i == 2) { /* what was read before makes no difference either */
            feed_pieces(&answers[i], bytes, most);
            tsms__http1_begin(&answers[i]);
        }
        feed_pieces(&answers[i], bytes, pieces[i]);
        check_limits(&answers[i]);
        check_same(&answers[0], &answers[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        CHECK(tsms__http1_ended(&answers[i]) != TSMS__HTTP1_MORE);
        CHECK(!answers[i].reusable);
        check_limits(&answers[i]);
        check_same(&answers[0], &answers[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        tsms__http1_free(&answers[i]);
    }
}

static void check_body_comes_back(tsms_buf *bytes, tsms_str body, size_t most, bool ends)
{
    tsms__http1_answer a;
    tsms__http1_init(&a, &tsms__mem_libc);
    CHECK(!bytes->failed);
    feed_pieces(&a, tsms__buf_str(bytes), most);
    CHECK(a.state == (ends ? TSMS__HTTP1_MORE : TSMS__HTTP1_DONE) && a.reusable == !ends);
    CHECK(!ends || tsms__http1_ended(&a) == TSMS__HTTP1_DONE);
    CHECK(a.status == 201 && tsms__str_eq(tsms__buf_str(&a.body), body));
    tsms__http1_free(&a);
    tsms__buf_clear(bytes);
}

static void check_any_body(tsms_str body, size_t most)
{
    const tsms_str start = TSMS__STR("HTTP/1.1 100 \r\n\r\nHTTP/1.1 201 Created\r\n");
    tsms_buf bytes;
    tsms__buf_init(&bytes, &tsms__mem_libc);
    tsms__buf_add(&bytes, start);
    tsms__buf_add_z(&bytes, "Content-Length: ");
    tsms__buf_add_int(&bytes, (int64_t)body.len);
    tsms__buf_add_z(&bytes, "\r\n\r\n");
    tsms__buf_add(&bytes, body);
    check_body_comes_back(&bytes, body, most, false);

    tsms__buf_add(&bytes, start);
    tsms__buf_add_z(&bytes, "Transfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0; at < body.len; at += most) {
        char size[32];
        size_t len = body.len - at < most ? body.len - at : most;
        snprintf(size, sizeof size, "%zx;a=b\r\n", len);
        tsms__buf_add_z(&bytes, size);
        tsms__buf_add(&bytes, (tsms_str){body.ptr + at, len});
        tsms__buf_add_z(&bytes, "\r\n");
    }
    tsms__buf_add_z(&bytes, "0\r\nX: y\r\n\r\n");
    check_body_comes_back(&bytes, body, 1 + most / 2, false);

    tsms__buf_add(&bytes, start);
    tsms__buf_add_z(&bytes, "\r\n");
    tsms__buf_add(&bytes, body);
    check_body_comes_back(&bytes, body, most, true);
    tsms__buf_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    size_t most = data[0] > 0 ? data[0] : 256;
    tsms_str bytes = {(const char *)data + 1, size - 1};
    check_any_bytes(bytes, most);
    check_any_body(bytes, most);
    return 0;
}
