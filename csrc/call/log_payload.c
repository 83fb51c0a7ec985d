/* Whole requests and answers, made unreadable. What is known to be no text of a person is shown,
 * without numbers; of everything else only how long it is. */
#include <string.h>

#include "../base/json_text.h"
#include "../wire/echo.h"
#include "../wire/form.h"
#include "client.h"
#include "log.h"

enum {
    TEXT_MOST = 8192, /* bytes of one text of an answer; no line has more */
    /* Bytes of an answer that are searched for what it says back. A line shows fewer, but a server
     * may send much that is cut out of it: searching takes time. */
    SEARCHED_MOST = 2 * TEXT_MOST,
};

typedef enum shown {
    SHOWN_LENGTH, /* unless texts are shown */
    SHOWN_TEXT,
    SHOWN_ADDRESS,
    SHOWN_URL,  /* up to its query */
    SHOWN_HOST, /* of a URL: the path of an attachment is a secret of who knows it */
} shown;

/* The parameters of Twilio's create call, and the fields of its answers
 * (https://www.twilio.com/docs/messaging/api/message-resource). */
static const struct {
    const char *name;
    shown as;
} known[] = {
    {"To", SHOWN_ADDRESS},
    {"From", SHOWN_ADDRESS},
    {"FallbackFrom", SHOWN_ADDRESS},
    {"MediaUrl", SHOWN_HOST},
    {"StatusCallback", SHOWN_URL},
    {"MessagingServiceSid", SHOWN_TEXT},
    {"ContentSid", SHOWN_TEXT},
    {"ApplicationSid", SHOWN_TEXT},
    {"SendAt", SHOWN_TEXT},
    {"ScheduleType", SHOWN_TEXT},
    {"ValidityPeriod", SHOWN_TEXT},
    {"MaxPrice", SHOWN_TEXT},
    {"ProvideFeedback", SHOWN_TEXT},
    {"Attempt", SHOWN_TEXT},
    {"ForceDelivery", SHOWN_TEXT},
    {"ContentRetention", SHOWN_TEXT},
    {"AddressRetention", SHOWN_TEXT},
    {"SmartEncoded", SHOWN_TEXT},
    {"TrafficType", SHOWN_TEXT},
    {"ShortenUrls", SHOWN_TEXT},
    {"SendAsMms", SHOWN_TEXT},
    {"RiskCheck", SHOWN_TEXT},
    {"MessageIntent", SHOWN_TEXT},
    {"Outcome", SHOWN_TEXT},
    {"Status", SHOWN_TEXT},
    {"to", SHOWN_ADDRESS},
    {"from", SHOWN_ADDRESS},
    {"sid", SHOWN_TEXT},
    {"account_sid", SHOWN_TEXT},
    {"parent_sid", SHOWN_TEXT},
    {"message_sid", SHOWN_TEXT},
    {"messaging_service_sid", SHOWN_TEXT},
    {"status", SHOWN_TEXT},
    {"direction", SHOWN_TEXT},
    {"api_version", SHOWN_TEXT},
    {"num_segments", SHOWN_TEXT},
    {"num_media", SHOWN_TEXT},
    {"price", SHOWN_TEXT},
    {"price_unit", SHOWN_TEXT},
    {"date_created", SHOWN_TEXT},
    {"date_updated", SHOWN_TEXT},
    {"date_sent", SHOWN_TEXT},
    {"content_type", SHOWN_TEXT},
    {"outcome", SHOWN_TEXT},
    {"error_message", SHOWN_TEXT},
    {"message", SHOWN_TEXT},
    {"uri", SHOWN_URL},
    {"media", SHOWN_URL},
    {"feedback", SHOWN_URL},
    {"more_info", SHOWN_URL},
    {"first_page_uri", SHOWN_URL},
    {"next_page_uri", SHOWN_URL},
    {"previous_page_uri", SHOWN_URL},
};

static shown shown_as(tsms_str name)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (tsms__str_eq_z(name, known[i].name)) {
            return known[i].as;
        }
    }
    return SHOWN_LENGTH;
}

/* Where a payload goes, and what of a request an answer may say back. */
typedef struct payload {
    tsms_log *log;
    tsms__line *line;
    const tsms_config *config; /* NULL: it is no answer */
    tsms_str form;
    size_t searched;
} payload;

/* ---- Values -------------------------------------------------------------------------------- */

/* Where the first of any of these characters is; the length when there is none. */
static size_t find(tsms_str text, size_t from, const char *any)
{
    while (from < text.len && (text.ptr[from] == '\0' || strchr(any, text.ptr[from]) == NULL)) {
        from++;
    }
    return from;
}

static tsms_str part(tsms_str text, size_t from, size_t to)
{
    return (tsms_str){text.ptr + from, to - from};
}

