/* Segments, forms, numbers and statuses for Lua code. */
#include "lua_text.h"

#include "../wire/response.h"
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

static void push_buf(lua_State *L, const tsms_buf *buf)
{
    lua_pushlstring(L, buf->ptr != NULL ? buf->ptr : "", buf->len);
}

bool tsms__lua_push_form(lua_State *L, tsms_str form, bool flat, tsms__lua_scratch *scratch)
{
    tsms_buf *name = &scratch->name;
    tsms_buf *value = &scratch->value;
    lua_createtable(L, 8, 0);
    for (int i = 1; tsms__form_next(&form, name, value); i++) {
        if (!flat) {
            lua_createtable(L, 2, 0);
        }
        push_buf(L, name);
        lua_rawseti(L, -2, flat ? 2 * i - 1 : 1);
        push_buf(L, value);
        lua_rawseti(L, -2, flat ? 2 * i : 2);
        if (!flat) {
            lua_rawseti(L, -2, i);
        }
    }
    return !name->failed && !value->failed;
}

/* form_decode(text, flat): a list of { name, value }; when flat is true, a list of names and values
 * in turn, which is a third of the work. */
static int text_form_decode(lua_State *L)
{
    tsms_str form = check_str(L, 1);
    bool flat = lua_toboolean(L, 2);
    tsms__lua_scratch *scratch = tsms__lua_push_scratch(L);
    bool is_whole = tsms__lua_push_form(L, form, flat, scratch);
    tsms__lua_scratch_done(scratch);
    return is_whole ? 1 : luaL_error(L, "not enough memory");
}

static int text_mask(lua_State *L)
{
    char masked[64];
    tsms_phone_mask(check_str(L, 1), masked, sizeof masked);
    lua_pushstring(L, masked);
    return 1;
}

/* retry_after_ms(text, date): for how long the header Retry-After asks to wait, in an answer with
 * that header Date; nil when it asks for nothing that can be read. Both texts may be empty. */
static int text_retry_after_ms(lua_State *L)
{
    int64_t wait_ms = tsms__retry_after_ms(check_str(L, 1), check_str(L, 2));
    if (wait_ms < 0) {
        return 0;
    }
    tsms__lua_push_int(L, wait_ms);
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
    static const luaL_Reg functions[] = {{"form_decode", text_form_decode},
                                         {"is_terminal", text_is_terminal},
                                         {"mask", text_mask},
                                         {"retry_after_ms", text_retry_after_ms},
                                         {"segments", text_segments},
                                         {NULL, NULL}};
    tsms__lua_setfuncs(L, functions);
}
