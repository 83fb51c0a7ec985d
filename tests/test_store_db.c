/* drive/store_db.c: what SQLite's results mean. */
#define _GNU_SOURCE /* mkdtemp */
#include "store_support.h"

#include "drive/store_db.h"

static void open_db(tsms__db *db)
{
    store_sql("CREATE TABLE records (space, key, record, version, at, PRIMARY KEY (space, key))");
    assert_int_equal(tsms__db_open(db, store_path, 1, NULL), TSMS_OK);
    assert_int_equal(tsms__db_prepare(db, NULL), TSMS_OK);
}

static void assert_meaning(int code, const char *kind, bool retryable, const char *message)
{
    tsms_error err;
    bool no_memory = code == SQLITE_NOMEM || code == SQLITE_IOERR_NOMEM;
    assert_int_equal(tsms__db_fail(code, &err), no_memory ? TSMS_NOMEM : TSMS_ERROR);
    assert_string_equal(tsms_kind_name(err.kind), kind);
    assert_int_equal(err.retryable, retryable);
    assert_string_equal(err.message, message);
}

static void test_result_codes(void **state)
{
    const char *busy = "the store is busy: another process is writing to it";
    assert_meaning(SQLITE_BUSY, "ServiceUnavailable", true, busy);
    assert_meaning(SQLITE_BUSY_RECOVERY, "ServiceUnavailable", true, busy);
    assert_meaning(SQLITE_BUSY_SNAPSHOT, "ServiceUnavailable", true, busy);
    assert_meaning(SQLITE_FULL, "ServiceUnavailable", true, "the store's disk is full");
    assert_meaning(SQLITE_NOMEM, "TemporarilyUnavailable", true, "out of memory");
    assert_meaning(SQLITE_IOERR_NOMEM, "TemporarilyUnavailable", true, "out of memory");
    assert_meaning(SQLITE_IOERR_WRITE, "InternalError", true, "the store failed: disk I/O error");
    assert_meaning(SQLITE_CORRUPT_VTAB, "InternalError", false,
                   "the store is damaged: database disk image is malformed");
    assert_meaning(SQLITE_NOTADB, "InternalError", false,
                   "the store is damaged: file is not a database");
}

static void test_nobody_needs_to_ask_why(void **state)
{
    tsms__db db;
    open_db(&db);
    assert_int_equal(tsms__db_run(&db, "no SQL", NULL), TSMS_ERROR);
    assert_int_equal(tsms__db_fail(SQLITE_CORRUPT, NULL), TSMS_ERROR);
    tsms__db_close(&db);
}

static void test_numbers(void **state)
{
    tsms__db db;
    open_db(&db);
    int64_t number = 7;
    assert_int_equal(tsms__db_number(&db, "SELECT 9007199254740993", &number, NULL), TSMS_OK);
    assert_int_equal(number, 9007199254740993);
    assert_int_equal(tsms__db_number(&db, "SELECT 1 WHERE 0", &number, NULL), TSMS_OK);
    assert_int_equal(number, 0);
    tsms_error err;
    assert_int_equal(tsms__db_number(&db, "SELECT nothing", &number, &err), TSMS_ERROR);
    assert_string_equal(err.message, "the store failed: SQL logic error");
    assert_int_equal(tsms__db_number(&db, "SELECT abs(-9223372036854775808)", &number, &err),
                     TSMS_ERROR);
    tsms__db_close(&db);
}

static void test_texts(void **state)
{
    tsms__db db;
    open_db(&db);
    bool says = false;
    assert_int_equal(tsms__db_says(&db, "SELECT 'ok'", "ok", &says, NULL), TSMS_OK);
    assert_true(says);
    static const char *const others[] = {"SELECT 'okay'", "SELECT NULL", "SELECT 'ok' WHERE 0"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(tsms__db_says(&db, others[i], "ok", &says, NULL), TSMS_OK);
        assert_false(says);
    }
    assert_int_equal(tsms__db_says(&db, "no SQL", "ok", &says, NULL), TSMS_ERROR);
    tsms__db_close(&db);
}

static void test_a_file_that_is_not_there(void **state)
{
    tsms__db db;
    tsms_error err;
    assert_int_equal(tsms__db_open(&db, store_path, 1, &err), TSMS_ERROR);
    assert_string_equal(err.message, "the store failed: unable to open database file");
    tsms__db_close(&db);
    assert_int_equal(access(store_path, F_OK), -1);
}

static void test_preparing_without_the_tables(void **state)
{
    tsms__db db;
    tsms_error err;
    store_sql("CREATE TABLE other (x)");
    assert_int_equal(tsms__db_open(&db, store_path, 1, NULL), TSMS_OK);
    assert_int_equal(tsms__db_prepare(&db, &err), TSMS_ERROR);
    assert_string_equal(err.message, "the store failed: SQL logic error");
    tsms__db_close(&db);
}

static void test_rolling_back(void **state)
{
    tsms__db db;
    int64_t rows;
    open_db(&db);
    tsms__db_roll_back(&db); /* of nothing */
    for (int commit = 0; commit < 2; commit++) {
        assert_int_equal(tsms__db_do(&db, TSMS__SQL_BEGIN, NULL), TSMS_OK);
        assert_int_equal(tsms__db_run(&db, "INSERT INTO records VALUES (1, 1, 1, 1, 1)", NULL),
                         TSMS_OK);
        if (commit) {
            assert_int_equal(tsms__db_do(&db, TSMS__SQL_COMMIT, NULL), TSMS_OK);
        }
        tsms__db_roll_back(&db);
        assert_int_equal(tsms__db_number(&db, "SELECT count(*) FROM records", &rows, NULL),
                         TSMS_OK);
        assert_int_equal(rows, commit);
    }
    tsms__db_close(&db);
}

/* The plans of what is asked all day: each finds its rows by the order of a key or an index. */
static void test_statements_search_and_do_not_scan(void **state)
{
    tsms__db db;
    tsms_store *store = store_open();
    assert_int_equal(tsms__db_open(&db, store_path, 1, NULL), TSMS_OK);
    assert_int_equal(tsms__db_prepare(&db, NULL), TSMS_OK);
    static const tsms__sql asked[] = {TSMS__SQL_READ, TSMS__SQL_LIST, TSMS__SQL_REMOVE,
                                      TSMS__SQL_PURGE};
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        char sql[512];
        snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", sqlite3_sql(db.statements[asked[i]]));
        sqlite3_stmt *plan = NULL;
        assert_int_equal(sqlite3_prepare_v2(db.handle, sql, -1, &plan, NULL), SQLITE_OK);
        while (sqlite3_step(plan) == SQLITE_ROW) {
            const char *step = (const char *)sqlite3_column_text(plan, 3);
            assert_int_equal(strncmp(step, "SEARCH records USING ", 21), 0);
        }
        sqlite3_finalize(plan);
    }
    tsms__db_close(&db);
    tsms_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result_codes),
        store_test(test_nobody_needs_to_ask_why),
        store_test(test_numbers),
        store_test(test_texts),
        store_test(test_a_file_that_is_not_there),
        store_test(test_preparing_without_the_tables),
        store_test(test_rolling_back),
        store_test(test_statements_search_and_do_not_scan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
