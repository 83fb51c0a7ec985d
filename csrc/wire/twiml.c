/* Writes the TwiML document that answers an inbound message.
 *
 * The document is complete after each call: what is added goes in front of its end mark. */
#include "../base/err.h"
#include "../config/url.h"
#include "phone.h"

#include <string.h>

/* https://www.twilio.com/docs/messaging/twiml/message, with the errors 14103 (characters) and 14109
 * (messages); for the media, the same limit as in the create call. */
enum { MOST_CHARACTERS = 1600, MOST_MEDIA = 10, MOST_MESSAGES = 10 };

#define BEGIN TSMS__STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>")
#define END TSMS__STR("</Response>")

#define REFUSE(err, ...) tsms__error_set(err, TSMS_KIND_INVALID_REQUEST, __VA_ARGS__)

struct tsms_twiml {
    tsms_mem mem;
    tsms_buf text;
    size_t count;
    bool redirected;
};

tsms_status tsms_twiml_new(const tsms_mem *mem, tsms_twiml **out, tsms_error *err)
{
    const tsms_mem *source = mem != NULL ? mem : &tsms__mem_libc;
    *out = NULL;
    tsms_twiml *twiml = tsms__calloc(source, 1, sizeof *twiml);
    if (twiml == NULL) {
        return tsms__error_nomem(err);
    }
    twiml->mem = *source;
    tsms__buf_init(&twiml->text, &twiml->mem);
    tsms__buf_add(&twiml->text, BEGIN);
    tsms__buf_add(&twiml->text, END);
    if (twiml->text.failed) {
        tsms_twiml_free(twiml);
        return tsms__error_nomem(err);
    }
    *out = twiml;
    return TSMS_OK;
}

void tsms_twiml_free(tsms_twiml *twiml)
{
    if (twiml != NULL) {
        tsms_mem mem = twiml->mem;
        tsms__buf_free(&twiml->text);
        tsms__free(&mem, twiml);
    }
}

tsms_str tsms_twiml_text(tsms_twiml *twiml)
{
    return tsms__buf_str(&twiml->text);
}

size_t tsms_twiml_count(const tsms_twiml *twiml)
{
    return twiml->count;
}

/* Char of XML 1.0, section 2.2; what is no code point at all does not get here. */
static bool is_xml_character(uint32_t code_point)
{
    return code_point >= 0x20 ? code_point != 0xFFFE && code_point != 0xFFFF
                              : code_point == '\t' || code_point == '\n' || code_point == '\r';
}

static tsms_status check_text(const char *name, tsms_str text, size_t *characters, tsms_error *err)
{
    size_t pos = 0;
    for (*characters = 0; pos < text.len; (*characters)++) {
        size_t start = pos;
        uint32_t code_point;
        if (!tsms__utf8_next(text, &pos, &code_point)) {
            return REFUSE(err, "%s is not UTF-8 at byte offset %zu", name, start);
        }
        if (!is_xml_character(code_point)) {
            return REFUSE(err, "%s has U+%04X at byte offset %zu, which XML cannot hold", name,
                          (unsigned)code_point, start);
        }
    }
    return TSMS_OK;
}

/* A relative reference (RFC 3986, section 4.2) without a host. A colon in its first part would make
 * that part a scheme. */
static bool is_path(tsms_str text)
{
    bool in_first = true;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c <= ' ' || c >= 0x7F || strchr("\"<>\\", c) != NULL || (in_first && c == ':')) {
            return false;
        }
        in_first = in_first && strchr("/?#", c) == NULL;
    }
    return text.len > 0 && !tsms__str_starts(text, TSMS__STR("//"));
}

static bool is_url(tsms_str text)
{
    tsms__url url;
    if (!tsms__url_parse(text, &url)) {
        return is_path(text);
    }
    return tsms__str_eq_nocase(url.scheme, TSMS__STR("https")) ||
           tsms__str_eq_nocase(url.scheme, TSMS__STR("http"));
}

