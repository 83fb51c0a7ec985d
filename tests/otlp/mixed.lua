-- Writes the spans of a mixed run in virtual time to a file.
-- Usage: lua5.4 tests/otlp/mixed.lua FILE
local sms = require "twilio_sms"

local URL = "https://app.example/"
local REFS = { key = "a secret of at least sixteen bytes" }
local trace = sms.assert(sms.observe.trace {
    to = { file = arg[1] }, seed = 1, resource = { ["a\"b"] = "\195\169" },
})
local world = sms.sim.new { seed = 7 }
local client = sms.assert(world:client {
    from = "+15005550006", trace = trace, callback_ref = REFS, status_callback = URL .. "status",
})
world:webhook(URL, sms.assert(world:receiver {
    client = client, trace = trace, callback_ref = REFS,
    on_message = function(event)
        client:send({ to = event.from, body = "Thanks" }, { traceparent = event.traceparent })
    end,
    on_status = function() error "on purpose" end, on_error = function() end,
}))
local sid
for _, action in ipairs { { "status", 429 }, { "status", 503 }, { "drop_after" }, { "drop_before" } } do
    world:fault { on = "send", times = 1, action = action[1], status = action[2] }
    local message = client:send { to = "+15558675310", body = "Hello" }
    sid = message and message.sid or sid
end
client:send { to = "+15005550001", body = "Nobody" }
client:get(sid)
client:list { limit = 2 }
client:delete(sid)
world:inbound("+15558675311", "+15005550006", "Hi \"you\"")
world:run(120)
trace:close()
