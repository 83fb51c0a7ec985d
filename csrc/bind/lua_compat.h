/* The differences between Lua 5.4 and LuaJIT / Lua 5.1, in one place. */
#ifndef TSMS_BIND_LUA_COMPAT_H
#define TSMS_BIND_LUA_COMPAT_H

#include <lauxlib.h>
#include <lua.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__GNUC__)
#define TSMS_LUA_EXPORT __attribute__((visibility("default")))
#else
#define TSMS_LUA_EXPORT
#endif

#if LUA_VERSION_NUM < 502

#define lua_rawlen(L, index) lua_objlen(L, index)
#define lua_newuserdatauv(L, size, values) lua_newuserdata(L, size)
/* One value may be kept with a userdata: its environment must be a table, so the value goes into
 * one. */
static inline void tsms__lua_pin(lua_State *L, int index)
{
    lua_createtable(L, 1, 0);
    lua_insert(L, -2);
    lua_rawseti(L, -2, 1);
    lua_setfenv(L, index);
}
/* LuaJIT has luaL_setfuncs, Lua 5.1 has not. */
static inline void tsms__lua_setfuncs(lua_State *L, const luaL_Reg *functions)
{
    for (; functions->name != NULL; functions++) {
        lua_pushcfunction(L, functions->func);
        lua_setfield(L, -2, functions->name);
    }
}

#else

#define tsms__lua_setfuncs(L, functions) luaL_setfuncs(L, functions, 0)
/* Keeps the value on top alive as long as the userdata at index; pops it. */
static inline void tsms__lua_pin(lua_State *L, int index)
{
    lua_setiuservalue(L, index, 1);
}

#endif

/* What stands before the name of a value's type in a message: "not nil", "not a string". */
static inline const char *tsms__lua_article(lua_State *L, int index)
{
    return lua_isnoneornil(L, index) ? "" : "a ";
}

/* A new metatable with a methods table as __index and its name as __name (which 5.1 does not set).
 * Leaves the metatable on the stack. */
static inline void tsms__lua_class(lua_State *L, const char *name, const luaL_Reg *methods,
                                   const luaL_Reg *meta)
{
    luaL_newmetatable(L, name);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__name");
    tsms__lua_setfuncs(L, meta);
    lua_newtable(L);
    tsms__lua_setfuncs(L, methods);
    lua_setfield(L, -2, "__index");
}

/* An integral number in [low, high]. LuaJIT's luaL_checkinteger would cut 1.5 to 1 and turn NaN
 * into garbage. Raises on anything else. */
static inline int64_t tsms__lua_check_int(lua_State *L, int arg, int64_t low, int64_t high)
{
    lua_Number value = luaL_checknumber(L, arg);
    luaL_argcheck(L, value >= (lua_Number)low && value <= (lua_Number)high && floor(value) == value,
                  arg, "whole number out of range");
    return (int64_t)value;
}

/* Whether the table on top holds the entries 1 to count and nothing else. */
static inline bool tsms__lua_is_list(lua_State *L, size_t count)
{
    size_t entries = 0;
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        entries++;
    }
    return entries == count;
}

/* An integer that prints as one: 5.4 knows integers, LuaJIT has numbers that are exact to 2^53. */
static inline void tsms__lua_push_int(lua_State *L, int64_t value)
{
#if LUA_VERSION_NUM >= 503
    lua_pushinteger(L, (lua_Integer)value);
#else
    lua_pushnumber(L, (lua_Number)value);
#endif
}

#endif
