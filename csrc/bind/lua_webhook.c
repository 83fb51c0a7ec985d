/* The receiver of webhooks for Lua code. */
#include "lua_webhook.h"

#include <stddef.h>
#include <string.h>

#include "../call/replay.h"
#include "../call/webhook.h"
#include "lua_error.h"
#include "lua_secret.h"
#include "lua_webhook_event.h"

#define WEBHOOK_CLASS "twilio_sms.webhook"
#define EVENT_CLASS "twilio_sms.webhook_event"

typedef struct webhook_handle {
    tsms_webhook *webhook; /* NULL when closed */
} webhook_handle;

/* Owns an event while its table is being built: that may raise, and may run a finalizer which uses
 * the webhook, too. */
typedef struct event_handle {
    tsms_webhook_event *event;
} event_handle;

static webhook_handle *check_handle(lua_State *L)
{
    webhook_handle *self = luaL_checkudata(L, 1, WEBHOOK_CLASS);
    if (self->webhook == NULL) {
        luaL_error(L, "the webhook is closed");
    }
    return self;
}

tsms_webhook *tsms__lua_check_webhook(lua_State *L)
{
    return check_handle(L)->webhook;
}

static tsms_str check_str(lua_State *L, int arg)
{
    tsms_str text;
    luaL_checktype(L, arg, LUA_TSTRING);
    text.ptr = lua_tolstring(L, arg, &text.len);
    return text;
}

static int64_t check_wall_ms(lua_State *L, int arg)
{
    return tsms__lua_check_int(L, arg, 0, INT64_C(1) << 53);
}

static int webhook_close(lua_State *L)
{
    webhook_handle *self = luaL_checkudata(L, 1, WEBHOOK_CLASS);
    tsms_webhook_free(self->webhook);
    self->webhook = NULL;
    return 0;
}

static int event_gc(lua_State *L)
{
    event_handle *self = luaL_checkudata(L, 1, EVENT_CLASS);
    tsms_webhook_event_free(self->event);
    self->event = NULL;
    return 0;
}

/* ---- Options ------------------------------------------------------------------------------- */

typedef enum option_type {
    OPTION_TEXT,
    OPTION_LIST,
    OPTION_SIZE,
    OPTION_TIME,
    OPTION_FLAG,
    OPTION_SECRET,
} option_type;

typedef struct option_row {
    const char *name;
    option_type type;
    size_t offset;       /* in tsms_webhook_options */
    size_t count_offset; /* of a list */
} option_row;

static const option_row option_rows[] = {
#define ROW(name, type, count)                                                                     \
    {                                                                                              \
#name, OPTION_##type, offsetof(tsms_webhook_options, name),                                \
            offsetof(tsms_webhook_options, count)                                                  \
    }
    ROW(account_sid, TEXT, size),
    ROW(urls, LIST, url_count),
    ROW(trusted_proxies, LIST, trusted_proxy_count),
    ROW(max_body, SIZE, size),
    ROW(max_fields, SIZE, size),
    ROW(shared, TEXT, size),
    ROW(replay_window_ms, TIME, size),
    ROW(callback_ref_key, SECRET, size),
    ROW(callback_ref_required, FLAG, size),
#undef ROW
};

static const option_row *find_option(lua_State *L, int index)
{
    tsms_str name = {NULL, 0};
    if (lua_type(L, index) == LUA_TSTRING) {
        name.ptr = lua_tolstring(L, index, &name.len);
    }
    for (size_t i = 0; i < sizeof option_rows / sizeof *option_rows; i++) {
        if (tsms__str_eq_z(name, option_rows[i].name)) {
            return &option_rows[i];
        }
    }
    luaL_error(L, "unknown option '%s'", name.ptr != NULL ? name.ptr : "?");
    return NULL;
}

static void expect_type(lua_State *L, const option_row *row, int type)
{
    if (lua_type(L, -1) != type) {
        luaL_error(L, "option '%s' must be a %s, not a %s", row->name, lua_typename(L, type),
                   luaL_typename(L, -1));
    }
}

