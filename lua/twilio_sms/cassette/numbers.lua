--- Numbers that belong to nobody, for each country and length.
--
-- North America keeps 555-0100 to 555-0199 of each area code for fiction (NANPA, "555 line numbers"), Great
-- Britain 07700 900000 to 900999 (Ofcom, numbers for drama use), France 06 39 98 00 00 to 99 99 (ARCEP
-- decision 2009-0274). Elsewhere, and where those are used up, it is 555 01 behind the calling code.
local keyed = require "twilio_sms.cassette.keyed"

local M = {}

-- Calling codes of one and two digits (ITU-T E.164, list of assigned codes); all others have three.
local ONE = "[17]"
local TWO = {}
for code in ([[20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65
    66 81 82 84 86 90 91 92 93 94 95 98]]):gmatch "%d+" do
    TWO[code] = true
end

local function calling_code(digits)
    if digits:find("^" .. ONE) then
        return digits:sub(1, 1)
    end
    return TWO[digits:sub(1, 2)] and digits:sub(1, 2) or digits:sub(1, 3)
end

local STYLE = "55501"
local CROWDED = 64 -- numbers in a row that are taken say that there are too few
local LEAST_FREE = 2 -- digits that tell people apart
local MOST_FREE = 4 -- more would tell who somebody is: so many that have the same pseudonym is what hides one

-- The fixed digits and how many are free; `shorter` makes room for more people.
local function styled(code, length, shorter)
    local free = math.max(LEAST_FREE, length - #code - #STYLE)
    free = math.min(free + shorter, length - #code)
    return code .. STYLE:sub(1, math.max(0, length - #code - free)), free
end

-- Toll-free area codes: they obey other rules, so that a number must keep its own.
local TOLL_FREE = { ["800"] = true, ["833"] = true, ["844"] = true, ["855"] = true, ["866"] = true,
    ["877"] = true, ["888"] = true }

local RESERVED = {
    ["^447%d%d%d%d%d%d%d%d%d$"] = { "447700900", 3 },
    ["^33%d%d%d%d%d%d%d%d%d$"] = { "3363998", 4 },
}
local NORTH_AMERICAN = "^1([2-9]%d%d)[2-9]%d%d%d%d%d%d$"

local function area_code(mac)
    local area = ("%d"):format(200 + keyed.below(mac:sub(13), 800))
    return TOLL_FREE[area] and "555" or area
end

--- A number for a number: "+1...", its country and length kept.
-- @tparam string number in E.164
-- @tparam string mac what chooses among them
-- @tparam number n 0 for the first choice, more when those before belong to other numbers
function M.pseudonym(number, mac, n)
    local digits = number:sub(2)
    local prefix, free
    local area = digits:match(NORTH_AMERICAN)
    if n == 0 and area then
        prefix, free = "1" .. (TOLL_FREE[area] and area or area_code(mac)) .. "55501", 2
    elseif n == 0 then
        for pattern, range in pairs(RESERVED) do
            if digits:find(pattern) then
                prefix, free = range[1], range[2]
            end
        end
    end
    if not prefix then
        prefix, free = styled(calling_code(digits), #digits, math.floor(n / CROWDED))
    end
    local used = n == 0 and math.min(free, MOST_FREE) or free
    return ("+%s%0" .. free .. "d"):format(prefix, keyed.below(mac, 10 ^ used))
end

-- The senders and recipients of Twilio's test credentials
-- (https://www.twilio.com/docs/iam/test-credentials).
local MAGIC = "^1500555000%d$"

--- Whether a number belongs to nobody, and may be shown.
-- @tparam string number in E.164
function M.is_reserved(number)
    local digits = number:sub(2)
    if digits:find(MAGIC) or digits:find "^1[2-9]%d%d55501%d%d$" or digits:find "^447700900%d%d%d$"
        or digits:find "^3363998%d%d%d%d$" then
        return true
    end
    local code = calling_code(digits)
    -- A number that is too short for all of the style is not known by what is left of it.
    return #digits >= #code + #STYLE + LEAST_FREE and digits:sub(#code + 1, #code + #STYLE) == STYLE
end

return M
