local core = require "twilio_sms.core"
local journal = require "twilio_sms.sim.world.journal"
local simulator = require "simulator"
local sms = require "twilio_sms"
local worlds = require "worlds"

-- A day of trouble for two clients, as a program that another Lua can run as well.
local TROUBLE = [[
local sms = require "twilio_sms"
local function run(seed)
    local world = sms.sim.new { seed = seed, script = function(s)
        s.on("send"):fail(503):with(0.1)
        s.on("send"):drop_after():with(0.1)
        s.on("send"):hang():with(0.05)
        s.on("callback"):double():with(0.2)
        s.on("callback"):delay(3000):with(0.2)
        s.on("callback"):forge():with(0.2)
    end }
    local receiver = world:receiver { store = world:store(), on_message = function(event, reply)
        reply:message { body = "You wrote " .. event.body }
    end, on_error = function() end }
    world:webhook("https://app.test/", receiver)
    local clients = {}
    for i = 1, 2 do
        clients[i] = assert(world:client {
            from = "+1500555000" .. i + 4, shared = "two", status_callback = "https://app.test/status",
            attempt_timeout_ms = 5000,
        })
    end
    for i, client in ipairs(clients) do
        world:spawn(function()
            for n = 1, 20 do
                client:send { to = ("+1555867%02d%02d"):format(i, n), body = "No. " .. n .. " \"quoted\"\n" }
                sms.loop.sleep(100 * i)
            end
        end)
    end
    world:every(4, function() world:inbound("+15558670101", "+15005550005", "hi") end)
    world:after(5, function() world:restart(clients[2]) end)
    world:after(9, function() world:inbound("+15558670102", "+15005550005", "STOP") end)
    world:after(12, function() world:jump_clock(-1800) end)
    world:run(60)
    local digest, lines = world:digest(), world:log_lines()
    world:close()
    return digest, lines
end
]]

describe("the log of a world", function()
    it("is the same for the same seed, and another one for another", function()
        local run = assert((loadstring or load)(TROUBLE .. "return run"))() -- luacheck: ignore 113
        local digest, lines = run(7)
        local again, same = run(7)
        assert.is_true(#lines > 300)
        for i, line in ipairs(lines) do
            assert.equal(line, same[i])
        end
        assert.equal(#lines, #same)
        assert.equal(digest, again)
        assert.not_equal(digest, (run(8)))
    end)

    it("is the same in both Luas", function()
        local digests = {}
        local build = os.getenv "TWILIO_SMS_BUILD"
        for _, lua in ipairs { "lua5.4", "luajit" } do
            local modules = build and build .. "/" .. lua
            local paths = modules and ("LUA_PATH='%s/?.lua;%s/?/init.lua;;' LUA_CPATH='%s/?.so;;' "):format(
                modules, modules, modules) or ""
            local command = ("env -u LUA_PATH_5_4 -u LUA_CPATH_5_4 -u LUA_INIT %s%s -e %s"):format(paths, lua,
                simulator.quote(TROUBLE .. "io.write((run(7)))"))
            local pipe = assert(io.popen(command))
            digests[lua] = pipe:read "*a"
            pipe:close()
        end
        assert.equal(64, #digests.luajit)
        assert.equal(digests.luajit, digests["lua5.4"])
    end)

    it("has a line for each event, with its fields in order", function()
        local world = sms.sim.new { latency_ms = { 10, 10 } }
        local client = worlds.client(world, { name = "app" })
        sms.assert(client:send { to = worlds.PERSON, body = 'a "b"\n' })
        local lines = world:log_lines()
        assert.equal('0 submit client=app call_id=1048576 operation=send to=+15558675310 body="a \\"b\\"\\n"',
            lines[1])
        local kinds = {}
        for i, line in ipairs(lines) do
            kinds[i] = line:match "^%d+ ([%w_]+)"
        end
        assert.same({
            "submit", "request", "client_event", "arrive", "accept", "answer", "result", "client_event",
            "client_event",
        }, kinds)
        world:close()
    end)

    it("goes to a function, or nowhere", function()
        local heard = {}
        local world = sms.sim.new { log = function(line) heard[#heard + 1] = line end }
        sms.assert(worlds.client(world):send { to = worlds.PERSON, body = "Hello" })
        assert.truthy(heard[1]:find "^0 submit ")
        assert.same({}, world:log_lines())
        assert.equal(64, #world:digest())
        world:close()
        world = sms.sim.new { log = false }
        local empty = world:digest()
        sms.assert(worlds.client(world):send { to = worlds.PERSON, body = "Hello" })
        assert.equal(empty, world:digest())
        world:close()
    end)

    it("has a digest of its lines, whenever it is asked for", function()
        local a, b = journal.new(true), journal.new(true)
        local text = {}
        for i = 1, 5000 do
            for _, one in ipairs { a, b } do
                one:tell { at_ms = i, kind = "crash", client = "c" .. i }
            end
            text[i] = ("%d crash client=c%d\n"):format(i, i)
            if i % 7 == 0 then
                a:digest()
            end
        end
        assert.equal(a:digest(), b:digest())
        assert.equal(table.concat(text), table.concat(a:lines(), "\n") .. "\n")
        b:tell { at_ms = 5001, kind = "crash", client = "x" }
        assert.not_equal(a:digest(), b:digest())
    end)

    it("writes numbers the same way whatever their type", function()
        local one = journal.new(true)
        one:tell { at_ms = 3 / 1, kind = "clock_jump", seconds = -1.5 }
        one:tell { at_ms = 2 ^ 31, kind = "status", sid = "SM1", status = "failed", error_code = 30003 / 1 }
        assert.same({
            "3 clock_jump seconds=-1.500", "2147483648 status sid=SM1 status=failed error_code=30003",
        }, one:lines())
        assert.equal(core.body_sha256(table.concat(one:lines(), "\n") .. "\n"), one:digest())
    end)
end)
