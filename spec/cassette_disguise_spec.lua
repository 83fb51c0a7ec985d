local core = require "twilio_sms.core"
local disguise = require "twilio_sms.cassette.disguise"

local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read "*a"
    file:close()
    return text
end

local function texts_of(value, list)
    if type(value) == "table" then
        for _, inner in pairs(value) do
            texts_of(inner, list)
        end
    elseif type(value) == "string" and core.segments(value) then
        list[#list + 1] = value
    end
    return list
end

describe("a disguise", function()
    it("has the segments of the text", function()
        local texts = texts_of(core.json_decode(read "tests/data/segment_cases.json"), {})
        assert.is_true(#texts > 100)
        for i, text in ipairs(texts) do
            assert.same(core.segments(text), (core.segments(disguise.text(text, i))), text)
        end
    end)

    it("has the segments of every character", function()
        for _, range in ipairs { { 1, 0x2FF }, { 0x370, 0x52F }, { 0x900, 0x970 }, { 0x2010, 0x20CF },
            { 0x3040, 0x30FF }, { 0xAC00, 0xAC40 }, { 0xFE00, 0xFE0F }, { 0x1F600, 0x1F64F } } do
            for code = range[1], range[2] do
                local text = core.json_decode(code < 0x10000 and ('"\\u%04x"'):format(code)
                    or ('"\\ud83d\\u%04x"'):format(0xDC00 + code - 0x1F400))
                assert.same(core.segments(text), (core.segments(disguise.text(text, code))))
            end
        end
    end)

    it("keeps what kind of character each is", function()
        local text = "Dear Ann Smith, your code is 493827 at 12 Main St"
        for seed = 1, 500 do
            local out = disguise.text(text, seed)
            assert.equal(#text, #out)
            for i = 1, #text do
                local was, is = text:sub(i, i), out:sub(i, i)
                assert.equal(was:find "%w", is:find "%w")
                assert.equal(was:find "%u", is:find "%u")
                assert.equal(was:find "%d", is:find "%d")
                assert.is_true(is:find "%w" ~= nil or was == is)
            end
        end
    end)

    it("tells nothing else of the text: trying all seeds does not bring it back", function()
        for seed = 1, 500 do
            for _, pair in ipairs {
                { "Dear Ann, your code is 493827", "Kfbv Lqo, sdfe plmn hy 110056" },
                { "é Ä Ω ж α ê 漢 😀 0", "ù Ö Δ ы ω ý 字 😏 9" },
            } do
                assert.equal(disguise.text(pair[1], seed), disguise.text(pair[2], seed))
            end
        end
    end)

    it("is the same for the same seed, on every Lua", function()
        assert.equal(disguise.text("Hello World 123", 7), disguise.text("Hello World 123", 7))
        assert.are_not.equal(disguise.text("Hello World 123", 7), disguise.text("Hello World 123", 8))
        assert.equal("Cfzhm Fcdiq 806 ß住😇", disguise.text("Hello World 123 é漢😀", 7))
    end)

    it("makes UTF-8 of anything", function()
        for _, text in ipairs { "\255", "a\128b", "\195", "\226\130", "\240\159", "\0\1\2", "\192\175" } do
            local out = disguise.text(text, 1)
            assert.equal(#text, #out)
            assert.is_table((core.segments(out)))
        end
    end)
end)
