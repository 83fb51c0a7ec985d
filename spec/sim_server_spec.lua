local cjson = require "cjson"
local curl = require "curl_peer"

local simulator = require "twilio_sms.sim.server"

local PATH = "/2010-04-01/Accounts/" .. simulator.ACCOUNT_SID .. "/Messages.json"

describe("twilio_sms.sim.server", function()
    local ca_file, sim
    local answered -- requests, by the time of the last `finish`

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
        for _ = 1, 500 do
            sim:step(20)
            if sim:stats().requests > answered and sim.server:connections() == 0 and sim.waiting == 0 then
                break
            end
        end
        answered = sim:stats().requests
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
    end)
end)
