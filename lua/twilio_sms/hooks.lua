--- The chain of functions that decide whether a message may be sent.
--
-- A hook gets the question { to, from, messaging_service_sid, body, send_at, attempts }, with account_sid if
-- the client has an opt-out list, and answers
--   true                     yes, as far as it is concerned
--   false, "reason"          no; the message is not sent
--   "defer", milliseconds    not now; everything is asked again then
--   nil, err                 nobody can tell now; the message is not sent, but may be later
-- The first answer that is not true decides. A hook that fails, or answers anything else, refuses.
local error_value = require "twilio_sms.error"

local M = {}
M.__index = M

function M.new()
    return setmetatable({ list = {} }, M)
end

function M:add(hook)
    self.list[#self.list + 1] = hook
end

local DEFER_MOST_MS = 2147483647 -- as long as a call may take at most, so that more makes no difference

local function text_of(err)
    local readable, text = pcall(tostring, err)
    return readable and text or "with an error that has no text"
end

local function read_answer(ok, answer, detail)
    if not ok then
        return "deny", "the check failed: " .. text_of(answer)
    elseif answer == nil and detail ~= nil then
        return "cannot_tell", text_of(error_value.is(detail) and detail.message or detail)
    elseif answer == true then
        return "allow"
    elseif answer == "defer" and type(detail) == "number" and detail >= 0 then
        return "defer", "", math.floor(math.min(detail, DEFER_MOST_MS))
    elseif answer == false then
        return "deny", type(detail) == "string" and detail or ""
    end
    return "deny", "the check gave no clear answer"
end

--- Asks every hook.
-- @treturn string "allow", "deny", "defer" or "cannot_tell"
-- @treturn string the reason
-- @treturn number milliseconds, for "defer"
function M:ask(question)
    for _, hook in ipairs(self.list) do
        local verdict, reason, defer_ms = read_answer(pcall(hook, question))
        if verdict ~= "allow" then
            return verdict, reason, defer_ms
        end
    end
    return "allow"
end

return M
