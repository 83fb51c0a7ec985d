local content = require "twilio_sms.content"
local core = require "twilio_sms.core"
local template = require "twilio_sms.template"

local E_ACUTE = "\195\169" -- in GSM-7
local C_CEDILLA = "\195\167" -- not in it
local EURO = "\226\130\172"
local EMOJI = "\240\159\152\128"

local function check_error(message, value, err)
    assert.is_nil(value)
    assert.is_true(core.is_error(err))
    assert.equal("MessageError.InvalidRequest", err.type)
    assert.equal(message, err.message)
end

-- Whether it raises, at the caller, with this message.
local function check_raises(message, f)
    local ok, err = pcall(f)
    assert.is_false(ok)
    assert.equal(message, (err:gsub("^.*template_spec.lua:%d+: ", "at the caller: ")))
end

describe("a template", function()
    it("puts values into a text", function()
        local greeting = assert(template.new "Hi {{name}}, table {{ table_no }} for {{a.b-c_1}}. {{name}}!")
        assert.equal("Hi Ada, table 12 for two. Ada!",
            greeting:render { name = "Ada", table_no = 12, ["a.b-c_1"] = "two" })
        assert.same({ "name", "table_no", "a.b-c_1" }, greeting:variables())
        assert.equal("\nAda\r\n\t", assert(template.new "\n{{\tname \t}}\r\n\t"):render { name = "Ada" })
    end)

    it("may have no variables, and no text", function()
        assert.equal("Hello", assert(template.new "Hello"):render())
        assert.equal("Hello", assert(template.new "Hello"):render {})
        assert.equal("", assert(template.new ""):render())
        assert.same({}, assert(template.new "Hello"):variables())
    end)

    it("gives out its own list of variables", function()
        local one = assert(template.new "{{a}}")
        one:variables()[1] = "b"
        assert.same({ "a" }, one:variables())
    end)

    it("takes single braces and lone backslashes as they are", function()
        for _, text in ipairs { "{", "}", "{a}", "a } b { c", "C:\\dir", "\\n", "{ {a} }", "\\" } do
            assert.equal(text, assert(template.new(text)):render())
        end
        assert.equal("{x}", assert(template.new "\\{{{a}}}"):render { a = "x" })
    end)

    it("takes braces and backslashes behind a backslash as they are", function()
        for text, wanted in pairs {
            ["\\{{a}\\}"] = "{{a}}", ["\\{\\{a}\\}"] = "{{a}}", ["\\{{"] = "{{", ["\\}}"] = "}}",
            ["\\\\"] = "\\", ["\\\\n"] = "\\n", ["\\{{a}} \\{{b}}"] = "{{a}} {{b}}",
        } do
            assert.equal(wanted, assert(template.new(text)):render())
        end
        assert.equal("\\x", assert(template.new "\\\\{{a}}"):render { a = "x" })
        assert.equal("{{a}} x", assert(template.new "\\{{a}} {{a}}"):render { a = "x" })
        assert.equal("{{ax}}", assert(template.new "\\{{a{{b}}}}"):render { b = "x" })
        assert.equal("{{x}}", assert(template.new "\\{\\{{{a}}\\}}"):render { a = "x" })
    end)

    it("never reads a value again", function()
        local both = assert(template.new "{{a}}{{b}}")
        assert.equal("{{b}}\\{{a}}%1", both:render { a = "{{b}}", b = "\\{{a}}%1" })
        assert.equal("{{b}}", both:render { a = "{", b = "{b}}" })
        local smart = assert(template.new("{{a}}", { smart_encoded = true }))
        -- Wide braces become plain ones.
        assert.equal("{{b}}", smart:render { a = "\239\189\155\239\189\155b\239\189\157\239\189\157" })
    end)

    it("refuses braces that are broken", function()
        for text, at in pairs {
            ["{{"] = 1, ["a{{b"] = 2, ["{{}}"] = 1, ["{{ }}"] = 1, ["{{1}}"] = 1, ["{{a b}}"] = 1,
            ["{{a}"] = 1, ["{{a\n}}"] = 1, ["{{{a}}}"] = 1, ["{{a}} {{-}}"] = 7, ["{{a{{b}}"] = 1,
            ["\\\\{{"] = 3, ["{{" .. E_ACUTE .. "}}"] = 1,
        } do
            local message = ("the braces at byte %d hold no name, or are not closed"):format(at)
            check_error(message, template.new(text))
        end
        check_error("the braces at byte 3 close nothing", template.new "{a}}}")
        check_error("the braces at byte 6 close nothing", template.new "{{a}}}}")
        check_error("the braces at byte 7 close nothing", template.new "\\{{a}}}}")
    end)

    it("refuses a text that is not UTF-8, or has control characters", function()
        check_error("the text: the text is not UTF-8 at byte offset 1", template.new "a\255")
        check_error("the text: a control character at byte 2", template.new "a\0{{b}}")
        check_error("the text: a control character at byte 1", template.new "\27[0m")
    end)

    it("says what it is", function()
        assert.equal("twilio_sms.template", tostring(template.new ""))
    end)

    it("raises for misuse", function()
        local one = assert(template.new "{{a}}")
        check_raises("at the caller: new takes a text, not nil", function() template.new() end)
        check_raises("at the caller: unknown option 'limit'; did you mean 'limits'?",
            function() template.new("", { limit = {} }) end)
        check_raises("at the caller: option 'limits' must be a table, not a number",
            function() template.new("", { limits = 5 }) end)
        for name, args in pairs { render = "{...}", segments = "{...}", variables = "()", check = "{...}" } do
            local message = "at the caller: call this with a colon, as in template:" .. name .. args
            check_raises(message, function() one[name] { a = 5 } end)
        end
        check_raises("at the caller: render takes a table of values, not a string",
            function() one:render "x" end)
        check_raises("at the caller: segments takes a table of values, not a string",
            function() one:segments "x" end)
        check_raises("at the caller: check takes a table of limits, not a number",
            function() one:check(5) end)
        for _, limit in ipairs { 0, -1, 1.5, 1601, 0 / 0, 1 / 0 } do
            local message = "at the caller: the limit of 'a' must be 1 to 1600 characters"
            check_raises(message, function() template.new("{{a}}", { limits = { a = limit } }) end)
            check_raises(message, function() template.new("{{a}}", { limits = { a = { most = limit } } }) end)
            check_raises(message, function() one:check { a = limit } end)
        end
        check_raises("at the caller: the limit of 'a' must be 1 to 1600 characters",
            function() template.new("{{a}}", { limits = { a = {} } }) end)
        check_raises("at the caller: the limit of 'a' must be a number or a table",
            function() template.new("{{a}}", { limits = { a = "20" } }) end)
        check_raises("at the caller: unknown option 'max'",
            function() template.new("{{a}}", { limits = { a = { max = 5 } } }) end)
        check_raises("at the caller: option 'cut' must be a boolean, not a number",
            function() one:check { a = { most = 5, cut = 1 } } end)
    end)

    it("shares the maker of content fields", function()
        assert.equal(content.new, template.content)
    end)
end)

