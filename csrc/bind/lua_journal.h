/* Files that remember what may not be forgotten. */
#ifndef TSMS_BIND_LUA_JOURNAL_H
#define TSMS_BIND_LUA_JOURNAL_H

#include "lua_compat.h"

/* Adds open_journal to the module table on top. */
void tsms__lua_open_journal(lua_State *L);

#endif
