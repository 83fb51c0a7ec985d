--- `twilio-sms list`: lists messages, the newest first.
local account = require "twilio_sms.cli.account"
local definition = require "twilio_sms.cli.definition"
local message = require "twilio_sms.cli.message"
local output = require "twilio_sms.cli.output"

local DAY = { pattern = "^%d%d%d%d%-%d%d%-%d%d$", what = "day like 2026-04-14" }

local M = {
    name = "list",
    about = "List messages, the newest first.",
    options = definition.options({
        { "--to", "<number>", "Only those to this address.", sort = definition.TEXT },
        { "--from", "<number>", "Only those from this address.", sort = definition.TEXT },
        { "--date", "<day>", "Only those sent on this day, GMT.", sort = DAY },
        { "--before", "<day>", "Only those sent on this day or before.", sort = DAY },
        { "--after", "<day>", "Only those sent on this day or after.", sort = DAY },
        { "--limit", "<number>", "How many at most. Default: 50.", sort = definition.COUNT },
    }, account.OPTIONS, account.TIMEOUT_OPTIONS, output.OPTIONS, output.NUMBER_OPTIONS),
}

function M.run(given)
    local filter = {
        to = given.to, from = given.from, date_sent = given.date, date_sent_before = given.before,
        date_sent_after = given.after, limit = given.limit,
    }
    given.from = nil -- this is not who sends
    local client, err = account.client(given)
    local rows
    if client then
        rows, err = client:list(filter)
        client:close()
    end
    if not rows then
        return nil, err
    end
    local out = output.new(given)
    out:rows(message.COLUMNS, rows, message.row)
    if #rows == (filter.limit or 50) then
        out:note("There may be more: --limit shows more than %d.", #rows)
    end
    return 0
end

return definition.command(M)
