#define _GNU_SOURCE /* sigaction, isatty */
/* Tells a program for the command line what its terminal and its user want of it. */
#include "lua_process.h"

#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const int wishes[] = {SIGINT, SIGTERM, SIGHUP};

enum { WISHES = sizeof wishes / sizeof *wishes };

/* Signals belong to the process, and so does this. */
static struct sigaction before[WISHES], before_pipe;
static volatile sig_atomic_t caught;
static bool catching;

/* Whoever asks a third time is not asked for patience: the signal does again what it does by
 * itself. A terminal that closes may tell of it twice, by its shell and by the system, and nobody
 * is impatient there. */
static void on_signal(int number)
{
    if (number == SIGHUP) {
        caught = caught > 0 ? caught : 1;
        return;
    }
    caught = caught + 1;
    if (caught >= 2) {
        (void)signal(number, SIG_DFL);
    }
}

/* What nohup(1) has asked for stays. */
static bool is_to_be_ignored(int number)
{
    struct sigaction present;
    return number == SIGHUP && sigaction(number, NULL, &present) == 0 &&
           present.sa_handler == SIG_IGN;
}

/* catch_signals(): from now on SIGINT, SIGTERM and SIGHUP are wishes that signals() counts, and
 * writing to a pipe that nobody reads is an error. */
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
        (void)sigaction(wishes[i], is_to_be_ignored(wishes[i]) ? &ignore : &action, &before[i]);
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

static void interrupt(int number)
{
    if (number == SIGHUP) {
        (void)signal(SIGHUP, SIG_IGN); /* the second one of a terminal that closes */
    }
    (void)raise(SIGINT);
}

/* unite_signals(): from now on SIGTERM and SIGHUP do what SIGINT does, of which the interpreters
 * for the command line make an error of the script. */
static int process_unite_signals(lua_State *L)
{
    (void)L;
    struct sigaction action = {.sa_handler = interrupt};
    (void)sigaction(SIGTERM, &action, NULL);
    if (!is_to_be_ignored(SIGHUP)) {
        (void)sigaction(SIGHUP, &action, NULL);
    }
    return 0;
}

static int check_fd(lua_State *L)
{
    return (int)tsms__lua_check_int(L, 1, 0, INT32_MAX);
}

/* is_tty(fd) */
static int process_is_tty(lua_State *L)
{
    lua_pushboolean(L, isatty(check_fd(L)) == 1);
    return 1;
}

/* terminal_width(fd): how many columns it has now; nil when it is no terminal, or does not say. */
static int process_terminal_width(lua_State *L)
{
    struct winsize size;
    if (ioctl(check_fd(L), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        lua_pushinteger(L, size.ws_col);
    } else {
        lua_pushnil(L);
    }
    return 1;
}

void tsms__lua_open_process(lua_State *L)
{
    static const luaL_Reg functions[] = {{"catch_signals", process_catch_signals},
                                         {"is_tty", process_is_tty},
                                         {"release_signals", process_release_signals},
                                         {"signals", process_signals},
                                         {"terminal_width", process_terminal_width},
                                         {"unite_signals", process_unite_signals},
                                         {NULL, NULL}};
    tsms__lua_setfuncs(L, functions);
}
