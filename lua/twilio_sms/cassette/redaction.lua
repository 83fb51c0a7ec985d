--- What of a transfer or a webhook goes to the tape. All that is not named here is disguised or left out.
local core = require "twilio_sms.core"
local json = require "twilio_sms.cassette.json"
local words = require "twilio_sms.cassette.words"

local M = {}

local Redaction = {}
local class = { __index = Redaction, __name = "twilio_sms.cassette.redaction" }

--- @tparam table names the pseudonyms of the tape
function M.new(names)
    return setmetatable({ names = names }, class)
end

local function fill(into, kind, names)
    for word in names:gmatch "%S+" do
        into[word] = kind
    end
end

-- ---- What the fields are -------------------------------------------------------------------------

-- Parameters of requests and webhooks. "keep" is for words and counts that Twilio defines itself.
local PARAMETERS = {}
fill(PARAMETERS, "address", "To From FallbackFrom")
fill(PARAMETERS, "sid", [[AccountSid MessagingServiceSid ContentSid ApplicationSid MessageSid SmsSid
    SmsMessageSid]])
fill(PARAMETERS, "text", "Body PersistentAction")
fill(PARAMETERS, "url", "MediaUrl StatusCallback")
fill(PARAMETERS, "json", "ContentVariables Tags")
fill(PARAMETERS, "token", "PageToken")
fill(PARAMETERS, "digits", "WaId")
fill(PARAMETERS, "keep", [[MaxPrice ProvideFeedback Attempt ValidityPeriod ForceDelivery ContentRetention
    AddressRetention SmartEncoded TrafficType ShortenUrls ScheduleType SendAt SendAsMms RiskCheck
    MessageIntent Status Outcome DateSent DateSent< DateSent> DateCreated DateCreated< DateCreated>
    PageSize Page NumMedia NumSegments SmsStatus MessageStatus ApiVersion ErrorCode OptOutType
    FromCountry ToCountry]])

-- A webhook numbers the media of a message.
local function kind_of(name)
    local plain = name:match "^(%a+)%d+$"
    if plain == "MediaUrl" then
        return "url"
    elseif plain == "MediaContentType" then
        return "media_type"
    end
    return PARAMETERS[name]
end

-- Members of answers.
local FIELDS = {}
fill(FIELDS, "sid", "sid account_sid messaging_service_sid message_sid parent_sid")
fill(FIELDS, "address", "to from")
fill(FIELDS, "text", "body")
fill(FIELDS, "uri", "uri first_page_uri next_page_uri previous_page_uri media feedback")
fill(FIELDS, "url", "more_info")
fill(FIELDS, "sentence", "message detail error_message")
fill(FIELDS, "media_type", "content_type")
fill(FIELDS, "keep", [[num_segments num_media direction date_created date_updated date_sent status price
    price_unit error_code api_version outcome code page page_size start end]])

local HEADERS = {}
fill(HEADERS, "media_type", "content-type")
fill(HEADERS, "keep", "date retry-after")
fill(HEADERS, "sid", "twilio-request-id")

-- ---- Values --------------------------------------------------------------------------------------

-- A list or an object: its values are what the user has written.
local function user_json(self, text)
    local out, whole = json.rewrite(text, function(_, kind, value)
        if kind == "string" then
            return core.json_encode(self.names:text(value))
        end
        return kind == "number" and "0" or nil
    end, function(name) return self.names:name(name) end)
    return whole and out or self.names:text(text)
end

local KINDS = {}

-- Counts and prices; dates as in RFC 5322 and RFC 3339; currencies and countries.
local HARMLESS = {
    "^%-?%d?%d?%d?%d?%d?%d?$", "^%-?%d?%d?%d%.%d%d?%d?%d?%d?%d?$",
    "^%a%a%a, %d%d? %a%a%a %d%d%d%d %d%d:%d%d:%d%d [%u+-]%w%w%w?%w?$",
    "^%d%d%d%d%-%d%d%-%d%d$", "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d[%d.]*[Z%d:+-]+$",
    "^%u%u%u?$",
}

function KINDS.keep(_, text)
    if words.VALUE[text] then
        return text
    end
    for _, pattern in ipairs(HARMLESS) do
        if #text <= 40 and text:find(pattern) then
            return text
        end
    end
end

local MEDIA = { application = true, text = true, image = true, audio = true, video = true }

function KINDS.media_type(_, text)
    local main, rest = text:match "^(%l+)/[%l%d.+-]+(.*)$"
    local is_plain = main and (rest == "" or rest:lower():find "^; ?charset=[%w-]+$")
    return is_plain and MEDIA[main] and #text <= 80 and text
end

function KINDS.address(self, text)
    return self.names:address(text)
end

-- The number of a person on WhatsApp, the one that From has as well.
function KINDS.digits(self, text)
    return text:find "^%d+$" and self.names:digits(text)
end

function KINDS.sid(self, text)
    return text:find("^%u%u" .. ("%x"):rep(32) .. "$") and self.names:sid(text)
end

function KINDS.text(self, text)
    return self.names:text(text)
end