describe("a value", function()
    local one = assert(template.new "<{{name}}>")

    it("must be there", function()
        check_error("variable 'name' is missing", one:render())
        check_error("variable 'name' is missing", one:render {})
        check_error("variable 'name' is missing", one:segments {})
    end)

    it("must be known", function()
        check_error("the text has no variable 'nmae'", one:render { name = "Ada", nmae = "x" })
        check_error("the text has no variable '1'", one:render { "Ada" })
        check_error("the text has no variable 'true'", one:render { name = "Ada", [true] = 1 })
    end)

    it("is a string or a whole number", function()
        for value, text in pairs {
            [" "] = " ", ["0123"] = "0123", [5] = "5", [-5] = "-5", [2.0 ^ 40] = "1099511627776",
            [1e15] = "1000000000000000", [2 ^ 53] = "9007199254740992", [-2 ^ 53] = "-9007199254740992",
        } do
            assert.equal("<" .. text .. ">", one:render { name = value })
        end
        assert.equal("<0>", one:render { name = -0.0 })
        for _, case in ipairs {
            { true, "a boolean" }, { false, "a boolean" }, { {}, "a table" }, { print, "a function" },
            { 1.5, "1.5" },
        } do
            check_error("variable 'name' must be a string or a whole number, not " .. case[2],
                one:render { name = case[1] })
        end
        for _, value in ipairs { 0 / 0, 1 / 0, -1 / 0, 2 ^ 54 } do
            local text, err = one:render { name = value }
            assert.is_nil(text)
            assert.matches("^variable 'name' must be a string or a whole number, not ", err.message)
        end
        if math.type then
            assert.equal("<9223372036854775807>", one:render { name = math.maxinteger })
            assert.equal("<-9223372036854775808>", one:render { name = math.mininteger })
        end
    end)

    it("may be empty only where the default is", function()
        local message = "variable 'name' is empty; where it may be, give it an empty default"
        check_error(message, one:render { name = "" })
        local named = assert(template.new("<{{name}}>", { defaults = { name = "friend" } }))
        check_error(message, named:render { name = "" })
        local vanishes = assert(template.new("<{{name}}>", { smart_encoded = true }))
        check_error(message, vanishes:render { name = "\226\128\139" }) -- U+200B, which has no width
        local optional = assert(template.new("<{{name}}>", { defaults = { name = "" } }))
        assert.equal("<>", optional:render())
        assert.equal("<>", optional:render { name = "" })
        assert.equal("<Ada>", optional:render { name = "Ada" })
    end)

    it("is UTF-8 without control characters other than tabs and line ends", function()
        assert.equal("<a\r\n\tb>", one:render { name = "a\r\n\tb" })
        check_error("variable 'name': the text is not UTF-8 at byte offset 1", one:render { name = "a\255" })
        for _, byte in ipairs { 0, 1, 8, 11, 12, 14, 31, 127 } do
            check_error("variable 'name': a control character at byte 2",
                one:render { name = "a" .. string.char(byte) })
        end
    end)

    it("has a default where one is given", function()
        local greeting = assert(template.new("Hi {{name}}{{n}}", { defaults = { name = "friend", n = 5 } }))
        assert.equal("Hi friend5", greeting:render())
        assert.equal("Hi Ada5", greeting:render { name = "Ada" })
        assert.equal("Hi friend6", greeting:render { n = 6 })
    end)

    it("has a default that is itself good", function()
        check_error("defaults: the text has no variable 'nmae'",
            template.new("{{name}}", { defaults = { nmae = "x" } }))
        check_error("variable 'name' must be a string or a whole number, not a boolean",
            template.new("{{name}}", { defaults = { name = true } }))
        check_error("variable 'name' has 6 characters, its limit is 3",
            template.new("{{name}}", { defaults = { name = "friend" }, limits = { name = 3 } }))
    end)

    it("is as long as its limit at most, in characters", function()
        local short = assert(template.new("<{{name}}>", { limits = { name = 3 } }))
        local three = EMOJI .. E_ACUTE .. "x"
        assert.equal("<" .. three .. ">", short:render { name = three })
        check_error("variable 'name' has 4 characters, its limit is 3", short:render { name = three .. "y" })
        check_error("variable 'name' has 4 characters, its limit is 3", short:render { name = 1234 })
        check_error("limits: the text has no variable 'nmae'",
            template.new("{{name}}", { limits = { nmae = 3 } }))
    end)

    it("is cut at its limit where that is asked for", function()
        local short = assert(template.new("<{{name}}>", { limits = { name = { most = 3, cut = true } } }))
        local three = EMOJI .. E_ACUTE .. "x"
        assert.equal("<" .. three .. ">", short:render { name = three .. EMOJI .. "yz" })
        assert.equal("<123>", short:render { name = 12345 })
        assert.equal("<ab>", short:render { name = "ab" })
        check_error("variable 'name': the text is not UTF-8 at byte offset 5",
            short:render { name = "abcde\255" })
    end)
end)

