--- An account and its messages: accepted, moved on by time, read, changed and deleted. No I/O, no clock.
--
-- Time is what `advance` was told last, in Unix milliseconds; chance comes from the generator that was passed
-- in. The same calls give the same answers.
local core = require "twilio_sms.core"

local blocks = require "twilio_sms.sim.blocks"
local delivery = require "twilio_sms.sim.delivery"
local errors = require "twilio_sms.sim.errors"
local message_list = require "twilio_sms.sim.message_list"
local options = require "twilio_sms.options"
local random = require "twilio_sms.sim.random"
local rules = require "twilio_sms.sim.rules"
local transit = require "twilio_sms.sim.transit"
local truth = require "twilio_sms.sim.truth"

local M = {}

local Carrier = {}
local class = { __index = Carrier, __name = "twilio_sms.sim.carrier" }

local CANCELABLE = { accepted = true, scheduled = true, queued = true }
-- "sent" may be the last that is ever heard of a message, so it counts as complete.
local COMPLETE = {
    sent = true, delivered = true, undelivered = true, failed = true, canceled = true, received = true,
}
local OPTED_OUT, QUEUE_FULL = 21610, 21611

local OPTIONS = {
    account_sid = "string", random = "table", script = "table", send_ms = "any", deliver_ms = "any",
    delivery = "table", service_number = "string", service_sid = "string", numbers = "table",
    senders = "table", limit_all = "boolean", queue_s = "number", carrier_limits = "table",
    pumping = "table", loop_guard = "boolean", list_lag_ms = "any", retain_s = "number",
    marker = "string", callbacks = "boolean", relay = "boolean", on_accept = "function",
    on_status = "function",
}

