/* Requests out of Lua tables, and events into Lua tables. */
#include "lua_webhook_event.h"

#include <stdio.h>

/* ---- Requests ------------------------------------------------------------------------------ */

/* A field of the request, which stays on the stack; absent for nil. */
static tsms_str read_text(lua_State *L, int arg, const char *name)
{
    tsms_str text = {NULL, 0};
    lua_getfield(L, arg, name);
    if (lua_type(L, -1) == LUA_TSTRING) {
        text.ptr = lua_tolstring(L, -1, &text.len);
    } else if (!lua_isnil(L, -1)) {
        luaL_error(L, "request.%s must be a string, not a %s", name, luaL_typename(L, -1));
    }
    return text;
}

static bool add_header(lua_State *L, tsms_str name, tsms__lua_webhook_request *out)
{
    if (lua_type(L, -1) != LUA_TSTRING) {
        luaL_error(L, "request.headers: a value is a %s, not a string", luaL_typename(L, -1));
    }
    if (out->request.header_count == TSMS__LUA_HEADERS_MOST) {
        return false;
    }
    tsms_param *header = &out->headers[out->request.header_count++];
    header->name = name;
    header->value.ptr = lua_tolstring(L, -1, &header->value.len);
    return true;
}

/* The name at an index, which must be one: lua_tolstring would turn a number into a string. */
static tsms_str check_name(lua_State *L, int index)
{
    tsms_str name;
    if (lua_type(L, index) != LUA_TSTRING) {
        luaL_error(L, "request.headers: a name is a %s, not a string", luaL_typename(L, index));
    }
    name.ptr = lua_tolstring(L, index, &name.len);
    return name;
}

/* {name, value} pairs in order. */
static bool read_header_list(lua_State *L, int table, tsms__lua_webhook_request *out)
{
    bool room = true;
    size_t count = lua_rawlen(L, table);
    for (size_t i = 1; room && i <= count; i++) {
        lua_rawgeti(L, table, (int)i);
        if (!lua_istable(L, -1)) {
            luaL_error(L, "request.headers: a list holds { name, value }");
        }
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        room = add_header(L, check_name(L, -2), out);
        lua_pop(L, 3);
    }
    return room;
}

