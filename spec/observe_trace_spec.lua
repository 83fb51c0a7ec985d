local cjson = require "cjson"
local core = require "twilio_sms.core"
local https = require "twilio_sms.server"
local loop = require "twilio_sms.loop"
local sms = require "twilio_sms"
local trace_module = require "twilio_sms.observe.trace"
local worlds = require "worlds"

local function spans_of(body)
    return cjson.decode(body).resourceSpans[1].scopeSpans[1].spans
end

-- A machine whose messages end at once, so that spans come up: one for each.
local function source(trace)
    local machine = assert(core.machine {
        account_sid = "AC" .. ("0"):rep(32), auth_token = ("0"):rep(32), from = "+15005550006",
    })
    machine:set_trace(trace.core)
    machine:at(0, 1700000000000)
    return function(count)
        for _ = 1, count or 1 do
            local id = assert(machine:submit("send", { to = "+15558675310", body = "x" }))
            assert.is_true(machine:cancel(id))
            machine:result()
        end
    end
end

describe("observe.trace", function()
    local taken

    local function keep(body, count)
        taken[#taken + 1] = { body = body, count = count }
    end

    before_each(function()
        taken = {}
    end)

    it("gives batches to a function, when they are full or their interval is over", function()
        local trace = assert(trace_module.new { to = keep, batch = 3, interval_ms = 1000000, seed = 1 })
        local make = source(trace)
        trace:work()
        make(2)
        trace:work()
        assert.equal(0, #taken)
        make(2)
        trace:work()
        assert.same({ 1, 3 }, { #taken, taken[1].count })
        assert.equal(3, #spans_of(taken[1].body))
        assert.is_true(trace:flush())
        assert.equal(1, taken[2].count)
        assert.is_true(trace:close())
        assert.same({
            spans = 4, exported = 4, dropped = 0, pending = 0, in_flight = 0, exports = 2, retries = 0,
        }, trace:stats())
    end)

    it("keeps the time of its loop", function()
        local now_ms = 0
        local own = loop.new { now_ms = function() return now_ms end }
        local trace = assert(trace_module.new { to = keep, interval_ms = 50 })
        source(trace)()
        own:call(trace.work, trace)
        now_ms = 49
        own:call(trace.work, trace)
        assert.equal(0, #taken)
        now_ms = 50
        own:call(trace.work, trace)
        assert.equal(1, #taken)
    end)

    it("counts what a function loses", function()
        local answers = { function() error "no" end, function() return false, "why" end, function() end }
        local trace = assert(trace_module.new { to = function() return table.remove(answers, 1)() end })
        local make = source(trace)
        make(2)
        trace:flush()
        assert.truthy(trace:stats().error:find "no$")
        make(1)
        trace:flush()
        assert.equal("the function failed: why", trace:stats().error)
        make(1)
        trace:flush()
        assert.same({ 3, 1, nil }, { trace:stats().dropped, trace:stats().exported, trace:stats().error })
    end)

    it("survives an error that cannot be told", function()
        local trace = assert(trace_module.new { to = function()
            error(setmetatable({}, { __tostring = function() error "no" end }))
        end })
        source(trace)()
        assert.same({ false, "1 spans are lost: the function failed: an error without a text" },
            { trace:flush() })
        assert.equal("the function failed: an error without a text", trace:stats().error)
    end)

    it("is not entered again by its function", function()
        local trace, calls = nil, 0
        trace = assert(trace_module.new { interval_ms = 0, to = function()
            calls = calls + 1
            source(trace)()
            trace:work()
            assert.same({ false, "2 spans are not exported yet" }, { trace:flush(100) })
        end })
        source(trace)()
        trace:work()
        assert.same({ 1, 1 }, { calls, trace:stats().pending })
    end)

    it("goes on when its function never comes back", function()
        local real, ahead_ms, bodies = core.now_ms, 0, 0
        finally(function() core.now_ms = real end)
        core.now_ms = function() return real() + ahead_ms end
        local trace = trace_module.new { interval_ms = 0, to = function()
            bodies = bodies + 1
            if bodies == 1 then
                coroutine.yield()
            end
        end }
        local make = source(trace)
        make(1)
        local lost = coroutine.create(function() trace:work() end)
        assert(coroutine.resume(lost))
        make(1)
        trace:work()
        assert.same({ 1, 1, 1 }, { bodies, trace:stats().in_flight, trace:stats().pending })
        ahead_ms = 60000
        trace:work()
        local stats = trace:stats()
        assert.same({ 2, 0, 0, 1, 1 },
            { bodies, stats.in_flight, stats.pending, stats.dropped, stats.exported })
        assert(coroutine.resume(lost)) -- too late
        assert.equal(0, trace:stats().in_flight)
        assert.equal(1, trace:stats().exported)
        trace:close()
    end)

    it("appends lines to a file that only its owner may read", function()
        local path = os.tmpname()
        os.remove(path)
        local trace = assert(trace_module.new { to = { file = path } })
        local make = source(trace)
        make(1)
        trace:flush()
        make(2)
        trace:close()
        local text, private = core.read_file(path)
        assert.is_true(private)
        local lines = {}
        for line in text:gmatch "[^\n]+" do
            lines[#lines + 1] = #spans_of(line)
        end
        assert.same({ 1, 2 }, lines)
        os.remove(path)
    end)

    it("survives a file that cannot grow", function()
        local path, code = os.tmpname(), os.tmpname()
        local file = assert(io.open(code, "w"))
        file:write(([[
            local trace = assert(require "twilio_sms.observe.trace".new { to = { file = %q } })
            local told
            trace.exporter:start(("x"):rep(2000), 2, { gave_up = function(_, ...) told = { ... } end })
            io.stderr:write(told[1], " ", told[2])
        ]]):format(path))
        file:close()
        local lua = rawget(_G, "jit") and "luajit" or "lua5.4"
        local pipe = io.popen(("trap '' XFSZ; ulimit -f 1; %s %s 2>&1"):format(lua, code))
        local text = pipe:read "*a"
        pipe:close()
        assert.equal("2 cannot write the file: File too large", text)
        os.remove(path)
        os.remove(code)
        local none, err = trace_module.new { to = { file = "/nowhere/spans" } }
        assert.is_nil(none)
        assert.equal("ConfigurationError.InvalidOption", err.type)
    end)

    it("does not wait for the reader of a FIFO", function()
        local path = os.tmpname()
        os.remove(path)
        assert(os.execute("mkfifo " .. path))
        local none, err = trace_module.new { to = { file = path } }
        os.remove(path)
        assert.is_nil(none)
        assert.truthy(err.message:find("trace.to: cannot open the file: .*: it is not a regular file"))
    end)

    it("loses what comes after its end", function()
        local trace = assert(trace_module.new { to = keep })
        local make = source(trace)
        assert.equal("twilio_sms.observe.trace (open)", tostring(trace))
        trace:close()
        make()
        trace:work()
        assert.is_true(trace:close())
        assert.equal(0, #taken)
        assert.equal("twilio_sms.observe.trace (closed)", tostring(trace))
    end)

    it("is that of many clients, and told in their numbers", function()
        local trace = assert(trace_module.new { to = function() return false end })
        local world = sms.sim.new { seed = 3 }
        local one, two = worlds.client(world, { trace = trace }), worlds.client(world, { trace = trace })
        for _, client in ipairs { one, two } do
            sms.assert(client:send { to = worlds.PERSON, body = "Hello" })
        end
        trace:flush()
        assert.same({ 4, 4 }, { trace:stats().spans, trace:stats().dropped })
        one:stats()
        two:stats()
        assert.truthy((one:metrics() .. two:metrics()):find("twilio_export_dropped_total 4", 1, true))
    end)

    it("lets a reply hang below the message that it answers", function()
        local world = sms.sim.new { seed = 3 }
        local trace = assert(trace_module.new { to = keep })
        local client = worlds.client(world, { trace = trace })
        local hook = core.webhook { account_sid = "AC" .. ("0"):rep(32) }
        hook:set_trace(trace.core)
        local parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        sms.assert(client:send({ to = worlds.PERSON, body = "Hello" }, { traceparent = parent }))
        trace:flush()
        for _, span in ipairs(spans_of(taken[1].body)) do
            assert.equal("4bf92f3577b34da6a3ce929d0e0e4736", span.traceId)
        end
    end)

    it("is not held up by the clock of another loop", function()
        local far = loop.new { now_ms = function() return 1e12 end }
        local trace = assert(trace_module.new { to = keep, interval_ms = 0 })
        local slow = assert(trace_module.new { to = keep, interval_ms = 5 })
        for _, one in ipairs { trace, slow } do
            source(one)()
            far:call(one.work, one)
        end
        assert.equal(1, #taken)
        local near_ms = 0
        local near = loop.new { now_ms = function() return near_ms end }
        near:call(slow.work, slow)
        near_ms = 5
        near:call(slow.work, slow)
        assert.equal(2, #taken)
    end)

    it("counts what comes after its end as dropped", function()
        local trace = assert(trace_module.new { to = keep })
        local make = source(trace)
        trace:close()
        make(3)
        trace:work()
        assert.same({ 3, 0 }, { trace:stats().dropped, trace:stats().pending })
    end)

    it("raises on misuse", function()
        for _, case in ipairs {
            { nil, "option 'trace.to' must be a URL, a function or { file = path }, not nil" },
            { "http://x", "trace{...} takes a table, not a string" },
            { { to = {} }, "option 'trace.to' must be a URL" },
            { { to = keep, batch = "1" }, "option 'trace.batch' must be a number, not a string" },
            { { to = keep, interval = 1 }, "unknown option 'trace.interval'; did you mean 'interval_ms'?" },
            { { to = keep, headers = { [1] = "x" } }, "must have the names of headers" },
            { { to = keep, headers = { a = 1 } }, "option 'trace.headers.a' must be a string, { env" },
            { { to = keep, resource = { a = 1 } }, "must hold strings by their names" },
        } do
            local ok, why = pcall(trace_module.new, case[1])
            assert.is_false(ok)
            assert.truthy(why:find(case[2], 1, true), why)
        end
        local ok, why = pcall(function() trace_module.new { to = 1 } end)
        assert.is_false(ok)
        assert.truthy(why:find("observe_trace_spec.lua:%d+: option 'trace.to'"), why)
    end)

    it("answers nil and an error for what cannot work", function()
        local many = {}
        for i = 1, 33 do
            many["X-" .. i] = "x"
        end
        for _, case in ipairs {
            { { to = keep, batch = 0 }, "trace.batch: it must be a whole number, 1 or more" },
            { { to = keep, interval_ms = 0.5 }, "trace.interval_ms: it must be a whole number" },
            { { to = keep, headers = { ["a b"] = "x" } }, "trace.headers: \"a b\" is no name of a header" },
            { { to = keep, headers = many }, "trace.headers: there are more than 32 names" },
            { { to = keep, headers = { ["content-Length"] = "1" } }, "content-Length is not yours to set" },
            { { to = "x" }, "trace.to: it must be a URL" },
            { { to = "ftp://x/" }, "must be a URL with http" },
            { { to = "http://?x" }, "must be a URL with http" },
            { { to = "http://user:secret@x/" }, "it has credentials" },
            { { to = "http://x/ y" }, "must be a URL with http" },
            { { to = "http://x/", headers = { key = { env = "NOBODY_SETS_THIS" } } }, "NOBODY_SETS_THIS" },
            { { to = "http://x/", headers = { key = { file = "/nowhere" } } }, "/nowhere" },
            { { to = "http://x/", headers = { key = "secret\nvalue" } }, "a control character" },
            { { to = keep, sample = 2 }, "trace.sample: it is from 0 to 1" },
            { { to = keep, buffer_size = 1 }, "trace.buffer_size: " },
            { { to = keep, resource = { ["service.name"] = "x" } }, "service_name" },
        } do
            local none, err = trace_module.new(case[1])
            assert.is_nil(none)
            assert.equal("ConfigurationError.InvalidOption", err.type)
            assert.truthy(err.message:find(case[2], 1, true), err.message)
            assert.is_nil(err.message:find "secret")
        end
    end)

    it("does not leave a world", function()
        local world = sms.sim.new {}
        for _, trace in ipairs { { to = "http://127.0.0.1:1/" }, { over_network = true } } do
            for _, make in ipairs { world.client, world.receiver } do
                local ok, why = pcall(function() return (make(world, { trace = trace })) end)
                assert.is_false(ok)
                assert.truthy(why:find "observe_trace_spec.lua:%d+: a world has no network", why)
            end
        end
    end)
end)

describe("observe.trace over HTTP", function()
    local server, trace, make

    local function open(changes)
        local opts = {
            to = ("http://127.0.0.1:%d/v1/traces"):format(server:port()), interval_ms = 0, timeout_ms = 50,
        }
        for name, value in pairs(changes or {}) do
            opts[name] = value
        end
        trace = assert(trace_module.new(opts))
        make = source(trace)
        return trace
    end

    before_each(function()
        server = assert(https.new { tls = false })
    end)

    after_each(function()
        trace:close()
        server:close()
    end)

    local function until_true(f)
        for _ = 1, 5000 do
            trace:work()
            server:step(1)
            local value = f()
            if value then
                return value
            end
        end
        error "it did not happen"
    end

    local function next_request()
        return until_true(function() return server:next() end)
    end

    it("posts JSON with its headers, and goes on with the next batch", function()
        local path = os.tmpname()
        local file = assert(io.open(path, "w"))
        file:write "from-file\n"
        file:close()
        open { batch = 2, headers = { ["X-Key"] = "secret-1", ["X-File"] = { file = path } } }
        os.remove(path .. "x")
        make(3)
        local request = next_request()
        assert.same({ "POST", "/v1/traces", "application/json", "secret-1", "from-file" }, {
            request:method(), request:path(), request:header "Content-Type", request:header "X-Key",
            request:header "X-File",
        })
        assert.equal(2, #spans_of(request:body()))
        request:reply(200, { { "Content-Type", "application/json" } }, "{}")
        request = next_request()
        assert.equal(1, #spans_of(request:body()))
        request:reply(200, {}, "")
        until_true(function() return trace:stats().exported == 3 end)
        assert.is_nil(tostring(trace):find "secret")
        os.remove(path)
    end)

    it("counts what a collector rejects", function()
        open()
        make(3)
        next_request():reply(200, {}, '{"partialSuccess":{"rejectedSpans":"2","errorMessage":"secret"}}')
        until_true(function() return trace:stats().exported == 1 end)
        assert.same({ 2, "the collector rejected 2 spans" }, { trace:stats().dropped, trace:stats().error })
    end)

    it("tries again when that is worth it, and not for ever", function()
        open()
        make()
        for _, status in ipairs { 429, 502, 503, 504 } do
            next_request():reply(status, { { "Retry-After", "0" } }, "")
        end
        next_request():reply(503, { { "Retry-After", "0" } }, "")
        until_true(function() return trace:stats().dropped == 1 end)
        assert.equal(4, trace:stats().retries)
        assert.equal("the collector answered with HTTP 503", trace:stats().error)
    end)

    it("drops what a collector refuses, and follows nobody", function()
        open()
        for i, status in ipairs { 400, 401, 404, 413, 500, 302 } do
            make()
            next_request():reply(status, { { "Location", "/elsewhere" } }, "garbage")
            until_true(function() return trace:stats().dropped == i end)
        end
        assert.equal(0, trace:stats().retries)
    end)

    it("says what may be wrong when a collector knows no such path", function()
        open()
        make()
        next_request():reply(404, {}, "")
        until_true(function() return trace:stats().dropped == 1 end)
        assert.equal("the collector answered with HTTP 404; does its URL end in /v1/traces, where collectors "
            .. "take spans?", trace:stats().error)
    end)

    it("counts what is under way, and says what a flush has not done", function()
        open { batch = 2 }
        make(3)
        assert.same({ false, "3 spans are not exported yet" }, { trace:flush(20) }) -- nobody answers
        local stats = trace:stats()
        assert.same({ 3, 0, 0, 1, 2 },
            { stats.spans, stats.exported, stats.dropped, stats.pending, stats.in_flight })
        next_request():reply(400, {}, "")
        server:step(0)
        next_request():reply(200, {}, "")
        server:step(0)
        trace:flush(1000)
        stats = trace:stats()
        assert.same({ 1, 2, 0, 0 }, { stats.exported, stats.dropped, stats.pending, stats.in_flight })
    end)

    it("takes nonsense and huge answers", function()
        open()
        local bodies = {
            "[]", '"x"', "{", '{"partialSuccess":{"rejectedSpans":"x"}}', '{"partialSuccess":1}',
        }
        for i, body in ipairs(bodies) do
            make()
            next_request():reply(200, {}, body)
            until_true(function() return trace:stats().exported == i end)
        end
        make()
        next_request():reply(200, {}, ("x"):rep(1000000))
        until_true(function() return trace:stats().retries == 1 end)
    end)

    it("gives a collector its time, whatever time the program is away", function()
        local real, ahead_ms = core.now_ms, 0
        finally(function() core.now_ms = real end)
        core.now_ms = function() return real() + ahead_ms end
        open()
        make()
        local request = next_request()
        for _ = 1, 5 do
            ahead_ms = ahead_ms + 3600000
            trace:work()
        end
        assert.equal(0, trace:stats().retries)
        for _ = 1, 11 do
            ahead_ms = ahead_ms + 1000
            trace:work()
        end
        assert.same({ 1, "the collector cannot be reached: no answer in time" },
            { trace:stats().retries, trace:stats().error })
        request:reply(200, {}, "{}") -- too late
        server:step(0)
        ahead_ms = ahead_ms + 10000
        next_request():reply(200, {}, "{}")
        until_true(function() return trace:stats().exported == 1 end)
    end)

    it("waits at its end, and no longer than it may", function()
        open()
        make(5)
        local before_ms = core.now_ms()
        assert.is_false(trace:close()) -- nobody answers
        local took_ms = core.now_ms() - before_ms
        assert.is_true(took_ms >= 50 and took_ms < 2000, took_ms)
        assert.equal(5, trace:stats().dropped)
        assert.equal(0, trace:stats().in_flight)
        assert.truthy(trace:stats().error:find "^5 spans are lost: ")
    end)

    it("is waited for by a loop, which does not go on for its sake", function()
        open { timeout_ms = 3000 }
        local collector
        loop.run(function()
            make()
            trace:work()
            loop.spawn(function()
                for _ = 1, 2000 do
                    server:step(0)
                    collector = collector or server:next()
                    if collector then
                        collector:reply(200, {}, "{}")
                        server:step(0)
                        break
                    end
                    loop.sleep(1)
                end
                loop.sleep(50) -- nobody calls work meanwhile
            end)
        end)
        assert.equal(1, trace:stats().exported)
        make()
        local before_ms = core.now_ms()
        loop.run(function() trace:work() end) -- nobody answers
        assert.is_true(core.now_ms() - before_ms < 1000)
        loop.run(function() loop.sleep(1) end)
    end)

    it("does not hold up sends when the collector hangs", function()
        open { batch = 1 }
        local world = sms.sim.new { seed = 1 }
        local client = worlds.client(world)
        client.drive.client:set_trace(trace.core)
        local before_ms = core.now_ms()
        for _ = 1, 200 do
            sms.assert(client:send { to = worlds.PERSON, body = "Hello" })
            trace:work()
        end
        assert.is_true(core.now_ms() - before_ms < 2000)
        assert.equal(0, trace:stats().exported)
        assert.is_true(trace.exporter.busy)
    end)
end)
