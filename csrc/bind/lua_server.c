/* The embedded HTTPS server as the Lua module twilio_sms.server. */
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "../base/str.h"
#include "../twilio_sms_server.h"
#include "lua_error.h"

#define SERVER_CLASS "twilio_sms.server"
#define REQUEST_CLASS "twilio_sms.server.request"

enum { HEADERS_MOST = 64 };

typedef struct server_handle {
    tsms_server *server; /* NULL when closed */
} server_handle;

typedef struct request_handle {
    tsms_server_request *request; /* NULL when answered */
} request_handle;

TSMS_LUA_EXPORT int luaopen_twilio_sms_server(lua_State *L);

static void push_str(lua_State *L, tsms_str text)
{
    if (text.ptr != NULL) {
        lua_pushlstring(L, text.ptr, text.len);
    } else {
        lua_pushnil(L);
    }
}

static tsms_str check_str(lua_State *L, int arg)
{
    tsms_str text;
    luaL_checktype(L, arg, LUA_TSTRING);
    text.ptr = lua_tolstring(L, arg, &text.len);
    return text;
}

/* ---- Requests ----------------------------------------------------------------------------- */

static request_handle *check_request(lua_State *L)
{
    request_handle *self = luaL_checkudata(L, 1, REQUEST_CLASS);
    if (self->request == NULL) {
        luaL_error(L, "the request was answered before");
    }
    return self;
}

#define REQUEST_GETTER(name)                                                                       \
    static int request_##name(lua_State *L)                                                        \
    {                                                                                              \
        push_str(L, tsms_server_request_##name(check_request(L)->request));                        \
        return 1;                                                                                  \
    }

REQUEST_GETTER(method)
REQUEST_GETTER(target)
REQUEST_GETTER(path)
REQUEST_GETTER(query)
REQUEST_GETTER(body)
REQUEST_GETTER(peer)

static int request_connection(lua_State *L)
{
    const request_handle *self = check_request(L);
    tsms__lua_push_int(L, (int64_t)tsms_server_request_connection(self->request));
    return 1;
}

static int request_header(lua_State *L)
{
    const request_handle *self = check_request(L);
    push_str(L, tsms_server_request_header(self->request, check_str(L, 2).ptr));
    return 1;
}

static void push_lower(lua_State *L, tsms_str text)
{
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        luaL_addchar(&out, (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c));
    }
    luaL_pushresult(&out);
}

/* request:headers(): a table by lower-case name; what came more than once is joined with ", " (RFC
 * 9110 section 5.3). */
static int request_headers(lua_State *L)
{
    const request_handle *self = check_request(L);
    tsms_str name, value;
    lua_newtable(L);
    for (size_t i = 0; tsms_server_request_header_at(self->request, i, &name, &value); i++) {
        push_lower(L, name);
        lua_pushvalue(L, -1);
        lua_rawget(L, -3);
        if (lua_isnil(L, -1)) {
            lua_pop(L, 1);
            push_str(L, value);
        } else {
            lua_pushlstring(L, ", ", 2);
            push_str(L, value);
            lua_concat(L, 3);
        }
        lua_rawset(L, -3);
    }
    return 1;
}

/* Takes the name and the value on top as one more header; pops both. The strings stay in the
 * argument's table. */
static void take_header(lua_State *L, int arg, tsms_server_header *headers, size_t *count)
{
    luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING, arg,
                  "header names and values must be strings");
    luaL_argcheck(L, *count < HEADERS_MOST, arg, "too many headers");
    tsms_server_header *header = &headers[(*count)++];
    header->name.ptr = lua_tolstring(L, -2, &header->name.len);
    header->value.ptr = lua_tolstring(L, -1, &header->value.len);
    lua_pop(L, 2);
}

/* A map by name, or a list of {name, value} pairs. */
static size_t read_headers(lua_State *L, int arg, tsms_server_header *headers)
{
    size_t count = 0;
    if (lua_isnoneornil(L, arg)) {
        return 0;
    }
    luaL_checktype(L, arg, LUA_TTABLE);
    if (lua_rawlen(L, arg) > 0) {
        for (size_t i = 1; i <= lua_rawlen(L, arg); i++) {
            lua_rawgeti(L, arg, (int)i);
            luaL_argcheck(L, lua_istable(L, -1), arg, "a list of headers holds {name, value}");
            lua_rawgeti(L, -1, 1);
            lua_rawgeti(L, -2, 2);
            take_header(L, arg, headers, &count);
            lua_pop(L, 1);
        }
        return count;
    }
    lua_pushnil(L);
    while (lua_next(L, arg) != 0) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        take_header(L, arg, headers, &count);
    }
    return count;
}

typedef tsms_status send_answer(tsms_server_request *request, const tsms_server_answer *answer,
                                tsms_error *err);

