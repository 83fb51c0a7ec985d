#include "call/event.h"

#include "support.h"

enum { CAPACITY = 512 };

static tsms__events *fresh(test_mem *tm)
{
    test_mem_init(tm, 0);
    tsms__events *events = tsms__events_new(&tm->mem);
    assert_non_null(events);
    return events;
}

static void done(test_mem *tm, tsms__events *events)
{
    tsms__events_free(events);
    assert_int_equal(tm->live, 0);
}

static bool add(tsms__events *events, uint64_t call_id)
{
    bool dropped;
    tsms_event *event = tsms__events_add(events, &dropped);
    static const tsms_event cleared;
    assert_memory_equal(event, &cleared, sizeof cleared);
    event->call_id = call_id;
    memset(event->text, 'x', sizeof event->text);
    return dropped;
}

static void test_first_in_first_out(void **state)
{
    (void)state;
    test_mem tm;
    tsms__events *events = fresh(&tm);
    tsms_event event;
    assert_false(tsms__events_take(events, &event));
    assert_false(add(events, 1));
    assert_false(add(events, 2));
    assert_true(tsms__events_take(events, &event));
    assert_int_equal(event.call_id, 1);
    assert_false(add(events, 3));
    for (uint64_t id = 2; id <= 3; id++) {
        assert_true(tsms__events_take(events, &event));
        assert_int_equal(event.call_id, id);
    }
    assert_false(tsms__events_take(events, &event));
    done(&tm, events);
}

static void test_the_oldest_give_way(void **state)
{
    (void)state;
    test_mem tm;
    tsms__events *events = fresh(&tm);
    for (uint64_t id = 1; id <= CAPACITY; id++) {
        assert_false(add(events, id));
    }
    for (uint64_t id = CAPACITY + 1; id <= 3 * CAPACITY; id++) {
        assert_true(add(events, id));
    }
    tsms_event event;
    for (uint64_t id = 2 * CAPACITY + 1; id <= 3 * CAPACITY; id++) {
        assert_true(tsms__events_take(events, &event));
        assert_int_equal(event.call_id, id);
    }
    assert_false(tsms__events_take(events, &event));
    assert_false(add(events, 7)); /* there is room again */
    done(&tm, events);
}

/* Against a plain count, with every filling from empty to full. */
static void test_writer_and_reader_at_any_pace(void **state)
{
    (void)state;
    test_mem tm;
    tsms__events *events = fresh(&tm);
    uint64_t written = 0;
    uint64_t taken = 0;
    uint32_t noise = 1;
    for (int step = 0; step < 200000; step++) {
        noise = noise * 1664525 + 1013904223;
        bool mostly_write = (step / 2000) % 2 == 0;
        if ((noise >> 16) % 4 != 0 ? mostly_write : !mostly_write) {
            bool full = written - taken == CAPACITY;
            assert_int_equal(add(events, ++written), full);
            taken += full;
        } else {
            tsms_event event;
            bool any = tsms__events_take(events, &event);
            assert_int_equal(any, taken < written);
            if (any) {
                assert_int_equal(event.call_id, ++taken);
            }
        }
    }
    done(&tm, events);
}

static void test_without_memory(void **state)
{
    (void)state;
    test_mem tm;
    test_mem_init(&tm, 1);
    assert_null(tsms__events_new(&tm.mem));
    assert_int_equal(tm.live, 0);
    tsms__events_free(NULL);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(tsms_event_name(TSMS_EVENT_ATTEMPT), "attempt");
    assert_string_equal(tsms_event_name(TSMS_EVENT_DONE), "done");
    assert_string_equal(tsms_event_name((tsms_event_type)99), "");
    assert_string_equal(tsms_event_name((tsms_event_type)-1), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_in_first_out),
        cmocka_unit_test(test_the_oldest_give_way),
        cmocka_unit_test(test_writer_and_reader_at_any_pace),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
