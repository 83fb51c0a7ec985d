--- Takes the opt-out list from files and gives it out, for `twilio-sms optout`.
local core = require "twilio_sms.core"
local failure = require "twilio_sms.cli.failure"
local text = require "twilio_sms.cli.text"

local M = {}

local BY_NAME = { csv = "csv", json = "json", jsonl = "json", ndjson = "json" }

local function format_of(given)
    return given.format or BY_NAME[(given.file or ""):match "%.(%w+)$"] or "csv"
end

local COUNTS = { "rows", "changed", "same", "older" }

-- What became of the rows. Bad ones are named, each with its line.
local function tell(report, out)
    local answer = { refused = report.refused_count }
    for _, name in ipairs(COUNTS) do
        answer[name] = report[name]
    end
    for _, row in ipairs(report.refused) do
        out:note("line %d: %s", row.line, row.why)
    end
    if #report.refused < report.refused_count then
        out:note("... and %d more.", report.refused_count - #report.refused)
    end
    if out.as_json then
        answer.refused_rows = #report.refused > 0 and report.refused or nil
    end
    out:object(answer, { "rows", "changed", "same", "older", "refused" })
end

--- Takes entries in.
-- @treturn number|nil the exit status
function M.import(ledger, given, out)
    local file, err = text.open(given.file)
    if not file then
        return nil, err
    end
    local report, done
    report, err, done = ledger:import(text.lines(file), format_of(given), {
        all_or_nothing = given.all_or_nothing or false,
    })
    if report or done then
        tell(report or done, out)
    end
    if not report then
        return nil, err
    end
    return report.refused_count > 0 and failure.NO or 0
end

-- Answers also a function that says why the file could not be written.
local function write_to(file)
    local problem
    local function write(piece)
        local ok, why = file:write(piece)
        if not ok then
            problem = why
            return nil, core.error("InternalError", why)
        end
        return true
    end
    return write, function() return problem end
end

--- Gives all entries out.
-- @treturn number|nil the exit status
function M.export(ledger, given, out)
    local file = io.stdout
    local path = given.file ~= "-" and given.file or nil
    if path then
        local made, why, exists = core.new_file(path) -- for its owner's eyes: it holds numbers
        file = made and io.open(path, "wb")
        if not file then
            why = exists and "it exists already: name a new one" or why or "it cannot be written"
            return nil, failure.new(failure.CANNOT_WRITE, ("%s: %s"):format(path, why))
        end
    end
    local write, why_not = write_to(file)
    local count, err = ledger:export(format_of(given), write)
    local ok, why = file:flush()
    if path then
        file:close()
    end
    if path and not (count and ok) then
        os.remove(path) -- half a list must not be taken for a whole one
    end
    if why_not() or count and not ok then
        why = why_not() or why
        return nil, failure.new(failure.CANNOT_WRITE, "cannot write the list: " .. tostring(why))
    elseif not count then
        return nil, err
    elseif path then
        out:object({ rows = count, file = path }, { "rows", "file" })
    end
    return 0
end

return M
