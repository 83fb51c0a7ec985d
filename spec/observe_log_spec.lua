local core = require "twilio_sms.core"
local memory = require "twilio_sms.memory"
local sms = require "twilio_sms"
local twilio = require "twilio"
local webhook = require "twilio_sms.webhook"
local worlds = require "worlds"

local KEY = "0123456789abcdef"
local TO = "+15005550010"

-- A function that keeps lines, and the lines.
local function keeper()
    local lines = {}
    return function(line, level)
        lines[#lines + 1] = level .. "|" .. line
    end, lines
end

local function has(lines, part)
    return table.concat(lines, "\n"):find(part, 1, true) ~= nil
end

local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read "*a"
    file:close()
    return text
end

-- A driver whose requests are answered at once, whoever asks.
local function answering()
    return sms.driver.machine(function()
        local done = {}
        return {
            now = function() return core.now_ms(), core.time_ms() end,
            start = function(_, id) done[#done + 1] = id end,
            finished = function()
                local id = table.remove(done, 1)
                local body = ('{"sid":"SM%032d","status":"queued"}'):format(0)
                return id, id and { sent = true, status = 201, complete = true, headers = {}, body = body }
            end,
            wait = function() return false end,
            close = function() end,
        }
    end)
end

-- What another Lua prints on its standard error.
local function stderr_of(code)
    local path, out = os.tmpname(), os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(code)
    file:close()
    local lua = rawget(_G, "jit") and "luajit" or "lua5.4"
    os.execute(("%s %s 2> %s"):format(lua, path, out))
    local text = read(out)
    os.remove(path)
    os.remove(out)
    return text
end

describe("a log", function()
    local world

    before_each(function()
        world = sms.sim.new { seed = 1 }
    end)

    after_each(function()
        world:close()
    end)

    it("tells what a client does, as lines for a function", function()
        local sink, lines = keeper()
        local client = worlds.client(world, { log = { to = sink } })
        local message = assert(client:send { to = TO, body = "Hello" })
        assert.equal(1, #lines)
        assert.truthy(lines[1]:find("^info|time=2026%-01%-01T00:00:%d%d%.%d%d%dZ level=info event=sent "
            .. "call_id=%d+ sid="))
        assert.truthy(lines[1]:find(message.sid, 1, true))
        assert.truthy(has(lines, "to=+1********10 status=queued segments=1 encoding=GSM-7 length=5"))
        assert.falsy(has(lines, TO))
        assert.falsy(has(lines, "Hello"))
        client:close()
    end)

    it("speaks JSON with numbers as numbers", function()
        local sink, lines = keeper()
        local client = worlds.client(world, { log = { to = sink, format = "json", level = "trace" } })
        client:send { to = "+15005550001", body = "Hello" }
        client:send { to = TO, body = "Hello" }
        local ids = {}
        for _, line in ipairs(lines) do
            local object = assert(core.json_decode(line:match "|(.*)"))
            assert.is_string(object.event)
            ids[object.call_id] = (ids[object.call_id] or 0) + 1
            if object.event == "send_failed" then
                assert.equal(21211, object.code)
            end
        end
        local calls = 0
        for _, count in pairs(ids) do
            calls = calls + 1
            assert.equal(5, count) -- two of them about each request and answer, and the end
        end
        assert.equal(2, calls)
        assert.truthy(has(lines, '"event":"response_payload"'))
        assert.falsy(has(lines, "Hello"))
        client:close()
    end)

    it("tells of what was refused at once", function()
        local sink, lines = keeper()
        local client = worlds.client(world, { log = { to = sink } })
        assert.is_nil(client:send { to = "+", body = "Hello" })
        assert.truthy(has(lines, "error|"))
        assert.truthy(has(lines, "event=send_failed operation=send error=MessageError.InvalidRecipient"))
        client:close()
    end)

    it("is shared by clients, and ends with none of them", function()
        local sink, lines = keeper()
        local log = assert(sms.observe.log { to = sink })
        for _ = 1, 2 do
            local client = worlds.client(world, { log = log })
            assert(client:send { to = TO, body = "Hello" })
            client:close()
        end
        assert.equal(2, #lines)
        log:add("warn", "order_lost", { order = 17, to = TO })
        assert.truthy(lines[3]:find("level=warn event=order_lost order=17 to=+1********10", 1, true))
        log:close()
        log:close()
        assert.has_error(function() log:add("info", "x") end, "the log is closed")
    end)

    it("outlives its closing by a client that still writes to it", function()
        local log = assert(sms.observe.log { to = function() end })
        local client = worlds.client(world, { log = log })
        log:close()
        assert(client:send { to = TO, body = "Hello" })
        client:close()
    end)

    it("tells once why spans are not exported", function()
        local sink, lines = keeper()
        local trace = assert(sms.observe.trace { to = function() error "no room" end, interval_ms = 0 })
        local client = worlds.client(world, { log = { to = sink }, trace = trace })
        for _ = 1, 5 do
            assert(client:send { to = TO, body = "Hello" })
        end
        client:close()
        local _, count = table.concat(lines, "\n"):gsub("level=error event=export_failed message=", "")
        assert.equal(1, count)
        assert.truthy(has(lines, "no room"))
        trace:close()
    end)

    it("shows the same pseudonym for the same number", function()
        local sink, lines = keeper()
        local client = worlds.client(world, { log = { to = sink, numbers = "pseudonyms", key = KEY } })
        for _ = 1, 2 do
            assert(client:send { to = TO, body = "Hello" })
        end
        local sent = {}
        for _, line in ipairs(lines) do
            sent[#sent + 1] = line:match " event=sent .* to=(h:%x+)"
        end
        assert.equal(2, #sent)
        assert.equal(18, #sent[1])
        assert.equal(sent[1], sent[2])
        client:close()
    end)

    it("leaves out what is too much, and says so when it closes", function()
        local sink, lines = keeper()
        local log = assert(sms.observe.log { to = sink, per_second = 2 })
        for _ = 1, 5 do
            log.core:add("info", "tick", {}, 1000)
        end
        log:close()
        assert.equal(3, #lines)
        local last = "level=warn event=suppressed of=other of_level=info suppressed=3"
        assert.truthy(lines[3]:find(last, 1, true))
    end)

    it("writes to a descriptor", function()
        local text = stderr_of [[
            local sms = require "twilio_sms"
            local log = assert(sms.observe.log {})
            log:add("info", "one", { text = "a b" })
            log:add("debug", "two")
            log:close()
        ]]
        assert.truthy(text:find '^time=%S+ level=info event=one text="a b"\n$')
    end)

    it("says once where it can be seen that it cannot be written", function()
        local text = stderr_of [[
            local sms = require "twilio_sms"
            local log = assert(sms.observe.log { to = 999 })
            log:add("info", "one")
            log:add("info", "two")
            assert(log.failures == 2 and log.problem)
        ]]
        assert.equal("twilio_sms: the log cannot be written: Bad file descriptor\n", text)
    end)

    describe("with a function that", function()
        local shown

        before_each(function()
            shown = io.stderr
            io.stderr = { write = function() end } -- luacheck: ignore 122
        end)

        after_each(function()
            io.stderr = shown -- luacheck: ignore 122
        end)

        local function send_with(f)
            local log = assert(sms.observe.log { to = f })
            local client = worlds.client(world, { log = log })
            local message, err = client:send { to = TO, body = "Hello" }
            return log, client, message, err
        end

        it("raises, goes on", function()
            local calls = 0
            local log, client, message = send_with(function()
                calls = calls + 1
                error(setmetatable({}, { __tostring = function() error "no text" end }))
            end)
            assert.truthy(message)
            assert(client:send { to = TO, body = "Hello" })
            assert.is_true(calls >= 2)
            assert.equal(calls, log.failures)
            client:close()
        end)

        it("yields, goes on", function()
            local log, client, message = send_with(function() coroutine.yield() end)
            assert.truthy(message)
            assert.equal("its function must not yield", log.problem)
            assert(client:send { to = TO, body = "Hello" })
            assert.equal(2, log.failures)
            client:close()
        end)

        it("closes the log or the client, ends in order", function()
            local log
            log = assert(sms.observe.log { to = function() log:close() end })
            local client = worlds.client(world, { log = log })
            assert(client:send { to = TO, body = "Hello" })
            client:close()
            local other
            other = worlds.client(world, { log = { to = function() other:close() end } })
            assert(other:send { to = TO, body = "Hello" })
            assert.has_error(function() other:send { to = TO, body = "Hello" } end, "the client is closed")
        end)

        it("logs again, has its lines later", function()
            local log, count = nil, 0
            log = assert(sms.observe.log { to = function()
                count = count + 1
                if count < 10 then
                    log:add("info", "again")
                end
            end })
            log:add("info", "first")
            assert.equal(1, count)
            log:flush()
            assert.equal(2, count)
            log:close()
        end)

        it("sends, has sent", function()
            local client, sids = nil, {}
            local log = assert(sms.observe.log { to = function()
                if #sids < 2 then
                    local message = assert(client:send { to = TO, body = "Alarm" })
                    sids[#sids + 1] = message.sid
                end
            end })
            client = assert(sms.new {
                account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN, from = worlds.NUMBER, log = log,
                rate = { per_second = 0, per_number = 0 }, driver = answering(),
            })
            assert(client:send { to = TO, body = "Hello" })
            sms.loop.run(function() assert(client:send { to = TO, body = "Hello" }) end)
            assert.equal(2, #sids)
            assert.equal(0, log.failures)
            client:close()
        end)
    end)

    it("says that lines are left at its end", function()
        local text = stderr_of [[
            local sms = require "twilio_sms"
            local log
            log = sms.observe.log { to = function() log:add("info", "another") end }
            log:add("info", "first")
            log:close()
            assert(log.failures == 1)
        ]]
        local why = "it ended before these were taken: 1 lines\n"
        assert.equal("twilio_sms: the log cannot be written: " .. why, text)
    end)

    it("goes on when a request of nginx ended in the middle of a line", function()
        local sink, lines = keeper()
        local waits = true
        local log = sms.observe.log { to = function(...)
            if waits then
                coroutine.yield()
            end
            sink(...)
        end }
        rawset(_G, "ngx", {})
        coroutine.wrap(log.add)(log, "info", "first") -- nobody resumes it any more
        waits = false
        log:add("info", "second")
        local before = #lines
        log.given_ms = log.given_ms - 60000 -- a minute later
        log:flush()
        rawset(_G, "ngx", nil)
        assert.equal(0, before)
        assert.equal(1, #lines)
        assert.truthy(has(lines, "event=second"))
        log:close()
    end)

    local TYPES = {
        { { level = 3 }, "option 'log.level' must be a string, not a number" },
        { { to = true }, "option 'log.to' must be 'stderr', 'stdout', a number, a function or { file" },
        { { to = { path = "x" } }, "option 'log.to' must be" },
        { { key = 5 }, "option 'log.key' must be a string, { env" },
        { { per_second = "1" }, "option 'log.per_second' must be a number" },
        { { levels = "info" }, "unknown option 'log.levels'; did you mean 'level'?" },
    }

    it("raises for what has a wrong type or name, at the caller's line", function()
        for _, case in ipairs(TYPES) do
            for _, make in ipairs { sms.observe.log, function(opts)
                sms.new { account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN, log = opts }
            end } do
                local ok, why = pcall(function() make(case[1]) end)
                assert.is_false(ok)
                assert.truthy(why:find("^spec/observe_log_spec.lua:%d+: "), why)
                assert.truthy(why:find(case[2], 1, true), why)
            end
        end
    end)

    it("answers an error for values that make no sense", function()
        local folder = os.tmpname() .. ".folder/log"
        local cases = {
            { { level = "warning" }, "log.level: it must be 'error', 'warn', 'info', 'debug' or 'trace', "
                .. "not \"warning\"" },
            { { level = "debugg" }, "; did you mean 'debug'?" },
            { { format = "JSON" }, "log.format: it must be 'logfmt' or 'json', "
                .. "not \"JSON\"; did you mean 'json'?" },
            { { to = "x" }, "log.to: it must be 'stderr', 'stdout' or { file = path }, not \"x\"" },
            { { to = "sdterr" }, "; did you mean 'stderr'?" },
            { { to = 1.5 }, "log.to: it is no number of a descriptor" },
            { { to = { file = folder } }, "log.to: cannot open the file: " .. folder },
            { { numbers = "plain" }, "log.numbers: it must be 'masked' or 'pseudonyms', not \"plain\"" },
            { { numbers = "pseudonyms" }, "log.numbers: pseudonyms need a log.key of 16 bytes or more" },
            { { numbers = "masked", key = KEY }, "log.key: it is for numbers = 'pseudonyms'" },
            { { key = { env = "NO_SUCH_VARIABLE" } }, "'log.key'" },
            { { per_second = -1 }, "log.per_second: it must be a whole number, 0 or more" },
            { { buffer_size = 17 }, "log.buffer_size: it must be 16384 to" },
        }
        for _, case in ipairs(cases) do
            local log, err = sms.observe.log(case[1])
            assert.is_nil(log)
            assert.equal("ConfigurationError.InvalidOption", err.type)
            assert.truthy(err.message:find(case[2], 1, true), err.message)
            local receiver, problem = webhook.new {
                account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN, urls = { twilio.URL },
                optout = false, log = case[1],
            }
            assert.is_nil(receiver)
            assert.equal(err.message, problem.message)
        end
    end)

    it("tells of a refusal for an opt-out in one line", function()
        local sink, lines = keeper()
        local client = worlds.client(world, { log = { to = sink } })
        local _, err = client:send { to = "+15005550004", body = "Hello" } -- Twilio's number for 21610
        assert.equal(21610, err.code)
        assert.equal(1, #lines)
        assert.truthy(lines[1]:find("^warn|.* event=opted_out call_id=%d+ operation=send number=%+1%*+04 "
            .. "source=error_21610 scope=%+1%*+%d%d error=%S+ code=21610 "), lines[1])
        client:close()
    end)

    it("keeps numbers and booleans in JSON, but for what could be somebody's", function()
        local sink, lines = keeper()
        local log = assert(sms.observe.log { to = sink, format = "json" })
        log:add("info", "x", {
            a = 17, b = true, c = -0.12345678, d = 15558675310, e = 1 / 0, f = "17", to = 17, g = false,
            h = 999999,
        })
        local object = assert(core.json_decode(lines[1]:match "|(.*)"))
        assert.same({ 17, true, false, "17", 999999 }, { object.a, object.b, object.g, object.f, object.h })
        assert.is_true(math.abs(object.c + 0.12345678) < 1e-9)
        assert.same({ "1********10", "string" }, { object.d, type(object.to) })
        assert.is_string(object.e)
        log:close()
    end)

    describe("in a file", function()
        local path

        before_each(function()
            path = os.tmpname()
            os.remove(path)
        end)

        after_each(function()
            os.remove(path)
            os.remove(path .. ".1")
        end)

        it("appends, for its owner's eyes only, and follows a rotation", function()
            local log = assert(sms.observe.log { to = { file = path } })
            log:add("info", "one")
            local _, is_private = core.read_file(path)
            assert.is_true(is_private)
            assert(os.rename(path, path .. ".1"))
            log:add("info", "two")
            log:close()
            log = assert(sms.observe.log { to = { file = path } })
            log:add("info", "three")
            log:close()
            assert.truthy(read(path .. ".1"):find "^[^\n]*event=one\n$")
            assert.truthy(read(path):find "^[^\n]*event=two\n[^\n]*event=three\n$")
        end)

        it("goes on in the one before, and says so once, where no other can be made", function()
            local text = stderr_of(([[
                local sms = require "twilio_sms"
                local path = %q
                assert(os.execute("mkdir " .. path))
                local log = assert(sms.observe.log { to = { file = path .. "/log" } })
                log:add("info", "one")
                os.execute("mv " .. path .. " " .. path .. ".1")
                log:add("info", "two")
                log:add("info", "three")
                assert(log.failures == 2)
                log:close()
            ]]):format(path))
            local lines = read(path .. ".1/log")
            os.execute("rm -r " .. path .. ".1")
            assert.truthy(lines:find "event=one\n.*event=two\n.*event=three\n$")
            assert.equal(("twilio_sms: the log cannot be written: %s/log: No such file or directory\n")
                :format(path), text)
        end)

        it("does not wait for the reader of a FIFO", function()
            assert(os.execute("mkfifo " .. path))
            local log, err = sms.observe.log { to = { file = path } }
            assert.is_nil(log)
            local why = "log.to: cannot open the file: %s: it is not a regular file"
            assert.equal(why:format(path), err.message)
            log, err = sms.observe.log { to = { file = "/dev/null" } }
            assert.is_nil(log)
            assert.truthy(err.message:find("it is not a regular file", 1, true))
        end)
    end)

    it("tells of spans that are lost when a client closes", function()
        for _, own_trace in ipairs { true, false } do
            local sink, lines = keeper()
            local log = not own_trace and assert(sms.observe.log { to = sink }) or { to = sink }
            local client = assert(sms.new {
                account_sid = twilio.ACCOUNT_SID, auth_token = twilio.TOKEN, from = worlds.NUMBER, log = log,
                driver = answering(),
                trace = { to = "http://127.0.0.1:1/v1/traces", timeout_ms = 20 }, -- where nobody listens
            })
            assert(client:send { to = TO, body = "Hello" })
            client:close()
            assert.truthy(has(lines, "event=export_failed message=\"2 spans are lost: "), lines[#lines])
        end
    end)

    it("answers an error for a key that is no good, and never shows one", function()
        local log, err = sms.observe.log { key = "too short" }
        assert.is_nil(log)
        assert.equal("InvalidOption", err.kind)
        assert.falsy(tostring(err):find("too short", 1, true))
        assert.is_nil(sms.observe.log { key = { env = "NO_SUCH_VARIABLE" } })
        log = assert(sms.observe.log { key = KEY })
        for _, object in ipairs { log, log.core } do
            assert.falsy(tostring(object):find(KEY, 1, true))
        end
        log:close()
        assert.equal("twilio_sms.observe.log (closed)", tostring(log))
        local _, problem = sms.new { account_sid = "AC", log = { key = "too short" } }
        assert.equal("log.key: it must have 16 bytes or more", problem.message)
    end)
end)

describe("the log of a receiver", function()
    local sink, lines, receiver

    local function new(opts)
        opts.account_sid, opts.auth_token, opts.urls = twilio.ACCOUNT_SID, twilio.TOKEN, { twilio.URL }
        opts.store = memory.new()
        opts.log = opts.log or { to = sink, level = "debug" }
        receiver = assert(webhook.new(opts))
        return receiver
    end

    local function handle(params)
        return receiver:handle(twilio.request(twilio.inbound(params)))
    end

    before_each(function()
        sink, lines = keeper()
    end)

    after_each(function()
        receiver:close()
    end)

    it("tells of messages, repeats and opt-outs", function()
        new {}
        local request = twilio.request(twilio.inbound { Body = "STOP" })
        receiver:handle(request)
        receiver:handle(request)
        assert.truthy(has(lines, "warn|"))
        assert.truthy(has(lines, " event=opted_out number=+1********"))
        assert.truthy(has(lines, " source=inbound scope="))
        assert.truthy(has(lines, "level=info event=received sid="))
        assert.truthy(has(lines, "level=debug event=repeat type=inbound"))
        assert.falsy(has(lines, "STOP"))
        handle { Body = "START", MessageSid = "SM00000000000000000000000000000002" }
        assert.truthy(has(lines, "info|"))
        assert.truthy(has(lines, " event=opted_in number=+1********"))
    end)

    it("tells why one failed in one line, and nothing on standard error", function()
        new { on_message = function() error("no way, " .. TO) end }
        local answer = handle {}
        assert.equal(500, answer.status)
        assert.equal(1, #lines)
        assert.truthy(has(lines, "level=error event=webhook_failed type=inbound"))
        assert.truthy(has(lines, "no way, +1********10"))
    end)

    it("tells of problems that do not change the answer", function()
        new { on_message = function() return 17 end }
        handle {}
        assert.truthy(has(lines, "level=error event=webhook_problem"))
    end)

    it("explains at level debug why one was refused, without secrets", function()
        new {}
        local request = twilio.request(twilio.inbound { Body = "Canary" }, { token = "another" })
        local answer = receiver:handle(request)
        assert.equal(403, answer.status)
        assert.equal(2, #lines)
        assert.truthy(has(lines, "error|"))
        assert.truthy(has(lines, "event=webhook_refused verdict=bad_signature http_status=403"))
        assert.truthy(has(lines, "event=refusal_explained text="))
        local right = twilio.request(twilio.inbound { Body = "Canary" }).headers["X-Twilio-Signature"]
        for _, secret in ipairs { twilio.TOKEN, "Canary", right } do
            assert.falsy(has(lines, secret))
        end
    end)

    it("goes with a function of the program for errors", function()
        local told = 0
        new { on_message = function() error "no" end, on_error = function() told = told + 1 end }
        handle {}
        assert.equal(1, told)
        assert.equal(1, #lines)
    end)
end)
