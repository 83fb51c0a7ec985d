--- `twilio-sms replay`: shows what is on a tape, and whether it can be replayed.
local contract = require "twilio_sms.cassette.contract"
local core = require "twilio_sms.core"
local definition = require "twilio_sms.cli.definition"
local failure = require "twilio_sms.cli.failure"
local output = require "twilio_sms.cli.output"
local reader = require "twilio_sms.cassette.reader"
local text = require "twilio_sms.cli.text"

local M = {
    name = "replay",
    about = "Show what is on a tape, and whether it can be replayed.",
    arguments = { { "tape", "The file (docs/cassettes.md)." } },
    options = definition.options({
        { "--contract", false, "Hold it against what Twilio documents, too; exit status 1 if it differs." },
    }, output.OPTIONS, output.NUMBER_OPTIONS),
}

local COLUMNS = { "line", "at_ms", "elapsed_ms", "request", "to", "outcome", "status", "sid" }

local function parameter(list, name)
    for _, pair in ipairs(list) do
        if pair[1] == name then
            return pair[2]
        end
    end
end

local function outcome_of(entry)
    return entry.lookup and entry.outcome .. " (look-up)" or entry.outcome
end

-- What people see of a request.
local function request_row(entry)
    local request, response = entry.request, entry.response
    local answer = response and core.json_decode(response.body)
    return {
        line = entry.line, at_ms = entry.at_ms, elapsed_ms = entry.elapsed_ms, outcome = outcome_of(entry),
        request = entry.operation or request.method .. " " .. request.path,
        status = response and response.status,
        to = parameter(request.form, "To") or parameter(request.query, "To"),
        sid = type(answer) == "table" and type(answer.sid) == "string" and answer.sid or nil,
    }
end

local function webhook_row(entry)
    local params = core.form_decode(entry.webhook.body) or {}
    return {
        line = entry.line, at_ms = entry.at_ms, elapsed_ms = entry.elapsed_ms, request = "webhook",
        to = parameter(params, "To"), sid = parameter(params, "MessageSid"), status = entry.answer.status,
    }
end

local function check_contract(tape, out)
    local count = 0
    for _, entry in ipairs(tape.interactions) do
        contract.check(entry, function(what)
            count = count + 1
            out:remark(("line %d: %s"):format(entry.line, what))
            if out.as_json then
                out:object { line = entry.line, violation = what }
            end
        end)
    end
    out:note("%s", count == 0 and "All of it is as documented." or count .. " things are not as documented.")
    return count == 0 and 0 or failure.NO
end

local function read(path)
    local file, err = text.open(path)
    if not file then
        return nil, err
    end
    file:close()
    local tape
    tape, err = reader.read(path, os.time())
    if not tape then
        return nil, failure.new(failure.NO, err.message, err)
    end
    return tape
end

local function describe(tape, out)
    local header = tape.header
    local function day(at)
        return at and os.date("!%Y-%m-%d", at) or nil
    end
    out:note("recorded %s by %s, %d requests, %d webhooks%s%s%s", day(header.recorded_at) or "some day",
        tostring(header.lib), #tape.interactions, #tape.webhooks,
        header.expires_after and ", expires " .. day(header.expires_after) or "",
        header.redaction.keyed and ", needs its key" or "",
        tape.torn and (", line %d was cut and is left out"):format(tape.torn) or "")
end

function M.run(given)
    local tape, err = read(given.tape)
    if not tape then
        return nil, err
    end
    local out, rows = output.new(given), {}
    for _, entry in ipairs(tape.interactions) do
        rows[#rows + 1] = request_row(entry)
    end
    for _, entry in ipairs(tape.webhooks) do
        rows[#rows + 1] = webhook_row(entry)
    end
    table.sort(rows, function(a, b) return a.line < b.line end)
    describe(tape, out)
    out:rows(COLUMNS, rows)
    return given.contract and check_contract(tape, out) or 0
end

return definition.command(M)
