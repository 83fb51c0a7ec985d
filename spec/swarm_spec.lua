-- A few random hours; `make simulate` runs thousands.
local properties = require "twilio_sms.sim.properties"
local shrink = require "twilio_sms.sim.shrink"
local swarm = require "twilio_sms.sim.swarm"
local swarm_plan = require "twilio_sms.sim.swarm.plan"

describe("a random hour", function()
    it("breaks no property", function()
        for seed = 1, 5 do
            local out = swarm.run(swarm_plan.new(seed))
            assert.are.same({}, out.violations, seed)
            assert.is_true(out.accepted > 50)
        end
    end)

    it("has the same log each time", function()
        local plan = swarm_plan.new(3)
        local first, second = swarm.run(plan, { log = true }), swarm.run(swarm_plan.new(3), { log = true })
        assert.is_nil(properties.compare(first.lines, second.lines))
        assert.are.equal(first.digest, second.digest)
    end)

    it("ends early when it may have so many events only", function()
        local out = swarm.run(swarm_plan.new(1), { events = 100 })
        assert.is_true(out.events >= 100 and out.events < 300)
    end)
end)

describe("a plan", function()
    it("stays as it is when a kind of trouble is left out", function()
        local whole = swarm_plan.new(8)
        local kinds = swarm_plan.kinds(whole)
        assert.is_true(#kinds > 0)
        local part = swarm_plan.new(8, { without = { [kinds[1]] = true } })
        assert.are.same(whole.messages, part.messages)
        assert.are.same(whole.options, part.options)
        assert.are.equal(#kinds - 1, #swarm_plan.kinds(part))
    end)

    it("can have fewer messages and clients", function()
        local part
        for seed = 1, 20 do
            part = swarm_plan.new(seed)
            if #part.clients == 2 then
                part = swarm_plan.new(seed, { clients = 1, messages = 30 })
                break
            end
        end
        assert.is_true(#part.messages <= 30)
        for _, message in ipairs(part.messages) do
            assert.are.equal("app", message.client)
        end
    end)

    it("keeps the lag of the list within what the client waits, unless it never sends again", function()
        local classes = { default = 0, near = 0, far = 0 }
        for seed = 1, 100 do
            local plan = swarm_plan.new(seed)
            local options, retry = plan.options, plan.options.retry
            if next(options) == nil then
                classes.default = classes.default + 1
                assert.is_true(plan.lag_ms <= 5000)
            elseif plan.lag_ms <= retry.settle_ms then
                classes.near = classes.near + 1
            else
                classes.far = classes.far + 1
                for _, name in ipairs { "unavailable", "internal", "timeout", "connection" } do
                    assert.is_true(options.in_doubt == "stop" or retry[name].attempts == 1)
                end
            end
        end
        assert.is_true(classes.default > 10 and classes.near > 40 and classes.far > 5)
    end)
end)

describe("a failing run", function()
    -- A list that lags for longer than retry.settle_ms is the known limit of "verify".
    local LAG_MS = 600000
    local seed, limits

    setup(function()
        limits = { lag_ms = LAG_MS }
        for candidate = 1, 200 do
            local violation = swarm.run(swarm_plan.new(candidate, limits)).violations[1]
            if violation and violation.property == "P1" then
                seed = candidate
                break
            end
        end
    end)

    it("is made small, and has a line that repeats it", function()
        local whole = swarm_plan.new(seed, limits)
        local small = shrink.run(seed, "P1", limits)
        assert.are.equal("P1", small.violation.property)
        assert.is_true(small.messages < #whole.messages)
        assert.is_true(#small.kinds < #swarm_plan.kinds(whole))
        assert.is_truthy(small.command:find(("^make simulate SEED=%d .*LAG_MS=600000$"):format(seed)))
        assert.is_true(#small.trace > 0 and #small.trace <= 40)
        local accepts = 0
        for _, line in ipairs(small.trace) do
            accepts = accepts + (line:find(" accept ", 1, true) and 1 or 0)
        end
        assert.is_true(accepts >= 2)
    end)
end)

describe("tests/simulate.lua", function()
    it("says in one line which argument makes no sense", function()
        local lua = jit and "luajit" or "lua5.4" -- luacheck: ignore 113
        for text, wanted in pairs {
            ["SEED=x"] = "SEED must be a whole number from 1",
            ["SEED=0"] = "SEED must be a whole number from 1",
            ["SEEDS=abc"] = "SEEDS must be a whole number from 1",
            ["SEEDS=0"] = "SEEDS must be a whole number from 1",
            ["SEEDS=-3"] = "SEEDS must be a whole number from 1",
            ["SEEDS=1.5"] = "SEEDS must be a whole number from 1",
            ["SEED=1 LAG_MS=-1"] = "LAG_MS must be a whole number from 0",
            ["SEDE=1"] = "unknown argument 'SEDE=1'",
        } do
            local pipe = io.popen(("%s tests/simulate.lua %s 2>&1; echo $?"):format(lua, text))
            local printed = pipe:read "*a"
            pipe:close()
            assert.are.equal(wanted .. "\n2\n", printed)
        end
    end)
end)
