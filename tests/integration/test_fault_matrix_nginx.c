/* Every fault against the client inside of nginx: nobody is texted twice by accident, what is
 * reported is true, and what nginx itself must be told is said. */
#define _GNU_SOURCE /* asprintf */
#include "fault_matrix.h"
#include "nginx_worker.h"

#include <cjson/cJSON.h>

#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Sends a message with the client of the options that are posted; it is kept, and its connections
 * with it, until it is told to close. */
static const char LOCATIONS[] =
    "location = /send {\n"
    "    content_by_lua_block {\n"
    "        local core = require 'twilio_sms.core'\n"
    "        ngx.req.read_body()\n"
    "        local client, message, err = package.loaded['test.client']\n"
    "        if not client then\n"
    "            local options = core.json_decode(ngx.req.get_body_data())\n"
    "            client, err = require('resty.twilio_sms').new(options)\n"
    "            package.loaded['test.client'] = client\n"
    "        end\n"
    "        if client then\n"
    "            message, err = client:send { to = '+15005550010', body = 'hello' }\n"
    "        end\n"
    "        local told = message or err\n"
    "        ngx.print(core.json_encode {\n"
    "            outcome = told.outcome, kind = told.kind, attempts = told.attempts,\n"
    "            verified = told.verified, sid = told.sid, message = err and err.message,\n"
    "        })\n"
    "    }\n"
    "}\n"
    "location = /close {\n"
    "    content_by_lua_block {\n"
    "        package.loaded['test.client']:close()\n"
    "    }\n"
    "}\n";

typedef struct client {
    nginx_worker *worker;
    char *options; /* JSON */
} client;

static char *options_of(const matrix_settings *settings)
{
    char *json = NULL;
    int len =
        asprintf(&json,
                 "{\"account_sid\":\"AC0123456789abcdef0123456789abcdef\","
                 "\"auth_token\":\"0123456789abcdef0123456789abcdef\","
                 "\"from\":\"+15005550006\",\"base_url\":\"%s\",\"in_doubt\":\"%s\","
                 "\"connect_timeout_ms\":%d,\"attempt_timeout_ms\":%d,\"seed\":1,"
                 "\"rate\":{\"per_second\":0,\"per_number\":0},"
                 "\"breaker\":{\"failure_threshold\":0},"
                 "\"retry\":{\"rate_limit\":{\"base_ms\":1},\"unavailable\":{\"base_ms\":1},"
                 "\"internal\":{\"base_ms\":1},\"timeout\":{\"base_ms\":1},"
                 "\"connection\":{\"base_ms\":1},\"settle_ms\":1}}",
                 settings->url, settings->in_doubt, settings->timeout_ms, settings->timeout_ms);
    assert_true(len > 0);
    return json;
}

/* A client in a worker of its own, with these directives. */
static client *start_client(const char *http, const matrix_settings *settings)
{
    client *made = malloc(sizeof *made);
    assert_non_null(made);
    made->options = options_of(settings);
    made->worker = nginx_worker_start(http, LOCATIONS);
    return made;
}

/* The URL of a server on this machine by its name: nginx takes no address for a certificate. */
static const char *url_by_name(const char *url)
{
    static char named[64];
    snprintf(named, sizeof named, "https://localhost%s", strrchr(url, ':'));
    return named;
}

static void *open_client(const matrix_settings *settings)
{
    char http[256];
    matrix_settings named = *settings;
    named.url = url_by_name(settings->url);
    snprintf(http, sizeof http, "lua_ssl_trusted_certificate %s;", settings->ca_file);
    return start_client(http, &named);
}

static void close_client(void *of)
{
    client *self = of;
    free(nginx_worker_post(self->worker, "/close", ""));
    nginx_worker_stop(self->worker);
    free(self->options);
    free(self);
}

static const char *text_at(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text != NULL ? text : "";
}

