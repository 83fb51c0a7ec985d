/* The writer of HTTP/1.1: where requests go, and their bytes. */
#include "support.h"

#include "wire/http1_request.h"

typedef struct peer_case {
    const char *origin;
    const char *host;
    int port;
    const char *authority;
    const char *prefix;
} peer_case;

static void test_peers(void **state)
{
    static const peer_case cases[] = {
        {"https://api.twilio.com", "api.twilio.com", 443, "api.twilio.com", ""},
        {"https://api.twilio.com:443", "api.twilio.com", 443, "api.twilio.com", ""},
        {"HTTPS://localhost:8443", "localhost", 8443, "localhost:8443", ""},
        {"https://127.0.0.1:1/a/b", "127.0.0.1", 1, "127.0.0.1:1", "/a/b"},
        {"https://[::1]", "::1", 443, "[::1]", ""},
        {"https://[::1]:65535/x", "::1", 65535, "[::1]:65535", "/x"},
        {"https://[::1]:443/x", "::1", 443, "[::1]", "/x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tsms__http1_peer peer;
        assert_true(tsms__http1_peer_of(tsms_str_from(cases[i].origin), &peer));
        assert_str_is(peer.host, cases[i].host);
        assert_int_equal(peer.port, cases[i].port);
        assert_str_is(peer.authority, cases[i].authority);
        assert_str_is(peer.prefix, cases[i].prefix);
    }
}

static void test_what_is_no_peer(void **state)
{
    static const char *const origins[] = {"", "api.twilio.com", "http://api.twilio.com", "https://",
                                          "https://a b"};
    for (size_t i = 0; i < sizeof origins / sizeof origins[0]; i++) {
        tsms__http1_peer peer;
        assert_false(tsms__http1_peer_of(tsms_str_from(origins[i]), &peer));
    }
}

static void check_head(const char *origin, tsms__method method, size_t body_len, const char *want)
{
    tsms__http1_peer peer;
    tsms_buf out;
    tsms__buf_init(&out, &tsms__mem_libc);
    assert_true(tsms__http1_peer_of(tsms_str_from(origin), &peer));
    tsms__http1_request_head(&out, &peer, method, TSMS__STR("/Messages.json?To=%2B1"),
                             TSMS__STR("Authorization: Basic eDp5"), body_len);
    assert_str_is(tsms__buf_str(&out), want);
    tsms__buf_free(&out);
}

static void test_requests(void **state)
{
    check_head("https://api.twilio.com", TSMS__POST, 1234,
               "POST /Messages.json?To=%2B1 HTTP/1.1\r\n"
               "Host: api.twilio.com\r\n"
               "User-Agent: twilio-sms/" TSMS_VERSION "\r\n"
               "Authorization: Basic eDp5\r\n"
               "Accept: application/json\r\n"
               "Content-Length: 1234\r\n"
               "Content-Type: application/x-www-form-urlencoded\r\n"
               "\r\n");
    check_head("https://[::1]:8443/prefix", TSMS__GET, 0,
               "GET /prefix/Messages.json?To=%2B1 HTTP/1.1\r\n"
               "Host: [::1]:8443\r\n"
               "User-Agent: twilio-sms/" TSMS_VERSION "\r\n"
               "Authorization: Basic eDp5\r\n"
               "Accept: application/json\r\n"
               "\r\n");
    check_head("https://localhost:443", TSMS__DELETE, 0,
               "DELETE /Messages.json?To=%2B1 HTTP/1.1\r\n"
               "Host: localhost\r\n"
               "User-Agent: twilio-sms/" TSMS_VERSION "\r\n"
               "Authorization: Basic eDp5\r\n"
               "Accept: application/json\r\n"
               "\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peers),
        cmocka_unit_test(test_what_is_no_peer),
        cmocka_unit_test(test_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
