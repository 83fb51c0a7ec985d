-- What must come of each step of scenarios.lua, and who says so.
--
-- A record is a table of fields, of which none may be missing and none too many. Sids are written as
-- "SM<name>", the name being that of the step which answered this sid first; dates as seconds since the start
-- of the run. `null` is JSON's.
local scenarios = require "scenarios"

local M = { null = require("cjson").null, ACCOUNT = "AC" .. ("0"):rep(31) .. "1" }

local null = M.null

-- ---- Sources

local DICTIONARY = "error dictionary, "
local RESOURCE = "Messages resource"
local STATUSES = "Outbound Message Status in Status Callbacks"
local MAGIC = "Test Credentials"
local MEDIA = "Media resource"
local FEEDBACK = "Message Feedback resource"
local SCHEDULING = "Message Scheduling"
local REQUEST = "Twilio's request to your webhook"
local TWIML = "TwiML Message"
local OPT_OUT = "Advanced Opt-Out"
local SECURITY = "Webhooks security"
local RECORDED = "recorded answers"
local OWN = "the simulator's own endpoint"

--- Where the pages are.
M.PAGES = {
    { RESOURCE, "https://www.twilio.com/docs/messaging/api/message-resource" },
    { MEDIA, "https://www.twilio.com/docs/messaging/api/media-resource" },
    { FEEDBACK, "https://www.twilio.com/docs/messaging/api/message-feedback-resource" },
    { STATUSES, "https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks" },
    { SCHEDULING, "https://www.twilio.com/docs/messaging/features/message-scheduling" },
    { MAGIC, "https://www.twilio.com/docs/iam/test-credentials" },
    { REQUEST, "https://www.twilio.com/docs/messaging/guides/webhook-request" },
    { SECURITY, "https://www.twilio.com/docs/usage/webhooks/webhooks-security" },
    { TWIML, "https://www.twilio.com/docs/messaging/twiml/message" },
    { OPT_OUT, "https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out" },
}

-- ---- What values look like

--- A date, so many seconds after the start.
local function date(offset_s)
    return { is = "date", offset_s = offset_s }
end

--- A text that has this in it.
local function has(part)
    return { is = "text with", part = part }
end

--- A text that is like this Lua pattern.
local function like(pattern)
    return { is = "text like", pattern = pattern }
end

local PRICE = like "^%-0%.%d%d%d%d%d$"

-- ---- Errors

-- HTTP status by code, and what the text has in it, as the error dictionary and recorded answers have it.
-- For 20009 and 30409 no recording is known; 409 is what their kind has.
local ERRORS = {
    [20001] = { 400, "Invalid" },
    [20003] = { 401, "Authenticate" },
    [20007] = { 400, "Page size" },
    [20009] = { 409, "before it is complete" },
    [20404] = { 404, "was not found" },
    [20429] = { 429, "Too Many Requests" },
    [21211] = { 400, "Invalid 'To' Phone Number" },
    [21212] = { 400, "Invalid From Number (caller ID)" },
    [21408] = { 400, "Permission to send an SMS has not been enabled for the region" },
    [21602] = { 400, "Message body is required" },
    [21603] = { 400, "A 'From' or 'MessagingServiceSid' parameter is required to send a message" },
    [21604] = { 400, "'To' phone number is required" },
    [21606] = { 400, "message-capable Twilio phone number" },
    [21609] = { 400, "'StatusCallback'" },
    [21610] = { 400, "Attempt to send to unsubscribed recipient" },
    [21611] = { 429, "has an SMS message queue that is full" },
    [21612] = { 400, "is not currently reachable via SMS" },
    [21614] = { 400, "is not a valid mobile number" },
    [21617] = { 400, "The concatenated message body exceeds the 1600 character limit" },
    [21620] = { 400, "Invalid media URL(s)" },
    [21623] = { 400, "Number of media files exceeds allowed limit" },
    [21624] = { 400, "Invalid validity period value" },
    [21701] = { 404, "Messaging Service" },
    [30409] = { 409, "cannot be canceled" },
    [35111] = { 400, "SendAt timestamp is missing" },
    [35114] = { 400, "Scheduling does not support this timestamp" },
    [35118] = { 400, "MessagingServiceSid is required to schedule a message" },
}

