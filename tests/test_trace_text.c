#include "support.h"

#include "call/trace_text.h"

static const unsigned char TRACE[TSMS__TRACE_ID] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                    8, 9, 10, 11, 12, 13, 14, 255};
static const unsigned char ID[TSMS__SPAN_ID] = {1, 2, 3, 4, 5, 6, 7, 8};
static const unsigned char PARENT[TSMS__SPAN_ID] = {9, 9, 9, 9, 9, 9, 9, 0xab};

#define IDS "{\"traceId\":\"000102030405060708090a0b0c0d0eff\",\"spanId\":\"0102030405060708\""

static void open_span(tsms_buf *out, const unsigned char *parent_id, int64_t start_ms,
                      int64_t end_ms)
{
    tsms__span_open(out, &(tsms__span_head){.trace_id = TRACE,
                                            .id = ID,
                                            .parent_id = parent_id,
                                            .name = "a",
                                            .kind = TSMS__SPAN_CLIENT,
                                            .start_ms = start_ms,
                                            .end_ms = end_ms});
}

static void test_smallest(void **state)
{
    tsms_buf out;
    tsms__buf_init(&out, &tsms__mem_libc);
    open_span(&out, NULL, 5, 7);
    tsms__span_end_attributes(&out);
    tsms__span_close(&out);
    assert_str_is(tsms__buf_str(&out),
                  IDS ",\"name\":\"a\",\"kind\":3,\"startTimeUnixNano\":\"5000000\","
                      "\"endTimeUnixNano\":\"7000000\",\"attributes\":[]}");
    tsms__buf_free(&out);
}

static void test_everything(void **state)
{
    tsms_buf out;
    tsms__buf_init(&out, &tsms__mem_libc);
    open_span(&out, PARENT, INT64_C(1790000000123), INT64_C(1790000000122));
    tsms__span_str(&out, "text",
                   tsms_str_from("a\"\\\n\x01"
                                 "\xc3\xa9"));
    tsms__span_str(&out, "none", (tsms_str){NULL, 0});
    tsms__span_int(&out, "least", INT64_MIN);
    tsms__span_int(&out, "zero", 0);
    tsms__span_end_attributes(&out);
    tsms__span_event(&out, "e", 0, true);
    tsms__span_int(&out, "n", -12);
    tsms__span_end_event(&out);
    tsms__span_event(&out, "f", -5, false);
    tsms__span_end_event(&out);
    tsms__span_end_events(&out, 3);
    tsms__span_link(&out, TRACE, PARENT);
    tsms__span_failed(&out, tsms_str_from("it \"failed\""));
    tsms__span_close(&out);
    assert_str_is(
        tsms__buf_str(&out), IDS
        ",\"parentSpanId\":\"09090909090909ab\",\"name\":\"a\",\"kind\":3,"
        "\"startTimeUnixNano\":\"1790000000123000000\",\"endTimeUnixNano\":\"1790000000123000000\","
        "\"attributes\":[{\"key\":\"text\",\"value\":{\"stringValue\":"
        "\"a\\\"\\\\\\n\\u0001\xc3\xa9\"}},"
        "{\"key\":\"least\",\"value\":{\"intValue\":\"-9223372036854775808\"}},"
        "{\"key\":\"zero\",\"value\":{\"intValue\":\"0\"}}],"
        "\"events\":[{\"timeUnixNano\":\"0\",\"name\":\"e\",\"attributes\":["
        "{\"key\":\"n\",\"value\":{\"intValue\":\"-12\"}}]},"
        "{\"timeUnixNano\":\"0\",\"name\":\"f\",\"attributes\":[]}],\"droppedEventsCount\":3,"
        "\"links\":[{\"traceId\":\"000102030405060708090a0b0c0d0eff\",\"spanId\":"
        "\"09090909090909ab\"}],"
        "\"status\":{\"code\":2,\"message\":\"it \\\"failed\\\"\"}}");
    tsms__buf_free(&out);
}

static void test_no_memory(void **state)
{
    for (size_t n = 1;; n++) {
        test_mem tm;
        tsms_buf out;
        test_mem_init(&tm, n);
        tsms__buf_init(&out, &tm.mem);
        open_span(&out, PARENT, 1, 2);
        tsms__span_end_attributes(&out);
        tsms__span_close(&out);
        assert_int_equal(out.failed, tm.failed);
        tsms__buf_free(&out);
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_smallest),
                                       cmocka_unit_test(test_everything),
                                       cmocka_unit_test(test_no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
