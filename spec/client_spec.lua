local answering = require "answering"
local core = require "twilio_sms.core"
local simulator = require "simulator"
local sms = require "twilio_sms"

local TO = "+15005550010"
local DAY_S = 86400

describe("a client", function()
    local sim, client

    setup(function()
        sim = simulator.start [[
            seed = 1, send_ms = 20, deliver_ms = 20,
            api_keys = { SK00000000000000000000000000000003 = "a-secret-of-an-API-key" },
            script = { { on = "send", body = "^slow", action = "delay", delay_ms = 20000 } },
        ]]
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

    describe("sends", function()
        it("a text", function()
            local message = assert(client:send { to = TO, body = "Your table is ready." })
            assert.matches("^SM%x+$", message.sid)
            assert.equal(34, #message.sid)
            assert.same({ TO, simulator.FROM, "Your table is ready.", "queued", "outbound-api" },
                { message.to, message.from, message.body, message.status, message.direction })
            assert.same({ "1", "0", "1" },
                { ("%d"):format(message.num_segments), ("%d"):format(message.num_media),
                    ("%d"):format(message.attempts) })
            assert.equal("accepted", message.outcome)
            assert.is_false(message.verified)
            assert.equal(simulator.ACCOUNT_SID, message.account_sid)
            assert.truthy(math.abs(message.date_created_unix - os.time()) < 60)
            assert.matches(" %+0000$", message.date_created)
            assert.is_nil(message.error_code)
            assert.is_nil(message.price)
            assert.matches("/Media%.json$", message.subresource_uris.media)
        end)

        it("any character, byte by byte", function()
            for _, body in ipairs {
                "a&b=c%20d+e f", "Z\195\188rich \226\130\172 \240\159\152\128", "two\r\nlines\ttab",
                ("\195\164"):rep(1600), "'\"<>;|$(x)`\\",
            } do
                local message = assert(client:send { to = TO, body = body })
                assert.equal(body, assert(client:get(message.sid)).body)
            end
        end)

        it("media, as one URL or a list", function()
            local url = "https://example.com/menu.png?size=2&x=%20"
            local message = assert(client:send { to = TO, media = url })
            assert.matches("^MM", message.sid)
            assert.equal(1, message.num_media)
            local other = "http://example.com/a.gif"
            message = assert(client:send { to = TO, body = "Two", media = { url, other } })
            assert.equal(2, message.num_media)
        end)

        it("through a service, at once or at a time", function()
            local service = simulator.SERVICE_SID
            local message = assert(client:send { to = TO, body = "Hello", messaging_service_sid = service })
            assert.same({ "accepted", service }, { message.status, message.messaging_service_sid })
            assert.is_nil(message.from)
            local at = os.time() + DAY_S
            for _, send_at in ipairs { at, os.date("!%Y-%m-%dT%H:%M:%SZ", at) } do
                message = assert(client:send {
                    to = TO, body = "Tomorrow", messaging_service_sid = service, send_at = send_at,
                })
                assert.equal("scheduled", message.status)
            end
        end)

        it("every parameter under Twilio's name", function()
            local at = os.time() + DAY_S
            local form
            local server = answering.start(function(request)
                form = core.form_decode(request:body())
                request:reply(201, nil, answering.message())
            end)
            finally(function() server:stop() end)
            local plain = server:client()
            assert(server:during(plain.send, plain, {
                to = TO, from = "+15005550007", messaging_service_sid = simulator.SERVICE_SID,
                fallback_from = "+15005550008", body = "Hello",
                media = { "https://example.com/1", "https://example.com/2" },
                content_sid = "HX" .. ("a"):rep(32), content_variables = '{"1":"x"}',
                status_callback = "https://example.com/status?a=b&c=d",
                application_sid = "AP" .. ("b"):rep(32),
                max_price = "0.05", provide_feedback = true, attempt = 2, validity_period_s = 600,
                force_delivery = false, content_retention = "discard", address_retention = "obfuscate",
                smart_encoded = true, persistent_actions = { "geo:1,2|x" }, traffic_type = "free",
                shorten_urls = true, send_at = at, send_as_mms = false, risk_check = "disable",
                message_intent = "otp", tags = '{"a":"b"}',
            }))
            plain:close()
            local got = {}
            for i, pair in ipairs(form) do
                got[i] = pair[1] .. "=" .. pair[2]
            end
            table.sort(got)
            assert.same({
                "AddressRetention=obfuscate", "ApplicationSid=AP" .. ("b"):rep(32), "Attempt=2", "Body=Hello",
                "ContentRetention=discard", "ContentSid=HX" .. ("a"):rep(32), 'ContentVariables={"1":"x"}',
                "FallbackFrom=+15005550008", "ForceDelivery=false", "From=+15005550007", "MaxPrice=0.05",
                "MediaUrl=https://example.com/1", "MediaUrl=https://example.com/2", "MessageIntent=otp",
                "MessagingServiceSid=" .. simulator.SERVICE_SID, "PersistentAction=geo:1,2|x",
                "ProvideFeedback=true", "RiskCheck=disable", "ScheduleType=fixed",
                "SendAsMms=false", "SendAt=" .. os.date("!%Y-%m-%dT%H:%M:%SZ", at), "ShortenUrls=true",
                "SmartEncoded=true", "StatusCallback=https://example.com/status?a=b&c=d", 'Tags={"a":"b"}',
                "To=" .. TO, "TrafficType=free", "ValidityPeriod=600",
            }, got)
        end)

        it("with the client's sender and callback, unless the message has its own", function()
            local form
            local server = answering.start(function(request)
                form = {}
                for _, pair in ipairs(core.form_decode(request:body())) do
                    form[pair[1]] = pair[2]
                end
                request:reply(201, nil, answering.message())
            end)
            finally(function() server:stop() end)
            local plain = server:client {
                from = "+15005550001", status_callback = "https://example.com/default",
            }
            assert(server:during(plain.send, plain, { to = TO, body = "x" }))
            assert.same({ "+15005550001", "https://example.com/default" }, { form.From, form.StatusCallback })
            assert(server:during(plain.send, plain, {
                to = TO, body = "x", messaging_service_sid = simulator.SERVICE_SID,
                status_callback = "https://example.com/own",
            }))
            assert.same({ simulator.SERVICE_SID, "https://example.com/own" },
                { form.MessagingServiceSid, form.StatusCallback })
            assert.is_nil(form.From)
            plain:close()
        end)

        it("with an API key", function()
            local key = "SK00000000000000000000000000000003"
            local secret = "a-secret-of-an-API-key"
            local keyed = sim:client { auth_token = false, api_key = key, api_secret = secret }
            assert(keyed:send { to = TO, body = "x" })
            keyed:close()
        end)
    end)

    describe("gives up in time", function()
        it("on a message, which is in doubt then", function()
            assert(client:list { limit = 1 }) -- connects
            local before = core.now_ms()
            local message, err = client:send({ to = TO, body = "slow and late" }, { timeout_ms = 400 })
            assert.is_nil(message)
            assert.same({ "NetworkError.Timeout", "in_doubt", 1, true },
                { err.type, err.outcome, err.attempts, err.retryable })
            assert.truthy(core.now_ms() - before < 15000)
        end)

        it("on one attempt, and then finds the message", function()
            local hasty = sim:client { attempt_timeout_ms = 400 }
            assert(hasty:list { limit = 1 })
            local message = assert(hasty:send { to = "+15005550011", body = "slow but found" })
            assert.is_true(message.verified)
            assert.equal(1, message.attempts)
            assert.equal("slow but found", message.body)
            assert.equal(message.sid, assert(hasty:list { to = "+15005550011" })[1].sid)
            hasty:close()
        end)
    end)

    it("takes timeout_ms among the fields as well, where nobody would look for it in vain", function()
        local _, err = client:send { to = TO, body = "slow again", timeout_ms = 200 }
        assert.equal("NetworkError.Timeout", err.type)
        _, err = client:send({ to = TO, body = "slow once more", timeout_ms = 60000 }, { timeout_ms = 200 })
        assert.equal("NetworkError.Timeout", err.type)
        local rows
        rows, err = client:list { to = TO, timeout_ms = -1 }
        assert.is_nil(rows)
        assert.equal("not_sent", err.outcome)
    end)

    describe("passes on what Twilio refuses", function()
        -- https://www.twilio.com/docs/iam/test-credentials
        local SERVER_SAYS = {
            { "to", "+15005550001", 21211, 400, "MessageError.InvalidRecipient", "rejected", 1 },
            { "to", "+15005550002", 21612, 400, "MessageError.UnreachableNumber", "rejected", 1 },
            { "to", "+15005550003", 21408, 400, "RateLimitError.AccountRateLimited", "rejected", 5 },
            { "to", "+15005550004", 21610, 400, "MessageError.OptedOut", "rejected", 1 },
            { "to", "+15005550009", 21614, 400, "MessageError.InvalidRecipient", "rejected", 1 },
            { "from", "+15005550001", 21212, 400, "MessageError.InvalidSender", "rejected", 1 },
            { "from", "+15005550007", 21606, 400, "MessageError.InvalidSender", "rejected", 1 },
            { "from", "+15005550008", 21611, 429, "RateLimitError.QueueFull", "throttled", 5 },
        }
        for _, case in ipairs(SERVER_SAYS) do
            it(("for %s %s: %d"):format(case[1], case[2], case[3]), function()
                local fields = { to = TO, body = "To be refused" }
                fields[case[1]] = case[2]
                local before = sim:stats().accepted
                local message, err = client:send(fields)
                assert.is_nil(message)
                assert.is_true(sms.error.is(err))
                assert.same({ case[3], case[4], case[5], case[6], case[7] },
                    { err.code, err.http_status, err.type, err.outcome, err.attempts })
                assert.equal(case[7] > 1, err.retryable)
                assert.equal(("https://www.twilio.com/docs/errors/%d"):format(case[3]), err.more_info)
                assert.matches("^RQ%x+$", err.request_id)
                assert.is_nil(err.message:find(case[2], 1, true))
                assert.equal(before, sim:stats().accepted)
            end)
        end

        it("unless the options give its code another meaning", function()
            local own = sim:client { errors = { [21408] = { kind = "InvalidRequest", retryable = false } } }
            local _, err = own:send { to = "+15005550003", body = "x" }
            assert.same({ "MessageError.InvalidRequest", 1 }, { err.type, err.attempts })
            own:close()
        end)

        it("for a wrong token, at the first attempt", function()
            local token = ("f"):rep(32)
            local wrong = sim:client { auth_token = token }
            for _, ask in ipairs {
                function() return wrong:send { to = TO, body = "x" } end,
                function() return wrong:list() end,
            } do
                local value, err = ask()
                assert.is_nil(value)
                assert.same({ "AuthenticationError.InvalidCredentials", 20003, 401, "rejected", 1, false },
                    { err.type, err.code, err.http_status, err.outcome, err.attempts, err.retryable })
                assert.is_nil(tostring(err):find(token, 1, true))
            end
            wrong:close()
        end)

        it("for an account that is not there", function()
            local other = sim:client { account_sid = "AC" .. ("9"):rep(32) }
            local _, err = other:send { to = TO, body = "x" }
            assert.same({ 404, 20404, "rejected" }, { err.http_status, err.code, err.outcome })
            other:close()
        end)
    end)

    it("tells what happened, with numbers masked and without texts", function()
        assert(client:send { to = TO, body = "a secret text" })
        local types = {}
        for event in client:events() do
            types[#types + 1] = event.type
            assert.equal("send", event.operation)
            assert.truthy(math.abs(event.at_ms / 1000 - os.time()) < 60)
            assert.equal("+1********10", event.to)
            for _, value in pairs(event) do
                assert.is_nil(tostring(value):find("a secret text", 1, true))
            end
        end
        assert.same({ "attempt", "response", "done" }, types)
        assert.is_nil(client:events()())
    end)

    it("counts", function()
        assert(client:send { to = TO, body = "x" })
        client:send { to = "+15005550001", body = "x" }
        client:send { to = "+15005550003", body = "x" }
        local stats = client:stats()
        assert.same({ 3, 1, 2, 7, 4, 0, 0, "closed" },
            { stats.submitted, stats.succeeded, stats.failed, stats.requests, stats.retries, stats.queued,
                stats.in_flight, stats.breaker })
    end)

    it("says tostring what it is, and no secret anywhere", function()
        assert.equal("twilio_sms.client (open)", tostring(client))
        local seen = {}
        local function search(value)
            assert.is_nil(tostring(value):find(simulator.AUTH_TOKEN, 1, true))
            if type(value) == "table" and not seen[value] then
                seen[value] = true
                for name, inner in pairs(value) do
                    search(name)
                    search(inner)
                end
                search(getmetatable(value))
            end
        end
        assert(client:send { to = TO, body = "x" })
        search(client)
        for event in client:events() do
            search(event)
        end
        client:close()
        assert.equal("twilio_sms.client (closed)", tostring(client))
    end)

    describe("when it is closed", function()
        it("ends every call that is under way with an error", function()
            local tickets = {}
            for i = 1, 3 do
                tickets[i] = assert(client:submit { to = TO, body = "slow, then closed " .. i })
            end
            while client:stats().in_flight < 3 do
                client:step(10)
            end
            tickets[4] = assert(client:submit { to = TO, body = "never left" })
            client:close()
            for i = 1, 3 do
                assert.is_true(tickets[i].done)
                assert.is_nil(tickets[i].value)
                assert.same({ "ServerError.TemporarilyUnavailable", "in_doubt" },
                    { tickets[i].err.type, tickets[i].err.outcome })
            end
            assert.is_true(tickets[4].done)
            assert.equal("not_sent", tickets[4].err.outcome)
        end)

        it("lets coroutines that wait for it go on", function()
            local errs = {}
            sms.loop.run(function()
                for i = 1, 3 do
                    sms.loop.spawn(function()
                        local _, err = client:send { to = TO, body = "slow, in a loop " .. i }
                        errs[#errs + 1] = err.outcome
                    end)
                end
                while client:stats().in_flight < 3 do
                    sms.loop.sleep(1)
                end
                client:close()
            end)
            assert.same({ "in_doubt", "in_doubt", "in_doubt" }, errs)
        end)

        it("ends what would ask again later with an error", function()
            local service = simulator.SERVICE_SID
            local sent = assert(client:send {
                to = TO, body = "x", messaging_service_sid = service, send_at = os.time() + DAY_S,
            })
            local message, err
            sms.loop.run(function()
                local task = sms.loop.spawn(function()
                    message, err = client:wait(sent.sid, { interval_ms = 20 })
                end)
                sms.loop.sleep(1)
                while client:stats().in_flight > 0 do
                    sms.loop.sleep(1)
                end
                assert.is_false(task.done)
                client:close()
            end)
            assert.is_nil(message)
            assert.equal("ServerError.TemporarilyUnavailable", err.type)
        end)

        it("can be closed again", function()
            client:close()
            client:close()
        end)
    end)
end)
