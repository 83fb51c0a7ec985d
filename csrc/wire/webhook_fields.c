/* Types the parameters of a genuine request, each held against its shape
 * (https://www.twilio.com/docs/messaging/guides/webhook-request,
 * https://www.twilio.com/docs/messaging/guides/track-outbound-message-status). */
#include "webhook.h"

#include <string.h>

#include "recut.h"
#include "request.h"

/* What a request says once, if at all. */
#define KNOWN(X)                                                                                   \
    X(MessageSid)                                                                                  \
    X(SmsSid)                                                                                      \
    X(SmsMessageSid)                                                                               \
    X(AccountSid)                                                                                  \
    X(MessagingServiceSid)                                                                         \
    X(From)                                                                                        \
    X(To)                                                                                          \
    X(Body)                                                                                        \
    X(NumMedia)                                                                                    \
    X(NumSegments)                                                                                 \
    X(SmsStatus)                                                                                   \
    X(MessageStatus)                                                                               \
    X(OptOutType)                                                                                  \
    X(ErrorCode)                                                                                   \
    X(ErrorMessage)                                                                                \
    X(ErrorUrl)                                                                                    \
    X(RawDlrDoneDate)                                                                              \
    X(ApiVersion)

typedef enum known {
#define X(name) KNOWN_##name,
    KNOWN(X)
#undef X
        KNOWN_COUNT
} known;

static const tsms_str known_names[] = {
#define X(name) {#name, sizeof #name - 1},
    KNOWN(X)
#undef X
};

enum {
    MEDIA_MOST = 64, /* a message has at most 10; one bit for each */
    ADDRESS_MOST = 255,
    WORD_MOST = 40,
};

/* Absent and empty values, which mean the same, are absent; `came` tells them apart. */
typedef struct known_values {
    tsms_str of[KNOWN_COUNT];
    bool came[KNOWN_COUNT];
} known_values;

static tsms_status refuse(tsms_error *err, tsms_kind kind, tsms_str name, const char *text)
{
    tsms_status status =
        tsms__error_set(err, kind, "the parameter %.*s %s", (int)name.len, name.ptr, text);
    if (err != NULL) {
        err->http_status = 400;
    }
    return status;
}

static tsms_status malformed(tsms_error *err, known which, const char *text)
{
    return refuse(err, TSMS_KIND_PAYLOAD_PARSE_ERROR, known_names[which], text);
}

bool tsms__webhook_is_text(tsms_str text)
{
    return tsms__utf8_valid(text) && (text.len == 0 || memchr(text.ptr, '\0', text.len) == NULL);
}

static tsms_status collect(const tsms__fields *fields, known_values *out, tsms_error *err)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < fields->count; i++) {
        const tsms_param *field = &fields->items[i];
        if (!tsms__webhook_is_text(field->name) || !tsms__webhook_is_text(field->value)) {
            return refuse(err, TSMS_KIND_PAYLOAD_PARSE_ERROR, TSMS__STR("list"),
                          "is not UTF-8 or holds a zero byte");
        }
        if (tsms__recut_in(field->name) ||
            (!tsms__recut_is_free(field->name) && tsms__recut_in(field->value))) {
            return refuse(err, TSMS_KIND_PAYLOAD_PARSE_ERROR, TSMS__STR("list"),
                          "was cut anew: a value holds another parameter");
        }
        for (size_t k = 0; k < KNOWN_COUNT; k++) {
            if (!tsms__str_eq(field->name, known_names[k])) {
                continue;
            }
            if (out->came[k]) {
                return malformed(err, (known)k, "came twice");
            }
            out->came[k] = true;
            if (field->value.len > 0) {
                out->of[k] = field->value;
            }
            break;
        }
    }
    return TSMS_OK;
}

/* ---- Shapes -------------------------------------------------------------------------------- */

static bool all_of(tsms_str text, const char *low_high)
{
    for (size_t i = 0; i < text.len; i++) {
        bool good = false;
        for (const char *range = low_high; *range != '\0' && !good; range += 2) {
            good = text.ptr[i] >= range[0] && text.ptr[i] <= range[1];
        }
        if (!good) {
            return false;
        }
    }
    return true;
}

/* Numbers, short codes, names and addresses of other channels ("whatsapp:+1..."). */
static bool is_address(tsms_str text)
{
    size_t start = text.len;
    while (start > 0 && text.ptr[start - 1] != ':') {
        start--;
    }
    tsms_str tail = {text.ptr + start, text.len - start};
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c == 0x7F) {
            return false;
        }
    }
    if (text.len > ADDRESS_MOST || tail.len == 0) {
        return false;
    }
    return tail.ptr[0] != '+' ||
           (tail.len > 1 && all_of((tsms_str){tail.ptr + 1, tail.len - 1}, "09"));
}

