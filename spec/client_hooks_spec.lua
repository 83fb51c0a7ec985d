local core = require "twilio_sms.core"
local simulator = require "simulator"
local sms = require "twilio_sms"

local TO = "+15005550010"

describe("the hooks of a client", function()
    local sim, client

    setup(function()
        sim = simulator.start [[
            script = {
                { on = "send", body = "^503", times = 1, action = "status", status = 503 },
                { on = "send", body = "^lost", times = 1, action = "drop_after" },
            },
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

    local function accepted()
        return sim:stats().accepted
    end

    it("get to know the message, with the client's defaults filled in", function()
        local asked
        client:hook("check", function(question)
            asked = question
            return true
        end)
        assert(client:send { to = TO, body = "Hello" })
        local account_sid = simulator.ACCOUNT_SID
        assert.same({
            to = TO, from = simulator.FROM, body = "Hello", attempts = 0, account_sid = account_sid,
        }, asked)
        local at = os.time() + 86400
        local service = simulator.SERVICE_SID
        assert(client:send { to = TO, body = "x", messaging_service_sid = service, send_at = at })
        assert.same({
            to = TO, messaging_service_sid = service, body = "x", send_at = at, attempts = 0,
            account_sid = account_sid,
        }, asked)
    end)

    it("refuse a message before anything leaves", function()
        local before = accepted()
        client:hook("check", function(question)
            return question.body ~= "at night", "quiet hours"
        end)
        assert(client:send { to = TO, body = "by day" })
        local message, err = client:send { to = TO, body = "at night" }
        assert.is_nil(message)
        assert.same({ "MessageError.InvalidRequest", "not_sent", 0, false },
            { err.type, err.outcome, err.attempts, err.retryable })
        assert.matches("quiet hours", err.message)
        assert.equal(before + 1, accepted())
        assert.equal(1, client:stats().denied)
    end)

    it("refuse with a type of its own who opted out", function()
        client:hook("check", function() return false, "opted_out" end)
        local _, err = client:send { to = TO, body = "x" }
        assert.same({ "MessageError.OptedOut", "not_sent" }, { err.type, err.outcome })
    end)

    it("are not asked for what creates no message", function()
        local message = assert(client:send { to = TO, body = "x" })
        client:hook("check", function() error "asked" end)
        assert.equal(message.sid, assert(client:get(message.sid)).sid)
        assert(client:list { limit = 1 })
    end)

    it("put a message off, and are asked again then", function()
        local times = {}
        client:hook("check", function()
            times[#times + 1] = core.now_ms()
            if #times < 3 then
                return "defer", 30
            end
            return true
        end)
        assert(client:send { to = TO, body = "x" })
        assert.equal(3, #times)
        assert.truthy(times[2] - times[1] >= 30 and times[3] - times[2] >= 30)
    end)

    it("cannot put it off past its time", function()
        for _, ms in ipairs { 60000, 1e300, math.huge } do
            local own = sim:client()
            own:hook("check", function() return "defer", ms end)
            local before = core.now_ms()
            local message, err = own:send({ to = TO, body = "x" }, { timeout_ms = 30000 })
            assert.is_nil(message)
            assert.same({ "NetworkError.Timeout", "not_sent" }, { err.type, err.outcome })
            assert.truthy(core.now_ms() - before < 20000)
            own:close()
        end
    end)

    it("are asked again after waiting for a rate limit, because somebody may have said STOP", function()
        local own = sim:client { rate = { per_number = 20 } }
        local asked = {}
        own:hook("check", function(question)
            asked[question.body] = (asked[question.body] or 0) + 1
            return asked["second"] ~= 2, "opted_out"
        end)
        local first = own:submit { to = TO, body = "first" }
        local second = own:submit { to = TO, body = "second" }
        while not second.done do
            own:step(-1)
        end
        assert.truthy(first.value)
        assert.same({ first = 1, second = 2 }, asked)
        assert.same({ "MessageError.OptedOut", "not_sent" }, { second.err.type, second.err.outcome })
        own:close()
    end)

    it("are asked again before a second attempt", function()
        local attempts = {}
        client:hook("check", function(question)
            attempts[#attempts + 1] = question.attempts
            return true
        end)
        local message = assert(client:send { to = TO, body = "503 at first" })
        assert.equal(2, message.attempts)
        assert.same({ 0, 1 }, attempts)
    end)

    it("do not hide that an earlier attempt is in doubt", function()
        local before = accepted()
        local own = sim:client { in_doubt = "resend" }
        own:hook("check", function(question)
            return question.attempts == 0, "opted_out"
        end)
        local message, err = own:send { to = TO, body = "lost, then refused" }
        assert.is_nil(message)
        assert.equal("in_doubt", err.outcome)
        assert.equal(before + 1, accepted())
        own:close()
    end)

    it("refuse when one of them fails, and the client goes on", function()
        local broken = true
        client:hook("check", function()
            if broken then
                error("the store is gone")
            end
            return true
        end)
        local message, err = client:send { to = TO, body = "x" }
        assert.is_nil(message)
        assert.same({ "MessageError.InvalidRequest", "not_sent" }, { err.type, err.outcome })
        assert.matches("the check failed: .*the store is gone", err.message)
        broken = false
        assert(client:send { to = TO, body = "x" })
    end)

    it("refuse when one of them gives no clear answer", function()
        local own = sim:client()
        local answer
        own:hook("check", function() return answer end)
        for _, unclear in ipairs { 1, "yes", {}, "defer" } do
            answer = unclear
            local _, err = own:send { to = TO, body = "x" }
            assert.matches("no clear answer", err.message)
        end
        own:close()
    end)

    it("may close the client: every message ends with an error", function()
        for _, run in ipairs { function(f) f() end, sms.loop.run } do
            local own = sim:client()
            local before = accepted()
            own:hook("check", function()
                own:close()
                return true
            end)
            local errors = {}
            run(function()
                for index, message, err in own:send_many {
                    { to = TO, body = "1" }, { to = TO, body = "2" }, { to = TO, body = "3" },
                } do
                    assert.is_nil(message)
                    errors[index] = err.outcome
                end
            end)
            assert.same({ "not_sent", "not_sent", "not_sent" }, errors)
            assert.equal(before, accepted())
        end
    end)

    it("are asked in their order, also for many messages at once", function()
        local order = {}
        client:hook("check", function(question)
            order[#order + 1] = "a" .. question.body
            return question.body ~= "2", "no two"
        end)
        client:hook("check", function(question)
            order[#order + 1] = "b" .. question.body
            return true
        end)
        local results = {}
        for index, message, err in client:send_many({
            { to = TO, body = "1" }, { to = TO, body = "2" }, { to = TO, body = "3" },
        }, { concurrency = 1 }) do
            results[index] = message and "sent" or err.message
        end
        assert.same({ "sent", "a check refused it: no two", "sent" }, results)
        assert.same({ "a1", "b1", "a2", "a3", "b3" }, order)
    end)
end)
