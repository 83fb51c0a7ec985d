--- The client: sends messages and reads about them.
--
-- Every function answers its value, or nil and an error (see `twilio_sms.error`); misuse raises. Called from
-- the main program they wait; inside of `sms.loop.run` they let other coroutines go on meanwhile.
local copy = require "twilio_sms.copy"
local core = require "twilio_sms.core"
local curl = require "twilio_sms.driver.curl"
local drive = require "twilio_sms.drive"
local loop = require "twilio_sms.loop"
local metrics_format = require "twilio_sms.metrics_format"
local options = require "twilio_sms.options"

local M = {}

local Client = {}
local class = { __index = Client, __name = "twilio_sms.client" }

function class:__tostring()
    return self.closed and "twilio_sms.client (closed)" or "twilio_sms.client (open)"
end

local function open(self)
    if getmetatable(self) ~= class then
        error("call this with a colon, as in client:send{...}", 3)
    elseif self.closed then
        error("the client is closed", 3)
    end
    return self.drive
end

-- These are called from the methods themselves, so that misuse is raised at the line that calls the method.

local function check_sid(sid)
    if type(sid) ~= "string" then
        error("expected a sid (a string), got " .. type(sid), 3)
    end
    return sid
end

local NUMBER_MOST = 2147483647

local function check_number(name, value, least)
    if type(value) ~= "number" or value % 1 ~= 0 or value < least or value > NUMBER_MOST then
        error(("%s must be a whole number, %d or more"):format(name, least), 3)
    end
end

local CALL_OPTIONS = { timeout_ms = "number", traceparent = "string" }

local function check_options(opts)
    opts = options.check(opts, CALL_OPTIONS, 3)
    return opts -- not a tail call, which would hide this function from the count of levels
end

local function check_fields(fields, what)
    if type(fields) ~= "table" then
        error(("%s takes a table, not %s"):format(what, options.kind_of(fields)), 3)
    end
    return copy(fields)
end

local function submit(d, operation, fields, opts)
    fields.timeout_ms = opts.timeout_ms or fields.timeout_ms
    fields.traceparent = opts.traceparent or fields.traceparent
    return d:submit(operation, fields)
end

-- Sends from where nobody can wait, such as the log phase of nginx.
local function hand_over(d, operation, fields, opts)
    if operation ~= "send" then
        local why = "this phase of nginx cannot wait for an answer; do it in a timer: ngx.timer.at(0, f)"
        return nil, core.error("InvalidRequest", why)
    end
    local ticket, err = submit(d, operation, fields, opts)
    if not ticket then
        return nil, err
    end
    d:let_go(ticket)
    return { outcome = "handed_over" }
end

local function perform(d, operation, fields, opts)
    if not d:can_wait() then
        return hand_over(d, operation, fields, opts)
    end
    local ticket, err = submit(d, operation, fields, opts)
    if not ticket then
        return nil, err
    end
    return d:wait(ticket)
end

--- Sends one message.
-- @tparam table message to, body, media, from, messaging_service_sid, send_at, status_callback, ...
-- (docs/sending.md has all of them)
-- @tparam[opt] table opts timeout_ms, traceparent (W3C Trace Context: the span that this is part of)
-- @treturn table|nil the message, with `outcome`, `attempts` and `verified`
function Client:send(message, opts)
    local d = open(self)
    return perform(d, "send", check_fields(message, "send{ to=..., body=... }"), check_options(opts))
end

local BULK_OPTIONS = {
    batch = "string", concurrency = "number", on_progress = "function", timeout_ms = "number",
}

-- Long enough for a slow rate limit to let `concurrency` messages through, one after the other.
local BULK_TIMEOUT_MS = 600000

local function check_bulk(d, source, opts)
    if not d:can_wait() then
        error("this phase of nginx cannot wait for answers; do it in a timer: ngx.timer.at(0, f)", 3)
    elseif type(source) ~= "table" and type(source) ~= "function" then
        error("expected a list or an iterator function, got " .. type(source), 3)
    elseif type(source) == "table" and source[1] == nil and next(source) ~= nil then
        error("expected a list, as in { { to = ..., body = ... }, ... }; this table has no item 1", 3)
    end
    opts = options.check(opts, BULK_OPTIONS, 3)
    if opts.batch then
        require("twilio_sms.track.records").check_batch(opts.batch, 3) -- before the first message leaves
    end
    local n = opts.concurrency
    if n and (n < 1 or n % 1 ~= 0) then
        error("option 'concurrency' must be a whole number, 1 or more", 3)
    end
    return opts
