/* Tells metrics, log and trace what became of webhooks, for Lua code. */
#include "../call/webhook.h"
#include "lua_log.h"
#include "lua_metrics.h"
#include "lua_trace.h"
#include "lua_webhook.h"

static tsms_str field_text(lua_State *L, int arg, const char *name)
{
    tsms_str text = {NULL, 0};
    lua_getfield(L, arg, name);
    if (lua_type(L, -1) == LUA_TSTRING) {
        text.ptr = lua_tolstring(L, -1, &text.len);
    }
    return text;
}

static int64_t field_int(lua_State *L, int arg, const char *name)
{
    lua_getfield(L, arg, name);
    lua_Number value = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
    return value >= 0 && value <= (lua_Number)(INT64_C(1) << 53) ? (int64_t)value : 0;
}

static int64_t check_time(lua_State *L, int arg)
{
    return tsms__lua_check_int(L, arg, 0, INT64_C(1) << 53);
}

/* webhook:count("ok" | "replay" | "redirected" | "failed", event, now_ms [, why]): an event of
 * webhook:read, and for the log the text of why handling it failed. */
static int webhook_count(lua_State *L)
{
    static const char *const verdicts[] = {[TSMS_VERDICT_OK] = "ok",
                                           [TSMS_VERDICT_REPLAY] = "replay",
                                           [TSMS_VERDICT_REDIRECTED] = "redirected",
                                           [TSMS_VERDICT_FAILED] = "failed",
                                           NULL};
    (void)tsms__lua_check_webhook(L);
    tsms_webhook_verdict verdict = (tsms_webhook_verdict)luaL_checkoption(L, 2, NULL, verdicts);
    luaL_checktype(L, 3, LUA_TTABLE);
    int64_t now_ms = check_time(L, 4);
    tsms_str problem = {NULL, 0};
    problem.ptr = luaL_optlstring(L, 5, NULL, &problem.len);
    lua_settop(L, 5);
    tsms_str type = field_text(L, 3, "type");
    tsms_webhook_info info = {.to = field_text(L, 3, "to"),
                              .from = field_text(L, 3, "from"),
                              .body = field_text(L, 3, "body"),
                              .message_sid = field_text(L, 3, "message_sid"),
                              .messaging_service_sid = field_text(L, 3, "messaging_service_sid"),
                              .status = field_text(L, 3, "status"),
                              .status_id = tsms_message_status_from(field_text(L, 3, "status")),
                              .error_code = (int)(field_int(L, 3, "error_code") % INT32_MAX),
                              .num_media = (int)(field_int(L, 3, "num_media") % INT32_MAX),
                              .num_segments = (int)(field_int(L, 3, "num_segments") % INT32_MAX),
                              .callback_ref = field_text(L, 3, "callback_ref"),
                              .traceparent = field_text(L, 3, "traceparent"),
                              .received_ms = field_int(L, 3, "received_ms")};
    info.type = tsms__str_eq_z(type, "inbound")  ? TSMS_WEBHOOK_INBOUND
                : tsms__str_eq_z(type, "status") ? TSMS_WEBHOOK_STATUS
                                                 : TSMS_WEBHOOK_UNKNOWN;
    tsms_webhook *webhook = tsms__lua_check_webhook(L);
    webhook->problem = problem;
    tsms__webhook_count(webhook, &info, verdict, now_ms);
    webhook->problem = (tsms_str){NULL, 0};
    return 0;
}

/* webhook:count_refused(err, now_ms): the error of webhook:read. */
static int webhook_count_refused(lua_State *L)
{
    (void)tsms__lua_check_webhook(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    int64_t now_ms = check_time(L, 3);
    lua_settop(L, 3);
    tsms_error err = {.kind = tsms_kind_from_name(field_text(L, 2, "kind")),
                      .http_status = (int)(field_int(L, 2, "http_status") % 1000)};
    tsms__error_text(err.message, sizeof err.message, field_text(L, 2, "message"));
    tsms_webhook_count_refused(tsms__lua_check_webhook(L), &err, now_ms);
    return 0;
}

/* webhook:metrics(["prometheus" | "openmetrics"]): the text, or nil and an error. */
static int webhook_metrics(lua_State *L)
{
    (void)tsms__lua_check_webhook(L);
    tsms_metrics_format format = tsms__lua_check_format(L, 2);
    tsms__lua_scratch *scratch = tsms__lua_push_scratch(L);
    tsms__webhook_metrics(tsms__lua_check_webhook(L), format, &scratch->text);
    return tsms__lua_push_metrics(L, scratch);
}

/* webhook:set_log(log): it writes there from now on; nil for nowhere. */
static int webhook_set_log(lua_State *L)
{
    tsms_webhook *webhook = tsms__lua_check_webhook(L);
    tsms_webhook_set_log(webhook, tsms__lua_opt_log(L, 2));
    return 0;
}

/* webhook:set_trace(trace): its spans go there from now on; nil for none. */
static int webhook_set_trace(lua_State *L)
{
    tsms_webhook *webhook = tsms__lua_check_webhook(L);
    tsms_webhook_set_trace(webhook, tsms__lua_opt_trace(L, 2));
    return 0;
}

void tsms__lua_add_webhook_count(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"count", webhook_count},         {"count_refused", webhook_count_refused},
        {"metrics", webhook_metrics},     {"set_log", webhook_set_log},
        {"set_trace", webhook_set_trace}, {NULL, NULL}};
    tsms__lua_setfuncs(L, methods);
}
