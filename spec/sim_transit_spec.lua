-- What messages go through by themselves, seen at the carrier.
local carrier = require "twilio_sms.sim.carrier"
local random = require "twilio_sms.sim.random"

local START_MS = 1700000000000
local SERVICE = "MG" .. ("0"):rep(32)
local FROM, OTHER, TO = "+15557122661", "+15557122662", "+15558675310"

describe("twilio_sms.sim.transit", function()
    local c, now_ms

    local function new(opts)
        local all = {
            account_sid = "AC" .. ("0"):rep(32), random = random.new(1), send_ms = 200, deliver_ms = 1000,
            service_number = "+15005550006",
        }
        for name, value in pairs(opts or {}) do
            all[name] = value
        end
        c, now_ms = carrier.new(all), START_MS
        c:advance(now_ms)
        return c
    end

    local function pass(ms)
        now_ms = now_ms + ms
        c:advance(now_ms)
    end

    local function try(changes, direction, tag)
        local params = { To = TO, From = FROM, Body = "Hello" }
        for name, value in pairs(changes or {}) do
            params[name] = value or nil
        end
        return c:create(params, direction, tag)
    end

    local function create(changes, direction, tag)
        return assert(try(changes, direction, tag))
    end

    local function by_service(changes)
        local all = { From = false, MessagingServiceSid = SERVICE }
        for name, value in pairs(changes or {}) do
            all[name] = value
        end
        return create(all)
    end

    local SEGMENTS_3 = ("x"):rep(307)

    describe("with throughput", function()
        it("sends one segment a second from a long code, in order", function()
            new { senders = { [FROM] = {} } }
            local made = { create(), create { Body = SEGMENTS_3 }, create(), create { From = OTHER } }
            pass(200)
            assert.same({ "sent", "queued", "queued", "sent" },
                { made[1].status, made[2].status, made[3].status, made[4].status })
            pass(999)
            assert.equal("queued", made[2].status)
            pass(1)
            assert.equal("sent", made[2].status)
            pass(2999)
            assert.equal("queued", made[3].status)
            pass(1)
            assert.same({ "sent", START_MS / 1000 + 4 }, { made[3].status, made[3].sent_s })
            assert.equal(START_MS / 1000, made[3].created_s)
            pass(1000)
            assert.equal("delivered", made[3].status)
        end)

        it("is as fast as the type of each sender, when all are limited", function()
            new { limit_all = true }
            for from, expected in pairs {
                [FROM] = 10, ["+18885550100"] = 30, ["12345"] = 1000, ACME = 100, ["+447700900123"] = 100,
            } do
                local made = {}
                for i = 1, 1200 do
                    made[i] = create { From = from }
                end
                pass(200)
                pass(9999)
                local sent = 0
                for i = 1, 1200 do
                    sent = sent + (made[i].sent_s and 1 or 0)
                end
                assert.equal(expected, sent, from)
                pass(10000000)
            end
        end)

        it("sends at its own pace in one leap too", function()
            new { senders = { [FROM] = {} } }
            for _ = 1, 50 do
                create()
            end
            local last = create()
            pass(3600000)
            assert.same({ "delivered", START_MS / 1000 + 50 }, { last.status, last.sent_s })
            assert.is_nil(c:due_ms())
        end)

        it("adds up the senders of a messaging service, which text each person from one number", function()
            new { senders = { [FROM] = {}, [OTHER] = {}, [SERVICE] = { senders = { FROM, OTHER } } } }
            local made, of = {}, {}
            for i = 1, 200 do
                made[i] = by_service { To = ("+1555867%04d"):format(i % 20) }
            end
            pass(30000)
            local sent = 0
            for i = 1, 200 do
                local message = made[i]
                sent = sent + (message.sent_s and 1 or 0)
                assert.equal(of[message.to] or message.from, message.from)
                of[message.to] = message.from
            end
            assert.equal(60, sent)
        end)

        it("has the throughput of the account, when the service has one", function()
            new { senders = { [SERVICE] = { per_second = 5, senders = { FROM, OTHER } } } }
            local made = {}
            for i = 1, 100 do
                made[i] = by_service { To = ("+1555867%04d"):format(i) }
            end
            pass(200)
            pass(200)
            pass(9999)
            local sent = 0
            for i = 1, 100 do
                sent = sent + (made[i].sent_s and 1 or 0)
            end
            assert.equal(50, sent)
        end)

        it("gives the place of a canceled message to the next", function()
            new { senders = { [FROM] = {} } }
            local made = { create(), create { Body = SEGMENTS_3 }, create { Body = SEGMENTS_3 }, create() }
            assert(c:cancel(made[2]))
            assert(c:cancel(made[3]))
            pass(1200)
            assert.same({ "delivered", "canceled", "canceled", "sent" },
                { made[1].status, made[2].status, made[3].status, made[4].status })
        end)

        it("stays in step when all who waited were canceled, and others come", function()
            new { senders = { [FROM] = {} } }
            create()
            local gone = create()
            pass(1050)
            assert(c:cancel(gone))
            local second = create()
            pass(10)
            local third = create { Body = "third" }
            pass(189)
            assert.same({ "queued", "queued" }, { second.status, third.status })
            pass(1 + 999)
            assert.same({ "sent", "queued" }, { second.status, third.status })
            pass(1)
            assert.equal("sent", third.status)
        end)
    end)

    describe("with a full queue", function()
        it("refuses by number at once, with 21611 and 429", function()
            new { senders = { [FROM] = {} }, queue_s = 10 }
            create()
            for i = 1, 10 do
                create { Body = "Message " .. i }
            end
            local message, err = try()
            assert.is_nil(message)
            assert.same({ 21611, 429 }, { err.code, err.status })
            assert.truthy(err.message:find(FROM, 1, true))
            create { From = OTHER }
            assert.same({ 12, 1 }, { c:stats().accepted, c:stats().refused })
            pass(1200)
            create()
            assert.is_nil((try()))
        end)

        it("holds ten hours of a sender's traffic", function()
            new { senders = { [FROM] = {} } }
            create()
            for _ = 1, 36000 do
                create()
            end
            assert.is_nil((try()))
        end)

        it("accepts by service, and fails then with 30001", function()
            new { senders = { [FROM] = {}, [SERVICE] = { senders = { FROM } } }, queue_s = 5 }
            local made = {}
            for i = 1, 7 do
                made[i] = by_service { Body = "Message " .. i }
                assert.equal("accepted", made[i].status)
            end
            pass(200)
            assert.same({ "queued", "failed", 30001, 1 },
                { made[6].status, made[7].status, made[7].error_code, made[7].num_segments })
            assert.is_nil(made[7].sent_s)
            pass(100000)
            assert.equal("delivered", made[6].status)
        end)
    end)

    describe("with a validity period", function()
        it("fails with 30036 what waits longer", function()
            new { senders = { [FROM] = {} } }
            for _ = 1, 20 do
                create()
            end
            local short, enough = create { ValidityPeriod = "10" }, create { ValidityPeriod = "21" }
            pass(9999)
            assert.equal("queued", short.status)
            pass(1)
            assert.same({ "failed", 30036 }, { short.status, short.error_code })
            assert.is_nil(short.sent_s)
            assert.is_nil(short.price)
            pass(100000)
            assert.same({ "delivered", START_MS / 1000 + 20 }, { enough.status, enough.sent_s })
        end)

        it("sends what is in time because others were canceled", function()
            new { senders = { [FROM] = {} }, deliver_ms = 30000 }
            create()
            local others = {}
            for i = 1, 20 do
                others[i] = create()
            end
            local message = create { ValidityPeriod = "10" }
            for i = 1, 20 do
                assert(c:cancel(others[i]))
            end
            pass(1200)
            assert.equal("sent", message.status)
            pass(29999)
            assert.equal("sent", message.status)
            pass(1)
            assert.equal("delivered", message.status)
        end)

        it("counts ten hours by default", function()
            new { senders = { [FROM] = {} }, queue_s = 50000 }
            for _ = 1, 36010 do
                create()
            end
            local late = create()
            pass(36000000)
            assert.same({ "failed", 30036 }, { late.status, late.error_code })
        end)
    end)

    describe("with delivery", function()
        it("shows that a message is being sent", function()
            new { delivery = { sending_ms = 300 }, callbacks = true }
            local message = create { StatusCallback = "https://example.com/" }
            pass(200)
            assert.equal("sending", message.status)
            assert.is_nil(message.sent_s)
            assert.is_nil((c:cancel(message)))
            pass(300)
            assert.equal("sent", message.status)
            pass(1000)
            assert.equal("delivered", message.status)
            local heard = {}
            for i, change in ipairs(c:changes()) do
                heard[i] = change.status
            end
            assert.same({ "sent", "delivered" }, heard)
        end)

        it("tells by a receipt what did not arrive, for which is paid", function()
            new { delivery = { errors = { { code = 30005, share = 1 } } } }
            local message = create { Body = SEGMENTS_3 }
            pass(200)
            assert.same({ "sent" }, { message.status, message.error_code, message.price })
            pass(1000)
            assert.same({ "undelivered", 30005, "-0.02370" },
                { message.status, message.error_code, message.price })
        end)

        it("does not send what fails before that", function()
            new { delivery = { errors = { { code = 30034, share = 1 } } } }
            local message = create()
            pass(200)
            assert.same({ "failed", 30034 }, { message.status, message.error_code })
            assert.is_nil(message.sent_s)
            assert.is_nil(message.price)
        end)

        it("hears no more of some", function()
            new { delivery = { no_receipt = 1 }, retain_s = 60 }
            local message = create()
            pass(10000)
            assert.equal("sent", message.status)
            assert.is_nil(message.price)
            pass(60000)
            assert.equal(0, c:kept())
        end)

        it("stops what the guards stop", function()
            new { carrier_limits = { per_second = 1 } }
            local first, second = create(), create { Body = "two" }
            pass(200)
            assert.same({ "sent", "failed", 30022 }, { first.status, second.status, second.error_code })
        end)

        it("does not take part in RiskCheck when it is told so", function()
            new { pumping = { messages = 1 } }
            local made = { create(), create { RiskCheck = "disable" }, create { RiskCheck = "enable" } }
            pass(200)
            assert.same({ "sent", "sent", "failed", 30450 },
                { made[1].status, made[2].status, made[3].status, made[3].error_code })
        end)
    end)

    it("breaks a loop of replies with 14107", function()
        new { loop_guard = true }
        local made = {}
        for i = 1, 17 do
            made[i] = create({ Body = "Reply " .. i }, "outbound-reply")
            pass(1000)
        end
        local other = create() -- no reply
        pass(10000)
        assert.same({ "delivered", "failed", 14107, "failed", "delivered" },
            { made[15].status, made[16].status, made[16].error_code, made[17].status, other.status })
    end)

    it("brings messages to the account's own numbers, if it is asked to", function()
        new { relay = true, numbers = { [FROM] = true, [OTHER] = true } }
        local message = create { To = OTHER }
        create()
        assert.equal(START_MS + 200, c:callback_due_ms())
        pass(1199)
        assert.is_false(c:has_news())
        pass(1)
        assert.is_true(c:has_news())
        assert.same({ message.sid }, { c:arrivals()[1].sid })
        assert.same({}, c:arrivals())
        new { numbers = { [FROM] = true, [OTHER] = true } }
        create { To = OTHER }
        pass(10000)
        assert.is_false(c:has_news())
    end)

    describe("with lists that lag", function()
        local function listed()
            return #c:list({ to = TO }, 50)
        end

        it("shows a message later, and finds it by sid at once", function()
            new { list_lag_ms = 5000 }
            local message = create()
            assert.equal(message, c:fetch(message.sid))
            pass(4999)
            assert.equal(0, listed())
            pass(1)
            assert.equal(1, listed())
        end)

        it("asks a function for the lag of each", function()
            local asked
            new { list_lag_ms = function(message)
                asked = message.body
                return message.body == "late" and 1000 or 0
            end }
            create()
            create { Body = "late" }
            assert.same({ "late", 1 }, { asked, listed() })
            pass(1000)
            assert.equal(2, listed())
        end)

        it("draws the lag", function()
            new { list_lag_ms = { 1000, 2000, 9000 } }
            for _ = 1, 50 do
                create()
            end
            pass(999)
            assert.equal(0, listed())
            pass(1001)
            local early = listed()
            assert.truthy(early > 10 and early < 40)
            pass(7000)
            assert.equal(50, listed())
        end)
    end)

    it("tells of what it accepts and of each change, with the tag", function()
        local told = {}
        local tag = {}
        new {
            on_accept = function(message, given)
                told[#told + 1] = { message.status, given, message.tag }
            end,
            on_status = function(message)
                told[#told + 1] = { message.status, message.error_code }
            end,
        }
        create(nil, nil, tag)
        pass(2000)
        assert.same({ { "queued", tag, tag }, { "sent" }, { "delivered" } }, told)
        told = {}
        c:cancel(by_service())
        assert.same({ { "accepted" }, { "canceled" } }, told)
        told = {}
        try { To = "nobody" }
        by_service { To = "+15005550004" }
        pass(2000)
        assert.same({ { "accepted" }, { "failed", 21610 } }, told)
        told = {}
        c:receive { From = TO, To = FROM, Body = "Hello" }
        assert.same({}, told)
    end)

    describe("with retention", function()
        it("forgets what ended long ago, in every place", function()
            new { retain_s = 60 }
            local message = create()
            pass(1200 + 59999)
            assert.equal(message, c:fetch(message.sid))
            pass(1)
            assert.is_nil(c:fetch(message.sid))
            assert.same({}, c:list({ to = TO }, 50))
            assert.is_nil(c:list({}, 5, { sid = message.sid }))
            create() -- counts as the first one
            assert.same({ 2, 0, 1, 1 }, { c:stats().accepted, c:stats().duplicates,
                c:stats().statuses.delivered, c:kept() })
            pass(1200 + 60000)
            assert.equal(0, c:kept())
        end)

        it("keeps what is under way", function()
            new { retain_s = 60 }
            local scheduled = by_service { ScheduleType = "fixed",
                SendAt = os.date("!%Y-%m-%dT%H:%M:%SZ", START_MS / 1000 + 3600) }
            pass(3599000)
            assert.equal(scheduled, c:fetch(scheduled.sid))
            pass(1000 + 1200 + 60000)
            assert.is_nil(c:fetch(scheduled.sid))
        end)

        it("forgets canceled, deleted and inbound ones too", function()
            new { retain_s = 60 }
            assert(c:cancel(create()))
            local deleted = create()
            pass(200)
            assert(c:delete(deleted))
            c:receive { From = TO, To = FROM, Body = "Hello" }
            assert.equal(3, c:kept())
            pass(60000)
            assert.equal(0, c:kept())
        end)

        it("needs no more memory for more messages", function()
            local function run(count)
                for i = 1, count do
                    create { To = ("+1555%07d"):format(i % 100000), Body = "Message " .. i }
                    pass(50)
                end
                collectgarbage()
                collectgarbage()
                return collectgarbage "count"
            end
            new { retain_s = 10 }
            local early_kb = run(5000)
            local late_kb = run(10000)
            assert.truthy(late_kb < early_kb * 1.2 + 64, early_kb .. " then " .. late_kb)
            assert.truthy(c:kept() < 300)
        end)
    end)

    describe("on a usual day", function()
        local function run(opts)
            local told = {}
            local settings = carrier.realistic(opts)
            settings.on_status = function(message)
                told[#told + 1] = ("%s %s %s"):format(message.sid, message.status, message.error_code)
            end
            new(settings)
            for i = 1, 300 do
                create { From = "12345", To = ("+1555867%04d"):format(i), Body = "Message " .. i }
                pass(20)
            end
            pass(600000)
            return table.concat(told, "\n")
        end

        it("delivers most, loses some, and does the same each time", function()
            local told = run()
            assert.equal(told, run())
            local statuses = c:stats().statuses
            assert.truthy(statuses.delivered > 250 and statuses.undelivered > 0)
            assert.equal(300, statuses.delivered + statuses.undelivered + statuses.sent)
        end)

        it("lets other options win", function()
            run { delivery = { errors = { { code = 30003, share = 1 } } } }
            assert.equal(300, c:stats().statuses.undelivered)
        end)

        it("gives the sids that it would give on any day", function()
            local function sids()
                local out = {}
                for i = 1, 20 do
                    out[i] = create().sid
                    pass(1000)
                end
                return out
            end
            new()
            local expected = sids()
            new(carrier.realistic())
            assert.same(expected, sids())
        end)

        it("draws the same however often it is looked at", function()
            local settings = { delivery = { deliver_ms = { 100, 90000 } } }
            local function sent_s(look_every_ms)
                new(settings)
                local made = {}
                for i = 1, 20 do
                    made[i] = create()
                    for _ = 1, 60000 / look_every_ms do
                        pass(look_every_ms)
                        c:list({}, 5)
                    end
                end
                local out = {}
                for i, message in ipairs(made) do
                    out[i] = message.sid .. message.updated_s
                end
                return out
            end
            assert.same(sent_s(60000), sent_s(500))
        end)
    end)

    it("blames the caller for options that make no sense", function()
        for _, opts in ipairs {
            { delivery = { deliver_ms = -1 } }, { senders = { [FROM] = { typ = "x" } } },
            { pumping = { messages = 0 } }, { carrier_limits = { a = 1 } }, { list_lag_ms = { 2, 1 } },
            { list_lag_ms = "long" }, { sender = {} }, { retain_s = "1" },
        } do
            local ok, message = pcall(new, opts)
            assert.is_false(ok)
            assert.truthy(message:find "sim_transit_spec", message)
        end
    end)
end)