/* A URL, or a path, without credentials, without the values of its query, and for `host_only`
 * without its path. */
static void add_url(tsms__line *line, tsms_str url, bool host_only)
{
    size_t host = 0;
    for (size_t i = 0; i + 2 < url.len && host == 0; i++) {
        host = url.ptr[i] == ':' && url.ptr[i + 1] == '/' && url.ptr[i + 2] == '/' ? i + 3 : 0;
    }
    size_t query = find(url, 0, "?#");
    host = host <= query ? host : 0;
    size_t path = host > 0 ? find(url, host, "/?#") : 0;
    size_t at = path;
    while (at > host && url.ptr[at - 1] != '@') {
        at--;
    }
    tsms__line_add(line, part(url, 0, host));
    tsms__line_add(line, part(url, at, path));
    if (!host_only) {
        tsms__line_add(line, part(url, path, query));
    }
    if (query < url.len || (host_only && path < url.len)) {
        tsms__line_add(line, host_only ? TSMS__STR("/<cut>") : TSMS__STR("?<cut>"));
    }
}

static void add_length(tsms__line *line, tsms_str text)
{
    size_t characters = tsms__utf8_length(text);
    /* At most six digits, so that it does not pass for a number. */
    char digits[8];
    size_t n = sizeof digits - 1;
    characters = characters < 999999 ? characters : 999999;
    do {
        digits[n--] = (char)('0' + characters % 10);
        characters /= 10;
    } while (characters > 0);
    tsms__line_add(line, TSMS__STR("<"));
    tsms__line_add(line, (tsms_str){digits + n + 1, sizeof digits - 1 - n});
    tsms__line_add(line, TSMS__STR(" characters>"));
}

/* Replaces the text of an answer by what may be shown of it, which room holds; false when too much
 * was searched already. */
static bool hide_echo(payload *to, tsms_str *text, char *room, size_t size)
{
    if (to->config == NULL || text->len == 0) {
        return true;
    }
    size_t len = text->len < size ? text->len : size - 1;
    if (len > SEARCHED_MOST - to->searched) {
        return false;
    }
    to->searched += len;
    memcpy(room, text->ptr, len);
    room[len] = '\0';
    tsms__echo_hide_text(room, size, to->config, to->form);
    *text = tsms_str_from(room);
    return true;
}

static void add_text(payload *to, tsms_str text)
{
    char room[TEXT_MOST];
    if (hide_echo(to, &text, room, sizeof room)) {
        tsms__line_add(to->line, text);
    } else {
        add_length(to->line, text);
    }
}

static void add_value(payload *to, tsms_str name, tsms_str value)
{
    tsms__line *line = to->line;
    char room[TEXT_MOST];
    shown as = shown_as(name);
    bool is_text = as == SHOWN_TEXT || (as == SHOWN_LENGTH && tsms__log_shows_bodies(to->log));
    if ((as == SHOWN_LENGTH && !is_text) || !hide_echo(to, &value, room, sizeof room)) {
        add_length(line, value);
    } else if (as == SHOWN_ADDRESS) {
        tsms__line_add_address(line, value);
    } else if (is_text) {
        tsms__line_add(line, value);
    } else {
        add_url(line, value, as == SHOWN_HOST);
    }
}

/* The buffers held texts of messages. */
static void wipe(tsms_buf *buf)
{
    if (buf->ptr != NULL) {
        tsms__wipe(buf->ptr, buf->cap);
    }
    tsms__buf_free(buf);
}

/* ---- Forms --------------------------------------------------------------------------------- */

