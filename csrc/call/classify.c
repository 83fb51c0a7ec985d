/* Classifies attempts. The line between "not sent" and "in doubt" is whether a byte may have left,
 * never the error code: libcurl's timeout code 28, for one, was measured on both sides of it. */
#include "classify.h"

/* An answer of 2xx. A complete record proves acceptance even when the connection broke right after
 * it: a server may answer and then reset the stream (RFC 9113 section 8.1). */
static tsms_outcome classify_success(const tsms__transfer *transfer, tsms__shape shape,
                                     tsms__records *records, tsms_error *err)
{
    if (tsms__records_parse(records, shape, transfer->response.body)) {
        return TSMS_OUTCOME_ACCEPTED;
    }
    const char *what = transfer->response.complete ? "unreadable" : "cut off";
    tsms__error_set(err, TSMS_KIND_INTERNAL_ERROR,
                    "HTTP %d: the server accepted the request, but its answer is %s",
                    transfer->response.http_status, what);
    err->http_status = transfer->response.http_status;
    tsms__error_text(err->request_id, sizeof err->request_id, transfer->response.request_id);
    return shape == TSMS__SHAPE_MESSAGE ? TSMS_OUTCOME_ACCEPTED_NO_SID : TSMS_OUTCOME_IN_DOUBT;
}

tsms_outcome tsms__classify(const tsms__transfer *transfer, tsms__shape shape,
                            const tsms_config *config, tsms__records *records, tsms_error *err)
{
    const tsms__response *response = &transfer->response;
    int status = response->http_status;
    *records = (tsms__records){0};
    if (transfer->sent && status >= 200 && status <= 299) {
        return classify_success(transfer, shape, records, err);
    }
    if (transfer->sent && status >= 300) {
        tsms__response_error(response, config->errors, config->error_count, err);
        if (status == 429) {
            return TSMS_OUTCOME_THROTTLED;
        }
        bool refused = status >= 400 && status <= 499 && response->complete;
        return refused ? TSMS_OUTCOME_REJECTED : TSMS_OUTCOME_IN_DOUBT;
    }
    tsms_kind kind =
        transfer->fault != TSMS_KIND_NONE ? transfer->fault : TSMS_KIND_CONNECTION_FAILED;
    tsms__error_set(err, kind, "%.*s", (int)transfer->fault_text.len, transfer->fault_text.ptr);
    err->http_status = status;
    return transfer->sent ? TSMS_OUTCOME_IN_DOUBT : TSMS_OUTCOME_NOT_SENT;
}
