--- What the events of a world say about its clients and their calls: the memory that all properties share.
local M = {}

local Book = {}
local class = { __index = Book, __name = "twilio_sms.sim.property.book" }

-- What a client does when its options do not say otherwise: the defaults of docs/configuration.md, which a
-- property must know for itself, because the client's word is what it checks.
local DEFAULTS = {
    in_doubt = "verify",
    timeout_ms = 60000,
    attempt_timeout_ms = 15000,
    max_concurrency = 256,
    rate = {
        per_second = 10, burst = 30, per_number = 1, per_number_burst = 1, per_recipient = 0,
        unit = "message", wait = true, max_queue = 10000,
    },
    breaker = { failure_threshold = 5, success_threshold = 2, reset_timeout_ms = 30000 },
    retry = {
        quota = 500,
        rate_limit = { attempts = 5 }, unavailable = { attempts = 3 }, internal = { attempts = 3 },
        timeout = { attempts = 3 }, connection = { attempts = 3 },
    },
}

local function fill(options, defaults)
    local out = {}
    for name, default in pairs(defaults) do
        local given = options[name]
        if type(default) == "table" then
            out[name] = fill(given or {}, default)
        elseif given ~= nil then
            out[name] = given
        else
            out[name] = default
        end
    end
    return out
end

function M.new()
    return setmetatable({ clients = {}, given = {}, names = {}, by_sid = {}, last_ms = 0 }, class)
end

--- Says how a client was made. One that nobody has spoken of has the defaults.
-- @tparam string name
-- @tparam table options as for sms.new
function Book:know(name, options)
    if not self.clients[name] then
        self.names[#self.names + 1] = name
    end
    self.given[name] = options
    local client = fill(options, DEFAULTS)
    client.name = name
    client.region = options.shared or name
    client.from = options.from
    client.calls = {} -- by id
    client.by_body = {} -- the last one with a text
    client.list = {} -- in their order
    client.open = 0
    client.alive = true
    self.clients[name] = client
    return client
end

--- A client by its name. One that was restarted is called "name#2" and has the options of "name".
function Book:client(name)
    local client = self.clients[name]
    if not client then
        client = self:know(name, self.given[name:gsub("#%d+$", "")] or {})
    end
    return client
end

--- The clients in the order in which they were heard of.
function Book:each()
    local place = 0
    return function()
        place = place + 1
        return self.clients[self.names[place]]
    end
end

--- The call that an event is about, or nil. Who checks a message does not know its number, but its text.
function Book:call(event)
    local client = event.client and self.clients[event.client]
    if not client then
        return nil
    elseif event.call_id then
        return client.calls[event.call_id]
    end
    return event.body and client.by_body[event.body]
end

--- The call whose message has this sid, or nil.
function Book:call_of_sid(sid)
    return self.by_sid[sid]
end

local LEARN = {}

-- The event of a call that creates no message is learnt as well: it has its result, too.
function LEARN.submit(self, event)
    local client = self:client(event.client)
    local call = {
        client = client,
        id = event.call_id,
        operation = event.operation or "send",
        to = event.to,
        from = event.from or not event.service and client.from or nil,
        service = event.service,
        body = event.body,
        at_ms = event.at_ms,
        deadline_ms = event.at_ms + (event.timeout_ms or client.timeout_ms),
        sends = 0, -- requests that create a message
        accepted = 0, -- by the carrier
        results = 0,
    }
    client.open = client.open + 1
    client.calls[call.id] = call
    client.list[#client.list + 1] = call
    client.by_body[call.body or ""] = call
end

-- Look-ups are GETs; a change of a message has its sid in the path.
local function is_send(event)
    return event.method == "POST" and event.path:find("/Messages.json", 1, true) ~= nil
end

function LEARN.request(self, event, call)
    event.is_send = is_send(event)
    if call and event.is_send then
        call.sends = call.sends + 1
    end
end

function LEARN.accept(self, event, call)
    if call then
        call.accepted = call.accepted + 1
        self.by_sid[event.sid] = call
    end
end

function LEARN.result(_, event, call)
    if call then
        call.results = call.results + 1
        call.ok, call.outcome, call.sid = event.ok, event.outcome, event.sid
        if call.results == 1 then
            call.client.open = call.client.open - 1
        end
    end
end

function LEARN.crash(self, event)
    local client = self:client(event.client)
    client.alive = false
end

--- Takes in an event. Answers the call that it is about, or nil.
function Book:learn(event)
    self.last_ms = event.at_ms
    local learn = LEARN[event.kind]
    if learn then
        learn(self, event, self:call(event))
    end
    return self:call(event)
end

return M
