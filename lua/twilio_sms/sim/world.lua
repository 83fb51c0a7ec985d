--- A world in virtual time: clients, Twilio, its carriers, people and webhooks, in one process, without
-- sockets and without waiting; the same seed gives the same run.
--
--     local world = sms.sim.new { seed = 7 }
--     local client = world:client { from = "+15005550006" }
--     client:send { to = "+15558675310", body = "Hello" }      -- takes some virtual milliseconds
--     world:inbound("+15558675310", "+15005550006", "STOP")
--     world:run(60)
--
-- Everything that happens is an event (`twilio_sms.sim.world.journal`). Time passes while `run` and
-- `run_until` work, and while the main program waits for a client; what runs inside of the world, such as
-- handlers and the functions of `spawn`, `at` and `every`, are coroutines: waiting there lets the others go
-- on.
local client = require "twilio_sms.client"
local copy = require "twilio_sms.copy"
local loop = require "twilio_sms.loop"
local options = require "twilio_sms.options"
local webhook_url = require "twilio_sms.sim.webhook_url"
local world_engine = require "twilio_sms.sim.world.engine"
local world_messages = require "twilio_sms.sim.world.messages"
local world_options = require "twilio_sms.sim.world.options"
local world_parts = require "twilio_sms.sim.world.parts"
local world_plan = require "twilio_sms.sim.world.plan"
local world_process = require "twilio_sms.sim.world.process"
local world_schedule = require "twilio_sms.sim.world.schedule"
local world_shared = require "twilio_sms.sim.world.shared"
local world_store = require "twilio_sms.sim.world.store"

local M = {}

--- What clients of a world have, unless it was made with others.
M.ACCOUNT_SID, M.AUTH_TOKEN = world_options.ACCOUNT_SID, world_options.AUTH_TOKEN

local World = {}
local class = { __index = World, __name = "twilio_sms.sim.world" }

function class.__tostring()
    return class.__name
end

-- ---- Making one ----------------------------------------------------------------------------------

--- Makes a world.
-- @tparam[opt] table opts seed (1); script (`twilio_sms.sim.script`); start (Unix seconds, 2026-01-01);
-- latency_ms ({ 20, 80 }: how long a request, and an answer, are under way); log (true: lines are kept;
-- false; or a function that gets each line); carrier (options of `twilio_sms.sim.carrier`); account_sid,
-- auth_token, max_concurrency; inbound_url (default: the first URL of world:webhook), fallback_url,
-- webhook_method
-- @treturn table
function M.new(opts)
    local settings = world_options.read(opts, 2)
    local schedule = world_schedule.new(settings.start_s)
    local self = setmetatable({
        settings = settings,
        schedule = schedule,
        closed = false,
        shared = world_shared.new(settings.account_sid),
        made = 0, -- clients
    }, class)
    local coroutines = loop.new { now_ms = function() return schedule.mono_ms end }
    self.parts = world_parts.make(settings, coroutines, function(process)
        self.engine:touch(process)
    end, schedule, 2)
    self.engine = world_engine.new(self.parts)
    --- Unix seconds by the clocks of the programs in the world, for whatever takes a clock.
    self.clock = function()
        return schedule:wall_ms() / 1000
    end
    world_plan.script(self, self.parts.script:actions())
    return self
end

-- Called from the methods themselves, so that misuse is raised at the line that calls the method.
local function check_self(self, example)
    if getmetatable(self) ~= class then
        error("call this with a colon, as in " .. example, 3)
    end
end

local function check_open(self, example)
    if getmetatable(self) ~= class then
        error("call this with a colon, as in " .. example, 3)
    elseif self.closed then
        error("the world is closed", 3)
    end
    return self
end

local function check_seconds(what, seconds)
    if type(seconds) ~= "number" or not (seconds >= 0 and seconds <= world_options.WHOLE_MOST) then
        error(what .. " takes seconds, a number from 0", 3)
    end
    return math.floor(seconds * 1000 + 0.5)
end

local function check_function(what, f)
    if type(f) ~= "function" then
        error(("%s takes a function, not %s"):format(what, options.kind_of(f)), 3)
    end
end

-- ---- Clients -------------------------------------------------------------------------------------

local OWN = { "account_sid", "auth_token", "api_key", "api_secret", "base_url", "driver", "region", "edge" }

