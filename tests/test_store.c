/* drive/store.c: records as C sees them, and what happens when disk, memory or processes fail. */
#define _GNU_SOURCE /* mkdtemp, syscall */
#include "store_support.h"

#include "base/rand.h"

#include <errno.h>
#include <sys/syscall.h>

/* ---- A disk that fails when it is told to: these stand in front of the C library's functions,
 * which SQLite calls. ---- */

static struct {
    size_t calls;      /* since it was set */
    size_t failing_at; /* which of them fails, from 1; 0 is none */
    bool for_ever;     /* all behind that one fail as well */
    int reason;
    bool failed; /* whether it came to that */
} disk;

static bool disk_fails_now(void)
{
    disk.calls++;
    bool now = disk.failing_at > 0 &&
               (disk.calls == disk.failing_at || (disk.for_ever && disk.calls > disk.failing_at));
    disk.failed = disk.failed || now;
    errno = now ? disk.reason : errno;
    return now;
}

TSMS_API ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset);
TSMS_API ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset)
{
    return disk_fails_now() ? -1 : syscall(SYS_pwrite64, fd, bytes, len, offset);
}

TSMS_API int fdatasync(int fd)
{
    return disk_fails_now() ? -1 : (int)syscall(SYS_fdatasync, fd);
}

static void test_options(void **state)
{
    tsms_store_options init = store_options();
    tsms_store_options o;
    tsms_store *store = NULL;
    tsms_error err;
    for (int i = 0; i < 3; i++) {
        o = init;
        o.size = i == 0 ? 0 : i == 1 ? sizeof o + 1 : sizeof o;
        o.busy_timeout_ms = i == 2 ? -1 : 0;
        assert_int_equal(tsms_store_open(&o, &store, &err), TSMS_ERROR);
        assert_string_equal(err.message, "a number is out of range");
    }
    o = init;
    o.path = S("/tmp/a\0b");
    assert_int_equal(tsms_store_open(&o, &store, &err), TSMS_ERROR);
    assert_string_equal(err.message, "the path has a zero byte in it");
    o.path = (tsms_str){NULL, 0};
    assert_int_equal(tsms_store_open(&o, &store, &err), TSMS_ERROR);
    assert_string_equal(err.message, "the path is empty");
    assert_null(store);
    tsms_store_free(NULL);
}

static void test_files_have_the_mode_of_the_store(void **state)
{
    tsms_store *store = store_open();
    store_put(store, "k", "{}");
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        char path[128];
        struct stat file;
        snprintf(path, sizeof path, "%s%s", store_path, suffixes[i]);
        assert_int_equal(stat(path, &file), 0);
        assert_int_equal(file.st_mode & 07777, 0600);
    }
    tsms_store_free(store);
}

static void test_records_are_bytes(void **state)
{
    tsms_store *store = store_open();
    tsms_store_change changes[] = {
        {.space = S("\0\xFF"), .key = S("\0"), .record = S("a\0\xFF"), .at = INT64_MIN},
        {.space = S("\0\xFF"), .key = S("empty"), .record = S(""), .at = INT64_MAX},
    };
    bool done;
    tsms_str record;
    uint64_t version;
    assert_int_equal(tsms_store_write(store, changes, 2, &done, NULL), TSMS_OK);
    tsms_store_free(store);
    store = store_open();
    assert_int_equal(tsms_store_read(store, changes[0].space, S("empty"), &record, &version, NULL),
                     TSMS_OK);
    assert_non_null(record.ptr);
    assert_int_equal(record.len, 0);
    assert_int_equal(
        tsms_store_read(store, changes[0].space, changes[0].key, &record, &version, NULL), TSMS_OK);
    assert_int_equal(record.len, 3);
    assert_memory_equal(record.ptr, "a\0\xFF", 3);
    assert_int_equal(version, 1);
    assert_int_equal(tsms_store_read(store, changes[0].space, S("none"), &record, &version, NULL),
                     TSMS_OK);
    assert_null(record.ptr);
    assert_int_equal(version, 0);
    const tsms_store_row *rows;
    size_t count;
    assert_int_equal(
        tsms_store_list(store, changes[0].space, S(""), S(""), 10, &rows, &count, NULL), TSMS_OK);
    assert_int_equal(count, 2);
    assert_non_null(rows[1].record.ptr);
    tsms_store_free(store);
}

