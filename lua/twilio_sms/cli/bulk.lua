--- `twilio-sms bulk`: sends a message to each row of a file, once, however often it is interrupted.
local account = require "twilio_sms.cli.account"
local connection = require "twilio_sms.cli.bulk.connection"
local core = require "twilio_sms.core"
local definition = require "twilio_sms.cli.definition"
local doubt = require "twilio_sms.cli.bulk.doubt"
local failure = require "twilio_sms.cli.failure"
local input = require "twilio_sms.cli.bulk.input"
local output = require "twilio_sms.cli.output"
local progress = require "twilio_sms.cli.bulk.progress"
local report = require "twilio_sms.cli.bulk.report"
local results = require "twilio_sms.cli.bulk.results"
local rows = require "twilio_sms.cli.bulk.rows"
local sending = require "twilio_sms.cli.bulk.sending"
local survey = require "twilio_sms.cli.bulk.survey"
local text = require "twilio_sms.cli.text"

local PROBLEMS_SHOWN = 20
local CONCURRENCY = 50
local SETTLE_S = 60
local DATA = 65 -- the input cannot be used, as sysexits.h has it
local SEPARATORS = { comma = ",", semicolon = ";", tab = "\t" }

local OPTIONS = {
    { "--results", "<file>", "What became of each row, so that a second run goes on where this one ended. "
        .. "Default: the input's name and .results.jsonl." },
    { "--template", "<text>", "The text of the messages; {{name}} is the row's column of that name." },
    { "--template-file", "<file>", "A file with that text." },
    { "--plan", false, "Send nothing; say what it would take." },
    { "--price", "<number>", "Of a segment, for --plan.", sort = definition.AMOUNT },
    { "--dry-run", false, "Send nothing; check everything, and show all rows that cannot be sent." },
    { "--concurrency", "<count>", "How many messages are under way at once. Default: 50.",
        sort = definition.COUNT },
    { "--per-second", "<number>", "How fast the account may send. Default: 10; 0 for no limit.",
        sort = definition.AMOUNT },
    { "--per-number", "<number>", "How fast each sender may send. Default: 1; 0 for no limit.",
        sort = definition.AMOUNT },
    { "--allow-repeats", false, "Send although a recipient stands in several rows." },
    { "--retry-doubtful", false, "Send rows again of which it cannot be found out whether they were sent." },
    { "--settle", "<seconds>", "How long Twilio's list may lag, before rows of an interrupted run are looked "
        .. "for. Default: 60.", sort = definition.SECONDS },
    { "--format", "<format>", "csv or json. Default: what the input looks like.",
        choices = { "csv", "json" } },
    { "--separator", "<name>", "Between the cells of CSV: comma, semicolon or tab. Default: comma.",
        choices = { "comma", "semicolon", "tab" } },
    { "--quiet", false, "Show no progress." },
}

local function data_error(why)
    return failure.new(DATA, why)
end

local function interrupted()
    return failure.new(failure.INTERRUPTED, "interrupted; nothing was sent")
end

local function is_stopped()
    return core.signals() > 0
end

local function open_rows(given, check)
    local template, err
    if given.template and given.template_file then
        return nil, failure.usage "give --template or --template-file, not both"
    elseif given.template_file then
        template, err = text.get(nil, given.template_file)
        if not template then
            return nil, err
        end
    end
    local source, why = input.open(given.input, {
        format = given.format, separator = SEPARATORS[given.separator],
    })
    if not source then
        return nil, failure.new(failure.NO_INPUT, why)
    end
    local made
    made, why = rows.new(source, template or given.template, check)
    return made, why and data_error(why)
end

-- Where the results go. What only looks opens nothing that is not there yet.
local function open_results(given, all, account_sid)
    local path = given.results or given.input ~= "-" and given.input .. ".results.jsonl"
    if not path then
        return nil, failure.usage "standard input has no name: say with --results where the results go"
    elseif given.plan or given.dry_run then
        local file = io.open(path)
        if not file then
            return false
        end
        file:close()
    end
    local identity = all:identity()
    identity.account_sid = account_sid
    local opened, why = results.open(path, identity)
    return opened, why and data_error(why)
end

-- Says what is the matter with a row, whose place is its line or its number.
local function complain(out, place, number, why)
    if out.as_json then
        out:object { [place] = number, problem = why }
    else
        out:note("%s %d: %s", place, number, why)
    end
end

-- Says what is wrong with rows, but not of thousands.
local function new_complaint(given, out)
    local shown = 0
    return function(row, why)
        shown = shown + 1
        if shown <= PROBLEMS_SHOWN or given.dry_run then
            complain(out, "line", row.line, why)
        elseif shown == PROBLEMS_SHOWN + 1 then
            out:note "... and more; --dry-run shows all."
        end
    end
end

local function check_survey(found, given)
    if found.double_ids > 0 then
        return data_error(("%d rows have the id of an earlier row: an id stands for one row")
            :format(found.double_ids))
    elseif found.repeats > 0 and not given.allow_repeats then
        return data_error(("%d rows go to a recipient of an earlier row; if that is meant: --allow-repeats")
            :format(found.repeats))
    end
end

local function count_keys(t)
    local count = 0
    for _ in pairs(t) do
        count = count + 1
    end
    return count
end

