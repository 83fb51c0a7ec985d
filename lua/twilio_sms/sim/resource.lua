--- What messages, media and feedback look like in JSON.
--
-- Types are production's: num_segments, num_media and price are strings, error_code is a number, dates are
-- RFC 2822, what is not known yet is null. Each is a list of pieces (`twilio_sms.sim.json`).
local date = require "twilio_sms.date"
local errors = require "twilio_sms.sim.errors"
local json = require "twilio_sms.sim.json"

local M = {}

local null = json.null

M.API_VERSION = "2010-04-01"

-- Many records of one second follow each other.
local dated_s, dated

local function date_of(time_s)
    if time_s ~= dated_s then
        dated_s, dated = time_s, date.rfc2822(time_s)
    end
    return dated
end

local URI_START, URI_MESSAGES = ('"/%s/Accounts/'):format(M.API_VERSION), "/Messages/"

-- Pieces of a URI below a message.
local function uri_of(account_sid, sid, ...)
    return { URI_START, account_sid, URI_MESSAGES, sid, ... }
end

-- A text in quotes, or null.
local function text_or_null(value)
    return value and '"' .. json.escape(value) .. '"' or "null"
end

local SMALL = {}
for number = 0, 20 do
    SMALL[number] = ("%d"):format(number)
end

local function digits(number)
    return SMALL[number] or ("%d"):format(number)
end

local frames = {} -- what all records of an account have in common, by account

local function frame_of(account_sid)
    local frame = frames[account_sid]
    if not frame then
        frame = {
            start = ('{"account_sid":"%s","api_version":"%s","body":"'):format(account_sid, M.API_VERSION),
            uri = URI_START .. account_sid .. URI_MESSAGES,
        }
        frames[account_sid] = frame
    end
    return frame
end

local function tags_of(message)
    return message.tags and json.decode(message.tags) and ',"tags":' .. message.tags or ""
end

--- Written out in one table, because most of what a simulator makes are these; members are in the order of
-- their names.
-- @tparam string account_sid
-- @tparam table message of `twilio_sms.sim.carrier`
-- @tparam[opt] boolean created the answer to a create request knows no feedback yet
function M.message(account_sid, message, created)
    local frame, sid, code = frame_of(account_sid), message.sid, message.error_code
    local created_on = date_of(message.created_s)
    local updated_on = date_of(message.updated_s)
    local feedback = ""
    if not created then
        feedback = table.concat { '","feedback":', frame.uri, sid, "/Feedback.json" }
    end
    return {
        frame.start, json.escape(message.body),
        '","date_created":"', created_on,
        message.sent_s and '","date_sent":"' or '","date_sent":null,"date_updated":"',
        message.sent_s and date_of(message.sent_s) .. '","date_updated":"' or "", updated_on,
        '","direction":"', message.direction,
        code and ('","error_code":%d,"error_message":'):format(code)
            or '","error_code":null,"error_message":',
        code and text_or_null(errors.new(code, message.to).message) or "null",
        ',"from":', text_or_null(message.from),
        ',"messaging_service_sid":', text_or_null(message.service),
        ',"num_media":"', digits(message.num_media), '","num_segments":"', digits(message.num_segments),
        '","price":', text_or_null(message.price), ',"price_unit":"USD","sid":"', sid,
        '","status":"', message.status,
        '","subresource_uris":{"media":', frame.uri, sid, "/Media.json", feedback,
        '"}', tags_of(message), ',"to":"', json.escape(message.to),
        '","uri":', frame.uri, sid, '.json"}',
    }
end

local MEDIA_KEYS = {
    "account_sid", "content_type", "date_created", "date_updated", "parent_sid", "sid", "uri",
}

function M.media(account_sid, media)
    local when = date.rfc2822(media.created_s)
    return json.object(MEDIA_KEYS, {
        account_sid = account_sid,
        content_type = media.content_type,
        date_created = when,
        date_updated = when,
        parent_sid = media.parent_sid,
        sid = media.sid,
        uri = uri_of(account_sid, media.parent_sid, "/Media/", media.sid, '.json"'),
    })
end

local FEEDBACK_KEYS = { "account_sid", "date_created", "date_updated", "message_sid", "outcome", "uri" }

function M.feedback(account_sid, message)
    local when = date.rfc2822(message.updated_s)
    return json.object(FEEDBACK_KEYS, {
        account_sid = account_sid,
        date_created = when,
        date_updated = when,
        message_sid = message.sid,
        outcome = message.feedback,
        uri = uri_of(account_sid, message.sid, '/Feedback.json"'),
    })
end

local ACCOUNT_KEYS = {
    "date_created", "date_updated", "friendly_name", "owner_account_sid", "sid", "status",
    "subresource_uris", "type", "uri",
}
local ACCOUNT_CREATED_S = 1451606400 -- 2016-01-01, before all messages

function M.account(account_sid)
    local when = date.rfc2822(ACCOUNT_CREATED_S)
    return json.object(ACCOUNT_KEYS, {
        date_created = when,
        date_updated = when,
        friendly_name = "Simulated account",
        owner_account_sid = account_sid,
        sid = account_sid,
        status = "active",
        subresource_uris = json.map { messages = { URI_START, account_sid, '/Messages.json"' } },
        type = "Full",
        uri = { URI_START, account_sid, '.json"' },
    })
end

local ERROR_KEYS = { "code", "detail", "message", "more_info", "status" }

--- @tparam table err of `twilio_sms.sim.errors`, perhaps with `detail`, perhaps without a code
function M.error(err)
    return json.object(ERROR_KEYS, {
        code = err.code or null,
        detail = err.detail,
        message = err.message,
        more_info = err.code and ("https://www.twilio.com/docs/errors/%d"):format(err.code) or null,
        status = err.status,
    })
end

return M
