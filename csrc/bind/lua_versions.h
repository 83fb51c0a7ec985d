/* Which libraries the program runs with. */
#ifndef TSMS_BIND_LUA_VERSIONS_H
#define TSMS_BIND_LUA_VERSIONS_H

#include "lua_compat.h"

/* Adds versions to the module table on top. */
void tsms__lua_open_versions(lua_State *L);

#endif
