#define _GNU_SOURCE /* mkstemp */
/* A Lua module that records which lines run, for tests/coverage.lua. A hook in Lua makes the specs
 * so slow that they run into their own time limits.
 *
 * From the moment it is loaded until the process ends it notes each line; new coroutines inherit
 * the hook. Then a file of its own in the directory LUA_COVERAGE gets one "@source:line" for each.
 * A process that was forked meanwhile, as nginx forks its workers, has a file of its own too.
 */
#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SOURCES = 4096, LINES = 4096, NAME = 512 };

typedef struct source {
    char name[NAME];
    uint8_t seen[LINES / 8];
} source;

static source *sources[SOURCES]; /* by their names */
static size_t source_count;

/* What was found last, by the address of Lua's text. A source that was collected may give its
 * address to another, and one that is loaded twice has two. */
static struct {
    const char *text;
    source *source;
} recent[SOURCES];

static char directory[NAME];

static bool is_named(const source *one, const char *name)
{
    return strncmp(one->name, name, NAME - 1) == 0;
}

static source *source_named(const char *name)
{
    uint32_t hash = 2166136261; /* FNV-1a */
    for (const char *c = name; *c != '\0'; c++) {
        hash = (hash ^ (unsigned char)*c) * 16777619;
    }
    size_t place = hash % SOURCES;
    while (sources[place] != NULL && !is_named(sources[place], name)) {
        place = (place + 1) % SOURCES;
    }
    if (sources[place] == NULL && source_count < SOURCES / 2) {
        sources[place] = calloc(1, sizeof *sources[place]);
        if (sources[place] != NULL) {
            strncpy(sources[place]->name, name, NAME - 1);
            source_count++;
        }
    }
    return sources[place];
}

static source *source_of(const char *text)
{
    size_t place = ((uintptr_t)text >> 4) % SOURCES;
    if (recent[place].text != text || !is_named(recent[place].source, text)) {
        source *found = source_named(text);
        if (found == NULL) {
            return NULL;
        }
        recent[place].text = text;
        recent[place].source = found;
    }
    return recent[place].source;
}

static void on_line(lua_State *L, lua_Debug *event)
{
    lua_getinfo(L, "S", event);
    source *where = event->source[0] == '@' ? source_of(event->source) : NULL;
    int line = event->currentline;
    if (where != NULL && line > 0 && line < LINES) {
        where->seen[line / 8] = (uint8_t)(where->seen[line / 8] | 1 << line % 8);
    }
}

static void write_all(void)
{
    char path[NAME + 16];
    snprintf(path, sizeof path, "%s/lines.XXXXXX", directory);
    int fd = source_count > 0 ? mkstemp(path) : -1;
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    for (size_t i = 0; file != NULL && i < SOURCES; i++) {
        for (int line = 0; sources[i] != NULL && line < LINES; line++) {
            if (sources[i]->seen[line / 8] & 1 << line % 8) {
                fprintf(file, "%s:%d\n", sources[i]->name, line);
            }
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

/* What LuaJIT has compiled calls no hook. */
static void stop_compiler(lua_State *L)
{
    lua_getglobal(L, "jit");
    if (lua_istable(L, -1)) {
        lua_getfield(L, -1, "off");
        lua_call(L, 0, 0);
    }
    lua_pop(L, 1);
}

int luaopen_line_hook(lua_State *L);

int luaopen_line_hook(lua_State *L)
{
    /* In nginx, states come and go, and its workers have no environment. */
    if (directory[0] == '\0') {
        const char *asked = getenv("LUA_COVERAGE");
        if (asked == NULL || strlen(asked) >= NAME) {
            return luaL_error(L, "LUA_COVERAGE names the directory for what is recorded");
        }
        strcpy(directory, asked);
        atexit(write_all);
    }
    stop_compiler(L);
    lua_sethook(L, on_line, LUA_MASKLINE, 0);
    return 0;
}
