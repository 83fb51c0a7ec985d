/* Reads the options in a table. */
#include "lua_option.h"

const char *tsms__lua_option_name(lua_State *L)
{
    if (lua_type(L, -2) != LUA_TSTRING) {
        luaL_error(L, "unknown option '?'");
    }
    return lua_tostring(L, -2);
}

void tsms__lua_expect_option(lua_State *L, const char *name, int type)
{
    if (lua_type(L, -1) != type) {
        luaL_error(L, "'%s' must be a %s, not a %s", name, lua_typename(L, type),
                   luaL_typename(L, -1));
    }
}

tsms_str tsms__lua_option_str(lua_State *L, const char *name)
{
    tsms__lua_expect_option(L, name, LUA_TSTRING);
    tsms_str text;
    text.ptr = lua_tolstring(L, -1, &text.len);
    return text;
}
