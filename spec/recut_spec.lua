-- Whoever has sent a text message knows the bytes that were signed but for the signature; somebody who has
-- that as well, from a log perhaps, must not be able to make another request of them.
local core = require "twilio_sms.core"
local twilio = require "twilio"

local FORGED = "SM" .. ("0"):rep(31) .. "9"
local VICTIM = "+15558675399"

describe("a request that was cut anew", function()
    local webhook

    before_each(function()
        webhook = core.webhook { account_sid = twilio.ACCOUNT_SID }
        assert(webhook:add_token(nil, twilio.TOKEN))
    end)

    after_each(function()
        webhook:close()
    end)

    local function escape(text)
        return (text:gsub("[^%w%-%._]", function(c) return ("%%%02X"):format(c:byte()) end))
    end

    -- What Twilio signed behind the URL.
    local function joined(params)
        local names = {}
        for name in pairs(params) do
            names[#names + 1] = name
        end
        table.sort(names)
        for i, name in ipairs(names) do
            names[i] = name .. params[name]
        end
        return table.concat(names)
    end

    local function read(changes)
        return webhook:read(changes, core.time_ms())
    end

    local function assert_refused(request)
        local event, err = read(request)
        assert.is_nil(event)
        assert.equal("WebhookError.PayloadParseError", err.type)
        assert.equal(400, err.http_status)
    end

    it("is the same request when nothing was changed", function()
        assert.equal("inbound", assert(read(twilio.request(twilio.inbound()))).type)
    end)

    it("is no GET with another sender", function()
        local url = "https://example.com/sms?a=b"
        local text = ("x&AccountSid=%s&Body=START&From=%s&MessageSid=%s&NumMedia=0&SmsSid=%s&To=%s&z=")
            :format(twilio.ACCOUNT_SID, escape(VICTIM), FORGED, FORGED, escape(twilio.NUMBER))
        local params = twilio.inbound { Body = text }
        local genuine = twilio.request(params, { url = url })
        assert.equal("inbound", assert(read(genuine)).type)
        assert_refused {
            method = "GET", url = url .. joined(params), headers = genuine.headers, body = "",
        }
    end)

    it("is no POST with another sender or another sid", function()
        -- Behind the text stood FromX..., so that the real sender is left over in a name of the forger's.
        local text = ("START" .. "From%sFromX"):format(VICTIM)
        local params = twilio.inbound { Body = text }
        local genuine = twilio.request(params)
        assert.equal("inbound", assert(read(genuine)).type)
        local forged = {}
        for name, value in pairs(params) do
            forged[name] = value
        end
        forged.Body, forged.From = "START", VICTIM
        forged.FromX = "From" .. params.From
        local body = twilio.form(forged)
        assert_refused { method = "POST", url = twilio.URL, headers = genuine.headers, body = body }
    end)

    it("has no body of JSON", function()
        local body = '{"paid":true}'
        local url = "https://example.com/sms?a=b"
        local params = twilio.inbound { Body = "&bodySHA256=" .. core.body_sha256(body) .. "&z=" }
        local genuine = twilio.request(params, { url = url })
        assert.equal("inbound", assert(read(genuine)).type)
        assert_refused { method = "POST", url = url .. joined(params), body = body, headers = {
            ["Content-Type"] = "application/json",
            ["X-Twilio-Signature"] = genuine.headers["X-Twilio-Signature"],
        } }
    end)

    it("may be quoted in a text", function()
        local text = "MessageSid" .. twilio.sid(7) .. " From+15558675310 AccountSid" .. twilio.ACCOUNT_SID
        assert.equal(text, assert(read(twilio.request(twilio.inbound { Body = text }))).body)
    end)
end)
