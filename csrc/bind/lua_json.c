/* JSON text for Lua values, there and back. */
#include "lua_json.h"

#include <stdio.h>

#include "../base/err.h"
#include "../base/json_text.h"
#include "lua_error.h"

/* More than any record needs, and little enough for the C stack. */
enum { MOST_DEPTH = 64, MOST_TEXT = 64 * 1024 * 1024 };

/* ---- Writing ------------------------------------------------------------------------------- */

typedef struct writer {
    lua_State *L;
    tsms_buf *out;
    size_t most;
    const char *fault; /* what is wrong, */
    char where[96];    /* and in which part of the value */
} writer;

static bool write_value(writer *w, int depth);

static bool refuse(writer *w, const char *fault)
{
    w->fault = fault;
    return false;
}

/* Puts a step in front of where the fault is: it is found in the innermost part first. */
static bool refuse_in(writer *w, const char *before, const char *step, const char *after)
{
    char inner[sizeof w->where];
    snprintf(inner, sizeof inner, "%s", w->where);
    snprintf(w->where, sizeof w->where, "%s%.40s%s%.50s", before, step, after, inner);
    return false;
}

static bool write_string(writer *w, int index)
{
    tsms_str text;
    text.ptr = lua_tolstring(w->L, index, &text.len);
    if (!tsms__utf8_valid(text)) {
        return refuse(w, "text that is not UTF-8");
    }
    tsms__json_put_string(w->out, text);
    return true;
}

static bool write_number(writer *w)
{
#if LUA_VERSION_NUM >= 503
    if (lua_isinteger(w->L, -1)) {
        tsms__buf_add_int(w->out, lua_tointeger(w->L, -1));
        return true;
    }
#else
    const double exact = 9007199254740992.0; /* 2^53 */
    double integer = lua_tonumber(w->L, -1);
    if (fabs(integer) <= exact && floor(integer) == integer &&
        (integer != 0 || !signbit(integer))) {
        tsms__buf_add_int(w->out, (int64_t)integer);
        return true;
    }
#endif
    double number = lua_tonumber(w->L, -1);
    if (!isfinite(number)) {
        return refuse(w, "a number that is not finite");
    }
    tsms__json_put_double(w->out, number);
    return true;
}

static bool write_list(writer *w, size_t count, int depth)
{
    tsms__buf_add_char(w->out, '[');
    for (size_t i = 1; i <= count; i++) {
        if (i > 1) {
            tsms__buf_add_char(w->out, ',');
        }
        lua_rawgeti(w->L, -1, (int)i);
        if (!write_value(w, depth + 1)) {
            char number[24];
            snprintf(number, sizeof number, "%zu", i);
            return refuse_in(w, "[", number, "]");
        }
        lua_pop(w->L, 1);
    }
    tsms__buf_add_char(w->out, ']');
    return true;
}

static bool write_object(writer *w, int depth)
{
    tsms__buf_add_char(w->out, '{');
    bool first = true;
    lua_pushnil(w->L);
    while (lua_next(w->L, -2) != 0) {
        if (lua_type(w->L, -2) != LUA_TSTRING) {
            return refuse(w, "a key that is no string, in a table that is no list");
        }
        if (!first) {
            tsms__buf_add_char(w->out, ',');
        }
        first = false;
        const char *key = lua_tostring(w->L, -2);
        if (!write_string(w, -2)) {
            return refuse(w, "a key that is not UTF-8");
        }
        tsms__buf_add_char(w->out, ':');
        if (!write_value(w, depth + 1)) {
            return refuse_in(w, ".", key, "");
        }
        lua_pop(w->L, 1);
    }
    tsms__buf_add_char(w->out, '}');
    return true;
}

