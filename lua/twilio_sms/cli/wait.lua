--- `twilio-sms wait`: waits until nothing more will happen to a message.
local account = require "twilio_sms.cli.account"
local definition = require "twilio_sms.cli.definition"
local failure = require "twilio_sms.cli.failure"
local message = require "twilio_sms.cli.message"
local output = require "twilio_sms.cli.output"

local M = {
    name = "wait",
    about = "Wait until nothing more will happen to a message.",
    arguments = { { "sid", "The SID of the message." } },
    options = definition.options({
        { "--timeout", "<seconds>", "How long to wait. Default: 60.", sort = definition.SECONDS },
    }, account.OPTIONS, output.OPTIONS, output.NUMBER_OPTIONS),
}

local function wait(given)
    local ok, err = message.check_sid(given.sid)
    if not ok then
        return nil, err
    end
    local timeout_ms = math.floor((given.timeout or 60) * 1000)
    given.timeout = nil -- that of a call is another one
    local client
    client, err = account.client(given)
    if not client then
        return nil, err
    end
    local done
    done, err = client:wait(given.sid, { timeout_ms = timeout_ms })
    client:close()
    if err and err.last then
        return nil, failure.new(failure.LATER, err.message .. "; a carrier may never say more than sent", err)
    end
    return done, err
end

function M.run(given)
    local done, err = wait(given)
    if not done then
        return nil, err
    end
    output.new(given):object(done, message.FIELDS)
    return message.status(done)
end

return definition.command(M)
