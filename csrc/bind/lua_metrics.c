/* Formats and texts of metrics. */
#include "lua_metrics.h"

tsms_metrics_format tsms__lua_check_format(lua_State *L, int arg)
{
    static const char *const formats[] = {
        [TSMS_METRICS_PROMETHEUS] = "prometheus", [TSMS_METRICS_OPENMETRICS] = "openmetrics", NULL};
    return (tsms_metrics_format)luaL_checkoption(L, arg, "prometheus", formats);
}

int tsms__lua_push_metrics(lua_State *L, tsms__lua_scratch *scratch)
{
    if (scratch->text.failed) {
        return tsms__lua_scratch_fail(L, scratch);
    }
    lua_pushlstring(L, scratch->text.ptr, scratch->text.len);
    tsms__lua_scratch_done(scratch);
    return 1;
}
