local memory = require "twilio_sms.memory"
local file = require "twilio_sms.optout.file"
local optout = require "twilio_sms.optout"

local NOW = 1700000000
local PERSON, OTHER = "+15558675310", "+15558675311"
local SERVICE = "MG" .. ("0"):rep(31) .. "1"

local function new_ledger(store)
    return optout.new { store = store, clock = function() return NOW end }
end

-- Every row that a text gives: rows, and lines and reasons of what was refused.
local function read(text, format)
    local rows, refused = {}, {}
    for row, line, why in file.rows(text, format or "csv", NOW) do
        if row then
            rows[#rows + 1] = row
        else
            refused[#refused + 1] = { line, why }
        end
    end
    return rows, refused
end

local function states_of(ledger)
    local states = {}
    for _, entry in ledger:list() do
        states[#states + 1] = entry
    end
    return states
end

local function text_of(ledger, format)
    local pieces = {}
    local count = ledger:export(format, function(piece) pieces[#pieces + 1] = piece end)
    return table.concat(pieces), count
end

describe("CSV", function()
    it("needs no more than numbers", function()
        local rows, refused = read("number\n" .. PERSON .. "\n")
        assert.same({}, refused)
        assert.same({
            { number = PERSON, scope = "*", state = "opted_out", source = "import", at = NOW },
        }, rows)
    end)

    it("takes columns in any order, and leaves unknown ones alone", function()
        local rows = read('\239\187\191Name, NOTE ,At,State,number,scope,source\r\n'
            .. 'Ann,"said ""no"", twice",1600000000,opted_in,"+1 (555) 867-5310",sms:+15005550006,web\r\n')
        assert.same({ {
            number = PERSON, scope = "+15005550006", state = "opted_in", source = "web", at = 1600000000,
            note = 'said "no", twice',
        } }, rows)
    end)

    it("takes line ends of all sorts, blank lines and no line end at last", function()
        for _, text in ipairs {
            "number\n+15558675310\n\n+15558675311", "number\r\n+15558675310\r\n+15558675311\r\n",
            'number\n"+15558675310"\r\n"+15558675311"',
        } do
            local rows, refused = read(text)
            assert.same({}, refused)
            assert.equal(2, #rows)
            assert.equal(OTHER, rows[2].number)
        end
    end)

    it("takes a cell of several lines, from a text and from a function", function()
        local text = 'number,note\r\n+15558675310,"one\r\ntwo\n\n,three"\r\n+15558675311,x\r\n'
        local lines = {}
        for line in text:gmatch "([^\n]*)\n" do
            lines[#lines + 1] = line
        end
        local at = 0
        for _, source in ipairs { text, function() at = at + 1 return lines[at] end } do
            local rows, refused = read(source)
            assert.same({}, refused)
            assert.equal("one\r\ntwo\n\n,three", rows[1].note)
            assert.equal(OTHER, rows[2].number)
        end
    end)

    it("reads times of several forms", function()
        for text, at in pairs {
            ["1600000000"] = 1600000000, ["2020-09-13T12:26:40Z"] = 1600000000,
            ["2020-09-13 12:26:40"] = 1600000000,
            ["2020-09-13T14:26:40+02:00"] = 1600000000, ["2020-09-13"] = 1599955200, [""] = NOW, ["0"] = 0,
        } do
            assert.equal(at, read("number,at\n" .. PERSON .. "," .. text)[1].at)
        end
    end)

    it("is an error when nothing of it can be taken", function()
        local ledger = require("twilio_sms.optout").new {}
        for _, text in ipairs { "", "phone\n+15551234567\n", "number;at\n+15551234567;1\n", "list.csv" } do
            local report, err = ledger:import(text, "csv")
            assert.is_nil(report)
            assert.equal("MessageError.InvalidRequest", err.type)
            assert.truthy(err.message:find("the first line must name the columns", 1, true))
        end
        assert.is_nil((ledger:import("{nonsense", "json")))
        local report = assert(ledger:import("number\nnonsense\n+15551234567\n", "csv"))
        assert.same({ 2, 1, 1 }, { report.rows, report.changed, #report.refused })
    end)

    it("says of each row that it refuses the line and why", function()
        local rows, refused = read(table.concat({
            "number,scope,state,at,note",
            "15558675310,,,,",
            PERSON .. ",,gone,,",
            PERSON .. ",,opted_in,,",
            PERSON .. ",,,tomorrow,",
            PERSON .. ",,,1800000000,",
            PERSON .. ",,,-5,",
            PERSON .. ",,,1.5,",
            PERSON .. ",,,nan,",
            PERSON .. ",a\1b,,,",
            PERSON .. ',,,,"a" b',
            PERSON .. ",,,,\255",
            PERSON .. ",,,," .. ("x"):rep(1001),
            ",,,,",
            PERSON .. ",,,," .. ("x"):rep(70000),
            OTHER,
            PERSON .. ',,,,"never closed',
            "the end",
        }, "\n"))
        assert.equal(1, #rows)
        assert.equal(OTHER, rows[1].number)
        for i, wanted in ipairs {
            { 2, "'number' cannot be used: it is neither E.164" },
            { 3, "'state' must be opted_out or opted_in" },
            { 4, "opted_in needs the time" }, { 5, "'at' is neither" }, { 6, "'at' is neither" },
            { 7, "'at' is neither" }, { 8, "'at' is neither" }, { 9, "'at' is neither" },
            { 10, "'scope' cannot be used: write E.164" },
            { 11, "something between a cell and the next comma" },
            { 12, "not UTF-8" }, { 13, "longer than 1000" }, { 14, "it is empty" },
            { 15, "the line is too long" }, { 17, "a quote is not closed" },
        } do
            assert.equal(wanted[1], refused[i][1])
            assert.is_truthy(refused[i][2]:find(wanted[2], 1, true), refused[i][2])
        end
        assert.equal(15, #refused)
    end)

    it("needs a header", function()
        for _, text in ipairs { "", "\n", PERSON .. "\n" .. OTHER, "name,phone\nAnn," .. PERSON } do
            local rows, refused = read(text)
            assert.same({}, rows)
            assert.equal(1, #refused)
            assert.matches("the first line must name the columns", refused[1][2])
        end
    end)

    it("refuses scopes that would protect nobody", function()
        for _, scope in ipairs {
            "15005550006", "(555) 000-1111", "555-0006", "MG123456789012", "MG" .. ("x"):rep(32), "+1", "12",
            "Acme, Inc.", "Acme & Company", ("1"):rep(9), "AC" .. ("0"):rep(32), "**",
        } do
            local _, refused = read(('number,scope\n%s,"%s"'):format(PERSON, scope))
            assert.is_truthy(refused[1], scope)
            assert.matches("^'scope' cannot be used: write E.164", refused[1][2])
        end
        for scope, name in pairs {
            ["+1 (500) 555-0006"] = "+15005550006", [SERVICE:lower()] = SERVICE, ["72727"] = "72727",
            ["ACME"] = "acme", ["sms:+15005550006"] = "+15005550006", ["*"] = "*", [""] = "*",
            ["WhatsApp:+15005550006"] = "whatsapp:+15005550006", ["rcs:acme_agent"] = "rcs:acme_agent",
        } do
            assert.equal(name, read(('number,scope\n%s,"%s"'):format(PERSON, scope))[1].scope)
        end
    end)

    it("gives up a cell that grows without end", function()
        local begin, lines = { "number,note", PERSON .. ',"' }, 0
        local _, refused = read(function()
            lines = lines + 1
            return begin[lines] or lines < 40000 and "x" or nil
        end)
        assert.matches("is a quote not closed", refused[1][2])
        assert.equal(2, refused[1][1])
    end)

    it("keeps spreadsheets from taking texts for formulas", function()
        local ledger = new_ledger()
        ledger:opt_out(PERSON, { note = "=1+1", source = "@SUM(A1)" })
        local text = text_of(ledger, "csv")
        assert.equal("number,scope,state,source,at,keyword,class,message_sid,note\r\n"
            .. "+15558675310,*,opted_out,'@SUM(A1),1700000000,,,,'=1+1\r\n", text)
        local rows = read(text)
        assert.same({ "=1+1", "@SUM(A1)" }, { rows[1].note, rows[1].source })
    end)
end)

describe("JSON", function()
    it("is one object a line, or an array", function()
        local one = '{"number":"+15558675310","note":"a\\nb","more":[1,{}]}'
        local two = ('{"number":"+1 555 867 5311","scope":"%s","state":"opted_in","at":1600000000}'):format(
            SERVICE:lower())
        for _, text in ipairs {
            one .. "\n" .. two, "\n" .. one .. "\r\n\n" .. two .. "\n\n", "[" .. one .. "," .. two .. "]",
            "\239\187\191 [\n" .. one .. ",\n" .. two .. "\n]\n",
        } do
            local rows, refused = read(text, "json")
            assert.same({}, refused)
            assert.same({
                {
                    number = PERSON, scope = "*", state = "opted_out", source = "import", at = NOW,
                    note = "a\nb",
                },
                { number = OTHER, scope = SERVICE, state = "opted_in", source = "import", at = 1600000000 },
            }, rows)
        end
    end)

    it("says of each row that it refuses the line and why", function()
        local rows, refused = read(table.concat({
            '{"number":"+15558675310"', "7", "null", '"x"', "[]", '{"number":15558675310}',
            '{"number":"+15558675310","state":true}', '{"number":"+15558675310","at":"soon"}',
            '{"number":"+15558675310","at":1e300}', '{"note":"x"}', '{"number":"+15558675311"}',
            '{"number":"+15558675310","note":"' .. ("x"):rep(70000) .. '"}',
        }, "\n"), "json")
        assert.equal(OTHER, rows[1].number)
        for i, wanted in ipairs {
            { 1, "no JSON object" }, { 2, "no JSON object" }, { 3, "no JSON object" },
            { 4, "no JSON object" }, { 5, "it is empty" }, { 6, "'number' must be text" },
            { 7, "'state' must be text" }, { 8, "'at' is" }, { 9, "'at' is" }, { 10, "it is empty" },
            { 12, "the line is too long" },
        } do
            assert.equal(wanted[1], refused[i][1])
            assert.is_truthy(refused[i][2]:find(wanted[2], 1, true), refused[i][2])
        end
        rows, refused = read('[{"number":"+15558675310"}, 5, {"number":"1"}]', "json")
        assert.equal(1, #rows)
        assert.same({ 2, 3 }, { refused[1][1], refused[2][1] })
        rows, refused = read('[{"number":"+15558675310"},', "json")
        assert.same({}, rows)
        assert.matches("it is no JSON", refused[1][2])
        assert.same({ {}, {} }, { read("", "json") })
        assert.same({ {}, {} }, { read("[]", "json") })
        rows, refused = read("[\n" .. (" "):rep(16777216) .. "]", "json")
        assert.same({ {}, { { 1, "the array is longer than 16 MiB: write one object a line" } } },
            { rows, refused })
    end)
end)

describe("import", function()
    it("takes good rows and reports bad ones", function()
        local ledger = new_ledger()
        local report = ledger:import("number\n" .. PERSON .. "\n555\n" .. OTHER .. "\n", "csv")
        assert.same({ 3, 2, 0, 0 }, { report.rows, report.changed, report.same, report.older })
        assert.equal(1, #report.refused)
        assert.equal(3, report.refused[1].line)
        assert.equal("opted_out", (ledger:status(OTHER)))
        assert.equal("import", ledger:history(PERSON)[1].source)
    end)

    it("takes all rows or none, if asked", function()
        local ledger = new_ledger()
        local report = ledger:import("number\n" .. PERSON .. "\n555\n", "csv", { all_or_nothing = true })
        assert.same({ 2, 0, 1 }, { report.rows, report.changed, #report.refused })
        assert.equal("unknown", (ledger:status(PERSON)))
        report = ledger:import("number\n" .. PERSON .. "\n", "csv", { all_or_nothing = true })
        assert.same({ 1, 1, 0 }, { report.rows, report.changed, #report.refused })
    end)

    it("counts all bad rows, and names the first thousand", function()
        local rows = { "number", PERSON }
        for i = 1, 1001 do
            rows[i + 2] = "x"
        end
        for _, all_or_nothing in ipairs { false, true } do
            local report = new_ledger():import(table.concat(rows, "\n"), "csv", {
                all_or_nothing = all_or_nothing,
            })
            assert.same({ 1001, 1000, 1002 },
                { report.refused_count, #report.refused, report.refused[1000].line })
            assert.equal(all_or_nothing and 0 or 1, report.changed)
        end
        local _, _, report = new_ledger():import("number" .. ("\nx"):rep(1001), "csv")
        assert.same({ 1001, 1001 }, { report.rows, report.refused_count })
    end)

    it("never replaces what is newer", function()
        local ledger = new_ledger()
        ledger:opt_out(PERSON)
        local function import(state, at)
            local report = ledger:import(("number,state,at\n%s,%s,%d"):format(PERSON, state, at), "csv")
            return report.changed, report.older, report.same
        end
        assert.same({ 0, 1, 0 }, { import("opted_in", NOW - 1) })
        assert.same({ 0, 0, 1 }, { import("opted_in", NOW) })
        assert.equal("opted_out", (ledger:status(PERSON)))
        assert.same({ 1, 0, 0 }, { import("opted_in", NOW + 1) })
        assert.equal("opted_in", (ledger:status(PERSON)))
        assert.same({ 1, 0, 0 }, { import("opted_out", NOW + 1) })
        assert.equal("opted_out", (ledger:status(PERSON)))
    end)

    it("does the same twice without effect, also within one file", function()
        local ledger = new_ledger()
        local text = ("number,at\n%s,5\n%s,6\n%s,6\n%s,5\n"):format(PERSON, PERSON, PERSON, PERSON)
        local report = ledger:import(text, "csv")
        assert.same({ 1, 2, 1 }, { report.changed, report.same, report.older })
        local entries = #ledger:history(PERSON)
        report = ledger:import(text, "csv")
        assert.same({ 0, 2, 2 }, { report.changed, report.same, report.older })
        assert.equal(entries, #ledger:history(PERSON))
    end)

    it("takes many rows, and knows which were written when the store fails", function()
        local store, writes = memory.new(), 0
        local failing = setmetatable({}, { __index = function(_, name)
            return function(_, ...)
                writes = writes + (name == "write" and 1 or 0)
                if writes == 3 then
                    return nil, { message = "full" }
                end
                return store[name](store, ...)
            end
        end })
        local lines = { "number" }
        for i = 1, 250 do
            lines[i + 1] = ("+1555%07d"):format(i)
        end
        local done, err, report = new_ledger(failing):import(table.concat(lines, "\n"), "csv")
        assert.is_nil(done)
        assert.equal("full", err.message)
        assert.equal(200, report.changed)
        report = new_ledger(store):import(table.concat(lines, "\n"), "csv")
        assert.same({ 250, 50, 200 }, { report.rows, report.changed, report.same })
    end)
end)

describe("export", function()
    it("gives what import takes back, whatever the texts are", function()
        local seed = 11
        local function random(n)
            seed = (seed * 16807) % 2147483647
            return seed % n + 1
        end
        local pieces = {
            '"', "'", ",", "\n", "\r\n", "\r", "=cmd", "+1", "-", "@x", "\t", " ", "é", "🛑", "\0", "\\", "a",
            "''=", "{}",
        }
        local function text()
            local out = {}
            for i = 1, random(6) do
                out[i] = pieces[random(#pieces)]
            end
            return table.concat(out)
        end
        local ledger = new_ledger()
        for i = 1, 300 do
            local method = random(2) == 1 and "opt_out" or "opt_in"
            local scope = ({ "*", "+15005550006", SERVICE, "Acme & Co", "line:-x=,\"" })[random(5)]
            assert(ledger[method](ledger, ("+1555%07d"):format(random(200)), {
                scope = scope, source = text(), keyword = text(), note = text(), message_sid = "SM" .. i,
            }))
        end
        ledger:opt_out 'line:"quoted",and-more'
        ledger:learn { type = "inbound", from = "72727", to = "+15005550006", body = "STOP" }
        local states = states_of(ledger)
        assert.is_true(#states > 150)
        for _, format in ipairs { "csv", "json" } do
            local exported, count = text_of(ledger, format)
            assert.equal(#states, count)
            local copy = new_ledger()
            local report = copy:import(exported, format)
            assert.same({}, report.refused)
            assert.equal(#states, report.changed)
            assert.same(states, states_of(copy))
            assert.equal(exported, (text_of(copy, format)))
        end
    end)

    it("ends when the writer fails", function()
        local ledger = new_ledger()
        ledger:opt_out(PERSON)
        ledger:opt_out(OTHER)
        for fails_at = 1, 3 do
            local calls = 0
            local count, err = ledger:export("csv", function()
                calls = calls + 1
                if calls == fails_at then
                    return nil, "no space"
                end
                return true
            end)
            assert.is_nil(count)
            assert.equal("no space", err)
            assert.equal(fails_at, calls)
        end
    end)
end)