-- The first name that nobody has, and its number; each number is above the one that is given.
local function free_name(self, stem, number)
    local name
    repeat
        number = number + 1
        name = ("%s%d"):format(stem, number)
    until not self.engine:find(name)
    return name, number
end

local function new_process(self, name)
    return world_process.new {
        name = name, engine = self.engine, wire = self.parts.wire, schedule = self.schedule,
        journal = self.parts.journal,
    }
end

-- A client whose options were checked.
local function start(self, given, name)
    self.made = self.made + 1
    local process = new_process(self, name)
    local opts = copy(given)
    opts.name = nil
    opts.account_sid, opts.auth_token = self.settings.account_sid, self.settings.auth_token
    opts.driver = process:driver()
    opts.shared = self.shared:real(given.shared)
    opts.seed = given.seed or self.settings.seed * 1000 + self.made
    if given.optout == nil or given.optout == true then
        opts.optout = self:optout {}
    end
    local made, err = client.new(opts)
    if not made then
        return nil, err
    end
    process.client, process.given = made, given
    self.engine:add(process)
    return made
end

local function refuse_network(trace, level)
    if type(trace) == "table" and (trace.over_network or type(trace.to) == "string") then
        local why = "a world has no network: option 'trace' takes a function or { file = path } in its `to`"
        error(why, level + 1)
    end
end

--- Makes a client that lives in this world.
-- @tparam[opt] table opts any of `sms.new` but credentials, base_url and driver; and name, which events call
-- it by (default: client1, client2, ...)
-- @treturn table|nil a client, or nil and an error
function World:client(opts)
    check_open(self, "world:client{...}")
    if opts ~= nil and type(opts) ~= "table" then
        error("client{...} takes a table, not " .. options.kind_of(opts), 2)
    end
    local given = copy(opts or {})
    for _, name in ipairs(OWN) do
        if given[name] ~= nil then
            error(("a client of a world has no option '%s': the world is its own"):format(name), 2)
        end
    end
    refuse_network(given.trace, 2)
    local name = given.name or free_name(self, "client", self.made)
    if type(name) ~= "string" or self.engine:find(name) then
        error("option 'name' must be a string that no other client has", 2)
    end
    given.name = name
    return start(self, given, name)
end

--- A driver for clients that are made elsewhere, or wrapped by another driver: `sms.driver.sim`. They are
-- moved on while somebody waits for them.
-- @tparam[opt] string name which events call the client by
function World:driver(name)
    check_open(self, "world:driver()")
    local process = new_process(self, name or free_name(self, "client", self.made))
    self.made = self.made + 1
    self.engine:add(process)
    return process:driver()
end

local function process_of(self, made)
    local process = type(made) == "table" and made.drive and made.drive.client
    if not self.engine:has(process) then
        error("expected a client of this world", 3)
    end
    return process
end

--- The process of a client dies: its calls never end, its coroutines never go on, and what it knew is lost.
-- What is on the wire goes on.
function World:crash(made)
    check_open(self, "world:crash(client)")
    local process = process_of(self, made)
    if not process.crashed then
        self.parts.tell { kind = "crash", client = process.name }
        process:crash()
    end
end

--- Starts a client again, with the options that it had, and the same shared region; it crashes first, if it
-- lives. Its name gets a number, so that the calls of both can be told apart.
-- @treturn table|nil the new client, or nil and an error
function World:restart(made)
    check_open(self, "world:restart(client)")
    local process = process_of(self, made)
    if not process.given then
        error("world:restart is for clients of world:client{...}", 2)
    end
    self:crash(made)
    local name, lives = free_name(self, process.given.name .. "#", process.lives)
    local again, err = start(self, process.given, name)
    if not again then
        return nil, err
    end
    process_of(self, again).lives = lives
    self.parts.tell { kind = "restart", client = name }
    return again
end

-- ---- Time ----------------------------------------------------------------------------------------

--- Virtual milliseconds since the world began.
function World:now_ms()
    return self.schedule.mono_ms
end

--- Unix seconds by the clocks of the programs in the world.
function World:time()
    return self.clock()
end

local function check_outside(self)
    if self.engine.running then
        error("time passes already; in here use sms.loop.sleep", 3)
    end
end

--- Lets time pass.
function World:run(seconds)
    check_open(self, "world:run(seconds)")
    check_outside(self)
    self.engine:advance(self.schedule.mono_ms + check_seconds("run", seconds))
end