static tsms_outcome outcome_from(const char *name)
{
    tsms_outcome outcome = TSMS_OUTCOME_NOT_SENT;
    while (strcmp(tsms_outcome_name(outcome), name) != 0) {
        if (outcome == TSMS_OUTCOME_IN_DOUBT) {
            fail_msg("unknown outcome '%s'", name);
        }
        outcome++;
    }
    return outcome;
}

static matrix_report send_hello(void *of)
{
    const client *self = of;
    char *answer = nginx_worker_post(self->worker, "/send", self->options);
    cJSON *json = cJSON_Parse(answer);
    assert_non_null(json);
    const char *kind = text_at(json, "kind");
    matrix_report r = {
        .outcome = outcome_from(text_at(json, "outcome")),
        .kind = tsms_kind_from_name(tsms_str_from(kind)),
        .attempts = (int)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(json, "attempts")),
        .verified = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "verified")),
    };
    snprintf(r.sid, sizeof r.sid, "%s", text_at(json, "sid"));
    snprintf(r.message, sizeof r.message, "%s", text_at(json, "message"));
    cJSON_Delete(json);
    free(answer);
    return r;
}

/* ---- The matrix */

static const matrix_client COSOCKETS = {1, open_client, send_hello, close_client};

static void test_each_fault_ends_as_it_must(void **state)
{
    (void)state;
    assert_int_equal(fault_matrix_play(&COSOCKETS), 0);
}

static void test_any_script_texts_nobody_twice(void **state)
{
    (void)state;
    fault_matrix_play_scripts(&COSOCKETS, 100);
}

/* ---- What keeps a connection from being made */

/* Whether the connection is refused for that reason, for each choice of in_doubt. */
static void check_not_sent(const char *http, const char *url, tsms_kind kind, const char *says)
{
    for (size_t i = 0; i < 3; i++) {
        matrix_settings settings = {url, "", "1.1", MATRIX_MODE_NAMES[i], MATRIX_TIMEOUT_MS};
        client *sender = start_client(http, &settings);
        matrix_report r = send_hello(sender);
        close_client(sender);
        if (strstr(r.message, says) == NULL) {
            fail_msg("\"%s\" does not say \"%s\"", r.message, says);
        }
        assert_int_equal(r.outcome, TSMS_OUTCOME_NOT_SENT);
        assert_string_equal(tsms_kind_name(r.kind), tsms_kind_name(kind));
    }
}

/* The same for a server, which must not be sent anything then. */
static void check_not_trusted(fault_server *server, const char *http, const char *says)
{
    check_not_sent(http, url_by_name(fault_server_url(server)), TSMS_KIND_CONNECTION_FAILED, says);
    assert_int_equal(fault_server_stats(server).posts_seen_complete, 0);
    fault_server_stop(server);
}

static const char *trusting(const fault_server *server)
{
    static char http[256];
    snprintf(http, sizeof http, "lua_ssl_trusted_certificate %s;", fault_server_ca_file(server));
    return http;
}

static void test_refused_connections_are_not_sent(void **state)
{
    (void)state;
    fault_server *server = fault_server_start(NULL, 0);
    uint16_t port;
    int reserved = fault_refusing_port(&port);
    char url[64];
    snprintf(url, sizeof url, "https://localhost:%u", port);
    check_not_sent(trusting(server), url, TSMS_KIND_CONNECTION_FAILED, "refused");
    close(reserved);
    fault_server_stop(server);
}

/* A name server that knows no name, until it is asked nothing at all (RFC 1035 section 4.1.1). */
static void *know_no_name(void *of)
{
    enum { FLAGS_AT = 2, IS_ANSWER = 0x80, NO_SUCH_NAME = 3, SMALLEST = 12 };
    const int *fd = of;
    unsigned char packet[512];
    struct sockaddr_in peer;
    socklen_t peer_size = sizeof peer;
    ssize_t size;
    while ((size = recvfrom(*fd, packet, sizeof packet, 0, (struct sockaddr *)&peer, &peer_size)) >
           0) {
        if (size >= SMALLEST) {
            packet[FLAGS_AT] |= IS_ANSWER;
            packet[FLAGS_AT + 1] = NO_SUCH_NAME;
            sendto(*fd, packet, (size_t)size, 0, (struct sockaddr *)&peer, peer_size);
        }
    }
    return NULL;
}

