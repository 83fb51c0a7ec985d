/* wire/sign_explain.c: what it says, what it must never show, and where it is cut. */
#include "support.h"

#include "wire/sign.h"

#define TOKEN "0123456789abcdef0123456789abcdef"
#define HASH "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
#define SPELLINGS                                                                                  \
    "tried: https://hooks.example.com/sms?a=...\n"                                                 \
    "tried: https://hooks.example.com:443/sms?a=...\n"
#define TOKEN_HINT "hint: is it the token of the request's AccountSid, and not an API key?\n"
#define WRONG "verdict: the signature is wrong\ntokens: 1 token\n"

static tsms_signer *signer;

static int set_up(void **state)
{
    return tsms_signer_new(NULL, &signer, NULL) != TSMS_OK ||
           tsms_signer_add(signer, TSMS__STR(TOKEN), NULL) != TSMS_OK;
}

static int tear_down(void **state)
{
    tsms_signer_free(signer);
    return 0;
}

/* A signature of one pair, or of the URL alone. */
static const char *sign(const char *url, const tsms_param *pair)
{
    static char signature[TSMS_SIGNATURE_SIZE];
    assert_int_equal(
        tsms_signer_sign(signer, tsms_str_from(url), pair, pair != NULL, signature, NULL), TSMS_OK);
    return signature;
}

static const tsms_param from = {{"From", 4}, {"+15558675310", 12}};
#define FORM "From=%2B15558675310"

static void assert_explained(const char *url, const char *body, const char *signature,
                             const char *want)
{
    char text[2000];
    tsms_signed request = TSMS_SIGNED_INIT;
    request.url = tsms_str_from(url);
    request.body = tsms_str_from(body);
    request.signature = tsms_str_from(signature);
    tsms_signer_explain(signer, &request, text, sizeof text);
    assert_string_equal(text, want);
}

static void test_good(void **state)
{
    static const char *const url = "https://hooks.example.com/sms?a=1";
    assert_explained(url, FORM, sign(url, &from),
                     "verdict: good\ntokens: 1 token\nparameters: 1 form pair\n" SPELLINGS
                     "signature: right for the URL and its parameters\n");
}

