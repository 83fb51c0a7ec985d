--- `twilio-sms send`: sends one message.
local account = require "twilio_sms.cli.account"
local core = require "twilio_sms.core"
local definition = require "twilio_sms.cli.definition"
local failure = require "twilio_sms.cli.failure"
local message = require "twilio_sms.cli.message"
local output = require "twilio_sms.cli.output"
local sms = require "twilio_sms"
local text = require "twilio_sms.cli.text"

local M = {
    name = "send",
    about = "Send a message. Its text is an argument, a file or standard input.",
    arguments = {
        { "to", "Who gets it: a number like +15558675310." },
        { "body", "The text.", optional = true },
    },
    options = definition.options({
        { "--body-file", "<file>", "A file with the text; - is standard input." },
        { "--media", "<url>", "Something to show, that Twilio fetches from there.", many = true },
        { "--send-at", "<time>",
            "When: like 2026-04-14T09:26:42Z, or in Unix seconds. Needs a messaging service." },
        { "--status-callback", "<url>", "Where Twilio tells what becomes of it." },
        { "--smart-encoded", false, "Let Twilio replace typographic characters by plain ones." },
        { "--wait", false, "Wait until nothing more will happen to it." },
        { "--wait-timeout", "<seconds>", "How long to wait then. Default: 60.", sort = definition.SECONDS },
        { "--dry-run", false, "Check everything, show the segments, send nothing." },
    }, account.SENDER_OPTIONS, account.OPTIONS, account.TIMEOUT_OPTIONS, output.OPTIONS,
        output.NUMBER_OPTIONS),
}

local function fields_of(given)
    local body, err
    local has_media = given.media and given.media[1]
    if given.body or given.body_file or not has_media then
        body, err = text.get(given.body, given.body_file)
        if not body then
            return nil, err
        end
    end
    return {
        to = given.to, body = body, media = has_media and given.media or nil,
        from = given.from, messaging_service_sid = given.messaging_service,
        send_at = tonumber(given.send_at) or given.send_at, status_callback = given.status_callback,
        smart_encoded = given.smart_encoded,
    }
end

-- Everything is checked as if it were sent, and nothing leaves.
local function rehearse(given, fields, out)
    local driver = require("twilio_sms.cli.rehearsal").driver()
    local client, err = account.sender(given, { driver = driver, log = false, trace = false })
    local answer
    if client then
        answer, err = client:send(fields)
        client:close()
    end
    if not answer then
        return nil, failure.is(err) and err or failure.of(err, true)
    end
    local count = sms.segments(fields.body or "", { smart_encoded = fields.smart_encoded })
    out:object({
        dry_run = true, to = answer.to, from = answer.from, body = fields.body,
        messaging_service_sid = answer.messaging_service_sid,
        encoding = count.encoding, segments = count.segments, units = count.units,
    }, { "to", "from", "messaging_service_sid", "encoding", "segments", "units", "body" })
    out:note "Nothing was sent."
    return 0
end

-- The message is on its way whatever happens now, and its SID was printed.
local function await(client, given, sid, out)
    local timeout_ms = math.floor((given.wait_timeout or 60) * 1000)
    local done, err = client:wait(sid, { timeout_ms = timeout_ms })
    if not done then
        local why = ("%s was sent, and then: %s; `twilio-sms wait %s` goes on waiting")
        return nil, failure.new(failure.LATER, why:format(sid, tostring(err), sid), err)
    end
    out:object(done, message.FIELDS)
    return message.status(done)
end

--- What an interruption leaves behind.
function M.interrupted(given)
    if not given.is_sending then
        return "interrupted; nothing was sent"
    elseif given.sent_sid then
        local what = "interrupted; the message was sent: `twilio-sms wait %s` goes on waiting"
        return what:format(given.sent_sid)
    end
    return "interrupted; the message may have been sent: look with `twilio-sms list` before you repeat it"
end

-- Shows the message that was sent, or waits for what becomes of it.
local function tell(client, given, sent, out)
    if given.wait then
        out:note("%s is %s; waiting ...", sent.sid, sent.status)
        return await(client, given, sent.sid, out)
    end
    out:object(sent, message.FIELDS)
    return 0
end

-- Nobody can read that it was sent, and who believes that it was not sends it again.
local function untold(sent, what)
    return failure.new(what.status, ("the message was sent as %s, but: %s"):format(sent.sid, what.message))
end

function M.run(given)
    local out = output.new(given)
    local fields, err = fields_of(given)
    if not fields then
        return nil, err
    elseif given.dry_run then
        return rehearse(given, fields, out)
    end
    local client
    client, err = account.sender(given)
    if not client then
        return nil, err
    end
    core.unite_signals() -- who ends it must be told the same as who interrupts it
    given.is_sending = true
    local sent
    sent, err = client:send(fields)
    if not sent then
        client:close()
        return nil, failure.of(err, true)
    end
    given.sent_sid = sent.sid
    local ok, status, why = pcall(tell, client, given, sent, out)
    client:close()
    if not ok then
        error(failure.is(status) and untold(sent, status) or status, 0)
    end
    return status, why
end

return definition.command(M)
