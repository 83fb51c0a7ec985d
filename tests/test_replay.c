#include "support.h"

#include "base/rand.h"
#include "call/shared.h"

#define ACCOUNT "AC0123456789abcdef0123456789abcdef"

enum {
    SETS = 8192,
    WAYS = 8,
    ANSWERS = 512,
    WINDOW_MS = 86400000,
    UNIT_MS = 4000, /* how exactly the table knows the time */
};

static const int64_t start_ms = INT64_C(1700000000000);

typedef struct fixture {
    tsms__region *region;
    tsms__replay *table;
    tsms__replay_answer answer;
    int64_t now_ms;
} fixture;

static int open_table(void **state)
{
    static fixture f;
    f = (fixture){.now_ms = start_ms};
    assert_int_equal(tsms__region_open(NULL, ACCOUNT, &f.region, NULL), TSMS_OK);
    f.table = tsms__region_replay(f.region);
    *state = &f;
    return 0;
}

static int close_table(void **state)
{
    fixture *f = *state;
    tsms__region_close(f->region);
    return 0;
}

/* Keys of one set differ in their upper bits only. */
static tsms__replay_key key_in(size_t set, uint64_t number)
{
    return (tsms__replay_key){{set, number << 40}};
}

static tsms_seen claim(fixture *f, tsms__replay_key key)
{
    return tsms__replay_claim(f->table, key, WINDOW_MS, f->now_ms, &f->answer);
}

static void finish(fixture *f, tsms__replay_key key, int status, const char *type, const char *body)
{
    tsms_webhook_answer answer = {
        .http_status = status, .content_type = tsms_str_from(type), .body = tsms_str_from(body)};
    tsms__replay_finish(f->table, key, f->now_ms, &answer);
}

static void assert_answer(const fixture *f, int status, const char *type, const char *body)
{
    assert_int_equal(f->answer.http_status, status);
    assert_int_equal(f->answer.has_body, body != NULL);
    tsms_str got_type = {f->answer.type, f->answer.type_len};
    tsms_str got_body = {f->answer.body, f->answer.body_len};
    assert_str_is(got_type, type);
    assert_str_is(got_body, body != NULL ? body : "");
}

static const tsms__replay_key one = {{5, UINT64_C(0x123456789ABCDEF0)}};

/* ---- One key ------------------------------------------------------------------------------- */

static void test_a_claim_that_is_finished(void **state)
{
    fixture *f = *state;
    assert_int_equal(claim(f, one), TSMS_SEEN_NEW);
    assert_int_equal(claim(f, one), TSMS_SEEN_RUNNING);
    assert_int_equal(claim(f, one), TSMS_SEEN_RUNNING);
    finish(f, one, 200, "text/xml", "<Response/>");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(claim(f, one), TSMS_SEEN_DONE);
        assert_answer(f, 200, "text/xml", "<Response/>");
    }
}

static void test_a_claim_that_is_released(void **state)
{
    fixture *f = *state;
    tsms__replay_release(f->table, one); /* nothing runs */
    assert_int_equal(claim(f, one), TSMS_SEEN_NEW);
    tsms__replay_release(f->table, one);
    assert_int_equal(claim(f, one), TSMS_SEEN_NEW);
    finish(f, one, 200, "", "");
    tsms__replay_release(f->table, one); /* it is over */
    assert_int_equal(claim(f, one), TSMS_SEEN_DONE);
}

static void test_keys_are_apart(void **state)
{
    fixture *f = *state;
    tsms__replay_key beside = {{one.hash[0] + 1, one.hash[1]}};
    tsms__replay_key above = {{one.hash[0], one.hash[1] ^ UINT64_C(1) << 63}};
    assert_int_equal(claim(f, one), TSMS_SEEN_NEW);
    assert_int_equal(claim(f, beside), TSMS_SEEN_NEW);
    assert_int_equal(claim(f, above), TSMS_SEEN_NEW);
    finish(f, above, 201, "a", "b");
    assert_int_equal(claim(f, one), TSMS_SEEN_RUNNING);
    assert_int_equal(claim(f, beside), TSMS_SEEN_RUNNING);
    assert_int_equal(claim(f, above), TSMS_SEEN_DONE);
}

static void test_the_last_answer_counts(void **state)
{
    fixture *f = *state;
    finish(f, one, 500, "text/plain", "sorry"); /* nobody has claimed it */
    assert_int_equal(claim(f, one), TSMS_SEEN_DONE);
    assert_answer(f, 500, "text/plain", "sorry");
    finish(f, one, 200, "text/plain", "fine");
    assert_int_equal(claim(f, one), TSMS_SEEN_DONE);
    assert_answer(f, 200, "text/plain", "fine");
}

