/* SHA and HMAC; the one file that sees the library of digests. */
#ifndef TSMS_BASE_SHA_H
#define TSMS_BASE_SHA_H

#include "mem.h"

typedef enum tsms__digest {
    TSMS__SHA1,   /* 20 bytes */
    TSMS__SHA256, /* 32 bytes */
} tsms__digest;

enum { TSMS__DIGEST_MOST = 32, TSMS__SHA256_HEX_SIZE = 65 };

/* An HMAC (RFC 2104) whose key was set up once: a message costs no set-up of the key. */
typedef struct tsms__hmac tsms__hmac;

/* Wipes what it knows of the key when it is freed. NULL without memory. */
tsms__hmac *tsms__hmac_new(const tsms_mem *mem, tsms__digest digest, tsms_str key);
void tsms__hmac_free(tsms__hmac *hmac);
/* The three steps of one message. `end` writes as many bytes as the digest has. False when the
 * library fails, which only happens without memory; the next `begin` starts afresh. */
bool tsms__hmac_begin(tsms__hmac *hmac);
bool tsms__hmac_add(tsms__hmac *hmac, tsms_str bytes);
bool tsms__hmac_end(tsms__hmac *hmac, unsigned char out[TSMS__DIGEST_MOST]);

/* False without memory. */
bool tsms__sha256(tsms_str bytes, unsigned char out[TSMS__DIGEST_MOST]);
/* The same as 64 lower-case hex digits and a NUL. */
bool tsms__sha256_hex(tsms_str bytes, char out[TSMS__SHA256_HEX_SIZE]);
/* The library that does it: what it says of itself, its major version, and that of its headers when
 * this was compiled. */
typedef struct tsms__sha_library {
    const char *version; /* such as "OpenSSL 3.0.17 1 Jul 2025"; lives as long as the program */
    int major, built_major;
} tsms__sha_library;

tsms__sha_library tsms__sha_library_in_use(void);
/* Whether a and b are the same, in a time that depends on their lengths only. */
bool tsms__same_bytes(tsms_str a, tsms_str b);

#endif
