/* Segments, forms, numbers and statuses for Lua code. */
#include "lua_text.h"

#include "../wire/form.h"
#include "lua_error.h"

static tsms_str check_str(lua_State *L, int arg)
{
    tsms_str text;
    luaL_checktype(L, arg, LUA_TSTRING);
    text.ptr = lua_tolstring(L, arg, &text.len);
    return text;
}

static void set_int(lua_State *L, const char *name, int64_t value)
{
    tsms__lua_push_int(L, value);
    lua_setfield(L, -2, name);
}

static int text_segments(lua_State *L)
{
    tsms_segments segments;
    tsms_error err;
    tsms_status status = tsms_segments_count(check_str(L, 1), &segments, &err);
    if (status != TSMS_OK) {
        return tsms__lua_fail(L, status, &err);
    }
    lua_createtable(L, 0, 6);
    lua_pushstring(L, tsms_encoding_name(segments.encoding));
    lua_setfield(L, -2, "encoding");
    set_int(L, "segments", segments.segments);
    set_int(L, "units", segments.units);
    set_int(L, "per_segment", segments.per_segment);
    set_int(L, "characters", segments.characters);
    if (segments.first_ucs2 >= 0) {
        set_int(L, "first_ucs2", segments.first_ucs2 + 1); /* Lua counts bytes from 1 */
    }
    return 1;
}

/* The buffers of form_decode, owned by a userdata because building tables may raise. */
typedef struct form_buffers {
    tsms_buf name, value;
} form_buffers;

#define FORM_CLASS "twilio_sms.form_buffers"

static int form_gc(lua_State *L)
{
    form_buffers *buffers = luaL_checkudata(L, 1, FORM_CLASS);
    tsms__buf_free(&buffers->name);
    tsms__buf_free(&buffers->value);
    return 0;
}

static int text_form_decode(lua_State *L)
{
    tsms_str rest = check_str(L, 1);
    form_buffers *buffers = lua_newuserdatauv(L, sizeof *buffers, 0);
    tsms__buf_init(&buffers->name, &tsms__mem_libc);
    tsms__buf_init(&buffers->value, &tsms__mem_libc);
    luaL_getmetatable(L, FORM_CLASS);
    lua_setmetatable(L, -2);
    lua_newtable(L);
    for (int i = 1; tsms__form_next(&rest, &buffers->name, &buffers->value); i++) {
        lua_createtable(L, 2, 0);
        lua_pushlstring(L, buffers->name.ptr != NULL ? buffers->name.ptr : "", buffers->name.len);
        lua_rawseti(L, -2, 1);
        lua_pushlstring(L, buffers->value.ptr != NULL ? buffers->value.ptr : "",
                        buffers->value.len);
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, i);
    }
    if (buffers->name.failed || buffers->value.failed) {
        return luaL_error(L, "not enough memory");
    }
    return 1;
}

static int text_mask(lua_State *L)
{
    char masked[64];
    tsms_phone_mask(check_str(L, 1), masked, sizeof masked);
    lua_pushstring(L, masked);
    return 1;
}

static int text_is_terminal(lua_State *L)
{
    tsms_message_status status = tsms_message_status_from(check_str(L, 1));
    lua_pushboolean(L, tsms_message_status_is_terminal(status));
    return 1;
}

void tsms__lua_open_text(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", form_gc}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"segments", text_segments},
                                         {"form_decode", text_form_decode},
                                         {"mask", text_mask},
                                         {"is_terminal", text_is_terminal},
                                         {NULL, NULL}};
    luaL_newmetatable(L, FORM_CLASS);
    tsms__lua_setfuncs(L, meta);
    lua_pop(L, 1);
    tsms__lua_setfuncs(L, functions);
}
