local answering = require "answering"
local https = require "twilio_sms.server"
local simulator = require "simulator"
local sms = require "twilio_sms"

local TO = "+15005550010"
local DAY_S = 86400

describe("bad options", function()
    local function refusal(changes)
        local client, err = sms.new(simulator.options({ url = "https://localhost:1" }, changes))
        assert.is_nil(client)
        assert.is_true(sms.error.is(err))
        assert.equal("ConfigurationError", err.category)
        assert.is_false(err.retryable)
        return err
    end

    local SID = ("0"):rep(32)
    local CASES = {
        { "a SID that is missing", "InvalidAccountSid", "account_sid", { account_sid = false } },
        { "a SID that is too short", "InvalidAccountSid", "AC and 32 hex digits", { account_sid = "AC123" } },
        { "a SID of something else", "InvalidAccountSid", "API key", { account_sid = "SK" .. SID } },
        { "a token that is missing", "InvalidAuthToken", "auth_token", { auth_token = false } },
        { "a token that is too short", "InvalidAuthToken", "auth_token", { auth_token = "short" } },
        { "a token with a space", "InvalidAuthToken", "space", { auth_token = SID .. " " } },
        { "a token that is a SID", "InvalidAuthToken", "SID", { auth_token = "AC" .. SID } },
        { "a token in a file that is not there", "InvalidAuthToken", "/nowhere",
            { auth_token = { file = "/nowhere" } } },
        { "a key without its secret", "InvalidAuthToken", "api_secret", { api_key = "SK" .. SID } },
        { "a number", "InvalidPhoneNumber", "from", { from = "0049 30 123456" } },
        { "a service", "InvalidOption", "messaging_service_sid", { messaging_service_sid = "MG1" } },
        { "an unknown option", "InvalidOption", "did you mean 'timeout_ms'", { timeout = 5 } },
        { "a URL that is not https", "InvalidOption", "https", { base_url = "http://localhost:1" } },
        { "a URL that is none", "InvalidOption", "base_url", { base_url = "localhost" } },
        { "a URL with a password", "InvalidOption", "base_url", { base_url = "https://a:b@localhost" } },
        { "a CA file that is not there", "InvalidOption", "/nowhere", { ca_file = "/nowhere/ca.pem" } },
        { "a number out of range", "InvalidOption", "max_concurrency", { max_concurrency = 0 } },
        { "a word that is none of the choices", "InvalidOption", "in_doubt", { in_doubt = "maybe" } },
    }
    for _, case in ipairs(CASES) do
        it("are refused: " .. case[1], function()
            local err = refusal(case[4])
            assert.equal(case[2], err.kind)
            assert.truthy(err.message:find(case[3], 1, true), err.message)
        end)
    end

    it("do not bring a token into the error", function()
        local token = "0123456789abcdef 0123456789abcdef"
        local err = refusal { auth_token = token }
        assert.is_nil(tostring(err):find("0123456789abcdef", 1, true))
    end)
end)

