/* Reads answers of HTTP/1.1 (RFC 9112, with the field syntax of RFC 9110). */
#include "http1_answer.h"

#include "http1_words.h"

#include <string.h>

typedef enum stage {
    STATUS_LINE,
    HEADER_LINE,
    BODY,        /* of a known length */
    BODY_TO_END, /* of the connection */
    CHUNK_LINE,
    CHUNK,
    CHUNK_CR,
    CHUNK_LF,
    TRAILER_LINE,
    OVER,
} stage;

static void stop(tsms__http1_answer *a, tsms__http1_state state, tsms_kind fault, const char *why)
{
    a->state = state;
    a->fault = fault;
    a->why = why;
    a->stage = OVER;
}

static void malformed(tsms__http1_answer *a, const char *why)
{
    stop(a, TSMS__HTTP1_MALFORMED, TSMS_KIND_CONNECTION_FAILED, why);
}

static void too_large(tsms__http1_answer *a, const char *why)
{
    stop(a, TSMS__HTTP1_TOO_LARGE, TSMS_KIND_INTERNAL_ERROR, why);
}

static void too_large_body(tsms__http1_answer *a)
{
    too_large(a, "the answer is larger than 8 MiB; the rest was not read");
}

static void no_memory(tsms__http1_answer *a)
{
    stop(a, TSMS__HTTP1_MALFORMED, TSMS_KIND_TEMPORARILY_UNAVAILABLE,
         "out of memory while reading the answer");
}

static void done(tsms__http1_answer *a)
{
    a->state = TSMS__HTTP1_DONE;
    a->reusable = a->persists;
    a->stage = OVER;
}

/* ---- Lines --------------------------------------------------------------------------------- */

static tsms_str span_text(const tsms__http1_answer *a, tsms__http1_span span)
{
    return span.seen ? (tsms_str){a->head.ptr + span.start, span.len} : (tsms_str){NULL, 0};
}

static void keep(tsms__http1_answer *a, tsms__http1_span *span, tsms_str value)
{
    if (!span->seen) { /* the first of several, as libcurl's driver takes it */
        *span = (tsms__http1_span){(size_t)(value.ptr - a->head.ptr), value.len, true};
    }
}

static void on_status_line(tsms__http1_answer *a, tsms_str line)
{
    const size_t code_at = sizeof "HTTP/1.1 " - 1;
    const char *p = line.ptr;
    bool good = line.len >= code_at + 3 && tsms__http1_is_digit(p[7]) && p[8] == ' ' &&
                p[9] >= '1' && tsms__http1_is_digit(p[9]) && tsms__http1_is_digit(p[10]) &&
                tsms__http1_is_digit(p[11]) && (line.len == code_at + 3 || p[12] == ' ');
    if (!good) {
        malformed(a, "the answer's status line is no status line of HTTP/1.1");
        return;
    }
    int status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
    a->is_1_0 = p[7] == '0';
    a->persists = a->persists && !a->is_1_0;
    a->in_interim = status < 200;
    if (status == 101) {
        malformed(a, "the server changes to another protocol, which nobody asked for");
    } else if (a->in_interim && ++a->interim > TSMS__HTTP1_INTERIM_MOST) {
        malformed(a, "the server sends one interim answer after the other");
    } else {
        a->status = a->in_interim ? 0 : status;
        a->stage = HEADER_LINE;
    }
}

/* The same number several times is one number (RFC 9112 section 6.3). */
static void on_content_length(tsms__http1_answer *a, tsms_str value)
{
    tsms_str member;
    while (tsms__http1_next_member(&value, &member)) {
        uint64_t length;
        if (!tsms__http1_number(member, 10, &length) || (a->has_length && length != a->left)) {
            malformed(a, "the answer's Content-Length is no number, or several");
            return;
        }
        a->left = length;
        a->has_length = true;
    }
}

