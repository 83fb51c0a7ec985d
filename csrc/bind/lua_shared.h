/* Regions of shared memory by their names. */
#ifndef TSMS_BIND_LUA_SHARED_H
#define TSMS_BIND_LUA_SHARED_H

#include "lua_compat.h"

/* Adds forget_shared to the table on top of the stack. */
void tsms__lua_open_shared(lua_State *L);

#endif
