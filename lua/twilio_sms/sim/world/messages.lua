--- What the carrier of a world has, as rows that testers can compare.
local options = require "twilio_sms.options"

local M = {}

local FILTER = {
    to = "string", from = "string", body = "string", sid = "string", status = "string", direction = "string",
    client = "string", call_id = "number",
}

local function row_of(message)
    local tag = message.tag or {}
    return {
        sid = message.sid, to = message.to, from = message.from, body = message.body,
        status = message.status, error_code = message.error_code, at = message.created_s,
        direction = message.direction, service = message.service, segments = message.num_segments,
        client = tag.client, call_id = tag.call_id,
    }
end

local function fits(row, filter)
    for name, value in pairs(filter) do
        if row[name] ~= value then
            return false
        end
    end
    return true
end

--- Finds messages.
-- @tparam table carrier (`twilio_sms.sim.carrier`)
-- @tparam table|nil filter what the fields of a row must be
-- @tparam number level as for error
-- @treturn table rows, the oldest first
function M.find(carrier, filter, level)
    filter = options.check(filter, FILTER, level + 1)
    local out = {}
    for message in carrier:each() do
        local row = row_of(message)
        if fits(row, filter) then
            out[#out + 1] = row
        end
    end
    return out
end

return M
