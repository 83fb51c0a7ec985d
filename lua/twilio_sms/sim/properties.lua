--- Watches a world: checks after every event what must always hold, and counts what must happen sometimes.
--
--     local watcher = properties.watch(world, { clients = { app = options } })
--     world:run(3600)
--     watcher:finish()
--     for _, violation in ipairs(watcher:violations()) do print(violation.property, violation.text) end
--
-- What a world cannot know the program under test tells by `watcher:tell { kind = ... }`:
--
--     asked, answered   key, client         a caller waits for the end of a call, and has got it
--     ledger            to, scope, state    an opt-out ("opted_out") or its end ("opted_in") is stored
--     tracked           sid, status, error_code    the tracker says that a message has moved
--     handled           about, sid, status, forged   the handler of a receiver has run
--     deferred          client, body        a check put a message with this text off
--     refused           client, error       submitting it failed
--     stats             client, queued, in_flight    of client:stats()
--     size              name, count, most   of a table that must not grow
--     said              what, text, private something that a program would print, and what it must not hold
--     calm              -                   nothing fails on purpose from now on
--     seen              name                something that is to happen sometimes
--
-- Each group of properties is a file in `property/`; all of them take constant time for an event.
local book = require "twilio_sms.sim.property.book"
local options = require "twilio_sms.options"
local sometimes = require "twilio_sms.sim.property.sometimes"

local M = {}

local GROUPS = { "truth", "consent", "pace", "breaker", "time", "callbacks", "bounds", "secrecy" }

-- What each of them promises, for reports and documentation.
M.PROPERTIES = {
    P1 = "no call is accepted more than once, unless it is told to send again",
    P2 = "a result that says accepted, rejected or not_sent is true for ever",
    P3 = "each call of a client that lives has exactly one result",
    P4 = "nothing leaves to a person whose opt-out is in the list",
    P5 = "no interval sees more than its limit allows",
    P6 = "messages of one number leave in their order",
    P7 = "the breaker moves as it may, with one probe at a time, and is never stuck",
    P8 = "no call exceeds its attempts, the quota or its time",
    P9 = "nothing leaves while the breaker is open",
    P10 = "webhooks count once, statuses never go back, and what is forged changes nothing",
    P11 = "queues and tables stay within their bounds",
    P12 = "no token, number or text is in what a program may print",
    P13 = "the same seed gives the same log",
    P14 = "when the faults are over, everything ends and everything works",
}

local VIOLATIONS_MOST = 100 -- one is enough; the rest is most often the same

local Watcher = {}
local class = { __index = Watcher, __name = "twilio_sms.sim.properties" }

local function report(self, property, text, call)
    self.violated = self.violated + 1
    if #self.list < VIOLATIONS_MOST then
        self.list[#self.list + 1] = {
            property = property,
            text = text,
            at_ms = self.book.last_ms,
            event = self.events,
            client = call and call.client.name,
            call_id = call and call.id,
            to = call and call.to,
        }
    end
end

local OPTIONS = { clients = "table", secrets = "table" }

--- Makes a watcher that gets its events from `tell`.
-- @tparam[opt] table opts clients (options by the name of the client), secrets (texts to be seen nowhere)
function M.new(opts)
    opts = options.check(opts, OPTIONS, 2)
    local self = setmetatable({
        book = book.new(),
        list = {},
        violated = 0,
        events = 0,
        counts = {},
        handlers = {}, -- by kind of event: a list of functions
    }, class)
    local names = {}
    for name in pairs(opts.clients or {}) do
        names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
        self.book:know(name, opts.clients[name])
    end
    local function add(group)
        for kind, handler in pairs(group) do
            self.handlers[kind] = self.handlers[kind] or {}
            table.insert(self.handlers[kind], handler)
        end
    end
    for _, name in ipairs(GROUPS) do
        local group = require("twilio_sms.sim.property." .. name)
        add(group.new(self.book, function(property, text, call)
            report(self, property, text, call)
        end, opts))
    end
    add(sometimes.new(self.book, function(name)
        self.counts[name] = (self.counts[name] or 0) + 1
    end))
    return self
end

--- Watches a world from now on.
-- @tparam table world `twilio_sms.sim.world`
-- @tparam[opt] table opts as for `new`
function M.watch(world, opts)
    local self = M.new(opts)
    self.world = world
    world:observe(function(event)
        self:tell(event)
    end)
    return self
end

--- Says how a client was made, before its first call. One that nobody has spoken of has the defaults.
-- @tparam string name
-- @tparam table client_options as for sms.new
function Watcher:know(name, client_options)
    self.book:know(name, client_options)
end

--- Takes in an event: a table with `kind` and the fields of that kind. `at_ms` is that of the world unless it
-- is there.
function Watcher:tell(event)
    event.at_ms = event.at_ms or (self.world and self.world:now_ms() or self.book.last_ms)
    self.events = self.events + 1
    local call = self.book:learn(event)
    local handlers = self.handlers[event.kind]
    if handlers then
        for i = 1, #handlers do
            handlers[i](event, call)
        end
    end
end

--- Checks what can be checked only at the end.
function Watcher:finish()
    local now_ms = self.world and self.world:now_ms() or self.book.last_ms
    self.book.last_ms = now_ms
    for _, handler in ipairs(self.handlers.finish) do
        handler(now_ms)
    end
end

--- What did not hold: { property, text, at_ms, event (its number), client, call_id, to }, the first 100.
-- @treturn table a list
function Watcher:violations()
    return self.list
end

--- How often something was seen that must be seen sometimes (`properties.SOMETIMES` has the names).
-- @treturn table counts by name
function Watcher:seen()
    return self.counts
end

M.SOMETIMES = sometimes.NAMES

--- P13: whether two runs of one seed have the same log.
-- @tparam table one lines
-- @tparam table other lines
-- @treturn table|nil a violation, whose `event` is the number of the first line that differs
function M.compare(one, other)
    for number = 1, math.max(#one, #other) do
        if one[number] ~= other[number] then
            local text = "two runs of one seed differ: '%s' and '%s'"
            return {
                property = "P13",
                text = text:format(tostring(one[number]), tostring(other[number])),
                event = number,
            }
        end
    end
end

return M
