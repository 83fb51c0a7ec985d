#define _POSIX_C_SOURCE 200809L /* O_CLOEXEC */
/* Reads a small file whole and tells who else may use it, which Lua's own library cannot. */
#include "lua_read_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST = 65536 };

#define FILE_CLASS "twilio_sms.core.read_file"

/* The file that is open; a userdata, because pushing its text may raise. */
typedef struct open_file {
    int fd; /* -1 when there is none */
} open_file;

static int file_gc(lua_State *L)
{
    open_file *self = luaL_checkudata(L, 1, FILE_CLASS);
    if (self->fd >= 0) {
        (void)close(self->fd);
        self->fd = -1;
    }
    return 0;
}

static int fail(lua_State *L, const char *why)
{
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

/* Whether it is ours, or that of root, who may do everything anyway. */
static bool is_ours(const struct stat *info)
{
    return info->st_uid == geteuid() || info->st_uid == 0;
}

static bool is_private(const struct stat *info)
{
    return (info->st_mode & (S_IRWXG | S_IRWXO)) == 0 && is_ours(info);
}

/* Who else may change it; NULL for nobody. */
static const char *who_may_change(const struct stat *info)
{
    if (!is_ours(info)) {
        return "owner"; /* who may always */
    }
    return (info->st_mode & (S_IWGRP | S_IWOTH)) != 0 ? "others" : NULL;
}

/* Reads until the end; -1 with errno. Of a file that is too long one byte more than allowed. */
static ssize_t read_all(int fd, char *out, size_t size)
{
    size_t len = 0;
    while (len < size) {
        ssize_t n = read(fd, out + len, size - len);
        if (n == 0) {
            break;
        }
        if (n < 0 && errno != EINTR) {
            return -1;
        }
        len += n > 0 ? (size_t)n : 0;
    }
    return (ssize_t)len;
}

/* read_file(path): the text, whether nobody but we may read it, and who else may change it: "owner"
 * (another user), "others" or nil. Or nil and a sentence, for what is no regular file or longer
 * than 64 KiB, too. */
static int file_read(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    open_file *self = lua_newuserdatauv(L, sizeof *self, 0);
    self->fd = -1;
    luaL_getmetatable(L, FILE_CLASS);
    lua_setmetatable(L, -2);
    char *text = lua_newuserdatauv(L, MOST + 1, 0);
    /* Without O_NONBLOCK a pipe would be waited for until somebody writes into it. */
    self->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat info;
    if (self->fd < 0 || fstat(self->fd, &info) != 0) {
        return fail(L, strerror(errno));
    }
    if (!S_ISREG(info.st_mode)) {
        return fail(L, "it is no regular file");
    }
    ssize_t len = read_all(self->fd, text, MOST + 1);
    if (len < 0) {
        return fail(L, strerror(errno));
    }
    if (len > MOST) {
        return fail(L, "it is longer than 64 KiB");
    }
    lua_pushlstring(L, text, (size_t)len);
    lua_pushboolean(L, is_private(&info));
    lua_pushstring(L, who_may_change(&info)); /* nil for NULL */
    return 3;
}

void tsms__lua_open_read_file(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", file_gc}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{NULL, NULL}};
    static const luaL_Reg functions[] = {{"read_file", file_read}, {NULL, NULL}};
    tsms__lua_class(L, FILE_CLASS, methods, meta);
    lua_pop(L, 1);
    tsms__lua_setfuncs(L, functions);
}
