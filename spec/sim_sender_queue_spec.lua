local sender_queue = require "twilio_sms.sim.sender_queue"

describe("twilio_sms.sim.sender_queue", function()
    local function message(segments)
        return { segments = segments or 1 }
    end

    it("gives each segment its turn", function()
        local queue = sender_queue.new(2, 10)
        assert.is_false(queue:is_busy(0))
        queue:take_turns(3, 1000)
        assert.is_true(queue:is_busy(2499))
        assert.is_false(queue:is_busy(2500))
        assert.equal(2500, queue:next_ms())
    end)

    it("loses no parts of milliseconds", function()
        local queue = sender_queue.new(3, 10)
        local at_ms = 1000
        for _ = 1, 30 do
            queue:take_turns(1, at_ms)
            at_ms = queue:next_ms()
        end
        assert.equal(11000, at_ms)
    end)

    it("holds so many seconds of traffic, in segments", function()
        local queue = sender_queue.new(1, 36000)
        assert.equal(36000, queue.most)
        queue = sender_queue.new(2, 5)
        for _ = 1, 3 do
            assert.is_true(queue:has_room(3))
            queue:push(message(3))
        end
        assert.is_false(queue:has_room(2))
        assert.is_true(queue:has_room(1))
    end)

    it("lets messages leave in the order in which they came", function()
        local queue, made = sender_queue.new(1, 100), {}
        for i = 1, 5 do
            made[i] = message(i)
            queue:push(made[i])
        end
        for i = 1, 5 do
            assert.equal(made[i], queue:pop())
            assert.is_nil(made[i].queue)
        end
        assert.is_nil(queue:pop())
        assert.equal(0, queue.waiting)
    end)

    it("passes over those that gave up, at the front and behind it", function()
        local queue, made = sender_queue.new(1, 100), {}
        for i = 1, 4 do
            made[i] = message(2)
            queue:push(made[i])
        end
        queue:leave(made[1])
        queue:leave(made[3])
        assert.equal(4, queue.waiting)
        assert.equal(made[2], queue:pop())
        assert.equal(made[4], queue:pop())
        assert.is_nil(queue:pop())
        queue:push(made[1])
        assert.equal(made[1], queue:pop())
    end)

    it("knows when one that came now would leave", function()
        local queue = sender_queue.new(10, 100)
        assert.equal(500, queue:leave_ms(500))
        queue:take_turns(5, 500)
        assert.equal(1000, queue:leave_ms(600))
        queue:push(message(2))
        assert.equal(1200, queue:leave_ms(600))
    end)
end)
