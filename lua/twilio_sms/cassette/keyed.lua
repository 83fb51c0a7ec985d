--- HMAC-SHA-256 (RFC 2104) for pseudonyms: who does not have the key cannot make the same ones.
local core = require "twilio_sms.core"

local M = {}

local BLOCK = 64

-- A byte with the bits of a mask turned over; PUC Lua and LuaJIT have no operator in common for it.
local function flipped(byte, mask)
    local out, bit = 0, 1
    for _ = 1, 8 do
        if byte % 2 ~= mask % 2 then
            out = out + bit
        end
        byte, mask, bit = math.floor(byte / 2), math.floor(mask / 2), bit * 2
    end
    return string.char(out)
end

local function from_hex(hex)
    return (hex:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

--- A function that answers the MAC of a text under this key, 64 hex digits.
-- @tparam string key
function M.new(key)
    if #key > BLOCK then
        key = from_hex(core.body_sha256(key))
    end
    key = key .. ("\0"):rep(BLOCK - #key)
    local inner = key:gsub(".", function(c) return flipped(c:byte(), 0x36) end)
    local outer = key:gsub(".", function(c) return flipped(c:byte(), 0x5C) end)
    return function(text)
        return core.body_sha256(outer .. from_hex(core.body_sha256(inner .. text)))
    end
end

--- A whole number from the digits of a MAC, small enough to be exact everywhere.
-- @tparam string mac
-- @tparam number count answers 0 .. count - 1
function M.below(mac, count)
    return tonumber(mac:sub(1, 12), 16) % count
end

return M
