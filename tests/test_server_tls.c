/* drive/server_tls.c: certificates, versions, and how connections end under TLS. */
#define _GNU_SOURCE /* mkdtemp, memmem */
#include "server_support.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static char dir[] = "/tmp/tsms-server-tls-XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[4][128];
    static int turn;
    char *out = path[turn++ % 4];
    snprintf(out, sizeof path[0], "%s/%s", dir, name);
    return out;
}

static tsms_server *start_tls(void)
{
    tsms_server_options options = TSMS_SERVER_OPTIONS_INIT;
    options.ca_file = tsms_str_from(in_dir("ca.pem"));
    return start(&options);
}

/* A client that trusts the server's CA and nothing else. */
static SSL_CTX *client_new(tsms_server *server)
{
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(client, SSL_VERIFY_PEER, NULL);
    assert_int_equal(SSL_CTX_load_verify_locations(client, tsms_server_ca_file(server), NULL), 1);
    return client;
}

/* Performs the handshake, serving both sides; true when it succeeded. */
static bool shake_hands(tsms_server *server, SSL *session)
{
    for (int i = 0; i < 100; i++) {
        ERR_clear_error();
        int result = SSL_connect(session);
        if (result == 1) {
            return true;
        }
        int reason = SSL_get_error(session, result);
        if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) {
            return false;
        }
        settle(server);
    }
    return false;
}

static SSL *open_session(tsms_server *server, SSL_CTX *client)
{
    SSL *session = SSL_new(client);
    SSL_set_fd(session, connect_to(server));
    return session;
}

static void close_session(SSL *session)
{
    close(SSL_get_fd(session));
    SSL_free(session);
}

static tsms_server_request *ask(tsms_server *server, SSL *session)
{
    assert_true(shake_hands(server, session));
    assert_int_equal(SSL_write(session, GET, sizeof GET - 1), sizeof GET - 1);
    tsms_server_request *request = await_request(server);
    assert_non_null(request);
    return request;
}

static void test_the_certificate_holds_for_these_names_only(void **state)
{
    static const struct {
        const char *name;
        bool is_address, fits;
    } cases[] = {
        {"localhost", false, true},
        {"api.twilio.com", false, true},
        {"messaging.twilio.com", false, true},
        {"127.0.0.1", true, true},
        {"::1", true, true},
        {"twilio.com", false, false},
        {"a.b.twilio.com", false, false},
        {"example.com", false, false},
        {"127.0.0.2", true, false},
    };
    tsms_server *server = start_tls();
    SSL_CTX *client = client_new(server);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        SSL *session = open_session(server, client);
        if (cases[i].is_address) {
            X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), cases[i].name);
        } else {
            SSL_set1_host(session, cases[i].name);
        }
        X509_VERIFY_PARAM_set_flags(SSL_get0_param(session), X509_V_FLAG_X509_STRICT);
        if (shake_hands(server, session) != cases[i].fits) {
            fail_msg("%s: %s", cases[i].name,
                     X509_verify_cert_error_string(SSL_get_verify_result(session)));
        }
        close_session(session);
    }
    SSL_CTX_free(client);
    tsms_server_free(server);
}

static void test_another_run_has_another_ca(void **state)
{
    tsms_server *first = start_tls();
    SSL_CTX *client = client_new(first);
    tsms_server *second = start_tls();
    SSL *session = open_session(second, client);
    assert_false(shake_hands(second, session));
    close_session(session);
    SSL_CTX_free(client);
    tsms_server_free(first);
    tsms_server_free(second);
}

