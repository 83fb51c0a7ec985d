/* The same bytes of an answer, read by libcurl and by our own reader: what they are taken for must
 * be the same, because both kinds of drivers are bound by the same promise. Where our reader is
 * stricter, the table says so. */
#include "support.h"

#include "call/classify.h"
#include "drive/fault.h"
#include "wire/http1_answer.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYTES(literal)                                                                             \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }
#define SID "SM00000000000000000000000000000001"
#define MESSAGE "{\"sid\":\"" SID "\",\"status\":\"queued\"}" /* 62 bytes */
#define REFUSED "{\"code\":21610,\"message\":\"x\"}"          /* 28 bytes */
#define CREATED "HTTP/1.1 201 Created\r\n"
#define BAD "HTTP/1.1 400 Bad Request\r\n"
#define LENGTH "Content-Length: 62\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"

typedef struct answer_case {
    const char *what;
    tsms_str bytes; /* all that comes before the server closes the connection */
    tsms_outcome outcome;
    tsms_outcome ours; /* NONE: the same */
} answer_case;

#define ACCEPTED TSMS_OUTCOME_ACCEPTED
#define NO_SID TSMS_OUTCOME_ACCEPTED_NO_SID
#define REJECTED TSMS_OUTCOME_REJECTED
#define IN_DOUBT TSMS_OUTCOME_IN_DOUBT
#define THROTTLED TSMS_OUTCOME_THROTTLED
#define SAME TSMS_OUTCOME_NONE

