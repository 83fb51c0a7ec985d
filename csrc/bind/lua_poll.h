/* Waiting, for the standalone loop. */
#ifndef TSMS_BIND_LUA_POLL_H
#define TSMS_BIND_LUA_POLL_H

#include "lua_compat.h"

/* Adds poll and now_ms to the module table on top. */
void tsms__lua_open_poll(lua_State *L);

#endif
