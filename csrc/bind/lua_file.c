#define _GNU_SOURCE /* O_CLOEXEC, O_NOFOLLOW */
/* Makes files as Lua's own library cannot: new for certain, and for the owner's eyes only. */
#include "lua_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { OWNER_ONLY = 0600 };

/* new_file(path): makes an empty file that did not exist, and that only its owner may read; answers
 * true, or nil, a sentence, and whether something of that name exists, be it a dangling link. */
static int file_new(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, OWNER_ONLY);
    if (fd >= 0) {
        (void)close(fd);
        lua_pushboolean(L, true);
        return 1;
    }
    int why = errno;
    lua_pushnil(L);
    lua_pushstring(L, strerror(why));
    lua_pushboolean(L, why == EEXIST);
    return 3;
}

void tsms__lua_open_file(lua_State *L)
{
    static const luaL_Reg functions[] = {{"new_file", file_new}, {NULL, NULL}};
    tsms__lua_setfuncs(L, functions);
}