describe("bad messages", function()
    local sim, client

    setup(function()
        sim = simulator.start ""
    end)

    teardown(function()
        sim:stop()
    end)

    before_each(function()
        client = sim:client()
    end)

    after_each(function()
        client:close()
    end)

    local function urls(count)
        local list = {}
        for i = 1, count do
            list[i] = "https://example.com/" .. i
        end
        return list
    end

    local SERVICE = simulator.SERVICE_SID
    local CASES = {
        { "without a recipient", "InvalidRecipient", "no recipient", { to = false } },
        { "to what is no number", "InvalidRecipient", "E.164", { to = "5550010" } },
        { "to a number with spaces", "InvalidRecipient", "E.164", { to = "+1 500 555 0010" } },
        { "to a number that is one in Lua", "InvalidRequest", "to: must be a string", { to = 15005550010 } },
        { "to a number with a NUL", "InvalidRecipient", "NUL", { to = TO .. "\0" } },
        { "to the sender", "InvalidRecipient", "same", { to = simulator.FROM } },
        { "from what is no number", "InvalidSender", "from", { from = "+0" } },
        { "from a service that is none", "InvalidRequest", "messaging_service_sid is",
            { messaging_service_sid = "MG1" } },
        { "with nothing in it", "InvalidRequest", "nothing to send", { body = false } },
        { "with an empty text and no media", "InvalidRequest", "nothing to send", { body = "" } },
        { "with 1601 characters", "MessageTooLong", "1601", { body = ("\195\164"):rep(1601) } },
        { "with a text that is not UTF-8", "InvalidRequest", "UTF-8", { body = "\255\254" } },
        { "with 11 media", "InvalidRequest", "11 media", { media = urls(11) } },
        { "with 100000 media", "InvalidRequest", "too many", { media = urls(100000) } },
        { "with media that are no URL", "InvalidRequest", "media URL 1", { media = "menu.png" } },
        { "with media on a disk", "InvalidRequest", "media URL 1", { media = "file:///etc/passwd" } },
        { "at a time without a service", "InvalidRequest", "needs messaging_service_sid",
            { send_at = os.time() + DAY_S } },
        { "too soon", "InvalidRequest", "too soon",
            { messaging_service_sid = SERVICE, send_at = os.time() + 14 * 60 } },
        { "in the past", "InvalidRequest", "too soon", { messaging_service_sid = SERVICE, send_at = 1 } },
        { "too late", "InvalidRequest", "too far",
            { messaging_service_sid = SERVICE, send_at = os.time() + 36 * DAY_S } },
        { "at a time in milliseconds", "InvalidRequest", "too far",
            { messaging_service_sid = SERVICE, send_at = os.time() * 1000 } },
        { "in 1970", "InvalidRequest", "send_at: 0 is no value",
            { messaging_service_sid = SERVICE, send_at = 0 } },
        { "on the first day of 1970", "InvalidRequest", "send_at: 0 is no value",
            { messaging_service_sid = SERVICE, send_at = "1970-01-01T00:00:00Z" } },
        { "valid for no time", "InvalidRequest", "validity_period_s: 0", { validity_period_s = 0 } },
        { "as attempt 0", "InvalidRequest", "attempt: 0", { attempt = 0 } },
        { "at a time without a zone", "InvalidRequest", "send_at",
            { messaging_service_sid = SERVICE, send_at = "2026-04-14 09:26:42" } },
        { "with a field that does not exist", "InvalidRequest", "did you mean 'body'", { boddy = "x" } },
        { "with a callback that is no URL", "InvalidRequest", "status_callback",
            { status_callback = "example.com" } },
        { "with variables and no template", "InvalidRequest", "content_sid", { content_variables = "{}" } },
        { "with tags that are no JSON", "InvalidRequest", "tags", { tags = "a=b" } },
        { "valid for too long", "InvalidRequest", "validity_period_s", { validity_period_s = 36001 } },
        { "with a time that is no number", "InvalidRequest", "whole number", { timeout_ms = 0 / 0 } },
    }
    for _, case in ipairs(CASES) do
        it("are refused: " .. case[1], function()
            local fields = { to = TO, body = "x" }
            for name, value in pairs(case[4]) do
                fields[name] = value or nil
            end
            local message, err = client:send(fields)
            assert.is_nil(message)
            assert.is_true(sms.error.is(err))
            assert.equal("MessageError." .. case[2], err.type)
            assert.truthy(err.message:find(case[3], 1, true), err.message)
            assert.same({ "not_sent", 0, false }, { err.outcome, err.attempts, err.retryable })
            assert.equal(0, client:stats().requests)
        end)
    end

    it("are refused: without a sender", function()
        local nobody = sim:client { from = false }
        local message, err = nobody:send { to = TO, body = "x" }
        assert.is_nil(message)
        assert.same({ "MessageError.InvalidSender", "not_sent" }, { err.type, err.outcome })
        nobody:close()
    end)

    it("are not those with a sender and its service", function()
        local message = assert(client:send {
            to = TO, from = "+15005550020", messaging_service_sid = SERVICE, body = "x",
        })
        assert.same({ "+15005550020", SERVICE }, { message.from, message.messaging_service_sid })
    end)

    it("are not those at the very limits", function()
        assert(client:send { to = TO, body = ("\195\164"):rep(1600) })
        assert(client:send { to = TO, media = urls(10) })
        for _, ahead_s in ipairs { 15 * 60 + 60, 35 * DAY_S - 60 } do
            assert(client:send {
                to = TO, body = "x", messaging_service_sid = SERVICE, send_at = os.time() + ahead_s,
            })
        end
    end)
end)

describe("a server that is none of ours", function()
    local function expect(kind, text, options, peer)
        local client = simulator.client(peer, options)
        local message, err = client:send { to = TO, body = "x" }
        assert.is_nil(message)
        assert.same({ kind, "not_sent", true }, { err.type, err.outcome, err.retryable })
        assert.truthy(err.message:find(text, 1, true), err.message)
        assert.equal(0, client:stats().resends_prevented)
        client:close()
    end

    local CONNECTION = "NetworkError.ConnectionFailed"

    it("is not trusted", function()
        local sim, other = simulator.start "", simulator.start ""
        finally(function()
            sim:stop()
            other:stop()
        end)
        expect(CONNECTION, "certificate is not trusted", { ca_file = false }, sim)
        expect(CONNECTION, "certificate is not trusted", { ca_file = other.ca_file }, sim)
        -- Every name below localhost is this machine (RFC 6761), but not in the certificate.
        local named = { url = "https://wrong.localhost:" .. sim.port, ca_file = sim.ca_file }
        expect(CONNECTION, "certificate", {}, named)
        assert.equal(0, sim:stats().requests)
    end)

    it("is not there", function()
        expect(CONNECTION, "connect", {}, { url = "https://127.0.0.1:1" })
    end)

    it("has no address", function()
        -- A label of 64 letters is one too long (RFC 1035 section 2.3.4), so that nobody is asked.
        local url = "https://" .. ("x"):rep(64) .. ".invalid"
        expect("NetworkError.DnsResolutionFailed", "resolve", {}, { url = url })
    end)

    it("speaks no TLS", function()
        local plain = assert(https.new { tls = false })
        finally(function() plain:close() end)
        local url = ("https://127.0.0.1:%d"):format(plain:port())
        local client = simulator.client { url = url }
        local ticket = client:submit { to = TO, body = "x" }
        while not ticket.done do
            client:step(1)
            plain:step(1)
        end
        assert.same({ CONNECTION, "not_sent" }, { ticket.err.type, ticket.err.outcome })
        client:close()
    end)

    it("says nothing", function()
        local mute = answering.start() -- never stepped: the system accepts, and that is all
        finally(function() mute:stop() end)
        expect("NetworkError.Timeout", "", { connect_timeout_ms = 100 }, mute)
    end)
end)
