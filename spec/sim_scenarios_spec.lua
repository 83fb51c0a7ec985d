local random = require "twilio_sms.sim.random"
local scenarios = require "twilio_sms.sim.scenarios"
local script = require "twilio_sms.sim.script"
local world = require "twilio_sms.sim.world"

-- Runs a scenario once for all that is asked about it.
local reports = {}

local function report_of(name)
    reports[name] = reports[name] or scenarios.run(name)
    return reports[name]
end

local function sum(counts)
    local total = 0
    for _, count in pairs(counts) do
        total = total + count
    end
    return total
end

describe("twilio_sms.sim.scenarios", function()
    for _, name in ipairs(scenarios.names()) do
        it("keeps the promises to the user in " .. name, function()
            local report = report_of(name)
            assert.same({ name, 240 }, { report.scenario, report.messages })
            assert.equal(0, report.duplicates)
            assert.equal(0, report.texted_after_stop)
            assert.equal(0, report.false_results)
            assert.equal(0, report.unfinished)
            assert.equal(240, report.sent + report.failed)
            assert.equal(report.failed, sum(report.failures))
            assert.equal(report.sent, report.accepted)
            -- Each one that was sent is followed to its end, whatever became of its callbacks.
            local statuses = report.statuses
            assert.equal(report.sent, (statuses.delivered or 0) + (statuses.undelivered or 0))
            assert.truthy(report.sent > 100 and report.seconds >= 200)
        end)
    end

    describe("really makes", function()
        it("a brown-out", function()
            local report = report_of "brown_out"
            assert.truthy(report.faults.status > 10 and report.faults.delay > 10)
            assert.truthy(report.failed > 0)
        end)

        it("connections flap", function()
            local report = report_of "flapping"
            assert.truthy(report.faults.drop_before > 5)
            assert.truthy(report.failures.TemporarilyUnavailable > 0)
        end)

        it("a storm of 429", function()
            local report = report_of "throttle_storm"
            assert.truthy(report.faults.status > 50)
            assert.truthy(report.failures.AccountRateLimited > 0)
        end)

        it("answers trickle, which costs no message", function()
            local report = report_of "slow_loris"
            assert.same({ 30, 0 }, { report.faults.slow, report.failed })
        end)

        it("replies get lost, which costs no message", function()
            local report = report_of "lost_replies"
            assert.truthy(report.faults.drop_after > 5 and report.faults.cut_after > 5)
            assert.equal(0, report.failed)
        end)

        it("a carrier filter", function()
            local report = report_of "carrier_filtering"
            assert.truthy(report.faults.undelivered > 20)
            assert.equal(report.faults.undelivered, report.statuses.undelivered)
        end)

        it("a storm of callbacks", function()
            local report = report_of "callback_storm"
            for _, action in ipairs { "delay", "double", "forge", "lose", "reorder" } do
                assert.truthy(report.faults[action] > 10, action)
            end
            assert.truthy(report.webhooks.forged > 10)
            assert.same({ 0, 240 }, { report.webhooks.forged_accepted, report.statuses.delivered })
        end)

        it("people say STOP", function()
            local report = report_of "stop_during_campaign"
            assert.equal(30, report.stops)
            assert.same({ OptedOut = report.failed }, report.failures)
            assert.truthy(report.failed > 30)
        end)

        it("the clock jump", function()
            assert.same({ 2, 240 }, { report_of("clock_jump").clock_jumps, report_of("clock_jump").sent })
        end)
    end)

    describe("finds out when a promise is broken:", function()
        it("messages are sent again without looking", function()
            local report = scenarios.run("lost_replies", { client = { in_doubt = "resend" } })
            assert.truthy(report.duplicates > 10)
            assert.equal(report.accepted, report.sent + report.duplicates)
        end)

        it("nobody asks the opt-out list", function()
            local report = scenarios.run("stop_during_campaign", { client = { optout = false } })
            assert.truthy(report.texted_after_stop > 10)
        end)
    end)

    -- Both ways in which an answer gets lost, together.
    it("lose the share of replies that was asked for", function()
        for share, most in pairs { [0.5] = 0.06, [1] = 0.001 } do
            local opts = { share = share, from_s = 0, until_s = 10 }
            local made = script.new(scenarios.lost_replies(opts), random.new(7))
            local lost = { drop_after = 0, cut_after = 0 }
            for _ = 1, 2000 do
                local rule = made:decide("send", {})
                if rule then
                    lost[rule.action] = lost[rule.action] + 1
                end
            end
            for action, count in pairs(lost) do
                local differs = math.abs(count / 2000 - share / 2)
                assert.truthy(differs < 0.03, ("%s of %.1f: %d"):format(action, share, count))
            end
            local differs = math.abs((lost.drop_after + lost.cut_after) / 2000 - share)
            assert.truthy(differs < most, ("share %.1f is %.3f off"):format(share, differs))
        end
    end)

    it("run the same each time", function()
        local opts = { messages = 60, seconds = 120, seed = 5 }
        local once = scenarios.run("callback_storm", opts)
        assert.same(once, scenarios.run("callback_storm", opts))
        opts.seed = 6
        assert.not_equal(once.digest, scenarios.run("callback_storm", opts).digest)
    end)

    it("take options", function()
        local few = { messages = 40, persons = 10, seconds = 40,
            options = { from_s = 10, until_s = 20, every = 2 } }
        local report = scenarios.run("slow_loris", few)
        assert.same({ 40, 5 }, { report.accepted, report.faults.slow })
    end)

    it("have a name, a sentence and a script", function()
        for _, name in ipairs(scenarios.names()) do
            local scenario = scenarios[name]
            assert.equal(name, scenario.name)
            assert.truthy(scenario.about:find "^%u.*%.$", name)
            assert.is_function(scenario.script)
            assert.is_function(scenario {})
        end
        assert.equal(9, #scenarios.names())
    end)

    it("are scripts, called or not", function()
        for _, given in ipairs { scenarios.lost_replies, scenarios.lost_replies {},
            scenarios.lost_replies { share = 1 } } do
            local truth = world.new { script = given }
            assert.is_nil(truth:messages({})[1])
            truth:close()
        end
    end)

    it("tell what is wrong with what they are given", function()
        for text, wanted in pairs {
            ['scenarios.run("brown_uot")'] = "no scenario is called 'brown_uot'; did you mean 'brown_out'?",
            ['scenarios.run("run")'] = "no scenario is called 'run'; there are brown_out, flapping, ",
            ["scenarios.lost_reply {}"] = "is called 'lost_reply'; did you mean 'lost_replies'?",
            ["scenarios.outage {}"] = "no scenario is called 'outage'; there are brown_out, flapping, ",
            ["scenarios.lost_replies { share = 50 }"] = "option 'share' must be more than 0 and at most 1",
            ["scenarios.throttle_storm { retry_after = 1.5 }"] = "'retry_after' must be a whole number",
            ["scenarios.brown_out { delay_ms = 1e9 }"] = "a whole number, at most 86400000",
            ['scenarios.run("brown_out", { share = 0.3 })'] =
                "'share' is an option of the scenario: it belongs into options = { share = ... }",
            ['scenarios.run("brown_out", { options = { share = 50 } })'] = "option 'share' must be more",
            ['scenarios.run("brown_out", { client = { form = "+1" } })'] = "form",
            ["scenarios.run()"] = "no scenario is called 'nil'",
            ['scenarios.run("brown_out", { message = 5 })'] = "did you mean 'messages'?",
            ['scenarios.run("brown_out", { messages = 0 })'] = "'messages' must be a whole number from 1",
            ["scenarios.brown_out { shar = 1 }"] = "unknown option 'shar'; did you mean 'share'?",
            ["scenarios.flapping { down_s = 0 }"] = "option 'down_s' must be more than 0",
            ["scenarios.flapping { up_s = 0 / 0 }"] = "option 'up_s' must be more than 0",
            ["scenarios.flapping { until_s = math.huge }"] = "option 'until_s' must be more than 0",
            ["scenarios.flapping { from_s = -1 }"] = "option 'from_s' must be more than 0",
            ["scenarios.flapping { from_s = 180 }"] = "option 'until_s' must be after 'from_s'",
            ['scenarios.brown_out { share = "1" }'] = "option 'share' must be a number, not a string",
        } do
            local ok, why = pcall(assert(load("local scenarios = ...\n" .. text, "=test")), scenarios)
            assert.is_false(ok, text)
            assert.truthy(why:find(wanted, 1, true), why)
            assert.truthy(why:find "^test:2: ", why)
        end
    end)
end)
