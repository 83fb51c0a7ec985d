--- What happens to messages by itself as time goes on: they are queued, sent, delivered or not, forgotten.
--
-- Time is what `advance` was told last, in Unix milliseconds.
local delivery = require "twilio_sms.sim.delivery"
local guards = require "twilio_sms.sim.guards"
local senders = require "twilio_sms.sim.senders"
local timeline = require "twilio_sms.timeline"

local M = {}

local Transit = {}
local class = { __index = Transit, __name = "twilio_sms.sim.transit" }

local PRICE_PER_SEGMENT = 0.0079
local QUEUE_S = 36000 -- ten hours (error 21611)
local VALIDITY_MS = 36000000 -- Twilio docs "Messages resource", ValidityPeriod
local LAST = { delivered = true, undelivered = true, failed = true, canceled = true }
local SILENT = { sending = true } -- no callback is promised for it (Twilio docs "... in Status Callbacks")
local QUEUE_OVERFLOW, EXPIRED, OPTED_OUT = 30001, 30036, 21610

--- @tparam table opts of `twilio_sms.sim.carrier`
-- @tparam table blocks `twilio_sms.sim.blocks`; learns which numbers belong to which service
-- @tparam table random `twilio_sms.sim.random`, for draws on the way
-- @tparam function forget gets each message whose time is over
-- @tparam number level as for error, for what is wrong with the options
function M.new(opts, blocks, random, forget, level)
    local ways = { send_ms = opts.send_ms, deliver_ms = opts.deliver_ms }
    for name, value in pairs(opts.delivery or {}) do
        ways[name] = value
    end
    local transit = setmetatable({
        blocks = blocks,
        delivery = delivery.new(ways, random, level + 1),
        guards = guards.new(opts, random, level + 1),
        has_guards = (opts.carrier_limits or opts.pumping) ~= nil,
        senders = senders.new({
            senders = opts.senders, limit_all = opts.limit_all, hold_s = opts.queue_s or QUEUE_S,
        }, level + 1),
        has_queues = opts.senders ~= nil or opts.limit_all == true,
        service_number = opts.service_number,
        numbers = opts.relay and opts.numbers or nil, -- where messages arrive that the account gets itself
        retain_ms = opts.retain_s and opts.retain_s * 1000,
        on_status = opts.on_status,
        script = opts.script,
        forget = forget,
        now_ms = 0,
        timeline = timeline.new(),
        by_status = {},
        changed = {}, -- status changes that somebody wants to hear of
        watched = 0, -- messages that may still have some
        arrived = {}, -- messages to the account's own numbers
        first_settled = nil, last_settled = nil, -- a chain of those that may be forgotten
    }, class)
    if opts.service_sid then
        blocks:join(opts.service_number, opts.service_sid)
    end
    transit.senders:each_member(function(number, service)
        blocks:join(number, service)
    end)
    return transit
end

-- Of the first status nobody hears (Twilio docs "Outbound Message Status in Status Callbacks").
local function note_change(self, message, status)
    if not message.status then
        self.watched = self.watched + 1
        return
    elseif LAST[status] then
        self.watched = self.watched - 1
    end
    if not SILENT[status] then
        table.insert(self.changed, {
            message = message, status = status, from = message.from, error_code = message.error_code,
            at_s = message.updated_s, is_last = LAST[status],
        })
    end
end

local function set_status(self, message, status, at_ms)
    local counts, before = self.by_status, message.status
    message.updated_s = math.floor(at_ms / 1000)
    if message.status_callback then
        note_change(self, message, status)
    end
    if before then
        counts[before] = counts[before] - 1
    end
    counts[status] = (counts[status] or 0) + 1
    message.status = status
    if before and self.on_status then
        self.on_status(message)
    end
end

-- Nothing will happen to the message any more: it may be forgotten some time later.
local function settle(self, message, at_ms)
    message.step = nil
    if not self.retain_ms then
        return
    end
    message.due_ms = at_ms + self.retain_ms
    if self.last_settled then
        self.last_settled.next_settled = message
    else
        self.first_settled = message
    end
    self.last_settled = message
