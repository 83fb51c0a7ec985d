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

/* Letters and digits that smart encoding leaves alone. It replaces quotes, dashes, spaces, small
 * capitals, full-width forms and the like, and what it puts in is ASCII
 * (github.com/TwilioDevEd/message-segment-calculator, SmartEncodingMap.ts). */
static bool is_kept(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } kept[] = {
        {'0', '9'},       {'A', 'Z'},       {'a', 'z'},          {0xC0, 0xF6},
        {0xF8, 0x1C2},    {0x1C4, 0x24F},   {0x370, 0x1CFF},     {0x1E00, 0x1FFF},
        {0x3040, 0xA6FF}, {0xA800, 0xFDFF}, {0x10000, 0x10FFFF},
    };
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        if (c >= kept[i].first && c <= kept[i].last) {
            return true;
        }
    }
    return false;
}

/* The next kept character from pos on, 0 at the end; counts what may have been replaced before. */
static uint32_t next_kept(tsms_str text, size_t *pos, size_t *replaceable)
{
    uint32_t c;
    while (tsms__utf8_next(text, pos, &c)) {
        if (is_kept(c)) {
            return c;
        }
        *replaceable += c >= 0x80;
    }
    return 0;
}

/* Whether row may be what smart encoding made of sent: the kept characters of sent in their order,
 * and besides at most two letters or digits for each replaced one ("1/2"). */
static bool is_smart_form(tsms_str sent, tsms_str row)
{
    enum { MOST_ADDED = 2 };
    size_t sent_pos = 0;
    size_t row_pos = 0;
    size_t replaced = 0;
    size_t unused = 0;
    size_t added = 0;
    uint32_t wanted = next_kept(sent, &sent_pos, &replaced);
    uint32_t c;
    while ((c = next_kept(row, &row_pos, &unused)) != 0) {
        if (c == wanted) {
            wanted = next_kept(sent, &sent_pos, &replaced);
        } else if (c >= 0x80) {
            return false;
        } else {
            added++;
        }
    }
    return wanted == 0 && added <= MOST_ADDED * replaced;
}

/* A discarded or redacted body is empty; so is that of a message that has nothing but media, which
 * is not ours when ours has none. A trial account's texts get a sentence in front, and white space
 * at the ends is not kept. */
static bool body_fits(const tsms__intent *intent, const tsms_message *message)
{
    static const char trial[] = "Sent from your Twilio trial account - ";
    tsms_str row = message->body;
    if (intent->rewriting == TSMS__REWRITING_ANY) {
        return true;
    }
    if (row.len == 0) {
        return message->num_media == 0 || intent->media_count > 0;
    }
    if (tsms__str_starts(row, TSMS__STR(trial))) {
        row.ptr += sizeof trial - 1;
        row.len -= sizeof trial - 1;
    }
    if (intent->rewriting == TSMS__REWRITING_SMART) {
        return is_smart_form(intent->body, row);
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
    return body_fits(intent, row);
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
