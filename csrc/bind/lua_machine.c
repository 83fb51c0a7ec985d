/* Lets Lua code be the driver of a client: it takes requests and brings back what they came to. */
#include "lua_machine.h"

#include "lua_client.h"
#include "lua_http1.h"
#include "lua_machine_bytes.h"
#include "lua_scratch.h"
#include "lua_tap.h"
#include "lua_text.h"

/* Milliseconds that Lua's numbers hold exactly. */
#define MS_MOST (INT64_C(1) << 53)

const tsms__transfer tsms__lua_no_memory = {.fault = TSMS_KIND_TEMPORARILY_UNAVAILABLE,
                                            .fault_text = {"out of memory", 13}};

tsms__lua_client *tsms__lua_check_machine(lua_State *L)
{
    tsms__lua_client *self = tsms__lua_check_client(L);
    if (!self->machine) {
        luaL_error(L, "this client has a driver of its own; core.machine makes one without");
    }
    return self;
}

/* machine:at(mono_ms, wall_ms): the moment of all later calls. Monotonic time never goes back. */
static int machine_at(lua_State *L)
{
    tsms__lua_client *self = tsms__lua_check_machine(L);
    self->now = (tsms__now){
        .mono_ms = tsms__lua_check_int(L, 2, self->now.mono_ms, MS_MOST),
        .wall_ms = tsms__lua_check_int(L, 3, 0, MS_MOST),
    };
    return 0;
}

static void push_str(lua_State *L, tsms_str text)
{
    lua_pushlstring(L, text.ptr, text.len);
}

/* machine:next(apart): id, method, path, form and timeout_ms of a request that is to leave now,
 * which counts as on the wire from here on; or nothing. When apart is true, the form of a POST is a
 * list of names and values in turn: LuaJIT interns each string by a hash of sixteen of its bytes,
 * so that forms of one shape would all collide. */
static int machine_next(lua_State *L)
{
    (void)tsms__lua_check_machine(L);
    bool apart = lua_toboolean(L, 2);
    luaL_checkstack(L, 8, NULL); /* a request that was taken must not be lost */
    tsms__lua_scratch *scratch = tsms__lua_push_scratch(L);
    tsms__lua_client *self = tsms__lua_check_machine(L);
    tsms__call *call = tsms__client_next(self->client, self->now);
    if (call == NULL) {
        tsms__lua_scratch_done(scratch);
        return 0;
    }
    int64_t timeout_ms = tsms__client_attempt_ms(self->client, call, self->now);
    tsms__method method = tsms__client_method(call);
    tsms_str path = tsms__buf_str(tsms__client_path(call));
    tsms_str form = method == TSMS__POST ? tsms__buf_str(&call->form) : (tsms_str){NULL, 0};
    tsms__buf_reserve(&scratch->text, path.len + form.len);
    path = tsms__lua_keep(scratch, path);
    form = tsms__lua_keep(scratch, form);
    if (scratch->text.failed) {
        tsms__client_finish(self->client, call, &tsms__lua_no_memory, self->now);
        tsms__lua_scratch_done(scratch);
        return 0;
    }
    bool is_whole = true;
    tsms__lua_push_int(L, (int64_t)call->id);
    lua_pushstring(L, tsms__lua_methods[method]);
    push_str(L, path);
    if (method == TSMS__POST && apart) {
        is_whole = tsms__lua_push_form(L, form, true, scratch);
    } else {
        push_str(L, form);
    }
    tsms__lua_push_int(L, timeout_ms);
    tsms__lua_scratch_done(scratch);
    return is_whole ? 5 : luaL_error(L, "not enough memory for a request");
}

/* ---- What a request came to ---------------------------------------------------------------- */

/* The field of the transfer (argument 3) goes on top, read without metamethods: one could close the
 * machine, or answer with a value that nobody holds. */
static void push_raw(lua_State *L, const char *name)
{
    lua_pushstring(L, name);
    lua_rawget(L, 3);
}

/* The same; raises when it is neither nil nor of this type. Answers whether it is there. Its value
 * lives as long as the table that holds it. */
static bool push_field(lua_State *L, const char *name, int type)
{
    push_raw(L, name);
    if (lua_isnil(L, -1)) {
        return false;
    }
    if (lua_type(L, -1) != type) {
        luaL_error(L, "transfer.%s must be a %s, not a %s", name, lua_typename(L, type),
                   luaL_typename(L, -1));
    }
    return true;
}

