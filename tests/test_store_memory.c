/* Every allocation of a store fails, those of SQLite as well: first each one once, then each one
 * and all behind it. What comes of it is a success or TSMS_NOMEM, nothing is done by half, and
 * nothing leaks. */
#define _GNU_SOURCE /* RTLD_NEXT, mkdtemp */
#include "failing_malloc.h"
#include "store_support.h"

static void arm(size_t n)
{
    failing_at = n;
    calls = 0;
    failed = false;
    armed = true;
}

/* Two records in one write, then all that can be asked; the store is closed with memory again. */
static void use_store(bool *done)
{
    tsms_store_options options = store_options();
    tsms_store *store = NULL;
    tsms_store_change changes[] = {
        {.space = S("s"), .key = S("a"), .record = S("1"), .guarded = true},
        {.space = S("s"), .key = S("b"), .record = S("2"), .at = 5},
    };
    tsms_str record;
    uint64_t version;
    const tsms_store_row *rows;
    size_t count;
    tsms_status results[5];
    size_t made = 0;
    results[made++] = tsms_store_open(&options, &store, NULL);
    if (store != NULL) {
        results[made++] = tsms_store_write(store, changes, 2, done, NULL);
        results[made++] = tsms_store_read(store, S("s"), S("a"), &record, &version, NULL);
        results[made++] = tsms_store_list(store, S("s"), S(""), S(""), 10, &rows, &count, NULL);
        results[made++] = tsms_store_purge(store, S("t"), 9, &count, NULL);
    }
    armed = false;
    for (size_t i = 0; i < made; i++) {
        /* Where it sets the journal mode, SQLite hides what it had too little of. */
        bool is_nomem = results[i] == TSMS_NOMEM || (i == 0 && results[i] == TSMS_ERROR);
        assert_true(results[i] == TSMS_OK || (failed && is_nomem));
    }
    if (store != NULL) { /* with memory again it goes on as if nothing had been */
        store_put(store, "again", "3");
        assert_record_is(store, "again", "3", 1);
    }
    armed = true; /* so that what is given back is counted */
    failing_at = 0;
    tsms_store_free(store);
    armed = false;
}

static void test_without_memory(void **state)
{
    tsms_store_free(store_open()); /* SQLite keeps what it allocates at its first use */
    unlink(store_path);
    for (int way = 0; way < 2; way++) {
        for_ever = way == 1;
        bool may_fail = true;
        for (size_t n = 1; may_fail; n++) {
            bool done = false;
            arm(n);
            use_store(&done);
            may_fail = failed;
            assert_int_equal(live, 0);
            tsms_store *store = store_open();
            assert_record_is(store, "a", done ? "1" : "", done);
            assert_record_is(store, "b", done ? "2" : "", done);
            assert_true(done || may_fail);
            tsms_store_free(store);
            unlink(store_path);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {store_test(test_without_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
