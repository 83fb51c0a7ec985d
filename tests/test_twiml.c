/* wire/twiml.c: what is written is read back by a strict reader, and what cannot be sent is refused
 * before it changes the document. */
#include "support.h"

#include "twiml_reader.h"

#define BEGIN "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>"
#define END "</Response>"

static tsms_twiml *new_document(void)
{
    tsms_twiml *twiml;
    assert_int_equal(tsms_twiml_new(NULL, &twiml, NULL), TSMS_OK);
    return twiml;
}

static tsms_twiml_message text_message(tsms_str body)
{
    tsms_twiml_message message = TSMS_TWIML_MESSAGE_INIT;
    message.body = body;
    return message;
}

/* Adds the message to a document that holds one before it. */
static void assert_taken(const tsms_twiml_message *message)
{
    tsms_twiml *twiml = new_document();
    tsms_twiml_message both[] = {text_message(TSMS__STR("first")), *message};
    tsms_error err = {0};
    if (tsms_twiml_add_message(twiml, &both[0], &err) != TSMS_OK ||
        tsms_twiml_add_message(twiml, &both[1], &err) != TSMS_OK) {
        fail_msg("refused: %s", err.message);
    }
    assert_true(twiml_is(tsms_twiml_text(twiml), both, 2));
    assert_int_equal(tsms_twiml_count(twiml), 2);
    tsms_twiml_free(twiml);
}

static void assert_refused(const tsms_twiml_message *message, tsms_kind kind, const char *why)
{
    tsms_twiml *twiml = new_document();
    tsms_twiml_message first = text_message(TSMS__STR("first"));
    tsms_error err;
    assert_int_equal(tsms_twiml_add_message(twiml, &first, NULL), TSMS_OK);
    assert_int_equal(tsms_twiml_add_message(twiml, message, &err), TSMS_ERROR);
    assert_int_equal(tsms_twiml_add_message(twiml, message, NULL), TSMS_ERROR);
    assert_int_equal(err.kind, kind);
    assert_string_equal(err.message, why);
    assert_true(twiml_is(tsms_twiml_text(twiml), &first, 1));
    assert_int_equal(tsms_twiml_count(twiml), 1);
    tsms_twiml_free(twiml);
}

static void test_empty_document(void **state)
{
    tsms_twiml *twiml = new_document();
    assert_str_is(tsms_twiml_text(twiml), BEGIN END);
    assert_int_equal(tsms_twiml_count(twiml), 0);
    tsms_twiml_free(twiml);
    tsms_twiml_free(NULL);
}

static void test_every_field(void **state)
{
    tsms_str media[] = {TSMS__STR("https://example.com/a.png?x=1&y=2"), TSMS__STR("/b.png")};
    tsms_twiml_message message = text_message(TSMS__STR("Tom & \"Ann\"\r\n<3"));
    message.media = media;
    message.media_count = 2;
    message.to = TSMS__STR("+15558675310");
    message.from = TSMS__STR("A&B");
    message.action = TSMS__STR("next?a=1&b=2");
    message.method = TSMS__STR("GET");
    message.status_callback = TSMS__STR("https://example.com/status");
    tsms_twiml *twiml = new_document();
    assert_int_equal(tsms_twiml_add_message(twiml, &message, NULL), TSMS_OK);
    assert_int_equal(
        tsms_twiml_add_redirect(twiml, TSMS__STR("../more?a=1&b=2"), TSMS__STR("POST"), NULL),
        TSMS_OK);
    assert_str_is(tsms_twiml_text(twiml),
                  BEGIN "<Message to=\"+15558675310\" from=\"A&amp;B\" action=\"next?a=1&amp;b=2\""
                        " method=\"GET\" statusCallback=\"https://example.com/status\">"
                        "<Body>Tom &amp; &quot;Ann&quot;&#13;\n&lt;3</Body>"
                        "<Media>https://example.com/a.png?x=1&amp;y=2</Media>"
                        "<Media>/b.png</Media></Message>"
                        "<Redirect method=\"POST\">../more?a=1&amp;b=2</Redirect>" END);
    assert_int_equal(tsms_twiml_count(twiml), 2);
    tsms_twiml_free(twiml);
    assert_taken(&message);
}