static void test_unknown_hosts_are_not_sent_to(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    pthread_t names;
    assert_int_equal(pthread_create(&names, NULL, know_no_name, &fd), 0);
    char http[64];
    snprintf(http, sizeof http, "resolver 127.0.0.1:%u;", ntohs(address.sin_port));
    check_not_sent(http, "https://nonexistent.invalid", TSMS_KIND_DNS_RESOLUTION_FAILED,
                   "Host not found");
    assert_int_equal(sendto(fd, "", 0, 0, (struct sockaddr *)&address, size), 0);
    pthread_join(names, NULL);
    close(fd);
}

static void test_without_resolver_names_are_not_sent_to(void **state)
{
    (void)state;
    fault_server *server = fault_server_start(NULL, 0);
    check_not_sent(trusting(server), "https://nonexistent.invalid", TSMS_KIND_DNS_RESOLUTION_FAILED,
                   "resolver");
    fault_server_stop(server);
}

static void test_strangers_certificates_are_not_sent_to(void **state)
{
    (void)state;
    fault_server *stranger = fault_server_start(NULL, 0);
    check_not_trusted(fault_server_start(NULL, 0), trusting(stranger),
                      "lua_ssl_trusted_certificate");
    fault_server_stop(stranger);
}

static void test_expired_certificates_are_not_sent_to(void **state)
{
    (void)state;
    fault_server *server = fault_server_start_as(FAULT_CERTIFICATE_EXPIRED);
    check_not_trusted(server, trusting(server), "expired");
}

static void test_certificates_of_other_names_are_not_sent_to(void **state)
{
    (void)state;
    fault_server *server = fault_server_start_as(FAULT_CERTIFICATE_OTHER_NAME);
    check_not_trusted(server, trusting(server), "host");
}

static void test_without_authorities_nobody_is_trusted(void **state)
{
    (void)state;
    check_not_trusted(fault_server_start(NULL, 0), "", "lua_ssl_trusted_certificate");
}

static void test_chains_that_are_too_long_are_not_sent_to(void **state)
{
    (void)state;
    fault_server *server = fault_server_start_as(FAULT_CERTIFICATE_LONG_CHAIN);
    check_not_trusted(server, trusting(server), "lua_ssl_verify_depth");
}

static void test_longer_chains_are_allowed_by_the_directive(void **state)
{
    (void)state;
    fault_server *server = fault_server_start_as(FAULT_CERTIFICATE_LONG_CHAIN);
    matrix_settings settings = fault_matrix_settings(server, "1.1", "stop");
    settings.url = url_by_name(settings.url);
    char http[300];
    snprintf(http, sizeof http, "%s lua_ssl_verify_depth 3;", trusting(server));
    client *sender = start_client(http, &settings);
    matrix_report r = send_hello(sender);
    close_client(sender);
    assert_string_equal(r.message, "");
    assert_int_equal(r.outcome, TSMS_OUTCOME_ACCEPTED);
    fault_server_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_connections_are_not_sent),
        cmocka_unit_test(test_unknown_hosts_are_not_sent_to),
        cmocka_unit_test(test_without_resolver_names_are_not_sent_to),
        cmocka_unit_test(test_strangers_certificates_are_not_sent_to),
        cmocka_unit_test(test_expired_certificates_are_not_sent_to),
        cmocka_unit_test(test_certificates_of_other_names_are_not_sent_to),
        cmocka_unit_test(test_without_authorities_nobody_is_trusted),
        cmocka_unit_test(test_chains_that_are_too_long_are_not_sent_to),
        cmocka_unit_test(test_longer_chains_are_allowed_by_the_directive),
        cmocka_unit_test(test_each_fault_ends_as_it_must),
        cmocka_unit_test(test_any_script_texts_nobody_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
