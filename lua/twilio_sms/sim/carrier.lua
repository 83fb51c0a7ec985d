--- An account and its messages: accepted, moved on by time, read, changed and deleted. No I/O, no clock.
--
-- Time is what `advance` was told last, in Unix milliseconds; chance comes from the generator that was passed
-- in. The same calls give the same answers.
local core = require "twilio_sms.core"

local blocks = require "twilio_sms.sim.blocks"
local errors = require "twilio_sms.sim.errors"
local rules = require "twilio_sms.sim.rules"
local timeline = require "twilio_sms.sim.timeline"

local M = {}

local Carrier = {}
local class = { __index = Carrier, __name = "twilio_sms.sim.carrier" }

local PRICE_PER_SEGMENT = 0.0079
local CANCELABLE = { accepted = true, scheduled = true, queued = true }
-- "sent" may be the last that is ever heard of a message, so it counts as complete.
local COMPLETE = {
    sent = true, delivered = true, undelivered = true, failed = true, canceled = true, received = true,
}
local LAST = { delivered = true, undelivered = true, failed = true, canceled = true }
local OPTED_OUT = 21610

--- @tparam table opts account_sid, random (`twilio_sms.sim.random`), send_ms and deliver_ms (how long a
-- message is queued, and on its way), service_number (what a messaging service sends from), numbers (the
-- account's own as keys), marker (a Lua pattern: its capture in a body identifies a message when duplicates
-- are counted), service_sid (the messaging service that service_number belongs to), callbacks (whether
-- changes of messages with a StatusCallback are kept)
function M.new(opts)
    local carrier = setmetatable({
        account_sid = opts.account_sid,
        random = opts.random,
        send_ms = opts.send_ms,
        deliver_ms = opts.deliver_ms,
        service_number = opts.service_number,
        numbers = opts.numbers,
        marker = opts.marker,
        callbacks = opts.callbacks,
        blocks = blocks.new(),
        now_ms = 0,
        timeline = timeline.new(),
        by_sid = {},
        all = {},
        by_to = {},
        marked = {}, -- which messages were accepted, by what identifies them
        unmarked = {},
        by_status = {},
        changed = {}, -- status changes that somebody wants to hear of
        watched = 0, -- messages that may still have some
        accepted = 0,
        accepted_opted_out = 0,
        refused = 0,
        refused_opted_out = 0,
        duplicates = 0,
        received = 0,
    }, class)
    if opts.service_sid then
        carrier.blocks:join(opts.service_number, opts.service_sid)
    end
    return carrier
end

local function child(tree, key)
    local node = tree[key]
    if not node then
        node = {}
        tree[key] = node
    end
    return node
end

local function watch(self, message, whether)
    if whether ~= message.is_watched then
        message.is_watched = whether
        self.watched = self.watched + (whether and 1 or -1)
    end
end

-- Of the first status nobody hears (Twilio docs "Outbound Message Status in Status Callbacks").
local function note_change(self, message, status)
    if message.status then
        table.insert(self.changed, {
            message = message, status = status, from = message.from, error_code = message.error_code,
            at_s = message.updated_s, is_last = LAST[status],
        })
    end
    watch(self, message, not LAST[status])
end

local function set_status(self, message, status)
    if message.status_callback then
        note_change(self, message, status)
    end
    local counts = self.by_status
    if message.status then
        counts[message.status] = counts[message.status] - 1
    end
    counts[status] = (counts[status] or 0) + 1
    message.status = status
end

-- ---- Time ----------------------------------------------------------------------------------------

local function fail(self, message, code)
    message.error_code = code
    set_status(self, message, "failed")
end

local STEPS = {}

-- A messaging service has chosen a sender; a scheduled message's time has come.
function STEPS.queue(self, message, at_ms)
    message.from = message.from or self.service_number
    message.num_segments = message.segments
    local code = message.later_code
    if not code and message.service and self.blocks:has(message.to, message.from, message.service) then
        code = OPTED_OUT
    end
    if code then
        return fail(self, message, code)
    end
    set_status(self, message, "queued")
    self.timeline:add(at_ms + self.send_ms, { message = message, step = "send", from = "queued" })
end

