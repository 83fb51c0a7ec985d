local guards = require "twilio_sms.sim.guards"
local random = require "twilio_sms.sim.random"

local A, B, C = "+15557122661", "+15557122662", "+15557122663"
local START_MS = 1767225600000 -- 2026-01-01 00:00 UTC, 16:00 in Los Angeles

local function new(opts)
    return guards.new(opts, random.new(7), 1)
end

local function message(segments, changes)
    local out = { to = "+15558675310", from = A, segments = segments or 1 }
    for name, value in pairs(changes or {}) do
        out[name] = value
    end
    return out
end

describe("twilio_sms.sim.guards", function()
    it("lets everything pass unless it is told otherwise", function()
        local none = new {}
        for i = 1, 1000 do
            assert.is_nil(none:leave(message(), START_MS + i))
            assert.is_nil(none:reply(A, B, START_MS + i))
        end
    end)

    describe("against loops", function()
        local guard

        before_each(function()
            guard = new { loop_guard = true }
        end)

        it("stops the sixteenth reply between two numbers, for thirty seconds", function()
            for i = 1, 15 do
                assert.is_nil(guard:reply(i % 2 == 0 and A or B, i % 2 == 0 and B or A, START_MS + i * 30000))
            end
            local at_ms = START_MS + 16 * 30000
            assert.equal(14107, guard:reply(A, B, at_ms))
            assert.equal(14107, guard:reply(B, A, at_ms + 29999))
            assert.is_nil(guard:reply(A, C, at_ms))
            assert.is_nil(guard:reply(A, B, at_ms + 30000))
        end)

        it("begins anew after a pause", function()
            for round = 0, 5 do
                for i = 1, 15 do
                    assert.is_nil(guard:reply(A, B, START_MS + round * 40000 + i))
                end
            end
        end)

        it("forgets who has been quiet", function()
            for i = 1, 3000 do
                guard:reply(A, "+1555" .. 1000000 + i, START_MS + i * 1000)
            end
            local kept = 0
            for _, part in ipairs { guard.replies.young, guard.replies.old } do
                for _ in pairs(part) do
                    kept = kept + 1
                end
            end
            assert.truthy(kept <= 62, kept)
        end)
    end)

    describe("of the carriers", function()
        it("lets so many segments through in a second", function()
            local guard = new { carrier_limits = { per_second = 3 } }
            assert.is_nil(guard:leave(message(2), START_MS))
            assert.equal(30022, guard:leave(message(2), START_MS + 500))
            assert.is_nil(guard:leave(message(1, { from = B }), START_MS + 999))
            assert.equal(30022, guard:leave(message(1, { from = C }), START_MS + 999))
            assert.is_nil(guard:leave(message(3), START_MS + 1000))
        end)

        it("lets so many through in a day, which ends at midnight US Pacific", function()
            local guard = new { carrier_limits = { per_day = 10 } }
            assert.is_nil(guard:leave(message(9), START_MS))
            assert.equal(30023, guard:leave(message(2), START_MS + 1000))
            assert.is_nil(guard:leave(message(1), START_MS + 1000))
            assert.equal(30023, guard:leave(message(1), START_MS + 8 * 3600000 - 1))
            assert.is_nil(guard:leave(message(10), START_MS + 8 * 3600000))
            assert.equal(30023, guard:leave(message(1), START_MS + 32 * 3600000 - 1))
            assert.is_nil(guard:leave(message(1), START_MS + 32 * 3600000))
        end)

        it("concerns US long codes only", function()
            local guard = new { carrier_limits = { per_second = 1 } }
            assert.is_nil(guard:leave(message(1), START_MS))
            for _, from in ipairs { "+18885550100", "12345", "ACME", "+447700900123" } do
                assert.is_nil(guard:leave(message(1, { from = from }), START_MS), from)
            end
            assert.equal(30022, guard:leave(message(1), START_MS))
        end)
    end)

    describe("against SMS pumping", function()
        local function to(i, changes)
            changes = changes or {}
            changes.to = "+15558" .. 675000 + i
            return message(1, changes)
        end

        it("blocks a prefix that suddenly gets very many, for 15 to 30 minutes", function()
            local guard = new { pumping = { digits = 6, messages = 20, within_s = 60 } }
            for i = 1, 20 do
                assert.is_nil(guard:leave(to(i), START_MS + i))
            end
            assert.equal(30450, guard:leave(to(21), START_MS + 21))
            assert.equal(30450, guard:leave(to(22), START_MS + 899999))
            assert.is_nil(guard:leave(message(1, { to = "+447700900123" }), START_MS + 30))
            assert.is_nil(guard:leave(to(23, { is_trusted = true }), START_MS + 30))
            assert.is_nil(guard:leave(to(24), START_MS + 1800021))
        end)

        it("leaves steady traffic alone", function()
            local guard = new { pumping = { digits = 6, messages = 20, within_s = 60 } }
            for i = 1, 500 do
                assert.is_nil(guard:leave(to(i), START_MS + i * 3000))
            end
        end)
    end)

    it("refuses what makes no sense", function()
        for _, case in ipairs {
            { { carrier_limits = { per_minute = 1 } }, "unknown option 'per_minute'" },
            { { carrier_limits = { per_day = 0 } }, "carrier_limits: per_day must be above 0" },
            { { pumping = { messages = -1 } }, "pumping: messages must be above 0" },
        } do
            local ok, text = pcall(new, case[1])
            assert.is_false(ok)
            assert.truthy(text:find(case[2], 1, true), text)
        end
    end)
end)
