local cjson = require "cjson"
local command = require "command"
local text = require "twilio_sms.cli.text"

local function json_of(result)
    return cjson.decode(result.out)
end

-- A file that is read in the pieces of a list.
local function paper(pieces)
    local at = 0
    return {
        read = function()
            at = at + 1
            if pieces[at] == false then
                return nil, "Input/output error"
            end
            return pieces[at]
        end,
    }
end

local function lines_of(pieces)
    local lines = {}
    for line in text.lines(paper(pieces)) do
        lines[#lines + 1] = line
    end
    return lines
end

describe("the lines of a file", function()
    it("are those between its line feeds, however it is read", function()
        assert.same({}, lines_of {})
        assert.same({ "" }, lines_of { "\n" })
        assert.same({ "a", "", "b" }, lines_of { "a\n\nb" })
        assert.same({ "abc", "d\r" }, lines_of { "a", "b", "c\nd", "\r\n" })
    end)

    it("are cut where no line goes on that far", function()
        local most, piece = 16777216, ("x"):rep(1048576)
        local pieces = { "first\n" }
        for i = 1, 20 do
            pieces[i + 1] = piece
        end
        pieces[#pieces + 1] = "\nlast"
        local lines = lines_of(pieces)
        assert.same({ "first", most + 1, "last" }, { lines[1], #lines[2], lines[3] })
    end)

    it("never seem to end where they cannot be read", function()
        local ok, err = pcall(lines_of, { "a\nb", false })
        assert.same({ false, 66, "the file cannot be read: Input/output error" },
            { ok, err.status, err.message })
    end)
end)

describe("twilio-sms segments", function()
    it("counts", function()
        local result = command.run "segments 'Ihr Tisch ist bereit – bis gleich!'"
        assert.same({ 0, "" }, { result.status, result.err })
        assert.equal("encoding              UCS-2\nsegments              1\nunits                 34\n"
            .. "per_segment           70\ncharacters            34\nfirst_ucs2_character  22\n"
            .. "first_ucs2_text       –\n", result.out)
        assert.same({ encoding = "GSM-7", segments = 2, units = 161, per_segment = 153, characters = 161 },
            json_of(command.run("segments --json", nil, ("x"):rep(161) .. "\n")))
        assert.equal("GSM-7", json_of(command.run "segments --json --smart-encoded 'a – b'").encoding)
    end)

    it("reads files, and refuses what is no text", function()
        local file = command.file "Hello"
        assert.equal(5, json_of(command.run("segments --json --body-file " .. file)).units)
        os.remove(file)
        local result = command.run "segments $'\\xff'"
        assert.equal(2, result.status)
        assert.truthy(result.err:find("in another encoding?", 1, true))
        assert.equal(64, command.run("segments", nil, "").status)
        result = command.run("segments --body-file -", nil, ("x"):rep(100))
        assert.equal(0, result.status)
    end)
end)

describe("twilio-sms template", function()
    it("puts values into a text", function()
        local result = command.run("template 'Hi {{name}}, {{what}} = {{sum}}' --var name=Ann --var what=a=b "
            .. "--var sum=-1")
        assert.same({ "Hi Ann, a=b = -1\n", "GSM-7, 1 segment, 16 units\n", 0 },
            { result.out, result.err, result.status })
        result = command.run("template --default name=you --json", nil, "Hi {{name}}\n")
        assert.same({
            body = "Hi you", encoding = "GSM-7", segments = 1, units = 6, per_segment = 160, characters = 6,
        }, json_of(result))
    end)

    it("tells the worst", function()
        local result = command.run "template 'Hi {{name}}' --check --limit name=100"
        assert.equal("variables  name\nencoding   UCS-2\nsegments   4\nunits      203\n", result.out)
        result = command.run "template 'Hi {{name}}' --check --json"
        assert.same({ 1, { "name" } }, { result.status, json_of(result).unbounded })
    end)

    it("says what does not fit", function()
        for line, case in pairs {
            ["template 'Hi {{name}}'"] = { 2, "variable 'name' is missing" },
            ["template 'Hi {{name}}' --var nam=x"] = { 2, "no variable 'nam'" },
            ["template 'Hi {{name}}' --var name"] = { 64, "'name' is no pair like name=value" },
            ["template 'Hi {{name}}' --var name=a --var name=b"] = { 64, "'name' is given twice" },
            ["template 'Hi {{name}}' --limit name=x"] = { 64, "'x' is no whole number from 1" },
            ["template 'Hi {{name'"] = { 2, "not closed" },
        } do
            local result = command.run(line)
            assert.equal(case[1], result.status, line)
            assert.truthy(result.err:find(case[2], 1, true), result.err)
        end
    end)
end)

describe("twilio-sms verify", function()
    local TOKEN = { TWILIO_AUTH_TOKEN = "0123456789abcdef0123456789abcdef" }
    local GOOD = "verify --url 'https://example.com/sms?tenant=42' --signature uTIZNcMI7Ynz4UcEiLQambzWJrI= "

    it("knows a good signature, however the body is given", function()
        for line, input in pairs {
            ["--param From=+15558675310 --param Body=Hello"] = false,
            ["--body 'From=%2B15558675310&Body=Hello'"] = false,
            ["--body-file -"] = "From=%2B15558675310&Body=Hello",
        } do
            local result = command.run(GOOD .. line, TOKEN, input or nil)
            assert.equal(0, result.status, result.err)
            assert.truthy(result.out:find "^verdict: good\n")
            assert.is_true(json_of(command.run(GOOD .. "--json " .. line, TOKEN, input or nil)).genuine)
        end
    end)

    it("explains a wrong one", function()
        local result = command.run(GOOD .. "--body 'From=%2B15558675310&Body=Hello%0A'", TOKEN)
        assert.equal(1, result.status)
        assert.truthy(result.out:find "^verdict: the signature is wrong\n")
        result = command.run(GOOD .. "--json", TOKEN)
        assert.same({ 1, false, "the signature is wrong" },
            { result.status, json_of(result).genuine, json_of(result).why })
    end)

    it("says what it needs", function()
        for line, case in pairs {
            [GOOD] = { 78, "the auth token is needed" },
            ["verify --signature x"] = { 64, "option '--url' is needed" },
            ["verify --url x"] = { 64, "option '--signature' is needed" },
            [GOOD .. "--body x --param a=b"] = { 64, "one of them" },
            [GOOD .. "--body-file /nowhere"] = { 66, "/nowhere" },
        } do
            local result = command.run(line)
            assert.equal(case[1], result.status, line)
            assert.truthy(result.err:find(case[2], 1, true), result.err)
        end
        local key = { TWILIO_API_KEY = "SK" .. ("1"):rep(32), TWILIO_API_SECRET = ("s"):rep(32) }
        assert.truthy(command.run(GOOD, key).err:find("an API key verifies nothing", 1, true))
    end)
end)
