--- Reads records of CSV (RFC 4180): cells in quotes may hold separators, quotes and line ends.
local lines_of = require "twilio_sms.cli.bulk.lines"

local M = {}

local byte, find, sub = string.byte, string.find, string.sub
local QUOTE = byte '"'

-- Reads a cell in quotes, which may go on over several lines.
-- @treturn string|nil the line in which it ends
-- @treturn number|string behind its last quote; or why it cannot be read
-- @treturn string|nil the cell
-- @treturn number|nil how many bytes its record may have left
local function quoted_cell(lines, line, at, left_bytes)
    local parts, begun = {}, lines.number
    at = at + 1
    while true do
        local quote = find(line, '"', at, true)
        local part = sub(line, at, (quote or #line + 1) - 1)
        left_bytes = left_bytes - #part - 1
        parts[#parts + 1] = part
        if left_bytes < 0 then
            return nil, ("a cell that begins in line %d is too long: is a quote not closed?"):format(begun)
        elseif not quote then
            parts[#parts + 1] = "\n"
            local why
            line, why = lines:next()
            at = 1
            if not line then
                return nil, why or ("a quote is not closed that opens in line %d"):format(begun)
            end
        elseif byte(line, quote + 1) == QUOTE then
            parts[#parts + 1] = '"'
            at = quote + 2
        else
            return line, quote + 1, table.concat(parts), left_bytes
        end
    end
end

-- Splits the record that begins with this line.
-- @tparam string plain the pattern of a cell without quotes
-- @treturn table|nil its cells; nil and why it cannot be read
local function split(lines, line, separator, plain)
    local cells, count, at, left_bytes = {}, 0, 1, lines_of.LONGEST_BYTES
    while true do
        local cell, after
        if byte(line, at) == QUOTE then
            line, after, cell, left_bytes = quoted_cell(lines, line, at, left_bytes)
            if not line then
                return nil, after
            end
        else
            local _, to = find(line, plain, at)
            cell, after = sub(line, at, to), to + 1
        end
        count = count + 1
        cells[count] = cell
        local rest = sub(line, after, after)
        if rest == "" or rest == "\r" and after == #line then
            return cells
        elseif rest ~= separator then
            return nil, "there is something between a cell and the next separator"
        end
        at = after + 1
    end
end

local function is_blank(line)
    return line == "" or line == "\r"
end

--- Reads records.
-- @tparam table lines of `twilio_sms.cli.bulk.lines`
-- @tparam string separator ",", ";" or a tab
-- @treturn function an iterator over cells, and the line in which their record begins; lines without anything
--   are left out. It answers nil, and why when that is not the end, and the line
function M.records(lines, separator)
    local plain = "^[^" .. separator .. "\r]*"
    return function()
        local line, why = lines:next()
        while line and is_blank(line) do
            line, why = lines:next()
        end
        local number, cells = lines.number, nil
        if line then
            cells, why = split(lines, line, separator, plain)
        end
        if not cells then
            return nil, why, number
        end
        return cells, number
    end
end

return M
