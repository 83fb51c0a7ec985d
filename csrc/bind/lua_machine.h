/* What a driver written in Lua needs of a machine. */
#ifndef TSMS_BIND_LUA_MACHINE_H
#define TSMS_BIND_LUA_MACHINE_H

#include "lua_compat.h"

/* Adds the methods at, due_ms, finish, news, next and origin to the table on top. */
void tsms__lua_add_machine(lua_State *L);

#endif
