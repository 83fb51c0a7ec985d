--- Takes states of the opt-out list in from files and gives them out.
local core = require "twilio_sms.core"
local file = require "twilio_sms.optout.file"
local list = require "twilio_sms.optout.list"
local write = require "twilio_sms.optout.write"

local M = {}

local BATCH = 100 -- rows in one write: each write waits for the disk
local REFUSED_MOST = 1000 -- so many are named; a file may have millions

local function change_of(account, row, now)
    return {
        account = account, number = row.number, scopes = { row.scope }, state = row.state, at = row.at,
        source = row.source, keyword = row.keyword, class = row.class, message_sid = row.message_sid,
        note = row.note, written_at = now, dated = true,
    }
end

-- Applies rows and counts what became of them.
local function apply(store, account, rows, now, report)
    local changes = {}
    for i, row in ipairs(rows) do
        changes[i] = change_of(account, row, now)
    end
    local outcomes, err = write.apply(store, changes)
    if not outcomes then
        return nil, err
    end
    for _, outcome in ipairs(outcomes) do
        report[outcome] = report[outcome] + 1
    end
    return true
end

local function refuse(report, line, why)
    report.refused_count = report.refused_count + 1
    if report.refused_count <= REFUSED_MOST then
        report.refused[report.refused_count] = { line = line, why = why }
    end
end

-- The good rows, all or the next ones: refused ones are noted in the report.
local function take(next_row, most, report)
    local rows = {}
    while #rows < most do
        local row, line, why = next_row()
        if row == nil then
            break
        end
        report.rows = report.rows + 1
        if row then
            rows[#rows + 1] = row
        else
            refuse(report, line, why)
        end
    end
    return rows
end

local function each_of(rows)
    local at = 0
    return function()
        at = at + 1
        return rows[at]
    end
end

-- A source of which nothing can be taken is another file than was meant.
local function check_report(report)
    if report.rows > 0 and report.refused_count == report.rows then
        local first = report.refused[1]
        local why = "nothing of it can be taken; line %d: %s"
        return nil, core.error("InvalidRequest", why:format(first.line, first.why)), report
    end
    return report
end

--- Takes states in. One that is older than what is known is left out.
-- @treturn table|nil rows, changed, same, older, refused_count, and refused, the first 1000 of them; or nil,
--   an error and what was done until then
function M.import(store, account, source, format, now, all_or_nothing)
    local report = { rows = 0, changed = 0, same = 0, older = 0, refused_count = 0, refused = {} }
    local next_row = file.rows(source, format, now)
    if all_or_nothing then
        next_row = each_of(take(next_row, math.huge, report))
        if report.refused[1] then
            return report
        end
        report.rows = 0
    end
    repeat
        local rows = take(next_row, BATCH, report)
        local ok, err = apply(store, account, rows, now, report)
        if not ok then
            return nil, err, report
        end
    until #rows < BATCH
    return check_report(report)
end

--- Gives all states out.
-- @treturn number|nil how many
function M.export(store, account, format, write_text)
    local count = 0
    local ok, err = write_text(file.header(format))
    for _, entry, list_err in list.states(store, account, {}) do
        if list_err then
            return nil, list_err
        elseif ok == nil and err ~= nil then
            return nil, err
        end
        count = count + 1
        ok, err = write_text(file.line(entry, format))
    end
    if ok == nil and err ~= nil then
        return nil, err
    end
    return count
end

return M
