/* Keeps records in a SQLite file. */
#define _GNU_SOURCE /* getpid */
#include "../twilio_sms_store.h"

#include <string.h>
#include <unistd.h>

#include "store_db.h"
#include "store_file.h"
#include "store_schema.h"

enum { MOST_SPACE = 64, MOST_KEY = 512, MOST_RECORD = 1024 * 1024, MOST_ROWS = 1000 };

struct tsms_store {
    tsms_mem mem;
    tsms__db db;
    pid_t owner;          /* the process that opened it */
    tsms_buf bytes;       /* what the views of the last call point into, */
    tsms_store_row *rows; /* and the rows of a list, */
    tsms_buf first_key;   /* which begins here */
    size_t row_capacity;
};

/* ---- Opening and closing ------------------------------------------------------------------- */

static bool read_options(tsms_store_options *out, const tsms_store_options *given)
{
    *out = (tsms_store_options)TSMS_STORE_OPTIONS_INIT;
    if (given->size == 0 || given->size > sizeof *out) {
        return false;
    }
    memcpy(out, given, given->size);
    out->busy_timeout_ms = out->busy_timeout_ms != 0 ? out->busy_timeout_ms : 5000;
    return out->busy_timeout_ms > 0;
}

static tsms_status open_file(tsms_store *store, const char *path, int busy_timeout_ms,
                             tsms_error *err)
{
    tsms_status status = tsms__store_file_prepare(path, err);
    if (status == TSMS_OK) {
        status = tsms__db_open(&store->db, path, busy_timeout_ms, err);
    }
    if (status == TSMS_OK) {
        status = tsms__schema_open(&store->db, busy_timeout_ms, err);
    }
    return status == TSMS_OK ? tsms__db_prepare(&store->db, err) : status;
}

tsms_status tsms_store_open(const tsms_store_options *given, tsms_store **out, tsms_error *err)
{
    tsms_store_options options;
    tsms_error own; /* what is wrong with a file is looked at here, also if nobody wants to know */
    err = err != NULL ? err : &own;
    tsms__error_clear(err);
    if (!read_options(&options, given)) {
        return tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "a number is out of range");
    }
    tsms_str path = options.path;
    if (path.len > 0 && memchr(path.ptr, '\0', path.len) != NULL) {
        return tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "the path has a zero byte in it");
    }
    const tsms_mem *mem = options.mem != NULL ? options.mem : &tsms__mem_libc;
    tsms_store *store = tsms__calloc(mem, 1, sizeof *store);
    if (store == NULL) {
        return tsms__error_nomem(err);
    }
    store->mem = *mem;
    store->owner = getpid();
    tsms__buf_init(&store->bytes, &store->mem);
    tsms__buf_init(&store->first_key, &store->mem);
    char *name = tsms__str_dup(mem, path);
    tsms_status status = name != NULL ? open_file(store, name, options.busy_timeout_ms, err)
                                      : tsms__error_nomem(err);
    tsms__free(mem, name);
    if (status != TSMS_OK) {
        tsms_store_free(store);
        /* A file that fails now will fail again, unlike one that is busy. */
        return err->kind == TSMS_KIND_INTERNAL_ERROR
                   ? tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "%s", err->message)
                   : status;
    }
    *out = store;
    return TSMS_OK;
}

void tsms_store_free(tsms_store *store)
{
    if (store == NULL) {
        return;
    }
    /* A fork's copy of the connection must not be touched, not even to close it
     * (https://www.sqlite.org/howtocorrupt.html, section 2.6): it is lost with the process. */
    if (store->owner == getpid()) {
        tsms__db_close(&store->db);
    }
    tsms_mem mem = store->mem;
    tsms__buf_free(&store->bytes);
    tsms__buf_free(&store->first_key);
    tsms__free(&mem, store->rows);
    tsms__free(&mem, store);
}

/* ---- What all functions share -------------------------------------------------------------- */

static tsms_status begin_call(tsms_store *store, tsms_error *err)
{
    tsms__error_clear(err);
    tsms__buf_clear(&store->bytes);
    if (store->owner == getpid()) {
        return TSMS_OK;
    }
    tsms__error_set(err, TSMS_KIND_INTERNAL_ERROR,
                    "the store was opened before a fork: open it again in this process");
    if (err != NULL) {
        err->retryable = false;
    }
    return TSMS_ERROR;
}

static tsms_status check_space(tsms_str space, tsms_error *err)
{
    return space.len > 0 && space.len <= MOST_SPACE
               ? TSMS_OK
               : tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "a space has 1 to %d bytes",
                                 MOST_SPACE);
}

static tsms_status check_key(tsms_str key, tsms_error *err)
{
    return key.len > 0 && key.len <= MOST_KEY
               ? TSMS_OK
               : tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "a key has 1 to %d bytes",
                                 MOST_KEY);
}

