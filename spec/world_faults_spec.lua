local core = require "twilio_sms.core"
local sms = require "twilio_sms"
local worlds = require "worlds"

local PERSON = worlds.PERSON

describe("faults in a world", function()
    local world

    after_each(function()
        world:close()
    end)

    local function accepted(body)
        return #world:messages { body = body, direction = "outbound-api" }
    end

    -- One send, to which the rule happens once; it is not tried again.
    local function send(rule, changes)
        world = sms.sim.new {}
        local faults = worlds.events(world, "fault")
        local opts = { in_doubt = "stop", retry = { connection = { attempts = 1 }, timeout = { attempts = 1 },
            unavailable = { attempts = 1 }, internal = { attempts = 1 } } }
        for name, value in pairs(changes or {}) do
            opts[name] = value
        end
        local client = worlds.client(world, opts)
        rule.on, rule.times = "send", 1
        world:fault(rule)
        local message, err = client:send { to = PERSON, body = "Hello" }
        world:run(30)
        assert.equal(1, #faults, "it happened")
        assert.equal(rule.action, faults[1].action)
        assert.equal(accepted "Hello" == 1, faults[1].accepted, "the truth is told")
        return message, err
    end

    local CASES = {
        { rule = { action = "refused" }, kind = "ConnectionFailed", outcome = "not_sent", accepted = 0 },
        { rule = { action = "dns" }, kind = "DnsResolutionFailed", outcome = "not_sent", accepted = 0 },
        { rule = { action = "tls" }, kind = "ConnectionFailed", outcome = "not_sent", accepted = 0 },
        { rule = { action = "drop_before" }, kind = "ConnectionFailed", outcome = "in_doubt", accepted = 0 },
        { rule = { action = "drop_after" }, kind = "ConnectionFailed", outcome = "in_doubt", accepted = 1 },
        { rule = { action = "hang" }, kind = "Timeout", outcome = "in_doubt", accepted = 0 },
        { rule = { action = "hang", accepted = true }, kind = "Timeout", outcome = "in_doubt", accepted = 1 },
        { rule = { action = "garbage" }, kind = "ConnectionFailed", outcome = "in_doubt", accepted = 0 },
        { rule = { action = "html" }, kind = "ServiceUnavailable", outcome = "in_doubt", accepted = 0 },
        { rule = { action = "status", status = 503 }, kind = "ServiceUnavailable", outcome = "in_doubt",
            accepted = 0 },
        { rule = { action = "status", status = 500, accepted = true }, kind = "InternalError",
            outcome = "in_doubt", accepted = 1 },
    }

    for _, case in ipairs(CASES) do
        local name = case.rule.action .. (case.rule.accepted and " after it was accepted" or "")
        it("are what they are for the real driver: " .. name, function()
            local message, err = send(case.rule)
            assert.is_nil(message)
            assert.equal(case.kind, err.kind)
            assert.equal(case.outcome, err.outcome)
            assert.equal(case.accepted, accepted "Hello")
        end)
    end

    it("cut answers are accepted without a sid", function()
        local message, err = send { action = "cut_after" }
        assert.is_nil(message)
        assert.equal("accepted_no_sid", err.outcome)
        assert.equal(1, accepted "Hello")
    end)

    it("let a slow answer end when the attempt's time does", function()
        local message, err = send({ action = "slow", slow_ms = 60000 }, { attempt_timeout_ms = 3000 })
        assert.is_nil(message)
        assert.equal("accepted_no_sid", err.outcome)
        assert.equal(1, accepted "Hello")
        world:close()
        message = send({ action = "slow", slow_ms = 1000 }, { attempt_timeout_ms = 3000 })
        assert.equal("queued", message.status)
    end)

    it("let an attempt end in time when the answer is late, but accepted it is", function()
        local message, err = send({ action = "delay", delay_ms = 10000 }, { attempt_timeout_ms = 2000 })
        assert.is_nil(message)
        assert.equal("Timeout", err.kind)
        assert.equal(1, accepted "Hello")
    end)

    it("let a request arrive after its client has given up", function()
        world = sms.sim.new { latency_ms = { 5000, 5000 } }
        local order = worlds.events(world, "answer", "accept")
        local client = worlds.client(world, { in_doubt = "stop", attempt_timeout_ms = 1000 })
        local _, err = client:send { to = PERSON, body = "Hello" }
        assert.equal("Timeout", err.kind)
        assert.equal("in_doubt", err.outcome)
        assert.equal(0, accepted "Hello")
        world:run(10)
        assert.equal(1, accepted "Hello")
        assert.same({ "answer", "accept" }, worlds.field(order, "kind"))
    end)

    it("are looked into, so that nobody is texted twice", function()
        world = sms.sim.new {}
        world:fault { on = "send", action = "drop_after", probability = 0.5 }
        world:fault { on = "send", action = "drop_before", probability = 0.5 }
        local client = worlds.client(world)
        local sent = 0
        world:spawn(function()
            for i = 1, 50 do
                local message = client:send { to = PERSON, body = "No. " .. i }
                sent = sent + (message and 1 or 0)
            end
        end)
        world:run(600)
        assert.equal(50, sent)
        assert.equal(50, world:stats().accepted)
        assert.equal(0, world:stats().duplicates)
    end)

    it("stop when they are told to", function()
        world = sms.sim.new {}
        local client = worlds.client(world, { in_doubt = "stop", retry = { unavailable = { attempts = 1 } } })
        local handle = world:fault { on = "send", action = "status", status = 503 }
        assert.is_nil((client:send { to = PERSON, body = "1" }))
        handle:stop()
        assert.is_table((client:send { to = PERSON, body = "2" }))
    end)

    it("answer 429 when too many requests are under way", function()
        world = sms.sim.new { max_concurrency = 2 }
        local client = worlds.client(world)
        for i = 1, 10 do
            client:submit { to = PERSON, body = "No. " .. i }
        end
        world:run(120)
        assert.is_true(world:stats().answers["429"] > 0)
        assert.equal(10, world:stats().accepted)
    end)

    -- ---- Crashes -----------------------------------------------------------------------------------

    it("let a process die: what is on the wire goes on, and nobody hears of it", function()
        world = sms.sim.new { latency_ms = { 50, 50 } }
        local client = worlds.client(world, { name = "app" })
        local results = worlds.events(world, "result", "crash", "accept")
        local went_on = false
        world:spawn(function()
            client:send { to = PERSON, body = "Hello" }
            went_on = true
        end)
        world:spawn(function()
            sms.loop.sleep(1000)
            client:send { to = PERSON, body = "never" }
            went_on = true
        end)
        world:run(0.01)
        world:crash(client)
        world:run(60)
        assert.is_false(went_on)
        assert.same({ "crash", "accept" }, worlds.field(results, "kind"))
        assert.equal(1, accepted "Hello")
        assert.equal(0, accepted "never")
        assert.has_error(function() client:send { to = PERSON, body = "x" } end,
            "the client 'app' has crashed; world:restart answers the next one")
    end)

    it("let it start again with what it was made with", function()
        world = sms.sim.new {}
        local store = world:store()
        local ledger = world:optout { store = store }
        local client = worlds.client(world, { name = "app", optout = ledger })
        ledger:opt_out(PERSON)
        local again = sms.assert(world:restart(client))
        local message, err = again:send { to = PERSON, body = "Hello" }
        assert.is_nil(message)
        assert.equal("OptedOut", err.kind)
        local events = worlds.events(world, "submit")
        again:send { to = "+15558675311", body = "Hello" }
        assert.equal("app#2", events[1].client)
        local third = sms.assert(world:restart(again))
        third:send { to = "+15558675312", body = "Hello" }
        assert.equal("app#3", events[2].client)
    end)

    it("let it start again twice, each time with a name of its own", function()
        world = sms.sim.new {}
        local client = worlds.client(world, { name = "app" })
        worlds.client(world, { name = "app#3" })
        local again, third = sms.assert(world:restart(client)), sms.assert(world:restart(client))
        again:send { to = PERSON, body = "Hello" }
        third:send { to = PERSON, body = "Hello" }
        assert.same({ "app#2", "app#4" }, worlds.field(world:messages(), "client"))
    end)

    it("let a process die in one of its hooks, and when its result is there", function()
        world = sms.sim.new {}
        local client, other, went_on = worlds.client(world), worlds.client(world, { name = "other" }), false
        client:hook("check", function()
            world:crash(client)
            return true
        end)
        world:observe(function(event)
            if event.kind == "result" and event.client == "other" then
                world:crash(other)
            end
        end)
        for _, each in ipairs { client, other } do
            world:spawn(function()
                each:send { to = PERSON, body = "Hello" }
                went_on = true
            end)
        end
        world:run(60)
        assert.is_false(went_on)
        assert.same({ "other" }, worlds.field(world:messages(), "client"))
    end)

    it("leave the other processes of a shared region able to go on", function()
        world = sms.sim.new {}
        local opts = {
            shared = "app", in_doubt = "stop", optout = false,
            breaker = { failure_threshold = 2, reset_timeout_ms = 5000 },
            retry = { connection = { attempts = 1 } }, attempt_timeout_ms = 5000,
        }
        local one, other = worlds.client(world, opts), worlds.client(world, opts)
        local outage = world:fault { action = "refused" }
        one:send { to = PERSON, body = "1" }
        one:send { to = PERSON, body = "2" }
        local _, err = other:send { to = PERSON, body = "3" }
        assert.equal("TemporarilyUnavailable", err.kind, "the breaker is one for both")
        outage:stop()
        world:run(6)
        world:spawn(function() one:send { to = PERSON, body = "probe" } end)
        world:run(0.001)
        world:crash(one) -- it holds the probe
        local sent
        world:spawn(function()
            for i = 1, 100 do
                sent = other:send { to = PERSON, body = "after " .. i }
                if sent then
                    return
                end
                sms.loop.sleep(1000)
            end
        end)
        world:run(120)
        assert.is_table(sent)
    end)

    it("leave no shared memory behind", function()
        local function regions(prefix)
            local pipe = assert(io.popen "ls /dev/shm")
            local list = pipe:read "*a"
            pipe:close()
            return select(2, list:gsub(prefix:gsub("%-", "%%-"), ""))
        end
        local function start()
            local made = sms.sim.new {}
            worlds.client(made, { shared = "app" })
            return made, made.shared.prefix
        end
        local prefix
        world, prefix = start()
        assert.equal(1, regions(prefix))
        world:close()
        assert.equal(0, regions(prefix))
        local dropped = select(2, start()) -- nobody closes this one
        for _ = 1, 4 do
            collectgarbage()
        end
        assert.equal(0, regions(dropped))
        assert.has_error(function() core.forget_shared() end)
    end)

    it("raise when the main program waits for what cannot happen", function()
        world = sms.sim.new {}
        local client = worlds.client(world)
        world:after(0.001, function() world:crash(client) end)
        assert.has_error(function() client:send { to = PERSON, body = "Hello" } end,
            "the client 'client1' has crashed; world:restart answers the next one")
    end)

    -- ---- Stores ------------------------------------------------------------------------------------

    it("make a store fail to read, to write, and to answer after having written", function()
        world = sms.sim.new {}
        local store = world:store()
        local ledger = world:optout { store = store }
        local client = worlds.client(world, { optout = ledger })
        store:fail { on = "write", times = 1 }
        assert.is_nil((ledger:opt_out(PERSON)))
        assert.equal("unknown", ledger:status(PERSON))
        store:fail { on = "write", times = 1, after = true }
        assert.is_nil((ledger:opt_out(PERSON)))
        assert.equal("opted_out", ledger:status(PERSON))
        store:fail { on = "read" }
        local message, err = client:send { to = "+15558675311", body = "Hello" }
        assert.is_nil(message)
        assert.equal("not_sent", err.outcome, "what cannot be read denies")
        assert.equal("ServerError.TemporarilyUnavailable", err.type)
        assert.is_true(err.retryable)
        store:heal()
        assert.is_table((client:send { to = "+15558675311", body = "Hello" }))
        assert.is_true(store.failed >= 3)
        assert.has_error(function() store:fail { on = "open" } end)
    end)
end)
