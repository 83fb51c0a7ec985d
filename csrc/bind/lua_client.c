/* The client userdata: what the Lua modules drive. It speaks of call ids; tickets, coroutines and
 * hooks are Lua's. */
#include "lua_client.h"

#include "../call/measure.h"
#include "../drive/clock.h"
#include "lua_config.h"
#include "lua_error.h"
#include "lua_log.h"
#include "lua_machine.h"
#include "lua_metrics.h"
#include "lua_request.h"
#include "lua_result.h"
#include "lua_scratch.h"
#include "lua_tap.h"
#include "lua_trace.h"

#define CLIENT_CLASS "twilio_sms.core.client"

typedef tsms__lua_client handle;

static int client_close(lua_State *L)
{
    handle *self = luaL_checkudata(L, 1, CLIENT_CLASS);
    tsms_config_free(self->config);
    if (self->client != NULL) {
        tsms__buf_free(&self->body);
        tsms__secret_free(self->authorization);
    }
    tsms_client_free(self->client);
    *self = (handle){0};
    return 0;
}

tsms__lua_client *tsms__lua_check_client(lua_State *L)
{
    handle *self = luaL_checkudata(L, 1, CLIENT_CLASS);
    if (self->client == NULL) {
        luaL_error(L, "the client is closed");
    }
    return self;
}

/* A client that steps by itself. */
static handle *check_driven(lua_State *L)
{
    handle *self = tsms__lua_check_client(L);
    if (self->machine) {
        luaL_error(L, "a machine has no driver: use next and finish");
    }
    return self;
}

static tsms__now moment(const handle *self)
{
    return self->machine ? self->now : tsms__clock_now();
}

static tsms_status make_client(handle *self, tsms_error *err)
{
    return self->machine ? tsms__client_new(self->config, tsms__clock_seed(), &self->client, err)
                         : tsms_client_new(self->config, &self->client, err);
}

static int make(lua_State *L, bool machine)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    bool from_env = lua_toboolean(L, 2);
    lua_settop(L, 1);
    handle *self = lua_newuserdatauv(L, sizeof *self, 0);
    *self = (handle){.machine = machine};
    luaL_getmetatable(L, CLIENT_CLASS);
    lua_setmetatable(L, -2);
    tsms_error err;
    tsms_status status = tsms_config_new(NULL, &self->config);
    if (status == TSMS_OK && from_env) {
        status = tsms_config_from_env(self->config, &err);
    }
    if (status == TSMS_OK) {
        status = tsms__lua_read_config(L, 1, self->config, &err);
    }
    if (status == TSMS_OK) {
        status = make_client(self, &err);
    }
    if (status == TSMS_OK) {
        tsms__buf_init(&self->body, &self->client->mem);
    }
    tsms_config_free(self->config);
    self->config = NULL;
    return status == TSMS_OK ? 1 : tsms__lua_fail(L, status, &err);
}

/* client(options, from_env): a client that libcurl drives, or nil and an error. */
static int client_new(lua_State *L)
{
    return make(L, false);
}

/* machine(options, from_env): a client without driver; both of its clocks stand at 0. */
static int machine_new(lua_State *L)
{
    return make(L, true);
}

/* client:submit(operation, fields): the call's id, or nil and an error. */
static int client_submit(lua_State *L)
{
    static const char *const operations[] = {
#define X(id, name) name,
        TSMS_OPERATIONS(X)
#undef X
            NULL};
    handle *self = tsms__lua_check_client(L);
    int operation = luaL_checkoption(L, 2, NULL, operations);
    luaL_checktype(L, 3, LUA_TTABLE);
    tsms__lua_request request;
    tsms_error err;
    uint64_t id = 0;
    tsms_status status = tsms__lua_read_request(L, 3, (tsms_operation)operation, &request, &err);
    self = tsms__lua_check_client(L); /* metamethods or finalizers may have closed it */
    if (status == TSMS_OK) {
        status = tsms__client_submit(self->client, &request.request, moment(self), &id, &err);
    } else {
        err.outcome = TSMS_OUTCOME_NOT_SENT;
    }
    if (status != TSMS_OK) {
        return tsms__lua_fail(L, status, &err);
    }
    tsms__lua_push_int(L, (int64_t)id);
    return 1;
}

/* client:step(timeout_ms): -1 waits as long as something is under way. */
static int client_step(lua_State *L)
{
    handle *self = check_driven(L);
    tsms_client_step(self->client, (int)tsms__lua_check_int(L, 2, -1, INT32_MAX));
    return 0;
}

