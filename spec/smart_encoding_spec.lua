local json = require "twilio_sms.sim.json"
local map = require "twilio_sms.smart_encoding_map"
local smart_encoding = require "twilio_sms.smart_encoding"

-- Up to U+FFFF.
local function utf8_of(code_point)
    local last = string.char(0x80 + code_point % 64)
    if code_point < 0x80 then
        return string.char(code_point)
    elseif code_point < 0x800 then
        return string.char(0xC0 + math.floor(code_point / 64)) .. last
    end
    return string.char(0xE0 + math.floor(code_point / 4096), 0x80 + math.floor(code_point / 64) % 64) .. last
end

local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read "*a"
    file:close()
    return text
end

describe("the table of smart encoding", function()
    it("has 271 code points, each once, with GSM-7 in their place", function()
        local seen, count = {}, 0
        for replacement, code_points in pairs(map) do
            assert.equal("GSM-7", smart_encoding.segments(replacement).encoding)
            for _, code_point in ipairs(code_points) do
                assert.is_nil(seen[code_point])
                seen[code_point] = replacement
                count = count + 1
            end
        end
        assert.equal(271, count)
        -- Where an older release of the calculator had others.
        assert.same({ "<", ">", "" }, { seen[0x2039], seen[0x203A], seen[0x200C] })
    end)

    it("is applied to all of Unicode and to nothing else", function()
        local of = {}
        for replacement, code_points in pairs(map) do
            for _, code_point in ipairs(code_points) do
                of[code_point] = replacement
            end
        end
        for code_point = 0, 0xFFFF do
            local character = utf8_of(code_point)
            local text, count = smart_encoding.apply(character)
            if text ~= (of[code_point] or character) or count ~= (of[code_point] and 1 or 0) then
                error(("U+%04X becomes %q, %d"):format(code_point, text, count))
            end
        end
    end)
end)

describe("smart encoding", function()
    it("replaces and counts", function()
        local text, count = smart_encoding.apply "\226\128\156It\226\128\153s\226\128\157 \226\128\166"
        assert.equal([["It's" ...]], text)
        assert.equal(4, count)
        assert.same({ "plain [text]\r\n", 0 }, { smart_encoding.apply "plain [text]\r\n" })
        assert.same({ "", 0 }, { smart_encoding.apply "" })
        assert.same({ "ab", 1 }, { smart_encoding.apply "a\0b" })
        assert.same({ "'", 1 }, { smart_encoding.apply "`" })
    end)

    it("leaves what it does not know, and what is no UTF-8", function()
        assert.same({ "\240\159\152\128\195\161", 0 }, { smart_encoding.apply "\240\159\152\128\195\161" })
        assert.same({ "\128\191'\255\194", 1 }, { smart_encoding.apply "\128\191`\255\194" })
        assert.same({ "\226\128\226\128", 0 }, { smart_encoding.apply "\226\128\226\128" })
    end)

    it("of parts is the same as of the whole", function()
        local text = "a\226\128\166\194\160`\239\188\161\194\189"
        for at = 0, #text do
            local first, second = text:sub(1, at), text:sub(at + 1)
            if not second:find "^[\128-\191]" then
                local joined = smart_encoding.apply(first) .. smart_encoding.apply(second)
                assert.equal((smart_encoding.apply(text)), joined)
            end
        end
    end)

    it("raises for what is no string", function()
        assert.has_error(function() smart_encoding.apply(5) end, "apply takes a string, not a number")
        assert.has_error(function() smart_encoding.apply() end, "apply takes a string, not nil")
        assert.has_error(function() smart_encoding.segments(5) end)
    end)

    it("gives nil and an error for segments of what is no UTF-8", function()
        local count, err = smart_encoding.segments "\255"
        assert.is_nil(count)
        assert.equal("MessageError.InvalidRequest", err.type)
    end)

    it("gives the published counts", function()
        local cases = json.decode(read "tests/data/segment_cases.json").cases
        local smart = 0
        for _, case in ipairs(cases) do
            if case.smart_encoded then
                smart = smart + 1
                local count = assert(smart_encoding.segments(case.text))
                assert.same({ case.id, case.encoding, case.segments_code_point, case.units },
                    { case.id, count.encoding, count.segments, count.units })
                assert.equal(case.code_points, count.characters)
            end
        end
        assert.equal(9, smart)
    end)
end)
