/* The log for Lua code: what is not a matter of where its lines go. */
#include "lua_log.h"

#include <errno.h>
#include <string.h>

#include "../call/log.h"
#include "../drive/clock.h"
#include "lua_client.h"
#include "lua_error.h"
#include "lua_scratch.h"
#include "lua_secret.h"

#define LOG_CLASS "twilio_sms.core.log"

typedef struct log_handle {
    tsms_log *log; /* NULL when closed */
} log_handle;

static const char *const level_names[] = {
#define X(id, name) name,
    TSMS_LOG_LEVELS(X)
#undef X
        NULL};

static tsms_log *check_log(lua_State *L, int arg)
{
    log_handle *self = luaL_checkudata(L, arg, LOG_CLASS);
    if (self->log == NULL) {
        luaL_error(L, "the log is closed");
    }
    return self->log;
}

tsms_log *tsms__lua_opt_log(lua_State *L, int arg)
{
    return lua_isnoneornil(L, arg) ? NULL : check_log(L, arg);
}

/* Clients and webhooks that write to it keep what they need. */
static int log_close(lua_State *L)
{
    log_handle *self = luaL_checkudata(L, 1, LOG_CLASS);
    tsms_log_free(self->log);
    self->log = NULL;
    return 0;
}

/* ---- Making one ---------------------------------------------------------------------------- */

/* Pushes an option of the table at 1, and answers whether it is there. */
static bool get_option(lua_State *L, const char *name, int type)
{
    lua_getfield(L, 1, name);
    if (!lua_isnil(L, -1) && type != LUA_TNONE && lua_type(L, -1) != type) {
        luaL_error(L, "option '%s' must be a %s, not %s%s", name, lua_typename(L, type),
                   tsms__lua_article(L, -1), luaL_typename(L, -1));
    }
    return !lua_isnil(L, -1);
}

static int64_t read_whole(lua_State *L, const char *name, int64_t most)
{
    lua_Number value = lua_tonumber(L, -1);
    if (!(value >= 0 && value <= (lua_Number)most) || floor(value) != value) {
        luaL_error(L, "option '%s' must be a whole number from 0", name);
    }
    return (int64_t)value;
}

/* The options but for the key. */
static void read_options(lua_State *L, tsms_log_options *options)
{
    static const char *const formats[] = {"logfmt", "json", NULL};
    if (get_option(L, "level", LUA_TSTRING)) {
        tsms_str name;
        name.ptr = lua_tolstring(L, -1, &name.len);
        if (!tsms_log_level_from(name, &options->level)) {
            luaL_error(L, "option 'level' must be 'error', 'warn', 'info', 'debug' or 'trace'");
        }
    }
    if (get_option(L, "format", LUA_TSTRING)) {
        size_t format = 0;
        while (formats[format] != NULL && strcmp(lua_tostring(L, -1), formats[format]) != 0) {
            format++;
        }
        if (formats[format] == NULL) {
            luaL_error(L, "option 'format' must be 'logfmt' or 'json'");
        }
        options->format = (tsms_log_format)format;
    }
    if (get_option(L, "bodies", LUA_TBOOLEAN)) {
        options->bodies = lua_toboolean(L, -1);
    }
    if (get_option(L, "per_second", LUA_TNUMBER)) {
        options->per_second = (int)read_whole(L, "per_second", INT32_MAX);
    }
    if (get_option(L, "buffer_size", LUA_TNUMBER)) {
        options->buffer_size = (size_t)read_whole(L, "buffer_size", INT32_MAX);
    }
}

/* log{ level, format, bodies, per_second, buffer_size, key }: a log, or nil and an error. With a
 * key numbers are pseudonyms. */
static int log_new(lua_State *L)
{
    tsms_log_options options = TSMS_LOG_OPTIONS_INIT;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    read_options(L, &options);
    lua_settop(L, 1);
    log_handle *self = lua_newuserdatauv(L, sizeof *self, 0);
    self->log = NULL;
    luaL_getmetatable(L, LOG_CLASS);
    lua_setmetatable(L, 2);
    bool has_key = get_option(L, "key", LUA_TNONE);
    char buf[TSMS__SOURCE_SIZE];
    tsms_error err;
    tsms_status status = TSMS_OK;
    if (has_key) {
        status = tsms__lua_read_secret(L, 3, "key", buf, &options.pseudonym_key, &err);
    }
    if (status == TSMS_OK) {
        status = tsms_log_new(NULL, &options, &self->log, &err);
    }
    tsms__wipe(buf, sizeof buf);
    lua_settop(L, 2);
    return status == TSMS_OK ? 1 : tsms__lua_fail(L, status, &err);
}

/* ---- Methods ------------------------------------------------------------------------------- */

