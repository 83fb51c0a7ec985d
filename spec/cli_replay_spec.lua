local cjson = require "cjson"
local command = require "command"
local simulator = require "simulator"
local sms = require "twilio_sms"

describe("twilio-sms replay", function()
    local sim, tape

    -- A tape with an accepted message, a look at it, and a refused message.
    setup(function()
        sim = simulator.start()
        tape = os.tmpname()
        os.remove(tape)
        local client = sim:client { driver = sms.driver.record(tape, sms.driver.curl(), { seed = "spec" }) }
        local message = sms.assert(client:send { to = "+12125551234", body = "Hello" })
        sms.assert(client:get(message.sid))
        assert.is_nil(client:send { to = "+15005550001", body = "Hello" })
        sms.assert(client:close())
    end)

    teardown(function()
        sim:stop()
        os.remove(tape)
    end)

    it("shows what is on a tape", function()
        local result = command.run("replay " .. tape)
        assert.equal(0, result.status, result.err)
        local lines = {}
        for line in result.out:gmatch "[^\n]+" do
            lines[#lines + 1] = line
        end
        assert.truthy(lines[1]:find "^LINE +AT_MS +ELAPSED_MS +REQUEST +TO +OUTCOME +STATUS +SID$")
        assert.truthy(lines[2]:find "^2 .* send +%+1%d+ +ok +201 +SM%x+$", lines[2])
        assert.truthy(lines[3]:find "^3 .* fetch +%- +ok +200 +SM%x+$", lines[3])
        assert.truthy(lines[4]:find "^4 .* send +%+15005550001 +ok +400 +%-$", lines[4])
        local wanted = "^recorded %d%d%d%d%-%d%d%-%d%d by twilio_sms %S+, 3 requests, 0 webhooks\n$"
        assert.truthy(result.err:find(wanted), result.err)
        result = command.run("replay --json " .. tape)
        local first = cjson.decode(result.out:match "^[^\n]*")
        assert.same({ 2, "send", 201 }, { first.line, first.request, first.status })
        assert.equal("", result.err)
    end)

    it("holds it against what Twilio documents", function()
        local result = command.run("replay --contract " .. tape)
        assert.equal(0, result.status, result.out)
        local file = assert(io.open(tape))
        local text = file:read("*a"):gsub('"status\\":\\"queued', '"status\\":\\"strange')
        file:close()
        local changed = command.file(text)
        result = command.run("replay --contract " .. changed)
        assert.equal(1, result.status)
        local wanted = "line 2: member status is none of the documented words"
        assert.truthy(result.out:find(wanted, 1, true), result.out)
        os.remove(changed)
    end)

    it("says what is no tape", function()
        local file = assert(io.open(tape))
        local text = file:read "*a"
        file:close()
        for path, case in pairs {
            [command.file "hello\n"] = { 1, "line 1 is damaged, or this is no cassette" },
            [command.file(text:sub(1, -20))] = { 0, "line 4 was cut and is left out" },
            [command.file((text:gsub('"elapsed_ms":', '"elapsed":')))] = { 1, "line 2 is damaged" },
            ["/nowhere"] = { 66, "/nowhere: No such file" },
            ["/"] = { 66, "/ is empty, or no file" },
        } do
            local result = command.run("replay " .. path)
            assert.equal(case[1], result.status, result.err)
            assert.truthy(result.err:find(case[2], 1, true), result.err)
            os.remove(path)
        end
    end)
end)
