#include "support.h"

#include "call/metrics.h"

static int make(void **state)
{
    size_t size = (tsms__metrics_size() + 63) / 64 * 64;
    *state = aligned_alloc(64, size);
    assert_non_null(*state);
    memset(*state, 0, size);
    return 0;
}

static int drop(void **state)
{
    free(*state);
    return 0;
}

/* What an instrument holds in all, and in how many series. */
static tsms__sample total(const tsms__metrics *metrics, tsms__instrument instrument, size_t *series)
{
    tsms__sample all = {0};
    *series = 0;
    for (size_t slot = 0; slot < tsms__metrics_slots(instrument); slot++) {
        if (tsms__metrics_at(metrics, instrument, slot) != 0) {
            *series += 1;
            tsms__metrics_add(metrics, instrument, slot, &all);
        }
    }
    return all;
}

static uint64_t count_of(const tsms__metrics *metrics, tsms__instrument instrument,
                         tsms__series series)
{
    tsms__sample found = {0};
    size_t slots = 0;
    for (size_t slot = 0; slot < tsms__metrics_slots(instrument); slot++) {
        if (tsms__metrics_at(metrics, instrument, slot) == series) {
            slots++;
            tsms__metrics_add(metrics, instrument, slot, &found);
        }
    }
    assert_in_range(slots, 0, 1);
    return found.count;
}

static void test_a_series_is_its_labels(void **state)
{
    tsms__series series = tsms__series_of(TSMS__MESSAGES, 1, 0xFFFE, 0x1234);
    assert_int_equal(tsms__series_label(series, 0), 1);
    assert_int_equal(tsms__series_label(series, 1), 0xFFFE);
    assert_int_equal(tsms__series_label(series, 2), 0x1234);
    assert_true(tsms__series_of(TSMS__MESSAGES, 0, 0, 0) != 0);
    assert_true(tsms__series_of(TSMS__MESSAGES, 0, 0, 0) !=
                tsms__series_of(TSMS__WEBHOOKS, 0, 0, 0));
    assert_true(tsms__series_of(TSMS__MESSAGES, 1, 0, 0) !=
                tsms__series_of(TSMS__MESSAGES, 0, 1, 0));
}

static void test_an_empty_table(void **state)
{
    tsms__metrics *metrics = *state;
    for (int i = 0; i < TSMS__INSTRUMENTS; i++) {
        size_t series;
        assert_int_equal(total(metrics, (tsms__instrument)i, &series).count, 0);
        assert_int_equal(series, 0);
        assert_in_range(tsms__metrics_slots((tsms__instrument)i), 2, 2000);
    }
    assert_int_equal(tsms__metrics_overflowed(metrics), 0);
}

static void test_counting(void **state)
{
    tsms__metrics *metrics = *state;
    tsms__series first = tsms__series_of(TSMS__ERRORS, 3, 0, 0);
    tsms__series second = tsms__series_of(TSMS__ERRORS, 4, 0, 0);
    for (int i = 0; i < 5; i++) {
        tsms__metrics_count(metrics, first, 1);
    }
    tsms__metrics_count(metrics, second, 7);
    tsms__metrics_count(metrics, tsms__series_of(TSMS__RETRIES, 3, 0, 0), 1);
    assert_int_equal(count_of(metrics, TSMS__ERRORS, first), 5);
    assert_int_equal(count_of(metrics, TSMS__ERRORS, second), 7);
    size_t series;
    assert_int_equal(total(metrics, TSMS__ERRORS, &series).count, 12);
    assert_int_equal(series, 2);
}

static void test_the_bucket_of_a_time(void **state)
{
    tsms__metrics *metrics = *state;
    tsms__series series = tsms__series_of(TSMS__SENDS, 0, 0, 0);
    static const struct {
        int64_t ms;
        size_t bucket;
    } rows[] = {{-5, 0},      {0, 0},
                {5, 0},       {6, 1},
                {10, 1},      {11, 2},
                {250, 6},     {251, 7},
                {10000, 13},  {10001, 14},
                {60000, 15},  {600000, 17},
                {600001, 18}, {INT64_MAX / 4, 18}};
    uint64_t sum_ms = 0;
    tsms__sample want = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tsms__metrics_time(metrics, series, rows[i].ms);
        want.buckets[rows[i].bucket]++;
        sum_ms += rows[i].ms > 0 ? (uint64_t)rows[i].ms : 0;
    }
    size_t count;
    tsms__sample got = total(metrics, TSMS__SENDS, &count);
    assert_int_equal(count, 1);
    assert_int_equal(got.sum_ms, sum_ms);
    assert_int_equal(got.count, sizeof rows / sizeof *rows);
    assert_memory_equal(got.buckets, want.buckets, sizeof want.buckets);
    for (size_t i = 1; i < TSMS__BUCKETS - 1; i++) {
        assert_true(tsms__bounds_ms[i] > tsms__bounds_ms[i - 1]);
    }
}