static void test_sizes_are_bounded(void **state)
{
    static char bytes[1024 * 1024 + 1];
    memset(bytes, 'x', sizeof bytes);
    tsms_store *store = store_open();
    struct {
        tsms_str space, key, record;
        const char *message;
    } rows[] = {
        {S(""), S("k"), S("r"), "a space has 1 to 64 bytes"},
        {{bytes, 65}, S("k"), S("r"), "a space has 1 to 64 bytes"},
        {S("s"), S(""), S("r"), "a key has 1 to 512 bytes"},
        {S("s"), {bytes, 513}, S("r"), "a key has 1 to 512 bytes"},
        {S("s"), S("k"), {bytes, sizeof bytes}, "a record has at most 1048576 bytes"},
        {{bytes, 64}, {bytes, 512}, {bytes, sizeof bytes - 1}, NULL},
    };
    tsms_error err;
    tsms_str record;
    uint64_t version;
    const tsms_store_row *list;
    size_t count;
    bool done;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tsms_store_change changes[] = {
            {.space = S("s"), .key = S("before"), .record = S("{}")},
            {.space = rows[i].space, .key = rows[i].key, .record = rows[i].record}};
        tsms_status status = tsms_store_write(store, changes, 2, &done, &err);
        assert_int_equal(status, rows[i].message != NULL ? TSMS_ERROR : TSMS_OK);
        assert_int_equal(done, rows[i].message == NULL);
        if (rows[i].message != NULL) {
            assert_string_equal(err.message, rows[i].message);
            assert_int_equal(err.kind, TSMS_KIND_INVALID_OPTION);
            assert_record_is(store, "before", "", 0);
        }
    }
    assert_int_equal(tsms_store_read(store, S("s"), S(""), &record, &version, &err), TSMS_ERROR);
    assert_int_equal(tsms_store_read(store, S(""), S("k"), &record, &version, &err), TSMS_ERROR);
    assert_int_equal(tsms_store_purge(store, S(""), 1, &count, &err), TSMS_ERROR);
    assert_int_equal(tsms_store_list(store, S(""), S(""), S(""), 1, &list, &count, &err),
                     TSMS_ERROR);
    assert_int_equal(tsms_store_list(store, S("s"), S(""), S(""), 0, &list, &count, &err),
                     TSMS_ERROR);
    assert_int_equal(tsms_store_list(store, S("s"), S(""), S(""), 1001, &list, &count, &err),
                     TSMS_ERROR);
    assert_string_equal(err.message, "limit is 1 to 1000");
    tsms_store_free(store);
}

static void test_a_guard_that_fails_undoes_all(void **state)
{
    tsms_store *store = store_open();
    store_put(store, "a", "1");
    tsms_store_change changes[] = {
        {.space = S("s"), .key = S("a"), .record = S("2"), .guarded = true, .version = 1},
        {.space = S("s"), .key = S("a"), .record = S("3"), .guarded = true, .version = 2},
        {.space = S("s"), .key = S("b"), .record = S("1"), .guarded = true, .version = 1},
    };
    bool done = true;
    assert_int_equal(tsms_store_write(store, changes, 3, &done, NULL), TSMS_OK);
    assert_false(done);
    assert_record_is(store, "a", "1", 1);
    assert_int_equal(tsms_store_write(store, changes, 2, &done, NULL), TSMS_OK);
    assert_true(done);
    assert_record_is(store, "a", "3", 3);
    tsms_store_free(store);
}

