--- What an answer looks like, whatever it says: its status, and which members of which types it has.
local json = require "twilio_sms.cassette.json"

local M = {}

-- A member that may be null has the type that it has elsewhere.
local function note(types, order, path, kind)
    if not types[path] then
        order[#order + 1] = path
        types[path] = kind
    elseif types[path] == "null" then
        types[path] = kind
    end
end

local function types_of(body)
    local types, order = {}, {}
    local whole = json.each(body, function(path, kind) note(types, order, path, kind) end)
    return types, order, whole
end

local function compare_bodies(report, tape, live)
    local was, order, was_json = types_of(tape)
    local is, live_order, is_json = types_of(live)
    if was_json ~= is_json then
        report(("body: the tape has %s, the answer has %s"):format(was_json and "JSON" or "no JSON",
            is_json and "JSON" or "no JSON"))
        return
    end
    for _, path in ipairs(live_order) do
        if not was[path] then
            order[#order + 1] = path
        end
    end
    for _, path in ipairs(order) do
        local a, b = was[path] or "nothing", is[path] or "nothing"
        if a ~= b and not (was[path] and is[path] and (a == "null" or b == "null")) then
            report(("member %s: the tape has %s, the answer has %s"):format(path, a, b))
        end
    end
end

--- Compares two interactions.
-- @tparam table tape
-- @tparam table live
-- @tparam function report gets a text for each difference
function M.compare(tape, live, report)
    if tape.outcome ~= live.outcome then
        report(("outcome: the tape has %s, now it is %s"):format(tape.outcome, live.outcome))
    end
    if not tape.response or not live.response then
        return
    end
    if tape.response.status ~= live.response.status then
        local text = "status: the tape has %d, the answer has %d"
        report(text:format(tape.response.status, live.response.status))
    elseif tape.outcome == "ok" and live.outcome == "ok" then
        compare_bodies(report, tape.response.body, live.response.body)
    end
end

return M
