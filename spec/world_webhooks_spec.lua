local sms = require "twilio_sms"
local worlds = require "worlds"

local NUMBER, PERSON = worlds.NUMBER, worlds.PERSON
local URL = "https://app.test/"

describe("webhooks in a world", function()
    local world

    after_each(function()
        world:close()
    end)

    local function client_with_callbacks(suffix, changes)
        local opts = { status_callback = URL .. "status" .. (suffix or "") }
        for name, value in pairs(changes or {}) do
            opts[name] = value
        end
        return worlds.client(world, opts)
    end

    it("reach a receiver, which answers people", function()
        world = sms.sim.new { inbound_url = URL .. "sms" }
        local heard = {}
        world:webhook(URL, sms.assert(world:receiver {
            urls = { URL .. "sms", URL .. "status" }, store = world:store(),
            on_message = function(event, reply)
                heard[#heard + 1] = event.body
                reply:message { body = "You wrote: " .. event.body }
            end,
        }))
        local sid = world:inbound(PERSON, NUMBER, "Hi")
        world:run(5)
        assert.same({ "Hi" }, heard)
        local rows = world:messages { to = PERSON }
        assert.equal(1, #rows)
        assert.equal("You wrote: Hi", rows[1].body)
        assert.equal("outbound-reply", rows[1].direction)
        assert.equal(sid, world:messages({ from = PERSON })[1].sid)
    end)

    it("tell a tracker how messages end", function()
        world = sms.sim.new {}
        local tracker = world:track {}
        local client = client_with_callbacks("", { track = tracker })
        local receiver = sms.assert(world:receiver { store = world:store(), track = tracker })
        world:webhook(URL, receiver)
        local message = sms.assert(client:send { to = PERSON, body = "Hello" })
        local requests = world:stats().requests
        assert.equal("delivered", sms.assert(client:wait(message.sid)).status)
        assert.equal(2, receiver:stats().status)
        assert.is_true(world:stats().requests - requests <= 3, "callbacks end the waiting")
    end)

    it("wait for nobody who is down, and come again as their URL says", function()
        world = sms.sim.new {}
        local posts = worlds.events(world, "webhook", "webhook_answer")
        local client = client_with_callbacks "#rc=3"
        sms.assert(client:send { to = PERSON, body = "Hello" })
        world:after(0.3, function()
            world:webhook(URL, function() return { status = 200 } end)
        end)
        world:run(30)
        local faults, answers = 0, 0
        for _, event in ipairs(posts) do
            faults = faults + (event.fault == "connect" and 1 or 0)
            answers = answers + (event.status == 200 and 1 or 0)
        end
        assert.is_true(faults >= 1)
        assert.equal(2, answers)
        assert.equal(2, world:stats().webhooks.delivered)
    end)

    it("fail when a handler is slower than they are patient, and it has run all the same", function()
        world = sms.sim.new {}
        local ran = 0
        world:webhook(URL, function()
            sms.loop.sleep(4000)
            ran = ran + 1
        end)
        local answers = worlds.events(world, "webhook_answer")
        local client = client_with_callbacks "#rt=1000&rc=0"
        sms.assert(client:send { to = PERSON, body = "Hello" })
        world:run(30)
        assert.equal(2, ran)
        assert.same({ "read", "read" }, worlds.field(answers, "fault"))
        assert.equal(2, world:stats().webhooks.failed)
    end)

    it("take a 5xx as their URL says", function()
        world = sms.sim.new {}
        local times = 0
        world:webhook(URL, function()
            times = times + 1
            return { status = times <= 2 and 503 or 204 }
        end)
        local client = client_with_callbacks "#rc=5&rp=5xx"
        sms.assert(client:send { to = PERSON, body = "Hello" })
        world:run(30)
        assert.equal(4, times, "two callbacks, the first of them three times")
        assert.equal(2, world:stats().webhooks.delivered)
        assert.equal(2, world:stats().webhooks.retried)
    end)

    it("go to the fallback, whose URL may be another handler's", function()
        world = sms.sim.new { inbound_url = URL .. "sms", fallback_url = "https://spare.test/sms" }
        world:webhook(URL, function() return { status = 500 } end)
        local asked
        world:webhook("https://spare.test/", function(request)
            asked = request
            return "<Response><Message>Later</Message></Response>"
        end)
        world:inbound(PERSON, NUMBER, "Hi")
        world:run(5)
        assert.equal("https://spare.test/sms", asked.url)
        assert.equal("POST", asked.method)
        assert.truthy(asked.body:find("ErrorCode=11200", 1, true))
        assert.equal("Later", world:messages({ to = PERSON })[1].body)
    end)

    it("go to the handler with the longest URL", function()
        world = sms.sim.new {}
        local came = {}
        local function named(name)
            return function() came[#came + 1] = name end
        end
        world:webhook(URL, named "all")
        world:webhook(URL .. "status", named "status")
        sms.assert(client_with_callbacks():send { to = PERSON, body = "Hello" })
        world:run(5)
        world:webhook(URL .. "status", false)
        sms.assert(client_with_callbacks():send { to = PERSON, body = "Hello" })
        world:run(5)
        assert.same({ "status", "status", "all", "all" }, came)
    end)

    it("come doubled, forged and late, and change a record once", function()
        world = sms.sim.new {
            script = {
                { on = "callback", action = "double", every = 2 },
                { on = "callback", action = "forge", every = 3 },
                { on = "callback", action = "delay", delay_ms = 5000, every = 5 },
            },
        }
        local changes = {}
        local tracker = world:track {
            on_change = function(record)
                changes[record.sid] = (changes[record.sid] or "") .. record.status .. " "
            end,
        }
        local client = client_with_callbacks("", { track = tracker })
        local receiver = sms.assert(world:receiver {
            store = world:store(), track = tracker, on_error = function() end,
        })
        world:webhook(URL, receiver)
        local faults = worlds.events(world, "fault")
        local sids = {}
        for i = 1, 20 do
            sids[i] = sms.assert(client:send { to = PERSON, body = "No. " .. i }).sid
        end
        world:run(60)
        for _, sid in ipairs(sids) do
            local seen = changes[sid]
            assert.is_true(seen == "queued sent delivered " or seen == "queued delivered ", seen)
        end
        local stats = world:stats().webhooks
        assert.is_true(stats.doubled > 0 and stats.forged > 0)
        assert.equal(0, stats.forged_accepted)
        assert.equal(stats.forged, receiver:stats().refused)
        assert.is_true(#faults >= 20)
        assert.is_true(receiver:stats().repeated >= 1)
    end)

    it("let a handler send, and wait for its messages", function()
        world = sms.sim.new { inbound_url = URL }
        local client = worlds.client(world)
        local status
        world:webhook(URL, function()
            local message = sms.assert(client:send { to = "+15558675311", body = "Forwarded" })
            status = sms.assert(client:wait(message.sid)).status
        end)
        world:inbound(PERSON, NUMBER, "Hi")
        world:run(10)
        assert.equal("delivered", status)
    end)

    it("raise what a handler raises where time passes", function()
        world = sms.sim.new { inbound_url = URL }
        world:webhook(URL, function() error("in the handler", 0) end)
        world:inbound(PERSON, NUMBER, "Hi")
        local ok, err = pcall(world.run, world, 5)
        assert.is_false(ok)
        assert.truthy(tostring(err):find("in the handler", 1, true))
    end)

    it("cannot be asked of a URL that is none", function()
        world = sms.sim.new { inbound_url = URL }
        world:webhook(URL, function()
            return '<Response><Redirect>ftp://app.test/sms</Redirect></Response>'
        end)
        world:inbound(PERSON, NUMBER, "Hi")
        world:run(5)
        assert.equal(1, world:stats().webhooks.failed)
        local function nothing() end
        for _, case in ipairs {
            { "/sms", nothing, "'/sms' is no URL with http:// or https://" },
            { "app.test/sms", nothing, "is no URL" }, { "ftp://app.test/", nothing, "is no URL" },
            { "https:///sms", nothing, "is no URL" }, { 5, nothing, "a URL and a handler" },
            { URL, nil, "false means nobody" }, { URL, {}, "has the method 'handle'" },
        } do
            local ok, why = pcall(function()
                world:webhook(case[1], case[2])
            end)
            assert.is_false(ok)
            assert.truthy(why:find(case[3], 1, true) and why:find "^[^:]*world_webhooks_spec", why)
        end
        world:webhook(URL, false)
    end)
end)
