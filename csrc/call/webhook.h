/* A receiver of webhooks: its rules, the tokens of its accounts, and what it saw before. */
#ifndef TSMS_CALL_WEBHOOK_H
#define TSMS_CALL_WEBHOOK_H

#include "../base/sha.h"
#include "../wire/fields.h"
#include "../wire/public_url.h"
#include "replay.h"
#include "shared.h"

enum { TSMS__ACCOUNTS_MOST = 1024, TSMS__SID_SIZE = 35 };

/* The tokens of one account. */
typedef struct tsms__account_tokens {
    char sid[TSMS__SID_SIZE]; /* ends in NUL */
    tsms_signer *signer;
    uint64_t used; /* the larger, the more recently */
} tsms__account_tokens;

struct tsms_webhook {
    tsms_mem mem;
    char account_sid[TSMS__SID_SIZE]; /* ends in NUL */
    tsms_str *urls;                   /* owned */
    size_t url_count;
    tsms__network *proxies;
    size_t proxy_count;
    size_t max_body;
    size_t max_fields;
    tsms__hmac *ref_key; /* NULL: references are not looked at */
    bool ref_required;

    tsms__account_tokens *accounts; /* each with a token at least */
    size_t account_count, account_cap;
    uint64_t uses;

    tsms__fields fields; /* of the request that is being read */
    tsms_buf url;        /* its public URL */
    tsms_buf respelled;  /* the same, spelled as in the list */
    char refused_account[TSMS__SID_SIZE];
    bool refused_ref; /* the last request was refused for its reference */

    tsms_log *log;     /* NULL: none is written */
    tsms_str problem;  /* for the log: why handling the event that is counted next failed */
    tsms_trace *trace; /* the same */
    tsms__region *region;
    int64_t replay_window_ms;
    tsms__replay_answer repeated; /* what tsms_webhook_claim shows */
    tsms_buf metrics_text;        /* what tsms_webhook_metrics shows */
};

/* ---- Metrics, log and trace (webhook_count.c) */

/* As tsms_webhook_count, for an event that says this. */
void tsms__webhook_count(tsms_webhook *webhook, const tsms_webhook_info *info,
                         tsms_webhook_verdict verdict, int64_t wall_ms);
/* Appends the metrics of the webhook's region. */
void tsms__webhook_metrics(tsms_webhook *webhook, tsms_metrics_format format, tsms_buf *out);

/* ---- Accounts (webhook_accounts.c) */

/* An account with a token; NULL when there is none. An absent sid means the webhook's own. */
tsms__account_tokens *tsms__webhook_account(tsms_webhook *webhook, tsms_str sid);
/* A genuine request came from it. Others must not count: they would drive accounts out. */
void tsms__webhook_account_used(tsms_webhook *webhook, tsms__account_tokens *account);
void tsms__webhook_accounts_free(tsms_webhook *webhook);

/* ---- The steps of reading (webhook_read.c), which explaining takes, too */

/* How the parameters came, and with that what the signature covers beside the URL. */
typedef enum tsms__webhook_form {
    TSMS__FORM_QUERY, /* GET: nothing */
    TSMS__FORM_BODY,  /* POST of a form: its parameters */
    TSMS__FORM_NONE,  /* POST of anything else: its digest, which the URL has to hold */
} tsms__webhook_form;

/* Copies a caller's struct of this or an older layout. False for what is none. */
bool tsms__webhook_request_copy(const tsms_webhook_request *given, tsms_webhook_request *own);
/* Whether method and lengths are such that reading may go on. */
tsms_status tsms__webhook_check_size(const tsms_webhook *webhook,
                                     const tsms_webhook_request *request, tsms_error *err);
/* Leaves the public URL in webhook->url. */
tsms_status tsms__webhook_locate(tsms_webhook *webhook, const tsms_webhook_request *request,
                                 tsms__url_origin *origin, tsms_error *err);
/* Needs webhook->url. */
tsms__webhook_form tsms__webhook_form_of(const tsms_webhook *webhook,
                                         const tsms_webhook_request *request);
/* Leaves the parameters in webhook->fields; there are none for TSMS__FORM_NONE. */
tsms_status tsms__webhook_decode(tsms_webhook *webhook, const tsms_webhook_request *request,
                                 tsms__webhook_form form, tsms_error *err);

#endif
