/* Turns results into Lua tables: every field of the answer, with numbers as numbers and dates also
 * as Unix seconds. */
#include "lua_result.h"

#include "../call/result.h"
#include "../wire/date.h"
#include "lua_error.h"

enum { DEPTH_MOST = 16 };

/* Leaves one value on the stack. */
static void push_json(lua_State *L, const tsms__json *node, int depth)
{
    tsms_str text;
    lua_Number number;
    switch (depth < DEPTH_MOST ? tsms__json_type_of(node) : TSMS__JSON_NULL) {
    case TSMS__JSON_STRING:
        text = tsms__json_text(node);
        lua_pushlstring(L, text.ptr, text.len);
        return;
    case TSMS__JSON_NUMBER:
        number = tsms__json_number(node);
        if (floor(number) == number && fabs(number) < 9007199254740992.0) {
            tsms__lua_push_int(L, (int64_t)number);
        } else {
            lua_pushnumber(L, number);
        }
        return;
    case TSMS__JSON_BOOL:
        lua_pushboolean(L, tsms__json_bool(node));
        return;
    case TSMS__JSON_ARRAY:
    case TSMS__JSON_OBJECT:
        break;
    case TSMS__JSON_NULL:
        lua_pushnil(L);
        return;
    }
    luaL_checkstack(L, 4, "answer nested too deep");
    lua_newtable(L);
    bool array = tsms__json_type_of(node) == TSMS__JSON_ARRAY;
    int index = 1;
    for (const tsms__json *child = tsms__json_first(node); child != NULL;
         child = tsms__json_next(child)) {
        if (!array) {
            text = tsms__json_name(child);
            lua_pushlstring(L, text.ptr, text.len);
        }
        push_json(L, child, depth + 1);
        if (array) {
            lua_rawseti(L, -2, index++);
        } else {
            lua_rawset(L, -3);
        }
    }
}

/* "date_created" also becomes date_created_unix. */
static void set_unix_time(lua_State *L, tsms_str name, const tsms__json *value)
{
    int64_t unix_s;
    if (tsms__date_from_rfc2822(tsms__json_text(value), &unix_s)) {
        char key[48];
        size_t len = name.len < sizeof key - 6 ? name.len : sizeof key - 6;
        for (size_t i = 0; i < len; i++) {
            key[i] = name.ptr[i];
        }
        for (size_t i = 0; i < 6; i++) {
            key[len + i] = "_unix"[i];
        }
        tsms__lua_push_int(L, unix_s);
        lua_setfield(L, -2, key);
    }
}

/* A record as a table; null fields are absent. */
static void push_record(lua_State *L, const tsms__json *record)
{
    lua_createtable(L, 0, 28);
    for (const tsms__json *field = tsms__json_first(record); field != NULL;
         field = tsms__json_next(field)) {
        tsms__json_type type = tsms__json_type_of(field);
        if (type == TSMS__JSON_NULL) {
            continue;
        }
        tsms_str name = tsms__json_name(field);
        int64_t number;
        lua_pushlstring(L, name.ptr, name.len);
        if (tsms__str_starts(name, TSMS__STR("num_")) && tsms__json_int(field, &number)) {
            tsms__lua_push_int(L, number);
        } else {
            push_json(L, field, 0);
        }
        lua_rawset(L, -3);
        if (type == TSMS__JSON_STRING && tsms__str_starts(name, TSMS__STR("date_"))) {
            set_unix_time(L, name, field);
        }
    }
}

static void push_page(lua_State *L, const tsms_result *result)
{
    size_t count = tsms_result_count(result);
    lua_createtable(L, (int)count, 1);
    for (size_t i = 0; i < count; i++) {
        push_record(L, tsms__result_record(result, i));
        lua_rawseti(L, -2, (int)i + 1);
    }
    tsms_str next = tsms_result_next_page_uri(result);
    if (next.len > 0) {
        lua_pushlstring(L, next.ptr, next.len);
        lua_setfield(L, -2, "next_page_uri");
    }
}

int tsms__lua_push_result(lua_State *L, const tsms_result *result)
{
    if (result->failed) {
        return tsms__lua_fail(L, TSMS_ERROR, &result->error);
    }
    if (result->operation == TSMS_OP_LIST || result->operation == TSMS_OP_MEDIA_LIST) {
        push_page(L, result);
        return 1;
    }
    if (tsms_result_count(result) == 0) {
        lua_pushboolean(L, 1);
        return 1;
    }
    push_record(L, tsms__result_record(result, 0));
    if (result->operation == TSMS_OP_SEND) {
        lua_pushstring(L, tsms_outcome_name(result->outcome));
        lua_setfield(L, -2, "outcome");
        tsms__lua_push_int(L, result->attempts);
        lua_setfield(L, -2, "attempts");
        lua_pushboolean(L, result->verified);
        lua_setfield(L, -2, "verified");
        tsms_str ref = tsms_result_callback_ref(result);
        if (ref.len > 0) {
            lua_pushlstring(L, ref.ptr, ref.len);
            lua_setfield(L, -2, "callback_ref");
        }
    }
    return 1;
}