/* A map by name; a value may be a list of strings. */
static bool read_header_map(lua_State *L, int table, tsms__lua_webhook_request *out)
{
    bool room = true;
    lua_pushnil(L);
    while (room && lua_next(L, table) != 0) {
        tsms_str name = check_name(L, -2);
        size_t count = lua_istable(L, -1) ? lua_rawlen(L, -1) : 0;
        if (!lua_istable(L, -1)) {
            room = add_header(L, name, out);
        }
        for (size_t i = 1; room && i <= count; i++) {
            lua_rawgeti(L, -1, (int)i);
            room = add_header(L, name, out);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    return room;
}

static bool read_headers(lua_State *L, int arg, tsms__lua_webhook_request *out)
{
    lua_getfield(L, arg, "headers");
    int table = lua_gettop(L);
    if (lua_isnil(L, table)) {
        return true;
    }
    if (!lua_istable(L, table)) {
        luaL_error(L, "request.headers must be a table, not %s%s", tsms__lua_article(L, table),
                   luaL_typename(L, table));
    }
    return lua_rawlen(L, table) > 0 ? read_header_list(L, table, out)
                                    : read_header_map(L, table, out);
}

tsms_status tsms__lua_read_webhook(lua_State *L, int arg, tsms__lua_webhook_request *out,
                                   tsms_error *err)
{
    luaL_checktype(L, arg, LUA_TTABLE);
    luaL_checkstack(L, 16, "a request");
    out->request = (tsms_webhook_request)TSMS_WEBHOOK_REQUEST_INIT;
    out->request.headers = out->headers;
    out->request.method = read_text(L, arg, "method");
    out->request.url = read_text(L, arg, "url");
    out->request.peer = read_text(L, arg, "peer");
    out->request.body = read_text(L, arg, "body");
    lua_getfield(L, arg, "tls");
    out->request.tls = lua_toboolean(L, -1);
    if (read_headers(L, arg, out)) {
        return TSMS_OK;
    }
    tsms__error_set(err, TSMS_KIND_PAYLOAD_PARSE_ERROR, "the request has more than %d headers",
                    TSMS__LUA_HEADERS_MOST);
    err->http_status = 413;
    return TSMS_ERROR;
}

/* ---- Events -------------------------------------------------------------------------------- */

static void push_str(lua_State *L, tsms_str text)
{
    lua_pushlstring(L, text.ptr != NULL ? text.ptr : "", text.len);
}

/* Absent strings are nil. */
static void set_str(lua_State *L, const char *name, tsms_str text)
{
    if (text.ptr != NULL) {
        push_str(L, text);
        lua_setfield(L, -2, name);
    }
}

static void set_int(lua_State *L, const char *name, int64_t value)
{
    tsms__lua_push_int(L, value);
    lua_setfield(L, -2, name);
}

static void set_code(lua_State *L, const char *name, int code)
{
    if (code != 0) {
        set_int(L, name, code);
    }
}

/* media = { { url =, content_type = }, ... } */
static void set_media(lua_State *L, const tsms_webhook_event *event, int count)
{
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        char name[32];
        lua_createtable(L, 0, 2);
        snprintf(name, sizeof name, "MediaUrl%d", i);
        set_str(L, "url", tsms_webhook_event_field(event, name));
        snprintf(name, sizeof name, "MediaContentType%d", i);
        set_str(L, "content_type", tsms_webhook_event_field(event, name));
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "media");
}

/* fields in order, and params by name with the first value of each. */
static void set_params(lua_State *L, const tsms_webhook_event *event)
{
    tsms_param param;
    int count = 0;
    lua_newtable(L);
    for (; tsms_webhook_event_param(event, (size_t)count, &param); count++) {
        lua_createtable(L, 2, 0);
        push_str(L, param.name);
        lua_rawseti(L, -2, 1);
        push_str(L, param.value);
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, count + 1);
    }
    lua_setfield(L, -2, "fields");
    lua_createtable(L, 0, count);
    for (int i = count - 1; i >= 0; i--) { /* the first one is written last and stays */
        (void)tsms_webhook_event_param(event, (size_t)i, &param);
        push_str(L, param.name);
        push_str(L, param.value);
        lua_rawset(L, -3);
    }
    lua_setfield(L, -2, "params");
}

void tsms__lua_push_webhook_event(lua_State *L, const tsms_webhook_event *event)
{
    tsms_webhook_info info;
    tsms_webhook_event_read(event, &info);
    lua_createtable(L, 0, 24);
    lua_pushstring(L, tsms_webhook_type_name(info.type));
    lua_setfield(L, -2, "type");
    set_str(L, "url", info.url);
    set_str(L, "message_sid", info.message_sid);
    set_str(L, "account_sid", info.account_sid);
    set_str(L, "messaging_service_sid", info.messaging_service_sid);
    set_str(L, "from", info.from);
    set_str(L, "to", info.to);
    set_str(L, "status", info.status);
    set_str(L, "opt_out_type", info.opt_out_type);
    set_code(L, "error_code", info.error_code);
    set_str(L, "error_message", info.error_message);
    set_str(L, "raw_dlr_done_date", info.raw_dlr_done_date);
    set_code(L, "fallback_error_code", info.fallback_error_code);
    set_str(L, "fallback_error_url", info.fallback_error_url);
    set_str(L, "callback_ref", info.callback_ref);
    set_str(L, "traceparent", info.traceparent);
    set_int(L, "received_ms", info.received_ms);
    set_str(L, "idempotency_token", info.idempotency_token);
    set_str(L, "signature", info.signature);
    set_str(L, "json", info.json);
    if (info.type == TSMS_WEBHOOK_INBOUND) {
        push_str(L, info.body);
        lua_setfield(L, -2, "body");
        set_int(L, "num_media", info.num_media);
        set_int(L, "num_segments", info.num_segments);
        set_media(L, event, info.num_media);
    }
    set_params(L, event);
}
