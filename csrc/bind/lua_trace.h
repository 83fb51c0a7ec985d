/* Spans for Lua code. */
#ifndef TSMS_BIND_LUA_TRACE_H
#define TSMS_BIND_LUA_TRACE_H

#include "../twilio_sms.h"
#include "lua_compat.h"

/* The trace at an argument; NULL for nil. Raises for anything else, and for a closed one. */
tsms_trace *tsms__lua_opt_trace(lua_State *L, int arg);
/* Adds the method set_trace of clients to the table on top. */
void tsms__lua_add_trace(lua_State *L);
/* Adds trace to the module table on top. */
void tsms__lua_open_trace(lua_State *L);

#endif
