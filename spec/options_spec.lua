local options = require "twilio_sms.options"

local KNOWN = { timeout_ms = "number", on_progress = "function" }

describe("options", function()
    it("may be absent", function()
        assert.same({}, options.check(nil, KNOWN, 1))
    end)

    it("are handed through", function()
        local given = { timeout_ms = 5 }
        assert.equal(given, options.check(given, KNOWN, 1))
    end)

    it("raise at the caller for an unknown name, a wrong type and what is no table", function()
        local function caller(given)
            options.check(given, KNOWN, 2)
        end
        local function message(given)
            local ok, err = pcall(function() caller(given) end)
            assert.is_false(ok)
            return err
        end
        assert.matches("options_spec.lua:%d+: unknown option 'timeout'", message { timeout = 5 })
        assert.matches("'timeout_ms' must be a number, not a string", message { timeout_ms = "5" })
        assert.matches("options must be a table, not a string", message "5")
    end)
end)
