/* The trace as userdata: who exports takes its spans as text. */
#include "lua_trace.h"

#include "../call/trace.h"
#include "lua_client.h"
#include "lua_error.h"
#include "lua_option.h"
#include "lua_scratch.h"

#include <string.h>

#define TRACE_CLASS "twilio_sms.core.trace"

enum { RESOURCE_MOST = 64 };

typedef struct handle {
    tsms_trace *trace; /* NULL when closed */
} handle;

static int trace_close(lua_State *L)
{
    handle *self = luaL_checkudata(L, 1, TRACE_CLASS);
    tsms_trace_free(self->trace);
    self->trace = NULL;
    return 0;
}

static tsms_trace *check_open(lua_State *L, int arg)
{
    const handle *self = luaL_checkudata(L, arg, TRACE_CLASS);
    if (self->trace == NULL) {
        luaL_error(L, "the trace is closed");
    }
    return self->trace;
}

tsms_trace *tsms__lua_opt_trace(lua_State *L, int arg)
{
    return lua_isnoneornil(L, arg) ? NULL : check_open(L, arg);
}

/* ---- Making ---------------------------------------------------------------------------------- */

static double read_number(lua_State *L, const char *name)
{
    tsms__lua_expect_option(L, name, LUA_TNUMBER);
    return lua_tonumber(L, -1);
}

static uint64_t read_whole(lua_State *L, const char *name)
{
    double value = read_number(L, name);
    if (!(value >= 0 && value <= (double)(INT64_C(1) << 53)) || floor(value) != value) {
        luaL_error(L, "'%s' must be a whole number from 0", name);
    }
    return (uint64_t)value;
}

/* Reads the table on top, whose strings stay in it. */
static size_t read_resource(lua_State *L, tsms_param *attributes)
{
    size_t count = 0;
    tsms__lua_expect_option(L, "resource", LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        if (count == RESOURCE_MOST) {
            luaL_error(L, "'resource' has more than %d attributes", RESOURCE_MOST);
        }
        if (lua_type(L, -2) != LUA_TSTRING) {
            luaL_error(L, "the names in 'resource' must be strings");
        }
        attributes[count].value = tsms__lua_option_str(L, "resource");
        attributes[count].name.ptr = lua_tolstring(L, -2, &attributes[count].name.len);
        count++;
    }
    return count;
}

static void read_option(lua_State *L, const char *name, tsms_trace_options *options,
                        tsms_param *attributes)
{
    if (strcmp(name, "service_name") == 0) {
        options->service_name = tsms__lua_option_str(L, name);
    } else if (strcmp(name, "resource") == 0) {
        options->resource_count = read_resource(L, attributes);
    } else if (strcmp(name, "sample") == 0) {
        options->sample = read_number(L, name);
    } else if (strcmp(name, "buffer_size") == 0) {
        options->buffer_size = (size_t)read_whole(L, name);
    } else if (strcmp(name, "seed") == 0) {
        options->seed = read_whole(L, name);
    } else {
        luaL_error(L, "unknown option '%s'", name);
    }
}

/* trace{ service_name =, resource = { name = value }, sample =, buffer_size =, seed = }: a trace,
 * or nil and an error. */
static int trace_new(lua_State *L)
{
    tsms_param attributes[RESOURCE_MOST];
    tsms_trace_options options = TSMS_TRACE_OPTIONS_INIT;
    options.resource = attributes;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    for (lua_pushnil(L); lua_next(L, 1) != 0; lua_pop(L, 1)) {
        luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING, 1, "names of options are strings");
        read_option(L, lua_tostring(L, -2), &options, attributes);
    }
    handle *self = lua_newuserdatauv(L, sizeof *self, 0);
    self->trace = NULL;
    luaL_getmetatable(L, TRACE_CLASS);
    lua_setmetatable(L, -2);
    tsms_error err;
    tsms_status status = tsms_trace_new(NULL, &options, &self->trace, &err);
    return status == TSMS_OK ? 1 : tsms__lua_fail(L, status, &err);
}

/* ---- Exporting ------------------------------------------------------------------------------- */

/* trace:pending(): how many spans wait. */
static int trace_pending(lua_State *L)
{
    tsms__lua_push_int(L, (int64_t)tsms_trace_pending(check_open(L, 1)));
    return 1;
}

/* trace:take(most): the oldest spans as the body of a request, and how many they are; or nothing.
 */
static int trace_take(lua_State *L)
{
    size_t count = 0;
    (void)check_open(L, 1);
    size_t most = (size_t)tsms__lua_check_int(L, 2, 1, INT32_MAX);
    tsms__lua_scratch *scratch = tsms__lua_push_scratch(L);
    tsms_str body = tsms__lua_keep(scratch, tsms_trace_take(check_open(L, 1), most, &count));
    if (scratch->text.failed) {
        tsms_trace_dropped(check_open(L, 1), count);
        return tsms__lua_scratch_fail(L, scratch);
    }
    if (count > 0) {
        lua_pushlstring(L, body.ptr, body.len);
        tsms__lua_push_int(L, (int64_t)count);
    }
    tsms__lua_scratch_done(scratch);
    return count > 0 ? 2 : 0;
}

/* trace:dropped(count): so many that were taken could not be exported. */
static int trace_dropped(lua_State *L)
{
    tsms_trace *trace = check_open(L, 1);
    tsms_trace_dropped(trace, (size_t)tsms__lua_check_int(L, 2, 0, INT32_MAX));
    return 0;
}

static void set_int(lua_State *L, const char *name, int64_t value)
{
    tsms__lua_push_int(L, value);
    lua_setfield(L, -2, name);
}

/* trace:stats(): { spans =, dropped =, pending = } */
static int trace_stats(lua_State *L)
{
    tsms__trace_stats stats;
    tsms__trace_stats_read(check_open(L, 1), &stats);
    lua_createtable(L, 0, 8);
    set_int(L, "spans", (int64_t)stats.spans);
    set_int(L, "dropped", (int64_t)stats.dropped);
    set_int(L, "pending", (int64_t)stats.pending);
    return 1;
}

static int trace_tostring(lua_State *L)
{
    const handle *self = luaL_checkudata(L, 1, TRACE_CLASS);
    lua_pushstring(L, self->trace != NULL ? TRACE_CLASS " (open)" : TRACE_CLASS " (closed)");
    return 1;
}

/* client:set_trace(trace): its spans go there from now on; nil for none. */
static int client_set_trace(lua_State *L)
{
    tsms_client *client = tsms__lua_check_client(L)->client;
    tsms_client_set_trace(client, tsms__lua_opt_trace(L, 2));
    return 0;
}

void tsms__lua_add_trace(lua_State *L)
{
    static const luaL_Reg methods[] = {{"set_trace", client_set_trace}, {NULL, NULL}};
    tsms__lua_setfuncs(L, methods);
}

void tsms__lua_open_trace(lua_State *L)
{
    static const luaL_Reg meta[] = {{"__gc", trace_close},
                                    {"__close", trace_close},
                                    {"__tostring", trace_tostring},
                                    {NULL, NULL}};
    static const luaL_Reg methods[] = {{"close", trace_close},     {"dropped", trace_dropped},
                                       {"pending", trace_pending}, {"stats", trace_stats},
                                       {"take", trace_take},       {NULL, NULL}};
    tsms__lua_class(L, TRACE_CLASS, methods, meta);
    lua_pop(L, 1);
    lua_pushcfunction(L, trace_new);
    lua_setfield(L, -2, "trace");
}
