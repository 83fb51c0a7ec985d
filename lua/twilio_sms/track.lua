--- Follows messages to their end.
--
--     local tracker = sms.track.new { account_sid = "AC...", store = store, client = client }
--     tracker:sent(message, { batch = "march" })     -- what client:send answered
--     tracker:update(event)                          -- a status callback
--     tracker:wait(message.sid)                      -- until one of them brings the end
--     tracker:reconcile()                            -- now and then: asks Twilio about the silent ones
--
-- A record says what is known of a message. `twilio_sms.track.state` tells how reports are merged,
-- `twilio_sms.track.due` when a silent message is looked after, `twilio_sms.track.records` how it is stored.
local core = require "twilio_sms.core"
local due = require "twilio_sms.track.due"
local options = require "twilio_sms.options"
local records = require "twilio_sms.track.records"
local state = require "twilio_sms.track.state"
local waiting = require "twilio_sms.track.wait"

local M = {}

local Tracker = {}
local class = { __index = Tracker, __name = "twilio_sms.track" }

function class.__tostring()
    return class.__name
end

local function check_whole(name, value, least, most, level)
    if type(value) ~= "number" or value % 1 ~= 0 or value < least or value > most then
        error(("%s must be a whole number from %d to %d"):format(name, least, most), level + 1)
    end
end

local STORE_METHODS = { "read", "write", "list", "purge" }

local function check_store(store)
    local kind = type(store)
    for _, method in ipairs(STORE_METHODS) do
        if kind ~= "table" and kind ~= "userdata" or type(store[method]) ~= "function" then
            error(("option 'store' must have the method '%s'"):format(method), 3)
        end
    end
    return store
end

local OPTIONS = {
    account_sid = "string", store = "any", client = "table", clock = "function", silent_s = "number",
    on_change = "function",
}
local SILENT_MOST_S = 86400

--- Makes a tracker.
-- @tparam table opts account_sid; store (default: in memory), client (for wait and reconcile), silent_s
-- (3600: how long a message may be silent before reconcile looks after it), on_change (a function that gets
-- the record and the status before; the change is safe by then), clock (a function that answers Unix seconds)
-- @treturn table
function M.new(opts)
    opts = options.check(opts, OPTIONS, 2)
    if not (opts.account_sid or ""):find "^%w+$" then
        error("option 'account_sid' is needed", 2)
    end
    local silent_s = opts.silent_s or due.SILENT_S
    check_whole("option 'silent_s'", silent_s, 1, SILENT_MOST_S, 2)
    return setmetatable({
        account_sid = opts.account_sid,
        store = check_store(opts.store or require("twilio_sms.memory").new()),
        client = opts.client,
        clock = opts.clock or os.time,
        silent_s = silent_s,
        on_change = opts.on_change,
        watches = {},
    }, class)
end

--- Gives the tracker a client for wait and reconcile, unless it has one: a client can be made with a tracker,
-- and a tracker with a client, but one of them has to be first.
-- @tparam table client
function Tracker:attach(client)
    options.check_self(self, class, "tracker:attach(client)", 2)
    self.client = self.client or client
end

-- ---- Learning ------------------------------------------------------------------------------------

local function now_of(self)
    return math.floor(self.clock())
end

-- Tells about a change that is safe. Answers whether the state has moved, and what on_change has raised.
local function announce(self, new, old)
    if new.terminal then
        waiting.wake(self, new.sid)
    end
    local moved = not old or old.status ~= new.status or old.error_code ~= new.error_code
    if moved and self.on_change then
        local ok, raised = pcall(self.on_change, new, old and old.status)
        if not ok then
            return true, raised
        end
    end
    return moved
end

-- The record after a report. edit(new, old), if given, changes what is no part of the state, or answers an
-- error.
local function next_record(self, old, heard, now_s, edit)
    local new = old and state.learn(old, heard) or heard
    local moved = not old or old.status ~= new.status
    new.account_sid = new.account_sid or self.account_sid
    new.looks = moved and 0 or old.looks
    local problem = edit and edit(new, old)
    if problem then
        return nil, problem
    elseif moved or new.looks ~= old.looks or new.send_at ~= old.send_at then
        new.missing = nil
        due.plan(new, now_s, self.silent_s)
    end
    return new
end

local function merge(self, report, source, edit)
    local now_s = now_of(self)
    local heard = state.of(report, now_s, source)
    if not heard then
        return nil, core.error("InvalidRequest", "a report needs the sid and the status of a message")
    end
    local new, old = records.change(self.store, heard.sid, now_s, function(record)
        return next_record(self, record, heard, now_s, edit)
    end)
    if not new then
        return nil, old
    end
    return new, announce(self, new, old)
