local scan = require "twilio_sms.cassette.scan"

local SECRET = "s3cr3t/Tok+en=with%signs"
local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(text)
    local out = {}
    for i = 1, #text, 3 do
        local a, b, c = text:byte(i, i + 2)
        local bits = a * 65536 + (b or 0) * 256 + (c or 0)
        local digits = {}
        for k = 3, 0, -1 do
            local digit = math.floor(bits / 64 ^ k) % 64 + 1
            digits[#digits + 1] = ALPHABET:sub(digit, digit)
        end
        digits[3] = b and digits[3] or "="
        digits[4] = c and digits[4] or "="
        out[#out + 1] = table.concat(digits)
    end
    return table.concat(out)
end

local function hex(text, format)
    return (text:gsub(".", function(c) return (format or "%02x"):format(c:byte()) end))
end

local ENCODINGS = {
    ["as it is"] = function(text) return text end,
    ["percent-encoded"] = function(text) return hex(text, "%%%02X") end,
    ["percent-encoded where needed"] = function(text)
        return (text:gsub("[^%w]", function(c) return ("%%%02x"):format(c:byte()) end))
    end,
    ["base64"] = base64,
    ["base64 for URLs"] = function(text)
        return (base64(text):gsub("+", "-"):gsub("/", "_"):gsub("=", ""))
    end,
    ["base64 of user and token"] = function(text) return "Basic " .. base64("AC123:" .. text) end,
    ["base64 of token and more"] = function(text) return base64(text .. ":more") end,
    ["base64 behind other letters"] = function(text) return "xyz/" .. base64("ab" .. text) end,
    ["JSON with escapes"] = function(text) return hex(text, "\\u%04x") end,
    ["JSON with escaped slashes"] = function(text) return (text:gsub("/", "\\/")) end,
    ["hexadecimal"] = hex,
    ["hexadecimal in capitals"] = function(text) return hex(text, "%02X") end,
    ["hexadecimal behind a digit"] = function(text) return "f" .. hex(text) end,
    ["percent-encoded twice"] = function(text) return (hex(text, "%%%02X"):gsub("%%", "%%25")) end,
    ["JSON with escapes, escaped"] = function(text) return hex(text, "\\\\u%04x") end,
    ["base64, percent-encoded"] = function(text) return (base64(text):gsub("[=+/]", function(c)
        return ("%%%02X"):format(c:byte())
    end)) end,
}

local NOBODY = { seen = {}, is_allowed = function(number) return number == "+12125550123" end }

describe("the scan of a tape", function()
    for name, encode in pairs(ENCODINGS) do
        it("finds a secret " .. name, function()
            local line = '{"body":"' .. encode(SECRET) .. '"}'
            assert.equal("the token", scan.line(line, { { "the token", SECRET } }, NOBODY))
            assert.is_nil(scan.line('{"body":"' .. encode("something else") .. '"}',
                { { "the token", SECRET } }, NOBODY))
        end)

        it("finds a number " .. name, function()
            local line = '{"to":"' .. encode("to=+12125551234&x") .. '"}'
            assert.equal("a phone number", scan.line(line, {}, NOBODY))
            assert.is_nil(scan.line('{"to":"' .. encode("to=+12125550123&x") .. '"}', {}, NOBODY))
        end)
    end

    it("finds the digits of a number that was seen", function()
        local seen = { seen = { ["12125551234"] = true }, is_allowed = function() return true end }
        assert.equal("a phone number", scan.line('{"x":"call 12125551234 now"}', {}, seen))
        assert.is_nil(scan.line('{"x":"call 12125551235 now"}', {}, seen))
    end)

    it("does not take dates for numbers", function()
        assert.is_nil(scan.line('{"d":"Mon, 23 Nov 2026 00:06:07 +0000","at":1795392367517}', {}, NOBODY))
    end)
end)
