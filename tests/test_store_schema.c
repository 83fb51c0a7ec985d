/* drive/store_schema.c: recognising a file, bringing it up to date, and finding damage. */
#define _GNU_SOURCE /* mkdtemp, truncate */
#include "store_support.h"

#include "drive/store_schema.h"

#include <poll.h>

static void expect_refusal(const char *message)
{
    tsms_store_options options = store_options();
    tsms_store *store = NULL;
    tsms_error err;
    assert_int_equal(tsms_store_open(&options, &store, &err), TSMS_ERROR);
    assert_string_equal(err.message, message);
    assert_string_equal(tsms_kind_name(err.kind), "InvalidOption");
    assert_false(err.retryable);
    assert_int_equal(tsms_store_open(&options, &store, NULL), TSMS_ERROR);
    assert_null(store);
}

static void write_file(const char *bytes, size_t len)
{
    FILE *file = fopen(store_path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void expect_untouched(const char *message)
{
    size_t len;
    size_t now_len;
    char *before = test_read_file(store_path, &len);
    expect_refusal(message);
    char *now = test_read_file(store_path, &now_len);
    assert_int_equal(now_len, len);
    assert_memory_equal(now, before, len);
    free(before);
    free(now);
}

static void test_a_new_file(void **state)
{
    tsms_store_free(store_open());
    assert_string_equal(store_sql_text("PRAGMA journal_mode"), "wal");
    assert_string_equal(store_sql_text("PRAGMA application_id"), "1414745427");
    assert_string_equal(store_sql_text("PRAGMA user_version"), "1");
    assert_string_equal(store_sql_text("PRAGMA integrity_check"), "ok");
}

static void test_an_empty_file_is_a_new_one(void **state)
{
    write_file("", 0);
    tsms_store_free(store_open());
    assert_string_equal(store_sql_text("PRAGMA user_version"), "1");
}

static void test_opening_again_changes_nothing(void **state)
{
    tsms_store_free(store_open());
    size_t len;
    size_t now_len;
    char *before = test_read_file(store_path, &len);
    tsms_store_free(store_open());
    char *now = test_read_file(store_path, &now_len);
    assert_int_equal(now_len, len);
    assert_memory_equal(now, before, len);
    free(before);
    free(now);
}

static void test_every_commit_is_synced(void **state)
{
    tsms__db db;
    int64_t synchronous;
    tsms_store_free(store_open());
    assert_int_equal(tsms__db_open(&db, store_path, 1, NULL), TSMS_OK);
    assert_int_equal(tsms__db_run(&db, "PRAGMA synchronous = OFF", NULL), TSMS_OK);
    assert_int_equal(tsms__schema_open(&db, 1, NULL), TSMS_OK);
    assert_int_equal(tsms__db_number(&db, "PRAGMA synchronous", &synchronous, NULL), TSMS_OK);
    assert_int_equal(synchronous, 2); /* FULL */
    tsms__db_close(&db);
}

static void test_files_of_others_stay_untouched(void **state)
{
    const char *no_database = "the file is no SQLite database: give another path";
    const char *other = "the file is an SQLite database of another program: give another path";
    char text[4096];
    memset(text, 'x', sizeof text);
    write_file(text, sizeof text);
    expect_untouched(no_database);
    write_file("SQLite format 3", 15);
    expect_untouched(no_database);
    unlink(store_path);
    store_sql("CREATE TABLE records (space, key, record, version, at)");
    expect_untouched(other);
    unlink(store_path);
    store_sql("PRAGMA application_id = 7");
    expect_untouched(other);
    unlink(store_path);
    store_sql("PRAGMA user_version = 1");
    expect_untouched(other);
}

/* Also what another program's crash left in its log is not ours to clean up. */
static void test_the_log_of_another_stays(void **state)
{
    char log[128];
    struct stat before;
    struct stat now;
    snprintf(log, sizeof log, "%s-wal", store_path);
    sqlite3 *db = store_sql_open();
    assert_int_equal(sqlite3_exec(db,
                                  "PRAGMA journal_mode = WAL; CREATE TABLE t (x);"
                                  "PRAGMA wal_checkpoint; INSERT INTO t VALUES (1)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(stat(log, &before), 0);
    expect_untouched("the file is an SQLite database of another program: give another path");
    assert_int_equal(stat(log, &now), 0);
    assert_int_equal(now.st_size, before.st_size);
}

static void test_a_newer_file_is_refused(void **state)
{
    tsms_store_free(store_open());
    store_sql("PRAGMA user_version = 2");
    expect_untouched("a newer version of twilio-sms wrote the file: install that one");
    store_sql("PRAGMA user_version = -1");
    expect_untouched("a newer version of twilio-sms wrote the file: install that one");
}

/* ---- Migrations ---------------------------------------------------------------------------- */

static const char *const steps[] = {
    "CREATE TABLE a (x); INSERT INTO a VALUES (1)",
    "ALTER TABLE a ADD COLUMN y",
    "UPDATE a SET y = x + 1",
};

static void test_a_file_gets_the_steps_that_it_lacks(void **state)
{
    store_sql("CREATE TABLE none (x)");
    tsms__db db;
    assert_int_equal(tsms__db_open(&db, store_path, 1, NULL), TSMS_OK);
    static const size_t counts[] = {1, 1, 3, 3};
    for (size_t i = 0; i < 4; i++) {
        int64_t version;
        assert_int_equal(tsms__schema_migrate(&db, steps, counts[i], NULL), TSMS_OK);
        assert_int_equal(tsms__db_number(&db, "PRAGMA user_version", &version, NULL), TSMS_OK);
        assert_int_equal(version, counts[i]);
    }
    tsms__db_close(&db);
    assert_string_equal(store_sql_text("SELECT x || y FROM a"), "12");
}

static void test_a_step_that_fails_undoes_those_before_it(void **state)
{
    static const char *const bad[] = {"CREATE TABLE a (x)", "CREATE TABLE b (x)",
                                      "CREATE TABLE c (x); no SQL"};
    store_sql("CREATE TABLE none (x)");
    tsms__db db;
    tsms_error err;
    assert_int_equal(tsms__db_open(&db, store_path, 1, NULL), TSMS_OK);
    assert_int_equal(tsms__schema_migrate(&db, bad, 1, NULL), TSMS_OK);
    assert_int_equal(tsms__schema_migrate(&db, bad, 3, &err), TSMS_ERROR);
    assert_string_equal(err.message, "the store failed: SQL logic error");
    assert_true(sqlite3_get_autocommit(db.handle));
    tsms__db_close(&db);
    assert_string_equal(store_sql_text("PRAGMA user_version"), "1");
    assert_string_equal(store_sql_text("SELECT count(*) FROM sqlite_schema"), "2");
}

/* Version 1 as it was written, with its records: it must be brought up to date for ever. */
static void test_version_1_is_kept(void **state)
{
    store_sql("PRAGMA application_id = 1414745427; PRAGMA user_version = 1;"
              "CREATE TABLE records (space BLOB NOT NULL, key BLOB NOT NULL, record BLOB NOT NULL,"
              " version INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (space, key))"
              " WITHOUT ROWID;"
              "CREATE INDEX records_at ON records (space, at);"
              "INSERT INTO records VALUES (x'73', x'6b', x'7b7d', 3, 5)");
    tsms_store *store = store_open();
    assert_record_is(store, "k", "{}", 3);
    tsms_store_free(store);
}

static void test_the_view_is_for_people(void **state)
{
    tsms_store *store = store_open();
    store_put(store, "AC1/+15005550006", "{\"status\":\"opted_out\"}");
    tsms_store_free(store);
    assert_string_equal(
        store_sql_text("SELECT key || ' ' || json_extract(record, '$.status') || ' ' || version ||"
                       " ' ' || at FROM entries WHERE space = 's'"),
        "AC1/+15005550006 opted_out 1 1970-01-01 00:00:01");
}

/* ---- Damage -------------------------------------------------------------------------------- */

static void fill(int records)
{
    tsms_store *store = store_open();
    for (int i = 0; i < records; i++) {
        char key[16];
        snprintf(key, sizeof key, "%08d", i);
        store_put(store, key, "{\"text\":\"0123456789012345678901234567890123456789\"}");
    }
    tsms_store_free(store);
}

static void damage(long offset, long len)
{
    FILE *file = fopen(store_path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    for (long i = 0; i < len; i++) {
        fputc(0xA5, file);
    }
    assert_int_equal(fclose(file), 0);
}

static void test_damage_is_found_at_opening(void **state)
{
    fill(200);
    damage(3 * 4096, 200); /* the head of a page */
    expect_untouched("the file is damaged: put a backup in its place");
    unlink(store_path);
    fill(5);
    damage(100, 300); /* the list of tables */
    expect_refusal("the store is damaged: database disk image is malformed");
    unlink(store_path);
    fill(5);
    assert_int_equal(truncate(store_path, 6000), 0);
    expect_refusal("the store is damaged: database disk image is malformed");
}

/* Wherever the bytes are wrong: an error or an answer, and no crash. */
static void test_any_damage_is_survived(void **state)
{
    fill(60);
    size_t len;
    char *good = test_read_file(store_path, &len);
    for (size_t offset = 0; offset < len; offset += 97) {
        write_file(good, len);
        damage((long)offset, 5);
        tsms_store_options options = store_options();
        tsms_store *store = NULL;
        tsms_error err = {0};
        if (tsms_store_open(&options, &store, &err) != TSMS_OK) {
            assert_string_equal(tsms_kind_name(err.kind), "InvalidOption");
            continue;
        }
        const tsms_store_row *rows;
        size_t count;
        bool done;
        tsms_store_change change = {.space = S("s"), .key = S("x"), .record = S("{}")};
        tsms_store_list(store, S("s"), S(""), S(""), 1000, &rows, &count, &err);
        tsms_store_write(store, &change, 1, &done, &err);
        tsms_store_purge(store, S("s"), 2, &count, &err);
        tsms_store_free(store);
    }
    free(good);
}

/* ---- Several processes --------------------------------------------------------------------- */

static int open_and_write(void)
{
    tsms_store_options options = store_options();
    options.busy_timeout_ms = 60000;
    tsms_store *store = NULL;
    tsms_error err;
    if (tsms_store_open(&options, &store, &err) != TSMS_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    char key[16];
    snprintf(key, sizeof key, "%d", (int)getpid());
    tsms_store_change change = {.space = S("s"), .key = tsms_str_from(key), .record = S("{}")};
    bool done;
    tsms_status status = tsms_store_write(store, &change, 1, &done, &err);
    tsms_store_free(store);
    return status != TSMS_OK;
}

/* How many of so many processes did well. All have ended when this returns: none of them meets the
 * end of the test's directory. */
static int open_and_write_together(int processes)
{
    int gate[2];
    assert_int_equal(pipe(gate), 0);
    fflush(NULL);
    int born = 0;
    for (int i = 0; i < processes; i++) {
        pid_t child = fork();
        if (child == 0) {
            char byte;
            close(gate[1]);
            (void)!read(gate[0], &byte, 1); /* all begin when the gate is closed */
            _exit(open_and_write());
        }
        born += child > 0;
    }
    close(gate[1]);
    close(gate[0]);
    int good = 0;
    for (int i = 0; i < born; i++) {
        int status;
        good += wait(&status) > 0 && status == 0;
    }
    return good;
}

static void test_processes_that_make_the_file_together(void **state)
{
    enum { ROUNDS = 10, PROCESSES = 6 };
    for (int round = 0; round < ROUNDS; round++) {
        snprintf(store_path, sizeof store_path, "%s/%d.db", store_directory, round);
        assert_int_equal(open_and_write_together(PROCESSES), PROCESSES);
        assert_string_equal(store_sql_text("SELECT count(*) FROM records"), "6");
    }
}

/* A reader is enough to keep SQLite from changing the journal mode. It goes while the store waits:
 * this stands in front of SQLite's function, so nobody sleeps. Where no reader is to go, another
 * process must get its time: without sleep the retries would be over before it has done its work.
 */
static sqlite3 *reader;
static int naps;

TSMS_API int sqlite3_sleep(int ms)
{
    if (reader == NULL) {
        poll(NULL, 0, ms);
    } else if (++naps == 3) {
        sqlite3_close(reader);
        reader = NULL;
    }
    return ms;
}

static void test_opening_waits_for_a_reader(void **state)
{
    write_file("", 0);
    reader = store_sql_open();
    const char *sql = "BEGIN; SELECT count(*) FROM sqlite_schema";
    assert_int_equal(sqlite3_exec(reader, sql, NULL, NULL, NULL), SQLITE_OK);
    naps = 0;
    tsms_store_free(store_open());
    assert_int_equal(naps, 3);
    assert_string_equal(store_sql_text("PRAGMA journal_mode"), "wal");
}

static void test_a_file_that_is_held_is_busy(void **state)
{
    write_file("", 0);
    sqlite3 *db = store_sql_open();
    assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    tsms_store_options options = store_options();
    options.busy_timeout_ms = 1;
    tsms_store *store = NULL;
    tsms_error err;
    assert_int_equal(tsms_store_open(&options, &store, &err), TSMS_ERROR);
    assert_string_equal(tsms_kind_name(err.kind), "ServiceUnavailable");
    assert_true(err.retryable);
    sqlite3_close(db);
    tsms_store_free(store_open());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(test_a_new_file),
        store_test(test_an_empty_file_is_a_new_one),
        store_test(test_opening_again_changes_nothing),
        store_test(test_every_commit_is_synced),
        store_test(test_files_of_others_stay_untouched),
        store_test(test_the_log_of_another_stays),
        store_test(test_a_newer_file_is_refused),
        store_test(test_a_file_gets_the_steps_that_it_lacks),
        store_test(test_a_step_that_fails_undoes_those_before_it),
        store_test(test_version_1_is_kept),
        store_test(test_the_view_is_for_people),
        store_test(test_damage_is_found_at_opening),
        store_test(test_any_damage_is_survived),
        store_test(test_processes_that_make_the_file_together),
        store_test(test_opening_waits_for_a_reader),
        store_test(test_a_file_that_is_held_is_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
