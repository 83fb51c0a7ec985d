--- `twilio-sms help`: explains the program, or one of its commands.
local definition = require "twilio_sms.cli.definition"
local failure = require "twilio_sms.cli.failure"
local options = require "twilio_sms.options"
local output = require "twilio_sms.cli.output"

local M = {
    name = "help",
    about = "Explain the program, or one of its commands.",
    arguments = { { "topic", "The name of a command.", optional = true } },
}

function M.run(given)
    local cli = require "twilio_sms.cli"
    local commands, known = cli.commands(), {}
    for _, command in ipairs(commands) do
        known[command.name] = true
    end
    if given.topic and not known[given.topic] then
        return nil, failure.usage("unknown command '%s'%s", given.topic, options.hint(given.topic, known))
    end
    local parser, parsers = cli.parser(commands)
    output.new(given):line((parsers[given.topic] or parser):get_help())
    return 0
end

return definition.command(M)
