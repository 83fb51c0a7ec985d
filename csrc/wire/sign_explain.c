/* Tells in words what the check of a signature tried, and what would explain its failure. */
#include "sign.h"

#include <stdio.h>
#include <string.h>

enum { LINE_SIZE = 400 };

/* The text that is being written, cut to its size. */
typedef struct report {
    char *out;
    size_t size;
    size_t len;
} report;

static void add_line(report *to, const char *label, const char *text)
{
    const char *const parts[] = {label, ": ", text, "\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t len = strlen(parts[i]);
        size_t room = to->size - to->len - 1;
        len = len < room ? len : room;
        memcpy(to->out + to->len, parts[i], len);
        to->len += len;
    }
    to->out[to->len] = '\0';
}

static void add_count(report *to, const char *label, size_t count, const char *what)
{
    char line[80];
    snprintf(line, sizeof line, "%zu %s%s", count, what, count == 1 ? "" : "s");
    add_line(to, label, line);
}

/* ---- URLs, without what nobody should read in a log */

/* A phone number whose plus is percent-encoded: tsms__error_text knows the others. */
static size_t encoded_number(tsms_str text, size_t pos)
{
    if (text.len - pos < 3 || memcmp(text.ptr + pos, "%2", 2) != 0 ||
        (text.ptr[pos + 2] != 'B' && text.ptr[pos + 2] != 'b')) {
        return 0;
    }
    size_t end = pos + 3;
    while (end < text.len && text.ptr[end] >= '0' && text.ptr[end] <= '9') {
        end++;
    }
    return end - pos >= 3 + 7 ? end - pos : 0;
}

static void add_part(tsms_buf *out, tsms_str part)
{
    for (size_t i = 0; i < part.len;) {
        size_t number = encoded_number(part, i);
        if (number > 0) {
            tsms__buf_add_z(out, "...");
        } else {
            tsms__buf_add_char(out, part.ptr[i]);
        }
        i += number > 0 ? number : 1;
    }
}

/* Names stay, values and what may be one do not. */
static void add_query(tsms_buf *out, tsms_str query)
{
    bool in_name = true;
    size_t start = 0; /* of the piece */
    for (size_t i = 0; i <= query.len; i++) {
        bool ends = i == query.len || query.ptr[i] == '&';
        if (in_name && i < query.len && query.ptr[i] == '=') {
            add_part(out, (tsms_str){query.ptr + start, i + 1 - start});
            in_name = false;
            start = i + 1;
        } else if (ends) {
            tsms__buf_add_z(out, i > start ? "..." : "");
            tsms__buf_add_z(out, i < query.len ? "&" : "");
            in_name = true;
            start = i + 1;
        }
    }
}

static void add_url(report *to, tsms_str url)
{
    if (url.len == 0) {
        add_line(to, "tried", "an empty URL");
        return;
    }
    tsms_buf shown;
    tsms__buf_init(&shown, &tsms__mem_libc);
    tsms_str userinfo = tsms__url_userinfo(url);
    tsms_str query = tsms__url_query(url);
    size_t from = 0;
    if (userinfo.len > 0) {
        size_t at = (size_t)(userinfo.ptr - url.ptr);
        tsms__buf_add(&shown, (tsms_str){url.ptr, at});
        tsms__buf_add_z(&shown, "...");
        from = at + userinfo.len;
    }
    size_t path_end = query.ptr != NULL ? (size_t)(query.ptr - url.ptr) : url.len;
    add_part(&shown, (tsms_str){url.ptr + from, path_end - from});
    add_query(&shown, query);
    char line[LINE_SIZE];
    tsms__error_text(line, sizeof line, tsms__buf_str(&shown));
    add_line(to, "tried", shown.failed ? "out of memory" : line);
    tsms__buf_free(&shown);
}

static void add_spellings(report *to, tsms_str url)
{
    tsms__url_spelling spellings[TSMS__URL_SPELLINGS_MOST];
    size_t count = tsms__url_spellings(url, spellings);
    tsms_buf whole;
    tsms__buf_init(&whole, &tsms__mem_libc);
    for (size_t i = 0; i < count; i++) {
        tsms__buf_clear(&whole);
        for (size_t k = 0; k < TSMS__URL_PIECES_MOST; k++) {
            tsms__buf_add(&whole, spellings[i].pieces[k]);
        }
        add_url(to, tsms__buf_str(&whole));
    }
    tsms__buf_free(&whole);
}

/* ---- Hints */

/* What is checked against a URL; the body is left aside. */
typedef struct trial {
    tsms_signer *signer;
    tsms__fields *fields;
    tsms_str signature;
} trial;

static bool is_right(const trial *with, tsms_str url)
{
    return tsms__signer_check(with->signer, url, with->fields, (tsms_str){NULL, 0}, with->signature,
                              NULL) == TSMS_OK;
}

