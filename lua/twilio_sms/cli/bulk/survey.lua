--- Goes through the whole input before anything is sent: what is wrong, what is left to do, what it takes.
local core = require "twilio_sms.core"
local e164 = require "twilio_sms.e164"
local seen = require "twilio_sms.cli.bulk.seen"

local M = {}

local SENDERS_MOST = 10000 -- whose messages are counted apart

local Survey = {}
Survey.__index = Survey

-- Who is meant, however the channel's address is written.
local function person(to)
    local number = to:match "([^:]*)$"
    return e164.is(number) and number or to
end

local function check_suppressed(self, fields)
    local ledger = self.connection.client.optout
    if not ledger then
        return false
    end
    return not ledger:check {
        to = fields.to, from = fields.from or self.connection.from,
        messaging_service_sid = fields.messaging_service_sid or self.connection.messaging_service_sid,
        account_sid = self.connection.account_sid,
    }
end

-- What a message costs in time: which limits count it.
local function count_units(self, fields, segments)
    local units = self.connection.rate.unit == "segment" and segments or 1
    self.units = self.units + units
    local service = fields.messaging_service_sid or self.connection.messaging_service_sid
    local sender = fields.from or not service and self.connection.from
    if not sender then
        return
    elseif not self.by_sender[sender] then
        if self.senders == SENDERS_MOST then
            return
        end
        self.senders, self.by_sender[sender] = self.senders + 1, 0
    end
    self.by_sender[sender] = self.by_sender[sender] + units
end

local function count_message(self, row)
    if check_suppressed(self, row.fields) then
        self.suppressed = self.suppressed + 1
        return
    end
    local count = row.fields.body and core.segments(row.fields.body)
    local segments = math.max(1, count and count.segments or 1)
    self.to_send = self.to_send + 1
    self.segments = self.segments + segments
    count_units(self, row.fields, segments)
end

local function check_state(self, row)
    local state = self.results and self.results:state(row) or "new"
    if state == "done" then
        self.done_before = self.done_before + 1
    elseif state == "doubtful" then
        self.doubtful[row.key] = row
    elseif state == "new" then
        count_message(self, row)
    end
    return state
end

local function take(self, row, on_problem)
    self.rows = self.rows + 1
    if row.problem then
        self.invalid = self.invalid + 1
        on_problem(row, type(row.problem) == "table" and row.problem.message or row.problem)
        return true
    elseif self.keyed_by == "id" and not self.ids:add(row.key) then
        self.double_ids = self.double_ids + 1
        on_problem(row, ("the id '%s' is there twice"):format(row.key))
        return true
    elseif not self.people:add(person(row.fields.to)) then
        self.repeats = self.repeats + 1
        if not self.allow_repeats then
            on_problem(row, "this recipient stands in an earlier row, too")
        end
    end
    if check_state(self, row) == "changed" then
        return nil, ("line %d: row %d was another one when it was sent: the input has changed. Rows that may "
            .. "move need a column 'id'"):format(row.line, row.number)
    end
    return true
end

--- How long sending takes at least, in seconds, at the rate limits.
function Survey:duration_s()
    local rate = self.connection.rate
    local function at_least(units, burst, per_second)
        per_second = tonumber(per_second)
        return per_second > 0 and math.max(0, units - tonumber(burst)) / per_second or 0
    end
    local longest_s = at_least(self.units, rate.burst, rate.per_second)
    for _, units in pairs(self.by_sender) do
        longest_s = math.max(longest_s, at_least(units, rate.per_number_burst, rate.per_number))
    end
    return longest_s
end

--- Goes through all rows.
-- @tparam table rows of `twilio_sms.cli.bulk.rows`
-- @tparam table connection of `twilio_sms.cli.bulk.connection`
-- @tparam table opts results (of `twilio_sms.cli.bulk.results`, or nil), allow_repeats, on_problem (gets a
--   row and what is wrong with it), is_stopped (answers whether somebody wants this to end)
-- @treturn table|nil counts: rows, invalid, double_ids, repeats, done_before, to_send, suppressed, segments;
--   doubtful, rows by key of which it is not known whether they were sent. Or nil and a sentence
function M.run(rows, connection, opts)
    local self = setmetatable({
        connection = connection, results = opts.results, allow_repeats = opts.allow_repeats,
        keyed_by = rows.keyed_by, ids = seen.new(), people = seen.new(), by_sender = {}, senders = 0,
        doubtful = {}, rows = 0, invalid = 0, double_ids = 0, repeats = 0, done_before = 0, to_send = 0,
        suppressed = 0, segments = 0, units = 0,
    }, Survey)
    local next_row = rows:all()
    local row, why = next_row()
    while row do
        local ok
        ok, why = take(self, row, opts.on_problem)
        if not ok or opts.is_stopped() then
            return nil, why or "interrupted"
        end
        row, why = next_row()
    end
    if why then
        return nil, why
    end
    self.ids, self.people = nil, nil -- only this needed them
    return self
end

return M
