/* wire/response.c and response_error.c: any bytes are refused, or give records whose views are the
 * document's own, and always an error whose texts are one clean line.
 *
 * Two bytes of the input choose the HTTP status and the shape; the rest is the body and, up to a
 * NUL if it has one, the Retry-After and Date headers. */
#include "fuzz.h"

#include <string.h>

#include "base/err.h"
#include "wire/response.h"

/* The view is the text of the member, neither a copy nor a piece. */
static void check_view(const tsms__json *record, const char *name, tsms_str view)
{
    tsms_str text = tsms__json_text(tsms__json_get(record, name));
    CHECK(view.ptr == text.ptr && view.len == text.len);
}

static void check_message(const tsms__json *record)
{
    tsms_message message;
    tsms__message_from_json(record, &message);
#define VIEW(name) check_view(record, #name, message.name)
    VIEW(sid);
    VIEW(account_sid);
    VIEW(messaging_service_sid);
    VIEW(to);
    VIEW(from);
    VIEW(body);
    VIEW(status);
    VIEW(direction);
    VIEW(price);
    VIEW(price_unit);
    VIEW(error_message);
    VIEW(date_created);
    VIEW(date_updated);
    VIEW(date_sent);
    VIEW(api_version);
    VIEW(uri);
#undef VIEW
    CHECK(tsms__sid_is_message(message.sid));
    CHECK(message.date_created_unix >= 0 && message.date_sent_unix >= 0);
    CHECK(tsms_message_status_name(message.status_id) != NULL);
}

static void check_media(const tsms__json *record)
{
    tsms_media media;
    tsms__media_from_json(record, &media);
    check_view(record, "sid", media.sid);
    check_view(record, "parent_sid", media.parent_sid);
    check_view(record, "content_type", media.content_type);
    check_view(record, "uri", media.uri);
    CHECK(tsms__sid_is(media.sid, "ME"));
}

static void check_records(tsms__shape shape, tsms_str body)
{
    tsms__records records;
    bool parsed = tsms__records_parse(&records, shape, body);
    CHECK(parsed || (records.document == NULL && records.count == 0));
    for (size_t i = 0; i < records.count; i++) {
        const tsms__json *record = tsms__records_at(&records, i);
        CHECK(record != NULL);
        if (shape == TSMS__SHAPE_MESSAGE || shape == TSMS__SHAPE_MESSAGE_PAGE) {
            check_message(record);
        } else if (shape == TSMS__SHAPE_MEDIA || shape == TSMS__SHAPE_MEDIA_PAGE) {
            check_media(record);
        }
    }
    CHECK(tsms__records_at(&records, records.count) == NULL);
    (void)tsms__records_next_page_uri(&records);
    tsms__records_free(&records);
}

static void check_line(const char *text, size_t size)
{
    CHECK(memchr(text, '\0', size) != NULL);
    tsms_str line = tsms_str_from(text);
    CHECK(tsms__utf8_valid(line));
    for (size_t i = 0; i < line.len; i++) {
        CHECK((unsigned char)line.ptr[i] >= 0x20 && line.ptr[i] != 0x7F);
    }
}

static void check_error(const tsms__response *response)
{
    tsms_error err;
    tsms__response_error(response, NULL, 0, &err);
    check_line(err.message, sizeof err.message);
    check_line(err.more_info, sizeof err.more_info);
    check_line(err.request_id, sizeof err.request_id);
    CHECK(err.message[0] != '\0');
    CHECK(err.kind != TSMS_KIND_NONE && err.category == tsms_kind_category(err.kind));
    CHECK(err.api_code >= 0 && err.http_status == response->http_status);
    CHECK(err.retry_after_ms >= -1 && err.retry_after_ms <= INT64_C(86400000));
    CHECK(response->http_status != 429 || err.category == TSMS_CATEGORY_RATE_LIMIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    /* A copy of its own size, so that a read past the end is seen. */
    size_t len = size - 2;
    char *text = malloc(len > 0 ? len : 1);
    if (text == NULL) {
        return 0;
    }
    memcpy(text, data + 2, len);
    tsms_str body = {text, len};
    const char *nul = memchr(text, '\0', len);
    tsms_str header = {text, nul != NULL ? (size_t)(nul - text) : len};
    tsms__response response = {.http_status = 300 + data[0],
                               .complete = (data[1] & 0x80) == 0,
                               .body = body,
                               .retry_after = header,
                               .date = header,
                               .request_id = header};
    check_error(&response);
    check_records((tsms__shape)((data[1] & 0x7F) % (TSMS__SHAPE_FEEDBACK + 1)), body);
    free(text);
    return 0;
}
