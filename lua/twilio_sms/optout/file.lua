--- Reads and writes states of the opt-out list as text: CSV (RFC 4180), a JSON array, or JSON Lines.
local core = require "twilio_sms.core"
local date = require "twilio_sms.date"
local key = require "twilio_sms.optout.key"

local M = {}

local COLUMNS = { "number", "scope", "state", "source", "at", "keyword", "class", "message_sid", "note" }
local LONGEST_RECORD_BYTES = 65536
local LONGEST_TEXT_BYTES = 1000
local LONGEST_ARRAY_BYTES = 16777216 -- it is read at once
local BOM = "\239\187\191"

-- ---- Lines --------------------------------------------------------------------------------------

-- The lines of a text, without their line feeds.
local function lines_of(text)
    local at = 1
    return function()
        if at > #text then
            return nil
        end
        local to = text:find("\n", at, true) or #text + 1
        local line = text:sub(at, to - 1)
        at = to + 1
        return line
    end
end

-- Counts lines, and takes the byte order mark from the first.
local function numbered(source)
    local next_line = type(source) == "string" and lines_of(source) or source
    local lines = { number = 0 }
    function lines.next()
        local line = next_line()
        if line then
            lines.number = lines.number + 1
            if lines.number == 1 and line:sub(1, #BOM) == BOM then
                line = line:sub(#BOM + 1)
            end
        end
        return line
    end
    return lines
end

-- ---- Rows ---------------------------------------------------------------------------------------

local STATES = { opted_out = true, opted_in = true }
local CLOCKS_DIFFER_S = 300 -- between two machines

local function read_time(value, state, now)
    if value == nil then
        if state == "opted_in" then
            return nil, "opted_in needs the time in 'at', or it would undo a STOP that came later"
        end
        return now
    end
    local at = tonumber(value) or date.read(value)
    if not at or at % 1 ~= 0 or at < 0 or at > now + CLOCKS_DIFFER_S then
        return nil, "'at' is neither Unix seconds nor a date like 2026-04-14T09:26:42Z, or in the future"
    end
    return math.floor(at)
end

-- Checks the values of one row, which are strings or numbers, and fills in what is left out.
-- @treturn table|boolean false when it cannot be taken, and why
local function check_row(values, now)
    local row = {}
    for _, column in ipairs(COLUMNS) do
        local value = values[column]
        local kind = type(value)
        if kind == "number" and column == "at" then
            row.at = value
        elseif kind == "string" then
            if #value > LONGEST_TEXT_BYTES or not core.segments(value) then
                return false, ("'%s' is longer than %d bytes or not UTF-8"):format(column, LONGEST_TEXT_BYTES)
            end
            row[column] = value ~= "" and value or nil
        elseif value ~= nil then
            return false, ("'%s' must be text"):format(column)
        end
    end
    local why
    row.number, why = key.person(row.number or "")
    if not row.number then
        return false, "'number' cannot be used: " .. why
    end
    row.scope, why = key.scope(row.scope or key.ALL)
    if not row.scope then
        return false, "'scope' cannot be used: " .. why
    end
    row.state = row.state or "opted_out"
    row.source = row.source or "import"
    if not STATES[row.state] then
        return false, "'state' must be opted_out or opted_in"
    end
    row.at, why = read_time(row.at, row.state, now)
    if not row.at then
        return false, why
    end
    return row
end

-- Nothing but one refusal.
local function no_rows(why)
    local told = false
    return function()
        if not told then
            told = true
            return false, 1, why
        end
    end
end

-- ---- CSV ----------------------------------------------------------------------------------------

-- What a spreadsheet may take for a formula (https://owasp.org/www-community/attacks/CSV_Injection) gets an
-- apostrophe in front, which import takes away. Numbers keep their "+": theirs is harmless, and others read
-- them.
local FORMULA = "^'*[=+@\t\r-]"

local function protect(text)
    return text:find(FORMULA) and "'" .. text or text
end

local function unprotect(text)
    return text:find("^'" .. FORMULA:sub(2)) and text:sub(2) or text
end

local function csv_cell(column, value)
    local text = value == nil and "" or column == "at" and ("%d"):format(value) or value
    if column ~= "number" and column ~= "scope" or not text:find "^%+%d+$" then
        text = protect(text)
    end
    return text:find '[",\r\n]' and '"' .. text:gsub('"', '""') .. '"' or text
end

-- Reads a cell in quotes, which may go on over several lines.
-- @treturn string|nil the line in which it ends
-- @treturn number|string behind its last quote; or why it cannot be read
-- @treturn string|nil the cell
local function quoted_cell(lines, line, at)
    local parts, bytes = {}, 0
    at = at + 1
    while true do
        local quote = line:find('"', at, true)
        local part = line:sub(at, (quote or #line + 1) - 1)
        bytes = bytes + #part + 1
        parts[#parts + 1] = part
        if bytes > LONGEST_RECORD_BYTES then
            return nil, "a cell is too long: is a quote not closed?"
        elseif not quote then
            parts[#parts + 1] = "\n"
            line, at = lines.next(), 1
            if not line then
                return nil, "a quote is not closed"
            end
        elseif line:sub(quote + 1, quote + 1) == '"' then
            parts[#parts + 1] = '"'
            at = quote + 2
        else
            return line, quote + 1, table.concat(parts)
        end
    end
end

-- Splits the record that begins with this line.
-- @treturn table|nil its cells; nil and why it cannot be read
local function split(lines, line)
    local cells, at = {}, 1
    if #line > LONGEST_RECORD_BYTES then
        return nil, "the line is too long"
    end
    while true do
        local cell, after
        if line:sub(at, at) == '"' then
            line, after, cell = quoted_cell(lines, line, at)
            if not line then
                return nil, after
            end
        else
            cell = line:match("^[^,\r]*", at)
            after = at + #cell
        end
        cells[#cells + 1] = cell
        local rest = line:sub(after, after)
        if rest == "" or rest == "\r" and after == #line then
            return cells
        elseif rest ~= "," then
            return nil, "there is something between a cell and the next comma"
        end
        at = after + 1
    end
end

-- The column of each place in a row, from the header.
local function read_header(lines)
    local line = lines.next()
    local cells, columns, has_number = line and split(lines, line) or {}, {}, false
    for i, name in ipairs(cells) do
        columns[i] = name:lower():match "^%s*(%S*)"
        has_number = has_number or columns[i] == "number"
    end
    return has_number and columns or nil
end

local function csv_rows(lines, now)
    local columns = read_header(lines)
    if not columns then
        return no_rows "the first line must name the columns, and 'number' be one of them"
    end
    return function()
        local line
        repeat
            line = lines.next()
        until line == nil or line:find "[^\r]"
        if not line then
            return nil
        end
        local began = lines.number
        local cells, why = split(lines, line)
        if not cells then
            return false, began, why
        end
        local values = {}
        for i, cell in ipairs(cells) do
            values[columns[i] or ""] = unprotect(cell)
        end
        local row
        row, why = check_row(values, now)
        return row, began, why
    end
end

-- ---- JSON ---------------------------------------------------------------------------------------

local function check_object(value, now)
    if type(value) ~= "table" then
        return false, "it is no JSON object"
    end
    return check_row(value, now)
end

-- What stands at this place is the number of the item, because lines mean nothing in an array.
local function array_rows(text, now)
    local items, err = core.json_decode(text)
    if type(items) ~= "table" then
        items = { false }
        err = "it is no JSON: " .. tostring(err and err.message)
    end
    local at = 0
    return function()
        at = at + 1
        if items[at] == nil then
            return nil
        end
        local row, why = check_object(items[at], now)
        return row, at, err or why
    end
end

-- All lines, the first of which is given; nil when they are too long.
local function read_array(lines, line)
    local parts, bytes = {}, 0
    while line do
        bytes = bytes + #line + 1
        if bytes > LONGEST_ARRAY_BYTES then
            return nil
        end
        parts[#parts + 1] = line
        line = lines.next()
    end
    return table.concat(parts, "\n")
end

local function json_rows(lines, now)
    local line
    repeat
        line = lines.next()
    until line == nil or line:find "%S"
    if line and line:find "^%s*%[" then
        local text = read_array(lines, line)
        if not text then
            return no_rows "the array is longer than 16 MiB: write one object a line"
        end
        return array_rows(text, now)
    end
    return function()
        while line and not line:find "%S" do
            line = lines.next()
        end
        if not line then
            return nil
        end
        local number, row, why = lines.number, false, "the line is too long"
        if #line <= LONGEST_RECORD_BYTES then
            local value = core.json_decode(line)
            row, why = check_object(value, now)
        end
        line = lines.next()
        return row, number, why
    end
end

-- ---- Both ---------------------------------------------------------------------------------------

--- Reads rows.
-- @param source the text, or a function that answers the next line
-- @tparam string format "csv" or "json"
-- @tparam number now Unix seconds
-- @treturn function an iterator: row, or false; the line at which it begins; why it cannot be taken
function M.rows(source, format, now)
    local lines = numbered(source)
    if format == "csv" then
        return csv_rows(lines, now)
    end
    return json_rows(lines, now)
end

--- What a file begins with.
function M.header(format)
    return format == "csv" and table.concat(COLUMNS, ",") .. "\r\n" or ""
end

--- One state as text.
function M.line(entry, format)
    local cells = {}
    for i, column in ipairs(COLUMNS) do
        local value = entry[column]
        if column == "number" then
            value = key.person_text(value)
        end
        if format == "csv" then
            cells[i] = csv_cell(column, value)
        elseif value ~= nil then
            cells[#cells + 1] = ('"%s":%s'):format(column, core.json_encode(value))
        end
    end
    if format == "csv" then
        return table.concat(cells, ",") .. "\r\n"
    end
    return "{" .. table.concat(cells, ",") .. "}\n"
end

return M
