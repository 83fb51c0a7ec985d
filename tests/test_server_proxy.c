/* drive/server_proxy.c: who may pass the CONNECT proxy, how many, for how long, and how it ends. */
#define _GNU_SOURCE /* mkdtemp */
#include "server_support.h"

#include <openssl/ssl.h>

static char dir[] = "/tmp/tsms-server-proxy-XXXXXX";
static char ca_file[64];

static tsms_server *start_with_proxy(tsms_server_options options)
{
    options.ca_file = tsms_str_from(ca_file);
    tsms_server *server = start(&options);
    assert_int_equal(tsms_server_proxy_port(server), -1);
    assert_int_equal(tsms_server_open_proxy(server, 0, NULL), TSMS_OK);
    assert_true(tsms_server_proxy_port(server) > 0);
    return server;
}

static tsms_server *start_default(void)
{
    return start_with_proxy((tsms_server_options)TSMS_SERVER_OPTIONS_INIT);
}

static int connect_to_proxy(tsms_server *server)
{
    return connect_to_port(tsms_server_proxy_port(server));
}

#define ASK "CONNECT api.twilio.com:443 HTTP/1.1\r\nHost: api.twilio.com:443\r\n\r\n"
#define ESTABLISHED "HTTP/1.1 200 Connection established\r\n\r\n"

/* The status and all that came for a request; the peer saw an end behind a refusal. */
static void assert_answer(tsms_server *server, const char *request, const char *status)
{
    char got[1024];
    int fd = connect_to_proxy(server);
    put(fd, request);
    settle(server);
    assert_true(take(fd, got, sizeof got) > 0);
    if (strncmp(got + strlen("HTTP/1.1 "), status, strlen(status)) != 0) {
        fail_msg("%s was answered with %s", request, got);
    }
    if (strcmp(status, "200") != 0) {
        assert_non_null(strstr(got, "\r\nConnection: close\r\n"));
        assert_int_equal(take(fd, got, sizeof got), 0);
    }
    close(fd);
    settle(server);
    assert_int_equal(tsms_server_connections(server), 0);
}

static void test_only_twilio_passes(void **state)
{
    static const struct {
        const char *request;
        const char *status;
    } cases[] = {
        {ASK, "200"},
        {"CONNECT API.Twilio.COM:443 HTTP/1.1\r\nHost: x\r\n\r\n", "200"},
        {"CONNECT api.twilio.com:443 HTTP/1.0\r\n\r\n", "200"},
        {"CONNECT messaging.twilio.com:443 HTTP/1.1\r\nProxy-Authorization: x\r\n\r\n", "200"},
        {"CONNECT twilio.com:443 HTTP/1.1\r\n\r\n", "403"},
        {"CONNECT .twilio.com:443 HTTP/1.1\r\n\r\n", "403"},
        {"CONNECT a.b.twilio.com:443 HTTP/1.1\r\n\r\n", "403"},
        {"CONNECT api.twilio.com:80 HTTP/1.1\r\n\r\n", "403"},
        {"CONNECT api.twilio.com:4430 HTTP/1.1\r\n\r\n", "403"},
        {"CONNECT api.twilio.com.evil.example:443 HTTP/1.1\r\n\r\n", "403"},
        {"CONNECT evil.example:443 HTTP/1.1\r\nHost: api.twilio.com:443\r\n\r\n", "403"},
        {"CONNECT a:b@api.twilio.com:443 HTTP/1.1\r\n\r\n", "403"},
        {"CONNECT \xff.twilio.com:443 HTTP/1.1\r\n\r\n", "403"},
        {"CONNECT localhost:443 HTTP/1.1\r\n\r\n", "403"},
        {"CONNECT [::1]:443 HTTP/1.1\r\n\r\n", "403"},
        {"CONNECT api.twilio.com HTTP/1.1\r\n\r\n", "400"},
        {"CONNECT api.twilio.com:443\r\n\r\n", "400"},
        {"CONNECT api.twilio.com:443 HTTP/2\r\n\r\n", "400"},
        {"CONNECT  HTTP/1.1\r\n\r\n", "400"},
        {"\r\n\r\n", "400"},
        {"\r\nCONNECT api.twilio.com:443 HTTP/1.1\r\n\r\n", "400"},
        {"GET http://api.twilio.com/ HTTP/1.1\r\nHost: api.twilio.com\r\n\r\n", "405"},
        {"connect api.twilio.com:443 HTTP/1.1\r\n\r\n", "405"},
    };
    tsms_server *server = start_default();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_answer(server, cases[i].request, cases[i].status);
    }
    tsms_server_free(server);
}

