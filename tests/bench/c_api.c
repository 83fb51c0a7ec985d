/* The C API at the same work as bare_multi: `concurrency` calls are kept submitted, and `sid` and
 * `status` of each result are read. */
#define _GNU_SOURCE /* clock_gettime */
#include "bench.h"

#include "twilio_sms.h"

static void must(tsms_status status, const tsms_error *err)
{
    if (status != TSMS_OK) {
        fprintf(stderr, "c_api: %s\n", err->message);
        exit(EXIT_FAILURE);
    }
}

static void set(tsms_config *config, const char *key, const char *value)
{
    tsms_error err;
    must(tsms_config_set(config, key, tsms_str_from(value), &err), &err);
}

static tsms_client *client_new(const bench *options)
{
    tsms_config *config;
    tsms_client *client;
    tsms_error err = {.message = "out of memory"};
    must(tsms_config_new(NULL, &config), &err);
    set(config, "account_sid", BENCH_ACCOUNT);
    set(config, "auth_token", BENCH_TOKEN);
    set(config, "from", BENCH_FROM);
    set(config, "base_url", options->base_url);
    set(config, "ca_file", options->ca_file);
    set(config, "http_version", options->http);
    set(config, "rate.per_second", "0");
    set(config, "rate.per_number", "0");
    must(tsms_config_set_number(config, "max_concurrency", options->concurrency, &err), &err);
    must(tsms_client_new(config, &client, &err), &err);
    tsms_config_free(config);
    return client;
}

static void submit(tsms_client *client, unsigned number)
{
    char to[16], body[96];
    bench_message(number, to, body);
    tsms_message_options message = TSMS_MESSAGE_OPTIONS_INIT;
    message.to = tsms_str_from(to);
    message.body = tsms_str_from(body);
    tsms_request request = TSMS_REQUEST_INIT;
    request.operation = TSMS_OP_SEND;
    request.message = &message;
    uint64_t call_id;
    tsms_error err;
    must(tsms_client_submit(client, &request, &call_id, &err), &err);
}

static void check(const tsms_result *result)
{
    tsms_message message;
    const tsms_error *err = tsms_result_error(result);
    must(err == NULL ? TSMS_OK : TSMS_ERROR, err);
    if (!tsms_result_message(result, 0, &message) || message.sid.len != 34 ||
        message.status_id != TSMS_MESSAGE_QUEUED) {
        must(TSMS_ERROR, &(tsms_error){.message = "the server accepted no message"});
    }
}

static void run(tsms_client *client, const bench *options, unsigned count)
{
    unsigned started = 0, finished = 0;
    while (finished < count) {
        while (started < count && started - finished < options->concurrency) {
            submit(client, started++);
        }
        tsms_client_step(client, -1);
        tsms_result *result;
        while ((result = tsms_client_result(client)) != NULL) {
            check(result);
            finished++;
            tsms_result_free(result);
        }
    }
}

int main(int argc, char **argv)
{
    bench options = bench_parse(argc, argv);
    tsms_client *client = client_new(&options);
    run(client, &options, options.warmup);
    bench_start(&options);
    run(client, &options, options.count);
    bench_stop(&options);
    tsms_client_free(client);
    bench_report(&options, "c_api");
    return EXIT_SUCCESS;
}
