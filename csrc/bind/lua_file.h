/* Files that Lua's own library cannot open. */
#ifndef TSMS_BIND_LUA_FILE_H
#define TSMS_BIND_LUA_FILE_H

#include "lua_compat.h"

/* Adds append_file and new_file to the module table on top. */
void tsms__lua_open_file(lua_State *L);

#endif
