/* What a store promises holds when processes are killed, and when several write at once. */
#define _GNU_SOURCE /* mkdtemp */
#include "store_support.h"

#include "base/rand.h"

#include <signal.h>

/* ---- Killed in the middle ------------------------------------------------------------------ */

/* The child adds one to a counter and one record with its number, both in one write, and tells each
 * number when the write has returned. */
static void count_for_ever(int out)
{
    tsms_store *store = store_open();
    for (;;) {
        tsms_str text;
        uint64_t version;
        if (tsms_store_read(store, S("s"), S("counter"), &text, &version, NULL) != TSMS_OK) {
            _exit(1);
        }
        char key[24];
        snprintf(key, sizeof key, "n%08d", (int)version + 1);
        tsms_store_change changes[] = {
            {.space = S("s"),
             .key = S("counter"),
             .record = tsms_str_from(key),
             .guarded = true,
             .version = version},
            {.space = S("s"),
             .key = tsms_str_from(key),
             .record = tsms_str_from(key),
             .guarded = true},
        };
        bool done;
        int number = (int)version + 1;
        if (tsms_store_write(store, changes, 2, &done, NULL) != TSMS_OK || !done ||
            write(out, &number, sizeof number) != (ssize_t)sizeof number) {
            _exit(1);
        }
    }
}

/* The last number that was told before the child is killed: behind so many of them, and so many
 * busy turns of ours, that every moment of a write is hit now and then. */
static int run_and_kill(tsms__rand *rand)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        count_for_ever(ends[1]);
    }
    close(ends[1]);
    int last = 0;
    int number;
    for (int64_t left = tsms__rand_between(rand, 0, 20); left > 0; left--) {
        assert_int_equal(read(ends[0], &number, sizeof number), sizeof number);
        last = number;
    }
    for (volatile int64_t turns = tsms__rand_between(rand, 0, 1000000); turns > 0;) {
        turns = turns - 1;
    }
    kill(child, SIGKILL);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    while (read(ends[0], &number, sizeof number) == (ssize_t)sizeof number) {
        last = number;
    }
    close(ends[0]);
    return last;
}

/* All numbers up to the counter are there and none above it. */
static void check_numbers(int least, int *counter)
{
    tsms_store *store = store_open();
    tsms_str text;
    uint64_t version;
    assert_int_equal(tsms_store_read(store, S("s"), S("counter"), &text, &version, NULL), TSMS_OK);
    assert_in_range(version, least, least + 1); /* the last one may not have been told */
    *counter = (int)version;
    int next = 0;
    char after[24] = "n";
    const tsms_store_row *rows;
    size_t count;
    do {
        assert_int_equal(
            tsms_store_list(store, S("s"), S("n"), tsms_str_from(after), 1000, &rows, &count, NULL),
            TSMS_OK);
        for (size_t i = 0; i < count; i++) {
            snprintf(after, sizeof after, "n%08d", ++next);
            assert_str_is(rows[i].key, after);
            assert_str_is(rows[i].record, after);
            assert_int_equal(rows[i].version, 1);
        }
    } while (count > 0);
    assert_int_equal(next, (int)version);
    tsms_store_free(store);
}

static void test_nothing_told_is_lost_by_a_kill(void **state)
{
    enum { ROUNDS = 60 };
    tsms__rand rand;
    tsms__rand_init(&rand, 2024);
    tsms_store_free(store_open());
    int counter = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int told = run_and_kill(&rand);
        check_numbers(told > counter ? told : counter, &counter);
    }
    assert_true(counter > ROUNDS);
    assert_string_equal(store_sql_text("PRAGMA integrity_check"), "ok");
}

/* ---- Several writers ----------------------------------------------------------------------- */

enum { WRITERS = 3, INCREMENTS = 400 };

/* They begin together, when the other end of `gate` is closed. */
static int increment(int gate)
{
    char byte;
    (void)!read(gate, &byte, 1);
    tsms_store_options options = store_options();
    options.busy_timeout_ms = 60000;
    tsms_store *store = NULL;
    if (tsms_store_open(&options, &store, NULL) != TSMS_OK) {
        return 1;
    }
    for (int made = 0; made < INCREMENTS;) {
        tsms_str text;
        uint64_t version;
        char number[24];
        bool done;
        tsms_error err;
        if (tsms_store_read(store, S("s"), S("sum"), &text, &version, &err) != TSMS_OK) {
            return 2;
        }
        snprintf(number, sizeof number, "%.*s", (int)text.len, text.len > 0 ? text.ptr : "");
        snprintf(number, sizeof number, "%d", atoi(number) + 1);
        tsms_store_change change = {.space = S("s"),
                                    .key = S("sum"),
                                    .record = tsms_str_from(number),
                                    .guarded = true,
                                    .version = version};
        if (tsms_store_write(store, &change, 1, &done, &err) != TSMS_OK) {
            fprintf(stderr, "%s\n", err.message);
            return 3;
        }
        made += done;
    }
    tsms_store_free(store);
    return 0;
}

static void test_no_increment_of_several_processes_is_lost(void **state)
{
    pid_t children[WRITERS];
    int gate[2];
    assert_int_equal(pipe(gate), 0);
    tsms_store_free(store_open());
    fflush(NULL);
    for (int i = 0; i < WRITERS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            close(gate[1]);
            _exit(increment(gate[0]));
        }
    }
    close(gate[1]);
    close(gate[0]);
    for (int i = 0; i < WRITERS; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    tsms_store *store = store_open();
    assert_record_is(store, "sum", "1200", WRITERS * INCREMENTS);
    tsms_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(test_nothing_told_is_lost_by_a_kill),
        store_test(test_no_increment_of_several_processes_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