local function refusal(code)
    local row = ERRORS[code]
    return {
        status = row[1], code = code, message = has(row[2]),
        more_info = ("https://www.twilio.com/docs/errors/%d"):format(code),
    }
end

-- ---- Rows

local rows, at_s

local function row(name, source, value)
    rows[name] = { source = source, value = value }
end

-- Of these the dictionary does not tell the HTTP status.
local OF_UNKNOWN_STATUS = { [20009] = true, [30409] = true }

local function refused(name, code, source)
    local guess = OF_UNKNOWN_STATUS[code] and "; its HTTP status is a guess" or ""
    source = source or DICTIONARY .. code .. guess
    rows[name] = { source = source, error = refusal(code) }
end

-- ---- Records

local function uri(sid, rest)
    return ("/2010-04-01/Accounts/%s/Messages/%s%s.json"):format(M.ACCOUNT, sid, rest or "")
end

-- The message that the step `name` created, with what is different from a text that is queued; false means
-- null. It is as the answer to its creation, unless `later`.
local function message(name, fields, later)
    fields = fields or {}
    local sid = (fields.num_media and "MM" or "SM") .. "<" .. name .. ">"
    local created = date(at_s[name])
    local all = {
        account_sid = M.ACCOUNT,
        api_version = "2010-04-01",
        body = "Hello",
        date_created = created,
        date_sent = null,
        date_updated = created,
        direction = "outbound-api",
        error_code = null,
        error_message = null,
        from = scenarios.NUMBER,
        messaging_service_sid = null,
        num_media = "0",
        num_segments = "1",
        price = null,
        price_unit = "USD",
        sid = sid,
        status = "queued",
        subresource_uris = { media = uri(sid, "/Media"), feedback = later and uri(sid, "/Feedback") or nil },
        to = scenarios.PERSON,
        uri = uri(sid),
    }
    for field, value in pairs(fields) do
        all[field] = value or null
    end
    return all
end

local function later(name, fields)
    return message(name, fields, true)
end

local function with(fields, more)
    for field, value in pairs(more) do
        fields[field] = value
    end
    return fields
end

-- Sent and delivered; queued_s is when it was queued.
local function delivered(name, fields, queued_s)
    local sent_s = (queued_s or at_s[name]) + scenarios.SEND_S
    return later(name, with(fields or {}, {
        status = "delivered", date_sent = date(sent_s), date_updated = date(sent_s + scenarios.DELIVER_S),
        price = PRICE,
    }))
end

-- A service's message before its sender is known, and after.
local function of_service(fields)
    return with({
        from = false, messaging_service_sid = scenarios.SERVICE, num_segments = "0", status = "accepted",
    }, fields or {})
end

local function of_chosen(name, fields)
    return with({
        messaging_service_sid = scenarios.SERVICE, date_updated = date(at_s[name] + scenarios.SEND_S),
    }, fields or {})
end

local function failed(name, code, fields)
    return later(name, of_chosen(name, with({
        status = "failed", error_code = code, error_message = has(ERRORS[code][2]),
    }, fields or {})))
end

-- ---- The areas, in the order of scenarios.lua

