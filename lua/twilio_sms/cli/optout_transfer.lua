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
    local answer = { refused = #report.refused }
    for _, name in ipairs(COUNTS) do
        answer[name] = report[name]
    end
    for _, row in ipairs(report.refused) do
        out:note("line %d: %s", row.line, row.why)
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
    report, err, done = ledger:import(file:lines(), format_of(given), {
        all_or_nothing = given.all_or_nothing or false,
    })
    if report or done then
        tell(report or done, out)
    end
    if not report then
        return nil, err
    end
    return report.refused[1] and failure.NO or 0
end

local function write_to(file)
    return function(piece)
        local ok, why = file:write(piece)
        if not ok then
            return nil, core.error("InternalError", why)
        end
        return true
    end
end

--- Gives all entries out.
-- @treturn number|nil the exit status
function M.export(ledger, given, out)
    local file = io.stdout
    if given.file then
        local made, why = core.new_file(given.file) -- for its owner's eyes: it holds numbers
        file = made and io.open(given.file, "wb")
        if not file then
            why = ("%s: %s"):format(given.file, why or "it cannot be written")
            return nil, failure.new(failure.CANNOT_WRITE, why)
        end
    end
    local count, err = ledger:export(format_of(given), write_to(file))
    local ok, why = file:flush()
    if given.file then
        file:close()
    end
    if count and not ok then
        return nil, failure.new(failure.CANNOT_WRITE, "cannot write the list: " .. tostring(why))
    elseif not count then
        return nil, err
    elseif given.file then
        out:object({ rows = count, file = given.file }, { "rows", "file" })
    end
    return 0
end

return M
