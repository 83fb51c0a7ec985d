/* TwiML documents as userdata. */
#include "lua_twiml.h"

#include "../base/err.h"
#include "lua_error.h"

#define TWIML_CLASS "twilio_sms.twiml"

/* One more than a message takes, so that too many are refused in one place, and with their rule. */
enum { MEDIA_MOST = 11 };

typedef struct twiml_handle {
    tsms_twiml *twiml; /* NULL until it is made */
} twiml_handle;

static tsms_twiml *check_twiml(lua_State *L)
{
    const twiml_handle *self = luaL_checkudata(L, 1, TWIML_CLASS);
    luaL_argcheck(L, self->twiml != NULL, 1, "the document was freed");
    return self->twiml;
}

static int twiml_new(lua_State *L)
{
    twiml_handle *self = lua_newuserdatauv(L, sizeof *self, 0);
    self->twiml = NULL;
    luaL_getmetatable(L, TWIML_CLASS);
    lua_setmetatable(L, -2);
    tsms_error err;
    tsms_status status = tsms_twiml_new(NULL, &self->twiml, &err);
    return status == TSMS_OK ? 1 : tsms__lua_fail(L, status, &err);
}

static int twiml_gc(lua_State *L)
{
    twiml_handle *self = luaL_checkudata(L, 1, TWIML_CLASS);
    tsms_twiml_free(self->twiml);
    self->twiml = NULL;
    return 0;
}

/* The string on top, which stays alive in its table. */
static tsms_status read_text(lua_State *L, const char *name, tsms_str *out, tsms_error *err)
{
    if (lua_type(L, -1) != LUA_TSTRING) {
        return tsms__error_set(err, TSMS_KIND_INVALID_REQUEST, "%s: must be a string, not a %s",
                               name, luaL_typename(L, -1));
    }
    out->ptr = lua_tolstring(L, -1, &out->len);
    return TSMS_OK;
}

/* One string, or a list of strings. */
static tsms_status read_media(lua_State *L, tsms_str media[MEDIA_MOST], size_t *count,
                              tsms_error *err)
{
    if (!lua_istable(L, -1)) {
        *count = 1;
        return read_text(L, "media", &media[0], err);
    }
    *count = lua_rawlen(L, -1);
    if (!tsms__lua_is_list(L, *count)) {
        return tsms__error_set(err, TSMS_KIND_INVALID_REQUEST,
                               "media: must be a list, without names or gaps");
    }
    tsms_status status = TSMS_OK;
    for (size_t i = 0; status == TSMS_OK && i < *count && i < MEDIA_MOST; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        status = read_text(L, "media", &media[i], err);
        lua_pop(L, 1);
    }
    return status;
}

/* The name below the top and the value on top. */
static tsms_status read_field(lua_State *L, tsms_twiml_message *message, tsms_str media[MEDIA_MOST],
                              tsms_error *err)
{
    const struct {
        const char *name;
        tsms_str *field;
    } texts[] = {
        {"body", &message->body},     {"to", &message->to},
        {"from", &message->from},     {"action", &message->action},
        {"method", &message->method}, {"status_callback", &message->status_callback},
    };
    if (lua_type(L, -2) != LUA_TSTRING) {
        return tsms__error_set(err, TSMS_KIND_INVALID_REQUEST,
                               "fields have names, as in { body = \"...\" }");
    }
    tsms_str name;
    name.ptr = lua_tolstring(L, -2, &name.len);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (tsms__str_eq_z(name, texts[i].name)) {
            return read_text(L, texts[i].name, texts[i].field, err);
        }
    }
    if (tsms__str_eq_z(name, "media")) {
        return read_media(L, media, &message->media_count, err);
    }
    char shown[40];
    tsms__error_text(shown, sizeof shown, name);
    return tsms__error_set(err, TSMS_KIND_INVALID_REQUEST, "unknown field '%s'", shown);
}

/* The document itself, so that calls can be chained; nil and the error when nothing was added. */
static int answer(lua_State *L, tsms_status status, const tsms_error *err)
{
    lua_settop(L, 1);
    return status == TSMS_OK ? 1 : tsms__lua_fail(L, status, err);
}

/* twiml:message{ body=, media=, to=, from=, action=, method=, status_callback= }, or of a body. */
static int twiml_message(lua_State *L)
{
    tsms_twiml *twiml = check_twiml(L);
    tsms_twiml_message message = TSMS_TWIML_MESSAGE_INIT;
    tsms_str media[MEDIA_MOST];
    tsms_error err;
    tsms_status status = TSMS_OK;
    message.media = media;
    lua_settop(L, 2);
    if (lua_type(L, 2) == LUA_TSTRING) {
        status = read_text(L, "body", &message.body, &err);
    } else {
        luaL_checktype(L, 2, LUA_TTABLE);
        lua_pushnil(L);
        while (status == TSMS_OK && lua_next(L, 2) != 0) {
            status = read_field(L, &message, media, &err);
            lua_pop(L, 1);
        }
    }
    if (status == TSMS_OK) {
        status = tsms_twiml_add_message(twiml, &message, &err);
    }
    return answer(L, status, &err);
}

/* twiml:redirect(url [, method]) */
static int twiml_redirect(lua_State *L)
{
    tsms_twiml *twiml = check_twiml(L);
    luaL_checktype(L, 2, LUA_TSTRING);
    tsms_str url, method;
    tsms_error err;
    url.ptr = lua_tolstring(L, 2, &url.len);
    method.ptr = luaL_optlstring(L, 3, "", &method.len);
    return answer(L, tsms_twiml_add_redirect(twiml, url, method, &err), &err);
}

static int twiml_text(lua_State *L)
{
    tsms_str text = tsms_twiml_text(check_twiml(L));
    lua_pushlstring(L, text.ptr, text.len);
    return 1;
}

static int twiml_count(lua_State *L)
{
    tsms__lua_push_int(L, (int64_t)tsms_twiml_count(check_twiml(L)));
    return 1;
}

void tsms__lua_open_twiml(lua_State *L)
{
    static const luaL_Reg methods[] = {{"message", twiml_message},
                                       {"redirect", twiml_redirect},
                                       {"text", twiml_text},
                                       {"count", twiml_count},
                                       {NULL, NULL}};
    static const luaL_Reg meta[] = {
        {"__gc", twiml_gc}, {"__len", twiml_count}, {"__tostring", twiml_text}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"twiml", twiml_new}, {NULL, NULL}};
    tsms__lua_class(L, TWIML_CLASS, methods, meta);
    lua_pop(L, 1);
    tsms__lua_setfuncs(L, functions);
}
