/* Durable records as the Lua module twilio_sms.store: tables go in and out as JSON. */
#include <stdio.h>

#include "../drive/clock.h"
#include "../twilio_sms_store.h"
#include "lua_error.h"
#include "lua_json.h"

#define STORE_CLASS "twilio_sms.store"

enum {
    MOST_SPACE = 64,
    MOST_KEY = 512,
    MOST_RECORD = 1024 * 1024,
    MOST_ROWS = 1000,
    MOST_WAIT_MS = 600000,
};

static const int64_t most_exact = (int64_t)1 << 53;

typedef struct store_handle {
    tsms_store *store; /* NULL when closed */
    tsms_buf json;     /* the records of one write, one behind the other */
} store_handle;

TSMS_LUA_EXPORT int luaopen_twilio_sms_store(lua_State *L);

static store_handle *check_handle(lua_State *L)
{
    store_handle *self = luaL_checkudata(L, 1, STORE_CLASS);
    if (self->store == NULL) {
        luaL_error(L, "the store is closed");
    }
    return self;
}

static int store_close(lua_State *L)
{
    store_handle *self = luaL_checkudata(L, 1, STORE_CLASS);
    tsms_store_free(self->store);
    self->store = NULL;
    tsms__buf_free(&self->json);
    return 0;
}

/* ---- Arguments ----------------------------------------------------------------------------- */

static tsms_str check_bytes(lua_State *L, int index, const char *name, size_t least, size_t most)
{
    if (lua_type(L, index) != LUA_TSTRING) {
        luaL_error(L, "'%s' must be a string, not %s%s", name, tsms__lua_article(L, index),
                   luaL_typename(L, index));
    }
    tsms_str bytes;
    bytes.ptr = lua_tolstring(L, index, &bytes.len);
    if (bytes.len < least || bytes.len > most) {
        luaL_error(L, "'%s' must have %d to %d bytes", name, (int)least, (int)most);
    }
    return bytes;
}

static int64_t check_whole(lua_State *L, int index, const char *name, int64_t low, int64_t high)
{
    lua_Number value = lua_type(L, index) == LUA_TNUMBER ? lua_tonumber(L, index) : NAN;
    if (!(value >= (lua_Number)low && value <= (lua_Number)high) || floor(value) != value) {
        char range[64];
        snprintf(range, sizeof range, "%lld to %lld", (long long)low, (long long)high);
        luaL_error(L, "'%s' must be a whole number from %s", name, range);
    }
    return (int64_t)value;
}

static tsms_str check_space(lua_State *L, int index)
{
    return check_bytes(L, index, "space", 1, MOST_SPACE);
}

/* Raises unless what lies at index is a table with no other keys than these. */
static void check_names(lua_State *L, int index, const char *what, const char *const *names)
{
    if (!lua_istable(L, index)) {
        luaL_error(L, "%s must be a table, not %s%s", what, tsms__lua_article(L, index),
                   luaL_typename(L, index));
    }
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        lua_pop(L, 1);
        tsms_str key = {NULL, 0};
        if (lua_type(L, -1) == LUA_TSTRING) {
            key.ptr = lua_tolstring(L, -1, &key.len);
        }
        size_t i = 0;
        while (names[i] != NULL && !tsms__str_eq_z(key, names[i])) {
            i++;
        }
        if (names[i] == NULL) {
            luaL_error(L, "unknown field '%s'", key.ptr != NULL ? key.ptr : "?");
        }
    }
}

/* Pushes a field of the table at index; answers whether it is there. */
static bool get_field(lua_State *L, int index, const char *name)
{
    lua_pushstring(L, name);
    lua_rawget(L, index);
    return !lua_isnil(L, -1);
}

/* ---- Opening ------------------------------------------------------------------------------- */

/* open(path [, options]): a store, or nil and an error. */
static int store_open(lua_State *L)
{
    static const char *const names[] = {"busy_timeout_ms", NULL};
    tsms_store_options options = TSMS_STORE_OPTIONS_INIT;
    lua_settop(L, 2);
    luaL_checktype(L, 1, LUA_TSTRING);
    options.path.ptr = lua_tolstring(L, 1, &options.path.len);
    if (!lua_isnil(L, 2)) {
        check_names(L, 2, "options", names);
        if (get_field(L, 2, "busy_timeout_ms")) {
            options.busy_timeout_ms = (int)check_whole(L, -1, "busy_timeout_ms", 1, MOST_WAIT_MS);
        }
    }
    store_handle *self = lua_newuserdatauv(L, sizeof *self, 0);
    self->store = NULL;
    tsms__buf_init(&self->json, &tsms__mem_libc);
    luaL_getmetatable(L, STORE_CLASS);
    lua_setmetatable(L, -2);
    tsms_error err;
    tsms_status status = tsms_store_open(&options, &self->store, &err);
    return status == TSMS_OK ? 1 : tsms__lua_fail(L, status, &err);
}