static void on_header(tsms__http1_answer *a, tsms_str name, tsms_str value)
{
    tsms_str member;
    switch (name.len) { /* most headers are none of these */
    case sizeof "Date" - 1:
        if (tsms__str_eq_nocase(name, TSMS__STR("Date"))) {
            keep(a, &a->date, value);
        }
        break;
    case sizeof "Connection" - 1:
        if (tsms__str_eq_nocase(name, TSMS__STR("Connection"))) {
            while (tsms__http1_next_member(&value, &member)) {
                a->persists = a->persists && !tsms__str_eq_nocase(member, TSMS__STR("close"));
            }
        }
        break;
    case sizeof "Retry-After" - 1:
        if (tsms__str_eq_nocase(name, TSMS__STR("Retry-After"))) {
            keep(a, &a->retry_after, value);
        }
        break;
    case sizeof "Content-Length" - 1:
        if (tsms__str_eq_nocase(name, TSMS__STR("Content-Length"))) {
            on_content_length(a, value);
        }
        break;
    case sizeof "Transfer-Encoding" - 1: /* as long as Twilio-Request-Id */
        if (tsms__str_eq_nocase(name, TSMS__STR("Transfer-Encoding"))) {
            /* No other coding was asked for, and this one is not applied twice (RFC 9112 sections
             * 6.1 and 7.4). */
            if (a->has_coding || !tsms__str_eq_nocase(value, TSMS__STR("chunked"))) {
                malformed(a, "the answer's Transfer-Encoding is not chunked");
            }
            a->has_coding = true;
        } else if (tsms__str_eq_nocase(name, TSMS__STR("Twilio-Request-Id"))) {
            keep(a, &a->request_id, value);
        }
        break;
    default:
        break;
    }
}

/* A header, or a trailer, which is checked and then forgotten. A line that begins with a blank goes
 * on with the one before in old HTTP, and a blank before the colon was a way to hide a header: both
 * are refused (RFC 9112 sections 5.1 and 5.2). */
static void on_field(tsms__http1_answer *a, tsms_str line)
{
    const char *colon = memchr(line.ptr, ':', line.len);
    tsms_str name = {line.ptr, colon != NULL ? (size_t)(colon - line.ptr) : 0};
    if (!tsms__http1_is_token(name)) {
        malformed(a, "a header of the answer is not a name, a colon and a value");
    } else if (++a->fields > TSMS__HTTP1_FIELDS_MOST) {
        too_large(a, "the answer has more than 256 headers; the rest was not read");
    } else if (a->stage == HEADER_LINE && !a->in_interim) {
        on_header(a, name, tsms__http1_trim_blanks((tsms_str){colon + 1, line.len - name.len - 1}));
    }
}

/* Where the body ends (RFC 9112 section 6.3). */
static void on_end_of_head(tsms__http1_answer *a)
{
    if (a->in_interim) {
        a->stage = STATUS_LINE;
    } else if (a->has_coding && (a->has_length || a->is_1_0)) {
        malformed(a, a->has_length ? "the answer has Content-Length and Transfer-Encoding"
                                   : "an answer of HTTP/1.0 has a Transfer-Encoding");
    } else if (a->status == 204 || a->status == 304) {
        /* A 204 must not announce a body (RFC 9110 section 8.6). Where one does, the body may come
         * late, and would be taken for the next answer. */
        a->persists = a->persists && (a->status == 304 || !(a->has_coding || a->left > 0));
        done(a);
    } else if (a->has_coding) {
        a->stage = CHUNK_LINE;
    } else if (!a->has_length) {
        a->stage = BODY_TO_END;
    } else if (a->left > TSMS__HTTP1_BODY_MOST) {
        too_large_body(a);
    } else if (a->left == 0) {
        done(a);
    } else {
        a->stage = BODY;
    }
}