static void add_other_scheme(tsms_buf *out, tsms_str url)
{
    static const tsms_str schemes[] = {{"https://", 8}, {"http://", 7}};
    for (size_t i = 0; i < 2; i++) {
        tsms_str head = {url.ptr, schemes[i].len};
        if (url.len >= head.len && tsms__str_eq_nocase(head, schemes[i])) {
            tsms__buf_add(out, schemes[1 - i]);
            tsms__buf_add(out, (tsms_str){url.ptr + head.len, url.len - head.len});
            return;
        }
    }
}

static tsms_str without_query(tsms_str url)
{
    tsms_str query = tsms__url_query(url);
    return query.ptr != NULL ? (tsms_str){url.ptr, (size_t)(query.ptr - url.ptr) - 1} : url;
}

static void add_other_slash(tsms_buf *out, tsms_str url)
{
    tsms_str path = without_query(url);
    bool has = path.len > 0 && path.ptr[path.len - 1] == '/';
    tsms__buf_add(out, (tsms_str){path.ptr, path.len - has});
    tsms__buf_add_z(out, has ? "" : "/");
    tsms__buf_add(out, (tsms_str){url.ptr + path.len, url.len - path.len});
}

static void add_without_query(tsms_buf *out, tsms_str url)
{
    tsms__buf_add(out, without_query(url));
}

/* Tries the URLs that are often meant instead. */
static void add_url_hints(report *to, const trial *with, tsms_str url)
{
    static const struct {
        void (*change)(tsms_buf *out, tsms_str url);
        const char *hint;
    } changes[] = {
        {add_other_scheme, "it is right for the other of http and https: who ended TLS?"},
        {add_other_slash, "it is right with the slash at the path's end put or taken away"},
        {add_without_query, "it is right without the query"},
    };
    tsms_buf changed;
    tsms__buf_init(&changed, &tsms__mem_libc);
    for (size_t i = 0; url.len > 0 && i < sizeof changes / sizeof *changes; i++) {
        tsms__buf_clear(&changed);
        changes[i].change(&changed, url);
        if (!changed.failed && is_right(with, tsms__buf_str(&changed))) {
            add_line(to, "hint", changes[i].hint);
        }
    }
    tsms__buf_free(&changed);
}

static void add_hints(report *to, const trial *with, const trial *alone, const tsms_signed *request)
{
    tsms_str url = tsms__url_cut_fragment(request->url);
    if (request->signature.len == 0) {
        add_line(to, "hint", "the header X-Twilio-Signature is missing");
        return;
    }
    if (request->signature.len != TSMS_SIGNATURE_SIZE - 1) {
        add_line(to, "hint", "a signature has 28 characters; was it cut, decoded or put in hex?");
        return;
    }
    add_url_hints(to, with, url);
    if (with->fields->count > 0 && is_right(alone, url)) {
        add_line(to, "hint", "it is right for the URL alone, without parameters");
    }
    if (with->fields->count == 0) {
        add_line(to, "hint", "no parameters: if this was a POST, was its body read before?");
    }
    if (url.len < request->url.len) {
        add_line(to, "hint", "the URL has a fragment, which is never signed");
    }
    add_line(to, "hint", "is it the token of the request's AccountSid, and not an API key?");
}

/* ---- The whole */

static void add_parameters(report *to, const tsms_signed *request, const tsms__fields *fields)
{
    if (fields != NULL) {
        add_count(to, "parameters", fields->count,
                  request->params != NULL ? "given pair" : "form pair");
        return;
    }
    bool malformed;
    bool has_hash = tsms__url_body_sha256(request->url, &malformed).len > 0;
    add_line(to, "parameters", "none");
    add_count(to, "body", request->body.len, "byte");
    add_line(to, "bodySHA256",
             has_hash    ? "in the URL"
             : malformed ? "in the URL, but not 64 hex digits"
                         : "not in the URL");
}

void tsms_signer_explain(tsms_signer *signer, const tsms_signed *given, char *out, size_t size)
{
    tsms_signed own;
    const tsms_signed *request = &own;
    if (size == 0) {
        return;
    }
    report to = {out, size, 0};
    tsms_error err;
    tsms__fields *fields = NULL;
    out[0] = '\0';
    tsms_status status = tsms_signer_verify(signer, given, &err);
    add_line(&to, "verdict", status == TSMS_OK ? "good" : err.message);
    add_count(&to, "tokens", tsms__signer_count(signer), "token");
    if (!tsms__signed_copy(given, &own) ||
        tsms__signer_read(signer, request, &fields, NULL) != TSMS_OK) {
        return;
    }
    add_parameters(&to, request, fields);
    add_spellings(&to, request->url);
    tsms__fields none = {0};
    trial with = {signer, fields != NULL ? fields : &none, request->signature};
    trial alone = {signer, &none, request->signature};
    if (is_right(&with, request->url)) {
        add_line(&to, "signature", "right for the URL and its parameters");
    } else {
        add_hints(&to, &with, &alone, request);
    }
}
