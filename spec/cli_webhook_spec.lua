local cjson = require "cjson"
local command = require "command"
local simulator = require "simulator"

-- A shell that runs `webhook`, waits until it listens and knows its port, runs the rest, and prints what it
-- has printed.
local SCRIPT = [[
export TWILIO_ACCOUNT_SID=%s TWILIO_AUTH_TOKEN=%s
dir=$(mktemp -d)
mkfifo "$dir/err"
touch "$dir/out"
end_sim() { :; }
command webhook --port 0 --ca-file "$dir/ca.pem" %s > "$dir/out" 2> "$dir/err" &
pid=$!
exec 3< "$dir/err"
read -r ready <&3
port=${ready#*localhost:} port=${port%%%%,*}
%s
wait $pid
status=$?
end_sim
echo "status $status"
cat "$dir/out"
cat <&3
rm -r "$dir"
]]

local function serve(options, script)
    return command.shell(SCRIPT:format(simulator.ACCOUNT_SID, simulator.AUTH_TOKEN, options, script))
end

describe("twilio-sms webhook", function()
    -- The simulator plays Twilio and the person.
    local SIMULATED = [[
        coproc SIM { command sim --until-eof --speed 100 --ca-file "$dir/sim.pem" \
            --webhook-ca-file "$dir/ca.pem" --inbound-url https://localhost:$port/sms; }
        sim_pid=$SIM_PID
        read -r ready <&"${SIM[0]}"
        ready=${ready#*port=} url=https://localhost:${ready%% *}
        end_sim() { exec {SIM[1]}>&- && wait "$sim_pid"; }
        say() {
            curl --silent --cacert "$dir/sim.pem" "$url/_sim/inbound" --data-urlencode From=+15558675310 \
                --data-urlencode To=+15005550006 --data-urlencode "Body=$1" > /dev/null
        }
    ]]

    it("prints what comes, and answers it", function()
        local text = serve("--count 2 --reply 'Thank you'", SIMULATED .. [[
            say "Hello"
            say "Two"
            until curl --silent --cacert "$dir/sim.pem" "$url/_sim/stats" | grep -q '"accepted":2'; do :; done
        ]])
        local status, first, second = text:match "^status (%d+)\n([^\n]*)\n([^\n]*)\n$"
        assert.equal("0", status, text)
        local bodies = {}
        for _, line in ipairs { first, second } do
            local event = cjson.decode(line)
            bodies[event.body] = true
            assert.same({ "inbound", "+15558675310", "+15558675310" },
                { event.type, event.from, event.params.From })
            assert.is_nil(event.signature)
            assert.truthy(event.received_at:find "^%d%d%d%d%-%d%d%-%d%dT")
            assert.truthy(line:find('"media":[]', 1, true))
        end
        assert.same({ Hello = true, Two = true }, bodies)
    end)

    it("turns the forged away, and hides numbers on request", function()
        local text = serve("--count 1 --mask", SIMULATED .. [[
            curl --silent --cacert "$dir/ca.pem" https://localhost:$port/sms --data Body=forged
            say "Hello"
        ]])
        local status, line, refused = text:match "^status (%d+)\n([^\n]*)\n(.*)$"
        assert.equal("0", status, text)
        local event = cjson.decode(line)
        assert.same({ "+1********10", "+1********10" }, { event.from, event.params.From })
        assert.is_nil(line:find("5558675310", 1, true))
        assert.truthy(refused:find("twilio-sms webhook: WebhookError.MissingFields", 1, true), refused)
    end)

    it("writes a STOP down", function()
        local text = serve("--count 1 --store $dir/o.db", SIMULATED .. [[
            say "STOP"
            wait $pid
            (command optout status +15558675310 --scope +15005550006 --store "$dir/o.db" --json)
        ]])
        assert.equal("opted_out", cjson.decode(text:match "^[^\n]*").state, text)
    end)

    it("ends at a signal, and when nobody reads", function()
        assert.truthy(serve("", "kill -TERM $pid"):find "^status 0\n$")
        local text = command.shell(SCRIPT:gsub("> \"%$dir/out\"", "> /dev/full")
            :format(simulator.ACCOUNT_SID, simulator.AUTH_TOKEN, "", SIMULATED .. [[say "Hello"]]))
        assert.truthy(text:find "^status 74\n", text)
        assert.truthy(text:find("cannot write what it found", 1, true), text)
    end)

    it("says why it cannot start", function()
        local env = { TWILIO_ACCOUNT_SID = simulator.ACCOUNT_SID, TWILIO_AUTH_TOKEN = simulator.AUTH_TOKEN }
        for line, case in pairs {
            ["webhook --port 65536"] = { 64, "from 0 to 65535" },
            ["webhook --key-file x"] = { 64, "belong together" },
            ["webhook --no-tls --ca-file x"] = { 64, "there is no certificate" },
            ["webhook --store /nowhere/x"] = { 78, "directory" },
            ["webhook --port 0 --certificate-file /nowhere/c --key-file /nowhere/k"] =
                { 78, "it cannot start: " },
            ["webhook --port 0 --reply $'\\xff'"] = { 64, "option '--reply'" },
        } do
            local result = command.run(line, env)
            assert.equal(case[1], result.status, line .. result.err)
            assert.truthy(result.err:find(case[2], 1, true), result.err)
        end
        assert.equal(78, command.run("webhook").status)
        env.TWILIO_ACCOUNT_SID = nil
        assert.truthy(command.run("webhook", env).err:find("whose webhooks?", 1, true))
    end)
end)
