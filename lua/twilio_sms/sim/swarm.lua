--- Runs the hour of a plan (`twilio_sms.sim.swarm.plan`) in a world, under the eyes of all properties.
local carrier = require "twilio_sms.sim.carrier"
local copy = require "twilio_sms.copy"
local loop = require "twilio_sms.loop"
local properties = require "twilio_sms.sim.properties"
local swarm_plan = require "twilio_sms.sim.swarm.plan"
local swarm_receiver = require "twilio_sms.sim.swarm.receiver"
local world = require "twilio_sms.sim.world"

local M = {}

local Run = {}
local class = { __index = Run, __name = "twilio_sms.sim.swarm" }

local TOKEN = "0123456789abcdef0123456789abcdef"
local DEFER_MS = 5000

-- ---- Sending -------------------------------------------------------------------------------------

-- What the tracker and the opt-out list learn from a client, with the list's changes told to the watcher.
local function watched_ledger(self)
    local ledger = self.ledger
    return {
        check = function(_, question)
            return ledger:check(question)
        end,
        learn_refusal = function(_, refused)
            local learned, err = ledger:learn_refusal(refused)
            if learned then
                self.receiver:tell_ledger(refused.to, "stop", learned.scopes)
            end
            return learned, err
        end,
    }
end

-- A check of the program: some messages are put off once.
local function add_check(self, client, name)
    client:hook("check", function(question)
        local item = self.put_off[question.body]
        if item then
            self.put_off[question.body] = nil
            self.watcher:tell { kind = "deferred", client = name(), to = question.to, body = question.body }
            return "defer", DEFER_MS
        end
        return true
    end)
end

local function open_client(self, name)
    local options = copy(self.plan.options)
    options.name = name
    options.shared = self.plan.is_shared and "limits" or nil
    options.optout, options.track = watched_ledger(self), self.receiver.tracker
    self.watcher:know(name, options)
    local client = assert(self.world:client(options))
    self:adopt(name, client)
end

--- Makes a client the present one of its name.
function Run:adopt(name, client)
    self.clients[name] = client
    local of_events = client.drive.client.name
    add_check(self, client, function()
        return of_events
    end)
end

local function fields_of(item)
    return {
        to = item.to, from = item.from, messaging_service_sid = item.service, body = item.body,
        status_callback = item.has_callback and swarm_receiver.STATUS_URL or nil,
    }
end

local function submit_and_cancel(self, client, item)
    local ticket = client:submit(fields_of(item))
    if ticket then
        loop.sleep(1)
        if client.drive.client:cancel(ticket.id) then
            self:see "cancelled"
        end
    end
end

local function send(self, item)
    local client = self.clients[item.client]
    if not client then
        return -- it is dead
    elseif item.how == "cancelled" then
        return submit_and_cancel(self, client, item)
    elseif item.how == "deferred" then
        self.put_off[item.body] = item
    end
    local name, key = client.drive.client.name, ("message %d"):format(item.number)
    self.watcher:tell { kind = "asked", key = key, client = name }
    local message, err = client:send(fields_of(item))
    self.watcher:tell { kind = "answered", key = key, client = name }
    if err and err.kind == "QueueFull" then
        self.watcher:tell { kind = "refused", client = name, error = err.kind }
    end
    return message
end

-- ---- Troubles ------------------------------------------------------------------------------------

--- Lets a client die, and come back after a while.
function Run:kill(name, back_s)
    local client = self.clients[name]
    if not client then
        return
    end
    self.clients[name] = nil
    self.world:crash(client)
    self.world:after(back_s, function()
        self:adopt(name, assert(self.world:restart(client)))
    end)
end

local TROUBLES = {}

function TROUBLES.crash(self, trouble)
    self:kill(trouble.client, trouble.back_s)
end

function TROUBLES.probe_crash(self, trouble)
    self.probe_crashes = { left = trouble.times, back_s = trouble.back_s }
end

function TROUBLES.jump(self, trouble)
    self.world:jump_clock(trouble.by_s)
end

function TROUBLES.store(self, trouble)
    self.store:fail { on = trouble.on, after = trouble.after }
    loop.sleep(trouble.for_s * 1000)
    self.store:heal()
    if self.store.failed > 0 then
        self:see "store failed"
    end
