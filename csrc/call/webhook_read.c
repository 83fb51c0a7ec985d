/* Reads a webhook: whether it is genuine and for us, before anybody looks at what it says. */
#include <string.h>

#include "../wire/callback_ref.h"
#include "../wire/recut.h"
#include "../wire/request.h"
#include "../wire/sign.h"
#include "../wire/webhook.h"
#include "trace.h"
#include "webhook.h"

enum { TOKEN_MOST = 128 }; /* bytes of an idempotency token; those seen have 36 */

/* What to answer, unless the step that failed said so itself. */
static tsms_status answer(tsms_status status, int http_status, tsms_error *err)
{
    if (status != TSMS_OK && err != NULL && err->http_status == 0) {
        err->http_status = status == TSMS_NOMEM ? 500 : http_status;
    }
    return status;
}

static tsms_status refuse(tsms_error *err, tsms_kind kind, int http_status, const char *text)
{
    return answer(tsms__error_set(err, kind, "%s", text), http_status, err);
}

static tsms_status forbid(tsms_error *err, const char *text)
{
    return refuse(err, TSMS_KIND_INVALID_SIGNATURE, 403, text);
}

/* ---- Steps --------------------------------------------------------------------------------- */

bool tsms__webhook_request_copy(const tsms_webhook_request *given, tsms_webhook_request *own)
{
    *own = (tsms_webhook_request)TSMS_WEBHOOK_REQUEST_INIT;
    if (given->size < sizeof given->size || given->size > sizeof *own) {
        return false;
    }
    memcpy(own, given, given->size);
    return true;
}

static bool is_get(const tsms_webhook_request *request)
{
    return tsms__str_eq_z(request->method, "GET");
}

tsms_status tsms__webhook_check_size(const tsms_webhook *webhook,
                                     const tsms_webhook_request *request, tsms_error *err)
{
    if (!is_get(request) && !tsms__str_eq_z(request->method, "POST")) {
        return refuse(err, TSMS_KIND_PAYLOAD_PARSE_ERROR, 405, "the method is not POST or GET");
    }
    if (request->body.len > webhook->max_body || request->url.len > webhook->max_body) {
        return answer(tsms__error_set(err, TSMS_KIND_PAYLOAD_PARSE_ERROR,
                                      "the %s has more than %zu bytes",
                                      request->body.len > webhook->max_body ? "body" : "URL",
                                      webhook->max_body),
                      413, err);
    }
    return TSMS_OK;
}

tsms_status tsms__webhook_locate(tsms_webhook *webhook, const tsms_webhook_request *request,
                                 tsms__url_origin *origin, tsms_error *err)
{
    return tsms__public_url_make(request, webhook->proxies, webhook->proxy_count, &webhook->url,
                                 origin, err);
}

/* Whether a media type, its parameters aside, is that of forms. */
static bool is_form_type(tsms_str type)
{
    const char *end = type.len > 0 ? memchr(type.ptr, ';', type.len) : NULL;
    type.len = end != NULL ? (size_t)(end - type.ptr) : type.len;
    return tsms__str_eq_nocase(tsms__str_trim(type),
                               TSMS__STR("application/x-www-form-urlencoded"));
}

/* Nothing protects the content type. So a URL with bodySHA256 decides: its sender signed no form.
 */
tsms__webhook_form tsms__webhook_form_of(const tsms_webhook *webhook,
                                         const tsms_webhook_request *request)
{
    tsms_str type;
    bool malformed;
    if (is_get(request)) {
        return TSMS__FORM_QUERY;
    }
    bool has_digest = tsms__url_body_sha256(tsms__buf_str(&webhook->url), &malformed).len > 0;
    return tsms__header_find(request, "Content-Type", &type) && is_form_type(type) && !has_digest &&
                   !malformed
               ? TSMS__FORM_BODY
               : TSMS__FORM_NONE;
}

tsms_status tsms__webhook_decode(tsms_webhook *webhook, const tsms_webhook_request *request,
                                 tsms__webhook_form form, tsms_error *err)
{
    tsms_str text = {NULL, 0};
    if (form == TSMS__FORM_QUERY) {
        text = tsms__url_query(tsms__buf_str(&webhook->url));
    } else if (form == TSMS__FORM_BODY) {
        text = request->body;
    }
    switch (tsms__fields_read(&webhook->fields, text, webhook->max_fields)) {
    case TSMS__FIELDS_OK:
        return TSMS_OK;
    case TSMS__FIELDS_NOMEM:
        return answer(tsms__error_nomem(err), 500, err);
    case TSMS__FIELDS_TOO_MANY:
        break;
    }
    return answer(tsms__error_set(err, TSMS_KIND_PAYLOAD_PARSE_ERROR,
                                  "the request has more than %zu parameters", webhook->max_fields),
                  413, err);
}

