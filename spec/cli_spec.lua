local cjson = require "cjson"
local command = require "command"
local core = require "twilio_sms.core"

describe("the command twilio-sms", function()
    local shell = command.shell

    -- What a command line prints, its two streams mixed, and its exit status.
    local function run(line)
        local result = command.run(line .. " 2>&1")
        return result.out, result.status
    end

    it("says its version", function()
        assert.same({ "twilio-sms " .. core.version .. "\n", 0 }, { run "--version" })
    end)

    it("explains itself", function()
        for line, wanted in pairs {
            ["--help"] = "Commands:", ["-h"] = "Usage: twilio-sms", ["sim --help"] = "--max-concurrency",
            ["help"] = "Commands:", ["help sim"] = "--max-concurrency", ["help help"] = "[<topic>]",
        } do
            local printed, status = run(line)
            assert.equal(0, status)
            assert.truthy(printed:find(wanted, 1, true), printed)
        end
        local printed, status = run ""
        assert.equal(64, status)
        assert.truthy(printed:find("Commands:", 1, true))
    end)

    it("says what was meant", function()
        for line, wanted in pairs {
            ["sin"] = "unknown command 'sin'; did you mean 'sim'?",
            ["simulator --port 1"] = "unknown command 'simulator'",
            ["--verson"] = "unknown option '--verson'",
            ["sim --prot 1"] = "did you mean '--port'",
            ["--json list"] = "unknown option '--json'; the options of a command stand behind its name",
            ["segments -5"] = "unknown option '-5'; a value that begins with a minus sign stands behind --",
            ["help snd"] = "unknown command 'snd'; did you mean 'send'?",
            ["bulk rows.csv --price -1"] = "option '--price': '-1' is no number, 0 or more",
            ["bulk rows.csv --per-second -1"] = "option '--per-second': '-1' is no number, 0 or more",
            ["sim --port x"] = "option '--port': 'x' is no whole number",
            ["sim --port 99999"] = "option '--port' must be a whole number from 0 to 65535",
            ["sim --proxy-port 65536"] = "option '--proxy-port' must be a whole number from 0 to 65535",
            ["sim --port --json"] = "option '--port' requires an argument",
            ["sim --speed fast"] = "option '--speed': 'fast' is no number",
            ["sim --speed=-1"] = "option '--speed' must be from 0",
            ["sim --speed -1"] = "option '--speed' must be from 0",
            ["sim --seed -4"] = "option '--seed' must be a whole number from 0",
            ["sim --max-concurrency 0"] = "option '--max-concurrency' must be a whole number, 1 or more",
            ["sim --inbound-url ftp://x"] = "option '--inbound-url' must be a URL with http:// or https://",
            ["sim --inbound-url /sms"] = "option '--inbound-url' must be a URL with http:// or https://",
            ["sim --scenario nosuch"] = "no scenario is called 'nosuch'; there are brown_out",
            ["sim --scenario clock_jump"] = "works in a world only",
            ["sim extra"] = "too many arguments",
        } do
            local printed, status = run(line)
            assert.truthy(printed:find(wanted, 1, true), printed)
            assert.equal(64, status, line)
            assert.is_nil(printed:find("stack traceback", 1, true))
        end
    end)

    it("fails when nobody can read what it says of itself", function()
        for _, line in ipairs { "--version", "help", "man", "completion bash", "" } do
            local result = command.run(line .. " > /dev/full")
            assert.equal(line == "" and 64 or 74, result.status, line)
            assert.truthy(result.err:find("No space left", 1, true), result.err)
        end
    end)

    it("tells programs in an object that a command line makes no sense", function()
        local result = command.run "list --json --limit x"
        local err = cjson.decode(result.out).error
        assert.same({ 64, "", 64, "option '--limit': 'x' is no whole number from 1 to 999999" },
            { result.status, result.err, err.exit_status, err.message })
    end)

    it("completes command lines", function()
        local function complete(words)
            local text = shell("eval \"$(command completion bash)\"\n"
                .. "COMP_WORDS=(" .. words .. ") COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
                .. "_twilio-sms; echo \"${COMPREPLY[@]}\"")
            return text:gsub("\n$", "")
        end
        for words, wanted in pairs {
            ["twilio-sms seg"] = "segments", ["twilio-sms optout ex"] = "export",
            ["twilio-sms send --mess"] = "--messaging-service", ["twilio-sms completion z"] = "",
            ["twilio-sms optout list --state opted_i"] = "opted_in",
        } do
            assert.equal(wanted, (complete(words)), words)
        end
        for _, name in ipairs { "zsh", "fish" } do
            assert.truthy(run("completion " .. name):find("messaging-service", 1, true))
        end
        assert.equal(64, select(2, run "completion tcsh"))
    end)

    it("has a manual page with everything that the commands take", function()
        local page, status = run "man"
        assert.equal(0, status)
        assert.truthy(page:find '^%.TH TWILIO\\%-SMS 1 "" "twilio\\%-sms [%d.]+" "User Commands"\n')
        page = page:gsub("\\%-", "-")
        local count = 0
        local function look(own)
            for _, row in ipairs(own.options or {}) do
                count = count + 1
                local term = row[1] .. (row[2] and " " .. row[2] or "")
                assert.truthy(page:find(".B " .. term .. "\n", 1, true), term)
            end
            for _, sub in ipairs(own.commands or {}) do
                look(sub)
            end
        end
        for _, own in ipairs(require("twilio_sms.cli").commands()) do
            assert.truthy(page:find("\n.SS " .. own.name, 1, true), own.name)
            assert.truthy(own.options or own.arguments or own.commands or own.name == "man", own.name)
            look(own)
        end
        assert.is_true(count > 100)
        for _, line in ipairs { "\n%.[^%u]", "\n'" } do
            assert.is_nil(page:find(line))
        end
    end)

    it("simulates until its input ends", function()
        local text = shell "(command sim --until-eof --seed 3 --realistic < /dev/null); echo status $?"
        local port, proxy_port, ca_file = text:match "^ready port=(%d+) proxy_port=(%d+) ca_file=(%S+)\n"
        assert.truthy(port, text)
        local proxy = "http://127.0.0.1:" .. proxy_port
        for _, line in ipairs {
            "export TWILIO_BASE_URL=https://localhost:" .. port .. " TWILIO_CA_FILE=" .. ca_file .. "\n",
            ("export HTTPS_PROXY=%s HTTP_PROXY=%s NO_PROXY=localhost,127.0.0.1\n"):format(proxy, proxy),
            "export NODE_EXTRA_CA_CERTS=" .. ca_file .. " REQUESTS_CA_BUNDLE=" .. ca_file .. "\n",
        } do
            assert.truthy(text:find(line, 1, true), text)
        end
        assert.truthy(text:find "status 0\n$")
        assert.is_nil(io.open(ca_file)) -- its own file is gone
    end)

    it("simulates until a signal comes, and says where it is in JSON", function()
        for _, signal in ipairs { "INT", "TERM" } do
            local text = shell([[
                dir=$(mktemp -d)
                mkfifo "$dir/out"
                command sim --json --speed 0 --scenario flapping --ca-file "$dir/ca.pem" > "$dir/out" &
                exec 3< "$dir/out"
                read -r ready <&3
                echo "$ready"
                url=${ready#*\"base_url\":\"} url=${url%%\"*}
                for path in time stats; do
                    curl --silent --cacert "$dir/ca.pem" "$url/_sim/$path"
                    echo
                done
                curl --silent --cacert "$dir/ca.pem" --json '{"on":"send"}' "$url/_sim/faults"
                echo
                kill -]] .. signal .. [[ $!
                wait $!
                echo status $?
                rm -r "$dir"
            ]])
            local ready, time, stats, refusal, status =
                text:match "^(%b{})\n(%b{})\n(%b{})\n(%b{})\nstatus (%d+)\n$"
            assert.truthy(ready, text)
            ready, time, stats = cjson.decode(ready), cjson.decode(time), cjson.decode(stats)
            assert.same({ "0", 0, "flapping" }, { status, time.speed, stats.scenario })
            assert.equal('{"message":"takes a form, not application/json"}', refusal)
            assert.equal(("https://localhost:%d"):format(ready.port), ready.base_url)
            assert.equal(("http://127.0.0.1:%d"):format(ready.proxy_port), ready.proxy_url)
        end
    end)

    it("says why it cannot start", function()
        for line, wanted in pairs {
            ["--ca-file /nowhere/ca.pem"] = "/nowhere/ca.pem",
            ["--webhook-ca-file /nowhere/x"] = "webhook_ca_file /nowhere/x cannot be read: No such file",
            ["--webhook-ca-file spec"] = "webhook_ca_file spec cannot be read",
            ["--webhook-ca-file LICENSE"] = "webhook_ca_file LICENSE has no certificate in PEM format",
        } do
            local printed, status = run("sim --until-eof " .. line)
            assert.equal(1, status)
            assert.truthy(printed:find "^the simulator cannot start: [^\n]+\n$", printed)
            assert.truthy(printed:find(wanted, 1, true), printed)
        end
    end)

    -- Two installed trees, in which the modules are stand-ins that say where they are.
    it("finds the modules from its own place", function()
        local script = [[
            dir=$(mktemp -d)
            plant() {
                mkdir -p "$dir/$1/bin" "$dir/$1/$2/twilio_sms"
                cp lua/twilio_sms/cli/twilio-sms "$dir/$1/bin"
                echo "return { main = function()
                    print('$1 ' .. package.cpath:match '[^;]*')
                    return 7
                end }" > "$dir/$1/$2/twilio_sms/cli.lua"
            }
            plant installed share/lua/5.4
            plant build lua5.4
            unset LUA_PATH_5_4 LUA_CPATH_5_4
            cd "$dir"
            for command in "$dir/installed/bin/twilio-sms" installed/bin/twilio-sms build/bin/twilio-sms; do
                lua5.4 "$command"
                echo "status $?"
            done
            cd build/bin
            lua5.4 twilio-sms
            rm -r "$dir"
        ]]
        local text = shell(script):gsub("[^ \n]*/(%a+/bin/%.%.)", "%1")
        assert.equal("installed installed/bin/../lib/lua/5.4/?.so\nstatus 7\n"
            .. "installed installed/bin/../lib/lua/5.4/?.so\nstatus 7\n"
            .. "build build/bin/../lua5.4/?.so\nstatus 7\n"
            .. "build ./../lua5.4/?.so\n", text)
    end)
end)
