#define _GNU_SOURCE /* sigaction, isatty */
/* Tells a program for the command line that somebody wants it to end. */
#include "lua_process.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static const int wishes[] = {SIGINT, SIGTERM};

enum { WISHES = sizeof wishes / sizeof *wishes };

/* Signals belong to the process, and so does this. */
static struct sigaction before[WISHES], before_pipe;
static volatile sig_atomic_t caught;
static bool catching;

/* Whoever asks a third time is not asked for patience: the signal does again what it does by
 * itself. */
static void on_signal(int number)
{
    caught = caught + 1;
    if (caught >= 2) {
        (void)signal(number, SIG_DFL);
    }
}

/* catch_signals(): from now on SIGINT and SIGTERM are wishes that signals() counts, and writing to
 * a pipe that nobody reads is an error. */
static int process_catch_signals(lua_State *L)
{
    (void)L;
    if (catching) {
        return 0;
    }
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: who waits hears of it */
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    caught = 0;
    catching = true;
    for (int i = 0; i < WISHES; i++) {
        (void)sigaction(wishes[i], &action, &before[i]);
    }
    (void)sigaction(SIGPIPE, &ignore, &before_pipe);
    return 0;
}

/* release_signals(): everything is as it was before catch_signals. */
static int process_release_signals(lua_State *L)
{
    (void)L;
    if (catching) {
        for (int i = 0; i < WISHES; i++) {
            (void)sigaction(wishes[i], &before[i], NULL);
        }
        (void)sigaction(SIGPIPE, &before_pipe, NULL);
        catching = false;
    }
    return 0;
}

/* signals(): how many have come since catch_signals. */
static int process_signals(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)caught);
    return 1;
}

/* is_tty(fd) */
static int process_is_tty(lua_State *L)
{
    lua_pushboolean(L, isatty((int)tsms__lua_check_int(L, 1, 0, INT32_MAX)) == 1);
    return 1;
}

void tsms__lua_open_process(lua_State *L)
{
    static const luaL_Reg functions[] = {{"catch_signals", process_catch_signals},
                                         {"is_tty", process_is_tty},
                                         {"release_signals", process_release_signals},
                                         {"signals", process_signals},
                                         {NULL, NULL}};
    tsms__lua_setfuncs(L, functions);
}
