--- Coroutines over clients: inside of `run`, whatever waits lets the others go on.
local core = require "twilio_sms.core"

local unpack = table.unpack or unpack -- luacheck: ignore 113

local M = {}

-- The loop that is running, or nil: ready coroutines, sleepers, and the drives that somebody waits for.
local current

--- Whether the calling code runs in a coroutine of the running loop, and so may yield to it.
function M.inside()
    return current ~= nil and current.owned[coroutine.running() or false] == true
end

local function push(loop, co, ...)
    loop.last = loop.last + 1
    loop.ready[loop.last] = { co = co, n = select("#", ...), ... }
end

--- Starts f(...) as a coroutine of the running loop.
-- @treturn table a task, whose `done` tells whether it has returned
function M.spawn(f, ...)
    if not current then
        error("spawn works inside of loop.run", 2)
    end
    local task = { done = false }
    local co = coroutine.create(function(...)
        f(...)
        task.done = true
    end)
    current.owned[co] = true
    current.alive = current.alive + 1
    push(current, co, ...)
    return task
end

--- Suspends the calling coroutine until wake(token) is called. For drives.
-- @param token any value; several coroutines may wait for the same
-- @tparam table drive what has to be stepped meanwhile
function M.wait(token, drive)
    local loop = current
    local waiting = loop.waiting[token] or {}
    waiting[#waiting + 1] = coroutine.running()
    loop.waiting[token] = waiting
    loop.drives[drive] = (loop.drives[drive] or 0) + 1
    coroutine.yield()
    local left = loop.drives[drive] - 1
    loop.drives[drive] = left > 0 and left or nil
end

local SLEEP_MOST_MS = 2147483647

local function check_ms(name, ms)
    if type(ms) ~= "number" or not (ms >= 0 and ms <= SLEEP_MOST_MS) then
        error(name .. " takes milliseconds, a number from 0", 3)
    end
    return math.ceil(ms)
end

--- Suspends the calling coroutine until wake(token) is called, but no longer than timeout_ms. Outside of a
-- loop, where nobody could call wake meanwhile, it pauses the program.
-- @param token any value; several coroutines may wait for the same
-- @treturn boolean whether it was woken
function M.wait_for(token, timeout_ms)
    timeout_ms = check_ms("wait_for", timeout_ms)
    if not M.inside() then
        core.poll({}, timeout_ms)
        return false
    end
    local loop, co = current, coroutine.running()
    local waiting = loop.waiting[token] or {}
    waiting[#waiting + 1] = co
    loop.waiting[token] = waiting
    loop.sleeping[co] = core.now_ms() + timeout_ms
    loop.timed[co] = token
    return coroutine.yield()
end

-- Takes a coroutine whose time is over off the list of those that wait for a token.
local function stop_waiting(loop, co)
    local token = loop.timed[co]
    if token == nil then
        return
    end
    loop.timed[co] = nil
    local left = {}
    for _, other in ipairs(loop.waiting[token]) do
        if other ~= co then
            left[#left + 1] = other
        end
    end
    loop.waiting[token] = left[1] and left
end

--- Lets the coroutines that wait for token go on.
function M.wake(token)
    local waiting = current and current.waiting[token]
    if waiting then
        current.waiting[token] = nil
        for _, co in ipairs(waiting) do
            if current.timed[co] ~= nil then
                current.timed[co], current.sleeping[co] = nil, nil
            end
            push(current, co, true)
        end
    end
end

--- Pauses the calling coroutine, or the whole program outside of a loop.
function M.sleep(ms)
    ms = check_ms("sleep", ms)
    if not M.inside() then
        core.poll({}, ms)
        return
    end
    local loop = current
    loop.sleeping[coroutine.running()] = core.now_ms() + ms
    coroutine.yield()
end

local function resume_ready(loop)
    local first, last = loop.first, loop.last
    for i = first, last do
        local entry = loop.ready[i]
        loop.ready[i] = nil
        loop.first = i + 1
        local ok, err = true, nil
        if coroutine.status(entry.co) ~= "dead" then -- somebody may have closed it
            ok, err = coroutine.resume(entry.co, unpack(entry, 1, entry.n))
        end
        if not ok then
            error(type(err) == "string" and debug.traceback(entry.co, err) or err, 0)
        end
        if coroutine.status(entry.co) == "dead" then
            loop.owned[entry.co] = nil
            loop.alive = loop.alive - 1
        end
    end
end

-- Wakes sleepers; answers how long the next one still sleeps, -1 for none.
local function wake_sleepers(loop)
    local now, wait = core.now_ms(), -1
    for co, at in pairs(loop.sleeping) do
        if at <= now then
            loop.sleeping[co] = nil
            stop_waiting(loop, co)
            push(loop, co, false)
            wait = 0
        elseif wait < 0 or at - now < wait then
            wait = at - now
        end
    end
    return wait
end

-- Lets all of them work without waiting.
local function step_all(loop)
    local list = {}
    for one in pairs(loop.drives) do
        list[#list + 1] = one
    end
    for _, one in ipairs(list) do
        one:step(0)
    end
end

local function step_drives(loop, wait)
    local drive = next(loop.drives)
    if not drive then
        core.poll({}, wait)
    elseif not next(loop.drives, drive) then
        drive:step(wait)
    else
        local fds = {}
        for one in pairs(loop.drives) do
            local own = one:timeout_ms()
            fds[#fds + 1] = one:pollfd()
            wait = own >= 0 and (wait < 0 or own < wait) and own or wait
        end
        core.poll(fds, wait)
        step_all(loop)
    end
end

local function run_until_empty(loop)
    while loop.alive > 0 do
        resume_ready(loop)
        if loop.alive > 0 then
            local wait = wake_sleepers(loop)
            if loop.first <= loop.last then
                step_all(loop) -- even when somebody is always ready, the network has its turn
            elseif wait < 0 and not next(loop.drives) then
                error("loop.run: every coroutine waits for something that cannot happen", 0)
            else
                step_drives(loop, wait)
            end
        end
    end
end

--- Runs f(...) and every coroutine that it spawns, until all have returned. An error in one of them ends
-- the loop and is raised here.
function M.run(f, ...)
    if current then
        error("loop.run is running already; use loop.spawn inside of it", 2)
    end
    current = {
        ready = {}, first = 1, last = 0, alive = 0,
        owned = {}, waiting = {}, sleeping = {}, timed = {}, drives = {},
    }
    M.spawn(f, ...)
    local ok, err = pcall(run_until_empty, current)
    current = nil
    if not ok then
        error(err, 0)
    end
end

return M