static bool is_version(tsms_str text)
{
    return text.len == 10 && text.ptr[4] == '-' && text.ptr[7] == '-' && all_of(text, "09--");
}

static bool is_word(tsms_str text, const char *letters)
{
    return text.len <= WORD_MOST && all_of(text, letters);
}

static bool to_count(tsms_str text, int *out)
{
    int64_t value = 0;
    if (text.len > 9 || !all_of(text, "09") || (text.len > 0 && !tsms__str_to_int(text, &value))) {
        return false;
    }
    *out = (int)value;
    return true;
}

static tsms_status take_count(const known_values *values, known which, int *out, tsms_error *err)
{
    return to_count(values->of[which], out) ? TSMS_OK : malformed(err, which, "is no number");
}

static tsms_status take_address(const known_values *values, known which, tsms_str *out,
                                tsms_error *err)
{
    *out = values->of[which];
    return out->ptr == NULL || is_address(*out) ? TSMS_OK : malformed(err, which, "is no address");
}

/* The message has one SID under up to three names. */
static tsms_status take_sid(const known_values *values, tsms_str *out, tsms_error *err)
{
    static const known names[] = {KNOWN_MessageSid, KNOWN_SmsSid, KNOWN_SmsMessageSid};
    *out = (tsms_str){NULL, 0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        tsms_str sid = values->of[names[i]];
        if (sid.ptr == NULL) {
            continue;
        }
        if (!tsms__sid_is_message(sid)) {
            return malformed(err, names[i], "is no SID of a message");
        }
        if (out->ptr != NULL && !tsms__str_eq(*out, sid)) {
            return malformed(err, names[i], "names another message than MessageSid");
        }
        *out = sid;
    }
    return TSMS_OK;
}

static tsms_status require(const known_values *values, const known *names, size_t count,
                           tsms_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (values->of[names[i]].ptr == NULL) {
            return refuse(err, TSMS_KIND_MISSING_FIELDS, known_names[names[i]], "is missing");
        }
    }
    return TSMS_OK;
}

/* What inbound messages and status callbacks have in common. */
static tsms_status type_message(const known_values *values, tsms_webhook_info *out, tsms_error *err)
{
    tsms_status status = take_sid(values, &out->message_sid, err);
    if (status != TSMS_OK) {
        return status;
    }
    if (out->message_sid.ptr == NULL) {
        return refuse(err, TSMS_KIND_MISSING_FIELDS, known_names[KNOWN_MessageSid], "is missing");
    }
    static const known always[] = {KNOWN_AccountSid};
    status = require(values, always, 1, err);
    if (status != TSMS_OK) {
        return status;
    }
    out->messaging_service_sid = values->of[KNOWN_MessagingServiceSid];
    if (out->messaging_service_sid.ptr != NULL && !tsms__sid_is(out->messaging_service_sid, "MG")) {
        return malformed(err, KNOWN_MessagingServiceSid, "is no SID of a messaging service");
    }
    if (values->of[KNOWN_ApiVersion].ptr != NULL && !is_version(values->of[KNOWN_ApiVersion])) {
        return malformed(err, KNOWN_ApiVersion, "is no version");
    }
    status = take_address(values, KNOWN_From, &out->from, err);
    return status == TSMS_OK ? take_address(values, KNOWN_To, &out->to, err) : status;
}

/* ---- Inbound messages ---------------------------------------------------------------------- */

/* The index behind a prefix, as in "MediaUrl0"; -1 when there is none. */
static int index_behind(tsms_str name, tsms_str prefix)
{
    tsms_str digits = {name.ptr + prefix.len, name.len - prefix.len};
    int index = -1;
    bool padded = digits.len > 1 && digits.ptr[0] == '0';
    return digits.len > 0 && !padded && to_count(digits, &index) ? index : -1;
}

/* Each index below count, once; nothing else. All of them if they are `required`. */
static tsms_status check_media(const tsms__fields *fields, tsms_str prefix, int count,
                               bool required, tsms_error *err)
{
    uint64_t seen = 0;
    int found = 0;
    for (size_t i = 0; i < fields->count; i++) {
        const tsms_param *field = &fields->items[i];
        int index = tsms__str_starts(field->name, prefix) ? index_behind(field->name, prefix) : -1;
        if (index < 0) {
            continue;
        }
        if (index >= count || (seen >> index & 1) != 0) {
            return refuse(err, TSMS_KIND_PAYLOAD_PARSE_ERROR, prefix,
                          "came twice, or NumMedia does not count it");
        }
        seen |= UINT64_C(1) << index;
        found += field->value.len > 0;
    }
    return !required || found == count
               ? TSMS_OK
               : refuse(err, TSMS_KIND_MISSING_FIELDS, prefix, "is missing for some of NumMedia");
}

