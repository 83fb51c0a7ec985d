-- Prints a C file with the given Lua modules inside, and the function that puts them into package.preload.
-- Usage: lua5.4 csrc/bind/preload.lua lua/twilio_sms/init.lua ... > preload.c

local function module_name(path)
    local name = path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
    return name
end

local function bytes_of(text)
    local out = {}
    for i = 1, #text do
        local byte = text:byte(i)
        out[i] = byte < 128 and byte or byte - 256 -- as a signed char
        if i % 20 == 0 then
            out[i] = out[i] .. "\n"
        end
    end
    return table.concat(out, ",")
end

print [[
/* The Lua modules of this library, as bytes of this program. */
#include "twilio_sms_lua.h"

#include "bind/lua_compat.h"
]]
for i, path in ipairs(arg) do
    local file = assert(io.open(path, "rb"))
    print(("static const signed char source_%d[] = {%s};\n"):format(i, bytes_of(file:read("a"))))
    file:close()
end
print [[
static const struct {
    const char *name;
    const signed char *source;
    size_t size;
} modules[] = {]]
for i, path in ipairs(arg) do
    print(('    {"%s", source_%d, sizeof source_%d},'):format(module_name(path), i, i))
end
print [[
};

static int load_module(lua_State *L)
{
    size_t i = (size_t)lua_tonumber(L, lua_upvalueindex(1));
    const char *source = (const char *)modules[i].source;
    if (luaL_loadbuffer(L, source, modules[i].size, modules[i].name) != 0) {
        return lua_error(L);
    }
    lua_pushstring(L, modules[i].name);
    lua_call(L, 1, 1);
    return 1;
}

void tsms_lua_preload(lua_State *L)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, luaopen_twilio_sms_core);
    lua_setfield(L, -2, "twilio_sms.core");
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
        lua_pushnumber(L, (lua_Number)i);
        lua_pushcclosure(L, load_module, 1);
        lua_setfield(L, -2, modules[i].name);
    }
    lua_pop(L, 2);
}]]
