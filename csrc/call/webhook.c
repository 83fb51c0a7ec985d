/* A receiver of webhooks, made from its options. */
#include "webhook.h"

#include <string.h>

#include "../config/config.h"
#include "../config/quote.h"
#include "../wire/request.h"
#include "log.h"
#include "measure.h"
#include "trace.h"

enum {
    BODY_DEFAULT = 65536,
    FIELDS_DEFAULT = 256,
    WINDOW_DEFAULT_MS = 86400000,
};

static tsms_status invalid(tsms_error *err, const char *option, const char *text)
{
    return tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "option '%s' %s", option, text);
}

static tsms_status check_options(const tsms_webhook_options *options, tsms_error *err)
{
    if (options->max_fields > TSMS__FIELDS_MOST) {
        return invalid(err, "max_fields", "must be a whole number from 1 to 1000");
    }
    if (options->replay_window_ms < 0) {
        return invalid(err, "replay_window_ms", "must not be negative");
    }
    if (options->callback_ref_required && options->callback_ref_key.len == 0) {
        return invalid(err, "callback_ref_required", "needs 'callback_ref_key'");
    }
    if (options->shared.len > 0 && !tsms__region_name_is(options->shared)) {
        return invalid(err, "shared",
                       "must be 1 to 64 of the characters A-Z a-z 0-9 . _ - and not begin with a "
                       "dot");
    }
    /* An empty one too: taken for absent, it would let every callback pass unchecked. */
    return tsms__ref_key_check("callback_ref_key", options->callback_ref_key, err);
}

static tsms_status copy_urls(tsms_webhook *webhook, const tsms_webhook_options *options,
                             tsms_error *err)
{
    webhook->urls = tsms__calloc(&webhook->mem, options->url_count, sizeof *webhook->urls);
    if (webhook->urls == NULL) {
        return tsms__error_nomem(err);
    }
    for (size_t i = 0; i < options->url_count; i++) {
        tsms_str url = options->urls[i];
        if (!tsms__public_url_is(url)) {
            char quoted[TSMS__QUOTE_SIZE];
            return tsms__error_set(err, TSMS_KIND_INVALID_OPTION,
                                   "option 'urls': %s is no URL that begins with https:// or "
                                   "http://",
                                   tsms__quote(url, quoted));
        }
        char *copy = tsms__str_dup(&webhook->mem, url);
        if (copy == NULL) {
            return tsms__error_nomem(err);
        }
        webhook->urls[webhook->url_count++] = (tsms_str){copy, url.len};
    }
    return TSMS_OK;
}

static tsms_status copy_proxies(tsms_webhook *webhook, const tsms_webhook_options *options,
                                tsms_error *err)
{
    webhook->proxies =
        tsms__calloc(&webhook->mem, options->trusted_proxy_count, sizeof *webhook->proxies);
    if (webhook->proxies == NULL) {
        return tsms__error_nomem(err);
    }
    for (size_t i = 0; i < options->trusted_proxy_count; i++) {
        if (!tsms__network_parse(options->trusted_proxies[i], &webhook->proxies[i])) {
            char quoted[TSMS__QUOTE_SIZE];
            return tsms__error_set(err, TSMS_KIND_INVALID_OPTION,
                                   "option 'trusted_proxies': %s is neither an address nor a "
                                   "network as 10.0.0.0/8",
                                   tsms__quote(options->trusted_proxies[i], quoted));
        }
        webhook->proxy_count++;
    }
    return TSMS_OK;
}

static tsms_status open_region(tsms_webhook *webhook, tsms_str name, tsms_error *err)
{
    char *z = tsms__str_dup(&webhook->mem, name);
    if (z == NULL) {
        return tsms__error_nomem(err);
    }
    tsms_status status = tsms__region_open(z, webhook->account_sid, &webhook->region, err);
    tsms__free(&webhook->mem, z);
    return status;
}

