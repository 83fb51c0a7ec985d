/* Makes a throw-away certificate authority and a server certificate in memory. */
#include "fault_internal.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdio.h>

enum { DAY_S = 24 * 60 * 60 };

/* Who signs certificates. */
typedef struct authority {
    X509 *certificate;
    EVP_PKEY *key;
} authority;

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    MUST(extension != NULL);
    MUST(X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

/* Valid from yesterday to tomorrow; not signed yet. */
static X509 *new_certificate(long serial, const char *name, EVP_PKEY *key, X509 *issuer)
{
    X509 *certificate = X509_new();
    MUST(certificate != NULL);
    MUST(X509_set_version(certificate, X509_VERSION_3) == 1);
    MUST(ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial) == 1);
    MUST(X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY_S) != NULL);
    MUST(X509_gmtime_adj(X509_getm_notAfter(certificate), DAY_S) != NULL);
    MUST(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                    (const unsigned char *)name, -1, -1, 0) == 1);
    X509 *signer = issuer != NULL ? issuer : certificate;
    MUST(X509_set_issuer_name(certificate, X509_get_subject_name(signer)) == 1);
    MUST(X509_set_pubkey(certificate, key) == 1);
    return certificate;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *offered, unsigned int offered_len, void *arg)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    (void)ssl;
    (void)arg;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, offered, offered_len) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* One that is signed by another, or by itself. */
static authority new_authority(long serial, const char *name, const authority *issuer)
{
    authority made = {.key = EVP_EC_gen("P-256")};
    MUST(made.key != NULL);
    made.certificate =
        new_certificate(serial, name, made.key, issuer != NULL ? issuer->certificate : NULL);
    add_extension(made.certificate, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(made.certificate, NID_key_usage, "critical,keyCertSign");
    MUST(X509_sign(made.certificate, issuer != NULL ? issuer->key : made.key, EVP_sha256()) > 0);
    return made;
}

static void free_authority(authority *made)
{
    X509_free(made->certificate);
    EVP_PKEY_free(made->key);
}

static void use_leaf(SSL_CTX *context, const authority *issuer, fault_certificate kind)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    MUST(key != NULL);
    X509 *leaf = new_certificate(2, "localhost", key, issuer->certificate);
    add_extension(leaf, NID_subject_alt_name,
                  kind == FAULT_CERTIFICATE_OTHER_NAME ? "DNS:example.com"
                                                       : "DNS:localhost,IP:127.0.0.1");
    if (kind == FAULT_CERTIFICATE_EXPIRED) {
        MUST(X509_gmtime_adj(X509_getm_notBefore(leaf), -2 * DAY_S) != NULL);
        MUST(X509_gmtime_adj(X509_getm_notAfter(leaf), -DAY_S) != NULL);
    }
    MUST(X509_sign(leaf, issuer->key, EVP_sha256()) > 0);
    MUST(SSL_CTX_use_certificate(context, leaf) == 1);
    MUST(SSL_CTX_use_PrivateKey(context, key) == 1);
    X509_free(leaf);
    EVP_PKEY_free(key);
}

SSL_CTX *fault__tls_new(const char *ca_file, fault_certificate kind)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    MUST(context != NULL);
    MUST(SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1);
    /* Named after its file, so that no two authorities share a name. */
    authority signer = new_authority(1, ca_file, NULL);
    FILE *file = fopen(ca_file, "w");
    MUST(file != NULL);
    MUST(PEM_write_X509(file, signer.certificate) == 1);
    MUST(fclose(file) == 0);

    if (kind == FAULT_CERTIFICATE_LONG_CHAIN) {
        authority first = new_authority(3, "first between", &signer);
        authority second = new_authority(4, "second between", &first);
        /* The leaf comes first: a chain belongs to the certificate that is in use. */
        use_leaf(context, &second, kind);
        MUST(SSL_CTX_add1_chain_cert(context, second.certificate) == 1);
        MUST(SSL_CTX_add1_chain_cert(context, first.certificate) == 1);
        free_authority(&second);
        free_authority(&first);
    } else {
        use_leaf(context, &signer, kind);
    }
    free_authority(&signer);
    /* No tickets: each handshake is a full one, and what follows it is ours alone. */
    MUST(SSL_CTX_set_num_tickets(context, 0) == 1);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    return context;
}