local function sending()
    row("text", RESOURCE .. "; " .. RECORDED, message "text")
    row("text.fetch", RESOURCE .. "; " .. RECORDED, later "text")
    row("two segments", RESOURCE, message("two segments", { body = ("x"):rep(161), num_segments = "2" }))
    row("ucs-2", RESOURCE,
        message("ucs-2", { body = ("\xC3\xA9\xC4\x81"):rep(35) .. ".", num_segments = "2" }))
    row("longest", RESOURCE, message("longest", { body = ("x"):rep(1600), num_segments = "11" }))
    row("mms", RESOURCE, message("mms", { body = "Map", num_media = "2" }))
    row("media only", RESOURCE, message("media only", { body = "", num_media = "1" }))
    row("alphanumeric", RESOURCE, message("alphanumeric", { from = scenarios.BRAND, to = "+447700900123" }))
    row("service", RESOURCE .. "; " .. STATUSES, message("service", of_service()))
    row("service.fetch", RESOURCE, later("service", of_service()))
    row("asks for feedback", RESOURCE, message "asks for feedback")
    for name, outcome in pairs { feedback = "confirmed", ["feedback.unconfirmed"] = "unconfirmed" } do
        local sid = "SM<asks for feedback>"
        row(name, FEEDBACK, {
            account_sid = M.ACCOUNT, date_created = date(0), date_updated = date(0),
            message_sid = sid, outcome = outcome, uri = uri(sid, "/Feedback"),
        })
    end
    refused("feedback.wrong", 20001, FEEDBACK)
end

local FROM_CODES = { 21212, 21606, 21611, 21606 }
local TO_CODES = { 21211, 21612, 21408, 21610, 21614 }
local LATER_CODES = { 21612, 21408, 21610, 21614 }

local function magic_numbers()
    for i, from in ipairs(scenarios.MAGIC_FROM) do
        refused("magic from " .. from, FROM_CODES[i], MAGIC .. "; " .. RECORDED)
    end
    refused("magic from before body", 21606, RECORDED)
    for i, to in ipairs(scenarios.MAGIC_TO) do
        refused("magic to " .. to, TO_CODES[i], MAGIC)
    end
    for i, to in ipairs(scenarios.MAGIC_LATER) do
        local name = "magic later " .. to
        row(name, STATUSES, message(name, of_service { to = to }))
        local source = LATER_CODES[i] == 21610 and OPT_OUT or "as 21610"
        row(name .. ".failed", source, failed(name, LATER_CODES[i], { to = to }))
    end
end

local function refusals()
    for name, code in pairs {
        ["no to"] = 21604, ["no sender"] = 21603, ["no content"] = 21602, ["empty body"] = 21602,
        ["too long"] = 21617, ["eleven media"] = 21623, ["media no url"] = 21620,
        ["callback no host"] = 21609, ["validity zero"] = 21624, ["validity too long"] = 21624,
        ["unknown service"] = 21701, ["page too large"] = 20007, ["date no date"] = 20001,
    } do
        refused(name, code)
    end
    row("validity longest", RESOURCE, message "validity longest")
    for _, name in ipairs { "fetch unknown", "media of unknown", "cancel unknown", "delete unknown",
        "unknown account" } do
        refused(name, 20404, RECORDED)
    end
    row("api key", RESOURCE, later "text")
    refused("bad token", 20003, RECORDED)
    refused("bad token.create", 20003, RECORDED)
    local too_many = refusal(20429)
    row("too many at once", DICTIONARY .. 20429, {
        message("too many at once", { to = scenarios.SLOW }), too_many, too_many, too_many,
    })
end

local function scheduling()
    local waits = { status = "scheduled" }
    row("scheduled", SCHEDULING, message("scheduled", of_service(waits)))
    row("scheduled.fetch", SCHEDULING, later("scheduled", of_service(waits)))
    row("scheduled.cancel", RESOURCE, later("scheduled", of_service { status = "canceled" }))
    refused("scheduled.cancel again", 30409)
    row("scheduled to leave", SCHEDULING, message("scheduled to leave", of_service(waits)))
    refused("schedule without service", 35118)
    refused("schedule without time", 35111)
    for _, name in ipairs { "schedule too early", "schedule too late", "schedule no date" } do
        refused(name, 35114)
    end
    row("scheduled to leave.delivered", SCHEDULING .. "; " .. STATUSES,
        delivered("scheduled to leave", { messaging_service_sid = scenarios.SERVICE }, 7200))
