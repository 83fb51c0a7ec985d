--- The text that a command works on: an argument, a file, or standard input.
local core = require "twilio_sms.core"
local failure = require "twilio_sms.cli.failure"

local M = {}

local MOST = 1048576 -- bytes; far more than any message has

local function read(file, name)
    local text, why = file:read(MOST + 1)
    if not text and why then
        return nil, failure.new(failure.NO_INPUT, ("%s cannot be read: %s"):format(name, why))
    elseif text and #text > MOST then
        return nil, failure.new(failure.NO_INPUT, name .. " is longer than 1 MiB: is it the right one?")
    end
    return text or ""
end

--- Opens a file that has something in it; "-" is standard input.
-- @treturn file|nil or nil and a failure
function M.open(path)
    if path == "-" then
        return io.stdin
    end
    local file, why = io.open(path, "rb")
    if not file then
        return nil, failure.new(failure.NO_INPUT, why .. ": is the path right?")
    elseif not file:read(0) then
        file:close()
        return nil, failure.new(failure.NO_INPUT, path .. " is empty, or no file")
    end
    return file
end

local CHUNK = 65536
local LINE_MOST = 16777216 -- a list may be an array in one line

-- A line in parts, of which there are no more than it may have.
local function add(parts, piece)
    local room = LINE_MOST + 1 - parts.bytes
    if room > 0 then
        parts[#parts + 1] = piece:sub(1, room)
        parts.bytes = parts.bytes + math.min(room, #piece)
    end
end

--- The lines of a file, without their line feeds, of each at most 16 MiB and one byte.
-- @treturn function an iterator; it raises a failure when the file cannot be read
function M.lines(file)
    local chunk, at = "", 1
    return function()
        local parts = { bytes = 0 }
        while true do
            local feed = chunk:find("\n", at, true)
            add(parts, chunk:sub(at, (feed or #chunk + 1) - 1))
            if feed then
                at = feed + 1
                return table.concat(parts)
            end
            local more, why = file:read(CHUNK)
            if why then
                error(failure.new(failure.NO_INPUT, "the file cannot be read: " .. why), 0)
            elseif not more then
                chunk, at = "", 1
                return parts.bytes > 0 and table.concat(parts) or nil
            end
            chunk, at = more, 1
        end
    end
end

--- Reads a file, or standard input for "-".
-- @treturn string|nil the bytes, or nil and a failure
function M.read_file(path)
    local file, err = M.open(path)
    if not file then
        return nil, err
    end
    local text
    text, err = read(file, path == "-" and "standard input" or path)
    if path ~= "-" then
        file:close()
    end
    return text, err
end

--- The text of a command, without one line end behind it: that is how files end, not texts.
-- @tparam string|nil argument the text itself
-- @tparam string|nil path a file, or "-"
-- @treturn string|nil the text, or nil and a failure
function M.get(argument, path)
    if argument and path then
        return nil, failure.usage "the text stands there, and in a file too: give one of them"
    elseif argument then
        return argument
    elseif not path and core.is_tty(0) then
        io.stderr:write "Type the text; Ctrl-D on a line of its own ends it.\n"
    end
    local text, err = M.read_file(path or "-")
    if not text then
        return nil, err
    elseif text == "" then
        return nil, failure.usage "there is no text: give it as an argument, in a file or on standard input"
    end
    return (text:gsub("\r?\n$", ""))
end

return M
