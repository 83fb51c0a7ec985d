--- JSON with its members in a fixed order, so that the same run gives the same bytes.
--
-- (The order of a Lua table is another in each process.) What is made are lists of pieces; nobody puts them
-- together in Lua. That matters on LuaJIT, which interns each string by a hash of sixteen of its bytes: long
-- texts of one shape all collide, and each new one is compared with all that were not collected yet.
local cjson = require "cjson"
local core = require "twilio_sms.core"

local byte = string.byte

local M = {}

local codec = cjson.new()

--- Stands for null; a member that is nil is left out.
M.null = {}

local REPLACEMENT = "\239\191\189" -- U+FFFD

-- Whether nothing in it needs an escape: no control character, quote or backslash. And whether it is ASCII.
-- Byte by byte, because LuaJIT compiles no patterns.
local function look_at(text)
    local is_ascii = true
    for i = 1, #text do
        local c = byte(text, i)
        if c < 32 or c == 34 or c == 92 or c == 127 then
            return false, false
        elseif c > 127 then
            is_ascii = false
        end
    end
    return true, is_ascii
end

--- A text as it stands between quotes. Slashes may stay as they are, and URIs can be read then. Of what is no
-- UTF-8 the bytes beyond ASCII are replaced.
function M.escape(text)
    local is_plain, is_ascii = look_at(text)
    if not is_ascii and not core.segments(text) then
        text = text:gsub("[\128-\255]", REPLACEMENT)
    end
    if is_plain then
        return text
    end
    return (codec.encode(text):sub(2, -2):gsub("\\/", "/"))
end

local function append(out, value)
    local kind = type(value)
    if kind == "string" then
        local n = #out
        out[n + 1], out[n + 2], out[n + 3] = '"', M.escape(value), '"'
    elseif kind == "number" then
        out[#out + 1] = ("%d"):format(value)
    elseif value == M.null then
        out[#out + 1] = "null"
    else
        for _, piece in ipairs(value) do
            out[#out + 1] = piece
        end
    end
end

--- An object with these members.
-- @tparam table keys their names, in order
-- @tparam table values by name: strings, whole numbers, null, or pieces that are JSON already
-- @treturn table pieces
function M.object(keys, values)
    local out = {}
    for _, key in ipairs(keys) do
        local value = values[key]
        if value ~= nil then
            out[#out + 1] = out[1] and ',"' or '{"'
            out[#out + 1] = M.escape(key)
            out[#out + 1] = '":'
            append(out, value)
        end
    end
    out[#out + 1] = out[1] and "}" or "{}"
    return out
end

--- An object with the members of a table, sorted by name.
-- @treturn table pieces
function M.map(values)
    local keys = {}
    for key in pairs(values) do
        keys[#keys + 1] = key
    end
    table.sort(keys)
    return M.object(keys, values)
end

--- A list of values that are pieces.
-- @treturn table pieces
function M.list(values)
    local out = { "[" }
    for i, value in ipairs(values) do
        out[#out + 1] = i > 1 and "," or nil
        append(out, value)
    end
    out[#out + 1] = "]"
    return out
end

--- Reads an object as tags are given.
-- @treturn table|nil
function M.decode(text)
    local ok, value = pcall(codec.decode, text)
    return ok and type(value) == "table" and value or nil
end

return M
