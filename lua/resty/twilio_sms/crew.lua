--- Performs the requests of one client with light threads of its own, in a timer of the worker.
--
-- Requests of users come and go, and may be aborted; a message must not be lost with them, nor a question to
-- a hook that waits for a store. So each client has a crew, and whoever sends only waits: light threads that
-- ask the hooks and take one request after the other, and one that keeps the time. Together they are
-- a shift, which ends when there is nothing to do, and makes way for another before the memory that nginx
-- keeps for it grows.
local core = require "twilio_sms.core"
local exchange = require "resty.twilio_sms.exchange"
local semaphore = require "ngx.semaphore"

local ngx = ngx

local M = {}

local Crew = {}
local class = { __index = Crew, __name = "resty.twilio_sms.crew" }

-- A shift makes way for the next one after so many requests.
local SHIFT_REQUESTS = 10000

local LINGER_MS = 1000 -- how long a shift stays when there is nothing to do
local WATCH_MS = 1000 -- how often it looks whether a request is stuck
local STUCK_MS = 500 -- how long after its time a request counts as stuck, as in a look-up of a name
local START_MS = 1000 -- a timer of nginx that has not begun until then counts as dropped
local IDLE_S = 3600 -- ended by the bell at the end of a shift
local WALL_MS = 1000 -- how often the clock on the wall is looked at

--- Makes a crew.
-- @tparam table origin see `exchange`
-- @tparam number most how many requests may be under way at once
function M.new(origin, most)
    return setmetatable({
        origin = origin, most = most,
        client = nil, drive = nil, -- see serve and attach
        jobs = {}, first = 1, last = 0, -- requests that nobody has taken yet
        done = {}, done_first = 1, done_last = 0, -- what became of others
        flying = {}, aloft = 0, -- requests that somebody has taken, by id
        called = 0, -- light threads that were called and have not come yet
        shift = nil, closed = false,
        coming = nil, -- the shift whose timer has not begun yet
        wall_offset_ms = 0, wall_due_ms = 0, -- from monotonic to Unix time, and until when that is good
        takes_bytes = true,
    }, class)
end

-- ---- The transport (see twilio_sms.driver.machine) -----------------------------------------------

function Crew:now()
    local now_ms = core.now_ms()
    if now_ms >= self.wall_due_ms then
        self.wall_offset_ms, self.wall_due_ms = core.time_ms() - now_ms, now_ms + WALL_MS
    end
    return now_ms, now_ms + self.wall_offset_ms
end

function Crew:start(id, job)
    job.id, job.due_ms, job.sent, job.given_up = id, core.now_ms() + job.timeout_ms, false, false
    self.last = self.last + 1
    self.jobs[self.last] = job
end

function Crew:finished()
    local first = self.done_first
    local one = self.done[first]
    if one then
        self.done[first] = nil
        self.done_first = first + 1
        return one[1], one[2], one[3], one[4]
    end
end

--- Nobody who steps the client waits: see tend.
function Crew:wait()
    return false
end

-- ---- Who is wanted -------------------------------------------------------------------------------

-- How many light threads have something to do: requests, answers, questions to the hooks; and what is due,
-- which may be any of these.
local function work_left(self, now_ms, due_ms)
    local left = self.last - self.first + 1 + self.done_last - self.done_first + 1 + self.client:news()
    return left < 1 and due_ms and due_ms <= now_ms and 1 or left
end

local function ring(shift)
    if not shift.rung then
        shift.rung = true
        shift.bell:post(1)
    end
end

-- Calls somebody who is idle. Answers whether there was anybody.
local function call_idle(shift)
    local n = #shift.idle
    local bell = shift.idle[n]
    if bell then
        shift.idle[n] = nil
        bell:post(1)
    end
    return bell ~= nil
end

-- Calls who is idle for so much work. Answers how much is left.
local function call_for(self, shift, wanted)
    wanted = wanted - self.called
    while wanted > 0 and call_idle(shift) do
        self.called = self.called + 1
        wanted = wanted - 1
    end
    return wanted
end