describe("a smart encoded template", function()
    it("replaces in the text and in the values", function()
        local source = "\226\128\156{{a}}\226\128\157 \226\128\166"
        local quoted = assert(template.new(source, { smart_encoded = true }))
        assert.equal([["It's" ...]], quoted:render { a = "It\226\128\153s" })
        assert.equal("GSM-7", quoted:segments({ a = "x" }).encoding)
    end)

    it("limits what is inserted", function()
        local short = assert(template.new("{{a}}", { smart_encoded = true, limits = { a = 3 } }))
        assert.equal("...", short:render { a = "\226\128\166" })
        check_error("variable 'a' has 4 characters, its limit is 3", short:render { a = "x\226\128\166" })
        local cut = assert(template.new("{{a}}",
            { smart_encoded = true, limits = { a = { most = 3, cut = true } } }))
        assert.equal("x..", cut:render { a = "x\226\128\166" })
    end)
end)

describe("the segments of a template", function()
    it("are those of the rendered text", function()
        local one = assert(template.new("{{a}}"))
        assert.same(core.segments("x"), one:segments { a = "x" })
        assert.equal(2, one:segments({ a = ("x"):rep(161) }).segments)
    end)
end)

describe("the check of a template", function()
    it("of a fixed text is its count", function()
        assert.same({
            variables = {}, unbounded = {}, encoding = "GSM-7", segments = 1, units = 5, characters = 5,
            gsm7 = core.segments "Hello",
        }, assert(template.new "Hello"):check())
        local accent = "fa" .. C_CEDILLA .. "ade"
        assert.same({
            variables = {}, unbounded = {}, encoding = "UCS-2", segments = 1, units = 6, characters = 6,
            ucs2 = core.segments(accent), first_ucs2 = 3, first_ucs2_character = 3, forced_by = C_CEDILLA,
        }, assert(template.new(accent)):check())
    end)

    it("takes each variable at its limit, in the dearest characters of each alphabet", function()
        local limits = { name = 20, day = 3 }
        local greeting = assert(template.new("Hi {{name}}, {{name}} {{day}}", { limits = limits }))
        local answer = assert(greeting:check())
        assert.same({ "name", "day" }, answer.variables)
        assert.same({}, answer.unbounded)
        local function worst(character)
            local name, day = character:rep(20), character:rep(3)
            return core.segments("Hi " .. name .. ", " .. name .. " " .. day)
        end
        assert.same(worst(EURO), answer.gsm7)
        assert.same(worst(EMOJI), answer.ucs2)
        assert.same({ "UCS-2", 2, 92, 49 },
            { answer.encoding, answer.segments, answer.units, answer.characters })
        assert.equal(92, answer.gsm7.units)
        assert.equal(1, answer.gsm7.segments)
    end)

    it("is never less than what a value can do", function()
        local sample = { "x", EURO, E_ACUTE, C_CEDILLA, EMOJI, "[" }
        local greeting = assert(template.new(("y"):rep(60) .. "{{a}}" .. ("z"):rep(9) .. "{{b}}",
            { limits = { a = 40, b = 60 } }))
        local answer = greeting:check()
        local seed = 7
        local function pick(most)
            seed = (seed * 16807) % 2147483647
            return seed % most + 1
        end
        local reached = { ["GSM-7"] = 0, ["UCS-2"] = 0 }
        for i = 1, 500 do
            local values, kinds = {}, i % 2 == 0 and { 1, 2, 3, 6 } or { 1, 2, 3, 4, 5, 6 }
            for name, limit in pairs { a = 40, b = 60 } do
                local letters = {}
                for k = 1, pick(limit) do
                    letters[k] = sample[kinds[pick(#kinds)]]
                end
                values[name] = table.concat(letters)
            end
            local count = greeting:segments(values)
            local most = count.encoding == "GSM-7" and answer.gsm7 or answer.ucs2
            assert.is_true(count.segments <= most.segments and count.units <= most.units)
            reached[count.encoding] = reached[count.encoding] + 1
        end
        assert.is_true(reached["GSM-7"] > 100 and reached["UCS-2"] > 100)
    end)

    it("says which variables have no limit, and then counts nothing", function()
        local greeting = assert(template.new("{{a}} {{b}} {{c}}", { limits = { b = 5 } }))
        assert.same({ variables = { "a", "b", "c" }, unbounded = { "a", "c" } }, greeting:check())
        assert.same({ "c" }, greeting:check({ a = 5 }).unbounded)
        local answer = greeting:check { a = 5, b = { most = 6 }, c = 1 }
        assert.equal(12 * 2 + 2, answer.units)
        -- What is given to the check is forgotten after it.
        assert.same({ "a", "c" }, greeting:check().unbounded)
        check_error("limits: the text has no variable 'd'", greeting:check { d = 5 })
    end)

    it("names what forces UCS-2, by its place in the source", function()
        local source = "\\{" .. E_ACUTE .. " {{name}} \\} " .. C_CEDILLA .. EMOJI
        local answer = assert(template.new(source, { limits = { name = 1 } })):check()
        assert.equal(C_CEDILLA, answer.forced_by)
        assert.equal(source:find(C_CEDILLA, 1, true), answer.first_ucs2)
        assert.equal(17, answer.first_ucs2_character)
        assert.is_nil(answer.gsm7)
        assert.equal("UCS-2", answer.encoding)
    end)

    it("looks at a smart encoded text as it is sent", function()
        local source = "\226\128\156{{name}}\226\128\157 \226\128\166 "
        local answer = assert(template.new(source, { smart_encoded = true, limits = { name = 1 } })):check()
        assert.is_nil(answer.first_ucs2)
        assert.equal(core.segments('"' .. EURO .. '" ... ').units, answer.gsm7.units)
        answer = assert(template.new(source .. C_CEDILLA, { smart_encoded = true })):check()
        assert.equal(#source + 1, answer.first_ucs2)
        assert.equal(14, answer.first_ucs2_character)
    end)
end)
