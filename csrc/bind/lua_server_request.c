/* The requests of the embedded server as userdata: shown, then answered once. */
#include "lua_server_request.h"

#include <stddef.h>
#include <string.h>

#define REQUEST_CLASS "twilio_sms.server.request"

enum { HEADERS_MOST = 64 };

typedef struct request_handle {
    tsms_server_request *request; /* NULL when answered */
} request_handle;

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

/* A string, or a list of strings that are put together here: Lua need not make a string of the
 * whole, which costs LuaJIT much more than the copy when there are many alike. */
static tsms_str read_body(lua_State *L, int arg)
{
    if (lua_isnoneornil(L, arg)) {
        return (tsms_str){NULL, 0};
    }
    if (!lua_istable(L, arg)) {
        return check_str(L, arg);
    }
    size_t count = lua_rawlen(L, arg);
    size_t len = 0;
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, arg, (int)i);
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, arg, "a list of pieces holds strings");
        len += lua_rawlen(L, -1);
        lua_pop(L, 1);
    }
    char *bytes = lua_newuserdatauv(L, len > 0 ? len : 1, 0);
    size_t used = 0;
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, arg, (int)i);
        memcpy(bytes + used, lua_tostring(L, -1), lua_rawlen(L, -1));
        used += lua_rawlen(L, -1);
        lua_pop(L, 1);
    }
    return (tsms_str){bytes, len};
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
    answer.body = read_body(L, arg + 2);
    tsms_error err;
    tsms_status status = send(self->request, &answer, &err);
    if (status != TSMS_OK) {
        return status == TSMS_NOMEM ? luaL_error(L, "not enough memory")
                                    : luaL_argerror(L, arg + 1, err.message);
    }
    self->request = NULL;
    return 0;
}

/* request:reply(status [, headers [, body]]): headers are a map or a list of pairs, the body is a
 * string or a list of pieces. */
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

int tsms__lua_next_request(lua_State *L, tsms_server *server)
{
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

void tsms__lua_open_server_request(lua_State *L)
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