static tsms_status check_url(const char *name, tsms_str url, tsms_error *err)
{
    if (url.len > 0 && !is_url(url)) {
        return REFUSE(err, "%s is no percent-encoded http or https URL, and no path", name);
    }
    return TSMS_OK;
}

static tsms_status check_method(tsms_str method, tsms_error *err)
{
    if (method.len > 0 && !tsms__str_eq_z(method, "GET") && !tsms__str_eq_z(method, "POST")) {
        return REFUSE(err, "method is neither \"GET\" nor \"POST\"");
    }
    return TSMS_OK;
}

/* An address of another channel may hold characters that XML cannot. */
static tsms_status check_addresses(const tsms_twiml_message *message, tsms_error *err)
{
    size_t characters;
    tsms__address to = tsms__address_of(message->to);
    if (message->to.len > 0 && to != TSMS__ADDRESS_E164 && to != TSMS__ADDRESS_SIM &&
        to != TSMS__ADDRESS_CHANNEL) {
        return tsms__error_set(err, TSMS_KIND_INVALID_RECIPIENT,
                               "to is not an E.164 number: '+', then 7 to 15 digits with the "
                               "country code first");
    }
    if (message->from.len > 0 && tsms__address_of(message->from) == TSMS__ADDRESS_INVALID) {
        return tsms__error_set(err, TSMS_KIND_INVALID_SENDER,
                               "from is no E.164 number, short code or alphanumeric sender ID");
    }
    tsms_status status = check_text("to", message->to, &characters, err);
    return status == TSMS_OK ? check_text("from", message->from, &characters, err) : status;
}

static tsms_status check_media(const tsms_twiml_message *message, tsms_error *err)
{
    if (message->media_count > MOST_MEDIA) {
        return REFUSE(err, "%zu media URLs; a message takes at most %d", message->media_count,
                      MOST_MEDIA);
    }
    for (size_t i = 0; i < message->media_count; i++) {
        if (message->media == NULL || !is_url(message->media[i])) {
            return REFUSE(err, "media URL %zu is no percent-encoded http or https URL, and no path",
                          i + 1);
        }
    }
    return TSMS_OK;
}

static tsms_status check_content(const tsms_twiml_message *message, tsms_error *err)
{
    size_t characters;
    if (message->body.len == 0 && message->media_count == 0) {
        return REFUSE(err, "nothing to send: set body or media");
    }
    if (check_text("body", message->body, &characters, err) != TSMS_OK) {
        return TSMS_ERROR;
    }
    if (characters > MOST_CHARACTERS) {
        return tsms__error_set(err, TSMS_KIND_MESSAGE_TOO_LONG,
                               "body has %zu characters; Twilio takes at most %d", characters,
                               MOST_CHARACTERS);
    }
    return check_media(message, err);
}

/* "All verbs after <Redirect> are unreachable and ignored"
 * (https://www.twilio.com/docs/messaging/twiml/redirect): a message there would be lost in silence.
 */
static tsms_status check_place(const tsms_twiml *twiml, tsms_error *err)
{
    return twiml->redirected ? REFUSE(err, "Twilio reads nothing behind a redirect") : TSMS_OK;
}

/* One escape for text and for attributes, whose values have no white space but single spaces. The
 * carriage return would be read as a line feed (XML 1.0, section 2.11); '>' could end in "]]>". */
static void add_escaped(tsms_buf *text, tsms_str value)
{
    size_t done = 0;
    for (size_t i = 0; i < value.len; i++) {
        const char *escape = NULL;
        switch (value.ptr[i]) {
        case '&':
            escape = "&amp;";
            break;
        case '<':
            escape = "&lt;";
            break;
        case '>':
            escape = "&gt;";
            break;
        case '"':
            escape = "&quot;";
            break;
        case '\r':
            escape = "&#13;";
            break;
        default:
            continue;
        }
        tsms__buf_add(text, (tsms_str){value.ptr + done, i - done});
        tsms__buf_add_z(text, escape);
        done = i + 1;
    }
    if (done < value.len) {
        tsms__buf_add(text, (tsms_str){value.ptr + done, value.len - done});
    }
}