/* ---- Against a model ----------------------------------------------------------------------- */

enum { KEYS = 40, MOST_LEN = 20 };

typedef struct model_row {
    uint64_t version; /* 0: absent */
    int64_t at;
    size_t len;
    char record[MOST_LEN];
} model_row;

static void key_of(size_t i, char out[8])
{
    snprintf(out, 8, "%c%zu", i % 3 == 0 ? 'a' : 'b', i + 10);
}

/* The keys in order are those that begin with a, then those with b, both by number. */
static size_t model_list(const model_row *model, const char *prefix, const char *after,
                         char (*keys)[8])
{
    size_t count = 0;
    for (int letter = 'a'; letter <= 'b'; letter++) {
        for (size_t i = 0; i < KEYS; i++) {
            char key[8];
            key_of(i, key);
            if (model[i].version > 0 && key[0] == letter && strcmp(key, after) > 0 &&
                strncmp(key, prefix, strlen(prefix)) == 0) {
                memcpy(keys[count++], key, sizeof key);
            }
        }
    }
    return count;
}

static void compare_lists(tsms_store *store, const model_row *model, tsms__rand *rand)
{
    static const char *const prefixes[] = {"", "a", "b", "b2", "c"};
    const char *prefix = prefixes[tsms__rand_between(rand, 0, 4)];
    char after[8] = "";
    if (tsms__rand_between(rand, 0, 1) == 1) {
        key_of((size_t)tsms__rand_between(rand, 0, KEYS - 1), after);
    }
    size_t limit = (size_t)tsms__rand_between(rand, 1, KEYS);
    char keys[KEYS][8];
    size_t wanted = model_list(model, prefix, after, keys);
    wanted = wanted < limit ? wanted : limit;
    const tsms_store_row *rows;
    size_t count;
    assert_int_equal(tsms_store_list(store, S("s"), tsms_str_from(prefix), tsms_str_from(after),
                                     limit, &rows, &count, NULL),
                     TSMS_OK);
    assert_int_equal(count, wanted);
    for (size_t i = 0; i < count; i++) {
        assert_str_is(rows[i].key, keys[i]);
    }
}

/* Makes a change of the model, or not when the guard is wrong. */
static bool model_change(model_row *row, const tsms_store_change *change)
{
    if (change->guarded && change->version != row->version) {
        return false;
    }
    if (change->record.ptr == NULL) {
        *row = (model_row){0};
        return true;
    }
    row->version++;
    row->at = change->at;
    row->len = change->record.len;
    memcpy(row->record, change->record.ptr, row->len);
    return true;
}

static void random_write(tsms_store *store, model_row *model, tsms__rand *rand)
{
    enum { MOST = 4 };
    tsms_store_change changes[MOST];
    char keys[MOST][8];
    char records[MOST][MOST_LEN];
    model_row after[KEYS];
    memcpy(after, model, sizeof after);
    size_t count = (size_t)tsms__rand_between(rand, 1, MOST);
    bool holds = true;
    for (size_t i = 0; i < count; i++) {
        size_t which = (size_t)tsms__rand_between(rand, 0, KEYS - 1);
        key_of(which, keys[i]);
        size_t len = (size_t)tsms__rand_between(rand, 0, MOST_LEN);
        memset(records[i], 'a' + (int)tsms__rand_between(rand, 0, 25), MOST_LEN);
        bool removes = tsms__rand_between(rand, 0, 3) == 0;
        changes[i] = (tsms_store_change){
            .space = S("s"),
            .key = tsms_str_from(keys[i]),
            .record = removes ? (tsms_str){NULL, 0} : (tsms_str){records[i], len},
            .at = tsms__rand_between(rand, 0, 100),
            .guarded = tsms__rand_between(rand, 0, 2) == 0,
            .version = after[which].version + (tsms__rand_between(rand, 0, 4) == 0),
        };
        holds = holds && model_change(&after[which], &changes[i]);
    }
    bool done;
    assert_int_equal(tsms_store_write(store, changes, count, &done, NULL), TSMS_OK);
    assert_int_equal(done, holds);
    if (holds) {
        memcpy(model, after, sizeof after);
    }
}

