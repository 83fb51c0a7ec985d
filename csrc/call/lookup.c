/* Matches rows of the message list against a send whose answer was lost. */
#include "lookup.h"

/* A message may be stored this much later than its request failed. */
enum { LATE_S = 120 };

void tsms__claims_add(tsms__claims *claims, tsms_str sid)
{
    claims->sids[claims->count++ % TSMS__CLAIMS] = tsms__str_hash(sid);
}

bool tsms__claims_has(const tsms__claims *claims, tsms_str sid)
{
    uint64_t hash = tsms__str_hash(sid);
    size_t known = claims->count < TSMS__CLAIMS ? claims->count : TSMS__CLAIMS;
    for (size_t i = 0; i < known; i++) {
        if (claims->sids[i] == hash) {
            return true;
        }
    }
    return false;
}

/* A trial account's texts get a sentence in front, a discarded body is empty, and white space at
 * the ends is not kept. */
static bool body_fits(const tsms__intent *intent, tsms_str row)
{
    static const char trial[] = "Sent from your Twilio trial account - ";
    if (intent->body_may_differ || row.len == 0) {
        return true;
    }
    if (tsms__str_starts(row, TSMS__STR(trial))) {
        row.ptr += sizeof trial - 1;
        row.len -= sizeof trial - 1;
    }
    return tsms__str_eq(tsms__str_trim(row), tsms__str_trim(intent->body));
}

static bool row_fits(const tsms__intent *intent, const tsms_message *row)
{
    if (!tsms__str_eq(row->to, intent->to) ||
        !tsms__str_eq(row->direction, TSMS__STR("outbound-api"))) {
        return false;
    }
    if (row->date_created_unix != 0 &&
        (row->date_created_unix < intent->since_s - TSMS__LOOKUP_EARLY_S ||
         row->date_created_unix > intent->until_s + LATE_S)) {
        return false;
    }
    /* A service picks the sender later: until then the row has none. */
    if (intent->from.len > 0 && row->from.len > 0 && !tsms__str_eq(row->from, intent->from)) {
        return false;
    }
    if (!tsms__str_eq(row->messaging_service_sid, intent->messaging_service_sid)) {
        return false;
    }
    return body_fits(intent, row->body);
}

bool tsms__lookup_find(const tsms__intent *intent, const tsms__records *page,
                       const tsms__claims *claims, size_t *index)
{
    bool found = false;
    int64_t oldest = INT64_MAX;
    for (size_t i = 0; i < page->count; i++) {
        tsms_message row;
        tsms__message_from_json(tsms__records_at(page, i), &row);
        if (row.date_created_unix <= oldest && row_fits(intent, &row) &&
            !tsms__claims_has(claims, row.sid)) {
            found = true;
            oldest = row.date_created_unix;
            *index = i;
        }
    }
    return found;
}

bool tsms__lookup_goes_on(const tsms__intent *intent, const tsms__records *page)
{
    if (page->count == 0 || tsms__records_next_page_uri(page).len == 0) {
        return false;
    }
    for (size_t i = 0; i < page->count; i++) {
        tsms_message row;
        tsms__message_from_json(tsms__records_at(page, i), &row);
        if (row.date_created_unix != 0 &&
            row.date_created_unix < intent->since_s - TSMS__LOOKUP_EARLY_S) {
            return false;
        }
    }
    return true;
}
