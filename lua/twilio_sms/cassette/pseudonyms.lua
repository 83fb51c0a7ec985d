--- What stands on a tape for account, numbers, sids, texts and URLs: equal ones stay equal.
--
-- Each follows from the value and the key of the tape, so that recording and replaying agree without the
-- value being kept. Because the key may be on the tape, many numbers must have the same pseudonym, and
-- nothing around it may tell more of the number than the pseudonym does. When two numbers on a tape want the
-- same one the later moves on, and the tape says so with a few digits of its MAC, no more than tell the two
-- apart.
local disguise = require "twilio_sms.cassette.disguise"
local e164 = require "twilio_sms.e164"
local keyed = require "twilio_sms.cassette.keyed"
local keywords = require "twilio_sms.keywords"
local numbers = require "twilio_sms.cassette.numbers"
local quotes = require "twilio_sms.cassette.quotes"
local words = require "twilio_sms.cassette.words"

local M = {
    --- What stands for the account of the client.
    ACCOUNT_SID = "AC" .. ("0"):rep(32),
}

local Pseudonyms = {}
local class = { __index = Pseudonyms, __name = "twilio_sms.cassette.pseudonyms" }

local function set_of(list)
    local set = {}
    for _, name in ipairs(list or {}) do
        set[name] = true
    end
    return set
end

--- @tparam table opts key; account_sid of the client; keep_hosts, keep_texts (lists); keep_sids
function M.new(opts)
    return setmetatable({
        mac = keyed.new(opts.key),
        account_sid = opts.account_sid,
        keep_hosts = set_of(opts.keep_hosts),
        keep_texts = set_of(opts.keep_texts),
        keep_sids = opts.keep_sids,
        of = {},        -- pseudonym by "kind:value"
        owner = {},     -- "kind:value" by "kind:pseudonym"
        homes = {},     -- the first choice of each that had to move on, by "kind:value"
        sharing = {},   -- by the pseudonym that several want, those that moved on: { home, tag, pseudonym }
        news = {},      -- of these, the ones that are not on the tape yet
        known = nil,    -- what the tape says, when it is one that is replayed
    }, class)
end

