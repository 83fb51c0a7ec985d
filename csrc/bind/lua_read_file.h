/* Small files, and who else may use them. */
#ifndef TSMS_BIND_LUA_READ_FILE_H
#define TSMS_BIND_LUA_READ_FILE_H

#include "lua_compat.h"

/* Adds read_file to the module table on top. */
void tsms__lua_open_read_file(lua_State *L);

#endif
