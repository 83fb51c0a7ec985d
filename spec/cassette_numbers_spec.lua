local keyed = require "twilio_sms.cassette.keyed"
local numbers = require "twilio_sms.cassette.numbers"

local mac = keyed.new "a key"

describe("numbers that belong to nobody", function()
    it("keep country and length", function()
        for _, case in ipairs {
            { "+12125551234", "^%+1[2-9]%d%d55501%d%d$" }, { "+447911123456", "^%+447700900%d%d%d$" },
            { "+33612345678", "^%+3363998%d%d%d%d$" }, { "+442071838750", "^%+4455501%d%d%d%d%d$" },
            { "+4915112345678", "^%+4955501%d%d%d%d%d%d$" }, { "+3726123456", "^%+37255501%d%d$" },
            { "+79161234567", "^%+755501%d%d%d%d%d$" }, { "+8613812345678", "^%+8655501%d%d%d%d%d%d$" },
        } do
            local pseudonym = numbers.pseudonym(case[1], mac(case[1]), 0)
            assert.matches(case[2], pseudonym)
            assert.equal(#case[1], #pseudonym)
            assert.is_true(numbers.is_reserved(pseudonym), pseudonym)
            local other = numbers.pseudonym(case[1], mac(case[1]), 1)
            assert.equal(#case[1], #other)
            assert.is_true(numbers.is_reserved(other), other)
        end
    end)

    it("are toll-free when the number is, and only then", function()
        for i = 0, 2000 do
            local toll_free = ("+1888%07d"):format(2000000 + i)
            assert.matches("^%+188855501%d%d$", numbers.pseudonym(toll_free, mac(toll_free), 0))
            local plain = ("+1212%07d"):format(2000000 + i)
            local area = numbers.pseudonym(plain, mac(plain), 0):sub(3, 5)
            assert.is_nil((" 800 833 844 855 866 877 888 "):find(" " .. area .. " ", 1, true))
        end
    end)

    it("fit into the shortest number", function()
        for _, number in ipairs { "+2901234", "+3761234", "+1234567", "+12345678" } do
            for _, n in ipairs { 0, 1, 63, 64, 1000 } do
                local pseudonym = numbers.pseudonym(number, mac(number), n)
                assert.matches("^%+%d+$", pseudonym)
                assert.equal(#number, #pseudonym)
            end
        end
    end)

    it("have the same pseudonym as tens of thousands of others", function()
        for _, case in ipairs { { "+1212%07d", 80000 }, { "+447%09d", 1000 }, { "+49151%08d", 10000 },
            { "+86138%08d", 10000 }, { "+3725%07d", 1000 } } do
            local seen, count = {}, 0
            for i = 1, 3000 do
                local number = case[1]:format(i * 2357)
                local pseudonym = numbers.pseudonym(number, mac(number), 0)
                count = count + (seen[pseudonym] and 0 or 1)
                seen[pseudonym] = true
            end
            -- So many different ones are expected when there are case[2] of them.
            local expected = case[2] * (1 - (1 - 1 / case[2]) ^ 3000)
            assert.is_true(math.abs(count - expected) < expected / 20, case[1] .. " " .. count)
        end
    end)

    it("are known", function()
        for _, number in ipairs { "+15005550006", "+15005550001", "+12125550123", "+447700900123" } do
            assert.is_true(numbers.is_reserved(number), number)
        end
        local real = { "+15558675310", "+12125550223", "+12125551234", "+447911123456", "+3725550" }
        for _, number in ipairs(real) do
            assert.is_false(numbers.is_reserved(number), number)
        end
    end)
end)