/* ---- Reading ------------------------------------------------------------------------------- */

/* What the store shows ends at the next call on it, and any making of a Lua object may run a
 * finalizer that calls it or closes it. So it is asked when all userdata are made, and what it
 * shows is copied before there are more Lua objects. */

/* Pushes what a record holds, or nil and an error. Only a program in C writes other records. */
static bool push_record(lua_State *L, tsms_str record)
{
    tsms_error err;
    if (tsms__lua_json_read(L, record, &err)) {
        return true;
    }
    tsms__error_set(&err, TSMS_KIND_INTERNAL_ERROR, "a record of the store is no JSON");
    err.retryable = false;
    tsms__lua_fail(L, TSMS_ERROR, &err);
    return false;
}

/* store:read(space, key): record, version; nil, 0 when it is absent; or nil and an error. */
static int store_read(lua_State *L)
{
    (void)check_handle(L);
    tsms_str space = check_space(L, 2);
    tsms_str key = check_bytes(L, 3, "key", 1, MOST_KEY);
    tsms_buf *copy = tsms__lua_push_buf(L);
    tsms_str record;
    uint64_t version;
    tsms_error err;
    tsms_status status =
        tsms_store_read(check_handle(L)->store, space, key, &record, &version, &err);
    if (status == TSMS_OK) {
        tsms__buf_add(copy, record);
        status = copy->failed ? tsms__error_nomem(&err) : TSMS_OK;
    }
    if (status != TSMS_OK) {
        return tsms__lua_fail(L, status, &err);
    }
    if (version == 0) {
        lua_pushnil(L);
    } else if (!push_record(L, tsms__buf_str(copy))) {
        return 2;
    }
    tsms__buf_free(copy);
    tsms__lua_push_int(L, (int64_t)version);
    return 2;
}

/* False without memory. */
static bool copy_rows(tsms_store_row *own, tsms_buf *bytes, const tsms_store_row *rows,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        own[i] = rows[i];
        tsms__buf_add(bytes, rows[i].key);
        tsms__buf_add(bytes, rows[i].record);
    }
    if (bytes->failed) {
        return false;
    }
    const char *at = bytes->ptr;
    for (size_t i = 0; i < count; i++) {
        own[i].key.ptr = at;
        own[i].record.ptr = at + own[i].key.len;
        at = own[i].record.ptr + own[i].record.len;
    }
    return true;
}

static void push_row(lua_State *L, const tsms_store_row *row)
{
    lua_pushlstring(L, row->key.ptr, row->key.len);
    lua_setfield(L, -3, "key");
    lua_setfield(L, -2, "record");
    tsms__lua_push_int(L, (int64_t)row->version);
    lua_setfield(L, -2, "version");
}