/* The arguments from `arg` on are status, headers and body. What cannot be an answer is the
 * caller's mistake and raises; the request stays open then. */
static int send_with(lua_State *L, int arg, send_answer *send)
{
    request_handle *self = check_request(L);
    tsms_server_header headers[HEADERS_MOST];
    tsms_server_answer answer = {.headers = headers};
    answer.http_status = (int)tsms__lua_check_int(L, arg, 200, 599);
    answer.header_count = read_headers(L, arg + 1, headers);
    if (!lua_isnoneornil(L, arg + 2)) {
        answer.body = check_str(L, arg + 2);
    }
    tsms_error err;
    tsms_status status = send(self->request, &answer, &err);
    if (status != TSMS_OK) {
        return status == TSMS_NOMEM ? luaL_error(L, "not enough memory")
                                    : luaL_argerror(L, arg + 1, err.message);
    }
    self->request = NULL;
    return 0;
}

/* request:reply(status [, headers [, body]]) */
static int request_reply(lua_State *L)
{
    return send_with(L, 2, tsms_server_reply);
}

/* request:raw(bytes): sends them instead of an HTTP answer and closes. */
static int request_raw(lua_State *L)
{
    request_handle *self = check_request(L);
    tsms_str bytes = check_str(L, 2);
    if (tsms_server_raw(self->request, bytes, NULL) != TSMS_OK) {
        return luaL_error(L, "not enough memory");
    }
    self->request = NULL;
    return 0;
}

/* request:drop("reset" | "close"), request:drop("cut", status [, headers [, body]]) */
static int request_drop(lua_State *L)
{
    static const char *const ways[] = {"reset", "close", "cut", NULL};
    request_handle *self = check_request(L);
    int way = luaL_checkoption(L, 2, NULL, ways);
    if (way == 2) {
        return send_with(L, 3, tsms_server_cut);
    }
    tsms_server_drop(self->request, way == 0 ? TSMS_SERVER_DROP_RESET : TSMS_SERVER_DROP_CLOSE);
    self->request = NULL;
    return 0;
}

/* A request that was forgotten must not let its peer wait for ever. */
static int request_gc(lua_State *L)
{
    request_handle *self = luaL_checkudata(L, 1, REQUEST_CLASS);
    tsms_server_drop(self->request, TSMS_SERVER_DROP_CLOSE);
    self->request = NULL;
    return 0;
}

static int request_tostring(lua_State *L)
{
    const request_handle *self = luaL_checkudata(L, 1, REQUEST_CLASS);
    lua_pushstring(L,
                   self->request != NULL ? REQUEST_CLASS " (open)" : REQUEST_CLASS " (answered)");
    return 1;
}

/* ---- The server --------------------------------------------------------------------------- */

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

/* server:step(timeout_ms): -1 waits for a request without end. */
static int server_step(lua_State *L)
{
    tsms_server *server = check_server(L);
    tsms_server_step(server, (int)tsms__lua_check_int(L, 2, -1, INT32_MAX));
    return 0;
}

/* server:next(): the next request, or nil. */
static int server_next(lua_State *L)
{
    tsms_server *server = check_server(L);
    lua_settop(L, 1);
    request_handle *handle = lua_newuserdatauv(L, sizeof *handle, 1);
    handle->request = NULL;
    luaL_getmetatable(L, REQUEST_CLASS);
    lua_setmetatable(L, 2);
    lua_pushvalue(L, 1);
    tsms__lua_pin(L, 2);
    handle->request = tsms_server_next(server);
    if (handle->request == NULL) {
        lua_pushnil(L);
    }
    return 1;
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

static void open_request_class(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", request_gc},
                                    {"__close", request_gc},
                                    {"__tostring", request_tostring},
                                    {NULL, NULL}};
    static const luaL_Reg methods[] = {{"body", request_body},
                                       {"connection", request_connection},
                                       {"drop", request_drop},
                                       {"header", request_header},
                                       {"headers", request_headers},
                                       {"method", request_method},
                                       {"path", request_path},
                                       {"peer", request_peer},
                                       {"query", request_query},
                                       {"raw", request_raw},
                                       {"reply", request_reply},
                                       {"target", request_target},
                                       {NULL, NULL}};
    tsms__lua_class(L, REQUEST_CLASS, methods, meta);
    lua_pop(L, 1);
}

static void open_server_class(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", server_close},
                                    {"__close", server_close},
                                    {"__tostring", server_tostring},
                                    {NULL, NULL}};
    static const luaL_Reg methods[] = {{"ca_file", server_ca_file},
                                       {"close", server_close},
                                       {"connections", server_connections},
                                       {"events", server_events},
                                       {"next", server_next},
                                       {"pollfd", server_pollfd},
                                       {"port", server_port},
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
    open_request_class(L);
    open_server_class(L);
    lua_newtable(L);
    tsms__lua_setfuncs(L, functions);
    return 1;
}
