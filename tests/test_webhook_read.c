/* Tests of csrc/call/webhook_read.c: what is genuine and for us, and how everything else is
 * refused. */
#include "webhook_support.h"

#include "base/sha.h"
#include "wire/callback_ref.h"
#include "wire/webhook.h"

static int open_state(void **state)
{
    tsms_webhook_options options = basic_options();
    *state = open_webhook(&options);
    return 0;
}

static int close_state(void **state)
{
    tsms_webhook_free(*state);
    return 0;
}

/* ---- What is taken ------------------------------------------------------------------------- */

static void takes_an_inbound_message(void **state)
{
    sent s;
    tsms_webhook_info info;
    post(&s, URL, INBOUND);
    add_header(&s, "I-Twilio-Idempotency-Token", "0f2bd1a9-5b52-44d2-a3a5-6f27f0cf9a77");
    tsms_webhook_event *event = take(*state, &s, &info);
    assert_int_equal(info.type, TSMS_WEBHOOK_INBOUND);
    assert_str_is(info.url, URL);
    assert_str_is(info.account_sid, ACCOUNT);
    assert_str_is(info.message_sid, MESSAGE);
    assert_str_is(info.body, "Hello, w\xC3\xB6rld");
    assert_str_is(info.idempotency_token, "0f2bd1a9-5b52-44d2-a3a5-6f27f0cf9a77");
    assert_str_is(info.signature, s.signature);
    assert_null(info.json.ptr);
    tsms_param first;
    assert_true(tsms_webhook_event_param(event, 0, &first));
    assert_str_is(first.name, "ToCountry");
    assert_str_is(tsms_webhook_event_field(event, "FromCity"), "SAN FRANCISCO");
    tsms_webhook_event_free(event);
}

static void takes_a_status(void **state)
{
    sent s;
    tsms_webhook_info info;
    post(&s, URL "?mine=1", STATUS);
    tsms_webhook_event *event = take(*state, &s, &info);
    assert_int_equal(info.type, TSMS_WEBHOOK_STATUS);
    assert_str_is(info.url, URL "?mine=1");
    assert_int_equal(info.error_code, 30003);
    assert_null(info.callback_ref.ptr);
    assert_null(info.idempotency_token.ptr);
    /* the query belongs to the URL, not to the event */
    assert_null(tsms_webhook_event_field(event, "mine").ptr);
    tsms_webhook_event_free(event);
}

static void takes_a_get(void **state)
{
    sent s;
    tsms_webhook_info info;
    get(&s, URL "?mine=a+b&" INBOUND);
    tsms_webhook_event *event = take(*state, &s, &info);
    assert_int_equal(info.type, TSMS_WEBHOOK_INBOUND);
    assert_str_is(info.from, "+15005550001");
    assert_str_is(tsms_webhook_event_field(event, "mine"), "a b");
    tsms_webhook_event_free(event);
}

/* A POST whose URL holds the digest of its body. */
static void post_json(sent *s, const char *body, const char *digest_of, char url[256])
{
    char hex[TSMS__SHA256_HEX_SIZE];
    assert_true(tsms__sha256_hex(tsms_str_from(digest_of), hex));
    snprintf(url, 256, "%s?bodySHA256=%s", URL, hex);
    begin(s, "POST", url);
    s->request.body = tsms_str_from(body);
    sign_with(s, TOKEN, url, (tsms_str){NULL, 0});
}

static void takes_json(void **state)
{
    sent s;
    char url[256];
    tsms_webhook_info info;
    post_json(&s, "{\"AccountSid\":\"" SUBACCOUNT "\"}", "{\"AccountSid\":\"" SUBACCOUNT "\"}",
              url);
    add_header(&s, "content-type", "application/json");
    tsms_webhook_event *event = take(*state, &s, &info);
    assert_int_equal(info.type, TSMS_WEBHOOK_UNKNOWN);
    assert_str_is(info.json, "{\"AccountSid\":\"" SUBACCOUNT "\"}");
    assert_str_is(info.account_sid, ACCOUNT); /* whose token signed it */
    tsms_param param;
    assert_false(tsms_webhook_event_param(event, 0, &param));
    tsms_webhook_event_free(event);
}

