local core = require "twilio_sms.core"
local finalizers = require "finalizers"

local ACCOUNT = "AC0123456789abcdef0123456789abcdef"
local SUBACCOUNT = "ACfedcba9876543210fedcba9876543210"
local TOKEN = "c0ffee11c0ffee22c0ffee33c0ffee44"
local SUBTOKEN = "decade11decade22decade33decade44"
local MESSAGE = "SM0123456789abcdef0123456789abcdef"
local URL = "https://hooks.example.com/sms"
local NOW_MS = 1790000000000

local function encode(text)
    return (text:gsub("[^%w%-._*]", function(c)
        return ("%%%02X"):format(c:byte())
    end))
end

local function form(fields)
    local pieces = {}
    for i, field in ipairs(fields) do
        pieces[i] = encode(field[1]) .. "=" .. encode(field[2])
    end
    return table.concat(pieces, "&")
end

local function inbound(...)
    return { { "MessageSid", MESSAGE }, { "AccountSid", ACCOUNT }, { "From", "+15005550001" },
        { "To", "+15005550006" }, { "Body", "Hello, w\195\182rld" }, { "NumMedia", "0" }, ... }
end

local function status(...)
    return { { "MessageSid", MESSAGE }, { "AccountSid", ACCOUNT }, { "From", "+15005550006" },
        { "To", "+15005550001" }, { "MessageStatus", "undelivered" }, { "ErrorCode", "30003" },
        { "RawDlrDoneDate", "2607171206" }, ... }
end

local function sign(url, fields, token)
    local signer = core.signer()
    assert(signer:add(token or TOKEN))
    return signer:sign(url, fields)
end

--- A genuine POST of a form.
local function post(fields, url, token)
    url = url or URL
    return {
        method = "POST",
        url = url,
        headers = {
            ["Content-Type"] = "application/x-www-form-urlencoded",
            ["X-Twilio-Signature"] = sign(url, fields, token),
        },
        body = form(fields),
    }
end