end

local SENT_OPTIONS = { batch = "string", send_at = "number" }
local TIME_MOST_S = 253402300799 -- the year 9999

--- Registers a message that was sent. A callback may have been faster; nothing is lost then.
-- @tparam table message what client:send answered
-- @tparam[opt] table opts batch (a name under which messages are counted), send_at (Unix seconds, of a
-- scheduled message)
-- @treturn table|nil the record
-- @treturn boolean whether the state has moved
-- @return what on_change has raised, if it has
function Tracker:sent(message, opts)
    options.check_self(self, class, "tracker:sent(message)", 2)
    if type(message) ~= "table" then
        error("sent takes a message, not " .. options.kind_of(message), 2)
    end
    opts = options.check(opts, SENT_OPTIONS, 2)
    if opts.batch then
        records.check_batch(opts.batch, 2)
    end
    check_whole("option 'send_at'", opts.send_at or 0, 0, TIME_MOST_S, 2)
    return merge(self, message, "send", function(record)
        if opts.batch and record.batch and record.batch ~= opts.batch then
            local why = ("the message is in the batch '%s' already"):format(record.batch)
            return core.error("InvalidRequest", why)
        end
        record.batch = record.batch or opts.batch
        record.send_at = record.send_at or opts.send_at
    end)
end

--- Merges what was heard of a message, whether this program has sent it or not.
-- @tparam table report a status event of a webhook, or a message as client:get answers it
-- @tparam[opt] string source for the timeline: "callback" for an event, "poll" for a message
-- @treturn table|nil the record
-- @treturn boolean whether the state has moved
-- @return what on_change has raised, if it has
function Tracker:update(report, source)
    options.check_self(self, class, "tracker:update(event)", 2)
    if type(report) ~= "table" then
        error("update takes an event or a message, not " .. options.kind_of(report), 2)
    elseif source ~= nil and type(source) ~= "string" then
        error("source must be a string, not " .. options.kind_of(source), 2)
    end
    return merge(self, report, source or report.message_sid and "callback" or "poll")
end

-- ---- Asking --------------------------------------------------------------------------------------

local function check_text(what, value)
    if type(value) ~= "string" or value == "" then
        error(("expected %s, a string"):format(what), 3)
    end
end

--- What is known of a message.
-- @treturn table|nil the record; nil alone for one that is not known
function Tracker:get(sid)
    options.check_self(self, class, "tracker:get(sid)", 2)
    check_text("the sid of a message", sid)
    return records.get(self.store, sid)
end

--- The messages that are scheduled for somebody, to take them back when that person opts out.
-- @tparam string address as in `to` of the messages; "rcs:" and "sms:" in front make no difference
-- @treturn table|nil a list of sids
function Tracker:scheduled_to(address)
    options.check_self(self, class, "tracker:scheduled_to(number)", 2)
    check_text("an address", address)
    return records.scheduled_to(self.store, self.account_sid, address)
end

--- Counts the messages of a batch.
-- @tparam string name
-- @tparam[opt] function f is called with { sid, status, error_code, terminal, silent, missing } of each
-- @treturn table|nil total, by_status, terminal, delivered, failed, silent, missing, open, done
function Tracker:batch(name, f)
    options.check_self(self, class, "tracker:batch(name)", 2)
    records.check_batch(name, 2)
    local out = {
        total = 0, terminal = 0, delivered = 0, failed = 0, silent = 0, missing = 0, open = 0, by_status = {},
    }
    local function count(what, is)
        out[what] = out[what] + (is and 1 or 0)
    end
    local ok, err = records.each_in_batch(self.store, self.account_sid, name, function(row)
        local status = row.status
        out.by_status[status] = (out.by_status[status] or 0) + 1
        count("total", true)
        count("terminal", row.terminal)
        count("delivered", status == "delivered" or status == "read")
        count("failed", status == "failed" or status == "undelivered")
        count("silent", row.silent)
        count("missing", row.missing)
        count("open", not (row.terminal or row.silent or row.missing))
        if f then
            f(row)
        end
    end)
    out.done = out.open == 0
    return ok and out, err
end

local WAIT_OPTIONS = { timeout_ms = "number", interval_ms = "number" }
local WAIT_TIMEOUT_MS, WAIT_MOST_MS = 60000, 2147483647

