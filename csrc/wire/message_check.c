/* Finds what is wrong with a message before it costs a request. */
#include "../base/json.h"
#include "../config/url.h"
#include "callback_ref.h"
#include "message.h"
#include "phone.h"
#include "request.h"

#include <string.h>

/* https://www.twilio.com/docs/messaging/api/message-resource and, for send_at, error 35114: the
 * stricter of the two minima that Twilio documents. */
enum {
    MOST_CHARACTERS = 1600,
    MOST_MEDIA = 10,
    MOST_VALIDITY_S = 36000,
    LEAST_AHEAD_S = 15 * 60,
    MOST_AHEAD_S = 35 * 24 * 60 * 60,
};

#define REFUSE(err, ...) tsms__error_set(err, TSMS_KIND_INVALID_REQUEST, __VA_ARGS__)

/* UTF-8 without NUL. */
static bool is_clean(tsms_str text)
{
    if (text.ptr == NULL) {
        return text.len == 0;
    }
    size_t pos = 0;
    while (pos < text.len) {
        unsigned char c = (unsigned char)text.ptr[pos];
        uint32_t code_point;
        if (c > 0 && c < 0x80) {
            pos++;
        } else if (c == 0 || !tsms__utf8_next(text, &pos, &code_point)) {
            return false;
        }
    }
    return true;
}

static size_t count_characters(tsms_str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
    }
    return count;
}

static tsms_kind kind_for(const tsms__param *param)
{
    switch (param->offset) {
    case offsetof(tsms_message_options, to):
        return TSMS_KIND_INVALID_RECIPIENT;
    case offsetof(tsms_message_options, from):
        return TSMS_KIND_INVALID_SENDER;
    default:
        return TSMS_KIND_INVALID_REQUEST;
    }
}

static tsms_status check_list(const tsms__param *param, const tsms_str *items, size_t count,
                              tsms_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (items == NULL || items[i].len == 0 || !is_clean(items[i])) {
            return REFUSE(err, "%s: element %zu is empty or no UTF-8", param->name, i + 1);
        }
    }
    return TSMS_OK;
}

/* What holds for every parameter of a type. */
static tsms_status check_types(const tsms_message_options *message, tsms_error *err)
{
    size_t count;
    const tsms__param *params = tsms__params(&count);
    for (const tsms__param *param = params; param < params + count; param++) {
        const void *field = (const char *)message + param->offset;
        if (param->type == TSMS__PARAM_STR && !is_clean(*(const tsms_str *)field)) {
            return tsms__error_set(err, kind_for(param), "%s is not UTF-8, or contains a NUL",
                                   param->name);
        }
        if (param->type == TSMS__PARAM_TOGGLE &&
            (unsigned)*(const tsms_toggle *)field > TSMS_FALSE) {
            return REFUSE(err, "%s is neither TSMS_TRUE nor TSMS_FALSE", param->name);
        }
        if (param->type == TSMS__PARAM_LIST) {
            const void *items = (const char *)message + param->count_offset;
            if (check_list(param, *(const tsms_str *const *)field, *(const size_t *)items, err) !=
                TSMS_OK) {
                return TSMS_ERROR;
            }
        }
    }
    return TSMS_OK;
}

static tsms_status check_addresses(const tsms_message_options *message, tsms_error *err)
{
    if (message->to.len == 0) {
        return tsms__error_set(err, TSMS_KIND_INVALID_RECIPIENT, "no recipient: set to");
    }
    tsms__address to = tsms__address_of(message->to);
    if (to != TSMS__ADDRESS_E164 && to != TSMS__ADDRESS_SIM && to != TSMS__ADDRESS_CHANNEL) {
        return tsms__error_set(err, TSMS_KIND_INVALID_RECIPIENT,
                               "to is not an E.164 number: '+', then 7 to 15 digits with the "
                               "country code first");
    }
    if (message->from.len == 0 && message->messaging_service_sid.len == 0) {
        return tsms__error_set(err, TSMS_KIND_INVALID_SENDER,
                               "no sender: set from or messaging_service_sid");
    }
    if (message->from.len > 0 && tsms__address_of(message->from) == TSMS__ADDRESS_INVALID) {
        return tsms__error_set(err, TSMS_KIND_INVALID_SENDER,
                               "from is no E.164 number, short code or alphanumeric sender ID");
    }
    if (message->fallback_from.len > 0 &&
        tsms__address_of(message->fallback_from) == TSMS__ADDRESS_INVALID) {
        return tsms__error_set(err, TSMS_KIND_INVALID_SENDER,
                               "fallback_from is no E.164 number, short code or alphanumeric "
                               "sender ID");
    }
    if (tsms__str_eq(message->to, message->from)) {
        return tsms__error_set(err, TSMS_KIND_INVALID_RECIPIENT, "to and from are the same");
    }
    return TSMS_OK;
}

