/* The C API at the same work as bare_sign, from the raw body to a verdict; what a forged signature
 * costs, for each shape of URL; and the HMAC alone. */
#define _GNU_SOURCE /* clock_gettime */
#include "sign_bench.h"

#include "base/sha.h"
#include "wire/fields.h"

typedef struct program {
    tsms_signer *signer;
    tsms_signed request;
    tsms_status wanted;
    tsms__hmac *hmac;
    tsms_str text;
} program;

static void verify(void *context)
{
    program *p = context;
    bench_must(tsms_signer_verify(p->signer, &p->request, NULL) == p->wanted, "verify");
}

static void hash(void *context)
{
    program *p = context;
    unsigned char digest[TSMS__DIGEST_MOST];
    bench_must(tsms__hmac_begin(p->hmac) && tsms__hmac_add(p->hmac, p->text) &&
                   tsms__hmac_end(p->hmac, digest),
               "hmac");
}

/* Signs the request with signed_url, which the verifier must find among the spellings of url. */
static void sign(program *p, const tsms__fields *fields, const char *url, const char *signed_url,
                 char signature[TSMS_SIGNATURE_SIZE])
{
    p->request.url = tsms_str_from(url);
    bench_must(tsms_signer_sign(p->signer, tsms_str_from(signed_url), fields->items, fields->count,
                                signature, NULL) == TSMS_OK,
               "sign");
    p->request.signature = tsms_str_from(signature);
}

/* Prints what the good and a forged signature cost. */
static void measure(program *p, const char *name, char signature[TSMS_SIGNATURE_SIZE])
{
    p->wanted = TSMS_OK;
    printf(" %sgood_ns=%.1f", name, bench_median_ns(verify, p));
    signature[3] = signature[3] == 'A' ? 'B' : 'A';
    p->wanted = TSMS_ERROR;
    printf(" %sforged_ns=%.1f", name, bench_median_ns(verify, p));
}

int main(int argc, char **argv)
{
    /* The name of each shape of URL, as it is given, and as the likeliest sender signs it. */
    static const char *const shapes[][3] = {
        {"", BENCH_URL, BENCH_URL},
        {"port_", "https://hooks.example.com:8443/sms", "https://hooks.example.com:8443/sms"},
        {"userinfo_", "https://user:secret@hooks.example.com/sms", "https://hooks.example.com/sms"},
    };
    static char body[BENCH_BODY_MOST];
    program p = {.request = TSMS_SIGNED_INIT};
    p.request.body = (tsms_str){body, bench_body(argc > 1 ? argv[1] : NULL, body)};
    tsms__fields fields;
    tsms__fields_init(&fields, &tsms__mem_libc);
    bench_must(tsms__fields_read(&fields, p.request.body, 64) == TSMS__FIELDS_OK &&
                   tsms_signer_new(NULL, &p.signer, NULL) == TSMS_OK &&
                   tsms_signer_add(p.signer, tsms_str_from(BENCH_TOKEN), NULL) == TSMS_OK,
               "set up");
    char signature[TSMS_SIGNATURE_SIZE];
    sign(&p, &fields, shapes[0][1], shapes[0][2], signature);
    printf("program=sign_bench signature=%s", signature);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        sign(&p, &fields, shapes[i][1], shapes[i][2], signature);
        measure(&p, shapes[i][0], signature);
    }
    /* As many bytes as are signed: the decoded ones and the URL. */
    size_t signed_bytes = sizeof BENCH_URL - 1;
    for (size_t i = 0; i < fields.count; i++) {
        signed_bytes += fields.items[i].name.len + fields.items[i].value.len;
    }
    p.text = (tsms_str){body, signed_bytes};
    p.hmac = tsms__hmac_new(&tsms__mem_libc, TSMS__SHA1, tsms_str_from(BENCH_TOKEN));
    bench_must(p.hmac != NULL, "key");
    printf(" hmac_ns=%.1f\n", bench_median_ns(hash, &p));
    tsms__hmac_free(p.hmac);
    tsms_signer_free(p.signer);
    tsms__fields_free(&fields);
    return EXIT_SUCCESS;
}
