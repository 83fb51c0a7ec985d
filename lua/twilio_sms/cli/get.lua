--- `twilio-sms get`: shows a message.
local account = require "twilio_sms.cli.account"
local definition = require "twilio_sms.cli.definition"
local message = require "twilio_sms.cli.message"
local output = require "twilio_sms.cli.output"

local M = {
    name = "get",
    about = "Show a message.",
    arguments = { { "sid", "The SID of the message." } },
    options = definition.options(account.OPTIONS, account.TIMEOUT_OPTIONS, output.OPTIONS,
        output.NUMBER_OPTIONS),
}

function M.run(given)
    return message.perform(given, function(client, sid) return client:get(sid) end)
end

return definition.command(M)
