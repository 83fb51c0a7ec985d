/* Reads the options of a client from a Lua table. */
#include "lua_config.h"

#include "../config/config.h"

#include <stdio.h>
#include <string.h>

enum { KEY_SIZE = 80 };

static tsms_status read_table(lua_State *L, const char *prefix, tsms_config *config,
                              tsms_error *err);

/* errors = { [21408] = { kind = "InvalidRequest", retryable = false } } */
static tsms_status read_error_row(lua_State *L, tsms_config *config, tsms_error *err)
{
    if (lua_type(L, -2) != LUA_TNUMBER || !lua_istable(L, -1)) {
        return tsms__error_set(err, TSMS_KIND_INVALID_OPTION,
                               "errors: each entry must be [code] = { kind = \"...\", retryable = "
                               "true or false }");
    }
    lua_Number code = lua_tonumber(L, -2);
    lua_getfield(L, -1, "kind");
    lua_getfield(L, -2, "retryable");
    tsms_str name = {NULL, 0};
    if (lua_type(L, -2) == LUA_TSTRING) {
        name.ptr = lua_tolstring(L, -2, &name.len);
    }
    tsms_kind kind = tsms_kind_from_name(name);
    bool retryable = lua_toboolean(L, -1);
    tsms_status status;
    if (!(code >= 1 && code <= INT32_MAX) || floor(code) != code) {
        status = tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "errors: %g is no code of an error",
                                 code);
    } else if (kind == TSMS_KIND_NONE) {
        status = tsms__error_set(err, TSMS_KIND_INVALID_OPTION,
                                 "errors[%.0f]: 'kind' must be the name of a kind of error", code);
    } else if (!lua_isboolean(L, -1)) {
        status = tsms__error_set(err, TSMS_KIND_INVALID_OPTION,
                                 "errors[%.0f]: 'retryable' must be true or false", code);
    } else {
        status = tsms_config_set_error(config, (int)code, kind, retryable, err);
    }
    lua_pop(L, 2);
    return status;
}

static tsms_status read_errors(lua_State *L, tsms_config *config, tsms_error *err)
{
    int top = lua_gettop(L);
    tsms_status status = TSMS_OK;
    lua_pushnil(L);
    while (status == TSMS_OK && lua_next(L, -2) != 0) {
        status = read_error_row(L, config, err);
        lua_pop(L, 1);
    }
    lua_settop(L, top);
    return status;
}

static tsms_status read_list(lua_State *L, const char *key, tsms_config *config, tsms_error *err)
{
    size_t count = lua_rawlen(L, -1);
    tsms_status status = TSMS_OK;
    if (!tsms__lua_is_list(L, count)) {
        return tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "%s: must be a list of strings", key);
    }
    for (size_t i = 1; status == TSMS_OK && i <= count; i++) {
        lua_rawgeti(L, -1, (int)i);
        size_t len = 0;
        const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
        if (text == NULL) {
            status = tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "%s: must be a list of strings",
                                     key);
        } else {
            status = tsms_config_set(config, key, (tsms_str){text, len}, err);
        }
        lua_pop(L, 1);
    }
    return status;
}

/* The value on top, under a full key. */
static tsms_status read_value(lua_State *L, const char *key, tsms_config *config, tsms_error *err)
{
    const tsms__prop *prop = tsms__prop_find(tsms_str_from(key));
    size_t len;
    const char *text;
    switch (lua_type(L, -1)) {
    case LUA_TSTRING:
        text = lua_tolstring(L, -1, &len);
        return tsms_config_set(config, key, (tsms_str){text, len}, err);
    case LUA_TNUMBER:
        return tsms_config_set_number(config, key, (double)lua_tonumber(L, -1), err);
    case LUA_TBOOLEAN:
        return tsms_config_set_bool(config, key, lua_toboolean(L, -1), err);
    case LUA_TTABLE:
        if (tsms__str_eq_z(tsms_str_from(key), "errors")) {
            return read_errors(L, config, err);
        }
        if (prop != NULL && prop->type == TSMS__PROP_LIST) {
            return read_list(L, key, config, err);
        }
        return read_table(L, key, config, err);
    default:
        return tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "%s: a %s is no value for an option",
                               key, luaL_typename(L, -1));
    }
}

/* The table on top. */
static tsms_status read_table(lua_State *L, const char *prefix, tsms_config *config,
                              tsms_error *err)
{
    if (!lua_checkstack(L, 8)) {
        return tsms__error_nomem(err);
    }
    int top = lua_gettop(L);
    tsms_status status = TSMS_OK;
    lua_pushnil(L);
    while (status == TSMS_OK && lua_next(L, -2) != 0) {
        char key[KEY_SIZE];
        int n = -1;
        size_t len = 0;
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &len) : "";
        /* Each level makes the key longer, which ends a table that contains itself. */
        if (len > 0 && strlen(name) == len) {
            n = snprintf(key, sizeof key, "%s%s%s", prefix, prefix[0] != '\0' ? "." : "", name);
        }
        if (n < 0 || n >= KEY_SIZE) {
            status = tsms__error_set(err, TSMS_KIND_INVALID_OPTION,
                                     "%s: options have names; this entry has none that is one",
                                     prefix[0] != '\0' ? prefix : "options");
        } else {
            status = read_value(L, key, config, err);
        }
        lua_pop(L, 1);
    }
    lua_settop(L, top);
    return status;
}

tsms_status tsms__lua_read_config(lua_State *L, int index, tsms_config *config, tsms_error *err)
{
    int top = lua_gettop(L);
    lua_pushvalue(L, index);
    tsms_status status = read_table(L, "", config, err);
    lua_settop(L, top);
    return status;
}
