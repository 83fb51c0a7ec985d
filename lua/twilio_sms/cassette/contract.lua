--- Holds what goes to a tape against what Twilio documents about its Messages resource.
--
-- The facts are those of Twilio's OpenAPI document of the API 2010-04-01 (twilio/twilio-oai, paths of
-- Messages, Media and Feedback). What is found says that the server, the document or we have changed.
local core = require "twilio_sms.core"
local json = require "twilio_sms.cassette.json"

local M = {}

local function words(text)
    local set = {}
    for word in text:gmatch "%S+" do
        set[word] = true
    end
    return set
end

local function sid(...)
    return { sid = words(table.concat({ ... }, " ")) }
end

local TEXT, INTEGER, NUMBER, BOOLEAN, MAP = { text = true }, { integer = true }, { number = true },
    { boolean = true }, { map = true }

-- What a parameter or a member may be: one of the above, or one of these words.
local DIRECTIONS = { enum = words "inbound outbound-api outbound-call outbound-reply" }
local STATUSES = { enum = words [[queued sending sent failed delivered undelivered receiving received accepted
    scheduled read partially_delivered canceled]] }
local OUTCOMES = { enum = words "confirmed unconfirmed" }

M.create = {
    To = TEXT, StatusCallback = TEXT, ApplicationSid = sid "AP", MaxPrice = NUMBER, ProvideFeedback = BOOLEAN,
    Attempt = INTEGER, ValidityPeriod = { integer = true, least = 1, most = 36000 }, ForceDelivery = BOOLEAN,
    ContentRetention = { enum = words "retain discard" },
    AddressRetention = { enum = words "retain obfuscate" },
    SmartEncoded = BOOLEAN, PersistentAction = TEXT, TrafficType = { enum = words "free" },
    ShortenUrls = BOOLEAN, ScheduleType = { enum = words "fixed" }, SendAt = TEXT, SendAsMms = BOOLEAN,
    ContentVariables = TEXT, RiskCheck = { enum = words "enable disable" }, From = TEXT, FallbackFrom = TEXT,
    MessagingServiceSid = sid "MG", Body = TEXT, MediaUrl = TEXT, ContentSid = sid "HX",
}
M.update = { Body = TEXT, Status = { enum = words "canceled" } }
M.feedback_form = { Outcome = OUTCOMES }
M.list = {
    To = TEXT, From = TEXT, DateSent = TEXT, ["DateSent<"] = TEXT, ["DateSent>"] = TEXT,
    PageSize = { integer = true, least = 1, most = 1000 }, Page = INTEGER, PageToken = TEXT,
}
M.media_list = {
    DateCreated = TEXT, ["DateCreated<"] = TEXT, ["DateCreated>"] = TEXT,
    PageSize = { integer = true, least = 1, most = 1000 }, Page = INTEGER, PageToken = TEXT,
}
M.message = {
    body = TEXT, num_segments = TEXT, direction = DIRECTIONS, from = TEXT, to = TEXT, date_updated = TEXT,
    price = TEXT, error_message = TEXT, uri = TEXT, account_sid = sid "AC", num_media = TEXT,
    status = STATUSES, messaging_service_sid = sid "MG", sid = sid("SM", "MM"), date_sent = TEXT,
    date_created = TEXT, error_code = INTEGER, price_unit = TEXT, api_version = TEXT, subresource_uris = MAP,
}
M.media = {
    account_sid = sid "AC", content_type = TEXT, date_created = TEXT, date_updated = TEXT,
    parent_sid = sid("SM", "MM"), sid = sid "ME", uri = TEXT,
}
M.feedback = {
    account_sid = sid "AC", message_sid = sid("SM", "MM"), outcome = OUTCOMES, date_created = TEXT,
    date_updated = TEXT, uri = TEXT,
}
M.page = {
    ["end"] = INTEGER, first_page_uri = TEXT, next_page_uri = TEXT, page = INTEGER, page_size = INTEGER,
    previous_page_uri = TEXT, start = INTEGER, uri = TEXT,
}
M.error = { code = INTEGER, message = TEXT, more_info = TEXT, status = INTEGER, detail = TEXT, details = MAP }

local NONE = {}
local SID = "%u%u" .. ("%x"):rep(32)
local ROOT = "^/2010%-04%-01/Accounts/AC" .. ("%x"):rep(32) .. "/Messages"

