local ngx_world = require "ngx_world"

-- A waiter whose request was aborted is looked for when so many wait.
local MANY = 1024
-- No wait is longer than this without a look.
local LOOK_MS = 2000

describe("the scheduler of nginx", function()
    local world, scheduler

    before_each(function()
        world = ngx_world.new()
        scheduler = world.scheduler
    end)

    after_each(function()
        world:close()
    end)

    -- Waits in a request of its own; answers what `wait_for` said, with the moment.
    local function waits(token, timeout_ms)
        local answer = {}
        answer.request = world:open(function()
            answer.woken = scheduler.wait_for(token, timeout_ms)
            answer.at_ms = world.now_ms
        end)
        return answer
    end

    it("wakes all that wait for a token", function()
        local first, second, other = waits("a", 1000), waits("a", 1000), waits("b", 1000)
        world:pass(10)
        scheduler.wake "a"
        world:pass(0)
        assert.same({ true, true, nil }, { first.woken, second.woken, other.woken })
        world:pass(1000)
        assert.is_false(other.woken)
    end)

    it("lets a wait end at its time, and the others wait on", function()
        local started_ms = world.now_ms
        local short, long = waits("a", 100), waits("a", 500)
        world:pass(200)
        assert.is_false(short.woken)
        assert.equal(started_ms + 100, short.at_ms)
        scheduler.wake "a"
        world:pass(0)
        assert.is_true(long.woken)
    end)

    it("does not wait for no time", function()
        assert.is_false(scheduler.wait_for("a", 0)) -- nobody could wait here
    end)

    it("raises where nothing can wait, and keeps nothing of it", function()
        local kept = setmetatable({}, { __mode = "k" })
        local ok, why
        world:open(function()
            local token = {}
            kept[token] = true
            ok, why = pcall(string.gsub, "x", "x", function() scheduler.wait_for(token, 100) end)
        end)
        assert.is_false(ok)
        assert.truthy(why:find("attempt to yield across", 1, true), why)
        world:pass(100)
        collectgarbage()
        collectgarbage()
        assert.is_nil(next(kept))
    end)

    it("forgets whose request was aborted", function()
        local kept = waits("kept", LOOK_MS * 3)
        local aborted = setmetatable({}, { __mode = "k" })
        for _ = 1, MANY - 2 do
            local token = {}
            aborted[token] = true
            waits(token, 1000).request.dead = true
        end
        world:pass(1000 + LOOK_MS + 1)
        waits("a", 1000) -- now there are many
        collectgarbage()
        collectgarbage()
        assert.is_nil(next(aborted))
        scheduler.wake "kept"
        world:pass(0)
        assert.is_true(kept.woken)
    end)

    it("runs a task in a timer, and logs its error", function()
        local got
        local task = scheduler.spawn(function(...)
            got = { n = select("#", ...), ... }
            error("wrong", 0)
        end, 1, nil, nil)
        assert.is_false(task.done)
        world:pass(0)
        assert.is_true(task.done)
        assert.same({ n = 3, 1 }, got)
        assert.same({ "twilio_sms: wrong" }, world.log)
    end)

    it("runs a task at once when nginx has no timer left", function()
        world.refuses_timers = function() return true end
        local ran = false
        assert.is_true(scheduler.spawn(function() ran = true end).done)
        assert.is_true(ran)
    end)
end)
