/* Hands finished transfers to recorders. */
#include "lua_tap.h"

#include "lua_client.h"
#include "lua_scratch.h"

const char *const tsms__lua_methods[] = {
    [TSMS__GET] = "GET", [TSMS__POST] = "POST", [TSMS__DELETE] = "DELETE"};

static void set_str(lua_State *L, const char *name, tsms_str text)
{
    lua_pushlstring(L, text.ptr != NULL ? text.ptr : "", text.len);
    lua_setfield(L, -2, name);
}

static void set_int(lua_State *L, const char *name, int64_t value)
{
    tsms__lua_push_int(L, value);
    lua_setfield(L, -2, name);
}

static void set_bool(lua_State *L, const char *name, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

/* Adds { name, value } to the list on top, unless the header was absent. */
static void add_header(lua_State *L, const char *name, tsms_str value)
{
    if (value.ptr == NULL) {
        return;
    }
    lua_createtable(L, 2, 0);
    lua_pushstring(L, name);
    lua_rawseti(L, -2, 1);
    lua_pushlstring(L, value.ptr, value.len);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, (int)lua_rawlen(L, -2) + 1);
}

static void push_transfer(lua_State *L, tsms_str origin, const tsms__tapped *entry)
{
    const tsms__transfer *transfer = &entry->transfer;
    const tsms__response *response = &transfer->response;
    lua_createtable(L, 0, 16);
    set_int(L, "call_id", (int64_t)entry->call_id);
    set_str(L, "operation", tsms_str_from(tsms_operation_name(entry->operation)));
    set_bool(L, "lookup", entry->lookup);
    set_str(L, "method", tsms_str_from(tsms__lua_methods[entry->method]));
    set_str(L, "origin", origin);
    set_str(L, "path", entry->path);
    set_str(L, "form", entry->form);
    set_bool(L, "sent", transfer->sent);
    if (transfer->fault != TSMS_KIND_NONE) {
        set_str(L, "fault", tsms_str_from(tsms_kind_name(transfer->fault)));
        set_str(L, "message", transfer->fault_text);
    }
    if (response->http_status != 0) {
        set_int(L, "status", response->http_status);
    }
    set_bool(L, "complete", response->complete);
    set_str(L, "body", response->body);
    set_int(L, "started_ms", entry->started_ms);
    set_int(L, "ended_ms", entry->ended_ms);
    lua_createtable(L, 3, 0);
    add_header(L, "Date", response->date);
    add_header(L, "Retry-After", response->retry_after);
    add_header(L, "Twilio-Request-Id", response->request_id);
    lua_setfield(L, -2, "headers");
}

/* client:set_tap(on): whether finished transfers are kept for tap. */
static int client_set_tap(lua_State *L)
{
    tsms__lua_client *self = tsms__lua_check_client(L);
    tsms__tap_set(&self->client->tap, lua_toboolean(L, 2));
    return 0;
}

/* client:tap(): the oldest transfer that nobody has taken as a table, or nothing; { lost = n } when
 * there was no memory to keep n of them. */
static int client_tap(lua_State *L)
{
    tsms__lua_client *self = tsms__lua_check_client(L);
    uint64_t lost = tsms__tap_lost(&self->client->tap);
    if (lost > 0) {
        lua_createtable(L, 0, 1);
        set_int(L, "lost", (int64_t)lost);
        return 1;
    }
    tsms__lua_scratch *scratch = tsms__lua_push_scratch(L);
    tsms_client *client = tsms__lua_check_client(L)->client;
    tsms_str origin = tsms__lua_keep(scratch, tsms__buf_str(&client->origin));
    if (scratch->text.failed) {
        return tsms__lua_scratch_fail(L, scratch);
    }
    scratch->tapped = tsms__tap_take(&client->tap);
    bool any = scratch->tapped != NULL;
    if (any) {
        push_transfer(L, origin, scratch->tapped);
    }
    tsms__lua_scratch_done(scratch);
    return any;
}

void tsms__lua_add_tap(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"set_tap", client_set_tap}, {"tap", client_tap}, {NULL, NULL}};
    tsms__lua_setfuncs(L, methods);
}