static void purge_both(tsms_store *store, model_row *model, int64_t before)
{
    size_t wanted = 0;
    for (size_t i = 0; i < KEYS; i++) {
        if (model[i].version > 0 && model[i].at < before) {
            model[i] = (model_row){0};
            wanted++;
        }
    }
    size_t count;
    assert_int_equal(tsms_store_purge(store, S("s"), before, &count, NULL), TSMS_OK);
    assert_int_equal(count, wanted);
}

static void test_does_what_a_table_in_memory_does(void **state)
{
    static model_row model[KEYS];
    memset(model, 0, sizeof model);
    tsms__rand rand;
    tsms__rand_init(&rand, 42);
    tsms_store *store = store_open();
    for (int step = 0; step < 1500; step++) {
        random_write(store, model, &rand);
        compare_lists(store, model, &rand);
        size_t i = (size_t)tsms__rand_between(&rand, 0, KEYS - 1);
        char key[8];
        tsms_str record;
        uint64_t version;
        key_of(i, key);
        assert_int_equal(
            tsms_store_read(store, S("s"), tsms_str_from(key), &record, &version, NULL), TSMS_OK);
        assert_int_equal(version, model[i].version);
        assert_int_equal(record.len, model[i].len);
        assert_memory_equal(record.len > 0 ? record.ptr : "", model[i].record, record.len);
        if (step % 100 == 99) {
            purge_both(store, model, tsms__rand_between(&rand, 0, 60));
        }
        if (step % 250 == 249) {
            tsms_store_free(store);
            store = store_open();
        }
    }
    tsms_store_free(store);
}

/* ---- Failures ------------------------------------------------------------------------------ */

static void test_without_memory(void **state)
{
    tsms_store *filled = store_open();
    for (int i = 0; i < 40; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i + 10);
        store_put(filled, key, "0123456789");
    }
    tsms_store_free(filled);
    for (size_t n = 1;; n++) {
        test_mem tm;
        test_mem_init(&tm, n);
        tsms_store_options options = store_options();
        options.mem = &tm.mem;
        tsms_store *store = NULL;
        tsms_error err = {0};
        tsms_str record;
        uint64_t version;
        const tsms_store_row *rows;
        size_t count = 0;
        tsms_status status = tsms_store_open(&options, &store, &err);
        if (status == TSMS_OK) {
            status = tsms_store_read(store, S("s"), S("10"), &record, &version, &err);
        }
        if (status == TSMS_OK) {
            assert_str_is(record, "0123456789");
            status = tsms_store_list(store, S("s"), S(""), S("1"), 1000, &rows, &count, &err);
        }
        assert_int_equal(status, tm.failed ? TSMS_NOMEM : TSMS_OK);
        if (tm.failed && store != NULL) { /* it goes on when there is memory again */
            status = tsms_store_list(store, S("s"), S(""), S("1"), 1000, &rows, &count, &err);
            assert_int_equal(status, TSMS_OK);
        }
        assert_int_equal(count, store != NULL ? 40 : 0);
        tsms_store_free(store);
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            break;
        }
    }
}

static void test_a_store_that_is_written_by_another_is_busy(void **state)
{
    tsms_store_options options = store_options();
    options.busy_timeout_ms = 1;
    tsms_store *store = NULL;
    assert_int_equal(tsms_store_open(&options, &store, NULL), TSMS_OK);
    store_put(store, "k", "before");
    sqlite3 *other = store_sql_open();
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    tsms_store_change change = {.space = S("s"), .key = S("k"), .record = S("after")};
    tsms_error err;
    bool done = true;
    size_t count;
    assert_int_equal(tsms_store_write(store, &change, 1, &done, &err), TSMS_ERROR);
    assert_false(done);
    assert_string_equal(tsms_kind_type(err.kind), "ServerError.ServiceUnavailable");
    assert_true(err.retryable);
    assert_int_equal(tsms_store_purge(store, S("s"), 2, &count, &err), TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_SERVICE_UNAVAILABLE);
    assert_record_is(store, "k", "before", 1); /* readers do not wait for writers */
    sqlite3_close(other);
    store_put(store, "k", "after");
    assert_record_is(store, "k", "after", 2);
    tsms_store_free(store);
}

