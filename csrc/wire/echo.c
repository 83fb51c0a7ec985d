/* Keeps what a server says back of a request out of errors and logs: a proxy's page may show its
 * headers, and Twilio's sentences quote parameters. */
#include "echo.h"

#include <string.h>

#include "../base/err.h"
#include "authorization.h"
#include "form.h"

enum {
    SECRET_LEAST = 8, /* bytes in a row that no sentence has by chance */
    TEXT_LEAST = 24,  /* more than the words that a message and a sentence about it share */
    END_LEAST = 6,    /* where an error's text was cut off, and less than that is no secret */
};

/* Whether a byte of an error's text stands for one of the request: control characters became spaces
 * there, and digits of numbers stars, which must not save what is around them. */
static bool is_same(char shown, char sent)
{
    return shown == sent || (shown == ' ' && (unsigned char)sent < ' ') ||
           (shown == '*' && sent >= '0' && sent <= '9');
}

/* How much of two texts is the same from their beginnings on, of at most so many bytes. */
static size_t common_length(const char *shown, tsms_str sent, size_t most)
{
    size_t n = 0;
    while (n < most && n < sent.len && shown[n] != '\0' && is_same(shown[n], sent.ptr[n])) {
        n++;
    }
    return n;
}

static bool is_inside_character(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* Whole characters only, so that what stays is UTF-8. */
static void cover(char *text, size_t from, size_t to)
{
    while (from > 0 && is_inside_character(text[from])) {
        from--;
    }
    while (is_inside_character(text[to])) {
        to++;
    }
    memset(text + from, '*', to - from);
}

/* Test accounts and SIDs are rows of zeros, and so may be the token of a simulator. */
static bool is_one_sign(const char *text, size_t len)
{
    size_t n = 1;
    while (n < len && text[n] != '\0' && text[n] == text[0]) {
        n++;
    }
    return n >= len || text[n] == '\0';
}

/* Stars that stand for any digits tell nothing without what is around the number. */
static bool is_masked_number(const char *text, size_t len)
{
    size_t n = 0;
    while (n < len && (text[n] == '*' || (text[n] >= '0' && text[n] <= '9'))) {
        n++;
    }
    return n == len && memchr(text, '*', len) != NULL;
}

/* Where a text and a secret are the same. */
typedef struct match {
    size_t from, to; /* in the text; to == from: nowhere */
} match;

/* The longest match at a place of a text. Where nothing matches it compares `least` bytes with each
 * place of the secret and no more, so that no server can make it slow. */
static match match_at(const char *text, size_t at, bool is_cut, tsms_str secret, size_t least)
{
    match longest = {at, at};
    for (size_t j = 0; j < secret.len; j++) {
        tsms_str rest = {secret.ptr + j, secret.len - j};
        size_t n = common_length(text + at, rest, least);
        bool is_end = is_cut && n >= END_LEAST && text[at + n] == '\0';
        if (n < least && !is_end) {
            continue;
        }
        n = common_length(text + at, rest, rest.len);
        if (at + n > longest.to && !is_masked_number(text + at, n)) {
            longest = (match){at, at + n};
            for (size_t k = j;
                 longest.from > 0 && k > 0 && is_same(text[longest.from - 1], secret.ptr[k - 1]);
                 k--) {
                longest.from--;
            }
        }
    }
    return longest;
}

/* Covers what a text has in common with the secret: `least` bytes or more. */
static void hide_in(char *text, size_t size, tsms_str secret, size_t least)
{
    enum { CHARACTER_MOST = 4 };
    if (secret.len < END_LEAST) {
        return;
    }
    bool is_cut = strlen(text) + CHARACTER_MOST >= size;
    least = least < secret.len ? least : secret.len;
    for (size_t i = 0; text[i] != '\0';) {
        match found = {i, i};
        if (!is_one_sign(text + i, least)) {
            found = match_at(text, i, is_cut, secret, least);
        }
        if (found.to > i) {
            cover(text, found.from, found.to);
        }
        i = found.to > i ? found.to : i + 1;
    }
}

/* A text that ends in NUL, in a place of so many bytes. */
typedef struct place {
    char *text;
    size_t size;
} place;

static void hide(const place *places, size_t count, tsms_str secret, size_t least)
{
    for (size_t i = 0; i < count; i++) {
        hide_in(places[i].text, places[i].size, secret, least);
    }
}

/* What stands behind the name of a field, as it is on the wire. */
static tsms_str raw_value(tsms_str field)
{
    const char *equals = memchr(field.ptr, '=', field.len);
    size_t skipped = equals != NULL ? (size_t)(equals - field.ptr) + 1 : field.len;
    size_t end = field.len > skipped && field.ptr[field.len - 1] == '&' ? field.len - 1 : field.len;
    return (tsms_str){field.ptr + skipped, end - skipped};
}

/* False without memory. */
static bool hide_message(const place *places, size_t count, const tsms_config *config,
                         tsms_str form)
{
    tsms_buf name;
    tsms_buf value;
    tsms__buf_init(&name, &config->mem);
    tsms__buf_init(&value, &config->mem);
    tsms_str rest = form;
    while (tsms__form_next(&rest, &name, &value)) {
        tsms_str field = tsms__buf_str(&name);
        if (tsms__str_eq(field, TSMS__STR("Body")) ||
            tsms__str_eq(field, TSMS__STR("ContentVariables"))) {
            tsms_str text = tsms__buf_str(&value);
            tsms_str raw = raw_value((tsms_str){form.ptr, form.len - rest.len});
            hide(places, count, text, TEXT_LEAST);
            if (!tsms__str_eq(raw, text)) {
                hide(places, count, raw, TEXT_LEAST);
            }
        }
        form = rest;
    }
    bool is_whole = !name.failed && !value.failed;
    tsms__buf_free(&name);
    tsms__buf_free(&value);
    return is_whole;
}

/* False without memory. */
static bool hide_authorization(const place *places, size_t count, const tsms_config *config)
{
    const tsms_str scheme = TSMS__STR("Authorization: Basic ");
    tsms__secret *authorization = tsms__authorization_new(config);
    if (authorization == NULL) {
        return false;
    }
    tsms_str header = tsms__secret_text(authorization);
    hide(places, count, (tsms_str){header.ptr + scheme.len, header.len - scheme.len}, SECRET_LEAST);
    tsms__secret_free(authorization);
    return true;
}

static void hide_all(const place *places, size_t count, const tsms_config *config, tsms_str form)
{
    hide(places, count, tsms__secret_text(config->auth_token), SECRET_LEAST);
    hide(places, count, tsms__secret_text(config->api_secret), SECRET_LEAST);
    bool is_safe =
        hide_authorization(places, count, config) && hide_message(places, count, config, form);
    for (size_t i = 0; !is_safe && i < count; i++) {
        places[i].text[0] = '\0'; /* without memory nothing is known to be safe */
    }
}

void tsms__echo_hide(tsms_error *err, const tsms_config *config, tsms_str form)
{
    const place places[] = {{err->message, sizeof err->message},
                            {err->more_info, sizeof err->more_info},
                            {err->request_id, sizeof err->request_id}};
    hide_all(places, sizeof places / sizeof *places, config, form);
}

void tsms__echo_hide_text(char *text, size_t size, const tsms_config *config, tsms_str form)
{
    hide_all(&(place){text, size}, 1, config, form);
}