/* log:take(): the oldest line and the name of its level, or nothing. */
static int log_take(lua_State *L)
{
    (void)check_log(L, 1);
    tsms__lua_scratch *scratch = tsms__lua_push_scratch(L);
    tsms_log_level level;
    tsms_str line;
    if (!tsms_log_take(check_log(L, 1), &level, &line)) {
        tsms__lua_scratch_done(scratch);
        return 0;
    }
    line = tsms__lua_keep(scratch, line);
    if (scratch->text.failed) {
        return tsms__lua_scratch_fail(L, scratch);
    }
    lua_pushlstring(L, line.ptr, line.len);
    tsms__lua_scratch_done(scratch);
    lua_pushstring(L, level_names[level]);
    return 2;
}

/* log:pending(): how many lines wait. */
static int log_pending(lua_State *L)
{
    tsms__lua_push_int(L, (int64_t)tsms__log_pending(check_log(L, 1)));
    return 1;
}

/* log:write(fd): true, or nil and why the descriptor takes no more. */
static int log_write(lua_State *L)
{
    tsms_log *log = check_log(L, 1);
    int fd = (int)tsms__lua_check_int(L, 2, 0, INT32_MAX);
    if (tsms_log_write(log, fd)) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, strerror(errno));
    return 2;
}

/* log:wants(level) */
static int log_wants(lua_State *L)
{
    tsms_log *log = check_log(L, 1);
    int level = luaL_checkoption(L, 2, NULL, level_names);
    lua_pushboolean(L, tsms__log_wants(log, (tsms_log_level)level));
    return 1;
}

static int64_t opt_wall_ms(lua_State *L, int arg)
{
    return lua_isnoneornil(L, arg) ? tsms__clock_now().wall_ms
                                   : tsms__lua_check_int(L, arg, 0, INT64_C(1) << 53);
}

/* log:add(level, event, { name, value, name, value, ... } [, wall_ms]): all of them strings. */
static int log_add(lua_State *L)
{
    enum { MOST = 16 };
    tsms_param fields[MOST];
    size_t count = 0;
    int level = luaL_checkoption(L, 2, NULL, level_names);
    const char *event = luaL_checkstring(L, 3);
    luaL_checktype(L, 4, LUA_TTABLE);
    int64_t wall_ms = opt_wall_ms(L, 5);
    size_t length = lua_rawlen(L, 4);
    for (size_t i = 1; i + 1 <= length && count < MOST; i += 2) {
        lua_rawgeti(L, 4, (int)i);
        lua_rawgeti(L, 4, (int)i + 1);
        if (lua_type(L, -1) == LUA_TSTRING && lua_type(L, -2) == LUA_TSTRING) {
            tsms_param *field = &fields[count++];
            field->name.ptr = lua_tolstring(L, -2, &field->name.len);
            field->value.ptr = lua_tolstring(L, -1, &field->value.len);
        }
        lua_pop(L, 2); /* the table keeps them */
    }
    tsms_log_add(check_log(L, 1), (tsms_log_level)level, event, fields, count, wall_ms);
    return 0;
}

/* log:settle([wall_ms]): tells what was left out, before the last lines are taken. */
static int log_settle(lua_State *L)
{
    int64_t wall_ms = opt_wall_ms(L, 2);
    tsms_log_settle(check_log(L, 1), wall_ms);
    return 0;
}

static int log_tostring(lua_State *L)
{
    const log_handle *self = luaL_checkudata(L, 1, LOG_CLASS);
    lua_pushstring(L, self->log != NULL ? LOG_CLASS " (open)" : LOG_CLASS " (closed)");
    return 1;
}

/* client:set_log(log): it writes there from now on; nil for nowhere. */
static int client_set_log(lua_State *L)
{
    tsms__lua_client *self = tsms__lua_check_client(L);
    tsms_client_set_log(self->client, tsms__lua_opt_log(L, 2));
    return 0;
}

void tsms__lua_add_log(lua_State *L)
{
    lua_pushcfunction(L, client_set_log);
    lua_setfield(L, -2, "set_log");
}

void tsms__lua_open_log(lua_State *L)
{
    static const luaL_Reg functions[] = {{"log", log_new}, {NULL, NULL}};
    static const luaL_Reg meta[] = {
        {"__gc", log_close}, {"__close", log_close}, {"__tostring", log_tostring}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"add", log_add},   {"close", log_close}, {"pending", log_pending}, {"settle", log_settle},
        {"take", log_take}, {"wants", log_wants}, {"write", log_write},     {NULL, NULL}};
    tsms__lua_class(L, LOG_CLASS, methods, meta);
    lua_pop(L, 1);
    tsms__lua_setfuncs(L, functions);
}
