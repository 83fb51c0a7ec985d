-- The references in status callback URLs, from the client that makes them to the webhook that reads them.
local answering = require "answering"
local core = require "twilio_sms.core"
local simulator = require "simulator"
local sms = require "twilio_sms"

local TO = "+15558675310"
local KEY = "a key of my own, 32 bytes long.."
local CALLBACK = "https://example.com/status"

describe("callback_ref", function()
    local server, urls, opened

    before_each(function()
        urls, opened = {}, {}
        server = answering.start(function(request)
            local url
            for _, pair in ipairs(core.form_decode(request:body())) do
                assert.are_not.equal("CallbackRef", pair[1])
                url = pair[1] == "StatusCallback" and pair[2] or url
            end
            urls[#urls + 1] = url or "none"
            request:reply(201, nil, answering.message())
        end)
    end)

    after_each(function()
        for _, client in ipairs(opened) do
            client:close()
        end
        server:stop()
    end)

    local function open(options)
        local client = server:client(options)
        opened[#opened + 1] = client
        return client
    end

    local function send(client, message)
        message.to, message.body = TO, "Hello"
        return server:during(client.send, client, message)
    end

    it("is the message's own, in the URL and in the answer", function()
        local client = open { status_callback = CALLBACK, callback_ref = { key = KEY } }
        local message = assert(send(client, { callback_ref = "order-17" }))
        assert.equal("order-17", message.callback_ref)
        local expiry, mac = urls[1]:match "^https://example%.com/status%?ref=order%-17%.(%d+)%.(%x+)$"
        assert.equal(32, #mac)
        local lifetime_s = tonumber(expiry) - os.time()
        assert.is_true(lifetime_s > 604800 - 60 and lifetime_s <= 604800)
    end)

    it("is random without one, and lasts as long as the option says", function()
        local client = open {
            status_callback = CALLBACK .. "?a=1#rc=3",
            callback_ref = { key = KEY, lifetime_ms = 3600000 },
            seed = false, -- with one the references would always be the same
        }
        local first = assert(send(client, {}))
        local second = assert(send(client, {}))
        assert.is_truthy(first.callback_ref:find "^%x+$")
        assert.equal(32, #first.callback_ref)
        assert.are_not.equal(first.callback_ref, second.callback_ref)
        local expiry = urls[1]:match("%?a=1&ref=" .. first.callback_ref .. "%.(%d+)%.%x+#rc=3$")
        local lifetime_s = tonumber(expiry) - os.time()
        assert.is_true(lifetime_s > 3600 - 60 and lifetime_s <= 3600)
    end)

    it("is absent without a key or a callback", function()
        assert.is_nil(assert(send(open { status_callback = CALLBACK }, {})).callback_ref)
        assert.is_nil(assert(send(open { callback_ref = { key = KEY } }, {})).callback_ref)
        assert.same({ CALLBACK, "none" }, urls)
    end)

    it("is refused where it cannot be carried", function()
        local both = { status_callback = CALLBACK, callback_ref = { key = KEY } }
        local cases = {
            { { status_callback = CALLBACK }, "order-17", "callback_ref.key" },
            { { callback_ref = { key = KEY } }, "order-17", "needs status_callback" },
            { both, "order 17", "callback_ref is not" },
            { both, 17, "must be a string" },
        }
        for _, case in ipairs(cases) do
            local message, err = send(open(case[1]), { callback_ref = case[2] })
            assert.is_nil(message)
            assert.equal("MessageError.InvalidRequest", err.type)
            assert.is_truthy(err.message:find(case[3], 1, true))
        end
        assert.same({}, urls)
    end)

    it("needs a key that is long enough", function()
        local client, err = sms.new {
            account_sid = simulator.ACCOUNT_SID, auth_token = simulator.AUTH_TOKEN,
            callback_ref = { key = "short" },
        }
        assert.is_nil(client)
        assert.equal("ConfigurationError.InvalidOption", err.type)
        assert.is_truthy(err.message:find("at least 16 bytes", 1, true))
    end)

    it("is what a webhook with the same key reads", function()
        local client = open { status_callback = CALLBACK, callback_ref = { key = KEY } }
        assert(send(client, { callback_ref = "order-17" }))
        local params = {
            AccountSid = simulator.ACCOUNT_SID, MessageSid = "SM" .. ("1"):rep(32),
            MessageStatus = "delivered",
        }
        local signer = core.signer()
        assert(signer:add(simulator.AUTH_TOKEN))
        local request = {
            method = "POST", url = urls[1], peer = "192.0.2.1",
            headers = {
                ["Content-Type"] = "application/x-www-form-urlencoded",
                ["X-Twilio-Signature"] = assert(signer:sign(urls[1], params)),
            },
            body = ("AccountSid=%s&MessageSid=%s&MessageStatus=delivered"):format(
                params.AccountSid, params.MessageSid),
        }
        local function read(key)
            local webhook = assert(core.webhook {
                account_sid = simulator.ACCOUNT_SID, callback_ref_key = key, callback_ref_required = true,
            })
            assert(webhook:add_token(nil, simulator.AUTH_TOKEN))
            local event, err = webhook:read(request, os.time() * 1000)
            webhook:close()
            return event, err
        end
        assert.equal("order-17", assert(read(KEY)).callback_ref)
        local event, err = read "another key, also 32 bytes long."
        assert.is_nil(event)
        assert.equal(403, err.http_status)
    end)
end)
