#define _GNU_SOURCE /* O_CLOEXEC, O_DIRECTORY, fdatasync, flock */
/* A file of one process that only grows, and says when what was added would survive a loss of
 * power. */
#include "lua_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOURNAL_CLASS "twilio_sms.core.journal"

enum { OWNER_ONLY = 0600, ALL_OTHERS = S_IRWXG | S_IRWXO };

typedef struct journal {
    int fd; /* -1: closed */
} journal;

static journal *check_open(lua_State *L)
{
    journal *self = luaL_checkudata(L, 1, JOURNAL_CLASS);
    luaL_argcheck(L, self->fd >= 0, 1, "the journal is closed");
    return self;
}

static int fail(lua_State *L, int why)
{
    lua_pushnil(L);
    lua_pushstring(L, strerror(why));
    return 2;
}

/* 0, or why it did not work. */
static int write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, text, len);
        if (written >= 0) {
            text += written;
            len -= (size_t)written;
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

static int cut(int fd, off_t size)
{
    int status;
    do {
        status = ftruncate(fd, size);
    } while (status != 0 && errno == EINTR);
    return status == 0 ? 0 : errno;
}

/* journal:append(text): true; or nil and a sentence, and then nothing of it is in the file, unless
 * that cannot be undone either. */
static int journal_append(lua_State *L)
{
    journal *self = check_open(L);
    size_t len;
    const char *text = luaL_checklstring(L, 2, &len);
    struct stat before;
    if (fstat(self->fd, &before) != 0) {
        return fail(L, errno);
    }
    int why = write_all(self->fd, text, len);
    if (why != 0) {
        (void)cut(self->fd, before.st_size);
        return fail(L, why);
    }
    lua_pushboolean(L, true);
    return 1;
}

static int sync_data(int fd)
{
    int status;
    do {
        status = fdatasync(fd);
    } while (status != 0 && errno == EINTR);
    return status == 0 ? 0 : errno;
}

/* journal:sync(): true when all that was appended is on the disk; or nil and a sentence. */
static int journal_sync(lua_State *L)
{
    int why = sync_data(check_open(L)->fd);
    if (why != 0) {
        return fail(L, why);
    }
    lua_pushboolean(L, true);
    return 1;
}

/* journal:cut(size): keeps the first so many bytes; true, or nil and a sentence. */
static int journal_cut(lua_State *L)
{
    journal *self = check_open(L);
    int why = cut(self->fd, (off_t)tsms__lua_check_int(L, 2, 0, INT64_C(1) << 53));
    if (why != 0) {
        return fail(L, why);
    }
    lua_pushboolean(L, true);
    return 1;
}

static int journal_close(lua_State *L)
{
    journal *self = luaL_checkudata(L, 1, JOURNAL_CLASS);
    if (self->fd >= 0) {
        (void)close(self->fd);
        self->fd = -1;
    }
    return 0;
}

/* A file that was just made is there after a loss of power only when its folder is on the disk, too
 * (fsync(2)). Where a folder cannot be synchronized, nothing more can be done. */
static void sync_folder(lua_State *L, const char *path)
{
    const char *slash = strrchr(path, '/');
    lua_pushlstring(L, slash != NULL ? path : ".", slash != NULL ? (size_t)(slash - path) + 1 : 1);
    int fd = open(lua_tostring(L, -1), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    lua_pop(L, 1);
    if (fd >= 0) {
        (void)fsync(fd);
        (void)close(fd);
    }
}

/* Closes to others a file of ours that was there already; false when it is another's. Where files
 * have no owners and modes, as on FAT, that does nothing, and nobody expects it to. */
static bool make_private(int fd, const struct stat *about)
{
    mode_t others = about->st_mode & ALL_OTHERS;
    return others == 0 || fchmod(fd, about->st_mode & 07777 & ~others) == 0 ||
           about->st_uid == geteuid();
}

/* Answers NULL; or why it cannot be used. */
static const char *take(int fd, bool *is_in_use)
{
    struct stat about;
    if (fstat(fd, &about) != 0) {
        return strerror(errno);
    }
    if (!S_ISREG(about.st_mode)) {
        return "not a regular file";
    }
    int status;
    do {
        status = flock(fd, LOCK_EX | LOCK_NB);
    } while (status != 0 && errno == EINTR);
    if (status != 0) {
        *is_in_use = errno == EWOULDBLOCK;
        return *is_in_use ? "another process is using it" : strerror(errno);
    }
    return make_private(fd, &about)
               ? NULL
               : "it belongs to another user, and more than its owner may use it";
}

/* open_journal(path): a journal, which no other process can open before this one closes it or ends.
 * It is for its owner's eyes: made so, or from now on. Or nil, a sentence, and whether another
 * process has it. */
static int journal_open(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    journal *self = lua_newuserdatauv(L, sizeof *self, 0);
    self->fd = -1;
    luaL_getmetatable(L, JOURNAL_CLASS);
    lua_setmetatable(L, -2);
    self->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, OWNER_ONLY);
    bool is_in_use = false;
    const char *why = self->fd >= 0 ? take(self->fd, &is_in_use) : strerror(errno);
    if (why == NULL) {
        sync_folder(L, path);
        return 1;
    }
    if (self->fd >= 0) {
        (void)close(self->fd);
        self->fd = -1;
    }
    lua_pushnil(L);
    lua_pushstring(L, why);
    lua_pushboolean(L, is_in_use);
    return 3;
}

void tsms__lua_open_journal(lua_State *L)
{
    static const luaL_Reg meta[] = {
        {"__gc", journal_close}, {"__close", journal_close}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"append", journal_append},
                                       {"close", journal_close},
                                       {"cut", journal_cut},
                                       {"sync", journal_sync},
                                       {NULL, NULL}};
    static const luaL_Reg functions[] = {{"open_journal", journal_open}, {NULL, NULL}};
    tsms__lua_class(L, JOURNAL_CLASS, methods, meta);
    lua_pop(L, 1);
    tsms__lua_setfuncs(L, functions);
}
