--- The command `twilio-sms`: finds out which of its commands is meant, and lets that do its work.
--
-- Each command is a module of its own below `twilio_sms.cli`, with `name`, `about` (a sentence), `define`,
-- which tells the parser of its options, `TAKES_VALUE`, a set of those that take one, and `run`, which gets
-- them and answers the exit status.
local argparse = require "argparse"
local core = require "twilio_sms.core"
local options = require "twilio_sms.options"
local sim = require "twilio_sms.cli.sim"

local M = {}

local COMMANDS = { sim }

--- The exit status for a command line that makes no sense, as sysexits.h has it.
M.USAGE = 64

local function by_name()
    local commands = {}
    for _, command in ipairs(COMMANDS) do
        commands[command.name] = command
    end
    return commands
end

local function new_parser()
    local parser = argparse("twilio-sms", "SMS with Twilio, rehearsed without it.")
    parser:command_target "command"
    parser:require_command(false)
    parser:flag("--version", "Show the version and exit.")
    for _, command in ipairs(COMMANDS) do
        local own = parser:command(command.name, command.about)
        command.define(own)
    end
    return parser
end

-- argparse would say only that there are too many arguments.
local function check_command(arguments, commands)
    local first = arguments[1]
    if first and first:sub(1, 1) ~= "-" and not commands[first] then
        return ("unknown command '%s'%s"):format(first, options.hint(first, commands))
    end
end

-- What follows an option that takes a value is its value, also when it begins with a minus sign, as -1 does:
-- argparse would take that for another option, but not "--speed=-1".
local function join_values(arguments, command)
    local out, i = {}, 1
    while i <= #arguments do
        local name, value = arguments[i], arguments[i + 1]
        if command.TAKES_VALUE[name] and value and value:find "^%-[^%-]" then
            out[#out + 1] = name .. "=" .. value
            i = i + 2
        else
            out[#out + 1] = name
            i = i + 1
        end
    end
    return out
end

local function complain(arguments, commands, why)
    local command = commands[arguments[1]] and arguments[1] .. " " or ""
    io.stderr:write("twilio-sms: ", why, "\n", "`twilio-sms ", command, "--help` shows what there is.\n")
    return M.USAGE
end

--- Carries a command line out.
-- @tparam table arguments without the program's name
-- @treturn number the exit status
function M.main(arguments)
    local parser, commands = new_parser(), by_name()
    local why = check_command(arguments, commands)
    if why then
        return complain(arguments, commands, why)
    end
    local command = commands[arguments[1]]
    local ok, given = parser:pparse(command and join_values(arguments, command) or arguments)
    if not ok then
        return complain(arguments, commands, given)
    elseif given.version then
        print("twilio-sms " .. core.version)
        return 0
    elseif not given.command then
        print(parser:get_help())
        return #arguments == 0 and M.USAGE or 0
    end
    return commands[given.command].run(given)
end

return M
