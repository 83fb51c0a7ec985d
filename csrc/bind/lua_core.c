/* The C part of the Lua module: puts the pieces into one table. */
#include "../twilio_sms_lua.h"
#include "lua_client.h"
#include "lua_error.h"
#include "lua_file.h"
#include "lua_http1.h"
#include "lua_journal.h"
#include "lua_json.h"
#include "lua_log.h"
#include "lua_poll.h"
#include "lua_post.h"
#include "lua_process.h"
#include "lua_read_file.h"
#include "lua_scratch.h"
#include "lua_shared.h"
#include "lua_signature.h"
#include "lua_text.h"
#include "lua_trace.h"
#include "lua_twiml.h"
#include "lua_versions.h"
#include "lua_webhook.h"

TSMS_LUA_EXPORT int luaopen_twilio_sms_core(lua_State *L)
{
    tsms__lua_open_scratch(L);
    lua_newtable(L);
    tsms__lua_open_error(L);
    tsms__lua_open_text(L);
    tsms__lua_open_poll(L);
    tsms__lua_open_client(L);
    tsms__lua_open_http1(L);
    tsms__lua_open_signature(L);
    tsms__lua_open_webhook(L);
    tsms__lua_open_twiml(L);
    tsms__lua_open_json(L);
    tsms__lua_open_post(L);
    tsms__lua_open_shared(L);
    tsms__lua_open_file(L);
    tsms__lua_open_journal(L);
    tsms__lua_open_log(L);
    tsms__lua_open_process(L);
    tsms__lua_open_trace(L);
    tsms__lua_open_read_file(L);
    tsms__lua_open_versions(L);
    lua_pushstring(L, tsms_version());
    lua_setfield(L, -2, "version");
    return 1;
}
