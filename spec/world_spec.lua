local properties = require "twilio_sms.sim.properties"
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

    it("tells when it has ended what happened in it", function()
        world = sms.sim.new {}
        sms.assert(worlds.client(world):send { to = PERSON, body = "Hello" })
        world:run(5)
        local sid, digest, now_ms = world:messages()[1].sid, world:digest(), world:now_ms()
        world:close()
        assert.equal(sid, world:messages({ to = PERSON })[1].sid)
        assert.same({ 1, {}, digest, now_ms }, { world:stats().accepted, world:webhooks(), world:digest(),
            world:now_ms() })
        assert.truthy(#world:log_lines() > 5)
        assert.equal(1767225600 + now_ms / 1000, world:time())
        for _, name in ipairs { "client", "inbound", "after", "fault", "observe", "webhook", "store" } do
            assert.has_error(function() world[name](world) end, "the world is closed")
        end
    end)

    it("goes on when a client is closed", function()
        world = sms.sim.new {}
        local client = worlds.client(world)
        sms.assert(client:send { to = PERSON, body = "Hello" })
        client:close()
        world:run(5)
        world:jump_clock(5)
        world:run(5)
        local other, err = worlds.client(world), nil
        world:spawn(function()
            err = select(2, other:send { to = PERSON, body = "Hello" })
        end)
        world:after(0.02, function() other:close() end)
        world:run(5)
        assert.equal("TemporarilyUnavailable", err.kind)
    end)

    it("goes on when a hook closes its client, or the world is closed in it", function()
        world = sms.sim.new {}
        local client, err = worlds.client(world), nil
        client:hook("check", function()
            client:close()
            return true
        end)
        world:spawn(function()
            err = select(2, client:send { to = PERSON, body = "Hello" })
        end)
        world:run(5)
        assert.equal("TemporarilyUnavailable", err.kind)
        local other, ended = worlds.client(world), nil
        world:spawn(function()
            ended = select(2, other:send { to = PERSON, body = "Hello" })
        end)
        world:after(0.02, function() world:close() end)
        world:run(5)
        assert.equal("TemporarilyUnavailable", ended.kind)
        world = sms.sim.new {}
        local third = worlds.client(world)
        world:after(0.02, function() world:close() end)
        ended = select(2, third:send { to = PERSON, body = "Hello" })
        assert.equal("TemporarilyUnavailable", ended.kind)
    end)

    it("gives each client a name of its own", function()
        world = sms.sim.new {}
        worlds.client(world, { name = "client2" })
        local events = worlds.events(world, "submit")
        sms.assert(worlds.client(world):send { to = PERSON, body = "Hello" })
        assert.equal("client3", events[1].client)
    end)

    it("tells the properties how long a call may take", function()
        world = sms.sim.new {}
        local watcher = properties.watch(world)
        local client = sms.assert(world:client { from = NUMBER, rate = { per_number = 0.5 } })
        local list = {}
        for i = 1, 40 do -- longer than the time of a call that nobody gives more
            list[i] = { to = PERSON, body = "No. " .. i }
        end
        for _, _, err in client:send_many(list) do
            assert.is_nil(err)
        end
        watcher:finish()
        assert.same({}, watcher:violations())
    end)

    it("takes time in whole milliseconds only", function()
        for _, rule in ipairs {
            { on = "send", action = "delay", delay_ms = 0.5 },
            { on = "send", action = "slow", slow_ms = 10.5 },
            { on = "send", action = "status", status = 503, retry_after = 1.5 },
        } do
            assert.has_error(function() sms.sim.new { script = { rule } } end)
        end
        for _, delay in ipairs { 0.5, { 1, 2.5 } } do
            assert.has_error(function() sms.sim.new { carrier = { send_ms = delay } } end)
        end
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
        for _, name in ipairs { "messages", "stats", "webhooks", "digest", "log_lines" } do
            refuses(("as in world:%s"):format(name), function() world[name]() end)
        end
        refuses("option 'account_sid' must be AC and 32 hex digits", function()
            sms.sim.new { account_sid = "AC1" }
        end)
        refuses("option 'max_concurrency' must be a whole number, 1 or more", function()
            sms.sim.new { max_concurrency = 0 }
        end)
        for _, name in ipairs { "inbound_url", "fallback_url" } do
            refuses(("option '%s' must be a URL with http:// or https://"):format(name), function()
                sms.sim.new { [name] = "app.test/sms" }
            end)
        end
        local function f() end
        refuses("60 is before the world began (1767225600); world:after(60, f) counts from now", function()
            world:at(60, f)
        end)
        refuses("at takes a function, not nil", function() world:at(1767225600) end)
        refuses("before 1970", function() world:jump_clock(-1767225601) end)
        world:jump_clock(-1767225600)
        refuses("a client of this world", function() world:crash {} end)
        local foreign = sms.assert(sms.new {
            account_sid = "AC" .. ("0"):rep(32), auth_token = ("0"):rep(32), from = NUMBER,
            driver = sms.driver.sim(world),
        })
        refuses("clients of world:client{...}", function() world:restart(foreign) end)
        refuses("a handler is a function", function() world:webhook("https://x.test", 1) end)
        refuses("unknown option 'too'", function() world:messages { too = PERSON } end)
        refuses("no action", function() world:fault { on = "send" } end)
        refuses('a rule is a table, as { on = "send", action = "hang" }, not a function', function()
            world:fault(f)
        end)
        local client = worlds.client(world, { name = "one" })
        refuses("no other client has", function() world:client { name = "one" } end)
        assert.is_table(client)
        world:spawn(function()
            refuses("time passes already", function() world:run(1) end)
        end)
        world:run(1)
    end)

    it("says so when somebody never waits for a moment", function()
        world = sms.sim.new {}
        world:spawn(function()
            while true do
                sms.loop.sleep(0)
            end
        end)
        assert.error_matches(function() world:run(1) end, "time stands still at 0 ms")
    end)
end)