static tsms_status type_inbound(const tsms__fields *fields, const known_values *values,
                                tsms_webhook_info *out, tsms_error *err)
{
    static const known always[] = {KNOWN_From, KNOWN_To};
    tsms_status status = type_message(values, out, err);
    if (status == TSMS_OK) {
        status = require(values, always, 2, err);
    }
    /* It is sent even when it is empty; without this rule a cut could hide a "STOP". */
    if (status == TSMS_OK && !values->came[KNOWN_Body]) {
        status = refuse(err, TSMS_KIND_MISSING_FIELDS, known_names[KNOWN_Body], "is missing");
    }
    out->body = values->of[KNOWN_Body];
    out->opt_out_type = values->of[KNOWN_OptOutType];
    if (status == TSMS_OK && !is_word(out->opt_out_type, "AZ__")) {
        status = malformed(err, KNOWN_OptOutType, "is no word in capitals");
    }
    if (status == TSMS_OK) {
        status = take_count(values, KNOWN_NumSegments, &out->num_segments, err);
    }
    if (status == TSMS_OK) {
        status = take_count(values, KNOWN_NumMedia, &out->num_media, err);
    }
    if (status == TSMS_OK && out->num_media > MEDIA_MOST) {
        status = malformed(err, KNOWN_NumMedia, "is more than a message can have");
    }
    if (status == TSMS_OK) {
        status = check_media(fields, TSMS__STR("MediaUrl"), out->num_media, true, err);
    }
    if (status == TSMS_OK) {
        status = check_media(fields, TSMS__STR("MediaContentType"), out->num_media, false, err);
    }
    /* Only the fallback URL is told these, about the first one. */
    out->fallback_error_url = values->of[KNOWN_ErrorUrl];
    return status == TSMS_OK ? take_count(values, KNOWN_ErrorCode, &out->fallback_error_code, err)
                             : status;
}

/* ---- Status callbacks ---------------------------------------------------------------------- */

static tsms_status type_status(const known_values *values, tsms_webhook_info *out, tsms_error *err)
{
    tsms_status status = type_message(values, out, err);
    if (status != TSMS_OK) {
        return status;
    }
    tsms_str old_name = values->of[KNOWN_SmsStatus];
    out->status = values->of[KNOWN_MessageStatus];
    out->status = out->status.ptr != NULL ? out->status : old_name;
    if (out->status.ptr == NULL) {
        return refuse(err, TSMS_KIND_MISSING_FIELDS, known_names[KNOWN_MessageStatus],
                      "is missing");
    }
    if (!is_word(out->status, "az__--")) {
        return malformed(err, KNOWN_MessageStatus, "is no status");
    }
    if (old_name.ptr != NULL && !tsms__str_eq(out->status, old_name)) {
        return malformed(err, KNOWN_SmsStatus, "is not what MessageStatus says");
    }
    out->status_id = tsms_message_status_from(out->status);
    out->error_message = values->of[KNOWN_ErrorMessage];
    out->raw_dlr_done_date = values->of[KNOWN_RawDlrDoneDate];
    if (!is_word(out->raw_dlr_done_date, "09")) {
        return malformed(err, KNOWN_RawDlrDoneDate, "is no date");
    }
    return take_count(values, KNOWN_ErrorCode, &out->error_code, err);
}

/* ---- Telling them apart -------------------------------------------------------------------- */

/* A Body alone is no mark: events of conversations have one, too. */
static bool is_inbound(const known_values *values)
{
    const bool *came = values->came;
    if (tsms__str_eq_z(values->of[KNOWN_SmsStatus], "received")) {
        return true;
    }
    return !came[KNOWN_MessageStatus] &&
           (came[KNOWN_NumMedia] || (came[KNOWN_Body] && (came[KNOWN_From] || came[KNOWN_SmsSid] ||
                                                          came[KNOWN_SmsMessageSid])));
}

tsms_status tsms__webhook_type_fields(const tsms__fields *fields, tsms_webhook_info *out,
                                      tsms_error *err)
{
    known_values values;
    tsms_status status = collect(fields, &values, err);
    if (status != TSMS_OK) {
        return status;
    }
    if (is_inbound(&values)) {
        out->type = TSMS_WEBHOOK_INBOUND;
        return type_inbound(fields, &values, out, err);
    }
    if (values.came[KNOWN_MessageStatus] || values.came[KNOWN_SmsStatus]) {
        out->type = TSMS_WEBHOOK_STATUS;
        return type_status(&values, out, err);
    }
    out->type = TSMS_WEBHOOK_UNKNOWN;
    return TSMS_OK;
}