--- The endpoints: method, pattern of the path, parameters, status of success, answer; rows is the name of the
-- list in a page.
M.endpoints = {
    { "POST", ROOT .. "%.json$", form = M.create, status = 201, answer = M.message, needs = "To" },
    { "GET", ROOT .. "%.json$", query = M.list, status = 200, answer = M.message, rows = "messages" },
    { "GET", ROOT .. "/" .. SID .. "%.json$", status = 200, answer = M.message },
    { "POST", ROOT .. "/" .. SID .. "%.json$", form = M.update, status = 200, answer = M.message },
    { "DELETE", ROOT .. "/" .. SID .. "%.json$", status = 204 },
    { "POST", ROOT .. "/" .. SID .. "/Feedback%.json$", form = M.feedback_form, status = 200,
        answer = M.feedback },
    { "GET", ROOT .. "/" .. SID .. "/Media%.json$", query = M.media_list, status = 200, answer = M.media,
        rows = "media_list" },
    { "GET", ROOT .. "/" .. SID .. "/Media/" .. SID .. "%.json$", status = 200, answer = M.media },
    { "DELETE", ROOT .. "/" .. SID .. "/Media/" .. SID .. "%.json$", status = 204 },
}

--- The statuses of failures.
M.failures = {}
for _, status in ipairs { 400, 401, 403, 404, 429, 500, 503 } do
    M.failures[status] = true
end

-- ---- Checking ------------------------------------------------------------------------------------

local function is_integer(text)
    return text:find "^%-?%d+$" ~= nil
end

-- What is wrong with the text of a value, or nil.
local function text_fault(rule, text)
    if rule.enum and not rule.enum[text] then
        return "is none of the documented words"
    elseif rule.sid and not (text:find("^" .. SID .. "$") and rule.sid[text:sub(1, 2)]) then
        return "is no SID of its kind"
    end
end

local function parameter_fault(rule, text)
    local number = tonumber(text)
    if rule.integer and not is_integer(text) or rule.number and not number then
        return "is no number"
    elseif rule.least and (number < rule.least or number > rule.most) then
        return ("is not within %d and %d"):format(rule.least, rule.most)
    elseif rule.boolean and text ~= "true" and text ~= "false" then
        return "is neither true nor false"
    end
    return text_fault(rule, text)
end

local function member_fault(rule, kind, value)
    if kind == "null" or rule.map then
        return nil
    elseif rule.integer then
        return not (kind == "number" and is_integer(value)) and "is no integer" or nil
    elseif kind ~= "string" then
        return "is no text but a " .. kind
    end
    return text_fault(rule, value)
end

local function check_parameters(report, what, known, list)
    for _, pair in ipairs(list) do
        local rule = known[pair[1]]
        local fault = not rule and "is not documented" or parameter_fault(rule, pair[2])
        if fault then
            report(("%s %s %s"):format(what, pair[1], fault))
        end
    end
end

-- The rule for a member of an answer; false when there is none.
local function rule_of(path, answer, rows)
    local name = rows and path:match("^" .. rows .. "%[%]%.([^.%[]+)") or path:match "^([^.%[]+)"
    local is_row = not rows or path:find("^" .. rows .. "%[%]")
    return name and (is_row and answer or M.page)[name], name
end

local function check_body(report, body, answer, rows)
    local whole = json.each(body, function(path, kind, value)
        local rule, name = rule_of(path, answer, rows)
        local fault = not rule and "is not documented" or member_fault(rule, kind, value)
        if fault then
            report(("member %s %s"):format(name or path, fault))
        end
    end)
    if not whole then
        report "the body is no JSON"
    end
end

local function check_failure(report, response)
    if not M.failures[response.status] then
        report(("status %d is not documented"):format(response.status))
        return
    end
    check_body(report, response.body, M.error)
    local document = core.json_decode(response.body)
    for _, name in ipairs { "code", "message", "status" } do
        if type(document) == "table" and document[name] == nil then
            report(("the error has no %s"):format(name))
        end
    end
end

local function endpoint_of(request)
    for _, endpoint in ipairs(M.endpoints) do
        if endpoint[1] == request.method and request.path:find(endpoint[2]) then
            return endpoint
        end
    end
end

local function check_answer(report, endpoint, response)
    if response.status >= 300 then
        check_failure(report, response)
    elseif response.status ~= endpoint.status then
        report(("status %d instead of %d"):format(response.status, endpoint.status))
    elseif endpoint.answer and response.complete then
        check_body(report, response.body, endpoint.answer, endpoint.rows)
    end
end

--- Checks one interaction.
-- @tparam table interaction as on a tape
-- @tparam function report gets a text for each thing that is not as documented
function M.check(interaction, report)
    local request, response = interaction.request, interaction.response
    local endpoint = endpoint_of(request)
    if not endpoint then
        report "the endpoint is not documented"
        return
    end
    check_parameters(report, "query", endpoint.query or NONE, request.query)
    check_parameters(report, "form", endpoint.form or NONE, request.form)
    local has = not endpoint.needs
    for _, pair in ipairs(request.form) do
        has = has or pair[1] == endpoint.needs
    end
    if not has then
        report(("form %s is missing"):format(endpoint.needs))
    end
    if response and interaction.outcome == "ok" then
        check_answer(report, endpoint, response)
    end
end

return M
