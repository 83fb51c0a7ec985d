local doubt = require "twilio_sms.cli.bulk.doubt"

local TO, FROM = "+15550001", "+15550099"
local BEGUN_S = 1792000000

-- A message as Twilio lists it.
local function message(sid, changes)
    local out = {
        sid = sid, to = TO, from = FROM, direction = "outbound-api", body = "Hello", num_media = 0,
        date_created_unix = BEGUN_S + 1, status = "sent",
    }
    for name, value in pairs(changes or {}) do
        out[name] = value
    end
    return out
end

local function row(number, fields)
    fields = fields or {}
    fields.to, fields.body = fields.to or TO, fields.body or "Hello"
    return { number = number, key = "key" .. number, fields = fields }
end

-- What is said about rows when the list holds these messages.
local function judge(rows, list, changes)
    changes = changes or {}
    local by_key, known = {}, {}
    for _, one in ipairs(rows) do
        by_key[one.key] = one
        known[one.key] = { key = one.key, row = one.number, to = one.fields.to, at_ms = BEGUN_S * 1000,
            outcome = changes.outcome }
    end
    for key, one in pairs(changes.known or {}) do
        known[key] = one
    end
    local connection = {
        from = FROM, messaging_service_sid = changes.service,
        client = {
            list = function(_, filter)
                local out = {}
                for _, one in ipairs(list) do
                    out[#out + 1] = one.to == filter.to and one or nil
                end
                return not changes.err and out or nil, changes.err
            end,
        },
    }
    local results = {
        doubtful = known, clock_ahead_s = changes.clock_ahead_s or 0,
        sids_of = function() return changes.claimed or {} end,
    }
    local stopped = changes.stopped or false
    local judged = assert(doubt.look_up(connection, results, by_key, function() return stopped end))
    local out = {}
    for _, one in ipairs(judged) do
        out[one.number] = one.verdict == "found" and one.detail.sid or one.verdict
    end
    return out, judged
end

describe("a row in doubt", function()
    it("is found when a message fits", function()
        assert.same({ "SM1" }, (judge({ row(1) }, { message "SM1" })))
        for name, changes in pairs {
            ["white space"] = { body = " Hello\n" },
            ["a trial account"] = { body = "Sent from your Twilio trial account - Hello" },
            ["no sender yet"] = { from = false },
        } do
            assert.same({ "SM1" }, (judge({ row(1) }, { message("SM1", changes) })), name)
        end
        assert.same({ "SM1" }, (judge({ row(1, { body = "It\226\128\153s" }) },
            { message("SM1", { body = "It's" }) })))
    end)

    it("is absent when none does", function()
        assert.same({ "absent" }, (judge({ row(1) }, {})))
        for name, changes in pairs {
            ["another text"] = { body = "Hello!" },
            ["another sender"] = { from = "+15550098" },
            ["from them"] = { direction = "inbound" },
            ["too old"] = { date_created_unix = BEGUN_S - 301 },
            ["a picture without text"] = { body = "", num_media = 1 },
        } do
            assert.same({ "absent" }, (judge({ row(1) }, { message("SM1", changes) })), name)
        end
        assert.same({ "absent" }, (judge({ row(1, { messaging_service_sid = "MG1" }) },
            { message("SM1", { messaging_service_sid = "MG2" }) })))
    end)

    it("is unclear when neither can be said", function()
        assert.same({ "unclear" }, (judge({ row(1) }, { message("SM1", { body = "" }) })))
        assert.same({ "unclear" }, (judge({ row(1) }, {}, { outcome = "accepted_no_sid" })))
        assert.same({ "unclear" }, (judge({ row(1) }, { message "SM1" }, { err = "503" })))
        assert.same({ "unclear" }, (judge({ row(1) }, { message "SM1" }, { stopped = true })))
        local many = {}
        for i = 1, 1000 do
            many[i] = message("SM" .. i, { body = "something else" })
        end
        assert.same({ "unclear" }, (judge({ row(1) }, many)))
        many[1000].date_created_unix = BEGUN_S - 1000
        assert.same({ "absent" }, (judge({ row(1) }, many)))
    end)

    it("is unclear when the input does not have it any more", function()
        local _, judged = judge({}, {}, { known = { gone = { key = "gone", row = 9, to = TO, at_ms = 1 } } })
        assert.same({ "unclear", "it is not in the input any more", 9 },
            { judged[1].verdict, judged[1].detail, judged[1].number })
        local other = { key = "key1", row = 1, to = "+2", at_ms = 1 }
        _, judged = judge({ row(1) }, {}, { known = { key1 = other } })
        assert.same({ "unclear", "its recipient has changed" }, { judged[1].verdict, judged[1].detail })
    end)

    it("is unclear when the input says something else now", function()
        local one = row(1)
        local mark = doubt.mark({ from = FROM }, one.fields)
        local known = { key1 = { key = "key1", row = 1, to = TO, at_ms = BEGUN_S * 1000, mark = mark } }
        assert.same({ "SM1" }, (judge({ one }, { message "SM1" }, { known = known })))
        local changes = { { body = "Hello!" }, { from = "+7" }, { messaging_service_sid = "MG1" } }
        for _, changed in ipairs(changes) do
            local out, judged = judge({ row(1, changed) }, { message "SM1" }, { known = known })
            assert.same({ "unclear" }, out)
            assert.equal("its text or its sender has changed", judged[1].detail)
        end
    end)

    it("gets one message, and each message one row", function()
        local rows = { row(1), row(2), row(3) }
        assert.same({ "SM1", "SM2", "absent" }, (judge(rows, { message "SM1", message "SM2" })))
        assert.same({ "SM2", "absent", "absent" },
            (judge(rows, { message "SM1", message "SM2" }, { claimed = { SM1 = true } })))
    end)

    it("is looked for by Twilio's clock, as far as it is known", function()
        local list = { message("SM1", { date_created_unix = BEGUN_S - 1000 }) }
        assert.same({ "absent" }, (judge({ row(1) }, list)))
        assert.same({ "SM1" }, (judge({ row(1) }, list, { clock_ahead_s = 1000 })))
    end)

    it("is looked for with many others at once", function()
        local rows, list, wanted = {}, {}, {}
        for i = 1, 50 do
            rows[i] = row(i, { to = "+1555" .. i })
            list[i] = i % 2 == 0 and message("SM" .. i, { to = "+1555" .. i }) or message "SM0"
            wanted[i] = i % 2 == 0 and "SM" .. i or "absent"
        end
        assert.same(wanted, (judge(rows, list)))
    end)

    it("may have any sender of a service", function()
        assert.same({ "SM1" }, (judge({ row(1) }, { message("SM1", { from = "+7" }) }, { service = "MG1" })))
        assert.same({ "absent" }, (judge({ row(1, { from = FROM }) }, { message("SM1", { from = "+7" }) },
            { service = "MG1" })))
    end)
end)
