/* The client as C programs use it: the public functions, with the clock read for them. */
#include "curl.h"

tsms_status tsms_client_new(const tsms_config *config, tsms_client **out, tsms_error *err)
{
    tsms_client *client;
    tsms_status status = tsms__client_new(config, tsms__clock_seed(), &client, err);
    if (status != TSMS_OK) {
        return status;
    }
    status = tsms__curl_attach(client, err);
    if (status != TSMS_OK) {
        tsms__client_free(client);
        return status;
    }
    *out = client;
    return TSMS_OK;
}

void tsms_client_free(tsms_client *client)
{
    tsms__client_free(client);
}

tsms_status tsms_client_submit(tsms_client *client, const tsms_request *request, uint64_t *call_id,
                               tsms_error *err)
{
    return tsms__client_submit(client, request, tsms__clock_now(), call_id, err);
}

void tsms_client_step(tsms_client *client, int timeout_ms)
{
    tsms__curl_step(client, timeout_ms, 0);
}

void tsms_client_start(tsms_client *client)
{
    tsms__curl_start(client);
}

bool tsms_client_cancel(tsms_client *client, uint64_t call_id)
{
    return tsms__client_cancel(client, call_id, tsms__clock_now());
}

bool tsms_client_answer(tsms_client *client, uint64_t call_id, tsms_verdict verdict,
                        tsms_str reason, int64_t defer_ms)
{
    return tsms__client_answer(client, call_id, verdict, reason, defer_ms, tsms__clock_now());
}

int tsms_client_pollfd(tsms_client *client)
{
    return tsms__curl_fd(client);
}

int tsms_client_timeout_ms(tsms_client *client)
{
    return tsms__client_news(client) > 0 ? 0 : tsms__curl_timeout_ms(client);
}

/* Takes the result of one call out of the list of finished ones. */
static tsms_result *take_result(tsms_client *client, uint64_t call_id)
{
    tsms_result *before = NULL;
    for (tsms_result *result = client->done_first; result != NULL; result = result->next) {
        if (result->call_id == call_id) {
            *(before != NULL ? &before->next : &client->done_first) = result->next;
            client->done_last = client->done_last == result ? before : client->done_last;
            client->done_count--;
            result->next = NULL;
            return result;
        }
        before = result;
    }
    return NULL;
}

tsms_status tsms_client_call(tsms_client *client, const tsms_request *request, tsms_result **out,
                             tsms_error *err)
{
    if (client->checks && request->operation == TSMS_OP_SEND) {
        return tsms__error_set(
            err, TSMS_KIND_INVALID_REQUEST,
            "checks are on: use tsms_client_submit, and answer tsms_client_check");
    }
    uint64_t call_id;
    tsms_status status = tsms_client_submit(client, request, &call_id, err);
    if (status != TSMS_OK) {
        return status;
    }
    tsms_result *result;
    while ((result = take_result(client, call_id)) == NULL) {
        tsms__curl_step(client, -1, tsms__client_news(client));
    }
    if (!result->failed) {
        *out = result;
        return TSMS_OK;
    }
    if (err != NULL) {
        *err = result->error;
    }
    tsms_result_free(result);
    return TSMS_ERROR;
}

tsms_status tsms_client_send(tsms_client *client, const tsms_message_options *message,
                             tsms_result **out, tsms_error *err)
{
    tsms_request request = TSMS_REQUEST_INIT;
    request.operation = TSMS_OP_SEND;
    request.message = message;
    return tsms_client_call(client, &request, out, err);
}
