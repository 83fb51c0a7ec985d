/* Logs as a userdata. */
#ifndef TSMS_BIND_LUA_LOG_H
#define TSMS_BIND_LUA_LOG_H

#include "../twilio_sms.h"
#include "lua_compat.h"

/* The open log at this argument, NULL for nil; raises for anything else. */
tsms_log *tsms__lua_opt_log(lua_State *L, int arg);
/* Adds set_log to the methods table of clients on top. */
void tsms__lua_add_log(lua_State *L);
/* Adds log to the module table on top. */
void tsms__lua_open_log(lua_State *L);

#endif
