--- The names of the shared regions of a world. Everybody on the machine sees them, so that each world has
-- names of its own, and takes them away at its end, also when it was only forgotten.
local core = require "twilio_sms.core"

local M = {}

local Names = {}
local class = { __index = Names, __name = "twilio_sms.sim.world.shared" }

-- Lua 5.1 and LuaJIT finalize no tables, but what their newproxy makes.
local function at_end(owner, f)
    local newproxy = rawget(_G, "newproxy")
    if newproxy then
        local sentinel = newproxy(true)
        getmetatable(sentinel).__gc = f
        owner.sentinel = sentinel
    else
        owner.sentinel = setmetatable({}, { __gc = f })
    end
end

--- @tparam string account_sid of the clients that use the regions
function M.new(account_sid)
    local chance = ("%s %s %s"):format(tostring({}), os.time(), os.clock())
    local list = {}
    local function forget()
        for _, name in ipairs(list) do
            core.forget_shared(name, account_sid)
        end
    end
    local names = setmetatable({
        prefix = "world-" .. core.body_sha256(chance):sub(1, 16) .. "-", list = list, forget_all = forget,
    }, class)
    at_end(names, forget)
    return names
end

--- What a region is really called; nil for none.
function Names:real(name)
    if name == nil then
        return nil
    end
    local real = self.prefix .. name
    self.list[#self.list + 1] = real
    return real
end

--- Takes all names away. Those who use the regions keep them.
function Names:forget()
    self.forget_all()
end

return M