static void test_the_ca_file_holds_one_certificate_and_no_key(void **state)
{
    tsms_server *server = start_tls();
    assert_string_equal(tsms_server_ca_file(server), in_dir("ca.pem"));
    char *text = test_read_file(in_dir("ca.pem"), NULL);
    static const char begin[] = "-----BEGIN CERTIFICATE-----\n";
    assert_ptr_equal(strstr(text, begin), text);
    assert_null(strstr(text + sizeof begin, "BEGIN"));
    assert_null(strstr(text, "PRIVATE"));
    BIO *bio = BIO_new_mem_buf(text, -1);
    X509 *ca = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    assert_non_null(ca);
    assert_int_equal(X509_check_ca(ca), 1);
    assert_int_equal(X509_get_pathlen(ca), 0);
    assert_int_equal(X509_get_key_usage(ca), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
    X509_free(ca);
    BIO_free(bio);
    free(text);
    tsms_server_free(server);
}

static void test_old_tls_is_refused(void **state)
{
    tsms_server *server = start_tls();
    static const int versions[] = {TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < 3; i++) {
        SSL_CTX *client = client_new(server);
        SSL_CTX_set_security_level(client, 0); /* or the client would not even try */
        SSL_CTX_set_min_proto_version(client, versions[i]);
        SSL_CTX_set_max_proto_version(client, versions[i]);
        SSL *session = open_session(server, client);
        assert_int_equal(shake_hands(server, session), i > 0);
        close_session(session);
        SSL_CTX_free(client);
    }
    tsms_server_free(server);
}

static void test_http_1_1_is_chosen(void **state)
{
    static const struct {
        const char *offer, *chosen;
    } cases[] = {
        {"\x02h2\x08http/1.1", "http/1.1"},
        {"\x02h2", ""},
        {"", ""},
    };
    tsms_server *server = start_tls();
    SSL_CTX *client = client_new(server);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        SSL *session = open_session(server, client);
        SSL_set_alpn_protos(session, (const unsigned char *)cases[i].offer,
                            (unsigned)strlen(cases[i].offer));
        assert_true(shake_hands(server, session));
        const unsigned char *chosen;
        unsigned len;
        SSL_get0_alpn_selected(session, &chosen, &len);
        assert_int_equal(len, strlen(cases[i].chosen));
        assert_memory_equal(len > 0 ? (const char *)chosen : "", cases[i].chosen, len);
        close_session(session);
    }
    SSL_CTX_free(client);
    tsms_server_free(server);
}

static void count_data_records(int writing, int version, int type, const void *buf, size_t len,
                               SSL *session, void *arg)
{
    size_t *count = arg;
    if (!writing && type == SSL3_RT_HEADER && len > 0) {
        *count += *(const unsigned char *)buf == SSL3_RT_APPLICATION_DATA;
    }
}

/* Two records are two packets, and the second waits 40 ms for the acknowledgement of the first
 * wherever TCP_NODELAY is missing. */
static void test_an_answer_is_one_record(void **state)
{
    tsms_server *server = start_tls();
    SSL_CTX *client = client_new(server);
    SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION); /* 1.3 hides tickets as data */
    SSL *session = open_session(server, client);
    size_t records = 0;
    SSL_set_msg_callback(session, count_data_records);
    SSL_set_msg_callback_arg(session, &records);
    tsms_server_request *request = ask(server, session);
    answer(request, 200, "a body of its own");
    settle(server);
    char got[1024] = "";
    assert_true(SSL_read(session, got, sizeof got - 1) > 0);
    assert_non_null(strstr(got, "\r\n\r\na body of its own"));
    assert_int_equal(records, 1);
    close_session(session);
    SSL_CTX_free(client);
    tsms_server_free(server);
}

static void test_a_large_answer_arrives_whole(void **state)
{
    tsms_server *server = start_tls();
    SSL_CTX *client = client_new(server);
    SSL *session = open_session(server, client);
    size_t len = 3 << 20;
    char *body = malloc(len);
    assert_non_null(body);
    for (size_t i = 0; i < len; i++) {
        body[i] = (char)('a' + i % 23);
    }
    const tsms_server_answer what = {.http_status = 200, .body = {body, len}};
    assert_int_equal(tsms_server_reply(ask(server, session), &what, NULL), TSMS_OK);
    char *got = malloc(len + 4096);
    assert_non_null(got);
    size_t used = 0;
    const char *end = NULL;
    for (int i = 0; i < 100000 && (end == NULL || used < (size_t)(end - got) + 4 + len); i++) {
        int n = SSL_read(session, got + used, (int)(len + 4096 - used));
        if (n > 0) {
            used += (size_t)n;
            end = memmem(got, used < 1024 ? used : 1024, "\r\n\r\n", 4);
        } else {
            tsms_server_step(server, 0);
        }
    }
    assert_non_null(end);
    assert_memory_equal(end + 4, body, len);
    free(got);
    free(body);
    close_session(session);
    SSL_CTX_free(client);
    tsms_server_free(server);
}

/* What the client is told at the end: an orderly end, or an error. */
static int last_word(SSL *session)
{
    char got[1024];
    int n;
    while ((n = SSL_read(session, got, sizeof got)) > 0) {
    }
    return SSL_get_error(session, n);
}

