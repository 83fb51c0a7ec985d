/* Segments, forms, numbers and statuses for Lua code. */
#include "lua_text.h"

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

/* The buffers of form_decode, owned by a userdata because building tables may raise. One for all
 * calls: a finalizer for each would cost more than the decoding. */
typedef struct form_buffers {
    tsms_buf name, value;
    bool in_use; /* for ever after an error was raised */
} form_buffers;

#define FORM_CLASS "twilio_sms.form_buffers"

static int form_gc(lua_State *L)
{
    form_buffers *buffers = luaL_checkudata(L, 1, FORM_CLASS);
    tsms__buf_free(&buffers->name);
    tsms__buf_free(&buffers->value);
    return 0;
}

enum { FORM_KEPT = 4096 }; /* bytes of a buffer that are worth keeping */

static void shrink(tsms_buf *buf)
{
    if (buf->cap > FORM_KEPT) {
        tsms__buf_free(buf);
    }
}

static void push_buf(lua_State *L, const tsms_buf *buf)
{
    lua_pushlstring(L, buf->ptr != NULL ? buf->ptr : "", buf->len);
}

bool tsms__lua_push_form(lua_State *L, tsms_str form, bool flat, tsms_buf *name, tsms_buf *value)
{
    tsms__buf_clear(name);
    tsms__buf_clear(value);
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
    bool failed = name->failed || value->failed;
    shrink(name);
    shrink(value);
    return !failed;
}

static form_buffers *push_buffers(lua_State *L)
{
    form_buffers *buffers = lua_newuserdatauv(L, sizeof *buffers, 0);
    buffers->in_use = false;
    tsms__buf_init(&buffers->name, &tsms__mem_libc);
    tsms__buf_init(&buffers->value, &tsms__mem_libc);
    luaL_getmetatable(L, FORM_CLASS);
    lua_setmetatable(L, -2);
    return buffers;
}

/* form_decode(text, flat): a list of { name, value }; when flat is true, a list of names and values
 * in turn, which is a third of the work. */
static int text_form_decode(lua_State *L)
{
    form_buffers *buffers = lua_touserdata(L, lua_upvalueindex(1));
    tsms_str form = check_str(L, 1);
    bool flat = lua_toboolean(L, 2);
    if (buffers->in_use) { /* a finalizer runs in the middle of another call, and decodes too */
        buffers = push_buffers(L);
    }
    buffers->in_use = true;
    bool is_whole = tsms__lua_push_form(L, form, flat, &buffers->name, &buffers->value);
    buffers->in_use = false;
    return is_whole ? 1 : luaL_error(L, "not enough memory");
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
                                         {"mask", text_mask},
                                         {"is_terminal", text_is_terminal},
                                         {NULL, NULL}};
    luaL_newmetatable(L, FORM_CLASS);
    tsms__lua_setfuncs(L, meta);
    lua_pop(L, 1);
    tsms__lua_setfuncs(L, functions);
    push_buffers(L);
    lua_pushcclosure(L, text_form_decode, 1);
    lua_setfield(L, -2, "form_decode");
}
