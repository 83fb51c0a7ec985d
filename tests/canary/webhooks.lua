-- Writes webhooks as Twilio sends them, and others that are forged, for programs that do not have the token
-- in their memory as a string.
-- Usage: webhooks.lua DIRECTORY; it writes `webhooks.lua` there, and `token_webhooks.lua`, in which the token
-- itself stands
local sms = require "twilio_sms"

local directory = assert(arg[1])
local token = assert(io.open(directory .. "/auth_token")):read "*l"
local personal = dofile(directory .. "/personal.lua")
local URL = "https://example.com/sms"

local function encode(text)
    return (text:gsub("[^%w%-%._]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local out

local function open(name)
    out = assert(io.open(directory .. "/" .. name, "w"))
    out:write "return {\n"
end

local function close()
    out:write "}\n"
    out:close()
end

local function add(expected, params, signature, body)
    local pieces = {}
    for name, value in pairs(params) do
        pieces[#pieces + 1] = name .. "=" .. encode(value)
    end
    signature = signature or sms.assert(sms.signature.sign(token, URL, params))
    out:write(("{ expected = %d, method = 'POST', url = %q, body = %q, signature = %q, headers = {"):format(
        expected, URL, body or table.concat(pieces, "&"), signature),
        (" ['X-Twilio-Signature'] = %q, ['Content-Type'] = %q } },\n"):format(
            signature, "application/x-www-form-urlencoded"))
end

local function message(i, body)
    return {
        AccountSid = "AC00000000000000000000000000000001", MessageSid = ("SM%032d"):format(i),
        From = personal.persons[i], To = "+15005550006", Body = body or personal.texts[i], NumMedia = "0",
    }
end

local function status(i)
    return {
        AccountSid = "AC00000000000000000000000000000001", MessageSid = ("SM%032d"):format(i),
        From = "+15005550006", To = personal.persons[i], MessageStatus = "delivered",
    }
end

open "webhooks.lua"
add(204, message(1))
add(204, message(1)) -- again
add(204, message(2, "STOP"))
add(204, status(3)) -- without a reference of ours
add(403, message(4), "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
add(400, message(4), "")
add(403, message(4), nil, "Body=" .. encode(personal.texts[4]) .. "&%zz")
close()

open "token_webhooks.lua"
add(403, message(4), token) -- as if somebody took one for the other
add(403, message(4, token), "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
add(403, message(4), nil, token)
close()
