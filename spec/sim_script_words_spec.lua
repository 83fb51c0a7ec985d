local random = require "twilio_sms.sim.random"
local script = require "twilio_sms.sim.script"
local script_words = require "twilio_sms.sim.script.words"

local function rules_of(define)
    return (script_words.read(define))
end

local function actions_of(define)
    return (select(2, script_words.read(define)))
end

-- What happens to requests one after another.
local function happenings(define, count)
    local s, out = script.new(define, random.new(1)), {}
    for i = 1, count do
        local rule = s:decide("send", {})
        out[i] = rule and (rule.status or rule.action) or "-"
    end
    return table.concat(out, " ")
end

describe("twilio_sms.sim.script.words", function()
    it("says what happens to which requests", function()
        assert.same({
            { on = "send", action = "status", status = 503 },
            { on = "send", to = "+1", from = "+2", body = "x", action = "drop_before" },
            { action = "drop_after", how = "close" },
            { on = "list", action = "delay", delay_ms = 300 },
            { action = "slow", slow_ms = 9000, delay_ms = 5 },
            { action = "status", status = 429, retry_after = 2 },
            { on = "fetch", action = "html", status = 504 },
            { action = "reply" },
            { on = "callback", action = "double" },
        }, rules_of(function(s)
            s.on("send"):fail(503)
            s.on("send", { to = "+1", from = "+2", body = "x" }):drop_before()
            s.on():drop_after { how = "close" }
            s.on("list"):delay(300)
            s.on():slow(9000, { delay_ms = 5 })
            s.on():fail(429, { retry_after = 2 })
            s.on("fetch"):html { status = 504 }
            s.on():reply()
            s.on("callback"):double()
        end))
    end)

    it("says which of them", function()
        assert.same({
            { on = "send", action = "hang", probability = 0.3 },
            { on = "send", action = "dns", times = 2, after = 1, every = 3 },
        }, rules_of(function(s)
            s.on("send"):hang():with(0.3)
            s.on("send"):times(2):after(1):every(3):dns()
        end))
    end)

    it("says when", function()
        assert.same({
            { action = "html" },
            { action = "html", from_s = 60, until_s = 120 },
            { action = "html", from_s = 100, until_s = 120 },
            { action = "garbage", from_s = 60, until_s = 120 },
            { action = "garbage" },
        }, rules_of(function(s)
            s.on():html()
            s.between(60, 120, function()
                s.on():html()
                s.between(100, 200, function()
                    s.on():html()
                end)
                s.on():garbage()
            end)
            s.on():garbage()
        end))
    end)

    it("tells requests one after another", function()
        assert.equal("503 drop_before - - -", happenings(function(s)
            s.on("send"):sequence { 503, "drop_before", "reply" }
        end, 5))
        assert.equal("- - 503 drop_after html html", happenings(function(s)
            s.on("send"):after(2):sequence { 503, { action = "drop_after" } }
            s.on("send"):after(2):html()
        end, 6))
    end)

    it("says what is to be done when", function()
        local function f() end
        assert.same({
            { at_s = 30, f = f },
            { every_s = 10, from_s = 0, f = f },
            { every_s = 5, from_s = 60, until_s = 90, f = f },
        }, actions_of(function(s)
            s.at(30, f)
            s.every(10, f)
            s.between(60, 90, function()
                s.every(5, f)
            end)
        end))
        assert.equal(1, #script.new(function(s) s.at(1, f) end, random.new(1)):actions())
        assert.same({}, script.new({}, random.new(1)):actions())
    end)

    it("puts the blame where the mistake was written", function()
        for text, wanted in pairs {
            ["s.betwen()"] = "a script has no word 'betwen'; did you mean 'between'?",
            ['s.on("sned")'] = "unknown operation 'sned'; did you mean 'send'?",
            ['s.on("send", { too = 1 })'] = "unknown key 'too'; did you mean 'to'?",
            ['s.on("send", "+1")'] = "which requests is said by a table, not a string",
            ['s:on("send")'] = 'on takes a point, as in s.on("send"); actions take a colon',
            ["s:between(60, 120, print)"] = "between takes a point, as in s.between(60, 120, f)",
            ["s:at(60, print)"] = "at takes a point",
            ["s:every(60, print)"] = "every takes a point",
            ['s.on("send").hang()'] = 'actions take a colon, as in s.on("send"):hang(...)',
            ['s.on("send").fail(503)'] = "actions take a colon",
            ['s.on("send"):hang().with(0.5)'] = "actions take a colon",
            ['s.on("send").sequence { 503 }'] = "actions take a colon",
            ['s.on("send"):fail(200)'] = "'status' must be a whole number from 400 to 599",
            ['s.on("send"):times(1)'] = "rule 1 of the script: does not say what happens",
            ['s.on("send"):sequence({ 503 }):times(1)'] = "'times' means nothing with a sequence",
            ['s.on("send"):fial(503)'] = "a rule has no word 'fial'; did you mean 'fail'?",
            ['s.on("send"):status(503)'] = "a rule has no word 'status'",
            ['s.on("send"):fail()'] = "action 'status' needs a status",
            ['s.on("send"):fail("503")'] = "'status' must be a number, not a string",
            ['s.on("send"):delay()'] = "action 'delay' needs delay_ms",
            ['s.on("send"):fail(503):drop_after()'] = "says already what happens: 'status'",
            ['s.on("send"):sequence { 503 }:hang()'] = "says already what happens: 'sequence'",
            ['s.on("send"):hang():sequence { 503 }'] = "says already what happens",
            ['s.on("send"):html(504)'] = "must be a table, not a number",
            ['s.on("send"):lose()'] = "action 'lose' is not for requests",
            ['s.on("send"):hang():with(30)'] = "'probability' must be a number from 0 to 1",
            ['s.on("send"):sequence {}'] = "a sequence is a list of steps",
            ['s.on("send"):sequence { 503, "drop" }'] = "step 2: unknown action 'drop'",
            ['s.on("send"):sequence { true }'] = "a step is a status, the name of an action or a table",
            ["s.between(120, 60, print)"] = "between ends before it begins",
            ["s.between(60, 120)"] = "between takes a function, not nil",
            ["s.at(-1, print)"] = "at takes seconds since the start, 0 or more",
            ["s.at(1)"] = "at takes a function, not nil",
            ["s.every(0, print)"] = "every takes more than 0 seconds",
        } do
            local define = assert(load("local s = ...\n\n" .. text, "=outage"))
            local ok, why = pcall(script.new, define, random.new(1))
            assert.is_false(ok, text)
            assert.truthy(why:find(wanted, 1, true), why)
            assert.truthy(why:find("^outage:3: "), why)
        end
    end)

    it("says at its end what is missing", function()
        for _, case in ipairs {
            { function(s) s.on("send"):hang(); s.on("list"):times(1) end,
                "rule 2 of the script: does not say what happens" },
            { function(s) s.on("send"):sequence({ 503 }):with(0.5) end,
                "rule 1 of the script: 'probability' means nothing with a sequence" },
        } do
            local ok, why = pcall(function()
                script.new(case[1], random.new(1))
            end)
            assert.is_false(ok)
            local line = debug.getinfo(case[1], "S").linedefined
            assert.truthy(why:find(case[2], 1, true), why)
            assert.truthy(why:find(("sim_script_words_spec.lua:%d: rule"):format(line), 1, true), why)
        end
    end)
end)
