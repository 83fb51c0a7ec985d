--- What a command prints for its user: columns and fields for people, or JSON, one object a line.
local core = require "twilio_sms.core"
local failure = require "twilio_sms.cli.failure"
local json = require "twilio_sms.cli.json"
local terminal = require "twilio_sms.cli.terminal"

local M = {
    --- The options of every command that prints.
    OPTIONS = {
        { "--json", false, "Print JSON, one object a line; errors too." },
    },
    --- Of those that print phone numbers.
    NUMBER_OPTIONS = {
        { "--mask", false, "Hide phone numbers but for their ends." },
    },
}

local Output = {}
local class = { __index = Output, __name = "twilio_sms.cli.output" }

-- What numbers are called that need not look like some: those of WhatsApp, and short codes.
local NUMBERS = {
    to = true, from = true, number = true, wa_id = true, To = true, From = true, WaId = true, Called = true,
    Caller = true,
}

-- Whether a text is an address whatever it is called: a number, or one behind the name of a channel.
local function is_address(text)
    return text:find "^%a*:?%+%d%d%d%d%d%d%d+$" ~= nil
end

local function masked(value)
    if type(value) ~= "table" or next(value) == nil then
        return value
    end
    local out = {}
    for name, member in pairs(value) do
        local hidden = type(member) == "string" and (NUMBERS[name] or is_address(member))
        out[name] = hidden and core.mask(member) or masked(member)
    end
    return out
end

local function put(self, text)
    local ok, why = self.stream:write(text)
    if ok then
        ok, why = self.stream:flush()
    end
    if not ok then
        -- Whoever called cannot go on, however deep it is.
        error(failure.new(failure.CANNOT_WRITE, "cannot write what it found: " .. tostring(why)), 0)
    end
end

--- Prints a text of our own as it is, or one that goes on to a file or a program; for people only.
function Output:line(text)
    if not self.as_json then
        put(self, text .. "\n")
    end
end

--- Prints a line that may hold what others have said, for people only.
function Output:remark(text)
    self:line(terminal.escape(text))
end

--- Prints an object: as JSON, or the fields that are named, a line for each that is there.
-- @tparam table value
-- @tparam[opt] table fields their names, in order; without them people see nothing
function Output:object(value, fields)
    value = self.mask and masked(value) or value
    if self.as_json then
        put(self, json.encode(value) .. "\n")
        return
    end
    local width, lines = 0, {}
    for _, name in ipairs(fields or {}) do
        width = value[name] ~= nil and math.max(width, #name) or width
    end
    for _, name in ipairs(fields or {}) do
        if value[name] ~= nil then
            local text = terminal.escape(tostring(value[name]))
            lines[#lines + 1] = ("%-" .. width .. "s  %s"):format(name, text)
        end
    end
    if lines[1] then
        put(self, table.concat(lines, "\n") .. "\n")
    end
end

local COLUMN_MOST = 48

--- Prints rows: each as JSON, or all of them under the names of their columns.
-- @tparam table columns names of members, in order
-- @tparam table rows
-- @tparam[opt] function shown answers what people see of a row; default: the row
function Output:rows(columns, rows, shown)
    if self.as_json then
        for _, row in ipairs(rows) do
            self:object(row)
        end
        return
    end
    local lines, widths = { {} }, {}
    for i, name in ipairs(columns) do
        lines[1][i] = name:upper()
    end
    for _, row in ipairs(rows) do
        row = shown and shown(row) or row
        row = self.mask and masked(row) or row
        local line = {}
        for i, name in ipairs(columns) do
            local value = row[name]
            line[i] = value == nil and "-" or terminal.cut(terminal.escape(tostring(value)), COLUMN_MOST)
        end
        lines[#lines + 1] = line
    end
    for _, line in ipairs(lines) do
        for i, text in ipairs(line) do
            widths[i] = math.max(widths[i] or 0, terminal.length(text))
        end
    end
    for number, line in ipairs(lines) do
        for i = 1, #line - 1 do
            line[i] = line[i] .. (" "):rep(widths[i] - terminal.length(line[i]))
        end
        lines[number] = table.concat(line, "  "):gsub("%s+$", "")
    end
    put(self, table.concat(lines, "\n") .. "\n")
end

--- A remark for people, which is no result: one line on standard error.
function Output:note(text, ...)
    if not self.as_json then
        text = select("#", ...) > 0 and text:format(...) or text
        io.stderr:write(terminal.escape(text), "\n")
    end
end

--- The output of a command.
-- @tparam table given what was given to the command: json, mask
-- @tparam[opt] file stream default: standard output
function M.new(given, stream)
    return setmetatable({
        as_json = given.json or false, mask = given.mask or false, stream = stream or io.stdout,
    }, class)
end

return M
