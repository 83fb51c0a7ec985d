/* The signed, expiring reference in the status callback URLs that we set: "ref=id.expiry.mac", or
 * "ref=id.expiry.span.mac" of a message whose sending is traced.
 *
 * Twilio signs its callbacks, but puts neither a time nor a reference of ours into them. The URL is
 * ours, and Twilio's signature covers it. */
#ifndef TSMS_WIRE_CALLBACK_REF_H
#define TSMS_WIRE_CALLBACK_REF_H

#include "../base/err.h"
#include "../base/sha.h"

enum {
    TSMS__REF_ID_MOST = 64,
    TSMS__REF_SPAN_SIZE = 49,    /* 32 hex digits of the trace, 16 of the span, and a NUL */
    TSMS__TRACEPARENT_SIZE = 56, /* with its NUL */
};

/* 1 to 64 of A-Z a-z 0-9 _ -. */
bool tsms__ref_is_id(tsms_str id);
/* What a reference says. */
typedef struct tsms__ref {
    tsms_str id;
    int64_t expires_s;
    tsms_str span; /* 48 lower-case hex digits; absent: none */
} tsms__ref;

/* Appends the URL with the reference as its last query parameter, before a fragment. key is an
 * HMAC-SHA256; the mac covers the account and all that the reference says. */
void tsms__ref_add(tsms_buf *out, tsms__hmac *key, tsms_str url, tsms_str account_sid,
                   const tsms__ref *ref);
/* The span as the traceparent of what follows from it (W3C Trace Context), ending in NUL. */
void tsms__ref_traceparent(tsms_str span, char out[TSMS__TRACEPARENT_SIZE]);

typedef enum tsms__ref_verdict {
    TSMS__REF_NONE, /* the URL has none */
    TSMS__REF_GOOD,
    TSMS__REF_EXPIRED, /* genuine, but too old */
    TSMS__REF_FORGED,  /* malformed, or another key's */
} tsms__ref_verdict;

/* Looks at the last query parameter "ref". For GOOD and EXPIRED *ref is what it says; its texts
 * view the URL. */
tsms__ref_verdict tsms__ref_check(tsms__hmac *key, tsms_str url, tsms_str account_sid,
                                  int64_t now_s, tsms__ref *ref);

#endif
