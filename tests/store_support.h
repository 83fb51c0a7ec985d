/* What the tests of stores share: a directory of their own, which is removed behind them.
 * It wants _GNU_SOURCE. */
#ifndef TESTS_STORE_SUPPORT_H
#define TESTS_STORE_SUPPORT_H

#include "support.h"

#include "twilio_sms_store.h"

#include <dirent.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define S(literal) ((tsms_str){(literal), sizeof(literal) - 1})

static char store_directory[64];
static char store_path[96];

static inline int store_setup(void **state)
{
    /* In memory if possible: nobody pulls the plug here, so syncing a disk would only take time. */
    snprintf(store_directory, sizeof store_directory, "%s/test_store.XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(store_directory) == NULL) {
        return -1;
    }
    snprintf(store_path, sizeof store_path, "%s/store.db", store_directory);
    return 0;
}

static inline int store_teardown(void **state)
{
    DIR *directory = opendir(store_directory);
    const struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", store_directory, entry->d_name);
        unlink(path); /* which refuses "." and ".." */
    }
    closedir(directory);
    return rmdir(store_directory);
}

#define store_test(f) cmocka_unit_test_setup_teardown(f, store_setup, store_teardown)

static inline tsms_store_options store_options(void)
{
    tsms_store_options options = TSMS_STORE_OPTIONS_INIT;
    options.path = tsms_str_from(store_path);
    return options;
}

static inline tsms_store *store_open(void)
{
    tsms_store_options options = store_options();
    tsms_store *store = NULL;
    tsms_error err;
    if (tsms_store_open(&options, &store, &err) != TSMS_OK) {
        fail_msg("cannot open: %s", err.message);
    }
    return store;
}

static inline void store_put(tsms_store *store, const char *key, const char *record)
{
    tsms_store_change change = {
        .space = S("s"), .key = tsms_str_from(key), .record = tsms_str_from(record), .at = 1};
    bool done;
    assert_int_equal(tsms_store_write(store, &change, 1, &done, NULL), TSMS_OK);
    assert_true(done);
}

#define assert_record_is(store, key, want, version)                                                \
    store_assert_record((store), (key), (want), (version), __FILE__, __LINE__)

static inline void store_assert_record(tsms_store *store, const char *key, const char *want,
                                       uint64_t want_version, const char *file, int line)
{
    tsms_str record;
    uint64_t version;
    tsms_error err;
    if (tsms_store_read(store, S("s"), tsms_str_from(key), &record, &version, &err) != TSMS_OK) {
        print_error("cannot read: %s\n", err.message);
        _fail(file, line);
    }
    test_assert_str_is(record, want, file, line);
    _assert_int_equal(version, want_version, file, line);
}

/* Another connection to the file, for what a store does not do. */
static inline sqlite3 *store_sql_open(void)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(store_path, &db), SQLITE_OK);
    return db;
}

static inline void store_sql(const char *sql)
{
    sqlite3 *db = store_sql_open();
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
        fail_msg("%s", message);
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The first column of the first row, as text. */
static inline const char *store_sql_text(const char *sql)
{
    static char text[256];
    sqlite3 *db = store_sql_open();
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    snprintf(text, sizeof text, "%s", (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return text;
}

/* Runs a function in a process of its own; 0 when it said so and nothing else happened to it. */
static inline int store_in_child(int (*run)(void))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        _exit(run());
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
