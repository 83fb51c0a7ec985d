/* Reads requests from Lua tables. */
#include "lua_request.h"

#include "../wire/date.h"

static tsms_status wrong_type(lua_State *L, const char *name, const char *wanted, tsms_error *err)
{
    return tsms__error_set(err, TSMS_KIND_INVALID_REQUEST, "%s: must be %s, not a %s", name, wanted,
                           luaL_typename(L, -1));
}

/* Strings only: a number would lose digits on its way to a phone number. */
static tsms_status read_text(lua_State *L, const char *name, tsms_str *out, tsms_error *err)
{
    if (lua_type(L, -1) != LUA_TSTRING) {
        return wrong_type(L, name, "a string", err);
    }
    out->ptr = lua_tolstring(L, -1, &out->len);
    return TSMS_OK;
}

static tsms_status read_int(lua_State *L, const char *name, int64_t most, int64_t *out,
                            tsms_error *err)
{
    lua_Number value = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0.5;
    if (floor(value) != value || value < (lua_Number)-most || value > (lua_Number)most) {
        return lua_type(L, -1) == LUA_TNUMBER ? tsms__error_set(err, TSMS_KIND_INVALID_REQUEST,
                                                                "%s: must be a whole number", name)
                                              : wrong_type(L, name, "a whole number", err);
    }
    *out = (int64_t)value;
    return TSMS_OK;
}

/* One string, or a list of strings. The strings stay alive in their table. */
static tsms_status read_list(lua_State *L, const tsms__param *param, tsms__lua_request *out,
                             const tsms_str **items, size_t *count, tsms_error *err)
{
    tsms_str *list = out->lists[out->list_count++];
    *items = list;
    if (lua_type(L, -1) == LUA_TSTRING) {
        *count = 1;
        return read_text(L, param->name, &list[0], err);
    }
    if (!lua_istable(L, -1)) {
        return wrong_type(L, param->name, "a string or a list of strings", err);
    }
    *count = lua_rawlen(L, -1);
    if (*count > TSMS__LUA_LIST_MOST) {
        return tsms__error_set(err, TSMS_KIND_INVALID_REQUEST, "%s: %zu entries are too many",
                               param->name, *count);
    }
    if (!tsms__lua_is_list(L, *count)) {
        return tsms__error_set(err, TSMS_KIND_INVALID_REQUEST,
                               "%s: must be a list, without names or gaps", param->name);
    }
    tsms_status status = TSMS_OK;
    for (size_t i = 0; status == TSMS_OK && i < *count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        status = read_text(L, param->name, &list[i], err);
        lua_pop(L, 1);
    }
    return status;
}

/* Unix seconds, or ISO 8601 with a zone. */
static tsms_status read_time(lua_State *L, const char *name, int64_t *out, tsms_error *err)
{
    if (lua_type(L, -1) == LUA_TNUMBER) {
        return read_int(L, name, INT64_C(1) << 53, out, err);
    }
    tsms_str text;
    tsms_status status = read_text(L, name, &text, err);
    if (status == TSMS_OK && !tsms__date_from_iso8601(text, out)) {
        status =
            tsms__error_set(err, TSMS_KIND_INVALID_REQUEST,
                            "%s: must be Unix seconds or a time like 2026-04-14T09:26:42Z", name);
    }
    return status;
}

/* In C a number of 0 says that a parameter is not given. Given as 0 it must not count as that: a
 * message for 1970 is not one for now. */
static tsms_status refuse_zero(tsms_status status, int64_t value, const char *name, tsms_error *err)
{
    if (status != TSMS_OK || value != 0) {
        return status;
    }
    return tsms__error_set(err, TSMS_KIND_INVALID_REQUEST,
                           "%s: 0 is no value for it; leave it out for none", name);
}

/* The value on top goes into the field that param describes. */
static tsms_status read_param(lua_State *L, const tsms__param *param, tsms__lua_request *out,
                              tsms_error *err)
{
    char *base = (char *)&out->message;
    void *field = base + param->offset;
    int64_t value = 0;
    tsms_status status = TSMS_OK;
    switch (param->type) {
    case TSMS__PARAM_STR:
        return read_text(L, param->name, field, err);
    case TSMS__PARAM_LIST:
        return read_list(L, param, out, field, (size_t *)(void *)(base + param->count_offset), err);
    case TSMS__PARAM_TOGGLE:
        if (!lua_isboolean(L, -1)) {
            return wrong_type(L, param->name, "true or false", err);
        }
        *(tsms_toggle *)field = lua_toboolean(L, -1) ? TSMS_TRUE : TSMS_FALSE;
        return TSMS_OK;
    case TSMS__PARAM_INT:
        status = read_int(L, param->name, INT32_MAX, &value, err);
        *(int *)field = (int)value;
        return refuse_zero(status, value, param->name, err);
    case TSMS__PARAM_TIME:
        status = read_time(L, param->name, &value, err);
        *(int64_t *)field = value;
        return refuse_zero(status, value, param->name, err);
    }
    return status;
}

/* The fields of a request that are not parameters of a message. */
typedef struct request_field {
    const char *name;
    tsms__param_type type;
    size_t offset;
    unsigned operations; /* a bit for each that knows it */
} request_field;

