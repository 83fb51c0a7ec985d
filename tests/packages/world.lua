-- Sends through a simulated Twilio in virtual time, with the modules that are installed, and opens those that
-- this does not need.
local sms = require "twilio_sms"
for _, name in ipairs { "server", "store", "testing", "cassette" } do
    require("twilio_sms." .. name)
end

local world = sms.sim.new { seed = 7, script = sms.sim.scenarios.lost_replies { share = 0.5 } }
local client = sms.assert(world:client { from = "+15005550006" })
for i = 1, 20 do
    world:after(2 * i, function()
        client:send { to = "+155586753" .. 10 + i % 10, body = "Message " .. i }
    end)
end
world:run(3600)
local stats = world:stats()
assert(stats.accepted == 20 and stats.duplicates == 0)
print(_VERSION, stats.accepted .. " sent")