function STEPS.send(self, message, at_ms)
    message.sent_s = math.floor(at_ms / 1000)
    set_status(self, message, "sent")
    self.timeline:add(at_ms + self.deliver_ms, { message = message, step = "deliver", from = "sent" })
end

function STEPS.deliver(self, message)
    message.price = ("-%.5f"):format(PRICE_PER_SEGMENT * message.segments)
    set_status(self, message, "delivered")
end

--- Lets everything happen that is due by now. Time never goes back.
function Carrier:advance(now_ms)
    local due, at_ms = self.timeline:take(now_ms)
    while due do
        local message = due.message
        -- One that was canceled or deleted in between stays what it is.
        if message.status == due.from and not message.deleted then
            message.updated_s = math.floor(at_ms / 1000)
            STEPS[due.step](self, message, at_ms)
        end
        due, at_ms = self.timeline:take(now_ms)
    end
    if now_ms > self.now_ms then
        self.now_ms = now_ms
    end
end

--- When something happens next; nil for never.
function Carrier:due_ms()
    return self.timeline:due_ms()
end

--- When somebody may have to hear of a change next; nil for never.
function Carrier:callback_due_ms()
    return self.watched > 0 and self.timeline:due_ms() or nil
end

--- Takes the status changes of messages with a StatusCallback, in order.
-- @treturn table a list of { message, status, from, error_code, at_s, is_last }
function Carrier:changes()
    local changed = self.changed
    self.changed = {}
    return changed
end

-- ---- Creating ------------------------------------------------------------------------------------

-- What identifies a message: the mark in its body, or sender, recipient and text. A tree, not a joined key:
-- LuaJIT's hash looks at a few bytes of a string only, so that such keys would collide.
local function copies_of(self, message)
    local mark = self.marker and message.body:match(self.marker)
    if mark then
        return self.marked, mark
    end
    local sender = message.from or message.service
    return child(child(self.unmarked, sender), message.to), message.body
end

local function count_copy(self, message)
    local copies, key = copies_of(self, message)
    self.accepted = self.accepted + 1
    if copies[key] then
        self.duplicates = self.duplicates + 1
    end
    copies[key] = true
end

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

