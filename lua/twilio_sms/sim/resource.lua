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

local function date_of(time_s)
    return time_s and date.rfc2822(time_s) or null
end

local URI_START, URI_MESSAGES = ('"/%s/Accounts/'):format(M.API_VERSION), "/Messages/"

-- Pieces of a URI below a message.
local function uri_of(account_sid, sid, ...)
    return { URI_START, account_sid, URI_MESSAGES, sid, ... }
end

local MESSAGE_KEYS = {
    "account_sid", "api_version", "body", "date_created", "date_sent", "date_updated", "direction",
    "error_code", "error_message", "from", "messaging_service_sid", "num_media", "num_segments", "price",
    "price_unit", "sid", "status", "subresource_uris", "tags", "to", "uri",
}
local SUBRESOURCE_KEYS = { "media", "feedback" }

--- @tparam string account_sid
-- @tparam table message of `twilio_sms.sim.carrier`
-- @tparam[opt] boolean created the answer to a create request knows no feedback yet
function M.message(account_sid, message, created)
    local sid = message.sid
    local subresources = json.object(SUBRESOURCE_KEYS, {
        media = uri_of(account_sid, sid, '/Media.json"'),
        feedback = not created and uri_of(account_sid, sid, '/Feedback.json"') or nil,
    })
    local code = message.error_code
    return json.object(MESSAGE_KEYS, {
        account_sid = account_sid,
        api_version = M.API_VERSION,
        body = message.body,
        date_created = date_of(message.created_s),
        date_sent = date_of(message.sent_s),
        date_updated = date_of(message.updated_s),
        direction = message.direction,
        error_code = code or null,
        error_message = code and errors.new(code, message.to).message or null,
        from = message.from or null,
        messaging_service_sid = message.service or null,
        num_media = ("%d"):format(message.num_media),
        num_segments = ("%d"):format(message.num_segments),
        price = message.price or null,
        price_unit = "USD",
        sid = sid,
        status = message.status,
        subresource_uris = subresources,
        tags = message.tags and json.decode(message.tags) and { message.tags } or nil,
        to = message.to,
        uri = uri_of(account_sid, sid, '.json"'),
    })
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
