-- What a client hears of an opt-out counts for the very next message.
local loop = require "twilio_sms.loop"
local sms = require "twilio_sms"
local virtual_transport = require "virtual_transport"
local world = require "twilio_sms.sim.world"

local TO, FROM = "+15558675310", "+15005550006"

-- The requests that left for this person.
local function count_sends(w)
    local count = 0
    w:observe(function(event)
        count = count + (event.kind == "request" and event.method == "POST" and 1 or 0)
    end)
    return function()
        return count
    end
end

it("asks about the next message after the refusal of the last one is known", function()
    local w = world.new { seed = 1 }
    local client = w:client { from = FROM, max_concurrency = 1, rate = { per_number = 0 } }
    local sends = count_sends(w)
    w:inbound(TO, FROM, "STOP") -- which this program never hears of
    local errors = {}
    for i = 1, 2 do
        w:spawn(function()
            local _, err = client:send { to = TO, body = "message " .. i }
            errors[i] = err
        end)
    end
    w:run(10)
    assert.are.same({ "OptedOut", "rejected" }, { errors[1].kind, errors[1].outcome })
    assert.are.same({ "OptedOut", "not_sent" }, { errors[2].kind, errors[2].outcome })
    assert.are.equal(1, sends())
    w:close()
end)

it("lets a message leave in the moment in which it was let through", function()
    local w = world.new { seed = 1 }
    local client = w:client { from = FROM, rate = { per_number = 0 } }
    local sends = count_sends(w)
    local at_ms = {}
    client:hook("check", function()
        at_ms[#at_ms + 1] = sends()
        return true
    end)
    w:spawn(function()
        client:submit { to = TO, body = "first" }
        client.drive:step(0)
        assert.are.equal(1, sends()) -- nothing else has run since the hook has answered
        client:submit { to = TO, body = "second" }
        loop.sleep(1)
        assert.are.equal(2, sends())
    end)
    w:run(10)
    assert.are.same({ 0, 1 }, at_ms)
    w:close()
end)

it("hears of a refusal that has come before it asks about the next message", function()
    local transport = virtual_transport.new(function()
        return { status = 400, body = '{"code":21610,"message":"unsubscribed","status":400}' }
    end)
    local client = assert(sms.new(virtual_transport.options {
        driver = sms.driver.machine(function() return transport end),
    }))
    local first = client:submit { to = TO, body = "first" }
    client:step()
    assert.are.equal(1, #transport.requests)
    transport:pass(1000) -- nobody has looked since
    local second = client:submit { to = TO, body = "second" }
    client:step()
    assert.are.same({ "OptedOut", "rejected" }, { first.err.kind, first.err.outcome })
    assert.are.same({ "OptedOut", "not_sent" }, { second.err.kind, second.err.outcome })
    assert.are.equal(1, #transport.requests)
    client:close()
end)