static void test_how_connections_end(void **state)
{
    tsms_server *server = start_tls();
    SSL_CTX *client = client_new(server);
    const tsms_server_answer what = {.http_status = 200, .body = tsms_str_from("0123456789")};

    SSL *session = open_session(server, client);
    tsms_server_drop(ask(server, session), TSMS_SERVER_DROP_RESET);
    assert_int_equal(last_word(session), SSL_ERROR_SYSCALL);
    assert_int_equal(errno, ECONNRESET);
    close_session(session);

    session = open_session(server, client);
    tsms_server_drop(ask(server, session), TSMS_SERVER_DROP_CLOSE);
    assert_int_equal(last_word(session), SSL_ERROR_ZERO_RETURN);
    close_session(session);

    session = open_session(server, client);
    assert_int_equal(tsms_server_cut(ask(server, session), &what, NULL), TSMS_OK);
    settle(server);
    char got[1024] = "";
    assert_true(SSL_read(session, got, sizeof got - 1) > 0);
    assert_non_null(strstr(got, "\r\nContent-Length: 10\r\n"));
    assert_string_equal(strstr(got, "\r\n\r\n"), "\r\n\r\n01234");
    assert_int_equal(last_word(session), SSL_ERROR_ZERO_RETURN);
    close_session(session);

    /* A peer that has gone away: writing its goodbye must not raise a signal. */
    session = open_session(server, client);
    tsms_server_request *request = ask(server, session);
    const struct linger reset = {1, 0};
    setsockopt(SSL_get_fd(session), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close_session(session);
    tsms_server_drop(request, TSMS_SERVER_DROP_CLOSE);
    settle(server);
    assert_int_equal(tsms_server_connections(server), 0);
    SSL_CTX_free(client);
    tsms_server_free(server);
}

static void test_peers_that_do_not_speak_tls(void **state)
{
    tsms_server *server = start_tls();
    int talking = connect_to(server);
    int silent = connect_to(server);
    char got[256];
    put(talking, GET);
    settle(server);
    while (take(talking, got, sizeof got) > 0) {
        assert_null(strstr(got, "HTTP/1.1")); /* an alert, at most */
    }
    assert_int_equal(tsms_server_connections(server), 1);
    test_now.mono_ms += 15000;
    settle(server);
    assert_int_equal(take(silent, got, sizeof got), 0);
    assert_int_equal(tsms_server_connections(server), 0);
    close(talking);
    close(silent);
    tsms_server_free(server);
}

static void write_key(const char *name, EVP_PKEY *key, const char *passphrase)
{
    BIO *out = BIO_new_file(in_dir(name), "w");
    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(
                         out, key, passphrase != NULL ? EVP_aes_128_cbc() : NULL, passphrase,
                         passphrase != NULL ? (int)strlen(passphrase) : 0, NULL, NULL),
                     1);
    BIO_free(out);
}

