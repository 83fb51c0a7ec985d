/* The reader of HTTP/1.1: what it takes, what it refuses, and that chunks make no difference. */
#include "support.h"

#include "wire/http1_answer.h"

/* A string with its NULs, without the last one. */
#define BYTES(literal) ((tsms_str){(literal), sizeof(literal) - 1})
#define OK "HTTP/1.1 200 OK\r\n"

typedef struct answer_case {
    const char *what;
    tsms_str bytes;
    int state; /* after the last byte */
    int status;
    const char *body;
    bool reusable;
    const char *why; /* a part of the text; NULL for none */
} answer_case;

enum {
    MORE = TSMS__HTTP1_MORE,
    DONE = TSMS__HTTP1_DONE,
    BAD = TSMS__HTTP1_MALFORMED,
    LARGE = TSMS__HTTP1_TOO_LARGE,
};

static const answer_case CASES[] = {
    /* Bodies of a known length. */
    {"a length", BYTES(OK "Content-Length: 5\r\n\r\nhello"), DONE, 200, "hello", true, NULL},
    {"a length of nothing", BYTES(OK "Content-Length: 0\r\n\r\n"), DONE, 200, "", true, NULL},
    {"no reason", BYTES("HTTP/1.1 201\r\nContent-Length: 0\r\n\r\n"), DONE, 201, "", true, NULL},
    {"an empty reason", BYTES("HTTP/1.1 201 \r\nContent-Length: 0\r\n\r\n"), DONE, 201, "", true,
     NULL},
    {"a later HTTP/1", BYTES("HTTP/1.7 200 OK\r\nContent-Length: 0\r\n\r\n"), DONE, 200, "", true,
     NULL},
    {"a status that nobody knows", BYTES("HTTP/1.1 799 \r\nContent-Length: 0\r\n\r\n"), DONE, 799,
     "", true, NULL},
    {"one length twice", BYTES(OK "Content-Length: 5\r\nContent-Length: 05\r\n\r\nhello"), DONE,
     200, "hello", true, NULL},
    {"one length in a list", BYTES(OK "content-length:\t5 , 5\t\r\n\r\nhello"), DONE, 200, "hello",
     true, NULL},
    {"a body that is not there yet", BYTES(OK "Content-Length: 5\r\n\r\nhell"), MORE, 200, "hell",
     false, NULL},
    {"two lengths", BYTES(OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"), BAD, 200, "",
     false, "Content-Length"},
    {"two lengths in a list", BYTES(OK "Content-Length: 5, 6\r\n\r\nhello"), BAD, 200, "", false,
     "Content-Length"},
    {"a length that is a word", BYTES(OK "Content-Length: five\r\n\r\nhello"), BAD, 200, "", false,
     "Content-Length"},
    {"a length with a sign", BYTES(OK "Content-Length: +5\r\n\r\nhello"), BAD, 200, "", false,
     "Content-Length"},
    {"a length in hexadecimal", BYTES(OK "Content-Length: 0x5\r\n\r\nhello"), BAD, 200, "", false,
     "Content-Length"},
    {"an empty length", BYTES(OK "Content-Length:\r\n\r\n"), BAD, 200, "", false, "Content-Length"},
    {"a list of lengths that ends with a comma", BYTES(OK "Content-Length: 5,\r\n\r\nhello"), BAD,
     200, "", false, "Content-Length"},
    {"the largest length", BYTES(OK "Content-Length: 8388608\r\n\r\n"), MORE, 200, "", false, NULL},
    {"a larger length", BYTES(OK "Content-Length: 8388609\r\n\r\n"), LARGE, 200, "", false,
     "8 MiB"},
    {"a length past 64 bits", BYTES(OK "Content-Length: 18446744073709551621\r\n\r\nhello"), LARGE,
     200, "", false, "8 MiB"},

    /* No body. */
    {"204", BYTES("HTTP/1.1 204 No Content\r\n\r\n"), DONE, 204, "", true, NULL},
    {"304 with the length of what it did not send",
     BYTES("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"), DONE, 304, "", true, NULL},
    {"204 with the length of a body that may be late",
     BYTES("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"), DONE, 204, "", false, NULL},
    {"204 with a length of nothing", BYTES("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
     DONE, 204, "", true, NULL},
    {"204 with chunks that may be late",
     BYTES("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"), DONE, 204, "", false,
     NULL},
    {"304 with chunks that it would have sent",
     BYTES("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"), DONE, 304, "", true,
     NULL},
    {"204 with a body", BYTES("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"), DONE,
     204, "", false, NULL},

    /* Chunks. */
    {"chunks",
     BYTES(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n00a\r\n and more.\r\n0\r\n\r\n"),
     DONE, 200, "hello and more.", true, NULL},
    {"no chunk", BYTES(OK "transfer-encoding: Chunked\r\n\r\n000\r\n\r\n"), DONE, 200, "", true,
     NULL},
    {"extensions and trailers",
     BYTES(OK "Transfer-Encoding: chunked\r\n\r\n5 ;a=\"b\"\r\nhello\r\n0;x\r\n"
              "Date: Tue\r\nContent-Length: 7\r\n\r\n"),
     DONE, 200, "hello", true, NULL},
    {"chunk data that looks like chunks",
     BYTES(OK "Transfer-Encoding: chunked\r\n\r\n7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n"), DONE, 200,
     "0\r\n\r\n\r\n", true, NULL},
    {"half of the chunks", BYTES(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), MORE, 200,
     "hello", false, NULL},
    {"no chunk size", BYTES(OK "Transfer-Encoding: chunked\r\n\r\n\r\nhello"), BAD, 200, "", false,
     "chunk"},
    {"an extension without a size", BYTES(OK "Transfer-Encoding: chunked\r\n\r\n;x\r\nhello"), BAD,
     200, "", false, "chunk"},
    {"a chunk size that is none", BYTES(OK "Transfer-Encoding: chunked\r\n\r\n5g\r\nhello"), BAD,
     200, "", false, "chunk"},
    {"a chunk size with a sign", BYTES(OK "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello"), BAD,
     200, "", false, "chunk"},
    {"a chunk size with a prefix", BYTES(OK "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello"), BAD,
     200, "", false, "chunk"},
    {"a blank before a chunk size", BYTES(OK "Transfer-Encoding: chunked\r\n\r\n 5\r\nhello"), BAD,
     200, "", false, "chunk"},
    {"a chunk that is longer", BYTES(OK "Transfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n"), BAD,
     200, "hell", false, "its size"},
    {"a chunk that ends with a line feed",
     BYTES(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n"), BAD, 200, "hello", false,
     "its size"},
    {"a chunk that ends with a carriage return",
     BYTES(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r0\r\n\r\n"), BAD, 200, "hello", false,
     "its size"},
    {"a chunk line that ends with a line feed",
     BYTES(OK "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n"), BAD, 200, "", false,
     "line feed"},
    {"a chunk larger than all", BYTES(OK "Transfer-Encoding: chunked\r\n\r\n800001\r\n"), LARGE,
     200, "", false, "8 MiB"},
    {"a chunk past 64 bits", BYTES(OK "Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\n"),
     LARGE, 200, "", false, "8 MiB"},
    {"chunks larger than all",
     BYTES(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7FFFFC\r\n"), LARGE, 200, "hello",
     false, "8 MiB"},
    {"a trailer that is none",
     BYTES(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nnothing\r\n\r\n"), BAD, 200,
     "hello", false, "colon"},
    {"chunks and a length",
     BYTES(OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), BAD, 200, "",
     false, "Content-Length and Transfer-Encoding"},
    {"a length and chunks",
     BYTES(OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello"), BAD, 200, "", false,
     "Content-Length and Transfer-Encoding"},
    {"another coding", BYTES(OK "Transfer-Encoding: gzip\r\n\r\nhello"), BAD, 200, "", false,
     "Transfer-Encoding"},
    {"two codings", BYTES(OK "Transfer-Encoding: gzip, chunked\r\n\r\nhello"), BAD, 200, "", false,
     "Transfer-Encoding"},
    {"chunked twice", BYTES(OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
     BAD, 200, "", false, "Transfer-Encoding"},
    {"chunks in HTTP/1.0",
     BYTES("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), BAD,
     200, "", false, "HTTP/1.0"},

    /* What ends with the connection. */
    {"neither length nor chunks", BYTES(OK "\r\nhello"), MORE, 200, "hello", false, NULL},
    {"HTTP/1.0", BYTES("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"), DONE, 200, "hello",
     false, NULL},
    {"HTTP/1.0 that would go on",
     BYTES("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"), DONE, 200, "",
     false, NULL},
    {"a connection that closes", BYTES(OK "Connection: close\r\nContent-Length: 0\r\n\r\n"), DONE,
     200, "", false, NULL},
    {"a connection that closes among others",
     BYTES(OK "Connection: x-a,\tCLOSE ,keep-alive\r\nContent-Length: 0\r\n\r\n"), DONE, 200, "",
     false, NULL},
    {"a connection that goes on", BYTES(OK "Connection: closed, keep\r\nContent-Length: 0\r\n\r\n"),
     DONE, 200, "", true, NULL},
    {"a byte too many", BYTES(OK "Content-Length: 5\r\n\r\nhello\n"), DONE, 200, "hello", false,
     NULL},
    {"two answers", BYTES(OK "Content-Length: 0\r\n\r\n" OK "Content-Length: 0\r\n\r\n"), DONE, 200,
     "", false, NULL},

    /* Interim answers. */
    {"100 first",
     BYTES("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx"), DONE,
     201, "x", true, NULL},
    {"100 with headers that say nothing about the answer",
     BYTES("HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\nConnection: close\r\n"
           "Transfer-Encoding: gzip\r\n\r\n" OK "Content-Length: 1\r\n\r\nx"),
     DONE, 200, "x", true, NULL},
    {"100 alone", BYTES("HTTP/1.1 100 Continue\r\n\r\n"), MORE, 0, "", false, NULL},
    {"101", BYTES("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), BAD, 0, "", false,
     "another protocol"},

    /* Status lines. */
    {"nothing", BYTES(""), MORE, 0, "", false, NULL},
    {"half of a status line", BYTES("HTTP/1.1 20"), MORE, 0, "", false, NULL},
    {"no HTTP", BYTES("SSH-2.0-OpenSSH_9.2\r\n"), BAD, 0, "", false, "not HTTP/1.1"},
    {"a body alone", BYTES("{\"sid\":1}"), BAD, 0, "", false, "not HTTP/1.1"},
    {"HTTP/2", BYTES("HTTP/2 200 OK\r\n\r\n"), BAD, 0, "", false, "not HTTP/1.1"},
    {"HTTP/2.0", BYTES("HTTP/2.0 200 OK\r\n\r\n"), BAD, 0, "", false, "not HTTP/1.1"},
    {"small letters", BYTES("http/1.1 200 OK\r\n\r\n"), BAD, 0, "", false, "not HTTP/1.1"},
    {"a line before it", BYTES("\r\nHTTP/1.1 200 OK\r\n\r\n"), BAD, 0, "", false, "not HTTP/1.1"},
    {"no blank", BYTES("HTTP/1.1-200 OK\r\n\r\n"), BAD, 0, "", false, "status line"},
    {"HTTP/1.10", BYTES("HTTP/1.10 200 OK\r\n\r\n"), BAD, 0, "", false, "status line"},
    {"a status of two digits", BYTES("HTTP/1.1 20 OK\r\n\r\n"), BAD, 0, "", false, "status line"},
    {"a status of four digits", BYTES("HTTP/1.1 2000 OK\r\n\r\n"), BAD, 0, "", false,
     "status line"},
    {"a status below 100", BYTES("HTTP/1.1 099 OK\r\n\r\n"), BAD, 0, "", false, "status line"},
    {"a status of letters", BYTES("HTTP/1.1 2OO OK\r\n\r\n"), BAD, 0, "", false, "status line"},
    {"two blanks", BYTES("HTTP/1.1  200 OK\r\n\r\n"), BAD, 0, "", false, "status line"},
    {"a version and no more", BYTES("HTTP/1.1\r\n\r\n"), BAD, 0, "", false, "status line"},

    /* Headers. */
    {"no colon", BYTES(OK "Content-Length 5\r\n\r\nhello"), BAD, 200, "", false, "colon"},
    {"no name", BYTES(OK ": 5\r\n\r\nhello"), BAD, 200, "", false, "colon"},
    {"a blank before the colon", BYTES(OK "Content-Length : 5\r\n\r\nhello"), BAD, 200, "", false,
     "colon"},
    {"a name that is no word", BYTES(OK "Content Length: 5\r\n\r\nhello"), BAD, 200, "", false,
     "colon"},
    {"a line that goes on", BYTES(OK "X: a\r\n b: c\r\n\r\n"), BAD, 200, "", false, "colon"},
    {"a blank line that is not empty", BYTES(OK "Content-Length: 0\r\n \r\n\r\n"), BAD, 200, "",
     false, "colon"},
    {"a NUL in a value", BYTES(OK "X: a\0b\r\n\r\n"), BAD, 200, "", false, "NUL"},
    {"a NUL in a name", BYTES(OK "X\0: a\r\n\r\n"), BAD, 200, "", false, "NUL"},
    {"a NUL in the status line", BYTES("HTTP/1.1 200 O\0K\r\n\r\n"), BAD, 0, "", false, "NUL"},
    {"a bare carriage return", BYTES(OK "X: a\rContent-Length: 5\r\n\r\nhello"), BAD, 200, "",
     false, "carriage return"},
    {"two carriage returns", BYTES(OK "X: a\r\r\n\r\n"), BAD, 200, "", false, "carriage return"},
    {"values of any other bytes", BYTES(OK "X:\x01\x7f\xff: \t\r\nContent-Length: 0\r\n\r\n"), DONE,
     200, "", true, NULL},
    /* Allowed, but a reason not to trust where the next answer begins. */
    {"bare line feeds", BYTES("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"), DONE, 200, "hello",
     false, NULL},
    {"a bare line feed", BYTES(OK "Content-Length: 5\n\r\nhello"), DONE, 200, "hello", false, NULL},
};

enum { CASE_COUNT = sizeof CASES / sizeof CASES[0] };

static void check_case(const answer_case *c, tsms__http1_answer *a, size_t first, size_t second)
{
    tsms__response response;
    tsms__http1_read(a, &response);
    tsms_str body = response.body;
    bool good =
        (int)a->state == c->state && a->status == c->status && response.http_status == c->status &&
        body.len == strlen(c->body) &&
        memcmp(body.len > 0 ? body.ptr : "", c->body, body.len) == 0 &&
        a->reusable == c->reusable && response.complete == (a->state == TSMS__HTTP1_DONE) &&
        (c->why != NULL ? a->why != NULL && strstr(a->why, c->why) != NULL : a->why == NULL) &&
        (a->fault == TSMS_KIND_NONE) == (c->why == NULL);
    if (!good) {
        fail_msg("%s, cut at %zu and %zu: state %d, status %d, body \"%.*s\", reusable %d, %s",
                 c->what, first, second, (int)a->state, a->status, (int)body.len,
                 body.len > 0 ? body.ptr : "", a->reusable, a->why != NULL ? a->why : "no fault");
    }
}

/* Exactly as large as the piece, so that the sanitizers see a read past its end. */
static void feed(tsms__http1_answer *a, tsms_str bytes, size_t from, size_t to)
{
    char *piece = malloc(to - from > 0 ? to - from : 1);
    assert_non_null(piece);
    memcpy(piece, bytes.ptr + from, to - from);
    tsms__http1_feed(a, (tsms_str){piece, to - from});
    free(piece);
}

static void test_cases_whole_and_in_each_two_pieces(void **state)
{
    tsms__http1_answer a;
    tsms__http1_init(&a, &tsms__mem_libc);
    for (const answer_case *c = CASES; c < CASES + CASE_COUNT; c++) {
        for (size_t cut = 0; cut <= c->bytes.len; cut++) {
            tsms__http1_begin(&a);
            feed(&a, c->bytes, 0, cut);
            feed(&a, c->bytes, cut, c->bytes.len);
            check_case(c, &a, cut, c->bytes.len);
        }
    }
    tsms__http1_free(&a);
}

static void test_cases_byte_by_byte(void **state)
{
    for (const answer_case *c = CASES; c < CASES + CASE_COUNT; c++) {
        tsms__http1_answer a;
        tsms__http1_init(&a, &tsms__mem_libc);
        for (size_t i = 0; i < c->bytes.len; i++) {
            feed(&a, c->bytes, i, i + 1);
            feed(&a, c->bytes, i, i);
        }
        check_case(c, &a, 1, 2);
        tsms__http1_free(&a);
    }
}

static void test_cases_in_each_three_pieces(void **state)
{
    tsms__http1_answer a;
    tsms__http1_init(&a, &tsms__mem_libc);
    for (const answer_case *c = CASES; c < CASES + CASE_COUNT; c++) {
        for (size_t first = 0; first <= c->bytes.len; first++) {
            for (size_t second = first; second <= c->bytes.len; second++) {
                tsms__http1_begin(&a);
                tsms__http1_feed(&a, (tsms_str){c->bytes.ptr, first});
                tsms__http1_feed(&a, (tsms_str){c->bytes.ptr + first, second - first});
                tsms__http1_feed(&a, (tsms_str){c->bytes.ptr + second, c->bytes.len - second});
                check_case(c, &a, first, second);
            }
        }
    }
    tsms__http1_free(&a);
}

/* ---- The end of the connection */

static void check_ended(const char *bytes, tsms__http1_state want, int status, const char *why)
{
    tsms__http1_answer a;
    tsms__http1_init(&a, &tsms__mem_libc);
    tsms__http1_feed(&a, tsms_str_from(bytes));
    assert_int_equal(tsms__http1_ended(&a), want);
    assert_int_equal(a.status, status);
    assert_false(a.reusable);
    if (why != NULL) {
        assert_non_null(a.why);
        assert_non_null(strstr(a.why, why));
        assert_int_equal(a.fault, TSMS_KIND_CONNECTION_FAILED);
    } else {
        assert_null(a.why);
        assert_int_equal(a.fault, TSMS_KIND_NONE);
    }
    assert_int_equal(tsms__http1_ended(&a), want);
    tsms__http1_free(&a);
}

static void test_end_of_the_connection(void **state)
{
    const tsms__http1_state bad = TSMS__HTTP1_MALFORMED;
    check_ended("", bad, 0, "without an answer");
    check_ended("H", bad, 0, "before its answer began");
    check_ended("HTTP/1.1 201 Created", bad, 0, "before its answer began");
    check_ended("HTTP/1.1 100 Continue\r\n\r\n", bad, 0, "before its answer began");
    check_ended("HTTP/1.1 201 Created\r\n", bad, 201, "within the headers");
    check_ended("HTTP/1.1 201 Created\r\nDate: ", bad, 201, "within the headers");
    check_ended("HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\n", bad, 201, "before its answer");
    check_ended(OK "Content-Length: 5\r\n\r\nhell", bad, 200, "before its answer was whole");
    check_ended(OK "Transfer-Encoding: chunked\r\n\r\n", bad, 200, "before its answer was whole");
    check_ended(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", bad, 200, "before its answer");
    check_ended(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello", bad, 200, "before its answer");
    check_ended(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r", bad, 200, "before its answer");
    check_ended(OK "Transfer-Encoding: chunked\r\n\r\n0\r\n", bad, 200, "before its answer");
    check_ended("nonsense", bad, 0, "not HTTP/1.1");
    check_ended(OK "\r\n", TSMS__HTTP1_DONE, 200, NULL);
    check_ended(OK "\r\nhello", TSMS__HTTP1_DONE, 200, NULL);
    check_ended(OK "Content-Length: 5\r\n\r\nhello", TSMS__HTTP1_DONE, 200, NULL);
}

/* ---- Limits */

/* Feeds pieces that a test prints, in chunks of `step` bytes. */
static void feed_buf(tsms__http1_answer *a, tsms_buf *buf, size_t step)
{
    assert_false(buf->failed);
    for (size_t at = 0; at < buf->len; at += step) {
        size_t len = buf->len - at < step ? buf->len - at : step;
        tsms__http1_feed(a, (tsms_str){buf->ptr + at, len});
    }
    tsms__buf_clear(buf);
}

static const size_t STEPS[] = {1, 7, 4096, SIZE_MAX / 2};
#define FOR_EACH_STEP(step)                                                                        \
    for (const size_t *step = STEPS; step < STEPS + sizeof STEPS / sizeof STEPS[0]; step++)

static void add_filler(tsms_buf *buf, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        tsms__buf_add_char(buf, 'x');
    }
}

static void test_head_of_64_kib(void **state)
{
    const tsms_str start = TSMS__STR("HTTP/1.1 201 Created\r\nX: ");
    const tsms_str end = TSMS__STR("\r\nContent-Length: 0\r\n\r\n");
    const size_t room = TSMS__HTTP1_HEAD_MOST - start.len - end.len;
    FOR_EACH_STEP(step)
    {
        for (size_t more = 0; more <= 1; more++) {
            tsms__http1_answer a;
            tsms_buf buf;
            tsms__http1_init(&a, &tsms__mem_libc);
            tsms__buf_init(&buf, &tsms__mem_libc);
            tsms__buf_add(&buf, start);
            add_filler(&buf, room + more);
            tsms__buf_add(&buf, end);
            feed_buf(&a, &buf, *step);
            assert_int_equal(a.state, more == 0 ? TSMS__HTTP1_DONE : TSMS__HTTP1_TOO_LARGE);
            assert_int_equal(a.status, 201);
            assert_int_equal(a.fault, more == 0 ? TSMS_KIND_NONE : TSMS_KIND_INTERNAL_ERROR);
            tsms__buf_free(&buf);
            tsms__http1_free(&a);
        }
    }
}

static void test_lines_without_end_are_bounded(void **state)
{
    static const char *const starts[] = {"HTTP/1.1 200 ", OK "X",
                                         OK "Transfer-Encoding: chunked\r\n\r\n5;",
                                         OK "Transfer-Encoding: chunked\r\n\r\n0\r\nX: "};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        tsms__http1_answer a;
        tsms_buf buf;
        tsms__http1_init(&a, &tsms__mem_libc);
        tsms__buf_init(&buf, &tsms__mem_libc);
        tsms__buf_add_z(&buf, starts[i]);
        add_filler(&buf, 1 << 20);
        feed_buf(&a, &buf, 4096);
        assert_int_equal(a.state, TSMS__HTTP1_TOO_LARGE);
        assert_true(a.head.cap <= 2 * TSMS__HTTP1_HEAD_MOST);
        tsms__buf_free(&buf);
        tsms__http1_free(&a);
    }
}

static void test_256_headers(void **state)
{
    FOR_EACH_STEP(step)
    {
        for (int more = 0; more <= 1; more++) {
            tsms__http1_answer a;
            tsms_buf buf;
            tsms__http1_init(&a, &tsms__mem_libc);
            tsms__buf_init(&buf, &tsms__mem_libc);
            tsms__buf_add_z(&buf, "HTTP/1.1 100 \r\nX: y\r\n\r\n" OK);
            tsms__buf_add_z(&buf, "Transfer-Encoding: chunked\r\n");
            for (int i = 2; i < TSMS__HTTP1_FIELDS_MOST - 1 + more; i++) {
                tsms__buf_add_z(&buf, "X: y\r\n");
            }
            tsms__buf_add_z(&buf, "\r\n0\r\nTrailer: 256\r\n\r\n");
            feed_buf(&a, &buf, *step);
            assert_int_equal(a.state, more == 0 ? TSMS__HTTP1_DONE : TSMS__HTTP1_TOO_LARGE);
            tsms__buf_free(&buf);
            tsms__http1_free(&a);
        }
    }
}

static void test_16_interim_answers(void **state)
{
    for (int more = 0; more <= 1; more++) {
        tsms__http1_answer a;
        tsms__http1_init(&a, &tsms__mem_libc);
        for (int i = 0; i < TSMS__HTTP1_INTERIM_MOST + more; i++) {
            tsms__http1_feed(&a, BYTES("HTTP/1.1 102 Processing\r\n\r\n"));
        }
        tsms__http1_feed(&a, BYTES("HTTP/1.1 204 No Content\r\n\r\n"));
        assert_int_equal(a.state, more == 0 ? TSMS__HTTP1_DONE : TSMS__HTTP1_MALFORMED);
        assert_int_equal(a.status, more == 0 ? 204 : 0);
        tsms__http1_free(&a);
    }
}

/* Many small chunks are no head, however many they are. */
static void test_many_chunks(void **state)
{
    tsms__http1_answer a;
    tsms__http1_init(&a, &tsms__mem_libc);
    tsms__http1_feed(&a, BYTES(OK "Transfer-Encoding: chunked\r\n\r\n"));
    for (int i = 0; i < 100000; i++) {
        tsms__http1_feed(&a, BYTES("1;extension\r\nx\r\n"));
    }
    assert_int_equal(tsms__http1_feed(&a, BYTES("0\r\n\r\n")), TSMS__HTTP1_DONE);
    assert_int_equal(a.body.len, 100000);
    assert_true(a.head.cap < 256);
    tsms__http1_free(&a);
}

static void test_body_of_8_mib(void **state)
{
    static const char *const heads[] = {OK "Content-Length: 8388608\r\n\r\n",
                                        OK "Transfer-Encoding: chunked\r\n\r\n800000\r\n",
                                        OK "\r\n"};
    static const char *const ends[] = {"", "\r\n0\r\n\r\n", ""};
    char *mib = calloc(1, 1 << 20);
    assert_non_null(mib);
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        tsms__http1_answer a;
        tsms__http1_init(&a, &tsms__mem_libc);
        tsms__http1_feed(&a, tsms_str_from(heads[i]));
        for (int j = 0; j < 8; j++) {
            tsms__http1_feed(&a, (tsms_str){mib, 1 << 20});
        }
        tsms__http1_feed(&a, tsms_str_from(ends[i]));
        bool to_end = i == 2;
        assert_int_equal(a.state, to_end ? TSMS__HTTP1_MORE : TSMS__HTTP1_DONE);
        assert_int_equal(a.body.len, TSMS__HTTP1_BODY_MOST);
        if (to_end) {
            assert_int_equal(tsms__http1_feed(&a, BYTES("x")), TSMS__HTTP1_TOO_LARGE);
            assert_int_equal(a.body.len, TSMS__HTTP1_BODY_MOST);
            assert_int_equal(tsms__http1_ended(&a), TSMS__HTTP1_TOO_LARGE);
        }
        tsms__http1_begin(&a);
        assert_true(a.body.cap <= TSMS__HTTP1_KEPT);
        tsms__http1_free(&a);
    }
    free(mib);
}

/* ---- What is kept */

static void test_headers_that_matter(void **state)
{
    tsms__http1_answer a;
    tsms__response r;
    tsms__http1_init(&a, &tsms__mem_libc);
    tsms__http1_feed(&a, BYTES("HTTP/1.1 103 \r\nRetry-After: 9\r\n\r\nHTTP/1.1 429 Too Many\r\n"
                               "retry-after: \t7 \r\nX-Other: 1\r\nDATE:Tue, 14 Nov 2023\r\n"));
    tsms__http1_read(&a, &r);
    assert_str_is(r.retry_after, "7");
    assert_str_is(r.date, "Tue, 14 Nov 2023");
    assert_null(r.request_id.ptr);
    /* The first of several; what a trailer says comes too late to be believed. */
    tsms__http1_feed(&a, BYTES("Retry-After: 8\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
                               "Twilio-Request-Id: RQ2\r\n\r\n"));
    tsms__http1_read(&a, &r);
    assert_true(r.complete);
    assert_str_is(r.retry_after, "7");
    assert_null(r.request_id.ptr);
    /* Nothing stays for the next answer. */
    tsms__http1_begin(&a);
    tsms__http1_feed(&a, BYTES("HTTP/1.1 204 \r\nTwilio-Request-Id:\r\n\r\n"));
    tsms__http1_read(&a, &r);
    assert_null(r.retry_after.ptr);
    assert_null(r.date.ptr);
    assert_non_null(r.request_id.ptr);
    assert_int_equal(r.request_id.len, 0);
    tsms__http1_free(&a);
}

static void test_memory_is_kept_for_the_next_answer(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 0);
    tsms__http1_answer a;
    tsms__http1_init(&a, &tm.mem);
    size_t calls = 0;
    for (int i = 0; i < 100; i++) {
        tsms__http1_begin(&a);
        tsms__http1_feed(&a, BYTES(OK "Content-Length: 200\r\n\r\n"));
        for (int j = 0; j < 20; j++) {
            tsms__http1_feed(&a, BYTES("0123456789"));
        }
        assert_int_equal(a.state, TSMS__HTTP1_DONE);
        calls = i == 0 ? tm.calls : calls;
    }
    assert_int_equal(tm.calls, calls);
    assert_int_equal(tm.live, 2);
    tsms__http1_free(&a);
    assert_int_equal(tm.live, 0);
}

static void test_trimming(void **state)
{
    tsms__http1_answer a;
    tsms__http1_init(&a, &tsms__mem_libc);
    tsms__http1_feed(&a, BYTES(OK "\r\nhello"));
    tsms__http1_trim(&a);
    assert_str_is(tsms__buf_str(&a.body), "hello");
    char *large = calloc(1, TSMS__HTTP1_KEPT);
    assert_non_null(large);
    tsms__http1_feed(&a, (tsms_str){large, TSMS__HTTP1_KEPT});
    free(large);
    tsms__http1_ended(&a);
    assert_int_equal(a.body.len, TSMS__HTTP1_KEPT + 5);
    tsms__http1_trim(&a);
    assert_int_equal(a.body.cap, 0);
    assert_int_equal(a.status, 200);
    tsms__http1_free(&a);
}

static void test_out_of_memory(void **state)
{
    for (size_t n = 1;; n++) {
        test_mem tm;
        test_mem_init(&tm, n);
        tsms__http1_answer a;
        tsms__http1_init(&a, &tm.mem);
        tsms__http1_feed(&a, BYTES(OK "Date: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
        for (int i = 0; i < 10; i++) {
            tsms__http1_feed(&a, BYTES("20\r\n01234567890123456789012345678901\r\n"));
        }
        tsms__http1_feed(&a, BYTES("0\r\n\r\n"));
        if (tm.failed) {
            assert_int_equal(a.state, TSMS__HTTP1_MALFORMED);
            assert_int_equal(a.fault, TSMS_KIND_TEMPORARILY_UNAVAILABLE);
            assert_non_null(strstr(a.why, "out of memory"));
            tm.fail_at = 0;
            tsms__http1_begin(&a); /* it was that answer's bad luck */
            assert_int_equal(tsms__http1_feed(&a, BYTES("HTTP/1.1 204 \r\n\r\n")),
                             TSMS__HTTP1_DONE);
        } else {
            assert_int_equal(a.state, TSMS__HTTP1_DONE);
        }
        tsms__http1_free(&a);
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            break;
        }
        assert_true(n < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases_whole_and_in_each_two_pieces),
        cmocka_unit_test(test_cases_byte_by_byte),
        cmocka_unit_test(test_cases_in_each_three_pieces),
        cmocka_unit_test(test_end_of_the_connection),
        cmocka_unit_test(test_head_of_64_kib),
        cmocka_unit_test(test_lines_without_end_are_bounded),
        cmocka_unit_test(test_256_headers),
        cmocka_unit_test(test_16_interim_answers),
        cmocka_unit_test(test_many_chunks),
        cmocka_unit_test(test_body_of_8_mib),
        cmocka_unit_test(test_headers_that_matter),
        cmocka_unit_test(test_memory_is_kept_for_the_next_answer),
        cmocka_unit_test(test_trimming),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
