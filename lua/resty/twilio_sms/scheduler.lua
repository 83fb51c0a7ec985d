--- Lets coroutines wait in nginx: what `twilio_sms.loop` does where there is no nginx.
local core = require "twilio_sms.core"
local semaphore = require "ngx.semaphore"

local ngx = ngx

local M = {}

-- The phases in which Lua code may wait.
local WAITING_PHASES = {
    rewrite = true, server_rewrite = true, access = true, content = true, timer = true, ssl_cert = true,
    ssl_session_fetch = true, ssl_client_hello = true,
}

-- A wait of any length is cut into such ones, so that it is seen when nginx has dropped a timer.
local LOOK_MS = 2000

-- Who waits, by token: a list of waiters.
local waiting = {}
local count, sweep_at = 0, 1024

-- Waiters that can be used again.
local spare = {}
local SPARE_MOST = 1024

--- Whether the calling code may wait.
function M.inside()
    return WAITING_PHASES[ngx.get_phase()] == true
end

local function remove(token, waiter)
    local list = waiting[token]
    for i, other in ipairs(list or {}) do
        if other == waiter then
            table.remove(list, i)
            count = count - 1
            break
        end
    end
    if list and not list[1] then
        waiting[token] = nil
    end
end

-- Forgets those whose request was aborted: nobody else is still there after its time.
local function sweep()
    local now_ms = core.now_ms()
    local late = {}
    for token, list in pairs(waiting) do
        for _, waiter in ipairs(list) do
            if now_ms > waiter.until_ms + LOOK_MS then
                late[#late + 1] = { token, waiter }
            end
        end
    end
    for _, one in ipairs(late) do
        remove(one[1], one[2])
    end
    sweep_at = math.max(1024, count * 2)
end

local function add(token, ms)
    local waiter = table.remove(spare) or { bell = semaphore.new(), until_ms = 0 }
    waiter.until_ms = core.now_ms() + ms
    local list = waiting[token]
    if list then
        list[#list + 1] = waiter
    else
        waiting[token] = { waiter }
    end
    count = count + 1
    if count >= sweep_at then
        sweep()
    end
    return waiter
end

-- Waits until the waiter is woken. Answers whether it was; or nil and a text inside of a function that C
-- calls, as in string.gsub, where nothing can wait.
local function wait(token, waiter, ms)
    local ok, woken = pcall(waiter.bell.wait, waiter.bell, ms / 1000)
    if not (ok and woken) then
        remove(token, waiter)
    end
    if not ok then
        return nil, woken
    end
    if #spare < SPARE_MOST and waiter.bell:count() == 0 then
        spare[#spare + 1] = waiter
    end
    return woken == true
end

--- Waits for a token, for a while; who waits looks again. Whoever submitted something has told the crew.
-- When nginx has no timer for those who would work on it, everything is given up that has not been sent.
-- @tparam table drive what the token belongs to
function M.wait(token, drive)
    local crew = drive.client.crew
    if not crew then
        drive:step(-1) -- a driver that is not made for nginx blocks the worker
        return
    end
    local coming = crew.coming
    local woken, problem = wait(token, add(token, LOOK_MS), LOOK_MS)
    if problem then
        drive:take_back(token) -- nobody had a chance to send it
        error(problem, 0)
    elseif woken then
        return
    elseif coming and crew.coming == coming then
        -- Timers begin in the order of their times: this one would have begun before the wait was over.
        drive:give_up "nginx has dropped a timer: see lua_max_running_timers"
        return
    end
    local tended, why = crew:tend()
    if not tended then
        drive:give_up(why)
    end
end

--- Waits for a token, but no longer than timeout_ms.
-- @treturn boolean whether it was woken
function M.wait_for(token, timeout_ms)
    if timeout_ms <= 0 then
        return false
    end
    local woken, problem = wait(token, add(token, timeout_ms), timeout_ms)
    if problem then
        error(problem, 0)
    end
    return woken
end

--- Lets those go on that wait for a token.
function M.wake(token)
    local list = waiting[token]
    if list then
        waiting[token] = nil
        count = count - #list
        for _, waiter in ipairs(list) do
            waiter.bell:post(1)
        end
    end
end

function M.sleep(ms)
    ngx.sleep(ms / 1000)
end

--- Runs f(...) in a timer of its own, so that it outlives the request.
function M.spawn(f, ...)
    local task = { done = false }
    local n, arguments = select("#", ...), { ... }
    local function run()
        local ok, err = pcall(f, unpack(arguments, 1, n))
        task.done = true
        if not ok then
            ngx.log(ngx.ERR, "twilio_sms: ", tostring(err))
        end
    end
    if not ngx.timer.at(0, run) then
        run() -- nginx has no timer left
    end
    return task
end

return M