--- Waits until nothing more will happen to a message. A callback in this process ends it at once; one that
-- another process has stored, and what Twilio answers, at the next look.
-- @tparam string sid
-- @tparam[opt] table opts timeout_ms (60000), interval_ms between looks (500, growing to 5000)
-- @treturn table|nil the record; after the timeout nil and a Timeout error with the record in `last`
function Tracker:wait(sid, opts)
    options.check_self(self, class, "tracker:wait(sid)", 2)
    check_text("the sid of a message", sid)
    opts = options.check(opts, WAIT_OPTIONS, 2)
    local timeout_ms = opts.timeout_ms or WAIT_TIMEOUT_MS
    check_whole("option 'timeout_ms'", timeout_ms, 0, WAIT_MOST_MS, 2)
    check_whole("option 'interval_ms'", opts.interval_ms or 1, 1, WAIT_MOST_MS, 2)
    return waiting.run(self, sid, timeout_ms, opts.interval_ms)
end

-- ---- Reconciling ---------------------------------------------------------------------------------

-- With a messaging service the refusal for a STOP comes as the reason of a failure. The list learns of it
-- before the record is written: then the message is finished, and nobody would look at it again.
local OPTED_OUT_CODE = 21610

local function learn(ledger, message)
    if ledger and message.error_code == OPTED_OUT_CODE then
        local learned, err = ledger:learn {
            type = "status", status = message.status, error_code = message.error_code,
            message_sid = message.sid, account_sid = message.account_sid,
            to = message.to, from = message.from, messaging_service_sid = message.messaging_service_sid,
        }
        return learned and true, err
    end
    return true
end

local function add_look(new, old)
    if old and old.status == new.status then
        new.looks = old.looks + 1
    end
end

-- Twilio has it no longer: somebody has deleted it.
local function mark_missing(self, sid)
    local now_s = now_of(self)
    return records.change(self.store, sid, now_s, function(record)
        local new = record and state.join(record, record) -- a copy; nil when a purge was faster
        if new then
            new.missing = not new.terminal or nil
            due.plan(new, now_s, self.silent_s)
        end
        return new
    end)
end

local HTTP_NOT_FOUND = 404

-- Answers the record, whether its state has moved, and what went wrong.
local function take_look(self, sid, message, err, ledger)
    if message then
        local ok, problem = learn(ledger, message)
        if not ok then
            return nil, false, problem
        end
        local record, moved, raised = merge(self, message, "poll", add_look)
        if not record then
            return nil, false, moved
        end
        return record, moved, raised
    elseif err.http_status == HTTP_NOT_FOUND then
        local record, problem = mark_missing(self, sid)
        return record, false, not record and problem or nil
    end
    return nil, false, err
end

local RECONCILE_OPTIONS = { limit = "number", optout = "table" }
local LIMIT, LIMIT_MOST = 100, 1000
local CONCURRENCY = 10 -- a job for the background leaves room for others

--- Asks Twilio about messages that were silent for too long, those that wait longest first. What Twilio does
-- not answer stays due.
-- @tparam[opt] table opts limit (100): how many at most; optout (a ledger, which learns of error 21610)
-- @treturn table|nil looked, changed, terminal, missing, silent, and failed: errors by sid
function Tracker:reconcile(opts)
    options.check_self(self, class, "tracker:reconcile()", 2)
    opts = options.check(opts, RECONCILE_OPTIONS, 2)
    local limit = opts.limit or LIMIT
    check_whole("option 'limit'", limit, 1, LIMIT_MOST, 2)
    if not self.client then
        error("reconcile needs a client: track.new{ client = ... }", 2)
    end
    local sids, err = records.due(self.store, self.account_sid, now_of(self), limit)
    if not sids then
        return nil, err
    end
    local out = { looked = #sids, changed = 0, terminal = 0, missing = 0, silent = 0, failed = {} }
    for index, message, get_err in self.client:get_many(sids, { concurrency = CONCURRENCY }) do
        local sid = sids[index]
        local record, moved, problem = take_look(self, sid, message, get_err, opts.optout)
        out.changed = out.changed + (moved and 1 or 0)
        for _, what in ipairs { "terminal", "missing", "silent" } do
            out[what] = out[what] + (record and record[what] and 1 or 0)
        end
        out.failed[sid] = problem
    end
    return out
end

--- Forgets messages that were finished, or given up, before a time. Holds for all accounts of the store.
-- @tparam number before_s Unix seconds
-- @treturn number|nil how many messages
function Tracker:purge(before_s)
    options.check_self(self, class, "tracker:purge(before_s)", 2)
    check_whole("before_s", before_s, 0, TIME_MOST_S, 2)
    return records.purge(self.store, before_s)
end

return M
