--- Lets time pass in a world: from one moment at which something is due to the next, and at each of them
-- everything that can happen without waiting, in an order that is the same each time.
local M = {}

local Engine = {}
local class = { __index = Engine, __name = "twilio_sms.sim.world.engine" }

--- @tparam table parts schedule, journal, carrier, conversation, outbox (`twilio_sms.sim.webhooks`), poster,
-- and loop
function M.new(parts)
    return setmetatable({
        schedule = parts.schedule,
        journal = parts.journal,
        carrier = parts.carrier,
        conversation = parts.conversation,
        outbox = parts.outbox,
        poster = parts.poster,
        loop = parts.loop,
        processes = {}, -- in the order in which they were made
        touched = {}, count = 0, -- those that something has come for
        running = false,
        turns = 0, -- since time has moved
    }, class)
end

--- Notes that there is something for a process.
function Engine:touch(process)
    if not process.is_touched then
        process.is_touched = true
        self.count = self.count + 1
        self.touched[self.count] = process
    end
end

--- Adds a process.
function Engine:add(process)
    self.processes[#self.processes + 1] = process
    self:touch(process)
end

--- Whether there is a process of this name, alive or not.
function Engine:find(name)
    for _, process in ipairs(self.processes) do
        if process.name == name then
            return process
        end
    end
end

--- Whether this is one of its processes.
function Engine:has(process)
    for _, one in ipairs(self.processes) do
        if one == process then
            return true
        end
    end
    return false
end

--- Lets all processes look at what they have: their clocks have changed.
function Engine:touch_all()
    for _, process in ipairs(self.processes) do
        self:touch(process)
    end
end

-- The carrier's own time is Twilio's. Nobody needs to see each step of a message when nobody hears of it:
-- then it catches up when somebody asks.
local function carrier_due_ms(self)
    local carrier = self.carrier
    local due_ms = self.journal.is_on and carrier:due_ms() or carrier:callback_due_ms()
    return due_ms and due_ms - self.schedule.start_ms
end

local function outbox_due_ms(self)
    local due_ms = self.outbox:due_ms()
    return due_ms and due_ms - self.schedule.start_ms
end

local function advance_carrier(self)
    local due_ms = carrier_due_ms(self)
    if due_ms and due_ms <= self.schedule.mono_ms then
        self.carrier:advance(self.schedule:true_ms())
    end
    if self.carrier:has_news() then
        self.conversation:tell_changes()
    end
end

local function step_outbox(self)
    local outbox = self.outbox
    local due_ms = outbox_due_ms(self)
    if outbox:is_ready() or self.poster:has_result() or due_ms and due_ms <= self.schedule.mono_ms then
        outbox:step(self.schedule:true_ms())
    end
end

local function step_process(self, process)
    if process.crashed then
        process.wake_ms = nil
        return
    elseif process.client then
        process.client.drive:step(0)
    else -- a client that was made elsewhere: who waits for it holds its drive
        process:step(0)
        self.loop:step_drives()
    end
    process.wake_ms = process:due_ms()
    if self.journal.is_on and not process.crashed and not process.closed then -- a hook may have ended it
        process:tell_events()
    end
end

-- Those that something has come for, first come, first served; then those whose own time has come.
local function step_processes(self)
    local touched, i = self.touched, 1
    while i <= self.count do
        local process = touched[i]
        process.is_touched = false
        touched[i] = nil
        step_process(self, process)
        i = i + 1
    end
    self.count = 0
    local now_ms, processes = self.schedule.mono_ms, self.processes
    for k = 1, #processes do
        local process = processes[k]
        local wake_ms = process.wake_ms
        if wake_ms and wake_ms <= now_ms then
            step_process(self, process)
        end
    end
end

local function is_quiet(self)
    local due_ms = self.schedule:due_ms()
    local now_ms = self.schedule.mono_ms
    return self.count == 0 and not self.loop:is_ready() and not self.outbox:is_ready()
        and not self.poster:has_result() and not (due_ms and due_ms <= now_ms)
end

-- Everything that can happen at this moment.
local function turn(self)
    local loop, now_ms = self.loop, self.schedule.mono_ms
    repeat
        self.schedule:fire()
        advance_carrier(self)
        step_outbox(self)
        local due_ms = loop:due_ms()
        if loop:is_ready() or due_ms and due_ms <= now_ms then
            loop:turn()
        end
        step_processes(self)
    until is_quiet(self)
end

local function earlier(a, b)
    if a and b then
        return a < b and a or b
    end
    return a or b
end

-- The next moment at which something is due; nil for never.
local function next_ms(self)
    local due_ms = earlier(self.schedule:due_ms(), self.loop:due_ms())
    due_ms = earlier(due_ms, carrier_due_ms(self))
    due_ms = earlier(due_ms, outbox_due_ms(self))
    local processes = self.processes
    for k = 1, #processes do
        due_ms = earlier(due_ms, processes[k].wake_ms)
    end
    return due_ms
end

local TURNS_MOST = 200000 -- in one moment; a crowd needs a few hundred

-- Goes on to a moment, which may be the present one, but not for ever.
local function go_to(self, due_ms)
    local schedule = self.schedule
    if due_ms > schedule.mono_ms then
        schedule.mono_ms, self.turns = due_ms, 0
        return
    end
    self.turns = self.turns + 1
    if self.turns > TURNS_MOST then
        self.turns = 0
        local why = "time stands still at %d ms: something goes on without ever waiting"
        error(why:format(schedule.mono_ms), 0)
    end
end

local function advance(self, until_ms, is_done)
    local schedule = self.schedule
    self.turns = 0
    turn(self)
    while not (is_done and is_done()) do
        local due_ms = next_ms(self)
        if not due_ms or due_ms > until_ms then
            if until_ms < math.huge then
                schedule.mono_ms = math.max(schedule.mono_ms, until_ms)
            end
            return false
        end
        go_to(self, due_ms)
        turn(self)
    end
    return true
end

--- Lets time pass.
-- @tparam number until_ms monotonic; math.huge for as long as anything is due
-- @tparam[opt] function is_done is asked after each moment
-- @treturn boolean whether it was done
function Engine:advance(until_ms, is_done)
    self.running = true
    local ok, result = pcall(self.loop.call, self.loop, advance, self, until_ms, is_done)
    self.running = false
    if not ok then
        error(result, 0)
    end
    return result
end

--- Waits for a process: until it was told something, or a moment has come. Inside of the running world
-- nothing waits: time passes for all or for nobody.
-- @tparam number|nil until_ms
-- @treturn boolean whether anything came
function Engine:wait_for(process, until_ms)
    if self.running then
        return false
    end
    local taken = process.taken
    self:touch(process)
    return self:advance(until_ms or math.huge, function()
        return process.taken ~= taken or process.crashed or process.closed or process:has_news()
    end)
end

--- Ends all processes.
function Engine:close()
    for _, process in ipairs(self.processes) do
        if process.client and not process.crashed then -- nobody hears of the end of what is dead
            process.client:close()
        end
        process:close()
    end
end

return M
