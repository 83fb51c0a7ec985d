local cjson = require "cjson"
local core = require "twilio_sms.core"
local curl = require "curl_peer"

local https = require "twilio_sms.server"
local simulator = require "twilio_sms.sim.server"

local unpack = table.unpack or unpack -- luacheck: ignore 113

local PATH = "/2010-04-01/Accounts/" .. simulator.ACCOUNT_SID .. "/Messages.json"

describe("twilio_sms.sim.server", function()
    local ca_file, sim
    local answered -- requests, by the end of the last `finish`

    local function start(opts)
        opts, answered = opts or {}, 0
        opts.ca_file = ca_file
        sim = assert(simulator.new(opts))
    end

    -- Starts curl on a path, with the simulator's credentials.
    local function ask(path, ...)
        local user = simulator.ACCOUNT_SID .. ":" .. simulator.AUTH_TOKEN
        return curl.start(sim.server, path, "--user", user, ...)
    end

    local function send(...)
        return ask(PATH, "--data-urlencode", "To=+15558675310", "--data-urlencode", "From=+15557122661",
            "--data", "Body=Hello", ...)
    end

    -- Steps until curl has come and gone.
    local function finish(peer)
        local has_come = sim.server:connections() > 0
        for _ = 1, 5000 do
            sim:step(2)
            local is_there = sim.server:connections() > 0
            has_come = has_come or is_there or sim.traffic.last ~= answered
            if has_come and not is_there and sim.waiting == 0 then
                break
            end
        end
        answered = sim.traffic.last
        return curl.finish(sim.server, peer)
    end

    before_each(function()
        ca_file = os.tmpname()
    end)

    after_each(function()
        if sim then
            sim:close()
        end
        os.remove(ca_file)
    end)

    it("serves the API over TLS", function()
        start()
        assert.equal("https://localhost:" .. ("%d"):format(sim:port()), sim:url())
        assert.equal(ca_file, sim:ca_file())
        local got = finish(send())
        assert.equal(201, got.status)
        local message = cjson.decode(got.body)
        assert.same({ "+15558675310", "+15557122661", "Hello", "queued" },
            { message.to, message.from, message.body, message.status })
        assert.equal(os.date "!%Y", message.date_created:match "%a+ (%d+) ")
        assert.same({ 1, 1 }, { sim:stats().accepted, sim:stats().operations.send })
        assert.truthy(got.head:find("\r\nTwilio-Concurrent-Requests: 1\r\n", 1, true))
    end)

    it("takes other credentials", function()
        local account_sid = "AC" .. ("f"):rep(32)
        start { account_sid = account_sid, auth_token = "t0", api_keys = { SK1 = "secret" } }
        local path = "/2010-04-01/Accounts/" .. account_sid .. "/Messages.json"
        for user, status in pairs { [account_sid .. ":t0"] = 200, ["SK1:secret"] = 200, ["SK1:t0"] = 401 } do
            local peer = curl.start(sim.server, path, "--user", user)
            assert.equal(status, finish(peer).status)
        end
    end)

    -- curl's exit codes: 56 failure in receiving, 52 empty reply, 18 partial file, 1 unsupported protocol.
    for _, case in ipairs {
        { { action = "drop_before" }, 0, 56, 0 },
        { { action = "drop_before", how = "close" }, 0, 52, 0 },
        { { action = "drop_after" }, 0, 56, 1 },
        { { action = "cut_after" }, 201, 18, 1 },
        { { action = "garbage" }, 0, 1, 0 },
        { { action = "html" }, 502, 0, 0 },
        { { action = "status", status = 503, retry_after = 1 }, 503, 0, 0 },
    } do
        it("plays the fault " .. case[1].action .. (case[1].how or ""), function()
            start { script = { case[1] } }
            local got = finish(send())
            assert.same({ case[2], case[3], case[4] }, { got.status, got.exit, sim:stats().accepted })
        end)
    end

    it("answers late what is delayed, and others meanwhile", function()
        start { script = { { on = "send", action = "delay", delay_ms = 150 } } }
        local late = send()
        while sim.waiting == 0 do
            sim:step(20)
        end
        assert.truthy(sim:timeout() <= 0.15)
        local prompt = ask "/_sim/stats"
        while sim.server:connections() < 2 do
            sim:step(20)
        end
        local stats = cjson.decode(finish(prompt).body)
        assert.equal(1, stats.accepted)
        local got = curl.finish(sim.server, late)
        assert.equal(201, got.status)
        assert.truthy(got.head:find("\r\nTwilio-Request-Duration: 0.150\r\n", 1, true))
    end)

    it("refuses bad options where they are given", function()
        for _, case in ipairs {
            { { prot = 1 }, "unknown option 'prot'; did you mean 'port'?" },
            { { port = "1" }, "'port' must be a number" },
            { { script = { { action = "explode" } } }, "unknown action 'explode'" },
            { { script = function(s) s.at(1, print) end }, "works in a world only" },
            { { speed = -1 }, "'speed' must be from 0" },
            { { seed = 1e300 }, "'seed' must be a whole number" },
            { { seed = 0.5 }, "'seed' must be a whole number" },
            { { speed = 0 / 0 }, "'speed' must be from 0" },
            { { start = -1 }, "'start' must be Unix seconds" },
            { { proxy = false, proxy_port = 1 }, "proxy is false" },
            { { proxy = true, tls = false }, "leads to https only" },
        } do
            local ok, why = pcall(function()
                simulator.new(case[1])
            end)
            assert.is_false(ok)
            assert.truthy(why:find(case[2], 1, true), why)
            assert.truthy(why:find("sim_server_spec.lua", 1, true), why)
        end
        local none, err = simulator.new { ca_file = "/nowhere/ca.pem" }
        assert.is_nil(none)
        assert.equal("ConfigurationError.InvalidOption", err.type)
    end)

    describe("whose time is not the real one", function()
        local START = 1767225600 -- 2026-01-01
        local receiver, heard

        before_each(function()
            receiver, heard = assert(https.new { tls = false }), {}
            start { speed = 0, start = START }
        end)

        after_each(function()
            receiver:close()
        end)

        -- Lets both work until it is quiet: what webhooks tell is in `heard`.
        local function work()
            repeat
                sim:step(0)
                receiver:step(0)
                local request = receiver:next()
                if request then
                    local params = {}
                    for _, pair in ipairs(core.form_decode(request:body())) do
                        params[pair[1]] = pair[2]
                    end
                    heard[#heard + 1] = params.To .. " " .. params.MessageStatus
                    request:reply(204)
                end
                core.poll({}, 1)
            until not sim.outbox:is_busy()
        end

        local function accept(to)
            sim.carrier:advance(sim.clock:now_ms())
            assert(sim.carrier:create {
                To = to, From = "+15557122661", Body = "x",
                StatusCallback = ("http://127.0.0.1:%d/"):format(receiver:port()),
            })
        end

        it("does nothing until it is moved on, and then everything in its order", function()
            accept "+15558675310"
            sim:step(30)
            assert.same({}, sim:webhooks())
            assert.is_nil(sim:timeout())
            sim:advance(0.1)
            accept "+15558675311"
            sim:advance(0.15) -- 0.25 after the first one: sent
            work()
            assert.same({ "+15558675310 sent" }, heard)
            sim:advance(3600)
            work()
            assert.same({ "+15558675310 delivered", "+15558675310 sent", "+15558675311 delivered",
                "+15558675311 sent" }, (table.sort(heard) or heard))
            local at = {}
            for i, message in ipairs(sim:messages()) do
                at[i] = message.updated_s - START
            end
            assert.same({ 1, 1 }, at) -- delivered 1.2 and 1.3 seconds after the start, not at its end
            assert.equal(START + 3600.25, sim:time())
        end)

        it("may answer only when the webhooks are answered", function()
            accept "+15558675310"
            local peer = curl.start(sim.server, "/_sim/advance", "--data", "Seconds=60&Wait=true")
            while #heard < 2 or sim.quiet[1] do
                work()
            end
            local got = curl.finish(sim.server, peer)
            assert.same({ 200, { "+15558675310 sent", "+15558675310 delivered" } }, { got.status, heard })
        end)

        it("answers what was to be late when its moment has come", function()
            sim:add_fault { on = "send", action = "delay", delay_ms = 5000 }
            local peer = send()
            while sim.waiting == 0 do
                sim:step(20)
            end
            sim:advance(4.9)
            assert.equal(1, sim.waiting)
            sim:advance(0.2)
            assert.same({ 201, 0 }, { finish(peer).status, sim.waiting })
        end)

        it("never answers what hangs", function()
            sim:add_fault { on = "send", action = "hang" }
            local peer = send("--max-time", "0.2")
            while sim.waiting == 0 do
                sim:step(20)
            end
            sim:advance(86400)
            sim:step(0)
            assert.truthy(peer:read("*a"):find("\n000 28$")) -- curl has lost its patience
            peer:close()
            assert.equal(0, sim:stats().accepted)
        end)

        it("breaks off what is under way when it starts anew", function()
            accept "+15558675310"
            sim:add_fault { on = "send", action = "hang" }
            local peer = send()
            while sim.waiting == 0 do
                sim:step(20)
            end
            sim:advance(1) -- a callback is under way, and nobody answers it
            assert.is_true(sim.outbox:is_busy())
            assert.is_true(sim:reset())
            assert.same({ 0, false, START }, { sim.waiting, sim.outbox:is_busy(), sim:time() })
            assert.equal(52, curl.finish(sim.server, peer).exit)
            local got = finish(send())
            assert.equal(201, got.status)
        end)

        it("waits for nothing that never comes", function()
            for _, seconds in ipairs { 0, -1, 0 / 0, math.huge, 31622401, "1" } do
                assert.has_error(function()
                    sim:advance(seconds)
                end)
            end
        end)
    end)

    it("shows the account to those who ask for it", function()
        start()
        local path = "/2010-04-01/Accounts/" .. simulator.ACCOUNT_SID .. ".json"
        local got = finish(ask(path))
        local account = cjson.decode(got.body)
        assert.same({ 200, simulator.ACCOUNT_SID, "active" }, { got.status, account.sid, account.status })
        assert.equal(path, account.uri)
        assert.is_nil(got.body:find(simulator.AUTH_TOKEN, 1, true))
        local stranger = simulator.ACCOUNT_SID .. ":x"
        assert.equal(401, finish(curl.start(sim.server, path, "--user", stranger)).status)
        assert.equal(405, finish(ask(path, "--data", "FriendlyName=x")).status)
        local other = path:gsub("1%.json$", "2.json")
        assert.equal(404, finish(ask(other)).status)
    end)

    it("may be realistic", function()
        start { realistic = true, speed = 0 }
        local got = finish(send())
        assert.same({ 201, "queued" }, { got.status, cjson.decode(got.body).status })
        sim:advance(36000)
        local status = sim:messages()[1].status
        assert.truthy(("sent delivered undelivered failed"):find(status, 1, true), status)
    end)

    it("lets time fly", function()
        start { speed = 1000, start = 0 }
        assert.truthy(sim:time() < 10)
        local before = core.now_ms()
        local peer = send()
        finish(peer)
        repeat
            sim:step(1)
        until sim:messages()[1].status == "delivered" -- 1.2 seconds of its own
        assert.truthy(core.now_ms() - before < 1000)
    end)

    it("answers in JSON whatever it is asked", function()
        start()
        local hostile = ("/%s/..%%2f%%00%%ff;x='\"<>"):format(("a"):rep(8000))
        for _, case in ipairs {
            { 404, "/" }, { 404, "/2010-04-01" }, { 404, "/2010-04-01/Accounts.json" }, { 404, hostile },
            { 404, PATH .. "/..%2f" }, { 404, PATH .. "%00" }, { 404, "//" .. PATH },
            { 405, PATH, "--request", "PUT" }, { 405, PATH, "--request", "PATCH" },
            { 405, PATH, "--request", "OPTIONS" }, { 405, PATH, "--request", "DELETE" },
            { 400, PATH, "--data", "" }, { 400, PATH, "--data", "&&==%%%" },
            { 400, PATH, "--data", "To=%2B15558675310&From=%2B15557122661&Body=%ff%fe" },
            { 400, PATH .. "?PageSize=" .. ("9"):rep(400) }, { 400, PATH .. "?PageToken=%00" },
        } do
            local got = finish(ask(unpack(case, 2)))
            assert.equal(case[1], got.status, case[2])
            assert.truthy(got.head:find("\r\nContent-Type: application/json", 1, true), case[2])
            local err = cjson.decode(got.body)
            assert.equal(case[1], err.status)
            assert.truthy(err.message ~= "" and err.code)
        end
        local got = finish(ask(PATH, "--head"))
        assert.same({ 405, 0 }, { got.status, got.exit })
        assert.equal(0, sim:stats().accepted)
    end)

    it("refuses a body that is too large, and goes on", function()
        start()
        local file = os.tmpname()
        local out = assert(io.open(file, "wb"))
        out:write("To=%2B15558675310&From=%2B15557122661&Body=", ("x"):rep(3000000))
        out:close()
        local got = finish(ask(PATH, "--header", "Expect:", "--data-binary", "@" .. file))
        os.remove(file)
        assert.equal(413, got.status)
        got = finish(send())
        assert.equal(201, got.status)
    end)

    it("shows what came, and no page of a browser gets to it", function()
        start()
        finish(send())
        local got = finish(curl.start(sim.server, "/_sim/traffic"))
        local entry = cjson.decode(got.body)[1]
        assert.same({ "POST", PATH, 201 }, { entry.method, entry.path, entry.status })
        assert.equal("Hello", entry.form.Body)
        assert.is_nil(got.body:find("Basic", 1, true))
        assert.is_nil(got.body:find(simulator.AUTH_TOKEN, 1, true))
        for _, header in ipairs {
            "Origin: https://evil.example", "Host: evil.example", "Sec-Fetch-Site: cross-site",
        } do
            got = finish(curl.start(sim.server, "/_sim/reset", "--data", "", "--header", header))
            assert.equal(403, got.status, header)
        end
        assert.equal(1, sim:stats().accepted)
    end)

    it("says what it is", function()
        start()
        assert.equal("twilio_sms.sim.server", tostring(sim))
    end)

    it("can be waited on by other loops", function()
        start()
        assert.is_nil(sim:timeout())
        assert.equal("r", sim:events())
        assert.truthy(sim:pollfd() >= 0)
    end)

    describe("as a program", function()
        local interpreter = _VERSION == "Lua 5.1" and "luajit" or "lua5.4"

        -- Runs shell commands that know the function `program`, and answers what they print.
        local function shell(command)
            local program = interpreter .. [[ -e 'package.path, package.cpath = os.getenv "P", os.getenv "C"
                local port = tonumber(os.getenv "PORT")
                require("twilio_sms.sim.server").run { ca_file = os.getenv "CA", seed = 7, port = port }']]
            local file = os.tmpname()
            local out = assert(io.open(file, "w"))
            out:write("P='", package.path, "' C='", package.cpath, "' CA='", ca_file, "'\n",
                "export P C CA\nprogram() { exec ", program, "; }\n", command, "\n")
            out:close()
            local pipe = assert(io.popen("timeout 20 sh " .. file .. " 2>/dev/null", "r"))
            local text = pipe:read "*a"
            pipe:close()
            os.remove(file)
            return text
        end

        it("says when it is ready, and ends with its input", function()
            local text = shell "(program < /dev/null); echo status $?"
            local port, file, status = text:match "^ready port=(%d+) ca_file=(%S+)\nstatus (%d+)\n$"
            assert.truthy(port, text)
            assert.same({ ca_file, "0" }, { file, status })
        end)

        it("says in one line why it cannot start", function()
            start()
            local text = shell(("(PORT=%d; export PORT; program < /dev/null 2>&1); echo status $?")
                :format(sim:port()))
            assert.truthy(text:find "^the simulator cannot start: [^\n]+\nstatus 1\n$", text)
        end)

        it("serves until then, and ends on SIGTERM", function()
            local text = shell [[
                dir=$(mktemp -d)
                mkfifo "$dir/in" "$dir/out"
                ((program < "$dir/in" > "$dir/out"); echo status $?) &
                exec 4> "$dir/in" 3< "$dir/out"
                rm -r "$dir"
                read ready port rest <&3
                curl --silent --cacert "$CA" "https://localhost:${port#port=}/_sim/stats"
                exec 4>&-
                wait
            ]]
            assert.truthy(text:find('^{"accepted":0,.*}status 0\n$'), text)
            text = shell [[
                dir=$(mktemp -d)
                mkfifo "$dir/in" "$dir/out"
                exec 4<> "$dir/in"
                rm "$dir/in"
                program <&4 4<&- > "$dir/out" &
                exec 3< "$dir/out"
                read ready rest <&3
                kill -TERM $!
                wait $!
                echo status $?
                rm -r "$dir"
            ]]
            assert.truthy(text:find "^status %d+\n$", text)
        end)

        it("does not sleep over a signal that came before a step", function()
            start { speed = 0 }
            sim.server:catch_signals()
            io.popen("kill -TERM $PPID"):close()
            sim.server:step(0)
            assert.is_true(sim.server:signalled())
            local begun_ms = core.now_ms()
            sim:step(10000) -- nothing else would wake it
            assert.truthy(core.now_ms() - begun_ms < 5000)
        end)
    end)
end)
