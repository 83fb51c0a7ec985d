--- The parameters of webhooks, as lists of { name, value }, and their encoding.
--
-- Names are those of Twilio's docs ("Request to your incoming message Webhook URL", "Track outbound message
-- status"); SmsStatus, ApiVersion and the doubled sids are in recorded requests.
local resource = require "twilio_sms.sim.resource"

local M = {}

local function adder(list)
    return function(name, value)
        if value then
            list[#list + 1] = { name, value }
        end
    end
end

local function sorted_names(map)
    local names = {}
    for name in pairs(map) do
        names[#names + 1] = name
    end
    table.sort(names)
    return names
end

--- What a person's message says.
-- @tparam string account_sid
-- @tparam table message of `twilio_sms.sim.carrier`
-- @tparam[opt] table extra more parameters by name
function M.inbound(account_sid, message, extra)
    local list = {}
    local add = adder(list)
    add("SmsMessageSid", message.sid)
    add("SmsSid", message.sid)
    add("MessageSid", message.sid)
    add("AccountSid", account_sid)
    add("MessagingServiceSid", message.service)
    add("From", message.from)
    add("To", message.to)
    add("Body", message.body)
    add("NumMedia", ("%d"):format(message.num_media))
    add("NumSegments", ("%d"):format(message.num_segments))
    add("SmsStatus", "received")
    add("ApiVersion", resource.API_VERSION)
    for i, media in ipairs(message.media or {}) do
        add(("MediaUrl%d"):format(i - 1), media.url)
        add(("MediaContentType%d"):format(i - 1), media.content_type)
    end
    add("OptOutType", message.opt_out_type)
    for _, name in ipairs(sorted_names(extra or {})) do
        add(name, extra[name])
    end
    return list
end

--- What became of a message.
-- @tparam string account_sid
-- @tparam table change of `twilio_sms.sim.carrier`
function M.status(account_sid, change)
    local message, list = change.message, {}
    local add = adder(list)
    add("SmsSid", message.sid)
    add("SmsStatus", change.status)
    add("MessageStatus", change.status)
    add("MessageSid", message.sid)
    add("AccountSid", account_sid)
    add("MessagingServiceSid", message.service)
    add("From", change.from)
    add("To", message.to)
    add("ApiVersion", resource.API_VERSION)
    add("ErrorCode", change.error_code and ("%d"):format(change.error_code))
    -- The carrier's date in minutes; its zone is not documented.
    add("RawDlrDoneDate", change.status == "delivered" and os.date("!%y%m%d%H%M", change.at_s) or nil)
    return list
end

--- Puts a list into another order: receivers must not rely on one.
function M.shuffle(list, random)
    for i = #list, 2, -1 do
        local j = random:next() % i + 1
        list[i], list[j] = list[j], list[i]
    end
    return list
end

local function escape(text)
    return (text:gsub("[^%w*._ -]", function(c)
        return ("%%%02X"):format(c:byte())
    end):gsub(" ", "+"))
end

--- The list as application/x-www-form-urlencoded.
function M.encode(list)
    local out = {}
    for i, pair in ipairs(list) do
        out[i] = escape(pair[1]) .. "=" .. escape(pair[2])
    end
    return table.concat(out, "&")
end

--- The list as a table by name; of equal names the first one counts.
function M.by_name(list)
    local out = {}
    for _, pair in ipairs(list) do
        out[pair[1]] = out[pair[1]] or pair[2]
    end
    return out
end

return M
