local rules = require "twilio_sms.sim.rules"

local NOW_S = 1700000000
local SERVICE = "MG" .. ("0123456789abcdef"):rep(2)

-- The parameters of a request that is in order, with some changed; false takes one away.
local function params(changes)
    local out = { To = "+15558675310", From = "+15557122661", Body = "Hello" }
    for name, value in pairs(changes) do
        out[name] = value or nil
    end
    return out
end

local function by_service(changes)
    changes.From, changes.MessagingServiceSid = false, SERVICE
    return params(changes)
end

local function code_of(given, numbers)
    local num_segments, err = rules.check(given, NOW_S, numbers)
    if num_segments then
        return 0
    end
    return err.code, err.status
end

local function iso(offset_s)
    return os.date("!%Y-%m-%dT%H:%M:%SZ", NOW_S + offset_s)
end

local function scheduled(offset_s)
    return by_service { ScheduleType = "fixed", SendAt = iso(offset_s) }
end

local function urls(count)
    local list = {}
    for i = 1, count do
        list[i] = "https://example.com/" .. i .. ".jpg"
    end
    return list
end

describe("twilio_sms.sim.rules", function()
    it("accepts what is in order", function()
        for _, given in ipairs {
            params {}, by_service {}, params { MessagingServiceSid = SERVICE },
            params { From = false, MessagingServiceSid = SERVICE:upper() },
            params { From = "12345" }, params { From = "ACME Shop" }, params { From = "rcs:acme" },
            params { To = "whatsapp:+15558675310", From = "whatsapp:+15557122661" },
            params { Body = ("x"):rep(1600) }, params { Body = ("é"):rep(1600) },
            params { Body = ("😀"):rep(1600) },
            params { Body = false, MediaUrl = urls(10) }, params { Body = false, ContentSid = "HX1" },
            params { ValidityPeriod = "1" }, params { ValidityPeriod = "36000" },
            params { StatusCallback = "https://example.com/status?x=1#rc=3" },
            params { From = "+15005550006" }, params { To = "+15005550010" },
            scheduled(900), scheduled(35 * 86400),
            by_service { ScheduleType = "fixed", SendAt = iso(3600):gsub("Z", "+00:00") },
        } do
            assert.equal(0, (code_of(given)))
        end
    end)

    local REFUSED = {
        { 21604, 400, params { To = false } },
        { 21604, 400, params { To = false, From = false } },
        { 21603, 400, params { From = false } },
        { 21701, 404, params { MessagingServiceSid = "MG1" } },
        { 21701, 404, params { From = false, MessagingServiceSid = SERVICE .. "0" } },
        { 21701, 404, params { From = false, MessagingServiceSid = "MG" .. ("g"):rep(32) } },
        { 21701, 404, params { From = false, MessagingServiceSid = "MX" .. ("0"):rep(32) } },
        { 21211, 400, params { To = "5558675310" } },
        { 21211, 400, params { To = "+0558675310" } },
        { 21211, 400, params { To = "+155586753101234567" } },
        { 21211, 400, params { To = "+123456" } },
        { 21211, 400, params { To = "+1555867531x" } },
        { 21211, 400, params { To = "+1555867531/" } },
        { 21211, 400, params { To = "+1555867531:" } },
        { 21211, 400, params { To = "15558675310" } },
        { 21211, 400, by_service { To = "nobody" } },
        { 21212, 400, params { From = "+" } },
        { 21212, 400, params { From = "12345678901" } },
        { 21212, 400, params { From = "This name is too long" } },
        { 21212, 400, params { From = "ACME-Shop" } },
        { 21602, 400, params { Body = false } },
        { 21602, 400, params { Body = "" } },
        { 21617, 400, params { Body = ("x"):rep(1601) } },
        { 21617, 400, params { Body = ("é"):rep(1601) } },
        { 21619, 400, params { Body = "\255" } },
        { 21620, 400, params { MediaUrl = { "ftp://example.com/a.jpg" } } },
        { 21623, 400, params { MediaUrl = urls(11) } },
        { 21654, 400, params { ContentVariables = "{}" } },
        { 21624, 400, params { ValidityPeriod = "0" } },
        { 21624, 400, params { ValidityPeriod = "36001" } },
        { 21624, 400, params { ValidityPeriod = "soon" } },
        { 21609, 400, params { StatusCallback = "example.com" } },
        { 21609, 400, params { StatusCallback = "https://my_host/" } },
        { 21609, 400, params { StatusCallback = "https://example.com/" .. ("x"):rep(4000) } },
        -- scheduling
        { 35111, 400, by_service { ScheduleType = "fixed" } },
        { 35118, 400, params { ScheduleType = "fixed", SendAt = iso(3600) } },
        { 35126, 400, by_service { ScheduleType = "soon", SendAt = iso(3600) } },
        { 35126, 400, by_service { SendAt = iso(3600) } },
        { 35114, 400, scheduled(899) },
        { 35114, 400, scheduled(35 * 86400 + 1) },
        { 35114, 400, scheduled(-60) },
        { 35114, 400, by_service { ScheduleType = "fixed", SendAt = "tomorrow" } },
        { 35114, 400, by_service { ScheduleType = "fixed", SendAt = "2023-11-20" } },
        -- magic numbers
        { 21212, 400, params { From = "+15005550001" } },
        { 21606, 400, params { From = "+15005550007" } },
        { 21611, 429, params { From = "+15005550008" } },
        { 21211, 400, params { To = "+15005550001" } },
        { 21612, 400, params { To = "+15005550002" } },
        { 21408, 400, params { To = "+15005550003" } },
        { 21610, 400, params { To = "+15005550004" } },
        { 21614, 400, params { To = "+15005550009" } },
        { 21211, 400, by_service { To = "+15005550001" } },
        -- the order of the questions
        { 21606, 400, params { From = "+15005550007", Body = "" } },
        { 21606, 400, params { From = "+15005550007", To = "nobody" } },
        { 21211, 400, params { To = "nobody", Body = "" } },
    }

    for i, case in ipairs(REFUSED) do
        it(("refuses with %d (case %d)"):format(case[1], i), function()
            assert.same({ case[1], case[2] }, { code_of(case[3]) })
        end)
    end

    it("accepts the account's own numbers only, when it knows them", function()
        local own = { ["+15557122661"] = true }
        assert.equal(0, (code_of(params {}, own)))
        assert.equal(21606, (code_of(params { From = "+15557122662" }, own)))
        assert.equal(0, (code_of(by_service {}, own)))
    end)

    it("leaves it to the message to fail when a service sends", function()
        for number, code in pairs {
            ["+15005550002"] = 21612, ["+15005550003"] = 21408,
            ["+15005550004"] = 21610, ["+15005550009"] = 21614,
        } do
            assert.same({ 1, nil, code }, { rules.check(by_service { To = number }, NOW_S) })
        end
        assert.same({ 1 }, { rules.check(by_service {}, NOW_S) })
    end)

    it("counts segments as they travel", function()
        local function segments(body, media)
            return (assert(rules.check(params { Body = body, MediaUrl = media }, NOW_S)))
        end
        assert.equal(1, segments(("x"):rep(70)))
        assert.equal(1, segments(("["):rep(70)))
        assert.equal(1, segments(("`"):rep(70)))
        assert.equal(2, segments(("`"):rep(71)))
        assert.equal(1, segments("é"))
        assert.equal(1, segments(("x"):rep(160)))
        assert.equal(2, segments(("x"):rep(161)))
        assert.equal(2, segments(("["):rep(81)))
        assert.equal(2, segments(("語"):rep(71)))
        assert.equal(3, segments(("x"):rep(307)))
        assert.equal(1, segments(("x"):rep(1600), urls(1)))
    end)

    it("knows when a message is to be sent", function()
        assert.same({ 1, NOW_S + 3600 }, { rules.check(scheduled(3600), NOW_S) })
    end)
end)
