/* A tsms_result as Lua values. */
#ifndef TSMS_BIND_LUA_RESULT_H
#define TSMS_BIND_LUA_RESULT_H

#include "../twilio_sms.h"
#include "lua_compat.h"

/* Pushes what a call ended with: a table, true, or nil and an error. Answers how many values. */
int tsms__lua_push_result(lua_State *L, const tsms_result *result);

#endif
