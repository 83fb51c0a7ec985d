/* tsms_error as a Lua table. */
#ifndef TSMS_BIND_LUA_ERROR_H
#define TSMS_BIND_LUA_ERROR_H

#include "../twilio_sms.h"
#include "lua_compat.h"

/* Pushes a table with the metatable "twilio_sms.error". */
void tsms__lua_push_error(lua_State *L, const tsms_error *err);
/* Pushes nil and the error, and answers 2; raises "not enough memory" for TSMS_NOMEM. */
int tsms__lua_fail(lua_State *L, tsms_status status, const tsms_error *err);
/* Adds error, is_error and kinds to the module table on top. */
void tsms__lua_open_error(lua_State *L);

#endif
