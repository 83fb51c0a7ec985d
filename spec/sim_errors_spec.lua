local errors = require "twilio_sms.sim.errors"

describe("twilio_sms.sim.errors", function()
    it("names what was given, where the text has a place for it", function()
        assert.same({ code = 21211, status = 400, message = "Invalid 'To' Phone Number: 100%s" },
            errors.new(21211, "100%s"))
        assert.same({ code = 20429, status = 429, message = "Too Many Requests" }, errors.new(20429, "x"))
    end)

    it("has a text for every code that a message can end with", function()
        for _, code in ipairs {
            14107, 21408, 21610, 21612, 21614, 30001, 30003, 30004, 30005, 30006, 30007, 30008, 30022, 30023,
            30036, 30450,
        } do
            assert.not_equal(errors.new(0).message, errors.new(code, "+15558675310").message)
        end
    end)

    it("takes a code that it does not know", function()
        assert.same({ code = 39999, status = 400, message = "Simulated failure" }, errors.new(39999))
    end)
end)