/* ---- Time ---------------------------------------------------------------------------------- */

static void test_a_lease_runs_out(void **state)
{
    fixture *f = *state;
    assert_int_equal(claim(f, one), TSMS_SEEN_NEW);
    f->now_ms += TSMS__REPLAY_LEASE_MS;
    assert_int_equal(claim(f, one), TSMS_SEEN_RUNNING);
    f->now_ms += UNIT_MS;
    assert_int_equal(claim(f, one), TSMS_SEEN_NEW);
    assert_int_equal(claim(f, one), TSMS_SEEN_RUNNING);
    f->now_ms += TSMS__REPLAY_LEASE_MS;
    assert_int_equal(claim(f, one), TSMS_SEEN_RUNNING);
}

/* The handler was slow, but it did its work. */
static void test_a_lapsed_claim_is_finished(void **state)
{
    fixture *f = *state;
    assert_int_equal(claim(f, one), TSMS_SEEN_NEW);
    f->now_ms += 10 * TSMS__REPLAY_LEASE_MS;
    finish(f, one, 204, "", "");
    assert_int_equal(claim(f, one), TSMS_SEEN_DONE);
}

static void test_a_window_is_over(void **state)
{
    static const int64_t windows_ms[] = {0, 60000, WINDOW_MS, TSMS__REPLAY_WINDOW_MOST_MS};
    fixture *f = *state;
    for (size_t i = 0; i < sizeof windows_ms / sizeof *windows_ms; i++) {
        tsms__replay_key key = key_in(i, 1);
        finish(f, key, 204, "", "");
        f->now_ms += windows_ms[i];
        assert_int_equal(tsms__replay_claim(f->table, key, windows_ms[i], f->now_ms, &f->answer),
                         TSMS_SEEN_DONE);
        f->now_ms += UNIT_MS;
        assert_int_equal(tsms__replay_claim(f->table, key, windows_ms[i], f->now_ms, &f->answer),
                         TSMS_SEEN_NEW);
    }
    finish(f, one, 204, "", "");
    f->now_ms += TSMS__REPLAY_WINDOW_MOST_MS + UNIT_MS;
    assert_int_equal(tsms__replay_claim(f->table, one, INT64_MAX, f->now_ms, &f->answer),
                     TSMS_SEEN_NEW);
}

/* Set back by a little, an entry still counts; by much, a claim is not believed any more, and an
 * answer is found again when its time comes. */
static void test_a_clock_that_is_set_back(void **state)
{
    fixture *f = *state;
    tsms__replay_key done = key_in(9, 1);
    assert_int_equal(claim(f, one), TSMS_SEEN_NEW);
    finish(f, done, 200, "", "");
    f->now_ms = start_ms - 300000;
    assert_int_equal(claim(f, one), TSMS_SEEN_RUNNING);
    assert_int_equal(claim(f, done), TSMS_SEEN_DONE);
    f->now_ms = start_ms - 3600000;
    assert_int_equal(claim(f, one), TSMS_SEEN_NEW);
    assert_int_equal(claim(f, one), TSMS_SEEN_RUNNING);
    /* A clock that was never right. */
    static const int64_t odd_ms[] = {INT64_MIN, -1, 0, 1, INT64_MAX};
    for (size_t i = 0; i < sizeof odd_ms / sizeof *odd_ms; i++) {
        tsms__replay_key key = key_in(20 + i, 1);
        f->now_ms = odd_ms[i];
        assert_int_equal(claim(f, key), TSMS_SEEN_NEW);
        assert_int_equal(claim(f, key), TSMS_SEEN_RUNNING);
        finish(f, key, 200, "", "");
        assert_int_equal(claim(f, key), TSMS_SEEN_DONE);
    }
}

/* No jump of the clock, whatever its size, makes a claim that nobody ends last for more than the
 * lease and ten minutes of a clock that then goes on. */
static void test_no_claim_is_for_ever(void **state)
{
    fixture *f = *state;
    tsms__rand rand;
    tsms__rand_init(&rand, 3);
    for (uint64_t i = 0; i < 2000; i++) {
        tsms__replay_key key = key_in(i, i);
        f->now_ms = start_ms;
        assert_int_equal(claim(f, key), TSMS_SEEN_NEW);
        f->now_ms += tsms__rand_between(&rand, -4 * INT64_C(86400000), 4 * INT64_C(86400000));
        int64_t jumped_ms = f->now_ms;
        while (claim(f, key) != TSMS_SEEN_NEW) {
            f->now_ms += UNIT_MS;
        }
        assert_in_range(f->now_ms - jumped_ms, 0, 600000 + TSMS__REPLAY_LEASE_MS + UNIT_MS);
    }
}

