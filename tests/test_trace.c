#include "trace_support.h"

static tsms_trace *make(double sample, size_t buffer_size)
{
    tsms_trace *trace = NULL;
    tsms_trace_options options = TSMS_TRACE_OPTIONS_INIT;
    options.seed = 1;
    options.sample = sample;
    options.buffer_size = buffer_size;
    assert_int_equal(tsms_trace_new(NULL, &options, &trace, NULL), TSMS_OK);
    return trace;
}

/* A span of this many bytes, whose text is a number. */
static void add(tsms_trace *trace, int number, size_t bytes)
{
    tsms_buf *out = tsms__trace_start_span(trace);
    char text[16];
    snprintf(text, sizeof text, "%0*d", 8, number);
    tsms__buf_add_char(out, '"');
    tsms__buf_add_z(out, text);
    while (out->len + 1 < bytes && !out->failed) {
        tsms__buf_add_char(out, '.');
    }
    tsms__buf_add_char(out, '"');
    tsms__trace_add_span(trace);
}

/* Takes spans of add and asserts that they are these, in this order. */
static void take_numbers(tsms_trace *trace, size_t most, int first, size_t want)
{
    size_t count = 0;
    tsms_str body = tsms_trace_take(trace, most, &count);
    assert_int_equal(count, want);
    tsms__json *document = count > 0 ? tsms__json_parse(body) : NULL;
    const tsms__json *resource = tsms__json_first(tsms__json_get(document, "resourceSpans"));
    const tsms__json *scope = tsms__json_first(tsms__json_get(resource, "scopeSpans"));
    const tsms__json *one = tsms__json_first(tsms__json_get(scope, "spans"));
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(atoi(tsms__json_text(one).ptr), first + (int)i);
        one = tsms__json_next(one);
    }
    assert_null(one);
    tsms__json_free(document);
}

static void test_request(void **state)
{
    tsms_trace *trace = NULL;
    const tsms_param resource[] = {
        {tsms_str_from("deployment.\"environment\""), tsms_str_from("a\"b")}};
    tsms_trace_options options = TSMS_TRACE_OPTIONS_INIT;
    options.service_name = tsms_str_from("shop");
    options.resource = resource;
    options.resource_count = 1;
    assert_int_equal(tsms_trace_new(NULL, &options, &trace, NULL), TSMS_OK);
    size_t count = 9;
    assert_null(tsms_trace_take(trace, 10, &count).ptr);
    assert_int_equal(count, 0);
    add(trace, 1, 10);
    add(trace, 2, 10);
    assert_null(tsms_trace_take(trace, 0, &count).ptr);
    assert_int_equal(tsms_trace_pending(trace), 2);
    assert_str_is(
        tsms_trace_take(trace, 10, &count),
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
        "\"value\":{\"stringValue\":\"shop\"}},{\"key\":\"deployment.\\\"environment\\\"\","
        "\"value\":{\"stringValue\":\"a\\\"b\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":"
        "\"twilio-sms\",\"version\":\"" TSMS_VERSION "\"},\"spans\":["
        "\"00000001\",\"00000002\"]}]}]}");
    tsms_trace_free(trace);
    tsms_trace_free(NULL);
}

static void test_bad_options(void **state)
{
    const tsms_param nameless = {tsms_str_from(""), tsms_str_from("x")};
    const tsms_param bad_text = {tsms_str_from("x"), tsms_str_from("\xff")};
    const tsms_param twin = {tsms_str_from("service.name"), tsms_str_from("x")};
    tsms_trace_options cases[8];
    for (size_t i = 0; i < 8; i++) {
        cases[i] = (tsms_trace_options)TSMS_TRACE_OPTIONS_INIT;
    }
    cases[0].sample = -0.1;
    cases[1].sample = 1.1;
    cases[2].buffer_size = 100;
    cases[3].service_name = tsms_str_from("\xff");
    cases[4].resource = &nameless;
    cases[5].resource = &bad_text;
    cases[6].resource = &twin;
    cases[4].resource_count = cases[5].resource_count = cases[6].resource_count = 1;
    cases[7].size = sizeof cases[7] + 1;
    for (size_t i = 0; i < 8; i++) {
        tsms_trace *trace = NULL;
        tsms_error err;
        assert_int_equal(tsms_trace_new(NULL, &cases[i], &trace, &err), TSMS_ERROR);
        assert_int_equal(err.kind, TSMS_KIND_INVALID_OPTION);
        assert_null(trace);
    }
}