--- Takes what a tape says, and follows it from then on.
-- @tparam table moved a list of { home, tag, pseudonym }
-- @tparam table known a set of all values on the tape
function Pseudonyms:follow(moved, known)
    self.known = known
    for _, entry in ipairs(moved) do
        local sharing = self.sharing[entry[1]] or {}
        sharing[#sharing + 1] = entry
        table.sort(sharing, function(a, b) return #a[2] > #b[2] end)
        self.sharing[entry[1]] = sharing
    end
end

--- What is to be written down about those that moved on since the last call.
-- @treturn table|nil a list
function Pseudonyms:take_news()
    local news = self.news
    self.news = {}
    return news[1] and news or nil
end

-- ---- Finding one ---------------------------------------------------------------------------------

local TAG_LEAST = 1

-- As many digits as tell this value from those that moved on from the same pseudonym before it.
local function tag_of(self, id, home, mac)
    local size = TAG_LEAST
    for other, place in pairs(self.of) do
        if other ~= id and (place == home or self.homes[other] == home) then
            while self.mac("tag:" .. other):sub(1, size) == mac:sub(1, size) do
                size = size + 1
            end
        end
    end
    return mac:sub(1, size)
end

local TRIES_MOST = 4096 -- short codes of three digits may run out

-- The pseudonym that nobody else has; candidate(n, home) answers the n-th choice, home is the first one.
local function place(self, kind, id, candidate)
    local home = candidate(0)
    local tag = self.sharing[home] and self.mac("tag:" .. id)
    for _, entry in ipairs(self.sharing[home] or {}) do
        if self.known and tag:sub(1, #entry[2]) == entry[2] then
            return entry[3]
        end
    end
    if self.known or not self.owner[kind .. home] then
        return home
    end
    local n = 1
    while self.owner[kind .. candidate(n, home)] and n < TRIES_MOST do
        n = n + 1
    end
    local pseudonym = candidate(n, home)
    self.homes[id] = home
    local entry = { home, tag_of(self, id, home, self.mac("tag:" .. id)), pseudonym }
    self.news[#self.news + 1] = entry
    return pseudonym
end

-- On a tape that is replayed, a value that is a pseudonym already stays.
local function kept(self, value, pseudonym)
    local known = self.known
    return known and known[value] and not known[pseudonym] and value or pseudonym
end

-- What stands for a value.
local function find(self, kind, value, candidate)
    kind = kind .. ":"
    local id = kind .. value
    local pseudonym = self.of[id]
    if not pseudonym then
        pseudonym = kept(self, value, place(self, kind, id, candidate))
        self.of[id] = pseudonym
        self.owner[kind .. pseudonym] = self.owner[kind .. pseudonym] or id
    end
    return pseudonym
end

local function seed_of(mac)
    return keyed.below(mac, 2147483646)
end

-- ---- Kinds ---------------------------------------------------------------------------------------

--- A SID: "SM" and 32 hex digits.
function Pseudonyms:sid(sid)
    if sid == self.account_sid or sid == M.ACCOUNT_SID then
        return M.ACCOUNT_SID
    elseif self.keep_sids then
        return sid
    end
    return find(self, "sid", sid, function(n)
        return sid:sub(1, 2) .. "00000000" .. self.mac(("sid:%d:%s"):format(n, sid)):sub(1, 24)
    end)
end

--- A number in E.164.
function Pseudonyms:number(number)
    return find(self, "number", number, function(n, home)
        if n == 0 and numbers.is_reserved(number) then
            return number
        end
        -- A second choice that followed from the number would tell more of it.
        return numbers.pseudonym(number, self.mac(("number:%d:%s"):format(n, home or number)), n)
    end)
end

--- The digits of a number in E.164, without the plus sign.
-- @treturn string|nil nil when they are none
function Pseudonyms:digits(digits)
    local number = "+" .. digits
    return e164.is(number) and self:number(number):sub(2) or nil
end

--- Whether this number was made here, or belongs to nobody.
function Pseudonyms:is_pseudonym(number)
    return numbers.is_reserved(number) or self.owner["number:" .. number] ~= nil
end

-- Seven digits are the shortest numbers that people have (Niue, +683 and four).
local PLUS_DIGITS = "%+%d%d%d%d%d%d%d+"

-- A short code begins with 1 to 9; what stands for it begins with 0, as long as there are such.
local SHORT_TRIES = 64

local function short_code(self, code)
    return find(self, "short", code, function(n)
        local mac = self.mac(("short:%d:%s"):format(n, code))
        local mark = n < SHORT_TRIES and "0" or ""
        local free = #code - #mark
        return mark .. ("%0" .. free .. "d"):format(keyed.below(mac, 10 ^ free))
    end)
end

--- The address of a sender or a recipient: a number, a short code, a name, "whatsapp:+1...".
function Pseudonyms:address(address)
    local channel, rest = address:match "^(%a+:)(.*)$"
    if address == "" then
        return ""
    elseif channel and rest:find "^%+?%w" and channel ~= "sim:" then
        return channel .. self:address(rest)
    elseif e164.is(address) then
        return self:number(address)
    elseif address:find "^%d%d%d%d?%d?%d?%d?%d?$" then
        return short_code(self, address)
    end
    return self:text(address)
end

local SID = "%u%u" .. ("%x"):rep(32)
local WHOLE_SID = "%f[%w]" .. SID .. "%f[^%w]"

-- What begins with a plus sign and is no number; it must not become one.
local function not_a_number(found, other)
    local zeros, rest = found:match "^(%+0*)(.*)$"
    return zeros .. other(rest)
end

-- Numbers and SIDs inside of a text become what they become elsewhere; `other` makes the rest.
local function around_identifiers(self, text, other)
    local out, at = {}, 1
    local sid_from, sid_to = text:find(WHOLE_SID)
    local plus_from, plus_to = text:find(PLUS_DIGITS)
    while sid_from or plus_from do
        local is_sid = sid_from and (not plus_from or sid_from < plus_from)
        local from, to = plus_from, plus_to
        if is_sid then
            from, to = sid_from, sid_to
        end
        local found = text:sub(from, to)
        out[#out + 1] = other(text:sub(at, from - 1))
        out[#out + 1] = is_sid and self:sid(found) or e164.is(found) and self:number(found)
            or not_a_number(found, other)
        at = to + 1
        if is_sid then
            sid_from, sid_to = text:find(WHOLE_SID, at)
        else
            plus_from, plus_to = text:find(PLUS_DIGITS, at)
        end
    end
    out[#out + 1] = other(text:sub(at))
    return table.concat(out)
end

-- A number as people write it: "(212) 555-1234".
local WRITTEN, WRITTEN_LEAST = "%d[%d%s().%-/]*%d", 7
local WRITTEN_FORMS = 100 -- so many are told apart; the same number may stand elsewhere in E.164

-- What number(run, digits) answers stands for each then, and what other(part) answers for the rest.
local function around_written(text, number, other)
    local out, at = {}, 1
    for from, run, to in text:gmatch("()(" .. WRITTEN .. ")()") do
        local digits = run:gsub("%D", "")
        if #digits >= WRITTEN_LEAST then
            out[#out + 1] = other(text:sub(at, from - 1))
            out[#out + 1] = number(run, digits)
            at = to
        end
    end
    out[#out + 1] = other(text:sub(at))
    return table.concat(out)
end

local function same(text)
    return text
end

-- What the disguise of a text follows from: the text, but of each number in it only what many have in common.
local function basis_of(self, text)
    return around_identifiers(self, text, function(part)
        return around_written(part, function(_, digits)
            return ("#%d.%d"):format(#digits, keyed.below(self.mac("digits:" .. digits), WRITTEN_FORMS))
        end, same)
    end)
end

-- A word for opting out or in, and nothing beside it that could tell of a person.
local KEYWORD_MOST = 24

local function is_keyword(text)
    return #text <= KEYWORD_MOST and not text:find "[%d\r\n]" and keywords.classify(text) ~= nil
end

--- A text that people write: of the same length and alphabet, so that it has the same segments. Words for
-- opting out and in stay, because programs act on them.
function Pseudonyms:text(text)
    if text == "" or self.keep_texts[text] or is_keyword(text) then
        return text
    end
    local id = "text:" .. text
    if not self.of[id] then
        local seed = seed_of(self.mac("text:" .. basis_of(self, text)))
        local out = around_identifiers(self, text, function(part)
            seed = seed + 1
            return disguise.text(part, seed)
        end)
        self.of[id] = kept(self, text, out)
    end
    return self.of[id]
end

-- Few digits are codes and counts.
local FEW_DIGITS = "^%d%d?%d?%d?%d?$"

local function plain_words(self, text)
    return around_written(text, function(run) return self:text(run) end, function(part)
        return (part:gsub("[%w\128-\255]+", function(word)
            return (words.SENTENCE[word:lower()] or word:find(FEW_DIGITS)) and word or self:text(word)
        end))
    end)
end

-- A link to Twilio's pages stays.
local function plain_part(self, text)
    local out, at = {}, 1
    for from, url, to in text:gmatch "()(%a[%w+.-]*://[^%s'\"<>]+)()" do
        out[#out + 1] = plain_words(self, text:sub(at, from - 1))
        out[#out + 1] = self:url(url)
        at = to
    end
    out[#out + 1] = plain_words(self, text:sub(at))
    return table.concat(out)
end

--- A sentence of Twilio's or of the driver, in which a request may be quoted. Common words stay; values of
-- the request become what they are elsewhere, and all else is disguised.
-- @tparam string text
-- @tparam table values a list of { value, pseudonym }
function Pseudonyms:sentence(text, values)
    return quotes.around(values, text, function(part)
        return around_identifiers(self, part, function(piece) return plain_part(self, piece) end)
    end)
end

--- A text that may quote others: these parts become what they are elsewhere, and the rest is disguised.
function Pseudonyms:quoting(text, values)
    return quotes.around(values, text, function(part) return self:text(part) end)
end

-- ---- URLs ----------------------------------------------------------------------------------------

-- Those of Twilio itself, and of nobody (RFC 2606).
local PUBLIC_HOSTS = { "^[%w.-]*%.twilio%.com$", "^twilio%.com$", "^[%w.-]*%.example$",
    "^example%.com$", "^example%.org$", "^example%.net$", "^localhost$" }

local function is_public(self, host)
    if self.keep_hosts[host] then
        return true
    end
    for _, pattern in ipairs(PUBLIC_HOSTS) do
        if host:find(pattern) then
            return true
        end
    end
    return false
end

--- Undoes percent-encoding.
function M.unescape(text)
    return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function unescape(text)
    return M.unescape((text:gsub("+", " ")))
end

--- A value as it stands in a query or a form.
function M.escape(text)
    return (text:gsub("[^%w%-%._]", function(c) return ("%%%02X"):format(c:byte()) end))
end

-- Parts of a path that only say what kind of thing it is about; a number is never one.
local function path_part(self, part, is_kept)
    local name, suffix = part:match "^(.-)(%.json)$"
    name, suffix = name or part, suffix or ""
    if name:find("^" .. SID .. "$") then
        return self:sid(name) .. suffix
    elseif is_kept and not unescape(part):find "%d%d%d%d%d%d%d" then
        return part
    end
    return M.escape(self:text(unescape(part)))
end

--- A name of a parameter or a member: shown when it looks like one.
function Pseudonyms:name(name)
    return name:find "^[%a_][%w_<>.-]*$" and #name <= 40 and not name:find "%d%d%d%d%d" and name
        or self:text(name)
end

-- How often and how patiently Twilio tries a callback: #rc=3&rp=5xx,ct
-- (https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides).
local OVERRIDES = { rc = "^%d$", ct = "^%d+$", rt = "^%d+$", tt = "^%d+$", rp = "^[%l%d,]+$" }
local OVERRIDE_MOST = 16 -- characters

local function overrides(fragment)
    local out = {}
    for name, value in fragment:gmatch "[#&](%l+)=([^&]*)" do
        if OVERRIDES[name] and value:find(OVERRIDES[name]) and #value <= OVERRIDE_MOST
            and not value:find "%d%d%d%d%d%d" then
            out[#out + 1] = name .. "=" .. value
        end
    end
    return out[1] and "#" .. table.concat(out, "&") or ""
end

--- Path and query; the values of the query go through value(name, text).
function Pseudonyms:target(target, is_kept, value)
    local path, query, fragment = target:match "^([^?#]*)%??([^#]*)(#?.*)$"
    path = path:gsub("[^/]+", function(part) return path_part(self, part, is_kept) end)
    local pairs_out = {}
    for pair in query:gmatch "[^&]+" do
        local name, text = pair:match "^([^=]*)=(.*)$"
        if name then
            name, text = unescape(name), unescape(text)
            pairs_out[#pairs_out + 1] = M.escape(self:name(name)) .. "=" .. M.escape(value(name, text))
        else
            pairs_out[#pairs_out + 1] = M.escape(self:text(unescape(pair))) -- a token, as likely as not
        end
    end
    return path .. (pairs_out[1] and "?" .. table.concat(pairs_out, "&") or "") .. overrides(fragment)
end

--- The URL of a file or a callback: its host is kept when it is public, with the path; user and password go.
-- @tparam string url
-- @tparam[opt] function value makes the values of the query, as for `target`
function Pseudonyms:url(url, value)
    local scheme, authority, rest = url:match "^([hH][tT][tT][pP][sS]?://)([^/?#]*)(.*)$"
    if not scheme then
        return self:text(url)
    end
    authority = authority:gsub("^.*@", "")
    local host, port = authority:match "^(.*)(:%d%d?%d?%d?%d?)$"
    host, port = host or authority, port or ""
    local is_kept = is_public(self, host:lower())
    if not is_kept then
        local name = host:lower()
        host = find(self, "host", name, function(n)
            return "h" .. self.mac(("host:%d:%s"):format(n, name)):sub(1, 8) .. ".example"
        end)
    end
    return scheme .. host .. port .. self:target(rest, is_kept, value or function(_, text)
        return self:text(text)
    end)
end

return M
