--- Records webhooks with what they were answered, and plays them into another receiver.
--
-- The signature on a tape is made with a token that everybody knows; a receiver that is to take them has that
-- token and that account.
local core = require "twilio_sms.core"
local json = require "twilio_sms.cassette.json"
local options = require "twilio_sms.options"
local pseudonyms = require "twilio_sms.cassette.pseudonyms"
local redaction = require "twilio_sms.cassette.redaction"
local signature = require "twilio_sms.signature"
local writer = require "twilio_sms.cassette.writer"

local M = {
    --- What the webhooks of a tape are signed with.
    TOKEN = ("0123456789abcdef"):rep(2),
    --- The account that they are about.
    ACCOUNT_SID = pseudonyms.ACCOUNT_SID,
}

-- ---- What goes to the tape -----------------------------------------------------------------------

local function header_of(headers, wanted)
    for name, value in pairs(headers or {}) do
        if type(name) == "number" then
            name, value = value[1], value[2]
        end
        if name:lower() == wanted then
            return value
        end
    end
end

local function encode_form(list)
    local pieces = {}
    for i, pair in ipairs(list) do
        pieces[i] = pseudonyms.escape(pair[1]) .. "=" .. pseudonyms.escape(pair[2])
    end
    return table.concat(pieces, "&")
end

-- A token that is sent again with each repeat of a webhook: the same one stays the same.
local function disguised_token(names, token)
    return names.mac("token:" .. token):sub(1, 32)
end

local function without_sha(url)
    return (url:gsub("([?&])bodySHA256=%x*&?", "%1"):gsub("[?&]$", ""))
end

-- The body, and the pairs of which it consists; for JSON that is none.
local function redact_body(redact, body, content_type)
    if content_type:find("json", 1, true) then
        return redact:body(body, {}), {}, {}
    end
    local before = core.form_decode(body)
    local after = redact:pairs(before)
    return encode_form(after), before, after
end

-- A signature that nobody has made, for a request that was refused for its signature.
local FORGED = "AAAAAAAAAAAAAAAAAAAAAAAAAAA="

local function sign(url, content_type, body, after)
    if content_type:find("json", 1, true) then
        url = signature.url_for_body(url, body)
        return url, signature.sign(M.TOKEN, url)
    elseif content_type == "" then
        return url, signature.sign(M.TOKEN, url)
    end
    return url, signature.sign(M.TOKEN, url, after)
end

-- A server may tell the path alone; which host a request was for that was refused does not matter.
local function public_url(request, event)
    local url = request.url or ""
    if url:find "^/" then
        return event and event.url or "https://example.com" .. url
    end
    return url
end

-- The parameters of a GET are in its URL.
local function query_of(method, url)
    return method == "GET" and core.form_decode(url:match "%?([^#]*)" or "") or {}
end

