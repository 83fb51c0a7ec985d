/* The receiver of webhooks for Lua code. */
#ifndef TSMS_BIND_LUA_WEBHOOK_H
#define TSMS_BIND_LUA_WEBHOOK_H

#include "lua_compat.h"

/* Puts its functions into the table on top. */
void tsms__lua_open_webhook(lua_State *L);

#endif
