--- What a command takes, written down once: for the parser, the help, the completion and the manual.
--
-- An option is { "--name", "<value>", "What it says." }, without the value (false) when it is a flag, and may
-- have `sort` (what its value must be), `choices` (a list of words) and `many` (it may be given again).
-- An argument is { "name", "What it says." } and may have `optional`, `many`, `sort` and `choices`.

local SECONDS_MOST = 604800 -- seven days, as timeout_ms has it

local M = {
    NUMBER = { pattern = "^%-?%d*%.?%d+$", what = "number", value = tonumber },
    AMOUNT = { pattern = "^%d*%.?%d+$", what = "number, 0 or more", value = tonumber },
    WHOLE = { pattern = "^%-?%d+$", what = "whole number", value = tonumber },
    SECONDS = {
        pattern = "^%d+%.?%d*$", what = "number of seconds up to " .. SECONDS_MOST,
        value = function(text) return tonumber(text) <= SECONDS_MOST and tonumber(text) or nil end,
    },
    COUNT = { pattern = "^[1-9]%d?%d?%d?%d?%d?$", what = "whole number from 1 to 999999", value = tonumber },
    TEXT = { pattern = ".", what = "value" }, -- an empty one would mean all, or nothing
    PAIR = {
        pattern = "^[^=]+=", what = "pair like name=value",
        value = function(text) return { text:match "^([^=]+)=(.*)$" } end,
    },
}

local function reader_of(name, sort)
    return function(text)
        local value = text:find(sort.pattern) and text or nil
        if value and sort.value then
            value = sort.value(text)
        end
        return value, value == nil and ("%s: '%s' is no %s"):format(name, text, sort.what) or nil
    end
end

local function restrict(element, name, row)
    if row.sort then
        element:convert(reader_of(name, row.sort))
    end
    if row.choices then
        element:choices(row.choices)
    end
end

local function add_argument(parser, row)
    local argument = parser:argument(row[1], row[2])
    argument:args(row.many and (row.optional and "*" or "+") or row.optional and "?" or 1)
    restrict(argument, ("argument '%s'"):format(row[1]), row)
end

local function add_option(parser, row)
    local name, value, about = row[1], row[2], row[3]
    local option = value and parser:option(name, about):argname(value) or parser:flag(name, about)
    if row.many then
        option:count "*"
        option:action "append"
    end
    restrict(option, ("option '%s'"):format(name), row)
end

--- Several lists of options as one.
function M.options(...)
    local out = {}
    for _, list in ipairs { ... } do
        for _, row in ipairs(list) do
            out[#out + 1] = row
        end
    end
    return out
end

local function note_values(names, command)
    for _, row in ipairs(command.options or {}) do
        names[row[1]] = row[2] and true or nil
    end
    for _, sub in ipairs(command.commands or {}) do
        note_values(names, sub)
    end
    return names
end

local function fill(parser, command)
    for _, row in ipairs(command.arguments or {}) do
        add_argument(parser, row)
    end
    for _, row in ipairs(command.options or {}) do
        add_option(parser, row)
    end
    if command.commands then
        parser:command_target "action"
        for _, sub in ipairs(command.commands) do
            fill(parser:command(sub.name, sub.about), sub)
        end
    end
end

--- Makes a command of its definition: adds `define` and `TAKES_VALUE`.
-- @tparam table command name; about; arguments, options, or commands (a list of the same, of which the one
--   that is given stands in `action`); run, which gets what was given and answers the exit status, or nil and
--   a failure (`twilio_sms.cli.failure`) or an error of the library
-- @treturn table the command
function M.command(command)
    command.TAKES_VALUE = note_values({}, command)
    function command.define(parser)
        fill(parser, command)
    end
    return command
end

return M