local function joined(list, more)
    local out = {}
    for _, part in ipairs { list, more } do
        for _, pair in ipairs(part) do
            out[#out + 1] = pair
        end
    end
    return out
end

local function redact_request(redact, request, event, is_forged)
    local names = redact.names
    local content_type = header_of(request.headers, "content-type") or ""
    local body, before, after = redact_body(redact, request.body or "", content_type)
    local was = without_sha(public_url(request, event))
    local url = names:url(was, request.method == "GET" and function(name, value)
        return redact:parameter(name, value)
    end or nil)
    local signed
    url, signed = sign(url, content_type, body, after)
    local headers = {}
    if content_type ~= "" then
        headers[1] = { "Content-Type", redact:headers({ { "Content-Type", content_type } })[1][2] }
    end
    if header_of(request.headers, "x-twilio-signature") then
        headers[#headers + 1] = { "X-Twilio-Signature", is_forged and FORGED or signed }
    end
    local token = header_of(request.headers, "i-twilio-idempotency-token")
    if token then
        headers[#headers + 1] = { "I-Twilio-Idempotency-Token", disguised_token(names, token) }
    end
    local out = { method = request.method or "POST", url = url, headers = headers, body = body }
    local query = query_of(request.method, was)
    return out, redaction.quotable(joined(query, before), joined(redact:pairs(query), after))
end

local ENTITIES = { amp = "&", lt = "<", gt = ">", quot = '"', apos = "'" }

local function unescape_xml(text)
    return (text:gsub("&(%a+);", ENTITIES))
end

local function escape_xml(text)
    return (text:gsub("[&<>]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }))
end

-- Names of elements stay; texts and the values of attributes do not.
local function redact_twiml(names, body, quotable)
    local function value(text)
        text = unescape_xml(text)
        if text:find "^%a[%w+.-]*://" then
            return escape_xml(names:url(text))
        elseif text:find "^%+?%d+$" then
            return escape_xml(names:address(text))
        end
        return escape_xml(names:quoting(text, quotable))
    end
    body = body:gsub(">([^<]+)", function(text)
        return ">" .. (text:find "%S" and value(text) or text)
    end)
    return (body:gsub("<%a[^>]*>", function(tag)
        return (tag:gsub('="([^"]*)"', function(text) return '="' .. value(text) .. '"' end))
    end))
end

local function redact_answer(redact, answer, quotable)
    local body = answer.body or ""
    local content_type = header_of(answer.headers, "content-type") or ""
    return {
        status = answer.status,
        complete = true,
        headers = content_type ~= "" and redact:headers { { "Content-Type", content_type } } or {},
        body = body:find "^%s*<" and redact_twiml(redact.names, body, quotable) or redact.names:text(body),
    }
end

-- ---- Recording -----------------------------------------------------------------------------------

local Recorder = {}
local class = { __index = Recorder, __name = "twilio_sms.cassette.webhooks" }

local OPTIONS = {
    secrets = "table", seed = "string", key = "string", expires_after_s = "number", keep_hosts = "table",
    keep_texts = "table", keep_sids = "boolean", account_sid = "string", clock = "function",
}

local function check_receiver(receiver, level)
    local kind = type(receiver)
    if kind ~= "table" and kind ~= "userdata" or type(receiver.handle) ~= "function" then
        error("the second argument must be a receiver, as sms.webhook.new{...} makes it", level + 1)
    end
end

local function now_ms(opts)
    return opts.clock and math.floor(opts.clock() * 1000) or core.time_ms()
end

--- Makes a receiver that handles requests with another one, and records them.
-- @tparam string path of a file that does not exist
-- @tparam table receiver
-- @tparam[opt] table opts account_sid (unless given, that of the first genuine webhook); secrets (the auth
--   token, and more of what must not be on the tape); clock, a function that answers Unix seconds; others as
--   for sms.driver.record
-- @treturn table|nil an object with handle(request) and close()
function M.record(path, receiver, opts)
    if type(path) ~= "string" then
        error("webhooks(path, receiver): the path must be a string, not a " .. type(path), 2)
    end
    check_receiver(receiver, 2)
    opts = options.check(opts, OPTIONS, 2)
    writer.check_secrets(opts.secrets, 2)
    local begun_ms = now_ms(opts)
    local secrets, err = writer.secrets(path, { account_sid = opts.account_sid }, false, opts.secrets)
    if not secrets then
        return nil, err
    end
    local tape
    tape, err = writer.new(path, {
        names = function(seed) return writer.names(seed, opts) end,
        secrets = secrets,
        seed = opts.seed,
        wall0_ms = begun_ms,
        expires_after = opts.expires_after_s and math.floor(begun_ms / 1000 + opts.expires_after_s) or nil,
        redaction = {
            { "keyed", opts.key ~= nil }, { "keep_hosts", opts.keep_hosts or {} },
            { "keep_texts", opts.keep_texts or {} }, { "keep_sids", opts.keep_sids or false },
        },
    })
    if not tape then
        return nil, err
    end
    return setmetatable({
        receiver = receiver, tape = tape, redaction = redaction.new(tape.names), opts = opts,
        begun_ms = begun_ms,
    }, class)
end

--- Handles a request as the receiver does, and records it with its answer.
function Recorder:handle(request)
    local at_ms = now_ms(self.opts) - self.begun_ms
    local answer, event, err = self.receiver:handle(request)
    local names = self.redaction.names
    names.account_sid = names.account_sid or event and event.account_sid
    local is_forged = err ~= nil and err.kind == "InvalidSignature"
    local webhook, quotable = redact_request(self.redaction, request, event, is_forged)
    webhook.at_ms = at_ms
    webhook.answer = redact_answer(self.redaction, answer, quotable)
    self.tape:add_webhook(webhook)
    return answer, event, err
end

--- Ends the tape and searches it. The receiver stays open.
-- @treturn boolean|nil true; nil and an error as for a client that records
function Recorder:close()
    return self.tape:close()
end

class.__close = Recorder.close

-- ---- Replaying -----------------------------------------------------------------------------------

local REPLAY_OPTIONS = { key = "string", clock = "function" }

local function compare(out, line, what, tape, live)
    if tape ~= live then
        out[#out + 1] = ("line %d: %s: the tape has %s, the receiver answered %s"):format(line, what,
            json.encode(tape), json.encode(live))
    end
end

local function play(redact, receiver, entry, out)
    local recorded = entry.webhook
    local answer, _, err = receiver:handle {
        method = recorded.method, url = recorded.url, headers = recorded.headers, body = recorded.body,
    }
    local fields = joined(query_of(recorded.method, recorded.url), core.form_decode(recorded.body))
    local live = redact_answer(redact, answer, redaction.quotable(fields, fields))
    local before = #out
    compare(out, entry.line, "status", entry.answer.status, live.status)
    compare(out, entry.line, "body", entry.answer.body, live.body)
    if #out > before and err then
        out[#out] = out[#out] .. " (" .. tostring(err) .. ")"
    end
end

--- Plays the webhooks of a tape into a receiver, one after the other, and compares its answers.
-- @tparam string path
-- @tparam table receiver made with account_sid = M.ACCOUNT_SID and auth_token = M.TOKEN
-- @tparam[opt] table opts key; clock, a function that answers Unix seconds, for tapes that expire
-- @treturn number|nil how many there were; nil and an error that tells all differences
function M.replay(path, receiver, opts)
    if type(path) ~= "string" then
        error("replay_webhooks(path, receiver): the path must be a string, not a " .. type(path), 2)
    end
    check_receiver(receiver, 2)
    opts = options.check(opts, REPLAY_OPTIONS, 2)
    local tape, names = require("twilio_sms.driver.replay").load(path, opts)
    if not tape then
        return nil, names
    end
    local redact, out = redaction.new(names), {}
    for _, entry in ipairs(tape.webhooks) do
        play(redact, receiver, entry, out)
    end
    if out[1] then
        local err = core.error("InvalidRequest", "the answers differ from the tape")
        err.message = ("cassette %s: %s"):format(path, table.concat(out, "\n"))
        return nil, err
    end
    return #tape.webhooks
end

return M
