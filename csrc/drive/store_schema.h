/* What makes an SQLite file a store of ours. */
#ifndef TSMS_DRIVE_STORE_SCHEMA_H
#define TSMS_DRIVE_STORE_SCHEMA_H

#include "store_db.h"

/* Recognises the file, refusing one that is not ours untouched; looks for damage, and brings tables
 * and settings up to date. InvalidOption says what to do; ServiceUnavailable when another process
 * holds the file for too long. */
tsms_status tsms__schema_open(const tsms__db *db, int busy_timeout_ms, tsms_error *err);
/* Runs the steps that the file has not seen yet, in one transaction: version n of a file is what
 * the first n steps make. */
tsms_status tsms__schema_migrate(const tsms__db *db, const char *const *wanted, size_t count,
                                 tsms_error *err);

#endif
