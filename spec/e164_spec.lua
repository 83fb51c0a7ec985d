local e164 = require "twilio_sms.e164"

describe("twilio_sms.e164", function()
    it("knows numbers in E.164 from everything else", function()
        for _, text in ipairs { "+15558675310", "+6834002", "+123456789012345" } do
            assert.is_true(e164.is(text), text)
        end
        for _, text in ipairs {
            "", "+", "15558675310", "+0555867531", "+683400", "+1234567890123456", "+1555867531x",
            "+1 5558675310", "++15558675310", "rcs:+15558675310", "+1555867531\0",
        } do
            assert.is_false(e164.is(text), text)
        end
    end)
end)
