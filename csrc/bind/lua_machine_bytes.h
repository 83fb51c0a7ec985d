/* What a driver of sockets needs of a machine. */
#ifndef TSMS_BIND_LUA_MACHINE_BYTES_H
#define TSMS_BIND_LUA_MACHINE_BYTES_H

#include "lua_compat.h"

/* Adds the methods next_bytes and transport_options to the table on top. */
void tsms__lua_add_machine_bytes(lua_State *L);

#endif
