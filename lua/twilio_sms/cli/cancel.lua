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
    return message.perform(given, function(client, sid) return client:cancel(sid) end)
end

return definition.command(M)
