local random = require "twilio_sms.sim.random"
local timeline = require "twilio_sms.sim.timeline"

describe("twilio_sms.sim.timeline", function()
    it("is empty at first", function()
        local t = timeline.new()
        assert.is_nil(t:due_ms())
        assert.is_nil(t:take(1e15))
    end)

    it("gives nothing before its time", function()
        local t = timeline.new()
        t:add(10, "a")
        assert.equal(10, t:due_ms())
        assert.is_nil(t:take(9))
        assert.same({ "a", 10 }, { t:take(10) })
        assert.is_nil(t:take(10))
    end)

    it("keeps the order of what is due together", function()
        local t = timeline.new()
        for i = 1, 20 do
            t:add(5, i)
        end
        for i = 1, 20 do
            assert.equal(i, t:take(5))
        end
    end)

    it("gives everything in order, whatever the order of adding and taking", function()
        local r = random.new(3)
        local t = timeline.new()
        local inside = {}
        local now = 0
        for step = 1, 1500 do
            if r:chance(0.6) then
                local due = now + r:next() % 100
                t:add(due, { due = due, step = step })
                inside[#inside + 1] = due
            else
                now = now + r:next() % 50
                table.sort(inside)
                local item, at = t:take(now)
                local expected = inside[1] and inside[1] <= now and table.remove(inside, 1) or nil
                assert.equal(expected, at)
                assert.equal(expected, item and item.due)
            end
            table.sort(inside)
            assert.equal(inside[1], t:due_ms())
        end
    end)
end)