/* The oldest first, whatever was taken before, and what finds no room is counted. */
static void test_bounded(void **state)
{
    enum { SIZE = 4096, SPAN = 100, ROOM = SIZE / (SPAN + 4) };
    tsms_trace *trace = make(1, SIZE);
    int first = 0;
    int next = 0;
    for (int round = 0; round < 50; round++) {
        while (tsms_trace_pending(trace) < ROOM) {
            add(trace, next++, SPAN);
        }
        add(trace, -1, SPAN); /* no room */
        take_numbers(trace, 7, first, 7);
        first += 7;
    }
    assert_int_equal(tsms__trace_take_dropped(trace), 50);
    assert_int_equal(tsms__trace_take_dropped(trace), 0);
    take_numbers(trace, 1000, first, (size_t)(next - first));
    assert_int_equal(tsms_trace_pending(trace), 0);
    add(trace, 1, SIZE + 1); /* never any room */
    tsms_trace_dropped(trace, 3);
    assert_int_equal(tsms__trace_take_dropped(trace), 4);
    tsms__trace_stats stats;
    tsms__trace_stats_read(trace, &stats);
    assert_int_equal(stats.spans, next + 51);
    assert_int_equal(stats.dropped, 54);
    assert_int_equal(stats.pending, 0);
    tsms_trace_free(trace);
}

/* Spans of all sizes come and go by chance: what is kept, in which order, and what is dropped is
 * what a plain queue of that many bytes says. */
static void test_against_a_model(void **state)
{
    enum { SIZE = 4096, ROUNDS = 20000, LEAST = 10 };
    static size_t lengths[ROUNDS];
    static int numbers[ROUNDS];
    tsms_trace *trace = make(1, SIZE);
    tsms__rand rand;
    tsms__rand_init(&rand, 5);
    size_t first = 0;
    size_t next = 0;
    size_t used = 0;
    uint64_t dropped = 0;
    for (int i = 0; i < ROUNDS; i++) {
        if (tsms__rand_between(&rand, 0, 9) < 7) {
            int64_t most = tsms__rand_between(&rand, 0, 3) == 0 ? SIZE + 8 : 300;
            size_t bytes = (size_t)tsms__rand_between(&rand, LEAST, most);
            add(trace, i, bytes);
            if (used + bytes + 4 <= SIZE) {
                numbers[next] = i;
                lengths[next++] = bytes + 4;
                used += bytes + 4;
            } else {
                dropped++;
            }
        } else if (first < next) {
            size_t most = (size_t)tsms__rand_between(&rand, 1, 5);
            size_t count = 0;
            tsms__json *document = tsms__json_parse(tsms_trace_take(trace, most, &count));
            assert_int_equal(count, most < next - first ? most : next - first);
            const tsms__json *resource =
                tsms__json_first(tsms__json_get(document, "resourceSpans"));
            const tsms__json *scope = tsms__json_first(tsms__json_get(resource, "scopeSpans"));
            const tsms__json *one = tsms__json_first(tsms__json_get(scope, "spans"));
            for (; count > 0; count--, first++, one = tsms__json_next(one)) {
                assert_int_equal(atoi(tsms__json_text(one).ptr), numbers[first]);
                used -= lengths[first];
            }
            assert_null(one);
            tsms__json_free(document);
        }
        assert_int_equal(tsms_trace_pending(trace), next - first);
    }
    assert_int_equal(tsms__trace_take_dropped(trace), dropped);
    assert_true(dropped > 1000 && next > 1000);
    tsms_trace_free(trace);
}