/* The bytes must stay until the statement is reset. */
static void bind_bytes(sqlite3_stmt *statement, int index, tsms_str bytes)
{
    /* A null pointer would bind NULL. */
    sqlite3_bind_blob64(statement, index, bytes.len > 0 ? bytes.ptr : "", bytes.len, SQLITE_STATIC);
}

static tsms_str column_bytes(sqlite3_stmt *statement, int column)
{
    tsms_str bytes;
    bytes.ptr = sqlite3_column_blob(statement, column);
    bytes.len = (size_t)sqlite3_column_bytes(statement, column);
    return bytes;
}

/* ---- Reading ------------------------------------------------------------------------------- */

/* Finds the version of a record, 0 when there is none, and copies the record if it is wanted. */
static tsms_status find(tsms_store *store, tsms_str space, tsms_str key, tsms_buf *record,
                        uint64_t *version, tsms_error *err)
{
    sqlite3_stmt *statement = store->db.statements[TSMS__SQL_READ];
    *version = 0;
    bind_bytes(statement, 1, space);
    bind_bytes(statement, 2, key);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *version = (uint64_t)sqlite3_column_int64(statement, 1);
        if (record != NULL) {
            tsms__buf_reserve(record, 1); /* an empty record is there, too */
            tsms__buf_add(record, column_bytes(statement, 0));
        }
    }
    sqlite3_reset(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE ? TSMS_OK : tsms__db_fail(code, err);
}

tsms_status tsms_store_read(tsms_store *store, tsms_str space, tsms_str key, tsms_str *record,
                            uint64_t *version, tsms_error *err)
{
    *record = (tsms_str){NULL, 0};
    *version = 0;
    tsms_status status = begin_call(store, err);
    if (status == TSMS_OK) {
        status = check_space(space, err);
    }
    if (status == TSMS_OK) {
        status = check_key(key, err);
    }
    uint64_t found = 0;
    if (status == TSMS_OK) {
        status = find(store, space, key, &store->bytes, &found, err);
    }
    if (status == TSMS_OK && store->bytes.failed) {
        status = tsms__error_nomem(err);
    }
    if (status == TSMS_OK && found > 0) {
        *record = tsms__buf_str(&store->bytes);
        *version = found;
    }
    return status;
}

/* ---- Writing ------------------------------------------------------------------------------- */

static tsms_status check_change(const tsms_store_change *change, tsms_error *err)
{
    tsms_status status = check_space(change->space, err);
    if (status == TSMS_OK) {
        status = check_key(change->key, err);
    }
    if (status == TSMS_OK && change->record.len > MOST_RECORD) {
        status = tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "a record has at most %d bytes",
                                 MOST_RECORD);
    }
    return status;
}

/* Whether the version is the one that a change wants. */
static tsms_status check_guard(tsms_store *store, const tsms_store_change *change, bool *holds,
                               tsms_error *err)
{
    uint64_t version = 0;
    tsms_status status = TSMS_OK;
    if (change->guarded) {
        status = find(store, change->space, change->key, NULL, &version, err);
    }
    *holds = !change->guarded || version == change->version;
    return status;
}

static tsms_status apply(tsms_store *store, const tsms_store_change *change, tsms_error *err)
{
    bool put = change->record.ptr != NULL;
    tsms__sql which = put ? TSMS__SQL_PUT : TSMS__SQL_REMOVE;
    sqlite3_stmt *statement = store->db.statements[which];
    bind_bytes(statement, 1, change->space);
    bind_bytes(statement, 2, change->key);
    if (put) {
        bind_bytes(statement, 3, change->record);
        sqlite3_bind_int64(statement, 4, change->at);
    }
    return tsms__db_do(&store->db, which, err);
}

static tsms_status apply_all(tsms_store *store, const tsms_store_change *changes, size_t count,
                             bool *holds, tsms_error *err)
{
    tsms_status status = TSMS_OK;
    *holds = true;
    for (size_t i = 0; status == TSMS_OK && *holds && i < count; i++) {
        status = check_guard(store, &changes[i], holds, err);
        if (status == TSMS_OK && *holds) {
            status = apply(store, &changes[i], err);
        }
    }
    return status;
}

tsms_status tsms_store_write(tsms_store *store, const tsms_store_change *changes, size_t count,
                             bool *done, tsms_error *err)
{
    *done = false;
    tsms_status status = begin_call(store, err);
    for (size_t i = 0; status == TSMS_OK && i < count; i++) {
        status = check_change(&changes[i], err);
    }
    if (status == TSMS_OK) {
        status = tsms__db_do(&store->db, TSMS__SQL_BEGIN, err);
    }
    if (status != TSMS_OK) {
        return status;
    }
    bool holds;
    status = apply_all(store, changes, count, &holds, err);
    if (status == TSMS_OK && holds) {
        status = tsms__db_do(&store->db, TSMS__SQL_COMMIT, err);
        *done = status == TSMS_OK;
    }
    tsms__db_roll_back(&store->db);
    return status;
}