end

function TROUBLES.receiver(self, trouble)
    self.receiver:fail(trouble.slow_ms)
    loop.sleep(trouble.for_s * 1000)
    self.receiver:heal()
end

function TROUBLES.receiver_restart(self)
    self.receiver:restart()
end

function TROUBLES.replay(self)
    self.receiver:replay()
end

function TROUBLES.forgery(self)
    self.receiver:forge()
end

-- The client whose probe is under way dies before there can be an answer.
local function watch_probes(self)
    local half_open = {}
    self.world:observe(function(event)
        local crashes = self.probe_crashes
        if event.kind ~= "client_event" or not crashes or crashes.left == 0 then
            return
        elseif event.type == "breaker" then
            half_open[event.client] = event.text == "half_open"
        elseif event.type == "attempt" and half_open[event.client] then
            half_open[event.client] = nil
            crashes.left = crashes.left - 1
            self.world:after(0, function()
                self:kill(event.client:gsub("#%d+$", ""), crashes.back_s)
            end)
        end
    end)
end

-- ---- The hour ------------------------------------------------------------------------------------

--- Counts something that is to be seen sometimes.
function Run:see(name)
    self.watcher:tell { kind = "seen", name = name }
end

local function look_at_clients(self)
    for _, name in ipairs(self.plan.clients) do
        local client = self.clients[name]
        if client then
            local stats = client:stats()
            self.watcher:tell {
                kind = "stats", client = client.drive.client.name, queued = stats.queued,
                in_flight = stats.in_flight,
            }
            if stats.retries_suppressed > 0 and not self.is_quota_seen then
                self.is_quota_seen = true
                self:see "retry quota empty"
            end
        end
    end
end

local LOOK_EVERY_S = 60

local function schedule(self)
    for _, item in ipairs(self.plan.messages) do
        self.world:after(item.at_ms / 1000, function()
            send(self, item)
        end)
    end
    for _, word in ipairs(self.plan.words) do
        self.world:after(word.at_ms / 1000, function()
            self.world:inbound(word.from, word.to, word.text)
        end)
    end
    for _, trouble in ipairs(self.plan.troubles) do
        self.world:after(trouble.at_s, function()
            TROUBLES[trouble.kind](self, trouble)
        end)
    end
    self.world:after(swarm_plan.CALM_S, function()
        self.probe_crashes = nil
        self.watcher:tell { kind = "calm" }
    end)
    self.world:every(LOOK_EVERY_S, function()
        look_at_clients(self)
    end)
end

--- Runs a plan.
-- @tparam table plan
-- @tparam[opt] table opts events (stop after so many), log (as for a world; default false), observe (a
-- function that gets every event)
-- @treturn table violations, seen, events (how many), accepted (messages), digest, lines
function M.run(plan, opts)
    opts = opts or {}
    local self = setmetatable({ plan = plan, clients = {}, put_off = {} }, class)
    local settings = { list_lag_ms = plan.is_even and plan.lag_ms or { 0, plan.lag_ms } }
    self.world = world.new {
        seed = plan.seed, script = plan.rules, latency_ms = plan.latency_ms, auth_token = TOKEN,
        log = opts.log or false, carrier = plan.is_realistic and carrier.realistic(settings) or settings,
    }
    self.watcher = properties.watch(self.world, { secrets = { TOKEN } })
    self.store = self.world:store()
    self.ledger = self.world:optout { store = self.store }
    self.receiver = swarm_receiver.new(self)
    for _, name in ipairs(plan.clients) do
        open_client(self, name)
    end
    if opts.observe then
        self.world:observe(opts.observe)
    end
    watch_probes(self)
    schedule(self)
    local watcher, most = self.watcher, opts.events or math.huge
    self.world:run_until(function()
        return watcher.events >= most or watcher.violated > 0
    end, swarm_plan.END_S)
    if watcher.events < most and watcher.violated == 0 then
        look_at_clients(self)
        watcher:finish()
    end
    local out = {
        violations = watcher:violations(), seen = watcher:seen(), events = watcher.events,
        accepted = self.world:stats().accepted, digest = opts.log and self.world:digest() or nil,
        lines = opts.log == true and self.world:log_lines() or nil,
    }
    self.world:close()
    return out
end

return M
