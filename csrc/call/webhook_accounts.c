/* The accounts of a receiver of webhooks: a bounded list, from which the least used one gives way.
 */
#include "webhook.h"

#include <string.h>

#include "../wire/request.h"
#include "../wire/sign.h"

static tsms__account_tokens *find(tsms_webhook *webhook, tsms_str sid)
{
    for (size_t i = 0; i < webhook->account_count; i++) {
        tsms__account_tokens *account = &webhook->accounts[i];
        if (memcmp(account->sid, sid.ptr, TSMS__SID_SIZE - 1) == 0) {
            return account;
        }
    }
    return NULL;
}

tsms__account_tokens *tsms__webhook_account(tsms_webhook *webhook, tsms_str sid)
{
    sid = sid.ptr != NULL ? sid : tsms_str_from(webhook->account_sid);
    return tsms__sid_is(sid, "AC") ? find(webhook, sid) : NULL;
}

void tsms__webhook_account_used(tsms_webhook *webhook, tsms__account_tokens *account)
{
    account->used = ++webhook->uses;
}

/* A free place, or that of the account which was not used for the longest time; never the webhook's
 * own. NULL without memory. */
static tsms__account_tokens *make_room(tsms_webhook *webhook)
{
    if (webhook->account_count < webhook->account_cap) {
        return &webhook->accounts[webhook->account_count];
    }
    if (webhook->account_cap < TSMS__ACCOUNTS_MOST) {
        size_t cap = webhook->account_cap > 0 ? 2 * webhook->account_cap : 1;
        tsms__account_tokens *moved =
            tsms__resize(&webhook->mem, webhook->accounts, cap, sizeof *moved);
        if (moved == NULL) {
            return NULL;
        }
        webhook->accounts = moved;
        webhook->account_cap = cap;
        return &moved[webhook->account_count];
    }
    tsms__account_tokens *least = NULL;
    for (size_t i = 0; i < webhook->account_count; i++) {
        tsms__account_tokens *account = &webhook->accounts[i];
        bool is_own = strcmp(account->sid, webhook->account_sid) == 0;
        if (!is_own && (least == NULL || account->used < least->used)) {
            least = account;
        }
    }
    return least;
}

tsms_status tsms_webhook_add_token(tsms_webhook *webhook, tsms_str account_sid, tsms_str token,
                                   tsms_error *err)
{
    tsms_str sid = account_sid.ptr != NULL ? account_sid : tsms_str_from(webhook->account_sid);
    tsms__error_clear(err);
    if (!tsms__sid_is(sid, "AC")) {
        return tsms__error_set(err, TSMS_KIND_INVALID_ACCOUNT_SID,
                               "the account of a token must be AC and 32 hex digits");
    }
    tsms__account_tokens *account = find(webhook, sid);
    if (account != NULL) {
        return tsms_signer_add(account->signer, token, err);
    }
    tsms_signer *signer = NULL;
    tsms_status status = tsms_signer_new(&webhook->mem, &signer, err);
    if (status == TSMS_OK) {
        status = tsms_signer_add(signer, token, err);
    }
    if (status == TSMS_OK) {
        account = make_room(webhook);
        status = account != NULL ? TSMS_OK : tsms__error_nomem(err);
    }
    if (status != TSMS_OK) {
        tsms_signer_free(signer);
        return status;
    }
    if (account == &webhook->accounts[webhook->account_count]) {
        webhook->account_count++;
    } else {
        tsms_signer_free(account->signer);
    }
    memcpy(account->sid, sid.ptr, TSMS__SID_SIZE - 1);
    account->sid[TSMS__SID_SIZE - 1] = '\0';
    account->signer = signer;
    tsms__webhook_account_used(webhook, account);
    return TSMS_OK;
}

void tsms_webhook_forget(tsms_webhook *webhook, tsms_str account_sid)
{
    tsms__account_tokens *account = tsms__webhook_account(webhook, account_sid);
    if (account != NULL) {
        tsms_signer_free(account->signer);
        *account = webhook->accounts[--webhook->account_count];
    }
}

void tsms__webhook_accounts_free(tsms_webhook *webhook)
{
    for (size_t i = 0; i < webhook->account_count; i++) {
        tsms_signer_free(webhook->accounts[i].signer);
    }
    tsms__free(&webhook->mem, webhook->accounts);
}
