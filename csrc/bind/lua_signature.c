/* Signs and checks webhooks for Lua code. */
#include "lua_signature.h"

#include "../base/mem.h"
#include "lua_error.h"
#include "lua_secret.h"

#define SIGNER_CLASS "twilio_sms.signer"

/* A signer, and the list that parameters are put into; both are NULL until they are needed. */
typedef struct lua_signer {
    tsms_signer *signer;
    tsms_param *params;
    size_t count;
    size_t cap;
} lua_signer;

static lua_signer *check_signer(lua_State *L)
{
    lua_signer *self = luaL_checkudata(L, 1, SIGNER_CLASS);
    luaL_argcheck(L, self->signer != NULL, 1, "the signer is closed");
    return self;
}

static tsms_str check_text(lua_State *L, int arg, const char *name)
{
    tsms_str text;
    if (lua_type(L, arg) != LUA_TSTRING) {
        luaL_error(L, "%s must be a string, not %s%s", name, tsms__lua_article(L, arg),
                   luaL_typename(L, arg));
    }
    text.ptr = lua_tolstring(L, arg, &text.len);
    return text;
}

static tsms_str opt_text(lua_State *L, int arg, const char *name)
{
    return lua_isnoneornil(L, arg) ? (tsms_str){NULL, 0} : check_text(L, arg, name);
}

/* ---- Parameters. Their texts stay alive in the tables that hold them. ---- */

/* The name and the value at these places of the stack. */
static void add_param(lua_State *L, lua_signer *self, int name, int value)
{
    if (self->count == self->cap) {
        size_t cap = self->cap > 0 ? 2 * self->cap : 32;
        tsms_param *params = tsms__resize(&tsms__mem_libc, self->params, cap, sizeof *params);
        if (params == NULL) {
            luaL_error(L, "not enough memory");
        }
        self->params = params;
        self->cap = cap;
    }
    tsms_param param = {check_text(L, name, "params: a name"),
                        check_text(L, value, "params: a value")};
    self->params[self->count++] = param;
}

/* { { "Body", "Hi" }, ... }, the table on top. */
static void add_pairs(lua_State *L, lua_signer *self)
{
    int list = lua_gettop(L);
    size_t count = lua_rawlen(L, list);
    if (!tsms__lua_is_list(L, count)) {
        luaL_error(L, "params must have names only or pairs only, without gaps");
    }
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, list, (int)i);
        if (!lua_istable(L, -1)) {
            luaL_error(L, "params: an entry must be { name, value }, not a %s",
                       luaL_typename(L, -1));
        }
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        add_param(L, self, list + 2, list + 3);
        lua_settop(L, list);
    }
}

/* { Body = "Hi", MediaUrl = { "a", "b" } }, the table on top. */
static void add_named(lua_State *L, lua_signer *self)
{
    int map = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, map) != 0; lua_settop(L, map + 1)) {
        if (!lua_istable(L, -1)) {
            add_param(L, self, map + 1, map + 2);
            continue;
        }
        size_t count = lua_rawlen(L, -1);
        for (size_t i = 1; i <= count; i++) {
            lua_rawgeti(L, map + 2, (int)i);
            add_param(L, self, map + 1, map + 3);
            lua_settop(L, map + 2);
        }
    }
}

static void read_params(lua_State *L, lua_signer *self, int arg)
{
    self->count = 0;
    if (lua_isnoneornil(L, arg)) {
        return;
    }
    if (!lua_istable(L, arg)) {
        luaL_error(L, "params must be a table, not a %s", luaL_typename(L, arg));
    }
    /* For one that fills it, the list, and the loops over it. */
    luaL_checkstack(L, 8, "params");
    lua_pushvalue(L, arg);
    if (lua_rawlen(L, -1) > 0) {
        add_pairs(L, self);
    } else {
        add_named(L, self);
    }
    lua_pop(L, 1);
}

/* ---- Methods */

/* add(token): true, or nil and an error. */
static int signer_add(lua_State *L)
{
    lua_signer *self = check_signer(L);
    char buf[TSMS__SOURCE_SIZE];
    tsms_str token;
    tsms_error err;
    tsms_status status = tsms__lua_read_secret(L, 2, "tokens", buf, &token, &err);
    if (status == TSMS_OK) {
        status = tsms_signer_add(self->signer, token, &err);
    }
    tsms__wipe(buf, sizeof buf);
    if (status != TSMS_OK) {
        return tsms__lua_fail(L, status, &err);
    }
    lua_pushboolean(L, true);
    return 1;
}