end

local function states()
    for name, code in pairs {
        ["queued.delete"] = 20009, ["queued.other text"] = 20001,
        ["queued.other status"] = 20001, ["sent.cancel"] = 30409, ["delivered.cancel"] = 30409,
        ["text.deleted"] = 20404, ["text.delete again"] = 20404,
    } do
        refused(name, code, code == 20001 and RESOURCE or nil)
    end
    refused("queued.redact", 20009, "as deleting")
    for _, name in ipairs { "queued", "sent", "scheduled time", "day 1", "day 2", "day 3", "watched time",
        "opted out time" } do
        row(name, OWN, 200)
    end
    local sent = date(scenarios.SEND_S)
    row("text.sent", STATUSES, later("text", { status = "sent", date_sent = sent, date_updated = sent }))
    row("service.queued", STATUSES, later("service", of_chosen "service"))
    row("text.delivered", STATUSES, delivered "text")
    row("two segments.delivered", STATUSES,
        delivered("two segments", { body = ("x"):rep(161), num_segments = "2" }))
    local redacted = with(delivered "text", { body = "", date_updated = date(at_s["text.redact"]) })
    row("text.redact", RESOURCE, redacted)
    row("text.redacted", RESOURCE, redacted)
    row("text.delete", RESOURCE, true)
end

local function media()
    local sid = "MM<mms>"
    local function medium(name, content_type)
        return {
            account_sid = M.ACCOUNT, content_type = content_type, date_created = date(0),
            date_updated = date(0), parent_sid = sid, sid = name, uri = uri(sid, "/Media/" .. name),
        }
    end
    local first, second = medium("ME<mms.media>", "image/png"), medium("ME<mms.media 2>", "image/gif")
    row("mms.media", MEDIA, { first, second })
    row("mms.media.fetch", MEDIA, first)
    row("mms.media.delete", MEDIA, true)
    refused("mms.media.deleted", 20404)
    row("mms.media.left", MEDIA, { second })
    row("text without media", MEDIA, {})
    row("mms.delete", RESOURCE, true)
    refused("mms.media of deleted", 20404, RESOURCE)
end