local function index(self, message)
    self.by_sid[message.sid] = message
    self.all[message.seq] = message
    local list = child(self.by_to, message.to)
    list[#list + 1] = message
end

local function start(self, message)
    if message.send_at_s then
        set_status(self, message, "scheduled")
        local due_ms = message.send_at_s * 1000
        self.timeline:add(due_ms, { message = message, step = "queue", from = "scheduled" })
    elseif message.service then
        set_status(self, message, "accepted")
        local due_ms = self.now_ms + self.send_ms
        self.timeline:add(due_ms, { message = message, step = "queue", from = "accepted" })
    else
        STEPS.queue(self, message, self.now_ms)
    end
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

--- Accepts a message or refuses it.
-- @tparam table params of the create request by name; MediaUrl is a list
-- @tparam[opt="outbound-api"] string direction
-- @treturn[1] table the message
-- @treturn[2] nil
-- @treturn[2] table an error of `twilio_sms.sim.errors`
function Carrier:create(params, direction)
    local now_s = math.floor(self.now_ms / 1000)
    local verdict, err = rules.check(params, now_s, self.numbers)
    err = err or check_opt_out(self, params)
    if err then
        self.refused = self.refused + 1
        return nil, err
    end
    local media = params.MediaUrl
    local message = {
        seq = #self.all + 1,
        sid = self.random:sid(media and "MM" or "SM"),
        direction = direction or "outbound-api",
        to = params.To,
        from = params.From,
        service = params.MessagingServiceSid,
        status_callback = self.callbacks and params.StatusCallback or nil,
        is_watched = false,
        body = params.Body or "",
        segments = verdict.num_segments,
        num_segments = 0,
        num_media = media and #media or 0,
        created_s = now_s,
        updated_s = now_s,
        send_at_s = verdict.send_at_s,
        later_code = verdict.later_code,
        tags = params.Tags,
    }
    if media then
        message.media = new_media(self, message, media)
    end
    index(self, message)
    count_copy(self, message)
    start(self, message)
    return message
end

--- Takes a message from a person, and learns from it whom not to text.
-- @tparam table params From, To, Body, MediaUrl (a list), MessagingServiceSid, OptOutType
-- @treturn table the message
function Carrier:receive(params)
    local now_s = math.floor(self.now_ms / 1000)
    local media, body = params.MediaUrl, params.Body or ""
    if params.MessagingServiceSid then
        self.blocks:join(params.To, params.MessagingServiceSid)
    end
    local count = core.segments(body)
    local message = {
        seq = #self.all + 1,
        sid = self.random:sid(media and "MM" or "SM"),
        direction = "inbound",
        is_watched = false,
        to = params.To,
        from = params.From,
        service = self.blocks:service_of(params.To),
        body = body,
        opt_out_type = params.OptOutType,
        num_segments = not media and count and math.max(1, count.segments) or 1,
        num_media = media and #media or 0,
        created_s = now_s,
        updated_s = now_s,
        sent_s = now_s,
    }
    if media then
        message.media = new_media(self, message, media)
    end
    index(self, message)
    set_status(self, message, "received")
    self.received = self.received + 1
    self.blocks:learn(params.From, params.To, body, params.OptOutType)
    return message
end

-- ---- One message ---------------------------------------------------------------------------------

--- @treturn table|nil
function Carrier:fetch(sid)
    local message = self.by_sid[sid]
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
    set_status(self, message, "canceled")
    return touch(self, message)
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
    watch(self, message, false)
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

-- ---- Lists ---------------------------------------------------------------------------------------

-- The last place in a list of ascending seq whose seq is below the given one.
local function place_below(list, seq)
    local low, high = 0, #list
    while low < high do
        local middle = math.floor((low + high + 1) / 2)
        if list[middle].seq < seq then
            low = middle
        else
            high = middle - 1
        end
    end
    return low
end

local function fits(message, filter)
    return not message.deleted
        and (not filter.to or message.to == filter.to)
        and (not filter.from or message.from == filter.from)
        and (not filter.sent_from_s or message.sent_s and message.sent_s >= filter.sent_from_s)
        and (not filter.sent_until_s or message.sent_s and message.sent_s <= filter.sent_until_s)
end

-- Collects up to `size` messages from `place` on, and says whether there are more.
local function collect(list, place, step, filter, size)
    local found = {}
    local message = list[place]
    while message do
        if fits(message, filter) then
            if #found == size then
                return found, true
            end
            found[#found + 1] = message
        end
        place = place + step
        message = list[place]
    end
    return found, false
end

local function reverse(list)
    for i = 1, math.floor(#list / 2) do
        local j = #list + 1 - i
        list[i], list[j] = list[j], list[i]
    end
    return list
end

--- Messages that fit, the newest first.
-- @tparam table filter to, from, sent_from_s, sent_until_s
-- @tparam number size the most that a page holds
-- @tparam[opt] table cursor sid, and newer: the page begins behind that message, or ends before it
-- @treturn[1] table a list
-- @treturn[1] boolean whether older ones follow
-- @treturn[2] nil when the cursor's message never was
function Carrier:list(filter, size, cursor)
    local list = filter.to and (self.by_to[filter.to] or {}) or self.all
    if not cursor then
        return collect(list, #list, -1, filter, size)
    end
    local message = self.by_sid[cursor.sid]
    if not message then
        return nil
    end
    local place = place_below(list, message.seq)
    if not cursor.newer then
        return collect(list, place, -1, filter, size)
    end
    if list[place + 1] == message then
        place = place + 1
    end
    return reverse(collect(list, place + 1, 1, filter, size)), true
end

-- ---- Truth ---------------------------------------------------------------------------------------

--- What really happened, whatever the answers said.
-- @treturn table accepted, refused, duplicates (accepted again after the first time), statuses, received
-- (from persons); refused_opted_out and accepted_opted_out: those of the refused, and of the accepted by a
-- messaging service, whose recipient had said STOP before
function Carrier:stats()
    local statuses = {}
    for status, count in pairs(self.by_status) do
        statuses[status] = count
    end
    return {
        accepted = self.accepted,
        accepted_opted_out = self.accepted_opted_out,
        refused = self.refused,
        refused_opted_out = self.refused_opted_out,
        duplicates = self.duplicates,
        received = self.received,
        statuses = statuses,
    }
end

return M
