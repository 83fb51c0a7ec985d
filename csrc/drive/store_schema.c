/* Recognises the file of a store and brings its tables and settings up to date. */
#include "store_schema.h"

#include <stdio.h>
#include <string.h>

enum {
    APPLICATION_ID = 0x54534D53, /* "TSMS" */
    /* A check reads the whole file, at 0.6 ms for each MiB (measured, in the page cache); a damaged
     * page of a larger one is found when it is read. */
    CHECKED_BYTES = 64 * 1024 * 1024,
    RETRY_MS = 10,
};

/* Only ever appended to: files of every version exist. Keys and records are bytes, so that they are
 * ordered as such; the view shows them as text. */
static const char *const steps[] = {
    "PRAGMA application_id = 1414745427;" /* APPLICATION_ID */
    "CREATE TABLE records ("
    "  space BLOB NOT NULL,"
    "  key BLOB NOT NULL,"
    "  record BLOB NOT NULL,"
    "  version INTEGER NOT NULL,"
    "  at INTEGER NOT NULL,"
    "  PRIMARY KEY (space, key)"
    ") WITHOUT ROWID;"
    "CREATE INDEX records_at ON records (space, at);"
    "CREATE VIEW entries AS SELECT CAST(space AS TEXT) AS space, CAST(key AS TEXT) AS key,"
    "  CAST(record AS TEXT) AS record, version, datetime(at, 'unixepoch') AS at FROM records;",
};

enum { STEPS = sizeof steps / sizeof *steps };

static tsms_status run_steps(const tsms__db *db, const char *const *wanted, size_t count,
                             tsms_error *err)
{
    int64_t version;
    tsms_status status = tsms__db_number(db, "PRAGMA user_version", &version, err);
    for (size_t i = (size_t)version; status == TSMS_OK && i < count; i++) {
        char set_version[48];
        snprintf(set_version, sizeof set_version, "PRAGMA user_version = %zu", i + 1);
        status = tsms__db_run(db, wanted[i], err);
        if (status == TSMS_OK) {
            status = tsms__db_run(db, set_version, err);
        }
    }
    return status;
}

tsms_status tsms__schema_migrate(const tsms__db *db, const char *const *wanted, size_t count,
                                 tsms_error *err)
{
    int64_t version;
    tsms_status status = tsms__db_number(db, "PRAGMA user_version", &version, err);
    if (status != TSMS_OK || version == (int64_t)count) {
        return status;
    }
    status = tsms__db_run(db, "BEGIN IMMEDIATE", err);
    if (status == TSMS_OK) {
        status =
            run_steps(db, wanted, count, err); /* looks again: another process may do the same */
    }
    if (status == TSMS_OK) {
        status = tsms__db_run(db, "COMMIT", err);
    }
    tsms__db_roll_back(db);
    return status;
}

static tsms_status refuse(tsms_error *err, const char *why)
{
    return tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "%s", why);
}

/* What a file says about itself. */
typedef struct identity {
    int64_t application_id;
    int64_t version;
    int64_t objects; /* tables and the like */
} identity;

static tsms_status read_identity(const tsms__db *db, identity *out, tsms_error *err)
{
    tsms_status status = tsms__db_number(db, "PRAGMA application_id", &out->application_id, err);
    if (status == TSMS_OK) {
        status = tsms__db_number(db, "PRAGMA user_version", &out->version, err);
    }
    if (status == TSMS_OK) {
        status = tsms__db_number(db, "SELECT count(*) FROM sqlite_schema", &out->objects, err);
    }
    return status;
}

static tsms_status recognise(const tsms__db *db, tsms_error *err)
{
    identity file = {0};
    /* In one transaction, because another process may be making the tables. */
    tsms_status status = tsms__db_run(db, "BEGIN", err);
    if (status == TSMS_OK) {
        status = read_identity(db, &file, err);
    }
    bool no_database = sqlite3_errcode(db->handle) == SQLITE_NOTADB;
    tsms__db_roll_back(db);
    if (status != TSMS_OK) {
        return no_database ? refuse(err, "the file is no SQLite database: give another path")
                           : status;
    }
    bool is_new = file.application_id == 0 && file.version == 0 && file.objects == 0;
    if (file.application_id != APPLICATION_ID && !is_new) {
        return refuse(err, "the file is an SQLite database of another program: give another path");
    }
    if (file.version < 0 || file.version > STEPS) {
        return refuse(err, "a newer version of twilio-sms wrote the file: install that one");
    }
    return TSMS_OK;
}

static tsms_status look_for_damage(const tsms__db *db, tsms_error *err)
{
    int64_t pages;
    int64_t page_size = 0;
    bool sound;
    tsms_status status = tsms__db_number(db, "PRAGMA page_count", &pages, err);
    if (status == TSMS_OK) {
        status = tsms__db_number(db, "PRAGMA page_size", &page_size, err);
    }
    if (status != TSMS_OK || pages * page_size > CHECKED_BYTES) {
        return status;
    }
    status = tsms__db_says(db, "PRAGMA quick_check(1)", "ok", &sound, err);
    if (status == TSMS_OK && !sound) {
        return refuse(err, "the file is damaged: put a backup in its place");
    }
    return status;
}

/* Waits by itself: two processes that do this to one new file make SQLite refuse at once instead of
 * asking its busy handler, because both hold a lock already. */
static tsms_status use_wal(const tsms__db *db, int busy_timeout_ms, tsms_error *err)
{
    const char *sql = "PRAGMA journal_mode = WAL";
    sqlite3_busy_timeout(db->handle, 0);
    int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    for (int ms = 0; (code & 0xFF) == SQLITE_BUSY && ms < busy_timeout_ms; ms += RETRY_MS) {
        sqlite3_sleep(RETRY_MS);
        code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    }
    sqlite3_busy_timeout(db->handle, busy_timeout_ms);
    return code == SQLITE_OK ? TSMS_OK : tsms__db_fail(code, err);
}

tsms_status tsms__schema_open(const tsms__db *db, int busy_timeout_ms, tsms_error *err)
{
    /* What is only looked at stays as it is, a write-ahead log that somebody left included. */
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
    tsms_status status = recognise(db, err);
    if (status == TSMS_OK) {
        status = look_for_damage(db, err);
    }
    if (status != TSMS_OK) {
        return status;
    }
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, (int *)NULL);
    status = use_wal(db, busy_timeout_ms, err);
    if (status == TSMS_OK) {
        status = tsms__db_run(db, "PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON", err);
    }
    return status == TSMS_OK ? tsms__schema_migrate(db, steps, STEPS, err) : status;
}
