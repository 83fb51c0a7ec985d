/* Tells in words how a webhook would be read, and what stands in its way. */
#include <stdarg.h>
#include <stdio.h>

#include "../wire/request.h"
#include "../wire/sign.h"
#include "../wire/webhook.h"
#include "webhook.h"

/* The text that is being written, cut to its size. */
typedef struct report {
    char *out;
    size_t size;
    size_t len;
} report;

TSMS__PRINTF(2, 3) static void add_line(report *to, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(to->out + to->len, to->size - to->len, format, args);
    va_end(args);
    size_t most = to->size - to->len - 1;
    to->len += len > 0 && (size_t)len < most ? (size_t)len : most;
    if (to->len + 1 < to->size) {
        to->out[to->len++] = '\n';
        to->out[to->len] = '\0';
    }
}

static bool explain_url(report *to, tsms_webhook *webhook, const tsms_webhook_request *request)
{
    static const char *const origins[] = {
        [TSMS__ORIGIN_GIVEN] = "given as a whole",
        [TSMS__ORIGIN_HOST] = "made of the target and the Host header",
        [TSMS__ORIGIN_IGNORED] = "made of the target and the Host header; "
                                 "its X-Forwarded headers are ignored, because the peer is not one "
                                 "of 'trusted_proxies'",
        [TSMS__ORIGIN_FORWARDED] = "made of the target and what a trusted proxy forwarded",
    };
    tsms_error err;
    tsms__url_origin origin;
    if (tsms__webhook_locate(webhook, request, &origin, &err) != TSMS_OK) {
        add_line(to, "url: %s", err.message);
        return false;
    }
    tsms_str url = tsms__buf_str(&webhook->url);
    tsms_str scheme = {url.ptr, url.len < 5 ? url.len : 5};
    bool is_https = tsms__str_eq_nocase(scheme, TSMS__STR("https"));
    add_line(to, "url: %s, %s", is_https ? "https" : "http", origins[origin]);
    if (webhook->url_count == 0) {
        add_line(to, "urls: no list, so any URL is taken");
    } else if (tsms__public_url_find(webhook->urls, webhook->url_count, url).ptr != NULL) {
        add_line(to, "urls: it is in the list");
    } else {
        add_line(to, "urls: it is not in the list of %zu, so the request is refused",
                 webhook->url_count);
    }
    return true;
}

static void explain_form(report *to, tsms__webhook_form form, tsms_str url)
{
    bool malformed;
    if (form == TSMS__FORM_QUERY) {
        add_line(to, "content: a GET, whose parameters are those of the URL");
    } else if (form == TSMS__FORM_BODY) {
        add_line(to, "content: a form, whose parameters are signed");
    } else if (tsms__url_body_sha256(url, &malformed).len > 0) {
        add_line(to, "content: the body's digest is in the URL");
    } else {
        add_line(to, "content: not sent as application/x-www-form-urlencoded, and without "
                     "bodySHA256 in the URL a body that is no form cannot be genuine");
    }
}

static tsms__account_tokens *explain_account(report *to, tsms_webhook *webhook)
{
    tsms_str sid = tsms__fields_get(&webhook->fields, TSMS__STR("AccountSid"));
    if (sid.ptr != NULL && !tsms__sid_is(sid, "AC")) {
        add_line(to, "account: AccountSid is no SID of an account");
        return NULL;
    }
    tsms__account_tokens *account = tsms__webhook_account(webhook, sid);
    const char *shown = sid.ptr != NULL ? sid.ptr : webhook->account_sid;
    add_line(to, "account: %.*s, %s; %s", TSMS__SID_SIZE - 1, shown,
             sid.ptr != NULL ? "as AccountSid says" : "because there is no AccountSid",
             account != NULL ? "its tokens are known" : "NO token of it is known");
    return account;
}

static void explain_content(report *to, const tsms_webhook *webhook)
{
    tsms_error err;
    tsms_webhook_info info = {.type = TSMS_WEBHOOK_UNKNOWN};
    if (tsms__webhook_type_fields(&webhook->fields, &info, &err) == TSMS_OK) {
        add_line(to, "type: %s", tsms_webhook_type_name(info.type));
    } else {
        add_line(to, "type: %s", err.message);
    }
}

static void explain_signature(report *to, tsms_webhook *webhook,
                              const tsms_webhook_request *request, tsms__webhook_form form,
                              tsms__account_tokens *account)
{
    tsms_signed checked = TSMS_SIGNED_INIT;
    checked.url = tsms__buf_str(&webhook->url);
    if (!tsms__header_find(request, "X-Twilio-Signature", &checked.signature)) {
        add_line(to, "signature: there are two different X-Twilio-Signature headers");
        return;
    }
    if (form == TSMS__FORM_NONE) {
        checked.body = request->body;
    } else if (form == TSMS__FORM_BODY && webhook->fields.count > 0) {
        checked.params = webhook->fields.items;
        checked.param_count = webhook->fields.count;
    }
    tsms_signer *none = NULL;
    if (account == NULL) {
        (void)tsms_signer_new(&webhook->mem, &none, NULL);
    }
    tsms_signer *signer = account != NULL ? account->signer : none;
    if (signer != NULL) {
        tsms_signer_explain(signer, &checked, to->out + to->len, to->size - to->len);
    }
    tsms_signer_free(none);
}

void tsms_webhook_explain(tsms_webhook *webhook, const tsms_webhook_request *given, char *out,
                          size_t size)
{
    tsms_webhook_request request;
    report to = {out, size, 0};
    tsms_error err;
    if (size == 0) {
        return;
    }
    out[0] = '\0';
    if (!tsms__webhook_request_copy(given, &request)) {
        return;
    }
    if (tsms__webhook_check_size(webhook, &request, &err) != TSMS_OK) {
        add_line(&to, "request: %s", err.message);
    }
    if (!explain_url(&to, webhook, &request)) {
        return;
    }
    tsms__webhook_form form = tsms__webhook_form_of(webhook, &request);
    explain_form(&to, form, tsms__buf_str(&webhook->url));
    if (tsms__webhook_decode(webhook, &request, form, &err) != TSMS_OK) {
        add_line(&to, "content: %s", err.message);
        return;
    }
    tsms__account_tokens *account = explain_account(&to, webhook);
    if (form != TSMS__FORM_NONE) {
        explain_content(&to, webhook);
    }
    explain_signature(&to, webhook, &request, form, account);
}
