#define _GNU_SOURCE /* O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK */
/* Opens files as Lua's own library cannot: new for certain, for the owner's eyes only, and without
 * waiting for anybody. */
#include "lua_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPEND_CLASS "twilio_sms.core.append_file"

enum { OWNER_ONLY = 0600 };

typedef struct append_file {
    int fd; /* -1: closed */
    dev_t device;
    ino_t file;
} append_file;

static int fail(lua_State *L, const char *why)
{
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

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

/* ---- Files that only grow ------------------------------------------------------------------ */

static append_file *check_append(lua_State *L)
{
    append_file *self = luaL_checkudata(L, 1, APPEND_CLASS);
    luaL_argcheck(L, self->fd >= 0, 1, "the file is closed");
    return self;
}

static int append_close(lua_State *L)
{
    append_file *self = luaL_checkudata(L, 1, APPEND_CLASS);
    if (self->fd >= 0) {
        (void)close(self->fd);
        self->fd = -1;
    }
    return 0;
}

/* append_file(path): a regular file to whose end is written; made, when there is none, for its
 * owner's eyes only. Or nil and a sentence. A FIFO that nobody reads would make others wait here.
 */
static int append_open(lua_State *L)
{
    static const char not_regular[] = "it is not a regular file";
    const char *path = luaL_checkstring(L, 1);
    append_file *self = lua_newuserdatauv(L, sizeof *self, 0);
    self->fd = -1;
    luaL_getmetatable(L, APPEND_CLASS);
    lua_setmetatable(L, -2);
    self->fd =
        open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, OWNER_ONLY);
    struct stat info;
    if (self->fd < 0 || fstat(self->fd, &info) != 0) {
        return fail(L, errno == ENXIO ? not_regular : strerror(errno)); /* open(2), of a FIFO */
    } else if (!S_ISREG(info.st_mode)) {
        (void)close(self->fd);
        self->fd = -1;
        return fail(L, not_regular);
    }
    self->device = info.st_dev;
    self->file = info.st_ino;
    return 1;
}

/* file:fd() */
static int append_fd(lua_State *L)
{
    tsms__lua_push_int(L, check_append(L)->fd);
    return 1;
}

/* file:is_at(path): whether that is still its name. */
static int append_is_at(lua_State *L)
{
    const append_file *self = check_append(L);
    struct stat info;
    bool is_there = stat(luaL_checkstring(L, 2), &info) == 0;
    lua_pushboolean(L, is_there && info.st_dev == self->device && info.st_ino == self->file);
    return 1;
}

/* file:write(text): true; or nil and a sentence, and then a part of it may be there. */
static int append_write(lua_State *L)
{
    const append_file *self = check_append(L);
    size_t len;
    const char *text = luaL_checklstring(L, 2, &len);
    while (len > 0) {
        ssize_t written = write(self->fd, text, len);
        if (written >= 0) {
            text += written;
            len -= (size_t)written;
        } else if (errno != EINTR) {
            return fail(L, strerror(errno));
        }
    }
    lua_pushboolean(L, true);
    return 1;
}

void tsms__lua_open_file(lua_State *L)
{
    static const luaL_Reg meta[] = {
        {"__gc", append_close}, {"__close", append_close}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"close", append_close},
                                       {"fd", append_fd},
                                       {"is_at", append_is_at},
                                       {"write", append_write},
                                       {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"append_file", append_open}, {"new_file", file_new}, {NULL, NULL}};
    tsms__lua_class(L, APPEND_CLASS, methods, meta);
    lua_pop(L, 1);
    tsms__lua_setfuncs(L, functions);
}
