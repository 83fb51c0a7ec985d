/* Spans as text: OTLP's JSON encoding (opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding"):
 * ids in hex, 64-bit integers as strings, enums as numbers, names in lowerCamelCase.
 *
 * A span is written from front to back: open, attributes, end of attributes, events, close. */
#ifndef TSMS_CALL_TRACE_TEXT_H
#define TSMS_CALL_TRACE_TEXT_H

#include "../wire/traceparent.h"

/* opentelemetry.proto.trace.v1.Span.SpanKind */
typedef enum tsms__span_kind {
    TSMS__SPAN_INTERNAL = 1,
    TSMS__SPAN_CLIENT = 3,
    TSMS__SPAN_PRODUCER = 4,
    TSMS__SPAN_CONSUMER = 5,
} tsms__span_kind;

typedef struct tsms__span_head {
    const unsigned char *trace_id;
    const unsigned char *id;
    const unsigned char *parent_id; /* NULL: it is the root */
    const char *name;               /* needs no escapes */
    tsms__span_kind kind;
    int64_t start_ms; /* Unix time */
    int64_t end_ms;   /* one before start_ms counts as start_ms */
} tsms__span_head;

void tsms__span_open(tsms_buf *out, const tsms__span_head *head);
/* An attribute of the span, the event or the resource that is being written. The key needs no
 * escapes; the value must be UTF-8, and an empty one is left out. */
void tsms__span_str(tsms_buf *out, const char *key, tsms_str value);
void tsms__span_int(tsms_buf *out, const char *key, int64_t value);
void tsms__span_end_attributes(tsms_buf *out);
/* Opens an event; its attributes follow. A first one opens the list. */
void tsms__span_event(tsms_buf *out, const char *name, int64_t at_ms, bool is_first);
void tsms__span_end_event(tsms_buf *out);
/* Closes the list of events; so many more were not kept. */
void tsms__span_end_events(tsms_buf *out, uint32_t dropped);
void tsms__span_link(tsms_buf *out, const unsigned char *trace_id, const unsigned char *id);
/* Status "error" with this message, which is UTF-8. */
void tsms__span_failed(tsms_buf *out, tsms_str message);
void tsms__span_close(tsms_buf *out);

#endif
