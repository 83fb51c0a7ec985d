local cjson = require "cjson"
local command = require "command"
local config_file = require "twilio_sms.cli.config_file"
local simulator = require "simulator"

local ACCOUNT = ("account_sid = %s\nauth_token = %s\nfrom = %s\n"):format(simulator.ACCOUNT_SID,
    simulator.AUTH_TOKEN, simulator.FROM)

local function slurp(path)
    local file = io.open(path, "rb")
    local text = file and file:read "*a"
    if file then
        file:close()
    end
    os.remove(path)
    return text
end

describe("logs and traces in the configuration file", function()
    local function read(text, mode)
        local path = command.file(text, mode)
        local settings, err = config_file.read(path, false)
        os.remove(path)
        return settings, err and err.message:gsub("^" .. path .. ": ", ""):gsub(path, "FILE"), path
    end

    it("have the types that they need", function()
        local settings, err, path = read(table.concat({
            "log.level = debug", "log.to = 2", "log.bodies = true", "log.per_second = 5",
            "log.numbers = pseudonyms", "log.key_file = /run/key", "trace.to.file = spans.jsonl",
            "trace.sample = 0.1", "trace.batch = 10", "trace.headers.X-Shop = one",
            "trace.headers.authorization_file = token", "trace.resource.service.version = 1.0",
        }, "\n"))
        assert.is_nil(err)
        local folder = path:match "^.*/"
        assert.same({
            ["log.level"] = "debug", ["log.to"] = "stderr", ["log.bodies"] = true, ["log.per_second"] = 5,
            ["log.numbers"] = "pseudonyms", ["log.key"] = { file = "/run/key" },
            ["trace.to"] = { file = folder .. "spans.jsonl" }, ["trace.sample"] = 0.1, ["trace.batch"] = 10,
            ["trace.headers"] = { ["X-Shop"] = "one", authorization = { file = folder .. "token" } },
            ["trace.resource"] = { ["service.version"] = "1.0" },
        }, settings)
    end)

    it("are refused when they cannot be meant", function()
        local target = "log.to must be stderr or a descriptor from 3: results go to stdout"
        for text, why in pairs {
            ["log = info"] = "line 1: log has options: log.level = ...",
            ["trace = x"] = "line 1: trace has options: trace.to = ...",
            ["log.levl = info"] = "line 1: unknown option 'log.levl'; did you mean 'log.level'?",
            ["log.level.x = info"] = "line 1: unknown option 'log.level.x'; did you mean 'log.level'?",
            ["log.bodies = yes"] = "line 1: log.bodies must be true or false",
            ["log.per_second = many"] = "line 1: log.per_second must be a number",
            ["log.to = stdout"] = "line 1: " .. target, ["log.to = 1"] = "line 1: " .. target,
            ["log.to = 0"] = "line 1: " .. target, ["log.to = -1"] = "line 1: " .. target,
            ["log.to = 1000000"] = "line 1: log.to is a descriptor that is not open for writing",
            ["log.level = info\nlog.level = warn"] = "line 2: log.level stands there twice",
            ["log.key = a\nlog.key_file = b"] = "line 2: log.key stands there twice",
            ["trace.to = http://x/\ntrace.to.file = y"] = "line 2: trace.to.file stands there twice",
            ["trace.headers.a = b\ntrace.headers.a_file = c"] =
                "line 2: trace.headers.a_file stands there twice",
            ["trace.sample = "] = "line 1: trace.sample has no value",
            ["LOG.level = info"] = "line 1 is not like `name = value`",
        } do
            local settings, err = read(text)
            assert.same({ nil, why }, { settings, err })
        end
    end)

    it("are secret where they are", function()
        for text, what in pairs {
            ["log.key = abc"] = "log.key", ["trace.headers.a = b"] = "trace.headers",
        } do
            assert.is_table((read(text, "600")))
            local settings, err = read(text, "644")
            assert.is_nil(settings)
            assert.truthy(err:find("others may read it, and it holds " .. what, 1, true), err)
        end
        assert.is_table((read("trace.headers.a_file = b\nlog.key_file = c", "644")))
    end)
end)

