/* Finding, in a page of the message list, the message whose own answer was lost. */
#ifndef TSMS_CALL_LOOKUP_H
#define TSMS_CALL_LOOKUP_H

#include "../wire/response.h"

enum {
    TSMS__CLAIMS = 4096,
    TSMS__LOOKUP_EARLY_S = 5, /* a row may be this much older than its request: the clocks of the
                                 server's parts differ a little */
};

/* The messages that already belong to a call, by the hash of their sid; the oldest are forgotten. A
 * forgotten one may be taken for another identical message, which loses a text rather than sending
 * one twice. */
typedef struct tsms__claims {
    uint64_t sids[TSMS__CLAIMS];
    size_t count;
} tsms__claims;

void tsms__claims_add(tsms__claims *claims, tsms_str sid);
bool tsms__claims_has(const tsms__claims *claims, tsms_str sid);

/* What the server may do to a text. */
typedef enum tsms__rewriting {
    TSMS__REWRITING_NONE,
    TSMS__REWRITING_SMART, /* smart encoding: typographic characters become plain ones */
    TSMS__REWRITING_ANY,   /* short links, a template */
} tsms__rewriting;

/* What to look for. */
typedef struct tsms__intent {
    tsms_str to;
    tsms_str from;                  /* absent: any sender */
    tsms_str messaging_service_sid; /* absent: none was given */
    tsms_str body;
    int media_count;
    tsms__rewriting rewriting;
    int64_t since_s; /* the server's Unix time at the first attempt */
    int64_t until_s;
} tsms__intent;

/* The index of the oldest row that fits and is not claimed; false when there is none. Every row is
 * held against every condition, because the server ignores filters that it does not know
 * (twilio-node issue 223). */
bool tsms__lookup_find(const tsms__intent *intent, const tsms__records *page,
                       const tsms__claims *claims, size_t *index);
/* Whether older pages may still hold a fitting row: the oldest row here is not before the window.
 */
bool tsms__lookup_goes_on(const tsms__intent *intent, const tsms__records *page);

#endif