end

local function forget_old(self)
    local message, now_ms = self.first_settled, self.now_ms
    while message and message.due_ms <= now_ms do
        local next_settled = message.next_settled
        message.next_settled = nil
        self.forget(message)
        message = next_settled
    end
    self.first_settled = message
    if not message then
        self.last_settled = nil
    end
end

-- ---- Time ----------------------------------------------------------------------------------------

-- What is due has a step, a function, and due_ms, when it is. The newest appointment is the one that holds.
local function appoint(self, item, step, due_ms)
    item.step, item.due_ms = step, due_ms
    self.timeline:push(due_ms, item)
end

local function fail(self, message, code, at_ms)
    message.error_code = code
    set_status(self, message, "failed", at_ms)
    settle(self, message, at_ms)
end

local function expire(self, message, at_ms)
    if message.queue then
        message.queue:leave(message)
    end
    fail(self, message, EXPIRED, at_ms)
end

local PRICES = setmetatable({}, { __index = function(prices, segments)
    local price = ("-%.5f"):format(PRICE_PER_SEGMENT * segments)
    prices[segments] = price
    return price
end })

local function deliver(self, message, at_ms)
    message.price = PRICES[message.segments]
    set_status(self, message, "delivered", at_ms)
    settle(self, message, at_ms)
    if self.numbers and self.numbers[message.to] then
        table.insert(self.arrived, message)
    end
end

-- What was tried is paid for.
local function bounce(self, message, at_ms)
    message.price = PRICES[message.segments]
    message.error_code = message.later_code
    set_status(self, message, "undelivered", at_ms)
    settle(self, message, at_ms)
end

-- The message is with the network.
local function hand_over(self, message, at_ms)
    local fate, code
    if self.script then
        fate, code = self.script:fate(message, at_ms)
    end
    if not fate then
        fate, code = self.delivery:fate()
    end
    if fate == "failed" then
        return fail(self, message, code, at_ms)
    end
    message.sent_s = math.floor(at_ms / 1000)
    set_status(self, message, "sent", at_ms)
    if fate == "sent" then
        return settle(self, message, at_ms)
    end
    message.later_code = code
    local step = fate == "delivered" and deliver or bounce
    appoint(self, message, step, at_ms + self.delivery:delay_ms "deliver_ms")
end

-- It is the message's turn.
local function send(self, message, at_ms)
    local code = message.later_code or self.has_guards and self.guards:leave(message, at_ms)
    if code then
        return fail(self, message, code, at_ms)
    end
    local sending_ms = self.delivery:delay_ms "sending_ms"
    if sending_ms == 0 then
        return hand_over(self, message, at_ms)
    end
    set_status(self, message, "sending", at_ms)
    appoint(self, message, hand_over, at_ms + sending_ms)
end

local serve

-- It is a queue's turn: its first message leaves.
function serve(self, queue, at_ms)
    if queue:is_busy(at_ms) then -- all who waited were canceled, and others came
        return appoint(self, queue, serve, queue:next_ms())
    end
    local message = queue:pop()
    if message then
        queue:take_turns(message.segments, at_ms)
        send(self, message, at_ms)
    end
    if queue.waiting > 0 then
        appoint(self, queue, serve, queue:next_ms())
    else
        queue.step = nil
    end
end

local function wait() end

-- A message leaves when its sender has finished the ones before it, unless its time is over by then.
local function enqueue(self, message, queue, ready_ms, at_ms)
    local expires_ms = at_ms + (message.validity_ms or VALIDITY_MS)
    if queue.waiting == 0 and not queue:is_busy(ready_ms) then
        queue:take_turns(message.segments, ready_ms)
        return appoint(self, message, ready_ms <= expires_ms and send or expire,
            math.min(ready_ms, expires_ms))
    end
    local leave_ms = queue:leave_ms(at_ms)
    queue:push(message)
    if leave_ms > expires_ms then -- it may leave sooner when others before it are canceled
        appoint(self, message, expire, expires_ms)
    else
        message.step = wait
    end
    if not queue.step then
        appoint(self, queue, serve, queue:next_ms())
    end
