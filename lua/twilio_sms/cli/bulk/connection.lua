--- Opens what `bulk` asks: the client, and a check of messages by the rules that the client has before
-- anything leaves.
local account = require "twilio_sms.cli.account"
local core = require "twilio_sms.core"
local driver = require "twilio_sms.driver"

local M = {}

-- Options with others in their place.
local function with(options, changes)
    local out = {}
    for name, value in pairs(options) do
        out[name] = value
    end
    for name, value in pairs(changes) do
        out[name] = value
    end
    return out
end

-- A core without network takes each message and gives it back.
local function new_check(options, from_env)
    local own = with(options, { rate = { per_second = 0, per_number = 0 } })
    own.shared = nil
    local machine, err = core.machine(own, from_env)
    if not machine then
        return nil, err
    end
    return function(fields)
        machine:at(core.now_ms(), core.time_ms())
        local id, problem = machine:submit("send", fields)
        if not id then
            return nil, problem
        end
        machine:cancel(id)
        machine:result()
        return true
    end
end

-- The limits that hold where nobody says otherwise are those of docs/configuration.md.
local DEFAULT_RATE = { per_second = 10, burst = 30, per_number = 1, per_number_burst = 1, unit = "message" }

--- Opens them.
-- @tparam table given what was given to the command
-- @treturn table|nil client; check, a function that answers true for the fields of a message that can be
--   sent, else nil and an error; rate, the limits; account_sid; from and messaging_service_sid, which those
--   messages have that name none. Or nil and a failure or an error
function M.open(given)
    local self = {}
    local curl = driver.curl()
    local client, settings = account.sender(given, {
        driver = {
            open = function(_, options, from_env)
                local rate = with(options.rate or {}, {})
                rate.per_second = given.per_second or rate.per_second
                rate.per_number = given.per_number or rate.per_number
                local own = with(options, { rate = rate })
                local err
                self.check, err = new_check(own, from_env)
                if not self.check then
                    return nil, err
                end
                self.rate = with(DEFAULT_RATE, rate)
                return curl:open(own, from_env)
            end,
        },
    })
    if not client then
        return nil, settings
    end
    self.client, self.account_sid = client, settings.account_sid
    self.from, self.messaging_service_sid = settings.from, settings.messaging_service_sid
    return self
end

return M