static tsms_status fill_in(tsms_webhook *webhook, const tsms_webhook_options *options,
                           tsms_error *err)
{
    memcpy(webhook->account_sid, options->account_sid.ptr, TSMS__SID_SIZE - 1);
    webhook->max_body = options->max_body > 0 ? options->max_body : BODY_DEFAULT;
    webhook->max_fields = options->max_fields > 0 ? options->max_fields : FIELDS_DEFAULT;
    webhook->replay_window_ms =
        options->replay_window_ms > 0 ? options->replay_window_ms : WINDOW_DEFAULT_MS;
    webhook->ref_required = options->callback_ref_required;
    tsms__fields_init(&webhook->fields, &webhook->mem);
    tsms__buf_init(&webhook->url, &webhook->mem);
    tsms__buf_init(&webhook->respelled, &webhook->mem);
    tsms__buf_init(&webhook->metrics_text, &webhook->mem);
    tsms_status status = copy_urls(webhook, options, err);
    if (status == TSMS_OK) {
        status = copy_proxies(webhook, options, err);
    }
    if (status == TSMS_OK && options->callback_ref_key.len > 0) {
        webhook->ref_key = tsms__hmac_new(&webhook->mem, TSMS__SHA256, options->callback_ref_key);
        status = webhook->ref_key != NULL ? TSMS_OK : tsms__error_nomem(err);
    }
    return status == TSMS_OK ? open_region(webhook, options->shared, err) : status;
}

tsms_status tsms_webhook_new(const tsms_webhook_options *given, tsms_webhook **out, tsms_error *err)
{
    tsms_webhook_options options = TSMS_WEBHOOK_OPTIONS_INIT;
    tsms__error_clear(err);
    if (given->size < sizeof given->size || given->size > sizeof options) {
        return invalid(err, "size", "is not that of a known layout; use TSMS_WEBHOOK_OPTIONS_INIT");
    }
    memcpy(&options, given, given->size);
    if (!tsms__sid_is(options.account_sid, "AC")) {
        return tsms__error_set(err, TSMS_KIND_INVALID_ACCOUNT_SID,
                               "option 'account_sid' must be AC and 32 hex digits");
    }
    tsms_status status = check_options(&options, err);
    if (status != TSMS_OK) {
        return status;
    }
    const tsms_mem *mem = options.mem != NULL ? options.mem : &tsms__mem_libc;
    tsms_webhook *webhook = tsms__calloc(mem, 1, sizeof *webhook);
    if (webhook == NULL) {
        return tsms__error_nomem(err);
    }
    webhook->mem = *mem;
    status = fill_in(webhook, &options, err);
    if (status != TSMS_OK) {
        tsms_webhook_free(webhook);
        return status;
    }
    *out = webhook;
    return TSMS_OK;
}

void tsms_webhook_set_log(tsms_webhook *webhook, tsms_log *log)
{
    tsms__measure_switch_log(webhook->region, &webhook->log, log);
}

void tsms_webhook_set_trace(tsms_webhook *webhook, tsms_trace *trace)
{
    tsms__measure_switch_trace(webhook->region, &webhook->trace, trace);
}

void tsms_webhook_free(tsms_webhook *webhook)
{
    if (webhook == NULL) {
        return;
    }
    tsms_mem mem = webhook->mem;
    tsms__webhook_accounts_free(webhook);
    tsms__hmac_free(webhook->ref_key);
    tsms__measure_dropped(webhook->region, webhook->log, webhook->trace);
    tsms__region_close(webhook->region);
    tsms__fields_free(&webhook->fields);
    tsms__buf_free(&webhook->url);
    tsms__buf_free(&webhook->respelled);
    tsms__buf_free(&webhook->metrics_text);
    for (size_t i = 0; i < webhook->url_count; i++) {
        tsms__free(&mem, (char *)webhook->urls[i].ptr);
    }
    tsms__free(&mem, webhook->urls);
    tsms__free(&mem, webhook->proxies);
    tsms_log_free(webhook->log);
    tsms_trace_free(webhook->trace);
    tsms__free(&mem, webhook);
}
