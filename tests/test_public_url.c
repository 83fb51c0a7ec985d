/* Tests of csrc/wire/public_url.c: which URL a sender asked for, and whether it is in a list. */
#include "support.h"
#include "wire/public_url.h"

/* ---- Making one out ------------------------------------------------------------------------ */

typedef struct made {
    tsms_status status;
    tsms_buf url;
    tsms__url_origin origin;
    tsms_error err;
} made;

/* Headers are "Name: value" up to a NULL. Proxies are those of 10.0.0.0/8. */
static void make(made *out, const char *url, bool tls, const char *peer,
                 const char *const headers[])
{
    tsms_param list[8];
    tsms_webhook_request request = TSMS_WEBHOOK_REQUEST_INIT;
    request.url = tsms_str_from(url);
    request.tls = tls;
    request.peer = tsms_str_from(peer);
    request.headers = list;
    for (; headers[request.header_count] != NULL; request.header_count++) {
        const char *line = headers[request.header_count];
        const char *colon = strchr(line, ':');
        list[request.header_count] =
            (tsms_param){{line, (size_t)(colon - line)}, tsms_str_from(colon + 1)};
    }
    tsms__network proxies[2];
    assert_true(tsms__network_parse(tsms_str_from("192.0.2.1"), &proxies[0]));
    assert_true(tsms__network_parse(tsms_str_from("10.0.0.0/8"), &proxies[1]));
    tsms__buf_init(&out->url, &tsms__mem_libc);
    out->status = tsms__public_url_make(&request, proxies, 2, &out->url, &out->origin, &out->err);
}

