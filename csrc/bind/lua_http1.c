/* Reads one answer after the other for a driver written in Lua. */
#include "lua_http1.h"

#include <string.h>

#define HTTP1_CLASS "twilio_sms.core.http1"

static tsms__lua_http1 *check_any(lua_State *L)
{
    return luaL_checkudata(L, 1, HTTP1_CLASS);
}

tsms__lua_http1 *tsms__lua_check_http1(lua_State *L, int arg)
{
    tsms__lua_http1 *self = luaL_checkudata(L, arg, HTTP1_CLASS);
    if (!self->is_open) { /* the answer to another request must not be taken for this one's */
        luaL_error(L, "this answer was not begun, or is used up: call begin first");
    }
    return self;
}

/* nginx decrypts as much as its buffer holds. When that is filled to the last byte, the rest of a
 * TLS record stays in OpenSSL, where neither setkeepalive nor the pool of connections looks for it
 * (measured with ngx_lua 0.10.23: an answer of 8192 bytes, and a second one in the same record,
 * which the next request was given). The buffer starts anew where all of it has been taken, which
 * may be at the start of any chunk. */
static void note_chunk(tsms__lua_http1 *self, size_t len)
{
    if (len == 0) {
        return;
    }
    size_t at = self->fed % TSMS__LUA_SOCKET_BUFFER;
    self->starts[at / 64] |= UINT64_C(1) << at % 64;
    self->fed += len;
    at = self->fed % TSMS__LUA_SOCKET_BUFFER;
    self->hides = (self->starts[at / 64] >> at % 64 & 1) != 0;
}

static void forget_chunks(tsms__lua_http1 *self)
{
    self->fed = 0;
    self->hides = false;
    memset(self->starts, 0, sizeof self->starts);
}

/* http1(): an answer; begin comes first. */
static int http1_new(lua_State *L)
{
    tsms__lua_http1 *self = lua_newuserdatauv(L, sizeof *self, 0);
    self->is_open = false;
    forget_chunks(self);
    tsms__http1_init(&self->answer, &tsms__mem_libc);
    luaL_getmetatable(L, HTTP1_CLASS);
    lua_setmetatable(L, -2);
    return 1;
}

static int http1_gc(lua_State *L)
{
    tsms__lua_http1 *self = check_any(L);
    self->is_open = false;
    tsms__http1_free(&self->answer);
    return 0;
}

/* answer:begin(method): for the answer to a request of this method. It decides nothing: only HEAD
 * and CONNECT, which no client sends, are answered in another way. */
static int http1_begin(lua_State *L)
{
    static const char *const methods[] = {"POST", "GET", "DELETE", NULL};
    tsms__lua_http1 *self = check_any(L);
    luaL_checkoption(L, 2, NULL, methods);
    tsms__http1_begin(&self->answer);
    forget_chunks(self);
    self->is_open = true;
    return 0;
}

static int push_state(lua_State *L, tsms__http1_state state)
{
    static const char *const names[] = {
        [TSMS__HTTP1_MORE] = "more",
        [TSMS__HTTP1_DONE] = "done",
        [TSMS__HTTP1_MALFORMED] = "malformed",
        [TSMS__HTTP1_TOO_LARGE] = "too_large",
    };
    lua_pushstring(L, names[state]);
    return 1;
}

/* answer:feed(chunk): "more", "done", "malformed" or "too_large" */
static int http1_feed(lua_State *L)
{
    tsms__lua_http1 *self = tsms__lua_check_http1(L, 1);
    tsms_str chunk;
    luaL_checktype(L, 2, LUA_TSTRING);
    chunk.ptr = lua_tolstring(L, 2, &chunk.len);
    note_chunk(self, chunk.len);
    return push_state(L, tsms__http1_feed(&self->answer, chunk));
}

/* answer:ended(): the peer closed the connection. The same words, without "more". */
static int http1_ended(lua_State *L)
{
    return push_state(L, tsms__http1_ended(&tsms__lua_check_http1(L, 1)->answer));
}

/* answer:reusable(): whether the connection may carry another request. */
static int http1_reusable(lua_State *L)
{
    const tsms__lua_http1 *self = check_any(L);
    lua_pushboolean(L, self->answer.reusable && !self->hides);
    return 1;
}

/* answer:status(): nil before there is one. */
static int http1_status(lua_State *L)
{
    int status = check_any(L)->answer.status;
    if (status == 0) {
        return 0;
    }
    tsms__lua_push_int(L, status);
    return 1;
}

void tsms__lua_open_http1(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", http1_gc}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"begin", http1_begin},   {"ended", http1_ended},
                                       {"feed", http1_feed},     {"reusable", http1_reusable},
                                       {"status", http1_status}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"http1", http1_new}, {NULL, NULL}};
    tsms__lua_class(L, HTTP1_CLASS, methods, meta);
    lua_pop(L, 1);
    tsms__lua_setfuncs(L, functions);
}
