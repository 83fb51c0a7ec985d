local cjson = require "cjson"

local json = require "twilio_sms.sim.json"

local function text(pieces)
    return table.concat(pieces)
end

describe("twilio_sms.sim.json", function()
    it("writes members in the given order and leaves nil out", function()
        assert.equal('{"b":"1","a":null,"d":-3}',
            text(json.object({ "b", "a", "c", "d" }, { a = json.null, b = "1", d = -3 })))
        assert.equal("{}", text(json.object({}, {})))
    end)

    it("escapes text, and slashes not", function()
        local value = 'a/b\\/"\n\0\127é'
        local written = text(json.object({ "x" }, { x = value }))
        assert.truthy(written:find("a/b", 1, true))
        assert.equal(value, cjson.decode(written).x)
    end)

    it("takes pieces as they are", function()
        local inner = json.object({ "a" }, { a = 1 })
        assert.equal('{"list":[{"a":1},{"a":1}],"none":[]}',
            text(json.map { list = json.list { inner, inner }, none = json.list {} }))
    end)

    it("sorts the members of a map", function()
        assert.equal('{"a":1,"b":2,"c":3}', text(json.map { c = 3, a = 1, b = 2 }))
        assert.equal("{}", text(json.map {}))
    end)

    it("writes whole numbers as such", function()
        assert.equal('{"a":3,"b":21610}', text(json.map { a = 6 / 2, b = 21610 }))
    end)

    it("reads objects only", function()
        assert.same({ a = "1" }, json.decode '{"a":"1"}')
        for _, bad in ipairs { "", "{", "1", '"a"', "null" } do
            assert.is_nil(json.decode(bad))
        end
    end)

    it("stays JSON when a text is no UTF-8", function()
        local made = table.concat(json.map { a = "\255x", b = "caf\195\169", c = 'q"\128' })
        assert.equal('{"a":"\239\191\189x","b":"caf\195\169","c":"q\\"\239\191\189"}', made)
    end)
end)
