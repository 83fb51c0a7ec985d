/* The client as a userdata: with libcurl as its driver, or without one, as a machine. */
#ifndef TSMS_BIND_LUA_CLIENT_H
#define TSMS_BIND_LUA_CLIENT_H

#include "../call/client.h"
#include "../wire/http1_request.h"
#include "lua_compat.h"

typedef struct tsms__lua_client {
    tsms_config *config; /* while the client is being made */
    tsms_client *client; /* NULL when closed */
    bool machine;        /* it has no driver, and stands at `now` */
    tsms__now now;
    tsms_buf body;               /* an answer that is put together from pieces */
    tsms__secret *authorization; /* of requests as bytes; NULL before the first */
    tsms__http1_peer peer;       /* the same */
} tsms__lua_client;

/* The open client at argument 1; raises for anything else. */
tsms__lua_client *tsms__lua_check_client(lua_State *L);
/* Adds client and machine to the module table on top. */
void tsms__lua_open_client(lua_State *L);

#endif
