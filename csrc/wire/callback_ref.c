/* Makes and checks the references in status callback URLs. */
#include "callback_ref.h"

#include <stdio.h>
#include <string.h>

/* Half of the digest, which RFC 2104, section 5, holds for the least that should be kept. */
enum { MAC_BYTES = 16, MAC_DIGITS = 2 * MAC_BYTES, EXPIRY_DIGITS = 12 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool tsms__ref_is_id(tsms_str id)
{
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        if (!is_digit(c) && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '_' &&
            c != '-') {
            return false;
        }
    }
    return id.len > 0 && id.len <= TSMS__REF_ID_MOST;
}

/* No part holds the point between them, so no two different references look the same. */
static bool make_mac(tsms__hmac *key, tsms_str account_sid, tsms_str parts, char out[MAC_DIGITS])
{
    unsigned char digest[TSMS__DIGEST_MOST];
    if (!tsms__hmac_begin(key) || !tsms__hmac_add(key, account_sid) ||
        !tsms__hmac_add(key, TSMS__STR(".")) || !tsms__hmac_add(key, parts) ||
        !tsms__hmac_end(key, digest)) {
        return false;
    }
    tsms__hex_write(digest, MAC_BYTES, out);
    return true;
}

/* What is before `mark`, or all of it; *rest is what stands behind the mark, absent without one. */
static tsms_str cut_at(tsms_str text, char mark, tsms_str *rest)
{
    const char *at = text.len > 0 ? memchr(text.ptr, mark, text.len) : NULL;
    if (at == NULL) {
        *rest = (tsms_str){NULL, 0};
        return text;
    }
    size_t len = (size_t)(at - text.ptr);
    *rest = (tsms_str){at + 1, text.len - len - 1};
    return (tsms_str){text.ptr, len};
}

void tsms__ref_add(tsms_buf *out, tsms__hmac *key, tsms_str url, tsms_str account_sid,
                   const tsms__ref *ref)
{
    tsms_str fragment;
    tsms_str query;
    tsms_str before = cut_at(url, '#', &fragment);
    (void)cut_at(before, '?', &query);
    tsms__buf_add(out, before);
    if (query.ptr == NULL) {
        tsms__buf_add_char(out, '?');
    } else if (query.len > 0 && query.ptr[query.len - 1] != '&') {
        tsms__buf_add_char(out, '&');
    }
    tsms__buf_add(out, TSMS__STR("ref="));
    size_t from = out->len;
    tsms__buf_add(out, ref->id);
    tsms__buf_add_char(out, '.');
    tsms__buf_add_int(out, ref->expires_s);
    if (ref->span.len > 0) {
        tsms__buf_add_char(out, '.');
        tsms__buf_add(out, ref->span);
    }
    char mac[MAC_DIGITS];
    if (out->failed ||
        !make_mac(key, account_sid, (tsms_str){out->ptr + from, out->len - from}, mac)) {
        out->failed = true;
        return;
    }
    tsms__buf_add_char(out, '.');
    tsms__buf_add(out, (tsms_str){mac, sizeof mac});
    if (fragment.ptr != NULL) {
        tsms__buf_add_char(out, '#');
        tsms__buf_add(out, fragment);
    }
}

/* The value of the last parameter "ref"; false when there is none. */
static bool find_value(tsms_str url, tsms_str *value)
{
    tsms_str rest;
    tsms_str before = cut_at(url, '#', &rest);
    (void)cut_at(before, '?', &rest);
    bool found = false;
    while (rest.ptr != NULL) {
        tsms_str pair = cut_at(rest, '&', &rest);
        tsms_str text;
        if (tsms__str_eq(cut_at(pair, '=', &text), TSMS__STR("ref"))) {
            *value = text;
            found = true;
        }
    }
    return found;
}

static bool to_expiry(tsms_str text, int64_t *expires_s)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_digit(text.ptr[i])) {
            return false;
        }
    }
    return text.len <= EXPIRY_DIGITS && tsms__str_to_int(text, expires_s);
}

static bool is_span(tsms_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!is_digit(c) && !(c >= 'a' && c <= 'f')) {
            return false;
        }
    }
    return text.len == TSMS__REF_SPAN_SIZE - 1;
}

tsms__ref_verdict tsms__ref_check(tsms__hmac *key, tsms_str url, tsms_str account_sid,
                                  int64_t now_s, tsms__ref *ref)
{
    tsms_str value = {NULL, 0};
    tsms_str rest;
    tsms_str mac;
    char expected[MAC_DIGITS];
    if (!find_value(url, &value)) {
        return TSMS__REF_NONE;
    }
    *ref = (tsms__ref){.id = cut_at(value, '.', &rest)};
    tsms_str expiry = cut_at(rest, '.', &rest);
    tsms_str next = cut_at(rest, '.', &mac);
    if (mac.ptr != NULL) {
        ref->span = next;
    } else {
        mac = next;
    }
    tsms_str parts = {value.ptr, value.len - mac.len - 1};
    if (!tsms__ref_is_id(ref->id) || !to_expiry(expiry, &ref->expires_s) ||
        (ref->span.ptr != NULL && !is_span(ref->span)) ||
        !make_mac(key, account_sid, parts, expected) ||
        !tsms__same_bytes((tsms_str){expected, sizeof expected}, mac)) {
        return TSMS__REF_FORGED;
    }
    return now_s <= ref->expires_s ? TSMS__REF_GOOD : TSMS__REF_EXPIRED;
}

void tsms__ref_traceparent(tsms_str span, char out[TSMS__TRACEPARENT_SIZE])
{
    enum { TRACE = 32 };
    snprintf(out, TSMS__TRACEPARENT_SIZE, "00-%.*s-%.*s-01", TRACE, span.ptr,
             TSMS__REF_SPAN_SIZE - 1 - TRACE, span.ptr + TRACE);
}