static int64_t read_number(lua_State *L, const option_row *row)
{
    expect_type(L, row, LUA_TNUMBER);
    lua_Number value = lua_tonumber(L, -1);
    if (!(value >= 1 && value <= (lua_Number)(INT64_C(1) << 53)) || floor(value) != value) {
        luaL_error(L, "option '%s' must be a whole number from 1", row->name);
    }
    return (int64_t)value;
}

/* The list on top. Its strings stay in their table; the array of views is pushed below it, as a
 * userdata, so that the option's value stays on top. */
static void read_list(lua_State *L, const option_row *row, tsms_webhook_options *options)
{
    expect_type(L, row, LUA_TTABLE);
    size_t count = lua_rawlen(L, -1);
    if (!tsms__lua_is_list(L, count)) {
        luaL_error(L, "option '%s' must be a list of strings", row->name);
    }
    tsms_str *views = lua_newuserdatauv(L, (count + 1) * sizeof *views, 0);
    lua_insert(L, 3);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        if (lua_type(L, -1) != LUA_TSTRING) {
            luaL_error(L, "option '%s' must be a list of strings", row->name);
        }
        views[i].ptr = lua_tolstring(L, -1, &views[i].len);
        lua_pop(L, 1);
    }
    *(const tsms_str **)(void *)((char *)options + row->offset) = views;
    *(size_t *)(void *)((char *)options + row->count_offset) = count;
}

/* Sets an option from the value on top, which stays there. A secret is only noted to be there. */
static void set_option(lua_State *L, const option_row *row, tsms_webhook_options *options)
{
    void *field = (char *)options + row->offset;
    switch (row->type) {
    case OPTION_TEXT: {
        expect_type(L, row, LUA_TSTRING);
        tsms_str text;
        text.ptr = lua_tolstring(L, -1, &text.len);
        *(tsms_str *)field = text;
        break;
    }
    case OPTION_LIST:
        read_list(L, row, options);
        break;
    case OPTION_SIZE:
        *(size_t *)field = (size_t)read_number(L, row);
        break;
    case OPTION_TIME:
        *(int64_t *)field = read_number(L, row);
        break;
    case OPTION_FLAG:
        expect_type(L, row, LUA_TBOOLEAN);
        *(bool *)field = lua_toboolean(L, -1);
        break;
    case OPTION_SECRET:
        break; /* read last of all, when nothing raises any more */
    }
}

/* webhook(options): a receiver, or nil and an error. */
static int webhook_new(lua_State *L)
{
    tsms_webhook_options options = TSMS_WEBHOOK_OPTIONS_INIT;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    webhook_handle *self = lua_newuserdatauv(L, sizeof *self, 0);
    self->webhook = NULL;
    luaL_getmetatable(L, WEBHOOK_CLASS);
    lua_setmetatable(L, 2);
    lua_pushnil(L);
    while (lua_next(L, 1) != 0) {
        set_option(L, find_option(L, -2), &options);
        lua_pop(L, 1);
    }
    lua_pushliteral(L, "callback_ref_key");
    lua_rawget(L, 1);
    tsms_error err;
    tsms_status status = TSMS_OK;
    char buf[TSMS__SOURCE_SIZE];
    if (!lua_isnil(L, -1)) {
        status = tsms__lua_read_secret(L, lua_gettop(L), "callback_ref_key", buf,
                                       &options.callback_ref_key, &err);
    }
    if (status == TSMS_OK) {
        status = tsms_webhook_new(&options, &self->webhook, &err);
    }
    tsms__wipe(buf, sizeof buf);
    lua_settop(L, 2);
    return status == TSMS_OK ? 1 : tsms__lua_fail(L, status, &err);
}

/* ---- Methods ------------------------------------------------------------------------------- */

