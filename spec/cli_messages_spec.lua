local cjson = require "cjson"
local command = require "command"
local simulator = require "simulator"

describe("twilio-sms about messages", function()
    local sim, env

    setup(function()
        sim = simulator.start "send_ms = 5, deliver_ms = 20"
        env = command.env(sim)
    end)

    teardown(function()
        sim:stop()
    end)

    local function run(line, input, more)
        local all = {}
        for name, value in pairs(env) do
            all[name] = value
        end
        for name, value in pairs(more or {}) do
            all[name] = value
        end
        return command.run(line, all, input)
    end

    local function json_of(result)
        return cjson.decode(result.out)
    end

    local function send(line)
        return json_of(run("send +15558675310 'Hello' --json " .. (line or ""))).sid
    end

    describe("send", function()
        it("sends a text from each of its sources", function()
            local file = command.file "from a file\n"
            for line, case in pairs {
                ["send +15558675311 'as an argument'"] = { "as an argument" },
                ["send +15558675311 --body-file " .. file] = { "from a file" },
                ["send +15558675311 --body-file -"] = { "from a pipe", "from a pipe\n" },
                ["send +15558675311"] = { "two\nlines", "two\nlines\r\n" },
            } do
                local result = run(line .. " --json", case[2])
                assert.equal(0, result.status, result.err)
                local sent = json_of(result)
                assert.same({ case[1], "+15558675311", simulator.FROM, "accepted" },
                    { sent.body, sent.to, sent.from, sent.outcome })
            end
            os.remove(file)
        end)

        it("shows the message to people, with numbers hidden when they ask for it", function()
            local result = run "send +15558675310 'Hello'"
            assert.truthy(result.out:find "^sid +SM%x+\nstatus +%l+\n", result.out)
            assert.truthy(result.out:find("\nto            +15558675310\n", 1, true), result.out)
            result = run "send +15558675310 'Hello' --mask"
            assert.is_nil(result.out:find("5558675310", 1, true))
            assert.truthy(result.out:find("\nto            +1********10\n", 1, true), result.out)
        end)

        it("takes options of the message", function()
            local sent = json_of(run("send +15558675310 'Map' --json --media https://example.com/a.png "
                .. "--media https://example.com/b.png --from +15551230000"))
            assert.same({ 2, "+15551230000" }, { sent.num_media, sent.from })
            sent = json_of(run("send +15558675310 --media https://example.com/a.png --json"))
            assert.same({ 1, 0 }, { sent.num_media, #(sent.body or "") })
            sent = json_of(run(("send +15558675310 x --json --messaging-service %s --send-at %d"):format(
                simulator.SERVICE_SID, os.time() + 7200)))
            assert.equal("scheduled", sent.status)
        end)

        it("waits for the end", function()
            local result = run "send +15558675310 'Hello' --wait --json"
            assert.same({ 0, "delivered" }, { result.status, json_of(result).status })
            local at = ("--messaging-service %s --send-at %d"):format(simulator.SERVICE_SID, os.time() + 7200)
            result = run("send +15558675310 x --wait --wait-timeout 0.05 " .. at)
            assert.equal(4, result.status)
            local wanted = "SM%x+ was sent, and then: .*`twilio%-sms wait SM%x+` goes on"
            assert.truthy(result.err:find(wanted), result.err)
        end)

        it("rehearses without sending", function()
            local before = sim:stats().requests
            local result = run "send +15558675310 'Grüße „aus“ Köln' --dry-run --json"
            local found = json_of(result)
            assert.same({ 0, true, "UCS-2", 1, "+15558675310" },
                { result.status, found.dry_run, found.encoding, found.segments, found.to })
            assert.equal(2, run("send 555 x --dry-run").status)
            assert.equal(64, run("send +15558675310 --dry-run").status)
            assert.equal(2, run("send +15558675310 x --dry-run --send-at 2020-01-01T00:00:00Z").status)
            assert.equal(before, sim:stats().requests)
        end)

        it("says what was refused, and what to do", function()
            for line, case in pairs {
                ["send 555 x"] = { 2, "to is not an E.164 number" },
                ["send +15005550001 x"] = { 2, "code 21211" },
                ["send +15558675310 ''"] = { 2, "nothing to send" },
                ["send +15558675310"] = { 64, "there is no text" },
                ["send"] = { 64, "missing argument 'to'" },
                ["send +15558675310 x --body-file -"] = { 64, "give one of them" },
                ["send +15558675310 --body-file /nowhere/x"] = { 66, "/nowhere/x: No such file" },
                ["send +15558675310 --body-file /"] = { 66, "/ is empty, or no file" },
                ["send +15558675310 x --timeout x"] = { 64, "'x' is no number of seconds" },
                ["send +15558675310 x --wait --wait-timeout 9999999"] = { 64, "is no number of seconds" },
                ["send +15558675310 <&-"] = { 66, "standard input cannot be read" },
                ["send +15558675310 x --send-at tomorrow --messaging-service " .. simulator.SERVICE_SID] =
                    { 2, "send_at" },
                ["send +15558675310 $'\\xff'"] = { 2, "UTF-8" },
            } do
                local result = run(line)
                assert.equal(case[1], result.status, line .. result.err)
                assert.truthy(result.err:find(case[2], 1, true), result.err)
                assert.equal("", result.out)
                assert.is_nil(result.err:find "traceback")
            end
        end)

        it("tells programs in an object what went wrong", function()
            local result = run "send +15005550001 x --json"
            local err = json_of(result).error
            assert.same({ 2, 2, "MessageError.InvalidRecipient", "rejected", 21211, "" },
                { result.status, err.exit_status, err.type, err.outcome, err.code, result.err })
            assert.equal(64, json_of(run "send --json --bdy x").error.exit_status)
        end)

        it("knows doubt, refused credentials and a server that is not there", function()
            local doubtful = simulator.start [[script = { { on = "send", action = "drop_after" },
                { on = "list", action = "status", status = 503 } }]]
            local config = command.file "in_doubt = stop\n"
            local result = run("send +15558675310 x --config " .. config, nil, command.env(doubtful))
            doubtful:stop()
            os.remove(config)
            assert.equal(3, result.status)
            local wanted = "it may have been sent: look with `twilio-sms list`"
            assert.truthy(result.err:find(wanted, 1, true), result.err)
            result = run("send +15558675310 x", nil, { TWILIO_AUTH_TOKEN = ("9"):rep(32) })
            assert.equal(77, result.status)
            assert.truthy(result.err:find("`twilio-sms doctor`", 1, true), result.err)
            result = run("send +15558675310 x --timeout 1", nil, { TWILIO_BASE_URL = "https://localhost:1" })
            assert.equal(4, result.status)
        end)

        it("asks the opt-out list that it is given", function()
            local store = os.tmpname()
            os.remove(store)
            assert.equal(0, run("optout add +15558675310 --store " .. store).status)
            local result = run("send +15558675310 x --store " .. store)
            assert.equal(2, result.status)
            assert.truthy(result.err:find("OptedOut", 1, true))
            assert.equal(0, run("send +15558675312 x --store " .. store).status)
            assert.truthy(os.execute("rm " .. store .. "*"))
            -- Who mistypes its path does not write to those who have opted out.
            for _, line in ipairs { "send +15558675310 x --store ", "send +15558675310 x --dry-run --store ",
                "bulk spec/none.csv --store " } do
                result = run(line .. store)
                assert.equal(66, result.status)
                assert.truthy(result.err:find("is it the path of the opt-out list?", 1, true), result.err)
                assert.is_nil(io.open(store))
            end
        end)

        it("needs no opt-out list to read", function()
            local config = command.file "store = /nowhere/sms.db\n"
            assert.equal(0, run("list --limit 1 --config " .. config).status)
            os.remove(config)
        end)
    end)

    it("gets a message", function()
        local sid = send()
        local result = run("get " .. sid)
        assert.equal(0, result.status)
        assert.truthy(result.out:find("^sid +" .. sid .. "\n"))
        assert.equal(sid, json_of(run("get --json " .. sid)).sid)
        result = run "get SM00000000000000000000000000000009"
        assert.equal(2, result.status)
        assert.truthy(result.err:find("is it of this account?", 1, true))
        assert.equal(64, run("get SM1").status)
    end)

    it("lists messages", function()
        for i = 1, 3 do
            assert.equal(0, run(("send +1555867532%d 'Number %d'"):format(i, i)).status)
        end
        local result = run "list --limit 2"
        local lines = {}
        for line in result.out:gmatch "[^\n]+" do
            lines[#lines + 1] = line
        end
        assert.equal(3, #lines)
        assert.truthy(lines[1]:find "^CREATED +SID +STATUS")
        assert.truthy(lines[2]:find "^%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d  SM%x+ .*Number 3$", lines[2])
        assert.truthy(result.err:find("There may be more", 1, true))
        result = run "list --to +15558675321 --json"
        assert.equal("Number 1", json_of(result).body)
        assert.equal("", run("list --to +15558675999 --json").out)
        assert.is_nil(run("list --mask").out:find("+1555", 1, true))
        assert.equal("", run("list --from +15005550009 --json").out)
        assert.equal(0, run("list --date 2026-01-01 --limit 1").status)
        assert.equal(64, run("list --date yesterday").status)
        assert.equal(64, run("list --limit 0").status)
        assert.equal(64, run("list --to ''").status) -- a variable that is not set must not mean everybody
    end)

    it("shows what a terminal would obey as what it is", function()
        assert.equal(0, run("send +15558675330 $'red \\e[31m\\nnext \\xc2\\x9b \\xe2\\x80\\xae'").status)
        local result = run "list --to +15558675330"
        assert.truthy(result.out:find([[red \x1b[31m\nnext \xc2\x9b \xe2\x80\xae]], 1, true), result.out)
    end)

    it("cancels, and waits for what happens", function()
        local later = ("--messaging-service %s --send-at %d"):format(simulator.SERVICE_SID, os.time() + 7200)
        local sid = send(later)
        local result = run("wait --timeout 0.05 --json " .. sid)
        assert.equal(4, result.status)
        assert.equal("scheduled", json_of(result).error.last_status)
        assert.equal("canceled", json_of(run("cancel --json " .. sid)).status)
        assert.equal(2, run("cancel " .. sid).status)
        assert.equal(1, run("wait " .. sid).status) -- it was not delivered
        assert.equal(0, run("wait " .. send()).status)
    end)

    it("tells of doubt when a request was under way, however it is ended", function()
        local hanging = simulator.start [[script = { { on = "send", action = "hang" } }]]
        local exports = {}
        for name, value in pairs(command.env(hanging)) do
            exports[#exports + 1] = ("export %s=%s\n"):format(name, command.quote(value))
        end
        for count, signal in ipairs { "INT", "TERM", "HUP" } do
            local text = command.shell(table.concat(exports) .. ([[
                set -m
                command send +15558675310 x 2>&1 &
                stats() { curl --silent --cacert "$TWILIO_CA_FILE" "$TWILIO_BASE_URL/_sim/stats"; }
                until stats | grep -q '"hang":%d'; do :; done
                kill -%s $!
                wait $!
                echo "status $?"
            ]]):format(count, signal))
            assert.equal("twilio-sms send: interrupted; the message may have been sent: "
                .. "look with `twilio-sms list` before you repeat it\nstatus 130\n", text)
        end
        hanging:stop()
    end)

    it("ends at an interruption, and says what it leaves behind", function()
        local later = ("--messaging-service %s --send-at %d"):format(simulator.SERVICE_SID, os.time() + 7200)
        local exports = {}
        for name, value in pairs(env) do
            exports[#exports + 1] = ("export %s=%s\n"):format(name, command.quote(value))
        end
        -- The note on standard error says that it waits now.
        local text = command.shell(table.concat(exports) .. [[
            dir=$(mktemp -d)
            mkfifo "$dir/err"
            set -m # so that SIGINT is not ignored by what runs in the background
            command send +15558675310 x --wait ]] .. later .. [[ 2> "$dir/err" &
            exec 3< "$dir/err"
            read -r note <&3
            kill -INT $!
            wait $!
            echo "status $?"
            cat <&3
            rm -r "$dir"
        ]])
        local wanted = "^status 130\ntwilio%-sms send: interrupted; the message was sent: "
            .. "`twilio%-sms wait SM"
        assert.truthy(text:find(wanted), text)
    end)

    it("fails when nobody can read what it found", function()
        local result = run "list > /dev/full"
        assert.equal(74, result.status)
        assert.truthy(result.err:find("cannot write what it found: No space left", 1, true), result.err)
        for _, line in ipairs { "--json", "--wait", "--json --wait" } do
            result = run("send +15558675310 x " .. line .. " > /dev/full")
            assert.equal(74, result.status)
            -- Nobody must believe that it was not sent.
            local wanted = "send: the message was sent as SM%x+, but: cannot write what it found: No space"
            assert.truthy(result.err:find(wanted), result.err)
        end
    end)
end)