describe("core.webhook", function()
    local webhook

    local function open(options)
        options = options or {}
        options.account_sid = ACCOUNT
        webhook = assert(core.webhook(options))
        assert.is_true(webhook:add_token(nil, TOKEN))
        return webhook
    end

    after_each(function()
        if webhook then
            webhook:close()
            webhook = nil
        end
    end)

    local function refused(request, kind, http_status, text)
        local event, err = webhook:read(request, NOW_MS)
        assert.is_nil(event)
        assert.is_true(core.is_error(err))
        assert.equal(kind, err.kind)
        assert.equal(http_status, err.http_status)
        assert.truthy(err.message:find(text, 1, true), err.message)
    end

    describe("reads", function()
        it("an inbound message", function()
            local request = post(inbound({ "NumSegments", "1" }, { "FromCity", "" }, { "X", "1" },
                { "X", "2" }))
            request.headers["i-twilio-idempotency-token"] = "0f2bd1a9"
            local event = assert(open():read(request, NOW_MS))
            local signature = request.headers["X-Twilio-Signature"]
            assert.same({
                type = "inbound",
                url = URL,
                message_sid = MESSAGE,
                account_sid = ACCOUNT,
                from = "+15005550001",
                to = "+15005550006",
                body = "Hello, w\195\182rld",
                num_media = 0,
                num_segments = 1,
                media = {},
                idempotency_token = "0f2bd1a9",
                received_ms = NOW_MS,
                signature = signature,
                params = {
                    MessageSid = MESSAGE,
                    AccountSid = ACCOUNT,
                    From = "+15005550001",
                    To = "+15005550006",
                    Body = "Hello, w\195\182rld",
                    NumMedia = "0",
                    NumSegments = "1",
                    FromCity = "",
                    X = "1",
                },
                fields = inbound({ "NumSegments", "1" }, { "FromCity", "" }, { "X", "1" },
                    { "X", "2" }),
            }, event)
        end)

        it("media, an opt-out and a fallback", function()
            local event = assert(open():read(post {
                { "MessageSid", MESSAGE }, { "AccountSid", ACCOUNT }, { "From", "+15005550001" },
                { "To", "+15005550006" }, { "Body", "" }, { "NumMedia", "2" },
                { "MediaUrl0", "https://a/0" }, { "MediaUrl1", "https://a/1" },
                { "MediaContentType0", "image/png" }, { "OptOutType", "STOP" },
                { "ErrorCode", "11200" }, { "ErrorUrl", "https://b/" },
                { "MessagingServiceSid", "MG0123456789abcdef0123456789abcdef" },
            }, NOW_MS))
            assert.equal("", event.body)
            assert.same({ { url = "https://a/0", content_type = "image/png" }, { url = "https://a/1" } },
                event.media)
            assert.equal(2, event.num_media)
            assert.equal("STOP", event.opt_out_type)
            assert.equal(11200, event.fallback_error_code)
            assert.equal("https://b/", event.fallback_error_url)
            assert.is_nil(event.error_code)
            assert.equal("MG0123456789abcdef0123456789abcdef", event.messaging_service_sid)
        end)

        it("a status", function()
            local event = assert(open():read(post(status({ "ErrorMessage", "gone" })), NOW_MS))
            assert.equal("status", event.type)
            assert.equal("undelivered", event.status)
            assert.equal(30003, event.error_code)
            assert.equal("30003", ("%d"):format(event.error_code))
            assert.equal("gone", event.error_message)
            assert.equal("2607171206", event.raw_dlr_done_date)
            assert.is_nil(event.body)
            assert.is_nil(event.media)
            assert.is_nil(event.num_media)
            assert.is_nil(event.callback_ref)
        end)

        it("a GET", function()
            local url = URL .. "?" .. form(inbound())
            local event = assert(open():read({
                method = "GET",
                url = url,
                headers = { { "x-twilio-signature", sign(url, {}) } },
            }, NOW_MS))
            assert.equal("inbound", event.type)
            assert.equal(url, event.url)
            assert.equal("+15005550001", event.params.From)
        end)

        it("JSON whose digest is in the URL", function()
            local body = '{"a":1}'
            local url = URL .. "?bodySHA256=" .. core.body_sha256(body)
            local request = {
                method = "POST",
                url = url,
                headers = {
                    ["content-type"] = "application/json",
                    ["X-Twilio-Signature"] = { sign(url, {}) },
                },
                body = body,
            }
            local event = assert(open():read(request, NOW_MS))
            assert.equal("unknown", event.type)
            assert.equal(body, event.json)
            assert.same({}, event.params)
            assert.same({}, event.fields)
            request.body = '{"a":2}'
            refused(request, "InvalidSignature", 403, "bodySHA256")
        end)

        it("a target behind a trusted proxy", function()
            open { urls = { URL }, trusted_proxies = { "10.0.0.0/8", "::1" } }
            local request = post(status())
            request.url = "/sms"
            request.peer = "[::1]:5000"
            request.headers = {
                { "Host", "app:8080" },
                { "X-Forwarded-Host", "evil.example" },
                { "X-Forwarded-Host", "hooks.example.com" },
                { "X-Forwarded-Proto", "http, https" },
                { "Content-Type", "application/x-www-form-urlencoded" },
                { "X-Twilio-Signature", sign(URL, status()) },
            }
            assert.equal(URL, assert(webhook:read(request, NOW_MS)).url)
            request.peer = "192.0.2.1:5000"
            refused(request, "InvalidSignature", 403, "not one of 'urls'")
            request.headers[1] = { "Host", "hooks.example.com" }
            request.tls = true
            assert.equal(URL, assert(webhook:read(request, NOW_MS)).url)
        end)

        it("bytes as they are", function()
            local event = assert(open():read(post(status({ "Odd", "a b\r\n\226\130\172%&=" })), NOW_MS))
            assert.equal("a b\r\n\226\130\172%&=", event.params.Odd)
        end)
    end)

    describe("refuses", function()
        before_each(function()
            open()
        end)

        it("what is not genuine", function()
            local request = post(inbound())
            request.body = request.body .. "&x=y"
            refused(request, "InvalidSignature", 403, "signature is wrong")
            request = post(inbound())
            request.headers["x-twilio-signature"] = ("A"):rep(27) .. "="
            refused(request, "InvalidSignature", 403, "two different X-Twilio-Signature")
            request.headers["x-twilio-signature"] = nil
            request.headers["X-Twilio-Signature"] = { sign(URL, inbound()), ("A"):rep(27) .. "=" }
            refused(request, "InvalidSignature", 403, "two different X-Twilio-Signature")
            request.headers["X-Twilio-Signature"] = nil
            refused(request, "MissingFields", 400, "X-Twilio-Signature")
        end)

        it("what is incomplete or malformed", function()
            refused(post(inbound({ "AccountSid", ACCOUNT })), "PayloadParseError", 400, "came twice")
            refused(post(inbound({ "X", "\255" })), "PayloadParseError", 400, "UTF-8")
            refused(post(inbound({ "X", "a\0b" })), "PayloadParseError", 400, "zero byte")
            refused(post { { "MessageStatus", "sent" } }, "MissingFields", 400, "MessageSid")
        end)

        it("what is too large", function()
            local fields = {}
            for i = 1, 257 do
                fields[i] = { "a" .. i, "" }
            end
            refused(post(fields), "PayloadParseError", 413, "256 parameters")
            refused(post { { "a", ("x"):rep(70000) } }, "PayloadParseError", 413, "65536 bytes")
            local headers = {}
            for i = 1, 129 do
                headers[i] = { "X-" .. i, "" }
            end
            refused({ method = "POST", url = URL, headers = headers }, "PayloadParseError", 413,
                "128 headers")
        end)

        it("other methods, and requests without anything", function()
            refused({ method = "PUT", url = URL }, "PayloadParseError", 405, "method")
            refused({}, "PayloadParseError", 405, "method")
            refused({ method = "POST" }, "PayloadParseError", 400, "URL")
        end)

        it("tables that are no requests, by raising", function()
            for _, request in ipairs { { method = 1 }, { method = "GET", url = {} }, { headers = "x" },
                { headers = { "x" } }, { headers = { { 1, "x" } } }, { headers = { { "x", 1 } } },
                { headers = { x = 1 } }, { headers = { x = { 1 } } }, { headers = { [true] = "x" } },
                { body = true } } do
                assert.has_error(function()
                    webhook:read(request, NOW_MS)
                end)
            end
            assert.has_error(function()
                webhook:read("x", NOW_MS)
            end)
            assert.has_error(function()
                webhook:read({}, 0 / 0)
            end)
            assert.has_error(function()
                webhook:read({})
            end)
        end)
    end)

    it("takes the tokens of further accounts", function()
        open()
        local fields = { { "MessageSid", MESSAGE }, { "MessageStatus", "sent" },
            { "AccountSid", SUBACCOUNT } }
        local request = post(fields, URL, SUBTOKEN)
        assert.is_nil(webhook:refused_account())
        refused(request, "InvalidSignature", 403, "no auth token")
        assert.equal(SUBACCOUNT, webhook:refused_account())
        assert.is_true(webhook:add_token(SUBACCOUNT, SUBTOKEN))
        assert.equal(SUBACCOUNT, assert(webhook:read(request, NOW_MS)).account_sid)
        assert.is_nil(webhook:refused_account())
    end)

    it("reads secrets from the environment and from files", function()
        local path = os.tmpname()
        local file = assert(io.open(path, "w"))
        file:write(TOKEN, "\n")
        file:close()
        webhook = assert(core.webhook { account_sid = ACCOUNT, callback_ref_key = { file = path } })
        assert.is_true(webhook:add_token(nil, { file = path }))
        assert(webhook:read(post(status()), NOW_MS))
        assert.is_true(webhook:add_token(nil, { env = "PATH" }))
        os.remove(path)
        for _, secret in ipairs { { env = "TWILIO_SMS_SPEC_NOT_SET" }, { file = path } } do
            local done, err = webhook:add_token(nil, secret)
            assert.is_nil(done)
            assert.equal("InvalidAuthToken", err.kind)
            assert.truthy(err.message:find("auth_token", 1, true))
            done, err = core.webhook { account_sid = ACCOUNT, callback_ref_key = secret }
            assert.is_nil(done)
            assert.truthy(err.message:find("callback_ref_key", 1, true))
        end
        for _, secret in ipairs { {}, { env = 1 }, 5, true } do
            assert.has_error(function()
                webhook:add_token(nil, secret)
            end)
            assert.has_error(function()
                core.webhook { account_sid = ACCOUNT, callback_ref_key = secret }
            end)
        end
        local _, err = webhook:add_token(nil, "")
        assert.equal("InvalidAuthToken", err.kind)
        _, err = webhook:add_token("AC1", TOKEN)
        assert.equal("InvalidAccountSid", err.kind)
    end)

    it("refuses a key for references that is too short, an empty one too", function()
        for _, key in ipairs { "", "x", ("x"):rep(15) } do
            local none, err = core.webhook { account_sid = ACCOUNT, callback_ref_key = key }
            assert.is_nil(none)
            assert.equal("InvalidOption", err.kind)
            assert.truthy(err.message:find("callback_ref_key", 1, true))
        end
    end)

    it("raises when a table that it reads closes it", function()
        local now_ms = NOW_MS
        local uses = {
            read = function(hostile) webhook:read(hostile, now_ms) end,
            explain = function(hostile) webhook:explain(hostile) end,
            finish = function(hostile) webhook:finish("key", now_ms, hostile) end,
        }
        for name, use in pairs(uses) do
            open()
            local hostile = setmetatable({}, { __index = function(_, key)
                webhook:close()
                return key == "status" and 200 or nil
            end })
            local ok, message = pcall(use, hostile)
            assert.is_false(ok, name)
            assert.truthy(message:find("the webhook is closed", 1, true), name)
        end
    end)

    it("lets finalizers use it while it makes the tables of its answers", function()
        open()
        local fields = inbound()
        for i = 1, 100 do
            fields[#fields + 1] = { "Field" .. i, ("%d"):format(i):rep(20) }
        end
        local request, other = post(fields), post(inbound({ "Other", ("z"):rep(6000) }))
        local answer = { status = 200, content_type = "text/xml", body = ("a"):rep(2000) }
        webhook:finish("a", NOW_MS, answer)
        webhook:finish("b", NOW_MS, { status = 500, content_type = "text/plain", body = ("b"):rep(2000) })
        finalizers.run(function()
            webhook:read(other, NOW_MS)
            webhook:claim("b", NOW_MS)
        end, function()
            for _ = 1, 100 do
                local event = assert(webhook:read(request, NOW_MS))
                assert.same(fields, event.fields)
                local seen, given = webhook:claim("a", NOW_MS)
                assert.equal("done", seen)
                assert.same(answer, given)
            end
        end)
    end)

    it("may be closed by a finalizer in the middle of a call", function()
        local path = os.tmpname()
        local file = assert(io.open(path, "w"))
        file:write(TOKEN)
        file:close()
        assert(os.execute("chmod 600 " .. path))
        local foreign = post({ { "MessageSid", MESSAGE }, { "MessageStatus", "sent" },
            { "AccountSid", SUBACCOUNT } }, URL, SUBTOKEN)
        local calls = {
            add_token = function() return webhook:add_token(SUBACCOUNT, { file = path }) end,
            refused_account = function()
                webhook:read(foreign, NOW_MS)
                return assert(webhook:refused_account())
            end,
            metrics = function() return webhook:metrics "openmetrics" end,
            count = function()
                webhook:count("ok", { type = "inbound", to = "+15005550006" }, NOW_MS)
                return true
            end,
        }
        for name, call in pairs(calls) do
            open()
            local expected = call()
            local nth, was_closed = 0
            repeat
                nth = nth + 1
                open()
                local closing = webhook
                local ok, answer
                was_closed, ok, answer = finalizers.once_inside(nth, function()
                    closing:close()
                end, call)
                if ok then
                    assert.equal(expected, answer, name)
                else
                    local why = tostring(answer)
                    assert.truthy(why:find("the webhook is closed", 1, true), name .. ": " .. why)
                end
            until not was_closed
        end
        os.remove(path)
    end)

    it("explains", function()
        open { urls = { "https://other.example/" } }
        local text = webhook:explain(post(inbound()))
        assert.truthy(text:find("urls: it is not in the list of 1", 1, true))
        assert.truthy(text:find("type: inbound", 1, true))
        assert.is_nil(text:find("5005550001", 1, true))
        assert.truthy(webhook:explain({}):find("request: the method", 1, true))
    end)

    it("knows what was handled", function()
        open()
        assert.equal("new", (webhook:claim("a", NOW_MS)))
        assert.equal("running", (webhook:claim("a", NOW_MS)))
        webhook:release("a")
        assert.equal("new", (webhook:claim("a", NOW_MS)))
        webhook:finish("a", NOW_MS, { status = 200, content_type = "text/xml", body = "<Response/>" })
        local seen, answer = webhook:claim("a", NOW_MS + 1)
        assert.equal("done", seen)
        assert.same({ status = 200, content_type = "text/xml", body = "<Response/>" }, answer)
        assert.equal("new", (webhook:claim("b", NOW_MS)))
        webhook:finish("b", NOW_MS, { status = 204 })
        seen, answer = webhook:claim("b", NOW_MS)
        assert.equal("done", seen)
        assert.equal(204, answer.status)
        assert.has_error(function()
            webhook:finish("c", NOW_MS, {})
        end)
        assert.has_error(function()
            webhook:finish("c", NOW_MS, { status = 200, body = 1 })
        end)
    end)

    it("checks its options", function()
        for _, options in ipairs { { urls = "x" }, { urls = { 1 } }, { urls = { a = "x" } },
            { trusted_proxies = { true } }, { max_body = 0 }, { max_body = "1" }, { max_fields = 1.5 },
            { shared = 1 }, { replay_window_ms = -1 }, { callback_ref_required = 1 }, { url = "x" },
            { [1] = "x" } } do
            options.account_sid = ACCOUNT
            assert.has_error(function()
                core.webhook(options)
            end)
        end
        assert.has_error(function()
            core.webhook()
        end)
        local bad = {
            InvalidAccountSid = { { account_sid = "x" }, {} },
            InvalidOption = {
                { account_sid = ACCOUNT, urls = { "x" } },
                { account_sid = ACCOUNT, trusted_proxies = { "10.0.0.1/8" } },
                { account_sid = ACCOUNT, max_fields = 1001 },
                { account_sid = ACCOUNT, shared = "a/b" },
                { account_sid = ACCOUNT, callback_ref_required = true },
            },
        }
        for kind, list in pairs(bad) do
            for _, options in ipairs(list) do
                local made, err = core.webhook(options)
                assert.is_nil(made)
                assert.equal(kind, err.kind)
            end
        end
    end)

    it("is closed once and for all", function()
        open()
        assert.equal("twilio_sms.webhook (open)", tostring(webhook))
        webhook:close()
        webhook:close()
        assert.equal("twilio_sms.webhook (closed)", tostring(webhook))
        for _, name in ipairs { "add_token", "read", "explain", "claim", "finish", "release",
            "refused_account" } do
            assert.has_error(function()
                webhook[name](webhook, "x")
            end, "the webhook is closed")
        end
        assert.has_error(function()
            webhook.read({}, {})
        end)
        webhook = nil
    end)
end)