-- ---- Rows of which an earlier run does not know ----------------------------------------------------

local function wait_until_settled(given, begun_ms, count, out)
    local until_ms = begun_ms + (given.settle or SETTLE_S) * 1000
    if core.now_ms() < until_ms then
        out:note("%d rows of an interrupted run are in doubt; they are looked for in %d s, when Twilio's "
            .. "list should show them.", count, math.ceil((until_ms - core.now_ms()) / 1000))
    end
    while core.now_ms() < until_ms and not is_stopped() do
        core.poll({}, math.floor(math.min(100, until_ms - core.now_ms())))
    end
end

-- Answers how many were found, how many stay unclear, and how many of those the input has; or nil and why.
local function settle_doubt(given, asked, file, found, begun_ms, out)
    local counts = { found = 0, unclear = 0, unclear_in_input = 0 }
    local count = count_keys(file.doubtful)
    if count == 0 then
        return counts
    end
    wait_until_settled(given, begun_ms, count, out)
    local judged, why = doubt.look_up(asked, file, found.doubtful, is_stopped)
    for _, row in ipairs(judged or {}) do
        local in_input = found.doubtful[row.key] ~= nil
        if row.verdict == "found" then
            counts.found = counts.found + 1
            file:conclude(row, { outcome = "accepted", sid = row.detail.sid, status = row.detail.status,
                verified = true })
        elseif row.verdict == "absent" or given.retry_doubtful and in_input and not is_stopped() then
            file:conclude(row, { outcome = "not_sent" })
            found.to_send = found.to_send + 1
        else
            counts.unclear = counts.unclear + 1
            counts.unclear_in_input = counts.unclear_in_input + (in_input and 1 or 0)
            complain(out, "row", row.number, "in doubt: " .. row.detail)
        end
    end
    local ok = judged
    if judged then
        ok, why = file:write()
    end
    return ok and counts or nil, why
end

-- ---- Sending ---------------------------------------------------------------------------------------

local function new_progress(given, found)
    local how = given.quiet and "none" or core.is_tty(2) and "terminal" or "lines"
    return progress.new(io.stderr, how, found.to_send + found.suppressed, core.now_ms(), function()
        return core.terminal_width(2)
    end)
end

local function send(given, asked, all, file, found, begun_ms, out)
    local counts, why = settle_doubt(given, asked, file, found, begun_ms, out)
    if not counts then
        return nil, failure.new(failure.CANNOT_WRITE, why)
    end
    local sent
    if not is_stopped() then
        local shown = new_progress(given, found)
        sent = sending.run(asked, all, file, {
            concurrency = given.concurrency or CONCURRENCY, last_number = found.rows,
            on_turn = function(state)
                local done = state.accepted + state.suppressed + state.in_doubt + state.failures
                shown:show(core.now_ms(), done, state.failures)
            end,
        })
        shown:finish()
    end
    local stopped = sent and sent.stopped or not sent and "interrupted" or nil
    local ok, close_why = file:close()
    local done = report.done(found, counts, sent, stopped or close_why)
    out:object(done)
    for _, line in ipairs(report.done_lines(done, file.path)) do
        out:remark(line)
    end
    if not ok or sent and sent.is_fault then
        return failure.CANNOT_WRITE
    elseif is_stopped() then
        return failure.INTERRUPTED
    elseif stopped then
        return failure.LATER
    end
    return report.status(done)
end

local function plan(given, found, file, out)
    found.in_doubt = file and count_keys(file.doubtful) or 0
    local planned = report.plan(found, given.price)
    out:object(planned)
    for _, line in ipairs(report.plan_lines(planned, given.price)) do
        out:remark(line)
    end
    local problem = check_survey(found, given)
    if problem then
        out:note("twilio-sms bulk: %s", problem.message)
        return problem.status
    end
    return given.dry_run and planned.invalid > 0 and failure.REFUSED or 0
end

local function work(given, out, begun_ms)
    local asked, err = connection.open(given)
    if not asked then
        return nil, err
    end
    local all, file, found, why
    all, err = open_rows(given, asked.check)
    if not all then
        return nil, is_stopped() and interrupted() or err
    end
    file, err = open_results(given, all, asked.account_sid)
    if file == nil then
        return nil, err
    end
    found, why = survey.run(all, asked, {
        results = file or nil, allow_repeats = given.allow_repeats, on_problem = new_complaint(given, out),
        is_stopped = is_stopped,
    })
    if not found then
        return nil, is_stopped() and interrupted() or data_error(why)
    elseif given.plan or given.dry_run then
        return plan(given, found, file, out)
    end
    err = check_survey(found, given)
    if err then
        return nil, err
    end
    return send(given, asked, all, file, found, begun_ms, out)
end

local function run(given)
    local begun_ms = core.now_ms()
    core.catch_signals()
    local out = output.new(given)
    local ok, status, err = pcall(work, given, out, begun_ms)
    core.release_signals()
    if not ok then
        error(status, 0)
    end
    return status, err
end

return definition.command {
    name = "bulk",
    about = "Send a message to each row of a file, once, however often it is interrupted.",
    arguments = { { "input", "A file of CSV or JSON Lines; - for standard input." } },
    options = definition.options(OPTIONS, account.OPTIONS, account.SENDER_OPTIONS, output.OPTIONS),
    run = run,
}
