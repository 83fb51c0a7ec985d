/* Finished transfers as Lua tables. */
#ifndef TSMS_BIND_LUA_TAP_H
#define TSMS_BIND_LUA_TAP_H

#include "lua_compat.h"

/* The names of the methods, in the order of tsms__method. */
extern const char *const tsms__lua_methods[];

/* Adds the methods set_tap and tap to the table on top. */
void tsms__lua_add_tap(lua_State *L);

#endif
