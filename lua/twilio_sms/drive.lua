--- Drives one core client: asks the hooks, and brings each result to whoever waits for it.
--
-- What it learns on the way it tells those who want to know: a refusal with 21610 to the opt-out list, an
-- accepted message to the tracker.
local core = require "twilio_sms.core"
local hooks = require "twilio_sms.hooks"
local loop = require "twilio_sms.loop"

local M = {}
M.__index = M

--- @param client a core client
-- @tparam[opt] table listeners optout (with learn_refusal), track (with sent), watch (of
-- `twilio_sms.observe`)
function M.new(client, listeners)
    listeners = listeners or {}
    local self = setmetatable({
        client = client,
        closed = false,
        hooks = hooks.new(),
        checks = false, -- whether there is a hook
        unasked = false, -- whether something was submitted about which the hooks may not have been asked
        looked_ms = -math.huge, -- when the network was asked last
        tickets = {},
        optout = listeners.optout,
        track = listeners.track,
        watch = listeners.watch,
    }, M)
    if self.watch then
        self.watch:attach(client)
    end
    if client.crew then
        client.crew:attach(self)
    end
    return self
end

function M:hook(f)
    self.hooks:add(f)
    self.checks = true
    self.client:set_checks(true)
end

-- Lets the log and the trace go out. Nobody's client must fail for their sake.
local function observe(self)
    if self.watch then
        self.watch:work()
    end
end

-- Where others perform the requests: sees to it that they do. When they cannot, a ticket ends unsent, and
-- only the caller hears of it.
local function tell_crew(self, ticket)
    local crew = self.client.crew
    local ok, why = true, nil
    if crew then
        ok, why = crew:take_in()
    end
    if not ok then
        self:take_back(ticket)
        return nil, core.error("TemporarilyUnavailable", why, "not_sent")
    end
    return ticket
end

--- Ends a ticket that has not left, without a word to anybody.
function M:take_back(ticket)
    if self.tickets[ticket.id] then -- and no other token
        ticket.deliver = nil
        self.client:cancel(ticket.id)
    end
end

--- Queues an operation. `deliver(ticket, value, err)` is called when it has ended.
-- @tparam[opt] string batch the name under which the tracker counts the message
-- @treturn table|nil the ticket { id =, done = }
function M:submit(operation, fields, deliver, batch)
    if self.closed then
        return nil, core.error("TemporarilyUnavailable", "the client is closed", "not_sent")
    end
    local id, err = self.client:submit(operation, fields)
    if not id then
        observe(self)
        return nil, err
    end
    -- All fields stand here, so that the table has its size from the beginning.
    local ticket = {
        id = id, done = false, value = nil, err = nil, deliver = deliver, operation = operation,
        batch = batch, question = nil,
        send_at = type(fields.send_at) == "number" and fields.send_at or nil,
    }
    self.tickets[id] = ticket
    self.unasked = self.checks
    return tell_crew(self, ticket)
end

-- Twilio's own list knows of a STOP that we have not heard of (error 21610): at once, or, with a messaging
-- service, as the reason why an accepted message failed.
local OPTED_OUT_CODE = 21610

local function learn(self, ticket, value, err)
    local sends = ticket.operation == "send"
    if self.optout and sends and err and err.code == OPTED_OUT_CODE and ticket.question then
        self.optout:learn_refusal(ticket.question) -- its failure has told the log
    elseif self.optout and ticket.operation == "fetch" and value and value.error_code == OPTED_OUT_CODE then
        local learned = self.optout:learn_refusal(value)
        if self.watch and type(learned) == "table" then
            self.watch:learned(value.to, learned, "error_21610")
        end
    end
    if self.track and sends and value then
        self.track:sent(value, { batch = ticket.batch, send_at = ticket.send_at })
    end
end

-- Whether somebody has opted out while a message to them was being scheduled.
local function is_too_late(self, ticket, value)
    if not (self.optout and value and ticket.operation == "send" and ticket.send_at and ticket.question) then
        return false
    end
    local ok, allowed = pcall(self.optout.check, self.optout, ticket.question)
    return not (ok and allowed)
end

local function complete(ticket, value, err)
    ticket.done, ticket.value, ticket.err = true, value, err
    if ticket.deliver then
        ticket.deliver(ticket, value, err)
    end
    loop.wake(ticket)
end

local function finish(self, id, value, err)
    local ticket = self.tickets[id]
    self.tickets[id] = nil
    if self.track or self.optout and (err or ticket.operation == "fetch") then -- what there is to learn from
        pcall(learn, self, ticket, value, err) -- whoever waits for the result must get it
    end
    -- Who cancels scheduled messages after a STOP cannot see one that is accepted a moment later. The result
    -- waits for the end of this: after it, nobody may be there to drive the client.
    local cancelling = is_too_late(self, ticket, value)
        and self:submit("cancel", { sid = value.sid }, function() complete(ticket, value, err) end)
    if not cancelling then
        complete(ticket, value, err)
    end
end

local function take_results(self, id, ...)
    if id then
        finish(self, id, ...)
        return take_results(self, self.client:result())
    end
end