static void write_text(const char *name, const char *text)
{
    FILE *file = fopen(in_dir(name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* own.pem with own.key and locked.key, keys that do not belong to it, and files that hold nothing
 * of use. */
static void write_own_files(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    EVP_PKEY *other = EVP_EC_gen("P-256");
    EVP_PKEY *rsa = EVP_RSA_gen(2048);
    X509 *own = X509_new();
    X509_NAME_add_entry_by_txt(X509_get_subject_name(own), "CN", MBSTRING_ASC,
                               (const unsigned char *)"own", -1, -1, 0);
    X509_set_issuer_name(own, X509_get_subject_name(own));
    X509_gmtime_adj(X509_getm_notBefore(own), 0);
    X509_gmtime_adj(X509_getm_notAfter(own), 3600);
    X509_set_pubkey(own, key);
    assert_true(X509_sign(own, key, EVP_sha256()) > 0);
    BIO *out = BIO_new_file(in_dir("own.pem"), "w");
    assert_int_equal(PEM_write_bio_X509(out, own), 1);
    BIO_free(out);
    write_key("own.key", key, NULL);
    write_key("locked.key", key, "secret");
    write_key("other.key", other, NULL);
    write_key("rsa.key", rsa, NULL);
    write_text("text", "no PEM\n");
    write_text("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    write_text("broken.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    X509_free(own);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(other);
    EVP_PKEY_free(key);
}

static void test_files_of_ones_own(void **state)
{
    static const struct {
        const char *certificate, *key, *ca, *trouble;
    } cases[] = {
        {"own.pem", "own.key", NULL, NULL},
        {"missing.pem", "own.key", NULL,
         "certificate_file cannot be read (No such file or directory): %s/missing.pem"},
        {"", "own.key", NULL, "certificate_file cannot be read (Is a directory): %s/"},
        {"own.key", "own.pem", NULL,
         "certificate_file has a private key, but no certificate (swapped with key_file?): "
         "%s/own.key"},
        {"text", "own.key", NULL, "certificate_file has no certificate in PEM format: %s/text"},
        {"broken.pem", "own.key", NULL,
         "certificate_file has a certificate that cannot be used (wrong tag): %s/broken.pem"},
        {"own.pem", "missing.key", NULL,
         "key_file cannot be read (No such file or directory): %s/missing.key"},
        {"own.pem", "", NULL, "key_file cannot be read (Is a directory): %s/"},
        {"own.pem", "own.pem", NULL,
         "key_file has a certificate, but no private key (swapped with certificate_file?): "
         "%s/own.pem"},
        {"own.pem", "text", NULL, "key_file has no private key in PEM format: %s/text"},
        {"own.pem", "broken.key", NULL,
         "key_file has a private key that cannot be used (unsupported): %s/broken.key"},
        {"own.pem", "other.key", NULL,
         "key_file does not belong to certificate_file: %s/other.key"},
        {"own.pem", "rsa.key", NULL, "key_file does not belong to certificate_file: %s/rsa.key"},
        {"own.pem", "locked.key", NULL,
         "key_file has a passphrase: take it off (openssl pkey): %s/locked.key"},
        {NULL, NULL, "missing/ca.pem",
         "ca_file cannot be written (No such file or directory): %s/missing/ca.pem"},
    };
    write_own_files();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsms_server_options options = TSMS_SERVER_OPTIONS_INIT;
        if (cases[i].ca != NULL) {
            options.ca_file = tsms_str_from(in_dir(cases[i].ca));
        } else {
            options.certificate_file = tsms_str_from(in_dir(cases[i].certificate));
            options.key_file = tsms_str_from(in_dir(cases[i].key));
        }
        tsms_server *server = NULL;
        tsms_error err;
        tsms_status status = tsms_server_new(&options, &server, &err);
        if (cases[i].trouble == NULL) {
            assert_int_equal(status, TSMS_OK);
            SSL_CTX *client = SSL_CTX_new(TLS_client_method());
            SSL_CTX_set_verify(client, SSL_VERIFY_PEER, NULL);
            SSL_CTX_load_verify_locations(client, in_dir("own.pem"), NULL);
            SSL *session = open_session(server, client);
            assert_true(shake_hands(server, session));
            close_session(session);
            SSL_CTX_free(client);
            tsms_server_free(server);
        } else {
            assert_int_equal(status, TSMS_ERROR);
            assert_int_equal(err.kind, TSMS_KIND_INVALID_OPTION);
            char trouble[sizeof err.message];
            const char *path = strstr(cases[i].trouble, "%s") + 2;
            snprintf(trouble, sizeof trouble, "%.*s%s%s", (int)(path - 2 - cases[i].trouble),
                     cases[i].trouble, dir, path);
            assert_string_equal(err.message, trouble);
        }
    }
}

static int make_dir(void **state)
{
    return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
    static const char *const names[] = {"ca.pem",     "own.pem",    "own.key",
                                        "locked.key", "other.key",  "rsa.key",
                                        "text",       "broken.pem", "broken.key"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        unlink(in_dir(names[i]));
    }
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_certificate_holds_for_these_names_only),
        cmocka_unit_test(test_another_run_has_another_ca),
        cmocka_unit_test(test_the_ca_file_holds_one_certificate_and_no_key),
        cmocka_unit_test(test_old_tls_is_refused),
        cmocka_unit_test(test_http_1_1_is_chosen),
        cmocka_unit_test(test_an_answer_is_one_record),
        cmocka_unit_test(test_a_large_answer_arrives_whole),
        cmocka_unit_test(test_how_connections_end),
        cmocka_unit_test(test_peers_that_do_not_speak_tls),
        cmocka_unit_test(test_files_of_ones_own),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
