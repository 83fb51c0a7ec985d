/* Spans for the tests: what a trace exports, as one readable line each.
 *
 *     name(kind) key=value key=value [event key=value] ->link !message
 *
 * Times are milliseconds since a moment that the test chooses: "@100+50" in front is a span that
 * starts 100 ms after it and takes 50 ms. */
#ifndef TESTS_TRACE_SUPPORT_H
#define TESTS_TRACE_SUPPORT_H

#include "support.h"

#include "base/json.h"
#include "call/trace.h"

enum { SPANS_MOST = 64, SPAN_TEXT = 1024 };

typedef struct test_span {
    char trace_id[40];
    char id[20];
    char parent_id[20]; /* empty: none */
    char text[SPAN_TEXT];
} test_span;

typedef struct test_spans {
    test_span spans[SPANS_MOST];
    size_t count;
} test_spans;

static inline void test_add(char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline void test_add(char *out, size_t size, const char *format, ...)
{
    size_t used = strlen(out);
    va_list args;
    va_start(args, format);
    vsnprintf(out + used, size - used, format, args);
    va_end(args);
}

static inline void test_copy(char *out, size_t size, const tsms__json *node)
{
    tsms_str text = tsms__json_text(node);
    snprintf(out, size, "%.*s", (int)text.len, text.len > 0 ? text.ptr : "");
}

static inline int64_t test_ms(const tsms__json *span, const char *name)
{
    int64_t ns = -1;
    assert_true(tsms__json_int(tsms__json_get(span, name), &ns));
    assert_int_equal(ns % 1000000, 0);
    return ns / 1000000;
}

static inline void test_add_attributes(char *out, const tsms__json *owner)
{
    const tsms__json *list = tsms__json_get(owner, "attributes");
    assert_int_equal(tsms__json_type_of(list), TSMS__JSON_ARRAY);
    for (const tsms__json *one = tsms__json_first(list); one != NULL; one = tsms__json_next(one)) {
        const tsms__json *value = tsms__json_first(tsms__json_get(one, "value"));
        tsms_str key = tsms__json_text(tsms__json_get(one, "key"));
        tsms_str text = tsms__json_text(value);
        assert_true(key.len > 0 && text.len > 0); /* integers are strings, too */
        test_add(out, SPAN_TEXT, " %.*s=%.*s", (int)key.len, key.ptr, (int)text.len, text.ptr);
    }
}

static inline void test_read_span(const tsms__json *node, int64_t since_ms, test_span *out)
{
    char text[SPAN_TEXT];
    int64_t start_ms = test_ms(node, "startTimeUnixNano");
    int64_t end_ms = test_ms(node, "endTimeUnixNano");
    memset(out, 0, sizeof *out);
    test_copy(out->trace_id, sizeof out->trace_id, tsms__json_get(node, "traceId"));
    test_copy(out->id, sizeof out->id, tsms__json_get(node, "spanId"));
    test_copy(out->parent_id, sizeof out->parent_id, tsms__json_get(node, "parentSpanId"));
    assert_int_equal(strlen(out->trace_id), 32);
    assert_int_equal(strlen(out->id), 16);
    assert_true(end_ms >= start_ms);
    test_copy(text, sizeof text, tsms__json_get(node, "name"));
    test_add(out->text, SPAN_TEXT, "@%d+%d %s(%d)", (int)(start_ms - since_ms),
             (int)(end_ms - start_ms), text, (int)tsms__json_number(tsms__json_get(node, "kind")));
    test_add_attributes(out->text, node);
    const tsms__json *events = tsms__json_get(node, "events");
    for (const tsms__json *one = tsms__json_first(events); one != NULL;
         one = tsms__json_next(one)) {
        int64_t at_ms = test_ms(one, "timeUnixNano");
        assert_true(at_ms >= start_ms && at_ms <= end_ms);
        test_copy(text, sizeof text, tsms__json_get(one, "name"));
        test_add(out->text, SPAN_TEXT, " [%s", text);
        test_add_attributes(out->text, one);
        test_add(out->text, SPAN_TEXT, "]");
    }
    const tsms__json *dropped = tsms__json_get(node, "droppedEventsCount");
    if (dropped != NULL) {
        test_add(out->text, SPAN_TEXT, " (%d more)", (int)tsms__json_number(dropped));
    }
    const tsms__json *link = tsms__json_first(tsms__json_get(node, "links"));
    if (link != NULL) {
        test_copy(text, sizeof text, tsms__json_get(link, "traceId"));
        assert_string_equal(text, out->trace_id);
        test_copy(text, sizeof text, tsms__json_get(link, "spanId"));
        test_add(out->text, SPAN_TEXT, " ->%s", text);
    }
    const tsms__json *status = tsms__json_get(node, "status");
    if (status != NULL) {
        assert_int_equal((int)tsms__json_number(tsms__json_get(status, "code")), 2);
        test_copy(text, sizeof text, tsms__json_get(status, "message"));
        test_add(out->text, SPAN_TEXT, " !%s", text);
    }
}

/* Takes all that waits. */
static inline void test_take(tsms_trace *trace, int64_t since_ms, test_spans *out)
{
    size_t count = 0;
    tsms_str body = tsms_trace_take(trace, SPANS_MOST, &count);
    out->count = 0;
    if (count == 0) {
        return;
    }
    tsms__json *document = tsms__json_parse(body);
    assert_non_null(document);
    const tsms__json *resource = tsms__json_first(tsms__json_get(document, "resourceSpans"));
    const tsms__json *scope = tsms__json_first(tsms__json_get(resource, "scopeSpans"));
    const tsms__json *spans = tsms__json_get(scope, "spans");
    for (const tsms__json *one = tsms__json_first(spans); one != NULL; one = tsms__json_next(one)) {
        assert_true(out->count < SPANS_MOST);
        test_read_span(one, since_ms, &out->spans[out->count++]);
    }
    assert_int_equal(out->count, count);
    tsms__json_free(document);
}

static inline tsms_trace *test_trace(const tsms_mem *mem)
{
    tsms_trace *trace = NULL;
    tsms_trace_options options = TSMS_TRACE_OPTIONS_INIT;
    options.seed = 7;
    assert_int_equal(tsms_trace_new(mem, &options, &trace, NULL), TSMS_OK);
    return trace;
}

#endif