static void test_ids(void **state)
{
    tsms_trace *seeded[2] = {make(1, 4096), make(1, 4096)};
    tsms_trace *random[2] = {NULL, NULL};
    const tsms_trace_options options = TSMS_TRACE_OPTIONS_INIT;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(tsms_trace_new(NULL, &options, &random[i], NULL), TSMS_OK);
    }
    unsigned char ids[4][16];
    for (int round = 0; round < 40; round++) { /* more than one fetch from the system */
        tsms__trace_new_id(seeded[0], ids[0], 16);
        tsms__trace_new_id(seeded[1], ids[1], 16);
        tsms__trace_new_id(random[0], ids[2], 16);
        tsms__trace_new_id(random[1], ids[3], 16);
        assert_memory_equal(ids[0], ids[1], 16);
        assert_memory_not_equal(ids[2], ids[3], 16);
        assert_memory_not_equal(ids[0], ids[2], 16);
    }
    for (size_t i = 0; i < 2; i++) {
        tsms_trace_free(seeded[i]);
        tsms_trace_free(random[i]);
    }
}

static void test_sampling(void **state)
{
    const tsms__now now = {0, 1000};
    const tsms_str none = {NULL, 0};
    tsms_trace *trace = make(0.25, 4096);
    int kept = 0;
    for (int i = 0; i < 4000; i++) {
        tsms__span span = tsms__trace_begin(trace, none, now);
        kept += span.kept;
        assert_false(span.has_parent);
        assert_int_equal(span.start_ms, 1000);
    }
    assert_in_range(kept, 900, 1100);
    /* The bytes decide, as in OpenTelemetry's Go library: 2^61 of 2^63 are a quarter. */
    unsigned char id[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                            0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    assert_true(tsms__trace_samples(trace, id));
    id[8] = 0x40;
    memset(id + 9, 0, 7);
    assert_false(tsms__trace_samples(trace, id));
    tsms_trace_free(trace);
    trace = make(0, 4096);
    assert_false(tsms__trace_begin(trace, none, now).kept);
    /* Whoever has begun the trace has decided. */
    tsms_str parent = tsms_str_from("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    tsms__span span = tsms__trace_begin(trace, parent, now);
    assert_true(span.kept && span.has_parent);
    assert_int_equal(span.trace_id[0], 0x4b);
    assert_int_equal(span.parent_id[7], 0xb7);
    tsms_trace_free(trace);
    trace = make(1, 4096);
    parent = tsms_str_from("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
    assert_false(tsms__trace_begin(trace, parent, now).kept);
    parent = tsms_str_from("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01");
    span = tsms__trace_begin(trace, parent, now);
    assert_true(span.kept && !span.has_parent);
    tsms_trace_free(trace);
}

static void test_no_memory(void **state)
{
    for (size_t n = 1;; n++) {
        test_mem tm;
        tsms_trace *trace = NULL;
        size_t count = 0;
        test_mem_init(&tm, n);
        tsms_status status = tsms_trace_new(&tm.mem, NULL, &trace, NULL);
        if (status == TSMS_OK) {
            add(trace, 1, 300);
            tsms_str body = tsms_trace_take(trace, 1, &count);
            assert_int_equal(body.ptr != NULL, count == 1);
            tsms__trace_stats stats;
            tsms__trace_stats_read(trace, &stats);
            assert_int_equal(stats.dropped + stats.pending + count, 1); /* none is forgotten */
            assert_int_equal(count == 1, !tm.failed);
        } else {
            assert_int_equal(status, TSMS_NOMEM);
            assert_null(trace);
        }
        tsms_trace_free(trace);
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            break;
        }
    }
}

static void test_owners(void **state)
{
    tsms_trace *trace = make(1, 4096);
    assert_ptr_equal(tsms__trace_keep(trace), trace);
    tsms_trace_free(trace);
    add(trace, 1, 20); /* still there */
    assert_int_equal(tsms_trace_pending(trace), 1);
    tsms_trace_free(trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),   cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_bounded),   cmocka_unit_test(test_against_a_model),
        cmocka_unit_test(test_ids),       cmocka_unit_test(test_sampling),
        cmocka_unit_test(test_no_memory), cmocka_unit_test(test_owners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
