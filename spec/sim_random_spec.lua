local random = require "twilio_sms.sim.random"

describe("twilio_sms.sim.random", function()
    it("gives the same numbers in every Lua", function()
        local r = random.new(7)
        assert.same({ 1596966799, 1111361817, 257282700, 395281099 },
            { r:next(), r:next(), r:next(), r:next() })
    end)

    it("keeps close seeds apart and equal seeds together", function()
        local seen = {}
        for seed = -5, 500 do
            local sid = random.new(seed):sid "SM"
            assert.truthy(sid:find("^SM%x+$"))
            assert.equal(34, #sid)
            assert.is_nil(seen[sid])
            seen[sid] = true
            assert.equal(sid, random.new(seed):sid "SM")
        end
    end)

    it("takes seeds at the edges", function()
        for _, seed in ipairs { 0, 2147483646, 2147483647, 2 ^ 53, -1, 1.5 } do
            local value = random.new(seed):next()
            assert.truthy(value >= 1 and value < 2147483647)
        end
    end)

    it("gives fractions from 0 up to 1", function()
        local r, sum = random.new(3), 0
        for _ = 1, 10000 do
            local value = r:fraction()
            assert.truthy(value >= 0 and value < 1)
            sum = sum + value
        end
        assert.truthy(sum > 4800 and sum < 5200)
    end)

    it("knows never, always, and now and then", function()
        local r = random.new(1)
        local never, always, sometimes = 0, 0, 0
        for _ = 1, 10000 do
            never = never + (r:chance(0) and 1 or 0)
            always = always + (r:chance(1) and 1 or 0)
            sometimes = sometimes + (r:chance(0.1) and 1 or 0)
        end
        assert.same({ 0, 10000 }, { never, always })
        assert.truthy(sometimes > 850 and sometimes < 1150)
    end)
end)
