/* The text helpers of the Lua module. */
#ifndef TSMS_BIND_LUA_TEXT_H
#define TSMS_BIND_LUA_TEXT_H

#include "lua_compat.h"

/* Adds segments, form_decode, mask and is_terminal to the module table on top. */
void tsms__lua_open_text(lua_State *L);

#endif
