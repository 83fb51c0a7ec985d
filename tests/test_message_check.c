/* wire/message_check.c: one good message, and each way to spoil it. */
#include "support.h"

#include "base/err.h"
#include "wire/message.h"

#define SERVICE "MG0123456789abcdef0123456789abcdef"
#define CONTENT "HX0123456789abcdef0123456789abcdef"
#define APPLICATION "AP0123456789ABCDEF0123456789abcdef"

static const int64_t wall_s = 1776158802;
static const int64_t minute_s = 60;
static const int64_t day_s = 86400;

static tsms_message_options good(void)
{
    tsms_message_options message = TSMS_MESSAGE_OPTIONS_INIT;
    message.to = TSMS__STR("+15005550009");
    message.from = TSMS__STR("+15005550006");
    message.body = TSMS__STR("secret words");
    return message;
}

static void assert_accepted_at(tsms_message_options message, const char *file, int line)
{
    tsms_error err;
    if (tsms__message_check(&message, wall_s, &err) != TSMS_OK) {
        print_error("refused: %s\n", err.message);
        _fail(file, line);
    }
}

/* Numbers and bodies must never show up in the text. */
static void assert_refused_at(tsms_message_options message, tsms_kind kind, const char *text,
                              const char *file, int line)
{
    tsms_error err;
    tsms__error_clear(&err);
    if (tsms__message_check(&message, wall_s, &err) != TSMS_ERROR || err.kind != kind ||
        err.retryable || strstr(err.message, text) == NULL || strstr(err.message, "5550") != NULL ||
        strstr(err.message, "secret") != NULL) {
        print_error("got %s \"%s\"\n", tsms_kind_name(err.kind), err.message);
        _fail(file, line);
    }
    assert_int_equal(tsms__message_check(&message, wall_s, NULL), TSMS_ERROR);
}

#define assert_accepted(message) assert_accepted_at((message), __FILE__, __LINE__)
#define assert_refused(message, kind, text)                                                        \
    assert_refused_at((message), TSMS_KIND_##kind, (text), __FILE__, __LINE__)

static void test_size(void **state)
{
    tsms_message_options message = good();
    message.size = 0;
    assert_refused(message, INVALID_REQUEST, "size");
    message.size = sizeof message - 8;
    assert_refused(message, INVALID_REQUEST, "size");
}

static void test_recipient(void **state)
{
    static const char *const right[] = {"+1234567", "+123456789012345", "whatsapp:+15005550009",
                                        "messenger:123"};
    static const char *const wrong[] = {"15005550009",       "+0500555", "+123456",
                                        "+1234567890123456", "12345",    "ACME",
                                        "+1 500 555 0009",   ":",        "whatsapp:"};
    tsms_message_options message = good();
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        message.to = tsms_str_from(right[i]);
        assert_accepted(message);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        message.to = tsms_str_from(wrong[i]);
        assert_refused(message, INVALID_RECIPIENT, "E.164");
    }
    message.to = TSMS__STR("");
    assert_refused(message, INVALID_RECIPIENT, "no recipient");
    message.to = message.from;
    assert_refused(message, INVALID_RECIPIENT, "the same");
    message.to = TSMS__STR("+1500555\0\0\0\0");
    assert_refused(message, INVALID_RECIPIENT, "to is not UTF-8, or contains a NUL");
}

static void test_sender(void **state)
{
    static const char *const right[] = {"12345", "ACME Ltd", "+15005550006", "whatsapp:+1500555"};
    tsms_message_options message = good();
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        message.from = tsms_str_from(right[i]);
        assert_accepted(message);
    }
    message.from = TSMS__STR("this name is too long");
    assert_refused(message, INVALID_SENDER, "from is no E.164 number");
    message.from = TSMS__STR("\xFF");
    assert_refused(message, INVALID_SENDER, "from is not UTF-8");
    message.from = TSMS__STR("");
    assert_refused(message, INVALID_SENDER, "set from or messaging_service_sid");
    message.messaging_service_sid = TSMS__STR(SERVICE);
    assert_accepted(message);
    message.from = TSMS__STR("+15005550006");
    assert_accepted(message);
    message.fallback_from = TSMS__STR("+15005550005");
    assert_accepted(message);
    message.fallback_from = TSMS__STR("+0");
    assert_refused(message, INVALID_SENDER, "fallback_from");
}

static void test_something_to_send(void **state)
{
    static const tsms_str media = {"https://example.com/cat.png", 27};
    tsms_message_options message = good();
    message.body = TSMS__STR("");
    assert_refused(message, INVALID_REQUEST, "set body, media or content_sid");
    message.media = &media;
    message.media_count = 1;
    assert_accepted(message);
    message.media_count = 0;
    message.content_sid = TSMS__STR(CONTENT);
    assert_accepted(message);
}

