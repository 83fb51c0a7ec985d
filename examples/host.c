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

/* Prints the error on top of the stack. luaL_tolstring would do, but LuaJIT lacks it. */
static void report(lua_State *L)
{
    lua_getglobal(L, "tostring"); /* the error may be a table */
    lua_insert(L, -2);
    lua_pcall(L, 1, 1, 0);
    const char *text = lua_tostring(L, -1);
    fprintf(stderr, "%s\n", text != NULL ? text : "an error without a text");
}

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
        report(L);
    }
    lua_close(L);
    return failed ? 1 : 0;
}
