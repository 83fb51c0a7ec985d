/* Makes a typed error of a bad answer, whatever its body is. */
#include "response.h"

#include "../config/url.h"
#include "date.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum {
    MOST_JSON_BYTES = 65536, /* an error's JSON has hundreds; nothing larger is parsed */
    MOST_HTML_BYTES = 4096,  /* where a title is looked for */
    MOST_LINE_BYTES = 100,   /* of a plain body */
    MOST_WAIT_S = 86400,
};

static tsms_str text_of(const tsms__json *document, const char *name)
{
    return tsms__str_trim(tsms__json_text(tsms__json_get(document, name)));
}

/* 0 when there is none: absent, null, no integer. */
static int code_of(const tsms__json *document)
{
    int64_t code;
    if (!tsms__json_int(tsms__json_get(document, "code"), &code) || code < 1 || code > INT_MAX) {
        return 0;
    }
    return (int)code;
}

/* What an HTTP status says on its own; NONE when it only says "no". 401 doubts who asks, 403 what
 * they may do (RFC 9110 sections 15.5.2 and 15.5.4). 408 is the server's time-out. A gateway's 502
 * and 504 mean, as 503 does, that the server behind it is away for now. */
static tsms_kind kind_of_status(int status)
{
    switch (status) {
    case 401:
        return TSMS_KIND_INVALID_CREDENTIALS;
    case 403:
        return TSMS_KIND_ACCOUNT_SUSPENDED;
    case 408:
        return TSMS_KIND_TIMEOUT;
    case 429:
        return TSMS_KIND_ACCOUNT_RATE_LIMITED;
    case 502:
    case 503:
    case 504:
        return TSMS_KIND_SERVICE_UNAVAILABLE;
    default:
        return status >= 400 && status <= 499 ? TSMS_KIND_NONE : TSMS_KIND_INTERNAL_ERROR;
    }
}

/* Decides kind and `retryable`: the code's row, then the status, then the code's range. A 429 was
 * never processed (https://www.twilio.com/docs/api/errors/20429), so it is a rate limit unless the
 * user gave its code another meaning. */
static void classify(int status, const tsms__code *code, bool known, tsms_error *err)
{
    bool sure = known && !code->guessed;
    bool overridden = sure && code->meaning[0] == '\0';
    tsms_kind kind = sure ? code->kind : kind_of_status(status);
    if (kind == TSMS_KIND_NONE) {
        kind = known ? code->kind : TSMS_KIND_INVALID_REQUEST;
    }
    if (status == 429 && !overridden && tsms_kind_category(kind) != TSMS_CATEGORY_RATE_LIMIT) {
        kind = TSMS_KIND_ACCOUNT_RATE_LIMITED;
        sure = false;
    }
    tsms__error_set(err, kind, "%s", "");
    if (sure) {
        err->retryable = code->retryable;
    } else if (status < 400) {
        err->retryable = false; /* what answers there is not the API, and will not become it */
    }
}

/* The text of the first <title>, absent when there is none near the beginning. */
static tsms_str html_title(tsms_str page)
{
    const tsms_str tag = TSMS__STR("<title>");
    if (page.len > MOST_HTML_BYTES) {
        page.len = MOST_HTML_BYTES;
    }
    for (size_t i = 0; i + tag.len < page.len; i++) {
        if (tsms__str_eq_nocase((tsms_str){page.ptr + i, tag.len}, tag)) {
            tsms_str title = {page.ptr + i + tag.len, 0};
            size_t left = page.len - i - tag.len;
            while (title.len < left && title.ptr[title.len] != '<') {
                title.len++;
            }
            return tsms__str_trim(title);
        }
    }
    return (tsms_str){NULL, 0};
}

/* The first line of a body, when it reads like a proxy's sentence: short, and without digits or
 * marks in which an echoed request could hide. Absent when it does not. */
static tsms_str plain_line(tsms_str body)
{
    tsms_str line = {body.ptr, 0};
    size_t digits = 0;
    while (line.len < body.len && body.ptr[line.len] != '\n' && body.ptr[line.len] != '\r') {
        char c = body.ptr[line.len++];
        bool is_digit = c >= '0' && c <= '9';
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        digits = is_digit ? digits + 1 : 0;
        if (line.len > MOST_LINE_BYTES || digits > 4 ||
            (!is_letter && !is_digit && (c == '\0' || strchr(" .,:;'()/-_!?", c) == NULL))) {
            return (tsms_str){NULL, 0};
        }
    }
    return line;
}

static void add_text(tsms_error *err, tsms_str text)
{
    size_t used = strlen(err->message);
    tsms__error_text(err->message + used, sizeof err->message - used, text);
}