#define FOR(op) (1u << TSMS_OP_##op)
#define FOR_LISTS (FOR(LIST) | FOR(MEDIA_LIST))
#define FOR_ALL (~0u)
static const request_field request_fields[] = {
    {"sid", TSMS__PARAM_STR, offsetof(tsms_request, sid), FOR_ALL & ~FOR(SEND) & ~FOR(LIST)},
    {"media_sid", TSMS__PARAM_STR, offsetof(tsms_request, media_sid),
     FOR(MEDIA_FETCH) | FOR(MEDIA_DELETE)},
    {"page_uri", TSMS__PARAM_STR, offsetof(tsms_request, page_uri), FOR_LISTS},
    {"to", TSMS__PARAM_STR, offsetof(tsms_request, to), FOR(LIST)},
    {"from", TSMS__PARAM_STR, offsetof(tsms_request, from), FOR(LIST)},
    {"date_sent", TSMS__PARAM_STR, offsetof(tsms_request, date_sent), FOR(LIST)},
    {"date_sent_before", TSMS__PARAM_STR, offsetof(tsms_request, date_sent_before), FOR(LIST)},
    {"date_sent_after", TSMS__PARAM_STR, offsetof(tsms_request, date_sent_after), FOR(LIST)},
    {"page_size", TSMS__PARAM_INT, offsetof(tsms_request, page_size), FOR_LISTS},
    {"confirmed", TSMS__PARAM_TOGGLE, offsetof(tsms_request, confirmed), FOR(FEEDBACK)},
    {"timeout_ms", TSMS__PARAM_TIME, offsetof(tsms_request, timeout_ms), FOR_ALL},
    {"wait_for_breaker", TSMS__PARAM_TOGGLE, offsetof(tsms_request, wait_for_breaker), FOR_ALL},
    {"traceparent", TSMS__PARAM_STR, offsetof(tsms_request, traceparent), FOR_ALL},
};

/* False when the operation has no such field. */
static bool read_request_field(lua_State *L, tsms_str name, tsms__lua_request *out,
                               tsms_status *status, tsms_error *err)
{
    for (size_t i = 0; i < sizeof request_fields / sizeof *request_fields; i++) {
        const request_field *row = &request_fields[i];
        if ((row->operations & 1u << out->request.operation) == 0 ||
            !tsms__str_eq_z(name, row->name)) {
            continue;
        }
        void *field = (char *)&out->request + row->offset;
        int64_t value = 0;
        switch (row->type) {
        case TSMS__PARAM_STR:
            *status = read_text(L, row->name, field, err);
            break;
        case TSMS__PARAM_TOGGLE:
            *(bool *)field = lua_toboolean(L, -1);
            break;
        case TSMS__PARAM_INT:
            *status = read_int(L, row->name, INT32_MAX, &value, err);
            *(int *)field = (int)value;
            break;
        default:
            *status = read_int(L, row->name, INT32_MAX, field, err);
            break;
        }
        return true;
    }
    return false;
}

/* What people call the fields elsewhere. */
static const char *const aliases[][2] = {
    {"text", "body"}, {"message", "body"}, {"media_url", "media"}, {"media_urls", "media"}};

static tsms_status unknown_field(tsms_str name, tsms_operation operation, tsms_error *err)
{
    const char *nearest = NULL;
    size_t best = 4;
    size_t count;
    const tsms__param *params = tsms__params(&count);
    for (size_t i = 0; operation == TSMS_OP_SEND && i < count; i++) {
        size_t distance = tsms__str_distance(name, tsms_str_from(params[i].name), best);
        if (distance < best) {
            best = distance;
            nearest = params[i].name;
        }
    }
    for (size_t i = 0; operation == TSMS_OP_SEND && i < sizeof aliases / sizeof *aliases; i++) {
        nearest = tsms__str_eq_z(name, aliases[i][0]) ? aliases[i][1] : nearest;
    }
    char shown[40];
    tsms__error_text(shown, sizeof shown, name);
    return tsms__error_set(err, TSMS_KIND_INVALID_REQUEST, "unknown field '%s'%s%s%s", shown,
                           nearest != NULL ? "; did you mean '" : "",
                           nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
}

static tsms_status read_field(lua_State *L, tsms__lua_request *out, tsms_error *err)
{
    if (lua_type(L, -2) != LUA_TSTRING) {
        return tsms__error_set(err, TSMS_KIND_INVALID_REQUEST,
                               "fields have names, as in { to = \"...\", body = \"...\" }");
    }
    tsms_str name;
    name.ptr = lua_tolstring(L, -2, &name.len);
    tsms_status status = TSMS_OK;
    if (read_request_field(L, name, out, &status, err)) {
        return status;
    }
    const tsms__param *param =
        out->request.operation == TSMS_OP_SEND ? tsms__param_find(name) : NULL;
    return param != NULL ? read_param(L, param, out, err)
                         : unknown_field(name, out->request.operation, err);
}

tsms_status tsms__lua_read_request(lua_State *L, int index, tsms_operation operation,
                                   tsms__lua_request *out, tsms_error *err)
{
    out->request = (tsms_request)TSMS_REQUEST_INIT;
    out->message = (tsms_message_options)TSMS_MESSAGE_OPTIONS_INIT;
    out->list_count = 0;
    out->request.operation = operation;
    out->request.message = &out->message;
    int top = lua_gettop(L);
    tsms_status status = TSMS_OK;
    lua_pushnil(L);
    while (status == TSMS_OK && lua_next(L, index) != 0) {
        status = read_field(L, out, err);
        lua_pop(L, 1);
    }
    lua_settop(L, top);
    return status;
}