/* client:start(): what may leave now leaves; nothing is waited for. */
static int client_start(lua_State *L)
{
    tsms_client_start(check_driven(L)->client);
    return 0;
}

/* client:result(): id and the call's values, or nothing. */
static int client_result(lua_State *L)
{
    (void)tsms__lua_check_client(L);
    tsms__lua_scratch *scratch = tsms__lua_push_scratch(L);
    const tsms_result *result = scratch->result =
        tsms_client_result(tsms__lua_check_client(L)->client);
    int count = 0;
    if (result != NULL) {
        tsms__lua_push_int(L, (int64_t)tsms_result_call_id(result));
        count = 1 + tsms__lua_push_result(L, result);
    }
    tsms__lua_scratch_done(scratch);
    return count;
}

static void set_str(lua_State *L, const char *name, tsms_str text)
{
    if (text.len > 0) {
        lua_pushlstring(L, text.ptr, text.len);
        lua_setfield(L, -2, name);
    }
}

static void set_int(lua_State *L, const char *name, int64_t value)
{
    tsms__lua_push_int(L, value);
    lua_setfield(L, -2, name);
}

/* The next question, with its texts in the scratch. */
static bool take_check(tsms_client *client, tsms_check *out, tsms__lua_scratch *scratch)
{
    if (!tsms_client_check(client, out)) {
        return false;
    }
    tsms_str *const texts[] = {&out->to, &out->from, &out->messaging_service_sid, &out->body};
    size_t count = sizeof texts / sizeof *texts;
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        len += texts[i]->len;
    }
    tsms__buf_reserve(&scratch->text, len);
    for (size_t i = 0; i < count; i++) {
        *texts[i] = tsms__lua_keep(scratch, *texts[i]);
    }
    return true;
}

/* client:check(): the id and the question, or nothing. */
static int client_check(lua_State *L)
{
    (void)tsms__lua_check_client(L);
    tsms__lua_scratch *scratch = tsms__lua_push_scratch(L);
    tsms_check check;
    if (!take_check(tsms__lua_check_client(L)->client, &check, scratch)) {
        tsms__lua_scratch_done(scratch);
        return 0;
    }
    if (scratch->text.failed) {
        return tsms__lua_scratch_fail(L, scratch);
    }
    tsms__lua_push_int(L, (int64_t)check.call_id);
    lua_createtable(L, 0, 6);
    set_str(L, "to", check.to);
    set_str(L, "from", check.from);
    set_str(L, "messaging_service_sid", check.messaging_service_sid);
    set_str(L, "body", check.body);
    if (check.send_at != 0) {
        set_int(L, "send_at", check.send_at);
    }
    set_int(L, "attempts", check.attempts);
    tsms__lua_scratch_done(scratch);
    return 2;
}

static uint64_t check_id(lua_State *L, int arg)
{
    return (uint64_t)tsms__lua_check_int(L, arg, 0, INT64_C(1) << 53);
}

/* client:answer(id, "allow" | "deny" | "defer" | "cannot_tell", reason, defer_ms) */
static int client_answer(lua_State *L)
{
    static const char *const verdicts[] = {"allow", "deny", "defer", "cannot_tell", NULL};
    handle *self = tsms__lua_check_client(L);
    uint64_t id = check_id(L, 2);
    int verdict = luaL_checkoption(L, 3, NULL, verdicts);
    tsms_str reason;
    reason.ptr = luaL_optlstring(L, 4, "", &reason.len);
    int64_t defer_ms = lua_isnoneornil(L, 5) ? 0 : tsms__lua_check_int(L, 5, 0, INT64_C(1) << 53);
    self = tsms__lua_check_client(L); /* making strings of numbers may have run finalizers */
    lua_pushboolean(L, tsms__client_answer(self->client, id, (tsms_verdict)verdict, reason,
                                           defer_ms, moment(self)));
    return 1;
}

static int client_cancel(lua_State *L)
{
    handle *self = tsms__lua_check_client(L);
    lua_pushboolean(L, tsms__client_cancel(self->client, check_id(L, 2), moment(self)));
    return 1;
}

static int client_set_checks(lua_State *L)
{
    handle *self = tsms__lua_check_client(L);
    tsms_client_set_checks(self->client, lua_toboolean(L, 2));
    return 0;
}

