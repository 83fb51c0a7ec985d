/* Errors in Lua: a table with fields, a readable tostring and a metatable of its own. */
#include "lua_error.h"

#include "../base/err.h"

#define ERROR_CLASS "twilio_sms.error"

static void set_text(lua_State *L, const char *name, const char *text)
{
    if (text[0] != '\0') {
        lua_pushstring(L, text);
        lua_setfield(L, -2, name);
    }
}

static void set_int(lua_State *L, const char *name, int64_t value)
{
    tsms__lua_push_int(L, value);
    lua_setfield(L, -2, name);
}

void tsms__lua_push_error(lua_State *L, const tsms_error *err)
{
    lua_createtable(L, 0, 12);
    set_text(L, "category", tsms_category_name(err->category));
    set_text(L, "kind", tsms_kind_name(err->kind));
    set_text(L, "type", tsms_kind_type(err->kind));
    set_text(L, "outcome", tsms_outcome_name(err->outcome));
    set_text(L, "message", err->message);
    set_text(L, "more_info", err->more_info);
    set_text(L, "request_id", err->request_id);
    lua_pushboolean(L, err->retryable);
    lua_setfield(L, -2, "retryable");
    set_int(L, "attempts", err->attempts);
    if (err->api_code != 0) {
        set_int(L, "code", err->api_code);
    }
    if (err->http_status != 0) {
        set_int(L, "http_status", err->http_status);
    }
    if (err->retry_after_ms >= 0) {
        set_int(L, "retry_after_ms", err->retry_after_ms);
    }
    luaL_getmetatable(L, ERROR_CLASS);
    lua_setmetatable(L, -2);
}

int tsms__lua_fail(lua_State *L, tsms_status status, const tsms_error *err)
{
    if (status == TSMS_NOMEM) {
        return luaL_error(L, "not enough memory");
    }
    lua_pushnil(L);
    tsms__lua_push_error(L, err);
    return 2;
}

/* "MessageError.OptedOut: the recipient has opted out (code 21610, HTTP 400, outcome rejected)" */
static int error_tostring(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_getfield(L, 1, "type");
    lua_getfield(L, 1, "message");
    lua_getfield(L, 1, "code");
    lua_getfield(L, 1, "http_status");
    lua_getfield(L, 1, "outcome");
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    static const struct {
        int index;
        const char *before;
    } parts[] = {{2, ""}, {3, ": "}, {4, " (code "}, {5, "HTTP "}, {6, "outcome "}};
    bool bracket = false;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const char *value = lua_tostring(L, parts[i].index);
        if (value == NULL) {
            continue;
        }
        if (i == 2) {
            bracket = true;
        } else if (i > 2) {
            luaL_addstring(&text, bracket ? ", " : " (");
            bracket = true;
        }
        luaL_addstring(&text, parts[i].before);
        luaL_addstring(&text, value);
    }
    if (bracket) {
        luaL_addstring(&text, ")");
    }
    luaL_pushresult(&text);
    return 1;
}

/* An error joins into a message like the text that it is shown as. */
static int error_concat(lua_State *L)
{
    lua_settop(L, 2);
    for (int i = 1; i <= 2; i++) {
        lua_getglobal(L, "tostring");
        lua_pushvalue(L, i);
        lua_call(L, 1, 1);
    }
    lua_concat(L, 2);
    return 1;
}

/* error(kind, message [, outcome]): for what Lua code finds out itself. */
static int error_new(lua_State *L)
{
    size_t len;
    lua_settop(L, 3);
    const char *name = luaL_checklstring(L, 1, &len);
    tsms_kind kind = tsms_kind_from_name((tsms_str){name, len});
    luaL_argcheck(L, kind != TSMS_KIND_NONE, 1, "unknown kind of error");
    tsms_error err;
    tsms__error_set(&err, kind, "%s", luaL_checkstring(L, 2));
    tsms__lua_push_error(L, &err);
    if (!lua_isnil(L, 3)) {
        luaL_checkstring(L, 3);
        lua_pushvalue(L, 3);
        lua_setfield(L, -2, "outcome");
    }
    return 1;
}

static int error_is(lua_State *L)
{
    bool is = false;
    if (lua_istable(L, 1) && lua_getmetatable(L, 1)) {
        luaL_getmetatable(L, ERROR_CLASS);
        is = lua_rawequal(L, -1, -2);
    }
    lua_pushboolean(L, is);
    return 1;
}

/* assert(value, err, ...), for Lua versions whose own refuses errors that are tables (PUC 5.1). In
   C, so that test frameworks, which skip C functions, find the line that calls it: a table has no
   position. */
static int error_assert(lua_State *L)
{
    if (lua_toboolean(L, 1)) {
        return lua_gettop(L);
    }
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_pushliteral(L, "assertion failed!");
    }
    return lua_error(L);
}

void tsms__lua_open_error(lua_State *L)
{
    static const luaL_Reg meta[] = {
        {"__concat", error_concat}, {"__tostring", error_tostring}, {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"assert", error_assert}, {"error", error_new}, {"is_error", error_is}, {NULL, NULL}};
    luaL_newmetatable(L, ERROR_CLASS);
    lua_pushstring(L, ERROR_CLASS);
    lua_setfield(L, -2, "__name");
    tsms__lua_setfuncs(L, meta);
    lua_pop(L, 1);
    tsms__lua_setfuncs(L, functions);
}
