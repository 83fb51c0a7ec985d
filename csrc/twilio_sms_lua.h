/* For C programs with a Lua state of their own: the module without a shared object, and the Lua
 * modules from the binary.
 *
 *     lua_State *L = luaL_newstate();
 *     luaL_openlibs(L);
 *     tsms_lua_preload(L);                 // now require "twilio_sms" works, with no file on disk
 *
 * Link libtwilio_sms_lua5.4 or libtwilio_sms_luajit, whichever belongs to your Lua. Since 0.1.0. */
#ifndef TWILIO_SMS_LUA_H
#define TWILIO_SMS_LUA_H

#include "twilio_sms.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lua_State;

/* The loader of "twilio_sms.core", as require calls it. */
TSMS_API int luaopen_twilio_sms_core(struct lua_State *L);
/* Puts "twilio_sms.core" and all modules written in Lua into package.preload. May raise a memory
 * error, as any Lua API function. */
TSMS_API void tsms_lua_preload(struct lua_State *L);

#ifdef __cplusplus
}
#endif

#endif