static void add_attribute(tsms_buf *text, const char *before, tsms_str value)
{
    if (value.len > 0) {
        tsms__buf_add_z(text, before);
        add_escaped(text, value);
        tsms__buf_add_char(text, '"');
    }
}

static void add_element(tsms_buf *text, const char *before, tsms_str value, const char *after)
{
    if (value.len > 0) {
        tsms__buf_add_z(text, before);
        add_escaped(text, value);
        tsms__buf_add_z(text, after);
    }
}

static void write_message(tsms_buf *text, const tsms_twiml_message *message)
{
    tsms__buf_add_z(text, "<Message");
    add_attribute(text, " to=\"", message->to);
    add_attribute(text, " from=\"", message->from);
    add_attribute(text, " action=\"", message->action);
    add_attribute(text, " method=\"", message->method);
    add_attribute(text, " statusCallback=\"", message->status_callback);
    tsms__buf_add_char(text, '>');
    add_element(text, "<Body>", message->body, "</Body>");
    for (size_t i = 0; i < message->media_count; i++) {
        add_element(text, "<Media>", message->media[i], "</Media>");
    }
    tsms__buf_add_z(text, "</Message>");
}

/* Takes the end mark away, and answers where it was. */
static size_t open_end(tsms_twiml *twiml)
{
    return twiml->text.len -= END.len;
}

/* Puts the end mark back. Without memory for what was written before it, there is still room for it
 * where it was. */
static tsms_status close_end(tsms_twiml *twiml, size_t start, tsms_error *err)
{
    tsms_buf *text = &twiml->text;
    tsms__buf_add(text, END);
    if (!text->failed) {
        twiml->count++;
        return TSMS_OK;
    }
    text->failed = false;
    text->len = start;
    tsms__buf_add(text, END);
    return tsms__error_nomem(err);
}

tsms_status tsms_twiml_add_message(tsms_twiml *twiml, const tsms_twiml_message *message,
                                   tsms_error *err)
{
    tsms_twiml_message own = TSMS_TWIML_MESSAGE_INIT;
    if (message->size < sizeof own.size || message->size > sizeof own) {
        return REFUSE(err, "the message's size is not set: start from TSMS_TWIML_MESSAGE_INIT");
    }
    memcpy(&own, message, message->size);
    if (check_place(twiml, err) != TSMS_OK || check_addresses(&own, err) != TSMS_OK ||
        check_content(&own, err) != TSMS_OK || check_url("action", own.action, err) != TSMS_OK ||
        check_method(own.method, err) != TSMS_OK ||
        check_url("status_callback", own.status_callback, err) != TSMS_OK) {
        return TSMS_ERROR;
    }
    /* Until there is a redirect, which ends it, a document holds messages only. */
    if (twiml->count == MOST_MESSAGES) {
        return REFUSE(err, "Twilio sends at most %d messages in answer to one", MOST_MESSAGES);
    }
    size_t start = open_end(twiml);
    write_message(&twiml->text, &own);
    return close_end(twiml, start, err);
}

tsms_status tsms_twiml_add_redirect(tsms_twiml *twiml, tsms_str url, tsms_str method,
                                    tsms_error *err)
{
    if (url.len == 0) {
        return REFUSE(err, "a redirect needs a URL");
    }
    if (check_place(twiml, err) != TSMS_OK || check_url("url", url, err) != TSMS_OK ||
        check_method(method, err) != TSMS_OK) {
        return TSMS_ERROR;
    }
    size_t start = open_end(twiml);
    tsms__buf_add_z(&twiml->text, "<Redirect");
    add_attribute(&twiml->text, " method=\"", method);
    add_element(&twiml->text, ">", url, "</Redirect>");
    tsms_status status = close_end(twiml, start, err);
    twiml->redirected = status == TSMS_OK;
    return status;
}
