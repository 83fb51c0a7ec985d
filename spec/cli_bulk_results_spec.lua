local core = require "twilio_sms.core"
local results = require "twilio_sms.cli.bulk.results"

local BY_ROW = { account_sid = "AC1", columns = { "to", "body" }, keyed_by = "row" }
local BY_ID = { account_sid = "AC1", columns = { "id", "to", "body" }, keyed_by = "id", template = "t1" }

local function row(number, key)
    return { number = number, key = key or "key" .. number, fields = { to = "+1555000" .. number } }
end

describe("the results file of bulk", function()
    local path

    before_each(function()
        path = os.tmpname()
        os.remove(path)
    end)

    after_each(function()
        os.remove(path)
    end)

    local function contents()
        local file = assert(io.open(path, "rb"))
        local text = file:read "*a"
        file:close()
        return text
    end

    local function put(text)
        local file = assert(io.open(path, "wb"))
        file:write(text)
        file:close()
    end

    -- Writes rows with these outcomes; false for none.
    local function write(identity, outcomes)
        local file = assert(results.open(path, identity))
        for number, outcome in ipairs(outcomes) do
            assert(file:intend { row(number) })
            if outcome then
                file:conclude(row(number), { outcome = outcome, sid = "SM" .. number })
                assert(file:write())
            end
        end
        assert(file:close())
    end

    local ALL = {
        "accepted", "rejected", "not_sent", "throttled", "suppressed", "in_doubt", "accepted_no_sid", false,
    }
    local STATES = { "done", "done", "new", "new", "new", "doubtful", "doubtful", "doubtful", "new" }

    it("remembers what is done, and what is in doubt", function()
        for _, identity in ipairs { BY_ROW, BY_ID } do
            write(identity, ALL)
            local file = assert(results.open(path, identity))
            for number, state in ipairs(STATES) do
                assert.equal(state, file:state(row(number)))
            end
            assert.equal("+15550008", file.doubtful.key8.to)
            assert.equal("accepted_no_sid", file.doubtful.key7.outcome)
            file:close()
            os.remove(path)
        end
    end)

    it("has an intent for each row, and an outcome for each that ended", function()
        write(BY_ROW, { "accepted", false })
        local lines = {}
        for line in contents():gmatch "[^\n]+" do
            lines[#lines + 1] = assert(core.json_decode(line))
        end
        assert.same({ type = "head", version = 1, account_sid = "AC1", columns = { "to", "body" },
            keyed_by = "row" }, lines[1])
        assert.same({ "intent", "outcome", "intent" }, { lines[2].type, lines[3].type, lines[4].type })
        assert.same({ "key1", 1, "accepted", "SM1" }, { lines[3].key, lines[3].row, lines[3].outcome,
            lines[3].sid })
        assert.same({ "+15550002", "key2" }, { lines[4].to, lines[4].key })
        assert.equal(4, #lines)
    end)

    it("notices that another row stands where one was sent", function()
        write(BY_ROW, ALL)
        local file = assert(results.open(path, BY_ROW))
        local states = {}
        for number = 1, 8 do
            states[number] = file:state(row(number, "another"))
        end
        -- Nobody was texted for the second: it may be corrected.
        assert.same({ "changed", "new", "new", "new", "new", "changed", "changed", "changed" }, states)
        file:close()
    end)

    it("can be cut anywhere, as by a kill", function()
        write(BY_ROW, { "accepted", "rejected", false })
        local whole = contents()
        for size = 0, #whole do
            put(whole:sub(1, size))
            local file = assert(results.open(path, BY_ROW), size)
            local begun = select(2, whole:sub(1, size):gsub("}\n", ""))
            begun = whole:sub(1, size):find "}$" and begun + 1 or begun
            local wanted = { begun < 2 and "new" or begun < 3 and "doubtful" or "done",
                begun < 4 and "new" or begun < 5 and "doubtful" or "done", begun < 6 and "new" or "doubtful" }
            assert.same(wanted, { file:state(row(1)), file:state(row(2)), file:state(row(3)) }, size)
            assert(file:intend { row(4) })
            assert(file:close())
            file = assert(results.open(path, BY_ROW), size) -- what was added is whole
            assert.equal("doubtful", file:state(row(4)))
            file:close()
        end
    end)

    it("takes what a loss of power leaves at its end", function()
        write(BY_ROW, { "accepted" })
        local whole = contents()
        put(whole .. ("\0"):rep(500))
        local file = assert(results.open(path, BY_ROW))
        assert.equal("done", file:state(row(1)))
        file:close()
        assert.equal(whole, contents())
    end)

    it("is refused when it is damaged in the middle", function()
        write(BY_ROW, { "accepted", "accepted" })
        local whole = contents()
        local damaged = whole:gsub('"type":"outcome"', '"type":"outcom"', 1)
        put(damaged)
        local file, why = results.open(path, BY_ROW)
        assert.is_nil(file)
        assert.equal(path .. ": line 3 is damaged", why)
        assert.equal(damaged, contents())
    end)

    it("is refused when it belongs to something else", function()
        write(BY_ID, { "accepted" })
        local whole = contents()
        for wanted, change in pairs {
            ["it is of the account AC1"] = { account_sid = "AC2" },
            ["it was written with another template"] = { template = "t2" },
            ['it is of another input, with the columns ["id","to","body"]'] = { columns = { "id", "to" } },
        } do
            local identity = {}
            for name, value in pairs(BY_ID) do
                identity[name] = change[name] or value
            end
            local file, why = results.open(path, identity)
            assert.is_nil(file)
            assert.equal(path .. ": " .. wanted .. "; a new campaign takes another file: --results", why)
        end
        for _, text in ipairs { "to,body\n+1,x\n", "to,body", '{"to":"+1"}', '{"to":"+1"}\n', "\n" } do
            put(text)
            local file, why = results.open(path, BY_ID)
            assert.is_nil(file)
            assert.equal(path .. ": it is no results file", why)
            assert.equal(text, contents())
        end
        put((whole:gsub('"version":1', '"version":2')))
        assert.truthy(select(2, results.open(path, BY_ID)):find "another version")
    end)

    it("belongs to nobody while it has no rows", function()
        write(BY_ID, {})
        write(BY_ROW, { "accepted" })
        local file = assert(results.open(path, BY_ROW))
        assert.equal("done", file:state(row(1)))
        file:close()
    end)

    -- A head that is longer than what is read at once was taken for one that nobody could end, and all that
    -- was sent was forgotten.
    it("takes no head that it could not read again", function()
        local long = { account_sid = "AC1", columns = { "to", ('"'):rep(40000) }, keyed_by = "row" }
        assert.same({ nil, path .. ": the names of the columns are too long" },
            { results.open(path, long) })
        local text = ('{"account_sid":"AC1","columns":["to","%s"]'):format(('\\"'):rep(40000)) .. "\nx\n"
        put(text)
        assert.same({ nil, path .. ": it is no results file" }, { results.open(path, long) })
        assert.equal(text, contents())
    end)

    it("is one run's at a time", function()
        local file = assert(results.open(path, BY_ROW))
        assert.same({ nil, path .. ": another run is using it" }, { results.open(path, BY_ROW) })
        file:close()
        file = assert(results.open(path, BY_ROW))
        file:close()
        assert.same({ nil, "/nowhere/x: No such file or directory" }, { results.open("/nowhere/x", BY_ROW) })
    end)

    it("lets doubt end", function()
        write(BY_ROW, { false, false })
        local file = assert(results.open(path, BY_ROW))
        file:conclude(row(1), { outcome = "accepted", sid = "SM1" })
        file:conclude(row(2), { outcome = "not_sent" })
        assert.same({ "done", "new" }, { file:state(row(1)), file:state(row(2)) })
        file:close()
    end)

    it("knows the messages of certain people", function()
        write(BY_ROW, { "accepted", "accepted", false })
        local file = assert(results.open(path, BY_ROW))
        assert.same({ SM1 = true }, file:sids_of { ["+15550001"] = true, ["+15550003"] = true })
        file:close()
    end)

    it("learns how the clocks differ", function()
        write(BY_ROW, {})
        local file = assert(results.open(path, BY_ROW))
        file:conclude(row(1), { outcome = "accepted", created_s = core.time_ms() / 1000 - 1000 })
        file:close()
        file = assert(results.open(path, BY_ROW))
        assert.truthy(math.abs(file.clock_ahead_s - 1000) < 2)
        file:close()
    end)

    it("forgets the intent of a row that it could not write", function()
        local file = assert(results.open(path, BY_ROW))
        local journal = file.journal
        file.journal = {
            append = function() return nil, "No space left on device" end, close = function() end,
        }
        file:conclude(row(1), { outcome = "accepted" })
        assert.same({ nil, path .. ": No space left on device" }, { file:intend { row(2), row(3) } })
        file.journal = journal
        assert(file:close())
        local text = contents()
        assert.truthy(text:find '"key":"key1"')
        assert.is_nil(text:find '"key":"key[23]"')
        assert.truthy(text:find '"outcome":"accepted"')
    end)
end)
