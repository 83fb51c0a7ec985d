local keyed = require "twilio_sms.cassette.keyed"

describe("the MAC of a pseudonym", function()
    -- RFC 4231, test cases 1, 2 and 6.
    it("is HMAC-SHA-256", function()
        assert.equal("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            keyed.new(("\11"):rep(20)) "Hi There")
        assert.equal("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            keyed.new "Jefe" "what do ya want for nothing?")
        assert.equal("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            keyed.new(("\170"):rep(131)) "Test Using Larger Than Block-Size Key - Hash Key First")
    end)

    it("takes any bytes", function()
        local all = {}
        for i = 0, 255 do
            all[#all + 1] = string.char(i)
        end
        local text = table.concat(all)
        assert.equal(64, #keyed.new(text)(text))
        assert.are_not.equal(keyed.new(text)(text), keyed.new(text:sub(1, 64))(text))
    end)

    it("gives numbers below a bound", function()
        assert.equal(0, keyed.below(("0"):rep(64), 1000))
        assert.equal(0xffffffffffff % 80000, keyed.below(("f"):rep(64), 80000))
    end)
end)