static void test_a_request_may_come_in_pieces_but_not_without_end(void **state)
{
    tsms_server *server = start_default();
    char got[1024];
    int fd = connect_to_proxy(server);
    for (const char *at = ASK; *at != '\0'; at++) {
        assert_int_equal(send(fd, at, 1, MSG_NOSIGNAL), 1);
        tsms_server_step(server, 0);
    }
    settle(server);
    assert_int_equal(take(fd, got, sizeof got), sizeof ESTABLISHED - 1);
    close(fd);

    char large[8192 + 1];
    memset(large, 'a', sizeof large - 1);
    memcpy(large, "CONNECT ", 8);
    large[sizeof large - 1] = '\0';
    assert_answer(server, large, "431");
    tsms_server_free(server);
}

static SSL *open_session(SSL_CTX *client, int fd, const char *name)
{
    SSL *session = SSL_new(client);
    SSL_set_fd(session, fd);
    SSL_set_tlsext_host_name(session, name);
    SSL_set1_host(session, name);
    return session;
}

/* Performs the handshake, serving both sides; true when it succeeded. */
static bool shake_hands(tsms_server *server, SSL *session)
{
    for (int i = 0; i < 100; i++) {
        int result = SSL_connect(session);
        if (result == 1) {
            return true;
        }
        int reason = SSL_get_error(session, result);
        if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) {
            return false;
        }
        settle(server);
    }
    return false;
}

static SSL_CTX *trusting_client(void)
{
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(client, SSL_VERIFY_PEER, NULL);
    assert_int_equal(SSL_CTX_load_verify_locations(client, ca_file, NULL), 1);
    return client;
}

static void test_it_leads_to_the_server_as_api_twilio_com(void **state)
{
    tsms_server *server = start_default();
    SSL_CTX *client = trusting_client();
    char got[1024];
    int fd = connect_to_proxy(server);
    put(fd, ASK);
    settle(server);
    assert_int_equal(take(fd, got, sizeof got), sizeof ESTABLISHED - 1);
    assert_string_equal(got, ESTABLISHED);
    SSL *session = open_session(client, fd, "api.twilio.com");
    assert_true(shake_hands(server, session));
    assert_int_equal(tsms_server_connections(server), 2); /* the proxy's and the server's own */
    static const char get[] = "GET / HTTP/1.1\r\nHost: api.twilio.com\r\n\r\n";
    for (int i = 0; i < 2; i++) {
        assert_int_equal(SSL_write(session, get, sizeof get - 1), sizeof get - 1);
        tsms_server_request *request = await_request(server);
        assert_non_null(request);
        assert_str_is(tsms_server_request_header(request, "Host"), "api.twilio.com");
        answer(request, 200, "hello");
        settle(server);
        int len = SSL_read(session, got, sizeof got - 1);
        assert_true(len > 0);
        got[len] = '\0';
        assert_string_equal(strstr(got, "\r\n\r\n"), "\r\n\r\nhello");
    }
    SSL_free(session);
    close(fd);
    settle(server);
    assert_int_equal(tsms_server_connections(server), 0);
    SSL_CTX_free(client);
    tsms_server_free(server);
}

static void test_a_reset_passes_through(void **state)
{
    tsms_server *server = start_default();
    SSL_CTX *client = trusting_client();
    char got[1024];
    int fd = connect_to_proxy(server);
    put(fd, ASK);
    settle(server);
    assert_true(take(fd, got, sizeof got) > 0);
    SSL *session = open_session(client, fd, "api.twilio.com");
    assert_true(shake_hands(server, session));
    assert_int_equal(SSL_write(session, GET, sizeof GET - 1), sizeof GET - 1);
    tsms_server_drop(await_request(server), TSMS_SERVER_DROP_RESET);
    settle(server);
    ssize_t taken;
    do { /* tickets of TLS 1.3, which nobody has read */
        taken = take(fd, got, sizeof got);
    } while (taken > 0);
    assert_int_equal(taken, -ECONNRESET);
    SSL_free(session);
    close(fd);
    SSL_CTX_free(client);
    tsms_server_free(server);
}

static void test_more_than_the_most_wait(void **state)
{
    tsms_server_options options = TSMS_SERVER_OPTIONS_INIT;
    options.max_connections = 2;
    tsms_server *server = start_with_proxy(options);
    char got[1024];
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = connect_to_proxy(server);
        settle(server);
    }
    assert_int_equal(tsms_server_connections(server), 2);
    put(fds[2], "GET / HTTP/1.1\r\n\r\n");
    settle(server);
    assert_int_equal(take(fds[2], got, sizeof got), -EAGAIN);
    close(fds[0]);
    settle(server);
    assert_true(take(fds[2], got, sizeof got) > 0);
    close(fds[1]);
    close(fds[2]);
    tsms_server_free(server);
}