local function end_shift(self, shift)
    shift.over = true
    if self.shift == shift then
        self.shift = nil
    end
    ring(shift)
    repeat until not call_idle(shift)
end

-- ---- A light thread that works -------------------------------------------------------------------

local function finish(self, job, ...)
    if job.given_up then
        return
    end
    self.flying[job.id] = nil
    self.aloft = self.aloft - 1
    self.done_last = self.done_last + 1
    self.done[self.done_last] = { job.id, ... }
end

local function finish_performed(self, job, ok, result, ...)
    if ok then
        finish(self, job, result, ...)
    else
        finish(self, job, { sent = job.sent, fault = "InternalError", message = tostring(result) })
    end
end

local function take_job(self)
    local job = self.jobs[self.first]
    if job then
        self.jobs[self.first] = nil
        self.first = self.first + 1
        self.flying[job.id] = job
        self.aloft = self.aloft + 1
    end
    return job
end

-- Lets the client go on with what there is: answers come in, hooks are asked, requests go out.
local function turn(self)
    local ok, err = pcall(self.drive.step, self.drive, 0)
    if not ok then
        ngx.log(ngx.ERR, "twilio_sms: ", tostring(err))
    end
    self:tend(1)
end

-- Waits for a call. Whoever leaves takes care that nobody calls it any more.
local function await_call(self, shift, bell)
    shift.idle[#shift.idle + 1] = bell
    bell:wait(IDLE_S)
    for i = #shift.idle, 1, -1 do
        if shift.idle[i] == bell then
            table.remove(shift.idle, i) -- nobody has called
            return
        end
    end
    self.called = self.called > 0 and self.called - 1 or 0
end

local function work(self, shift)
    local answer, bell = core.http1(), semaphore.new()
    while not self.closed and not (shift.over and self.shift) do
        local job = take_job(self)
        if job then
            shift.requests = shift.requests + 1
            finish_performed(self, job, pcall(exchange.perform, self.origin, job, answer))
            job.bytes = nil -- the token is in it
        end
        turn(self)
        if self.first > self.last then
            if shift.over then
                break
            end
            await_call(self, shift, bell)
        end
    end
    shift.hands = shift.hands - 1
    if shift.over and shift.hands == 0 then
        ring(shift)
    end
end

-- ---- The light thread that keeps the time --------------------------------------------------------

-- Gives up what is stuck where no time limit reaches, as in nginx's look-ups of names.
local function give_up_stuck(self, now_ms)
    for _, job in pairs(self.flying) do
        if now_ms > (job.connect_due_ms or job.due_ms) + STUCK_MS then
            finish(self, job, exchange.stuck(self.origin, job))
            job.given_up = true
        end
    end
end

-- How many light threads there may be: one more than requests can be under way, for calls whose time is over
-- meanwhile. When even so nobody comes, all are inside of hooks, which may wait for one another: one more.
local function room_for(self, shift, now_ms, due_ms)
    local is_late = due_ms and now_ms > due_ms + STUCK_MS
    return is_late and shift.hands + 1 or self.most + 1
end

local function hire(self, shift, wanted, room)
    while wanted > 0 and shift.hands < room and not shift.over do
        shift.hands = shift.hands + 1
        wanted = wanted - 1
        ngx.thread.spawn(work, self, shift) -- runs until it has to wait
    end
end

-- When it wants to look again; nil when nothing will happen by itself.
local function next_look(self, now_ms)
    local due_ms = self.client:due_ms()
    if due_ms and due_ms <= now_ms then -- nobody was free
        local late_ms = due_ms + STUCK_MS + 1
        return late_ms > now_ms and late_ms or now_ms + WATCH_MS
    end
    local watch_ms = (self.aloft > 0 or work_left(self, now_ms, due_ms) > 0) and now_ms + WATCH_MS or nil
    return due_ms and watch_ms and math.min(due_ms, watch_ms) or due_ms or watch_ms
end

local open_shift

local function keep_time(self, shift)
    local idle_since_ms
    while not shift.over do
        shift.rung = false
        local now_ms, due_ms = core.now_ms(), self.client:due_ms()
        give_up_stuck(self, now_ms)
        local wanted = call_for(self, shift, work_left(self, now_ms, due_ms))
        hire(self, shift, wanted, room_for(self, shift, now_ms, due_ms))
        local look_ms = not self.closed and next_look(self, now_ms) or nil
        if look_ms then
            idle_since_ms = nil
        else
            idle_since_ms = idle_since_ms or now_ms
            look_ms = ngx.worker.exiting() and now_ms or idle_since_ms + LINGER_MS
        end
        if idle_since_ms and look_ms <= now_ms then
            end_shift(self, shift)
        elseif shift.requests >= SHIFT_REQUESTS then
            open_shift(self) -- which ends this one; without a timer for it this one goes on
        end
        if not shift.over then
            shift.look_ms = look_ms
            shift.bell:wait(math.max(1, look_ms - now_ms) / 1000)
        end
    end
    while shift.hands > 0 and not self.closed do
        shift.rung = false
        shift.bell:wait(WATCH_MS / 1000)
    end
    if self.closed then
        ngx.exit(ngx.OK) -- ends those who wait for an answer, and closes their sockets
    end
end

-- A timer has begun. Only now can its shift take over: nginx may drop a timer without a word to us.
local function begin(self, shift)
    if self.coming ~= shift then
        return -- it was taken for dropped
    end
    self.coming = nil
    if self.shift then
        end_shift(self, self.shift)
    end
    self.shift = shift
    keep_time(self, shift)
end

-- Answers true when a shift is on its way, nil and a text when nginx gives no timer.
function open_shift(self)
    local now_ms, coming = core.now_ms(), self.coming
    if coming and now_ms <= coming.opened_ms + START_MS then
        return true
    end
    local shift = {
        bell = semaphore.new(), rung = false, look_ms = 0, opened_ms = now_ms,
        idle = {}, hands = 0, requests = 0, over = false,
    }
    local ok, err = ngx.timer.at(0, function() begin(self, shift) end)
    if not ok then
        return nil, "nginx has no timer left: " .. err
    end
    self.coming = shift
    return true
end

--- Ends everything. What is on the wire is given up.
function Crew:close()
    self.closed, self.coming = true, nil
    self.jobs, self.first, self.last = {}, 1, 0 -- the token is in them
    for _, job in pairs(self.flying) do
        job.given_up = true
    end
    if self.shift then
        end_shift(self, self.shift)
    end
end

--- Sees to it that somebody works on what there is to do, and looks again when it is due.
-- @tparam[opt] number own how many of those who work the caller is
-- @treturn boolean|nil true; nil and a text when nginx gives no timer
function Crew:tend(own)
    if self.closed then
        return true
    end
    local shift, now_ms, due_ms = self.shift, core.now_ms(), self.client:due_ms()
    local wanted = work_left(self, now_ms, due_ms)
    if not shift then
        if wanted <= 0 and not due_ms then
            return true
        end
        return open_shift(self)
    end
    wanted = call_for(self, shift, wanted - (own or 0))
    -- What is due already, in spite of what the caller has done, has a millisecond's time.
    local look_ms = due_ms and (due_ms > now_ms and due_ms or own and now_ms + 1)
    if wanted > 0 and shift.hands <= self.most or look_ms and look_ms < shift.look_ms then
        ring(shift)
    end
    return true
end

--- As tend, for a request that is new.
function Crew:take_in()
    if ngx.get_phase() == "exit_worker" then
        return nil, "this worker is at its end"
    end
    return self:tend()
end

--- Writes to the log what became of a message that nobody waits for. Numbers in errors are masked.
function Crew.log_failure(_, _, err)
    if err then
        ngx.log(ngx.ERR, "twilio_sms: a message failed: ", tostring(err))
    end
end

--- Tells whose requests these are.
-- @tparam table client a core client over this crew
function Crew:serve(client)
    self.client = client
end

--- Tells who asks the hooks and hands out the results.
function Crew:attach(drive)
    self.drive = drive
end

return M
