local core = require "twilio_sms.core"
local failure = require "twilio_sms.cli.failure"
local json = require "twilio_sms.cli.json"
local output = require "twilio_sms.cli.output"
local terminal = require "twilio_sms.cli.terminal"

describe("JSON for programs", function()
    it("has its members in order", function()
        assert.equal('{"a":[1,2.5],"b":{"c":true},"d":"\\"\\n"}',
            json.encode { d = '"\n', b = { c = true }, a = { 1, 2.5 } })
        assert.equal('{"a":[],"b":{}}', json.encode { a = json.list {}, b = {} })
        assert.equal('["x"]', json.encode(json.list { "x" }))
    end)

    it("holds nothing that a terminal obeys, and means the same", function()
        for text, wanted in pairs {
            ["\27[31m"] = [["\u001b[31m"]], ["\194\155x\127"] = [["\u009bx\u007f"]],
            ["\226\128\174a\226\129\166"] = [["\u202ea\u2066"]], ["\216\156"] = [["\u061c"]],
            ["é €\226\128\147"] = '"é €\226\128\147"',
        } do
            assert.equal(wanted, json.encode(text))
            assert.equal(text, core.json_decode("[" .. wanted .. "]")[1])
        end
    end)

    it("replaces what JSON cannot hold", function()
        assert.equal('"a\239\191\189b"', json.encode "a\255b")
        assert.equal("null", json.encode(0 / 0))
    end)
end)

describe("texts for a terminal", function()
    it("are escaped where a terminal would obey them", function()
        for text, shown in pairs {
            ["plain é €"] = "plain é €", ["\27[2J"] = "\\x1b[2J", ["a\r\nb\nc\td"] = "a\\nb\\nc\\x09d",
            ["\0\127"] = "\\x00\\x7f", ["\194\155"] = "\\xc2\\x9b", ["\226\128\174x"] = "\\xe2\\x80\\xaex",
            ["\226\129\166"] = "\\xe2\\x81\\xa6", ["a\255é"] = "a\\xff\\xc3\\xa9",
            ["\216\156"] = "\\xd8\\x9c",
        } do
            assert.equal(shown, terminal.escape(text))
        end
    end)

    it("are cut by characters", function()
        assert.equal("ééé", terminal.cut("ééé", 3))
        assert.equal("é...", terminal.cut("ééééé", 4))
        assert.equal(5, terminal.length "ééééé")
    end)
end)

describe("output", function()
    -- What is printed by f.
    local function printed(given, f)
        local file = assert(io.tmpfile())
        f(output.new(given, file))
        file:seek "set"
        local text = file:read "*a"
        file:close()
        return text
    end

    it("aligns columns by characters", function()
        local rows = { { a = "é", b = "x" }, { a = "long", c = 1 } }
        assert.equal("A     B  C\né     x  -\nlong  -  1\n",
            printed({}, function(out) out:rows({ "a", "b", "c" }, rows) end))
        assert.equal('{"a":"é","b":"x"}\n{"a":"long","c":1}\n',
            printed({ json = true }, function(out) out:rows({ "a" }, rows) end))
        assert.equal("A\n", printed({}, function(out) out:rows({ "a" }, {}) end))
        assert.equal("", printed({ json = true }, function(out) out:rows({ "a" }, {}) end))
    end)

    it("hides numbers on request, however deep they are", function()
        local value = { to = "+15558675310", list = { { From = "75310" } }, body = "Call +15558675310" }
        assert.equal('{"body":"Call +15558675310","list":[{"From":"*****"}],"to":"+1********10"}\n',
            printed({ json = true, mask = true }, function(out) out:object(value) end))
        value = { OriginalRepliedMessageSender = "whatsapp:+15558675310", sid = "SM1", at = "+1" }
        assert.equal('{"OriginalRepliedMessageSender":"whatsapp:+1********10","at":"+1","sid":"SM1"}\n',
            printed({ json = true, mask = true }, function(out) out:object(value) end))
        assert.equal("to  +1********10\n",
            printed({ mask = true }, function(out) out:object({ to = "+15558675310" }, { "to" }) end))
    end)

    it("shows what others have said as what it is", function()
        assert.equal("a\\x1b[31mb\n", printed({}, function(out) out:remark "a\27[31mb" end))
    end)

    it("raises a failure when nothing can be written", function()
        local full = assert(io.open("/dev/full", "w"))
        local ok, raised = pcall(function() output.new({}, full):line "x" end)
        assert.is_false(ok)
        assert.is_true(failure.is(raised))
        assert.equal(failure.CANNOT_WRITE, raised.status)
        full:close()
    end)
end)

describe("failures", function()
    it("have a status for each sort of error", function()
        for kind, status in pairs {
            InvalidRecipient = 2, OptedOut = 2, InvalidCredentials = 77, InvalidOption = 78,
            ConnectionFailed = 4, AccountRateLimited = 4, TemporarilyUnavailable = 4,
        } do
            assert.equal(status, failure.of(core.error(kind, "why")).status, kind)
        end
        for _, outcome in ipairs { "in_doubt", "accepted_no_sid" } do
            local err = core.error("Timeout", "why", outcome)
            assert.equal(3, failure.of(err, true).status)
            assert.equal(4, failure.of(err).status) -- a read may be repeated
        end
    end)

    it("are one line", function()
        local err = core.error("InvalidRequest", "one")
        err.message = "one\n  two"
        assert.is_nil(tostring(failure.of(err)):find "\n")
    end)
end)
