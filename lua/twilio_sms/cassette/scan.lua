--- Searches a finished tape for what must not be there: secrets, and numbers of people.
--
-- A text hides in others in many ways, so that each line is searched as it is and as what it may stand for:
-- percent-encoded, JSON with escapes, hexadecimal, base64; and each of these again.
local M = {}

local function from_hex(hex)
    return (hex:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

local function url_decoded(text)
    return text:find "%%%x%x" and text:gsub("%%(%x%x)", from_hex) or nil
end

-- Halves of characters beyond U+FFFF come out as three bytes each.
local function utf8_of(code)
    if code < 0x80 then
        return string.char(code)
    elseif code < 0x800 then
        return string.char(0xC0 + math.floor(code / 64), 0x80 + code % 64)
    end
    return string.char(0xE0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
end

local ESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

local function json_decoded(text)
    if not text:find("\\", 1, true) then
        return nil
    end
    return (text:gsub("\\(.)(%x?%x?%x?%x?)", function(sign, hex)
        if sign == "u" and #hex == 4 then
            return utf8_of(tonumber(hex, 16))
        end
        return (ESCAPES[sign] or sign) .. hex
    end))
end

local LEAST_RUN = 8 -- characters that may be an encoded text

local function hex_decoded(text)
    local out = {}
    for run in text:gmatch(("%x"):rep(LEAST_RUN) .. "+") do
        out[#out + 1] = from_hex(run)
        out[#out + 1] = from_hex(run:sub(2)) -- when something else stands before it
    end
    return out[1] and table.concat(out, "\n") or nil
end

local DIGIT = {}
for i = 0, 63 do
    local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    DIGIT[alphabet:byte(i + 1)] = i
end
DIGIT[("-"):byte()], DIGIT[("_"):byte()] = 62, 63 -- RFC 4648 section 5

local function base64_bytes(run)
    local out, floor = {}, math.floor
    for i = 1, #run - 1, 4 do
        local a, b, c, d = run:byte(i, i + 3)
        local bits = DIGIT[a] * 262144 + (DIGIT[b] or 0) * 4096 + (DIGIT[c] or 0) * 64 + (DIGIT[d] or 0)
        out[#out + 1] = string.char(floor(bits / 65536), floor(bits / 256) % 256, bits % 256)
    end
    return table.concat(out)
end

local function base64_decoded(text)
    local out = {}
    for run in text:gmatch(("[%w+/_-]"):rep(LEAST_RUN) .. "+") do
        for skipped = 1, 4 do
            out[#out + 1] = base64_bytes(run:sub(skipped))
        end
    end
    return out[1] and table.concat(out, "\n") or nil
end

-- A URL in a URL is encoded twice, JSON in JSON is escaped twice; nobody encodes other things twice.
local DECODERS = {
    { url_decoded, most = 2 }, { json_decoded, most = 2 },
    { hex_decoded, most = 1 }, { base64_decoded, most = 1 },
}
local DEPTH = 3

-- Calls visit(text) for a text and what it may stand for; `used` counts the decoders on the way.
local function each_view(text, depth, used, visit)
    visit(text)
    if depth == 0 then
        return
    end
    for i, decoder in ipairs(DECODERS) do
        local decoded = used[i] < decoder.most and decoder[1](text)
        if decoded then
            used[i] = used[i] + 1
            each_view(decoded, depth - 1, used, visit)
            used[i] = used[i] - 1
        end
    end
end

local function find_secret(text, secrets)
    for _, secret in ipairs(secrets) do
        if text:find(secret[2], 1, true) then
            return secret[1]
        end
    end
end

-- As many digits as a number in E.164 may have.
local function find_number(text, numbers)
    for plus, digits in text:gmatch "(%+?)(%d%d%d%d%d%d%d+)" do
        local is_number = plus == "+" and #digits <= 15 and digits:sub(1, 1) ~= "0"
        if is_number and not numbers.is_allowed("+" .. digits) or numbers.seen[digits] then
            return "a phone number"
        end
    end
end

--- Searches one line.
-- @tparam string line
-- @tparam table secrets a list of { name, text }
-- @tparam table numbers is_allowed(number); seen, a set of the digits of numbers that must not be there
-- @treturn string|nil what was found
function M.line(line, secrets, numbers)
    local found
    each_view(line, DEPTH, { 0, 0, 0, 0 }, function(text)
        found = found or find_secret(text, secrets) or find_number(text, numbers)
    end)
    return found
end

--- Searches a file.
-- @treturn string|nil what was found
-- @treturn number|nil in which line
function M.file(path, secrets, numbers)
    local file, why = io.open(path, "rb")
    if not file then
        return why, 0
    end
    local count, found = 0, nil
    for line in file:lines() do
        count = count + 1
        found = M.line(line, secrets, numbers)
        if found then
            break
        end
    end
    file:close()
    if found then
        return found, count
    end
end

return M
