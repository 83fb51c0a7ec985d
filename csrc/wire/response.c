/* Reads the records of a good answer. */
#include "response.h"

#include "date.h"

#include <limits.h>

/* Whether a node has the sid that its shape needs: a message's, a medium's, or, for feedback, that
 * of its message. */
static bool is_record(tsms__shape shape, const tsms__json *node)
{
    switch (shape) {
    case TSMS__SHAPE_MESSAGE:
    case TSMS__SHAPE_MESSAGE_PAGE:
        return tsms__sid_is_message(tsms__json_text(tsms__json_get(node, "sid")));
    case TSMS__SHAPE_MEDIA:
    case TSMS__SHAPE_MEDIA_PAGE:
        return tsms__sid_is(tsms__json_text(tsms__json_get(node, "sid")), "ME");
    default:
        return tsms__sid_is_message(tsms__json_text(tsms__json_get(node, "message_sid")));
    }
}

/* One bad record spoils its page: whoever looks for a message must not overlook it. */
static bool add_record(tsms__records *records, const tsms__json *node)
{
    if (!is_record(records->shape, node)) {
        return false;
    }
    size_t mark = records->count / TSMS__MARK_STEP;
    if (records->count % TSMS__MARK_STEP == 0 && mark < TSMS__MARKS) {
        records->marks[mark] = node;
    }
    records->count++;
    return true;
}

static bool add_page(tsms__records *records, const char *name)
{
    const tsms__json *list = tsms__json_get(records->document, name);
    if (tsms__json_type_of(list) != TSMS__JSON_ARRAY) {
        return false;
    }
    for (const tsms__json *node = tsms__json_first(list); node != NULL;
         node = tsms__json_next(node)) {
        if (!add_record(records, node)) {
            return false;
        }
    }
    return true;
}

static bool add_all(tsms__records *records)
{
    switch (records->shape) {
    case TSMS__SHAPE_MESSAGE_PAGE:
        return add_page(records, "messages");
    case TSMS__SHAPE_MEDIA_PAGE:
        return add_page(records, "media_list");
    default:
        return add_record(records, records->document);
    }
}

bool tsms__records_parse(tsms__records *records, tsms__shape shape, tsms_str body)
{
    *records = (tsms__records){.shape = shape};
    if (shape == TSMS__SHAPE_NONE) {
        return true;
    }
    records->document = tsms__json_parse(body);
    if (!add_all(records)) {
        tsms__records_free(records);
        return false;
    }
    return true;
}

void tsms__records_free(tsms__records *records)
{
    tsms__json_free(records->document);
    *records = (tsms__records){0};
}

const tsms__json *tsms__records_at(const tsms__records *records, size_t index)
{
    if (index >= records->count) {
        return NULL;
    }
    size_t mark = index / TSMS__MARK_STEP;
    if (mark >= TSMS__MARKS) {
        mark = TSMS__MARKS - 1;
    }
    const tsms__json *node = records->marks[mark];
    for (size_t at = mark * TSMS__MARK_STEP; at < index; at++) {
        node = tsms__json_next(node);
    }
    return node;
}

tsms_str tsms__records_next_page_uri(const tsms__records *records)
{
    return tsms__json_text(tsms__json_get(records->document, "next_page_uri"));
}

typedef enum field_type {
    FIELD_TEXT, /* tsms_str */
    FIELD_INT,  /* int, from a number or decimal text */
} field_type;

typedef struct field {
    tsms_str name;
    field_type type;
    size_t offset;
} field;

enum { MOST_FIELDS = 32 };

/* Fills the fields of *out that the record has; a name that comes twice counts once, as in
 * tsms__json_get. The server keeps to one order, so the search for a name begins behind the last
 * one found: with the table in that order it ends at once. */
static void read_fields(const tsms__json *record, const field *fields, size_t count, void *out)
{
    bool seen[MOST_FIELDS] = {false};
    size_t next = 0;
    for (const tsms__json *member = tsms__json_first(record); member != NULL;
         member = tsms__json_next(member)) {
        tsms_str name = tsms__json_name(member);
        size_t at = next;
        size_t tried = 0;
        while (tried < count && !tsms__str_eq(name, fields[at].name)) {
            at = at + 1 < count ? at + 1 : 0;
            tried++;
        }
        if (tried == count || seen[at]) {
            continue;
        }
        seen[at] = true;
        next = at + 1 < count ? at + 1 : 0;
        void *place = (char *)out + fields[at].offset;
        int64_t number;
        if (fields[at].type == FIELD_TEXT) {
            *(tsms_str *)place = tsms__json_text(member);
        } else if (tsms__json_int(member, &number) && number >= INT_MIN && number <= INT_MAX) {
            *(int *)place = (int)number;
        }
    }
}

static int64_t unix_from(tsms_str date)
{
    int64_t unix_s;
    return date.len > 0 && tsms__date_from_rfc2822(date, &unix_s) ? unix_s : 0;
}

/* In the order of Twilio's answers. X(type, name of the member and of the field) */
#define MESSAGE_FIELDS(X)                                                                          \
    X(TEXT, body)                                                                                  \
    X(INT, num_segments)                                                                           \
    X(TEXT, direction)                                                                             \
    X(TEXT, from)                                                                                  \
    X(TEXT, date_updated)                                                                          \
    X(TEXT, price)                                                                                 \
    X(TEXT, error_message)                                                                         \
    X(TEXT, uri)                                                                                   \
    X(TEXT, account_sid)                                                                           \
    X(INT, num_media)                                                                              \
    X(TEXT, to)                                                                                    \
    X(TEXT, date_created)                                                                          \
    X(TEXT, status)                                                                                \
    X(TEXT, sid)                                                                                   \
    X(TEXT, date_sent)                                                                             \
    X(TEXT, messaging_service_sid)                                                                 \
    X(INT, error_code)                                                                             \
    X(TEXT, price_unit)                                                                            \
    X(TEXT, api_version)

#define MEDIA_FIELDS(X)                                                                            \
    X(TEXT, sid)                                                                                   \
    X(TEXT, account_sid)                                                                           \
    X(TEXT, parent_sid)                                                                            \
    X(TEXT, content_type)                                                                          \
    X(TEXT, date_created)                                                                          \
    X(TEXT, date_updated)                                                                          \
    X(TEXT, uri)

void tsms__message_from_json(const tsms__json *record, tsms_message *out)
{
    static const field fields[] = {
#define X(type, name) {{#name, sizeof #name - 1}, FIELD_##type, offsetof(tsms_message, name)},
        MESSAGE_FIELDS(X)
#undef X
    };
    *out = (tsms_message){.sid = {NULL, 0}};
    read_fields(record, fields, sizeof fields / sizeof *fields, out);
    out->status_id = tsms_message_status_from(out->status);
    out->date_created_unix = unix_from(out->date_created);
    out->date_updated_unix = unix_from(out->date_updated);
    out->date_sent_unix = unix_from(out->date_sent);
}

void tsms__media_from_json(const tsms__json *record, tsms_media *out)
{
    static const field fields[] = {
#define X(type, name) {{#name, sizeof #name - 1}, FIELD_##type, offsetof(tsms_media, name)},
        MEDIA_FIELDS(X)
#undef X
    };
    *out = (tsms_media){.sid = {NULL, 0}};
    read_fields(record, fields, sizeof fields / sizeof *fields, out);
    out->date_created_unix = unix_from(out->date_created);
    out->date_updated_unix = unix_from(out->date_updated);
}
