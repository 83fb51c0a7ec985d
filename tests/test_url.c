/* Tests of csrc/config/url.c: what a URL is taken apart into, and what is none. */
#include "config/url.h"
#include "support.h"

static void takes_a_url_apart(void **state)
{
    static const struct {
        const char *text, *scheme, *userinfo, *host, *port, *path, *query, *fragment;
    } cases[] = {
        {"https://api.twilio.com", "https", NULL, "api.twilio.com", NULL, "", NULL, NULL},
        {"https://api.twilio.com/", "https", NULL, "api.twilio.com", NULL, "/", NULL, NULL},
        {"HTTP://h:1/p/q?a=b&c#rc=2&rp=all", "HTTP", NULL, "h", "1", "/p/q", "a=b&c",
         "rc=2&rp=all"},
        {"http://user:pa%40ss@h:65535?", "http", "user:pa%40ss", "h", "65535", "", "", NULL},
        {"http://@h#", "http", "", "h", NULL, "", NULL, ""},
        {"http://h#a?b", "http", NULL, "h", NULL, "", NULL, "a?b"},
        {"http://h?a/b@c:d", "http", NULL, "h", NULL, "", "a/b@c:d", NULL},
        {"socks5h://[::1]:1080", "socks5h", NULL, "[::1]", "1080", "", NULL, NULL},
        {"http://[2001:db8::192.0.2.1]/", "http", NULL, "[2001:db8::192.0.2.1]", NULL, "/", NULL,
         NULL},
        {"svn+ssh://a_b-c.d", "svn+ssh", NULL, "a_b-c.d", NULL, "", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsms__url url;
        assert_true(tsms__url_parse(tsms_str_from(cases[i].text), &url));
        const tsms_str got[] = {url.scheme, url.userinfo, url.host,    url.port,
                                url.path,   url.query,    url.fragment};
        const char *const want[] = {cases[i].scheme,  cases[i].userinfo, cases[i].host,
                                    cases[i].port,    cases[i].path,     cases[i].query,
                                    cases[i].fragment};
        for (size_t j = 0; j < sizeof got / sizeof *got; j++) {
            assert_int_equal(got[j].ptr == NULL, want[j] == NULL);
            assert_str_is(got[j], want[j] != NULL ? want[j] : "");
        }
    }
}

static void refuses_what_is_not_one(void **state)
{
    static const char *const cases[] = {
        "",
        "api.twilio.com",
        "https",
        "https:",
        "https:/api.twilio.com",
        "://h",
        "ht_tp://h",
        "https://",
        "https:///path",
        "https://?q",
        "https://:80",
        "https://user@",
        "https://a@b@c",
        "https://h:",
        "https://h:0",
        "https://h:65536",
        "https://h:+80",
        "https://h:8o",
        "https://h:000080",
        "https://h:80:80",
        "https://[::1",
        "https://[]",
        "https://[::1]x",
        "https://[::1/]",
        "https://h%2f",
        "https://h,i",
        "https://h /",
        "https://h/ ",
        " https://h",
        "https://h/\n",
        "https://h/a\\b",
        "https://h\\@i",
        "https://h/\"",
        "https://h/<",
        "https://h/\x7F",
        "https://m\xC3\xBCller.example",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsms__url url;
        if (tsms__url_parse(tsms_str_from(cases[i]), &url)) {
            fail_msg("'%s' was taken for a URL", cases[i]);
        }
    }
    tsms__url url;
    assert_false(tsms__url_parse((tsms_str){NULL, 0}, &url));
    assert_false(tsms__url_parse(TSMS__STR("https://h\0/"), &url));
    assert_false(tsms__url_parse(TSMS__STR("https\0://h"), &url));
}

/* Every text that ends early, in memory that ends where the text does. */
static void never_reads_past_the_end(void **state)
{
    const char *text = "https://user:word@[::1]:8443/path?query#fragment";
    for (size_t len = 0; len <= strlen(text); len++) {
        char *copy = malloc(len > 0 ? len : 1);
        assert_non_null(copy);
        memcpy(copy, text, len);
        tsms__url url;
        bool taken = tsms__url_parse((tsms_str){copy, len}, &url);
        size_t host_end = strlen("https://user:word@[::1]");
        bool is_url = (len > strlen("https://") && len < strlen("https://user:") + 1 &&
                       len != strlen("https://user:")) ||
                      (len >= host_end && len != host_end + 1);
        assert_int_equal(taken, is_url);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_url_apart),
        cmocka_unit_test(refuses_what_is_not_one),
        cmocka_unit_test(never_reads_past_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
