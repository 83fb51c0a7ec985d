--- Twilio, its carriers and the people behind them, simulated.
--
-- `sms.sim.new` makes a world in virtual time (`twilio_sms.sim.world`); `sms.sim.server` is the same Twilio
-- as an HTTPS server for clients in any language (`twilio_sms.sim.server`).
local world = require "twilio_sms.sim.world"

local M = { new = world.new, ACCOUNT_SID = world.ACCOUNT_SID, AUTH_TOKEN = world.AUTH_TOKEN }

-- The parts that not every program needs are loaded when they are asked for.
local PARTS = {
    scenarios = "twilio_sms.sim.scenarios",
    server = "twilio_sms.sim.server",
}

return setmetatable(M, {
    __index = function(module, name)
        local part = PARTS[name] and require(PARTS[name])
        rawset(module, name, part)
        return part
    end,
})
