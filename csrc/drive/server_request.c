/* Keeps one inbound request and judges whether requests and answers are well formed. */
#include "server_request.h"

#include <string.h>

tsms_server_request *tsms__inbound_new(const tsms_mem *mem, size_t headers, size_t bytes)
{
    size_t fixed = sizeof(tsms_server_request);
    if (headers > (SIZE_MAX - fixed) / sizeof(tsms_server_header) ||
        bytes > SIZE_MAX - fixed - headers * sizeof(tsms_server_header)) {
        return NULL;
    }
    size_t front = fixed + headers * sizeof(tsms_server_header);
    tsms_server_request *request = tsms__alloc(mem, front + bytes);
    if (request != NULL) {
        *request = (tsms_server_request){
            .mem = *mem, .header_room = headers, .text = (char *)request + front};
    }
    return request;
}

void tsms__inbound_free(tsms_server_request *request)
{
    if (request != NULL) {
        tsms_mem mem = request->mem;
        tsms__free(&mem, request);
    }
}

tsms_str tsms__inbound_copy(tsms_server_request *request, tsms_str text)
{
    tsms_str copy = {request->text, text.len};
    if (text.len > 0) {
        memcpy(request->text, text.ptr, text.len);
    }
    request->text += text.len;
    return copy;
}

/* Cuts "http://host" off a target in absolute form (RFC 9112 section 3.2.2). */
static tsms_str without_authority(tsms_str target)
{
    static const tsms_str schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (tsms__str_starts(target, schemes[i])) {
            size_t pos = schemes[i].len;
            while (pos < target.len && target.ptr[pos] != '/' && target.ptr[pos] != '?') {
                pos++;
            }
            return (tsms_str){target.ptr + pos, target.len - pos};
        }
    }
    return target;
}

void tsms__inbound_set_target(tsms_server_request *request, tsms_str target)
{
    request->target = tsms__inbound_copy(request, target);
    tsms_str rest = without_authority(request->target);
    const char *mark = rest.len > 0 ? memchr(rest.ptr, '?', rest.len) : NULL;
    request->path = rest;
    if (mark != NULL) {
        request->path.len = (size_t)(mark - rest.ptr);
        request->query = (tsms_str){mark + 1, rest.len - request->path.len - 1};
    }
    if (request->path.len == 0) {
        request->path = TSMS__STR("/");
    }
}

void tsms__inbound_add_header(tsms_server_request *request, tsms_str name, tsms_str value)
{
    if (request->header_count < request->header_room) {
        tsms_server_header *header = &request->headers[request->header_count++];
        header->name = tsms__inbound_copy(request, name);
        header->value = tsms__inbound_copy(request, value);
    }
}

/* RFC 9110 section 5.6.2. */
static bool is_token(tsms_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool alphanumeric =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alphanumeric && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL)) {
            return false;
        }
    }
    return text.len > 0;
}

static bool is_clean(tsms_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7F) {
            return false;
        }
    }
    return true;
}

static bool is_target(tsms_str target)
{
    bool rooted = target.len > 0 && (target.ptr[0] == '/' || tsms__str_eq_z(target, "*"));
    for (size_t i = 0; i < target.len; i++) {
        if ((unsigned char)target.ptr[i] <= ' ' || target.ptr[i] == 0x7F) {
            return false;
        }
    }
    return rooted || without_authority(target).ptr != target.ptr;
}

static size_t count_headers(const tsms_server_request *request, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        count += tsms__str_eq_nocase(request->headers[i].name, tsms_str_from(name));
    }
    return count;
}

static bool is_length(tsms_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
    }
    return text.len > 0;
}

