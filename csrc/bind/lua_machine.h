/* What a driver written in Lua needs of a machine. */
#ifndef TSMS_BIND_LUA_MACHINE_H
#define TSMS_BIND_LUA_MACHINE_H

#include "lua_client.h"

/* How a request ends for which there is no memory: as libcurl's driver ends it. */
extern const tsms__transfer tsms__lua_no_memory;

/* The open machine at argument 1; raises for anything else. */
tsms__lua_client *tsms__lua_check_machine(lua_State *L);
/* Adds the methods of a machine to the table on top. */
void tsms__lua_add_machine(lua_State *L);

#endif
