local core = require "twilio_sms.core"

local encode, decode, null = core.json_encode, core.json_decode, core.json_null

local INTEGERS = math.type ~= nil

-- A seeded generator (Park and Miller's), the same on every Lua.
local function generator(seed)
    return function(most)
        seed = seed * 16807 % 2147483647
        return seed % most + 1
    end
end

describe("core.json_encode", function()
    it("writes plain values", function()
        assert.equal('"a"', encode "a")
        assert.equal("12", encode(12))
        assert.equal("-0.5", encode(-0.5))
        assert.equal("true", encode(true))
        assert.equal("false", encode(false))
        assert.equal("null", encode(null))
        assert.equal("{}", encode {})
        assert.equal('[1,"b",[true,{}]]', encode { 1, "b", { true, {} } })
        assert.equal('{"a":{"b":[null]}}', encode { a = { b = { null } } })
    end)

    it("escapes what JSON wants escaped, and nothing else", function()
        assert.equal([["\"\\\n\u0000\u001f/é😀]] .. '\127"', encode '"\\\n\0\31/é😀\127')
    end)

    it("writes whole numbers as such and others with what gives them back", function()
        assert.equal("9007199254740991", encode(9007199254740991))
        assert.equal("0.1", encode(0.1))
        assert.equal("0.30000000000000004", encode(0.1 + 0.2))
        assert.equal(INTEGERS and "3.0" or "3", encode(6 / 2))
        assert.equal("1e+300", encode(1e300))
        if INTEGERS then
            assert.equal("-9223372036854775808", encode(math.mininteger))
        end
    end)

    it("names the part that cannot be written", function()
        local function refused(value, message)
            local text, err = encode(value)
            assert.is_nil(text)
            assert.equal("ConfigurationError.InvalidOption", err.type)
            assert.equal(message, err.message)
        end
        local nothing = "neither text, number, boolean nor table"
        refused(nil, "value: " .. nothing)
        refused(print, "value: " .. nothing)
        refused(io.stdout, "value: " .. nothing)
        refused({ a = { b = { 1, print } } }, "value.a.b[2]: " .. nothing)
        refused({ a = { ["b c"] = "\255" } }, "value.a.b c: text that is not UTF-8")
        refused({ ["\255"] = 1 }, "value: a key that is not UTF-8")
        refused({ 0 / 0 }, "value[1]: a number that is not finite")
        refused({ x = -math.huge }, "value.x: a number that is not finite")
        refused({ x = { [1.5] = 1 } }, "value.x: a key that is no string, in a table that is no list")
        refused({ 1, 2, x = 3 }, "value: a key that is no string, in a table that is no list")
        assert.has_error(function() encode() end)
    end)

    it("is not led around in circles", function()
        local circle, tree = {}, {}
        circle.a = circle
        for _ = 1, 60 do
            tree = { tree, tree }
        end
        local _, err = encode(circle)
        assert.truthy(err.message:find("%.a%.a.*: tables nested too deep, or one that holds itself$"))
        _, err = encode(tree)
        assert.equal("value: too much for one text", err.message)
    end)

    it("asks no metamethod", function()
        local function fail() error "asked" end
        local meta = { __index = fail, __len = fail, __pairs = fail, __tostring = fail }
        assert.equal('{"a":1}', encode(setmetatable({ a = 1 }, meta)))
    end)
end)

describe("core.json_decode", function()
    it("reads plain values", function()
        assert.same({ a = 1, b = { true, false, "x" }, c = {} },
            decode ' { "a" : 1 , "b":[ true,false ,"x"],\n"c":{}\t} ')
        assert.equal("", decode '""')
        assert.equal(-12.5, decode "-12.5")
        assert.equal(null, decode "null")
        assert.same({}, decode "[ ]")
    end)

    it("leaves null out of objects and keeps it in lists", function()
        assert.same({ b = { 1, null, 3 } }, decode '{"a":null,"b":[1,null,3]}')
    end)

    it("takes the last of two members of one name", function()
        assert.same({ a = 2 }, decode '{"a":1,"a":2}')
        assert.same({}, decode '{"a":1,"a":null}')
    end)

    it("reads escapes", function()
        assert.equal('"\\/\b\f\n\r\t\0é€😀', decode [["\"\\\/\b\f\n\r\t\u0000\u00e9\u20AC\ud83d\ude00"]])
    end)

    it("keeps whole numbers whole", function()
        assert.equal("1700000000", tostring(decode "1700000000"))
        assert.equal(2 ^ 53 - 1, decode "9007199254740991")
        assert.equal(1e19, decode "10000000000000000000")
        if INTEGERS then
            assert.equal("integer", math.type(decode "9223372036854775807"))
            assert.equal("float", math.type(decode "1.0"))
        end
    end)

    it("refuses what is no JSON", function()
        local bad = {
            "", " ", "nul", "nullx", "True", "{", "}", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1]]",
            '{"a"}', '{"a":}', '{"a":1,}', '{"a":1}{"b":1}', "{a:1}", "{1:1}", "'a'", '"a', '"\n"', "// a\n1",
            "01", "-", "+1", "1.", ".5", "1e", "1e+", "0x10", "NaN", "Infinity", "1e999", "-1e999", "1 1",
            '"\\x"', '"\\u12g4"', '"\\u12"', '"\\', '"\\ud800"', '"\\udc00"', '"\\ud800\\u0041"',
            '"\\ud800\\ud800"', '"\255"', '"\192\128"', '"\237\160\128"', "\239\187\1911", "\0", "1\0",
            ("["):rep(65) .. ("]"):rep(65),
        }
        for _, text in ipairs(bad) do
            local value, err = decode(text)
            assert.is_nil(value, text)
            assert.equal("WebhookError.PayloadParseError", err.type)
        end
        assert.truthy(decode(("["):rep(64) .. ("]"):rep(64)))
        assert.equal("no JSON, at byte 4 of 5", select(2, decode "[1,x]").message)
        assert.has_error(function() decode(1) end)
    end)

    it("survives what is made to hurt", function()
        for _, piece in ipairs { "[", '{"a":', "[[", "{", '"', "\\", "-", "9", '["a",' } do
            assert.is_nil((decode(piece:rep(200000) .. "x")))
        end
        assert.is_nil((decode(("1"):rep(100000))))
    end)
end)

describe("JSON there and back", function()
    local function random_text(random)
        local pieces = {}
        for i = 1, random(6) - 1 do
            pieces[i] = ({ "a", "\0", '"', "\\", "\n", "é", "€", "😀", "\127", "/", "\31", " " })[random(12)]
        end
        return table.concat(pieces)
    end

    local function random_value(random, depth)
        local kind = random(depth < 5 and 8 or 5)
        if kind == 1 then
            return random_text(random)
        elseif kind == 2 then
            return random(2147483646) * random(4194304) * (random(2) == 1 and 1 or -1)
        elseif kind == 3 then
            return (random(2147483646) / random(2147483646)) * 10 ^ (random(600) - 300)
        elseif kind == 4 then
            return random(2) == 1
        elseif kind == 5 then
            return random(1000)
        end
        local value = {}
        for i = 1, random(4) do
            value[kind == 8 and i or "k" .. random_text(random)] = random_value(random, depth + 1)
        end
        return value
    end

    it("gives back any value", function()
        local random = generator(7)
        for _ = 1, 3000 do
            local value = random_value(random, 0)
            local text = assert(encode(value))
            assert.same(value, decode(text))
            if INTEGERS and type(value) == "number" then
                assert.equal(math.type(value), math.type(decode(text)))
            end
        end
    end)

    it("agrees with another reader", function()
        local cjson = require "cjson"
        local random = generator(11)
        for _ = 1, 300 do
            local value = { random_value(random, 1) }
            local ours, theirs = encode(value), cjson.encode(value)
            assert.same(value, cjson.decode(ours))
            assert.same(cjson.decode(theirs), decode(theirs))
        end
        assert.equal(cjson.null, null)
    end)

    it("never fails on texts that were changed", function()
        local random = generator(13)
        for _ = 1, 3000 do
            local text = encode(random_value(random, 0))
            local at = random(#text)
            text = text:sub(1, at - 1) .. string.char(random(256) - 1) .. text:sub(at + random(3) - 1)
            local value, err = decode(text)
            assert.truthy(value ~= nil or err.message)
            if value ~= nil then
                assert.same(value, decode(encode(value)))
            end
        end
    end)
end)