static void test_a_request_has_its_time(void **state)
{
    tsms_server_options options = TSMS_SERVER_OPTIONS_INIT;
    options.timeout_ms = 1000;
    tsms_server *server = start_with_proxy(options);
    char got[1024];
    assert_int_equal(tsms_server_timeout_ms(server), -1);
    int fd = connect_to_proxy(server);
    settle(server);
    assert_int_equal(tsms_server_timeout_ms(server), 1000);
    test_now.mono_ms += 999;
    put(fd, "CONNECT api");
    settle(server);
    assert_int_equal(take(fd, got, sizeof got), -EAGAIN);
    test_now.mono_ms += 1;
    settle(server);
    assert_int_equal(take(fd, got, sizeof got), 0);
    close(fd);
    assert_int_equal(tsms_server_connections(server), 0);
    assert_int_equal(tsms_server_timeout_ms(server), -1);
    tsms_server_free(server);
}

static void test_it_stops_with_the_server(void **state)
{
    tsms_server *server = start_default();
    char got[1024];
    int asking = connect_to_proxy(server);
    int refused = connect_to_proxy(server);
    put(refused, "GET / HTTP/1.1\r\n\r\n");
    settle(server);
    int port = tsms_server_proxy_port(server);
    tsms_server_stop(server);
    settle(server);
    assert_int_equal(take(asking, got, sizeof got), 0);
    assert_true(take(refused, got, sizeof got) > 0);
    assert_int_equal(tsms_server_connections(server), 1);
    close(refused);
    settle(server);
    assert_int_equal(tsms_server_connections(server), 0);
    tsms_server_step(server, -1); /* nothing can come any more */
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), -1);
    close(fd);
    close(asking);
    assert_int_equal(tsms_server_open_proxy(server, 0, NULL), TSMS_ERROR);
    tsms_server_free(server);
}

static void test_what_cannot_be_opened_says_why(void **state)
{
    tsms_error err;
    tsms_server *server = start_plain();
    assert_int_equal(tsms_server_open_proxy(server, 0, &err), TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_INVALID_OPTION);
    assert_non_null(strstr(err.message, "tls is off"));
    tsms_server_free(server);

    server = start_default();
    assert_int_equal(tsms_server_open_proxy(server, 0, &err), TSMS_ERROR);
    assert_non_null(strstr(err.message, "there is a proxy already"));
    tsms_server_options options = TSMS_SERVER_OPTIONS_INIT;
    options.ca_file = tsms_str_from(ca_file);
    tsms_server *other = start(&options);
    assert_int_equal(tsms_server_open_proxy(other, 65536, &err), TSMS_ERROR);
    assert_int_equal(tsms_server_open_proxy(other, -1, &err), TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_INVALID_OPTION);
    int port = tsms_server_proxy_port(server);
    assert_int_equal(tsms_server_open_proxy(other, port, &err), TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_CONNECTION_FAILED);
    assert_int_equal(tsms_server_open_proxy(other, 0, &err), TSMS_OK);
    tsms_server_free(other);
    tsms_server_free(server);
}

static void test_every_allocation_may_fail(void **state)
{
    for (size_t n = 1;; n++) {
        test_mem tm;
        test_mem_init(&tm, 0);
        tsms_server_options options = TSMS_SERVER_OPTIONS_INIT;
        options.mem = &tm.mem;
        options.ca_file = tsms_str_from(ca_file);
        tsms_server *server = start(&options);
        tm.fail_at = tm.calls + n;
        tsms_status status = tsms_server_open_proxy(server, 0, NULL);
        assert_int_equal(status, tm.failed ? TSMS_NOMEM : TSMS_OK);
        if (status == TSMS_OK) {
            char got[64];
            int fd = connect_to_proxy(server);
            put(fd, "GET / HTTP/1.1\r\n\r\n");
            settle(server);
            ssize_t taken = take(fd, got, sizeof got);
            assert_true(tm.failed ? taken <= 0 : taken > 0);
            close(fd);
        }
        tsms_server_free(server);
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            break;
        }
    }
}

static int make_dir(void **state)
{
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    snprintf(ca_file, sizeof ca_file, "%s/ca.pem", dir);
    return 0;
}

static int remove_dir(void **state)
{
    unlink(ca_file);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_twilio_passes),
        cmocka_unit_test(test_a_request_may_come_in_pieces_but_not_without_end),
        cmocka_unit_test(test_it_leads_to_the_server_as_api_twilio_com),
        cmocka_unit_test(test_a_reset_passes_through),
        cmocka_unit_test(test_more_than_the_most_wait),
        cmocka_unit_test(test_a_request_has_its_time),
        cmocka_unit_test(test_it_stops_with_the_server),
        cmocka_unit_test(test_what_cannot_be_opened_says_why),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