/* ---- Answers ------------------------------------------------------------------------------- */

static void test_answers_of_all_sizes(void **state)
{
    fixture *f = *state;
    static char body[TSMS__REPLAY_ANSWER_MOST + 2];
    static char type[TSMS__REPLAY_TYPE_MOST + 2];
    memset(body, 'b', sizeof body - 1);
    memset(type, 't', sizeof type - 1);
    for (size_t body_len = 0; body_len <= TSMS__REPLAY_ANSWER_MOST + 1; body_len++) {
        size_t type_len = body_len % (TSMS__REPLAY_TYPE_MOST + 2);
        bool kept = body_len <= TSMS__REPLAY_ANSWER_MOST && type_len <= TSMS__REPLAY_TYPE_MOST;
        tsms__replay_key key = key_in(body_len, 1);
        tsms_webhook_answer answer = {
            .http_status = 200, .content_type = {type, type_len}, .body = {body, body_len}};
        tsms__replay_finish(f->table, key, f->now_ms, &answer);
        memset(&f->answer, 'x', sizeof f->answer);
        assert_int_equal(claim(f, key), TSMS_SEEN_DONE);
        assert_int_equal(f->answer.http_status, 200);
        assert_int_equal(f->answer.has_body, kept);
        assert_int_equal(f->answer.body_len, kept ? body_len : 0);
        assert_int_equal(f->answer.type_len, kept ? type_len : 0);
        assert_memory_equal(f->answer.body, body, f->answer.body_len);
        assert_memory_equal(f->answer.type, type, f->answer.type_len);
    }
}

static void test_answers_of_all_statuses(void **state)
{
    fixture *f = *state;
    static const int statuses[][2] = {
        {100, 100}, {200, 200}, {204, 204}, {503, 503}, {611, 611},       {99, 500},
        {0, 500},   {-1, 500},  {612, 500}, {999, 500}, {INT32_MAX, 500}, {INT32_MIN, 500},
    };
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        tsms__replay_key key = key_in(i, 1);
        finish(f, key, statuses[i][0], "text/plain", "");
        assert_int_equal(claim(f, key), TSMS_SEEN_DONE);
        /* 204 means that there is no content, nor a type of it. */
        assert_answer(f, statuses[i][1], statuses[i][0] == 204 ? "" : "text/plain", "");
    }
}

static void test_old_bodies_give_way_before_their_entries(void **state)
{
    fixture *f = *state;
    char body[32];
    for (uint64_t i = 0; i <= ANSWERS; i++) {
        snprintf(body, sizeof body, "answer %d", (int)i);
        finish(f, key_in(i, i), 200, "text/plain", body);
        finish(f, key_in(i, i + 1000), 204, "", ""); /* takes no room */
    }
    for (uint64_t i = 0; i <= ANSWERS; i++) {
        snprintf(body, sizeof body, "answer %d", (int)i);
        assert_int_equal(claim(f, key_in(i, i)), TSMS_SEEN_DONE);
        assert_answer(f, 200, i > 0 ? "text/plain" : "", i > 0 ? body : NULL);
        assert_int_equal(claim(f, key_in(i, i + 1000)), TSMS_SEEN_DONE);
        assert_true(f->answer.has_body);
    }
    assert_int_equal(tsms__replay_evicted(f->table), 0);
}

/* ---- A full set ---------------------------------------------------------------------------- */

static void test_the_oldest_answer_gives_way(void **state)
{
    fixture *f = *state;
    for (uint64_t i = 0; i < WAYS; i++) {
        f->now_ms += 60000;
        assert_int_equal(claim(f, key_in(0, 3 * i % WAYS)), TSMS_SEEN_NEW);
        finish(f, key_in(0, 3 * i % WAYS), 200, "", "");
    }
    assert_int_equal(tsms__replay_evicted(f->table), 0);
    for (uint64_t i = 0; i < WAYS; i++) {
        assert_int_equal(claim(f, key_in(0, 100 + i)), TSMS_SEEN_NEW);
        finish(f, key_in(0, 100 + i), 200, "", "");
        assert_int_equal(tsms__replay_evicted(f->table), i + 1);
        for (uint64_t later = i + 1; later < WAYS; later++) {
            assert_int_equal(claim(f, key_in(0, 3 * later % WAYS)), TSMS_SEEN_DONE);
        }
    }
}

