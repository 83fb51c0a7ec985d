/* wire/sign_url.c: the spellings of a URL, and the hash of a body in its query. */
#include "support.h"

#include "wire/sign.h"

/* A URL and its spellings, in order. */
static const char *const spellings[][1 + TSMS__URL_SPELLINGS_MOST] = {
    {"https://h.example/p", "https://h.example/p", "https://h.example:443/p"},
    {"http://h.example/p", "http://h.example/p", "http://h.example:80/p"},
    {"HTTPS://h.example/p", "HTTPS://h.example/p", "HTTPS://h.example:443/p"},
    {"Http://H.example/p", "Http://H.example/p", "Http://H.example:80/p"},
    {"https://h.example:8443/p", "https://h.example:8443/p", "https://h.example/p"},
    {"https://h.example:443/p", "https://h.example:443/p", "https://h.example/p"},
    {"https://h.example:80/p", "https://h.example:80/p", "https://h.example/p"},
    {"https://h.example:/p", "https://h.example:/p", "https://h.example/p"},
    {"https://h.example", "https://h.example", "https://h.example:443"},
    {"https://h.example?x=1", "https://h.example?x=1", "https://h.example:443?x=1"},
    {"https://h.example?x=http://a:1/", "https://h.example?x=http://a:1/",
     "https://h.example:443?x=http://a:1/"},
    {"https://h.example/p?x=a+b%20c#rc=3&rp=5xx", "https://h.example/p?x=a+b%20c",
     "https://h.example:443/p?x=a+b%20c"},
    {"https://h.example#f?x=1", "https://h.example", "https://h.example:443"},
    {"https://h.example/p@q:1/r", "https://h.example/p@q:1/r", "https://h.example:443/p@q:1/r"},
    {"https://u:s@h.example/p", "https://h.example/p", "https://u:s@h.example/p",
     "https://h.example:443/p", "https://u:s@h.example:443/p"},
    {"https://u:s@h.example:8443/p", "https://h.example:8443/p", "https://u:s@h.example:8443/p",
     "https://h.example/p", "https://u:s@h.example/p"},
    {"https://u:s@x:9@h.example/p", "https://h.example/p", "https://u:s@x:9@h.example/p",
     "https://h.example:443/p", "https://u:s@x:9@h.example:443/p"},
    {"http://@h.example/p", "http://h.example/p", "http://@h.example/p", "http://h.example:80/p",
     "http://@h.example:80/p"},
    {"https://[2001:db8::1]/p", "https://[2001:db8::1]/p", "https://[2001:db8::1]:443/p"},
    {"https://[2001:db8::1]:8443/p", "https://[2001:db8::1]:8443/p", "https://[2001:db8::1]/p"},
    {"https://u:s@[::1]:8443", "https://[::1]:8443", "https://u:s@[::1]:8443", "https://[::1]",
     "https://u:s@[::1]"},
    {"https://h.example/España?año=1", "https://h.example/España?año=1",
     "https://h.example:443/España?año=1"},
    {"/sms?x=1", "/sms?x=1"},
    {"/sms?x=http://u@h/", "/sms?x=http://u@h/"},
    {"h.example/p://q", "h.example/p://q"},
    {"mailto:x", "mailto:x"},
    {"https:/h", "https:/h"},
    {"https://", "https://", "https://:443"},
    {"#f", ""},
    {"", ""},
};

static void test_spellings(void **state)
{
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        tsms__url_spelling got[TSMS__URL_SPELLINGS_MOST];
        size_t count = tsms__url_spellings(tsms_str_from(spellings[i][0]), got);
        for (size_t k = 0; k < TSMS__URL_SPELLINGS_MOST; k++) {
            const char *want = spellings[i][k + 1];
            if ((want != NULL) != (k < count)) {
                fail_msg("%s has %zu spellings", spellings[i][0], count);
            }
            tsms_buf whole;
            tsms__buf_init(&whole, &tsms__mem_libc);
            for (size_t p = 0; want != NULL && p < TSMS__URL_PIECES_MOST; p++) {
                tsms__buf_add(&whole, got[k].pieces[p]);
            }
            assert_str_is(tsms__buf_str(&whole), want != NULL ? want : "");
            tsms__buf_free(&whole);
        }
    }
    tsms__url_spelling got[TSMS__URL_SPELLINGS_MOST];
    assert_int_equal(tsms__url_spellings((tsms_str){NULL, 0}, got), 1);
    assert_int_equal(got[0].pieces[0].len, 0);
}

static void test_userinfo_and_query(void **state)
{
    assert_str_is(tsms__url_userinfo(TSMS__STR("https://u:s@x@h/p@q")), "u:s@x");
    assert_null(tsms__url_userinfo(TSMS__STR("https://h/p@q")).ptr);
    assert_null(tsms__url_userinfo(TSMS__STR("u@h")).ptr);
    assert_null(tsms__url_userinfo(TSMS__STR("/sms?x=http://u@h/")).ptr);
    assert_str_is(tsms__url_query(TSMS__STR("https://h/p?a=?b#c?d")), "a=?b");
    assert_non_null(tsms__url_query(TSMS__STR("https://h?")).ptr);
    assert_null(tsms__url_query(TSMS__STR("https://h/p#?a")).ptr);
    assert_null(tsms__url_query((tsms_str){NULL, 0}).ptr);
}

#define HASH "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"

static void assert_body_sha256(const char *url, const char *want, bool want_malformed)
{
    bool malformed = !want_malformed;
    assert_str_is(tsms__url_body_sha256(tsms_str_from(url), &malformed), want);
    if (malformed != want_malformed) {
        fail_msg("%s is taken as %s", url, malformed ? "malformed" : "well-formed");
    }
}

static void test_body_sha256(void **state)
{
    assert_body_sha256("https://h/?bodySHA256=" HASH, HASH, false);
    assert_body_sha256("https://h?a=1&bodySHA256=" HASH "&b=2#f", HASH, false);
    assert_body_sha256("https://h/?&&bodySHA256=" HASH "&bodySHA256=1", HASH, false);
    assert_body_sha256("https://h/", "", false);
    assert_body_sha256("https://h/?a=bodySHA256=" HASH, "", false);
    assert_body_sha256("https://h/?xbodySHA256=" HASH, "", false);
    assert_body_sha256("https://h/?bodysha256=" HASH, "", false);
    assert_body_sha256("https://h/#?bodySHA256=" HASH, "", false);
    assert_body_sha256("https://h/bodySHA256=" HASH, "", false);
    assert_body_sha256("https://h/?bodySHA256", "", false);
    assert_body_sha256("https://h/?bodySHA256=", "", true);
    assert_body_sha256("https://h/?bodySHA256=" HASH "0", "", true);
    assert_body_sha256("https://h/?bodySHA256=0a1f", "", true);
    assert_body_sha256("https://h/?bodySHA256=g" HASH, "", true);
    assert_body_sha256("https://h/?bodySHA256="
                       "ga1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
                       "", true);
    assert_body_sha256("https://h/?bodySHA256=1&bodySHA256=" HASH, "", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_userinfo_and_query),
        cmocka_unit_test(test_body_sha256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