static void takes_unknown_genuine_requests(void **state)
{
    sent s;
    tsms_webhook_info info;
    post(&s, URL, "CallSid=CA1&Custom=%26&AccountSid=" ACCOUNT);
    tsms_webhook_event *event = take(*state, &s, &info);
    assert_int_equal(info.type, TSMS_WEBHOOK_UNKNOWN);
    assert_str_is(tsms_webhook_event_field(event, "Custom"), "&");
    tsms_webhook_event_free(event);
    post(&s, URL, "");
    event = take(*state, &s, &info);
    assert_int_equal(info.type, TSMS_WEBHOOK_UNKNOWN);
    tsms_webhook_event_free(event);
}

static void odd_escapes_are_read_as_they_were_signed(void **state)
{
    sent s;
    tsms_webhook_info info;
    post(&s, URL, "Body=100%25+%+%zz+%4&" STATUS);
    tsms_webhook_event *event = take(*state, &s, &info);
    assert_str_is(tsms_webhook_event_field(event, "Body"), "100% % %zz %4");
    tsms_webhook_event_free(event);
}

/* Signed as "https://Hooks.Example.com" and asked for as "hooks.example.com" and "/". */
static void the_list_knows_how_a_url_is_spelled(void **state)
{
    tsms_str urls[] = {TSMS__STR("https://Hooks.Example.com#rc=3"),
                       TSMS__STR("https://hooks.example.com/sms/")};
    tsms_webhook_options options = basic_options();
    options.urls = urls;
    options.url_count = 2;
    tsms_webhook *webhook = open_webhook(&options);
    sent s;
    tsms_webhook_info info;
    post(&s, "https://Hooks.Example.com?a=1", STATUS);
    s.request.url = TSMS__STR("/?a=1");
    s.request.tls = true;
    add_header(&s, "Host", "hooks.example.com");
    tsms_webhook_event *event = take(webhook, &s, &info);
    assert_str_is(info.url, "https://Hooks.Example.com?a=1");
    tsms_webhook_event_free(event);
    post(&s, "https://hooks.example.com/sms/inbound", STATUS);
    event = take(webhook, &s, &info);
    tsms_webhook_event_free(event);
    tsms_webhook_free(webhook);
}

static void makes_the_url_out_of_a_target(void **state)
{
    tsms_str proxies[] = {TSMS__STR("::1"), TSMS__STR("10.0.0.0/8")};
    tsms_webhook_options options = basic_options();
    options.trusted_proxies = proxies;
    options.trusted_proxy_count = 2;
    tsms_webhook *webhook = open_webhook(&options);
    static const char *const peers[] = {"[::1]:443", "::ffff:10.1.2.3", "10.1.2.3:5000"};
    for (size_t i = 0; i < 3; i++) {
        sent s;
        tsms_webhook_info info;
        post(&s, URL, STATUS);
        s.request.url = TSMS__STR("/sms");
        s.request.peer = tsms_str_from(peers[i]);
        add_header(&s, "Host", "app:8080");
        add_header(&s, "X-Forwarded-Host", "hooks.example.com");
        add_header(&s, "X-Forwarded-Proto", "https");
        tsms_webhook_event *event = take(webhook, &s, &info);
        assert_str_is(info.url, URL);
        tsms_webhook_event_free(event);
        s.request.peer = TSMS__STR("203.0.113.1:443");
        refuse(webhook, &s, TSMS_KIND_INVALID_SIGNATURE, 403, "signature is wrong");
    }
    tsms_webhook_free(webhook);
}

static void a_user_in_the_url_is_never_signed_or_shown(void **state)
{
    sent s;
    tsms_webhook_info info;
    post(&s, "https://hooks.example.com:8443/sms", STATUS);
    s.request.url = TSMS__STR("https://user:word@hooks.example.com:8443/sms#rc=3");
    tsms_webhook_event *event = take(*state, &s, &info);
    assert_str_is(info.url, "https://hooks.example.com:8443/sms");
    tsms_webhook_event_free(event);
}

/* ---- What is refused ----------------------------------------------------------------------- */

static void refuses_methods(void **state)
{
    static const char *const methods[] = {"PUT", "HEAD", "get", "POST ", ""};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        sent s;
        post(&s, URL, INBOUND);
        s.request.method = tsms_str_from(methods[i]);
        refuse(*state, &s, TSMS_KIND_PAYLOAD_PARSE_ERROR, 405, "method");
    }
}