/* store:list(space [, { prefix=, after=, limit= }]): a list of rows, or nil and an error. */
static int store_list(lua_State *L)
{
    static const char *const names[] = {"after", "limit", "prefix", NULL};
    (void)check_handle(L);
    tsms_str space = check_space(L, 2);
    tsms_str prefix = {NULL, 0};
    tsms_str after = {NULL, 0};
    size_t limit = 100;
    lua_settop(L, 3);
    if (!lua_isnil(L, 3)) {
        check_names(L, 3, "options", names);
        if (get_field(L, 3, "prefix")) {
            prefix = check_bytes(L, -1, "prefix", 0, MOST_KEY);
        }
        if (get_field(L, 3, "after")) {
            after = check_bytes(L, -1, "after", 0, MOST_KEY);
        }
        if (get_field(L, 3, "limit")) {
            limit = (size_t)check_whole(L, -1, "limit", 1, MOST_ROWS);
        }
    }
    tsms_buf *bytes = tsms__lua_push_buf(L);
    tsms_store_row *own = lua_newuserdatauv(L, limit * sizeof *own, 0);
    const tsms_store_row *rows;
    size_t count;
    tsms_error err;
    tsms_status status =
        tsms_store_list(check_handle(L)->store, space, prefix, after, limit, &rows, &count, &err);
    if (status == TSMS_OK && !copy_rows(own, bytes, rows, count)) {
        status = tsms__error_nomem(&err);
    }
    if (status != TSMS_OK) {
        return tsms__lua_fail(L, status, &err);
    }
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_createtable(L, 0, 3);
        if (!push_record(L, own[i].record)) {
            return 2;
        }
        push_row(L, &own[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    tsms__buf_free(bytes);
    return 1;
}

/* ---- Writing ------------------------------------------------------------------------------- */

/* Appends the record on top to the handle's text; it is found there when all are in it. */
static tsms_str write_record(lua_State *L, store_handle *self)
{
    tsms_error err;
    size_t before = self->json.len;
    if (!lua_istable(L, -1)) {
        luaL_error(L, "'record' must be a table, not %s%s", tsms__lua_article(L, -1),
                   luaL_typename(L, -1));
    }
    if (!tsms__lua_json_write(L, -1, "record", &self->json, before + MOST_RECORD, &err)) {
        luaL_error(L, "%s", err.message);
    }
    return (tsms_str){NULL, self->json.len - before};
}

/* Reads the change that lies at index; its strings stay in it. */
static void read_change(lua_State *L, int index, store_handle *self, tsms_store_change *change)
{
    static const char *const names[] = {"at", "key", "record", "space", "version", NULL};
    check_names(L, index, "a change", names);
    *change = (tsms_store_change){.at = -1};
    get_field(L, index, "space");
    change->space = check_space(L, -1);
    get_field(L, index, "key");
    change->key = check_bytes(L, -1, "key", 1, MOST_KEY);
    change->at = get_field(L, index, "at") ? check_whole(L, -1, "at", -most_exact, most_exact)
                                           : tsms__clock_now().wall_ms / 1000;
    change->guarded = get_field(L, index, "version");
    if (change->guarded) {
        change->version = (uint64_t)check_whole(L, -1, "version", 0, most_exact);
    }
    if (get_field(L, index, "record")) {
        change->record = write_record(L, self);
    }
    lua_pop(L, 5);
}

/* store:write{ change, ... }: true; false when a version was another one; or nil and an error. */
static int store_write(lua_State *L)
{
    store_handle *self = check_handle(L);
    lua_settop(L, 2);
    luaL_checktype(L, 2, LUA_TTABLE);
    size_t count = lua_rawlen(L, 2);
    luaL_argcheck(L, tsms__lua_is_list(L, count), 2, "a list of changes expected");
    tsms_store_change *changes = lua_newuserdatauv(L, (count + 1) * sizeof *changes, 0);
    tsms__buf_clear(&self->json);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 2, (int)i + 1);
        read_change(L, 4, self, &changes[i]);
        lua_pop(L, 1);
    }
    const char *record = self->json.ptr;
    for (size_t i = 0; i < count; i++) {
        if (changes[i].record.len > 0) {
            changes[i].record.ptr = record;
            record += changes[i].record.len;
        }
    }
    bool done;
    tsms_error err;
    tsms_status status = tsms_store_write(self->store, changes, count, &done, &err);
    if (status != TSMS_OK) {
        return tsms__lua_fail(L, status, &err);
    }
    lua_pushboolean(L, done);
    return 1;
}

/* store:purge(space, before): how many records were removed, or nil and an error. */
static int store_purge(lua_State *L)
{
    store_handle *self = check_handle(L);
    tsms_str space = check_space(L, 2);
    lua_settop(L, 3);
    int64_t before = check_whole(L, 3, "before", -most_exact, most_exact);
    size_t count;
    tsms_error err;
    tsms_status status = tsms_store_purge(self->store, space, before, &count, &err);
    if (status != TSMS_OK) {
        return tsms__lua_fail(L, status, &err);
    }
    tsms__lua_push_int(L, (int64_t)count);
    return 1;
}

/* ---- The module ---------------------------------------------------------------------------- */

static int store_tostring(lua_State *L)
{
    const store_handle *self = luaL_checkudata(L, 1, STORE_CLASS);
    lua_pushstring(L, self->store != NULL ? STORE_CLASS " (open)" : STORE_CLASS " (closed)");
    return 1;
}

TSMS_LUA_EXPORT int luaopen_twilio_sms_store(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", store_close},
                                    {"__close", store_close},
                                    {"__tostring", store_tostring},
                                    {NULL, NULL}};
    static const luaL_Reg methods[] = {{"close", store_close}, {"list", store_list},
                                       {"purge", store_purge}, {"read", store_read},
                                       {"write", store_write}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"open", store_open}, {NULL, NULL}};
    lua_newtable(L);
    tsms__lua_open_error(L); /* errors and buffers need their metatables, */
    tsms__lua_open_json(L);
    lua_pop(L, 1); /* not their functions */
    tsms__lua_class(L, STORE_CLASS, methods, meta);
    lua_pop(L, 1);
    lua_newtable(L);
    tsms__lua_setfuncs(L, functions);
    return 1;
}
