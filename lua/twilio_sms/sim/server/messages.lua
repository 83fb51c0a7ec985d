--- Looks through the messages of a carrier.
local M = {}

--- The messages that fit, also those that lists do not show yet.
-- @tparam table carrier (`twilio_sms.sim.carrier`)
-- @tparam number now_ms Unix milliseconds
-- @tparam table filter to, from, body (all of it), limit: only so many of the newest
-- @treturn table a list, the oldest first
function M.find(carrier, now_ms, filter)
    carrier:advance(now_ms)
    local found = {}
    for message in carrier:each() do
        if not message.deleted
            and (not filter.to or message.to == filter.to)
            and (not filter.from or message.from == filter.from)
            and (not filter.body or message.body == filter.body) then
            found[#found + 1] = message
        end
    end
    local limit = filter.limit or #found
    local out = {}
    for i = math.max(1, #found - limit + 1), #found do
        out[#out + 1] = found[i]
    end
    return out
end

return M
