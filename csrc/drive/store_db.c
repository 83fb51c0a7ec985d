/* Talks to SQLite: keeps prepared statements and says what its result codes mean. */
#include "store_db.h"

#include <string.h>

static const char *text_of(tsms__sql which)
{
    switch (which) {
    case TSMS__SQL_BEGIN:
        return "BEGIN IMMEDIATE"; /* a lock that is only wanted later may be refused */
    case TSMS__SQL_COMMIT:
        return "COMMIT";
    case TSMS__SQL_ROLLBACK:
        return "ROLLBACK";
    case TSMS__SQL_READ:
        return "SELECT record, version FROM records WHERE space = ?1 AND key = ?2";
    case TSMS__SQL_PUT:
        return "INSERT INTO records (space, key, record, version, at) VALUES (?1, ?2, ?3, 1, ?4) "
               "ON CONFLICT DO UPDATE "
               "SET record = excluded.record, version = version + 1, at = excluded.at";
    case TSMS__SQL_REMOVE:
        return "DELETE FROM records WHERE space = ?1 AND key = ?2";
    case TSMS__SQL_LIST:
        return "SELECT key, record, version FROM records WHERE space = ?1 AND key >= ?2 "
               "ORDER BY key LIMIT ?3";
    case TSMS__SQL_PURGE:
        return "DELETE FROM records WHERE space = ?1 AND at < ?2";
    case TSMS__SQL_COUNT:
        break;
    }
    return "";
}

tsms_status tsms__db_open(tsms__db *db, const char *path, int busy_timeout_ms, tsms_error *err)
{
    *db = (tsms__db){0};
    /* No mutex: a store belongs to one thread at a time. */
    int code =
        sqlite3_open_v2(path, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK) {
        return tsms__db_fail(code, err);
    }
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_timeout(db->handle, busy_timeout_ms);
    return TSMS_OK;
}

tsms_status tsms__db_prepare(tsms__db *db, tsms_error *err)
{
    for (size_t i = 0; i < TSMS__SQL_COUNT; i++) {
        int code = sqlite3_prepare_v3(db->handle, text_of((tsms__sql)i), -1,
                                      SQLITE_PREPARE_PERSISTENT, &db->statements[i], NULL);
        if (code != SQLITE_OK) {
            return tsms__db_fail(code, err);
        }
    }
    return TSMS_OK;
}

void tsms__db_close(tsms__db *db)
{
    for (size_t i = 0; i < TSMS__SQL_COUNT; i++) {
        sqlite3_finalize(db->statements[i]);
    }
    sqlite3_close(db->handle);
    *db = (tsms__db){0};
}

tsms_status tsms__db_fail(int code, tsms_error *err)
{
    int kind = code & 0xFF;
    if (kind == SQLITE_NOMEM || code == SQLITE_IOERR_NOMEM) {
        return tsms__error_nomem(err);
    }
    if (kind == SQLITE_BUSY) {
        return tsms__error_set(err, TSMS_KIND_SERVICE_UNAVAILABLE,
                               "the store is busy: another process is writing to it");
    }
    if (kind == SQLITE_FULL) {
        return tsms__error_set(err, TSMS_KIND_SERVICE_UNAVAILABLE, "the store's disk is full");
    }
    bool damaged = kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB;
    tsms__error_set(err, TSMS_KIND_INTERNAL_ERROR, "the store %s: %s",
                    damaged ? "is damaged" : "failed", sqlite3_errstr(code));
    if (err != NULL && damaged) {
        err->retryable = false;
    }
    return TSMS_ERROR;
}

tsms_status tsms__db_run(const tsms__db *db, const char *sql, tsms_error *err)
{
    int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? TSMS_OK : tsms__db_fail(code, err);
}

/* Runs text up to its first row; *row says whether there is one. The statement is to be finalized.
 */
static int first_row(const tsms__db *db, const char *sql, sqlite3_stmt **statement, bool *row)
{
    int code = sqlite3_prepare_v2(db->handle, sql, -1, statement, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(*statement);
    }
    *row = code == SQLITE_ROW;
    return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

tsms_status tsms__db_number(const tsms__db *db, const char *sql, int64_t *out, tsms_error *err)
{
    sqlite3_stmt *statement = NULL;
    bool row;
    int code = first_row(db, sql, &statement, &row);
    *out = row ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return code == SQLITE_OK ? TSMS_OK : tsms__db_fail(code, err);
}

tsms_status tsms__db_says(const tsms__db *db, const char *sql, const char *text, bool *says,
                          tsms_error *err)
{
    sqlite3_stmt *statement = NULL;
    bool row;
    int code = first_row(db, sql, &statement, &row);
    const char *got = row ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    *says = got != NULL && strcmp(got, text) == 0;
    if (row && got == NULL && sqlite3_errcode(db->handle) == SQLITE_NOMEM) {
        code = SQLITE_NOMEM;
    }
    sqlite3_finalize(statement);
    return code == SQLITE_OK ? TSMS_OK : tsms__db_fail(code, err);
}

tsms_status tsms__db_do(const tsms__db *db, tsms__sql which, tsms_error *err)
{
    int code = sqlite3_step(db->statements[which]);
    sqlite3_reset(db->statements[which]);
    return code == SQLITE_DONE ? TSMS_OK : tsms__db_fail(code, err);
}

void tsms__db_roll_back(const tsms__db *db)
{
    /* Some failures, a full disk among them, end the transaction by themselves
     * (https://www.sqlite.org/lang_transaction.html, section 3). */
    if (sqlite3_get_autocommit(db->handle)) {
        return;
    }
    if (db->statements[TSMS__SQL_ROLLBACK] != NULL) {
        tsms__db_do(db, TSMS__SQL_ROLLBACK, NULL);
    } else {
        tsms__db_run(db, "ROLLBACK", NULL);
    }
}