static void test_what_is_over_gives_way_first(void **state)
{
    fixture *f = *state;
    assert_int_equal(claim(f, key_in(0, 0)), TSMS_SEEN_NEW);
    f->now_ms += TSMS__REPLAY_LEASE_MS + UNIT_MS; /* that lease is over */
    for (uint64_t i = 1; i < WAYS; i++) {
        finish(f, key_in(0, i), 200, "", "");
    }
    assert_int_equal(claim(f, key_in(0, 100)), TSMS_SEEN_NEW);
    assert_int_equal(tsms__replay_evicted(f->table), 0);
    for (uint64_t i = 1; i < WAYS; i++) {
        assert_int_equal(claim(f, key_in(0, i)), TSMS_SEEN_DONE);
    }
}

static void test_what_runs_gives_way_last(void **state)
{
    fixture *f = *state;
    for (uint64_t i = 0; i < WAYS; i++) {
        assert_int_equal(claim(f, key_in(0, i)), TSMS_SEEN_NEW);
        f->now_ms += 5000;
    }
    finish(f, key_in(0, 3), 200, "", "");
    assert_int_equal(claim(f, key_in(0, 100)), TSMS_SEEN_NEW);
    assert_int_equal(tsms__replay_evicted(f->table), 1);
    for (uint64_t i = 0; i < WAYS; i++) {
        if (i != 3) {
            assert_int_equal(claim(f, key_in(0, i)), TSMS_SEEN_RUNNING);
        }
    }
    /* All eight run now: the oldest of them gives way. */
    assert_int_equal(claim(f, key_in(0, 3)), TSMS_SEEN_NEW);
    assert_int_equal(tsms__replay_evicted(f->table), 2);
    assert_int_equal(claim(f, key_in(0, 1)), TSMS_SEEN_RUNNING);
    finish(f, key_in(0, 0), 200, "text/plain", "late");
    assert_int_equal(claim(f, key_in(0, 0)), TSMS_SEEN_DONE);
    assert_answer(f, 200, "text/plain", "late");
}

/* Random keys fill the table to its half with next to no loss, and each that is there is known. */
static void test_a_table_that_fills_up(void **state)
{
    enum { KEYS = SETS * WAYS / 2 };
    fixture *f = *state;
    tsms__rand rand;
    tsms__rand_init(&rand, 1);
    for (int i = 0; i < KEYS; i++) {
        tsms__replay_key key = {{tsms__rand_next(&rand), tsms__rand_next(&rand)}};
        assert_int_equal(claim(f, key), TSMS_SEEN_NEW);
        finish(f, key, 204, "", "");
    }
    uint64_t evicted = tsms__replay_evicted(f->table);
    print_message("           %d keys in %d places: %d gave way\n", KEYS, SETS * WAYS,
                  (int)evicted);
    assert_in_range(evicted, 1, KEYS / 100);
    uint64_t known = 0;
    tsms__rand_init(&rand, 1);
    for (int i = 0; i < KEYS; i++) {
        tsms__replay_key key = {{tsms__rand_next(&rand), tsms__rand_next(&rand)}};
        tsms_seen seen = claim(f, key);
        known += seen == TSMS_SEEN_DONE;
        if (seen == TSMS_SEEN_NEW) {
            tsms__replay_release(f->table, key);
        }
    }
    assert_in_range(known, KEYS - 3 * evicted, KEYS - evicted);
}

static void test_the_size(void **state)
{
    (void)state;
    assert_int_equal(tsms__replay_size() % 64, 0);
    assert_in_range(tsms__replay_size(), 1 << 20, 2 << 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_table, close_table)
    const struct CMUnitTest tests[] = {
        TEST(test_a_claim_that_is_finished),
        TEST(test_a_claim_that_is_released),
        TEST(test_keys_are_apart),
        TEST(test_the_last_answer_counts),
        TEST(test_a_lease_runs_out),
        TEST(test_a_lapsed_claim_is_finished),
        TEST(test_a_window_is_over),
        TEST(test_a_clock_that_is_set_back),
        TEST(test_no_claim_is_for_ever),
        TEST(test_answers_of_all_sizes),
        TEST(test_answers_of_all_statuses),
        TEST(test_old_bodies_give_way_before_their_entries),
        TEST(test_the_oldest_answer_gives_way),
        TEST(test_what_is_over_gives_way_first),
        TEST(test_what_runs_gives_way_last),
        TEST(test_a_table_that_fills_up),
        TEST(test_the_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
