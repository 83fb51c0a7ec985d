--- Takes back the messages that Twilio holds for a person until their time comes.
local core = require "twilio_sms.core"
local key = require "twilio_sms.optout.key"

local M = {}

local LOOKED_AT = 1000 -- messages to the person, newest first; a schedule reaches 35 days ahead

local function set_of(scopes)
    local set = {}
    for _, scope in ipairs(scopes) do
        local name, why = key.scope(scope)
        if not name then
            return nil, core.error("InvalidSender", ("'%s' is no scope: %s"):format(tostring(scope), why))
        end
        set[name] = true
    end
    return set
end

local function in_scope(message, wanted)
    local service, sender = key.scope(message.messaging_service_sid), key.scope(message.from)
    return wanted[key.ALL] or service and wanted[service] or sender and wanted[sender] or false
end

--- Cancels what is in scope.
-- @treturn number how many
-- @treturn table the errors of those that could not be, or of the list
function M.cancel(client, number, scopes)
    local name = key.recipient(number)
    local wanted, err = set_of(scopes)
    if not name then
        return 0, { core.error("InvalidRecipient", "the number cannot be looked up") }
    elseif not wanted then
        return 0, { err }
    end
    local addresses = { name }
    if name:sub(1, 1) == "+" then
        addresses[2] = "rcs:" .. name
    end
    local cancelled, errors = 0, {}
    for _, address in ipairs(addresses) do
        local rows
        rows, err = client:list { to = address, limit = LOOKED_AT }
        if not rows then
            errors[#errors + 1] = err
        end
        for _, message in ipairs(rows or {}) do
            if message.status == "scheduled" and in_scope(message, wanted) then
                local done
                done, err = client:cancel(message.sid)
                if done then
                    cancelled = cancelled + 1
                else
                    errors[#errors + 1] = err
                end
            end
        end
    end
    return cancelled, errors
end

return M
