/* TwiML replies for Lua code. */
#ifndef TSMS_BIND_LUA_TWIML_H
#define TSMS_BIND_LUA_TWIML_H

#include "lua_compat.h"

/* Puts its functions into the table on top. */
void tsms__lua_open_twiml(lua_State *L);

#endif
