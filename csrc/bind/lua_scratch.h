/* What a function holds while Lua makes values of it. */
#ifndef TSMS_BIND_LUA_SCRATCH_H
#define TSMS_BIND_LUA_SCRATCH_H

#include "../call/tap.h"
#include "lua_compat.h"

/* Owned by a userdata, because making values may raise, and by nobody else, because it may run
 * finalizers: they may use, or close, the object that it came from. */
typedef struct tsms__lua_scratch {
    tsms_buf text;        /* wiped in the end: it may hold credentials */
    tsms_buf name, value; /* of a form that is taken apart */
    tsms_result *result;
    tsms__tapped *tapped; /* made with tsms__mem_libc */
    bool in_use;          /* for ever after an error was raised */
} tsms__lua_scratch;

/* An empty one, whose userdata is pushed. Check arguments before, so that misuse leaves no scratch
 * behind in use, and whether their objects are still open after it. */
tsms__lua_scratch *tsms__lua_push_scratch(lua_State *L);
/* Appends a text and answers the copy, which lives until the buffer grows; reserve room before.
 * Look at text.failed when all are there. */
tsms_str tsms__lua_keep(tsms__lua_scratch *scratch, tsms_str text);
/* Empties it, so that the next caller may have it. */
void tsms__lua_scratch_done(tsms__lua_scratch *scratch);
/* Raises for lack of memory, and empties it before. */
int tsms__lua_scratch_fail(lua_State *L, tsms__lua_scratch *scratch);
/* Makes the class; before anything is pushed. */
void tsms__lua_open_scratch(lua_State *L);

#endif
