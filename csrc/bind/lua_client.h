/* The client as a userdata. */
#ifndef TSMS_BIND_LUA_CLIENT_H
#define TSMS_BIND_LUA_CLIENT_H

#include "lua_compat.h"

/* Adds client and poll to the module table on top. */
void tsms__lua_open_client(lua_State *L);

#endif
