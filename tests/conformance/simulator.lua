-- The simulator that the clients are sent to; it ends with its standard input.
-- Usage: lua5.4 simulator.lua START_S
local here = arg[0]:match "^(.*)/" or "."
package.path = here .. "/?.lua;" .. package.path
local scenarios = require "scenarios"

require("twilio_sms.sim.server").run {
    seed = 7,
    start = math.tointeger(arg[1]),
    proxy = true,
    api_keys = { [scenarios.API_KEY] = scenarios.API_SECRET },
    send_ms = scenarios.SEND_S * 1000,
    deliver_ms = scenarios.DELIVER_S * 1000,
    numbers = { scenarios.NUMBER, scenarios.BRAND },
    service_number = scenarios.NUMBER,
    service_sid = scenarios.SERVICE,
    max_concurrency = 1,
    script = { { on = "send", to = scenarios.SLOW, action = "delay", delay_ms = 1500 } },
}