static void add_status(tsms_error *err)
{
    char text[32];
    snprintf(text, sizeof text, "HTTP %d", err->http_status);
    add_text(err, tsms_str_from(text));
}

/* For a body that has no message for us. */
static void describe(const tsms__response *response, tsms_error *err)
{
    tsms_str body = tsms__str_trim(response->body);
    const char *what = " with a body that is no text";
    tsms_str quote = {NULL, 0};
    if (body.len == 0) {
        what = " with an empty body";
    } else if (tsms__str_starts(body, TSMS__STR("<?xml"))) {
        what = " with an XML body";
    } else if (body.ptr[0] == '<') {
        what = " with an HTML page";
        quote = html_title(body);
    } else if (body.ptr[0] == '{' || body.ptr[0] == '[') {
        what = response->complete ? " with JSON that has no readable message"
                                  : " with JSON that was cut off";
    } else if (plain_line(body).len > 0) {
        what = "";
        quote = plain_line(body);
    }
    add_status(err);
    if (err->http_status >= 300 && err->http_status <= 399) {
        add_text(err, TSMS__STR(", an unexpected redirect,"));
    }
    add_text(err, tsms_str_from(what));
    if (quote.len > 0) {
        add_text(err, TSMS__STR(": "));
        add_text(err, quote);
    }
}

/* Twilio's own sentence; one without a code is somebody else's, and says where it comes from. A 401
 * has a `detail` beside its "Authenticate". */
static void quote_message(tsms_str message, tsms_str detail, tsms_error *err)
{
    if (err->api_code == 0) {
        add_status(err);
        add_text(err, TSMS__STR(": "));
    }
    add_text(err, message);
    if (detail.len > 0) {
        add_text(err, TSMS__STR(": "));
        add_text(err, detail);
    }
}

/* What Twilio's links are made of; more could hide a number or a text that was sent. */
static bool is_plain_link(tsms_str link)
{
    for (size_t i = 0; i < link.len; i++) {
        char c = link.ptr[i];
        bool is_word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_word && (c == '\0' || strchr(":/._#-", c) == NULL)) {
            return false;
        }
    }
    return true;
}

/* Half a link, or no link, is worse than none. */
static void copy_link(tsms_str link, tsms_error *err)
{
    tsms__url url;
    if (link.len < sizeof err->more_info && is_plain_link(link) && tsms__url_parse(link, &url) &&
        (tsms__str_eq_nocase(url.scheme, TSMS__STR("https")) ||
         tsms__str_eq_nocase(url.scheme, TSMS__STR("http")))) {
        tsms__error_text(err->more_info, sizeof err->more_info, link);
    }
}

void tsms__response_error(const tsms__response *response, const tsms__code_override *overrides,
                          size_t override_count, tsms_error *err)
{
    bool parsed = response->body.len <= MOST_JSON_BYTES;
    tsms__json *document = parsed ? tsms__json_parse(response->body) : NULL;
    int api_code = code_of(document);
    tsms__code code = {0};
    bool known = api_code != 0 && tsms__code_find(api_code, overrides, override_count, &code);
    classify(response->http_status, &code, known, err);
    err->api_code = api_code;
    err->http_status = response->http_status;
    err->retry_after_ms = tsms__retry_after_ms(response->retry_after, response->date);
    tsms__error_text(err->request_id, sizeof err->request_id, response->request_id);
    copy_link(text_of(document, "more_info"), err);
    tsms_str message = text_of(document, "message");
    if (message.len > 0) {
        quote_message(message, text_of(document, "detail"), err);
    } else if (known && code.meaning[0] != '\0') {
        add_text(err, tsms_str_from(code.meaning));
    } else {
        describe(response, err);
    }
    tsms__json_free(document);
}

int64_t tsms__retry_after_ms(tsms_str retry_after, tsms_str date)
{
    tsms_str text = tsms__str_trim(retry_after);
    int64_t wait_s = 0;
    size_t digits = 0;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9') {
        digits++;
    }
    if (digits > 0 && digits == text.len) {
        if (!tsms__str_to_int(text, &wait_s)) {
            wait_s = MOST_WAIT_S; /* digits alone only fail when they are too many */
        }
    } else {
        int64_t until_s;
        int64_t now_s;
        if (!tsms__date_from_rfc2822(text, &until_s)) {
            return -1;
        }
        if (tsms__date_from_rfc2822(tsms__str_trim(date), &now_s) && until_s > now_s) {
            wait_s = until_s - now_s;
        }
    }
    return (wait_s < MOST_WAIT_S ? wait_s : MOST_WAIT_S) * 1000;
}
