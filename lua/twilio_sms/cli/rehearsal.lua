--- A driver without a network, behind which everybody takes everything: for what is only to be checked.
local core = require "twilio_sms.core"
local json = require "twilio_sms.cli.json"
local machine = require "twilio_sms.driver.machine"

local M = {}

local Transport = {}
Transport.__index = Transport

function Transport.now()
    return core.now_ms(), core.time_ms()
end

-- The message as it would be: what was asked for, with a SID that nothing has.
local function answer_to(request)
    local fields = { sid = "SM" .. ("0"):rep(32), status = "queued", direction = "outbound-api" }
    for _, pair in ipairs(core.form_decode(request.form or "") or {}) do
        if pair[1] == "To" or pair[1] == "From" or pair[1] == "Body" then
            fields[pair[1]:lower()] = pair[2]
        elseif pair[1] == "MessagingServiceSid" then
            fields.messaging_service_sid = pair[2]
        end
    end
    return {
        sent = true, status = 201, complete = true, headers = { { "Content-Type", "application/json" } },
        body = json.encode(fields),
    }
end

function Transport:start(id, request)
    self.answers[#self.answers + 1] = { id, answer_to(request) }
end

function Transport:finished()
    local answer = table.remove(self.answers, 1)
    if answer then
        return answer[1], answer[2]
    end
end

function Transport.wait()
    return false
end

function Transport.close()
end

--- Makes the driver. It takes nothing from the limits that other processes share.
function M.driver()
    local inner = machine.new(function()
        return setmetatable({ answers = {} }, Transport)
    end)
    return {
        open = function(_, options, from_env)
            options.shared = nil
            return inner:open(options, from_env)
        end,
    }
end

return M
