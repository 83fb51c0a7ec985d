--- Worlds for the specs.
local sms = require "twilio_sms"

local M = {
    NUMBER = "+15005550006",
    PERSON = "+15558675310",
}

--- A client without rate limits, so that what is seen comes from what the spec does.
function M.client(world, changes)
    local opts = { from = M.NUMBER, rate = { per_second = 0, per_number = 0 } }
    for name, value in pairs(changes or {}) do
        opts[name] = value
    end
    return sms.assert(world:client(opts))
end

--- Collects the events of some kinds.
-- @treturn table a list that grows
function M.events(world, ...)
    local wanted, list = {}, {}
    for _, kind in ipairs { ... } do
        wanted[kind] = true
    end
    world:observe(function(event)
        if wanted[event.kind] then
            list[#list + 1] = event
        end
    end)
    return list
end

--- One field of all items.
function M.field(list, name)
    local out = {}
    for i, item in ipairs(list) do
        out[i] = item[name]
    end
    return out
end

return M
