local core = require "twilio_sms.core"
local loop = require "twilio_sms.loop"
local machine = require "twilio_sms.driver.machine"
local sms = require "twilio_sms"
local virtual_transport = require "virtual_transport"

local TO = "+15005550010"

local accepted, options = virtual_transport.accepted, virtual_transport.options

-- A client over a transport of virtual time, and the transport.
local function client_over(answer, changes)
    local transport = virtual_transport.new(answer)
    local opts = options(changes)
    opts.driver = sms.driver.machine(function() return transport end)
    return assert(sms.new(opts)), transport
end

describe("a core over a transport", function()
    local transport, client

    local function open(answer, changes)
        transport = virtual_transport.new(answer)
        client = assert(machine.open(options(changes), false, transport))
    end

    local function send()
        return assert(client:submit("send", { to = TO, body = "Hello" }))
    end

    it("starts requests in a turn and finishes them in a later one, without waiting", function()
        open()
        local id = send()
        assert.same({}, transport.requests)
        client:turn()
        assert.same({
            {
                method = "POST", origin = "https://api.twilio.com", timeout_ms = 15000,
                path = "/2010-04-01/Accounts/" .. options().account_sid .. "/Messages.json",
                form = "To=%2B15005550010&From=%2B15005550006&Body=Hello",
            },
        }, transport.requests)
        client:turn()
        assert.equal(0, client:news())
        transport:pass(100)
        client:turn()
        assert.equal(1, client:news())
        assert.equal(id, (client:result()))
        assert.same({}, transport.waits)
        client:close()
    end)

    it("starts what may leave, and takes what has ended", function()
        open()
        send()
        client:start()
        assert.equal(1, #transport.requests)
        client:start()
        assert.equal(0, client:news())
        transport:pass(100)
        send()
        client:start()
        assert.same({ 2, 1 }, { #transport.requests, client:news() })
        assert.same({}, transport.waits)
        client:close()
    end)

    it("starts nothing that was not let through", function()
        open()
        client:set_checks(true)
        local id = send()
        client:start()
        assert.same({ id, 0 }, { (client:check()), #transport.requests })
        client:answer(id, "allow")
        assert.equal(0, #transport.requests)
        client:start()
        assert.equal(1, #transport.requests)
        client:close()
    end)

    it("takes answers that come at once when it starts requests", function()
        open(function() return accepted(1), 0 end)
        local id = send()
        client:start()
        assert.equal(id, (client:result()))
        client:close()
    end)

    it("gives forms apart to a transport that takes them so", function()
        open()
        transport.takes_forms_apart = true
        send()
        client:turn()
        assert.same({ "To", TO, "From", "+15005550006", "Body", "Hello" }, transport.requests[1].form)
        client:close()
    end)

    it("takes answers that come at once, and those to the requests that follow", function()
        open(function(_, count)
            if count < 3 then
                return { sent = false, fault = "ConnectionFailed" }, 0
            end
            return accepted(count), 0
        end, { retry = { connection = { attempts = 3, base_ms = 0 } } })
        send()
        for _ = 1, 3 do
            client:turn()
            transport:pass(1)
        end
        client:turn()
        assert.equal(3, #transport.requests)
        assert.equal(3, (select(2, client:result())).attempts)
        client:close()
    end)

    it("tells when a turn is due: its own time or the transport's", function()
        open(nil, { rate = { per_second = 0, per_number = 1 } })
        assert.is_nil(client:due_ms())
        assert.equal(-1, client:timeout_ms())
        send()
        send()
        assert.equal(5000, client:due_ms())
        client:turn()
        assert.equal(5100, client:due_ms())
        assert.equal(100, client:timeout_ms())
        transport.due_ms = function() end
        transport:pass(40)
        assert.same({ 6000, 960 }, { client:due_ms(), client:timeout_ms() })
        transport:pass(2000)
        assert.equal(0, client:timeout_ms())
        client:turn()
        client:result()
        client:close()
    end)

    it("steps until there is news, and no longer than it is told", function()
        open(function() return accepted(1), 300 end)
        client:step(-1) -- nothing is under way
        client:step(0)
        assert.same({}, transport.waits)
        client:step(50)
        assert.same({ 5050, { 5050 } }, { client:now_ms(), transport.waits })
        send()
        client:step(0)
        assert.equal(1, #transport.requests)
        client:step(100)
        assert.same({ 5150, 0 }, { client:now_ms(), client:news() })
        client:step(-1)
        assert.same({ 5350, 1 }, { client:now_ms(), client:news() })
        client:step(60000) -- the news was not taken yet
        assert.equal(5350, client:now_ms())
        client:close()
    end)

    it("steps through pauses of its own", function()
        open(function(_, count)
            return count == 1 and { status = 503, body = "" } or { status = 200, body = '{"sid":"SM'
                .. ("0"):rep(32) .. '"}' }
        end, { retry = { unavailable = { base_ms = 2000 } } })
        assert(client:submit("fetch", { sid = "SM" .. ("0"):rep(32) }))
        client:step(-1)
        local passed_ms = client:now_ms() - 5000
        assert.truthy(passed_ms >= 1200 and passed_ms <= 2200, passed_ms)
        assert.equal(2, #transport.requests)
        client:close()
    end)

    it("does not hang when a transport says that nothing will ever happen", function()
        open(function() end)
        send()
        client:step(-1)
        assert.equal(0, client:news())
        client:close()
    end)

    it("closes its transport, once", function()
        open()
        local closed = 0
        function transport:close()
            closed = closed + 1
        end
        client:close()
        client:close()
        assert.equal(1, closed)
    end)

    it("has a descriptor if its transport has", function()
        open()
        assert.is_nil(client:pollfd())
        function transport:pollfd()
            return 42
        end
        assert.equal(42, client:pollfd())
        client:close()
    end)

    it("hands the rest through", function()
        open()
        client:set_checks(true)
        client:set_tap(true)
        local first, second = send(), send()
        assert.equal(first, (client:check()))
        assert.is_true(client:answer(first, "allow"))
        assert.is_true(client:cancel(second))
        assert.equal(second, (client:result()))
        client:step(-1)
        assert.equal(first, client:tap().call_id)
        assert.equal("done", client:event().type)
        assert.equal(2, client:stats().submitted)
        client:close()
    end)

    it("raises for what is no transport", function()
        for _, bad in ipairs { 5, {}, { now = function() end } } do
            local ok, why = pcall(machine.open, options(), false, bad)
            assert.is_false(ok)
            assert.matches("a transport must have the method", why)
        end
    end)

    it("answers the errors of its options", function()
        local none, err = machine.open({}, false, virtual_transport.new())
        assert.is_nil(none)
        assert.equal("InvalidAccountSid", err.kind)
    end)
end)

describe("a client with a driver of its own", function()
    it("sends, asks its hooks and tells its opt-out list, all in virtual time", function()
        local client, transport = client_over()
        local asked = 0
        client:hook("check", function()
            asked = asked + 1
            if asked == 1 then
                return "defer", 10000
            end
            return true
        end)
        local before_ms = core.now_ms()
        local message = assert(client:send { to = TO, body = "Hello" })
        assert.equal("accepted", message.outcome)
        assert.same({ 2, 15100 }, { asked, transport.mono_ms })
        client.optout:opt_out(TO)
        local none, err = client:send { to = TO, body = "Hello" }
        assert.is_nil(none)
        assert.equal("MessageError.OptedOut", err.type)
        assert.truthy(core.now_ms() - before_ms < 5000)
        client:close()
        assert.is_true(transport.closed)
    end)

    it("is moved on by steps of no time", function()
        local client, transport = client_over()
        client:hook("check", function() return true end)
        local ticket = assert(client:submit { to = TO, body = "Hello" })
        client:step()
        assert.equal(1, #transport.requests) -- the question, and what came of it
        transport:pass(100)
        client:step()
        assert.is_true(ticket.done)
        client:close()
    end)

    it("waits for the end of a message by the clock of its driver", function()
        local client, transport = client_over(function(request, count)
            local status = request.method == "POST" and "queued" or count < 5 and "sent" or "delivered"
            local answer = accepted(1, status)
            answer.status = request.method == "POST" and 201 or 200
            return answer
        end)
        local message = assert(client:send { to = TO, body = "Hello" })
        assert.equal("delivered", assert(client:wait(message.sid)).status)
        assert.equal(5000 + 100 + 100 + 500 + 100 + 750 + 100 + 1125 + 100, transport.mono_ms)
        client:close()
    end)

    it("has its tracker wait by that clock too", function()
        local client, transport = client_over(function(request, count)
            local answer = accepted(1, count < 4 and "sent" or "delivered")
            answer.status = 200
            return answer
        end)
        local tracker = sms.track.new {
            account_sid = options().account_sid, client = client,
            clock = function() return transport.wall_ms / 1000 end,
        }
        local record = assert(tracker:wait(("SM%032d"):format(1)))
        assert.equal("delivered", record.status)
        assert.truthy(transport.mono_ms > 7000)
        client:close()
    end)

    it("works in a loop, also beside others that cannot be polled", function()
        local one, its = client_over(function() return accepted(1), 400 end)
        local other, others = client_over(function() return accepted(2), 900 end)
        local sent = 0
        loop.run(function()
            for _, client in ipairs { one, other } do
                loop.spawn(function()
                    assert(client:send { to = TO, body = "Hello" })
                    sent = sent + 1
                end)
            end
        end)
        assert.equal(2, sent)
        assert.truthy(its.mono_ms >= 5400 and others.mono_ms >= 5900)
        one:close()
        other:close()
    end)

    it("ends those who wait in the order in which they began, when it is closed", function()
        local client = client_over(function() end)
        local order = {}
        loop.run(function()
            for i = 1, 30 do
                loop.spawn(function()
                    local _, err = client:send { to = TO, body = "Hello" }
                    order[#order + 1] = ("%d %s"):format(i, err.outcome)
                end)
            end
            loop.sleep(0)
            loop.sleep(0)
            client:close()
        end)
        for i = 1, 30 do
            assert.equal(i .. " in_doubt", order[i])
        end
    end)

    it("may get an error from its driver", function()
        local driver = { open = function() return nil, core.error("ServiceUnavailable", "not today") end }
        local none, err = sms.new { driver = driver }
        assert.is_nil(none)
        assert.equal("not today", err.message)
    end)

    it("hands its driver the options of the core only", function()
        local seen, seen_env
        local driver = {
            open = function(_, opts, from_env)
                seen, seen_env = opts, from_env
                return nil, "enough"
            end,
        }
        sms.from_env { driver = driver, optout = false, track = nil, timeout_ms = 5 }
        assert.same({ timeout_ms = 5 }, seen)
        assert.is_true(seen_env)
    end)

    it("raises for what is no driver", function()
        for _, bad in ipairs { 5, "curl", {}, { open = true } } do
            local ok, why = pcall(sms.new, { driver = bad })
            assert.is_false(ok)
            assert.matches("option 'driver' must have the method 'open'", why)
        end
        assert.has_error(function() sms.driver.machine {} end)
    end)

    it("may name the one that is used anyway", function()
        local driver = sms.driver.curl()
        local client = assert(sms.new(options { driver = driver, base_url = "https://127.0.0.1:1" }))
        local none, err = client:send({ to = TO, body = "Hello" }, { timeout_ms = 50 })
        assert.is_nil(none)
        assert.equal("not_sent", err.outcome)
        client:close()
        assert.is_nil(sms.driver.unheard_of)
    end)
end)
