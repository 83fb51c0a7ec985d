--- One client of a world: a core client over `twilio_sms.driver.machine` that tells what it does, waits in
-- virtual time, and can die at any moment as the process that owns it would.
local loop = require "twilio_sms.loop"
local machine = require "twilio_sms.driver.machine"

local M = {}

local Process = {}
local class = { __index = Process, __name = "twilio_sms.sim.world.process" }

local EVENTS_MOST = 1024 -- as many as the core keeps when nobody takes them

--- @tparam table opts name, engine (`twilio_sms.sim.world.engine`), wire (`twilio_sms.sim.world.wire`),
-- schedule, journal
function M.new(opts)
    return setmetatable({
        name = opts.name,
        engine = opts.engine,
        wire = opts.wire,
        schedule = opts.schedule,
        journal = opts.journal,
        crashed = false,
        closed = false,
        lives = 1,
        is_touched = false,
        taken = 0, -- results and questions that the client's drive has had
        events = {}, first = 1, last = 0,
    }, class)
end

--- What `sms.new` takes as a driver.
function Process:driver()
    return {
        open = function(_, core_options, from_env)
            self.line = self.wire:line(self, self.name)
            local inner, err = machine.open(core_options, from_env, self.line)
            if not inner then
                return nil, err
            end
            self.inner = inner
            return self
        end,
    }
end

local function tell(self, event)
    event.at_ms, event.client = self.schedule.mono_ms, self.name
    self.journal:tell(event)
end

-- Who asks a dead process for something has died with it: a coroutine never goes on.
local function check_alive(self)
    if self.crashed then
        while loop.inside() do
            coroutine.yield()
        end
        error(("the client '%s' has crashed; world:restart answers the next one"):format(self.name), 0)
    end
    return self.inner
end

-- ---- What a drive wants --------------------------------------------------------------------------

function Process:submit(operation, fields)
    local inner = check_alive(self)
    local id, err = inner:submit(operation, fields)
    if id and self.journal.is_on then
        tell(self, {
            kind = "submit", call_id = id, operation = operation, to = fields.to, from = fields.from,
            service = fields.messaging_service_sid, body = fields.body, timeout_ms = fields.timeout_ms,
        })
    end
    self.wire.touched(self)
    return id, err
end

function Process:check()
    if self.crashed then
        return nil
    end
    local id, question = self.inner:check()
    if id then
        self.taken = self.taken + 1
    end
    return id, question
end

function Process:answer(...)
    return self.inner:answer(...)
end

function Process:cancel(id)
    self.wire.touched(self)
    return check_alive(self):cancel(id)
end

local function tell_result(self, id, value, err)
    local is_record = type(value) == "table"
    tell(self, {
        kind = "result", call_id = id, ok = value ~= nil,
        outcome = err and err.outcome or is_record and value.outcome or nil,
        error = err and err.kind, code = err and err.code, sid = is_record and value.sid or nil,
        value = value, err = err,
    })
end

function Process:result()
    if self.crashed then
        return nil
    end
    local id, value, err = self.inner:result()
    if id then
        self.taken = self.taken + 1
        if self.journal.is_on then
            tell_result(self, id, value, err)
        end
        if self.crashed then
            return nil -- who has heard of it has let the process die before the program did
        end
    end
    return id, value, err
end

function Process:set_checks(whether)
    self.inner:set_checks(whether)
end

function Process:stats()
    return self.inner:stats()
end

function Process:metrics(format)
    return self.inner:metrics(format)
end

function Process:set_tap(whether)
    self.inner:set_tap(whether)
end

function Process:tap()
    return self.inner:tap()
end

function Process:set_log(log)
    self.inner:set_log(log)
end

function Process:set_trace(trace)
    self.inner:set_trace(trace)
end

function Process:now_ms()
    return self.schedule.mono_ms
end

function Process:pollfd()
    return nil -- there is nothing that a loop in real time could wait for
end

function Process:timeout_ms()
    return -1
end

-- ---- Events --------------------------------------------------------------------------------------

local function keep_event(self, event)
    self.last = self.last + 1
    self.events[self.last] = event
    if self.last - self.first >= EVENTS_MOST then
        self.events[self.first] = nil
        self.first = self.first + 1
    end
end

--- Tells what the core has noted, and keeps it for those who ask the client.
function Process:tell_events()
    local event = self.inner:event()
    while event do
        tell(self, {
            kind = "client_event", type = event.type, call_id = event.call_id, operation = event.operation,
            attempt = event.attempt, duration_ms = event.duration_ms, http_status = event.http_status,
            code = event.code, error = event.error, outcome = event.outcome, sid = event.sid,
            text = event.text, event = event,
        })
        keep_event(self, event)
        event = self.inner:event()
    end
end

function Process:event()
    local event = self.events[self.first]
    if event then
        self.events[self.first] = nil
        self.first = self.first + 1
        return event
    end
    return not self.crashed and self.inner:event() or nil
end

-- ---- Time ----------------------------------------------------------------------------------------

--- Whether something is there for a drive that the engine does not know.
function Process:has_news()
    return not self.client and self.inner:news() > 0
end

-- Whether it may still move. Not when the engine steps it, and one of its own hooks has let it crash.
local function may_move(self)
    if self.crashed and not (self.engine.running and not loop.inside()) then
        check_alive(self)
    end
    return not (self.crashed or self.closed)
end

--- Lets what may leave now leave; no time passes.
function Process:start()
    if may_move(self) then
        self.inner:start()
    end
end

--- Moves the client on. From outside of the running world time passes meanwhile, at most so long (-1: as
-- long as it takes), until there is something for the client.
function Process:step(timeout_ms)
    if not may_move(self) then
        return
    end
    self.inner:turn()
    if timeout_ms == 0 or self:has_news() then
        return
    end
    local until_ms = timeout_ms > 0 and self.schedule.mono_ms + timeout_ms or nil
    if not self.engine:wait_for(self, until_ms) and not until_ms and self.inner.on_wire > 0 then
        error(("the client '%s' waits for something that cannot happen"):format(self.name), 0)
    end
end

--- When it wants to be stepped although nothing came; nil for never.
function Process:due_ms()
    if self.crashed or self.closed then
        return nil
    elseif self.inner:news() > 0 then
        return self.schedule.mono_ms
    end
    return self.inner:due_ms()
end

-- ---- Ends ----------------------------------------------------------------------------------------

--- It dies: nothing is told to anybody, what is on the wire goes on. Its core is not closed before the
-- world is: closing gives back what it holds in a shared region, such as the permit of a probe, and a killed
-- process does not.
function Process:crash()
    self.crashed = true
    self.line:close()
end

function Process:close()
    self.closed = true
    if self.inner then
        self.inner:close()
    end
end

return M
