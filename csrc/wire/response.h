/* From the bytes of an answer to records or a typed error. */
#ifndef TSMS_WIRE_RESPONSE_H
#define TSMS_WIRE_RESPONSE_H

#include "../base/json.h"
#include "codes.h"
#include "request.h"

/* An answer as the driver saw it. Views; absent headers are {NULL, 0}. */
typedef struct tsms__response {
    int http_status; /* 0: no status line was seen */
    bool complete;   /* the whole body arrived */
    tsms_str body;
    tsms_str retry_after;
    tsms_str date;
    tsms_str request_id;
} tsms__response;

/* Which records of a page are remembered, so that none is far from one that is. The server's pages
 * have at most 1000. */
enum { TSMS__MARK_STEP = 64, TSMS__MARKS = 16 };

/* A parsed answer. */
typedef struct tsms__records {
    tsms__json *document;
    tsms__shape shape;
    size_t count;
    const tsms__json *marks[TSMS__MARKS]; /* the records 0, 64, 128 ... */
} tsms__records;

/* Parses the body of a 2xx. False when it is not what `shape` says: not JSON, no list, a message
 * without a well-formed sid. */
bool tsms__records_parse(tsms__records *records, tsms__shape shape, tsms_str body);
void tsms__records_free(tsms__records *records);
/* The record at index, NULL past the end. */
const tsms__json *tsms__records_at(const tsms__records *records, size_t index);
/* As it came; absent on the last page and for what is no page. */
tsms_str tsms__records_next_page_uri(const tsms__records *records);
void tsms__message_from_json(const tsms__json *record, tsms_message *out);
void tsms__media_from_json(const tsms__json *record, tsms_media *out);

/* Fills err from an answer that is not 2xx: JSON, HTML, empty, cut or with a null code. The code
 * decides by the table, then the HTTP status, then the code's range. outcome and attempts are left
 * to the caller; retry_after_ms and request_id are filled in. */
void tsms__response_error(const tsms__response *response, const tsms__code_override *overrides,
                          size_t override_count, tsms_error *err);
/* Both forms of Retry-After (RFC 9110 section 10.2.3) in milliseconds; a date is taken relative to
 * the answer's own Date header; without one, or when it lies in the past, the wait is 0. -1 when
 * absent or malformed; at most one day. */
int64_t tsms__retry_after_ms(tsms_str retry_after, tsms_str date);

#endif
