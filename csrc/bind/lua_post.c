/* The poster as userdata: requests go in as tables, results come out as tables. */
#include "lua_post.h"

#include "../drive/curl_post.h"
#include "lua_error.h"
#include "lua_option.h"

#include <string.h>

#define POSTER_CLASS "twilio_sms.core.poster"

enum { HEADERS_MOST = 64 };

typedef struct handle {
    tsms__poster *poster; /* NULL when closed */
} handle;

static int poster_close(lua_State *L)
{
    handle *self = luaL_checkudata(L, 1, POSTER_CLASS);
    tsms__poster_free(self->poster);
    self->poster = NULL;
    return 0;
}

static tsms__poster *check_open(lua_State *L)
{
    const handle *self = luaL_checkudata(L, 1, POSTER_CLASS);
    if (self->poster == NULL) {
        luaL_error(L, "the poster is closed");
    }
    return self->poster;
}

static int read_positive(lua_State *L, const char *name)
{
    tsms__lua_expect_option(L, name, LUA_TNUMBER);
    lua_Number value = lua_tonumber(L, -1);
    if (!(value >= 1 && value <= INT32_MAX) || floor(value) != value) {
        luaL_error(L, "'%s' must be a whole number from 1", name);
    }
    return (int)value;
}

/* poster{ ca_file = }: a poster, or nil and an error. */
static int poster_new(lua_State *L)
{
    tsms_str ca_file = {NULL, 0};
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    for (lua_pushnil(L); lua_next(L, 1) != 0; lua_pop(L, 1)) {
        const char *name = tsms__lua_option_name(L);
        if (strcmp(name, "ca_file") != 0) {
            return luaL_error(L, "unknown option '%s'", name);
        }
        ca_file = tsms__lua_option_str(L, name);
    }
    handle *self = lua_newuserdatauv(L, sizeof *self, 0);
    self->poster = NULL;
    luaL_getmetatable(L, POSTER_CLASS);
    lua_setmetatable(L, -2);
    tsms_error err;
    tsms_status status = tsms__poster_new(NULL, ca_file, &self->poster, &err);
    return status == TSMS_OK ? 1 : tsms__lua_fail(L, status, &err);
}

/* ---- Requests ------------------------------------------------------------------------------ */

/* Reads the list of { name, value } on top, whose strings stay in it. */
static size_t read_headers(lua_State *L, tsms_param *headers)
{
    tsms__lua_expect_option(L, "headers", LUA_TTABLE);
    size_t count = lua_rawlen(L, -1);
    if (count > HEADERS_MOST) {
        luaL_error(L, "more than %d headers", HEADERS_MOST);
    }
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        tsms__lua_expect_option(L, "headers", LUA_TTABLE);
        lua_rawgeti(L, -1, 1);
        headers[i].name = tsms__lua_option_str(L, "headers");
        lua_pop(L, 1);
        lua_rawgeti(L, -1, 2);
        headers[i].value = tsms__lua_option_str(L, "headers");
        lua_pop(L, 2);
    }
    return count;
}

static bool is_get(lua_State *L)
{
    tsms_str method = tsms__lua_option_str(L, "method");
    bool get = tsms__str_eq_z(method, "GET");
    if (!get && !tsms__str_eq_z(method, "POST")) {
        luaL_error(L, "'method' must be 'GET' or 'POST'");
    }
    return get;
}

/* Reads one option, whose value is on top. */
static void read_option(lua_State *L, const char *name, tsms__post_request *request,
                        tsms_param *headers)
{
    if (strcmp(name, "method") == 0) {
        request->get = is_get(L);
    } else if (strcmp(name, "url") == 0) {
        request->url = tsms__lua_option_str(L, name);
    } else if (strcmp(name, "headers") == 0) {
        request->header_count = read_headers(L, headers);
    } else if (strcmp(name, "body") == 0) {
        request->body = tsms__lua_option_str(L, name);
    } else if (strcmp(name, "follow") == 0) {
        tsms__lua_expect_option(L, name, LUA_TBOOLEAN);
        request->follow = lua_toboolean(L, -1);
    } else if (strcmp(name, "connect_timeout_ms") == 0) {
        request->connect_timeout_ms = read_positive(L, name);
    } else if (strcmp(name, "read_timeout_ms") == 0) {
        request->read_timeout_ms = read_positive(L, name);
    } else if (strcmp(name, "total_timeout_ms") == 0) {
        request->total_timeout_ms = read_positive(L, name);
    } else if (strcmp(name, "max_body") == 0) {
        request->max_body = (size_t)read_positive(L, name);
    } else {
        luaL_error(L, "unknown option '%s'", name);
    }
}

/* poster:submit{ url =, method =, headers =, body =, follow =, connect_timeout_ms =,
 * read_timeout_ms =, total_timeout_ms =, max_body = }: the request's id, or nil and an error. */
