/* Waiting on several clients at once, for the standalone loop. */
#include "lua_poll.h"

#include "../drive/clock.h"

#include <poll.h>

/* poll(fds, timeout_ms): waits until one of the descriptors is readable; -1 waits without end. */
static int poll_wait(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    int timeout_ms = (int)tsms__lua_check_int(L, 2, -1, INT32_MAX);
    size_t count = lua_rawlen(L, 1);
    struct pollfd *fds = lua_newuserdatauv(L, count * sizeof *fds, 0);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 1, (int)i + 1);
        fds[i] = (struct pollfd){.fd = (int)lua_tonumber(L, -1), .events = POLLIN};
        lua_pop(L, 1);
    }
    (void)poll(fds, (nfds_t)count, timeout_ms);
    return 0;
}

/* now_ms(): monotonic milliseconds. */
static int poll_now_ms(lua_State *L)
{
    tsms__lua_push_int(L, tsms__clock_now().mono_ms);
    return 1;
}

/* time_ms(): Unix time in milliseconds. */
static int poll_time_ms(lua_State *L)
{
    tsms__lua_push_int(L, tsms__clock_now().wall_ms);
    return 1;
}

void tsms__lua_open_poll(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"poll", poll_wait}, {"now_ms", poll_now_ms}, {"time_ms", poll_time_ms}, {NULL, NULL}};
    tsms__lua_setfuncs(L, functions);
}