describe("a command with a log and a trace", function()
    local sim, env

    setup(function()
        sim = simulator.start()
    end)

    teardown(function()
        sim:stop()
    end)

    before_each(function()
        env = command.env(sim)
    end)

    -- Runs a command with a configuration file; answers also the spans that were written.
    local function run(line, settings)
        local spans = os.tmpname()
        os.remove(spans)
        local config = command.file(ACCOUNT .. settings:gsub("SPANS", spans))
        local result = command.run(line .. " --config " .. config, env)
        os.remove(config)
        return result, slurp(spans)
    end

    it("writes both for what it sends", function()
        local result, spans = run("send +15558675310 Hello --json",
            "log.level = info\ntrace.to.file = SPANS\n")
        assert.equal(0, result.status, result.err)
        assert.equal("queued", cjson.decode(result.out).status)
        assert.truthy(result.err:find("event=sent ", 1, true), result.err)
        assert.truthy(spans:find("twilio.send_sms", 1, true))
    end)

    it("writes to a descriptor that the shell has opened", function()
        local config = command.file(ACCOUNT .. "log.to = 9\n")
        local path = os.tmpname()
        local result = command.run(("send +15558675310 Hello --config %s 9> %s"):format(config, path), env)
        os.remove(config)
        assert.same({ 0, "" }, { result.status, result.err })
        assert.truthy(slurp(path):find("event=sent ", 1, true))
    end)

    it("refuses a descriptor that it can only read", function()
        local config = command.file(ACCOUNT .. "log.to = 9\n")
        local path = os.tmpname() -- which could be opened for writing
        local result = command.run(("send +15558675310 Hello --config %s 9< %s"):format(config, path), env)
        os.remove(config)
        os.remove(path)
        assert.equal(78, result.status)
        assert.truthy(result.err:find("is not open for writing", 1, true), result.err)
    end)

    it("writes to a file", function()
        local path = os.tmpname()
        local result = run("send +15558675310 Hello", "log.to.file = " .. path .. "\n")
        local text = slurp(path)
        os.remove(path)
        assert.same({ 0, "" }, { result.status, result.err })
        assert.truthy(text:find("event=sent .*\n$"))
    end)

    it("writes nothing of a send that never is", function()
        local result, spans = run("send +15558675310 Hello --dry-run --json",
            "log.level = trace\ntrace.to.file = SPANS\n")
        assert.same({ 0, "" }, { result.status, result.err })
        assert.is_true(spans == nil or spans == "")
    end)

    it("says what is wrong with them", function()
        for setting, why in pairs {
            ["log.level = loud"] = "log.level: it must be 'error', 'warn', 'info', 'debug' or 'trace'",
            ["log.per_second = 0.5"] = "log.per_second: it must be a whole number, 0 or more",
            ["trace.to = nowhere"] = "trace.to: it must be a URL with http or https",
            ["trace.sample = 0.5"] = "option 'trace.to' must be a URL, a function or { file = path }",
            ["trace.to.file = /nowhere/spans"] = "/nowhere/spans",
        } do
            for _, line in ipairs { "send +15558675310 Hello", "send +15558675310 Hello --dry-run", "list",
                "webhook --port 0" } do
                local result = run(line, setting .. "\n")
                assert.equal(78, result.status, line .. ": " .. result.err)
                assert.truthy(result.err:find(why, 1, true), result.err)
            end
        end
    end)

    it("is one that doctor looks at", function()
        local result, spans = run("doctor", "log.level = debug\ntrace.to.file = SPANS\n")
        assert.equal(0, result.status, result.out .. result.err)
        assert.truthy(result.out:find("ok     connection ", 1, true), result.out)
        assert.truthy(spans:find("twilio.list", 1, true))
        result = run("doctor --offline", "log.level = loud\n")
        assert.equal(1, result.status)
        local why = "FAILS  options        ConfigurationError.InvalidOption: log.level: "
        assert.truthy(result.out:find(why, 1, true), result.out)
    end)
end)

describe("twilio-sms webhook with a log and a trace", function()
    it("writes both for what it receives", function()
        local spans = os.tmpname()
        local config = command.file(ACCOUNT .. "log.level = debug\ntrace.to.file = " .. spans .. "\n")
        local text = command.shell(([[
            dir=$(mktemp -d)
            mkfifo "$dir/err"
            command webhook --port 0 --no-tls --count 1 --config %s > "$dir/out" 2> "$dir/err" &
            exec 3< "$dir/err"
            read -r ready <&3
            port=${ready##*:}
            url=http://localhost:$port/sms account=%s
            text="${url}AccountSid${account}BodyHelloFrom+15558675310MessageSidSM%sTo+15005550006"
            signature=$(printf "%%s" "$text" | openssl dgst -sha1 -hmac %s -binary | base64)
            curl --silent --max-time 10 --output /dev/null "$url" --header "X-Twilio-Signature: $signature" \
                --data-urlencode AccountSid=$account \
                --data-urlencode From=+15558675310 --data-urlencode To=+15005550006 \
                --data-urlencode Body=Hello --data-urlencode MessageSid=SM%s
            wait $!
            echo "status $?"
            cat <&3
            cat "$dir/out" %s
            rm -r "$dir"
        ]]):format(config, simulator.ACCOUNT_SID, ("1"):rep(32), simulator.AUTH_TOKEN, ("1"):rep(32),
            spans))
        os.remove(config)
        os.remove(spans)
        assert.truthy(text:find("status 0\n", 1, true), text)
        assert.truthy(text:find("event=received ", 1, true), text)
        assert.truthy(text:find('"twilio.receive_sms"', 1, true), text)
    end)
end)
