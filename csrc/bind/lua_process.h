/* What a program for the command line asks of its process. */
#ifndef TSMS_BIND_LUA_PROCESS_H
#define TSMS_BIND_LUA_PROCESS_H

#include "lua_compat.h"

/* Adds catch_signals, signals, release_signals, unite_signals, is_tty and terminal_width to the
 * module table on top. */
void tsms__lua_open_process(lua_State *L);

#endif
