--- Opens what `bulk` reads: a file, or standard input as a file, in CSV or JSON Lines, from its beginning as
-- often as it takes.
local core = require "twilio_sms.core"
local csv = require "twilio_sms.cli.bulk.csv"
local lines_of = require "twilio_sms.cli.bulk.lines"

local M = {}

local Input = {}
Input.__index = Input

local CHUNK_BYTES = 65536

-- The rows are read twice, first to check them: what can be read only once is kept in a file without a name.
local function spool(source)
    local file, why = io.tmpfile()
    local chunk
    while file do
        chunk, why = source:read(CHUNK_BYTES)
        if not chunk then
            break
        end
        local written
        written, why = file:write(chunk)
        if not written then
            break
        end
    end
    if why then
        return nil, "standard input cannot be kept: " .. why
    end
    return file
end

-- JSON Lines begin with a brace; no name of a column does.
local function format_of(file)
    file:seek "set"
    local text, why = file:read(CHUNK_BYTES)
    local first = text and text:match "[^%s\239\187\191]"
    if not first then
        return nil, why or "it is empty"
    elseif first == "[" then
        return nil, "it is a list in JSON; write one object a line, without a list around them"
    end
    return first == "{" and "json" or "csv"
end

-- The objects of JSON Lines as an iterator. A line that cannot be read says why and spoils no other.
local function objects(lines)
    return function()
        local line, why = lines:next()
        while line and not line:find "%S" do
            line, why = lines:next()
        end
        if not line then
            return nil, why, lines.number
        end
        local value, problem = core.json_decode(line)
        if type(value) ~= "table" or #value > 0 then
            return { problem = problem and problem.message or "no object" }, lines.number
        end
        return { object = value }, lines.number
    end
end

--- The records, from the first one.
-- @treturn function an iterator over records, and the line in which each begins; nil, why, and the line, when
--   it cannot go on. A record is a list of cells, the names of the columns first; or { object = }; or
--   { problem = }, why it is none
function Input:records()
    self.file:seek "set"
    local lines = lines_of.new(self.file)
    if self.format == "json" then
        return objects(lines)
    end
    return csv.records(lines, self.separator)
end

function Input:close()
    self.file:close()
end

--- Opens an input.
-- @tparam string path "-" for standard input
-- @tparam table opts format ("csv", "json" or nil for what it looks like), separator
-- @treturn table|nil with `name` and `format`; nil and a sentence
function M.open(path, opts)
    local file, why, format
    local name = path == "-" and "standard input" or path
    if path == "-" then
        file, why = spool(io.stdin)
    else
        file, why = io.open(path, "rb")
    end
    if file then
        format, why = format_of(file)
    end
    if not format then
        why = tostring(why)
        return nil, why:find(name, 1, true) and why or ("%s: %s"):format(name, why)
    end
    return setmetatable({
        file = file, name = name, format = opts.format or format, separator = opts.separator or ",",
    }, Input)
end

return M