static void refuses_sizes(void **state)
{
    sent s;
    char *body = malloc(70000);
    assert_non_null(body);
    memset(body, 'a', 70000);
    post_bytes(&s, URL, (tsms_str){body, 65537});
    refuse(*state, &s, TSMS_KIND_PAYLOAD_PARSE_ERROR, 413, "body has more than 65536");
    post(&s, URL, INBOUND);
    memcpy(body, "https://h.example/", 18);
    s.request.url = (tsms_str){body, 65537};
    refuse(*state, &s, TSMS_KIND_PAYLOAD_PARSE_ERROR, 413, "URL has more than");
    free(body);
}

static void refuses_many_fields(void **state)
{
    tsms_webhook_options options = basic_options();
    options.max_fields = 1000;
    tsms_webhook *webhook = open_webhook(&options);
    tsms_buf form;
    tsms__buf_init(&form, &tsms__mem_libc);
    for (int i = 0; i < 1000; i++) {
        tsms__buf_add_z(&form, i > 0 ? "&&a" : "a");
        tsms__buf_add_int(&form, i);
    }
    sent s;
    tsms_webhook_info info;
    post_bytes(&s, URL, tsms__buf_str(&form));
    tsms_webhook_event_free(take(webhook, &s, &info));
    refuse(*state, &s, TSMS_KIND_PAYLOAD_PARSE_ERROR, 413, "more than 256 parameters");
    tsms__buf_add_z(&form, "&a=b"); /* the 1001st */
    s.request.body = tsms__buf_str(&form);
    refuse(webhook, &s, TSMS_KIND_PAYLOAD_PARSE_ERROR, 413, "more than 1000 parameters");
    tsms__buf_free(&form);
    tsms_webhook_free(webhook);
}

static void refuses_urls_that_are_not_ours(void **state)
{
    tsms_str urls[] = {TSMS__STR("https://hooks.example.com/status"), TSMS__STR(URL)};
    tsms_webhook_options options = basic_options();
    options.urls = urls;
    options.url_count = 2;
    tsms_webhook *webhook = open_webhook(&options);
    sent s;
    tsms_webhook_info info;
    post(&s, URL "?a=1", STATUS);
    tsms_webhook_event_free(take(webhook, &s, &info));
    post(&s, "https://hooks.example.com/other", STATUS); /* genuine, but meant for somebody else */
    refuse(webhook, &s, TSMS_KIND_INVALID_SIGNATURE, 403, "not one of 'urls'");
    post(&s, "http://hooks.example.com/sms", STATUS);
    refuse(webhook, &s, TSMS_KIND_INVALID_SIGNATURE, 403, "not one of 'urls'");
    tsms_webhook_free(webhook);
}

