/* The embedded HTTPS server as the Lua module twilio_sms.server. */
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "../base/str.h"
#include "../twilio_sms_server.h"
#include "lua_error.h"
#include "lua_server_request.h"

#define SERVER_CLASS "twilio_sms.server"

typedef struct server_handle {
    tsms_server *server; /* NULL when closed */
} server_handle;

TSMS_LUA_EXPORT int luaopen_twilio_sms_server(lua_State *L);

static tsms_server *check_server(lua_State *L)
{
    const server_handle *self = luaL_checkudata(L, 1, SERVER_CLASS);
    if (self->server == NULL) {
        luaL_error(L, "the server is closed");
    }
    return self->server;
}

static int server_close(lua_State *L)
{
    server_handle *self = luaL_checkudata(L, 1, SERVER_CLASS);
    tsms_server_free(self->server);
    self->server = NULL;
    return 0;
}

typedef enum option_type {
    OPTION_TEXT,
    OPTION_FLAG,
    OPTION_INT,
    OPTION_SIZE,
} option_type;

typedef struct option_row {
    const char *name;
    option_type type;
    size_t offset; /* in tsms_server_options */
} option_row;

static const option_row option_rows[] = {
#define ROW(name, type)                                                                            \
    {                                                                                              \
#name, OPTION_##type, offsetof(tsms_server_options, name)                                  \
    }
    ROW(host, TEXT),
    ROW(port, INT),
    ROW(tls, FLAG),
    ROW(certificate_file, TEXT),
    ROW(key_file, TEXT),
    ROW(ca_file, TEXT),
    ROW(max_headers, SIZE),
    ROW(max_body, SIZE),
    ROW(max_connections, SIZE),
    ROW(timeout_ms, INT),
    ROW(idle_timeout_ms, INT),
#undef ROW
};

static const option_row *find_option(tsms_str name)
{
    for (size_t i = 0; i < sizeof option_rows / sizeof *option_rows; i++) {
        if (tsms__str_eq_z(name, option_rows[i].name)) {
            return &option_rows[i];
        }
    }
    return NULL;
}

static void expect_type(lua_State *L, const option_row *row, int type)
{
    if (lua_type(L, -1) != type) {
        luaL_error(L, "option '%s' must be a %s, not a %s", row->name, lua_typename(L, type),
                   luaL_typename(L, -1));
    }
}

static int option_number(lua_State *L, const option_row *row)
{
    expect_type(L, row, LUA_TNUMBER);
    lua_Number value = lua_tonumber(L, -1);
    if (!(value >= 0 && value <= INT32_MAX) || floor(value) != value) {
        luaL_error(L, "option '%s' must be a whole number from 0", row->name);
    }
    return (int)value;
}

/* Sets an option from the value on top, which stays there. */
static void set_option(lua_State *L, const option_row *row, tsms_server_options *options)
{
    void *field = (char *)options + row->offset;
    switch (row->type) {
    case OPTION_TEXT: {
        expect_type(L, row, LUA_TSTRING);
        tsms_str text;
        text.ptr = lua_tolstring(L, -1, &text.len);
        if (memchr(text.ptr, '\0', text.len) != NULL) {
            luaL_error(L, "option '%s' must not contain a zero byte", row->name);
        }
        *(tsms_str *)field = text;
        break;
    }
    case OPTION_FLAG:
        expect_type(L, row, LUA_TBOOLEAN);
        *(bool *)field = lua_toboolean(L, -1);
        break;
    case OPTION_INT:
        *(int *)field = option_number(L, row);
        break;
    case OPTION_SIZE:
        *(size_t *)field = (size_t)option_number(L, row);
        break;
    }
}

/* The strings stay in the table at arg. */
static void read_options(lua_State *L, int arg, tsms_server_options *options)
{
    luaL_checktype(L, arg, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, arg) != 0) {
        tsms_str name = {NULL, 0};
        if (lua_type(L, -2) == LUA_TSTRING) {
            name.ptr = lua_tolstring(L, -2, &name.len);
        }
        const option_row *row = find_option(name);
        if (row == NULL) {
            luaL_error(L, "unknown option '%s'", name.ptr != NULL ? name.ptr : "?");
        }
        set_option(L, row, options);
        lua_pop(L, 1);
    }
}

/* new(options): a server, or nil and an error. */
static int server_new(lua_State *L)
{
    tsms_server_options options = TSMS_SERVER_OPTIONS_INIT;
    read_options(L, 1, &options);
    server_handle *self = lua_newuserdatauv(L, sizeof *self, 0);
    self->server = NULL;
    luaL_getmetatable(L, SERVER_CLASS);
    lua_setmetatable(L, -2);
    tsms_error err;
    tsms_status status = tsms_server_new(&options, &self->server, &err);
    return status == TSMS_OK ? 1 : tsms__lua_fail(L, status, &err);
}

