--- Knows which texts it has been given before, without keeping them: some 50 bytes for each.
--
-- A text is known by 104 bits of its SHA-256 in two numbers, one as a key of a table and one as its value.
local core = require "twilio_sms.core"

local M = {}

local Seen = {}
Seen.__index = Seen

-- 52 bits each: LuaJIT's numbers are exact up to 2^53.
local function halves(text)
    local hex = core.body_sha256(text)
    return tonumber(hex:sub(1, 13), 16), tonumber(hex:sub(14, 26), 16)
end

--- A number that stands for a text.
function M.number(text)
    return (halves(text))
end

--- Adds a text.
-- @treturn boolean whether it is new
function Seen:add(text)
    local key, value = halves(text)
    local known = self.values[key]
    if known == nil then
        self.values[key] = value
    elseif known == value or self.others[text] then
        return false
    else
        self.others[text] = true
    end
    return true
end

function Seen:has(text)
    local key, value = halves(text)
    return self.values[key] == value or self.others[text] == true
end

function M.new()
    return setmetatable({ values = {}, others = {} }, Seen)
end

return M
