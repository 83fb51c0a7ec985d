/* Secrets that Lua code gives or only points at. */
#ifndef TSMS_BIND_LUA_SECRET_H
#define TSMS_BIND_LUA_SECRET_H

#include "../config/source.h"
#include "lua_compat.h"

/* Reads the value at index: a string, { env = "NAME" } or { file = "path" }; raises for anything
 * else. *out views Lua's string, the environment, or buf, which the caller wipes before it calls
 * into Lua again. InvalidAuthToken, naming the option, when the source gives nothing. */
tsms_status tsms__lua_read_secret(lua_State *L, int index, const char *option,
                                  char buf[TSMS__SOURCE_SIZE], tsms_str *out, tsms_error *err);

#endif
