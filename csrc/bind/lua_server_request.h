/* The requests of the embedded server as userdata. */
#ifndef TSMS_BIND_LUA_SERVER_REQUEST_H
#define TSMS_BIND_LUA_SERVER_REQUEST_H

#include "../twilio_sms_server.h"
#include "lua_compat.h"

/* Pushes the server's next request, or nil, and answers 1. The server's userdata is argument 1; the
 * request keeps it alive. */
int tsms__lua_next_request(lua_State *L, tsms_server *server);
/* Registers the class. */
void tsms__lua_open_server_request(lua_State *L);

#endif