static bool has_one_length(const tsms_server_request *request)
{
    size_t lengths = count_headers(request, "Content-Length");
    size_t codings = count_headers(request, "Transfer-Encoding");
    if (lengths + codings > 1) {
        return false;
    }
    if (codings == 1) {
        tsms_str coding = tsms_server_request_header(request, "Transfer-Encoding");
        return tsms__str_eq_nocase(coding, TSMS__STR("chunked")) &&
               !tsms__str_eq_z(request->method, "HEAD");
    }
    if (lengths == 1) {
        tsms_str length = tsms_server_request_header(request, "Content-Length");
        return is_length(length) &&
               (!tsms__str_eq_z(request->method, "HEAD") || tsms__str_eq_z(length, "0"));
    }
    return true;
}

bool tsms__inbound_is_sound(const tsms_server_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (!is_token(request->headers[i].name) || !is_clean(request->headers[i].value)) {
            return false;
        }
    }
    return is_target(request->target) && count_headers(request, "Host") <= 1 &&
           has_one_length(request);
}

tsms_str tsms_server_request_method(const tsms_server_request *request)
{
    return request->method;
}

tsms_str tsms_server_request_target(const tsms_server_request *request)
{
    return request->target;
}

tsms_str tsms_server_request_path(const tsms_server_request *request)
{
    return request->path;
}

tsms_str tsms_server_request_query(const tsms_server_request *request)
{
    return request->query;
}

tsms_str tsms_server_request_body(const tsms_server_request *request)
{
    return request->body;
}

tsms_str tsms_server_request_header(const tsms_server_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (tsms__str_eq_nocase(request->headers[i].name, tsms_str_from(name))) {
            return request->headers[i].value;
        }
    }
    return (tsms_str){NULL, 0};
}

bool tsms_server_request_header_at(const tsms_server_request *request, size_t index, tsms_str *name,
                                   tsms_str *value)
{
    if (index >= request->header_count) {
        return false;
    }
    *name = request->headers[index].name;
    *value = request->headers[index].value;
    return true;
}

tsms_str tsms_server_request_peer(const tsms_server_request *request)
{
    return request->peer;
}

uint64_t tsms_server_request_connection(const tsms_server_request *request)
{
    return request->connection_id;
}

static bool is_ours(tsms_str name)
{
    static const char *const ours[] = {"Connection", "Content-Length", "Transfer-Encoding"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (tsms__str_eq_nocase(name, tsms_str_from(ours[i]))) {
            return true;
        }
    }
    return false;
}

tsms_status tsms__answer_check(const tsms_server_answer *answer, tsms_error *err)
{
    if (answer->http_status < 200 || answer->http_status > 599) {
        return tsms__error_set(err, TSMS_KIND_INVALID_REQUEST, "a status must be 200 to 599");
    }
    for (size_t i = 0; i < answer->header_count; i++) {
        tsms_str name = answer->headers[i].name;
        if (!is_token(name) || !is_clean(answer->headers[i].value)) {
            return tsms__error_set(err, TSMS_KIND_INVALID_REQUEST, "a header is malformed");
        }
        if (is_ours(name)) {
            return tsms__error_set(err, TSMS_KIND_INVALID_REQUEST,
                                   "the server sets the header %.*s itself", (int)name.len,
                                   name.ptr);
        }
    }
    return TSMS_OK;
}

bool tsms__answer_has_body(int http_status)
{
    return http_status != 204 && http_status != 304;
}

void tsms__answer_head(const tsms_server_answer *answer, tsms_buf *out)
{
    tsms__buf_add_z(out, "HTTP/1.1 ");
    tsms__buf_add_int(out, answer->http_status);
    tsms__buf_add_z(out, " \r\n");
    for (size_t i = 0; i < answer->header_count; i++) {
        tsms__buf_add(out, answer->headers[i].name);
        tsms__buf_add_z(out, ": ");
        tsms__buf_add(out, answer->headers[i].value);
        tsms__buf_add_z(out, "\r\n");
    }
    if (tsms__answer_has_body(answer->http_status)) {
        tsms__buf_add_z(out, "Content-Length: ");
        tsms__buf_add_int(out, (int64_t)answer->body.len);
        tsms__buf_add_z(out, "\r\n");
    }
    tsms__buf_add_z(out, "Connection: close\r\n\r\n");
}
