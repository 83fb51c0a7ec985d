local sms = require "twilio_sms"
local tapes = require "tapes"
local twilio = require "twilio"

local PERSON, OTHER = "+12125551234", "+12125555678"

local function receiver(opts)
    local out = {
        account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN, optout = sms.optout.new {},
        on_error = function() end,
    }
    for name, value in pairs(opts or {}) do
        out[name] = value
    end
    return sms.assert(sms.webhook.new(out))
end

local function test_receiver(opts)
    local out = { account_sid = sms.cassette.ACCOUNT_SID, auth_token = sms.cassette.TOKEN }
    for name, value in pairs(opts or {}) do
        out[name] = value
    end
    return receiver(out)
end

-- A program that answers, and quotes.
local function echo(event, reply)
    if event.body ~= "nothing" then
        reply:message { body = "Dear Annegret & Bartholomew <3, you wrote: "
            .. event.body .. " from " .. event.from }
    end
end

describe("a tape of webhooks", function()
    local path

    before_each(function()
        path = tapes.path()
    end)

    after_each(function()
        os.remove(path)
    end)

    local function record(requests, opts, receiver_opts)
        local inner = receiver(receiver_opts or { on_message = echo })
        local recorder = sms.assert(sms.cassette.webhooks(path, inner, opts))
        local answers = {}
        for i, request in ipairs(requests) do
            answers[i] = recorder:handle(request)
        end
        inner:close()
        return answers, recorder:close()
    end

    it("has requests of which the server told the path alone", function()
        local requests = {}
        for i, target in ipairs { "/sms", "/sms?token=S3cretT0ken", "/sms?S3cretT0ken" } do
            local request = twilio.request(twilio.inbound { From = PERSON, MessageSid = twilio.sid(i) },
                { signed_url = "https://hooks.private.org" .. target })
            request.url, request.tls, request.headers.Host = target, true, "hooks.private.org"
            requests[i] = request
        end
        requests[4] = { method = "POST", url = "/sms", headers = {}, body = "" }
        local answers = record(requests)
        assert.equal(200, answers[3].status)
        local text = tapes.read(path)
        assert.is_nil(text:find("private", 1, true))
        assert.is_nil(text:find("S3cretT0ken", 1, true))
        assert.equal(4, sms.assert(sms.cassette.replay_webhooks(path, test_receiver { on_message = echo })))
    end)

    it("has requests by GET", function()
        local params = twilio.inbound { From = PERSON, Body = "Hello Annegret" }
        local url = twilio.URL .. "?" .. twilio.form(params)
        local answers = record { {
            method = "GET", url = url, headers = { ["X-Twilio-Signature"] = twilio.signature(url, {}) },
        } }
        assert.matches("you wrote: Hello Annegret from", answers[1].body, 1, true)
        assert.is_nil(tapes.read(path):find("Annegret", 1, true))
        assert.equal(1, sms.assert(sms.cassette.replay_webhooks(path, test_receiver { on_message = echo })))
    end)

    local function forged()
        local request = twilio.request(twilio.inbound { MessageSid = twilio.sid(9), From = OTHER })
        request.headers["X-Twilio-Signature"] = ("A"):rep(27) .. "="
        return request
    end

    local function requests()
        return {
            twilio.request(twilio.inbound { From = PERSON, Body = "Hello, my name is Annegret" },
                { url = "https://hooks.shop.org/sms?customer=Annegret" }),
            twilio.request(twilio.inbound { MessageSid = twilio.sid(2), From = PERSON, Body = "nothing" }),
            twilio.request(twilio.inbound { MessageSid = twilio.sid(3), From = PERSON, Body = "STOP" }),
            forged(),
            twilio.request(twilio.status { MessageSid = twilio.sid(4), To = OTHER }),
            twilio.request(twilio.status { MessageSid = twilio.sid(4), To = OTHER }), -- again
        }
    end

    it("gives a receiver the same webhooks, and compares its answers", function()
        local answers, ok = record(requests(), { keep_texts = { "nothing" } }) -- a word that echo knows
        assert.is_true(ok)
        assert.matches("you wrote: Hello, my name is Annegret", answers[1].body, 1, true)
        assert.equal(403, answers[4].status)
        local seen = {}
        local again = test_receiver {
            on_message = function(event, reply)
                seen[#seen + 1] = event
                return echo(event, reply)
            end,
        }
        assert.equal(6, sms.assert(sms.cassette.replay_webhooks(path, again)))
        assert.equal(3, #seen)
        assert.equal(sms.cassette.ACCOUNT_SID, seen[1].account_sid)
        assert.equal(seen[1].from, seen[2].from)
        assert.matches("^%+1[2-9]%d%d55501%d%d$", seen[1].from)
        assert.equal("STOP", seen[3].body)
        assert.equal(1, again:stats().refused)
        assert.equal(1, again:stats().repeated)
    end)

    it("says where a receiver answers otherwise", function()
        record(requests(), { keep_texts = { "nothing" } })
        local count, err = sms.cassette.replay_webhooks(path, test_receiver {
            on_message = function(_, reply) reply:message { body = "Something else" } end,
        })
        assert.is_nil(count)
        assert.matches("line 2: body: the tape has ", err.message, 1, true)
        assert.is_nil(err.message:find("line 5", 1, true))
        count, err = sms.cassette.replay_webhooks(path, receiver { on_message = echo })
        assert.is_nil(count)
        assert.matches("line 2: status: the tape has 200, the receiver answered 403", err.message, 1, true)
    end)

    it("has nothing of what people wrote", function()
        record(requests(), { secrets = { twilio.TOKEN } })
        local text = tapes.read(path)
        for _, secret in ipairs { "Annegret", "Bartholomew", "12125551234", "12125555678", twilio.ACCOUNT_SID,
            twilio.TOKEN, "shop.org", "customer=Annegret", "my name" } do
            assert.is_nil(text:find(secret, 1, true), secret)
        end
    end)

    it("has JSON with its hash", function()
        local url = sms.signature.url_for_body("https://example.com/events?a=b", '{"to":"+12125551234"}')
        local request = {
            method = "POST", url = url, body = '{"to":"+12125551234"}',
            headers = { { "content-type", "application/json" },
                { "x-twilio-signature", twilio.signature(url) } },
        }
        record { request }
        local text = tapes.read(path)
        assert.is_nil(text:find("12125551234", 1, true))
        assert.equal(1, sms.assert(sms.cassette.replay_webhooks(path, test_receiver())))
    end)

    it("is never recorded over, and says what is no tape", function()
        tapes.write(path, "precious")
        local none, err = sms.cassette.webhooks(path, receiver())
        assert.is_nil(none)
        assert.matches("the file exists", err.message)
        none, err = sms.cassette.replay_webhooks(path, test_receiver())
        assert.is_nil(none)
        assert.matches("line 1 was cut in the middle", err.message, 1, true)
    end)

    it("refuses misuse", function()
        for _, f in ipairs {
            function() sms.cassette.webhooks(nil, receiver()) end,
            function() sms.cassette.webhooks(path, {}) end,
            function() sms.cassette.webhooks(path, receiver(), { token = "x" }) end,
            function() sms.cassette.replay_webhooks(path) end,
            function() sms.cassette.replay_webhooks(7, receiver()) end,
        } do
            local ok, err = pcall(f)
            assert.is_false(ok)
            assert.matches("cassette_webhooks_spec", err)
        end
    end)
end)