static bool write_table(writer *w, int depth)
{
    if (depth == MOST_DEPTH) {
        return refuse(w, "tables nested too deep, or one that holds itself");
    }
    luaL_checkstack(w->L, 4, NULL);
    size_t count = lua_rawlen(w->L, -1);
    bool is_list = count > 0 && tsms__lua_is_list(w->L, count);
    return is_list ? write_list(w, count, depth) : write_object(w, depth);
}

/* Writes the value on top, which stays there; after a refusal more may lie above it. */
static bool write_value(writer *w, int depth)
{
    bool written;
    switch (lua_type(w->L, -1)) {
    case LUA_TSTRING:
        written = write_string(w, -1);
        break;
    case LUA_TNUMBER:
        written = write_number(w);
        break;
    case LUA_TBOOLEAN:
        tsms__buf_add_z(w->out, lua_toboolean(w->L, -1) ? "true" : "false");
        written = true;
        break;
    case LUA_TTABLE:
        written = write_table(w, depth);
        break;
    case LUA_TLIGHTUSERDATA:
        written = lua_touserdata(w->L, -1) == NULL;
        if (written) {
            tsms__buf_add_z(w->out, "null");
            break;
        }
        /* fall through */
    default:
        return refuse(w, "neither text, number, boolean nor table");
    }
    return written && w->out->len > w->most ? refuse(w, "too much for one text") : written;
}

bool tsms__lua_json_write(lua_State *L, int index, const char *name, tsms_buf *out, size_t most,
                          tsms_error *err)
{
    int top = lua_gettop(L);
    writer w = {.L = L, .out = out, .most = most};
    lua_pushvalue(L, index);
    bool written = write_value(&w, 0);
    lua_settop(L, top);
    if (out->failed) {
        luaL_error(L, "not enough memory");
    }
    if (!written) {
        bool too_much = out->len > most; /* which is the fault of no part */
        tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "%s%s: %s", name, too_much ? "" : w.where,
                        w.fault);
    }
    return written;
}

/* ---- Reading ------------------------------------------------------------------------------- */

typedef struct reader {
    lua_State *L;
    tsms_str rest;
} reader;

static bool push_value(reader *r, int depth);

static bool take(reader *r, tsms_str word)
{
    if (!tsms__str_starts(r->rest, word)) {
        return false;
    }
    r->rest.ptr += word.len;
    r->rest.len -= word.len;
    return true;
}

/* Takes a sign with the white space around it. */
static bool take_sign(reader *r, const char *sign)
{
    tsms__json_skip_space(&r->rest);
    bool taken = take(r, (tsms_str){sign, 1});
    tsms__json_skip_space(&r->rest);
    return taken;
}

static bool push_string(reader *r)
{
    tsms_str raw;
    if (!tsms__json_take_string(&r->rest, &raw)) {
        return false;
    }
    char space[4];
    luaL_Buffer text;
    luaL_buffinit(r->L, &text);
    tsms_str piece;
    while ((piece = tsms__json_take_piece(&raw, space)).ptr != NULL) {
        luaL_addlstring(&text, piece.ptr, piece.len);
    }
    luaL_pushresult(&text);
    return true;
}

static bool push_number(reader *r)
{
    tsms_str text = tsms__json_take_number(&r->rest);
    int64_t integer;
    if (text.ptr == NULL) {
        return false;
    }
    if (tsms__str_to_int(text, &integer)) {
        tsms__lua_push_int(r->L, integer);
        return true;
    }
    /* Lua's own reading of a number does not depend on the locale. */
    lua_pushlstring(r->L, text.ptr, text.len);
    double number = lua_tonumber(r->L, -1);
    lua_pop(r->L, 1);
    lua_pushnumber(r->L, number);
    return isfinite(number);
}

static bool push_list(reader *r, int depth)
{
    lua_newtable(r->L);
    if (take_sign(r, "]")) {
        return true;
    }
    int count = 0;
    do {
        if (!push_value(r, depth + 1)) {
            return false;
        }
        lua_rawseti(r->L, -2, ++count);
    } while (take_sign(r, ","));
    return take_sign(r, "]");
}