static int server_port(lua_State *L)
{
    tsms__lua_push_int(L, tsms_server_port(check_server(L)));
    return 1;
}

static int server_ca_file(lua_State *L)
{
    lua_pushstring(L, tsms_server_ca_file(check_server(L)));
    return 1;
}

/* server:open_proxy([port]): the port of the CONNECT proxy, or nil and an error. */
static int server_open_proxy(lua_State *L)
{
    tsms_server *server = check_server(L);
    int port = lua_isnoneornil(L, 2) ? 0 : (int)tsms__lua_check_int(L, 2, 0, 65535);
    tsms_error err;
    tsms_status status = tsms_server_open_proxy(server, port, &err);
    if (status != TSMS_OK) {
        return tsms__lua_fail(L, status, &err);
    }
    tsms__lua_push_int(L, tsms_server_proxy_port(server));
    return 1;
}

/* server:step(timeout_ms): -1 waits for a request without end. */
static int server_step(lua_State *L)
{
    tsms_server *server = check_server(L);
    tsms_server_step(server, (int)tsms__lua_check_int(L, 2, -1, INT32_MAX));
    return 0;
}

static int server_next(lua_State *L)
{
    return tsms__lua_next_request(L, check_server(L));
}

static int server_stop(lua_State *L)
{
    tsms_server_stop(check_server(L));
    return 0;
}

static int server_connections(lua_State *L)
{
    tsms__lua_push_int(L, (int64_t)tsms_server_connections(check_server(L)));
    return 1;
}

static int server_pollfd(lua_State *L)
{
    tsms__lua_push_int(L, tsms_server_pollfd(check_server(L)));
    return 1;
}

static int server_events(lua_State *L)
{
    check_server(L);
    lua_pushstring(L, "r");
    return 1;
}

/* server:timeout(): seconds until step wants to be called anyway, nil for never; with pollfd and
 * events this is what cqueues waits on. */
static int server_timeout(lua_State *L)
{
    int timeout_ms = tsms_server_timeout_ms(check_server(L));
    if (timeout_ms < 0) {
        lua_pushnil(L);
    } else {
        lua_pushnumber(L, timeout_ms / 1000.0);
    }
    return 1;
}

static int server_tostring(lua_State *L)
{
    const server_handle *self = luaL_checkudata(L, 1, SERVER_CLASS);
    lua_pushstring(L, self->server != NULL ? SERVER_CLASS " (open)" : SERVER_CLASS " (closed)");
    return 1;
}

/* server:catch_signals(): SIGTERM and SIGINT are a wish from now on, which signalled() tells. */
static int server_catch_signals(lua_State *L)
{
    tsms_error err;
    tsms_status status = tsms_server_catch_signals(check_server(L), &err);
    return status == TSMS_OK ? 0 : tsms__lua_fail(L, status, &err);
}

static int server_signalled(lua_State *L)
{
    lua_pushboolean(L, tsms_server_signalled(check_server(L)));
    return 1;
}

/* input_closed(): whether standard input is at its end. A server that was started by another
 * program asks it now and then, so as not to outlive that program. What can be read is thrown away.
 */
static int input_closed(lua_State *L)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    bool closed = false;
    if (poll(&input, 1, 0) > 0) {
        char bytes[256];
        closed = read(STDIN_FILENO, bytes, sizeof bytes) <= 0;
    }
    lua_pushboolean(L, closed);
    return 1;
}

static void open_server_class(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", server_close},
                                    {"__close", server_close},
                                    {"__tostring", server_tostring},
                                    {NULL, NULL}};
    static const luaL_Reg methods[] = {{"ca_file", server_ca_file},
                                       {"catch_signals", server_catch_signals},
                                       {"close", server_close},
                                       {"connections", server_connections},
                                       {"events", server_events},
                                       {"next", server_next},
                                       {"open_proxy", server_open_proxy},
                                       {"pollfd", server_pollfd},
                                       {"port", server_port},
                                       {"signalled", server_signalled},
                                       {"step", server_step},
                                       {"stop", server_stop},
                                       {"timeout", server_timeout},
                                       {NULL, NULL}};
    tsms__lua_class(L, SERVER_CLASS, methods, meta);
    lua_pop(L, 1);
}

TSMS_LUA_EXPORT int luaopen_twilio_sms_server(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"input_closed", input_closed}, {"new", server_new}, {NULL, NULL}};
    lua_newtable(L);
    tsms__lua_open_error(L); /* errors need their metatable, */
    lua_pop(L, 1);           /* not their functions */
    tsms__lua_open_server_request(L);
    open_server_class(L);
    lua_newtable(L);
    tsms__lua_setfuncs(L, functions);
    return 1;
}
