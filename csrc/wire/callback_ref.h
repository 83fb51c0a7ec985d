/* The signed, expiring reference in the status callback URLs that we set: "ref=id.expiry.mac".
 *
 * Twilio signs its callbacks, but puts neither a time nor a reference of ours into them. The URL is
 * ours, and Twilio's signature covers it. */
#ifndef TSMS_WIRE_CALLBACK_REF_H
#define TSMS_WIRE_CALLBACK_REF_H

#include "../base/err.h"
#include "../base/sha.h"

enum { TSMS__REF_ID_MOST = 64 };

/* 1 to 64 of A-Z a-z 0-9 _ -. */
bool tsms__ref_is_id(tsms_str id);
/* Appends the URL with the reference as its last query parameter, before a fragment. key is an
 * HMAC-SHA256; the mac covers account, id and expiry. */
void tsms__ref_add(tsms_buf *out, tsms__hmac *key, tsms_str url, tsms_str account_sid, tsms_str id,
                   int64_t expires_s);

typedef enum tsms__ref_verdict {
    TSMS__REF_NONE, /* the URL has none */
    TSMS__REF_GOOD,
    TSMS__REF_EXPIRED, /* genuine, but too old */
    TSMS__REF_FORGED,  /* malformed, or another key's */
} tsms__ref_verdict;

/* Looks at the last query parameter "ref". *id views the URL for GOOD and EXPIRED. */
tsms__ref_verdict tsms__ref_check(tsms__hmac *key, tsms_str url, tsms_str account_sid,
                                  int64_t now_s, tsms_str *id);

#endif
