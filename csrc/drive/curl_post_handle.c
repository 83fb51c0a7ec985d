/* Sets one request of a poster on an easy handle, and says what came of it. */
#include "curl_post_handle.h"

#include <stdio.h>

#include "curl_names.h"

enum {
    CONNECT_TIMEOUT_MS = 5000,
    READ_TIMEOUT_MS = 15000,
    TOTAL_TIMEOUT_MS = 15000,
    BODY_MOST_BYTES = 65536,
    HEADERS_MOST_BYTES = 65536,
    REDIRECTIONS_MOST = 5,
    IDLE_MOST_S = 1, /* servers in wide use close idle connections after two seconds (gunicorn) */
};

/* ---- What libcurl calls ------------------------------------------------------------------- */

/* Called before each sending: for a challenge and a redirection more than once. When a connection
 * that was used before dies, libcurl would send again by itself, although the first request may
 * have been read. */
static int on_sending(void *owner, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
    (void)remote_ip;
    (void)local_ip;
    (void)remote_port;
    (void)local_port;
    tsms__post_handle *t = owner;
    if (t->sent && !t->answered) {
        t->stale = true;
        return CURL_PREREQFUNC_ABORT;
    }
    t->sent = true;
    t->answered = false;
    t->read_by_ms = *t->now_ms + t->read_timeout_ms;
    return CURL_PREREQFUNC_OK;
}

static bool note_bytes(tsms__post_handle *t, bool fits)
{
    t->answered = true;
    t->read_by_ms = *t->now_ms + t->read_timeout_ms;
    t->too_large = t->too_large || !fits;
    return fits;
}

static size_t on_header(char *bytes, size_t one, size_t count, void *owner)
{
    (void)bytes;
    (void)one;
    tsms__post_handle *t = owner;
    t->header_bytes += count;
    return note_bytes(t, t->header_bytes <= HEADERS_MOST_BYTES) ? count : 0;
}

static size_t on_body(char *bytes, size_t one, size_t count, void *owner)
{
    (void)one;
    tsms__post_handle *t = owner;
    if (!note_bytes(t, count <= t->max_body - t->body.len)) {
        return 0;
    }
    tsms__buf_add(&t->body, (tsms_str){bytes, count});
    return t->body.failed ? 0 : count;
}

/* ---- Requests ------------------------------------------------------------------------------- */

void tsms__post_handle_free(tsms__post_handle *t)
{
    if (t == NULL) {
        return;
    }
    if (t->easy != NULL) {
        curl_easy_cleanup(t->easy);
    }
    curl_slist_free_all(t->headers);
    tsms__buf_free(&t->body);
    tsms__free(t->mem, t);
}

static bool add_line(struct curl_slist **headers, const char *line)
{
    struct curl_slist *longer = line != NULL ? curl_slist_append(*headers, line) : NULL;
    if (longer != NULL) {
        *headers = longer;
    }
    return longer != NULL;
}

/* The request's headers as libcurl wants them: a header without a value ends in a semicolon. */
static bool set_headers(tsms__post_handle *t, const tsms__post_request *request)
{
    tsms_buf line;
    tsms__buf_init(&line, t->mem);
    bool ok = add_line(&t->headers, "Expect:");
    for (size_t i = 0; ok && i < request->header_count; i++) {
        const tsms_param *header = &request->headers[i];
        tsms__buf_clear(&line);
        tsms__buf_add(&line, header->name);
        tsms__buf_add_z(&line, header->value.len > 0 ? ": " : ";");
        tsms__buf_add(&line, header->value);
        ok = add_line(&t->headers, tsms__buf_z(&line));
    }
    if (line.ptr != NULL) {
        tsms__wipe(line.ptr, line.cap); /* perhaps there were credentials among them */
    }
    tsms__buf_free(&line);
    return ok && curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK;
}

static bool set_url(tsms__post_handle *t, tsms_str url)
{
    char *text = tsms__str_dup(t->mem, url);
    bool ok = text != NULL && curl_easy_setopt(t->easy, CURLOPT_URL, text) == CURLE_OK;
    if (text != NULL) {
        tsms__wipe(text, url.len);
    }
    tsms__free(t->mem, text);
    return ok;
}

static bool set_body(tsms__post_handle *t, const tsms__post_request *request)
{
    if (request->get) {
        return true;
    }
    return curl_easy_setopt(t->easy, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len) ==
               CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_COPYPOSTFIELDS,
                            request->body.len > 0 ? request->body.ptr : "") == CURLE_OK;
}

