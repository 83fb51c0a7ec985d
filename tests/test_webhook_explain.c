/* Tests of csrc/call/webhook_explain.c: the words for how a webhook would be read. */
#include "webhook_support.h"

typedef struct explained {
    char text[8192];
} explained;

static void explain(tsms_webhook *webhook, const sent *s, explained *out)
{
    memset(out->text, 'x', sizeof out->text);
    tsms_webhook_explain(webhook, &s->request, out->text, sizeof out->text);
    assert_true(strlen(out->text) < sizeof out->text - 1);
}

#define assert_says(text, part)                                                                    \
    do {                                                                                           \
        if (strstr(text, part) == NULL) {                                                          \
            fail_msg("not in it: %s\n%s", part, text);                                             \
        }                                                                                          \
    } while (0)

static void explains_a_good_request(void **state)
{
    tsms_webhook_options options = basic_options();
    tsms_webhook *webhook = open_webhook(&options);
    sent s;
    explained e;
    post(&s, URL "?secret=zebra", INBOUND);
    explain(webhook, &s, &e);
    assert_says(e.text, "url: https, given as a whole\n");
    assert_says(e.text, "urls: no list, so any URL is taken\n");
    assert_says(e.text, "content: a form, whose parameters are signed\n");
    assert_says(e.text, "account: " ACCOUNT ", as AccountSid says; its tokens are known\n");
    assert_says(e.text, "type: inbound\n");
    assert_says(e.text, "verdict: good\n");
    /* nothing that nobody should read in a log */
    assert_null(strstr(e.text, "zebra"));
    assert_null(strstr(e.text, "5005550001"));
    assert_null(strstr(e.text, TOKEN));
    assert_null(strstr(e.text, "Hello"));
    assert_null(strstr(e.text, s.signature));
    tsms_webhook_free(webhook);
}

static void explains_what_stands_in_the_way(void **state)
{
    tsms_str urls[] = {TSMS__STR("https://hooks.example.com/status")};
    tsms_str proxies[] = {TSMS__STR("10.0.0.0/8")};
    tsms_webhook_options options = basic_options();
    options.urls = urls;
    options.url_count = 1;
    options.trusted_proxies = proxies;
    options.trusted_proxy_count = 1;
    tsms_webhook *webhook = open_webhook(&options);
    sent s;
    explained e;
    post(&s, URL, INBOUND);
    s.request.url = TSMS__STR("/sms");
    add_header(&s, "Host", "hooks.example.com");
    add_header(&s, "X-Forwarded-Proto", "https");
    explain(webhook, &s, &e);
    assert_says(e.text, "url: http, made of the target and the Host header; its X-Forwarded "
                        "headers are ignored");
    assert_says(e.text, "urls: it is not in the list of 1");
    assert_says(e.text, "verdict: the signature is wrong\n");
    s.request.peer = TSMS__STR("10.0.0.1");
    explain(webhook, &s, &e);
    assert_says(e.text, "what a trusted proxy forwarded");
    assert_says(e.text, "verdict: good\n");

    post(&s, "https://hooks.example.com/status", "MessageStatus=sent&AccountSid=" SUBACCOUNT);
    explain(webhook, &s, &e);
    assert_says(e.text, "urls: it is in the list\n");
    assert_says(e.text, "account: " SUBACCOUNT ", as AccountSid says; NO token of it is known\n");
    assert_says(e.text, "type: the parameter MessageSid is missing\n");
    assert_says(e.text, "tokens: 0 tokens\n");

    post(&s, URL, "AccountSid=x");
    explain(webhook, &s, &e);
    assert_says(e.text, "account: AccountSid is no SID of an account\n");

    post(&s, URL, INBOUND);
    s.headers[0].value = TSMS__STR("text/plain");
    explain(webhook, &s, &e);
    assert_says(e.text, "content: not sent as application/x-www-form-urlencoded");
    assert_says(e.text, "because there is no AccountSid");

    get(&s, URL "?" STATUS);
    explain(webhook, &s, &e);
    assert_says(e.text, "content: a GET");
    assert_says(e.text, "verdict: good\n");

    post(&s, URL, INBOUND);
    add_header(&s, "X-Twilio-Signature", "other");
    explain(webhook, &s, &e);
    assert_says(e.text, "signature: there are two different");

    s.request.method = TSMS__STR("PUT");
    s.request.url = TSMS__STR("/sms");
    explain(webhook, &s, &e);
    assert_says(e.text, "request: the method is not POST or GET\n");
    assert_says(e.text, "url: the request has no Host header\n");
    tsms_webhook_free(webhook);
}

static void is_cut_to_any_size(void **state)
{
    tsms_webhook_options options = basic_options();
    tsms_webhook *webhook = open_webhook(&options);
    sent s;
    explained whole;
    post(&s, URL, INBOUND);
    explain(webhook, &s, &whole);
    for (size_t size = 0; size < strlen(whole.text) + 2; size++) {
        char *out = malloc(size + 1);
        assert_non_null(out);
        memset(out, 'x', size + 1);
        tsms_webhook_explain(webhook, &s.request, out, size);
        assert_int_equal(out[size], 'x');
        if (size > 0) {
            assert_true(strlen(out) < size);
            assert_memory_equal(out, whole.text, strlen(out));
        }
        free(out);
    }
    tsms_webhook_free(webhook);
}

/* It is asked when something is wrong already. */
static void says_what_it_can_without_memory(void **state)
{
    sent s;
    post(&s, URL, INBOUND);
    for (size_t n = 1;; n++) {
        test_mem tm;
        char text[4096];
        test_mem_init(&tm, 0);
        tsms_webhook_options options = basic_options();
        options.mem = &tm.mem;
        tsms_webhook *webhook = open_webhook(&options);
        tm.fail_at = tm.calls + n;
        tsms_webhook_explain(webhook, &s.request, text, sizeof text);
        assert_true(strlen(text) > 0);
        tsms_webhook_free(webhook);
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(explains_a_good_request),
        cmocka_unit_test(explains_what_stands_in_the_way),
        cmocka_unit_test(is_cut_to_any_size),
        cmocka_unit_test(says_what_it_can_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
