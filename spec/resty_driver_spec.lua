-- A client in the workers of an nginx: who may wait and who hands over, and what becomes of messages when
-- requests are aborted, workers end or nginx gives no timer.
local cjson = require "cjson"
local nginx = require "nginx"
local simulator = require "simulator"

local TO = "+15558675310"

-- The module and a client for each worker, made at the first use.
local HTTP = [[
    %s
    init_by_lua_block {
        cjson = require "cjson"
        sms = require "twilio_sms.client"
        driver = require "resty.twilio_sms.driver"
        function options(changes)
            local opts = {
                account_sid = "%s", auth_token = "%s", from = "%s", base_url = "%s", seed = 1,
                rate = { per_second = 0, per_number = 0 }, breaker = { failure_threshold = 0 },
            }
            for name, value in pairs(changes or {}) do opts[name] = value end
            opts.driver = driver.new()
            return opts
        end
        function client()
            made = made or assert(sms.new(options(changed)))
            return made
        end
        function say(...)
            ngx.print(cjson.encode { ... })
        end
        function send(body, opts)
            local message, err = client():send({ to = "%s", body = body }, opts)
            if message then
                return { sid = message.sid, outcome = message.outcome, verified = message.verified }
            end
            return { kind = err.kind, outcome = err.outcome, message = err.message }
        end
        %s
    }
]]

local SEND = [[
    location = /send {
        content_by_lua_block {
            ngx.log(ngx.NOTICE, "asked")
            say(send(ngx.var.arg_body))
        }
    }
]]

