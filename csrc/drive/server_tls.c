/* Makes the TLS context of a server, if need be with a certificate of its own making. */
#include "server_tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

enum {
    SERIAL_BYTES = 16, /* CA/Browser Forum Baseline Requirements 7.1: at least 64 random bits */
    DAY_S = 24 * 60 * 60,
    VALID_DAYS = 30,
};

/* Fails with what OpenSSL says about it; the text names files and formats, never their content. */
static tsms_status fail(tsms_error *err, const char *what)
{
    char reason[120] = "unknown reason";
    unsigned long code = ERR_peek_last_error();
    if (code != 0) {
        ERR_error_string_n(code, reason, sizeof reason);
    }
    ERR_clear_error();
    return tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "%s: %s", what, reason);
}

/* HTTP/1.1 is all that is spoken here; a client that only offers others learns it that way. */
static int choose_protocol(SSL *session, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned int in_len, void *arg)
{
    static const unsigned char http1[] = "\x08http/1.1";
    (void)session;
    (void)arg;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_len, http1, sizeof http1 - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *context_new(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* Idle connections keep no record buffers. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    return context;
}

/* OpenSSL would ask for the passphrase on the terminal. */
static int no_passphrase(char *text, int size, int writing, void *arg)
{
    (void)text;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

tsms_status tsms__tls_from_files(const char *certificate_file, const char *key_file,
                                 tsms__tls **out, tsms_error *err)
{
    ERR_clear_error();
    SSL_CTX *context = context_new();
    if (context == NULL) {
        return tsms__error_nomem(err);
    }
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    const char *trouble = NULL;
    if (SSL_CTX_use_certificate_chain_file(context, certificate_file) != 1) {
        trouble = "certificate_file cannot be used";
    } else if (SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) != 1) {
        trouble = "key_file cannot be used";
    }
    if (trouble != NULL) {
        SSL_CTX_free(context);
        return fail(err, trouble);
    }
    *out = context;
    return TSMS_OK;
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool ok = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static bool set_serial(X509 *certificate)
{
    unsigned char bytes[SERIAL_BYTES];
    if (RAND_bytes(bytes, sizeof bytes) != 1) {
        return false;
    }
    bytes[0] = (unsigned char)((bytes[0] & 0x7F) | 0x40); /* positive, and of full length */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool ok =
        number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return ok;
}

static bool set_name(X509 *certificate, const char *common_name)
{
    return X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                      (const unsigned char *)common_name, -1, -1, 0) == 1;
}

/* What a CA and a server certificate have in common. It begins yesterday, for clocks that lag. */
static X509 *certificate_new(EVP_PKEY *key, const char *common_name)
{
    X509 *certificate = X509_new();
    if (certificate != NULL && X509_set_version(certificate, X509_VERSION_3) == 1 &&
        set_serial(certificate) && set_name(certificate, common_name) &&
        X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY_S) != NULL &&
        X509_gmtime_adj(X509_getm_notAfter(certificate), (long)VALID_DAYS * DAY_S) != NULL &&
        X509_set_pubkey(certificate, key) == 1) {
        return certificate;
    }
    X509_free(certificate);
    return NULL;
}

static X509 *ca_new(EVP_PKEY *key)
{
    X509 *ca = certificate_new(key, "twilio-sms throw-away CA");
    if (ca != NULL && X509_set_issuer_name(ca, X509_get_subject_name(ca)) == 1 &&
        add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
        add_extension(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign") &&
        add_extension(ca, ca, NID_subject_key_identifier, "hash") &&
        add_extension(ca, ca, NID_authority_key_identifier, "keyid") &&
        X509_sign(ca, key, EVP_sha256()) > 0) {
        return ca;
    }
    X509_free(ca);
    return NULL;
}

static X509 *leaf_new(EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key)
{
    static const char names[] =
        "DNS:localhost,IP:127.0.0.1,IP:::1,DNS:api.twilio.com,DNS:*.twilio.com";
    X509 *leaf = certificate_new(key, "localhost");
    if (leaf != NULL && X509_set_issuer_name(leaf, X509_get_subject_name(ca)) == 1 &&
        add_extension(leaf, ca, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(leaf, ca, NID_key_usage, "critical,digitalSignature") &&
        add_extension(leaf, ca, NID_ext_key_usage, "serverAuth") &&
        add_extension(leaf, ca, NID_subject_alt_name, names) &&
        add_extension(leaf, ca, NID_subject_key_identifier, "hash") &&
        add_extension(leaf, ca, NID_authority_key_identifier, "keyid") &&
        X509_sign(leaf, ca_key, EVP_sha256()) > 0) {
        return leaf;
    }
    X509_free(leaf);
    return NULL;
}

static bool write_certificate(const char *file, X509 *certificate)
{
    BIO *out = BIO_new_file(file, "w");
    bool ok = out != NULL && PEM_write_bio_X509(out, certificate) == 1 && BIO_flush(out) == 1;
    BIO_free(out);
    return ok;
}

tsms_status tsms__tls_throw_away(const char *ca_file, tsms__tls **out, tsms_error *err)
{
    ERR_clear_error();
    SSL_CTX *context = context_new();
    EVP_PKEY *ca_key = EVP_EC_gen("P-256");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *ca = ca_key != NULL ? ca_new(ca_key) : NULL;
    X509 *leaf = ca != NULL && key != NULL ? leaf_new(key, ca, ca_key) : NULL;
    tsms_status status = TSMS_OK;
    if (context == NULL || leaf == NULL || SSL_CTX_use_certificate(context, leaf) != 1 ||
        SSL_CTX_use_PrivateKey(context, key) != 1) {
        status = fail(err, "no certificate could be made");
    } else if (!write_certificate(ca_file, ca)) {
        status = fail(err, "ca_file cannot be written");
    }
    X509_free(leaf);
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    if (status != TSMS_OK) {
        SSL_CTX_free(context);
        return status;
    }
    *out = context;
    return TSMS_OK;
}

void tsms__tls_free(tsms__tls *tls)
{
    SSL_CTX_free(tls);
}

struct ssl_st *tsms__tls_accept(tsms__tls *tls)
{
    ERR_clear_error();
    return SSL_new(tls);
}

void tsms__tls_say_goodbye(struct ssl_st *session)
{
    if (session != NULL && SSL_is_init_finished(session)) {
        ERR_clear_error();
        SSL_shutdown(session);
        ERR_clear_error();
    }
}