/* Opens and makes three writes of two records each; tells which of them were done. */
static void write_to_bad_disk(bool *done)
{
    tsms_store_options options = store_options();
    tsms_store *store = NULL;
    tsms_error err = {0};
    tsms_status status = tsms_store_open(&options, &store, &err);
    for (int i = 0; store != NULL && i < 3; i++) {
        char key[8];
        snprintf(key, sizeof key, "%d", i % 10);
        tsms_store_change changes[] = {
            {.space = S("a"), .key = tsms_str_from(key), .record = S("1")},
            {.space = S("b"), .key = tsms_str_from(key), .record = S("2")},
        };
        status = tsms_store_write(store, changes, 2, &done[i], &err);
        assert_int_equal(done[i], status == TSMS_OK);
        bool full = disk.reason == ENOSPC && err.kind == TSMS_KIND_SERVICE_UNAVAILABLE;
        assert_true(status == TSMS_OK || full || err.kind == TSMS_KIND_INTERNAL_ERROR);
    }
    tsms_store_free(store);
    assert_true(status == TSMS_OK || disk.failed);
}

static bool is_there(tsms_store *store, tsms_str space, int number)
{
    char key[8];
    snprintf(key, sizeof key, "%d", number % 10);
    tsms_str record;
    uint64_t version;
    assert_int_equal(tsms_store_read(store, space, tsms_str_from(key), &record, &version, NULL),
                     TSMS_OK);
    return version > 0;
}

/* Each write and each sync of the file fails, with no space left and with an error of the device,
 * once and for ever. What was done is there afterwards; what was not done is there as a whole or
 * not at all; and the file is sound. */
static void test_a_disk_that_fails(void **state)
{
    for (int way = 0; way < 4; way++) {
        bool failed = true;
        for (size_t n = 1; failed; n++) {
            bool done[3] = {false};
            memset(&disk, 0, sizeof disk);
            disk.failing_at = n;
            disk.for_ever = way % 2 == 1;
            disk.reason = way < 2 ? ENOSPC : EIO;
            write_to_bad_disk(done);
            failed = disk.failed;
            memset(&disk, 0, sizeof disk);
            tsms_store *store = store_open();
            for (int i = 0; i < 3; i++) {
                bool there = is_there(store, S("a"), i);
                assert_int_equal(is_there(store, S("b"), i), there);
                assert_true(there || !done[i]);
                assert_true(failed || done[i]);
            }
            store_put(store, "again", "{}");
            tsms_store_free(store);
            assert_string_equal(store_sql_text("PRAGMA integrity_check"), "ok");
            unlink(store_path);
        }
    }
}

/* The full disk becomes a roomy one while the store is open. */
static void test_a_full_disk_that_is_cleared(void **state)
{
    tsms_store *store = store_open();
    store_put(store, "k", "before");
    tsms_store_change change = {.space = S("s"), .key = S("k"), .record = S("after")};
    tsms_error err;
    bool done = true;
    memset(&disk, 0, sizeof disk);
    disk.failing_at = 1;
    disk.for_ever = true;
    disk.reason = ENOSPC;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tsms_store_write(store, &change, 1, &done, &err), TSMS_ERROR);
        assert_false(done);
        assert_string_equal(tsms_kind_type(err.kind), "ServerError.ServiceUnavailable");
        assert_string_equal(err.message, "the store's disk is full");
        assert_record_is(store, "k", "before", 1);
    }
    disk.failing_at = 0;
    store_put(store, "k", "after");
    assert_record_is(store, "k", "after", 2);
    tsms_store_free(store);
}