/* Extensions may be ignored (RFC 9112 section 7.1.1). */
static void on_chunk_line(tsms__http1_answer *a, tsms_str line)
{
    const char *semicolon = memchr(line.ptr, ';', line.len);
    size_t digits = semicolon != NULL ? (size_t)(semicolon - line.ptr) : line.len;
    while (semicolon != NULL && digits > 0 && tsms__http1_is_blank(line.ptr[digits - 1])) {
        digits--;
    }
    if (!tsms__http1_number((tsms_str){line.ptr, digits}, 16, &a->left)) {
        malformed(a, "a chunk of the answer has no size");
    } else if (a->left > TSMS__HTTP1_BODY_MOST - a->body.len) {
        too_large_body(a);
    } else {
        a->stage = a->left > 0 ? CHUNK : TRAILER_LINE;
    }
    a->head.len = a->line; /* there may be many, and none is needed again */
}

/* A line without its end. */
static void on_line(tsms__http1_answer *a, tsms_str line)
{
    if (memchr(line.ptr, '\r', line.len) != NULL || memchr(line.ptr, '\0', line.len) != NULL) {
        malformed(a, "a line of the answer holds a NUL or a bare carriage return");
    } else if (a->stage == STATUS_LINE) {
        on_status_line(a, line);
    } else if (a->stage == CHUNK_LINE) {
        on_chunk_line(a, line);
    } else if (line.len > 0) {
        on_field(a, line);
    } else if (a->stage == HEADER_LINE) {
        on_end_of_head(a);
    } else {
        done(a);
    }
}

/* Garbage need not end with a line, nor need what comes after it ever end. */
static bool may_be_http(const tsms__http1_answer *a)
{
    const tsms_str start = TSMS__STR("HTTP/1.");
    size_t len = a->head.len - a->line;
    return memcmp(a->head.ptr + a->line, start.ptr, len < start.len ? len : start.len) == 0;
}

/* The line in `head` has its end. */
static void end_line(tsms__http1_answer *a)
{
    tsms_str line = {a->head.ptr + a->line, a->head.len - a->line - 1};
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    } else if (a->stage == CHUNK_LINE) {
        malformed(a, "a chunk's line ends with a bare line feed");
        return;
    } else {
        /* Allowed around headers (RFC 9112 section 2.2), but no server of ours does it. */
        a->persists = false;
    }
    on_line(a, line);
    a->line = a->head.len;
}

static void take_line(tsms__http1_answer *a, tsms_str *bytes)
{
    const char *end = memchr(bytes->ptr, '\n', bytes->len);
    size_t wanted = end != NULL ? (size_t)(end - bytes->ptr) + 1 : bytes->len;
    size_t room = TSMS__HTTP1_HEAD_MOST - a->head.len;
    size_t taken = wanted < room ? wanted : room;
    tsms__buf_add(&a->head, (tsms_str){bytes->ptr, taken});
    *bytes = (tsms_str){bytes->ptr + taken, bytes->len - taken};
    if (a->head.failed) {
        no_memory(a);
    } else if (a->stage == STATUS_LINE && !may_be_http(a)) {
        malformed(a, "the answer is not HTTP/1.1");
    } else if (taken < wanted) {
        too_large(a, "the answer's headers are larger than 64 KiB; the rest was not read");
    } else if (end != NULL) {
        end_line(a);
    }
}

/* ---- Bodies -------------------------------------------------------------------------------- */

/* Moves at most `most` bytes to the body; answers how many. */
static size_t take_body(tsms__http1_answer *a, tsms_str *bytes, uint64_t most)
{
    size_t taken = bytes->len < most ? bytes->len : (size_t)most;
    if (a->stage == BODY && a->body.len == 0) { /* once, rather than by doubling */
        tsms__buf_reserve(&a->body, a->left < TSMS__HTTP1_KEPT ? (size_t)a->left : taken);
    }
    tsms__buf_add(&a->body, (tsms_str){bytes->ptr, taken});
    *bytes = (tsms_str){bytes->ptr + taken, bytes->len - taken};
    if (a->body.failed) {
        no_memory(a);
    }
    return taken;
}

