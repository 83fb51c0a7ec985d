local cjson = require "cjson"
local command = require "command"
local limit = require("files").limit

describe("twilio-sms optout", function()
    local env = { TWILIO_ACCOUNT_SID = "AC" .. ("0"):rep(31) .. "1" }
    local store

    before_each(function()
        store = os.tmpname()
        os.remove(store)
    end)

    after_each(function()
        assert(os.execute("rm -f " .. store .. "*"))
    end)

    local function run(line, input)
        return command.run(("optout %s --store %s"):format(line, store), env, input)
    end

    it("keeps who opted out", function()
        local result = run "add +15558675310 --note 'phone call' --source clerk"
        assert.same({ "number   +15558675310\nstate    opted_out\nchanged  true\n", 0 },
            { result.out, result.status })
        result = run "status +15558675310 --json"
        local found = cjson.decode(result.out)
        assert.same({ 1, "opted_out", "phone call", "clerk" },
            { result.status, found.state, found.note, found.source })
        assert.truthy(found.at:find "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$")
        result = run "status +15558675311"
        assert.same({ "number  +15558675311\nstate   unknown\n", 0 }, { result.out, result.status })
        result = run "remove +15558675310"
        assert.same({ "number   +15558675310\nstate    opted_in\nchanged  true\n", 0 },
            { result.out, result.status })
        result = run "history +15558675310"
        assert.truthy(result.out:find "\n%S+ +opted_out +%* +clerk .*phone call\n%S+ +opted_in ", result.out)
    end)

    it("keeps scopes apart", function()
        assert.equal(0, run("add +15558675310 --scope +15005550006").status)
        assert.equal(1, run("status +15558675310 --scope +15005550006").status)
        assert.equal(0, run("status +15558675310 --scope +15005550007").status)
        assert.equal(2, run("add +15558675310 --scope 15005550006").status)
    end)

    it("lists", function()
        for i = 1, 3 do
            assert.equal(0, run("add +1555867531" .. i).status)
        end
        assert.equal(0, run("remove +15558675312").status)
        local result = run "list --state opted_out"
        local wanted = "^NUMBER +STATE +SCOPE +AT +SOURCE +NOTE\n%+15558675311 .*\n%+15558675313 [^\n]*\n$"
        assert.truthy(result.out:find(wanted), result.out)
        assert.equal(3, select(2, run("list --json").out:gsub("\n", "")))
        assert.is_nil(run("list --mask").out:find("+1555", 1, true))
        assert.is_nil(run("list --mask --json").out:find("+1555", 1, true))
        assert.equal(64, run("list --state maybe").status)
    end)

    it("gives everything out, and takes it in", function()
        assert.equal(0, run("add +15558675310 --note 'a, \"b\"'").status)
        local file = os.tmpname()
        for format, name in pairs { csv = file .. ".csv", json = file .. ".jsonl" } do
            local result = run("export --format " .. format)
            assert.equal(0, result.status)
            assert.same("rows  1\nfile  " .. name .. "\n", run("export " .. name).out)
            local written = assert(io.open(name))
            assert.equal(result.out, written:read "*a")
            written:close()
            result = run("import " .. name)
            assert.same({ "rows     1\nchanged  0\nsame     1\nolder    0\nrefused  0\n", 0 },
                { result.out, result.status })
            result = run("export " .. name) -- nothing is written over
            assert.equal(74, result.status)
            assert.truthy(result.err:find("it exists already: name a new one", 1, true))
            local mode = io.popen("stat -c %a " .. name)
            assert.equal("600", mode:read "*l")
            mode:close()
            os.remove(name)
        end
        os.remove(file)
    end)

    it("gives it out on standard output for a minus sign, too", function()
        assert.equal(0, run("add +15558675310").status)
        local result = run "export -"
        assert.same({ run("export").out, "", 0 }, { result.out, result.err, result.status })
        assert.is_nil(io.open "-")
    end)

    it("leaves no half of a list behind", function()
        local rows = { "number,state\n" }
        for i = 1, 4000 do
            rows[#rows + 1] = ("+1555%07d,opted_out\n"):format(i)
        end
        local list, half = command.file(table.concat(rows)), os.tmpname()
        os.remove(half)
        assert.equal(0, run("import " .. list).status)
        local text = command.shell(limit(64) .. ("export TWILIO_ACCOUNT_SID=%s; "
            .. "(command optout export %s --store %s) 2>&1; echo \"status $?\""):format(
            env.TWILIO_ACCOUNT_SID, half, store))
        assert.equal("twilio-sms optout: cannot write the list: File too large\nstatus 74\n", text)
        assert.is_nil(io.open(half))
        assert.equal(74, run("export > /dev/full").status)
        os.remove(list)
    end)

    it("shows what a row says as what it is", function()
        local result = run("import -", "number,state,\27[31m\n+15558675310,opted_out,x\n")
        assert.is_nil((result.out .. result.err):find "\27", result.err)
    end)

    it("names the rows that it does not take", function()
        local rows = "number,state\n+15558675310,opted_out\nnobody,opted_out\n"
        local result = run("import -", rows)
        assert.same({ "rows     2\nchanged  1\nsame     0\nolder    0\nrefused  1\n", 1 },
            { result.out, result.status })
        assert.truthy(result.err:find "^line 3: ", result.err)
        assert.equal(3, cjson.decode(run("import - --json", rows).out).refused_rows[1].line)
        rows = "number,state\n+15558675399,opted_out\nx,opted_out\n"
        assert.equal(1, run("import - --all-or-nothing", rows).status)
        assert.equal(0, run("status +15558675399").status)
        assert.equal(66, run("import /nowhere").status)
        assert.equal(66, run("import /").status)
    end)

    it("names the first rows of many that it does not take", function()
        local rows = "number\n+15558675310\n" .. ("x\n"):rep(1003)
        local result = run("import -", rows)
        assert.same({ "rows     1004\nchanged  1\nsame     0\nolder    0\nrefused  1003\n", 1 },
            { result.out, result.status })
        assert.equal(1001, select(2, result.err:gsub("\n", "")))
        assert.truthy(result.err:find "\nline 1002: [^\n]*\n%.%.%. and 3 more%.\n$")
        local answer = cjson.decode(run("import - --json", rows).out)
        assert.same({ 1003, 1000 }, { answer.refused, #answer.refused_rows })
    end)

    it("takes rows beside a line without an end", function()
        local path = os.tmpname()
        for _, options in ipairs { "", "--all-or-nothing" } do
            local file = assert(io.open(path, "wb"))
            file:write "number\n+15558675310\n"
            for _ = 1, 33 do
                file:write(("x"):rep(1048576))
            end
            file:write "\n+15558675311"
            file:close()
            local result = run(("import %s %s"):format(path, options))
            assert.same({ 1, options == "" and 2 or 0 },
                { result.status, tonumber(result.out:match "changed  (%d+)") })
            assert.equal("line 3: the line is too long\n", result.err)
            assert(os.execute("rm -f " .. store .. "*"))
        end
        os.remove(path)
    end)

    it("never takes a list that is not there for an empty one", function()
        for _, line in ipairs { "status +15558675310", "list", "export", "remove +15558675310" } do
            local result = run(line)
            assert.equal(66, result.status)
            assert.truthy(result.err:find("is it the path of the opt-out list?", 1, true), result.err)
        end
        assert.is_nil(io.open(store))
        env.TWILIO_ACCOUNT_SID = nil
        local result = run "add +15558675310"
        assert.equal(78, result.status)
        assert.truthy(result.err:find("--all-accounts", 1, true))
        assert.equal(0, run("add +15558675310 --all-accounts").status)
        env.TWILIO_ACCOUNT_SID = "AC" .. ("0"):rep(31) .. "1"
        assert.equal(1, run("status +15558675310").status) -- it counts for all
        assert.equal(78, command.run("optout list", env).status)
        assert.equal(78, command.run("optout list --store /", env).status)
    end)
end)