/* The account that a request says it comes from decides which tokens may have signed it. A body
 * that is no form may name an account, too, but reading it before its signature is checked is not
 * worth it: the webhook's own tokens must have signed that. */
static tsms_status find_account(tsms_webhook *webhook, tsms__account_tokens **out, tsms_error *err)
{
    tsms_str sid = tsms__fields_get(&webhook->fields, TSMS__STR("AccountSid"));
    if (sid.ptr != NULL && !tsms__sid_is(sid, "AC")) {
        return forbid(err, "AccountSid is no SID of an account");
    }
    *out = tsms__webhook_account(webhook, sid);
    if (*out != NULL) {
        return TSMS_OK;
    }
    memcpy(webhook->refused_account, sid.ptr != NULL ? sid.ptr : webhook->account_sid,
           TSMS__SID_SIZE - 1);
    return forbid(err, "no auth token is known for the account of this request");
}

/* A wrong signature may mean that the account has a new token. */
static void note_refused(tsms_webhook *webhook, const tsms__account_tokens *account,
                         tsms_status status, const tsms_error *err)
{
    if (status == TSMS_ERROR && err->kind == TSMS_KIND_INVALID_SIGNATURE) {
        memcpy(webhook->refused_account, account->sid, TSMS__SID_SIZE);
    }
}

/* The list may spell the URL in another way, in which it was signed; that is then the URL. */
static tsms_status check_signature(tsms_webhook *webhook, const tsms_webhook_request *request,
                                   tsms__webhook_form form, tsms_signer *signer, tsms_str entry,
                                   tsms_webhook_info *info, tsms_error *err)
{
    if (!tsms__header_find(request, "X-Twilio-Signature", &info->signature)) {
        return forbid(err, "the request has two different X-Twilio-Signature headers");
    }
    tsms__fields *fields = form == TSMS__FORM_BODY ? &webhook->fields : NULL;
    tsms_str body = form == TSMS__FORM_NONE ? request->body : (tsms_str){NULL, 0};
    info->url = tsms__buf_str(&webhook->url);
    tsms_status status = tsms__signer_check(signer, info->url, fields, body, info->signature, err);
    if (status == TSMS_ERROR && entry.ptr != NULL &&
        tsms__public_url_respell(entry, info->url, &webhook->respelled)) {
        if (webhook->respelled.failed) {
            return answer(tsms__error_nomem(err), 500, err);
        }
        info->url = tsms__buf_str(&webhook->respelled);
        status = tsms__signer_check(signer, info->url, fields, body, info->signature, err);
    }
    /* Without a signature it is malformed; with a wrong one it is forbidden. */
    return answer(status, info->signature.len == 0 ? 400 : 403, err);
}

static bool is_token(tsms_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= 0x20 || text.ptr[i] >= 0x7F) {
            return false;
        }
    }
    return text.len > 0 && text.len <= TOKEN_MOST;
}

static tsms_status forbid_reference(tsms_webhook *webhook, tsms_error *err, const char *text)
{
    webhook->refused_ref = true;
    return forbid(err, text);
}

static tsms_status check_reference(tsms_webhook *webhook, int64_t wall_ms,
                                   char traceparent[TSMS__TRACEPARENT_SIZE],
                                   tsms_webhook_info *info, tsms_error *err)
{
    tsms__ref ref;
    switch (tsms__ref_check(webhook->ref_key, info->url, info->account_sid, wall_ms / 1000, &ref)) {
    case TSMS__REF_GOOD:
        info->callback_ref = ref.id;
        if (ref.span.len > 0) {
            tsms__ref_traceparent(ref.span, traceparent);
            info->traceparent = tsms_str_from(traceparent);
        }
        return TSMS_OK;
    case TSMS__REF_EXPIRED:
        return forbid_reference(webhook, err,
                                "the reference in the URL of the callback has expired");
    case TSMS__REF_FORGED:
        return forbid_reference(webhook, err,
                                "the reference in the URL of the callback is not one of ours");
    case TSMS__REF_NONE:
        break;
    }
    return webhook->ref_required
               ? forbid_reference(webhook, err, "the URL of the callback has no reference")
               : TSMS_OK;
}