static void take_counted(tsms__http1_answer *a, tsms_str *bytes)
{
    a->left -= take_body(a, bytes, a->left);
    if (a->left > 0 || a->stage == OVER) {
        return;
    }
    if (a->stage == BODY) {
        done(a);
    } else {
        a->stage = CHUNK_CR;
    }
}

static void take_to_end(tsms__http1_answer *a, tsms_str *bytes)
{
    take_body(a, bytes, TSMS__HTTP1_BODY_MOST - a->body.len);
    if (bytes->len > 0 && a->stage != OVER) {
        too_large_body(a);
    }
}

static void take_mark(tsms__http1_answer *a, tsms_str *bytes, char mark, stage next)
{
    if (bytes->ptr[0] != mark) {
        malformed(a, "a chunk of the answer does not end where its size says");
        return;
    }
    *bytes = (tsms_str){bytes->ptr + 1, bytes->len - 1};
    a->stage = (int)next;
}

/* ---- The answer ---------------------------------------------------------------------------- */

tsms__http1_state tsms__http1_feed(tsms__http1_answer *a, tsms_str bytes)
{
    while (a->state == TSMS__HTTP1_MORE && bytes.len > 0) {
        switch ((stage)a->stage) {
        case BODY:
        case CHUNK:
            take_counted(a, &bytes);
            break;
        case BODY_TO_END:
            take_to_end(a, &bytes);
            break;
        case CHUNK_CR:
            take_mark(a, &bytes, '\r', CHUNK_LF);
            break;
        case CHUNK_LF:
            take_mark(a, &bytes, '\n', CHUNK_LINE);
            break;
        case STATUS_LINE:
        case HEADER_LINE:
        case CHUNK_LINE:
        case TRAILER_LINE:
            take_line(a, &bytes);
            break;
        case OVER:
            break;
        }
    }
    if (bytes.len > 0) {
        a->reusable = false;
    }
    return a->state;
}

tsms__http1_state tsms__http1_ended(tsms__http1_answer *a)
{
    a->persists = false;
    a->reusable = false;
    switch ((stage)a->stage) {
    case BODY_TO_END:
        done(a);
        break;
    case STATUS_LINE:
        malformed(a, a->head.len == 0 ? "the server closed the connection without an answer"
                                      : "the server closed the connection before its answer began");
        break;
    case HEADER_LINE:
        malformed(a, "the server closed the connection within the headers of its answer");
        break;
    case BODY:
    case CHUNK_LINE:
    case CHUNK:
    case CHUNK_CR:
    case CHUNK_LF:
    case TRAILER_LINE:
        malformed(a, "the server closed the connection before its answer was whole");
        break;
    case OVER:
        break;
    }
    return a->state;
}

void tsms__http1_read(const tsms__http1_answer *a, tsms__response *out)
{
    *out = (tsms__response){
        .http_status = a->status,
        .complete = a->state == TSMS__HTTP1_DONE,
        .body = tsms__buf_str(&a->body),
        .retry_after = span_text(a, a->retry_after),
        .date = span_text(a, a->date),
        .request_id = span_text(a, a->request_id),
    };
}

void tsms__http1_init(tsms__http1_answer *a, const tsms_mem *mem)
{
    *a = (tsms__http1_answer){.persists = true};
    tsms__buf_init(&a->head, mem);
    tsms__buf_init(&a->body, mem);
}

void tsms__http1_free(tsms__http1_answer *a)
{
    tsms__buf_free(&a->head);
    tsms__buf_free(&a->body);
}

void tsms__http1_trim(tsms__http1_answer *a)
{
    if (a->body.cap > TSMS__HTTP1_KEPT) {
        tsms__buf_free(&a->body);
    }
}

void tsms__http1_begin(tsms__http1_answer *a)
{
    tsms__http1_trim(a);
    tsms_buf head = a->head;
    tsms_buf body = a->body;
    tsms__buf_clear(&head);
    tsms__buf_clear(&body);
    *a = (tsms__http1_answer){.persists = true, .head = head, .body = body};
}
