/* Speaks HTTP/1.1 on one connection, one request after the other, and plays its faults. */
#define _GNU_SOURCE /* strcasestr */
#include "fault_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { MAX_REQUEST = 1 << 20 };

/* Reads one request to its end; false when the client went away or does not speak HTTP as a client
 * does that waits for each answer. */
static bool read_request(fault__connection *connection, fault__request *request)
{
    static const char length_name[] = "\r\ncontent-length:";
    char piece[4096];
    size_t head_len = 0, whole = 0;
    tsms_buf input;
    tsms__buf_init(&input, &tsms__mem_libc);
    while (head_len == 0 || input.len < whole) {
        size_t got = fault__read_some(connection, piece, sizeof piece);
        tsms__buf_add(&input, (tsms_str){piece, got});
        const char *text = tsms__buf_z(&input);
        MUST(text != NULL);
        if (got == 0 || input.len > MAX_REQUEST) {
            break;
        }
        const char *head_end = strstr(text, "\r\n\r\n");
        if (head_len == 0 && head_end != NULL) {
            const char *length = strcasestr(text, length_name);
            head_len = (size_t)(head_end - text) + 4;
            whole = head_len;
            if (length != NULL && length < head_end) {
                whole += strtoul(length + sizeof length_name - 1, NULL, 10);
            }
        }
    }
    int path_at = 0, path_end = 0;
    bool ok = head_len > 0 && input.len == whole &&
              sscanf(input.ptr, "%7s %n%*s%n", request->method, &path_at, &path_end) == 1 &&
              path_end > path_at;
    if (ok) {
        size_t path_len = (size_t)(path_end - path_at);
        tsms__buf_add(&request->path, (tsms_str){input.ptr + path_at, path_len});
        tsms__buf_add(&request->body, (tsms_str){input.ptr + head_len, whole - head_len});
        MUST(tsms__buf_z(&request->path) != NULL && tsms__buf_z(&request->body) != NULL);
    }
    tsms__buf_free(&input);
    return ok;
}

static void add_header(tsms_buf *out, const char *name, const char *value)
{
    if (value != NULL) {
        tsms__buf_add_z(out, name);
        tsms__buf_add_z(out, ": ");
        tsms__buf_add_z(out, value);
        tsms__buf_add_z(out, "\r\n");
    }
}

/* Writes the head and as much of the body as the fault lets through. */
static void write_answer(fault__connection *connection, const fault__answer *answer, fault_id id)
{
    tsms_buf out;
    tsms__buf_init(&out, &tsms__mem_libc);
    tsms__buf_add_z(&out, "HTTP/1.1 ");
    tsms__buf_add_int(&out, answer->status);
    tsms__buf_add_z(&out, " \r\n");
    size_t status_len = out.len;
    add_header(&out, "Date", answer->date);
    add_header(&out, "Content-Type", answer->content_type);
    add_header(&out, "Location", answer->location);
    add_header(&out, "Retry-After", answer->retry_after);
    add_header(&out, "Twilio-Request-Id", "RQ00000000000000000000000000000001");
    tsms__buf_add_z(&out, "Content-Length: ");
    tsms__buf_add_int(&out, (int64_t)answer->body.len);
    tsms__buf_add_z(&out, "\r\n\r\n");
    size_t head_len = out.len;
    tsms__buf_add(&out, tsms__buf_str(&answer->body));
    MUST(!out.failed);
    size_t len = out.len;
    if (id == FAULT_HALF_STATUS) {
        len = sizeof "HTTP/1.1 " - 1;
    } else if (id == FAULT_HALF_HEADER) {
        len = status_len + 5;
    } else if (id == FAULT_HALF_BODY) {
        len = head_len + answer->body.len / 2;
    }
    fault__write(connection, out.ptr, len);
    tsms__buf_free(&out);
}

/* Whether the connection is to go on; if not, *ending says how it ends. */
static bool respond(fault__connection *connection, const fault__request *request,
                    fault__ending *ending)
{
    static const char garbage[] = "\x00\xff\xfe)]}'\r\n\x01\x02 not http at all \r\n\r\n";
    fault__answer answer;
    fault what = fault__handle(connection->server, request, &answer);
    bool go_on = false;
    *ending = FAULT__CLOSE;
    switch (what.id) {
    case FAULT_CLOSE:
    case FAULT_GOAWAY:
    case FAULT_STREAM_INTERNAL:
    case FAULT_STREAM_REFUSED:
        break;
    case FAULT_RESET:
        *ending = FAULT__RESET;
        break;
    case FAULT_HANG:
        *ending = FAULT__HANG;
        break;
    case FAULT_GARBAGE:
        fault__write(connection, garbage, sizeof garbage - 1);
        break;
    case FAULT_ANSWER_RESET:
        write_answer(connection, &answer, what.id);
        *ending = FAULT__RESET;
        break;
    case FAULT_ANSWER_FIN:
        fault__cork(connection);
        write_answer(connection, &answer, what.id);
        *ending = FAULT__FIN;
        break;
    case FAULT_HALF_STATUS:
    case FAULT_HALF_HEADER:
    case FAULT_HALF_BODY:
    case FAULT_ANSWER_CLOSE:
    case FAULT_ANSWER_GOAWAY:
    case FAULT_ANSWER_STREAM_NO_ERROR:
        fault__cork(connection);
        write_answer(connection, &answer, what.id);
        break;
    default:
        write_answer(connection, &answer, what.id);
        go_on = true;
    }
    tsms__buf_free(&answer.body);
    return go_on;
}

/* Waits until a request is there, without reading it; false at the end of the connection. */
static bool await_request(const fault__connection *connection)
{
    /* A record of TLS starts with its type, version and length (RFC 8446 section 5.1). A goodbye
     * (close_notify) has 2 bytes and at most 40 of encryption; a request is longer. */
    unsigned char record[5];
    return recv(connection->fd, record, sizeof record, MSG_PEEK | MSG_WAITALL) == sizeof record &&
           (record[3] << 8 | record[4]) > 42;
}

fault__ending fault__http1(fault__connection *connection)
{
    fault__ending ending = FAULT__CLOSE;
    for (bool go_on = true; go_on;) {
        if (!await_request(connection)) {
            return FAULT__CLOSE;
        }
        fault_id unread = fault__take(connection->server, FAULT_STAGE_UNREAD).id;
        if (unread != FAULT_NONE) {
            return unread == FAULT_UNREAD_RESET ? FAULT__RESET : FAULT__DROP;
        }
        fault__request request;
        fault__request_init(&request);
        go_on = read_request(connection, &request) && respond(connection, &request, &ending);
        fault__request_free(&request);
    }
    return ending;
}
