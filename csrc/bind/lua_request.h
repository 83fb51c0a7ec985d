/* A Lua table as a tsms_request. */
#ifndef TSMS_BIND_LUA_REQUEST_H
#define TSMS_BIND_LUA_REQUEST_H

#include "../wire/message.h"
#include "lua_compat.h"

enum { TSMS__LUA_LIST_MOST = 32 };

/* A request with the storage that its views need; the texts are those of the Lua table, which must
 * stay on the stack while the request is used. */
typedef struct tsms__lua_request {
    tsms_request request;
    tsms_message_options message;
    tsms_str lists[4][TSMS__LUA_LIST_MOST];
    size_t list_count;
} tsms__lua_request;

/* Reads the fields of the table at index for an operation; TSMS_ERROR for unknown names and wrong
 * types. Raises nothing. */
tsms_status tsms__lua_read_request(lua_State *L, int index, tsms_operation operation,
                                   tsms__lua_request *out, tsms_error *err);

#endif
