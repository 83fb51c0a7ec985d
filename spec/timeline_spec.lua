local random = require "twilio_sms.sim.random"
local timeline = require "twilio_sms.timeline"

describe("twilio_sms.timeline", function()
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

    it("lets an item be taken out, once", function()
        local t = timeline.new()
        local first = t:add(1, "first")
        t:add(2, "second")
        t:remove(first)
        t:remove(first)
        assert.equal(2, t:due_ms())
        assert.same({ "second", 2 }, { t:take(10) })
        t:remove(first)
        assert.is_nil(t:due_ms())
        local taken = t:add(3, "taken")
        t:add(3, "left")
        assert.equal("taken", t:take(3))
        t:remove(taken)
        assert.equal("left", t:take(3))
    end)

    it("keeps nothing of what was pushed and taken", function()
        local t = timeline.new()
        local kept = setmetatable({}, { __mode = "k" })
        for i = 1, 3 do
            local item = {}
            kept[item] = true
            t:push(i, item)
        end
        for i = 1, 3 do
            assert.same({ true, i }, { kept[t:take(i)], i })
        end
        collectgarbage()
        collectgarbage()
        assert.is_nil(next(kept))
    end)

    -- The same with a list that is searched: the earliest, and of those the oldest.
    local Model = {}
    Model.__index = Model

    function Model:take(now_ms)
        local best
        for i, entry in ipairs(self) do
            if entry.due_ms <= now_ms and (not best or entry.due_ms < self[best].due_ms) then
                best = i
            end
        end
        return best and table.remove(self, best)
    end

    it("gives everything in order, whatever the order of adding, removing and taking", function()
        local r = random.new(3)
        local t, model = timeline.new(), setmetatable({}, Model)
        local now, removed = 0, 0
        for step = 1, 4000 do
            local roll = r:next() % 10
            if roll < 5 then
                local entry = { due_ms = now + r:next() % 40, step = step }
                if roll < 2 then
                    t:push(entry.due_ms, step)
                else
                    entry.node = t:add(entry.due_ms, step)
                end
                model[#model + 1] = entry
            elseif roll < 7 and #model > 0 then
                local place = r:next() % #model + 1
                if model[place].node then
                    t:remove(table.remove(model, place).node)
                    removed = removed + 1
                end
            else
                now = now + r:next() % 20
                local entry = model:take(now) or {}
                assert.same({ entry.step, entry.step and entry.due_ms }, { t:take(now) })
            end
        end
        for _ = 1, #model + 1 do
            local entry = model:take(1e9) or {}
            assert.equal(entry.step, (t:take(1e9)))
        end
        assert.is_nil(t:due_ms())
        assert.truthy(removed > 300)
    end)
end)
