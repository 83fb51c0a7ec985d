--- `twilio-sms cancel`: takes a scheduled message back.
local account = require "twilio_sms.cli.account"
local definition = require "twilio_sms.cli.definition"
local message = require "twilio_sms.cli.message"
local output = require "twilio_sms.cli.output"

local M = {
    name = "cancel",
    about = "Take a scheduled message back.",
    arguments = { { "sid", "The SID of the message." } },
    options = definition.options(account.OPTIONS, account.TIMEOUT_OPTIONS, output.OPTIONS,
        output.NUMBER_OPTIONS),
}

function M.run(given)
    local ok, err = message.check_sid(given.sid)
    local client, found
    if ok then
        client, err = account.client(given)
    end
    if client then
        found, err = client:cancel(given.sid)
        client:close()
    end
    if not found then
        return nil, err
    end
    output.new(given):object(found, message.FIELDS)
    return 0
end

return definition.command(M)