static tsms_str text_at(lua_State *L, int index)
{
    tsms_str text;
    text.ptr = lua_tolstring(L, index, &text.len);
    return text;
}

static tsms_str text_on_top(lua_State *L)
{
    return text_at(L, -1);
}

static void read_fault(lua_State *L, tsms__transfer *out)
{
    if (push_field(L, "fault", LUA_TSTRING)) {
        out->fault = tsms_kind_from_name(text_on_top(L));
        if (out->fault == TSMS_KIND_NONE) {
            luaL_error(L, "transfer.fault: '%s' is no kind of error", lua_tostring(L, -1));
        }
    }
    lua_pop(L, 1);
    if (push_field(L, "message", LUA_TSTRING)) {
        out->fault_text = text_on_top(L);
    }
    lua_pop(L, 1);
}

static void read_status(lua_State *L, tsms__response *out)
{
    if (push_field(L, "status", LUA_TNUMBER)) {
        lua_Number status = lua_tonumber(L, -1);
        if (!(status >= 100 && status <= 999) || floor(status) != status) {
            luaL_error(L, "transfer.status must be a whole number from 100 to 999");
        }
        out->http_status = (int)status;
    }
    lua_pop(L, 1);
}

/* A header of this name in the pair on top of the list of headers. */
static void read_header(lua_State *L, tsms__response *out)
{
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING) {
        luaL_error(L, "transfer.headers must be a list of { name, value }");
    }
    tsms_str value = text_on_top(L);
    lua_pop(L, 1);
    tsms_str name = text_on_top(L);
    lua_pop(L, 1);
    if (tsms__str_eq_nocase(name, TSMS__STR("Retry-After"))) {
        out->retry_after = value;
    } else if (tsms__str_eq_nocase(name, TSMS__STR("Date"))) {
        out->date = value;
    } else if (tsms__str_eq_nocase(name, TSMS__STR("Twilio-Request-Id"))) {
        out->request_id = value;
    }
}

static void read_headers(lua_State *L, tsms__response *out)
{
    size_t count = push_field(L, "headers", LUA_TTABLE) ? lua_rawlen(L, -1) : 0;
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        if (!lua_istable(L, -1)) {
            luaL_error(L, "transfer.headers must be a list of { name, value }");
        }
        read_header(L, out);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* Puts the list of strings on top together. Not as a Lua string: LuaJIT interns each by a hash of
 * sixteen of its bytes, so that answers of one shape would all collide. */
static tsms_str join(lua_State *L, tsms_buf *out)
{
    size_t count = lua_rawlen(L, -1);
    tsms__buf_clear(out);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        if (lua_type(L, -1) != LUA_TSTRING) {
            luaL_error(L, "transfer.body must be a string or a list of strings");
        }
        tsms__buf_add(out, text_on_top(L));
        lua_pop(L, 1);
    }
    if (out->failed) {
        luaL_error(L, "not enough memory for an answer");
    }
    return tsms__buf_str(out);
}

/* The body lives until the function returns: on the stack, or in the buffer. */
static void read_body(lua_State *L, tsms__response *out)
{
    push_raw(L, "body");
    if (lua_istable(L, -1)) {
        out->body = join(L, &tsms__lua_check_machine(L)->body); /* as in machine_finish */
    } else if (lua_type(L, -1) == LUA_TSTRING) {
        out->body = text_on_top(L);
    } else if (!lua_isnil(L, -1)) {
        luaL_error(L, "transfer.body must be a string or a list of strings");
    }
}

/* An answer proves that the request was sent, and is complete unless there is a fault; without one
 * `sent` must be given, because it decides whether a message may be sent again. */
static void read_transfer(lua_State *L, tsms__transfer *out)
{
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 3);
    read_fault(L, out);
    read_status(L, &out->response);
    bool answered = out->response.http_status != 0;
    if (push_field(L, "sent", LUA_TBOOLEAN)) {
        out->sent = lua_toboolean(L, -1);
    } else if (!answered) {
        luaL_error(L, "transfer.sent must be true or false where there is no status");
    }
    out->sent = out->sent || answered;
    bool whole = answered && out->fault == TSMS_KIND_NONE;
    out->response.complete = push_field(L, "complete", LUA_TBOOLEAN) ? lua_toboolean(L, -1) : whole;
    lua_pop(L, 2);
    read_headers(L, &out->response);
    read_body(L, &out->response);
}

