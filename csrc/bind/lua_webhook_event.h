/* Requests out of Lua tables, and what they turned out to say into tables. */
#ifndef TSMS_BIND_LUA_WEBHOOK_EVENT_H
#define TSMS_BIND_LUA_WEBHOOK_EVENT_H

#include "../base/err.h"
#include "lua_compat.h"

enum { TSMS__LUA_HEADERS_MOST = 128 };

/* A request whose strings belong to Lua. */
typedef struct tsms__lua_webhook_request {
    tsms_webhook_request request;
    tsms_param headers[TSMS__LUA_HEADERS_MOST];
} tsms__lua_webhook_request;

/* Reads the table at arg; the strings stay alive as long as what this leaves on the stack. Raises
 * for what no request looks like. PayloadParseError for too many headers, which a peer may send. */
tsms_status tsms__lua_read_webhook(lua_State *L, int arg, tsms__lua_webhook_request *out,
                                   tsms_error *err);
/* Pushes a table. */
void tsms__lua_push_webhook_event(lua_State *L, const tsms_webhook_event *event);

#endif