-- Whether there was a question.
local function answer_checks(self)
    local client = self.client
    local id, question = client:check()
    local asked = id ~= nil
    while id do
        local verdict, reason, defer_ms = self.hooks:ask(question)
        if self.closed then
            return asked -- a hook has closed the client
        end
        local ticket = self.tickets[id]
        if ticket then
            ticket.question = question
            ticket.send_at = question.send_at -- a text has become a number
        end
        client:answer(id, verdict, reason, defer_ms)
        if client.crew then
            client:start() -- the next question may have to wait for a store
        end
        id, question = client:check()
    end
    return asked
end

-- Answers whether there was any.
local function take_all_results(self)
    local id, value, err = self.client:result()
    take_results(self, id, value, err)
    return id ~= nil
end

-- Results come first, because a refusal says who has opted out. Answers whether there was a result, and
-- whether there was a question.
local function settle(self)
    local came = not self.closed and take_all_results(self)
    return came, not self.closed and answer_checks(self)
end

local RECENT_MS = 1

-- Asks about what was submitted, so that it leaves with the step that waits. Answers whether there was a
-- result.
local function ask_first(self)
    self.unasked = false
    if self.client:now_ms() - self.looked_ms <= RECENT_MS then
        self.client:start() -- another look would cost more than it could bring
    else
        self.client:step(0) -- a refusal may have come meanwhile
    end
    return (settle(self))
end

-- One turn. Answers whether the hooks were asked, and nothing came of it yet. What they let through leaves
-- before anybody can store a STOP: at the beginning of the step that waits, or, when they were asked after
-- it, by a start. A hook may close the client; so may others in a world, who go on during a step.
local function turn(self, timeout_ms)
    local came = self.unasked and ask_first(self)
    if not self.closed then
        self.client:step(came and 0 or timeout_ms)
    end
    if not self.closed then
        self.looked_ms = self.client:now_ms()
    end
    local more, asked = settle(self)
    if self.closed or not asked then
        return false
    end
    self.client:start()
    return not (take_all_results(self) or more or came) and not self.closed
end

--- Moves everything on, waiting at most timeout_ms for the network (-1: as long as something is under way).
function M:step(timeout_ms)
    if self.closed then
        return
    end
    local until_ms = timeout_ms > 0 and self.client:now_ms() + timeout_ms
    -- A question to the hooks is no reason to return.
    local again = turn(self, timeout_ms) and timeout_ms ~= 0
    while again do
        local left_ms = until_ms and math.max(0, until_ms - self.client:now_ms()) or timeout_ms
        again = turn(self, left_ms) and left_ms ~= 0
    end
    observe(self)
end

--- Waits until a ticket is done: yields inside of a loop, blocks elsewhere.
function M:wait(ticket)
    while not ticket.done do
        if loop.inside() then
            loop.wait(ticket, self)
        else
            loop.block(self, self.watch and self.watch:under_way())
        end
    end
    return ticket.value, ticket.err
end

--- Whether the calling code may wait for a ticket. Only where others perform the requests there are places,
-- such as the log phase of nginx, where it may not.
function M:can_wait()
    return not self.client.crew or loop.inside()
end

--- Moves everything on for a program that does not wait for tickets: as step, or lets those work whose
-- business it is.
function M:let_work(timeout_ms)
    local crew = self.client.crew
    if not crew then
        self:step(timeout_ms)
        return
    end
    crew:tend()
    if timeout_ms ~= 0 then
        loop.sleep(1)
    end
end

--- Lets a ticket go on although nobody waits for it, or steps this.
function M:let_go(ticket)
    local crew = self.client.crew
    ticket.deliver = ticket.deliver or crew and crew.log_failure or nil
end

--- Milliseconds, on the clock of the driver.
function M:now_ms()
    return self.client:now_ms()
end

--- A descriptor that becomes readable when there is something to do; nil when the driver has none.
function M:pollfd()
    return self.client:pollfd()
end

function M:timeout_ms()
    return self.client:timeout_ms()
end

-- Ends what is not on the wire, in the same order each time. Answers the ids of all that was open.
local function cancel_all(self, why)
    local ids = {}
    for id in pairs(self.tickets) do
        ids[#ids + 1] = id
    end
    table.sort(ids)
    for _, id in ipairs(ids) do
        self.client:cancel(id)
    end
    local id, value, err = self.client:result()
    while id do
        -- Whoever asked did not cancel anything.
        if err and err.outcome == "not_sent" then
            err = core.error("TemporarilyUnavailable", why, "not_sent")
        end
        finish(self, id, value, err)
        id, value, err = self.client:result()
    end
    return ids
end

--- Ends what is not on the wire, because nobody is there to send it.
function M:give_up(why)
    if not self.closed then
        cancel_all(self, why)
    end
end

--- Ends everything; who still waits gets an error. What is on the wire is in doubt from then on.
-- @treturn boolean|nil true; nil and an error when the driver has one to tell
function M:close()
    self.closed = true
    local ids = cancel_all(self, "the client is closed")
    local _, problem = self.client:close()
    for _, left in ipairs(ids) do
        if self.tickets[left] then
            local why = "the client was closed while the request was under way"
            finish(self, left, nil, core.error("TemporarilyUnavailable", why, "in_doubt"))
        end
    end
    if self.watch then
        self.watch:close()
    end
    if problem then
        return nil, problem
    end
    return true
end

return M
