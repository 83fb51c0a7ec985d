/* Gives messages the reference that their status callbacks carry. */
#include "reference.h"

#include "../base/entropy.h"
#include "../wire/callback_ref.h"
#include "../wire/message.h"

#include <inttypes.h>
#include <stdio.h>

/* 128 bits, so that no two processes ever choose the same; with a seed, always the same ones. */
static tsms_str random_ref(tsms_client *client, char out[TSMS__RANDOM_REF_SIZE])
{
    uint64_t bits[2];
    if (client->config->seed != 0 || !tsms__entropy(bits, sizeof bits)) {
        bits[0] = tsms__rand_next(&client->rand);
        bits[1] = tsms__rand_next(&client->rand);
    }
    snprintf(out, TSMS__RANDOM_REF_SIZE, "%016" PRIx64 "%016" PRIx64, bits[0], bits[1]);
    return tsms_str_from(out);
}

static tsms_str span_text(const tsms__span *span, char out[TSMS__REF_SPAN_SIZE])
{
    if (!span->kept) {
        return (tsms_str){NULL, 0};
    }
    tsms__hex_write(span->trace_id, sizeof span->trace_id, out);
    tsms__hex_write(span->id, sizeof span->id, out + 2 * sizeof span->trace_id);
    return (tsms_str){out, TSMS__REF_SPAN_SIZE - 1};
}

static void add(tsms_client *client, tsms_str url, const tsms__ref *ref)
{
    tsms__buf_clear(&client->callback);
    tsms__ref_add(&client->callback, client->ref_key, url,
                  tsms_str_from(client->config->account_sid), ref);
}

tsms_status tsms__reference_add(tsms_client *client, tsms_message_options *message,
                                const tsms__span *span, tsms__now now,
                                char own_ref[TSMS__RANDOM_REF_SIZE], tsms_error *err)
{
    const tsms_config *config = client->config;
    if (client->ref_key == NULL && message->callback_ref.len > 0) {
        return tsms__error_set(err, TSMS_KIND_INVALID_REQUEST,
                               "callback_ref needs the option callback_ref.key, by which it is "
                               "signed");
    }
    if (client->ref_key == NULL || message->status_callback.len == 0) {
        return TSMS_OK;
    }
    if (message->callback_ref.len == 0) {
        message->callback_ref = random_ref(client, own_ref);
    }
    int64_t from_s = now.wall_ms / 1000 > message->send_at ? now.wall_ms / 1000 : message->send_at;
    char span_digits[TSMS__REF_SPAN_SIZE];
    tsms__ref ref = {.id = message->callback_ref,
                     .expires_s = from_s + config->callback_ref.lifetime_ms / 1000,
                     .span = span_text(span, span_digits)};
    add(client, message->status_callback, &ref);
    if (client->callback.len > TSMS__CALLBACK_MOST && ref.span.len > 0) {
        ref.span = (tsms_str){NULL, 0}; /* what watches a message must not be what it fails by */
        add(client, message->status_callback, &ref);
    }
    if (client->callback.failed) {
        return tsms__error_nomem(err);
    }
    message->status_callback = tsms__buf_str(&client->callback);
    if (message->status_callback.len > TSMS__CALLBACK_MOST) {
        return tsms__error_set(err, TSMS_KIND_INVALID_REQUEST,
                               "status_callback has %zu characters with its reference; Twilio "
                               "takes at most %d",
                               message->status_callback.len, TSMS__CALLBACK_MOST);
    }
    return TSMS_OK;
}
