--- Prints all that the library lets a program see.
local M = {}

local function sorted_keys(t)
    local keys = {}
    for key in pairs(t) do
        keys[#keys + 1] = tostring(key)
    end
    table.sort(keys)
    return keys
end

-- Fields of the library's own that hold what the caller or Twilio has said, for the program that asked.
local ASKED_FOR = { to = true, from = true, body = true, params = true, fields = true }

--- A value as text, and the fields of a table, one by one.
function M.value(what, value, depth)
    depth = depth or 0
    print(what, tostring(value))
    if type(value) == "table" and depth < 4 then
        for _, key in ipairs(sorted_keys(value)) do
            if not ASKED_FOR[key] then
                M.value(what .. "." .. key, value[key], depth + 1)
            end
        end
    end
end

function M.events(client)
    for event in client:events() do
        M.value("event", event)
    end
end

--- All that a client tells of itself.
function M.client(client)
    M.events(client)
    M.value("client", client)
    M.value("stats", client:stats())
    print(client:metrics "prometheus")
    print(client:metrics "openmetrics")
    print(debug.traceback("a stack"))
end

return M
