local random = require "twilio_sms.sim.random"
local script = require "twilio_sms.sim.script"
local script_rule = require "twilio_sms.sim.script.rule"

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

    -- What a rule about this action needs besides.
    local NEEDED = { status = { status = 500 }, delay = { delay_ms = 1 }, slow = { slow_ms = 1 } }

    local function rule_of(action, more)
        local rule = { action = action }
        for _, part in ipairs { NEEDED[action] or {}, more or {} } do
            for key, value in pairs(part) do
                rule[key] = value
            end
        end
        return rule
    end

    it("knows which faults strike after the message was accepted", function()
        for action, accepts in pairs {
            status = false, html = false, garbage = false, hang = false, drop_before = false,
            refused = false, dns = false, tls = false,
            drop_after = true, cut_after = true, delay = true, slow = true,
        } do
            assert.equal(accepts, (select(2, new({ rule_of(action) }):decide("send", {}))))
        end
        for _, action in ipairs { "status", "html", "garbage", "hang" } do
            local s = new { rule_of(action, { accepted = true }) }
            assert.is_true((select(2, s:decide("send", {}))))
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

    it("has rules for the way to the phone", function()
        local filter = { on = "delivery", to = "+1", action = "undelivered", code = 30007 }
        local s = new { { action = "html" }, filter }
        assert.same(30007, s:decide("delivery", { To = "+1" }).code)
        assert.is_nil(s:decide("delivery", { To = "+2" }))
        assert.same({ "undelivered", 30007 }, { s:fate({ to = "+1" }, 0) })
        assert.is_nil(s:fate({ to = "+2" }, 0))
        assert.is_nil(new({ { action = "html" } }):fate({ to = "+1" }, 0))
    end)

    it("holds between two moments", function()
        local s = script.new({
            { from_s = 60, until_s = 120, action = "html" },
            { from_s = 200, times = 2, action = "garbage" },
        }, random.new(1), 1, { start_ms = 5000 })
        local actions = {}
        for i, at_s in ipairs { 0, 59.999, 60, 119.999, 120, 199, 200, 1e6, 1e6 } do
            local rule = s:decide("send", {}, 5000 + at_s * 1000)
            actions[i] = rule and rule.action or "-"
        end
        assert.equal("- - html html - - garbage garbage -", table.concat(actions, " "))
    end)

    it("counts only what comes in its time", function()
        local s = new { { from_s = 10, after = 1, times = 1, action = "html" } }
        local fired = {}
        for i, at_s in ipairs { 1, 2, 10, 11, 12 } do
            fired[i] = s:decide("send", {}, at_s * 1000) ~= nil
        end
        assert.same({ false, false, false, true, false }, fired)
    end)

    it("lets a rule make an exception", function()
        local s = new { { to = "+1", action = "reply" }, { action = "html" } }
        assert.is_nil(s:decide("send", { To = "+1" }))
        assert.equal("html", s:decide("send", { To = "+2" }).action)
        assert.same({ html = 1 }, s.fired)
    end)

    it("gives each rule chance of its own", function()
        local function of(first)
            local s = new { { on = "list", probability = first, action = "html" },
                { on = "send", probability = 0.5, action = "garbage" } }
            local out = {}
            for i = 1, 50 do
                s:decide("list", {})
                out[i] = s:decide("send", {}) ~= nil
            end
            return out
        end
        assert.same(of(0.1), of(0.9))
    end)

    describe("while it runs", function()
        it("takes rules, which come before its own, and gives them up", function()
            local s = new { { action = "html" } }
            local first = s:add { to = "+1", action = "garbage" }
            local second = s:add { action = "drop_after", times = 1 }
            assert.equal("garbage", s:decide("send", { To = "+1" }).action)
            assert.equal("drop_after", s:decide("send", {}).action)
            assert.equal("html", s:decide("send", {}).action)
            first:stop()
            first:stop()
            assert.equal("html", s:decide("send", { To = "+1" }).action)
            assert.same({ 1, 1, 1, 3 }, { first.seen, first.fired, second.fired, second.seen })
        end)

        it("says what is wrong with one", function()
            local entry, why = new({}):add { action = "drop_befor" }
            assert.is_nil(entry)
            assert.equal("unknown action 'drop_befor'; did you mean 'drop_before'?", why)
        end)
    end)

    it("makes over sockets only what sockets can", function()
        local function over_sockets(rule)
            return pcall(script.new, { rule }, random.new(1), 1, { over_sockets = true })
        end
        for _, action in ipairs { "refused", "dns", "tls" } do
            local ok, why = over_sockets { action = action }
            assert.is_false(ok)
            assert.truthy(why:find(("rule 1 of the script: action '%s' works in a world only"):format(action),
                1, true), why)
            assert.is_table(new { { action = action } })
        end
        assert.is_true((over_sockets { action = "hang" }))
    end)

    it("refuses rules that mean nothing", function()
        for _, case in ipairs {
            { "x", "rule 1 of the script: must be a table, as { on = " },
            { {}, "rule 1 of the script: does not say what happens: it has no action" },
            { { action = "explode" }, "unknown action 'explode'" },
            { { action = "drop_befor" }, "unknown action 'drop_befor'; did you mean 'drop_before'?" },
            { { action = "status" }, "needs a status" },
            { { action = "delay" }, "needs delay_ms" },
            { { action = "slow" }, "needs slow_ms" },
            { { action = "html", on = "sned" }, "unknown operation 'sned'; did you mean 'send'?" },
            { { action = "html", on = "callbacks" }, "did you mean 'callback'?" },
            { { action = "html", time = 1 }, "unknown key 'time'; did you mean 'times'?" },
            { { action = "html", times = "1" }, "'times' must be a number, not a string" },
            { { action = "html", times = 1.5 }, "'times' must be a whole number, 0 or more" },
            { { action = "html", times = 0 / 0 }, "'times' must be a whole number, 0 or more" },
            { { action = "html", after = math.huge }, "'after' must be a whole number, 0 or more" },
            { { action = "html", probability = 30 }, "'probability' must be a number from 0 to 1" },
            { { action = "status", status = 5030 }, "'status' must be a whole number from 400 to 599" },
            { { action = "html", status = 200 }, "'status' must be a whole number from 400 to 599" },
            { { action = "delay", delay_ms = -1 }, "'delay_ms' must be a whole number from 0 to 86400000" },
            { { action = "html", body = "%" }, "'body' is no Lua pattern: '%'" },
            { { action = "html", from_s = 5, until_s = 5 }, "'until_s' must be after 'from_s'" },
            { { action = "drop_after", how = "gently" }, "'how' is 'reset' or 'close'" },
            { { action = "html", how = "reset" }, "'how' means nothing with action 'html'" },
            { { action = "hang", status = 503 }, "'status' means nothing with action 'hang'" },
            { { action = "delay", delay_ms = 1, accepted = false }, "'accepted' means nothing" },
            { { action = "dns", accepted = true }, "'accepted' means nothing with action 'dns'" },
            { { action = "reply", delay_ms = 1 }, "'delay_ms' means nothing with action 'reply'" },
            { { action = "html", every = 0 }, "'every' must be a whole number, 1 or more" },
            { { action = "lose" }, "action 'lose' is not for requests" },
            { { on = "callback", action = "lose", delay_ms = 1 }, "'delay_ms' means nothing" },
            { { on = "send", action = "double" }, "action 'double' is not for requests" },
            { { on = "inbound", action = "html" }, "action 'html' is not for webhooks" },
            { { on = "inbound", action = "reorder" }, "action 'reorder' is for callbacks" },
            { { on = "callback", action = "delay" }, "needs delay_ms" },
            { { on = "delivery", action = "hang" }, "action 'hang' is not for the delivery" },
            { { on = "delivery", action = "undelivered" }, "action 'undelivered' needs a code" },
            { { on = "delivery", action = "failed", code = 1, delay_ms = 1 }, "'delay_ms' means nothing" },
            { { on = "send", action = "failed" }, "action 'failed' is not for requests" },
        } do
            local ok, why = pcall(new, { case[1] })
            assert.is_false(ok)
            assert.truthy(why:find(case[2], 1, true), why)
        end
    end)

    it("names the rule that is wrong, and what is no script at all", function()
        for _, case in ipairs {
            { { { action = "html" }, { action = "htm" } }, "rule 2 of the script: unknown action 'htm'" },
            { { on = "send", action = "html" }, "put braces around this one" },
            { { rules = {} }, "a script is a list of rules, without a key 'rules'" },
            { 5, "a script is a list of rules or a function, not a number" },
        } do
            local ok, why = pcall(new, case[1])
            assert.is_false(ok)
            assert.truthy(why:find(case[2], 1, true), why)
        end
    end)

    it("reads a rule from a form", function()
        assert.same({ on = "send", to = "+1", action = "status", status = 503, probability = 0.25,
            accepted = true }, script_rule.from_form { { "on", "send" }, { "to", "+1" },
            { "action", "status" }, { "status", "503" }, { "probability", "0.25" }, { "accepted", "true" } })
        for _, case in ipairs {
            { { "on", "send" }, "it has no action" },
            { { "atcion", "html" }, "unknown key 'atcion'; did you mean 'action'?" },
            { { "times", "0x10" }, "'times' must be a number, not '0x10'" },
            { { "times", "inf" }, "'times' must be a number, not 'inf'" },
            { { "times", "nan" }, "'times' must be a number, not 'nan'" },
            { { "accepted", "yes" }, "'accepted' must be a boolean, not 'yes'" },
        } do
            local rule, why = script_rule.from_form { case[1] }
            assert.is_nil(rule)
            assert.truthy(why:find(case[2], 1, true), why)
        end
        assert.same("'on' is there twice",
            (select(2, script_rule.from_form { { "on", "send" }, { "on", "list" } })))
    end)
end)
