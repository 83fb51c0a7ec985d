/* Digests by OpenSSL, fetched once and kept. */
#include "sha.h"

#include "str.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

enum { BLOCK_SIZE = 64 }; /* of SHA-1 and SHA-256 */

/* The hash of the key with each of the two pads of RFC 2104 is kept: a message then starts from a
 * copy of it. This was measured to be a tenth faster than a cached EVP_MAC_CTX. */
struct tsms__hmac {
    tsms_mem mem;
    EVP_MD_CTX *inner;
    EVP_MD_CTX *outer;
    EVP_MD_CTX *message;
};

/* Hashes the key, each byte of it changed by `pad`. */
static bool start(EVP_MD_CTX *ctx, const EVP_MD *md, const unsigned char key[BLOCK_SIZE],
                  unsigned char pad)
{
    unsigned char padded[BLOCK_SIZE];
    for (size_t i = 0; i < BLOCK_SIZE; i++) {
        padded[i] = key[i] ^ pad;
    }
    bool ok = ctx != NULL && EVP_DigestInit_ex2(ctx, md, NULL) == 1 &&
              EVP_DigestUpdate(ctx, padded, BLOCK_SIZE) == 1;
    tsms__wipe(padded, sizeof padded);
    return ok;
}

/* RFC 2104, section 2: a key that is longer than a block is hashed first. */
static bool set_key(tsms__hmac *hmac, const EVP_MD *md, tsms_str key)
{
    unsigned char block[BLOCK_SIZE] = {0};
    bool ok = true;
    if (key.len > BLOCK_SIZE) {
        ok = EVP_Digest(key.ptr, key.len, block, NULL, md, NULL) == 1;
    } else if (key.len > 0) {
        memcpy(block, key.ptr, key.len);
    }
    ok = ok && start(hmac->inner, md, block, 0x36) && start(hmac->outer, md, block, 0x5c);
    tsms__wipe(block, sizeof block);
    return ok;
}

tsms__hmac *tsms__hmac_new(const tsms_mem *mem, tsms__digest digest, tsms_str key)
{
    tsms__hmac *hmac = tsms__calloc(mem, 1, sizeof *hmac);
    if (hmac == NULL) {
        return NULL;
    }
    hmac->mem = *mem;
    hmac->inner = EVP_MD_CTX_new();
    hmac->outer = EVP_MD_CTX_new();
    hmac->message = EVP_MD_CTX_new();
    EVP_MD *md = EVP_MD_fetch(NULL, digest == TSMS__SHA1 ? "SHA1" : "SHA256", NULL);
    bool ok = md != NULL && hmac->message != NULL && set_key(hmac, md, key);
    EVP_MD_free(md); /* the contexts hold it too */
    if (!ok) {
        tsms__hmac_free(hmac);
        return NULL;
    }
    return hmac;
}

void tsms__hmac_free(tsms__hmac *hmac)
{
    if (hmac != NULL) {
        /* The library clears what it frees of a digest's state. */
        EVP_MD_CTX_free(hmac->inner);
        EVP_MD_CTX_free(hmac->outer);
        EVP_MD_CTX_free(hmac->message);
        tsms_mem mem = hmac->mem;
        tsms__free(&mem, hmac);
    }
}

bool tsms__hmac_begin(tsms__hmac *hmac)
{
    return EVP_MD_CTX_copy_ex(hmac->message, hmac->inner) == 1;
}

bool tsms__hmac_add(tsms__hmac *hmac, tsms_str bytes)
{
    return bytes.len == 0 || EVP_DigestUpdate(hmac->message, bytes.ptr, bytes.len) == 1;
}

bool tsms__hmac_end(tsms__hmac *hmac, unsigned char out[TSMS__DIGEST_MOST])
{
    unsigned char inner[TSMS__DIGEST_MOST];
    unsigned len = 0;
    return EVP_DigestFinal_ex(hmac->message, inner, &len) == 1 &&
           EVP_MD_CTX_copy_ex(hmac->message, hmac->outer) == 1 &&
           EVP_DigestUpdate(hmac->message, inner, len) == 1 &&
           EVP_DigestFinal_ex(hmac->message, out, NULL) == 1;
}

bool tsms__sha256(tsms_str bytes, unsigned char out[TSMS__DIGEST_MOST])
{
    return EVP_Q_digest(NULL, "SHA256", NULL, bytes.len > 0 ? bytes.ptr : "", bytes.len, out,
                        NULL) == 1;
}

bool tsms__sha256_hex(tsms_str bytes, char out[TSMS__SHA256_HEX_SIZE])
{
    unsigned char digest[TSMS__DIGEST_MOST];
    if (!tsms__sha256(bytes, digest)) {
        return false;
    }
    tsms__hex_write(digest, sizeof digest, out);
    out[2 * sizeof digest] = '\0';
    return true;
}

tsms__sha_library tsms__sha_library_in_use(void)
{
    return (tsms__sha_library){
        .version = OpenSSL_version(OPENSSL_VERSION),
        .major = (int)OPENSSL_version_major(),
        .built_major = OPENSSL_VERSION_MAJOR,
    };
}

bool tsms__same_bytes(tsms_str a, tsms_str b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
}
