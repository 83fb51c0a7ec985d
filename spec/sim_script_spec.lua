local random = require "twilio_sms.sim.random"
local script = require "twilio_sms.sim.script"

local function new(rules)
    return script.new(rules, random.new(1))
end

-- Which of the next n requests fail.
local function failing(s, n, operation, params)
    local out = {}
    for i = 1, n do
        if s:decide(operation or "send", params or {}) then
            out[#out + 1] = i
        end
    end
    return out
end

describe("twilio_sms.sim.script", function()
    it("counts", function()
        local function of(rule)
            rule.action = "drop_before"
            return failing(new { rule }, 10)
        end
        assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, of {})
        assert.same({ 1, 2 }, of { times = 2 })
        assert.same({ 9, 10 }, of { after = 8 })
        assert.same({ 3, 6, 9 }, of { every = 3 })
        assert.same({ 5, 7 }, of { after = 3, every = 2, times = 2 })
        assert.same({}, of { probability = 0 })
        assert.same({}, of { times = 0 })
        assert.same({ 2, 4 }, of { probability = 1, every = 2, times = 2 })
    end)

    it("leaves the rest to seeded chance", function()
        local rules = { { probability = 0.3, action = "drop_after" } }
        local once, again = failing(new(rules), 1000), failing(new(rules), 1000)
        assert.same(once, again)
        assert.truthy(#once > 240 and #once < 360)
        assert.not_same(once, failing(script.new(rules, random.new(2)), 1000))
    end)

    it("picks requests by operation, numbers and body", function()
        local s = new {
            { on = "fetch", action = "html" },
            { to = "+1", from = "+2", action = "garbage" },
            { body = "%d%d%d", action = "delay", delay_ms = 5 },
        }
        assert.equal("html", s:decide("fetch", {}).action)
        assert.is_nil(s:decide("list", {}))
        assert.is_nil(s:decide("send", { To = "+1", From = "+3" }))
        assert.equal("garbage", s:decide("send", { To = "+1", From = "+2" }).action)
        assert.equal("delay", s:decide("send", { Body = "code 123" }).action)
        assert.is_nil(s:decide("send", { Body = "code 12" }))
    end)

    it("lets the first rule decide whose turn it is", function()
        local s = new { { every = 2, action = "html" }, { action = "garbage" } }
        local actions = {}
        for i = 1, 4 do
            actions[i] = s:decide("send", {}).action
        end
        assert.same({ "garbage", "html", "garbage", "html" }, actions)
        assert.same({ garbage = 2, html = 2 }, s.fired)
    end)

    it("knows which faults strike after the message was accepted", function()
        local expected = { status = false, html = false, garbage = false, drop_before = false,
            drop_after = true, cut_after = true, delay = true }
        for action, accepts in pairs(expected) do
            local rule = { action = action, status = 500, delay_ms = 1 }
            assert.equal(accepts, (select(2, new({ rule }):decide("send", {}))))
            rule.accepted = true
            assert.is_true((select(2, new({ rule }):decide("send", {}))))
        end
    end)

    it("keeps requests and webhooks apart", function()
        local s = new { { on = "callback", to = "+1", action = "lose" }, { action = "html" } }
        assert.equal("html", s:decide("send", { To = "+1" }).action)
        assert.equal("lose", s:decide("callback", { To = "+1" }).action)
        assert.is_nil(s:decide("callback", { To = "+2" }))
        assert.is_nil(s:decide("inbound", { To = "+1" }))
        assert.same({ html = 1, lose = 1 }, s.fired)
    end)

    it("refuses rules that mean nothing", function()
        for _, case in ipairs {
            { "x", "rule 1 of the script: is no table" },
            { {}, "unknown action 'nil'" },
            { { action = "explode" }, "unknown action 'explode'" },
            { { action = "status" }, "needs a status" },
            { { action = "delay" }, "needs delay_ms" },
            { { action = "html", on = "sned" }, "unknown operation 'sned'" },
            { { action = "html", time = 1 }, "unknown key 'time'" },
            { { action = "html", times = "1" }, "'times' must be a number" },
            { { action = "drop_after", how = "gently" }, "'how' is 'reset' or 'close'" },
            { { action = "html", every = 0 }, "'every' is 1 or more" },
            { { action = "lose" }, "action 'lose' is not for requests" },
            { { on = "send", action = "double" }, "action 'double' is not for requests" },
            { { on = "inbound", action = "html" }, "action 'html' is not for webhooks" },
            { { on = "inbound", action = "reorder" }, "action 'reorder' is for callbacks" },
            { { on = "callback", action = "delay" }, "needs delay_ms" },
        } do
            local ok, why = pcall(new, { case[1] })
            assert.is_false(ok)
            assert.truthy(why:find(case[2], 1, true), why)
        end
    end)
end)
