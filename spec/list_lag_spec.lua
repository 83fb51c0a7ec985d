-- Twilio's list shows a new message late, and nobody is texted twice for that.
local sms = require "twilio_sms"
local worlds = require "worlds"

describe("a message that the list shows late", function()
    -- Sends one whose first answer is lost. Answers what the client says, how often it was accepted, and
    -- after how many seconds the call ended.
    local function send(lag_ms, options)
        local world = sms.sim.new {
            carrier = { list_lag_ms = lag_ms },
            script = { { on = "send", times = 1, action = "drop_after" } },
        }
        finally(function() world:close() end)
        local message, err = worlds.client(world, options):send { to = worlds.PERSON, body = "Hello" }
        return message or err, world:stats().accepted, math.floor(world:now_ms() / 1000)
    end

    it("is found when it had the time of retry.settle_ms", function()
        local message, accepted, seconds = send(5000)
        assert.is_true(message.verified)
        assert.same({ 1, 1, 5 }, { message.attempts, accepted, seconds })
        message, accepted, seconds = send(40000, { retry = { settle_ms = 40000 } })
        assert.is_true(message.verified)
        assert.same({ 1, 1, 40 }, { message.attempts, accepted, seconds })
    end)

    it("is sent twice when the list lags for longer, which is the limit of the promise", function()
        local message, accepted = send(6000)
        assert.same({ 2, 2 }, { message.attempts, accepted })
        message, accepted = send(3000, { retry = { settle_ms = 0 } })
        assert.same({ 2, 2 }, { message.attempts, accepted })
    end)

    it("is not sent again when the time of the call was too short to be sure", function()
        local err, accepted, seconds = send(8000, { timeout_ms = 6000 })
        assert.same({ "in_doubt", 1, 4 }, { err.outcome, accepted, seconds })
        local message
        message, accepted, seconds = send(3000, { timeout_ms = 6000 })
        assert.is_true(message.verified)
        assert.same({ 1, 4 }, { accepted, seconds })
    end)

    it("is never sent again with in_doubt = 'stop', whatever the lag", function()
        local err, accepted, seconds = send(600000, { in_doubt = "stop" })
        assert.same({ "in_doubt", 1, 0 }, { err.outcome, accepted, seconds })
    end)
end)
