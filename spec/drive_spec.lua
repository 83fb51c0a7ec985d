local core = require "twilio_sms.core"
local simulator = require "simulator"

local TO = "+15005550010"

describe("a program with a loop of its own", function()
    local sim, client

    setup(function()
        sim = simulator.start [[
            script = {
                { on = "send", body = "^late", action = "delay", delay_ms = 100 },
                { on = "send", body = "^much later", action = "delay", delay_ms = 1000 },
                { on = "send", body = "^busy", times = 1, action = "status", status = 503 },
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

    -- The program's loop: waits on the descriptors of all, as poll(2) does, and steps those whose turn it is.
    local function run(clients, finished)
        local turns = 0
        while not finished() do
            local fds, wait_ms = {}, -1
            local pollables = {}
            for i, one in ipairs(clients) do
                pollables[i] = one:pollable()
                assert.equal("r", pollables[i].events())
                fds[i] = pollables[i].pollfd()
                local timeout = pollables[i].timeout()
                local own_ms = timeout and math.ceil(timeout * 1000) or -1
                wait_ms = own_ms >= 0 and (wait_ms < 0 or own_ms < wait_ms) and own_ms or wait_ms
            end
            assert.truthy(wait_ms >= 0, "nothing would ever wake the loop")
            core.poll(fds, wait_ms)
            for _, one in ipairs(clients) do
                one:step()
            end
            turns = turns + 1
        end
        return turns
    end

    it("gets a ticket at once, and its end later", function()
        local ticket = assert(client:submit { to = TO, body = "Hello" })
        assert.is_false(ticket.done)
        assert.is_nil(ticket.value)
        run({ client }, function() return ticket.done end)
        assert.matches("^SM", ticket.value.sid)
        assert.is_nil(ticket.err)
    end)

    it("gets an error at once for what cannot be sent", function()
        local ticket, err = client:submit { to = "nobody", body = "x" }
        assert.is_nil(ticket)
        assert.same({ "MessageError.InvalidRecipient", "not_sent" }, { err.type, err.outcome })
    end)

    it("sleeps while there is nothing to do", function()
        local ticket = assert(client:submit { to = TO, body = "late" })
        local turns = run({ client }, function() return ticket.done end)
        assert.truthy(ticket.value)
        assert.truthy(turns < 100, turns)
    end)

    it("is woken for pauses, look-ups and rate limits as well", function()
        local own = sim:client { rate = { per_number = 50 } }
        local tickets = {}
        for i, body in ipairs { "busy at first", "lost at first", "limited 1", "limited 2", "limited 3" } do
            tickets[i] = assert(own:submit { to = TO, body = body })
        end
        run({ own }, function()
            for _, ticket in ipairs(tickets) do
                if not ticket.done then
                    return false
                end
            end
            return true
        end)
        assert.equal(2, tickets[1].value.attempts)
        assert.is_true(tickets[2].value.verified)
        for i = 3, 5 do
            assert.equal("accepted", tickets[i].value.outcome)
        end
        own:close()
    end)

    it("may have several clients", function()
        local other = sim:client { from = "+15005550020" }
        local one = assert(client:submit { to = TO, body = "late one" })
        local two = assert(other:submit { to = TO, body = "late two" })
        local before = core.now_ms()
        run({ client, other }, function() return one.done and two.done end)
        assert.same({ simulator.FROM, "+15005550020" }, { one.value.from, two.value.from })
        assert.truthy(core.now_ms() - before >= 99)
        other:close()
    end)

    it("takes back what has not left", function()
        local own = sim:client { rate = { per_number = 1 } }
        local first = assert(own:submit { to = TO, body = "late first" })
        local second = assert(own:submit { to = TO, body = "second" }) -- waits for its turn
        own:step()
        assert.is_true(own:withdraw(second))
        assert.is_true(own:withdraw(first))
        run({ own }, function() return first.done and second.done end)
        assert.same({ "accepted", "not_sent" }, { first.value.outcome, second.err.outcome })
        assert.is_false(own:withdraw(second))
        assert.is_false(own:withdraw(assert(client:submit { to = TO, body = "of another client" })))
        own:close()
    end)

    it("has its hooks asked in step", function()
        local asked = 0
        client:hook("check", function()
            asked = asked + 1
            if asked == 1 then
                return "defer", 20
            end
            return asked < 4, "no"
        end)
        local first = assert(client:submit { to = TO, body = "x" })
        assert.equal(0, asked)
        run({ client }, function() return first.done end)
        assert.equal(2, asked)
        assert.truthy(first.value)
        asked = 4
        local second = assert(client:submit { to = TO, body = "x" })
        run({ client }, function() return second.done end)
        assert.equal("not_sent", second.err.outcome)
    end)

    it("may step and call in turn", function()
        local ticket = assert(client:submit { to = TO, body = "much later" })
        client:step()
        local message = assert(client:send { to = TO, body = "in between" })
        assert.is_false(ticket.done)
        assert.equal(message.sid, assert(client:get(message.sid)).sid)
        while not ticket.done do
            client:step(1000)
        end
        assert.truthy(ticket.value)
    end)

    it("returns from step when the time is over, and at once with a result", function()
        assert(client:send { to = TO, body = "connects" })
        local ticket = assert(client:submit { to = TO, body = "much later" })
        local before = core.now_ms()
        client:step(10)
        assert.is_false(ticket.done)
        assert.truthy(core.now_ms() - before >= 9)
        client:step(60000)
        assert.is_true(ticket.done)
        assert.truthy(core.now_ms() - before < 30000)
        client:step(-1) -- nothing is under way: this must not wait
        assert.is_nil(client:pollable().timeout())
    end)

    it("may give a message its time", function()
        local ticket = assert(client:submit({ to = TO, body = "late" }, { timeout_ms = 60 }))
        run({ client }, function() return ticket.done end)
        assert.equal("NetworkError.Timeout", ticket.err.type)
    end)
end)
