-- Runs busted on the Lua that runs this file. GC_STRESS=1 keeps the collector busy all the time.
if os.getenv "GC_STRESS" then
    collectgarbage("setpause", 0)
    collectgarbage("setstepmul", 10000)
    if jit then -- luacheck: ignore 113
        jit.off() -- luacheck: ignore 113; LuaJIT 2.1.0-beta3 may hang in a compiled pairs loop then
    end
end
package.path = "spec/?.lua;" .. package.path
require "busted.runner" { standalone = false }
