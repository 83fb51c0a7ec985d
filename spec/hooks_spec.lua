local core = require "twilio_sms.core"
local hooks = require "twilio_sms.hooks"

local function ask(...)
    local chain = hooks.new()
    for _, hook in ipairs { ... } do
        chain:add(hook)
    end
    return chain:ask { to = "+15005550009" }
end

describe("hooks", function()
    it("allow when there are none", function()
        assert.equal("allow", (ask()))
    end)

    it("get the question", function()
        local seen
        ask(function(question) seen = question.to return true end)
        assert.equal("+15005550009", seen)
    end)

    it("refuse with their reason, and the first refusal decides", function()
        local asked_last = false
        local verdict, reason = ask(
            function() return true end,
            function() return false, "quiet hours" end,
            function() asked_last = true return true end)
        assert.equal("deny", verdict)
        assert.equal("quiet hours", reason)
        assert.is_false(asked_last)
    end)

    it("refuse when one fails with something that cannot be read", function()
        local unreadable = setmetatable({}, { __tostring = function() error "no text" end })
        local verdict, reason = ask(function() error(unreadable) end)
        assert.equal("deny", verdict)
        assert.equal("the check failed: with an error that has no text", reason)
    end)

    it("put off for whole milliseconds", function()
        local verdict, _, ms = ask(function() return "defer", 1500.7 end)
        assert.equal("defer", verdict)
        assert.equal(1500, ms)
    end)

    it("put off for a time that the core can count, however long it is meant", function()
        for _, long in ipairs { 1e300, math.huge } do
            local verdict, _, ms = ask(function() return "defer", long end)
            assert.equal("defer", verdict)
            assert.equal(2147483647, ms)
        end
        assert.equal("deny", (ask(function() return "defer", 0 / 0 end)))
    end)

    it("refuse when one of them fails", function()
        local verdict, reason = ask(function() error "the store is gone" end)
        assert.equal("deny", verdict)
        assert.matches("the check failed: .*the store is gone", reason)
    end)

    it("say so when one of them cannot tell", function()
        local err = core.error("ServiceUnavailable", "the disk is full")
        for _, detail in ipairs { "the disk is full", err } do
            local verdict, reason = ask(function() return nil, detail end, function() return true end)
            assert.equal("cannot_tell", verdict)
            assert.equal("the disk is full", reason)
        end
    end)

    it("refuse when one of them gives no clear answer", function()
        for _, answer in ipairs { 1, "yes", "allow", {} } do
            assert.equal("deny", (ask(function() return answer end)))
        end
        assert.equal("deny", (ask(function() end)))
        assert.equal("deny", (ask(function() return "defer" end)))
        assert.equal("deny", (ask(function() return "defer", -1 end)))
    end)
end)
