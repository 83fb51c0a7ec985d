/* wire/callback_ref.c: three bytes that say what to do, and a URL. What we have made is known
 * again, whatever the URL; what differs from it in one byte is not. */
#include "fuzz.h"

#include <string.h>

#include "wire/callback_ref.h"

#define ACCOUNT TSMS__STR("AC0123456789abcdef0123456789abcdef")
#define OTHER_ACCOUNT TSMS__STR("ACffffffffffffffffffffffffffffffff")

enum { EXPIRES_S = 1700604800, MAC_DIGITS = 32, CHOICES = 3 };

static const int64_t expires_most_s = 999999999999;

static tsms__hmac *key;

static tsms__ref_verdict look(tsms_str url, int64_t now_s, tsms__ref *ref)
{
    return tsms__ref_check(key, url, ACCOUNT, now_s, ref);
}

static void check_given(tsms_str url)
{
    tsms__ref ref;
    tsms__ref_verdict verdict = look(url, EXPIRES_S, &ref);
    if (verdict != TSMS__REF_GOOD && verdict != TSMS__REF_EXPIRED) {
        return;
    }
    CHECK(tsms__ref_is_id(ref.id) && ref.expires_s >= 0 && ref.expires_s <= expires_most_s);
    CHECK((verdict == TSMS__REF_GOOD) == (EXPIRES_S <= ref.expires_s));
    if (ref.span.ptr != NULL) {
        char traceparent[TSMS__TRACEPARENT_SIZE];
        tsms__ref_traceparent(ref.span, traceparent);
        CHECK(strlen(traceparent) == TSMS__TRACEPARENT_SIZE - 1);
    }
    CHECK(tsms__ref_check(key, url, OTHER_ACCOUNT, EXPIRES_S, &ref) == TSMS__REF_FORGED);
}

/* Any other byte at any place makes it a forgery. */
static void check_change(tsms_buf *url, size_t reference_len, const uint8_t choices[CHOICES])
{
    tsms__ref ref;
    CHECK(look(tsms__buf_str(url), EXPIRES_S, &ref) == TSMS__REF_GOOD);
    char *at = url->ptr + (ref.id.ptr - url->ptr) + choices[0] % reference_len;
    *at = (char)(*at ^ (choices[1] != 0 ? choices[1] : 1));
    CHECK(look(tsms__buf_str(url), EXPIRES_S, &ref) == TSMS__REF_FORGED);
}

static void check_made(tsms_str url, const uint8_t choices[CHOICES])
{
    static const char span[] = "0af7651916cd43dd8448eb211c80319cb7ad6b7169203331";
    tsms__ref made = {.id = TSMS__STR("order-17"), .expires_s = EXPIRES_S};
    if (choices[2] % 2 == 1) {
        made.span = tsms_str_from(span);
    }
    tsms_buf out;
    tsms__buf_init(&out, &tsms__mem_libc);
    tsms__ref_add(&out, key, url, ACCOUNT, &made);
    CHECK(!out.failed);
    tsms__ref ref;
    CHECK(look(tsms__buf_str(&out), EXPIRES_S, &ref) == TSMS__REF_GOOD);
    CHECK(tsms__str_eq(ref.id, made.id) && ref.expires_s == EXPIRES_S);
    CHECK(tsms__str_eq(ref.span, made.span));
    CHECK(look(tsms__buf_str(&out), EXPIRES_S + INT64_C(1), &ref) == TSMS__REF_EXPIRED);
    CHECK(tsms__ref_check(key, tsms__buf_str(&out), OTHER_ACCOUNT, EXPIRES_S, &ref) ==
          TSMS__REF_FORGED);
    size_t len = made.id.len + strlen(".1700604800.") + MAC_DIGITS;
    check_change(&out, made.span.len > 0 ? len + 1 + made.span.len : len, choices);
    tsms__buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (key == NULL) {
        key = tsms__hmac_new(&tsms__mem_libc, TSMS__SHA256, TSMS__STR("0123456789abcdef"));
        CHECK(key != NULL);
    }
    if (size >= CHOICES) {
        tsms_str url = {(const char *)data + CHOICES, size - CHOICES};
        check_given(url);
        check_made(url, data);
    }
    return 0;
}