/* The same from an answer that came over a socket; argument 4 is a fault, 5 its message. Without a
 * fault, one that cannot be read says itself what is wrong with it. */
static tsms__lua_http1 *read_answer(lua_State *L, tsms__transfer *out)
{
    tsms__lua_http1 *http1 = tsms__lua_check_http1(L, 3);
    const tsms__http1_answer *answer = &http1->answer;
    *out = (tsms__transfer){
        .sent = true, .fault = answer->fault, .fault_text = tsms_str_from(answer->why)};
    if (!lua_isnoneornil(L, 4)) {
        luaL_checktype(L, 4, LUA_TSTRING);
        out->fault = tsms_kind_from_name(text_at(L, 4));
        luaL_argcheck(L, out->fault != TSMS_KIND_NONE, 4, "no kind of error");
        out->fault_text = (tsms_str){NULL, 0};
        if (!lua_isnoneornil(L, 5)) {
            luaL_checktype(L, 5, LUA_TSTRING);
            out->fault_text = text_at(L, 5);
        }
    } else {
        luaL_argcheck(L, answer->state != TSMS__HTTP1_MORE, 3,
                      "the answer is not over: call ended, or say what the fault is");
    }
    tsms__http1_read(answer, &out->response);
    return http1;
}

/* machine:finish(id, transfer) or machine:finish(id, answer, fault, message): what became of a
 * request; answers whether it was on the wire. transfer = { sent =, fault =, message =, status =,
 * complete =, headers = { { name, value }, ... }, body = }. An answer of core.http1, which is used
 * up by this, was sent for, and its body does not become a Lua string. */
static int machine_finish(lua_State *L)
{
    tsms__lua_client *self = tsms__lua_check_machine(L);
    uint64_t id = (uint64_t)tsms__lua_check_int(L, 2, 0, MS_MOST);
    tsms__transfer transfer = {0};
    tsms__lua_http1 *http1 = NULL;
    if (lua_isuserdata(L, 3)) {
        http1 = read_answer(L, &transfer);
    } else {
        read_transfer(L, &transfer);
    }
    self = tsms__lua_check_machine(L); /* finalizers may have run meanwhile, and closed it */
    tsms__call *call = tsms__client_on_wire(self->client, id);
    if (call != NULL) {
        tsms__client_finish(self->client, call, &transfer, self->now);
    }
    if (http1 != NULL) {
        http1->is_open = false;
        tsms__http1_trim(&http1->answer);
    }
    lua_pushboolean(L, call != NULL);
    return 1;
}

/* ---- What it waits for --------------------------------------------------------------------- */

/* machine:due_ms(): when next wants to be asked again, in monotonic milliseconds; nil for not
 * before something else happens. */
static int machine_due_ms(lua_State *L)
{
    tsms__lua_client *self = tsms__lua_check_machine(L);
    int64_t due_ms = tsms__client_due_ms(self->client, self->now);
    if (due_ms == INT64_MAX) {
        return 0;
    }
    tsms__lua_push_int(L, due_ms);
    return 1;
}

/* machine:news(): how many results and unasked questions wait. */
static int machine_news(lua_State *L)
{
    tsms__lua_push_int(L, (int64_t)tsms__client_news(tsms__lua_check_machine(L)->client));
    return 1;
}

/* machine:origin(): "https://api.twilio.com" */
static int machine_origin(lua_State *L)
{
    (void)tsms__lua_check_machine(L);
    tsms__lua_scratch *scratch = tsms__lua_push_scratch(L);
    tsms__lua_client *self = tsms__lua_check_machine(L);
    tsms_str origin = tsms__lua_keep(scratch, tsms__buf_str(&self->client->origin));
    if (scratch->text.failed) {
        return tsms__lua_scratch_fail(L, scratch);
    }
    push_str(L, origin);
    tsms__lua_scratch_done(scratch);
    return 1;
}

void tsms__lua_add_machine(lua_State *L)
{
    static const luaL_Reg methods[] = {{"at", machine_at},
                                       {"due_ms", machine_due_ms},
                                       {"finish", machine_finish},
                                       {"news", machine_news},
                                       {"next", machine_next},
                                       {"origin", machine_origin},
                                       {NULL, NULL}};
    tsms__lua_setfuncs(L, methods);
    tsms__lua_add_machine_bytes(L);
}