/* ---- Listing ------------------------------------------------------------------------------- */

static int compare(tsms_str a, tsms_str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n > 0 ? memcmp(a.ptr, b.ptr, n) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* The least key that a list may hold: prefix, or the one right behind `after`, which is `after` and
 * a zero byte. */
static void set_first_key(tsms_buf *out, tsms_str prefix, tsms_str after)
{
    bool from_prefix = after.ptr == NULL || compare(after, prefix) < 0;
    tsms__buf_clear(out);
    tsms__buf_add(out, from_prefix ? prefix : after);
    if (!from_prefix) {
        tsms__buf_add_char(out, '\0');
    }
}

static bool reserve_row(tsms_store *store, size_t count)
{
    if (count < store->row_capacity) {
        return true;
    }
    size_t capacity = store->row_capacity > 0 ? 2 * store->row_capacity : 16;
    tsms_store_row *rows = tsms__resize(&store->mem, store->rows, capacity, sizeof *rows);
    if (rows == NULL) {
        return false;
    }
    store->rows = rows;
    store->row_capacity = capacity;
    return true;
}

/* Copies a row; its pointers are set when all bytes have their place. */
static bool keep_row(tsms_store *store, sqlite3_stmt *statement, size_t count)
{
    tsms_str key = column_bytes(statement, 0);
    tsms_str record = column_bytes(statement, 1);
    tsms__buf_add(&store->bytes, key);
    tsms__buf_add(&store->bytes, record);
    if (store->bytes.failed || !reserve_row(store, count)) {
        return false;
    }
    store->rows[count] = (tsms_store_row){
        {NULL, key.len}, {NULL, record.len}, (uint64_t)sqlite3_column_int64(statement, 2)};
    return true;
}

static tsms_status keep_rows(tsms_store *store, tsms_str prefix, size_t *count, tsms_error *err)
{
    sqlite3_stmt *statement = store->db.statements[TSMS__SQL_LIST];
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW &&
           tsms__str_starts(column_bytes(statement, 0), prefix)) {
        if (!keep_row(store, statement, *count)) {
            return tsms__error_nomem(err);
        }
        ++*count;
    }
    return code == SQLITE_ROW || code == SQLITE_DONE ? TSMS_OK : tsms__db_fail(code, err);
}

static void point_rows(tsms_store *store, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        tsms_store_row *row = &store->rows[i];
        row->key.ptr = bytes;
        row->record.ptr = bytes + row->key.len;
        bytes = row->record.ptr + row->record.len;
    }
}

tsms_status tsms_store_list(tsms_store *store, tsms_str space, tsms_str prefix, tsms_str after,
                            size_t limit, const tsms_store_row **rows, size_t *count,
                            tsms_error *err)
{
    *rows = NULL;
    *count = 0;
    tsms_status status = begin_call(store, err);
    if (status == TSMS_OK) {
        status = check_space(space, err);
    }
    if (status == TSMS_OK && (limit == 0 || limit > MOST_ROWS)) {
        status = tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "limit is 1 to %d", MOST_ROWS);
    }
    if (status != TSMS_OK) {
        return status;
    }
    set_first_key(&store->first_key, prefix, after);
    if (store->first_key.failed) {
        return tsms__error_nomem(err);
    }
    sqlite3_stmt *statement = store->db.statements[TSMS__SQL_LIST];
    bind_bytes(statement, 1, space);
    bind_bytes(statement, 2, tsms__buf_str(&store->first_key));
    sqlite3_bind_int64(statement, 3, (int64_t)limit);
    size_t found = 0;
    status = keep_rows(store, prefix, &found, err);
    sqlite3_reset(statement);
    if (status == TSMS_OK) {
        point_rows(store, store->bytes.ptr, found);
        *rows = store->rows;
        *count = found;
    }
    return status;
}

/* ---- Purging ------------------------------------------------------------------------------- */

tsms_status tsms_store_purge(tsms_store *store, tsms_str space, int64_t before, size_t *count,
                             tsms_error *err)
{
    *count = 0;
    tsms_status status = begin_call(store, err);
    if (status == TSMS_OK) {
        status = check_space(space, err);
    }
    if (status != TSMS_OK) {
        return status;
    }
    sqlite3_stmt *statement = store->db.statements[TSMS__SQL_PURGE];
    bind_bytes(statement, 1, space);
    sqlite3_bind_int64(statement, 2, before);
    status = tsms__db_do(&store->db, TSMS__SQL_PURGE, err);
    if (status == TSMS_OK) {
        *count = (size_t)sqlite3_changes64(store->db.handle);
    }
    return status;
}
