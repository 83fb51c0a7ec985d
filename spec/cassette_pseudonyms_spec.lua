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
                assert.is_true(#entry[2] < 5) -- a few digits of its MAC
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

    it("of numbers that moved on follow from the place that they wanted", function()
        local function moved_from_one_place(first)
            local names = new()
            for i = first, first + 3000 do
                names:number(("+1888%07d"):format(2000000 + i))
                for _, entry in ipairs(names:take_news() or {}) do
                    if entry[1] == "+18885550100" then
                        assert.equal(1, #entry[2])
                        return entry[3]
                    end
                end
            end
        end
        assert.is_string(moved_from_one_place(0))
        assert.equal(moved_from_one_place(0), moved_from_one_place(5000))
    end)

    it("of texts tell no more of a number in them than its own does", function()
        local by_pseudonym, same = {}, 0
        -- Toll-free numbers have a hundred pseudonyms; none moves on, because each has a tape of its own.
        for i = 1, 300 do
            local names = new()
            local number = ("+1888%07d"):format(2000000 + i)
            local text = names:text("Please call " .. number .. " now")
            local pseudonym = names:number(number)
            same = same + (by_pseudonym[pseudonym] and 1 or 0)
            assert.equal(by_pseudonym[pseudonym] or text, text)
            by_pseudonym[pseudonym] = text
        end
        assert.is_true(same > 100)
    end)

    it("of texts are the same for many numbers that are written in them without a plus sign", function()
        local names, seen, same = new(), {}, 0
        for i = 1, 400 do
            local text = names:text(("Call 212-555-%04d please"):format(i))
            same = same + (seen[text] and 1 or 0)
            seen[text] = true
        end
        assert.is_true(same > 250 and same < 350) -- there are a hundred
        assert.are_not.equal(names:text "Code 493827", names:text "Code 493828")
    end)

    it("of what begins with a plus sign and is no number are none either", function()
        for _, text in ipairs { "+0123456789", "+00 1", "+0000000", "+1234567890123456" } do
            local out = new():text("Call " .. text .. " now")
            assert.matches("^%u%l%l%l %+0*%d*", out)
            local digits = out:match "%+(%d+)"
            assert.is_true(digits:sub(1, 1) == "0" or #digits > 15, out)
        end
        assert.matches("^%+683%d%d%d%d$", new():text "+6834001") -- the shortest numbers that there are
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

    it("of sentences leave out numbers that are written in groups", function()
        for _, number in ipairs { "(212) 555-1234", "212 555 1234", "2.1.2.5.5.5.1.2.3.4", "212/555/1234" } do
            local said = new():sentence("The number " .. number .. " is not valid", {})
            assert.matches("^The number [%d%s().%-/]+ is not valid$", said)
            assert.are_not.equal("2125551234", (said:gsub("%D", "")))
        end
        assert.equal("Error 21211: status 400", new():sentence("Error 21211: status 400", {}))
    end)

    it("of sentences may quote a value however often", function()
        local said = new():sentence(("hi "):rep(60000), { { "hi", "yo" } })
        assert.equal(("yo "):rep(60000), said)
    end)

    it("of URLs show nothing that may be a token", function()
        for _, url in ipairs { "https://shop.test/cb?S3cretT0ken", "https://shop.test/cb?493827493827=1",
            "https://shop.test/cb#token=S3cretT0ken", "https://shop.test/cb#rc=3&S3cretT0ken=1",
            "https://shop.test/cb#rc=493827493827", "https://S3cretT0ken493827493827/cb",
            "https://shop.test:493827493827/cb", "S3cretT0ken://shop.test/",
            "https://example.com/493827493827", "https://example.com/%34%39%33%38%32%37493827" } do
            local out = new():url(url)
            assert.is_nil(out:find "S3cretT0ken", out)
            assert.is_nil(out:find "493827", out)
            assert.is_nil(out:find "shop", out)
        end
        assert.matches("^https://h%x+%.example:443/x?", new():url "https://10.1.2.3:443/x")
        assert.matches("^http://h%x+%.example/%l$", new():url "http://10.1.2.3/x")
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