/* Each series keeps its own number, nothing is lost, and the others are not disturbed. */
static void test_more_series_than_slots(void **state)
{
    enum { MANY = 5000, BESIDE = 7 };
    tsms__metrics *metrics = *state;
    for (unsigned i = 0; i < BESIDE; i++) {
        tsms__metrics_count(metrics, tsms__series_of(TSMS__WEBHOOKS, i, 0, 0), 1);
        tsms__metrics_count(metrics, tsms__series_of(TSMS__ERRORS, i, 0, 0), 1);
    }
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            tsms__metrics_count(metrics, tsms__series_of(TSMS__MESSAGES, i, 49, 3), 1);
        }
    }
    size_t series;
    unsigned all = TSMS__LABEL_OVERFLOW;
    tsms__series rest = tsms__series_of(TSMS__MESSAGES, all, all, 3);
    assert_int_equal(total(metrics, TSMS__MESSAGES, &series).count, 2 * MANY);
    assert_in_range(series, 1900, 2000);
    assert_int_equal(count_of(metrics, TSMS__MESSAGES, rest), tsms__metrics_overflowed(metrics));
    assert_int_equal(count_of(metrics, TSMS__MESSAGES, rest), 2 * (MANY - (series - 1)));
    for (size_t slot = 1; slot < tsms__metrics_slots(TSMS__MESSAGES); slot++) {
        tsms__sample sample = {0};
        tsms__series at = tsms__metrics_at(metrics, TSMS__MESSAGES, slot);
        if (at != 0 && at != rest) {
            tsms__metrics_add(metrics, TSMS__MESSAGES, slot, &sample);
            assert_int_equal(sample.count, 2);
        }
    }
    assert_int_equal(total(metrics, TSMS__WEBHOOKS, &series).count, BESIDE);
    assert_int_equal(series, BESIDE);
    assert_int_equal(total(metrics, TSMS__ERRORS, &series).count, BESIDE);
    assert_int_equal(series, BESIDE);
}

/* The last labels of messages are few and are kept; where even they are many, all are given up. */
static void test_what_overflow_keeps(void **state)
{
    enum { MANY = 5000, STATUSES = 40 };
    tsms__metrics *metrics = *state;
    unsigned all = TSMS__LABEL_OVERFLOW;
    for (unsigned i = 0; i < MANY; i++) {
        tsms__metrics_count(metrics, tsms__series_of(TSMS__MESSAGES, 7, i, i % STATUSES), 1);
        tsms__metrics_count(metrics, tsms__series_of(TSMS__WEBHOOKS, 7, 2, i), 1);
        tsms__metrics_count(metrics, tsms__series_of(TSMS__ERRORS, i, 0, 0), 1);
    }
    size_t series;
    assert_int_equal(total(metrics, TSMS__MESSAGES, &series).count, MANY);
    assert_int_equal(total(metrics, TSMS__WEBHOOKS, &series).count, MANY);
    assert_int_equal(total(metrics, TSMS__ERRORS, &series).count, MANY);
    size_t kept = 0;
    for (unsigned status = 0; status < STATUSES; status++) {
        kept += count_of(metrics, TSMS__MESSAGES,
                         tsms__series_of(TSMS__MESSAGES, all, all, status)) > 0;
    }
    assert_int_equal(kept, 31);
    assert_true(count_of(metrics, TSMS__MESSAGES, tsms__series_of(TSMS__MESSAGES, all, all, all)) >
                0);
    assert_true(count_of(metrics, TSMS__WEBHOOKS, tsms__series_of(TSMS__WEBHOOKS, 7, 2, all)) >
                MANY - 2000);
    assert_true(count_of(metrics, TSMS__ERRORS, tsms__series_of(TSMS__ERRORS, all, all, all)) >
                MANY - 64);
}

