/* The text helpers of the Lua module. */
#ifndef TSMS_BIND_LUA_TEXT_H
#define TSMS_BIND_LUA_TEXT_H

#include "../wire/form.h"
#include "lua_scratch.h"

/* Pushes a form as a list of names and values in turn, or of { name, value }. It is taken apart in
 * the scratch. False when memory ran out. */
bool tsms__lua_push_form(lua_State *L, tsms_str form, bool flat, tsms__lua_scratch *scratch);

/* Adds segments, form_decode, mask and is_terminal to the module table on top. */
void tsms__lua_open_text(lua_State *L);

#endif
