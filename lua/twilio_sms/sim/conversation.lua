--- Between the carrier and the webhooks: what persons write goes out, what comes back is sent to them.
local form = require "twilio_sms.sim.webhook_form"
local twiml_reader = require "twilio_sms.sim.twiml_reader"
local webhook_url = require "twilio_sms.sim.webhook_url"

local M = {}

local Conversation = {}
local class = { __index = Conversation, __name = "twilio_sms.sim.conversation" }

local REDIRECTS_MOST = 10
local REDIRECTED_TOO_OFTEN = 11215

--- @tparam table opts carrier (`twilio_sms.sim.carrier`), webhooks (`twilio_sms.sim.webhooks`), url of the
-- webhook for inbound messages, fallback_url, method; without a url persons are heard, but nobody is told
function M.new(opts)
    return setmetatable({
        carrier = opts.carrier,
        webhooks = opts.webhooks,
        url = opts.url,
        fallback_url = opts.fallback_url,
        method = opts.method,
    }, class)
end

local function tell(self, message, extra, url, method, redirects)
    self.webhooks:send {
        kind = "inbound",
        url = url,
        fallback_url = self.fallback_url,
        method = method,
        params = form.inbound(self.carrier.account_sid, message, extra),
        message_sid = message.sid,
        is_last = true,
        message = message,
        extra = extra,
        redirects = redirects,
    }
end

--- A person writes.
-- @tparam table params as for the carrier's `receive`
-- @tparam[opt] table extra more parameters of the webhook by name
-- @treturn table the message
-- @treturn string|nil "STOP", "START" or "HELP" when its text is such a keyword
function Conversation:receive(params, extra)
    local message, keyword = self.carrier:receive(params)
    if self.url then
        tell(self, message, extra, self.url, self.method, 0)
    end
    return message, keyword
end

-- Sends a reply; a refused one counts with the carrier.
local function reply(self, webhook, verb)
    local message = webhook.message
    local callback = verb.status_callback
    self.carrier:create({
        To = verb.to or message.from,
        From = verb.from or message.to,
        Body = verb.body,
        MediaUrl = #verb.media > 0 and verb.media or nil,
        StatusCallback = callback and webhook_url.resolve(webhook.target.signed_url, callback) or nil,
    }, "outbound-reply")
end

--- Does what an answer says.
-- @tparam table webhook as it was sent
-- @tparam table answer headers, body
-- @treturn number|nil an error code when it cannot be used
function Conversation:answered(webhook, answer)
    if webhook.kind ~= "inbound" then
        return nil -- what a status callback is answered with is ignored
    end
    local verbs, code = twiml_reader.read(answer.headers["content-type"], answer.body)
    if not verbs then
        return code
    end
    for _, verb in ipairs(verbs) do
        if verb.verb == "message" then
            reply(self, webhook, verb)
        elseif webhook.redirects >= REDIRECTS_MOST then
            return REDIRECTED_TOO_OFTEN
        else
            local url = webhook_url.resolve(webhook.target.signed_url, verb.url)
            tell(self, webhook.message, webhook.extra, url, verb.method, webhook.redirects + 1)
            return nil -- what stands behind a redirect is never reached
        end
    end
end

local function urls_of(list)
    local urls
    for i, media in ipairs(list or {}) do
        urls = urls or {}
        urls[i] = media.url
    end
    return urls
end

--- Tells what became of messages, also when they came to a number of the account itself.
function Conversation:tell_changes()
    for _, change in ipairs(self.carrier:changes()) do
        self.webhooks:send {
            kind = "callback",
            url = change.message.status_callback,
            params = form.status(self.carrier.account_sid, change),
            message_sid = change.message.sid,
            is_last = change.is_last,
        }
    end
    for _, message in ipairs(self.carrier:arrivals()) do
        self:receive {
            From = message.from, To = message.to, Body = message.body, MediaUrl = urls_of(message.media),
        }
    end
end

return M
