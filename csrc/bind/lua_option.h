/* Reads the options in a table; what is wrong with them is raised. */
#ifndef TSMS_BIND_LUA_OPTION_H
#define TSMS_BIND_LUA_OPTION_H

#include "../twilio_sms.h"
#include "lua_compat.h"

/* The name at the key below the top, in a loop over the table. */
const char *tsms__lua_option_name(lua_State *L);
/* The value on top, which has this name, must be of this type. */
void tsms__lua_expect_option(lua_State *L, const char *name, int type);
/* The string on top; it lives as long as the table that holds it. */
tsms_str tsms__lua_option_str(lua_State *L, const char *name);

#endif