describe("a client in nginx", function()
    local sim, server

    local function start(locations, opts)
        opts = opts or {}
        sim = sim or simulator.start(opts.sim)
        server = nginx.start {
            http = HTTP:format(opts.resolver or "resolver 127.0.0.1:1;", simulator.ACCOUNT_SID,
                simulator.AUTH_TOKEN, simulator.FROM, sim.url, TO, opts.init or "") .. (opts.http or ""),
            server = SEND .. (locations or ""), main = opts.main, workers = opts.workers,
            listen = opts.listen,
            ca_file = opts.ca_file == nil and sim.ca_file or opts.ca_file or nil,
        }
    end

    after_each(function()
        if server then
            server:stop()
        end
        if sim then
            sim:stop()
        end
        sim, server = nil, nil
    end)

    local function get(path, opts)
        local status, headers, body = server:request("GET", path, opts)
        local ok, answer = pcall(cjson.decode, body or "")
        assert(ok, ("%s: %s %s\n%s"):format(path, status, body or headers, server:error_log()))
        return answer[1], answer[2], answer
    end

    local function bodies()
        local list = {}
        for i, row in ipairs(sim:truth()) do
            list[i] = row.body
        end
        table.sort(list)
        return list
    end

    local function await_bodies(wanted)
        nginx.await(function() return #bodies() >= #wanted end)
        assert.same(wanted, bodies())
    end

    it("sends one message after the other", function()
        start()
        for i = 1, 3 do
            assert.equal("accepted", get("/send?body=" .. i).outcome, server:error_log())
        end
        assert.same({ "1", "2", "3" }, bodies())
    end)

    it("waits in each phase that can wait", function()
        start([[
            location = /rewrite { rewrite_by_lua_block { say(send "rewrite") ngx.exit(200) } }
            location = /access { access_by_lua_block { say(send "access") ngx.exit(200) } }
            location = /timer {
                content_by_lua_block {
                    local wait = require("ngx.semaphore").new()
                    local result
                    ngx.timer.at(0, function() result = send "timer"; wait:post() end)
                    wait:wait(10)
                    say(result)
                }
            }
            location = /thread {
                content_by_lua_block {
                    local thread = ngx.thread.spawn(send, "thread")
                    local own = send "own"
                    say(own, select(2, ngx.thread.wait(thread)))
                }
            }
        ]])
        for _, path in ipairs { "rewrite", "access", "timer" } do
            assert.equal("accepted", get("/" .. path).outcome)
        end
        local own, thread = get "/thread"
        assert.equal("accepted", own.outcome)
        assert.equal("accepted", thread.outcome)
        assert.same({ "access", "own", "rewrite", "thread", "timer" }, bodies())
    end)

    it("waits while a certificate is chosen", function()
        start([[
            ssl_certificate_by_lua_block { result = send "certificate" }
            location = /result { content_by_lua_block { say(result) } }
        ]], { listen = { "ssl" } })
        assert.equal("accepted", get("/result").outcome)
    end)

    it("hands over where nothing can wait, and tells in events and in the log what came of it", function()
        start([[
            location = /log {
                content_by_lua_block { say "log" }
                log_by_lua_block { handed = { send "log", send "second" } }
            }
            location = /header {
                content_by_lua_block { say "header" }
                header_filter_by_lua_block { handed = { send "header" } }
            }
            location = /body {
                content_by_lua_block { ngx.ctx.once = true say "body" }
                body_filter_by_lua_block {
                    if ngx.ctx.once then
                        ngx.ctx.once = nil
                        handed = { send "body" }
                    end
                }
            }
            location = /bad {
                content_by_lua_block { say "bad" }
                log_by_lua_block {
                    handed = { select(2, client():send { to = "5", body = "x" }), send "refused" }
                    read = select(2, client():get("SM" .. ("0"):rep(32)))
                    many = select(2, pcall(client().send_many, client(), { {} }))
                }
            }
            location = /handed {
                content_by_lua_block {
                    local list = {}
                    for i, one in ipairs(handed) do list[i] = one.outcome or one.kind end
                    say(list, read and read.message, many)
                }
            }
            location = /done {
                content_by_lua_block {
                    local list = {}
                    for event in client():events() do
                        if event.type == "done" then list[#list + 1] = event.outcome end
                    end
                    say(list)
                }
            }
        ]], {
            sim = 'script = {{ on = "send", body = "refused", action = "status", status = 400, '
                .. 'code = 21610 }}',
        })
        local function handed()
            return nginx.await(function() return (get "/handed") end)
        end
        get "/log"
        assert.same({ "handed_over", "handed_over" }, handed())
        get "/header"
        assert.same({ "handed_over" }, handed())
        get "/body"
        assert.same({ "handed_over" }, handed())
        await_bodies { "body", "header", "log", "second" }
        assert.same({ "accepted", "accepted", "accepted", "accepted" }, get "/done")
        get "/bad"
        local list, read, many = get "/handed"
        many = many[3] or select(3, get "/handed")[3]
        assert.same({ "not_sent", "handed_over" }, list)
        assert.truthy(read:find("ngx.timer.at", 1, true))
        assert.truthy(many:find("ngx.timer.at", 1, true))
        local line = nginx.await(function()
            return server:error_log():match "twilio_sms: a message failed: ([^\n]*)"
        end)
        assert.truthy(line:find "^MessageError.OptedOut: .+ %(code 21610, HTTP 400, outcome rejected%)", line)
        assert.is_nil(server:error_log():find(TO:sub(2), 1, true))
    end)

    it("hands over from init_worker_by_lua, and is refused in init_by_lua", function()
        start("", {
            init = [[ in_init = select(2, sms.new(options())) ]],
            http = [[ init_worker_by_lua_block { send "worker" } ]],
        })
        await_bodies { "worker" }
        server:reload { server = "location = /init { content_by_lua_block { say(in_init.message) } }" }
        assert.truthy(get("/init"):find("init_by_lua", 1, true))
    end)

    it("sends what a request wanted that was aborted", function()
        start([[
            location = /abort {
                lua_check_client_abort on;
                content_by_lua_block { say(send "aborted") }
            }
            location = /exit {
                content_by_lua_block {
                    ngx.thread.spawn(send, "left behind")
                    ngx.exit(204)
                }
            }
        ]], { sim = 'script = { { on = "send", body = "aborted", action = "delay", delay_ms = 300 } }' })
        assert.is_nil((server:request("GET", "/abort", { timeout_ms = 100 })))
        assert.equal(204, (server:request("GET", "/exit")))
        await_bodies { "aborted", "left behind" }
        assert.equal("accepted", get("/send?body=next").outcome)
    end)

    it("asks hooks that wait, each on its own, and loses nothing with an aborted request", function()
        start([[
            location = /slow {
                lua_check_client_abort on;
                content_by_lua_block {
                    if not came then
                        came, asked, together = 0, 0, 0
                        client():hook("check", function()
                            asked = asked + 1
                            together = math.max(together, asked)
                            repeat ngx.sleep(0.01) until go
                            asked = asked - 1
                            return true
                        end)
                    end
                    came = came + 1
                    say(send(ngx.var.arg_body))
                }
            }
            location = /came { content_by_lua_block { say(came or 0) } }
            location = /go { content_by_lua_block { go = true say(together) } }
        ]])
        local requests, wanted = {}, {}
        for i = 1, 20 do
            wanted[i] = ("%02d"):format(i)
            local opts = { timeout_ms = i <= 10 and 1000 or nil }
            requests[i] = server:send("GET", "/slow?body=" .. wanted[i], opts)
        end
        assert.truthy(nginx.await(function() return get "/came" == 20 end))
        for i = 1, 10 do
            assert.is_nil((requests[i]:finish()))
        end
        assert.is_true(get "/go" > 5)
        for i = 11, 20 do
            assert.equal(200, (requests[i]:finish()))
        end
        await_bodies(wanted)
    end)

    it("sends many at once from one request, as many as asked for", function()
        start([[
            location = /bulk {
                content_by_lua_block {
                    local list, sids, worst = {}, {}, 0
                    for i = 1, 300 do list[i] = { to = "+1555867" .. (5300 + i), body = "bulk " .. i } end
                    for i, message, err in client():send_many(list, { concurrency = 50,
                        on_progress = function(p) worst = math.max(worst, p.in_flight) end }) do
                        sids[message and message.sid or tostring(err)] = true
                    end
                    local n, problem = 0, nil
                    for sid in pairs(sids) do
                        n = n + 1
                        problem = problem or not sid:find "^SM" and sid or nil
                    end
                    say(n, worst, problem)
                }
            }
        ]])
        local n, worst, all = get "/bulk"
        assert.equal(300, n, all[3])
        assert.is_true(worst <= 50)
        assert.equal(300, #bodies())
    end)

    it("does not lose what is under way when nginx reloads, or queued when it quits", function()
        start("", { sim = 'script = { { on = "send", action = "delay", delay_ms = 200 } }', workers = 2,
            init = "changed = { rate = { per_second = 0, per_number = 0 }, max_concurrency = 5 }" })
        local requests, wanted = {}, {}
        for i = 1, 40 do
            requests[i] = server:send("GET", ("/send?body=%02d"):format(i))
            wanted[i] = ("%02d"):format(i)
        end
        nginx.await(function() return select(2, server:error_log():gsub("asked", "")) >= 40 end)
        server:reload()
        for _ = 1, 10 do
            requests[#requests + 1] = server:send("GET", ("/send?body=%02d"):format(#requests + 1))
            wanted[#wanted + 1] = ("%02d"):format(#wanted + 1)
        end
        nginx.await(function() return select(2, server:error_log():gsub("asked", "")) >= 50 end)
        server:kill(server.master, "QUIT")
        for _, request in ipairs(requests) do
            local status, why, body = request:finish()
            assert.equal(200, status, status or why)
            assert.equal("accepted", cjson.decode(body)[1].outcome)
        end
        assert.same(wanted, bodies())
    end)

    it("sends what waits when worker_shutdown_timeout has ended the requests of users", function()
        start("", {
            main = "worker_shutdown_timeout 200ms;",
            init = "changed = { max_concurrency = 1, rate = { per_second = 0, per_number = 0 } }",
            sim = 'script = { { on = "send", action = "delay", delay_ms = 300 } }',
        })
        local requests = {}
        for i = 1, 3 do
            requests[i] = server:send("GET", "/send?body=" .. i)
        end
        nginx.await(function() return select(2, server:error_log():gsub("asked", "")) >= 3 end)
        server:kill(server.master, "QUIT")
        for _, request in ipairs(requests) do
            request:finish()
        end
        await_bodies { "1", "2", "3" }
    end)

    it("goes on when a shift makes way for the next one", function()
        start([[
            location = /many {
                content_by_lua_block {
                    local count, i = 0, 0
                    for _, message in client():send_many(function()
                        i = i + 1
                        return i <= 10200 and { to = "+15558675310", body = tostring(i) } or nil
                    end) do
                        count = count + (message and 1 or 0)
                    end
                    say(count)
                }
            }
        ]])
        assert.equal(10200, (get("/many", { timeout_ms = 60000 })))
        assert.equal(10200, sim:stats().accepted)
        assert.equal("accepted", get("/send?body=after").outcome)
    end)

    it("gives up what is stuck in the look-up of a name", function()
        start([[
            location = /stuck {
                content_by_lua_block {
                    local one = assert(sms.new(options {
                        base_url = "https://example.com", connect_timeout_ms = 200,
                        retry = { connection = { attempts = 1 } },
                    }))
                    local before = ngx.now()
                    local _, err = one:send { to = "+15558675310", body = "stuck" }
                    ngx.update_time()
                    say(err.kind .. " " .. err.outcome, ngx.now() - before < 10, err.message)
                }
            }
        ]])
        local err, soon, all = get "/stuck"
        assert.equal("DnsResolutionFailed not_sent", err)
        assert.is_true(soon)
        assert.truthy(all[3]:find("^nginx did not get the address of example.com: is its `resolver`"), all[3])
        assert.equal("accepted", get("/send?body=x").outcome)
    end)

    it("ends its shift when there is nothing to do, so that a worker can go", function()
        start()
        get "/send?body=1"
        local old = server:workers()[1]
        server:reload()
        assert.is_true(nginx.await(function() return #server:leaving() == 0 end, 5000))
        assert.not_equal(old, server:workers()[1])
    end)

    it("says at once that nginx has no timer, and sends nothing", function()
        start([[
            location = /log {
                content_by_lua_block {
                    for _ = 1, 64 do ngx.timer.at(60, function() end) end
                    say "log"
                }
                log_by_lua_block { handed = send "log" }
            }
            location = /handed { content_by_lua_block { say(handed) } }
        ]], { http = "lua_max_pending_timers 8;" })
        get "/log"
        local handed = nginx.await(function() return (get "/handed") end)
        assert.equal("not_sent", handed.outcome)
        assert.equal("TemporarilyUnavailable", handed.kind)
        assert.same({}, bodies())
    end)

    -- A light thread must not wait for ever for a timer that it does not get.
    it("says so to who waits, too, and goes on when there are timers again", function()
        start([[
            location = /fill {
                content_by_lua_block {
                    for _ = 1, 64 do ngx.timer.at(1, function() end) end
                    say(send "no timer")
                }
            }
        ]], { http = "lua_max_pending_timers 8;" })
        local result = get "/fill"
        assert.same({ "TemporarilyUnavailable", "not_sent" }, { result.kind, result.outcome })
        assert.truthy(nginx.await(function() return get("/send?body=later").outcome == "accepted" end))
        assert.same({ "later" }, bodies())
    end)

    it("does not wait for ever for a timer that nginx has dropped", function()
        start([[
            location = /occupy {
                content_by_lua_block {
                    bell = require("ngx.semaphore").new()
                    ngx.timer.at(0, function() bell:wait(60) bell:post() end)
                    ngx.sleep(0.05)
                    say(send "dropped")
                    bell:post()
                    ngx.sleep(0.05)
                    say(send "freed")
                }
            }
        ]], { http = "lua_max_running_timers 1;" })
        local _, _, body = server:request("GET", "/occupy")
        local dropped, freed = body:match "^(%b[])(%b[])$"
        assert.truthy(dropped:find("lua_max_running_timers", 1, true), body)
        assert.truthy(dropped:find("not_sent", 1, true), body)
        assert.truthy(freed:find("accepted", 1, true), body)
        assert.same({ "freed" }, bodies())
    end)

    it("hands nothing over to a worker that is at its end", function()
        start("", { http = [[
            exit_worker_by_lua_block { ngx.log(ngx.NOTICE, "at the end: ", send("late").outcome) }
        ]] })
        get "/send?body=1"
        server:kill(server.master, "QUIT")
        local outcome = nginx.await(function() return server:error_log():match "at the end: ([%w_]+)" end)
        assert.equal("not_sent", outcome)
    end)

    it("sends nothing where it raises an error because nothing can wait", function()
        start([[
            location = /c {
                content_by_lua_block {
                    local ok, why = pcall(string.gsub, "x", "x", function() send "inside" end)
                    local after = send "after"
                    say(ok, why, after.outcome)
                }
            }
        ]])
        local ok, why, all = get "/c"
        assert.is_false(ok)
        assert.truthy(why:find("yield across C-call boundary", 1, true), why)
        assert.equal("accepted", all[3])
        assert.same({ "after" }, bodies())
    end)

    it("lets a hook send with the same client", function()
        start([[
            location = /hook {
                content_by_lua_block {
                    client():hook("check", function(question)
                        return question.body == "inner" or send("inner").outcome == "accepted"
                    end)
                    say(send "outer")
                }
            }
        ]], { init = "changed = { max_concurrency = 1, rate = { per_second = 0, per_number = 0 } }" })
        assert.equal("accepted", get("/hook").outcome)
        assert.same({ "inner", "outer" }, bodies())
    end)

    it("keeps the time of a call while all requests are under way", function()
        start([[
            location = /quick {
                content_by_lua_block {
                    local before = ngx.now()
                    local result = send("quick", { timeout_ms = 300 })
                    ngx.update_time()
                    say(result, ngx.now() - before)
                }
            }
        ]], {
            init = "changed = { max_concurrency = 1, rate = { per_second = 0, per_number = 0 } }",
            sim = 'script = { { on = "send", body = "slow", action = "delay", delay_ms = 3000 } }',
        })
        local slow = server:send("GET", "/send?body=slow")
        nginx.await(function() return server:error_log():find("asked", 1, true) end)
        local result, took = get "/quick"
        assert.same({ "Timeout", "not_sent" }, { result.kind, result.outcome })
        assert.is_true(took < 2, took)
        assert.equal(200, (slow:finish()))
    end)

    it("refuses options that nginx decides", function()
        start([[
            location = /options {
                content_by_lua_block {
                    local said = {}
                    for i, change in ipairs {
                        { ca_file = "/etc/ssl/certs/ca-certificates.crt" },
                        { proxy = "http://localhost:1" }, { http_version = "auto" },
                        { base_url = "https://127.0.0.1:1" },
                    } do
                        local made, err = sms.new(options(change))
                        said[i] = made and "made" or err.kind .. " " .. err.message
                    end
                    say(said)
                }
            }
        ]])
        local said = get "/options"
        for i, word in ipairs { "lua_ssl_trusted_certificate", "proxy", "http_version", "base_url" } do
            assert.truthy(said[i]:find("^InvalidOption .*" .. word), said[i])
        end
    end)

    it("says what is missing in nginx.conf", function()
        start(nil, { ca_file = false })
        local result = get("/send?body=x")
        assert.same({ "ConnectionFailed", "not_sent" }, { result.kind, result.outcome })
        assert.truthy(result.message:find("lua_ssl_trusted_certificate", 1, true), result.message)
        assert.same({}, bodies())
    end)

    it("says whole that there is no resolver", function()
        start([[
            location = /unresolved {
                content_by_lua_block {
                    local one = assert(sms.new(options {
                        base_url = "https://example.com", retry = { connection = { attempts = 1 } },
                    }))
                    local _, err = one:send { to = "+15558675310", body = "x" }
                    say(err.kind, err.message)
                }
            }
        ]], { resolver = "" })
        local kind, message = get "/unresolved"
        assert.equal("DnsResolutionFailed", kind)
        assert.truthy(message:find "^nginx has no resolver: .+ /etc/resolv.conf$", message)
    end)

    it("waits for messages, sleeps, and does not let a loop block the worker", function()
        start([[
            location = /wait {
                content_by_lua_block {
                    local loop = require "twilio_sms.loop"
                    local message = assert(client():send { to = "+15558675310", body = "wait" })
                    local last = client():wait(message.sid, { interval_ms = 5 })
                    local before = ngx.now()
                    loop.sleep(20)
                    ngx.update_time()
                    say(last.status, ngx.now() - before >= 0.019, select(2, pcall(loop.run, function() end)))
                }
            }
        ]])
        local status, slept, all = get "/wait"
        assert.equal("delivered", status)
        assert.is_true(slept)
        assert.truthy(all[3]:find("ngx.thread.spawn", 1, true))
    end)
end)