/* Labels from short lists all find room: operations, outcomes and statuses of HTTP, kinds. */
static void test_short_lists_fit(void **state)
{
    tsms__metrics *metrics = *state;
    size_t times = 0;
    for (unsigned operation = 0; operation <= TSMS_OP_COUNT; operation++) {
        unsigned label = operation == TSMS_OP_COUNT ? TSMS__OPERATION_LOOKUP : operation;
        static const unsigned seen[][2] = {
            {TSMS_OUTCOME_NOT_SENT, 0},        {TSMS_OUTCOME_THROTTLED, 4},
            {TSMS_OUTCOME_REJECTED, 4},        {TSMS_OUTCOME_ACCEPTED, 2},
            {TSMS_OUTCOME_ACCEPTED_NO_SID, 2}, {TSMS_OUTCOME_IN_DOUBT, 0},
            {TSMS_OUTCOME_IN_DOUBT, 2},        {TSMS_OUTCOME_IN_DOUBT, 3},
            {TSMS_OUTCOME_IN_DOUBT, 4},        {TSMS_OUTCOME_IN_DOUBT, 5}};
        for (size_t i = 0; i < sizeof seen / sizeof *seen; i++, times++) {
            tsms__metrics_time(metrics,
                               tsms__series_of(TSMS__REQUESTS, label, seen[i][0], seen[i][1]), 1);
        }
    }
    for (unsigned kind = 0; kind < TSMS_KIND_COUNT; kind++) {
        tsms__metrics_count(metrics, tsms__series_of(TSMS__ERRORS, kind, 0, 0), 1);
        tsms__metrics_count(metrics, tsms__series_of(TSMS__RETRIES, kind, 0, 0), 1);
        tsms__metrics_count(metrics, tsms__series_of(TSMS__SUPPRESSED, kind, 0, 0), 1);
    }
    for (unsigned i = 0; i < 9; i++) {
        tsms__metrics_count(metrics, tsms__series_of(TSMS__TRANSITIONS, i / 3, i % 3, 0), 1);
    }
    for (unsigned encoding = TSMS_ENCODING_GSM7; encoding <= TSMS_ENCODING_UCS2; encoding++) {
        tsms__metrics_count(metrics, tsms__series_of(TSMS__SEGMENTS, encoding, 0, 0), 1);
    }
    tsms__metrics_count(metrics, tsms__series_of(TSMS__SEGMENTS, TSMS__ENCODING_NONE, 0, 0), 1);
    for (unsigned i = 0; i < 3; i++) {
        tsms__metrics_time(metrics, tsms__series_of(TSMS__WAITS, i, 0, 0), 1);
    }
    assert_int_equal(tsms__metrics_overflowed(metrics), 0);
    size_t series;
    assert_int_equal(total(metrics, TSMS__REQUESTS, &series).count, times);
    assert_int_equal(series, times);
}

static const char *name_of(tsms__metrics *metrics, unsigned sender)
{
    static char name[TSMS__SENDER_SIZE];
    tsms__metrics_sender_name(metrics, sender, name);
    return name;
}

static void test_senders(void **state)
{
    tsms__metrics *metrics = *state;
    unsigned first = tsms__metrics_sender(metrics, tsms_str_from("+15005550006"));
    unsigned second = tsms__metrics_sender(metrics, tsms_str_from("Shop"));
    assert_true(first != TSMS__SENDER_OTHER && second != TSMS__SENDER_OTHER && first != second);
    assert_int_equal(tsms__metrics_sender(metrics, tsms_str_from("+15005550006")), first);
    assert_string_equal(name_of(metrics, first), "+15005550006");
    assert_string_equal(name_of(metrics, second), "Shop");

    char longest[TSMS__SENDER_SIZE + 1];
    memset(longest, 'x', sizeof longest);
    tsms_str text = {longest, TSMS__SENDER_SIZE - 1};
    unsigned third = tsms__metrics_sender(metrics, text);
    assert_int_equal(strlen(name_of(metrics, third)), text.len);
    text.len++;
    assert_int_equal(tsms__metrics_sender(metrics, text), TSMS__SENDER_OTHER);
    assert_int_equal(tsms__metrics_sender(metrics, tsms_str_from("")), TSMS__SENDER_OTHER);
    assert_int_equal(tsms__metrics_sender(metrics, tsms_str_from(NULL)), TSMS__SENDER_OTHER);
    assert_string_equal(name_of(metrics, TSMS__SENDER_OTHER), "");
    assert_string_equal(name_of(metrics, 256), "");
    assert_string_equal(name_of(metrics, UINT32_MAX), "");
}

static void test_many_senders(void **state)
{
    enum { MANY = 300, MOST = 255 };
    tsms__metrics *metrics = *state;
    bool taken[MOST + 1] = {0};
    size_t others = 0;
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            char name[16];
            snprintf(name, sizeof name, "+1500555%04u", i);
            unsigned sender = tsms__metrics_sender(metrics, tsms_str_from(name));
            assert_in_range(sender, 0, MOST);
            if (sender == TSMS__SENDER_OTHER) {
                others++;
                continue;
            }
            assert_int_equal(taken[sender], round == 1);
            taken[sender] = true;
            assert_string_equal(name_of(metrics, sender), name);
        }
    }
    assert_int_equal(others, 2 * (MANY - MOST));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)
    const struct CMUnitTest tests[] = {
        TEST(test_a_series_is_its_labels),
        TEST(test_an_empty_table),
        TEST(test_counting),
        TEST(test_the_bucket_of_a_time),
        TEST(test_more_series_than_slots),
        TEST(test_what_overflow_keeps),
        TEST(test_short_lists_fit),
        TEST(test_senders),
        TEST(test_many_senders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
