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

    it("may sleep outside of a loop on a drive, which is stepped meanwhile", function()
        local drive = { time_ms = 100, steps = {} }
        function drive:now_ms()
            return self.time_ms
        end
        function drive:step(ms)
            self.steps[#self.steps + 1] = ms
            self.time_ms = self.time_ms + math.min(ms, 40) -- there was news
        end
        assert.equal(100, loop.now_ms(drive))
        loop.sleep(100, drive)
        assert.is_false(loop.wait_for("token", 50, drive))
        assert.same({ 100, 60, 20, 50, 10 }, drive.steps)
        drive.closed = true
        drive.time_ms = nil
        loop.sleep(0, drive)
        assert.truthy(math.abs(loop.now_ms(drive) - core.now_ms()) < 60000)
    end)
end)

describe("a loop with a clock of its own", function()
    local now_ms, own

    before_each(function()
        now_ms = 1000
        own = loop.new { now_ms = function() return now_ms end }
    end)

    -- Moves the clock to each moment at which something is due.
    local function run(until_ms)
        while own:is_ready() or (own:due_ms() or until_ms + 1) <= until_ms do
            if not own:is_ready() then
                now_ms = own:due_ms()
            end
            own:turn()
        end
        now_ms = until_ms
    end

    it("sleeps by its clock, without waiting", function()
        local seen = {}
        own:spawn(function(name)
            assert.is_true(loop.inside())
            seen[#seen + 1] = name .. loop.now_ms()
            loop.sleep(3600000)
            seen[#seen + 1] = name .. loop.now_ms()
        end, "a")
        own:spawn(function()
            loop.sleep(500)
            seen[#seen + 1] = "b" .. loop.now_ms()
        end)
        assert.is_true(own:is_ready())
        assert.is_nil(own:due_ms())
        own:turn()
        assert.is_false(own:is_ready())
        assert.equal(1500, own:due_ms())
        own:turn()
        assert.same({ "a1000" }, seen)
        run(10000000)
        assert.same({ "a1000", "b1500", "a3601000" }, seen)
        assert.is_false(loop.inside())
    end)

    it("resumes each but once in a turn", function()
        local turns = 0
        own:spawn(function()
            for _ = 1, 3 do
                turns = turns + 1
                loop.sleep(0)
            end
        end)
        own:turn()
        assert.equal(1, turns)
        own:turn()
        assert.equal(2, turns)
    end)

    it("is woken from outside, also by code of another loop", function()
        local woken = {}
        for i = 1, 3 do
            own:spawn(function()
                woken[i] = loop.wait_for("token", 60000)
            end)
        end
        own:turn()
        loop.run(function() loop.wake("token") end)
        own:turn()
        assert.same({ true, true, true }, woken)
        assert.is_nil(own:due_ms())
    end)

    it("keeps the order in which coroutines came to wait or to sleep", function()
        local order = {}
        local function note(name)
            order[#order + 1] = name
        end
        for i = 1, 50 do
            own:spawn(function()
                loop.wait_for("token", 1000)
                note("woken " .. i)
                loop.sleep(100)
                note("slept " .. i)
            end)
        end
        own:turn()
        loop.wake("token")
        run(5000)
        for i = 1, 50 do
            assert.equal("woken " .. i, order[i])
            assert.equal("slept " .. i, order[50 + i])
        end
    end)

    it("does not confuse who waited too long with who still waits", function()
        local seen = {}
        for i, ms in ipairs { 100, 300, 200 } do
            own:spawn(function() seen[i] = loop.wait_for("token", ms) end)
        end
        own:turn()
        now_ms = 1200
        own:turn()
        assert.same({ [1] = false, [3] = false }, seen)
        loop.wake("token")
        loop.wake("token")
        own:turn()
        assert.same({ false, true, false }, seen)
        assert.is_nil(own:due_ms())
    end)

    it("turns inside of another loop", function()
        local seen = {}
        own:spawn(function()
            seen[#seen + 1] = loop.now_ms()
            loop.spawn(function() seen[#seen + 1] = "spawned" end)
        end)
        loop.run(function()
            own:turn()
            own:turn()
            assert.is_true(loop.inside())
            seen[#seen + 1] = loop.now_ms() == 1000
            loop.sleep(1)
        end)
        assert.same({ 1000, "spawned", false }, seen)
    end)

    it("lends itself to code that is no coroutine", function()
        local ran = false
        assert.same({ "a", 1000, false }, {
            own:call(function(text)
                loop.spawn(function() ran = true end)
                return text, loop.now_ms(), loop.inside()
            end, "a"),
        })
        own:turn()
        assert.is_true(ran)
        local problem = {}
        local ok, err = pcall(own.call, own, error, problem)
        assert.same({ false, problem }, { ok, err })
        assert.has_error(function() loop.spawn(function() end) end)
    end)

    it("goes on after an error in one of its coroutines", function()
        local ran = false
        own:spawn(function() error "went wrong" end)
        own:spawn(function() ran = true end)
        local ok, err = pcall(own.turn, own)
        assert.is_false(ok)
        assert.matches("went wrong", err)
        assert.is_false(loop.inside())
        own:turn()
        assert.is_true(ran)
    end)

    it("cannot be turned by its own coroutines, nor can loop.run begin in one", function()
        local turned, began
        own:spawn(function()
            turned = select(2, pcall(own.turn, own))
            began = select(2, pcall(loop.run, function() end))
        end)
        own:turn()
        assert.matches("cannot turn it", turned)
        assert.matches("running already", began)
    end)

    it("lets only its coroutines wait", function()
        assert.has_error(function() loop.wait("token", {}) end)
        assert.has_error(function() own:call(loop.wait, "token", {}) end)
    end)

    it("takes no other options", function()
        assert.has_error(function() loop.new { clock = os.time } end)
        assert.has_error(function() loop.new { now_ms = 5 } end)
    end)

    it("leaves nothing behind when it is dropped", function()
        local dropped = setmetatable({}, { __mode = "k" })
        do
            local other = loop.new { now_ms = function() return 0 end }
            other:spawn(function() loop.wait_for("never", 1000) end)
            other:turn()
            dropped[other] = true
        end
        collectgarbage()
        collectgarbage()
        assert.is_nil(next(dropped))
        loop.wake("never")
    end)
end)

describe("drives in loop.run", function()
    -- What has to be stepped: each step is noted.
    local function drive(name, steps, timeout_ms)
        return {
            step = function(_, ms) steps[#steps + 1] = name .. ms end,
            timeout_ms = function() return timeout_ms end,
            pollfd = function() end,
        }
    end

    it("are stepped in the order in which somebody began to wait, each once a turn", function()
        local steps = {}
        loop.run(function()
            for i = 1, 4 do
                loop.spawn(function() loop.wait(i, drive("d" .. i .. ":", steps, 5)) end)
            end
            loop.sleep(0)
            loop.sleep(0)
            steps[#steps + 1] = "|"
            loop.wake(2)
            loop.sleep(0)
            loop.sleep(0)
            steps[#steps + 1] = "|"
            for _, i in ipairs { 1, 3, 4 } do
                loop.wake(i)
            end
        end)
        local text = table.concat(steps, " ")
        local first, second = text:match "^(.-) | (.-) |"
        assert.truthy(first:find("d1:0 d2:0 d3:0 d4:0", 1, true), text)
        assert.truthy(second:find("d1:0 d4:0 d3:0", 1, true), text) -- the last takes the place of the second
    end)

    it("go on next to one that a program waits for outside of a loop", function()
        local steps = {}
        local own, other = drive("own:", steps, -1), drive("other:", steps, 0)
        loop.block(own)
        loop.block(own, other) -- nobody can wait for two when one has no descriptor
        local poster = assert(core.poster {})
        own.pollfd = function() return poster:pollfd() end
        other.pollfd = own.pollfd
        loop.block(own, other)
        poster:close()
        assert.equal("own:-1 own:-1 own:0 other:0", table.concat(steps, " "))
    end)
end)
