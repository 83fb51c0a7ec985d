/* HTTP requests that are not Twilio's API for Lua code. */
#ifndef TSMS_BIND_LUA_POST_H
#define TSMS_BIND_LUA_POST_H

#include "lua_compat.h"

/* Puts its functions into the table on top. */
void tsms__lua_open_post(lua_State *L);

#endif
