/* Makes the TLS context of a server, if need be with a certificate of its own making. */
#include "server_tls.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

enum {
    SERIAL_BYTES = 16, /* CA/Browser Forum Baseline Requirements 7.1: at least 64 random bits */
    DAY_S = 24 * 60 * 60,
    VALID_DAYS = 30,
};

/* How the labels of PEM blocks end (RFC 7468, sections 5, 10 and 11). */
static const char CERTIFICATE[] = "CERTIFICATE";
static const char PRIVATE_KEY[] = "PRIVATE KEY";

/* Why OpenSSL failed; the text names formats, never a file's content. The first of its errors is
 * the cause, those after it say who passed it on. */
static const char *reason(void)
{
    unsigned long code = ERR_peek_error();
    if (ERR_SYSTEM_ERROR(code)) {
        return strerror(ERR_GET_REASON(code));
    }
    const char *text = ERR_reason_error_string(code);
    return text != NULL ? text : "unknown reason";
}

/* Fails with what OpenSSL says about it. */
static tsms_status fail(tsms_error *err, const char *what)
{
    tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "%s (%s)", what, reason());
    ERR_clear_error();
    return TSMS_ERROR;
}

/* A file that was given; its path comes last in messages, where it may be cut off. */
typedef struct given_file {
    const char *option;
    const char *path;
} given_file;

/* why, in brackets, may be NULL. */
static tsms_status fail_file(tsms_error *err, given_file file, const char *what, const char *why)
{
    tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "%s %s%s%s%s: %s", file.option, what,
                    why != NULL ? " (" : "", why != NULL ? why : "", why != NULL ? ")" : "",
                    file.path);
    ERR_clear_error();
    return TSMS_ERROR;
}

/* Why a file cannot be read; NULL when it can. OpenSSL takes a directory for an empty file. */
static const char *read_trouble(const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return strerror(errno);
    }
    const char *trouble = fgetc(file) == EOF && ferror(file) ? strerror(errno) : NULL;
    fclose(file);
    return trouble;
}

/* Whether a file has the first line of a PEM block (RFC 7468) with such an end of its label. */
static bool has_block(const char *path, const char *label_end)
{
    char line[256];
    char end[64];
    snprintf(end, sizeof end, "%s-----", label_end);
    FILE *file = fopen(path, "re");
    bool found = false;
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        found = strncmp(line, "-----BEGIN ", 11) == 0 && strstr(line, end) != NULL;
    }
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

static tsms_status fail_certificate(tsms_error *err, given_file file)
{
    const char *trouble = read_trouble(file.path);
    if (trouble != NULL) {
        return fail_file(err, file, "cannot be read", trouble);
    }
    if (has_block(file.path, CERTIFICATE)) {
        return fail_file(err, file, "has a certificate that cannot be used", reason());
    }
    if (has_block(file.path, PRIVATE_KEY)) {
        return fail_file(err, file, "has a private key, but no certificate",
                         "swapped with key_file?");
    }
    return fail_file(err, file, "has no certificate in PEM format", NULL);
}

static tsms_status fail_key(tsms_error *err, given_file file, bool has_passphrase)
{
    const char *trouble = read_trouble(file.path);
    if (trouble != NULL) {
        return fail_file(err, file, "cannot be read", trouble);
    }
    if (has_passphrase) {
        return fail_file(err, file, "has a passphrase: take it off", "openssl pkey");
    }
    if (has_block(file.path, PRIVATE_KEY)) {
        return fail_file(err, file, "has a private key that cannot be used", reason());
    }
    if (has_block(file.path, CERTIFICATE)) {
        return fail_file(err, file, "has a certificate, but no private key",
                         "swapped with certificate_file?");
    }
    return fail_file(err, file, "has no private key in PEM format", NULL);
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
static int no_passphrase(char *text, int size, int writing, void *asked)
{
    (void)text;
    (void)size;
    (void)writing;
    if (asked != NULL) {
        *(bool *)asked = true;
    }
    return -1;
}

/* The key is looked at without the context, which would take one of another type beside the
 * certificate, and then fail in every handshake. */
static EVP_PKEY *read_key(const char *path, bool *has_passphrase)
{
    *has_passphrase = false;
    BIO *in = BIO_new_file(path, "r");
    EVP_PKEY *key =
        in != NULL ? PEM_read_bio_PrivateKey(in, NULL, no_passphrase, has_passphrase) : NULL;
    BIO_free(in);
    return key;
}

static tsms_status use_files(SSL_CTX *context, given_file certificate, given_file key,
                             tsms_error *err)
{
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(context, certificate.path) != 1) {
        return fail_certificate(err, certificate);
    }
    bool has_passphrase;
    EVP_PKEY *private_key = read_key(key.path, &has_passphrase);
    if (private_key == NULL) {
        return fail_key(err, key, has_passphrase);
    }
    tsms_status status = TSMS_OK;
    if (X509_check_private_key(SSL_CTX_get0_certificate(context), private_key) != 1) {
        status = fail_file(err, key, "does not belong to certificate_file", NULL);
    } else if (SSL_CTX_use_PrivateKey(context, private_key) != 1) {
        status = fail_key(err, key, false);
    }
    EVP_PKEY_free(private_key);
    return status;
}

tsms_status tsms__tls_from_files(const char *certificate_file, const char *key_file,
                                 tsms__tls **out, tsms_error *err)
{
    ERR_clear_error();
    SSL_CTX *context = context_new();
    if (context == NULL) {
        return tsms__error_nomem(err);
    }
    tsms_status status = use_files(context, (given_file){"certificate_file", certificate_file},
                                   (given_file){"key_file", key_file}, err);
    if (status != TSMS_OK) {
        SSL_CTX_free(context);
        return status;
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
        status = fail_file(err, (given_file){"ca_file", ca_file}, "cannot be written", reason());
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