/* What a genuine request says. */
static tsms_status type_content(tsms_webhook *webhook, const tsms_webhook_request *request,
                                tsms__webhook_form form, int64_t wall_ms,
                                char traceparent[TSMS__TRACEPARENT_SIZE], tsms_webhook_info *info,
                                tsms_error *err)
{
    if (form == TSMS__FORM_NONE) {
        info->json = request->body.len > 0 ? request->body : (tsms_str){NULL, 0};
        return tsms__webhook_is_text(request->body)
                   ? TSMS_OK
                   : refuse(err, TSMS_KIND_PAYLOAD_PARSE_ERROR, 400,
                            "the body is not UTF-8 or holds a zero byte");
    }
    tsms_status status = tsms__webhook_type_fields(&webhook->fields, info, err);
    return status == TSMS_OK && info->type == TSMS_WEBHOOK_STATUS && webhook->ref_key != NULL
               ? check_reference(webhook, wall_ms, traceparent, info, err)
               : status;
}

/* ---- All of them --------------------------------------------------------------------------- */

tsms_status tsms_webhook_read(tsms_webhook *webhook, const tsms_webhook_request *given,
                              int64_t wall_ms, tsms_webhook_event **out, tsms_error *err)
{
    tsms_webhook_request request;
    tsms_webhook_info info = {.type = TSMS_WEBHOOK_UNKNOWN, .received_ms = wall_ms};
    tsms__account_tokens *account = NULL;
    tsms__url_origin origin;
    tsms_error ignored;
    err = err != NULL ? err : &ignored;
    tsms__error_clear(err);
    webhook->refused_account[0] = '\0';
    webhook->refused_ref = false;
    if (!tsms__webhook_request_copy(given, &request)) {
        return refuse(err, TSMS_KIND_INVALID_OPTION, 500,
                      "the size of the request is not that of a known layout");
    }
    tsms_status status = tsms__webhook_check_size(webhook, &request, err);
    if (status == TSMS_OK) {
        status = answer(tsms__webhook_locate(webhook, &request, &origin, err), 400, err);
    }
    if (status != TSMS_OK) {
        return status;
    }
    tsms_str entry =
        tsms__public_url_find(webhook->urls, webhook->url_count, tsms__buf_str(&webhook->url));
    if (webhook->url_count > 0 && entry.ptr == NULL) {
        return forbid(err, "the public URL of the request is not one of 'urls'");
    }
    tsms__webhook_form form = tsms__webhook_form_of(webhook, &request);
    status = tsms__webhook_decode(webhook, &request, form, err);
    if (status == TSMS_OK) {
        status = find_account(webhook, &account, err);
    }
    if (status == TSMS_OK) {
        status = check_signature(webhook, &request, form, account->signer, entry, &info, err);
        note_refused(webhook, account, status, err);
    }
    if (status != TSMS_OK) {
        return status;
    }
    if (tsms__recut_in(tsms__url_query(info.url))) {
        return refuse(err, TSMS_KIND_PAYLOAD_PARSE_ERROR, 400,
                      "the query was cut anew: it holds a parameter of another request");
    }
    tsms__webhook_account_used(webhook, account);
    info.account_sid = tsms_str_from(account->sid);
    tsms_str token;
    if (tsms__header_find(&request, "I-Twilio-Idempotency-Token", &token) && is_token(token)) {
        info.idempotency_token = token;
    }
    char traceparent[TSMS__TRACEPARENT_SIZE];
    status = type_content(webhook, &request, form, wall_ms, traceparent, &info, err);
    if (status != TSMS_OK) {
        return status;
    }
    if (webhook->trace != NULL && info.type == TSMS_WEBHOOK_INBOUND) {
        tsms__trace_receive(webhook->trace, traceparent);
        info.traceparent = tsms_str_from(traceparent);
    }
    return answer(tsms__webhook_event_new(&webhook->mem, &info,
                                          form != TSMS__FORM_NONE ? &webhook->fields : NULL, out,
                                          err),
                  500, err);
}

tsms_str tsms_webhook_refused_account(const tsms_webhook *webhook)
{
    return webhook->refused_account[0] != '\0' ? tsms_str_from(webhook->refused_account)
                                               : (tsms_str){NULL, 0};
}
