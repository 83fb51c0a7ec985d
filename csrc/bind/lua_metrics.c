/* Formats and texts of metrics. */
#include "lua_metrics.h"

#include "lua_error.h"

tsms_metrics_format tsms__lua_check_format(lua_State *L, int arg)
{
    static const char *const formats[] = {
        [TSMS_METRICS_PROMETHEUS] = "prometheus", [TSMS_METRICS_OPENMETRICS] = "openmetrics", NULL};
    return (tsms_metrics_format)luaL_checkoption(L, arg, "prometheus", formats);
}

int tsms__lua_push_metrics(lua_State *L, tsms_str text)
{
    tsms_error err;
    if (text.ptr == NULL) {
        return tsms__lua_fail(L, tsms__error_nomem(&err), &err);
    }
    lua_pushlstring(L, text.ptr, text.len);
    return 1;
}
