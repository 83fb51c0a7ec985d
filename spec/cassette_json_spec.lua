local json = require "twilio_sms.cassette.json"

local function upper(text)
    return json.rewrite(text, function(_, kind, value)
        return kind == "string" and json.encode(value:upper()) or nil
    end)
end

describe("JSON on its way to a tape", function()
    it("keeps order, spacing, numbers and nulls", function()
        local text = '{ "b": 1.50 , "a" : null,\n"c":[true, -0, 1e3, []], "d":{} }'
        local out, whole = json.rewrite(text, function() end)
        assert.equal(text, out)
        assert.is_true(whole)
    end)

    it("rewrites values by their path", function()
        local seen = {}
        json.each('{"sid":"SM1","messages":[{"to":"+1"},{"to":null}],"map":{"media":7}}', function(path, kind)
            seen[#seen + 1] = path .. " " .. kind
        end)
        assert.same({ "sid string", "messages[].to string", "messages[].to null", "map.media number" }, seen)
    end)

    it("reads escapes", function()
        assert.equal('{"a":"A\\"B"}', (upper [[{"a":"\u0061\"b"}]]))
    end)

    it("leaves out what was cut", function()
        local text = '{"body":"hello","to":"there","list":[1,22'
        for length = 1, #text do
            local out, whole = upper(text:sub(1, length))
            assert.is_false(whole)
            assert.is_nil(out:find "%l%l%l%l%l%l%l") -- no value came through as it was
            assert.is_nil(out:find("hello", 1, true))
            assert.is_nil(out:find("there", 1, true))
        end
    end)

    it("is not for other texts", function()
        for _, text in ipairs { "", "<html>", "hello", '"text"', "12" } do
            assert.is_nil((json.rewrite(text, function() end)))
        end
    end)

    it("survives any bytes", function()
        for i = 1, 255 do
            local byte = string.char(i)
            local around = { "{%s", '{"%s":1}', "[%s]", '["\\%s' }
            for _, form in ipairs(around) do
                local text = form:gsub("%%s", (byte:gsub("%%", "%%%%")))
                local out = json.rewrite(text, function() end)
                assert.is_string(out)
            end
        end
        assert.is_string((json.rewrite(("["):rep(1000), function() end)))
    end)

    it("writes objects in order, and lists", function()
        local object = json.object { { "z", 1 }, { "gone", nil }, { "a", { { "x", "y" } } }, { "b", true } }
        assert.equal('{"z":1,"a":[["x","y"]],"b":true}', json.encode(object))
        assert.equal("[]", json.encode {})
    end)
end)
