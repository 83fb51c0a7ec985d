local sms = require "twilio_sms"
local worlds = require "worlds"

local NUMBER, PERSON = worlds.NUMBER, worlds.PERSON

describe("a world", function()
    local world

    after_each(function()
        if world then
            world:close()
        end
    end)

    it("sends from the main program in virtual time", function()
        world = sms.sim.new { latency_ms = { 30, 30 } }
        local client = worlds.client(world)
        local message = sms.assert(client:send { to = PERSON, body = "Hello" })
        assert.equal("queued", message.status)
        assert.equal(60, world:now_ms())
        assert.equal("delivered", sms.assert(client:wait(message.sid)).status)
        assert.is_true(world:now_ms() > 1200)
    end)

    it("knows what the carrier accepted, and from whom", function()
        world = sms.sim.new {}
        local client = worlds.client(world, { name = "app" })
        local message = sms.assert(client:send { to = PERSON, body = "Hello" })
        world:run(5)
        local rows = world:messages { to = PERSON }
        assert.equal(1, #rows)
        assert.same({
            sid = message.sid, to = PERSON, from = NUMBER, body = "Hello", status = "delivered",
            at = 1767225600, direction = "outbound-api", segments = 1, client = "app",
            call_id = rows[1].call_id,
        }, rows[1])
        assert.is_number(rows[1].call_id)
        assert.same({}, world:messages { body = "another" })
    end)

    it("waits for rate limits without waiting", function()
        world = sms.sim.new {}
        local client = worlds.client(world, { rate = { per_second = 0, per_number = 1 } })
        local count = 0
        for _, message, err in client:send_many({
            { to = PERSON, body = "1" }, { to = PERSON, body = "2" }, { to = PERSON, body = "3" },
            { to = PERSON, body = "4" },
        }) do
            assert.is_nil(err)
            count = count + (message and 1 or 0)
        end
        assert.equal(4, count)
        assert.is_true(world:now_ms() >= 3000)
    end)

    it("runs coroutines side by side, and what is planned at its moment", function()
        world = sms.sim.new { latency_ms = { 50, 50 } }
        local client = worlds.client(world)
        local seen = {}
        local function note(what)
            seen[#seen + 1] = ("%d %s"):format(world:now_ms(), what)
        end
        for i = 1, 2 do
            world:spawn(function(name)
                sms.assert(client:send { to = PERSON, body = name })
                note("sent " .. name)
                sms.loop.sleep(500)
                note("slept " .. name)
            end, "m" .. i)
        end
        world:after(0.2, function() note "after" end)
        world:at(1767225600 + 0.3, function() note "at" end)
        local handle
        handle = world:every(0.25, function()
            note "every"
            if world:now_ms() == 750 then
                handle:stop()
            end
        end)
        world:at({ after = 0.1 }, function() error "never" end):stop()
        world:run(2)
        assert.same({
            "100 sent m1", "100 sent m2", "200 after", "250 every", "300 at", "500 every", "600 slept m1",
            "600 slept m2", "750 every",
        }, seen)
        assert.equal(2000, world:now_ms())
    end)

    it("runs until something is true, or nothing is left", function()
        world = sms.sim.new {}
        local done = false
        world:after(3, function() done = true end)
        assert.is_false(world:run_until(function() return done end, 2))
        assert.equal(2000, world:now_ms())
        assert.is_true(world:run_until(function() return done end))
        assert.equal(3000, world:now_ms())
        assert.is_false(world:run_until(function() return false end))
        assert.equal(3000, world:now_ms())
    end)

    it("raises the error of a coroutine where time passes", function()
        world = sms.sim.new {}
        world:spawn(function() error("boom", 0) end)
        assert.has_error(function() world:run(1) end)
        world:run(1)
        assert.is_true(world:now_ms() >= 1000)
    end)

    it("lets hooks ask and defer", function()
        world = sms.sim.new { latency_ms = { 10, 10 } }
        local client = worlds.client(world)
        client:hook("check", function()
            if world:now_ms() < 5000 then
                return "defer", 5000 - world:now_ms()
            end
            return true
        end)
        sms.assert(client:send { to = PERSON, body = "Hello" })
        assert.equal(5020, world:now_ms())
    end)

    it("does not text again who wrote STOP", function()
        world = sms.sim.new {}
        local client = worlds.client(world)
        local optouts = worlds.events(world, "optout")
        world:inbound(PERSON, NUMBER, "stop")
        assert.equal("STOP", optouts[1].keyword)
        local message, err = client:send { to = PERSON, body = "Hello" }
        assert.is_nil(message)
        assert.equal("OptedOut", err.kind)
        assert.equal(21610, err.code)
        message, err = client:send { to = PERSON, body = "again" }
        assert.is_nil(message)
        assert.equal("OptedOut", err.kind)
        assert.equal(1, world:stats().refused_opted_out, "the second one never leaves")
    end)

    it("gives its clock to what takes one", function()
        world = sms.sim.new { start = 1000000000 }
        local ledger = world:optout {}
        world:run(60)
        assert.equal(1000000060, world:time())
        assert.equal(1000000060, ledger:now())
        world:jump_clock(-3600)
        assert.equal(1000000060 - 3600, world.clock())
        assert.equal(60000, world:now_ms(), "monotonic time does not jump")
    end)

    it("tells the clients of a jump of the clock, and Twilio not", function()
        world = sms.sim.new { latency_ms = { 10, 10 } }
        local client = worlds.client(world)
        world:jump_clock(86400)
        local message = sms.assert(client:send { to = PERSON, body = "Hello" })
        assert.equal(1767225600, message.date_created_unix)
        for event in client:events() do
            assert.is_true(event.at_ms >= (1767225600 + 86400) * 1000)
        end
    end)

    it("keeps the events of a client for who asks, also when they are logged", function()
        world = sms.sim.new { log = true }
        local client = worlds.client(world)
        sms.assert(client:send { to = PERSON, body = "Hello" })
        local types = {}
        for event in client:events() do
            types[#types + 1] = event.type
        end
        assert.same({ "attempt", "response", "done" }, types)
        assert.is_nil(client:events()())
    end)

    it("carries out what a script plans", function()
        local seen = {}
        world = sms.sim.new {
            script = function(s)
                s.at(2, function(w) seen[#seen + 1] = w:now_ms() end)
                s.between(10, 13, function()
                    s.every(1, function(w) seen[#seen + 1] = w:now_ms() end)
                end)
            end,
        }
        world:run(20)
        assert.equal(2000, seen[1])
        assert.equal(11000, seen[2])
        assert.is_true(seen[#seen] <= 13000)
        assert.is_true(#seen >= 3)
    end)

    it("lends itself to clients that are made elsewhere", function()
        world = sms.sim.new { latency_ms = { 30, 30 } }
        local client = sms.assert(sms.new {
            account_sid = sms.sim.ACCOUNT_SID, auth_token = sms.sim.AUTH_TOKEN, from = NUMBER,
            driver = sms.driver.sim(world),
        })
        sms.assert(client:send { to = PERSON, body = "Hello" })
        assert.equal(60, world:now_ms())
        local sent
        world:spawn(function()
            sent = client:send { to = PERSON, body = "Hello again" }
        end)
        world:run(10)
        assert.equal("queued", sent.status)
    end)

    it("ends", function()
        world = sms.sim.new {}
        local client = worlds.client(world)
        local ticket = client:submit { to = PERSON, body = "Hello" }
        world:close()
        assert.is_true(ticket.done)
        assert.equal("TemporarilyUnavailable", ticket.err.kind)
        assert.has_error(function() world:run(1) end, "the world is closed")
        world:close()
    end)

    it("blames who misuses it", function()
        world = sms.sim.new {}
        local function refuses(pattern, f)
            local ok, err = pcall(f)
            assert.is_false(ok)
            assert.truthy(err:find(pattern, 1, true), err)
            assert.truthy(err:find("world_spec.lua", 1, true), err)
        end
        refuses("unknown option 'sed'; did you mean 'seed'?", function() sms.sim.new { sed = 1 } end)
        refuses("option 'seed' must be a whole number", function() sms.sim.new { seed = 1.5 } end)
        refuses("latency_ms[2]", function() sms.sim.new { latency_ms = { 20, 10 } } end)
        refuses("rule 1 of the script", function() sms.sim.new { script = { { action = "x" } } } end)
        refuses("no option 'auth_token'", function() world:client { auth_token = "x" } end)
        refuses("call this with a colon", function() world.run(1) end)
        refuses("run takes seconds", function() world:run(-1) end)
        refuses("a client of this world", function() world:crash {} end)
        refuses("a handler is a function", function() world:webhook("https://x.test", 1) end)
        refuses("unknown option 'too'", function() world:messages { too = PERSON } end)
        refuses("no action", function() world:fault { on = "send" } end)
        local client = worlds.client(world, { name = "one" })
        refuses("no other client has", function() world:client { name = "one" } end)
        assert.is_table(client)
        world:spawn(function()
            refuses("time passes already", function() world:run(1) end)
        end)
        world:run(1)
    end)
end)
