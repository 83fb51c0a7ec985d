--- Coroutines over clients: inside of a loop, whatever waits lets the others go on.
--
-- `run` makes a loop in real time and turns it until everything has ended. `new` makes one with a clock of
-- another kind, which its owner turns. The order in which coroutines go on depends on nothing but what they
-- do and when.
local core = require "twilio_sms.core"
local options = require "twilio_sms.options"
local timeline = require "twilio_sms.timeline"

local unpack = table.unpack or unpack -- luacheck: ignore 113

local M = {}

local Loop = {}
local class = { __index = Loop, __name = "twilio_sms.loop" }

-- The loop that is running, or nil.
local current

-- Who schedules coroutines where no loop runs: the program that Lua is inside of, or nil.
local host

-- The loops in which somebody waits for a token. They share nothing, so their order does not matter; and one
-- that its owner has dropped is not kept.
local waited_in = setmetatable({}, { __mode = "k" })

-- ---- One loop ------------------------------------------------------------------------------------

local OPTIONS = { now_ms = "function" }

--- Makes a loop that its owner turns.
-- @tparam[opt] table opts now_ms, a function that answers its time in milliseconds, which never goes back
function M.new(opts)
    opts = options.check(opts, OPTIONS, 2)
    return setmetatable({
        now_ms = opts.now_ms or function() return core.now_ms() end,
        ready = {}, values = {}, first = 1, last = 0, -- coroutines to resume, and with what
        owned = {}, alive = 0,
        waiting = {}, tokens = 0, -- waiters by token, in the order in which they came
        timers = timeline.new(),
        drives = {}, held = {}, -- what has to be stepped: a list, and its entries by drive
        turning = false,
    }, class)
end

local function push(self, co, value)
    local last = self.last + 1
    self.last = last
    self.ready[last], self.values[last] = co, value
end

--- Starts f(...) as a coroutine of this loop; it runs in the next turn.
-- @treturn table a task, whose `done` tells whether it has returned
function Loop:spawn(f, ...)
    local task = { done = false }
    local n, arguments = select("#", ...), { ... }
    local co = coroutine.create(function()
        f(unpack(arguments, 1, n))
        task.done = true
    end)
    self.owned[co] = true
    self.alive = self.alive + 1
    push(self, co, false)
    return task
end

--- Whether a coroutine is to go on in the next turn, whatever the time.
function Loop:is_ready()
    return self.first <= self.last
end

--- When the next of those who sleep wants to go on; nil when nobody sleeps.
function Loop:due_ms()
    return self.timers:due_ms()
end

