/* Reads secrets from Lua values, without making Lua strings of what only is pointed at. */
#include "lua_secret.h"

/* The string behind a name of the table, which keeps it alive; absent when there is none. */
static tsms_str member(lua_State *L, int index, const char *name)
{
    tsms_str text = {NULL, 0};
    lua_pushstring(L, name);
    lua_rawget(L, index);
    if (lua_type(L, -1) == LUA_TSTRING) {
        text.ptr = lua_tolstring(L, -1, &text.len);
    }
    lua_pop(L, 1);
    return text;
}

tsms_status tsms__lua_read_secret(lua_State *L, int index, const char *option,
                                  char buf[TSMS__SOURCE_SIZE], tsms_str *out, tsms_error *err)
{
    if (lua_type(L, index) == LUA_TSTRING) {
        out->ptr = lua_tolstring(L, index, &out->len);
        return TSMS_OK;
    }
    tsms_str env = {NULL, 0};
    tsms_str file = {NULL, 0};
    if (lua_istable(L, index)) {
        env = member(L, index, "env");
        file = member(L, index, "file");
    }
    if ((env.ptr == NULL) == (file.ptr == NULL)) {
        luaL_error(L, "%s must be a string, { env = \"NAME\" } or { file = \"path\" }", option);
    }
    return env.ptr != NULL ? tsms__source_env(option, env, out, err)
                           : tsms__source_file(option, file, buf, out, err);
}
