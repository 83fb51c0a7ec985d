/* A Lua table of options as a tsms_config. */
#ifndef TSMS_BIND_LUA_CONFIG_H
#define TSMS_BIND_LUA_CONFIG_H

#include "../twilio_sms.h"
#include "lua_compat.h"

/* Sets every option of the table at index. Nested tables join their names with dots, lists are
 * tables of strings, and `errors` maps codes to { kind =, retryable = }. Raises nothing but memory
 * errors. */
tsms_status tsms__lua_read_config(lua_State *L, int index, tsms_config *config, tsms_error *err);

#endif
