/* A program that sends and receives with secrets which it has from files, for memory_search: it
 * stops with everything open, and again when all is closed.
 *
 *     memory DIRECTORY URL CA_FILE PROXY_PORT
 *
 * DIRECTORY is that of canaries.lua; the others lead to the simulator. */
#define _DEFAULT_SOURCE /* explicit_bzero */
#include <twilio_sms.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACCOUNT "AC00000000000000000000000000000001"
#define API_KEY "SK00000000000000000000000000000005"
#define SENDER "+15005550006"
#define WEBHOOK_URL "https://example.com/sms"

enum { PATH_SIZE = 512, SECRET_SIZE = 512 };

static const char *directory;

static void fail(const char *what, const tsms_error *err)
{
    fprintf(stderr, "%s: %s %s\n", what, tsms_kind_type(err->kind), err->message);
    exit(1);
}

static void path_of(const char *name, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%s/%s", directory, name);
}

/* Adds the first line of a file, without copies that are not wiped. */
static void add_secret(const char *name, char secret[SECRET_SIZE])
{
    char path[PATH_SIZE];
    path_of(name, path);
    size_t used = strlen(secret);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, secret + used, SECRET_SIZE - 1 - used) : -1;
    if (n < 0) {
        perror(path);
        exit(1);
    }
    close(fd);
    secret[used + (size_t)n] = '\0';
    secret[strcspn(secret, "\n")] = '\0';
}

static void set(tsms_config *config, const char *key, const char *value)
{
    tsms_error err;
    if (tsms_config_set(config, key, tsms_str_from(value), &err) != TSMS_OK) {
        fail(key, &err);
    }
}

static tsms_config *new_config(const char *ca_file)
{
    tsms_config *config;
    if (tsms_config_new(NULL, &config) != TSMS_OK) {
        exit(1);
    }
    set(config, "account_sid", ACCOUNT);
    set(config, "from", SENDER);
    set(config, "ca_file", ca_file);
    set(config, "rate.per_second", "0");
    set(config, "rate.per_number", "0");
    set(config, "breaker.failure_threshold", "0");
    set(config, "attempt_timeout_ms", "1000");
    set(config, "retry.settle_ms", "0");
    set(config, "retry.rate_limit.base_ms", "1");
    set(config, "retry.unavailable.base_ms", "1");
    set(config, "retry.timeout.base_ms", "1");
    set(config, "retry.connection.base_ms", "1");
    return config;
}

static tsms_client *new_client(tsms_config *config)
{
    tsms_error err;
    tsms_client *client;
    if (tsms_client_new(config, &client, &err) != TSMS_OK) {
        fail("client", &err);
    }
    tsms_config_free(config);
    return client;
}

static tsms_client *client_with_token(const char *url, const char *ca_file)
{
    char path[PATH_SIZE];
    tsms_config *config = new_config(ca_file);
    set(config, "base_url", url);
    path_of("auth_token", path);
    set(config, "auth_token.file", path);
    path_of("ref_key", path);
    set(config, "callback_ref.key.file", path);
    return new_client(config);
}

static tsms_client *client_with_key(const char *ca_file, const char *proxy_port)
{
    char text[SECRET_SIZE] = "http://";
    tsms_config *config = new_config(ca_file);
    add_secret("proxy_userinfo", text);
    strncat(text, "@127.0.0.1:", SECRET_SIZE - 1 - strlen(text));
    strncat(text, proxy_port, SECRET_SIZE - 1 - strlen(text));
    set(config, "proxy", text);
    explicit_bzero(text, sizeof text);
    set(config, "api_key", API_KEY);
    path_of("api_secret", text);
    set(config, "api_secret.file", text);
    return new_client(config);
}

/* Sends one message; `sent` is whether that must work. */
static void send_one(tsms_client *client, const char *to, const char *body, bool sent)
{
    tsms_message_options message = TSMS_MESSAGE_OPTIONS_INIT;
    message.to = tsms_str_from(to);
    message.body = tsms_str_from(body);
    message.status_callback = tsms_str_from(WEBHOOK_URL);
    tsms_error err;
    tsms_result *result;
    tsms_status status = tsms_client_send(client, &message, &result, &err);
    if ((status == TSMS_OK) != sent) {
        fail(body, &err);
    }
    printf("%s: %s\n", body, status == TSMS_OK ? "sent" : err.message);
    if (status == TSMS_OK) {
        tsms_result_free(result);
    }
}

static void list(tsms_client *client)
{
    tsms_request request = TSMS_REQUEST_INIT;
    request.operation = TSMS_OP_LIST;
    tsms_error err;
    tsms_result *result;
    if (tsms_client_call(client, &request, &result, &err) != TSMS_OK) {
        fail("list", &err);
    }
    printf("list: %zu\n", tsms_result_count(result));
    tsms_result_free(result);
}

static void send_all(tsms_client *client)
{
    send_one(client, "+15558675310", "all is well", true);
    send_one(client, "+15558675310", "case unavailable", true);
    send_one(client, "+15558675310", "case limited", true);
    send_one(client, "+15558675310", "case lost", true);
    send_one(client, "+15558675310", "case late", true);
    send_one(client, "+15558675310", "case page", false);
    send_one(client, "+15005550001", "no such number", false);
    list(client);
}

/* A signer and a receiver that know the token, both of which have refused a request. */
static void receive(tsms_signer **signer, tsms_webhook **webhook)
{
    tsms_webhook_options options = TSMS_WEBHOOK_OPTIONS_INIT;
    options.account_sid = tsms_str_from(ACCOUNT);
    tsms_error err;
    char secret[SECRET_SIZE] = "";
    add_secret("ref_key", secret);
    options.callback_ref_key = tsms_str_from(secret);
    if (tsms_webhook_new(&options, webhook, &err) != TSMS_OK) {
        fail("webhook", &err);
    }
    explicit_bzero(secret, sizeof secret);
    add_secret("auth_token", secret);
    if (tsms_webhook_add_token(*webhook, (tsms_str){NULL, 0}, tsms_str_from(secret), &err) !=
            TSMS_OK ||
        tsms_signer_new(NULL, signer, &err) != TSMS_OK ||
        tsms_signer_add(*signer, tsms_str_from(secret), &err) != TSMS_OK) {
        fail("token", &err);
    }
    explicit_bzero(secret, sizeof secret);
    tsms_signed request = TSMS_SIGNED_INIT;
    request.url = tsms_str_from(WEBHOOK_URL);
    request.signature = tsms_str_from("AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    request.body = tsms_str_from("Body=Hello");
    if (tsms_signer_verify(*signer, &request, &err) == TSMS_OK) {
        fail("a forged signature passes", &err);
    }
    char text[4096];
    tsms_signer_explain(*signer, &request, text, sizeof text);
    printf("%s", text);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: memory DIRECTORY URL CA_FILE PROXY_PORT\n");
        return 2;
    }
    directory = argv[1];
    tsms_client *with_token = client_with_token(argv[2], argv[3]);
    tsms_client *with_key = client_with_key(argv[3], argv[4]);
    tsms_signer *signer;
    tsms_webhook *webhook;
    receive(&signer, &webhook);
    send_all(with_token);
    send_one(with_key, "+15558675310", "through the proxy", true);
    raise(SIGSTOP);
    tsms_webhook_free(webhook);
    tsms_signer_free(signer);
    tsms_client_free(with_key);
    tsms_client_free(with_token);
    raise(SIGSTOP);
    return 0;
}
