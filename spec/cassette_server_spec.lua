-- Recorded against the simulator over TLS, replayed with the network cut.
local core = require "twilio_sms.core"
local simulator = require "simulator"
local sms = require "twilio_sms"
local tapes = require "tapes"

local TO = "+12125550123" -- nobody's
local TEXT = "A neutral text"

-- What a program does. Answers what it saw, as lines.
local WORK = [[
    local core, sms = require "twilio_sms.core", require "twilio_sms"
    local seen = {}
    local function note(value, err)
        seen[#seen + 1] = value == nil and tostring(err) or type(value) ~= "table" and tostring(value)
            or core.json_encode { value.sid or "", value.status or "", value.to or "", value.body or "",
                value.outcome or "", #value, value.date_created or "", value.num_segments or "" }
    end
    local message = client:send { to = TO, body = TEXT }
    note(message)
    note(client:send { to = TO, body = TEXT .. " é€ of another kind" })
    note(client:send { to = "+15005550001", body = TEXT })
    note(client:send { to = "+15005550004", body = TEXT })
    note(client:send { to = "+12125550124", body = TEXT }) -- answered with 500 first
    note(client:get(message.sid))
    note(client:list { to = TO, limit = 3 })
    note(client:redact(message.sid))
    note(client:delete(message.sid))
    note(client:get(message.sid))
    note(client:close())
    return seen
]]

local function work(client)
    local env = setmetatable({ client = client, TO = TO, TEXT = TEXT }, { __index = _G })
    local chunk
    if setfenv then -- luacheck: ignore 113
        chunk = setfenv(assert(loadstring(WORK)), env) -- luacheck: ignore 113
    else
        chunk = assert(load(WORK, "work", "t", env))
    end
    return chunk()
end

local KEEP = {
    on_violation = function() end, keep_sids = true, keep_texts = { TEXT, TEXT .. " é€ of another kind" },
}
local ACCOUNT = { account_sid = "AC" .. ("0"):rep(32) }

-- The sockets that this process has.
local function sockets()
    local pid = tapes.read("/proc/self/stat"):match "^%d+"
    local pipe = assert(io.popen("ls -l /proc/" .. pid .. "/fd"))
    local _, count = pipe:read("*a"):gsub("socket:", "")
    pipe:close()
    return count
end

local function can_cut_network()
    local pipe = assert(io.popen("unshare --net echo yes 2>/dev/null"))
    local text = pipe:read "*a"
    pipe:close()
    return text == "yes\n"
end

describe("a tape of the simulator", function()
    local path, live, options

    setup(function()
        path = tapes.path()
        local sim = simulator.start [[account_sid = "AC" .. ("0"):rep(32), send_ms = 0, deliver_ms = 0,
            script = { { on = "send", to = "+12125550124", times = 1, action = "status", status = 500 } }]]
        options = simulator.options(sim, ACCOUNT)
        options.driver = sms.driver.record(path, sms.driver.curl(), KEEP)
        live = work(sms.assert(sms.new(options)))
        sim:stop()
    end)

    teardown(function()
        os.remove(path)
    end)

    it("has what was done", function()
        assert.equal("true", live[#live])
        assert.matches("21211", live[3])
        assert.matches("21610", live[4])
        local _, lines = tapes.read(path):gsub("\n", "")
        assert.is_true(lines > #live)
    end)

    it("gives identical results, without a socket", function()
        local before = sockets()
        options.driver = sms.driver.replay(path)
        options.base_url = "https://127.0.0.1:1" -- nobody is there
        local client = sms.assert(sms.new(options))
        local seen = work(client)
        assert.equal(before, sockets())
        assert.same(live, seen)
    end)

    it("gives identical results in a process that has no network", function()
        if not can_cut_network() then
            pending "unshare --net is not allowed here"
            return
        end
        local program = ([[
            local sms = require "twilio_sms"
            local TO, TEXT = %q, %q
            local client = sms.assert(sms.new { driver = sms.driver.replay(%q), from = %q, seed = 1,
                account_sid = "AC" .. ("0"):rep(32), auth_token = ("1"):rep(32),
                rate = { per_second = 0, per_number = 0 } })
            local seen = (function() %s end)()
            for _, line in ipairs(seen) do print(line) end
        ]]):format(TO, TEXT, path, simulator.FROM, WORK)
        local file = tapes.path()
        tapes.write(file, program)
        local pipe = assert(io.popen("unshare --net " .. simulator.lua .. " " .. file))
        local seen = {}
        for line in pipe:lines() do
            seen[#seen + 1] = line
        end
        pipe:close()
        os.remove(file)
        assert.same(live, seen)
    end)

    it("fails readably when the program has changed", function()
        options.driver = sms.driver.replay(path)
        local client = sms.assert(sms.new(options))
        local _, err = client:send { to = TO, body = TEXT, validity_period_s = 60 }
        local difference = 'form ValidityPeriod: the tape has nothing, the request has "60"'
        assert.matches(difference, err.message, 1, true)
        assert.is_true(core.is_error(err))
        assert.is_nil((client:close()))
    end)

    it("is what the simulator still answers", function()
        local sim = simulator.start [[account_sid = "AC" .. ("0"):rep(32), send_ms = 0, deliver_ms = 0,
            script = { { on = "send", to = "+12125550124", times = 1, action = "status", status = 500 } }]]
        local again = simulator.options(sim, ACCOUNT)
        again.driver = sms.driver.diff(path, sms.driver.curl(), { ignore = { "DateSent>" } })
        local seen = work(sms.assert(sms.new(again)))
        sim:stop()
        assert.equal("true", seen[#seen])
    end)
end)
