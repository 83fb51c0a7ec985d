local core = require "twilio_sms.core"
local pseudonyms = require "twilio_sms.cassette.pseudonyms"

local ACCOUNT = "AC" .. ("9f"):rep(16)
local SID = "SM" .. ("4d"):rep(16)

local function new(changes)
    local opts = { key = "a key", account_sid = ACCOUNT }
    for name, value in pairs(changes or {}) do
        opts[name] = value
    end
    return pseudonyms.new(opts)
end

describe("pseudonyms", function()
    it("of the account are those of nobody", function()
        assert.equal("AC" .. ("0"):rep(32), new():sid(ACCOUNT))
        assert.matches("^AC00000000%x+$", new():sid("AC" .. ("1a"):rep(16)))
    end)

    it("of sids keep the kind", function()
        local names = new()
        assert.matches("^SM00000000" .. ("%x"):rep(24) .. "$", names:sid(SID))
        assert.equal(names:sid(SID), new():sid(SID))
        assert.are_not.equal(names:sid(SID), new({ key = "another" }):sid(SID))
        assert.equal(SID, new({ keep_sids = true }):sid(SID))
    end)

    it("of addresses keep what they are", function()
        local names = new()
        local number = names:address "+12125551234"
        assert.equal("whatsapp:" .. number, names:address "whatsapp:+12125551234")
        assert.matches("^0%d%d%d%d$", names:address "12345")
        assert.matches("^%u%l%u%l%l%l$", names:address "MyShop")
        assert.matches("^rcs:%l%l%l%l%l_%l%l%l%l%l$", names:address "rcs:brand_agent")
        assert.are_not.equal("rcs:brand_agent", names:address "rcs:brand_agent")
        assert.equal("", names:address "")
        assert.equal("+15005550006", names:address "+15005550006")
    end)

    it("of numbers never collide, however many there are", function()
        local names, seen = new(), {}
        for i = 1, 3000 do
            local number = ("+4479%08d"):format(i * 7) -- 1000 numbers are kept for fiction
            local pseudonym = names:number(number)
            assert.is_nil(seen[pseudonym])
            seen[pseudonym] = true
            assert.equal(pseudonym, names:number(number))
        end
    end)

    it("of numbers never collide where only a hundred are kept for nobody", function()
        local names, seen = new(), {}
        for i = 1, 400 do
            local pseudonym = names:number(("+372512%04d"):format(i))
            assert.is_nil(seen[pseudonym])
            assert.matches("^%+372%d%d%d%d%d%d%d$", pseudonym)
            assert.is_true(names:is_pseudonym(pseudonym))
            seen[pseudonym] = true
        end
    end)

    it("of short codes are found even when there are too many", function()
        local names = new()
        for i = 100, 999 do
            assert.matches("^%d%d%d$", names:address(tostring(i)))
        end
    end)

    it("of texts may be those of numbers", function()
        local names = new()
        assert.equal(names:number "+12125551234", names:text "+12125551234")
        assert.equal(", ", names:text ", ")
    end)

    it("of numbers are found again in another order", function()
        local names, moved, made = new(), {}, {}
        for i = 1, 1500 do
            local number = ("+4479%08d"):format(i * 7)
            made[i] = { number, names:number(number) }
            for _, entry in ipairs(names:take_news() or {}) do
                moved[#moved + 1] = entry
                assert.is_true(#entry[2] < 16) -- a few digits of its MAC
            end
        end
        assert.is_true(#moved > 100)
        local known = {}
        for _, pair in ipairs(made) do
            known[pair[2]] = true
        end
        local again = new()
        again:follow(moved, known)
        for i = #made, 1, -1 do
            assert.equal(made[i][2], again:number(made[i][1]))
        end
        assert.is_nil(again:take_news())
    end)

    it("stay when a tape has them", function()
        local names = new()
        local sid, text = names:sid(SID), names:text "Hello Ann"
        local again = new()
        again:follow({}, { [sid] = true, [text] = true })
        assert.equal(sid, again:sid(SID))
        assert.equal(sid, again:sid(sid))
        assert.equal(text, again:text "Hello Ann")
        assert.equal(text, again:text(text))
        assert.are_not.equal("Hello Bob", again:text "Hello Bob")
    end)

    it("of texts have the same segments, with numbers as elsewhere", function()
        local names = new()
        local text = "Call +12125551234 or ask " .. SID .. " – é😀 [x]"
        local out = names:text(text)
        assert.same(core.segments(text), (core.segments(out)))
        assert.is_truthy(out:find(names:number "+12125551234", 1, true))
        assert.is_truthy(out:find(names:sid(SID), 1, true))
        assert.is_nil(out:find("Call", 1, true))
    end)

    it("of texts leave the words that programs act on", function()
        for _, word in ipairs { "STOP", "stop", "Start", "HELP", " Unsubscribe " } do
            assert.equal(word, new():text(word))
        end
        assert.are_not.equal("STOP\nAnn Smith", new():text "STOP\nAnn Smith")
        assert.equal("Neutral text", new({ keep_texts = { "Neutral text" } }):text "Neutral text")
    end)

    it("of sentences leave out what is quoted", function()
        local names = new()
        local said = names:sentence("The 'To' number +12125551234 of 'Ann' is bad, see " .. SID
            .. " or mail a@b.org, code 12345678, https://shop.test/x?y=1", { { "Ann", "Xyz" } })
        assert.matches("^The 'To' number %+1%d+ of 'Xyz' is bad, %l%l%l SM0%x+ or %l%l%l%l %l@", said)
        for _, secret in ipairs { "2125551234", "Ann", SID, "a@b.org", "12345678", "shop.test" } do
            assert.is_nil(said:find(secret, 1, true), secret)
        end
    end)

    it("of URLs keep public hosts only", function()
        local names = new { keep_hosts = { "hooks.mine.org" } }
        local help = "https://www.twilio.com/docs/errors/21211"
        assert.equal(help, names:url(help))
        assert.equal("https://hooks.mine.org/sms", names:url "https://hooks.mine.org/sms")
        local hidden = names:url "https://ann:secret@cdn.shop.org:8443/img/ann.png?u=ann&t=abc#x"
        assert.matches("^https://h%x+%.example:8443/%l%l%l/%l%l%l%.%l%l%l%?u=%l%l%l&t=%l%l%l$", hidden)
        assert.is_nil(hidden:find "ann")
        assert.equal(hidden:match "//([^:]+)", names:url("https://CDN.shop.org/"):match "//([^/]+)")
    end)

    it("of callbacks keep how often they are repeated", function()
        assert.matches("#rc=3&rp=5xx$", new():url "https://example.com/cb#rc=3&rp=5xx")
    end)
end)