static int poster_submit(lua_State *L)
{
    tsms__poster *poster = check_open(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    tsms_param headers[HEADERS_MOST];
    tsms__post_request request = {.headers = headers};
    for (lua_pushnil(L); lua_next(L, 2) != 0; lua_pop(L, 1)) {
        read_option(L, tsms__lua_option_name(L), &request, headers);
    }
    uint64_t id = 0;
    tsms_error err;
    tsms_status status = tsms__poster_submit(poster, &request, &id, &err);
    if (status != TSMS_OK) {
        return tsms__lua_fail(L, status, &err);
    }
    tsms__lua_push_int(L, (int64_t)id);
    return 1;
}

/* ---- Results ------------------------------------------------------------------------------- */

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

/* Pushes the headers by lower-case name; what came more than once is joined with ", " (RFC 9110
 * section 5.3). */
static void push_headers(lua_State *L, tsms__poster *poster)
{
    tsms_str name;
    tsms_str value;
    lua_newtable(L);
    while (tsms__poster_header(poster, &name, &value)) {
        push_lower(L, name);
        lua_pushvalue(L, -1);
        lua_rawget(L, -3);
        if (lua_isnil(L, -1)) {
            lua_pop(L, 1);
            lua_pushlstring(L, value.ptr, value.len);
        } else {
            lua_pushliteral(L, ", ");
            lua_pushlstring(L, value.ptr, value.len);
            lua_concat(L, 3);
        }
        lua_rawset(L, -3);
    }
}

static void set_str(lua_State *L, const char *name, tsms_str text)
{
    lua_pushlstring(L, text.ptr != NULL ? text.ptr : "", text.len);
    lua_setfield(L, -2, name);
}

/* poster:result(): id and { status, headers, body, duration_ms }; or id, nil and { fault, message,
 * duration_ms }; or nothing. */
static int poster_result(lua_State *L)
{
    tsms__poster *poster = check_open(L);
    tsms__post_result result;
    if (!tsms__poster_result(poster, &result)) {
        return 0;
    }
    tsms__lua_push_int(L, (int64_t)result.id);
    bool failed = result.fault != TSMS__POST_NONE;
    if (failed) {
        lua_pushnil(L);
    }
    lua_createtable(L, 0, 4);
    tsms__lua_push_int(L, result.duration_ms);
    lua_setfield(L, -2, "duration_ms");
    if (failed) {
        set_str(L, "fault", tsms_str_from(tsms__post_fault_name(result.fault)));
        set_str(L, "message", result.fault_text);
        return 3;
    }
    tsms__lua_push_int(L, result.http_status);
    lua_setfield(L, -2, "status");
    set_str(L, "body", result.body);
    push_headers(L, poster);
    lua_setfield(L, -2, "headers");
    return 2;
}

/* ---- Working ------------------------------------------------------------------------------- */

/* poster:step(timeout_ms): -1 waits as long as something is under way or watched. */
static int poster_step(lua_State *L)
{
    tsms__poster *poster = check_open(L);
    tsms__poster_step(poster, (int)tsms__lua_check_int(L, 2, -1, INT32_MAX));
    return 0;
}

/* poster:watch(fd): waiting ends when this descriptor is readable too; -1 for none. Answers whether
 * the system can do that. */
static int poster_watch(lua_State *L)
{
    tsms__poster *poster = check_open(L);
    lua_pushboolean(L, tsms__poster_watch(poster, (int)tsms__lua_check_int(L, 2, -1, INT32_MAX)));
    return 1;
}

static int poster_pending(lua_State *L)
{
    tsms__lua_push_int(L, (int64_t)tsms__poster_pending(check_open(L)));
    return 1;
}

static int poster_pollfd(lua_State *L)
{
    tsms__lua_push_int(L, tsms__poster_fd(check_open(L)));
    return 1;
}

/* poster:timeout_ms(): -1 for never. */
static int poster_timeout_ms(lua_State *L)
{
    tsms__lua_push_int(L, tsms__poster_timeout_ms(check_open(L)));
    return 1;
}

static int poster_tostring(lua_State *L)
{
    const handle *self = luaL_checkudata(L, 1, POSTER_CLASS);
    lua_pushstring(L, self->poster != NULL ? POSTER_CLASS " (open)" : POSTER_CLASS " (closed)");
    return 1;
}

void tsms__lua_open_post(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", poster_close},
                                    {"__close", poster_close},
                                    {"__tostring", poster_tostring},
                                    {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"close", poster_close},           {"pending", poster_pending}, {"pollfd", poster_pollfd},
        {"result", poster_result},         {"step", poster_step},       {"submit", poster_submit},
        {"timeout_ms", poster_timeout_ms}, {"watch", poster_watch},     {NULL, NULL}};
    tsms__lua_class(L, POSTER_CLASS, methods, meta);
    lua_pop(L, 1);
    lua_pushcfunction(L, poster_new);
    lua_setfield(L, -2, "poster");
}
