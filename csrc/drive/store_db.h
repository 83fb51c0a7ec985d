/* A connection to SQLite. */
#ifndef TSMS_DRIVE_STORE_DB_H
#define TSMS_DRIVE_STORE_DB_H

#include <sqlite3.h>

#include "../base/err.h"

/* What a store says to SQLite again and again. */
typedef enum tsms__sql {
    TSMS__SQL_BEGIN,
    TSMS__SQL_COMMIT,
    TSMS__SQL_ROLLBACK,
    TSMS__SQL_READ,   /* space, key: record, version */
    TSMS__SQL_PUT,    /* space, key, record, at */
    TSMS__SQL_REMOVE, /* space, key */
    TSMS__SQL_LIST,   /* space, from key, limit: key, record, version */
    TSMS__SQL_PURGE,  /* space, before */
    TSMS__SQL_COUNT,
} tsms__sql;

typedef struct tsms__db {
    sqlite3 *handle;
    /* All are made at the start: to end a transaction must not need memory. Whoever uses one resets
     * it afterwards. */
    sqlite3_stmt *statements[TSMS__SQL_COUNT];
} tsms__db;

/* Opens an existing file. What was opened is to be closed, also after a failure. */
tsms_status tsms__db_open(tsms__db *db, const char *path, int busy_timeout_ms, tsms_error *err);
/* Makes the statements, when the tables are there. */
tsms_status tsms__db_prepare(tsms__db *db, tsms_error *err);
void tsms__db_close(tsms__db *db);
/* A result code as an error: ServiceUnavailable when the file is busy or the disk full, else
 * InternalError. */
tsms_status tsms__db_fail(int code, tsms_error *err);
/* Runs text whose rows are of no interest. */
tsms_status tsms__db_run(const tsms__db *db, const char *sql, tsms_error *err);
/* The first column of the first row; 0 when there is none. */
tsms_status tsms__db_number(const tsms__db *db, const char *sql, int64_t *out, tsms_error *err);
/* Whether that column is this text. */
tsms_status tsms__db_says(const tsms__db *db, const char *sql, const char *text, bool *says,
                          tsms_error *err);
/* Runs a statement that has its values and gives no row, and resets it. */
tsms_status tsms__db_do(const tsms__db *db, tsms__sql which, tsms_error *err);
/* Ends a transaction without its changes, if one is open. */
void tsms__db_roll_back(const tsms__db *db);

#endif
