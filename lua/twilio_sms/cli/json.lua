--- JSON for programs: the members of objects sorted by name, so that the same gives the same text.
local core = require "twilio_sms.core"
local terminal = require "twilio_sms.cli.terminal"

local M = {}

local REPLACEMENT = "\239\191\189" -- U+FFFD

local EMPTY_LIST = setmetatable({}, { __name = "twilio_sms.cli.json.empty_list" })

--- A list, which stays one when it is empty.
function M.list(items)
    return #items > 0 and items or EMPTY_LIST
end

-- A character of two or three bytes as JSON writes it in ASCII: programs read the same, and a terminal that
-- somebody looks at obeys nothing.
local function escape(character)
    local first, second, third = character:byte(1, 3)
    local code = third and (first % 16 * 64 + second % 64) * 64 + third % 64 or first % 32 * 64 + second % 64
    return ("\\u%04x"):format(code)
end

local encode

local function object(value)
    local names, out = {}, {}
    for name in pairs(value) do
        names[#names + 1] = name
    end
    table.sort(names)
    for i, name in ipairs(names) do
        out[i] = encode(name) .. ":" .. encode(value[name])
    end
    return "{" .. table.concat(out, ",") .. "}"
end

local function list(value)
    local out = {}
    for i, item in ipairs(value) do
        out[i] = encode(item)
    end
    return "[" .. table.concat(out, ",") .. "]"
end

function encode(value)
    if value == EMPTY_LIST then
        return "[]"
    elseif type(value) == "table" then
        return value[1] ~= nil and list(value) or object(value)
    end
    local text = core.json_encode(value)
    if not text and type(value) == "string" then -- it is no UTF-8
        text = core.json_encode((value:gsub("[\128-\255]", REPLACEMENT)))
    elseif type(value) == "string" then
        text = terminal.each_obeyed(text, escape):gsub("\127", "\\u007f")
    end
    return text or "null" -- a number that JSON has not
end

--- The JSON of a value, in one line. What is no UTF-8 in a text is replaced.
M.encode = encode

return M
