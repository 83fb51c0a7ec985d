-- A spec that leaks the planted token into an error, to see whether that is found.
-- luacheck: std +busted
local core = require "twilio_sms.core"
local twilio = require "twilio"

describe("a leak", function()
    it("is an error that nobody looks at", function()
        assert.is_truthy(core.error("InternalError", "no: " .. twilio.TOKEN))
    end)
end)
