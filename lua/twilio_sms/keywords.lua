--- Says whether a message is a word for opting out, opting in or asking for help.
--
-- Two classes. "strict" is what Twilio itself acts on: the whole message is one of its words, white space
-- around it and case aside. "wide" is what a person who reads it would understand as well: "Stop.", "please
-- stop", "opt out", "S.T.O.P.", "STOPPP", a word above a signature, the words of other languages. Opting in
-- again takes a strict word.
local data = require "twilio_sms.keywords_data"
local folding = require "twilio_sms.keywords_fold"
local options = require "twilio_sms.options"

local M = {}

local fold, latin, shrink = folding.fold, folding.latin, folding.shrink

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

-- What stands above the line that a program writes below by itself.
local function without_signature(text)
    if not text:find "[\r\n]" then
        return text
    end
    for place, line in text:gmatch "()([^\r\n]+)" do
        local folded = fold(line) .. " "
        for _, signature in ipairs(data.signatures) do
            if folded:sub(1, #signature + 1) == signature .. " " then
                return text:sub(1, place - 1)
            end
        end
    end
    return text
end

-- Takes the polite words from both ends, as long as something is left.
local function without_manners(text, polite)
    local before
    repeat
        before = text
        for _, word in ipairs(polite) do
            if #text > #word and text:sub(-#word - 1) == " " .. word then
                text = text:sub(1, -#word - 2)
            elseif text:sub(1, #word + 1) == word .. " " then
                text = text:sub(#word + 2)
            end
        end
    until text == before
    return text
end

-- What a message may mean, the most likely first.
local function readings_of(text, polite)
    local phrase = fold(without_signature(text))
    local plain = without_manners(phrase, polite)
    local alike = latin(plain)
    return { phrase, plain, alike, shrink(alike, 1), shrink(alike, 2) }
end

local function check_list(name, list, level)
    if list[1] == nil and next(list) ~= nil then
        error(("option '%s' must be a list"):format(name), level + 1)
    end
    for _, item in ipairs(list) do
        if type(item) ~= "string" then
            error(("option '%s' must hold strings, not %s"):format(name, options.kind_of(item)), level + 1)
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
        for _, reading in ipairs(readings_of(trimmed, polite)) do
            if ignored[reading] then
                return nil
            end
            for _, action in ipairs { "stop", "help" } do
                if wide[action][reading] then
                    return action, "wide", reading
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
        error("classify takes a text, not " .. options.kind_of(text), 2)
    end
    local classifier = default
    if opts ~= nil then
        classifier = M.classifier(opts, 2)
    end
    return classifier(text)
end

return M
