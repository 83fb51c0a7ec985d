--- Other text of the same shape: each letter and digit becomes one that takes as much room.
--
-- Which one it becomes follows from the seed and not from the letter: a letter moved by some steps could be
-- moved back by whoever tries all seeds, and with it the whole text.
--
-- What decides about segments is kept for each character: whether it is in the GSM 7-bit alphabet, in its
-- extension table (3GPP TS 23.038 section 6.2.1) or in neither, how many UTF-16 units it has, and how many
-- bytes. White space and punctuation stay.
local M = {}

-- The minimal standard generator of Park and Miller. A tape that was recorded must read the same for ever, so
-- that it is not one that may be made better.
local Chance = {}
Chance.__index = Chance

function Chance:next()
    self.state = self.state * 48271 % 2147483647
    return self.state
end

local function chance_of(seed)
    local chance = setmetatable({ state = seed % 2147483646 + 1 }, Chance)
    chance:next() -- seeds that are close begin apart
    chance:next()
    return chance
end

local function characters(text)
    local list = {}
    for character in text:gmatch "[^\128-\191][\128-\191]*" do
        list[#list + 1] = character
    end
    return list
end

-- Letters that take one septet, by the two bytes that they have in UTF-8.
local GSM = {
    characters "ÄÅÆÇÉÑÖØÜ",
    characters "ßàäåæèéìñòöøùü",
    characters "ΓΔΘΛΞΠΣΦΨΩ",
}
local GSM_SIGNS = characters "¡£¤¥§¿"

-- What stands for letters outside of that alphabet.
local LATIN = characters "áâãçêëíîïóôõúûýÿ"
local GREEK = characters "αβγδεζηθικλμνξοπρστυφχψω"
local CYRILLIC = characters "абвгдежзийклмнопрстуфхцчшщъыьэюя"
local FACES = characters "😀😁😂😃😄😅😆😇😈😉😊😋😌😍😎😏"

local SET_OF = {}
for _, set in ipairs(GSM) do
    for _, letter in ipairs(set) do
        SET_OF[letter] = set
    end
end
for _, sign in ipairs(GSM_SIGNS) do
    SET_OF[sign] = { sign }
end

local function one_of(set, chance)
    return set[chance:next() % #set + 1]
end

local function ascii(character, chance)
    local first, count
    if character:find "%d" then
        first, count = 48, 10
    elseif character:find "%u" then
        first, count = 65, 26
    elseif character:find "%l" then
        first, count = 97, 26
    else
        return character
    end
    return string.char(first + chance:next() % count)
end

local function two_bytes(character, chance)
    local lead = character:byte()
    if SET_OF[character] then
        return one_of(SET_OF[character], chance)
    elseif lead == 0xCE or lead == 0xCF then
        return one_of(GREEK, chance)
    elseif lead >= 0xD0 and lead <= 0xD3 then
        return one_of(CYRILLIC, chance)
    elseif lead == 0xC2 or lead == 0xCC or lead == 0xCD then
        return character -- signs and combining marks
    end
    return one_of(LATIN, chance)
end

local function three_bytes(character, chance)
    if character:find "^\226[\128-\130]" or character:find "^\239\184" then
        return character -- punctuation, currencies and variation selectors
    end
    local n = chance:next() % 4096 -- the block from U+4E00 to U+5DFF
    local code = 0x4E00 + n
    return string.char(0xE0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
end

-- How many bytes a character has that begins with this one; 0 when none does (RFC 3629 section 4).
local function size_of(lead)
    if lead < 0x80 then
        return 1
    elseif lead < 0xE0 then
        return lead >= 0xC2 and 2 or 0
    elseif lead < 0xF0 then
        return 3
    end
    return lead < 0xF5 and 4 or 0
end

--- Disguises a text. Bytes that are no UTF-8 become question marks.
-- @tparam string text
-- @tparam number seed a whole number: the same one gives the same text
function M.text(text, seed)
    local chance, out, at = chance_of(seed), {}, 1
    while at <= #text do
        local lead = text:byte(at)
        local size = size_of(lead)
        local character = text:match("^.[\128-\191]*", at):sub(1, math.max(size, 1))
        if size == 0 or #character < size then
            out[#out + 1] = ("?"):rep(#character)
        elseif size == 1 then
            out[#out + 1] = ascii(character, chance)
        elseif size == 2 then
            out[#out + 1] = two_bytes(character, chance)
        else
            out[#out + 1] = size == 3 and three_bytes(character, chance) or one_of(FACES, chance)
        end
        at = at + #character
    end
    return table.concat(out)
end

return M