static tsms_status check_sid(const char *name, tsms_str sid, const char *prefix, tsms_error *err)
{
    if (sid.len > 0 && !tsms__sid_is(sid, prefix)) {
        return REFUSE(err, "%s is not \"%s\" followed by 32 hex digits", name, prefix);
    }
    return TSMS_OK;
}

static bool is_web_url(tsms_str text, tsms__url *url)
{
    return tsms__url_parse(text, url) && (tsms__str_eq_nocase(url->scheme, TSMS__STR("https")) ||
                                          tsms__str_eq_nocase(url->scheme, TSMS__STR("http")));
}

/* Too many media are InvalidRequest and not MessageTooLong, as when Twilio finds them (21623):
 * their number is wrong, not their size. */
static tsms_status check_media(const tsms_message_options *message, tsms_error *err)
{
    if (message->media_count > MOST_MEDIA) {
        return REFUSE(err, "%zu media URLs; a message takes at most %d", message->media_count,
                      MOST_MEDIA);
    }
    for (size_t i = 0; i < message->media_count; i++) {
        tsms__url url;
        if (!is_web_url(message->media[i], &url)) {
            return REFUSE(err, "media URL %zu is not a percent-encoded http or https URL", i + 1);
        }
    }
    return TSMS_OK;
}

static tsms_status check_json_object(const char *name, tsms_str text, tsms_error *err)
{
    if (text.len == 0) {
        return TSMS_OK;
    }
    tsms__json *document = tsms__json_parse(text);
    bool is_object = tsms__json_type_of(document) == TSMS__JSON_OBJECT;
    tsms__json_free(document);
    return is_object ? TSMS_OK : REFUSE(err, "%s is not a JSON object", name);
}

static tsms_status check_content(const tsms_message_options *message, tsms_error *err)
{
    if (message->body.len == 0 && message->media_count == 0 && message->content_sid.len == 0) {
        return REFUSE(err, "nothing to send: set body, media or content_sid");
    }
    size_t characters = count_characters(message->body);
    if (characters > MOST_CHARACTERS) {
        return tsms__error_set(err, TSMS_KIND_MESSAGE_TOO_LONG,
                               "body has %zu characters; Twilio takes at most %d", characters,
                               MOST_CHARACTERS);
    }
    if (message->content_variables.len > 0 && message->content_sid.len == 0) {
        return REFUSE(err, "content_variables needs content_sid");
    }
    if (check_media(message, err) != TSMS_OK ||
        check_sid("content_sid", message->content_sid, "HX", err) != TSMS_OK) {
        return TSMS_ERROR;
    }
    return check_json_object("content_variables", message->content_variables, err);
}

/* Twilio refuses callback hosts with an underscore (error 21609). */
static tsms_status check_callback(tsms_str callback, tsms_error *err)
{
    tsms__url url;
    if (callback.len == 0) {
        return TSMS_OK;
    }
    if (callback.len > TSMS__CALLBACK_MOST) {
        return REFUSE(err, "status_callback has %zu characters; Twilio takes at most %d",
                      callback.len, TSMS__CALLBACK_MOST);
    }
    if (!is_web_url(callback, &url)) {
        return REFUSE(err, "status_callback is not a percent-encoded http or https URL");
    }
    if (memchr(url.host.ptr, '_', url.host.len) != NULL) {
        return REFUSE(err, "status_callback has an underscore in its host name, which Twilio "
                           "refuses");
    }
    return TSMS_OK;
}