function KINDS.url(self, text)
    return self.names:url(text)
end

function KINDS.uri(self, text)
    return text:match("^[^?#]*"):find "^/[%w/._-]*$" and self.names:target(text, true, function(name, value)
        return self:parameter(name, value)
    end)
end

function KINDS.json(self, text)
    return user_json(self, text)
end

-- Twilio's own hold the sid of the last message.
function KINDS.token(self, text)
    local sid = text:match("^PA(%u%u" .. ("%x"):rep(32) .. ")$")
    return sid and "PA" .. self.names:sid(sid)
end

-- The value of a kind; one that is not what it should be is disguised.
local function redact(self, kind, text)
    return kind and KINDS[kind](self, text) or self.names:text(text)
end

--- The value of a parameter.
function Redaction:parameter(name, value)
    return redact(self, kind_of(name), value)
end

--- The pairs of a form or a query.
-- @treturn table a list of { name, value }, in the same order
function Redaction:pairs(list)
    local out = {}
    for i, pair in ipairs(list) do
        out[i] = { self.names:name(pair[1]), self:parameter(pair[1], pair[2]) }
    end
    return out
end

-- ---- Requests ------------------------------------------------------------------------------------

-- A region is a part of the name; any other host stands for api.twilio.com.
local function alias(origin)
    return origin and origin:match "^https://([%w.]+)%.twilio%.com$" or "api"
end

--- A request as it stands on the tape.
-- @tparam table request method, origin, path (with query), form
-- @treturn table method, host, path, query, form (lists of pairs)
function Redaction:request(request)
    local path, query = request.path:match "^([^?]*)%??(.*)$"
    return {
        method = request.method,
        host = alias(request.origin),
        path = self.names:target(path, true),
        query = self:pairs(core.form_decode(query)),
        form = self:pairs(core.form_decode(request.form or "")),
    }
end

-- ---- Answers -------------------------------------------------------------------------------------

--- What a request says, with what it says on the tape: an answer may quote it.
-- @tparam table before the pairs of the request
-- @tparam table after those of the tape
function M.quotable(before, after)
    local list = {}
    for i, pair in ipairs(before) do
        if kind_of(pair[1]) ~= "keep" then
            list[#list + 1] = { pair[2], after[i][2] }
        end
    end
    return list
end

local function answer_kind(path)
    local parent, name = path:match "([^.]*)%.?([^.]*)$"
    if name == "" then
        parent, name = "", parent
    end
    if parent == "subresource_uris" then
        return "uri"
    end
    -- Further inside, a name may mean anything.
    local is_known = parent == "" or path:find "^[%a_]+%[%]%.[%a_]+$"
    return is_known and FIELDS[(name:gsub("%[%]$", ""))] or nil
end

local LONGEST_COUNT = 6 -- digits; a phone number has more

local function answer_value(self, path, kind, value, quotable)
    local field = answer_kind(path)
    if kind == "string" then
        if field == "sentence" then
            return core.json_encode(self.names:sentence(value, quotable))
        end
        return core.json_encode(redact(self, field, value))
    elseif kind == "number" and (field ~= "keep" or #value > LONGEST_COUNT) then
        return "0"
    end
end

--- The body of an answer.
-- @tparam string body
-- @tparam table quotable see above
function Redaction:body(body, quotable)
    local text = json.rewrite(body, function(path, kind, value)
        return answer_value(self, path, kind, value, quotable)
    end, function(name) return self.names:name(name) end)
    return text or self.names:text(body)
end

--- Headers that may stay.
-- @tparam table list of { name, value }
function Redaction:headers(list)
    local out = {}
    for _, header in ipairs(list or {}) do
        local kind = HEADERS[header[1]:lower()]
        if kind then
            out[#out + 1] = { header[1], redact(self, kind, header[2]) }
        end
    end
    return out
end

local function joined(body)
    return type(body) == "table" and table.concat(body) or body or ""
end

--- One transfer as it stands on the tape.
-- @tparam table transfer as core clients tell it (method, origin, path, form, sent, fault, ...)
function Redaction:transfer(transfer)
    local request = self:request(transfer)
    local path, query = transfer.path:match "^([^?]*)%??(.*)$"
    local quotable = M.quotable(core.form_decode(query), request.query)
    quotable[#quotable + 1] = { path, request.path } -- 20404 names it
    for _, value in ipairs(M.quotable(core.form_decode(transfer.form or ""), request.form)) do
        quotable[#quotable + 1] = value
    end
    local complete = transfer.complete ~= false
    return {
        operation = transfer.operation,
        lookup = transfer.lookup or false,
        request = request,
        sent = transfer.sent ~= false,
        outcome = transfer.fault or (complete and "ok" or "partial"),
        message = transfer.fault and self.names:sentence(transfer.message or "", quotable) or nil,
        -- A fault may come when the status had been read.
        response = (transfer.status or 0) > 0 and {
            status = transfer.status,
            complete = complete,
            headers = self:headers(transfer.headers),
            body = self:body(joined(transfer.body), quotable),
        } or nil,
    }
end

return M