static const answer_case CASES[] = {
    {"a good answer", BYTES(CREATED LENGTH "\r\n" MESSAGE), ACCEPTED, SAME},
    {"chunks", BYTES(CREATED CHUNKED "\r\n3e\r\n" MESSAGE "\r\n0\r\n\r\n"), ACCEPTED, SAME},
    {"chunks with a trailer",
     BYTES(CREATED CHUNKED "Trailer: X\r\n\r\n3e;a=b\r\n" MESSAGE "\r\n0\r\nX: y\r\n\r\n"),
     ACCEPTED, SAME},
    {"what ends with the connection", BYTES(CREATED "\r\n" MESSAGE), ACCEPTED, SAME},
    {"HTTP/1.0", BYTES("HTTP/1.0 201 Created\r\n\r\n" MESSAGE), ACCEPTED, SAME},
    {"an interim answer", BYTES("HTTP/1.1 100 Continue\r\n\r\n" CREATED LENGTH "\r\n" MESSAGE),
     ACCEPTED, SAME},
    {"bare line feeds", BYTES("HTTP/1.1 201 Created\nContent-Length: 62\n\n" MESSAGE), ACCEPTED,
     SAME},
    {"one length twice", BYTES(CREATED LENGTH LENGTH "\r\n" MESSAGE), ACCEPTED, SAME},
    {"bytes behind the end", BYTES(CREATED LENGTH "\r\n" MESSAGE "HTTP/1.1"), ACCEPTED, SAME},
    {"a refusal", BYTES(BAD "Content-Length: 28\r\n\r\n" REFUSED), REJECTED, SAME},
    {"too many", BYTES("HTTP/1.1 429 \r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"), THROTTLED,
     SAME},
    {"too many, cut off", BYTES("HTTP/1.1 429 \r\nContent-Length: 9\r\n\r\n"), THROTTLED, SAME},
    {"a failure", BYTES("HTTP/1.1 503 \r\nContent-Length: 0\r\n\r\n"), IN_DOUBT, SAME},
    {"a redirect", BYTES("HTTP/1.1 302 \r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), IN_DOUBT,
     SAME},
    {"304", BYTES("HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n"), IN_DOUBT, SAME},

    {"nothing", BYTES(""), IN_DOUBT, SAME},
    {"half of a status line", BYTES("HTTP/1.1 201 Cre"), IN_DOUBT, SAME},
    {"an interim answer alone", BYTES("HTTP/1.1 100 Continue\r\n\r\n"), IN_DOUBT, SAME},
    {"half of the headers", BYTES(CREATED "Content-Len"), NO_SID, SAME},
    {"no body", BYTES(CREATED LENGTH "\r\n"), NO_SID, SAME},
    {"half of the body", BYTES(CREATED LENGTH "\r\n{\"sid\":\"" SID), NO_SID, SAME},
    {"all of the body, but not of its length", BYTES(CREATED "Content-Length: 99\r\n\r\n" MESSAGE),
     ACCEPTED, SAME},
    {"half of a chunk", BYTES(CREATED CHUNKED "\r\n3e\r\n{\"sid\":\"" SID), NO_SID, SAME},
    {"no last chunk", BYTES(CREATED CHUNKED "\r\n3e\r\n" MESSAGE "\r\n"), ACCEPTED, SAME},
    {"half of a refusal", BYTES(BAD "Content-Length: 28\r\n\r\n{\"code\":"), IN_DOUBT, SAME},
    {"half of a failure", BYTES("HTTP/1.1 500 \r\nContent-Length: 9\r\n\r\n{"), IN_DOUBT, SAME},

    {"garbage", BYTES("SSH-2.0-OpenSSH_9.2\r\n"), IN_DOUBT, SAME},
    {"HTTP/0.9", BYTES(MESSAGE), IN_DOUBT, SAME},
    {"a length that is none", BYTES(CREATED "Content-Length: many\r\n\r\n" MESSAGE), NO_SID, SAME},
    {"a chunk that is none", BYTES(CREATED CHUNKED "\r\nxyz\r\n" MESSAGE "\r\n0\r\n\r\n"), NO_SID,
     SAME},
    {"a chunk longer than its size", BYTES(CREATED CHUNKED "\r\n3d\r\n" MESSAGE "\r\n0\r\n\r\n"),
     NO_SID, SAME},
    {"a NUL in a header", BYTES(CREATED "X: \0\r\n" LENGTH "\r\n" MESSAGE), NO_SID, SAME},
    {"a NUL in a refusal's header", BYTES(BAD "X: \0\r\nContent-Length: 28\r\n\r\n" REFUSED),
     IN_DOUBT, SAME},

    {"a header without a colon", BYTES(CREATED "nothing\r\n" LENGTH "\r\n" MESSAGE), NO_SID, SAME},
    {"a refusal's header without a colon",
     BYTES(BAD "nothing\r\nContent-Length: 28\r\n\r\n" REFUSED), IN_DOUBT, SAME},

    /* Ours is stricter: what may be read in two ways proves less. */
    {"half of a refusal's headers", BYTES(BAD "Content-Len"), REJECTED, IN_DOUBT},
    {"a length and chunks", BYTES(CREATED LENGTH CHUNKED "\r\n3e\r\n" MESSAGE "\r\n0\r\n\r\n"),
     ACCEPTED, NO_SID},
    {"two lengths", BYTES(CREATED "Content-Length: 63\r\n" LENGTH "\r\n" MESSAGE), ACCEPTED,
     NO_SID},
    {"a line that goes on", BYTES(CREATED "X: a\r\n b\r\n" LENGTH "\r\n" MESSAGE), ACCEPTED,
     NO_SID},
    {"HTTP/2", BYTES("HTTP/2 201 Created\r\n" LENGTH "\r\n" MESSAGE), ACCEPTED, IN_DOUBT},
};

enum { CASE_COUNT = sizeof CASES / sizeof CASES[0] };

typedef struct verdict {
    tsms_outcome outcome;
    tsms_kind kind;
} verdict;

static verdict classify(const tsms__transfer *transfer)
{
    tsms_config *config;
    tsms__records records;
    tsms_error err = {0};
    assert_int_equal(tsms_config_new(NULL, &config), TSMS_OK);
    verdict v = {.outcome = tsms__classify(transfer, TSMS__SHAPE_MESSAGE, config, &records, &err)};
    v.kind = v.outcome == ACCEPTED ? TSMS_KIND_NONE : err.kind;
    tsms__records_free(&records);
    tsms_config_free(config);
    return v;
}

/* ---- libcurl, over a connection in which the answer lies before the request is sent */

typedef struct server {
    int listener, connection;
    tsms_str answer;
} server;

static int on_connected(void *user, char *remote_ip, char *local_ip, int remote_port,
                        int local_port)
{
    (void)remote_ip, (void)local_ip, (void)remote_port, (void)local_port;
    server *self = user;
    self->connection = accept(self->listener, NULL, NULL);
    return self->connection >= 0 &&
                   write(self->connection, self->answer.ptr, self->answer.len) ==
                       (ssize_t)self->answer.len &&
                   shutdown(self->connection, SHUT_WR) == 0
               ? CURL_PREREQFUNC_OK
               : CURL_PREREQFUNC_ABORT;
}

static int listen_somewhere(int *listener)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    struct sockaddr *at = (struct sockaddr *)(void *)&address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(*listener, at, size), 0);
    assert_int_equal(listen(*listener, 1), 0);
    assert_int_equal(getsockname(*listener, at, &size), 0);
    return ntohs(address.sin_port);
}

