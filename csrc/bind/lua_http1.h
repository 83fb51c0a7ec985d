/* An answer of HTTP/1.1 as a userdata, for drivers that only have a socket. */
#ifndef TSMS_BIND_LUA_HTTP1_H
#define TSMS_BIND_LUA_HTTP1_H

#include "../wire/http1_answer.h"
#include "lua_compat.h"

enum { TSMS__LUA_SOCKET_BUFFER = 4096 }; /* lua_socket_buffer_size of nginx; or a multiple of it */

typedef struct tsms__lua_http1 {
    tsms__http1_answer answer;
    bool is_open; /* begun, and not yet handed to a machine */
    size_t fed;   /* bytes so far */
    bool hides;   /* the socket may hold back more than it has shown */
    uint64_t starts[TSMS__LUA_SOCKET_BUFFER / 64]; /* a bit for each place where a chunk began */
} tsms__lua_http1;

/* The open answer at an argument; raises for anything else. */
tsms__lua_http1 *tsms__lua_check_http1(lua_State *L, int arg);
/* Adds http1 to the module table on top. */
void tsms__lua_open_http1(lua_State *L);

#endif
