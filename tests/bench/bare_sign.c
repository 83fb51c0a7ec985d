/* What checking a signature costs without a library: one pass over the body, an insertion sort, a
 * cached EVP_MAC, base64, and a comparison. No input but the benchmark's is thought of. */
#define _GNU_SOURCE /* clock_gettime */
#include "sign_bench.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

enum { FIELDS_MOST = 64 };

typedef struct field {
    const char *name;
    size_t name_len;
    const char *value;
    size_t value_len;
} field;

typedef struct program {
    char body[BENCH_BODY_MOST];
    size_t body_len;
    char signature[29];
    EVP_MAC_CTX *mac;
    EVP_MD *sha1;
    EVP_MD_CTX *md;
    unsigned char text[BENCH_BODY_MOST]; /* what is signed */
    size_t text_len;
} program;

static int hex_value(char c)
{
    return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

static size_t parse(const char *body, size_t len, char *to, field *fields)
{
    size_t count = 0;
    const char *end = body + len;
    for (const char *at = body; at < end; at++) {
        field *one = &fields[count++];
        one->name = to;
        one->value = NULL;
        for (; at < end && *at != '&'; at++) {
            if (*at == '=' && one->value == NULL) {
                one->name_len = (size_t)(to - one->name);
                one->value = to;
            } else if (*at == '%') {
                *to++ = (char)(hex_value(at[1]) << 4 | hex_value(at[2]));
                at += 2;
            } else {
                *to++ = *at == '+' ? ' ' : *at;
            }
        }
        one->value_len = (size_t)(to - one->value);
    }
    return count;
}

static int comes_before(const field *a, const field *b)
{
    size_t shorter = a->name_len < b->name_len ? a->name_len : b->name_len;
    int order = memcmp(a->name, b->name, shorter);
    return order != 0 ? order < 0 : a->name_len < b->name_len;
}

static void sort(field *fields, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        field moved = fields[i];
        size_t gap = i;
        for (; gap > 0 && comes_before(&moved, &fields[gap - 1]); gap--) {
            fields[gap] = fields[gap - 1];
        }
        fields[gap] = moved;
    }
}

static size_t lay_out(const field *fields, size_t count, unsigned char *out)
{
    unsigned char *to = out;
    memcpy(to, BENCH_URL, sizeof BENCH_URL - 1);
    to += sizeof BENCH_URL - 1;
    for (size_t i = 0; i < count; i++) {
        memcpy(to, fields[i].name, fields[i].name_len);
        to += fields[i].name_len;
        memcpy(to, fields[i].value, fields[i].value_len);
        to += fields[i].value_len;
    }
    return (size_t)(to - out);
}

static void sign(program *p, char out[29])
{
    char decoded[BENCH_BODY_MOST];
    field fields[FIELDS_MOST];
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t len;
    size_t count = parse(p->body, p->body_len, decoded, fields);
    sort(fields, count);
    p->text_len = lay_out(fields, count, p->text);
    bench_must(EVP_MAC_init(p->mac, NULL, 0, NULL) == 1 &&
                   EVP_MAC_update(p->mac, p->text, p->text_len) == 1 &&
                   EVP_MAC_final(p->mac, digest, &len, sizeof digest) == 1,
               "EVP_MAC");
    EVP_EncodeBlock((unsigned char *)out, digest, 20);
}

static void validate(void *context)
{
    program *p = context;
    char made[29];
    sign(p, made);
    bench_must(CRYPTO_memcmp(made, p->signature, 28) == 0, "the signature");
}

static void hash(void *context)
{
    program *p = context;
    unsigned char digest[EVP_MAX_MD_SIZE];
    bench_must(EVP_DigestInit_ex2(p->md, p->sha1, NULL) == 1 &&
                   EVP_DigestUpdate(p->md, p->text, p->text_len) == 1 &&
                   EVP_DigestFinal_ex(p->md, digest, NULL) == 1,
               "EVP_Digest");
}

int main(int argc, char **argv)
{
    static program p;
    p.body_len = bench_body(argc > 1 ? argv[1] : NULL, p.body);
    char digest[] = "SHA1";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    p.mac = EVP_MAC_CTX_new(mac);
    p.sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    p.md = EVP_MD_CTX_new();
    bench_must(EVP_MAC_init(p.mac, (const unsigned char *)BENCH_TOKEN, sizeof BENCH_TOKEN - 1,
                            params) == 1,
               "EVP_MAC_init");
    sign(&p, p.signature);
    double good_ns = bench_median_ns(validate, &p);
    printf("program=bare_sign signed_bytes=%zu signature=%s good_ns=%.1f sha1_ns=%.1f\n",
           p.text_len, p.signature, good_ns, bench_median_ns(hash, &p));
    EVP_MD_CTX_free(p.md);
    EVP_MD_free(p.sha1);
    EVP_MAC_CTX_free(p.mac);
    EVP_MAC_free(mac);
    return EXIT_SUCCESS;
}
