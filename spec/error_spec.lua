local errors = require "twilio_sms.error"

describe("errors", function()
    it("know their kind, category and type", function()
        local err = errors.new("OptedOut", "no more", "not_sent")
        assert.equal("OptedOut", err.kind)
        assert.equal("MessageError", err.category)
        assert.equal("MessageError.OptedOut", err.type)
        assert.equal("not_sent", err.outcome)
        assert.is_false(err.retryable)
        assert.is_true(errors.new("Timeout", "late").retryable)
    end)

    it("read as one line", function()
        assert.equal("MessageError.OptedOut: no more (outcome not_sent)",
            tostring(errors.new("OptedOut", "no more", "not_sent")))
        assert.equal("NetworkError.Timeout: late", tostring(errors.new("Timeout", "late")))
        local err = errors.new("InvalidRecipient", "bad number", "rejected")
        err.code, err.http_status = 21211, 400
        assert.equal("MessageError.InvalidRecipient: bad number (code 21211, HTTP 400, outcome rejected)",
            tostring(err))
    end)

    it("join into texts", function()
        local err = errors.new("Timeout", "late")
        assert.equal("failed: NetworkError.Timeout: late", "failed: " .. err)
        assert.equal("NetworkError.Timeout: late!", err .. "!")
    end)

    it("show no phone number", function()
        assert.equal("MessageError.InvalidRecipient: +1********67 is not valid",
            tostring(errors.new("InvalidRecipient", "+15551234567 is not valid")))
    end)

    it("refuse kinds that do not exist", function()
        assert.has_error(function() errors.new("Oops", "x") end)
    end)

    it("are told from other values", function()
        assert.is_true(errors.is(errors.new("Timeout", "late")))
        for _, other in ipairs { {}, "x", 1, setmetatable({}, {}) } do
            assert.is_false(errors.is(other))
        end
        assert.is_false(errors.is(nil))
    end)

    it("pass through assert as they are", function()
        local err = errors.new("Timeout", "late")
        local ok, raised = pcall(errors.assert, nil, err)
        assert.is_false(ok)
        assert.equal(err, raised)
        assert.same({ 1, 2, 3 }, { errors.assert(1, 2, 3) })
        ok, raised = pcall(errors.assert, false)
        assert.is_false(ok)
        assert.equal("assertion failed!", raised)
        assert.equal("assertion failed!", select(2, pcall(errors.assert, nil, nil)))
        assert.equal("why", select(2, pcall(errors.assert, false, "why")))
    end)

    -- Test frameworks take the first Lua function for the place of an error that is a table.
    it("have no place in this library when they are raised", function()
        assert.equal("C", debug.getinfo(errors.assert, "S").what)
    end)
end)