static bool set_options(tsms__post_handle *t, const char *ca_file, bool follow)
{
    CURL *e = t->easy;
    bool ok = true;
#define SET(option, value) ok = ok && curl_easy_setopt(e, option, value) == CURLE_OK
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    /* With a CApath libcurl parses the whole bundle again for each connection. */
    SET(CURLOPT_CAPATH, NULL);
    if (ca_file != NULL) {
        SET(CURLOPT_CAINFO, ca_file);
    }
    /* More than one kind, so that credentials wait for a challenge. */
    SET(CURLOPT_HTTPAUTH, (long)(CURLAUTH_BASIC | CURLAUTH_DIGEST));
    SET(CURLOPT_FOLLOWLOCATION, follow ? 1L : 0L);
    SET(CURLOPT_MAXREDIRS, (long)REDIRECTIONS_MOST);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_MAXAGE_CONN, (long)IDLE_MOST_S);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(t->connect_by_ms - t->started_ms));
    SET(CURLOPT_PREREQFUNCTION, on_sending);
    SET(CURLOPT_PREREQDATA, t);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_ERRORBUFFER, t->fault_text);
    SET(CURLOPT_PRIVATE, t);
#undef SET
    tsms__curl_no_wait_for_names(e);
    return ok;
}

static int or_default(int given, int normal)
{
    return given > 0 ? given : normal;
}

tsms__post_handle *tsms__post_handle_new(const tsms_mem *mem, const tsms__post_request *request,
                                         const char *ca_file, const int64_t *now_ms)
{
    tsms__post_handle *t = tsms__calloc(mem, 1, sizeof *t);
    if (t == NULL) {
        return NULL;
    }
    t->mem = mem;
    t->now_ms = now_ms;
    tsms__buf_init(&t->body, mem);
    t->max_body = request->max_body > 0 ? request->max_body : BODY_MOST_BYTES;
    t->started_ms = *now_ms;
    t->connect_by_ms = *now_ms + or_default(request->connect_timeout_ms, CONNECT_TIMEOUT_MS);
    t->read_timeout_ms = or_default(request->read_timeout_ms, READ_TIMEOUT_MS);
    t->total_by_ms = *now_ms + or_default(request->total_timeout_ms, TOTAL_TIMEOUT_MS);
    t->easy = curl_easy_init();
    bool ok = t->easy != NULL && set_options(t, ca_file, request->follow) &&
              set_url(t, request->url) && set_headers(t, request) && set_body(t, request);
    if (!ok) {
        tsms__post_handle_free(t);
        return NULL;
    }
    return t;
}

/* ---- Ends ----------------------------------------------------------------------------------- */

const char *tsms__post_fault_name(tsms__post_fault fault)
{
    static const char *const names[] = {[TSMS__POST_NONE] = "none",
                                        [TSMS__POST_CONNECT] = "connect",
                                        [TSMS__POST_TLS] = "tls",
                                        [TSMS__POST_READ] = "read",
                                        [TSMS__POST_OTHER] = "other"};
    return names[fault];
}

static tsms__post_fault fault_of(const tsms__post_handle *t, CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return TSMS__POST_NONE;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
        return TSMS__POST_TLS;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        return TSMS__POST_CONNECT;
    case CURLE_OPERATION_TIMEDOUT:
        return t->sent ? TSMS__POST_READ : TSMS__POST_CONNECT;
    case CURLE_ABORTED_BY_CALLBACK:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return t->sent ? TSMS__POST_READ : TSMS__POST_CONNECT;
    default:
        return TSMS__POST_OTHER;
    }
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

bool tsms__post_handle_overdue(const tsms__post_handle *t)
{
    return smaller(t->sent ? t->read_by_ms : t->connect_by_ms, t->total_by_ms) <= *t->now_ms;
}

int64_t tsms__post_handle_due_ms(const tsms__post_handle *t)
{
    /* A connection that gets ready brings the time for reading, which may be shorter. */
    int64_t due_ms =
        t->sent ? t->read_by_ms : smaller(t->connect_by_ms, *t->now_ms + t->read_timeout_ms);
    return smaller(due_ms, t->total_by_ms);
}

/* One line about a fault, when there is something to say that libcurl did not. */
static const char *text_of(const tsms__post_handle *t, CURLcode code)
{
    if (t->too_large) {
        return "the answer is too large";
    } else if (t->body.failed) {
        return "out of memory";
    } else if (t->stale) {
        return "the connection ended before an answer";
    } else if (code == CURLE_OPERATION_TIMEDOUT) {
        return t->sent ? "no whole answer in time" : "no connection in time";
    }
    return t->fault_text[0] == '\0' ? curl_easy_strerror(code) : NULL;
}

void tsms__post_handle_end(tsms__post_handle *t, CURLcode code)
{
    t->fault = fault_of(t, code);
    t->duration_ms = *t->now_ms - t->started_ms;
    const char *text = text_of(t, code);
    if (text != NULL) {
        snprintf(t->fault_text, sizeof t->fault_text, "%s", text);
    }
}
