/* Regions of shared memory by their names. */
#include "lua_shared.h"

#include "../call/shared.h"

/* forget_shared(name, account_sid): the next client with this `shared` makes a fresh region; those
 * who have the old one keep it. A name that is not there is ignored. */
static int shared_forget(lua_State *L)
{
    tsms__region_unlink(luaL_checkstring(L, 1), luaL_checkstring(L, 2));
    return 0;
}

void tsms__lua_open_shared(lua_State *L)
{
    static const luaL_Reg functions[] = {{"forget_shared", shared_forget}, {NULL, NULL}};
    tsms__lua_setfuncs(L, functions);
}