static void add_form(payload *to, tsms_str form)
{
    tsms__line *line = to->line;
    tsms_buf name;
    tsms_buf value;
    tsms__buf_init(&name, &tsms__mem_libc);
    tsms__buf_init(&value, &tsms__mem_libc);
    bool first = true;
    while (tsms__form_next(&form, &name, &value)) {
        if (!first) {
            tsms__line_add(line, TSMS__STR("&"));
        }
        first = false;
        tsms__line_add(line, tsms__buf_str(&name));
        tsms__line_add(line, TSMS__STR("="));
        add_value(to, tsms__buf_str(&name), tsms__buf_str(&value));
    }
    wipe(&name);
    wipe(&value);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void decode(tsms_buf *out, tsms_str raw)
{
    char space[4];
    tsms__buf_clear(out);
    for (tsms_str piece; (piece = tsms__json_take_piece(&raw, space)).ptr != NULL;) {
        tsms__buf_add(out, piece);
    }
}

/* A string, which is a name when a colon follows. False when there is none. */
static bool add_string(payload *to, tsms_str *rest, tsms_buf *name, tsms_buf *value)
{
    tsms_str raw;
    if (!tsms__json_take_string(rest, &raw)) {
        return false;
    }
    tsms_str behind = *rest;
    tsms__json_skip_space(&behind);
    bool is_name = behind.len > 0 && behind.ptr[0] == ':';
    decode(is_name ? name : value, raw);
    tsms__line_add(to->line, TSMS__STR("\""));
    if (is_name) {
        add_text(to, tsms__buf_str(name));
    } else {
        add_value(to, tsms__buf_str(name), tsms__buf_str(value));
    }
    tsms__line_add(to->line, TSMS__STR("\""));
    return !name->failed && !value->failed;
}

/* One piece of what stands between strings. */
static bool add_other(tsms__line *line, tsms_str *rest)
{
    static const char structure[] = "{}[]:,";
    tsms_str number = tsms__json_take_number(rest);
    if (number.ptr != NULL) {
        tsms__line_add(line, number);
        return true;
    }
    tsms_str literals[] = {TSMS__STR("true"), TSMS__STR("false"), TSMS__STR("null")};
    for (size_t i = 0; i < sizeof literals / sizeof *literals; i++) {
        if (tsms__str_starts(*rest, literals[i])) {
            tsms__line_add(line, literals[i]);
            *rest = part(*rest, literals[i].len, rest->len);
            return true;
        }
    }
    if (find(part(*rest, 0, 1), 0, structure) == 1) {
        return false;
    }
    tsms__line_add(line, part(*rest, 0, 1));
    *rest = part(*rest, 1, rest->len);
    return true;
}

/* What is no JSON may be anything: from there on only its length is shown. */
static void add_json(payload *to, tsms_str rest)
{
    tsms__line *line = to->line;
    tsms_buf name;
    tsms_buf value;
    tsms__buf_init(&name, &tsms__mem_libc);
    tsms__buf_init(&value, &tsms__mem_libc);
    bool good = true;
    tsms__json_skip_space(&rest);
    while (good && rest.len > 0 && !line->cut) {
        good = rest.ptr[0] == '"' ? add_string(to, &rest, &name, &value) : add_other(line, &rest);
        tsms__json_skip_space(&rest);
    }
    if (!good) {
        add_value(to, TSMS__STR(""), rest);
    }
    wipe(&name);
    wipe(&value);
}

/* ---- Lines --------------------------------------------------------------------------------- */

static void put_call(tsms__line *line, const tsms__call *call)
{
    tsms__line_int(line, TSMS__KEY_CALL_ID, (int64_t)(call->id % INT64_MAX));
    tsms__line_word(line, TSMS__KEY_OPERATION, tsms_str_from(tsms_operation_name(call->operation)));
    tsms__line_int(line, TSMS__KEY_ATTEMPT, call->attempts);
}

/* What libcurl says of a broken answer may quote it. */
static void put_fault(tsms__line *line, const tsms_config *config, const tsms__call *call,
                      tsms_str text)
{
    tsms_error err = {.kind = TSMS_KIND_NONE};
    tsms__error_text(err.message, sizeof err.message, text);
    tsms__echo_hide(&err, config, tsms__buf_str(&call->form));
    tsms__line_text(line, TSMS__KEY_MESSAGE, tsms_str_from(err.message));
}

void tsms__log_request(tsms_log *log, const tsms__call *call, tsms__now now)
{
    bool has_form = tsms__client_method(call) == TSMS__POST;
    tsms__line *line =
        has_form ? tsms__log_begin(log, TSMS__LOG_REQUEST_PAYLOAD, now.wall_ms) : NULL;
    if (line != NULL) {
        put_call(line, call);
        tsms__line_open(line, TSMS__KEY_BODY);
        add_form(&(payload){.log = log, .line = line}, tsms__buf_str(&call->form));
        tsms__line_close(line);
        tsms__log_end(log);
    }
}

void tsms__log_response(tsms_log *log, const tsms_config *config, const tsms__call *call,
                        const tsms__transfer *transfer, tsms__now now)
{
    tsms__line *line = tsms__log_begin(log, TSMS__LOG_RESPONSE_PAYLOAD, now.wall_ms);
    if (line != NULL) {
        put_call(line, call);
        tsms__line_int(line, TSMS__KEY_HTTP_STATUS, transfer->response.http_status);
        put_fault(line, config, call, transfer->fault_text);
        tsms__line_open(line, TSMS__KEY_BODY);
        tsms_str form = tsms__buf_str(&call->form);
        add_json(&(payload){.log = log,
                            .line = line,
                            .config = config,
                            .form = tsms__log_shows_bodies(log) ? (tsms_str){NULL, 0} : form},
                 transfer->response.body);
        tsms__line_close(line);
        tsms__log_end(log);
    }
}
