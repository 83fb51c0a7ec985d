--- What Twilio makes of a text with smart_encoded = true: typographic characters become plain ones.
--
-- Each code point is looked at alone, so the parts of a text may be replaced one by one.
local core = require "twilio_sms.core"
local map = require "twilio_sms.smart_encoding_map"
local options = require "twilio_sms.options"

local M = {}

-- LuaJIT has no utf8.char. The table has no code points beyond the first plane.
local function utf8_of(code_point)
    if code_point < 0x80 then
        return string.char(code_point)
    end
    local last = 0x80 + code_point % 0x40
    local rest = math.floor(code_point / 0x40)
    if rest < 0x20 then
        return string.char(0xC0 + rest, last)
    end
    return string.char(0xE0 + math.floor(rest / 0x40), 0x80 + rest % 0x40, last)
end

local replacements = {}
for replacement, code_points in pairs(map) do
    for _, code_point in ipairs(code_points) do
        replacements[utf8_of(code_point)] = replacement
    end
end

-- Only these may be in the table; most texts have none of them.
local CANDIDATE = "[^ -_a-~\n\r]"
local CHARACTER = "[^\128-\191][\128-\191]*"

--- Replaces what the table has; bytes that are no UTF-8 stay as they are.
-- @tparam string text
-- @treturn string the text
-- @treturn number how many characters were replaced
function M.apply(text)
    if type(text) ~= "string" then
        error("apply takes a string, not " .. options.kind_of(text), 2)
    end
    local count = 0
    if text:find(CANDIDATE) then
        text = text:gsub(CHARACTER, function(character)
            local replacement = replacements[character]
            if replacement then
                count = count + 1
            end
            return replacement
        end)
    end
    return text, count
end

--- Counts the segments that a text has when it is sent with smart_encoded = true.
-- @tparam string text
-- @treturn table|nil as sms.segments; first_ucs2 is a byte of the text that apply() gives. Or nil, err
function M.segments(text)
    return core.segments((M.apply(text)))
end

return M
