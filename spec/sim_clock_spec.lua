local clock = require "twilio_sms.sim.clock"

describe("twilio_sms.sim.clock", function()
    local real_ms

    local function new(speed)
        real_ms = 5000
        return clock.new { start_ms = 1000000, speed = speed, real_ms = function() return real_ms end }
    end

    it("starts where it is told, and goes as fast as it is told", function()
        for speed, shown in pairs { [1] = 1000100, [60] = 1006000, [0.5] = 1000050, [0] = 1000000 } do
            local one = new(speed)
            assert.equal(1000000, one:now_ms())
            real_ms = real_ms + 100
            assert.equal(shown, one:now_ms())
        end
    end)

    it("shows whole milliseconds", function()
        local one = new(0.3)
        real_ms = real_ms + 1
        assert.equal(1000000, one:now_ms())
        real_ms = real_ms + 3
        assert.equal(1000001, one:now_ms())
    end)

    it("is moved on, and never back", function()
        local one = new(2)
        one:jump_to(1000500)
        assert.equal(1000500, one:now_ms())
        one:jump_to(1000400)
        assert.equal(1000500, one:now_ms())
        real_ms = real_ms + 10
        assert.equal(1000520, one:now_ms())
    end)

    it("shows exactly the moment that it was moved to", function()
        local one = new(0.1)
        for step = 1, 1000 do
            real_ms = real_ms + 0.3
            local moment_ms = one:now_ms() + step
            one:jump_to(moment_ms)
            assert.equal(moment_ms, one:now_ms())
        end
    end)

    it("says how long a moment is away", function()
        assert.equal(100, new(1):real_ms_to(1000100))
        assert.equal(2, new(60):real_ms_to(1000100))
        assert.equal(1000, new(0.1):real_ms_to(1000100))
        assert.equal(0, new(1):real_ms_to(1000000))
        assert.equal(0, new(0):real_ms_to(999999))
        assert.equal(math.huge, new(0):real_ms_to(1000001))
        assert.equal(math.huge, new(1):real_ms_to(math.huge))
    end)
end)
