--- Says whether a message is a word for opting out, opting in or asking for help.
--
-- Two classes. "strict" is what Twilio itself acts on: the whole message is one of its words, white space
-- around it and case aside. "wide" is what a person who reads it would understand as well: "Stop.", "please
-- stop", "opt out", the words of other languages. Opting in again takes a strict word.
local data = require "twilio_sms.keywords_data"
local options = require "twilio_sms.options"

local M = {}

-- Nothing longer than this is a keyword, so that whoever sends a lot costs little.
local LONGEST_BYTES = 256

-- ---- White space --------------------------------------------------------------------------------

-- Unicode's property White_Space outside of ASCII: U+0085 and U+00A0, U+1680, U+2000 to U+200A, U+2028,
-- U+2029 and U+202F, U+205F, U+3000.
local WIDE_SPACES = {
    "\194[\133\160]", "\225\154\128", "\226\128[\128-\138\168\169\175]", "\226\129\159", "\227\128\128",
}

-- Without the white space around it; nil when nothing is left, or too much.
local function trim(text)
    for _, space in ipairs(WIDE_SPACES) do
        text = text:gsub(space, " ")
    end
    local first = text:find "[^ \t-\r]"
    local trimmed = first and text:match("^.*[^ \t-\r]", first)
    return trimmed and #trimmed <= LONGEST_BYTES and trimmed or nil
end

-- ---- Folding ------------------------------------------------------------------------------------

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

-- Capitals without accents, words with one space between them, no word twice in a row ("STOP STOP STOP").
local function fold(text)
    text = text:gsub(CHARACTER, fold_character):upper():gsub("['`]", ""):gsub("[^A-Z0-9\128-\255]+", " ")
    local words = {}
    for word in text:gmatch "[^ ]+" do
        if word ~= words[#words] then
            words[#words + 1] = word
        end
    end
    return table.concat(words, " ")
end

-- ---- Classes ------------------------------------------------------------------------------------

local function set_of(list, into)
    local set = into or {}
    for _, word in ipairs(list) do
        set[word] = true
    end
    return set
end

local STRICT = {}
for action, words in pairs(data.strict) do
    for _, word in ipairs(words) do
        STRICT[word] = action
    end
end

-- Takes one polite word from each end.
local function without_manners(text, polite)
    for _, word in ipairs(polite) do
        if #text > #word and text:sub(-#word - 1) == " " .. word then
            text = text:sub(1, -#word - 2)
            break
        end
    end
    for _, word in ipairs(polite) do
        if text:sub(1, #word + 1) == word .. " " then
            return text:sub(#word + 2)
        end
    end
    return text
end

local function check_list(name, list, level)
    if list[1] == nil and next(list) ~= nil then
        error(("option '%s' must be a list"):format(name), level + 1)
    end
    for _, item in ipairs(list) do
        if type(item) ~= "string" then
            error(("option '%s' must hold strings, not a %s"):format(name, type(item)), level + 1)
        end
    end
    return list
end

local OPTIONS = { languages = "table", words = "table", ignore = "table" }
local WORDS = { stop = "table", help = "table" }

local function folded(name, list, level)
    local out = {}
    for i, word in ipairs(check_list(name, list, level + 1)) do
        out[i] = fold(word)
    end
    return out
end

local function language_names()
    local names = {}
    for name in pairs(data.languages) do
        names[#names + 1] = name
    end
    table.sort(names)
    return table.concat(names, ", ")
end

local function check_ignored(words, level)
    for _, reserved in ipairs(data.reserved) do
        if words[reserved] then
            error(("option 'ignore': %s always has its meaning"):format(reserved), level + 1)
        end
    end
    return words
end

--- Makes a function that classifies messages.
-- @tparam[opt] table opts languages (a list out of en, de, es, fr, it, nl, pt; default { "en" }); words
--   { stop = {...}, help = {...} }, more of the wide class; ignore, a list of words that shall mean nothing
-- @tparam[opt] number level as for error
-- @treturn function text -> "stop" | "start" | "help" | nil, "strict" | "wide", the word or phrase
function M.classifier(opts, level)
    level = (level or 1) + 1
    opts = options.check(opts, OPTIONS, level)
    local more = options.check(opts.words, WORDS, level)
    local ignored = check_ignored(set_of(folded("ignore", opts.ignore or {}, level)), level)
    local wide = { stop = set_of(data.strict.stop), help = set_of(data.strict.help) }
    local polite = {}
    for _, name in ipairs(check_list("languages", opts.languages or { "en" }, level)) do
        local language = data.languages[name]
        if not language then
            error(("unknown language '%s'; there are %s"):format(name, language_names()), level)
        end
        set_of(language.stop, wide.stop)
        set_of(language.help, wide.help)
        for _, word in ipairs(language.polite) do
            polite[#polite + 1] = word
        end
    end
    for action, words in pairs(more) do
        set_of(folded("words." .. action, words, level), wide[action])
    end

    return function(text)
        local trimmed = trim(text)
        if not trimmed then
            return nil
        end
        local word = trimmed:upper()
        if STRICT[word] then
            if ignored[word] then
                return nil
            end
            return STRICT[word], "strict", word
        end
        local phrase = fold(trimmed)
        local plain = without_manners(phrase, polite)
        for _, candidate in ipairs { phrase, plain } do
            if ignored[candidate] then
                return nil
            end
            for _, action in ipairs { "stop", "help" } do
                if wide[action][candidate] then
                    return action, "wide", candidate
                end
            end
        end
        return nil
    end
end

local default = M.classifier()

--- Classifies one message.
-- @tparam string text any bytes
-- @tparam[opt] table opts as for classifier
-- @treturn string|nil "stop", "start", "help"; nil when it is none
-- @treturn string|nil "strict" or "wide"
-- @treturn string|nil the word or phrase, in capitals
function M.classify(text, opts)
    if type(text) ~= "string" then
        error("classify takes a text, not a " .. type(text), 2)
    end
    local classifier = default
    if opts ~= nil then
        classifier = M.classifier(opts, 2)
    end
    return classifier(text)
end

return M
