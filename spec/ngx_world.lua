--- As much of nginx as a crew needs, with a clock of its own and without sockets: light threads, timers and
-- semaphores, which go on in the order of their times.
local core = require "twilio_sms.core"
local timeline = require "twilio_sms.timeline"

local M = {}

local MODULES = { "resty.twilio_sms.crew", "resty.twilio_sms.scheduler" }
local FAKES = { "ngx.semaphore", "resty.twilio_sms.exchange" }
local START_MS = 5000

local World = {}
World.__index = World

-- ---- Light threads -------------------------------------------------------------------------------

-- Lets a light thread go on, unless it or the whole it belongs to has ended.
local function go_on(self, thread, ...)
    if thread.dead or thread.root.dead then
        return
    end
    local before = self.running
    self.running = thread
    local ok, err = coroutine.resume(thread.co, ...)
    self.running = before
    if not ok then
        error(debug.traceback(thread.co, err), 0)
    end
    if coroutine.status(thread.co) == "dead" then
        thread.dead = true
        thread.root.alive = thread.root.alive - 1
    end
end

local function start(self, root, f, ...)
    local thread = { root = root, co = coroutine.create(f), dead = false }
    root.alive = root.alive + 1
    go_on(self, thread, ...)
    return thread
end

local function at(self, ms, f)
    return self.events:add(self.now_ms + ms, f)
end

function World:sleep(ms)
    local thread = self.running
    at(self, ms, function() go_on(self, thread) end)
    coroutine.yield()
end

--- Starts a request, or a timer, with one light thread.
-- @treturn table what it is: `alive` is the number of its light threads; `dead` ends all of them
function World:open(f, ...)
    local root = { alive = 0, dead = false }
    start(self, root, f, ...)
    return root
end

-- ---- Semaphores ----------------------------------------------------------------------------------

local Semaphore = {}
Semaphore.__index = Semaphore

local function serve(self)
    while self.resources > 0 and self.waiters[1] do
        local waiter = table.remove(self.waiters, 1)
        if not (waiter.thread.dead or waiter.thread.root.dead) then
            self.resources = self.resources - 1
            self.world.events:remove(waiter.timer)
            go_on(self.world, waiter.thread, true)
        end
    end
end

function Semaphore:post(n)
    self.resources = self.resources + n
    at(self.world, 0, function() serve(self) end) -- as in nginx, not at once
end

function Semaphore:count()
    return self.resources
end

function Semaphore:wait(seconds)
    local world = self.world
    if self.resources > 0 then
        self.resources = self.resources - 1
        return true
    end
    local waiter = { thread = world.running, timer = nil }
    self.waiters[#self.waiters + 1] = waiter
    waiter.timer = at(world, math.ceil(seconds * 1000), function()
        for i, other in ipairs(self.waiters) do
            if other == waiter then
                table.remove(self.waiters, i)
            end
        end
        world.woken_by_time = world.woken_by_time + 1
        go_on(world, waiter.thread, nil, "timeout")
    end)
    return coroutine.yield()
end

-- ---- Time ----------------------------------------------------------------------------------------

--- Lets time pass.
function World:pass(ms)
    local until_ms = self.now_ms + ms
    local due_ms = self.events:due_ms()
    while due_ms and due_ms <= until_ms do
        self.now_ms = math.max(self.now_ms, due_ms)
        self.events:take(self.now_ms)()
        due_ms = self.events:due_ms()
    end
    self.now_ms = until_ms
end

-- ---- The module `ngx` ----------------------------------------------------------------------------

local function timer_at(self, f)
    if self.refuses_timers() then
        return nil, "too many pending timers"
    end
    at(self, 0, function()
        if not self.drops_timers() then
            self.roots[#self.roots + 1] = self:open(f)
        end
    end)
    return true
end

local function fake_ngx(self)
    return {
        OK = 0, ERR = 4,
        exit = function()
            self.running.root.dead = true
            self.running.root.alive = 0
            coroutine.yield()
        end,
        get_phase = function() return "content" end,
        log = function(_, ...) self.log[#self.log + 1] = table.concat { ... } end,
        thread = { spawn = function(f, ...) return start(self, self.running.root, f, ...) end },
        timer = { at = function(_, f) return timer_at(self, f) end },
        worker = { exiting = function() return self.exiting end },
    }
end

--- Makes one and puts it in the place of nginx, of the clock and of the network.
-- @tparam function perform stands for that of `resty.twilio_sms.exchange`
-- @treturn table a world, with `crew` and `scheduler`, the modules over it; close it
function M.new(perform)
    local self = setmetatable({
        now_ms = START_MS, events = timeline.new(), running = nil, roots = {}, log = {}, woken_by_time = 0,
        exiting = false, refuses_timers = function() return false end,
        drops_timers = function() return false end,
        real = { now_ms = core.now_ms, time_ms = core.time_ms, unpack = rawget(_G, "unpack") },
    }, World)
    core.now_ms = function() return self.now_ms end
    core.time_ms = function() return 1700000000000 + self.now_ms end
    rawset(_G, "ngx", fake_ngx(self))
    rawset(_G, "unpack", self.real.unpack or table.unpack) -- nginx has the Lua 5.1 of LuaJIT
    package.loaded["ngx.semaphore"] = {
        new = function() return setmetatable({ world = self, resources = 0, waiters = {} }, Semaphore) end,
    }
    package.loaded["resty.twilio_sms.exchange"] = {
        perform = perform,
        stuck = function(_, job) return { sent = job.sent, fault = "Timeout", message = "stuck" } end,
    }
    for _, name in ipairs(MODULES) do
        package.loaded[name] = nil
        self[name:match "%w+$"] = require(name)
    end
    return self
end

--- Puts everything back.
function World:close()
    core.now_ms, core.time_ms = self.real.now_ms, self.real.time_ms
    rawset(_G, "ngx", nil)
    rawset(_G, "unpack", self.real.unpack)
    for _, list in ipairs { MODULES, FAKES } do
        for _, name in ipairs(list) do
            package.loaded[name] = nil
        end
    end
end

return M