local function lists()
    local unsent = "listed unsent"
    local newest_first = { later(unsent, { to = scenarios.LISTED }) }
    for _, number in ipairs { "2.2", "2.1", "1.2", "1.1", "0.3", "0.2", "0.1" } do
        local name = "listed " .. number
        row(name, RESOURCE, message(name, { to = scenarios.LISTED }))
        newest_first[#newest_first + 1] = delivered(name, { to = scenarios.LISTED })
    end
    row(unsent, RESOURCE, message(unsent, { to = scenarios.LISTED }))
    local function from_to(first, last)
        return table.move(newest_first, first, last, 1, {})
    end
    local all = from_to(1, 8)
    row("list all", RESOURCE, all)
    row("list pages of 3", RESOURCE, all)
    row("list limit 2", RESOURCE, from_to(1, 2))
    row("list limit 5, pages of 2", RESOURCE, from_to(1, 5))
    row("list one by one", RESOURCE, all)
    row("list one by one, limit 3", RESOURCE, from_to(1, 3))
    row("list page by page", RESOURCE, { from_to(1, 3), from_to(4, 6), from_to(7, 8) })
    row("list page by page and back", RESOURCE, from_to(1, 3))
    row("list by day", RESOURCE, from_to(4, 5))
    row("list by native date", RESOURCE .. " (its samples)", from_to(4, 5))
    row("list until a day", RESOURCE, from_to(4, 8))
    row("list from a day on", RESOURCE, from_to(2, 5))
    row("list between days", RESOURCE, from_to(4, 5))
    row("list by day, pages of 2", RESOURCE, from_to(6, 8))
    row("list by sender", RESOURCE,
        { delivered("alphanumeric", { from = scenarios.BRAND, to = "+447700900123" }) })
    row("list by other sender", RESOURCE, {})
    row("list by nobody", RESOURCE, {})
end

local function webhook(path, params)
    params.AccountSid, params.ApiVersion = M.ACCOUNT, "2010-04-01"
    return {
        path = path, params = params, valid = true, refuses_changed = true, refuses_other_token = true,
        token = "a token",
    }
end

local function callback(name, path, status, more)
    local sid = "SM<" .. name .. ">"
    return webhook(path, with({
        MessageSid = sid, SmsSid = sid, MessageStatus = status, SmsStatus = status, From = scenarios.NUMBER,
        To = scenarios.PERSON,
        RawDlrDoneDate = status == "delivered" and like("^" .. ("%d"):rep(10) .. "$") or nil,
    }, more or {}))
end

local function inbound(name, body, more)
    local sid = (more and "MM<" or "SM<") .. name .. ">"
    return { webhook("/sms", with({
        MessageSid = sid, SmsSid = sid, SmsMessageSid = sid, From = scenarios.WRITER, To = scenarios.NUMBER,
        Body = body, NumMedia = "0", NumSegments = "1", SmsStatus = "received",
        MessagingServiceSid = scenarios.SERVICE,
    }, more or {})) }
end

local function webhooks()
    local PATH = "/status?id=7&name=caf%C3%A9"
    local of_it = { MessagingServiceSid = scenarios.SERVICE }
    row("receiver", OWN, 200)
    row("watched", RESOURCE, message "watched")
    row("watched service", RESOURCE, message("watched service", of_service()))
    row("watched failure", RESOURCE, message("watched failure", of_service { to = "+15005550009" }))
    row("callbacks", STATUSES .. "; " .. SECURITY, {
        callback("watched", PATH, "sent"),
        callback("watched", PATH, "delivered"),
        callback("watched service", "/status", "queued", of_it),
        callback("watched service", "/status", "sent", of_it),
        callback("watched service", "/status", "delivered", of_it),
        callback("watched failure", "/status", "failed",
            { MessagingServiceSid = scenarios.SERVICE, ErrorCode = "21614", To = "+15005550009" }),
    })
    for _, what in ipairs { "writes", "sends a picture", "says stop", "says start" } do
        local name = "person " .. what
        row(name, OWN, 202)
    end
    local source = REQUEST .. "; " .. SECURITY
    row("inbound", source, inbound("inbound", scenarios.WRITTEN))
    row("answer's time", OWN, 200)
    row("answer", TWIML, { later("answer", {
        body = "You asked: " .. scenarios.WRITTEN, direction = "outbound-reply", to = scenarios.WRITER,
    }) })
    row("inbound media", source, inbound("inbound media", "", {
        NumMedia = "1", MediaUrl0 = like "^https://", MediaContentType0 = "image/png",
    }))
    row("inbound stop", source, inbound("inbound stop", "Stop"))
    row("inbound start", source, inbound("inbound start", "START"))
    local to_writer = { to = scenarios.WRITER }
    refused("opted out", 21610, OPT_OUT)
    row("opted out, service", OPT_OUT, message("opted out, service", of_service(to_writer)))
    row("opted out, service.failed", OPT_OUT, failed("opted out, service", 21610, to_writer))
    row("opted in", OPT_OUT, message("opted in", to_writer))
end

--- What must come of these steps.
-- @treturn table by name of the step: source, and value or error
function M.rows(steps)
    rows, at_s = {}, {}
    local now_s = 0
    for _, step in ipairs(steps) do
        at_s[step.name] = now_s
        now_s = now_s + (step.op == "advance" and step.seconds or 0)
    end
    for _, area in ipairs { sending, magic_numbers, refusals, scheduling, states, media, lists, webhooks } do
        area()
    end
    return rows
end

return M