static int client_pollfd(lua_State *L)
{
    handle *self = check_driven(L);
    tsms__lua_push_int(L, tsms_client_pollfd(self->client));
    return 1;
}

/* client:timeout_ms(): -1 for never. */
static int client_timeout_ms(lua_State *L)
{
    handle *self = check_driven(L);
    tsms__lua_push_int(L, tsms_client_timeout_ms(self->client));
    return 1;
}

/* client:now_ms(): monotonic milliseconds, on the clock of its driver. */
static int client_now_ms(lua_State *L)
{
    tsms__lua_push_int(L, moment(tsms__lua_check_client(L)).mono_ms);
    return 1;
}

/* client:event(): the oldest event as a table, or nothing. */
static int client_event(lua_State *L)
{
    handle *self = tsms__lua_check_client(L);
    tsms_event event;
    if (!tsms_client_event(self->client, &event)) {
        return 0;
    }
    lua_createtable(L, 0, 14);
    set_str(L, "type", tsms_str_from(tsms_event_name(event.type)));
    if (event.call_id != 0) {
        set_str(L, "operation", tsms_str_from(tsms_operation_name(event.operation)));
        set_int(L, "call_id", (int64_t)event.call_id);
        set_int(L, "attempt", event.attempt);
    }
    set_int(L, "at_ms", event.at_ms);
    set_int(L, "duration_ms", event.duration_ms);
    if (event.http_status != 0) {
        set_int(L, "http_status", event.http_status);
    }
    if (event.api_code != 0) {
        set_int(L, "code", event.api_code);
    }
    set_str(L, "error", tsms_str_from(tsms_kind_type(event.kind)));
    set_str(L, "outcome", tsms_str_from(tsms_outcome_name(event.outcome)));
    set_str(L, "to", tsms_str_from(event.to));
    set_str(L, "from", tsms_str_from(event.from));
    set_str(L, "sid", tsms_str_from(event.sid));
    set_str(L, "text", tsms_str_from(event.text));
    return 1;
}

static int client_stats(lua_State *L)
{
    handle *self = tsms__lua_check_client(L);
    tsms_stats stats;
    tsms_client_stats(self->client, &stats);
    lua_createtable(L, 0, 20);
#define X(name, text) set_int(L, #name, (int64_t)stats.name);
    TSMS_COUNTERS(X)
#undef X
    set_int(L, "queued", (int64_t)stats.queued);
    set_int(L, "in_flight", (int64_t)stats.in_flight);
    set_str(L, "breaker", tsms_str_from(stats.breaker));
    return 1;
}

/* client:metrics(["prometheus" | "openmetrics"]): the text, or nil and an error. */
static int client_metrics(lua_State *L)
{
    (void)tsms__lua_check_client(L);
    tsms_metrics_format format = tsms__lua_check_format(L, 2);
    tsms__lua_scratch *scratch = tsms__lua_push_scratch(L);
    tsms__measure_text(tsms__lua_check_client(L)->client, format, &scratch->text);
    return tsms__lua_push_metrics(L, scratch);
}

static int client_tostring(lua_State *L)
{
    handle *self = luaL_checkudata(L, 1, CLIENT_CLASS);
    lua_pushstring(L, self->client != NULL ? "twilio_sms.core.client (open)"
                                           : "twilio_sms.core.client (closed)");
    return 1;
}

void tsms__lua_open_client(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", client_close},
                                    {"__close", client_close},
                                    {"__tostring", client_tostring},
                                    {NULL, NULL}};
    static const luaL_Reg methods[] = {{"answer", client_answer},
                                       {"cancel", client_cancel},
                                       {"check", client_check},
                                       {"close", client_close},
                                       {"event", client_event},
                                       {"metrics", client_metrics},
                                       {"now_ms", client_now_ms},
                                       {"pollfd", client_pollfd},
                                       {"result", client_result},
                                       {"set_checks", client_set_checks},
                                       {"start", client_start},
                                       {"stats", client_stats},
                                       {"step", client_step},
                                       {"submit", client_submit},
                                       {"timeout_ms", client_timeout_ms},
                                       {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"client", client_new}, {"machine", machine_new}, {NULL, NULL}};
    tsms__lua_class(L, CLIENT_CLASS, methods, meta);
    lua_getfield(L, -1, "__index");
    tsms__lua_add_machine(L);
    tsms__lua_add_log(L);
    tsms__lua_add_tap(L);
    tsms__lua_add_trace(L);
    lua_pop(L, 2);
    tsms__lua_setfuncs(L, functions);
}
