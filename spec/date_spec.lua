local date = require "twilio_sms.date"

-- Checked with GNU date: date -u -d @N -R
local MOMENTS = {
    { 0, "Thu, 01 Jan 1970 00:00:00 +0000" },
    { 951782400, "Tue, 29 Feb 2000 00:00:00 +0000" },
    { 1692853305, "Thu, 24 Aug 2023 05:01:45 +0000" },
    { 1709251199, "Thu, 29 Feb 2024 23:59:59 +0000" },
    { 1709251200, "Fri, 01 Mar 2024 00:00:00 +0000" },
    { 1735689599, "Tue, 31 Dec 2024 23:59:59 +0000" },
    { 4102444800, "Fri, 01 Jan 2100 00:00:00 +0000" },
    { 4107542400, "Mon, 01 Mar 2100 00:00:00 +0000" },
}

describe("twilio_sms.date", function()
    it("writes dates of records and of headers", function()
        for _, moment in ipairs(MOMENTS) do
            assert.equal(moment[2], date.rfc2822(moment[1]))
            assert.equal(moment[2]:gsub("%+0000", "GMT"), date.http(moment[1]))
        end
        assert.equal("Thu, 24 Aug 2023 05:01:45 +0000", date.rfc2822(1692853305.999))
    end)

    it("agrees with the C library about every day of 200 years", function()
        for day = 0, 73000, 59 do
            local time_s = day * 86400 + day % 86400
            assert.equal(os.date("!%a, %d %b %Y %H:%M:%S +0000", time_s), date.rfc2822(time_s))
            assert.equal(time_s, (date.read(date.rfc2822(time_s))))
        end
    end)

    it("reads what Twilio reads", function()
        local at = 1692853305
        for _, text in ipairs {
            "2023-08-24T05:01:45Z", "2023-08-24T05:01:45.000Z", "2023-08-24 05:01:45.000",
            "2023-08-24T07:01:45+02:00", "2023-08-24T00:01:45-0500", "Thu, 24 Aug 2023 05:01:45 +0000",
            "Thu, 24 Aug 2023 05:01:45 -0000", "Wed, 23 Aug 2023 22:01:45 -0700",
        } do
            assert.same({ at, at }, { date.read(text) })
        end
        assert.same({ 1692835200, 1692921599 }, { date.read "2023-08-24" })
    end)

    it("reads nothing else", function()
        for _, text in ipairs {
            "", "now", "2023-13-01", "2023-00-01", "2023-01-32", "2023-01-00", "2023-8-24", "24-08-2023",
            "2023-08-24T24:00:00Z", "2023-08-24T05:60:00Z", "2023-08-24T05:01:45 PST",
            "2023-08-24T05:01:45+2",
            "Thu, 24 Foo 2023 05:01:45 +0000", "Thu, 24 Aug 2023", "2023-08-24T05:01Z",
        } do
            assert.is_nil((date.read(text)), text)
        end
    end)
end)
