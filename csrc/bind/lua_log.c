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
static bool get_option(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    return !lua_isnil(L, -1);
}

static tsms_status invalid(tsms_error *err, const char *option, const char *why)
{
    return tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "log.%s: %s", option, why);
}

/* The options but for the key. */
static tsms_status read_options(lua_State *L, tsms_log_options *options, tsms_error *err)
{
    if (get_option(L, "level")) {
        tsms_str name;
        name.ptr = luaL_checklstring(L, -1, &name.len);
        if (!tsms_log_level_from(name, &options->level)) {
            return invalid(err, "level", "it is no level");
        }
    }
    if (get_option(L, "json")) {
        options->format = lua_toboolean(L, -1) ? TSMS_LOG_JSON : TSMS_LOG_LOGFMT;
    }
    if (get_option(L, "bodies")) {
        options->bodies = lua_toboolean(L, -1);
    }
    if (get_option(L, "per_second")) {
        options->per_second = (int)tsms__lua_check_int(L, -1, 0, INT32_MAX);
    }
    if (get_option(L, "buffer_size")) {
        options->buffer_size = (size_t)tsms__lua_check_int(L, -1, 0, INT32_MAX);
    }
    return TSMS_OK;
}

/* The key is no token, whatever the reader of secrets says. */
static tsms_status read_key(lua_State *L, int index, char buf[TSMS__SOURCE_SIZE], tsms_str *out,
                            tsms_error *err)
{
    tsms_status status = tsms__lua_read_secret(L, index, "log.key", buf, out, err);
    if (status == TSMS_OK && out->len < TSMS__LOG_KEY_LEAST) {
        return invalid(err, "key", "it must have 16 bytes or more");
    } else if (status != TSMS_OK && err->kind == TSMS_KIND_INVALID_AUTH_TOKEN) {
        tsms_error problem = *err;
        return tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "%s", problem.message);
    }
    return status;
}

/* log{ level, json, bodies, per_second, buffer_size, key }: a log, or nil and an error. With a key
 * numbers are pseudonyms. */
static int log_new(lua_State *L)
{
    tsms_log_options options = TSMS_LOG_OPTIONS_INIT;
    tsms_error err;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    tsms_status status = read_options(L, &options, &err);
    lua_settop(L, 1);
    log_handle *self = lua_newuserdatauv(L, sizeof *self, 0);
    self->log = NULL;
    luaL_getmetatable(L, LOG_CLASS);
    lua_setmetatable(L, 2);
    bool has_key = get_option(L, "key");
    char buf[TSMS__SOURCE_SIZE];
    if (status == TSMS_OK && has_key) {
        status = read_key(L, 3, buf, &options.pseudonym_key, &err);
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

/* The value on top as text, which stays there; and whether it may stand as it is: a number of seven
 * digits or more could be somebody's. */
static tsms_str field_text(lua_State *L, bool *bare)
{
    int type = lua_type(L, -1);
    double size = type == LUA_TNUMBER ? fabs(lua_tonumber(L, -1)) : 0;
    *bare = type == LUA_TBOOLEAN || (type == LUA_TNUMBER && size < 1e6);
    if (type == LUA_TBOOLEAN) {
        return lua_toboolean(L, -1) ? TSMS__STR("true") : TSMS__STR("false");
    }
    tsms_str text;
    text.ptr = lua_tolstring(L, -1, &text.len);
    return text;
}

/* log:add(level, event, { name, value, name, value, ... } [, wall_ms]): names are strings, values
 * strings, numbers and booleans. */
static int log_add(lua_State *L)
{
    enum { MOST = 16 };
    tsms_param fields[MOST];
    bool bare[MOST];
    size_t count = 0;
    int level = luaL_checkoption(L, 2, NULL, level_names);
    const char *event = luaL_checkstring(L, 3);
    luaL_checktype(L, 4, LUA_TTABLE);
    int64_t wall_ms = opt_wall_ms(L, 5);
    size_t length = lua_rawlen(L, 4);
    lua_settop(L, 5);
    luaL_checkstack(L, 2 * MOST + 2, "too many fields");
    for (size_t i = 1; i + 1 <= length && count < MOST; i += 2) {
        lua_rawgeti(L, 4, (int)i);
        lua_rawgeti(L, 4,
                    (int)i + 1); /* both stay on the stack: a number has become a new string */
        tsms_param *field = &fields[count];
        field->value = field_text(L, &bare[count]);
        if (lua_type(L, -2) == LUA_TSTRING && field->value.ptr != NULL) {
            field->name.ptr = lua_tolstring(L, -2, &field->name.len);
            count++;
        }
    }
    tsms__log_add(check_log(L, 1), (tsms_log_level)level, event, fields, bare, count, wall_ms);
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
