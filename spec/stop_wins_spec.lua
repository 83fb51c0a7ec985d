-- Whoever says STOP is not written to, wherever a message to them stands at that moment.
local simulator = require "simulator"
local twilio = require "twilio"
local webhook = require "twilio_sms.webhook"

local PERSON = "+15558675310"

describe("a STOP wins over a message that", function()
    local sim, client, receiver, before, stops

    setup(function()
        sim = simulator.start [[
            script = {
                { on = "send", body = "^503", action = "status", status = 503 },
                { on = "send", body = "^429", action = "status", status = 429, retry_after = 0 },
                { on = "send", body = "^unsent", action = "drop_before" },
                { on = "send", body = "^lost", times = 1, action = "drop_after" },
                { on = "send", body = "^slow", action = "delay", delay_ms = 200 },
            },
        ]]
        stops = 0
    end)

    teardown(function()
        sim:stop()
    end)

    local function start(changes)
        client = sim:client(changes)
        receiver = assert(webhook.new {
            account_sid = simulator.ACCOUNT_SID, auth_token = twilio.TOKEN, client = client,
        })
        before = sim:stats()
    end

    after_each(function()
        receiver:close()
        client:close()
    end)

    -- A signed webhook, as Twilio sends it.
    local function say(text, changes)
        stops = stops + 1
        local params = twilio.inbound {
            AccountSid = simulator.ACCOUNT_SID, From = PERSON, To = simulator.FROM, Body = text,
            MessageSid = twilio.sid(stops),
        }
        for name, value in pairs(changes or {}) do
            params[name] = value
        end
        local answer = receiver:handle(twilio.request(params))
        assert.equal(204, answer.status)
    end

    local function submit(body, changes)
        local message = { to = PERSON, body = body }
        for name, value in pairs(changes or {}) do
            message[name] = value
        end
        return assert(client:submit(message))
    end

    local function finish(ticket)
        while not ticket.done do
            client:step(-1)
        end
        return ticket.value, ticket.err
    end

    local function step_until_response(ticket)
        local over
        repeat
            client:step(1)
            for event in client:events() do
                over = over or event.type == "response"
            end
        until over or ticket.done
        assert.is_false(ticket.done)
    end

    local function accepted()
        return sim:stats().accepted - before.accepted
    end

    local function assert_stopped(ticket)
        local value, err = finish(ticket)
        assert.is_nil(value)
        assert.equal("MessageError.OptedOut", err.type)
        return err
    end

    it("is sent afterwards", function()
        start()
        say "STOP"
        local err = assert_stopped(submit "Hello")
        assert.equal("not_sent", err.outcome)
        assert.equal(0, err.attempts)
        assert.equal(0, accepted())
    end)

    it("was queued a moment before", function()
        start()
        local ticket = submit "Hello"
        say "STOP"
        assert_stopped(ticket)
        assert.equal(0, accepted())
    end)

    it("waits for a rate limit", function()
        start { rate = { per_number = 5 } }
        local first, second = submit "first", submit "second"
        assert(finish(first))
        client:step(0)
        assert.is_false(second.done)
        say "STOP"
        assert_stopped(second)
        assert.equal(1, accepted())
    end)

    for _, fault in ipairs { "503", "429", "unsent" } do
        it("is about to be tried again after " .. fault, function()
            local slow = { base_ms = 200 }
            start { retry = { rate_limit = slow, unavailable = slow, connection = slow } }
            local ticket = submit(fault)
            step_until_response(ticket)
            say "STOP"
            local value, err = finish(ticket)
            assert.is_nil(value)
            -- Who reads the error of a message in doubt must still learn of the doubt.
            local types = { ["429"] = "MessageError.OptedOut", ["503"] = "ServerError.ServiceUnavailable" }
            assert.equal(types[fault] or "NetworkError.ConnectionFailed", err.type)
            assert.equal(1, err.attempts)
            assert.equal(0, accepted())
        end)
    end

    it("is being looked for: it was accepted before, and is not sent again", function()
        start { retry = { connection = { base_ms = 200 } } }
        local ticket = submit "lost"
        step_until_response(ticket)
        say "STOP"
        finish(ticket)
        assert.equal(1, accepted())
        assert.equal(0, sim:stats().duplicates - before.duplicates)
    end)

    it("is put off by another hook", function()
        start()
        local deferred = 0
        client:hook("check", function()
            deferred = deferred + 1
            return "defer", 20
        end)
        local ticket = submit "in the night"
        while deferred == 0 do
            client:step(1)
        end
        say "STOP"
        assert_stopped(ticket)
        assert.equal(0, accepted())
    end)

    it("is scheduled at Twilio", function()
        start()
        local at = os.time() + 86400
        local service = simulator.SERVICE_SID
        local scheduled = assert(client:send {
            to = PERSON, body = "tomorrow", messaging_service_sid = service, send_at = at,
        })
        local other = assert(client:send {
            to = "+15558675399", body = "tomorrow", messaging_service_sid = service, send_at = at,
        })
        say("please stop", { MessagingServiceSid = service })
        assert.equal("canceled", client:get(scheduled.sid).status)
        assert.equal("scheduled", client:get(other.sid).status)
    end)

    describe("is being scheduled while the STOP arrives", function()
        local SCHEDULED = {
            to = PERSON, body = "slow", messaging_service_sid = simulator.SERVICE_SID,
            send_at = os.time() + 86400,
        }

        local function submit_and_leave()
            local ticket = assert(client:submit(SCHEDULED))
            local left
            repeat
                client:step(1)
                for event in client:events() do
                    left = left or event.type == "attempt"
                end
            until left
            assert.is_false(ticket.done)
            return ticket
        end

        local function assert_taken_back(message)
            assert.equal("scheduled", message.status)
            assert.equal("canceled", client:get(message.sid).status)
        end

        it("at a receiver with this client", function()
            start()
            local ticket = submit_and_leave()
            say("STOP", { MessagingServiceSid = simulator.SERVICE_SID })
            assert_taken_back(assert(finish(ticket)))
        end)

        it("at another process", function()
            start()
            receiver:close()
            receiver = assert(webhook.new {
                account_sid = simulator.ACCOUNT_SID, auth_token = twilio.TOKEN, optout = client.optout,
            })
            local ticket = submit_and_leave()
            say("STOP", { MessagingServiceSid = simulator.SERVICE_SID })
            assert_taken_back(assert(finish(ticket)))
        end)

        it("and the program ends with the result", function()
            start()
            client:hook("check", function()
                return client.optout:opt_out(PERSON)
            end)
            assert_taken_back(assert(client:send(SCHEDULED)))
            client.optout:opt_in(PERSON)
            for _, message in client:send_many({ SCHEDULED }, {}) do
                assert_taken_back(message)
            end
        end)

        it("and the client is closed at once", function()
            start()
            client:hook("check", function()
                return client.optout:opt_out(PERSON)
            end)
            local ticket = assert(client:submit(SCHEDULED))
            step_until_response(ticket)
            client:close()
            assert.equal("scheduled", ticket.value.status)
        end)

        it("from somebody else", function()
            start()
            local ticket = submit_and_leave()
            client.optout:opt_out "+15558675399"
            local message = assert(finish(ticket))
            assert.equal("scheduled", client:get(message.sid).status)
        end)
    end)

    it("stands in the middle of a campaign", function()
        start()
        local messages = {}
        for i = 1, 100 do
            messages[i] = { to = PERSON, body = "number " .. i }
        end
        local sent, refused, at_stop = 0, 0, nil
        for _, message, err in client:send_many(messages, { concurrency = 4 }) do
            if message then
                sent = sent + 1
            else
                assert.equal("MessageError.OptedOut", err.type)
                refused = refused + 1
            end
            if sent == 20 and not at_stop then
                say "STOP"
                at_stop = sent
            end
        end
        assert.equal(100, sent + refused)
        assert.truthy(sent <= at_stop + 4, "what was on the wire already may arrive, nothing else")
        assert.equal(sent, accepted())
    end)

    it("goes through a messaging service, after a STOP to one of its numbers", function()
        start()
        say("STOP", { MessagingServiceSid = simulator.SERVICE_SID })
        assert_stopped(submit("Hello", { messaging_service_sid = simulator.SERVICE_SID }))
        assert_stopped(submit "Hello")
        say("START", { MessagingServiceSid = simulator.SERVICE_SID })
        assert(finish(submit "Hello again"))
    end)

    it("gives its result back although the opt-out list or the tracker raises an error", function()
        local raised = {}
        local function raise()
            raised[#raised + 1] = true
            error "no connection"
        end
        start {
            optout = { check = function() return true end, learn_refusal = raise, learn = raise },
            track = { sent = raise, wait = raise, update = raise },
        }
        assert(client:send { to = PERSON, body = "Hello" })
        assert.equal(21610, select(2, client:send { to = "+15005550004", body = "Hello" }).code)
        assert.equal(2, #raised)
    end)

    it("would be refused by Twilio, which alone has heard of it", function()
        start()
        local value, err = client:send { to = "+15005550004", body = "Hello" }
        assert.is_nil(value)
        assert.equal(21610, err.code)
        local requests = sim:stats().requests
        assert_stopped(submit("Hello again", { to = "+15005550004" }))
        assert.equal(requests, sim:stats().requests)
    end)
end)
