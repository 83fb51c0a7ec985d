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
        assert.matches("options_spec.lua:%d+: unknown option 'timeout'; did you mean 'timeout_ms'%?$",
            message { timeout = 5 })
        assert.matches("unknown option 'colour'$", message { colour = 5 })
        assert.matches("unknown option '1'$", message { 5 })
        assert.matches("'timeout_ms' must be a number, not a string", message { timeout_ms = "5" })
        assert.matches("options must be a table, not a string", message "5")
    end)

    it("that are unknown remind of the nearest name, if one is near", function()
        local known = { port = 1, host = 1, store = 1, on_message = 1, on_status = 1 }
        for name, meant in pairs {
            prot = "port", PORT = "port", stores = "store", on_mesage = "on_message", onstatus = "on_status",
            hosts = "host", on = "on_message",
        } do
            assert.equal(meant, options.nearest(name, known), name)
        end
        for _, name in ipairs { "", "x", "colour", ("port"):rep(9) } do
            assert.is_nil(options.nearest(name, known), name)
        end
        assert.equal("aa", options.nearest("a", { ba = 1, aa = 1, ab = 1 })) -- the first by name
    end)

    it("tells that a method was called with a dot", function()
        local class = {}
        local function method(self)
            options.check_self(self, class, "thing:method()", 2)
            return true
        end
        assert.is_true(method(setmetatable({}, class)))
        for _, wrong in ipairs { {}, "text", 5 } do
            local ok, err = pcall(function() method(wrong) end)
            assert.is_false(ok)
            assert.matches("options_spec.lua:%d+: call this with a colon, as in thing:method%(%)$", err)
        end
    end)
end)
