/* A C program with Lua inside: runs a Lua file that can require "twilio_sms" although no module
 * lies on disk.
 *
 *     host script.lua [arguments]
 */
#include <twilio_sms_lua.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: host script.lua [arguments]\n");
        return 2;
    }
    lua_State *L = luaL_newstate();
    if (L == NULL) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    luaL_openlibs(L);
    tsms_lua_preload(L);

    lua_createtable(L, argc - 2, 1);
    for (int i = 1; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i - 1);
    }
    lua_setglobal(L, "arg");
    int failed = luaL_dofile(L, argv[1]);
    if (failed) {
        fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
    }
    lua_close(L);
    return failed ? 1 : 0;
}