-- Takes a waiter whose time is over off the list of those that wait for its token.
local function stop_waiting(self, waiter)
    local left = {}
    for _, other in ipairs(self.waiting[waiter.token]) do
        if other ~= waiter then
            left[#left + 1] = other
        end
    end
    if not left[1] then
        self.tokens = self.tokens - 1
    end
    self.waiting[waiter.token] = left[1] and left
end

local function wake_sleepers(self)
    local waiter = self.timers:take(self.now_ms())
    while waiter do
        if waiter.token ~= nil then
            stop_waiting(self, waiter)
        end
        push(self, waiter.co, false)
        waiter = self.timers:take(self.now_ms())
    end
end

local function resume(self, co, value)
    local ok, err = true, nil
    if coroutine.status(co) ~= "dead" then -- somebody may have closed it
        ok, err = coroutine.resume(co, value)
    end
    if coroutine.status(co) == "dead" then
        self.owned[co] = nil
        self.alive = self.alive - 1
    end
    if not ok then
        error(type(err) == "string" and debug.traceback(co, err) or err, 0)
    end
end

local function turn(self)
    wake_sleepers(self)
    local last = self.last -- who becomes ready from here on goes on in the next turn
    while self.first <= last do
        local i = self.first
        local co, value = self.ready[i], self.values[i]
        self.ready[i], self.values[i] = nil, nil
        self.first = i + 1
        resume(self, co, value)
    end
    if self.first > self.last then
        self.first, self.last = 1, 0
    end
end

local function leave(before, ok, ...)
    current = before
    if not ok then
        error((...), 0)
    end
    return ...
end

--- Calls f(...) with this loop as the running one, so that what it spawns runs here and the time is that of
-- this loop. Not as a coroutine: what waits in it blocks.
function Loop:call(f, ...)
    local before = current
    current = self
    return leave(before, pcall(f, ...))
end

--- Resumes who is ready and whose time has come, each once. An error in one of them is raised here; the
-- others can go on in another turn.
function Loop:turn()
    if self.turning then
        error("a coroutine of this loop cannot turn it", 2)
    end
    local before = current
    self.turning, current = true, self
    local ok, err = pcall(turn, self)
    self.turning, current = false, before
    if not ok then
        error(err, 0)
    end
end

-- ---- Inside of a loop ----------------------------------------------------------------------------

--- Makes the scheduler of a host program, such as nginx, stand in for a loop where none is running.
-- @tparam table|nil scheduler with the functions inside(), spawn(f, ...), wait(token, drive), wait_for(token,
--   timeout_ms), wake(token) and sleep(ms), each as the function of this module
function M.set_host(scheduler)
    host = scheduler
end

--- Whether the calling code runs in a coroutine of the running loop, and so may yield to it.
function M.inside()
    if current then
        return current.owned[coroutine.running() or false] == true
    end
    return host ~= nil and host.inside()
end

-- Whether it is the host's scheduler that lets others go on. It never blocks: where its code cannot wait,
-- nothing can.
local function in_host()
    if current or not host then
        return false
    elseif not host.inside() then
        error("nobody can wait in this phase of nginx; do it in a timer: ngx.timer.at(0, f)", 3)
    end
    return true
end

--- Milliseconds, by the clock of the running loop; outside of a loop by that of the drive, or the machine's.
-- @tparam[opt] table drive
function M.now_ms(drive)
    if current then
        return current.now_ms()
    end
    return drive and not drive.closed and drive:now_ms() or core.now_ms()
end

--- Starts f(...) as a coroutine of the running loop.
-- @treturn table a task, whose `done` tells whether it has returned
function M.spawn(f, ...)
    if current then
        return current:spawn(f, ...)
    elseif host then
        return host.spawn(f, ...)
    end
    error("spawn works inside of loop.run", 2)
end

-- Suspends the running coroutine until a token is woken, or a moment has come. Answers whether it was woken.
local function suspend(self, token, until_ms)
    local waiter = { co = coroutine.running(), token = token, timer = nil }
    if token ~= nil then
        local waiting = self.waiting[token]
        if not waiting then
            waiting = {}
            self.waiting[token], self.tokens = waiting, self.tokens + 1
            waited_in[self] = true
        end
        waiting[#waiting + 1] = waiter
    end
    if until_ms and token ~= nil then
        waiter.timer = self.timers:add(until_ms, waiter)
    elseif until_ms then -- nobody wakes it before
        self.timers:push(until_ms, waiter)
    end
    return coroutine.yield()
end

local function hold(self, drive)
    local entry = self.held[drive]
    if not entry then
        entry = { drive = drive, count = 0, at = #self.drives + 1 }
        self.held[drive], self.drives[entry.at] = entry, entry
    end
    entry.count = entry.count + 1
end

local function release(self, drive)
    local entry = self.held[drive]
    entry.count = entry.count - 1
    if entry.count == 0 then
        local last = table.remove(self.drives)
        self.held[drive] = nil
        if last ~= entry then
            self.drives[entry.at], last.at = last, entry.at
        end
    end
end

--- Suspends the calling coroutine until wake(token) is called. For drives.
-- @param token any value; several coroutines may wait for the same
-- @tparam table drive what has to be stepped meanwhile
function M.wait(token, drive)
    if not M.inside() then
        error("wait works inside of a loop", 2)
    elseif not current then
        host.wait(token, drive)
        return
    end
    local loop = current
    hold(loop, drive)
    suspend(loop, token)
    release(loop, drive)
end

local SLEEP_MOST_MS = 2147483647

local function check_ms(name, ms)
    if type(ms) ~= "number" or not (ms >= 0 and ms <= SLEEP_MOST_MS) then
        error(name .. " takes milliseconds, a number from 0", 3)
    end
    return math.ceil(ms)
end

-- Outside of a loop nothing else can go on but what the drive has under way.
local function pause(ms, drive)
    if not drive or drive.closed then
        core.poll({}, ms)
        return
    end
    local until_ms = drive:now_ms() + ms
    local left_ms = ms
    repeat
        drive:step(left_ms)
        left_ms = drive.closed and 0 or until_ms - drive:now_ms()
    until left_ms <= 0
end

--- Lets the running loop wait for a drive, too, for whose sake it does not go on: for exporters.
-- @tparam table drive
-- @tparam table|nil before what this has answered for the drive before, unless it was dismissed since
-- @treturn table|nil the loop; nil when none is running
function M.attend(drive, before)
    if before ~= current then
        if before then
            release(before, drive)
        end
        if current then
            hold(current, drive)
        end
    end
    return current
end

--- Ends what attend has begun.
function Loop:dismiss(drive)
    release(self, drive)
end

--- Suspends the calling coroutine until wake(token) is called, but no longer than timeout_ms. Outside of a
-- loop, where nobody could call wake meanwhile, it pauses the program.
-- @param token any value; several coroutines may wait for the same
-- @tparam[opt] table drive what is stepped meanwhile outside of a loop, and whose time counts there
-- @treturn boolean whether it was woken
function M.wait_for(token, timeout_ms, drive)
    timeout_ms = check_ms("wait_for", timeout_ms)
    if in_host() then
        return host.wait_for(token, timeout_ms)
    elseif not M.inside() then
        pause(timeout_ms, drive)
        return false
    end
    return suspend(current, token, current.now_ms() + timeout_ms)
end

--- Lets the coroutines that wait for token go on, in whichever loop they are.
function M.wake(token)
    for self in pairs(waited_in) do
        local waiting = self.waiting[token]
        if waiting then
            self.waiting[token], self.tokens = nil, self.tokens - 1
            for _, waiter in ipairs(waiting) do
                if waiter.timer then
                    self.timers:remove(waiter.timer)
                end
                push(self, waiter.co, true)
            end
        end
        if self.tokens == 0 then
            waited_in[self] = nil
        end
    end
    if host then
        host.wake(token)
    end
end

--- Pauses the calling coroutine, or the whole program outside of a loop.
-- @tparam[opt] table drive as for wait_for
function M.sleep(ms, drive)
    ms = check_ms("sleep", ms)
    if in_host() then
        host.sleep(ms)
        return
    elseif not M.inside() then
        pause(ms, drive)
        return
    end
    suspend(current, nil, current.now_ms() + ms)
end

-- ---- Real time -----------------------------------------------------------------------------------

-- Lets all drives work without waiting. One that ends its part leaves its place to the last one.
local function step_all(drives)
    for _, entry in ipairs(drives) do
        entry.drive:step(0)
    end
end

--- Lets the drives that somebody waits for in this loop work without waiting.
function Loop:step_drives()
    step_all(self.drives)
end

-- Waits for the network, for at most so long; -1: for as long as it takes.
local function step_drives(drives, wait)
    if #drives == 0 then
        core.poll({}, wait)
    elseif #drives == 1 then
        drives[1].drive:step(wait)
    else
        local fds, blind = {}, nil
        for _, entry in ipairs(drives) do
            local own = entry.drive:timeout_ms()
            wait = own >= 0 and (wait < 0 or own < wait) and own or wait
            local fd = entry.drive:pollfd()
            fds[#fds + 1] = fd
            blind = blind or not fd and entry.drive
        end
        if blind then
            blind:step(wait) -- there is nothing to poll: its time goes on when it waits
        else
            core.poll(fds, wait)
        end
        step_all(drives)
    end
end

--- Waits for a drive that has something under way, outside of a loop, and lets another one go on meanwhile.
-- @tparam table drive
-- @tparam table|nil other
function M.block(drive, other)
    if other and drive:pollfd() then
        step_drives({ { drive = drive }, { drive = other } }, -1)
    else
        drive:step(-1)
    end
end

local function run_until_empty(self)
    while self.alive > 0 do
        self:turn()
        local due_ms = self:due_ms()
        if self.alive > 0 and self:is_ready() then
            step_all(self.drives) -- even when somebody is always ready, the network has its turn
        elseif self.alive > 0 and (due_ms or self.drives[1]) then
            step_drives(self.drives, due_ms and math.max(0, due_ms - self.now_ms()) or -1)
        elseif self.alive > 0 then
            error("loop.run: every coroutine waits for something that cannot happen", 0)
        end
    end
end

--- Runs f(...) and every coroutine that it spawns, until all have returned. An error in one of them ends
-- the loop and is raised here.
function M.run(f, ...)
    if current then
        error("loop.run is running already; use loop.spawn inside of it", 2)
    elseif host then
        error("loop.run would block nginx, whose light threads do what a loop does: ngx.thread.spawn", 2)
    end
    local self = M.new()
    self:spawn(f, ...)
    self:call(run_until_empty, self)
end

return M
