--- What Twilio asks of a message before it accepts it, in the order in which it asks.
local core = require "twilio_sms.core"
local date = require "twilio_sms.date"
local errors = require "twilio_sms.sim.errors"

local M = {}

local BODY_MOST = 1600
local MEDIA_MOST = 10
local VALIDITY_MOST_S = 36000
-- The dictionary gives 300 or 900 seconds, depending on the page (35114, 35115, 35117): the stricter one.
local SCHEDULE_LEAST_S, SCHEDULE_MOST_S = 900, 35 * 86400
local URL_MOST = 4000

-- Twilio's magic numbers (docs "Test Credentials").
local MAGIC_FROM = { ["+15005550001"] = 21212, ["+15005550007"] = 21606, ["+15005550008"] = 21611 }
local MAGIC_TO = {
    ["+15005550001"] = 21211,
    ["+15005550002"] = 21612,
    ["+15005550003"] = 21408,
    ["+15005550004"] = 21610,
    ["+15005550009"] = 21614,
}
-- With a messaging service these are found out later, on the message (Advanced Opt-Out tutorial, 21612 in
-- user reports); a malformed number is refused at once.
local LATER = { [21612] = true, [21408] = true, [21610] = true, [21614] = true }

local function is_e164(text)
    return #text >= 8 and #text <= 16 and text:find "^%+[1-9]%d+$" ~= nil
end

local function is_channel(text)
    return text:find "^%a[%w]*:." ~= nil
end

local function is_sender(text)
    return is_e164(text) or is_channel(text) or text:find "^%d%d%d%d?%d?%d?%d?%d?$" ~= nil
        or #text <= 11 and text:find "^[%w ]+$" ~= nil and text:find "%a" ~= nil
end

local function is_url(text)
    local host = text:match "^https?://([^/?#]+)"
    return host ~= nil and #text <= URL_MOST and not host:find("_", 1, true)
end

local function check_from(params, numbers)
    local from = params.From
    if not from then
        return nil
    elseif MAGIC_FROM[from] then
        return errors.new(MAGIC_FROM[from], from)
    elseif not is_sender(from) then
        return errors.new(21212, from)
    elseif numbers and not numbers[from] then
        return errors.new(21606, from)
    end
end

-- Answers what is wrong at once, and what will turn out to be wrong later.
local function check_to(params)
    local to = params.To
    local code = MAGIC_TO[to]
    if not code and not is_e164(to) and not is_channel(to) then
        code = 21211
    end
    if code and params.MessagingServiceSid and LATER[code] then
        return nil, code
    end
    return code and errors.new(code, to)
end

-- UTF-8 has one byte outside of 0x80 .. 0xBF for each character.
local function characters(text)
    return select(2, text:gsub("[^\128-\191]", ""))
end

local function check_content(params)
    local body, media = params.Body or "", params.MediaUrl
    if #body > BODY_MOST and characters(body) > BODY_MOST then
        return errors.new(21617)
    elseif params.ContentVariables and not params.ContentSid then
        return errors.new(21654)
    elseif body == "" and not media and not params.ContentSid then
        return errors.new(21602)
    end
    for _, url in ipairs(media or {}) do
        if not is_url(url) then
            return errors.new(21620)
        end
    end
    return media and #media > MEDIA_MOST and errors.new(21623)
end

local function check_validity(params)
    local text = params.ValidityPeriod
    local seconds = text and text:find "^%d+$" and tonumber(text)
    if text and (not seconds or seconds < 1 or seconds > VALIDITY_MOST_S) then
        return errors.new(21624)
    end
end

-- Answers an error, or when the message is to be sent.
local function check_schedule(params, now_s)
    if not params.ScheduleType and not params.SendAt then
        return nil
    elseif params.ScheduleType ~= "fixed" then
        return errors.new(35126)
    elseif not params.SendAt then
        return errors.new(35111)
    elseif not params.MessagingServiceSid then
        return errors.new(35118)
    end
    local at_s = date.read(params.SendAt)
    if not at_s or not params.SendAt:find("T", 1, true) or at_s < now_s + SCHEDULE_LEAST_S
        or at_s > now_s + SCHEDULE_MOST_S then
        return errors.new(35114, params.SendAt)
    end
    return nil, at_s
end

--- Judges the parameters of a create request.
-- @tparam table params by name; MediaUrl is a list
-- @tparam number now_s
-- @tparam[opt] table numbers the account's senders as keys; without it every well-formed one is
-- @treturn[1] table num_segments, send_at_s, and later_code: an error that the message will run into
-- @treturn[2] nil
-- @treturn[2] table what Twilio would answer
function M.check(params, now_s, numbers)
    local service = params.MessagingServiceSid
    if not params.To then
        return nil, errors.new(21604)
    elseif not params.From and not service then
        return nil, errors.new(21603)
    elseif service and not service:find("^MG" .. ("%x"):rep(32) .. "$") then
        return nil, errors.new(21701, service)
    end
    local err = check_from(params, numbers)
    if err then -- before the body: recorded with the magic number +15005550007 and an empty one
        return nil, err
    end
    local later_code, send_at_s
    err, later_code = check_to(params)
    err = err or check_content(params) or check_validity(params)
    if not err then
        err, send_at_s = check_schedule(params, now_s)
    end
    if not err and params.StatusCallback and not is_url(params.StatusCallback) then
        err = errors.new(21609, params.StatusCallback)
    end
    if err then
        return nil, err
    end
    local count = core.segments(params.Body or "")
    if not count then
        return nil, errors.new(21619, "the body is not UTF-8")
    end
    return {
        num_segments = params.MediaUrl and 1 or count.segments, -- a multimedia message counts as one
        send_at_s = send_at_s,
        later_code = later_code,
    }
end

return M
