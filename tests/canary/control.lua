-- A program that leaks a secret, to see whether that is found: as a string in its memory, and in all places
-- that walk.lua goes to. It stops twice.
-- Usage: control.lua DIRECTORY
local walk = require "walk"

local directory = assert(arg[1])
local file = assert(io.open(directory .. "/auth_token"))
local token = file:read "*l"
file:close()

local function write(place, ...)
    walk.write(("%s/reachable-%s"):format(directory, place), ...)
end

local function make()
    return function() return token end
end
write("upvalue", { make() })
write("local", coroutine.wrap(function() return 1 end), (function()
    local co = coroutine.create(function(kept)
        coroutine.yield()
        return kept
    end)
    coroutine.resume(co, token)
    return co
end)())
write("metatable", setmetatable({}, { __index = { deep = { token } } }))
write("tostring", setmetatable({}, { __tostring = function() return "token " .. token end }))
debug.getregistry().canary = token
write("registry", debug.getregistry())
debug.getregistry().canary = nil
os.execute "kill -STOP $PPID"
print(#token)
os.execute "kill -STOP $PPID"