end

--- Sends many messages, with constant memory.
-- @param source a list of messages, or a function that answers the next one and nil at the end
-- @tparam[opt] table opts concurrency (50), on_progress (a function that gets done, failed, in_flight,
--   total), timeout_ms for each message (600000), batch (the name under which a tracker counts them)
-- @treturn function an iterator: index, message, error; in the order in which they end
function Client:send_many(source, opts)
    local d = open(self)
    opts = check_bulk(d, source, opts)
    local timeout_ms = opts.timeout_ms or BULK_TIMEOUT_MS
    local bulk = require "twilio_sms.bulk"
    return bulk.run(d, "send", source, function(item)
        if type(item) ~= "table" then
            return nil, bulk.bad_item(item)
        end
        local fields = copy(item)
        fields.timeout_ms = fields.timeout_ms or timeout_ms
        if fields.wait_for_breaker == nil then
            fields.wait_for_breaker = true -- failing at once would fail the whole rest of the list
        end
        return fields
    end, opts)
end

--- Reads one message.
function Client:get(sid, opts)
    return perform(open(self), "fetch", { sid = check_sid(sid) }, check_options(opts))
end

--- Reads many messages.
-- @param sids a list, or a function that answers the next sid
-- @treturn function an iterator: index, message, error
function Client:get_many(sids, opts)
    local d = open(self)
    opts = check_bulk(d, sids, opts)
    return require("twilio_sms.bulk").run(d, "fetch", sids, function(sid)
        return { sid = type(sid) == "string" and sid or "", timeout_ms = opts.timeout_ms }
    end, opts)
end

--- Reads one page of the message list.
-- @tparam[opt] table filter to, from, date_sent, date_sent_before, date_sent_after, page_size; or page_uri,
--   which is the next_page_uri of another page
-- @treturn table|nil a list of messages, with next_page_uri unless it is the last
function Client:page(filter, opts)
    return perform(open(self), "list", check_fields(filter or {}, "page"), check_options(opts))
end

