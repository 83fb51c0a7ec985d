--- What can perform the requests of a client: the option `driver` takes one of these.
--
-- A driver has one method, open(core_options, from_env), which answers a core: an object with the methods
-- submit, check, answer, cancel, result, set_checks, event, stats, metrics, close, step, start, pollfd,
-- timeout_ms, now_ms, set_tap and tap; or nil and an error.
local M = {}

-- Each makes a driver, and is loaded when it is asked for.
local DRIVERS = {
    curl = "twilio_sms.driver.curl",
    diff = "twilio_sms.driver.diff",
    machine = "twilio_sms.driver.machine",
    record = "twilio_sms.driver.record",
    replay = "twilio_sms.driver.replay",
    sim = "twilio_sms.driver.sim",
}

return setmetatable(M, {
    __index = function(module, name)
        local make = DRIVERS[name] and require(DRIVERS[name]).new
        rawset(module, name, make)
        return make
    end,
})