static tsms_status check_callback_ref(const tsms_message_options *message, tsms_error *err)
{
    if (message->callback_ref.len == 0) {
        return TSMS_OK;
    }
    if (!tsms__ref_is_id(message->callback_ref)) {
        return REFUSE(err, "callback_ref is not 1 to %d of A-Z a-z 0-9 _ -", TSMS__REF_ID_MOST);
    }
    if (message->status_callback.len == 0) {
        return REFUSE(err, "callback_ref needs status_callback, the URL that carries it");
    }
    return TSMS_OK;
}

/* The second word may be NULL. */
static tsms_status check_word(const char *name, tsms_str value, const char *one, const char *other,
                              tsms_error *err)
{
    if (value.len == 0 || tsms__str_eq_z(value, one) ||
        (other != NULL && tsms__str_eq_z(value, other))) {
        return TSMS_OK;
    }
    return REFUSE(err, "%s is not \"%s\"%s%s%s", name, one, other != NULL ? " or \"" : "",
                  other != NULL ? other : "", other != NULL ? "\"" : "");
}

static bool is_decimal(tsms_str text)
{
    size_t digits = 0;
    size_t points = 0;
    for (size_t i = 0; i < text.len; i++) {
        points += text.ptr[i] == '.';
        digits += text.ptr[i] >= '0' && text.ptr[i] <= '9';
    }
    return digits > 0 && points <= 1 && digits + points == text.len;
}

static tsms_status check_options(const tsms_message_options *message, tsms_error *err)
{
    if (message->attempt < 0) {
        return REFUSE(err, "attempt is not 1 or more");
    }
    if (message->validity_period_s < 0 || message->validity_period_s > MOST_VALIDITY_S) {
        return REFUSE(err, "validity_period_s is not 1 to %d", MOST_VALIDITY_S);
    }
    if (message->max_price.len > 0 && !is_decimal(message->max_price)) {
        return REFUSE(err, "max_price is no decimal number");
    }
    if (message->shorten_urls == TSMS_TRUE && message->messaging_service_sid.len == 0) {
        return REFUSE(err, "shorten_urls needs messaging_service_sid");
    }
    const tsms_message_options *m = message;
    if (check_word("content_retention", m->content_retention, "retain", "discard", err) ||
        check_word("address_retention", m->address_retention, "retain", "obfuscate", err) ||
        check_word("traffic_type", m->traffic_type, "free", NULL, err) ||
        check_word("risk_check", m->risk_check, "enable", "disable", err)) {
        return TSMS_ERROR;
    }
    return check_json_object("tags", message->tags, err);
}

/* Without a service Twilio has been seen to drop the schedule and send at once ("Message Scheduling
 * FAQs and Beta Limitations", 2022; today error 35118): the one mistake here that a person would
 * notice at night. */
static tsms_status check_schedule(const tsms_message_options *message, int64_t wall_s,
                                  tsms_error *err)
{
    if (message->send_at == 0) {
        return TSMS_OK;
    }
    if (message->messaging_service_sid.len == 0) {
        return REFUSE(err, "send_at needs messaging_service_sid: without a service Twilio may "
                           "send at once");
    }
    if (message->send_at < wall_s + LEAST_AHEAD_S || message->send_at > wall_s + MOST_AHEAD_S) {
        bool soon = message->send_at < wall_s + LEAST_AHEAD_S;
        return REFUSE(err,
                      "send_at is too %s: Twilio schedules from 15 minutes to 35 days "
                      "ahead%s",
                      soon ? "soon" : "far", soon ? "; leave it away to send now" : "");
    }
    return TSMS_OK;
}

tsms_status tsms__message_check(const tsms_message_options *message, int64_t wall_s,
                                tsms_error *err)
{
    if (message->size != sizeof *message) {
        return REFUSE(err, "the message's size is wrong");
    }
    if (check_types(message, err) != TSMS_OK || check_addresses(message, err) != TSMS_OK ||
        check_sid("messaging_service_sid", message->messaging_service_sid, "MG", err) != TSMS_OK ||
        check_sid("application_sid", message->application_sid, "AP", err) != TSMS_OK ||
        check_content(message, err) != TSMS_OK ||
        check_callback(message->status_callback, err) != TSMS_OK ||
        check_callback_ref(message, err) != TSMS_OK || check_options(message, err) != TSMS_OK) {
        return TSMS_ERROR;
    }
    return check_schedule(message, wall_s, err);
}
