--- Sends the rows that are left: each is written down before it can leave, and so is what became of it.
--
-- Rows are written down in groups of at most `concurrency`, with one synchronization of the disk for each
-- group, and sent as slots become free. So at most twice as many are in doubt when the process is killed.
local core = require "twilio_sms.core"
local doubt = require "twilio_sms.cli.bulk.doubt"

local M = {}

local Sending = {}
Sending.__index = Sending

local STEP_MS = 100 -- how long a signal may go unnoticed
local TIMEOUT_MS = 600000 -- for one message, its turn under the limits included
local PAUSE_LEAST_MS, PAUSE_MOST_MS = 1000, 30000 -- while nothing can be sent
local PATIENCE_MS = 600000 -- after which a run ends in which nothing can be sent

-- ---- What became of a row ----------------------------------------------------------------------------

local function count(self, kind)
    self.failed[kind] = (self.failed[kind] or 0) + 1
    self.failures = self.failures + 1
end

local function is_of_account(err)
    return err.category == "AuthenticationError" or err.category == "ConfigurationError"
end

-- It did not leave, and may later: it waits, and so do all others.
local function put_back(self, row, err)
    self.again[#self.again + 1] = row
    local now_ms = core.now_ms()
    local pause_ms = math.min(math.max(err.retry_after_ms or 0, PAUSE_LEAST_MS), PAUSE_MOST_MS)
    self.paused_until_ms = math.max(self.paused_until_ms, now_ms + pause_ms)
    if now_ms - self.well_ms > PATIENCE_MS then
        self:stop(("nothing could be sent for %d minutes: %s"):format(PATIENCE_MS / 60000, tostring(err)))
    end
end

local function conclude_failed(self, row, err)
    local outcome = err.outcome or "not_sent"
    local unsent = outcome == "not_sent" or outcome == "throttled"
    if self.stopped and unsent and not is_of_account(err) then
        outcome = "not_sent" -- as all that come behind it
    elseif outcome == "in_doubt" or outcome == "accepted_no_sid" then
        self.in_doubt = self.in_doubt + 1
    elseif is_of_account(err) then
        outcome = "not_sent" -- its reason is not in the row
        self:stop(tostring(err))
    elseif unsent and err.kind == "OptedOut" then
        outcome = "suppressed"
        self.suppressed = self.suppressed + 1
    elseif unsent and err.retryable then
        put_back(self, row, err)
    else
        count(self, err.type)
        self.well_ms = core.now_ms()
    end
    self.results:conclude(row, {
        outcome = outcome, error = err.type, code = err.code, http_status = err.http_status,
        message = err.message, attempts = err.attempts,
    })
end

local function conclude(self, row, message, err)
    if err then
        conclude_failed(self, row, err)
        return
    end
    self.well_ms = core.now_ms()
    self.accepted = self.accepted + 1
    self.results:conclude(row, {
        outcome = "accepted", sid = message.sid, status = message.status, attempts = message.attempts,
        created_s = message.date_created_unix, verified = message.verified or nil,
    })
end

-- ---- Rows ------------------------------------------------------------------------------------------

-- The next row that is to be sent; nil at the end.
local function next_row(self)
    local row = table.remove(self.again)
    while not row and not self.ended do
        local candidate, why = self.read()
        if not candidate or candidate.number > self.last_number then
            self.ended = true
            if why then
                self:stop(why)
            end
        elseif not candidate.problem and self.results:state(candidate) == "new" then
            row = candidate
        end
    end
    return row
end

-- Writes down a group of rows, which may then be sent.
local function prepare(self)
    local group = {}
    while #group < self.concurrency do
        local row = next_row(self)
        if not row then
            break
        end
        row.mark = doubt.mark(self.connection, row.fields)
        group[#group + 1] = row
    end
    if #group == 0 then
        return
    end
    self.ready, self.next_ready, self.last_ready = group, 1, #group
    local ok, why = self.results:intend(group)
    if not ok then
        self:stop(why, true)
    end
end

local function is_paused(self)
    return core.now_ms() < self.paused_until_ms
end

local function start_next(self)
    local row = self.ready[self.next_ready]
    self.ready[self.next_ready] = nil
    self.next_ready = self.next_ready + 1
    local fields = row.fields
    fields.timeout_ms = TIMEOUT_MS
    local ticket, err = self.client:submit(fields)
    fields.timeout_ms = nil
    if ticket then
        self.in_flight[#self.in_flight + 1] = { row = row, ticket = ticket }
    else
        conclude(self, row, nil, err)
    end
end

local function fill(self)
    while not self.stopped and not is_paused(self) and #self.in_flight < self.concurrency do
        if self.next_ready > self.last_ready then
            prepare(self)
        end
        if self.stopped or self.next_ready > self.last_ready then
            return
        end
        start_next(self)
    end
end

local function collect(self)
    local in_flight, i = self.in_flight, 1
    while in_flight[i] do
        local one = in_flight[i]
        if one.ticket.done then
            in_flight[i] = in_flight[#in_flight]
            in_flight[#in_flight] = nil
            conclude(self, one.row, one.ticket.value, one.ticket.err)
        else
            i = i + 1
        end
    end
    local ok, why = self.results:write()
    if not ok then
        self:stop(why, true)
    end
end

-- ---- The end ---------------------------------------------------------------------------------------

--- No further row is sent. What is on the wire may end; what waits for its turn does not leave any more.
-- @tparam string why
-- @tparam[opt] boolean is_fault whether this is about the results file
function Sending:stop(why, is_fault)
    if self.stopped then
        return
    end
    self.stopped, self.is_fault = why, is_fault or false
    for _, one in ipairs(self.in_flight) do
        self.client:withdraw(one.ticket)
    end
end

-- What was written down and not sent is not in doubt.
local function give_back(self)
    for i = self.next_ready, self.last_ready do
        self.results:conclude(self.ready[i], { outcome = "not_sent" })
    end
    self.next_ready = self.last_ready + 1
end

local function check_signals(self)
    local signals = core.signals()
    if signals > 0 then
        self:stop "interrupted"
    end
    return signals < 2
end

local function is_over(self)
    local nothing_under_way = #self.in_flight == 0
    return nothing_under_way and (self.stopped ~= nil
        or self.ended and #self.again == 0 and self.next_ready > self.last_ready)
end

local function wait(self)
    if #self.in_flight > 0 then
        self.client:step(STEP_MS)
    elseif is_paused(self) then
        core.poll({}, STEP_MS)
    end
end

--- Sends.
-- @tparam table connection of `twilio_sms.cli.bulk.connection`
-- @tparam table rows of `twilio_sms.cli.bulk.rows`
-- @tparam table results of `twilio_sms.cli.bulk.results`
-- @tparam table opts concurrency; last_number, of the last row that was looked at before; on_turn, which gets
--   this and is called again and again
-- @treturn table accepted, suppressed, in_doubt, failures; failed, counts by type of error;
--   stopped, why it ended before its end; is_fault, whether that is about the results file
function M.run(connection, rows, results, opts)
    local self = setmetatable({
        connection = connection, client = connection.client, read = rows:all(), results = results,
        concurrency = opts.concurrency,
        last_number = opts.last_number, again = {}, ready = {}, next_ready = 1, last_ready = 0,
        in_flight = {}, ended = false,
        paused_until_ms = 0, well_ms = core.now_ms(), stopped = nil, is_fault = false,
        accepted = 0, suppressed = 0, in_doubt = 0, failures = 0, failed = {},
    }, Sending)
    local goes_on
    repeat
        fill(self)
        opts.on_turn(self)
        wait(self)
        collect(self)
        goes_on = check_signals(self)
    until not goes_on or is_over(self)
    if not goes_on then
        self.client:close() -- what is on the wire is in doubt from here on
        collect(self)
    end
    give_back(self)
    return self
end

return M
