/* The receiver of webhooks for Lua code. */
#ifndef TSMS_BIND_LUA_WEBHOOK_H
#define TSMS_BIND_LUA_WEBHOOK_H

#include "../twilio_sms.h"
#include "lua_compat.h"

/* The open webhook at argument 1; raises for anything else. To be called behind what may run other
 * Lua code, a metamethod or a finalizer: that may close the webhook. */
tsms_webhook *tsms__lua_check_webhook(lua_State *L);
/* Adds what tells of webhooks to their methods, the table on top (lua_webhook_count.c). */
void tsms__lua_add_webhook_count(lua_State *L);
/* Puts its functions into the table on top. */
void tsms__lua_open_webhook(lua_State *L);

#endif