static void test_texts_come_back(void **state)
{
    static const char *const bodies[] = {
        " ",
        "  around  ",
        "\n",
        "\r\r\n\n\t",
        "]]>",
        "]]&gt;",
        "<![CDATA[x]]>",
        "<!-- -->",
        "&amp;",
        "&#13;",
        "'\"",
        "\x7F",
        "\xC2\x85\xE2\x80\xA8",         /* line ends of XML 1.1 */
        "\xEF\xBF\xBD\xF0\x9F\x98\x80", /* the highest of the first plane; an emoji */
        "\xF4\x8F\xBF\xBF",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        tsms_twiml_message message = text_message(tsms_str_from(bodies[i]));
        assert_taken(&message);
    }
}

static void test_every_character(void **state)
{
    size_t refused = 0;
    tsms_twiml *twiml = new_document();
    tsms_str empty = tsms_twiml_text(twiml);
    size_t empty_len = empty.len;
    tsms_twiml_free(twiml);
    for (uint32_t c = 0; c <= 0xFFFF; c++) {
        char bytes[] = {(char)(0xE0 | c >> 12), (char)(0x80 | (c >> 6 & 63)),
                        (char)(0x80 | (c & 63))};
        tsms_str text = {bytes, 3};
        if (c < 0x80) {
            bytes[0] = (char)c;
            text.len = 1;
        } else if (c < 0x800) {
            bytes[1] = (char)(0xC0 | c >> 6);
            text = (tsms_str){bytes + 1, 2};
        }
        tsms_twiml_message message = text_message(text);
        twiml = new_document();
        bool is_taken = tsms_twiml_add_message(twiml, &message, NULL) == TSMS_OK;
        if (is_taken != xml_is_character(c) ||
            !twiml_is(tsms_twiml_text(twiml), &message, is_taken)) {
            fail_msg("U+%04X", (unsigned)c);
        }
        if (!is_taken) {
            refused++;
            assert_int_equal(tsms_twiml_text(twiml).len, empty_len);
        }
        tsms_twiml_free(twiml);
    }
    /* 32 controls without three, the surrogates, U+FFFE and U+FFFF. */
    assert_int_equal(refused, 29 + 2048 + 2);
}

static void test_what_xml_cannot_hold_is_refused(void **state)
{
    tsms_twiml_message message = text_message(TSMS__STR("ab\x07"));
    assert_refused(&message, TSMS_KIND_INVALID_REQUEST,
                   "body has U+0007 at byte offset 2, which XML cannot hold");
    message.body = TSMS__STR("\0");
    assert_refused(&message, TSMS_KIND_INVALID_REQUEST,
                   "body has U+0000 at byte offset 0, which XML cannot hold");
    message.body = TSMS__STR("é\xEF\xBF\xBE");
    assert_refused(&message, TSMS_KIND_INVALID_REQUEST,
                   "body has U+FFFE at byte offset 2, which XML cannot hold");
    message.body = TSMS__STR("é\xED\xA0\x80");
    assert_refused(&message, TSMS_KIND_INVALID_REQUEST, "body is not UTF-8 at byte offset 2");
    message.body = TSMS__STR("x");
    message.to = TSMS__STR("x:\xEF\xBF\xBF");
    assert_refused(&message, TSMS_KIND_INVALID_REQUEST,
                   "to has U+FFFF at byte offset 2, which XML cannot hold");
    message.from = message.to;
    message.to = (tsms_str){NULL, 0};
    assert_refused(&message, TSMS_KIND_INVALID_REQUEST,
                   "from has U+FFFF at byte offset 2, which XML cannot hold");
}

static void test_length_is_in_characters(void **state)
{
    enum { MOST = 1600 };
    char body[2 * (MOST + 1)];
    for (size_t i = 0; i < sizeof body; i += 2) {
        memcpy(body + i, "é", 2);
    }
    tsms_twiml_message message = text_message((tsms_str){body, 2 * MOST});
    assert_taken(&message);
    message.body.len += 2;
    assert_refused(&message, TSMS_KIND_MESSAGE_TOO_LONG,
                   "body has 1601 characters; Twilio takes at most 1600");
}