static void makes_out_urls(void **state)
{
    static const struct {
        const char *url;
        bool tls;
        const char *peer;
        const char *headers[7];
        const char *want;
        tsms__url_origin origin;
    } cases[] = {
        /* given */
        {"https://h.example/sms?a=1",
         false,
         "",
         {NULL},
         "https://h.example/sms?a=1",
         TSMS__ORIGIN_GIVEN},
        {"HTTPS://H.Example:8443",
         false,
         "",
         {"Host: other"},
         "HTTPS://H.Example:8443",
         TSMS__ORIGIN_GIVEN},
        {"https://h.example/sms?a=1#rc=3&rp=all",
         false,
         "",
         {NULL},
         "https://h.example/sms?a=1",
         TSMS__ORIGIN_GIVEN},
        {"https://user:pa%40ss@h.example:8443/sms?a=1",
         false,
         "",
         {NULL},
         "https://h.example:8443/sms?a=1",
         TSMS__ORIGIN_GIVEN},
        {"https://h.example/w\xC3\xB6rter?x=\"<>\\^",
         false,
         "",
         {NULL},
         "https://h.example/w\xC3\xB6rter?x=\"<>\\^",
         TSMS__ORIGIN_GIVEN},
        {"https://h.example?x=1", false, "", {NULL}, "https://h.example?x=1", TSMS__ORIGIN_GIVEN},
        /* a target and a host */
        {"/sms?a=1", true, "", {"Host: h.example"}, "https://h.example/sms?a=1", TSMS__ORIGIN_HOST},
        {"/sms",
         false,
         "",
         {"host:  h.example:8080 "},
         "http://h.example:8080/sms",
         TSMS__ORIGIN_HOST},
        {"/sms", true, "", {"Host: h.example:443"}, "https://h.example:443/sms", TSMS__ORIGIN_HOST},
        {"/",
         true,
         "",
         {"Host: [2001:db8::1]:444"},
         "https://[2001:db8::1]:444/",
         TSMS__ORIGIN_HOST},
        {"//evil.example/a",
         true,
         "",
         {"Host: h.example"},
         "https://h.example//evil.example/a",
         TSMS__ORIGIN_HOST},
        {"/sms#x?y", true, "", {"Host: h.example"}, "https://h.example/sms", TSMS__ORIGIN_HOST},
        {"/",
         true,
         "",
         {"Host: h.example", "Host: h.example"},
         "https://h.example/",
         TSMS__ORIGIN_HOST},
        /* forwarded, by whom we trust */
        {"/sms",
         false,
         "10.1.2.3:5000",
         {"Host: app:8080", "X-Forwarded-Proto: https", "X-Forwarded-Host: h.example"},
         "https://h.example/sms",
         TSMS__ORIGIN_FORWARDED},
        {"/sms",
         false,
         "[::ffff:10.1.2.3]:5000",
         {"Host: h.example", "x-forwarded-proto: HTTPS"},
         "https://h.example/sms",
         TSMS__ORIGIN_FORWARDED},
        {"/sms",
         false,
         "192.0.2.1",
         {"Host: h.example:8080", "X-Forwarded-Proto: https", "X-Forwarded-Port: 443"},
         "https://h.example/sms",
         TSMS__ORIGIN_FORWARDED},
        {"/sms",
         false,
         "192.0.2.1",
         {"X-Forwarded-Host: h.example:1", "X-Forwarded-Port: 8443", "X-Forwarded-Proto: https"},
         "https://h.example:8443/sms",
         TSMS__ORIGIN_FORWARDED},
        {"/sms",
         true,
         "192.0.2.1",
         {"Host: h.example", "X-Forwarded-Proto: http"},
         "http://h.example/sms",
         TSMS__ORIGIN_FORWARDED},
        {"/sms",
         true,
         "192.0.2.1",
         {"Host: h.example", "X-Forwarded-Port: 80"},
         "https://h.example:80/sms",
         TSMS__ORIGIN_FORWARDED},
        /* of a list the last counts: what stands before it came from outside */
        {"/sms",
         false,
         "10.0.0.1",
         {"Host: app", "X-Forwarded-Host: evil.example, h.example",
          "X-Forwarded-Proto: http ,https", "X-Forwarded-Port: 1,\t8443 "},
         "https://h.example:8443/sms",
         TSMS__ORIGIN_FORWARDED},
        {"/sms",
         true,
         "10.0.0.1",
         {"Host: app", "X-Forwarded-Host: evil.example", "X-Forwarded-Host: h.example"},
         "https://h.example/sms",
         TSMS__ORIGIN_FORWARDED},
        {"/sms",
         true,
         "10.0.0.1",
         {"Host: app", "X-Forwarded-Host: evil.example,"},
         "https://app/sms",
         TSMS__ORIGIN_HOST},
        /* forwarded, by anybody */
        {"/sms",
         true,
         "203.0.113.9:5000",
         {"Host: h.example", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: http",
          "X-Forwarded-Port: 1"},
         "https://h.example/sms",
         TSMS__ORIGIN_IGNORED},
        {"/sms",
         true,
         "",
         {"Host: h.example", "X-Forwarded-Host: a/b@c d"},
         "https://h.example/sms",
         TSMS__ORIGIN_IGNORED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        made m;
        make(&m, cases[i].url, cases[i].tls, cases[i].peer, cases[i].headers);
        if (m.status != TSMS_OK) {
            fail_msg("%s: %s", cases[i].want, m.err.message);
        }
        assert_str_is(tsms__buf_str(&m.url), cases[i].want);
        assert_int_equal(m.origin, cases[i].origin);
        tsms__buf_free(&m.url);
    }
}

static void refuses_what_could_be_two_urls(void **state)
{
    static const struct {
        const char *url;
        const char *headers[4];
        tsms_kind kind;
    } cases[] = {
        {"", {"Host: h"}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"sms", {"Host: h"}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"*", {"Host: h"}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"ftp://h/", {NULL}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"https://", {NULL}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"https://a@b@c/", {NULL}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"https://h/a b", {NULL}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"https://h/a\r\nb", {NULL}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"https://h:0/", {NULL}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"/a b", {"Host: h"}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"/a\x7F", {"Host: h"}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"/", {NULL}, TSMS_KIND_MISSING_FIELDS},
        {"/", {"Host:"}, TSMS_KIND_MISSING_FIELDS},
        {"/", {"Host: h", "Host: i"}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"/", {"Host: h/i"}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"/", {"Host: u@h"}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"/", {"Host: h i"}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"/", {"Host: h, i"}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"/", {"Host: h?i"}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"/", {"Host: h#i"}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"/", {"Host: h\r\nX-Forwarded-Host: i"}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"/", {"Host: h:99999"}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"/", {"Host: :443"}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"/", {"Host: h\xC3\xB6"}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"/", {"Host: h", "X-Forwarded-Host: i/j"}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"/", {"Host: h", "X-Forwarded-Proto: gopher"}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"/", {"Host: h", "X-Forwarded-Proto: https://x/"}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"/", {"Host: h", "X-Forwarded-Port: 0"}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"/", {"Host: h", "X-Forwarded-Port: 1/x"}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"/", {"Host: h", "X-Forwarded-Port: 1@i"}, TSMS_KIND_PAYLOAD_PARSE_ERROR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        made m;
        make(&m, cases[i].url, true, "10.0.0.1", cases[i].headers);
        if (m.status != TSMS_ERROR || m.err.kind != cases[i].kind || m.err.http_status != 400) {
            fail_msg("%zu: '%s' was taken", i, cases[i].url);
        }
        tsms__buf_free(&m.url);
    }
    tsms_webhook_request none = TSMS_WEBHOOK_REQUEST_INIT;
    tsms_buf url;
    tsms__url_origin origin;
    tsms__buf_init(&url, &tsms__mem_libc);
    assert_int_equal(tsms__public_url_make(&none, NULL, 0, &url, &origin, NULL), TSMS_ERROR);
    tsms__buf_free(&url);
}

static void runs_out_of_memory_cleanly(void **state)
{
    tsms_param headers[] = {{TSMS__STR("Host"), TSMS__STR("h.example:8080")},
                            {TSMS__STR("X-Forwarded-Port"), TSMS__STR("8443")}};
    tsms_webhook_request request = TSMS_WEBHOOK_REQUEST_INIT;
    request.url = TSMS__STR("/a-path-that-is-longer-than-what-a-buffer-begins-with/0123456789");
    request.peer = TSMS__STR("10.0.0.1");
    request.headers = headers;
    request.header_count = 2;
    tsms__network proxy;
    assert_true(tsms__network_parse(tsms_str_from("10.0.0.0/8"), &proxy));
    for (size_t n = 1;; n++) {
        test_mem tm;
        tsms_buf url;
        tsms__url_origin origin;
        test_mem_init(&tm, n);
        tsms__buf_init(&url, &tm.mem);
        tsms_status status = tsms__public_url_make(&request, &proxy, 1, &url, &origin, NULL);
        assert_int_equal(status, tm.failed ? TSMS_NOMEM : TSMS_OK);
        tsms__buf_free(&url);
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            break;
        }
    }
}

/* ---- The list ------------------------------------------------------------------------------ */

static void finds_a_url_in_the_list(void **state)
{
    static const struct {
        const char *entry, *url;
        bool answers;
    } cases[] = {
        {"https://h.example/sms", "https://h.example/sms", true},
        {"https://h.example/sms", "https://h.example/sms?a=1&b=2", true},
        {"https://h.example/sms?x=1#rc=3", "https://h.example/sms?a=1", true},
        {"https://u:p@h.example/sms", "https://h.example/sms", true},
        {"HTTPS://H.Example/sms", "https://h.example:443/sms", true},
        {"https://h.example:443/sms", "https://h.example/sms", true},
        {"http://h.example/sms", "http://h.example:80/sms", true},
        {"http://h.example:8080/sms", "http://h.example:8080/sms", true},
        {"https://h.example", "https://h.example/", true},
        {"https://h.example", "https://h.example?x=1", true},
        {"https://h.example/", "https://h.example", true},
        {"https://h.example/", "https://h.example/any/where", true},
        {"https://h.example/hooks/", "https://h.example/hooks/a/b?c", true},
        {"https://h.example/hooks/", "https://h.example/hooks/", true},
        {"https://h.example/hooks/", "https://h.example/hooks/..a/b..", true},
        {"https://h.example/sms", "http://h.example/sms", false},
        {"https://h.example/sms", "https://h.example/SMS", false},
        {"https://h.example/sms", "https://h.example/sms/", false},
        {"https://h.example/sms", "https://h.example/sms/a", false},
        {"https://h.example/sms", "https://h.example/%73ms", false},
        {"https://h.example/sms", "https://h.example:8443/sms", false},
        {"https://h.example/sms", "https://h.example.evil/sms", false},
        {"https://h.example/sms", "https://evil/?https://h.example/sms", false},
        {"https://h.example", "https://h.example/any", false},
        {"https://h.example/hooks/", "https://h.example/hooks", false},
        {"https://h.example/hooks/", "https://h.example/hooksevil", false},
        {"https://h.example/hooks/", "https://h.example/hooks/../admin", false},
        {"https://h.example/hooks/", "https://h.example/hooks/a/..", false},
        {"https://h.example/hooks/", "https://h.example/hooks/%2E./admin", false},
        {"https://h.example/hooks/", "https://h.example/hooks/%2e%2e/admin", false},
        {"https://h.example/hooks/", "https://h.example/hooks/a%2Fb%2f..c", true},
        {"https://h.example/hooks/", "https://h.example/hooks/..%2fadmin", false},
        {"https://h.example/hooks/", "https://h.example/hooks/%2e.%2Fadmin", false},
        {"https://h.example/hooks/", "https://h.example/hooks/a%2f..", false},
        {"https://h.example/hooks/", "https://h.example/hooks/..\\admin", false},
        {"https://h.example/hooks/", "https://h.example/hooks/a%5c..%5C..%5cadmin", false},
        {"https://h.example/sms", "not a URL", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsms_str list[] = {TSMS__STR("https://other.example/"), tsms_str_from(cases[i].entry)};
        tsms_str found = tsms__public_url_find(list, 2, tsms_str_from(cases[i].url));
        if ((found.ptr == list[1].ptr) != cases[i].answers || (found.ptr == list[0].ptr)) {
            fail_msg("%s and %s", cases[i].entry, cases[i].url);
        }
    }
    assert_null(tsms__public_url_find(NULL, 0, TSMS__STR("https://h/")).ptr);
}

static void knows_what_may_stand_in_the_list(void **state)
{
    assert_true(tsms__public_url_is(TSMS__STR("http://h")));
    assert_true(tsms__public_url_is(TSMS__STR("https://h/#rc=3")));
    assert_false(tsms__public_url_is(TSMS__STR("/sms")));
    assert_false(tsms__public_url_is(TSMS__STR("h.example/sms")));
    assert_false(tsms__public_url_is(TSMS__STR("wss://h/sms")));
    assert_false(tsms__public_url_is((tsms_str){NULL, 0}));
}

static void spells_a_url_as_the_list_does(void **state)
{
    static const struct {
        const char *entry, *url, *want;
    } cases[] = {
        {"https://H.Example/sms", "https://h.example/sms?a=1", "https://H.Example/sms?a=1"},
        {"https://h.example", "https://h.example/?a=1", "https://h.example?a=1"},
        {"https://u:p@h.example:443/sms?b#c", "https://h.example/sms", "https://h.example:443/sms"},
        {"https://h.example/sms", "https://h.example/sms?a=1", NULL},
        {"https://H.Example/", "https://h.example/sms", NULL},
        {"no URL", "https://h.example/sms", NULL},
    };
    tsms_buf out;
    tsms__buf_init(&out, &tsms__mem_libc);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool changed = tsms__public_url_respell(tsms_str_from(cases[i].entry),
                                                tsms_str_from(cases[i].url), &out);
        assert_int_equal(changed, cases[i].want != NULL);
        if (changed) {
            assert_str_is(tsms__buf_str(&out), cases[i].want);
        }
    }
    tsms__buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_out_urls),
        cmocka_unit_test(refuses_what_could_be_two_urls),
        cmocka_unit_test(runs_out_of_memory_cleanly),
        cmocka_unit_test(finds_a_url_in_the_list),
        cmocka_unit_test(knows_what_may_stand_in_the_list),
        cmocka_unit_test(spells_a_url_as_the_list_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