/* sign(url [, params]): the signature, or nil and an error. */
static int signer_sign(lua_State *L)
{
    lua_signer *self = check_signer(L);
    tsms_str url = check_text(L, 2, "url");
    char signature[TSMS_SIGNATURE_SIZE];
    tsms_error err;
    read_params(L, self, 3);
    tsms_status status =
        tsms_signer_sign(self->signer, url, self->params, self->count, signature, &err);
    if (status != TSMS_OK) {
        return tsms__lua_fail(L, status, &err);
    }
    lua_pushstring(L, signature);
    return 1;
}

/* True, or false and why. */
static int push_verdict(lua_State *L, lua_signer *self, const tsms_signed *request)
{
    tsms_error err;
    tsms_status status = tsms_signer_verify(self->signer, request, &err);
    if (status == TSMS_NOMEM) {
        return luaL_error(L, "not enough memory");
    }
    lua_pushboolean(L, status == TSMS_OK);
    if (status == TSMS_OK) {
        return 1;
    }
    lua_pushstring(L, err.message);
    return 2;
}

/* verify(url, body, signature) */
static int signer_verify(lua_State *L)
{
    lua_signer *self = check_signer(L);
    tsms_signed request = TSMS_SIGNED_INIT;
    request.url = check_text(L, 2, "url");
    request.body = opt_text(L, 3, "body");
    request.signature = opt_text(L, 4, "signature");
    return push_verdict(L, self, &request);
}

static void read_with_params(lua_State *L, lua_signer *self, tsms_signed *request)
{
    static const tsms_param none = {{NULL, 0}, {NULL, 0}};
    request->url = check_text(L, 2, "url");
    request->signature = opt_text(L, 4, "signature");
    read_params(L, self, 3);
    request->params = self->params != NULL ? self->params : &none;
    request->param_count = self->count;
}

/* verify_params(url, params, signature) */
static int signer_verify_params(lua_State *L)
{
    lua_signer *self = check_signer(L);
    tsms_signed request = TSMS_SIGNED_INIT;
    read_with_params(L, self, &request);
    return push_verdict(L, self, &request);
}

/* explain(url, body or params, signature): what was tried, as lines of text. */
static int signer_explain(lua_State *L)
{
    lua_signer *self = check_signer(L);
    tsms_signed request = TSMS_SIGNED_INIT;
    if (lua_istable(L, 3)) {
        read_with_params(L, self, &request);
    } else {
        request.url = check_text(L, 2, "url");
        request.body = opt_text(L, 3, "body");
        request.signature = opt_text(L, 4, "signature");
    }
    char text[4096];
    tsms_signer_explain(self->signer, &request, text, sizeof text);
    lua_pushstring(L, text);
    return 1;
}

static int signer_gc(lua_State *L)
{
    lua_signer *self = luaL_checkudata(L, 1, SIGNER_CLASS);
    tsms_signer_free(self->signer);
    tsms__free(&tsms__mem_libc, self->params);
    *self = (lua_signer){NULL, NULL, 0, 0};
    return 0;
}

/* ---- Module */

static int signature_signer(lua_State *L)
{
    lua_signer *self = lua_newuserdatauv(L, sizeof *self, 0);
    *self = (lua_signer){NULL, NULL, 0, 0};
    luaL_getmetatable(L, SIGNER_CLASS);
    lua_setmetatable(L, -2);
    tsms_error err;
    tsms_status status = tsms_signer_new(NULL, &self->signer, &err);
    return status == TSMS_OK ? 1 : tsms__lua_fail(L, status, &err);
}

static int signature_body_sha256(lua_State *L)
{
    char hex[65];
    tsms_error err;
    tsms_status status = tsms_body_sha256(check_text(L, 1, "body"), hex, &err);
    if (status != TSMS_OK) {
        return tsms__lua_fail(L, status, &err);
    }
    lua_pushstring(L, hex);
    return 1;
}

void tsms__lua_open_signature(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", signer_gc}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"add", signer_add},         {"sign", signer_sign},
        {"verify", signer_verify},   {"verify_params", signer_verify_params},
        {"explain", signer_explain}, {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"signer", signature_signer}, {"body_sha256", signature_body_sha256}, {NULL, NULL}};
    tsms__lua_class(L, SIGNER_CLASS, methods, meta);
    lua_pop(L, 1);
    tsms__lua_setfuncs(L, functions);
}