static void test_content_is_needed(void **state)
{
    tsms_twiml_message message = TSMS_TWIML_MESSAGE_INIT;
    assert_refused(&message, TSMS_KIND_INVALID_REQUEST, "nothing to send: set body or media");
    message.body = TSMS__STR("");
    assert_refused(&message, TSMS_KIND_INVALID_REQUEST, "nothing to send: set body or media");
    tsms_str media[11];
    for (size_t i = 0; i < 11; i++) {
        media[i] = TSMS__STR("/a.png");
    }
    message.media = media;
    message.media_count = 10;
    assert_taken(&message);
    message.media_count = 11;
    assert_refused(&message, TSMS_KIND_INVALID_REQUEST,
                   "11 media URLs; a message takes at most 10");
    message.media_count = 2;
    media[1] = TSMS__STR("");
    assert_refused(&message, TSMS_KIND_INVALID_REQUEST,
                   "media URL 2 is no percent-encoded http or https URL, and no path");
    message.media = NULL;
    assert_refused(&message, TSMS_KIND_INVALID_REQUEST,
                   "media URL 1 is no percent-encoded http or https URL, and no path");
}

static void test_addresses(void **state)
{
    static const char *const senders[] = {"+15558675310", "12345", "A Sender", "rcs:brand",
                                          "sim:DE0123456789abcdef0123456789ABCDEF"};
    for (size_t i = 0; i < sizeof senders / sizeof *senders; i++) {
        tsms_twiml_message message = text_message(TSMS__STR("x"));
        message.from = tsms_str_from(senders[i]);
        assert_taken(&message);
        message.to = message.from;
        if (i == 1 || i == 2) {
            assert_refused(&message, TSMS_KIND_INVALID_RECIPIENT,
                           "to is not an E.164 number: '+', then 7 to 15 digits with the country "
                           "code first");
        } else {
            assert_taken(&message);
        }
    }
    tsms_twiml_message message = text_message(TSMS__STR("x"));
    message.from = TSMS__STR("\"><Body>");
    assert_refused(&message, TSMS_KIND_INVALID_SENDER,
                   "from is no E.164 number, short code or alphanumeric sender ID");
}

static void test_urls(void **state)
{
    static const char *const good[] = {"https://example.com",
                                       "HTTP://example.com:8080/a?b=%22c%22&d#e",
                                       "/a",
                                       "a",
                                       "../a/b:c",
                                       "?a=b:c",
                                       "#a",
                                       ".",
                                       "./a:b"};
    static const char *const bad[] = {"javascript:alert(1)",
                                      "data:text/plain,x",
                                      "ftp://example.com/a",
                                      "//example.com/a",
                                      "https://",
                                      "https:/a",
                                      "a:b",
                                      "/a b",
                                      "/a\"b",
                                      "/a<b",
                                      "\\\\example.com\\a",
                                      "/\xC3\xA9",
                                      "/a\n",
                                      "https://exa mple.com",
                                      " https://example.com",
                                      "/\x7F"};
    tsms_error err;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        tsms_twiml_message message = text_message(TSMS__STR("x"));
        message.action = tsms_str_from(good[i]);
        assert_taken(&message);
        message.status_callback = message.action;
        assert_taken(&message);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tsms_str url = tsms_str_from(bad[i]);
        tsms_twiml_message message = text_message(TSMS__STR("x"));
        message.action = url;
        assert_refused(&message, TSMS_KIND_INVALID_REQUEST,
                       "action is no percent-encoded http or https URL, and no path");
        message.action = (tsms_str){NULL, 0};
        message.status_callback = url;
        assert_refused(&message, TSMS_KIND_INVALID_REQUEST,
                       "status_callback is no percent-encoded http or https URL, and no path");
        message.status_callback = (tsms_str){NULL, 0};
        message.media = &url;
        message.media_count = 1;
        assert_refused(&message, TSMS_KIND_INVALID_REQUEST,
                       "media URL 1 is no percent-encoded http or https URL, and no path");
        tsms_twiml *twiml = new_document();
        assert_int_equal(tsms_twiml_add_redirect(twiml, url, (tsms_str){NULL, 0}, &err),
                         TSMS_ERROR);
        assert_int_equal(err.kind, TSMS_KIND_INVALID_REQUEST);
        assert_str_is(tsms_twiml_text(twiml), BEGIN END);
        tsms_twiml_free(twiml);
    }
}