--- Lets time pass until f() is true, at most so long.
-- @tparam function f is asked whenever something has happened
-- @tparam[opt] number limit_seconds without it: as long as anything is to happen
-- @treturn boolean whether f() was true
function World:run_until(f, limit_seconds)
    check_open(self, "world:run_until(f)")
    check_function("run_until", f)
    check_outside(self)
    local limit_ms = limit_seconds and check_seconds("run_until", limit_seconds) or math.huge
    return self.engine:advance(self.schedule.mono_ms + limit_ms, f)
end

--- Starts f(...) as a coroutine of the world.
-- @treturn table a task, whose `done` tells whether it has returned
function World:spawn(f, ...)
    check_open(self, "world:spawn(f)")
    check_function("spawn", f)
    return self.parts.loop:spawn(f, ...)
end

--- Calls f() after so many seconds, in a coroutine of its own.
-- @treturn table a handle with stop()
function World:after(seconds, f)
    check_open(self, "world:after(seconds, f)")
    check_function("after", f)
    return world_plan.once(self.parts, self.schedule.mono_ms + check_seconds("after", seconds), f)
end

--- Calls f() at a moment, by a clock that never jumps; at once, when it is past.
-- @param moment Unix seconds, from the beginning of the world on; or { after = seconds }
-- @treturn table a handle with stop()
function World:at(moment, f)
    check_open(self, "world:at(unix, f)")
    check_function("at", f)
    if type(moment) == "table" then
        local after_ms = check_seconds("at", moment.after)
        return world_plan.once(self.parts, self.schedule.mono_ms + after_ms, f)
    end
    local at_ms = check_seconds("at", moment) - self.schedule.start_ms
    if at_ms < 0 then
        error(("%.14g is before the world began (%d); world:after(%.14g, f) counts from now"):format(moment,
            self.settings.start_s, moment), 2)
    end
    return world_plan.once(self.parts, math.max(at_ms, self.schedule.mono_ms), f)
end

--- Calls f() every so many seconds, whether the last call has ended or not.
-- @treturn table a handle with stop()
function World:every(seconds, f)
    check_open(self, "world:every(seconds, f)")
    check_function("every", f)
    local every_ms = check_seconds("every", seconds)
    if every_ms < 1 then
        error("every takes more than 0 seconds", 2)
    end
    return world_plan.again(self.parts, every_ms, f)
end

--- Lets the wall clocks of the programs in the world jump, as when somebody sets them. Twilio's does not.
-- @tparam number seconds forward, or back when negative
function World:jump_clock(seconds)
    check_open(self, "world:jump_clock(seconds)")
    if type(seconds) ~= "number" or seconds ~= seconds or math.abs(seconds) > world_options.WHOLE_MOST then
        error("jump_clock takes seconds, a number", 2)
    end
    local jump_ms = math.floor(seconds * 1000 + 0.5)
    local wall_ms = self.schedule:wall_ms() + jump_ms
    if wall_ms < 0 or wall_ms > world_options.WHOLE_MOST * 1000 then
        error("jump_clock would set the clock to before 1970, or too far ahead", 2)
    end
    self.schedule.jumped_ms = self.schedule.jumped_ms + jump_ms
    self.engine:touch_all()
    self.parts.tell { kind = "clock_jump", seconds = jump_ms / 1000 }
end

-- ---- People and webhooks -------------------------------------------------------------------------

local INBOUND = {
    body = "string", media = "table", messaging_service_sid = "string", opt_out_type = "string",
    params = "table",
}

--- A person writes.
-- @tparam string from
-- @tparam string to
-- @param text or a table: body, media (a list of URLs), messaging_service_sid, opt_out_type, params (more of
-- the webhook by name)
-- @treturn string the message's sid
function World:inbound(from, to, text)
    check_open(self, "world:inbound(from, to, text)")
    if type(from) ~= "string" or type(to) ~= "string" then
        error("inbound takes two numbers and a text", 2)
    end
    local opts = type(text) == "string" and { body = text } or options.check(text, INBOUND, 2)
    local parts = self.parts
    parts.carrier:advance(self.schedule:true_ms())
    local message, keyword = parts.conversation:receive({
        From = from, To = to, Body = opts.body, MessagingServiceSid = opts.messaging_service_sid,
        MediaUrl = opts.media and #opts.media > 0 and opts.media or nil, OptOutType = opts.opt_out_type,
    }, opts.params)
    parts.tell { kind = "inbound", sid = message.sid, from = from, to = to, body = message.body }
    if keyword then
        parts.tell { kind = "optout", from = from, to = to, keyword = keyword }
    end
    return message.sid
