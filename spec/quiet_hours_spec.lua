local quiet_hours = require "twilio_sms.quiet_hours"
local date = require "twilio_sms.date"

local NIGHT = { from = "21:00", to = "08:00" }

local function utc(text)
    return (assert(date.read(text .. "Z")))
end

local function new(changes)
    local opts = { from = NIGHT.from, to = NIGHT.to }
    for name, value in pairs(changes) do
        opts[name] = value
    end
    return assert(quiet_hours.new(opts))
end

-- When the number may be written to, as UTC.
local function awake(quiet, number, from)
    local ms, why = quiet:wait_ms(number, utc(from))
    return ms and os.date("!%Y-%m-%dT%H:%M:%S", utc(from) + ms / 1000), why
end

describe("quiet hours", function()
    it("put messages off until the window ends where the recipient is", function()
        local quiet = new { zone = { ["+49"] = "Europe/Berlin", ["+91"] = "Asia/Kolkata" } }
        assert.equal("2026-01-10T19:59:59", awake(quiet, "+4930123456", "2026-01-10T19:59:59"))
        assert.equal("2026-01-11T07:00:00", awake(quiet, "+4930123456", "2026-01-10T20:00:00"))
        assert.equal("2026-01-11T07:00:00", awake(quiet, "+4930123456", "2026-01-11T06:59:59"))
        assert.equal("2026-01-11T07:00:00", awake(quiet, "+4930123456", "2026-01-11T07:00:00"))
        assert.equal("2026-07-10T06:00:00", awake(quiet, "+4930123456", "2026-07-10T03:00:00"))
        assert.equal("2026-01-11T02:30:00", awake(quiet, "whatsapp:+919812345678", "2026-01-10T20:00:00"))
    end)

    it("may lie within a day", function()
        local siesta = new { from = "13:30", to = "15:00", default = "UTC" }
        assert.equal("2026-01-10T13:29:59", awake(siesta, "+4930123456", "2026-01-10T13:29:59"))
        assert.equal("2026-01-10T15:00:00", awake(siesta, "+4930123456", "2026-01-10T13:30:00"))
        assert.equal("2026-01-10T15:00:00", awake(siesta, "+4930123456", "2026-01-10T15:00:00"))
        assert.equal("2026-01-10T23:00:00", awake(siesta, "+4930123456", "2026-01-10T23:00:00"))
    end)

    it("end right in the nights in which clocks are changed", function()
        local quiet = new { zone = { ["+49"] = "Europe/Berlin" } }
        -- Forward at 2026-03-29 01:00 UTC, back at 2026-10-25 01:00 UTC.
        assert.equal("2026-03-29T06:00:00", awake(quiet, "+4930123456", "2026-03-28T20:00:00"))
        assert.equal("2026-03-29T06:00:00", awake(quiet, "+4930123456", "2026-03-29T01:00:00"))
        assert.equal("2026-10-25T07:00:00", awake(quiet, "+4930123456", "2026-10-24T19:00:00"))
        assert.equal("2026-10-25T07:00:00", awake(quiet, "+4930123456", "2026-10-25T02:00:00"))
    end)

    it("end with the hour that is left out, and come again with the hour that is repeated", function()
        local early = new { from = "21:00", to = "02:30", zone = { ["+49"] = "Europe/Berlin" } }
        -- 02:30 does not exist: at 02:00 it is 03:00.
        assert.equal("2026-03-29T01:00:00", awake(early, "+4930123456", "2026-03-28T22:00:00"))
        -- 02:30 comes twice.
        assert.equal("2026-10-25T00:30:00", awake(early, "+4930123456", "2026-10-24T22:00:00"))
        assert.equal("2026-10-25T00:45:00", awake(early, "+4930123456", "2026-10-25T00:45:00"))
        assert.equal("2026-10-25T01:30:00", awake(early, "+4930123456", "2026-10-25T01:00:00"))
    end)

    it("never let a message out while the local clock is in them", function()
        local zones = { "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kolkata" }
        local timezone = require "twilio_sms.timezone"
        for _, name in ipairs(zones) do
            local zone, quiet = assert(timezone.load(name)), new { default = name }
            for hour = 0, 366 * 24, 5 do
                local moment = utc "2026-01-01T00:17:00" + hour * 3600
                local ms = quiet:wait_ms("+15558675310", moment)
                local clock = (moment + ms / 1000 + zone:offset_at(moment + ms / 1000)) % 86400 / 3600
                assert.is_true(clock >= 8 and clock < 21)
                assert.is_true(ms == 0 or clock == 8)
                assert.is_true(ms <= 12 * 3600 * 1000)
            end
        end
    end)

    it("take the longest prefix that fits", function()
        local quiet = new {
            zone = { ["+1"] = "America/Los_Angeles", ["+1212"] = "America/New_York", ["+"] = "UTC" },
        }
        assert.equal("2026-01-10T13:00:00", awake(quiet, "+12125550100", "2026-01-10T12:00:00"))
        assert.equal("2026-01-10T16:00:00", awake(quiet, "+12135550100", "2026-01-10T12:00:00"))
        assert.equal("2026-01-10T12:00:00", awake(quiet, "+4930123456", "2026-01-10T12:00:00"))
    end)

    it("wait until all are awake when a prefix has several zones", function()
        local quiet = new { zone = { ["+1"] = { "America/New_York", "America/Los_Angeles" } } }
        assert.equal("2026-01-10T16:00:00", awake(quiet, "+15558675310", "2026-01-10T14:00:00"))
        assert.equal("2026-01-11T01:59:00", awake(quiet, "+15558675310", "2026-01-11T01:59:00"))
        assert.equal("2026-01-11T16:00:00", awake(quiet, "+15558675310", "2026-01-11T02:00:00"))
        local far = { "Europe/Berlin", "Pacific/Auckland", "America/Los_Angeles" }
        local some = new { default = far }
        assert.equal("2026-01-10T19:00:00", awake(some, "+15558675310", "2026-01-10T14:00:00"))
        local never = new { from = "18:00", to = "09:00", default = far }
        local ms, why = never:wait_ms("+15558675310", utc "2026-01-10T14:00:00")
        assert.is_nil(ms)
        assert.matches("no hour in which it is day in all zones", why)
    end)

    it("refuse numbers of which the zone is not known, unless told otherwise", function()
        local ms, why = new { zone = { ["+49"] = "UTC" } }:wait_ms("+15558675310", 0)
        assert.is_nil(ms)
        assert.matches("not known", why)
        local lenient = new { zone = { ["+49"] = "UTC" }, unknown = "allow" }
        assert.equal(0, lenient:wait_ms("+15558675310", 0))
        local greenwich = new { default = "UTC" }
        assert.equal("2026-01-10T08:00:00", awake(greenwich, "+15558675310", "2026-01-10T01:00:00"))
        assert.is_nil((new({ zone = { ["+"] = "UTC" } }):wait_ms("Acme", 0)))
    end)

    it("ask a function for zones", function()
        local asked
        local answers = {
            ["+1"] = "America/New_York", ["+2"] = { "UTC" }, ["+3"] = "Mars/Base", ["+4"] = 5, ["+6"] = {},
        }
        local quiet = new { zone = function(number)
            asked = number
            return answers[number:sub(1, 2)]
        end }
        assert.equal("2026-01-10T13:00:00", awake(quiet, "rcs:+15558675310", "2026-01-10T12:00:00"))
        assert.equal("+15558675310", asked)
        assert.equal("2026-01-10T12:00:00", awake(quiet, "+20123", "2026-01-10T12:00:00"))
        for number, wanted in pairs {
            ["+33"] = "there is no time zone 'Mars/Base'", ["+44"] = "a zone is a name",
            ["+55"] = "not known", ["+66"] = "a zone is a name",
        } do
            local ms, why = quiet:wait_ms(number, 0)
            assert.is_nil(ms)
            assert.matches(wanted, why, 1, true)
        end
    end)

    describe("as a hook", function()
        local now = utc "2026-01-10T22:00:00"
        local hook = new({
            zone = { ["+44"] = "Europe/London" }, clock = function() return now end,
        }):hook()

        it("defer, allow and refuse", function()
            assert.same({ "defer", 10 * 3600 * 1000 }, { hook { to = "+442071838750" } })
            now = utc "2026-01-11T08:00:00"
            assert.same({ true }, { hook { to = "+442071838750" } })
            local ok, why = hook { to = "+15558675310" }
            assert.is_false(ok)
            assert.matches("not known", why)
        end)

        it("look at the time that a message is scheduled for", function()
            now = utc "2026-01-10T22:00:00"
            assert.is_true((hook { to = "+442071838750", send_at = utc "2026-01-11T12:00:00" }))
            now = utc "2026-01-10T12:00:00"
            local ok, why = hook { to = "+442071838750", send_at = utc "2026-01-10T23:00:00" }
            assert.is_false(ok)
            assert.matches("scheduled into them", why)
        end)

        it("do not defer into the window when the clock has fractions", function()
            now = utc "2026-01-11T07:59:59" + 0.9995
            assert.same({ "defer", 1 }, { hook { to = "+442071838750" } })
        end)
    end)

    it("must have zones that exist", function()
        for _, changes in ipairs {
            { zone = { ["+49"] = "Europe/Atlantis" } }, { zone = { ["+49"] = { "UTC", "Europe/Atlantis" } } },
            { default = "Europe/Atlantis" }, { zone = { ["+49"] = 5 } }, { default = {} },
            { default = "UTC", zoneinfo = "/nonexistent" },
        } do
            changes.from, changes.to = NIGHT.from, NIGHT.to
            local quiet, err = quiet_hours.new(changes)
            assert.is_nil(quiet)
            assert.equal("InvalidOption", err.kind)
        end
    end)

    it("raise misuse at the caller", function()
        local quiet = new { default = "UTC" }
        assert.equal("twilio_sms.quiet_hours", tostring(quiet))
        for text, f in pairs {
            ["option 'from' must be a time like '21:00'"] = function() quiet_hours.new { to = "08:00" } end,
            ["option 'to' must be a time"] = function() quiet_hours.new { from = "08:00", to = "24:00" } end,
            ["must differ"] = function() quiet_hours.new { from = "08:00", to = "08:00" } end,
            ["option 'unknown' must be"] = function() new { unknown = "maybe" } end,
            ["a time zone is needed: option 'zone', or 'default', or both"] = function() new {} end,
            ["a time zone is needed"] = function() new { zone = {} } end,
            ["option 'zone': '49' is no prefix like '+49'"] = function()
                new { zone = { ["49"] = "UTC" } }
            end,
            ["option 'zone': '1' is no prefix"] = function() new { zone = { "UTC" } } end,
            ["as in quiet:wait_ms(number)"] = function() quiet.wait_ms("+15558675310") end,
            ["as in quiet:hook()"] = function() quiet.hook() end,
            ["option 'zone' must be a table or a function"] = function() new { zone = "UTC" } end,
            ["unknown option 'zones'; did you mean 'zone'?"] = function() new { zones = {} } end,
            ["number must be a string, not nil"] = function() quiet:wait_ms() end,
        } do
            local ok, err = pcall(f)
            assert.is_false(ok)
            assert.matches("^spec/quiet_hours_spec.lua:%d+: ", err)
            assert.is_truthy(err:find(text, 1, true), err)
        end
    end)
end)
