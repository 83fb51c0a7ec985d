local matching = require "twilio_sms.cassette.matching"

local unpack = table.unpack or unpack -- luacheck: ignore 113

local function request(changes)
    local out = { method = "POST", host = "api", path = "/Messages.json", query = {},
        form = { { "To", "+1" }, { "Body", "one" }, { "MediaUrl", "a" }, { "MediaUrl", "b" } } }
    for name, value in pairs(changes or {}) do
        out[name] = value
    end
    return out
end

local function tape(...)
    local list = {}
    for i, one in ipairs { ... } do
        list[i] = { request = one, line = i + 1, index = i }
    end
    return list
end

local OTHER = request { form = { { "To", "+2" }, { "Body", "two" } } }

describe("matching", function()
    it("takes no account of the order of parameters", function()
        local match = matching.new(tape(request()), {})
        local again = request { form = { { "MediaUrl", "b" }, { "Body", "one" }, { "MediaUrl", "a" },
            { "To", "+1" } } }
        assert.equal(1, match:take(again).index)
        assert.is_nil(match:unused())
    end)

    it("uses each interaction once, those of one request in their order", function()
        local match = matching.new(tape(request(), OTHER, request()), {})
        assert.equal(1, match:take(request()).index)
        assert.equal(3, match:take(request()).index)
        local none, text = match:take(request())
        assert.is_nil(none)
        assert.matches("^unexpected request: POST api/Messages.json\n", text)
        assert.equal(2, match:take(OTHER).index)
        none, text = match:take(OTHER)
        assert.is_nil(none)
        assert.matches("every interaction of the tape is used", text, 1, true)
    end)

    it("counts how often a parameter is given", function()
        local match = matching.new(tape(request { form = { { "A", "1" }, { "A", "1" } } }), {})
        assert.is_nil((match:take(request { form = { { "A", "1" } } })))
    end)

    it("shows in what the nearest one differs, field by field", function()
        local far = request { method = "GET", path = "/Other.json" }
        local match = matching.new(tape(far, OTHER, request()), {})
        local _, text = match:take(request { form = { { "To", "+1" }, { "Body", "onf" }, { "MediaUrl", "a" },
            { "MediaUrl", "b" }, { "MaxPrice", "1" } } })
        assert.equal([[
unexpected request: POST api/Messages.json
the nearest unused interaction is in line 4: POST api/Messages.json
  form Body: the tape has "one", the request has "onf"
  form MaxPrice: the tape has nothing, the request has "1"]], text)
    end)

    it("leaves out what is named", function()
        local match = matching.new(tape(request()), { ignore = { "Body" } })
        local changed = request { form = { { "To", "+1" }, { "Body", "?" }, { "MediaUrl", "a" },
            { "MediaUrl", "b" } } }
        assert.equal(1, match:take(changed).index)
    end)

    it("can keep the order of all", function()
        local match = matching.new(tape(request(), OTHER), { ordered = true })
        local none, text = match:take(OTHER)
        assert.is_nil(none)
        local said = "^out of order: POST api/Messages.json is in line 3 of the tape, but line 2 comes before"
        assert.matches(said, text)
        assert.equal(1, match:take(request()).index)
        assert.equal(2, match:take(OTHER).index)
    end)

    it("lists what was never asked for", function()
        local list = {}
        for i = 1, 8 do
            list[i] = request { path = "/" .. i }
        end
        local match = matching.new(tape(unpack(list)), {})
        match:take(request { path = "/3" })
        assert.equal([[
7 interactions of the tape were never asked for:
  line 2: POST api/1
  line 3: POST api/2
  line 5: POST api/4
  line 6: POST api/5
  line 7: POST api/6
  and 2 more]], match:unused())
    end)

    it("does not cut characters in two", function()
        local match = matching.new(tape(request()), {})
        local _, text = match:take(request { form = { { "To", "+1" }, { "Body", ("é"):rep(200) } } })
        assert.is_table((require("twilio_sms.core").segments(text)))
    end)
end)