static void test_methods(void **state)
{
    static const char *const bad[] = {"get", "PUT", "GET ", "GETT"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tsms_twiml_message message = text_message(TSMS__STR("x"));
        message.method = tsms_str_from(bad[i]);
        assert_refused(&message, TSMS_KIND_INVALID_REQUEST,
                       "method is neither \"GET\" nor \"POST\"");
        tsms_twiml *twiml = new_document();
        assert_int_equal(tsms_twiml_add_redirect(twiml, TSMS__STR("/a"), message.method, NULL),
                         TSMS_ERROR);
        assert_int_equal(tsms_twiml_count(twiml), 0);
        tsms_twiml_free(twiml);
    }
}

static void test_a_redirect_ends_the_document(void **state)
{
    tsms_str none = {NULL, 0};
    tsms_twiml *twiml = new_document();
    tsms_twiml_message message = text_message(TSMS__STR("lost"));
    tsms_error err;
    assert_int_equal(tsms_twiml_add_redirect(twiml, none, none, &err), TSMS_ERROR);
    assert_string_equal(err.message, "a redirect needs a URL");
    assert_int_equal(tsms_twiml_add_redirect(twiml, TSMS__STR("/next"), none, NULL), TSMS_OK);
    assert_int_equal(tsms_twiml_add_message(twiml, &message, &err), TSMS_ERROR);
    assert_string_equal(err.message, "Twilio reads nothing behind a redirect");
    assert_int_equal(tsms_twiml_add_redirect(twiml, TSMS__STR("/next"), none, &err), TSMS_ERROR);
    assert_string_equal(err.message, "Twilio reads nothing behind a redirect");
    assert_str_is(tsms_twiml_text(twiml), BEGIN "<Redirect>/next</Redirect>" END);
    assert_int_equal(tsms_twiml_count(twiml), 1);
    tsms_twiml_free(twiml);
}

static void test_ten_messages(void **state)
{
    tsms_twiml *twiml = new_document();
    static const char digits[] = "0123456789";
    tsms_twiml_message messages[10];
    tsms_error err;
    for (size_t i = 0; i < 10; i++) {
        messages[i] = text_message((tsms_str){&digits[i], 1});
        assert_int_equal(tsms_twiml_add_message(twiml, &messages[i], NULL), TSMS_OK);
    }
    assert_int_equal(tsms_twiml_add_message(twiml, &messages[0], &err), TSMS_ERROR);
    assert_string_equal(err.message, "Twilio sends at most 10 messages in answer to one");
    assert_true(twiml_is(tsms_twiml_text(twiml), messages, 10));
    assert_int_equal(tsms_twiml_add_redirect(twiml, TSMS__STR("/next"), (tsms_str){NULL, 0}, NULL),
                     TSMS_OK);
    assert_int_equal(tsms_twiml_count(twiml), 11);
    tsms_twiml_free(twiml);
}

static void test_sizes(void **state)
{
    tsms_twiml_message message = text_message(TSMS__STR("x"));
    message.size = 0;
    assert_refused(&message, TSMS_KIND_INVALID_REQUEST,
                   "the message's size is not set: start from TSMS_TWIML_MESSAGE_INIT");
    message.size = sizeof message + 1;
    assert_refused(&message, TSMS_KIND_INVALID_REQUEST,
                   "the message's size is not set: start from TSMS_TWIML_MESSAGE_INIT");
    /* A caller who knows fewer fields. */
    message.size = offsetof(tsms_twiml_message, to);
    message.to = TSMS__STR("not looked at");
    tsms_twiml *twiml = new_document();
    assert_int_equal(tsms_twiml_add_message(twiml, &message, NULL), TSMS_OK);
    assert_str_is(tsms_twiml_text(twiml), BEGIN "<Message><Body>x</Body></Message>" END);
    tsms_twiml_free(twiml);
}