static void test_body_is_text(void **state)
{
    tsms_message_options message = good();
    message.body = TSMS__STR("secret \xC3");
    assert_refused(message, INVALID_REQUEST, "body is not UTF-8");
    message.body = TSMS__STR("secret\0words");
    assert_refused(message, INVALID_REQUEST, "body is not UTF-8, or contains a NUL");
    message.body = (tsms_str){NULL, 3};
    assert_refused(message, INVALID_REQUEST, "body");
}

static void test_body_length_counts_characters(void **state)
{
    char ascii[1601];
    memset(ascii, 'a', sizeof ascii);
    tsms_message_options message = good();
    message.body = (tsms_str){ascii, 1600};
    assert_accepted(message);
    message.body.len = 1601;
    assert_refused(message, MESSAGE_TOO_LONG, "body has 1601 characters");
    char wide[4 * 1601];
    for (size_t i = 0; i < sizeof wide; i += 4) {
        memcpy(wide + i, "\xF0\x9F\x98\x80", 4);
    }
    message.body = (tsms_str){wide, 4 * 1600};
    assert_accepted(message);
    message.body.len = sizeof wide;
    assert_refused(message, MESSAGE_TOO_LONG, "body has 1601 characters");
}

static void test_media(void **state)
{
    tsms_str media[11];
    for (size_t i = 0; i < 11; i++) {
        media[i] = TSMS__STR("HTTPS://example.com/cat%20secret.png");
    }
    tsms_message_options message = good();
    message.media = media;
    message.media_count = 10;
    assert_accepted(message);
    message.media_count = 11;
    assert_refused(message, INVALID_REQUEST, "11 media URLs; a message takes at most 10");
    message.media_count = 3;
    static const char *const wrong[] = {"ftp://example.com/secret", "/secret.png", "https:///x",
                                        "https://example.com/the secret"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        media[2] = tsms_str_from(wrong[i]);
        assert_refused(message, INVALID_REQUEST, "media URL 3");
    }
    media[2] = TSMS__STR("");
    assert_refused(message, INVALID_REQUEST, "media: element 3");
    message.media = NULL;
    assert_refused(message, INVALID_REQUEST, "media: element 1");
}

static void test_sids(void **state)
{
    tsms_message_options message = good();
    message.messaging_service_sid = TSMS__STR("SM0123456789abcdef0123456789abcdef");
    assert_refused(message, INVALID_REQUEST, "messaging_service_sid is not \"MG\"");
    message.messaging_service_sid = TSMS__STR(SERVICE);
    message.application_sid = TSMS__STR("AP0123456789abcdef0123456789abcdeg");
    assert_refused(message, INVALID_REQUEST, "application_sid is not \"AP\"");
    message.application_sid = TSMS__STR(APPLICATION);
    message.content_sid = TSMS__STR("HX0123456789abcdef0123456789abcde");
    assert_refused(message, INVALID_REQUEST, "content_sid is not \"HX\"");
    message.content_sid = TSMS__STR(CONTENT);
    assert_accepted(message);
}

static void test_json_parameters(void **state)
{
    static const char *const wrong[] = {"secret", "[]", "\"secret\"", "{\"secret\":1} x", "{"};
    tsms_message_options message = good();
    message.content_variables = TSMS__STR("{}");
    assert_refused(message, INVALID_REQUEST, "content_variables needs content_sid");
    message.content_sid = TSMS__STR(CONTENT);
    message.tags = TSMS__STR(" {\"campaign\": \"spring\"} ");
    assert_accepted(message);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        message.content_variables = tsms_str_from(wrong[i]);
        assert_refused(message, INVALID_REQUEST, "content_variables is not a JSON object");
    }
    message.content_variables = TSMS__STR("{\"1\":\"x\"}");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        message.tags = tsms_str_from(wrong[i]);
        assert_refused(message, INVALID_REQUEST, "tags is not a JSON object");
    }
}

static void test_status_callback(void **state)
{
    static const char *const right[] = {"http://example.com",
                                        "https://u:p@example.com:8443/a?b#rc=2",
                                        "https://example.com/a_b?c_d"};
    tsms_message_options message = good();
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        message.status_callback = tsms_str_from(right[i]);
        assert_accepted(message);
    }
    message.status_callback = TSMS__STR("https://my_host.example.com/");
    assert_refused(message, INVALID_REQUEST, "underscore");
    message.status_callback = TSMS__STR("example.com/secret");
    assert_refused(message, INVALID_REQUEST, "status_callback is not");
    char url[4001];
    memset(url, 'a', sizeof url);
    memcpy(url, "https://h/", 10);
    message.status_callback = (tsms_str){url, 4000};
    assert_accepted(message);
    message.status_callback.len = 4001;
    assert_refused(message, INVALID_REQUEST, "4001 characters");
}

