local content = require "twilio_sms.content"
local core = require "twilio_sms.core"

local SID = "HX0123456789abcdef0123456789ABCDEF"

local function check_refused(message, variables, kind)
    local fields, err = content.new(SID, variables)
    assert.is_nil(fields)
    assert.is_true(core.is_error(err))
    assert.equal("MessageError." .. (kind or "InvalidRequest"), err.type)
    assert.equal(message, err.message)
end

describe("content", function()
    it("gives the fields of a message", function()
        assert.same({ content_sid = SID }, content.new(SID))
        assert.same({ content_sid = SID, content_variables = '{"name":"Ada"}' },
            content.new(SID, { name = "Ada" }))
        assert.same({ content_sid = SID, content_variables = "{}" }, content.new(SID, {}))
    end)

    it("writes every value as a string, and counts a list", function()
        local fields = assert(content.new(SID, { "A \"quoted\" \\ caf\195\169", 12, 3.0 }))
        assert.same({ ["1"] = "A \"quoted\" \\ caf\195\169", ["2"] = "12", ["3"] = "3" },
            core.json_decode(fields.content_variables))
        fields = assert(content.new(SID, { [3] = "c", when = -2 ^ 53 }))
        assert.same({ ["3"] = "c", when = "-9007199254740992" }, core.json_decode(fields.content_variables))
    end)

    it("passes JSON on as it is", function()
        for _, json in ipairs {
            "{}", ' { "1" : "a" , "2":"{}\\"null,\\\\" }\n', '{"a":"\\u00e9"}', '{"a,b":"c:d"}',
        } do
            assert.same({ content_sid = SID, content_variables = json }, content.new(SID, json))
        end
    end)

    it("refuses JSON that is no object of strings", function()
        for _, json in ipairs {
            "[]", '["a"]', '"a"', "5", "null", "true", '{"1":null}', '{"1":5}', '{"1":"a","2":null}',
            '{"1":{"2":"a"}}', '{"1":["a"]}', '{"1":true}', '{"1":[]}', '{"1":{}}',
        } do
            check_refused("the content variables are no JSON object of strings", json)
        end
        for _, json in ipairs { "", "{", "{'1':'a'}", '{"1":"a",}', '{"1" "a"}', "{}x" } do
            local fields, err = content.new(SID, json)
            assert.is_nil(fields)
            assert.matches("^the content variables are no JSON: ", err.message)
        end
    end)

    it("refuses what Twilio would refuse", function()
        check_refused("content variable 'a' is empty", { a = "" })
        check_refused("content variable '1' is empty", '{"1":""}')
        check_refused("content variable 'a' has a line end, a tab or another control character",
            { a = "one\ntwo" })
        check_refused("content variable 'a' has a line end, a tab or another control character",
            '{"a":"one\\ttwo"}')
        check_refused("content variable 'a' has a line end, a tab or another control character",
            { a = "nul\0" })
        check_refused("content variable 'a' has more than four spaces in a row", { a = "x     y" })
        check_refused("content variable 'a' has 1601 characters; Twilio takes at most 1600",
            { a = ("\195\169"):rep(1601) }, "MessageTooLong")
        check_refused("content variable 'a': the text is not UTF-8 at byte offset 1", { a = "x\255" })
        assert.is_table(content.new(SID, { a = "x    y", b = ("\195\169"):rep(1600) }))
    end)

    it("refuses values without a text, and names that are none", function()
        check_refused("content variable 'a' must be a string or a whole number, not a boolean", { a = true })
        check_refused("content variable 'a' must be a string or a whole number, not a table", { a = {} })
        check_refused("content variable '1' must be a string or a whole number, not 1.5", { 1.5 })
        check_refused("content variables have names or numbers", { [""] = "x" })
        check_refused("content variables have names or numbers", { [true] = "x" })
        check_refused("content variables have names or numbers", { ["\255"] = "x" })
        check_refused("content variables have names or numbers", { [1.5] = "x" })
        check_refused("content variable '1' is given twice", { "a", ["1"] = "b" })
    end)

    it("refuses a content SID of another shape", function()
        for _, sid in ipairs { "", "HX", "hx" .. ("0"):rep(32), "HX" .. ("0"):rep(31), "HX" .. ("0"):rep(33),
            "HX" .. ("g"):rep(32), "HX" .. ("0"):rep(31) .. "\n" } do
            local fields, err = content.new(sid)
            assert.is_nil(fields)
            assert.equal('content_sid is not "HX" followed by 32 hex digits', err.message)
        end
    end)

    it("raises at the caller for misuse", function()
        local function message(...)
            local ok, err = pcall(function(...) content.new(...) end, ...)
            assert.is_false(ok)
            return err
        end
        assert.matches("content_spec.lua:%d+: content takes a content SID, not nil", message())
        assert.matches("content_spec.lua:%d+: the variables must be a table or JSON text, not a number",
            message(SID, 5))
    end)
end)
