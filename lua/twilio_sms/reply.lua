--- The answer to one webhook: what the handler adds to it, but for messages to somebody who opted out.
local core = require "twilio_sms.core"
local options = require "twilio_sms.options"

local M = {}

local Reply = {}
local class = { __index = Reply, __name = "twilio_sms.reply" }

--- @tparam table event the webhook that is answered
-- @param ledger the opt-out list, or nil
function M.new(event, ledger)
    return setmetatable({
        event = event,
        ledger = ledger,
        document = core.twiml(), -- holds everything, and so tells what cannot be said
        items = {},
    }, class)
end

local function add(self, item)
    local ok, err
    if item.redirect then
        ok, err = self.document:redirect(item.redirect, item.method)
    else
        ok, err = self.document:message(item.message)
    end
    if not ok then
        self.problem = self.problem or err -- few handlers look at what message{} answers
        return nil, err
    end
    self.items[#self.items + 1] = item
    return self
end

local function check_self(self)
    if getmetatable(self) ~= class then
        error("call this with a colon, as in reply:message{...}", 3)
    end
end

--- Adds a message to the person who wrote, or to somebody else.
-- @tparam table|string message body, media, to, from, action, method, status_callback; or the text alone
-- @treturn table|nil the reply, or nil and an error
function Reply:message(message)
    check_self(self)
    if type(message) == "string" then
        message = { body = message }
    elseif type(message) ~= "table" then
        error("a message is a text or a table, not " .. options.kind_of(message), 2)
    end
    local copy = {}
    for name, value in pairs(message) do
        copy[name] = value
    end
    return add(self, { message = copy })
end

--- Sends Twilio to another URL for the rest of the answer.
-- @tparam string url
-- @tparam[opt] string method "POST" or "GET"
-- @treturn table|nil the reply, or nil and an error
function Reply:redirect(url, method)
    check_self(self)
    if type(url) ~= "string" then
        error("a redirect needs a URL (a string), not " .. options.kind_of(url), 2)
    end
    return add(self, { redirect = url, method = method })
end

-- A number of 3 to 8 digits without a country code.
local function is_short_code(number)
    return number ~= nil and number:find "^%d%d%d+$" ~= nil and #number <= 8
end

--- Adds what the program wants to be said to STOP, START and HELP, where Twilio has not said it: it answers
-- its own words itself, but not those to a short code, nor the wider ones that only we take for an opt-out.
-- @tparam table learned what the opt-out list made of the event
-- @tparam table texts stop, start, help
function Reply:confirm(learned, texts)
    local text = texts[learned.action]
    local ours = learned.class == "wide" or is_short_code(self.event.to)
    local news = learned.changed or learned.action == "help"
    if text and ours and news and not learned.provider_replied and self.event.type == "inbound" then
        local ok, err = self.document:message { body = text }
        if not ok then
            return nil, err
        end
        -- One confirmation may follow an opt-out (47 CFR 64.1200(a)(12)). A START may leave other opt-outs.
        self.items[#self.items + 1] = { message = { body = text }, confirmation = learned.action == "stop" }
    end
    return self
end

-- Whether the recipient of an item may be written to.
local function allowed(self, item)
    if item.redirect or item.confirmation or not self.ledger then
        return true
    end
    local event = self.event
    return self.ledger:check {
        to = item.message.to or event.from,
        from = item.message.from or event.to,
        messaging_service_sid = event.messaging_service_sid,
        account_sid = event.account_sid,
    } == true
end

--- The finished answer: status, headers, body.
-- @treturn table
-- @treturn boolean whether Twilio will ask another URL for the rest
function Reply:answer()
    local kept = core.twiml()
    local count, redirects = 0, false
    for _, item in ipairs(self.event.type == "inbound" and self.items or {}) do
        if allowed(self, item) then
            count = count + 1
            if item.redirect then
                kept:redirect(item.redirect, item.method)
                redirects = true
            else
                kept:message(item.message)
            end
        end
    end
    if count == 0 then
        return { status = 204, headers = {}, body = "" }, false
    end
    local headers = { ["Content-Type"] = "text/xml; charset=utf-8" }
    return { status = 200, headers = headers, body = kept:text() }, redirects
end

return M