-- Follows pages until `limit` rows are there. An empty page is the last one, whatever it says.
local function read_pages(d, operation, fields, limit, opts)
    local rows = {}
    local page, err = perform(d, operation, fields, opts)
    while page do
        for _, row in ipairs(page) do
            if #rows == limit then
                return rows
            end
            rows[#rows + 1] = row
        end
        if #rows == limit or #page == 0 or not page.next_page_uri then
            return rows
        end
        local next_page = { sid = fields.sid, page_uri = page.next_page_uri, timeout_ms = fields.timeout_ms }
        page, err = perform(d, operation, next_page, opts)
    end
    return nil, err
end

local PAGE_SIZE = 50
local PAGE_SIZE_MOST = 1000

--- Lists messages, newest first, over as many pages as it takes.
-- @tparam[opt] table filter as for page, and limit (50)
-- @treturn table|nil a list of messages
function Client:list(filter, opts)
    local d = open(self)
    local fields = check_fields(filter or {}, "list")
    local limit = fields.limit or PAGE_SIZE
    check_number("limit", limit, 1)
    fields.limit = nil
    fields.page_size = fields.page_size or math.min(limit, PAGE_SIZE_MOST)
    return read_pages(d, "list", fields, limit, check_options(opts))
end

--- Cancels a scheduled message.
function Client:cancel(sid, opts)
    return perform(open(self), "cancel", { sid = check_sid(sid) }, check_options(opts))
end

--- Removes the text of a message, which stays in the list.
function Client:redact(sid, opts)
    return perform(open(self), "redact", { sid = check_sid(sid) }, check_options(opts))
end

--- Deletes a message and its media.
-- @treturn boolean|nil true
function Client:delete(sid, opts)
    return perform(open(self), "delete", { sid = check_sid(sid) }, check_options(opts))
end

--- Lists the media of a message, or reads one of them.
-- @tparam string sid of the message
-- @tparam[opt] string media_sid
function Client:media(sid, media_sid, opts)
    local d = open(self)
    local fields = { sid = check_sid(sid) }
    if type(media_sid) == "string" then
        fields.media_sid = media_sid
        return perform(d, "media_fetch", fields, check_options(opts))
    end
    return read_pages(d, "media_list", fields, PAGE_SIZE_MOST, check_options(media_sid or opts))
end

--- Deletes one medium of a message.
function Client:delete_media(sid, media_sid, opts)
    local fields = { sid = check_sid(sid), media_sid = check_sid(media_sid) }
    return perform(open(self), "media_delete", fields, check_options(opts))
end

--- Tells what the recipient did about a message that was sent with provide_feedback.
-- @tparam string outcome "confirmed" or "unconfirmed"
function Client:feedback(sid, outcome, opts)
    local d = open(self)
    local fields = { sid = check_sid(sid), confirmed = outcome == "confirmed" }
    if outcome ~= "confirmed" and outcome ~= "unconfirmed" then
        error("outcome must be 'confirmed' or 'unconfirmed'", 2)
    end
    return perform(d, "feedback", fields, check_options(opts))
end

local WAIT_OPTIONS = { timeout_ms = "number", interval_ms = "number" }
local WAIT_TIMEOUT_MS = 60000
local WAIT_FIRST_MS, WAIT_MOST_MS = 500, 5000

--- Waits until nothing more will happen to a message: delivered, undelivered, failed, canceled.
-- @tparam[opt] table opts timeout_ms (60000), interval_ms between looks (500, growing to 5000)
-- @treturn table|nil the message; after the timeout nil and a Timeout error with the last state in `last`
function Client:wait(sid, opts)
    local d = open(self)
    check_sid(sid)
    opts = options.check(opts, WAIT_OPTIONS, 2)
    if self.track then
        return self.track:wait(sid, opts)
    end
    local timeout_ms = opts.timeout_ms or WAIT_TIMEOUT_MS
    local pause_ms = opts.interval_ms or WAIT_FIRST_MS
    check_number("option 'timeout_ms'", timeout_ms, 0)
    check_number("option 'interval_ms'", pause_ms, 1)
    local until_ms = loop.now_ms(d) + timeout_ms
    while true do
        local message, err = perform(d, "fetch", { sid = sid }, {})
        if not message then
            return nil, err
        elseif core.is_terminal(message.status or "") then
            return message
        end
        local left_ms = until_ms - loop.now_ms(d)
        if left_ms <= 0 then
            err = core.error("Timeout", "the message is still " .. tostring(message.status))
            err.last = message
            return nil, err
        end
        loop.sleep(math.min(pause_ms, left_ms), d)
        pause_ms = opts.interval_ms or math.min(pause_ms * 1.5 - pause_ms * 1.5 % 1, WAIT_MOST_MS)
    end
end

--- Queues a message without waiting, for programs with a loop of their own.
-- @treturn table|nil a ticket: `done`, then `value` and `err`; call client:step() until it is done
function Client:submit(message, opts)
    local d = open(self)
    local fields = check_fields(message, "submit{ to=..., body=... }")
    local ticket, err = submit(d, "send", fields, check_options(opts))
    if ticket then
        d:let_go(ticket)
    end
    return ticket, err
end

--- Takes a message back that was submitted and has not left. Its ticket ends as others do, with an error that
-- says `not_sent`; what is on the wire is awaited, because only its answer tells whether the message exists.
-- @tparam table ticket of submit
-- @treturn boolean whether it was still open
function Client:withdraw(ticket)
    local d = open(self)
    if type(ticket) ~= "table" or type(ticket.done) ~= "boolean" then
        error("expected a ticket of client:submit, got " .. options.kind_of(ticket), 2)
    end
    return d.tickets[ticket.id] == ticket and d.client:cancel(ticket.id)
end

--- Adds a function to what is asked before each message leaves (see `twilio_sms.hooks`).
-- @tparam string name "check"
function Client:hook(name, f)
    local d = open(self)
    if name ~= "check" then
        error("unknown hook '" .. tostring(name) .. "'; there is 'check'", 2)
    elseif type(f) ~= "function" then
        error("a hook is a function, not " .. options.kind_of(f), 2)
    end
    d:hook(f)
end

--- What happened since the last call.
-- @treturn function an iterator over events, the oldest first
function Client:events()
    local c = open(self).client
    return function()
        return c:event()
    end
end

--- Counters since the client was made, and its present state.
function Client:stats()
    return open(self).client:stats()
end

--- The metrics as text, over all processes that share them (docs/metrics.md).
-- @tparam[opt] string format "prometheus" (text format 0.0.4) or "openmetrics"
-- @treturn string|nil
function Client:metrics(format)
    local d = open(self)
    return d.client:metrics(metrics_format.check(format, 2))
end

--- Handles what the network has, without waiting unless timeout_ms says so.
function Client:step(timeout_ms)
    local d = open(self)
    timeout_ms = timeout_ms or 0
    check_number("timeout_ms", timeout_ms, -1)
    d:let_work(timeout_ms)
end

--- What a foreign loop waits on: an object with pollfd, events and timeout, as cqueues wants it.
function Client:pollable()
    local d = open(self)
    return {
        pollfd = function() return d:pollfd() end,
        events = function() return "r" end,
        timeout = function()
            local ms = d:timeout_ms()
            return ms >= 0 and ms / 1000 or nil
        end,
    }
end

--- Closes connections and wipes the secrets. Calls that are not finished end with an error.
-- @treturn boolean|nil true; nil and an error when the driver has found something wrong, as a tape that was
--   not replayed to its end
function Client:close()
    if self.closed then
        return true
    end
    self.closed = true
    return self.drive:close()
end

class.__close = Client.close

-- An object with these methods may stand for a ledger or a tracker.
local function check_object(name, object, methods, level)
    for _, method in ipairs(methods) do
        if type(object) ~= "table" or type(object[method]) ~= "function" then
            error(("option '%s' must have the method '%s'"):format(name, method), level + 1)
        end
    end
    return object
end

-- What the opt-out list is: the caller's, none, or one in memory, so that a person whom Twilio calls opted
-- out is not written to again. Answers also whether it is that one.
local function ledger_of(opts, account_sid, level)
    if opts.optout == false then
        return nil
    elseif opts.optout ~= nil and opts.optout ~= true then
        return check_object("optout", opts.optout, { "check", "learn_refusal" }, level + 1)
    end
    return require("twilio_sms.optout").new { account_sid = account_sid }, true
end

-- The log and the trace: most programs that only send have neither, and load nothing for them.
local function watch_of(opts, level)
    if opts.log == nil and opts.trace == nil then
        return false
    end
    local watch, err = require("twilio_sms.observe").watch(opts, level + 1)
    return watch, err -- not a tail call, which would hide this function from the count of levels
end

--- Makes a client.
-- @tparam table opts see docs/configuration.md; and optout (a ledger of `twilio_sms.optout`, or false), track
--   (a tracker of `twilio_sms.track`), driver (what performs the requests, see `twilio_sms.driver`; default:
--   libcurl), log and trace (objects or options of `twilio_sms.observe`)
-- @tparam[opt] boolean from_env whether the TWILIO_ variables are read first
-- @treturn table|nil
function M.new(opts, from_env)
    local track = opts.track and check_object("track", opts.track, { "sent", "wait" }, 3)
    local driver = opts.driver == nil and curl.new() or check_object("driver", opts.driver, { "open" }, 3)
    local core_opts = copy(opts)
    core_opts.optout, core_opts.track, core_opts.driver = nil, nil, nil
    core_opts.log, core_opts.trace = nil, nil
    local watch, err = watch_of(opts, 3)
    local client
    if watch ~= nil then
        client, err = driver:open(core_opts, from_env)
    end
    if not client then
        if watch then
            watch:close()
        end
        return nil, err
    end
    local account_sid = opts.account_sid or from_env and os.getenv "TWILIO_ACCOUNT_SID" or nil
    local ledger, in_memory = ledger_of(opts, account_sid, 3)
    local d = drive.new(client, { optout = ledger, track = track, watch = watch })
    if ledger then
        d:hook(function(question)
            question.account_sid = account_sid -- a list may be that of another account, or of several
            return ledger:check(question)
        end)
    end
    local self = setmetatable({
        drive = d, optout = ledger, optout_in_memory = in_memory, track = track, closed = false,
    }, class)
    if track and track.attach then
        track:attach(self) -- so that it can look messages up
    end
    return self
end

return M
