local conformance = require "twilio_sms.store_conformance"
local memory = require "twilio_sms.memory"

describe("twilio_sms.memory", function()
    it("does what a store must do", function()
        local failures, count = conformance.run(memory.new)
        assert.same({}, failures)
        assert.truthy(count > 20)
    end)

    it("shows what it is", function()
        local store = memory.new()
        assert.equal("twilio_sms.memory (open)", tostring(store))
        store:close()
        assert.equal("twilio_sms.memory (closed)", tostring(store))
    end)

    it("blames the caller for misuse", function()
        local store = memory.new()
        local calls = {
            function() store:read("", "k") end,
            function() store:write { { space = "s", key = "k", record = { print } } } end,
            function() store:write { { space = "s", key = 1 } } end,
            function() store:write() end,
            function() store:list("s", { limit = 0 }) end,
            function() store:purge("s", "now") end,
        }
        for _, call in ipairs(calls) do
            local _, message = pcall(call)
            assert.truthy(message:find("memory_spec.lua:", 1, true), message)
        end
    end)

    it("forgets all when it is closed", function()
        local store = memory.new()
        store:write { { space = "s", key = "k", record = {} } }
        store:close()
        assert.same({}, memory.new():list "s")
    end)
end)
