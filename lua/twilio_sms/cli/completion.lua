--- `twilio-sms completion`: prints what lets a shell complete command lines.
local definition = require "twilio_sms.cli.definition"
local output = require "twilio_sms.cli.output"

local M = {
    name = "completion",
    about = "Print what lets a shell complete command lines.",
    arguments = { { "shell", "bash, zsh or fish.", choices = { "bash", "zsh", "fish" } } },
}

function M.run(given)
    local cli = require "twilio_sms.cli"
    local parser = cli.parser(cli.commands())
    local script = parser["get_" .. given.shell .. "_complete"](parser)
    output.new(given):line((script:gsub("\n$", "")))
    return 0
end

return definition.command(M)