static void test_hints(void **state)
{
    static const char *const url = "https://hooks.example.com/sms?a=1";
    static const struct {
        const char *signed_url;
        const char *hint;
    } cases[] = {
        {"http://hooks.example.com/sms?a=1",
         "hint: it is right for the other of http and https: who ended TLS?\n"},
        {"https://hooks.example.com/sms/?a=1",
         "hint: it is right with the slash at the path's end put or taken away\n"},
        {"https://hooks.example.com/sms", "hint: it is right without the query\n"},
        {"https://hooks.example.com/other", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char want[1000];
        snprintf(want, sizeof want, WRONG "parameters: 1 form pair\n" SPELLINGS "%s" TOKEN_HINT,
                 cases[i].hint);
        assert_explained(url, FORM, sign(cases[i].signed_url, &from), want);
    }
    assert_explained(url, FORM, sign(url, NULL),
                     WRONG "parameters: 1 form pair\n" SPELLINGS
                           "hint: it is right for the URL alone, without parameters\n" TOKEN_HINT);
    assert_explained("https://hooks.example.com/sms?a=1#rc=3", NULL, sign(url, &from),
                     WRONG "parameters: none\nbody: 0 bytes\nbodySHA256: not in the URL\n" SPELLINGS
                           "hint: no parameters: if this was a POST, was its body read before?\n"
                           "hint: the URL has a fragment, which is never signed\n" TOKEN_HINT);
}

/* The other way round: from http to https, and from a slash to none. */
static void test_hints_back(void **state)
{
    assert_explained(
        "http://h/", FORM, sign("https://h/", &from),
        WRONG "parameters: 1 form pair\ntried: http://h/\ntried: http://h:80/\n"
              "hint: it is right for the other of http and https: who ended TLS?\n" TOKEN_HINT);
    assert_explained(
        "http://h/", FORM, sign("http://h", &from),
        WRONG "parameters: 1 form pair\ntried: http://h/\ntried: http://h:80/\n"
              "hint: it is right with the slash at the path's end put or taken away\n" TOKEN_HINT);
}

static void test_signatures(void **state)
{
    assert_explained("x", NULL, NULL,
                     "verdict: no X-Twilio-Signature\ntokens: 1 token\nparameters: none\n"
                     "body: 0 bytes\nbodySHA256: not in the URL\ntried: x\n"
                     "hint: the header X-Twilio-Signature is missing\n");
    assert_explained("x", "a", "AAAA",
                     "verdict: the signature is not 28 characters long\ntokens: 1 token\n"
                     "parameters: 1 form pair\ntried: x\n"
                     "hint: a signature has 28 characters; was it cut, decoded or put in hex?\n");
}

static void test_json(void **state)
{
    static const char *const url = "https://h/?bodySHA256=" HASH;
    assert_explained(url, "{}", sign(url, NULL),
                     "verdict: the body is not the one of bodySHA256\ntokens: 1 token\n"
                     "parameters: none\nbody: 2 bytes\nbodySHA256: in the URL\n"
                     "tried: https://h/?bodySHA256=...\ntried: https://h:443/?bodySHA256=...\n"
                     "signature: right for the URL and its parameters\n");
    static const char *const cut = "https://h/?bodySHA256=0a1f";
    assert_explained(cut, "{}", sign(cut, NULL),
                     "verdict: bodySHA256 is no SHA-256 in hex\ntokens: 1 token\n"
                     "parameters: none\nbody: 2 bytes\nbodySHA256: in the URL, but not 64 hex "
                     "digits\n"
                     "tried: https://h/?bodySHA256=...\ntried: https://h:443/?bodySHA256=...\n"
                     "signature: right for the URL and its parameters\n");
}

static void test_given_pairs(void **state)
{
    char text[1000];
    tsms_param pairs[] = {from, from};
    tsms_signed request = TSMS_SIGNED_INIT;
    request.url = TSMS__STR("https://hooks.example.com/sms?a=1");
    request.params = pairs;
    request.param_count = 2;
    request.signature = tsms_str_from(sign(request.url.ptr, &from));
    tsms_signer_explain(signer, &request, text, sizeof text);
    assert_string_equal(text,
                        "verdict: good\ntokens: 1 token\nparameters: 2 given pairs\n" SPELLINGS
                        "signature: right for the URL and its parameters\n");
}

static void test_too_many(void **state)
{
    static char form[3 * 1001 + 1];
    for (size_t i = 0; i < 1001; i++) {
        memcpy(form + 3 * i, "a=&", 3);
    }
    assert_explained("x", form, "x", "verdict: more than 1000 parameters\ntokens: 1 token\n");
}

/* Neither passwords nor values nor phone numbers, wherever they stand in the URL. */
static void test_shows_nothing_secret(void **state)
{
    static const char *const urls[] = {
        "https://user:secret@h/+15558675310/%2B15558675310/%2b15558675310/15558675310?key=secret",
        "https://user:secret@h:8443/?secret&a=secret&=secret&secret#secret",
        "https://u:p@secret@h?a=b=secret",
        "https://h/?a=secret;b=secret&%2B15558675310=1",
    };
    static const char *const hidden[] = {"secret", "user", "5558675310", TOKEN};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        char text[2000];
        tsms_signed request = TSMS_SIGNED_INIT;
        request.url = tsms_str_from(urls[i]);
        request.body = TSMS__STR("From=%2B15558675310&Body=secret");
        request.signature = TSMS__STR("AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        tsms_signer_explain(signer, &request, text, sizeof text);
        assert_non_null(strstr(text, "tried: https://"));
        for (size_t k = 0; k < sizeof hidden / sizeof *hidden; k++) {
            if (strstr(text, hidden[k]) != NULL) {
                fail_msg("%s is in\n%s", hidden[k], text);
            }
        }
    }
}

static void test_lines_stay_lines(void **state)
{
    assert_explained("https://h/\nverdict: good\x1b[31m", NULL, NULL,
                     "verdict: no X-Twilio-Signature\ntokens: 1 token\nparameters: none\n"
                     "body: 0 bytes\nbodySHA256: not in the URL\n"
                     "tried: https://h/ verdict: good [31m\n"
                     "tried: https://h:443/ verdict: good [31m\n"
                     "hint: the header X-Twilio-Signature is missing\n");
}

static void test_is_cut(void **state)
{
    char whole[1000];
    tsms_signed request = TSMS_SIGNED_INIT;
    request.url = TSMS__STR("https://h/");
    tsms_signer_explain(signer, &request, whole, sizeof whole);
    for (size_t size = 0; size <= strlen(whole) + 1; size++) {
        char *text = malloc(size + 1); /* exactly this large, for the sanitizers */
        assert_non_null(text);
        text[size] = '!';
        tsms_signer_explain(signer, &request, text, size);
        assert_int_equal(text[size], '!');
        if (size > 0) {
            assert_int_equal(strlen(text), size - 1);
            assert_memory_equal(text, whole, size - 1);
        }
        free(text);
    }
}

static void test_wrong_size(void **state)
{
    char text[200];
    tsms_signed request = {.size = 0};
    tsms_signer_explain(signer, &request, text, sizeof text);
    assert_string_equal(text, "verdict: the request's size is wrong\ntokens: 1 token\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_hints),
        cmocka_unit_test(test_hints_back),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_given_pairs),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_shows_nothing_secret),
        cmocka_unit_test(test_lines_stay_lines),
        cmocka_unit_test(test_is_cut),
        cmocka_unit_test(test_wrong_size),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
