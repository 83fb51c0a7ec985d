--- The command `twilio-sms`: finds out which of its commands is meant, and lets that do its work.
--
-- Each command is a module of its own below `twilio_sms.cli`, with `name`, `about` (a sentence), `define`,
-- which tells the parser of its options, `TAKES_VALUE`, a set of those that take one, and `run`, which gets
-- them and answers the exit status, or nil and what went wrong. `twilio_sms.cli.definition` makes the middle
-- ones.
local argparse = require "argparse"
local config_file = require "twilio_sms.cli.config_file"
local core = require "twilio_sms.core"
local failure = require "twilio_sms.cli.failure"
local options = require "twilio_sms.options"
local output = require "twilio_sms.cli.output"

local M = {}

local NAMES = {
    "send", "bulk", "get", "list", "cancel", "wait", "segments", "template", "optout", "webhook", "verify",
    "sim", "replay", "doctor", "completion", "man", "help",
}

--- All commands, in the order of the help.
-- @treturn table a list, which has each by its name too
function M.commands()
    local commands = {}
    for i, name in ipairs(NAMES) do
        commands[i] = require("twilio_sms.cli." .. name)
        commands[name] = commands[i]
    end
    return commands
end

--- The parser of a whole command line.
-- @treturn table the parser
-- @treturn table those of the commands, by name
function M.parser(commands)
    local parser = argparse("twilio-sms", "SMS with Twilio from a shell, and rehearsed without it.",
        "`twilio-sms <command> --help` tells of one command, `man twilio-sms` of all.")
    parser:command_target "command"
    parser:require_command(false)
    parser:flag("--version", "Show the version and exit.")
    local parsers = {}
    for _, command in ipairs(commands) do
        parsers[command.name] = parser:command(command.name, command.about)
        command.define(parsers[command.name])
    end
    return parser, parsers
end

-- argparse would say only that there are too many arguments.
local function check_command(arguments, commands)
    local first = arguments[1]
    if first and first:sub(1, 1) ~= "-" and not commands[first] then
        local known = {}
        for _, name in ipairs(NAMES) do
            known[name] = true
        end
        return ("unknown command '%s'%s"):format(first, options.hint(first, known))
    end
end

-- Everybody on the machine can read the arguments of a process.
local SECRETS = {
    ["--auth-token"] = "TWILIO_AUTH_TOKEN, or into a file of your own and give --auth-token-file",
    ["--api-secret"] = "TWILIO_API_SECRET, or into a file of your own and give --api-secret-file",
}
local PROXY = "a configuration file that only you may read, as `proxy = ...`"

-- Where a secret that stands here belongs; nil when none does.
local function place_of_secret(argument, following)
    local name, value = argument:match "^([^=]*)=?(.*)$"
    if name == "--proxy" then
        value = value ~= "" and value or following or ""
        return config_file.has_password(value) and PROXY or nil
    end
    return SECRETS[name]
end

local function check_secrets(arguments)
    for i, argument in ipairs(arguments) do
        if argument == "--" then
            return nil
        end
        local place = place_of_secret(argument, arguments[i + 1])
        if place then
            return ("a secret must not stand on a command line, where others can read it (change it now): "
                .. "put it into %s"):format(place)
        end
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

local function has(arguments, wanted)
    for _, argument in ipairs(arguments) do
        if argument == wanted then
            return true
        end
    end
    return false
end

-- What argparse does not know: that options have their place, and how a text is told from them.
local function advise(arguments, command, why)
    local unknown = why:match "^unknown option '(.-)'"
    if unknown and not command and arguments[1]:sub(1, 1) == "-" and unknown ~= "--" then
        local meant = why:find("Did you mean", 1, true)
        return meant and why or why .. "; the options of a command stand behind its name"
    elseif unknown and unknown:find "^%-[^%-]" then
        return ("unknown option '%s'; a value that begins with a minus sign stands behind --"):format(unknown)
    end
    return why
end

local function complain(arguments, command, why)
    local as_json = has(arguments, "--json")
    why = advise(arguments, command, why):gsub("\n", "; "):gsub("; Did you mean", "; did you mean")
    if not as_json then
        local of_what = command and command.name .. " " or ""
        why = ("%s; `twilio-sms %s--help` shows what there is"):format(why, of_what)
    end
    return failure.report(command and command.name or "", failure.usage("%s", why), as_json)
end

-- What was raised, in a failure.
local function failure_of(raised, command, given)
    local text = tostring(raised)
    if failure.is(raised) then
        return raised
    elseif text:find "interrupted!$" then -- so lua and luajit end a script at Ctrl-C
        text = command.interrupted and command.interrupted(given) or "interrupted"
        return failure.new(failure.INTERRUPTED, text)
    end
    text = text:gsub("^[^:]*%.lua:%d+: ", ""):gsub("%s*\n.*", "")
    return failure.new(failure.INTERNAL, "this is a mistake of the program itself: " .. text)
end

local function run(command, given)
    local ok, status, err = pcall(command.run, given)
    if not ok then
        status, err = nil, failure_of(status, command, given)
    end
    return status or failure.report(command.name, err, given.json or false)
end

-- Prints what needs no command.
local function tell(text)
    return run({ name = "", run = function(given)
        output.new(given):line(text)
        return 0
    end }, {})
end

local placeholders = {}

-- Where a standard stream is closed, the next file or socket that is opened takes its place, and what is
-- printed would go there. So something stands in all of them, that can be neither read nor written.
local function occupy_streams()
    for i = 1, 3 do
        placeholders[i] = placeholders[i] or io.open "/"
    end
end

--- Carries a command line out.
-- @tparam table arguments without the program's name
-- @treturn number the exit status
function M.main(arguments)
    occupy_streams()
    local commands = M.commands()
    local parser = M.parser(commands)
    local command = commands[arguments[1]]
    local why = check_command(arguments, commands) or check_secrets(arguments)
    if why then
        return complain(arguments, command, why)
    end
    local ok, given = parser:pparse(command and join_values(arguments, command) or arguments)
    if not ok then
        return complain(arguments, command, given)
    elseif given.version then
        return tell("twilio-sms " .. core.version)
    elseif not given.command then
        local status = tell(parser:get_help())
        return #arguments == 0 and failure.USAGE or status
    end
    return run(command, given)
end

return M