static void refuses_hosts_that_are_none(void **state)
{
    static const struct {
        const char *host;
        tsms_kind kind;
    } cases[] = {
        {"hooks.example.com/sms?", TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"hooks.example.com\r\nX-Twilio-Signature: x", TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"user@hooks.example.com", TSMS_KIND_PAYLOAD_PARSE_ERROR},
        {"", TSMS_KIND_MISSING_FIELDS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sent s;
        post(&s, URL, INBOUND);
        s.request.url = TSMS__STR("/sms");
        s.request.tls = true;
        add_header(&s, "Host", cases[i].host);
        refuse(*state, &s, cases[i].kind, 400, "Host");
    }
}

static void refuses_signatures(void **state)
{
    sent s;
    post(&s, URL, INBOUND);
    s.signature[3] = s.signature[3] == 'A' ? 'B' : 'A';
    refuse(*state, &s, TSMS_KIND_INVALID_SIGNATURE, 403, "signature is wrong");
    s.request.header_count = 1; /* the content type */
    refuse(*state, &s, TSMS_KIND_MISSING_FIELDS, 400, "X-Twilio-Signature");
    add_header(&s, "X-Twilio-Signature", "");
    refuse(*state, &s, TSMS_KIND_MISSING_FIELDS, 400, "X-Twilio-Signature");

    post(&s, URL, INBOUND);
    add_header(&s, "x-twilio-signature", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    refuse(*state, &s, TSMS_KIND_INVALID_SIGNATURE, 403, "two different X-Twilio-Signature");

    post(&s, URL, INBOUND);
    add_header(&s, "x-twilio-signature", s.signature); /* the same one, copied by a proxy */
    tsms_webhook_info info;
    tsms_webhook_event_free(take(*state, &s, &info));
}

static void refuses_what_was_changed(void **state)
{
    static const char *const bodies[] = {
        "", "&", INBOUND "&x=y", INBOUND "&x", "Body=other&" STATUS,
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        sent s;
        post(&s, URL, INBOUND);
        s.request.body = tsms_str_from(bodies[i]);
        refuse(*state, &s, TSMS_KIND_INVALID_SIGNATURE, 403, "signature is wrong");
    }
    sent s;
    get(&s, URL "?" INBOUND);
    s.request.url = TSMS__STR(URL "?Extra=1&" INBOUND);
    refuse(*state, &s, TSMS_KIND_INVALID_SIGNATURE, 403, "signature is wrong");
}

static void refuses_other_content(void **state)
{
    static const char *const types[] = {"application/json", "multipart/form-data; boundary=x",
                                        "application/x-www-form-urlencodedx", "", "text/plain"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        sent s;
        post(&s, URL, INBOUND);
        s.headers[0].value = tsms_str_from(types[i]);
        refuse(*state, &s, TSMS_KIND_INVALID_SIGNATURE, 403, "bodySHA256");
    }
    sent s;
    post(&s, URL, INBOUND);
    add_header(&s, "Content-Type", "text/plain");
    refuse(*state, &s, TSMS_KIND_INVALID_SIGNATURE, 403, "bodySHA256");
}

static void refuses_json_without_or_with_another_digest(void **state)
{
    sent s;
    char url[256];
    post_json(&s, "{\"a\":2}", "{\"a\":1}", url);
    add_header(&s, "Content-Type", "application/json");
    refuse(*state, &s, TSMS_KIND_INVALID_SIGNATURE, 403, "bodySHA256");
    /* nothing protects the content type: a form it must not become */
    post_json(&s, "", "{\"a\":1}", url);
    add_header(&s, "Content-Type", "application/x-www-form-urlencoded");
    refuse(*state, &s, TSMS_KIND_INVALID_SIGNATURE, 403, "bodySHA256");
    begin(&s, "POST", URL);
    s.request.body = TSMS__STR("{}");
    sign_with(&s, TOKEN, URL, (tsms_str){NULL, 0});
    refuse(*state, &s, TSMS_KIND_INVALID_SIGNATURE, 403, "bodySHA256");
    post_json(&s, "\xFF", "\xFF", url);
    refuse(*state, &s, TSMS_KIND_PAYLOAD_PARSE_ERROR, 400, "UTF-8");
}

static void refuses_genuine_nonsense(void **state)
{
    static const struct {
        const char *form;
        tsms_kind kind;
        const char *text;
    } cases[] = {
        {INBOUND "&AccountSid=" ACCOUNT, TSMS_KIND_PAYLOAD_PARSE_ERROR, "AccountSid came twice"},
        {INBOUND "&x=%FF", TSMS_KIND_PAYLOAD_PARSE_ERROR, "UTF-8"},
        {INBOUND "&x=%00", TSMS_KIND_PAYLOAD_PARSE_ERROR, "zero byte"},
        {"MessageSid=" MESSAGE "&MessageStatus=sent", TSMS_KIND_MISSING_FIELDS, "AccountSid"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sent s;
        post(&s, URL, cases[i].form);
        refuse(*state, &s, cases[i].kind, 400, cases[i].text);
    }
    sent s;
    post_bytes(&s, URL, TSMS__STR("Body=a\0b"));
    refuse(*state, &s, TSMS_KIND_PAYLOAD_PARSE_ERROR, 400, "zero byte");
}

static void ignores_idempotency_tokens_that_are_none(void **state)
{
    char long_one[130];
    memset(long_one, 'a', sizeof long_one - 1);
    long_one[129] = '\0';
    const char *const tokens[] = {"", "a b", "a\x01", "\xC3\xB6", long_one};
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        sent s;
        tsms_webhook_info info;
        post(&s, URL, STATUS);
        add_header(&s, "I-Twilio-Idempotency-Token", tokens[i]);
        tsms_webhook_event *event = take(*state, &s, &info);
        assert_null(info.idempotency_token.ptr);
        tsms_webhook_event_free(event);
    }
}

static void refuses_another_layout(void **state)
{
    sent s;
    post(&s, URL, STATUS);
    s.request.size = 3;
    refuse(*state, &s, TSMS_KIND_INVALID_OPTION, 500, "size");
}

/* ---- Accounts ------------------------------------------------------------------------------ */

#define SUBFORM "MessageSid=" MESSAGE "&MessageStatus=sent&AccountSid=" SUBACCOUNT

static void takes_tokens_by_account(void **state)
{
    tsms_webhook *webhook = *state;
    sent s;
    tsms_webhook_info info;
    begin(&s, "POST", URL);
    s.request.body = TSMS__STR(SUBFORM);
    add_header(&s, "Content-Type", "Application/X-WWW-Form-URLencoded");
    sign_with(&s, SUBTOKEN, URL, s.request.body);
    assert_null(tsms_webhook_refused_account(webhook).ptr);
    refuse(webhook, &s, TSMS_KIND_INVALID_SIGNATURE, 403, "no auth token");
    assert_str_is(tsms_webhook_refused_account(webhook), SUBACCOUNT);
    assert_int_equal(webhook->account_count, 1); /* who only asks takes no place */
    assert_int_equal(tsms_webhook_add_token(webhook, tsms_webhook_refused_account(webhook),
                                            tsms_str_from(SUBTOKEN), NULL),
                     TSMS_OK);
    tsms_webhook_event *event = take(webhook, &s, &info);
    assert_str_is(info.account_sid, SUBACCOUNT);
    assert_null(tsms_webhook_refused_account(webhook).ptr);
    tsms_webhook_event_free(event);

    /* the token of one account does not sign for another */
    post(&s, URL, SUBFORM);
    refuse(webhook, &s, TSMS_KIND_INVALID_SIGNATURE, 403, "signature is wrong");
    assert_str_is(tsms_webhook_refused_account(webhook), SUBACCOUNT); /* it may have a new one */
    post(&s, URL, "MessageSid=" MESSAGE "&MessageStatus=sent&AccountSid=AC1");
    refuse(webhook, &s, TSMS_KIND_INVALID_SIGNATURE, 403, "AccountSid is no SID");
    assert_null(tsms_webhook_refused_account(webhook).ptr);
}

static void without_a_token_nothing_is_genuine(void **state)
{
    tsms_webhook_options options = basic_options();
    tsms_webhook *webhook = NULL;
    assert_int_equal(tsms_webhook_new(&options, &webhook, NULL), TSMS_OK);
    sent s;
    post(&s, URL, "a=b");
    refuse(webhook, &s, TSMS_KIND_INVALID_SIGNATURE, 403, "no auth token");
    assert_str_is(tsms_webhook_refused_account(webhook), ACCOUNT);
    tsms_webhook_free(webhook);
}

static void takes_both_tokens_of_a_rotation(void **state)
{
    assert_int_equal(
        tsms_webhook_add_token(*state, (tsms_str){NULL, 0}, tsms_str_from("the next token"), NULL),
        TSMS_OK);
    static const char *const tokens[] = {TOKEN, "the next token"};
    for (size_t i = 0; i < 2; i++) {
        sent s;
        tsms_webhook_info info;
        begin(&s, "POST", URL);
        s.request.body = TSMS__STR(STATUS);
        add_header(&s, "Content-Type", "application/x-www-form-urlencoded");
        sign_with(&s, tokens[i], URL, s.request.body);
        tsms_webhook_event_free(take(*state, &s, &info));
    }
}

/* ---- References ---------------------------------------------------------------------------- */

#define SPAN "0af7651916cd43dd8448eb211c80319cb7ad6b7169203331"

/* URL with a reference for the message of ACCOUNT, good until a second before or after WALL_MS. */
static void url_with_ref(const char *key, int64_t after_s, char out[512])
{
    tsms__hmac *hmac = tsms__hmac_new(&tsms__mem_libc, TSMS__SHA256, tsms_str_from(key));
    tsms_buf url;
    tsms__buf_init(&url, &tsms__mem_libc);
    tsms__ref ref = {
        .id = TSMS__STR("order-7"), .expires_s = WALL_MS / 1000 + after_s, .span = TSMS__STR(SPAN)};
    tsms__ref_add(&url, hmac, TSMS__STR(URL "?a=1"), tsms_str_from(ACCOUNT), &ref);
    snprintf(out, 512, "%s", tsms__buf_z(&url));
    tsms__buf_free(&url);
    tsms__hmac_free(hmac);
}

static void checks_references(void **state)
{
    tsms_webhook_options options = basic_options();
    options.callback_ref_key = TSMS__STR("a key of our own");
    tsms_webhook *webhook = open_webhook(&options);
    char url[512];
    sent s;
    tsms_webhook_info info;
    url_with_ref("a key of our own", 60, url);
    post(&s, url, STATUS);
    tsms_webhook_event *event = take(webhook, &s, &info);
    assert_str_is(info.callback_ref, "order-7");
    tsms_webhook_event_free(event);

    url_with_ref("a key of our own", -60, url);
    post(&s, url, STATUS);
    refuse(webhook, &s, TSMS_KIND_INVALID_SIGNATURE, 403, "has expired");
    url_with_ref("another key", 60, url);
    post(&s, url, STATUS);
    refuse(webhook, &s, TSMS_KIND_INVALID_SIGNATURE, 403, "not one of ours");

    post(&s, URL, STATUS); /* none, which is not required */
    event = take(webhook, &s, &info);
    assert_null(info.callback_ref.ptr);
    tsms_webhook_event_free(event);
    tsms_webhook_free(webhook);

    options.callback_ref_required = true;
    webhook = open_webhook(&options);
    refuse(webhook, &s, TSMS_KIND_INVALID_SIGNATURE, 403, "has no reference");
    post(&s, URL, INBOUND); /* messages to us have none */
    tsms_webhook_event_free(take(webhook, &s, &info));
    tsms_webhook_free(webhook);

    post(&s, url, STATUS); /* without a key nobody looks */
    tsms_webhook_event_free(take(*state, &s, &info));
}

/* ---- Memory -------------------------------------------------------------------------------- */

static void runs_out_of_memory_cleanly(void **state)
{
    tsms_str urls[] = {TSMS__STR("https://Hooks.Example.com/sms")};
    sent s;
    post(&s, "https://Hooks.Example.com/sms", INBOUND);
    s.request.url = TSMS__STR("/sms");
    s.request.tls = true;
    add_header(&s, "Host", "hooks.example.com");
    for (size_t n = 1;; n++) {
        test_mem tm;
        tsms_webhook_event *event = NULL;
        tsms_error err;
        test_mem_init(&tm, 0);
        tsms_webhook_options options = basic_options();
        options.mem = &tm.mem;
        options.urls = urls;
        options.url_count = 1;
        tsms_webhook *webhook = open_webhook(&options);
        tm.fail_at = tm.calls + n;
        tsms_status status = tsms_webhook_read(webhook, &s.request, WALL_MS, &event, &err);
        assert_int_equal(status, tm.failed ? TSMS_NOMEM : TSMS_OK);
        assert_int_equal(event == NULL, tm.failed);
        if (tm.failed) {
            assert_int_equal(err.http_status, 500);
            assert_int_equal(tsms_webhook_read(webhook, &s.request, WALL_MS, &event, &err),
                             TSMS_OK);
        }
        tsms_webhook_event_free(event);
        tsms_webhook_free(webhook);
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            break;
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_state, close_state)
    const struct CMUnitTest tests[] = {
        TEST(takes_an_inbound_message),
        TEST(takes_a_status),
        TEST(takes_a_get),
        TEST(takes_json),
        TEST(takes_unknown_genuine_requests),
        TEST(odd_escapes_are_read_as_they_were_signed),
        TEST(the_list_knows_how_a_url_is_spelled),
        TEST(makes_the_url_out_of_a_target),
        TEST(a_user_in_the_url_is_never_signed_or_shown),
        TEST(refuses_methods),
        TEST(refuses_sizes),
        TEST(refuses_many_fields),
        TEST(refuses_urls_that_are_not_ours),
        TEST(refuses_hosts_that_are_none),
        TEST(refuses_signatures),
        TEST(refuses_what_was_changed),
        TEST(refuses_other_content),
        TEST(refuses_json_without_or_with_another_digest),
        TEST(refuses_genuine_nonsense),
        TEST(ignores_idempotency_tokens_that_are_none),
        TEST(refuses_another_layout),
        TEST(takes_tokens_by_account),
        TEST(without_a_token_nothing_is_genuine),
        TEST(takes_both_tokens_of_a_rotation),
        TEST(checks_references),
        TEST(runs_out_of_memory_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
