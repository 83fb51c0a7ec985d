/* The C contract of libtwilio_sms_store: durable records in a SQLite file.
 *
 * The conventions of twilio_sms.h hold here too. A store keeps records in spaces, ordered by key. A
 * record is bytes to it (the Lua modules put JSON there) and has a version: 1 when it was made, one
 * more after each change. A write is atomic, and durable when it returns. Several processes on one
 * host may open the same file; one store belongs to one thread at a time, and to the process that
 * opened it: a child of a fork opens its own.
 *
 * This project is not affiliated with Twilio Inc. Since 0.1.0.
 */
#ifndef TWILIO_SMS_STORE_H
#define TWILIO_SMS_STORE_H

#include "twilio_sms.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tsms_store tsms_store;

/* Start from TSMS_STORE_OPTIONS_INIT. */
typedef struct tsms_store_options {
    size_t size;
    const tsms_mem *mem; /* NULL means malloc; for what is not SQLite's own memory */
    tsms_str path;       /* of the file, which is made with mode 0600 if need be */
    int busy_timeout_ms; /* how long to wait for other processes; 0 stands for 5000 */
} tsms_store_options;

#define TSMS_STORE_OPTIONS_INIT                                                                    \
    {                                                                                              \
        .size = sizeof(tsms_store_options)                                                         \
    }

/* Opens or makes the file: journal mode WAL, synchronous FULL; brings an older schema up to date in
 * one transaction. InvalidOption, saying what to do, for a path that cannot be used, a file that is
 * no store of ours or damaged, and one that a newer version wrote. ServiceUnavailable when another
 * process holds the file for longer than the timeout. */
TSMS_API tsms_status tsms_store_open(const tsms_store_options *options, tsms_store **out,
                                     tsms_error *err);
TSMS_API void tsms_store_free(tsms_store *store);

/* Errors of the functions below are ServiceUnavailable (the file is busy, or the disk full: later
 * it may work), InternalError (I/O failed or the file is damaged) and InvalidOption (a size is out
 * of range). */

/* Views one record until the next call on the store; an absent key gives version 0. */
TSMS_API tsms_status tsms_store_read(tsms_store *store, tsms_str space, tsms_str key,
                                     tsms_str *record, uint64_t *version, tsms_error *err);

/* One change of a write. */
typedef struct tsms_store_change {
    tsms_str space;   /* 1 to 64 bytes */
    tsms_str key;     /* 1 to 512 bytes */
    tsms_str record;  /* at most 1 MiB; absent: the record is removed */
    int64_t at;       /* Unix seconds, for tsms_store_purge */
    bool guarded;     /* whether the version is looked at: */
    uint64_t version; /* what it must be before the change; 0: there must be no record */
} tsms_store_change;

/* Makes all changes or none, in their order, so that a guard sees what those before it did. *done
 * is false, and nothing was changed, when a guarded version was another one. What an InternalError
 * ended is not seen by anybody, but if the machine stops before the next write it may turn out to
 * be done. */
TSMS_API tsms_status tsms_store_write(tsms_store *store, const tsms_store_change *changes,
                                      size_t count, bool *done, tsms_error *err);

/* One row of a list. */
typedef struct tsms_store_row {
    tsms_str key;
    tsms_str record;
    uint64_t version;
} tsms_store_row;

/* Views up to `limit` (1 to 1000) records whose keys begin with prefix and come behind `after`, in
 * the order of their bytes, until the next call on the store. */
TSMS_API tsms_status tsms_store_list(tsms_store *store, tsms_str space, tsms_str prefix,
                                     tsms_str after, size_t limit, const tsms_store_row **rows,
                                     size_t *count, tsms_error *err);

/* Removes the records of a space that were written before this Unix time; *count says how many. */
TSMS_API tsms_status tsms_store_purge(tsms_store *store, tsms_str space, int64_t before,
                                      size_t *count, tsms_error *err);

#ifdef __cplusplus
}
#endif

#endif
