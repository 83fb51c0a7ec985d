/* An answer of HTTP/1.1 as a userdata, for drivers that only have a socket. */
#ifndef TSMS_BIND_LUA_HTTP1_H
#define TSMS_BIND_LUA_HTTP1_H

#include "../wire/http1_answer.h"
#include "lua_compat.h"

typedef struct tsms__lua_http1 {
    tsms__http1_answer answer;
    bool is_open; /* begun, and not yet handed to a machine */
} tsms__lua_http1;

/* The open answer at an argument; raises for anything else. */
tsms__lua_http1 *tsms__lua_check_http1(lua_State *L, int arg);
/* Adds http1 to the module table on top. */
void tsms__lua_open_http1(lua_State *L);

#endif
