--- What Twilio asks of a message before it accepts it, in the order in which it asks.
local core = require "twilio_sms.core"
local date = require "twilio_sms.date"
local e164 = require "twilio_sms.e164"
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

local function is_service(text)
    if #text ~= 34 or text:sub(1, 2) ~= "MG" then
        return false
    end
    for i = 3, 34 do
        local c = text:byte(i)
        if c < 48 or c > 57 and (c < 65 or c > 70) and (c < 97 or c > 102) then
            return false
        end
    end
    return true
end

local function is_channel(text)
    return text:find "^%a[%w]*:." ~= nil
end

local function is_sender(text)
    return e164.is(text) or is_channel(text) or text:find "^%d%d%d%d?%d?%d?%d?%d?$" ~= nil
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
    if not code and not e164.is(to) and not is_channel(to) then
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
    for i = 1, media and #media or 0 do
        if not is_url(media[i]) then
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

-- Seventy characters of any kind are one segment, and in ASCII a byte is a character.
local SHORT_BYTES = 70

local function is_short_ascii(text)
    local length = #text
    if length > SHORT_BYTES then
        return false
    end
    for i = 1, length do
        if text:byte(i) > 127 then
            return false
        end
    end
    return length > 0
end

-- As they travel; nil for a body that is not UTF-8. A multimedia message counts as one.
local function segments_of(params)
    local body = params.Body or ""
    local count = not is_short_ascii(body) and core.segments(body)
    if count == nil then
        return nil
    end
    return (not count or params.MediaUrl) and 1 or count.segments
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
-- @treturn[1] number of segments
-- @treturn[1] number|nil when a scheduled message is to be sent, in Unix seconds
-- @treturn[1] number|nil an error code that the message will run into
-- @treturn[2] nil
-- @treturn[2] table what Twilio would answer
function M.check(params, now_s, numbers)
    local service = params.MessagingServiceSid
    if not params.To then
        return nil, errors.new(21604)
    elseif not params.From and not service then
        return nil, errors.new(21603)
    elseif service and not is_service(service) then
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
    local num_segments = segments_of(params)
    if not num_segments then
        return nil, errors.new(21619, "the body is not UTF-8")
    end
    return num_segments, send_at_s, later_code
end

return M
