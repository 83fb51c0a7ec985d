local rate_windows = require "rate_windows"

-- Every window, looked at one by one.
local function by_all_windows(times, burst, per_second)
    local worst = -math.huge
    for i = 1, #times do
        for j = i, #times do
            worst = math.max(worst, (j - i + 1 - burst) * 1000 / per_second - (times[j] - times[i]))
        end
    end
    return worst
end

local seed = 20261122
local function draw(most)
    seed = (seed * 1103515 + 12345) % 2147483648
    return seed % most
end

-- What leaves through a limiter that is asked at random moments, most of the time faster than it permits.
local function permitted_moments(count, burst, period_ms)
    local times, due_ms, now_ms = {}, 0, 0
    while #times < count do
        now_ms = now_ms + draw(period_ms + 1) * (draw(20) == 0 and burst or 1)
        if now_ms >= due_ms - (burst - 1) * period_ms then
            due_ms = math.max(due_ms, now_ms) + period_ms
            times[#times + 1] = now_ms
        end
    end
    return times
end

describe("rate_windows.crowding_ms", function()
    it("finds nothing where messages come at the rate", function()
        assert.equal(0, (rate_windows.crowding_ms({ 0, 1000, 2000, 3000 }, 1, 1)))
        assert.is_true(rate_windows.crowding_ms({ 0, 1000, 2000, 3000 }, 2, 1) < 0)
    end)

    it("lets a burst pass once", function()
        assert.equal(0, (rate_windows.crowding_ms({ 0, 0, 0, 1000, 2000 }, 3, 1)))
        local crowding_ms, window = rate_windows.crowding_ms({ 0, 0, 0, 1000, 1000, 2000 }, 3, 1)
        assert.equal(1000, crowding_ms)
        assert.same({ from_ms = 0, to_ms = 1000, count = 5 }, window)
    end)

    it("finds the window however far apart its ends are", function()
        local times = {}
        for i = 1, 100 do
            times[i] = i * 999 -- a millisecond too fast each time
        end
        local crowding_ms, window = rate_windows.crowding_ms(times, 1, 1)
        assert.equal(99, crowding_ms)
        assert.equal(100, window.count)
    end)

    it("takes moments in any order", function()
        assert.equal(900, (rate_windows.crowding_ms({ 5000, 100, 0 }, 1, 1)))
    end)

    it("says nothing of no arrivals", function()
        assert.equal(-math.huge, (rate_windows.crowding_ms({}, 1, 1)))
    end)

    it("agrees with a look at every window, for what a limiter let pass and for one message more", function()
        for round = 1, 60 do
            local burst, period_ms = draw(8) + 1, draw(90) + 10
            local times = permitted_moments(60, burst, period_ms)
            local crowding_ms = rate_windows.crowding_ms(times, burst, 1000 / period_ms)
            assert.is_near(by_all_windows(times, burst, 1000 / period_ms), crowding_ms, 1e-6)
            assert.is_true(crowding_ms <= 1e-6, "round " .. round)
            -- A full burst at once and one more is never permitted.
            local at = times[draw(#times) + 1]
            for _ = 1, burst do
                table.insert(times, at)
            end
            table.sort(times)
            crowding_ms = rate_windows.crowding_ms(times, burst, 1000 / period_ms)
            assert.is_near(by_all_windows(times, burst, 1000 / period_ms), crowding_ms, 1e-6)
            assert.is_true(crowding_ms >= period_ms - 1e-6, "round " .. round)
        end
    end)

    it("needs as much as the ways of messages differ, and no more", function()
        for _ = 1, 60 do
            local burst, period_ms, most_ms = draw(4) + 1, draw(90) + 10, draw(50) + 1
            local times = permitted_moments(60, burst, period_ms)
            for i, at_ms in ipairs(times) do
                times[i] = at_ms + draw(most_ms + 1)
            end
            assert.is_true(rate_windows.crowding_ms(times, burst, 1000 / period_ms) <= most_ms + 1e-6)
        end
    end)
end)

describe("rate_windows.used", function()
    it("is one for a sender that never paused", function()
        local used, count, permitted = rate_windows.used({ 0, 1000, 2000, 3000 }, 1, 1, 3900)
        assert.equal(1, used)
        assert.equal(4, count)
        assert.equal(4, permitted)
    end)

    it("is less for a pause, in the middle or at the end", function()
        assert.equal(0.75, (rate_windows.used({ 0, 1000, 3000 }, 1, 1, 3900)))
        assert.equal(0.4, (rate_windows.used({ 0, 1000 }, 1, 1, 5000)))
    end)

    it("is none for nothing", function()
        assert.equal(0, (rate_windows.used({}, 1, 1, 5000)))
    end)
end)
