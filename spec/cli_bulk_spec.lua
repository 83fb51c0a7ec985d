local cjson = require "cjson"
local command = require "command"
local limit = require("files").limit
local simulator = require "simulator"

describe("twilio-sms bulk", function()
    local sim, files

    setup(function()
        sim = simulator.start()
    end)

    teardown(function()
        sim:stop()
    end)

    before_each(function()
        files = {}
    end)

    after_each(function()
        for _, path in ipairs(files) do
            os.remove(path)
            os.remove(path .. ".results.jsonl")
        end
    end)

    local function file(text)
        local path = command.file(text)
        files[#files + 1] = path
        return path
    end

    local serial = 0

    -- A number that no other test writes to.
    local function fresh()
        serial = serial + 1
        return ("+1555%07d"):format(serial)
    end

    local FAST = " --per-second 0 --per-number 0 --settle 0 "

    local function run(line, changes, input)
        local env = command.env(sim)
        for name, value in pairs(changes or {}) do
            env[name] = value
        end
        return command.run("bulk " .. line .. FAST, env, input)
    end

    -- The same environment for a script.
    local function exports()
        local lines = {}
        for name, value in pairs(command.env(sim)) do
            lines[#lines + 1] = ("export %s=%s\n"):format(name, value)
        end
        return table.concat(lines)
    end

    -- The last line of what it printed, and all before it.
    local function report(ran)
        local lines = {}
        for line in ran.out:gmatch "[^\n]+" do
            lines[#lines + 1] = cjson.decode(line)
        end
        return table.remove(lines), lines
    end

    local function ask(path, ...)
        local line = ("curl --silent --fail --cacert %s %s/_sim/%s %s"):format(sim.ca_file, sim.url, path,
            table.concat({ ... }, " "))
        local pipe = io.popen(line)
        local text = pipe:read "*a"
        pipe:close()
        return cjson.decode(text)
    end

    -- The texts that a person has.
    local function texts_of(number)
        local out = {}
        for i, message in ipairs(ask("messages?To=%2B" .. number:sub(2))) do
            out[i] = message.body
        end
        return out
    end

    it("sends a message for each row, and does it once", function()
        local a, b = fresh(), fresh()
        local path = file(("to,name\r\n%s,Ada\r\n%s,\"Bob, jr\"\r\n"):format(a, b))
        local line = path .. " --template 'Hello {{name}}' --json"
        local ran = run(line)
        local done = report(ran)
        assert.same({ 0, "" }, { ran.status, ran.err })
        assert.same({ 2, 2, 0, 0 }, { done.rows, done.sent, done.done_before, done.left })
        assert.same({ { "Hello Ada" }, { "Hello Bob, jr" } }, { texts_of(a), texts_of(b) })
        ran = run(line)
        done = report(ran)
        assert.same({ 0, 0, 2 }, { ran.status, done.sent, done.done_before })
        assert.same({ "Hello Ada" }, texts_of(a))
        -- What is added is sent.
        local c = fresh()
        local out = io.open(path, "a")
        out:write(c, ",Eve\n")
        out:close()
        done = report(run(line))
        assert.same({ 3, 1, 2 }, { done.rows, done.sent, done.done_before })
    end)

    it("prints nothing into its own files and sockets when its streams are closed", function()
        local to = fresh()
        local path = file(("to,body\n%s,x\n"):format(to))
        local text = command.shell(exports() .. ("(command bulk %s %s <&- >&- 2>&-); echo status $?")
            :format(path, FAST))
        assert.equal("status 74\n", text)
        assert.equal(1, report(run(path .. " --json")).done_before)
        assert.same({ "x" }, texts_of(to))
    end)

    it("says when there is nothing to do", function()
        local path = file "to,body\n"
        assert.equal("There are no rows.\nWhat became of each row is in " .. path .. ".results.jsonl.\n",
            run(path).out)
        assert.truthy(run(path .. " --plan").out:find "^There are no rows%.\n")
    end)

    it("shows what Twilio says as what it is", function()
        local hostile = simulator.start [[script = { { on = "send", action = "status", status = 401,
            message = "\226\128\174red" } }]]
        local path = file(("to,body\n%s,x\n"):format(fresh()))
        local ran = run(path, command.env(hostile))
        hostile:stop()
        assert.equal(4, ran.status)
        assert.truthy(ran.out:find([[: \xe2\x80\xaered (]], 1, true), ran.out)
    end)

    it("reads standard input, and says it in words", function()
        local to, results = fresh(), file ""
        os.remove(results)
        local ran = run("- --results " .. results, nil, ('{"to":"%s","body":"Hi","id":"x"}\n'):format(to))
        assert.same({ "1  sent\nWhat became of each row is in " .. results .. ".\n", "", 0 },
            { ran.out, ran.err, ran.status })
        assert.same({ "Hi" }, texts_of(to))
        ran = run("-", nil, '{"to":"+15551234567","body":"Hi"}\n')
        assert.equal(64, ran.status)
        assert.truthy(ran.err:find("say with --results", 1, true))
    end)

    it("plans, and sends nothing", function()
        local a, b = fresh(), fresh()
        local path = file(("to,body\n%s,%s\n12,x\n%s,y\n%s,z\n"):format(a, ("x"):rep(161), b, b))
        local before = sim:stats().requests
        local ran = run(path .. " --plan --price 0.0083 --json --per-second 2")
        local plan, problems = report(ran)
        assert.same({ 4, 1, 1, 3, 4 }, { plan.rows, plan.invalid, plan.repeats, plan.to_send, plan.segments })
        assert.truthy(math.abs(plan.cost - 0.0332) < 1e-9)
        assert.same({ 3, 5 }, { problems[1].line, problems[2].line })
        assert.equal(65, ran.status) -- because of the repeat
        ran = run(path .. " --plan --allow-repeats --price 0.0083")
        assert.equal(0, ran.status)
        assert.truthy(ran.out:find("4  segments\nIt would take 0 s at least, at the rate limits.\n"
            .. "It would cost 0.03 at 0.0083 a segment.\n", 1, true), ran.out)
        ran = run(path .. " --dry-run --allow-repeats")
        assert.equal(2, ran.status)
        assert.truthy(ran.err:find("line 3: to is not an E.164 number", 1, true), ran.err)
        assert.equal(before, sim:stats().requests)
        assert.is_nil(io.open(path .. ".results.jsonl"))
    end)

    it("knows how long the limits let it take", function()
        local lines = { "to,body,from" }
        for i = 1, 60 do
            lines[#lines + 1] = ("%s,x,%s"):format(fresh(), i <= 40 and "+15005550006" or "+15005550007")
        end
        local path = file(table.concat(lines, "\n"))
        local function seconds(options)
            local ran = command.run("bulk " .. path .. " --plan --json " .. options, command.env(sim))
            return report(ran).seconds
        end
        assert.equal(39, seconds "") -- one a second for each sender
        assert.equal(3, seconds "--per-number 0") -- ten a second, thirty at once
        assert.equal(0, seconds "--per-number 0 --per-second 0")
    end)

    it("sends the good rows and names the others", function()
        local to, refused = fresh(), "+15005550001"
        local path = file(("id,to,body\na,%s,x\nb,12,x\nc,%s,x\n"):format(to, refused))
        local ran = run(path .. " --json")
        local done, problems = report(ran)
        assert.same({ 2, 1, 1, 0 }, { ran.status, done.sent, done.invalid, done.left })
        assert.same({ ["MessageError.InvalidRecipient"] = 1 }, done.failed)
        assert.equal(3, problems[1].line)
        ran = run(path)
        assert.equal(2, ran.status)
        assert.truthy(ran.out:find("2  done before\n1  not sent: the row cannot be sent\n", 1, true), ran.out)
    end)

    it("refuses the same recipient twice, unless it is meant", function()
        local to = fresh()
        local path = file(("to,body\n%s,x\n%s,x\n"):format(to, to))
        local ran = run(path)
        assert.equal(65, ran.status)
        assert.truthy(ran.err:find("1 rows go to a recipient of an earlier row; if that is meant: "
            .. "--allow-repeats", 1, true), ran.err)
        assert.same({}, texts_of(to))
        assert.equal(0, run(path .. " --allow-repeats").status)
        assert.same({ "x", "x" }, texts_of(to))
    end)

    it("refuses one id for two rows", function()
        local path = file(("id,to,body\n1,%s,x\n1,%s,x\n"):format(fresh(), fresh()))
        local ran = run(path)
        assert.equal(65, ran.status)
        assert.truthy(ran.err:find("line 3: the id '1' is there twice", 1, true), ran.err)
    end)

    it("refuses an input that has changed under it", function()
        local a, b = fresh(), fresh()
        local path = file(("to,body\n%s,x\n"):format(a))
        assert.equal(0, run(path).status)
        local out = io.open(path, "w")
        out:write(("to,body\n%s,x\n%s,x\n"):format(b, a))
        out:close()
        local ran = run(path)
        assert.equal(65, ran.status)
        assert.truthy(ran.err:find("line 2: row 1 was another one when it was sent", 1, true), ran.err)
        assert.same({}, texts_of(b))
        -- With ids rows may move.
        path = file(("id,to,body\n1,%s,y\n"):format(a))
        assert.equal(0, run(path).status)
        out = io.open(path, "w")
        out:write(("id,to,body\n2,%s,y\n1,%s,y\n"):format(b, a))
        out:close()
        assert.equal(0, run(path).status)
        assert.same({ { "x", "y" }, { "y" } }, { texts_of(a), texts_of(b) })
    end)

    it("does not write to who has opted out", function()
        local a, b, store = fresh(), fresh(), file ""
        os.remove(store)
        local sqlite = require("twilio_sms.store").open(store)
        local optout = require "twilio_sms.optout"
        local ledger = optout.new { account_sid = simulator.ACCOUNT_SID, store = sqlite }
        assert(ledger:opt_out(a))
        sqlite:close()
        local path = file(("to,body\n%s,x\n%s,x\n"):format(a, b))
        local plan = report(run(("%s --store %s --plan --json"):format(path, store)))
        assert.same({ 1, 1 }, { plan.suppressed, plan.to_send })
        local done = report(run(("%s --store %s --json"):format(path, store)))
        assert.same({ 1, 1, 0 }, { done.suppressed, done.sent, done.left })
        assert.same({ {}, { "x" } }, { texts_of(a), texts_of(b) })
    end)

    it("lets a row wait that cannot be sent now", function()
        local to = fresh()
        local path = file(("to,body\n%s,x\n"):format(to))
        ask("faults", "--data on=send --data action=status --data status=429 --data code=20429",
            "--data times=2 --data to=%2B" .. to:sub(2))
        local config = file "retry.rate_limit.attempts = 1\n"
        local ran = run(path .. " --json --config " .. config)
        assert.same({ 0, 1 }, { ran.status, report(ran).sent })
        assert.same({ "x" }, texts_of(to))
    end)

    it("stops when the account is refused, and goes on later", function()
        local to = fresh()
        local path = file(("to,body\n%s,x\n"):format(to))
        local ran = run(path .. " --json", { TWILIO_AUTH_TOKEN = ("1"):rep(32) })
        local done = report(ran)
        assert.same({ 4, 0, 1 }, { ran.status, done.sent, done.left })
        assert.truthy(done.stopped:find("InvalidCredentials", 1, true))
        assert.equal(1, report(run(path .. " --json")).sent)
        assert.same({ "x" }, texts_of(to))
    end)

    it("leaves nobody in doubt for ever", function()
        -- Rows of an earlier run that was killed: sent, not sent, and one that cannot be told.
        local sent, unsent, hidden = fresh(), fresh(), fresh()
        local path = file(("id,to,body\n1,%s,x\n2,%s,x\n3,%s,x\n"):format(sent, unsent, hidden))
        local first = file(("to,body\n%s,x\n%s,x\n"):format(sent, hidden))
        assert.equal(0, run(first).status)
        local client = simulator.client(sim)
        local message = client:list({ to = hidden })[1]
        client:wait(message.sid)
        assert(client:redact(message.sid))
        client:close()
        local results = io.open(path .. ".results.jsonl", "w")
        results:write(('{"account_sid":"%s","columns":["id","to","body"],"keyed_by":"id","type":"head",'
            .. '"version":1}\n'):format(simulator.ACCOUNT_SID))
        for id, to in ipairs { sent, unsent, hidden } do
            results:write(('{"at_ms":%d000,"key":"%d","row":%d,"to":"%s","type":"intent"}\n'):format(
                os.time() - 10, id, id, to))
        end
        results:close()
        local plan = report(run(path .. " --plan --json"))
        assert.same({ 3, 0 }, { plan.in_doubt, plan.to_send })
        local ran = run(path .. " --json")
        local done, notes = report(ran)
        assert.same({ 3, 1, 1, 1, 0 }, { ran.status, done.sent, done.found, done.in_doubt, done.left })
        assert.same({ row = 3, problem = "in doubt: a message of that time does not show its text any more" },
            notes[1])
        assert.same({ 1, 1 }, { #texts_of(sent), #texts_of(unsent) })
        ran = run(path .. " --json")
        assert.same({ 3, 0, 1 }, { ran.status, report(ran).sent, report(ran).in_doubt })
        ran = run(path .. " --json --retry-doubtful")
        assert.same({ 0, 1, 0 }, { ran.status, report(ran).sent, report(ran).in_doubt })
        assert.equal(2, #texts_of(hidden))
    end)

    it("reports what is in doubt", function()
        local to = fresh()
        local path = file(("to,body\n%s,x\n"):format(to))
        local config = file "in_doubt = stop\n"
        ask("faults", "--data on=send --data action=drop_after --data times=1", "--data to=%2B" .. to:sub(2))
        local ran = run(path .. " --json --config " .. config)
        local done = report(ran)
        assert.same({ 3, 0, 1, 0 }, { ran.status, done.sent, done.in_doubt, done.left })
        done = report(run(path .. " --json"))
        assert.same({ 0, 1, 1, 0 }, { done.sent, done.found, done.done_before, done.in_doubt })
        assert.same({ "x" }, texts_of(to))
    end)

    it("never sends a row in doubt again because it was edited", function()
        local to = fresh()
        local path = file(("id,to,body\n1,%s,x\n"):format(to))
        local config = file "in_doubt = stop\n"
        ask("faults", "--data on=send --data action=drop_after --data times=1", "--data to=%2B" .. to:sub(2))
        assert.equal(3, run(path .. " --config " .. config).status)
        local out = io.open(path, "w")
        out:write(("id,to,body\n1,%s,y\n"):format(to))
        out:close()
        local ran = run(path)
        assert.equal(3, ran.status)
        assert.truthy(ran.err:find("row 1: in doubt: its text or its sender has changed", 1, true), ran.err)
        out = io.open(path, "w")
        out:write(("id,to,body\n1,%s,x\n"):format(to))
        out:close()
        assert.equal(3, run(path, { TWILIO_FROM = "+15005550099" }).status)
        assert.equal(1, report(run(path .. " --json")).found)
        assert.same({ "x" }, texts_of(to))
    end)

    -- Ends a run by a signal.
    local function check_interruption(signal)
        local lines = { "to,body" }
        for _ = 1, 40 do
            lines[#lines + 1] = fresh() .. ",x"
        end
        local path = file(table.concat(lines, "\n"))
        -- One a second: two have left when it is interrupted, and the others wait for their turn.
        local text = command.shell(exports() .. ([[
            command bulk %s --json > %s.out &
            until [ "$(grep -c accepted %s.results.jsonl 2> /dev/null)" = 2 ]; do sleep 0.05; done
            kill -%s $!
            wait $!
            echo status $?
            cat %s.out
            rm %s.out
        ]]):format(path, path, path, signal, path, path))
        local status, printed = text:match "^status (%d+)\n(.*)$"
        local done = cjson.decode(printed)
        assert.same({ "130", "interrupted" }, { status, done.stopped })
        assert.truthy(done.sent >= 2 and done.sent <= 4)
        assert.same({ 40 - done.sent, 0 }, { done.left, done.in_doubt })
        local rest = report(run(path .. " --json"))
        assert.same({ 40 - done.sent, done.sent, 0 }, { rest.sent, rest.done_before, rest.found })
    end

    it("ends when it is interrupted, or its terminal closes, and says what is left", function()
        check_interruption "INT"
        check_interruption "HUP"
    end)

    it("ends at once when it is interrupted again", function()
        local to = fresh()
        local path = file(("to,body\n%s,x\n"):format(to))
        ask("faults", "--data on=send --data action=hang --data times=1", "--data to=%2B" .. to:sub(2))
        local text = command.shell(exports() .. ([[
            command bulk %s --json > %s.out &
            until curl --silent --cacert $TWILIO_CA_FILE $TWILIO_BASE_URL/_sim/traffic | grep -q %s; do
                sleep 0.05
            done
            kill -INT $!
            kill -TERM $!
            wait $!
            echo status $?
            cat %s.out
            rm %s.out
        ]]):format(path, path, to:sub(2), path, path))
        local status, printed = text:match "^status (%d+)\n(.*)$"
        local done = cjson.decode(printed)
        assert.same({ "130", 1, 0 }, { status, done.in_doubt, done.left })
        assert.same({}, texts_of(to))
        assert.equal(1, report(run(path .. " --json")).sent)
    end)

    it("stops when it cannot write down what it is about to do", function()
        local lines = { "to,body" }
        for _ = 1, 40 do
            lines[#lines + 1] = fresh() .. ",x"
        end
        local path = file(table.concat(lines, "\n"))
        local before = sim:stats().accepted
        local text = command.shell(exports() .. limit(8) .. ([[
            (command bulk %s --json --concurrency 10 %s 2> /dev/null); echo status $?
        ]]):format(path, FAST))
        local printed, status = text:match "^(.*)status (%d+)\n$"
        local done = cjson.decode(printed)
        assert.equal("74", status)
        assert.truthy(done.stopped:find "File too large")
        local accepted = sim:stats().accepted - before
        assert.truthy(accepted >= 10 and accepted < 40)
        local rest = report(run(path .. " --json"))
        assert.same({ 40, 0, 0 }, { rest.sent + rest.done_before, rest.left, rest.in_doubt })
        assert.equal(40, sim:stats().accepted - before)
    end)

    it("says what it cannot use", function()
        local path = file(("to,body\n%s,x\n"):format(fresh()))
        for line, wanted in pairs {
            ["/nowhere/x.csv"] = { 66, "/nowhere/x.csv: No such file or directory" },
            [path .. " --template x --template-file y"] = { 64, "not both" },
            [path .. " --template x"] = { 65, "which one is the text?" },
            [path .. " --results " .. path] = { 65, "it is no results file" },
            [path .. " --results /nowhere/x"] = { 65, "/nowhere/x: No such file or directory" },
            [path .. " --concurrency 0"] = { 64, "is no whole number from 1" },
            [path .. " --separator x"] = { 64, "must be one of" },
            [""] = { 64, "missing argument 'input'" },
        } do
            local ran = run(line)
            assert.equal(wanted[1], ran.status, line .. ": " .. ran.err)
            assert.truthy(ran.err:find(wanted[2], 1, true), ran.err)
        end
        local ran = command.run("bulk " .. path)
        assert.equal(78, ran.status)
        assert.truthy(ran.err:find("whose account?", 1, true))
    end)

    it("lets one run at a time use a results file", function()
        local path = file(("to,body\n%s,x\n"):format(fresh()))
        local journal = assert(require("twilio_sms.core").open_journal(path .. ".results.jsonl"))
        local ran = run(path)
        assert.equal(65, ran.status)
        assert.truthy(ran.err:find("another run is using it", 1, true))
        journal:close()
    end)
end)