static tsms_store *inherited;

static int use_what_was_inherited(void)
{
    tsms_str record;
    uint64_t version;
    tsms_error err;
    tsms_store_change change = {.space = S("s"), .key = S("k"), .record = S("child")};
    const tsms_store_row *rows;
    size_t count;
    bool done;
    const char *message = "the store was opened before a fork: open it again in this process";
    bool refused =
        tsms_store_read(inherited, S("s"), S("k"), &record, &version, &err) == TSMS_ERROR &&
        strcmp(err.message, message) == 0 && !err.retryable &&
        tsms_store_write(inherited, &change, 1, &done, NULL) == TSMS_ERROR &&
        tsms_store_write(inherited, NULL, 0, &done, NULL) == TSMS_ERROR &&
        tsms_store_list(inherited, S("s"), S(""), S(""), 1, &rows, &count, NULL) == TSMS_ERROR &&
        tsms_store_purge(inherited, S("s"), 9, &count, NULL) == TSMS_ERROR;
    tsms_store_free(inherited);
    tsms_store *own = store_open();
    store_put(own, "k", "own");
    tsms_store_free(own);
    /* The parent's connection is lost on purpose, about which valgrind would complain at an exit.
     */
    execl("/bin/sh", "sh", "-c", refused ? "exit 0" : "exit 1", (char *)NULL);
    return 2;
}

static void test_a_child_does_not_touch_the_parents_store(void **state)
{
    inherited = store_open();
    store_put(inherited, "k", "parent");
    assert_int_equal(store_in_child(use_what_was_inherited), 0);
    assert_record_is(inherited, "k", "own", 2);
    store_put(inherited, "k", "parent again");
    tsms_store_free(inherited);
    assert_string_equal(store_sql_text("PRAGMA integrity_check"), "ok");
}

/* A second store on the file in one process: to open and close it must not drop the locks of the
 * first one. */
static int write_once(void)
{
    tsms_store_options options = store_options();
    options.busy_timeout_ms = 1;
    tsms_store *store = NULL;
    tsms_error err;
    tsms_store_change change = {.space = S("s"), .key = S("k"), .record = S("other")};
    bool done;
    if (tsms_store_open(&options, &store, &err) != TSMS_OK) {
        return err.kind == TSMS_KIND_SERVICE_UNAVAILABLE ? 2 : 1;
    }
    tsms_status status = tsms_store_write(store, &change, 1, &done, &err);
    tsms_store_free(store);
    return status == TSMS_OK ? 0 : err.kind == TSMS_KIND_SERVICE_UNAVAILABLE ? 2 : 1;
}

static void test_opening_twice_keeps_the_locks(void **state)
{
    inherited = store_open(); /* where the child, which does not free it, still reaches it */
    tsms_store *store = inherited;
    store_put(store, "k", "first");
    sqlite3 *writer = store_sql_open();
    assert_int_equal(sqlite3_exec(writer, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    tsms_store_free(store_open());
    assert_int_equal(store_in_child(write_once), 2);
    assert_int_equal(sqlite3_exec(writer, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(writer);
    assert_int_equal(store_in_child(write_once), 0);
    tsms_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(test_options),
        store_test(test_files_have_the_mode_of_the_store),
        store_test(test_records_are_bytes),
        store_test(test_sizes_are_bounded),
        store_test(test_a_guard_that_fails_undoes_all),
        store_test(test_does_what_a_table_in_memory_does),
        store_test(test_without_memory),
        store_test(test_a_store_that_is_written_by_another_is_busy),
        store_test(test_a_disk_that_fails),
        store_test(test_a_full_disk_that_is_cleared),
        store_test(test_a_child_does_not_touch_the_parents_store),
        store_test(test_opening_twice_keeps_the_locks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