end

--- Lets a handler answer the webhooks to URLs that begin with this one.
-- @tparam string url
-- @param handler a function, or an object with the method handle (`twilio_sms.webhook`); false takes it
-- away, so that connections are refused
function World:webhook(url, handler)
    check_open(self, "world:webhook(url, handler)")
    local is_object = type(handler) == "table" and type(handler.handle) == "function"
    if type(url) ~= "string" then
        error("webhook takes a URL and a handler", 2)
    elseif not webhook_url.is_absolute(url) then
        error(("'%s' is no URL with http:// or https://"):format(url), 2)
    elseif handler ~= false and type(handler) ~= "function" and not is_object then
        error("a handler is a function, or has the method 'handle'; false means nobody", 2)
    end
    local conversation = self.parts.conversation
    conversation.url = conversation.url or handler and url or nil
    self.parts.poster:listen(url, handler)
end

-- ---- Modules with the clock of the world -----------------------------------------------------------

local function with_clock(self, opts)
    local out = copy(opts or {})
    out.account_sid = out.account_sid or self.settings.account_sid
    out.clock = out.clock or self.clock
    return out
end

--- `sms.webhook.new` with the token and the clock of this world.
function World:receiver(opts)
    check_open(self, "world:receiver{...}")
    local settings = with_clock(self, opts)
    refuse_network(settings.trace, 2)
    settings.auth_token = settings.auth_token or self.settings.auth_token
    settings.shared = self.shared:real(settings.shared)
    return require("twilio_sms.webhook").new(settings)
end

--- `sms.optout.new` with the clock of this world.
function World:optout(opts)
    check_open(self, "world:optout{...}")
    return require("twilio_sms.optout").new(with_clock(self, opts))
end

--- `sms.track.new` with the clock of this world.
function World:track(opts)
    check_open(self, "world:track{...}")
    return require("twilio_sms.track").new(with_clock(self, opts))
end

--- A store in memory that can be made to fail (`twilio_sms.sim.world.store`).
function World:store()
    check_open(self, "world:store()")
    return world_store.new()
end

-- ---- Faults --------------------------------------------------------------------------------------

--- Adds a rule to the script (`twilio_sms.sim.script`), before those that it has.
-- @tparam table rule
-- @treturn table a handle with stop()
function World:fault(rule)
    check_open(self, "world:fault{...}")
    if type(rule) ~= "table" then
        error("a rule is a table, as { on = \"send\", action = \"hang\" }, not " .. options.kind_of(rule), 2)
    end
    local handle, why = self.parts.script:add(rule)
    if not handle then
        error("the rule: " .. why, 2)
    end
    return handle
end

-- ---- Truth ---------------------------------------------------------------------------------------

--- What the carrier has accepted and not forgotten, and what people wrote, the oldest first.
-- @tparam[opt] table filter to, from, body, sid, status, direction, client, call_id
-- @treturn table a list of { sid, to, from, body, status, error_code, at (Unix seconds), direction, service,
-- segments, client, call_id }
function World:messages(filter)
    check_self(self, "world:messages{...}")
    self.parts.carrier:advance(self.schedule:true_ms())
    local found = world_messages.find(self.parts.carrier, filter, 2)
    return found
end

--- Calls f(event) for everything that happens from now on.
function World:observe(f)
    check_open(self, "world:observe(f)")
    check_function("observe", f)
    self.parts.journal:observe(f)
end

--- What really happened (`twilio_sms.sim.api`).
function World:stats()
    check_self(self, "world:stats()")
    self.parts.carrier:advance(self.schedule:true_ms())
    return self.parts.api:stats()
end

--- What webhooks were sent and how they were answered (`twilio_sms.sim.webhooks`, log).
function World:webhooks()
    check_self(self, "world:webhooks()")
    return self.parts.outbox:log()
end

--- What the log comes to so far: equal runs have equal digests.
function World:digest()
    check_self(self, "world:digest()")
    return self.parts.journal:digest()
end

--- The lines of the log, when they are kept.
function World:log_lines()
    check_self(self, "world:log_lines()")
    return self.parts.journal:lines()
end

--- Ends everything that lives in it. What really happened can still be asked.
function World:close()
    if not self.closed then
        self.closed = true
        self.engine:close()
        self.shared:forget()
    end
end

class.__close = World.close

return M
