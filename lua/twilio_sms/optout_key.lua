--- How the opt-out list names people and senders, so that all ways to write one number lead to one record.
local M = {}

--- The scope of an opt-out that counts for every sender.
M.ALL = "*"

local LONGEST_BYTES = 72 -- so that a key with two of them stays below the 512 bytes of a store

-- Opt-outs count for SMS, MMS and RCS alike since 2026-03-16: "Twilio support for opt-out keywords (SMS STOP
-- filtering)", https://help.twilio.com/articles/223134027.
local UNIFIED = { sms = true, rcs = true }

--- The name of an address: a number in E.164 without blanks and the like, anything else as it is.
-- @treturn string|nil nil when it is empty, too long or not even text
function M.name(address)
    if type(address) ~= "string" or #address > LONGEST_BYTES then
        return nil
    end
    local channel, rest = address:match "^(%a+):(.+)$"
    if channel and UNIFIED[channel:lower()] then
        address = rest
    end
    if address:sub(1, 1) == "+" then
        address = address:gsub("[ ().-]", "")
    end
    return address ~= "" and not address:find "%c" and address or nil
end

--- The name of somebody who can be written to. Digits without a "+" are refused: they would be kept under a
-- name that no message ever asks for.
-- @treturn[1] string
-- @treturn[2] nil and why not
function M.person(address)
    local name = M.name(address)
    if not name then
        return nil, "it is empty, too long or holds control characters"
    elseif name:find "^%+[1-9]%d+$" and #name >= 8 and #name <= 16 or name:find "^%a[%w_-]*:." then
        return name
    end
    return nil, "it is neither E.164 (+ and 7 to 15 digits) nor a channel's address"
end

-- https://www.fcc.gov/consumers/guides/what-toll-free-number-and-how-does-it-work
local TOLL_FREE = {
    ["800"] = true, ["833"] = true, ["844"] = true, ["855"] = true, ["866"] = true, ["877"] = true,
    ["888"] = true,
}

function M.is_toll_free(name)
    return #name == 12 and TOLL_FREE[name:match "^%+1(%d%d%d)%d+$" or ""] or false
end

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

--- What the keys of a person's history begin with.
function M.history(account, number)
    return escape(account) .. "/" .. escape(number) .. "/"
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
