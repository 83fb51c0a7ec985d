local core = require "twilio_sms.core"
local loop = require "twilio_sms.loop"

describe("the loop", function()
    it("runs a function with its arguments, and what it spawns", function()
        local seen = {}
        loop.run(function(a, b)
            seen[#seen + 1] = a .. b
            local task = loop.spawn(function(c) seen[#seen + 1] = c end, "c")
            assert.is_false(task.done)
            loop.sleep(1)
            assert.is_true(task.done)
        end, "a", "b")
        assert.same({ "ab", "c" }, seen)
    end)

    it("lets others go on while one sleeps, and wakes in the order of the times", function()
        local order = {}
        loop.run(function()
            for _, ms in ipairs { 30, 10, 20 } do
                loop.spawn(function()
                    loop.sleep(ms)
                    order[#order + 1] = ms
                end)
            end
        end)
        assert.same({ 10, 20, 30 }, order)
    end)

    it("sleeps outside of a loop as well", function()
        local before = core.now_ms()
        loop.sleep(5)
        assert.is_true(core.now_ms() - before >= 4)
    end)

    it("sleeps for fractions of a millisecond too, rounded up", function()
        local before = core.now_ms()
        loop.sleep(1.5)
        assert.is_true(core.now_ms() - before >= 1)
        local ran = false
        loop.run(function()
            loop.sleep(1.5)
            ran = true
        end)
        assert.is_true(ran)
    end)

    it("raises the error of any of its coroutines, and can be used again", function()
        local ok, err = pcall(loop.run, function()
            loop.spawn(function() error "went wrong" end)
            loop.sleep(1000)
        end)
        assert.is_false(ok)
        assert.matches("went wrong", err)
        local problem = { "a table" }
        ok, err = pcall(loop.run, function() error(problem) end)
        assert.is_false(ok)
        assert.equal(problem, err)
        local ran = false
        loop.run(function() ran = true end)
        assert.is_true(ran)
    end)

    it("does not run inside of itself, and spawns only while it runs", function()
        local ok, err = pcall(loop.run, function() loop.run(function() end) end)
        assert.is_false(ok)
        assert.matches("running already", err)
        assert.has_error(function() loop.spawn(function() end) end)
    end)

    it("goes on when somebody closes one of its coroutines", function()
        if not coroutine.close then -- luacheck: ignore 143
            return -- LuaJIT has none
        end
        local ran = false
        loop.run(function()
            local sleeper
            loop.spawn(function()
                sleeper = coroutine.running()
                loop.sleep(1)
                error "it was closed"
            end)
            loop.spawn(function()
                coroutine.close(sleeper) -- luacheck: ignore 143
                loop.sleep(5)
                ran = true
            end)
        end)
        assert.is_true(ran)
    end)

    it("wakes everybody who waits for the same", function()
        local token, drive, woken = {}, { step = function() end }, 0
        loop.run(function()
            for _ = 1, 3 do
                loop.spawn(function()
                    loop.wait(token, drive)
                    woken = woken + 1
                end)
            end
            loop.sleep(1)
            loop.wake(token)
        end)
        assert.equal(3, woken)
    end)

    describe("waits for a token no longer than it is told", function()
        it("and is woken before", function()
            local woken
            loop.run(function()
                loop.spawn(function() woken = loop.wait_for("token", 60000) end)
                loop.sleep(1)
                loop.wake("token")
            end)
            assert.is_true(woken)
        end)

        it("and goes on when the time is over; who waits longer is woken by the next wake", function()
            local short, long
            loop.run(function()
                loop.spawn(function() long = loop.wait_for("token", 60000) end)
                short = loop.wait_for("token", 1)
                assert.is_nil(long)
                loop.wake("token")
            end)
            assert.is_false(short)
            assert.is_true(long)
        end)

        it("and a wake that comes later hits nobody who waits for something else by then", function()
            local first, second
            loop.run(function()
                local task = loop.spawn(function()
                    first = loop.wait_for("first", 0)
                    second = loop.wait_for("second", 20)
                end)
                while not task.done do
                    loop.sleep(1)
                    if first ~= nil then
                        loop.wake("first")
                    end
                end
            end)
            assert.is_false(first)
            assert.is_false(second)
        end)

        it("and can sleep afterwards", function()
            local slept
            loop.run(function()
                loop.wait_for("token", 0)
                loop.sleep(1)
                slept = true
            end)
            assert.is_true(slept)
        end)

        it("and is resumed once when it is woken at the moment when its time is over", function()
            local woken, slept_ms
            loop.run(function()
                loop.spawn(function()
                    woken = loop.wait_for("token", 1)
                    local before_ms = core.now_ms()
                    loop.sleep(20) -- which a second resume would cut short
                    slept_ms = core.now_ms() - before_ms
                end)
                loop.spawn(function()
                    local late_ms = core.now_ms() + 3
                    repeat
                        local now_ms = core.now_ms() -- the loop cannot see meanwhile that the time is over
                    until now_ms >= late_ms
                    loop.wake("token")
                end)
            end)
            assert.is_true(woken)
            assert.truthy(slept_ms >= 19, slept_ms)
        end)

        it("and outside of a loop pauses the program", function()
            local before = core.now_ms()
            assert.is_false(loop.wait_for("token", 5))
            assert.is_true(core.now_ms() - before >= 4)
        end)

        it("and takes only milliseconds for a time", function()
            for _, bad in ipairs { -1, 0 / 0, math.huge, "5" } do
                assert.has_error(function() loop.wait_for("token", bad) end)
            end
        end)
    end)

    it("waits for more than 64 clients", function()
        local fds = {}
        for i = 1, 200 do
            fds[i] = -1 -- none, for poll
        end
        core.poll(fds, 1)
    end)

    it("knows who runs in it", function()
        assert.is_false(loop.inside())
        loop.run(function()
            assert.is_true(loop.inside())
            local foreign = coroutine.wrap(function() return loop.inside() end)
            assert.is_false(foreign())
        end)
    end)

    it("says so when everybody waits for what cannot happen", function()
        local ok, err = pcall(loop.run, coroutine.yield)
        assert.is_false(ok)
        assert.matches("cannot happen", err)
    end)

    it("runs a hundred thousand short coroutines in bounded memory", function()
        local count = 0
        loop.run(function()
            for _ = 1, 100000 do
                loop.spawn(function() count = count + 1 end)
            end
        end)
        assert.equal(100000, count)
    end)
end)
