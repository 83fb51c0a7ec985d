--- Twilio's part in the specs: signed webhooks.
local core = require "twilio_sms.core"

local M = {
    ACCOUNT_SID = "AC" .. ("a"):rep(32),
    TOKEN = ("12345678"):rep(4),
    URL = "https://example.com/sms",
    PERSON = "+15558675310",
    NUMBER = "+15005550006",
    SERVICE_SID = "MG" .. ("b"):rep(32),
}

--- A message sid that belongs to a number.
function M.sid(n)
    return ("SM%032x"):format(n or 1)
end

function M.signature(url, params, token)
    local signer = core.signer()
    assert(signer:add(token or M.TOKEN))
    return assert(signer:sign(url, params))
end

local function escape(text)
    return (text:gsub("[^%w%-%._]", function(c) return ("%%%02X"):format(c:byte()) end))
end

--- A form body, its names in the order of their bytes.
function M.form(params)
    local names, pieces = {}, {}
    for name in pairs(params) do
        names[#names + 1] = name
    end
    table.sort(names)
    for i, name in ipairs(names) do
        pieces[i] = escape(name) .. "=" .. escape(params[name])
    end
    return table.concat(pieces, "&")
end

local function with(defaults, changes)
    for name, value in pairs(changes or {}) do
        defaults[name] = value ~= "" and value or nil
    end
    return defaults
end

--- The parameters of an inbound message; `changes` replaces some, "" leaves one out.
function M.inbound(changes)
    local sid = changes and changes.MessageSid or M.sid(1)
    return with({
        MessageSid = sid, SmsSid = sid, SmsMessageSid = sid, AccountSid = M.ACCOUNT_SID, From = M.PERSON,
        To = M.NUMBER, Body = "Hello", NumMedia = "0", NumSegments = "1", SmsStatus = "received",
        ApiVersion = "2010-04-01",
    }, changes)
end

--- The parameters of a status callback.
function M.status(changes)
    local sid = changes and changes.MessageSid or M.sid(1)
    local status = changes and changes.MessageStatus or "delivered"
    return with({
        MessageSid = sid, SmsSid = sid, AccountSid = M.ACCOUNT_SID, From = M.NUMBER, To = M.PERSON,
        MessageStatus = status, SmsStatus = status, ApiVersion = "2010-04-01",
    }, changes)
end

--- A signed request, as a receiver takes it.
function M.request(params, opts)
    opts = opts or {}
    local url = opts.url or M.URL
    return {
        method = "POST",
        url = url,
        headers = {
            ["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8",
            ["X-Twilio-Signature"] = M.signature(opts.signed_url or url, params, opts.token),
        },
        body = M.form(params),
    }
end

return M
