--- Brings texts into the form in which the words for opting out are compared.
local data = require "twilio_sms.keywords_data"

local M = {}

-- Characters as they are found in a text: a lead byte and what follows it.
local CHARACTER = "[\194-\244][\128-\191]*"

local LATIN = {}
for base, accented in pairs {
    A = "ÀÁÂÃÄÅĀĂĄàáâãäåāăą", AE = "Ææ", C = "ÇĆČçćč", D = "ĎĐďđ", E = "ÈÉÊËĒĖĘĚèéêëēėęě", G = "Ğğ",
    I = "ÌÍÎÏĪĮİìíîïīįı", L = "ŁĽłľ", N = "ÑŃŇñńň", O = "ÒÓÔÕÖØŌŐòóôõöøōő", OE = "Œœ", R = "ŘŔřŕ",
    S = "ŚŞŠȘśşšș", SS = "ßẞ", T = "ŢŤȚţťț", U = "ÙÚÛÜŪŮŰùúûüūůű", Y = "ÝŸýÿ", Z = "ŹŻŽźżž",
} do
    for character in accented:gmatch(CHARACTER) do
        LATIN[character] = base
    end
end

local function code_point(character)
    local a, b, c, d = character:byte(1, 4)
    if #character == 2 then
        return (a - 0xC0) * 0x40 + b - 0x80
    elseif #character == 3 and a >= 0xE0 then
        return ((a - 0xE0) * 0x40 + b - 0x80) * 0x40 + c - 0x80
    elseif #character == 4 and a >= 0xF0 then
        return (((a - 0xF0) * 0x40 + b - 0x80) * 0x40 + c - 0x80) * 0x40 + d - 0x80
    end
end

local function two_bytes(code)
    return string.char(0xC0 + (code - code % 0x40) / 0x40, 0x80 + code % 0x40)
end

-- Ranges of code points and what becomes of them. The first that fits counts.
local RANGES = {
    -- Nothing: apostrophes, combining accents, what is not visible, variants of emoji.
    { 0x00AD, 0x00AD, "" }, { 0x00B4, 0x00B4, "" }, { 0x02BC, 0x02BC, "" }, { 0x0300, 0x036F, "" },
    { 0x061C, 0x061C, "" }, { 0x180B, 0x180F, "" }, { 0x200B, 0x200F, "" }, { 0x2018, 0x201B, "" },
    { 0x202A, 0x202E, "" }, { 0x2032, 0x2032, "" }, { 0x2060, 0x206F, "" }, { 0xFE00, 0xFE0F, "" },
    { 0xFEFF, 0xFEFF, "" }, { 0xE0000, 0xE01EF, "" },
    -- A gap: punctuation, symbols, emoji.
    { 0x0080, 0x00BF, " " }, { 0x00D7, 0x00D7, " " }, { 0x00F7, 0x00F7, " " }, { 0x2000, 0x2BFF, " " },
    { 0x3000, 0x303F, " " }, { 0xFE10, 0xFE6F, " " }, { 0xFFFC, 0xFFFD, " " }, { 0x1F000, 0x1FAFF, " " },
    -- Full-width forms of ASCII.
    { 0xFF01, 0xFF5E, function(code) return string.char(code - 0xFEE0) end },
    -- Capitals of Greek and Cyrillic.
    { 0x03C2, 0x03C2, "\206\163" }, { 0x03B1, 0x03C9, function(code) return two_bytes(code - 0x20) end },
    { 0x0430, 0x044F, function(code) return two_bytes(code - 0x20) end },
    { 0x0450, 0x045F, function(code) return two_bytes(code - 0x50) end },
}

local function fold_character(character)
    local base = LATIN[character]
    if base then
        return base
    end
    local code = code_point(character)
    for _, range in ipairs(RANGES) do
        if code and code >= range[1] and code <= range[2] then
            local to = range[3]
            return type(to) == "string" and to or to(code)
        end
    end
    return character
end

local SPELT_LEAST = 3 -- letters that stand alone and are one word: "S.T.O.P."

local function join_letters(words)
    local joined, letters = {}, {}
    for i = 1, #words + 1 do
        local word = words[i]
        if word and word:find "^[A-Z]$" then
            letters[#letters + 1] = word
        else
            if #letters >= SPELT_LEAST then
                letters = { table.concat(letters) }
            end
            for _, letter in ipairs(letters) do
                joined[#joined + 1] = letter
            end
            joined[#joined + 1], letters = word, {}
        end
    end
    return joined
end

--- Capitals without accents, words with one space between them, no word twice in a row ("STOP STOP STOP").
function M.fold(text)
    text = text:gsub(CHARACTER, fold_character):upper():gsub("['`]", ""):gsub("[^A-Z0-9\128-\255]+", " ")
    local words, different = {}, {}
    for word in text:gmatch "[^ ]+" do
        words[#words + 1] = word
    end
    for _, word in ipairs(join_letters(words)) do
        if word ~= different[#different] then
            different[#different + 1] = word
        end
    end
    return table.concat(different, " ")
end

local LOOKALIKES = {}
for _, script in ipairs(data.lookalikes) do
    local place = 0
    for character in script[1]:gmatch(CHARACTER) do
        place = place + 1
        LOOKALIKES[character] = script[2]:sub(place, place)
    end
end

--- A text in which letters of Greek and Cyrillic that look like Latin ones are these.
function M.latin(text)
    return (text:gsub(CHARACTER, LOOKALIKES))
end

local STRETCHED_LEAST = 3 -- of one letter at the end: "STOPPP"

--- Leaves that many of a stretched last letter.
function M.shrink(text, count)
    local stem, last = #text, text:byte(-1)
    while stem > 0 and text:byte(stem) == last do
        stem = stem - 1
    end
    return #text - stem >= STRETCHED_LEAST and text:sub(1, stem + count) or text
end

return M
