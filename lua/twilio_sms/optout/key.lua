--- How the opt-out list names people and senders, so that all ways to write one number lead to one record.
local e164 = require "twilio_sms.e164"

local M = {}

--- The scope of an opt-out that counts for every sender, and the account of a ledger that has none.
M.ALL = "*"

local PLUS = ("+"):byte()
local LONGEST_BYTES = 72 -- so that a key with two of them stays below the 512 bytes of a store

-- ---- Addresses ------------------------------------------------------------------------------------

-- Before these there is nothing but telephone numbers and short codes. Opt-outs count for SMS, MMS and RCS
-- alike since 2026-03-16: "Twilio support for opt-out keywords (SMS STOP filtering)",
-- https://help.twilio.com/articles/223134027.
local TELEPHONE = { mms = true, rcs = true, sms = true, tel = true }

-- A number there is a person of its own: STOP there says nothing about SMS.
local APART = { whatsapp = true }

local function number_of(text)
    if e164.is(text) then -- as it is kept, as most are
        return text
    end
    local digits = text:gsub("[ ().-]", ""):match "^%+([1-9]%d+)$"
    return digits and #digits >= 7 and #digits <= 15 and "+" .. digits or nil
end

local function is_short_code(text)
    return text:find "^%d+$" and #text >= 3 and #text <= 8
end

-- https://www.twilio.com/docs/glossary/what-alphanumeric-sender-id
local function is_sender_id(text)
    return #text <= 11 and text:find "^[A-Za-z0-9 &+_-]+$" and text:find "%a"
end

-- Cuts all channels off: "sms:SMS:+1..." is +1...
-- @treturn string what is behind them
-- @treturn string|nil the last channel
-- @treturn boolean whether there are several
-- @treturn boolean whether one of them is apart
local function without_channels(address)
    local last, several, apart = nil, false, false
    local channel, rest = address:match "^([A-Za-z]+):(.*)$"
    while channel do
        several = last ~= nil
        address, last = rest, channel:lower()
        apart = apart or APART[last] or false
        channel, rest = address:match "^([A-Za-z]+):(.*)$"
    end
    return address, last, several, apart
end

-- The name of what is behind a channel. What is no number stands for itself, such as the user of a page.
local function name_in_channel(rest, channel, several, apart)
    local number = number_of(rest)
    if number and not apart then
        return number, "number"
    elseif TELEPHONE[channel] and not apart and is_short_code(rest) then
        return rest, "short_code"
    elseif several or rest == "" or rest:find "[%c ]" or not number and rest:sub(1, 1) == "+" then
        return nil
    elseif apart and not number and not rest:find "%a" then
        return nil -- a number without its "+"
    elseif not TELEPHONE[channel] then
        return channel .. ":" .. (number or rest), "channel"
    elseif channel == "rcs" and rest:find "%a" then
        return "rcs:" .. rest, "sender" -- an RCS agent
    end
end

--- The name of an address.
-- @treturn string|nil nil for what is none
-- @treturn string "number", "short_code", "channel", or "sender", which can write but not be written to
function M.name(address)
    if type(address) ~= "string" or #address > LONGEST_BYTES then
        return nil
    end
    local number = number_of(address)
    if number then
        return number, "number"
    elseif is_short_code(address) then
        return address, "short_code"
    elseif is_sender_id(address) then
        return address:lower(), "sender" -- so that "Acme" and "ACME" are one
    end
    local rest, channel, several, apart = without_channels(address)
    if channel then
        return name_in_channel(rest, channel, several, apart)
    end
end

--- The name of whom a message goes to; nil for what cannot be looked up.
function M.recipient(address)
    local name, kind = M.name(address)
    return kind ~= "sender" and name or nil
end

--- The name of somebody whom the program opts out or in. Digits alone are refused, because most are a number
-- without its country code, which would be kept under a name that no message ever asks for: a short code is
-- written "sms:72727".
-- @treturn[1] string
-- @treturn[2] nil and why not
function M.person(address)
    if address == "" then
        return nil, "it is empty"
    end
    local name = not address:find "^%d+$" and M.recipient(address)
    if not name then
        return nil, "it is neither E.164 (+ and 7 to 15 digits) nor a channel's address"
    end
    return name
end

--- A name in a form that M.person takes.
function M.person_text(name)
    return name:find "^%d+$" and "sms:" .. name or name
end

--- The name of a scope: "*", a messaging service or a sender.
-- @treturn[1] string
-- @treturn[2] nil and what to write
function M.scope(text)
    if text == M.ALL then
        return text
    end
    local service = type(text) == "string" and #text == 34 and text:match "^[Mm][Gg](%x+)$"
    local name = service and "MG" .. service:lower() or M.name(text)
    if not name then
        return nil, "write E.164 (+ and 7 to 15 digits), a short code, a sender ID, MG and 32 hex digits, "
            .. "a channel's address or *"
    end
    return name
end

-- https://www.fcc.gov/consumers/guides/what-toll-free-number-and-how-does-it-work
local TOLL_FREE = {
    ["800"] = true, ["833"] = true, ["844"] = true, ["855"] = true, ["866"] = true, ["877"] = true,
    ["888"] = true,
}

function M.is_toll_free(name)
    return #name == 12 and TOLL_FREE[name:match "^%+1(%d%d%d)%d+$" or ""] or false
end

-- ---- Keys -----------------------------------------------------------------------------------------

-- No part of a key may hold what separates them.
local function escape(part)
    return (part:gsub("[^%w+*:_.@-]", function(c) return ("%%%02X"):format(c:byte()) end))
end

--- The key of a state.
function M.state(account, scope, number)
    return escape(account) .. "/" .. escape(scope) .. "/" .. escape(number)
end

--- What the keys of all states of an account, or of one scope of it, begin with.
function M.states(account, scope)
    return escape(account) .. "/" .. (scope and escape(scope) .. "/" or "")
end

--- The key of what forbids to write to a person.
function M.blocks(name)
    return name:byte(1) == PLUS and name or escape(name) -- names with a plus sign are numbers
end

--- The name of one scope of one account there.
function M.block(account, scope)
    return account .. "/" .. scope
end

--- What the keys of a person's history begin with.
function M.history(account, number)
    return escape(account) .. "/" .. escape(number) .. "/"
end

local SID_MOST_BYTES = 64 -- they have 34; of what somebody takes for one, only what fits into a key is kept

--- The key under which a message is kept that has opted somebody in, or nil.
function M.start(account, message_sid, number)
    return type(message_sid) == "string" and message_sid ~= "" and #message_sid <= SID_MOST_BYTES
        and escape(account) .. "/" .. escape(message_sid) .. "/" .. escape(number) or nil
end

--- Reads the key of a state.
-- @treturn string scope
-- @treturn string number
function M.read_state(key)
    local scope, number = key:match "^[^/]*/([^/]*)/([^/]*)$"
    local function unescape(part)
        return (part:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
    end
    return unescape(scope), unescape(number)
end

return M
