/* Signatures of webhooks for Lua code. */
#ifndef TSMS_BIND_LUA_SIGNATURE_H
#define TSMS_BIND_LUA_SIGNATURE_H

#include "lua_compat.h"

/* Adds signer and body_sha256 to the module table on top. */
void tsms__lua_open_signature(lua_State *L);

#endif