static void test_without_memory_the_document_is_as_it_was(void **state)
{
    for (size_t n = 1;; n++) {
        test_mem tm;
        test_mem_init(&tm, n);
        tsms_twiml *twiml = NULL;
        tsms_error err;
        char long_body[1000];
        memset(long_body, '<', sizeof long_body);
        tsms_twiml_message messages[] = {text_message(TSMS__STR("first")),
                                         text_message((tsms_str){long_body, sizeof long_body}),
                                         text_message(TSMS__STR("third"))};
        if (tsms_twiml_new(&tm.mem, &twiml, &err) == TSMS_OK) {
            tsms_twiml_message held[3];
            size_t count = 0;
            for (size_t i = 0; i < 3; i++) {
                tsms_status status = tsms_twiml_add_message(twiml, &messages[i], &err);
                if (status == TSMS_OK) {
                    held[count++] = messages[i];
                } else {
                    assert_int_equal(status, TSMS_NOMEM);
                    assert_true(tm.failed);
                }
                assert_true(twiml_is(tsms_twiml_text(twiml), held, count));
                assert_int_equal(tsms_twiml_count(twiml), count);
            }
            assert_true(count == 3 || tm.failed);
        } else {
            assert_null(twiml);
            assert_true(tm.failed);
        }
        tsms_twiml_free(twiml);
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            assert_true(n > 4); /* some of them while messages were added */
            break;
        }
    }
    for (size_t n = 1;; n++) {
        test_mem tm;
        test_mem_init(&tm, n);
        tsms_twiml *twiml = NULL;
        char path[600];
        memset(path, 'a', sizeof path);
        tsms_str url = {path, sizeof path};
        if (tsms_twiml_new(&tm.mem, &twiml, NULL) == TSMS_OK &&
            tsms_twiml_add_redirect(twiml, url, (tsms_str){NULL, 0}, NULL) == TSMS_NOMEM) {
            /* It was not added, so it can be added now. */
            assert_str_is(tsms_twiml_text(twiml), BEGIN END);
            assert_int_equal(tsms_twiml_add_redirect(twiml, url, (tsms_str){NULL, 0}, NULL),
                             TSMS_OK);
        }
        tsms_twiml_free(twiml);
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            break;
        }
    }
}

static bool is_read_to_its_end(tsms_str text)
{
    xml_reader reader;
    xml_event event = XML_BROKEN;
    if (xml_begin(&reader, text)) {
        do {
            event = xml_next(&reader);
        } while (event != XML_BROKEN && event != XML_DONE);
    }
    xml_free(&reader);
    return event == XML_DONE;
}

/* The reader that all this relies on is strict. */
static void test_the_reader_refuses_what_is_not_well_formed(void **state)
{
    static const char *const good[] = {"<a></a>", "<a>x&lt;&#9;</a>", "<a b=\"&gt;\"></a>",
                                       "<a b=\"1\" c=\"2\"><d>]] ></d></a>"};
    static const char *const bad[] = {
        "",
        "x",
        "<a>",
        "</a>",
        "<a></b>",
        "<a></a>x",
        "<a></a><b></b>",
        "<a>]]></a>",
        "<a>&</a>",
        "<a>&x;</a>",
        "<a>&#0;</a>",
        "<a>&#27;</a>",
        "<a>\x1B</a>",
        "<a>\xEF\xBF\xBF</a>",
        "<a b=\"<\"></a>",
        "<a b=\"1\" b=\"2\"></a>",
        "<a b=1></a>",
        "<a b=\"1\"c=\"2\"></a>",
        "<a><b></a></b>",
        "<a>\xFF</a>",
        "<a",
        "<a b=\"",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char text[200];
        snprintf(text, sizeof text, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>%s", good[i]);
        if (!is_read_to_its_end(tsms_str_from(text))) {
            fail_msg("not read: %s", good[i]);
        }
        assert_false(is_read_to_its_end(tsms_str_from(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[200];
        snprintf(text, sizeof text, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>%s", bad[i]);
        if (is_read_to_its_end(tsms_str_from(text))) {
            fail_msg("read: %s", bad[i]);
        }
    }
    /* What a writer that does not escape the carriage return would lose. */
    xml_reader reader;
    tsms_str lf = TSMS__STR("1\n2\n3");
    assert_true(xml_begin(&reader,
                          TSMS__STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?><a>1\r\n2\r3</a>")));
    assert_true(xml_next_is(&reader, XML_START, "a", NULL));
    assert_true(xml_next_is(&reader, XML_TEXT, NULL, &lf));
    xml_free(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_document),
        cmocka_unit_test(test_every_field),
        cmocka_unit_test(test_texts_come_back),
        cmocka_unit_test(test_every_character),
        cmocka_unit_test(test_what_xml_cannot_hold_is_refused),
        cmocka_unit_test(test_length_is_in_characters),
        cmocka_unit_test(test_content_is_needed),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_a_redirect_ends_the_document),
        cmocka_unit_test(test_ten_messages),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_without_memory_the_document_is_as_it_was),
        cmocka_unit_test(test_the_reader_refuses_what_is_not_well_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