/* webhook:add_token(account_sid | nil, token): true, or nil and an error. */
static int webhook_add_token(lua_State *L)
{
    webhook_handle *self = check_handle(L);
    tsms_str account = {NULL, 0};
    lua_settop(L, 3);
    if (!lua_isnil(L, 2)) {
        account = check_str(L, 2);
    }
    tsms_error err;
    char buf[TSMS__SOURCE_SIZE];
    tsms_str token;
    tsms_status status = tsms__lua_read_secret(L, 3, "auth_token", buf, &token, &err);
    if (status == TSMS_OK && self->webhook != NULL) {
        status = tsms_webhook_add_token(self->webhook, account, token, &err);
    }
    tsms__wipe(buf, sizeof buf);
    (void)tsms__lua_check_webhook(L); /* raises only now, when nothing secret is left */
    if (status != TSMS_OK) {
        return tsms__lua_fail(L, status, &err);
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* webhook:read(request, wall_ms): an event, or nil and an error with the http_status to answer. */
static int webhook_read(lua_State *L)
{
    (void)check_handle(L);
    int64_t wall_ms = check_wall_ms(L, 3);
    event_handle *own = lua_newuserdatauv(L, sizeof *own, 0);
    own->event = NULL;
    luaL_getmetatable(L, EVENT_CLASS);
    lua_setmetatable(L, -2);
    tsms__lua_webhook_request given;
    tsms_error err;
    tsms_status status = tsms__lua_read_webhook(L, 2, &given, &err);
    tsms_webhook *webhook = tsms__lua_check_webhook(L);
    if (status == TSMS_OK) {
        status = tsms_webhook_read(webhook, &given.request, wall_ms, &own->event, &err);
    }
    if (status != TSMS_OK) {
        return tsms__lua_fail(L, status, &err);
    }
    tsms__lua_push_webhook_event(L, own->event);
    tsms_webhook_event_free(own->event);
    own->event = NULL;
    return 1;
}

/* webhook:forget([account_sid]) */
static int webhook_forget(lua_State *L)
{
    tsms_webhook *webhook = tsms__lua_check_webhook(L);
    tsms_str sid = {NULL, 0};
    if (!lua_isnoneornil(L, 2)) {
        luaL_checktype(L, 2, LUA_TSTRING);
        sid.ptr = lua_tolstring(L, 2, &sid.len);
    }
    tsms_webhook_forget(webhook, sid);
    return 0;
}

static int webhook_refused_account(lua_State *L)
{
    tsms_str sid = tsms_webhook_refused_account(tsms__lua_check_webhook(L));
    char copy[TSMS__SID_SIZE]; /* a finalizer may close the webhook before Lua has one */
    if (sid.ptr != NULL) {
        memcpy(copy, sid.ptr, sid.len);
        lua_pushlstring(L, copy, sid.len);
    } else {
        lua_pushnil(L);
    }
    return 1;
}

/* webhook:explain(request): lines of text. */
static int webhook_explain(lua_State *L)
{
    (void)check_handle(L);
    tsms__lua_webhook_request given;
    tsms_error err;
    if (tsms__lua_read_webhook(L, 2, &given, &err) != TSMS_OK) {
        lua_pushfstring(L, "request: %s\n", err.message);
        return 1;
    }
    char text[8192];
    tsms_webhook_explain(tsms__lua_check_webhook(L), &given.request, text, sizeof text);
    lua_pushstring(L, text);
    return 1;
}

static void copy_text(tsms_str *text, char *to)
{
    if (text->ptr != NULL) {
        memcpy(to, text->ptr, text->len);
        text->ptr = to;
    }
}

/* webhook:claim(key, wall_ms): "new", "running", or "done" and the answer that was given. */
static int webhook_claim(lua_State *L)
{
    tsms_webhook *webhook = tsms__lua_check_webhook(L);
    tsms_str key = check_str(L, 2);
    tsms_webhook_answer answer = {0};
    switch (tsms_webhook_claim(webhook, key, check_wall_ms(L, 3), &answer)) {
    case TSMS_SEEN_NEW:
        lua_pushliteral(L, "new");
        return 1;
    case TSMS_SEEN_RUNNING:
        lua_pushliteral(L, "running");
        return 1;
    case TSMS_SEEN_DONE:
        break;
    }
    /* The answer ends at the next call on the webhook, which a finalizer may make. */
    char type[TSMS__REPLAY_TYPE_MOST];
    char body[TSMS__REPLAY_ANSWER_MOST];
    copy_text(&answer.content_type, type);
    copy_text(&answer.body, body);
    lua_pushliteral(L, "done");
    lua_createtable(L, 0, 3);
    tsms__lua_push_int(L, answer.http_status);
    lua_setfield(L, -2, "status");
    if (answer.content_type.len > 0) {
        lua_pushlstring(L, answer.content_type.ptr, answer.content_type.len);
        lua_setfield(L, -2, "content_type");
    }
    if (answer.body.ptr != NULL) {
        lua_pushlstring(L, answer.body.ptr, answer.body.len);
        lua_setfield(L, -2, "body");
    }
    return 2;
}

/* A text of the answer at arg, which stays on the stack. */
static tsms_str answer_text(lua_State *L, int arg, const char *name)
{
    tsms_str text = {NULL, 0};
    lua_getfield(L, arg, name);
    if (!lua_isnil(L, -1)) {
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, arg, "its texts must be strings");
        text.ptr = lua_tolstring(L, -1, &text.len);
    }
    return text;
}

/* webhook:finish(key, wall_ms, { status =, content_type =, body = }) */
static int webhook_finish(lua_State *L)
{
    (void)check_handle(L);
    tsms_str key = check_str(L, 2);
    int64_t wall_ms = check_wall_ms(L, 3);
    luaL_checktype(L, 4, LUA_TTABLE);
    lua_settop(L, 4);
    tsms_webhook_answer answer = {
        .content_type = answer_text(L, 4, "content_type"),
        .body = answer_text(L, 4, "body"),
    };
    lua_getfield(L, 4, "status");
    lua_Number http_status = lua_tonumber(L, -1);
    luaL_argcheck(L, http_status >= 100 && http_status <= 599 && floor(http_status) == http_status,
                  4, "its status must be that of an HTTP answer");
    answer.http_status = (int)http_status;
    tsms_webhook_finish(tsms__lua_check_webhook(L), key, wall_ms, &answer);
    return 0;
}

static int webhook_release(lua_State *L)
{
    tsms_webhook_release(tsms__lua_check_webhook(L), check_str(L, 2));
    return 0;
}

static int webhook_tostring(lua_State *L)
{
    const webhook_handle *self = luaL_checkudata(L, 1, WEBHOOK_CLASS);
    lua_pushstring(L, self->webhook != NULL ? WEBHOOK_CLASS " (open)" : WEBHOOK_CLASS " (closed)");
    return 1;
}

void tsms__lua_open_webhook(lua_State *L)
{
    static const luaL_Reg functions[] = {{"webhook", webhook_new}, {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__gc", webhook_close},
                                    {"__close", webhook_close},
                                    {"__tostring", webhook_tostring},
                                    {NULL, NULL}};
    static const luaL_Reg methods[] = {{"add_token", webhook_add_token},
                                       {"claim", webhook_claim},
                                       {"close", webhook_close},
                                       {"explain", webhook_explain},
                                       {"finish", webhook_finish},
                                       {"read", webhook_read},
                                       {"release", webhook_release},
                                       {"forget", webhook_forget},
                                       {"refused_account", webhook_refused_account},
                                       {NULL, NULL}};
    static const luaL_Reg event_meta[] = {{"__gc", event_gc}, {NULL, NULL}};
    tsms__lua_class(L, WEBHOOK_CLASS, methods, meta);
    lua_getfield(L, -1, "__index");
    tsms__lua_add_webhook_count(L);
    lua_pop(L, 2);
    luaL_newmetatable(L, EVENT_CLASS);
    tsms__lua_setfuncs(L, event_meta);
    lua_pop(L, 1);
    tsms__lua_setfuncs(L, functions);
}
