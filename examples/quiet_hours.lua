-- Sends a message now, or has Twilio send it in the morning if it is night where the recipient is.
-- Run it with: lua5.4 examples/quiet_hours.lua +15558675310 "Your order has arrived."
-- The account is that of the TWILIO_ variables; TWILIO_MESSAGING_SERVICE_SID is needed, because only a
-- messaging service can schedule.
local quiet_hours = require "twilio_sms.quiet_hours"
local sms = require "twilio_sms"

local to, body = arg[1], arg[2]
if not to or not body then
    io.stderr:write("usage: quiet_hours.lua NUMBER TEXT\n")
    os.exit(2)
end

local quiet = sms.assert(quiet_hours.new {
    from = "21:00", to = "08:00",
    zone = {
        ["+44"] = "Europe/London",
        ["+49"] = "Europe/Berlin",
        -- Numbers are taken along when people move, so the area code says little: all of them must be awake.
        ["+1"] = { "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles" },
    },
})

local client = sms.assert(sms.from_env())
client:hook("check", quiet:hook()) -- in case that the night begins while the message waits

-- Twilio schedules at least 15 minutes ahead (https://www.twilio.com/docs/api/errors/35114).
local SOONEST_S = 16 * 60

local wait_ms, why = quiet:wait_ms(to)
if not wait_ms then
    io.stderr:write(why, "\n")
    os.exit(1)
end
local send_at = wait_ms > 0 and os.time() + math.max(math.ceil(wait_ms / 1000), SOONEST_S) or nil
local message, err = client:send { to = to, body = body, send_at = send_at }
client:close()
if not message then
    io.stderr:write(tostring(err), "\n")
    os.exit(1)
end
print(message.sid, message.status, send_at and os.date("!%Y-%m-%d %H:%M UTC", send_at) or "now")
