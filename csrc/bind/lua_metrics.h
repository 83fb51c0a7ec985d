/* The text of metrics, for Lua. */
#ifndef TSMS_BIND_LUA_METRICS_H
#define TSMS_BIND_LUA_METRICS_H

#include "lua_scratch.h"

/* The format that arg names; the default is "prometheus". Raises for another name. */
tsms_metrics_format tsms__lua_check_format(lua_State *L, int arg);
/* Pushes the text that was written to the scratch, which is done with; answers 1. Raises when
 * memory ran out. */
int tsms__lua_push_metrics(lua_State *L, tsms__lua_scratch *scratch);

#endif
