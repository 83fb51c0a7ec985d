/* Keeps memory of C in the hands of Lua's collector for as long as one function runs. */
#include "lua_scratch.h"

#define SCRATCH_CLASS "twilio_sms.scratch"

enum { KEPT = 4096 }; /* bytes of a buffer that are worth keeping */

static void empty(tsms__lua_scratch *scratch, size_t kept)
{
    tsms__wipe(scratch->text.ptr, scratch->text.len);
    tsms_result_free(scratch->result);
    tsms__free(&tsms__mem_libc, scratch->tapped);
    scratch->result = NULL;
    scratch->tapped = NULL;
    tsms_buf *const bufs[] = {&scratch->text, &scratch->name, &scratch->value};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) {
        tsms__buf_clear(bufs[i]);
        if (bufs[i]->cap > kept) {
            tsms__buf_free(bufs[i]);
        }
    }
}

static int scratch_gc(lua_State *L)
{
    empty(luaL_checkudata(L, 1, SCRATCH_CLASS), 0);
    return 0;
}

static tsms__lua_scratch *push_new(lua_State *L)
{
    tsms__lua_scratch *scratch = lua_newuserdatauv(L, sizeof *scratch, 0);
    *scratch = (tsms__lua_scratch){0};
    tsms__buf_init(&scratch->text, &tsms__mem_libc);
    tsms__buf_init(&scratch->name, &tsms__mem_libc);
    tsms__buf_init(&scratch->value, &tsms__mem_libc);
    luaL_getmetatable(L, SCRATCH_CLASS);
    lua_setmetatable(L, -2);
    return scratch;
}

/* One for all calls: a finalizer for each would cost more than the work. It is in the class. */
tsms__lua_scratch *tsms__lua_push_scratch(lua_State *L)
{
    luaL_getmetatable(L, SCRATCH_CLASS);
    lua_rawgeti(L, -1, 1);
    lua_remove(L, -2);
    tsms__lua_scratch *scratch = lua_touserdata(L, -1);
    if (scratch->in_use) { /* a finalizer runs in the middle of another call */
        lua_pop(L, 1);
        scratch = push_new(L);
    }
    scratch->in_use = true;
    return scratch;
}

tsms_str tsms__lua_keep(tsms__lua_scratch *scratch, tsms_str text)
{
    size_t start = scratch->text.len;
    tsms__buf_add(&scratch->text, text);
    size_t len = scratch->text.len - start;
    return (tsms_str){len > 0 ? scratch->text.ptr + start : "", len};
}

void tsms__lua_scratch_done(tsms__lua_scratch *scratch)
{
    empty(scratch, KEPT);
    scratch->in_use = false;
}

int tsms__lua_scratch_fail(lua_State *L, tsms__lua_scratch *scratch)
{
    tsms__lua_scratch_done(scratch);
    return luaL_error(L, "not enough memory");
}

void tsms__lua_open_scratch(lua_State *L)
{
    luaL_newmetatable(L, SCRATCH_CLASS);
    lua_pushcfunction(L, scratch_gc);
    lua_setfield(L, -2, "__gc");
    push_new(L);
    lua_rawseti(L, -2, 1);
    lua_pop(L, 1);
}