--- @tparam table opts
-- account_sid, random (`twilio_sms.sim.random`);
-- send_ms and deliver_ms (how long a message is queued, and on its way: all are delivered), or delivery
-- (`twilio_sms.sim.delivery`: delays and errors), or both: delivery wins;
-- service_number (what a messaging service without a pool sends from), service_sid (the messaging service
-- that it belongs to), numbers (the account's own as keys);
-- senders, limit_all (`twilio_sms.sim.senders`), queue_s (how many seconds of traffic a queue holds);
-- carrier_limits, pumping, loop_guard (`twilio_sms.sim.guards`);
-- list_lag_ms (how long a new message is missing in lists: milliseconds, a list of quantiles as for
-- delivery, or a function of the message); retain_s (how long a message is kept after its end; default: for
-- ever); marker (`twilio_sms.sim.truth`); callbacks (whether changes of messages with a StatusCallback are
-- kept); relay (whether what is delivered to a number of the account is kept for `arrivals`);
-- script (`twilio_sms.sim.script`, for its rules about the delivery);
-- on_accept, a function of each accepted message and its tag, and on_status, a function of each message
-- whose status has changed after that
-- @tparam[opt=1] number level as for error, for what is wrong with the options
function M.new(opts, level)
    level = (level or 1) + 1
    options.check(opts, OPTIONS, level)
    if opts.list_lag_ms and type(opts.list_lag_ms) ~= "function" then
        delivery.check_delay("list_lag_ms", opts.list_lag_ms, level)
    end
    local chance = random.new(opts.random.state) -- so that draws on the way do not change the next sid
    local messages, counts = message_list.new(), truth.new(opts.marker)
    local list = blocks.new()
    return setmetatable({
        account_sid = opts.account_sid,
        random = opts.random,
        chance = chance,
        numbers = opts.numbers,
        service_number = opts.service_number,
        list_lag_ms = opts.list_lag_ms,
        callbacks = opts.callbacks,
        on_accept = opts.on_accept,
        now_ms = 0,
        blocks = list,
        messages = messages,
        truth = counts,
        transit = transit.new(opts, list, chance, function(message)
            messages:remove(message)
            counts:forget(message)
        end, level),
        refused = 0,
        accepted_opted_out = 0,
        refused_opted_out = 0,
        received = 0,
    }, class)
end

--- The options of a carrier with everything that happens on a usual day: throughput by the type of each
-- sender, delays and errors of delivery, lists that lag, and the loop guard.
-- @tparam[opt] table opts others of `new`, which win
-- @treturn table
function M.realistic(opts)
    local all = {
        delivery = delivery.REALISTIC,
        limit_all = true,
        list_lag_ms = { 0, 200, 500, 1000, 3000 }, -- an assumption: no lag is published
        loop_guard = true,
        relay = true,
    }
    for name, value in pairs(opts or {}) do
        all[name] = value
    end
    return all
end

-- ---- Time ----------------------------------------------------------------------------------------

--- Lets everything happen that is due by now. Time never goes back.
function Carrier:advance(now_ms)
    self.transit:advance(now_ms)
    self.now_ms = self.transit.now_ms
end

--- When something happens next; nil for never.
function Carrier:due_ms()
    return self.transit:due_ms()
end

--- When somebody may have to hear of a change next; nil for never.
function Carrier:callback_due_ms()
    return self.transit:callback_due_ms()
end

--- Whether `changes` or `arrivals` have something.
function Carrier:has_news()
    return self.transit.changed[1] ~= nil or self.transit.arrived[1] ~= nil
end

--- Takes the status changes of messages with a StatusCallback, in order.
-- @treturn table a list of { message, status, from, error_code, at_s, is_last }
function Carrier:changes()
    return self.transit:changes()
end

--- Takes the messages that were delivered to numbers of the account, in order; none without `relay`.
function Carrier:arrivals()
    return self.transit:arrivals()
end

-- ---- Creating ------------------------------------------------------------------------------------

local MEDIA_TYPES = { gif = "image/gif", mp4 = "video/mp4", pdf = "application/pdf", png = "image/png" }

local function new_media(self, message, urls)
    local media = {}
    for i, url in ipairs(urls) do
        local extension = url:gsub("[?#].*$", ""):match "%.(%w+)$"
        media[i] = {
            sid = self.random:sid "ME",
            url = url,
            parent_sid = message.sid,
            content_type = MEDIA_TYPES[extension and extension:lower()] or "image/jpeg",
            created_s = message.created_s,
        }
    end
    return media
end

-- When lists show a new message.
local function listed_ms_of(self, message)
    local lag = self.list_lag_ms
    if type(lag) == "function" then
        lag = lag(message)
    end
    return self.now_ms + delivery.draw(lag, self.chance)
end

local function add(self, message, media)
    if media then
        message.num_media = #media
        message.media = new_media(self, message, media)
    end
    if self.list_lag_ms then
        message.listed_ms = listed_ms_of(self, message)
    end
    self.messages:add(message)
end

-- By number a blocked message is refused, by messaging service it is accepted and fails later; so a scheduled
-- one is judged when its time has come (Twilio docs "Advanced Opt-Out", "Message Scheduling FAQs").
local function check_opt_out(self, params)
    local service = params.MessagingServiceSid
    if not self.blocks:has(params.To, params.From or self.service_number, service) then
        return nil
    elseif not service then
        self.refused_opted_out = self.refused_opted_out + 1
        return errors.new(OPTED_OUT)
    elseif not params.SendAt then
        self.accepted_opted_out = self.accepted_opted_out + 1
    end
end

-- By number a full queue refuses, by messaging service the message is accepted and fails (error 21611).
local function check_queue(self, params, segments)
    if not params.MessagingServiceSid and self.transit:is_full(params.From, segments) then
        return errors.new(QUEUE_FULL, params.From)
    end
end

--- Accepts a message or refuses it.
-- @tparam table params of the create request by name; MediaUrl is a list
-- @tparam[opt="outbound-api"] string direction
-- @param[opt] tag kept in the message
-- @treturn[1] table the message
-- @treturn[2] nil
-- @treturn[2] table an error of `twilio_sms.sim.errors`
function Carrier:create(params, direction, tag)
    local now_s = math.floor(self.now_ms / 1000)
    local segments, send_at_s, later_code = rules.check(params, now_s, self.numbers)
    local err
    if segments then
        err = check_opt_out(self, params) or check_queue(self, params, segments)
    else
        err = send_at_s
    end
    if err then
        self.refused = self.refused + 1
        return nil, err
    end
    local media, service = params.MediaUrl, params.MessagingServiceSid
    -- All fields of most messages stand here, so that the table has its size from the beginning.
    local message = {
        seq = 0,
        sid = self.random:sid(media and "MM" or "SM"),
        direction = direction or "outbound-api",
        to = params.To,
        from = params.From,
        service = service,
        status = nil,
        status_callback = self.callbacks and params.StatusCallback or nil,
        body = params.Body or "",
        segments = segments,
        num_segments = 0,
        num_media = 0,
        created_s = now_s,
        updated_s = now_s,
        sent_s = nil,
        send_at_s = send_at_s,
        listed_ms = nil,
        later_code = later_code,
        error_code = nil,
        price = nil,
        tag = tag,
        step = nil,
        due_ms = nil,
        queue = nil,
        older = nil,
        newer = nil,
        older_to = nil,
        newer_to = nil,
        counted_text = nil,
        counted_mark = nil,
        same_text = nil,
        next_settled = nil,
    }
    if params.Tags then
        message.tags = params.Tags
    end
    if params.ValidityPeriod then
        message.validity_ms = tonumber(params.ValidityPeriod) * 1000
    end
    if params.RiskCheck == "disable" then
        message.is_trusted = true
    end
    if direction == "outbound-reply" then
        message.reply_code = self.transit.guards:reply(params.From or service, params.To, self.now_ms)
    end
    add(self, message, media)
    self.truth:accept(message)
    self.transit:start(message)
    if self.on_accept then
        self.on_accept(message, tag)
    end
    return message
end

--- Takes a message from a person, and learns from it whom not to text.
-- @tparam table params From, To, Body, MediaUrl (a list), MessagingServiceSid, OptOutType
-- @treturn table the message
-- @treturn string|nil "STOP", "START" or "HELP" when its text is such a keyword
function Carrier:receive(params)
    local now_s = math.floor(self.now_ms / 1000)
    local media, body = params.MediaUrl, params.Body or ""
    if params.MessagingServiceSid then
        self.blocks:join(params.To, params.MessagingServiceSid)
    end
    local count = core.segments(body)
    local message = {
        sid = self.random:sid(media and "MM" or "SM"),
        direction = "inbound",
        to = params.To,
        from = params.From,
        service = self.blocks:service_of(params.To),
        body = body,
        opt_out_type = params.OptOutType,
        num_segments = not media and count and math.max(1, count.segments) or 1,
        num_media = 0,
        created_s = now_s,
        updated_s = now_s,
        sent_s = now_s,
    }
    add(self, message, media)
    self.transit:rest(message, "received")
    self.received = self.received + 1
    local keyword = self.blocks:learn(params.From, params.To, body, params.OptOutType)
    if message.service then
        self.transit.senders:hear(message.service, params.From, params.To)
    end
    return message, keyword
end

-- ---- One message ---------------------------------------------------------------------------------

--- @treturn table|nil
function Carrier:fetch(sid)
    local message = self.messages:find(sid)
    return message and not message.deleted and message or nil
end

local function touch(self, message)
    message.updated_s = math.floor(self.now_ms / 1000)
    return message
end

--- @treturn table|nil the message, or nil and an error
function Carrier:cancel(message)
    if not CANCELABLE[message.status] then
        return nil, errors.new(30409)
    end
    self.transit:cancel(message)
    return message
end

--- Empties the body of a message that is complete.
-- @treturn table|nil the message, or nil and an error
function Carrier:redact(message)
    if not COMPLETE[message.status] then
        return nil, errors.new(20009)
    end
    message.body = ""
    return touch(self, message)
end

--- @treturn boolean|nil true, or nil and an error
function Carrier:delete(message)
    if not COMPLETE[message.status] then
        return nil, errors.new(20009)
    end
    -- It stays in the lists as a gap, so that page tokens keep their place.
    message.deleted, message.body, message.media = true, "", nil
    self.transit:stop(message)
    return true
end

--- Keeps what the recipient did with the message.
-- @tparam string outcome "confirmed" or "unconfirmed"
function Carrier:feedback(message, outcome)
    message.feedback = outcome
    return touch(self, message)
end

--- One attachment, and its place; nil when there is none.
function Carrier:media(message, sid)
    for i, media in ipairs(message.media or {}) do
        if media.sid == sid then
            return media, i
        end
    end
end

--- Messages that fit, the newest first (`twilio_sms.sim.message_list`, page).
-- @tparam table filter to, from, sent_from_s, sent_until_s
-- @tparam number size the most that a page holds
-- @tparam[opt] table cursor sid, and newer: the page begins behind that message, or ends before it
-- @treturn[1] table a list
-- @treturn[1] boolean whether older ones follow
-- @treturn[2] nil when the cursor's message is not known
function Carrier:list(filter, size, cursor)
    return self.messages:page(filter, size, cursor, self.now_ms)
end

-- ---- Truth ---------------------------------------------------------------------------------------

--- What really happened, whatever the answers said.
-- @treturn table accepted, refused, duplicates (accepted again after the first time), statuses, received
-- (from persons); refused_opted_out and accepted_opted_out: those of the refused, and of the accepted by a
-- messaging service, whose recipient had said STOP before
function Carrier:stats()
    local statuses = {}
    for status, count in pairs(self.transit.by_status) do
        statuses[status] = count
    end
    return {
        accepted = self.truth.accepted,
        accepted_opted_out = self.accepted_opted_out,
        refused = self.refused,
        refused_opted_out = self.refused_opted_out,
        duplicates = self.truth.duplicates,
        received = self.received,
        statuses = statuses,
    }
end

--- For loops: all messages that are kept, deleted ones too, the oldest first.
function Carrier:each()
    return self.messages:each()
end

--- How many messages are kept: all, or with retain_s those that are under way or ended not long ago.
function Carrier:kept()
    return self.messages:size()
end

return M