static bool push_object(reader *r, int depth)
{
    lua_newtable(r->L);
    if (take_sign(r, "}")) {
        return true;
    }
    do {
        if (!push_string(r) || !take_sign(r, ":") || !push_value(r, depth + 1)) {
            return false;
        }
        if (lua_islightuserdata(r->L, -1)) {
            lua_pop(r->L, 1);
            lua_pushnil(r->L);
        }
        lua_rawset(r->L, -3);
    } while (take_sign(r, ","));
    return take_sign(r, "}");
}

static bool push_value(reader *r, int depth)
{
    luaL_checkstack(r->L, LUA_MINSTACK + 4, NULL); /* a luaL_Buffer may use so many itself */
    if (take(r, TSMS__STR("{"))) {
        return depth < MOST_DEPTH && push_object(r, depth);
    }
    if (take(r, TSMS__STR("["))) {
        return depth < MOST_DEPTH && push_list(r, depth);
    }
    if (take(r, TSMS__STR("null"))) {
        lua_pushlightuserdata(r->L, NULL);
    } else if (take(r, TSMS__STR("true"))) {
        lua_pushboolean(r->L, true);
    } else if (take(r, TSMS__STR("false"))) {
        lua_pushboolean(r->L, false);
    } else {
        return push_string(r) || push_number(r);
    }
    return true;
}

bool tsms__lua_json_read(lua_State *L, tsms_str text, tsms_error *err)
{
    int top = lua_gettop(L);
    reader r = {L, text};
    tsms__json_skip_space(&r.rest);
    bool read = push_value(&r, 0);
    tsms__json_skip_space(&r.rest);
    if (!read || r.rest.len > 0) {
        lua_settop(L, top);
        tsms__error_set(err, TSMS_KIND_PAYLOAD_PARSE_ERROR, "no JSON, at byte %zu of %zu",
                        text.len - r.rest.len + 1, text.len);
        return false;
    }
    return true;
}

/* ---- The functions of the module ----------------------------------------------------------- */

#define TEXT_CLASS "twilio_sms.json_text"

static int text_gc(lua_State *L)
{
    tsms__buf_free(luaL_checkudata(L, 1, TEXT_CLASS));
    return 0;
}

tsms_buf *tsms__lua_push_buf(lua_State *L)
{
    tsms_buf *text = lua_newuserdatauv(L, sizeof *text, 0);
    tsms__buf_init(text, &tsms__mem_libc);
    luaL_getmetatable(L, TEXT_CLASS);
    lua_setmetatable(L, -2);
    return text;
}

/* json_encode(value): text, or nil and an error. */
static int json_encode(lua_State *L)
{
    luaL_checkany(L, 1);
    tsms_buf *text = tsms__lua_push_buf(L);
    tsms_error err;
    if (!tsms__lua_json_write(L, 1, "value", text, MOST_TEXT, &err)) {
        return tsms__lua_fail(L, TSMS_ERROR, &err);
    }
    lua_pushlstring(L, text->ptr, text->len);
    tsms__buf_free(text);
    return 1;
}

/* json_decode(text): the value, or nil and an error. */
static int json_decode(lua_State *L)
{
    tsms_str text;
    luaL_checktype(L, 1, LUA_TSTRING);
    text.ptr = lua_tolstring(L, 1, &text.len);
    tsms_error err;
    return tsms__lua_json_read(L, text, &err) ? 1 : tsms__lua_fail(L, TSMS_ERROR, &err);
}

void tsms__lua_open_json(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", text_gc}, {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"json_decode", json_decode}, {"json_encode", json_encode}, {NULL, NULL}};
    luaL_newmetatable(L, TEXT_CLASS);
    tsms__lua_setfuncs(L, meta);
    lua_pop(L, 1);
    tsms__lua_setfuncs(L, functions);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "json_null");
}
