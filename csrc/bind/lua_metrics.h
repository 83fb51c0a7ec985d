/* The text of metrics, for Lua. */
#ifndef TSMS_BIND_LUA_METRICS_H
#define TSMS_BIND_LUA_METRICS_H

#include "lua_compat.h"

#include "../base/err.h"

/* The format that arg names; the default is "prometheus". Raises for another name. */
tsms_metrics_format tsms__lua_check_format(lua_State *L, int arg);
/* Pushes the text, or nil and an error when it is absent; answers how many values that are. */
int tsms__lua_push_metrics(lua_State *L, tsms_str text);

#endif
