#define _GNU_SOURCE /* mkstemp */
/* A Lua module that records which lines run, for tests/coverage.lua. A hook in Lua makes the specs
 * so slow that they run into their own time limits.
 *
 * From the moment it is loaded until the process ends it notes each line; new coroutines inherit
 * the hook. Then a file of its own in the directory LUA_COVERAGE gets one "@source:line" for each.
 */
#include <lauxlib.h>
#include <lua.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SOURCES = 4096, LINES = 4096, NAME = 512 };

typedef struct source {
    const char *text; /* Lua's own; a source that was collected may give its address to another */
    char name[NAME];
    uint8_t seen[LINES / 8];
} source;

static source *sources[SOURCES];
static size_t source_count;
static char output[NAME];

static source *source_of(const char *text)
{
    size_t place = ((uintptr_t)text >> 4) % SOURCES;
    while (sources[place] != NULL &&
           (sources[place]->text != text || strncmp(sources[place]->name, text, NAME - 1) != 0)) {
        place = (place + 1) % SOURCES;
    }
    if (sources[place] == NULL && source_count < SOURCES / 2) {
        source *added = calloc(1, sizeof *added);
        if (added != NULL) {
            added->text = text;
            strncpy(added->name, text, NAME - 1);
            sources[place] = added;
            source_count++;
        }
    }
    return sources[place];
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
    FILE *file = source_count > 0 ? fopen(output, "w") : NULL;
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

int luaopen_line_hook(lua_State *L);

int luaopen_line_hook(lua_State *L)
{
    const char *directory = getenv("LUA_COVERAGE");
    if (directory == NULL) {
        return luaL_error(L, "LUA_COVERAGE names the directory for what is recorded");
    }
    snprintf(output, sizeof output, "%s/lines.XXXXXX", directory);
    int fd = mkstemp(output);
    if (fd < 0) {
        return luaL_error(L, "cannot write into %s", directory);
    }
    fclose(fdopen(fd, "w"));
    atexit(write_all);
    lua_sethook(L, on_line, LUA_MASKLINE, 0);
    return 0;
}
