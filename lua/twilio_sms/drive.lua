--- Drives one core client: asks the hooks, and brings each result to whoever waits for it.
local core = require "twilio_sms.core"
local hooks = require "twilio_sms.hooks"
local loop = require "twilio_sms.loop"

local M = {}
M.__index = M

--- @param client a core client
function M.new(client)
    return setmetatable({ client = client, closed = false, hooks = hooks.new(), tickets = {} }, M)
end

function M:hook(f)
    self.hooks:add(f)
    self.client:set_checks(true)
end

--- Queues an operation. `deliver(ticket, value, err)` is called when it has ended.
-- @treturn table|nil the ticket { id =, done = }
function M:submit(operation, fields, deliver)
    if self.closed then
        return nil, core.error("TemporarilyUnavailable", "the client is closed", "not_sent")
    end
    local id, err = self.client:submit(operation, fields)
    if not id then
        return nil, err
    end
    local ticket = { id = id, done = false, deliver = deliver }
    self.tickets[id] = ticket
    return ticket
end

local function finish(self, id, value, err)
    local ticket = self.tickets[id]
    self.tickets[id] = nil
    ticket.done, ticket.value, ticket.err = true, value, err
    if ticket.deliver then
        ticket.deliver(ticket, value, err)
    end
    loop.wake(ticket)
end

local function take_results(self, id, ...)
    if id then
        finish(self, id, ...)
        return take_results(self, self.client:result())
    end
end

local function answer_checks(self)
    local client = self.client
    local id, question = client:check()
    while id do
        local verdict, reason, defer_ms = self.hooks:ask(question)
        if self.closed then
            return -- a hook has closed the client
        end
        client:answer(id, verdict, reason, defer_ms)
        id, question = client:check()
    end
end

--- Moves everything on, waiting at most timeout_ms for the network (-1: as long as something is under way).
function M:step(timeout_ms)
    if self.closed then
        return
    end
    self.client:step(timeout_ms)
    answer_checks(self)
    if not self.closed then
        take_results(self, self.client:result())
    end
end

--- Waits until a ticket is done: yields inside of a loop, blocks elsewhere.
function M:wait(ticket)
    while not ticket.done do
        if loop.inside() then
            loop.wait(ticket, self)
        else
            self:step(-1)
        end
    end
    return ticket.value, ticket.err
end

function M:pollfd()
    return self.client:pollfd()
end

function M:timeout_ms()
    return self.client:timeout_ms()
end

--- Ends everything; who still waits gets an error. What is on the wire is in doubt from then on.
function M:close()
    self.closed = true
    local ids = {}
    for id in pairs(self.tickets) do
        ids[#ids + 1] = id
        self.client:cancel(id)
    end
    take_results(self, self.client:result())
    self.client:close()
    for _, id in ipairs(ids) do
        if self.tickets[id] then
            local why = "the client was closed while the request was under way"
            finish(self, id, nil, core.error("TemporarilyUnavailable", why, "in_doubt"))
        end
    end
end

return M