end

local function queue_of(self, message)
    return message.service and self.senders:queue_of(message.service)
        or message.from and self.senders:queue_of(message.from)
end

-- A messaging service has chosen a sender; a scheduled message's time has come.
local function choose(self, message)
    if not message.from then
        message.from = self.senders:choose(message.service, message.to, message.segments)
            or self.service_number
    end
    message.num_segments = message.segments
    local code = message.later_code
    if not code and message.service and self.blocks:has(message.to, message.from, message.service) then
        code = OPTED_OUT
    end
    return code
end

local function queue(self, message, at_ms)
    local code = choose(self, message)
    local sender = not code and self.has_queues and queue_of(self, message)
    if sender and not sender:has_room(message.segments) then
        code = QUEUE_OVERFLOW
    end
    if code then
        return fail(self, message, code, at_ms)
    end
    if message.reply_code then -- it is the reply's turn to fail, not its creation's
        message.later_code = message.reply_code
    end
    set_status(self, message, "queued", at_ms)
    local ready_ms = at_ms + self.delivery:delay_ms "send_ms"
    if sender then
        return enqueue(self, message, sender, ready_ms, at_ms)
    end
    appoint(self, message, send, ready_ms)
end

--- A message was accepted: it begins to move.
function Transit:start(message)
    local now_ms = self.now_ms
    if message.send_at_s then
        set_status(self, message, "scheduled", now_ms)
        appoint(self, message, queue, message.send_at_s * 1000)
    elseif message.service then
        set_status(self, message, "accepted", now_ms)
        appoint(self, message, queue, now_ms + self.delivery:delay_ms "send_ms")
    else
        queue(self, message, now_ms)
    end
end

--- A message is there and stays as it is.
function Transit:rest(message, status)
    set_status(self, message, status, self.now_ms)
    settle(self, message, self.now_ms)
end

--- A message that waits does not leave.
function Transit:cancel(message)
    if message.queue then
        message.queue:leave(message)
    end
    self:rest(message, "canceled")
end

--- A message was deleted: what is still to come is not for anybody.
function Transit:stop(message)
    if message.step then
        if message.status_callback then
            self.watched = self.watched - 1
        end
        settle(self, message, self.now_ms)
    end
end

--- Whether a message by number finds the queue of its sender full.
function Transit:is_full(number, segments)
    local sender = self.has_queues and self.senders:queue_of(number)
    return sender and not sender:has_room(segments) or false
end

--- Lets everything happen that is due by now. Time never goes back.
function Transit:advance(now_ms)
    local due = self.timeline
    local item, at_ms = due:take(now_ms)
    while item do
        local step = item.step
        -- One that was canceled or appointed anew in between is not due.
        if step and item.due_ms == at_ms then
            step(self, item, at_ms)
        end
        item, at_ms = due:take(now_ms)
    end
    if now_ms > self.now_ms then
        self.now_ms = now_ms
    end
    if self.first_settled then
        forget_old(self)
    end
end

--- When something happens next; nil for never.
function Transit:due_ms()
    return self.timeline:due_ms()
end

--- When somebody may have to hear of a change next; nil for never.
function Transit:callback_due_ms()
    return (self.watched > 0 or self.numbers) and self.timeline:due_ms() or nil
end

--- Takes the status changes of messages with a StatusCallback, in order.
-- @treturn table a list of { message, status, from, error_code, at_s, is_last }
function Transit:changes()
    local changed = self.changed
    if changed[1] then
        self.changed = {}
    end
    return changed
end

--- Takes the messages that were delivered to numbers of the account, in order.
function Transit:arrivals()
    local arrived = self.arrived
    if arrived[1] then
        self.arrived = {}
    end
    return arrived
end

return M
