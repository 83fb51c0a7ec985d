/* Error names, and error text that is always one clean line without phone numbers. */
#include "err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *tsms_version(void)
{
    return TSMS_VERSION;
}

const char *tsms_category_name(tsms_category category)
{
    static const char *const names[] = {
#define X(id, name) name,
        TSMS_CATEGORIES(X)
#undef X
    };
    return (size_t)category < sizeof names / sizeof *names ? names[category] : "";
}

typedef struct kind_row {
    tsms_category category;
    const char *name;
    const char *type;
    bool retryable;
} kind_row;

#define CATEGORY_TEXT_NONE ""
#define CATEGORY_TEXT_CONFIGURATION "ConfigurationError."
#define CATEGORY_TEXT_AUTHENTICATION "AuthenticationError."
#define CATEGORY_TEXT_MESSAGE "MessageError."
#define CATEGORY_TEXT_RATE_LIMIT "RateLimitError."
#define CATEGORY_TEXT_WEBHOOK "WebhookError."
#define CATEGORY_TEXT_NETWORK "NetworkError."
#define CATEGORY_TEXT_SERVER "ServerError."

static const kind_row kinds[] = {
#define X(id, category, name, retryable, text)                                                     \
    {TSMS_CATEGORY_##category, name, CATEGORY_TEXT_##category name, retryable},
    TSMS_KINDS(X)
#undef X
};

static const kind_row *kind_find(tsms_kind kind)
{
    return &kinds[(unsigned)kind < TSMS_KIND_COUNT ? kind : TSMS_KIND_NONE];
}

const char *tsms_kind_name(tsms_kind kind)
{
    return kind_find(kind)->name;
}

const char *tsms_kind_type(tsms_kind kind)
{
    return kind_find(kind)->type;
}

tsms_category tsms_kind_category(tsms_kind kind)
{
    return kind_find(kind)->category;
}

tsms_kind tsms_kind_from_name(tsms_str name)
{
    for (int i = TSMS_KIND_NONE + 1; i < TSMS_KIND_COUNT; i++) {
        if (tsms__str_eq_z(name, kinds[i].name) || tsms__str_eq_z(name, kinds[i].type)) {
            return (tsms_kind)i;
        }
    }
    return TSMS_KIND_NONE;
}

const char *tsms_outcome_name(tsms_outcome outcome)
{
    static const char *const names[] = {
#define X(id, name) name,
        TSMS_OUTCOMES(X)
#undef X
    };
    return (size_t)outcome < sizeof names / sizeof *names ? names[outcome] : "";
}

void tsms__error_clear(tsms_error *err)
{
    if (err != NULL) {
        *err = (tsms_error){.retry_after_ms = -1};
    }
}

tsms_status tsms__error_set(tsms_error *err, tsms_kind kind, const char *format, ...)
{
    if (err == NULL) {
        return TSMS_ERROR;
    }
    /* The arguments may lie in *err, when an error's text is wrapped in another's. */
    char text[2 * sizeof err->message];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    tsms__error_clear(err);
    err->kind = kind;
    err->category = kind_find(kind)->category;
    err->retryable = kind_find(kind)->retryable;
    if (n > 0) {
        size_t len = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
        tsms__error_text(err->message, sizeof err->message, (tsms_str){text, len});
    }
    return TSMS_ERROR;
}

tsms_status tsms__error_nomem(tsms_error *err)
{
    tsms__error_set(err, TSMS_KIND_TEMPORARILY_UNAVAILABLE, "out of memory");
    return TSMS_NOMEM;
}

/* Unicode's control characters and its line and paragraph separators: what could end a line or
 * drive a terminal. */
static bool is_control(uint32_t code_point)
{
    return code_point < 0x20 || (code_point >= 0x7F && code_point <= 0x9F) ||
           code_point == 0x2028 || code_point == 0x2029;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* A plus sign, as it is or percent-encoded. */
static bool is_plus_before(tsms_str text, size_t pos)
{
    if (pos > 0 && text.ptr[pos - 1] == '+') {
        return true;
    }
    const char *code = pos >= 3 ? text.ptr + pos - 3 : "...";
    return code[0] == '%' && code[1] == '2' && (code[2] == 'B' || code[2] == 'b');
}

/* How many digits of a phone number start at pos, 0 when there is none: 7 or more behind a '+', 10
 * or more that stand alone (so no part of a sid, and longer than any count or time of ours). */
static size_t number_length(tsms_str text, size_t pos)
{
    bool plus = is_plus_before(text, pos);
    if (!plus && pos > 0 && is_word(text.ptr[pos - 1])) {
        return 0;
    }
    size_t n = 0;
    while (pos + n < text.len && is_digit(text.ptr[pos + n])) {
        n++;
    }
    bool alone = pos + n == text.len || !is_word(text.ptr[pos + n]);
    return n >= 7 && (plus || (n >= 10 && alone)) ? n : 0;
}

/* One word that begins with a letter, as a sid does: none of its digits stand alone. */
static bool is_id(tsms_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_word(text.ptr[i])) {
            return false;
        }
    }
    return text.len > 0 && !is_digit(text.ptr[0]);
}

void tsms__error_text(char *field, size_t size, tsms_str text)
{
    if (text.len < size && is_id(text)) { /* as it is; most texts are, and each send has some */
        memcpy(field, text.ptr, text.len);
        field[text.len] = '\0';
        return;
    }
    size_t out = 0;
    size_t pos = 0;
    size_t masked_until = 0;
    while (pos < text.len) {
        size_t start = pos;
        uint32_t code_point;
        const char *from = text.ptr + pos;
        size_t n = 1;
        if (!tsms__utf8_next(text, &pos, &code_point)) {
            from = "?";
            pos = start + 1;
            code_point = '?';
        } else if (is_control(code_point)) {
            from = " ";
        } else {
            n = pos - start;
        }
        if (start < masked_until) {
            from = "*";
        } else if (is_digit(text.ptr[start])) {
            /* Keep one digit and the last two, as the numbers in logs are shown. */
            size_t digits = number_length(text, start);
            masked_until = digits > 0 ? start + digits - 2 : masked_until;
        }
        if (out + n >= size) {
            break;
        }
        memcpy(field + out, from, n);
        out += n;
    }
    field[out] = '\0';
}
