/* Writes spans in OTLP's JSON encoding. */
#include "trace_text.h"

#include <string.h>

#include "../base/json_text.h"

static void add_hex(tsms_buf *out, const unsigned char *bytes, size_t count)
{
    if (tsms__buf_reserve(out, 2 * count)) {
        tsms__hex_write(bytes, count, out->ptr + out->len);
        out->len += 2 * count;
    }
}

/* Milliseconds as fixed64 nanoseconds, which are never negative. */
static void add_time(tsms_buf *out, int64_t ms)
{
    tsms__buf_add_int(out, ms > 0 ? ms : 0);
    tsms__buf_add(out, ms > 0 ? TSMS__STR("000000\"") : TSMS__STR("\""));
}

/* Members follow one another; the first follows a bracket. */
static void separate(tsms_buf *out)
{
    if (out->len > 0 && out->ptr[out->len - 1] != '[') {
        tsms__buf_add_char(out, ',');
    }
}

void tsms__span_open(tsms_buf *out, const tsms__span_head *head)
{
    tsms__buf_add(out, TSMS__STR("{\"traceId\":\""));
    add_hex(out, head->trace_id, TSMS__TRACE_ID);
    tsms__buf_add(out, TSMS__STR("\",\"spanId\":\""));
    add_hex(out, head->id, TSMS__SPAN_ID);
    if (head->parent_id != NULL) {
        tsms__buf_add(out, TSMS__STR("\",\"parentSpanId\":\""));
        add_hex(out, head->parent_id, TSMS__SPAN_ID);
    }
    tsms__buf_add(out, TSMS__STR("\",\"name\":\""));
    tsms__buf_add_z(out, head->name);
    tsms__buf_add(out, TSMS__STR("\",\"kind\":"));
    tsms__buf_add_int(out, head->kind);
    tsms__buf_add(out, TSMS__STR(",\"startTimeUnixNano\":\""));
    add_time(out, head->start_ms);
    tsms__buf_add(out, TSMS__STR(",\"endTimeUnixNano\":\""));
    add_time(out, head->end_ms > head->start_ms ? head->end_ms : head->start_ms);
    tsms__buf_add(out, TSMS__STR(",\"attributes\":["));
}

static void open_attribute(tsms_buf *out, const char *key)
{
    separate(out);
    tsms__buf_add(out, TSMS__STR("{\"key\":\""));
    tsms__buf_add_z(out, key);
}

/* Whether it stands in JSON as it is. */
static bool is_plain(tsms_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c == '"' || c == '\\') {
            return false;
        }
    }
    return true;
}

/* Most attributes are short and plain, and each send has twenty: room for all parts at once. */
static void put_plain(tsms_buf *out, const char *key, tsms_str value)
{
    const tsms_str parts[] = {
        out->len > 0 && out->ptr[out->len - 1] != '[' ? TSMS__STR(",{\"key\":\"")
                                                      : TSMS__STR("{\"key\":\""),
        tsms_str_from(key),
        TSMS__STR("\",\"value\":{\"stringValue\":\""),
        value,
        TSMS__STR("\"}}"),
    };
    enum { PARTS = sizeof parts / sizeof *parts };
    size_t len = 0;
    for (size_t i = 0; i < PARTS; i++) {
        len += parts[i].len;
    }
    if (!tsms__buf_reserve(out, len)) {
        return;
    }
    char *at = out->ptr + out->len;
    for (size_t i = 0; i < PARTS; i++) {
        memcpy(at, parts[i].ptr, parts[i].len);
        at += parts[i].len;
    }
    out->len += len;
}

void tsms__span_str(tsms_buf *out, const char *key, tsms_str value)
{
    if (value.len == 0) {
        return;
    }
    if (is_plain(value)) {
        put_plain(out, key, value);
        return;
    }
    open_attribute(out, key);
    tsms__buf_add(out, TSMS__STR("\",\"value\":{\"stringValue\":"));
    tsms__json_put_string(out, value);
    tsms__buf_add(out, TSMS__STR("}}"));
}

void tsms__span_int(tsms_buf *out, const char *key, int64_t value)
{
    open_attribute(out, key);
    tsms__buf_add(out, TSMS__STR("\",\"value\":{\"intValue\":\""));
    tsms__buf_add_int(out, value);
    tsms__buf_add(out, TSMS__STR("\"}}"));
}

void tsms__span_end_attributes(tsms_buf *out)
{
    tsms__buf_add_char(out, ']');
}

void tsms__span_event(tsms_buf *out, const char *name, int64_t at_ms, bool is_first)
{
    tsms__buf_add(out, is_first ? TSMS__STR(",\"events\":[{\"timeUnixNano\":\"")
                                : TSMS__STR(",{\"timeUnixNano\":\""));
    add_time(out, at_ms);
    tsms__buf_add(out, TSMS__STR(",\"name\":\""));
    tsms__buf_add_z(out, name);
    tsms__buf_add(out, TSMS__STR("\",\"attributes\":["));
}

void tsms__span_end_event(tsms_buf *out)
{
    tsms__buf_add(out, TSMS__STR("]}"));
}

void tsms__span_end_events(tsms_buf *out, uint32_t dropped)
{
    tsms__buf_add_char(out, ']');
    if (dropped > 0) {
        tsms__buf_add(out, TSMS__STR(",\"droppedEventsCount\":"));
        tsms__buf_add_int(out, dropped);
    }
}

void tsms__span_link(tsms_buf *out, const unsigned char *trace_id, const unsigned char *id)
{
    tsms__buf_add(out, TSMS__STR(",\"links\":[{\"traceId\":\""));
    add_hex(out, trace_id, TSMS__TRACE_ID);
    tsms__buf_add(out, TSMS__STR("\",\"spanId\":\""));
    add_hex(out, id, TSMS__SPAN_ID);
    tsms__buf_add(out, TSMS__STR("\"}]"));
}

void tsms__span_failed(tsms_buf *out, tsms_str message)
{
    /* opentelemetry.proto.trace.v1.Status.StatusCode: STATUS_CODE_ERROR */
    tsms__buf_add(out, TSMS__STR(",\"status\":{\"code\":2,\"message\":"));
    tsms__json_put_string(out, message);
    tsms__buf_add_char(out, '}');
}

void tsms__span_close(tsms_buf *out)
{
    tsms__buf_add_char(out, '}');
}