static size_t on_body(char *bytes, size_t one, size_t count, void *body)
{
    (void)one;
    tsms__buf_add(body, (tsms_str){bytes, count});
    return count;
}

static verdict read_with_libcurl(tsms_str answer)
{
    server self = {.connection = -1, .answer = answer};
    char url[64];
    char detail[CURL_ERROR_SIZE] = "";
    char text[256];
    long status = 0;
    tsms_buf body;
    tsms__buf_init(&body, &tsms__mem_libc);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", listen_somewhere(&self.listener));
    CURL *easy = curl_easy_init();
    assert_non_null(easy);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "To=x");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, &self);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &body);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, 10L);
    CURLcode code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    tsms__transfer transfer = {.sent = true,
                               .response = {.http_status = (int)status,
                                            .complete = code == CURLE_OK,
                                            .body = tsms__buf_str(&body)}};
    assert_true(self.connection >= 0);
    if (code != CURLE_OK) {
        transfer.fault = tsms__curl_fault(code, 1, false, detail, NULL, text, sizeof text);
        transfer.fault_text = tsms_str_from(text);
    }
    verdict v = classify(&transfer);
    curl_easy_cleanup(easy);
    close(self.connection);
    close(self.listener);
    tsms__buf_free(&body);
    return v;
}

static verdict read_ourselves(tsms_str answer)
{
    tsms__http1_answer a;
    tsms__http1_init(&a, &tsms__mem_libc);
    tsms__http1_feed(&a, answer);
    tsms__http1_ended(&a);
    tsms__transfer transfer = {.sent = true, .fault = a.fault, .fault_text = tsms_str_from(a.why)};
    tsms__http1_read(&a, &transfer.response);
    verdict v = classify(&transfer);
    tsms__http1_free(&a);
    return v;
}

static void test_answers_are_taken_for_the_same(void **state)
{
    int wrong = 0;
    for (const answer_case *c = CASES; c < CASES + CASE_COUNT; c++) {
        verdict theirs = read_with_libcurl(c->bytes);
        verdict ours = read_ourselves(c->bytes);
        bool stricter = c->ours != SAME;
        if (theirs.outcome != c->outcome || ours.outcome != (stricter ? c->ours : c->outcome) ||
            (!stricter && ours.kind != theirs.kind)) {
            print_error("%s: libcurl %s %s, ours %s %s\n", c->what,
                        tsms_outcome_name(theirs.outcome), tsms_kind_name(theirs.kind),
                        tsms_outcome_name(ours.outcome), tsms_kind_name(ours.kind));
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    curl_global_init(CURL_GLOBAL_ALL);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers_are_taken_for_the_same)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