static void test_callback_ref(void **state)
{
    tsms_message_options message = good();
    message.callback_ref = TSMS__STR("order-17_B");
    assert_refused(message, INVALID_REQUEST, "callback_ref needs status_callback");
    message.status_callback = TSMS__STR("https://example.com/");
    assert_accepted(message);
    message.callback_ref = TSMS__STR("order 17");
    assert_refused(message, INVALID_REQUEST, "callback_ref is not 1 to 64 of A-Z a-z 0-9 _ -");
    message.callback_ref = TSMS__STR("");
    assert_accepted(message);
}

static void test_words(void **state)
{
    tsms_message_options message = good();
    message.content_retention = TSMS__STR("retain");
    message.address_retention = TSMS__STR("obfuscate");
    message.traffic_type = TSMS__STR("free");
    message.risk_check = TSMS__STR("enable");
    assert_accepted(message);
    message.content_retention = TSMS__STR("Retain");
    assert_refused(message, INVALID_REQUEST, "content_retention is not \"retain\" or \"discard\"");
    message.content_retention = TSMS__STR("discard");
    message.address_retention = TSMS__STR("discard");
    assert_refused(message, INVALID_REQUEST,
                   "address_retention is not \"retain\" or \"obfuscate\"");
    message.address_retention = TSMS__STR("retain");
    message.traffic_type = TSMS__STR("paid");
    assert_refused(message, INVALID_REQUEST, "traffic_type is not \"free\"");
    message.traffic_type = TSMS__STR("");
    message.risk_check = TSMS__STR("on");
    assert_refused(message, INVALID_REQUEST, "risk_check is not \"enable\" or \"disable\"");
}

static void test_numbers(void **state)
{
    tsms_message_options message = good();
    message.attempt = 1;
    message.validity_period_s = 36000;
    message.max_price = TSMS__STR("0.05");
    assert_accepted(message);
    message.validity_period_s = 36001;
    assert_refused(message, INVALID_REQUEST, "validity_period_s is not 1 to 36000");
    message.validity_period_s = -1;
    assert_refused(message, INVALID_REQUEST, "validity_period_s");
    message.validity_period_s = 1;
    message.attempt = -1;
    assert_refused(message, INVALID_REQUEST, "attempt");
    message.attempt = 0;
    static const char *const wrong[] = {".", "-1", "1e3", "1.2.3", "cheap"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        message.max_price = tsms_str_from(wrong[i]);
        assert_refused(message, INVALID_REQUEST, "max_price");
    }
}

static void test_toggles(void **state)
{
    tsms_message_options message = good();
    message.smart_encoded = TSMS_FALSE;
    message.shorten_urls = TSMS_FALSE;
    assert_accepted(message);
    message.shorten_urls = TSMS_TRUE;
    assert_refused(message, INVALID_REQUEST, "shorten_urls needs messaging_service_sid");
    message.messaging_service_sid = TSMS__STR(SERVICE);
    assert_accepted(message);
    message.force_delivery = (tsms_toggle)3;
    assert_refused(message, INVALID_REQUEST, "force_delivery");
    message.force_delivery = (tsms_toggle)-1;
    assert_refused(message, INVALID_REQUEST, "force_delivery");
}

static void test_lists(void **state)
{
    tsms_str actions[] = {TSMS__STR("geo:1,2"), TSMS__STR("a\0b")};
    tsms_message_options message = good();
    message.persistent_actions = actions;
    message.persistent_action_count = 1;
    assert_accepted(message);
    message.persistent_action_count = 2;
    assert_refused(message, INVALID_REQUEST, "persistent_actions: element 2");
}

static void test_schedule(void **state)
{
    tsms_message_options message = good();
    message.send_at = wall_s + day_s;
    assert_refused(message, INVALID_REQUEST, "send_at needs messaging_service_sid");
    message.messaging_service_sid = TSMS__STR(SERVICE);
    assert_accepted(message);
    message.send_at = wall_s + 15 * minute_s;
    assert_accepted(message);
    message.send_at = wall_s + 15 * minute_s - 1;
    assert_refused(message, INVALID_REQUEST, "too soon");
    message.send_at = INT64_MIN;
    assert_refused(message, INVALID_REQUEST, "leave it away to send now");
    message.send_at = wall_s + 35 * day_s;
    assert_accepted(message);
    message.send_at = wall_s + 35 * day_s + 1;
    assert_refused(message, INVALID_REQUEST, "too far");
    message.send_at = INT64_MAX;
    assert_refused(message, INVALID_REQUEST, "15 minutes to 35 days");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_recipient),
        cmocka_unit_test(test_sender),
        cmocka_unit_test(test_something_to_send),
        cmocka_unit_test(test_body_is_text),
        cmocka_unit_test(test_body_length_counts_characters),
        cmocka_unit_test(test_media),
        cmocka_unit_test(test_sids),
        cmocka_unit_test(test_json_parameters),
        cmocka_unit_test(test_status_callback),
        cmocka_unit_test(test_callback_ref),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_toggles),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_schedule),
    };
    return cmocka_run_group_tests_name("message_check", tests, NULL, NULL);
}
